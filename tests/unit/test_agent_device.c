/* SPDX-License-Identifier: MIT */
/*
 * test_agent_device.c - names of devices, lists of them, the environment that
 * keeps a llama-server to one, and several GPUs as one.
 */
#include <errno.h>
#include <stdlib.h>

#include "device_fixture.h"

/* ---- names -----------------------------------------------------------------
 */

static void
good_name(const char *name, size_t gpus, unsigned last)
{
	struct ag_device d;
	struct gw_err err = {0};

	ok(ag_device_check_name(name, &d, &err) == 0 &&
		   strcmp(d.id, name) == 0 && d.n_gpus == gpus &&
		   d.kind == (gpus ? AG_DEVICE_GPU : AG_DEVICE_CPU) &&
		   (gpus == 0 || d.gpu[gpus - 1] == last) &&
		   d.sample.memory_total_mib == AG_UNKNOWN && !d.missing,
	   "device: name %s -> understood", name);
}

static void
bad_name(const char *name, const char *why)
{
	struct gw_err err = {0};

	ok(ag_device_check_name(name, NULL, &err) < 0 &&
		   err.code == GW_ERR_INVALID_REQUEST && strstr(err.msg, why) &&
		   strstr(err.msg, "gpu:N,M"),
	   "device: name %.70s -> refused, %s", name, why);
}

static void
names(void)
{
	char text[AG_DEVICE_ID_BYTES + 1] = "gpu:";

	good_name("cpu:0", 0, 0);
	good_name("gpu:0", 1, 0);
	good_name("gpu:3,1", 2, 1);
	good_name("gpu:9999", 1, 9999);
	bad_name("", "no known kind");
	bad_name("gpu", "no known kind");
	bad_name("GPU:0", "no known kind");
	bad_name("cuda:0", "no known kind");
	bad_name("cpu:1", "all cores");
	bad_name("cpu:", "all cores");
	bad_name("gpu:", "index is missing");
	bad_name("gpu:x", "index is missing");
	bad_name("gpu:-1", "index is missing");
	bad_name("gpu:0,", "index is missing");
	bad_name("gpu:,0", "index is missing");
	bad_name("gpu:00", "no zeros");
	bad_name("gpu:0 1", "commas");
	bad_name("gpu:10000", "at most 4 digits");
	bad_name("gpu:2,0,2", "twice");
	for (unsigned i = 0; i < 20; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%s%u", i ? "," : "", i + 10);
	good_name(text, 20, 29); /* 63 bytes */
	snprintf(text + strlen(text), 2, "0");
	bad_name(text, "too long");
}

/* ---- lists -----------------------------------------------------------------
 */

static void
list_is(char **name, size_t n, size_t at, const char *why, const char *title)
{
	struct gw_keys keys = {name, n};
	struct gw_err err = {0};
	size_t fault = 12345;
	int rc = ag_device_check_list(&keys, &fault, &err);

	if (!ok(why ? rc < 0 && fault == at && strstr(err.msg, why) &&
				err.code == GW_ERR_INVALID_REQUEST
		    : rc == 0,
		"%s", title))
		printf("# rc %d at %zu: %s\n", rc, fault, err.msg);
}

#define LIST(at, why, title, ...)                                              \
	do {                                                                   \
		char *list_names[] = {__VA_ARGS__};                            \
		list_is(list_names, GW_ARRAY_LEN(list_names), at, why, title); \
	} while (0)

static void
lists(void)
{
	char text[AG_DEVICES_MAX + 1][16];
	char *name[AG_DEVICES_MAX + 1];

	list_is(NULL, 0, 0, NULL, "device: an empty list -> accepted");
	LIST(0, NULL, "device: different devices -> accepted", (char *)"gpu:2",
	     (char *)"gpu:0,1", (char *)"cpu:0");
	LIST(2, "gpu:1 is listed twice", "device: one twice -> refused",
	     (char *)"gpu:1", (char *)"cpu:0", (char *)"gpu:1");
	LIST(1, "cpu:0 is listed twice", "device: the CPU twice -> refused",
	     (char *)"cpu:0", (char *)"cpu:0");
	LIST(1, "GPU 1 is in two devices, gpu:0,1 and gpu:2,1",
	     "device: a GPU in two devices -> refused, both named",
	     (char *)"gpu:0,1", (char *)"gpu:2,1");
	LIST(1, "not a device", "device: no name in a list -> its place",
	     (char *)"gpu:0", (char *)"gpu:a");
	for (size_t i = 0; i <= AG_DEVICES_MAX; i++) {
		snprintf(text[i], sizeof(text[i]), "gpu:%zu", i);
		name[i] = text[i];
	}
	list_is(name, AG_DEVICES_MAX, 0, NULL,
		"device: as many as there may be -> accepted");
	list_is(name, AG_DEVICES_MAX + 1, AG_DEVICES_MAX, "more than 32",
		"device: one more -> refused");
}

/* ---- environment -----------------------------------------------------------
 */

static void
env_is(const char *name, enum ag_vendor vendor, const char *want,
       const char *title)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(512);
	struct ag_device d;
	struct gw_err err;

	if (ag_device_check_name(name, &d, &err) < 0)
		exit(99);
	d.vendor = vendor;
	if (ag_device_env(&d, &b) < 0)
		exit(99);
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] == '\0')
			b.data[i] = '\n';
	is_str(b.data, want, title);
}

