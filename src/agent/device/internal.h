/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the files behind device.h share: reading numbers and
 * texts that vendor tools print, samples, and running one tool.
 */
#ifndef AG_DEVICE_INTERNAL_H
#define AG_DEVICE_INTERNAL_H

#include "agent/device/device.h"
#include "agent/process/process.h"

#define AG_STALE_AFTER 3 /* failed refreshes in a row until numbers are dropped */
#define AG_WORDS_BYTES 220 /* of a tool's own words in a message */
#define AG_MEMORY_MAX_MIB (1ll << 40) /* larger numbers are not believed */
#define AG_TEMPERATURE_MAX_C 1000
#define AG_POWER_MAX_MW 1000000000ll
#define AG_GPU_INDEX_MAX 9999

/* ---- numbers and texts (value.c) ----------------------------------- */

/*
 * ag_read_milli - a decimal number in thousandths: "350.51 W" is 350510.
 * @unit  what may stand behind it; "" = nothing
 * Returns AG_UNKNOWN for anything else: "[N/A]", another unit, a negative or a
 * huge number.
 */
int64_t ag_read_milli(const char *p, size_t n, const char *unit);

/* ag_read_whole - the same, rounded, at most @max. */
int64_t ag_read_whole(const char *p, size_t n, const char *unit, int64_t max);

/* ag_at_most - @value, or AG_UNKNOWN when it is more than @max. */
int64_t ag_at_most(int64_t value, int64_t max);

/*
 * ag_read_text - copy what people will read: always UTF-8 without control
 * characters, cut to @cap between two characters, "" for "[N/A]" and the like.
 */
void ag_read_text(char *out, size_t cap, const char *p, size_t n);

/* ag_text_is - are these @n bytes @word, without regard to case? */
bool ag_text_is(const char *p, size_t n, const char *word);

/* ag_trim - drop blanks at both ends. */
void ag_trim(const char **p, size_t *n);

/* ---- samples (sample.c) -------------------------------------------- */

/* ag_sample_clear - nothing is known but the index. */
void ag_sample_clear(struct ag_sample *s, unsigned index);

/* ag_sample_forget - the numbers are not known any more; names stay. */
void ag_sample_forget(struct ag_sample *s);

/* ag_sample_sort - order by index. Returns 0, or -1: @err, one comes twice. */
GW_MUSTCHECK int ag_sample_sort(struct ag_sample_list *l, struct gw_err *err);

/*
 * ag_device_take - put what a tool listed into a device of kind GPU.
 * Returns whether all of its GPUs are listed; else its numbers are unknown.
 */
bool ag_device_take(struct ag_device *d, const struct ag_sample_list *l);

/* ag_cpu_read - a device of kind CPU, from /proc. */
void ag_cpu_read(struct ag_device *d);

/* ag_cpu_name - the first "model name" of /proc/cpuinfo's text, or "CPU". */
void ag_cpu_name(const char *cpuinfo, char *out, size_t cap);

/* ---- log lines (log.c) --------------------------------------------- */

/*
 * ag_device_log_all - say what devices there are.
 * @by      who told of them
 * @listed  GPUs that a vendor tool lists
 */
void ag_device_log_all(const struct ag_device *device, size_t n, const char *by,
		       size_t listed);

/* ag_device_log_missing - warn of a device that @tool does not list. */
void ag_device_log_missing(const struct ag_device *d, const char *tool,
			   const struct ag_sample_list *list);

/* ---- one tool (tool.c) --------------------------------------------- */

/* How a run ended. */
enum ag_tool_end {
	AG_TOOL_ANSWERED, /* it ended by itself; look at the status */
	AG_TOOL_ABSENT,	  /* it is not installed */
	AG_TOOL_FAILED	  /* it did not start, hung, was killed, or flooded us */
};

struct ag_tool_answer {
	enum ag_tool_end end;
	int status;	    /* exit status, when ANSWERED */
	const char *text;   /* its output; never NULL */
	size_t len;
	const char *reason; /* for people, when it did not end with status 0 */
};

/* All zero, then ag_tool_init(). */
struct ag_tool {
	struct ev_loop *loop;
	const char *guard;	    /* not owned */
	struct ag_process *process; /* NULL = nothing runs */
	ev_timer limit;
	uint32_t limit_ms;
	struct gw_buf out;
	bool owed;    /* on_end was not called yet */
	bool flooded; /* it printed more than AG_TOOL_OUTPUT_MAX */
	void (*on_end)(void *arg, const struct ag_tool_answer *a);
	void *arg;
};

/*
 * ag_tool_init - prepare a runner.
 * @limit_ms  after that a tool is killed and has failed
 * @on_end    called once for each run, on the loop; may release the runner
 */
void ag_tool_init(struct ag_tool *t, struct ev_loop *loop, const char *guard,
		  uint32_t limit_ms,
		  void (*on_end)(void *arg, const struct ag_tool_answer *a),
		  void *arg);

/*
 * ag_tool_run - start it. Not while ag_tool_is_busy().
 * Returns 0, or -1 with what ag_process_start() says; then on_end is not called.
 */
GW_MUSTCHECK int ag_tool_run(struct ag_tool *t, const char *const *argv,
			     struct gw_err *err);

/*
 * ag_tool_is_busy - is there a process? Also after on_end, while a killed tool
 * hangs in the driver: it must go before another one is started.
 */
bool ag_tool_is_busy(const struct ag_tool *t);

/* ag_tool_release - kill what runs; no further callback. */
void ag_tool_release(struct ag_tool *t);

/* ---- life cycle (device.c) ------------------------------------------------ */

/* ag_devices_new_limited - ag_devices_new() with another AG_TOOL_LIMIT_MS. */
GW_MUSTCHECK struct ag_devices *
ag_devices_new_limited(struct ev_loop *loop, const char *guard,
		       const struct gw_keys *names, uint32_t limit_ms,
		       void (*on_ready)(void *arg), void *arg,
		       struct gw_err *err);

#endif
