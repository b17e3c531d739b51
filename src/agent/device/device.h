/* SPDX-License-Identifier: MIT */
/*
 * device.h - what a llama-server can run on, and how it stands.
 *
 * `devices: auto` means every GPU that nvidia-smi (else rocm-smi) lists, one
 * device each, or cpu:0 where there is none. A list names them: "gpu:N" (the
 * vendor tool's index N), "gpu:N,M" (one llama-server over several GPUs),
 * "cpu:0". The vendor tools run as child processes; what they said last is
 * kept, so reading here never waits.
 */
#ifndef AG_DEVICE_H
#define AG_DEVICE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/keys.h"

#define AG_DEVICES_MAX 32	  /* devices of an agent */
#define AG_GPUS_MAX 64		  /* GPUs that a vendor tool may list */
#define AG_DEVICE_ID_BYTES 64	  /* "gpu:0,1,2" */
#define AG_TOOL_OUTPUT_MAX (256u << 10) /* bytes of a vendor tool's answer */
#define AG_TOOL_LIMIT_MS 10000	  /* until a vendor tool is killed */
#define AG_SAMPLE_AGE_MS 2000	  /* oldest reading that is shown */
#define AG_UNKNOWN (-1)		  /* a number that was not told: [N/A] */

enum ag_device_kind { AG_DEVICE_CPU, AG_DEVICE_GPU };
enum ag_vendor { AG_VENDOR_NONE, AG_VENDOR_NVIDIA, AG_VENDOR_AMD };

/* What is known of one GPU, or of the machine for the CPU. */
struct ag_sample {
	unsigned index;
	char name[96];
	char uuid[64];		  /* "" = not told */
	int64_t memory_total_mib; /* AG_UNKNOWN = not told, also below */
	int64_t memory_free_mib;
	int64_t utilisation_pct;  /* 0 .. 100 */
	int64_t temperature_c;
	int64_t power_mw;
};

struct ag_sample_list {
	struct ag_sample sample[AG_GPUS_MAX];
	size_t n;
};

/*
 * ag_nvidia_parse - read what
 * nvidia-smi --query-gpu=index,uuid,name,memory.total,memory.free,\
 *   utilization.gpu,temperature.gpu,power.draw --format=csv
 * prints: a head line, then a line a GPU with units ("24576 MiB", "3 %",
 * "[N/A]", "[Not Supported]", "[Unknown Error]", ...).
 * @text, @len  as it came; CR LF tolerated; columns are found by the head line
 * @out         overwritten; GPUs in the order of their index
 * @err         INTERNAL with the line at fault
 * Returns 0, or -1: no head line, a line of another shape, over AG_GPUS_MAX.
 * A value that is not told or cannot be read is AG_UNKNOWN, never an error; an
 * index that cannot be read, or comes twice, is one. Messages around the lines
 * are passed over; "No devices were found" is a list of none.
 */
GW_MUSTCHECK int ag_nvidia_parse(const char *text, size_t len,
				 struct ag_sample_list *out,
				 struct gw_err *err);

/* ag_nvidia_command - argv of that question, NULL at the end; static. */
extern const char *const ag_nvidia_command[];

/*
 * ag_rocm_parse - read what
 * rocm-smi --showproductname --showuniqueid --showmeminfo vram --showuse \
 *   --showtemp --showpower --json
 * prints: one object, a member "cardN" a GPU. Names of members differ between
 * versions ("Card series", "Card Series"); they are matched without regard to
 * case. Warnings around the object are skipped; "No AMD GPUs specified" and
 * "No JSON data to report" without an object are a list of none.
 */
GW_MUSTCHECK int ag_rocm_parse(const char *text, size_t len,
			       struct ag_sample_list *out, struct gw_err *err);
extern const char *const ag_rocm_command[];

/*
 * ag_cpu_sample - the machine as a device: MemTotal and MemAvailable of
 * @meminfo, the load of one minute of @loadavg by @cores as utilisation.
 * @meminfo, @loadavg  text of /proc/meminfo and /proc/loadavg
 */