static void
environments(void)
{
	struct gw_buf tiny GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(40);
	struct ag_device d;
	struct gw_err err;

	env_is("gpu:1", AG_VENDOR_NVIDIA,
	       "CUDA_DEVICE_ORDER=PCI_BUS_ID\nCUDA_VISIBLE_DEVICES=1\n",
	       "env: an NVIDIA GPU -> CUDA");
	env_is("gpu:2,0", AG_VENDOR_NVIDIA,
	       "CUDA_DEVICE_ORDER=PCI_BUS_ID\nCUDA_VISIBLE_DEVICES=2,0\n",
	       "env: two GPUs -> in the order of the name");
	env_is("gpu:0", AG_VENDOR_AMD, "HIP_VISIBLE_DEVICES=0\n",
	       "env: an AMD GPU -> HIP alone");
	env_is("gpu:3", AG_VENDOR_NONE,
	       "CUDA_DEVICE_ORDER=PCI_BUS_ID\nCUDA_VISIBLE_DEVICES=3\n"
	       "HIP_VISIBLE_DEVICES=3\nGGML_VK_VISIBLE_DEVICES=3\n",
	       "env: a GPU that nobody listed -> every kind");
	env_is("cpu:0", AG_VENDOR_NONE,
	       "CUDA_VISIBLE_DEVICES=-1\nHIP_VISIBLE_DEVICES=-1\n"
	       "GGML_VK_VISIBLE_DEVICES=\n",
	       "env: the CPU -> every GPU hidden");
	ok(ag_device_check_name("gpu:1", &d, &err) == 0 &&
		   ag_device_env(&d, &tiny) < 0,
	   "env: no room -> an error");
}

/* ---- several GPUs as one ---------------------------------------------------
 */

static struct ag_sample_list two;

static struct ag_sample *
gpu(size_t i, const char *name, int64_t total, int64_t available, int64_t use,
    int64_t degrees)
{
	struct ag_sample *s = &two.sample[i];

	two.n = i + 1;
	*s = (struct ag_sample){.index = (unsigned)i,
				.uuid = "U",
				.memory_total_mib = total,
				.memory_free_mib = available,
				.utilisation_pct = use,
				.temperature_c = degrees,
				.power_mw = 1000};
	snprintf(s->name, sizeof(s->name), "%s", name);
	return s;
}

static void
aggregate_is(const char *want, const char *title)
{
	struct ag_device d;
	struct gw_err err;
	char got[300];

	if (ag_device_check_name("gpu:0,1", &d, &err) < 0 ||
	    !ag_device_take(&d, &two))
		exit(99);
	is_str(sample_text(&d.sample, got, sizeof(got)), want, title);
}

static void
aggregates(void)
{
	struct ag_device d;
	struct gw_err err;
	char name[96];

	gpu(0, "A", 100, 60, 10, 40);
	gpu(1, "A", 200, 70, 31, 55);
	aggregate_is("0 'A' '' 300/130 MiB 20% 55C 2000mW",
		     "device: two GPUs -> sums, mean, highest");
	gpu(1, "B", AG_UNKNOWN, 70, AG_UNKNOWN, AG_UNKNOWN);
	aggregate_is("0 'A + B' '' -1/130 MiB -1% 40C 2000mW",
		     "device: one of two does not tell -> sums unknown");
	memset(name, 'n', 94);
	name[94] = '\0';
	gpu(0, name, 1, 1, 1, 1);
	gpu(1, "B", 1, 1, 1, 1);
	if (ag_device_check_name("gpu:0,1", &d, &err) == 0)
		(void)ag_device_take(&d, &two);
	is_str(d.sample.name, name,
	       "device: names that do not fit -> the first one");
	two.n = 1;
	ok(!ag_device_take(&d, &two) && d.sample.memory_free_mib == AG_UNKNOWN,
	   "device: one of two is not listed -> missing, unknown");
}

int
main(void)
{
	names();
	lists();
	environments();
	aggregates();
	return done_testing();
}