void ag_cpu_sample(const char *meminfo, const char *loadavg, unsigned cores,
		   struct ag_sample *out);

/* One device. Fields change only in ag_devices' own callbacks. */
struct ag_device {
	char id[AG_DEVICE_ID_BYTES]; /* as in the configuration */
	enum ag_device_kind kind;
	enum ag_vendor vendor;	     /* GPUs: who listed it, NONE = nobody */
	unsigned gpu[AG_GPUS_MAX];   /* indexes, kind GPU */
	size_t n_gpus;
	bool missing;		     /* the vendor tool does not list it: at the
				      * start, or any more. No tool, or one that
				      * fails: false, numbers unknown */
	struct ag_sample sample;     /* of several GPUs: sums of memory, mean of
				      * utilisation, highest temperature */
	uint64_t sampled_ms;	     /* gw_mono_ms(), 0 = never */
};

struct ag_devices;

/*
 * ag_device_check_name - is this the name of a device?
 * @out  filled with id, kind and gpu[]; may be NULL
 * @err  INVALID_REQUEST, what a name looks like
 */
GW_MUSTCHECK int ag_device_check_name(const char *name, struct ag_device *out,
				      struct gw_err *err);

/*
 * ag_device_check_list - can these devices stand beside each other?
 * @at   index of the name at fault, on failure
 * @err  INVALID_REQUEST: not a name (as above), a device or a GPU that another
 *       one has already, more than AG_DEVICES_MAX
 */
GW_MUSTCHECK int ag_device_check_list(const struct gw_keys *names, size_t *at,
				      struct gw_err *err);

/*
 * ag_devices_new - begin discovery.
 * @loop      libev's default loop
 * @guard     path of rolemesh-guard, for the vendor tools
 * @names     of the configuration, checked; empty = auto
 * @on_ready  called once on the loop when the devices are known, at the latest
 *            after AG_TOOL_LIMIT_MS a tool; never before this returns
 * @err       INTERNAL
 * Returns an object the caller frees, or NULL.
 */
GW_MUSTCHECK struct ag_devices *
ag_devices_new(struct ev_loop *loop, const char *guard,
	       const struct gw_keys *names, void (*on_ready)(void *arg),
	       void *arg, struct gw_err *err);
void ag_devices_free(struct ag_devices *d);

/*
 * ag_devices_list - the devices, in the order of the configuration or of the
 * indexes; @n is 0 until on_ready. The array stays where it is until the end.
 */
struct ag_device *ag_devices_list(struct ag_devices *d, size_t *n);

/*
 * ag_devices_refresh - ask the vendor tool (or /proc) again when what is known
 * is older than @max_age_ms and nobody is asking. Returns at once. While the
 * tool fails the last sample stays, and after three failures in a row its
 * numbers are AG_UNKNOWN; sampled_ms tells when it last succeeded.
 */
void ag_devices_refresh(struct ag_devices *d, uint32_t max_age_ms);

/*
 * ag_devices_on_sample - be told whenever numbers were read again.
 * @sampled  called on the loop or from ag_devices_refresh()
 */
void ag_devices_on_sample(struct ag_devices *d, void (*sampled)(void *arg),
			  void *arg);

/*
 * ag_device_env - how a llama-server is kept to its device.
 * @out  appended to: "NAME=value" strings, each with its '\0'. For GPUs
 *       CUDA_VISIBLE_DEVICES=N and CUDA_DEVICE_ORDER=PCI_BUS_ID (so that N means
 *       what nvidia-smi means), HIP_VISIBLE_DEVICES for AMD, all of them and
 *       GGML_VK_VISIBLE_DEVICES where nobody listed it; for the CPU values that
 *       hide every GPU
 * Returns 0, or -1 when @out is full.
 */
GW_MUSTCHECK int ag_device_env(const struct ag_device *d, struct gw_buf *out);

#endif
