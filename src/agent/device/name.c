/* SPDX-License-Identifier: MIT */
/*
 * name.c - names of devices, lists of them, and the environment that
 * keeps a llama-server to one. Knows nothing of what the machine really has.
 */
#include "agent/device/internal.h"

#include <ctype.h>
#include <string.h>

#include "base/log.h"

#define INDEX_DIGITS_MAX 4 /* AG_GPU_INDEX_MAX */

static int
not_a_name(const char *name, const char *why, struct gw_err *err)
{
	char quoted[160];

	return gw_err_set(
		err, GW_ERR_INVALID_REQUEST, 0,
		"%s is not a device: %s; a device is gpu:N, gpu:N,M "
		"(one server over several GPUs) or cpu:0",
		gw_log_quote(quoted, sizeof(quoted), name, strlen(name)), why);
}

/* Does the device have this GPU? */
static bool
has_gpu(const struct ag_device *d, unsigned index)
{
	for (size_t i = 0; i < d->n_gpus; i++)
		if (d->gpu[i] == index)
			return true;
	return false;
}

/* "0,12" into @d. Returns NULL, or what is wrong. */
static const char *
read_indexes(const char *p, struct ag_device *d)
{
	for (;;) {
		size_t digits = strspn(p, "0123456789");
		unsigned index = 0;

		if (digits == 0)
			return "a GPU's index is missing";
		if (digits > INDEX_DIGITS_MAX)
			return "a GPU's index has at most 4 digits";
		if (*p == '0' && digits > 1)
			return "a GPU's index has no zeros in front";
		for (; digits > 0; digits--)
			index = index * 10 + (unsigned)(*p++ - '0');
		if (has_gpu(d, index))
			return "it names a GPU twice";
		if (d->n_gpus == AG_GPUS_MAX)
			return "it has too many GPUs";
		d->gpu[d->n_gpus++] = index;
		if (*p == '\0')
			return NULL;
		if (*p++ != ',')
			return "indexes are numbers with commas between them";
	}
}

int
ag_device_check_name(const char *name, struct ag_device *out,
		     struct gw_err *err)
{
	struct ag_device d = {0};
	const char *wrong = NULL;

	ag_sample_clear(&d.sample, 0);
	if (strlen(name) >= sizeof(d.id))
		return not_a_name(name, "it is too long", err);
	memcpy(d.id, name, strlen(name) + 1);
	if (strncmp(name, "gpu:", 4) == 0) {
		d.kind = AG_DEVICE_GPU;
		wrong = read_indexes(name + 4, &d);
		d.sample.index = d.gpu[0];
	} else if (strcmp(name, "cpu:0") != 0) {
		wrong = strncmp(name, "cpu:", 4) == 0
				? "all cores together are cpu:0"
				: "it is of no known kind";
	}
	if (wrong)
		return not_a_name(name, wrong, err);
	if (out)
		*out = d;
	return 0;
}

/* Do two devices share something? Then @gpu is the first such GPU. */
static bool
overlap(const struct ag_device *a, const struct ag_device *b, unsigned *gpu)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == AG_DEVICE_CPU)
		return true;
	for (size_t i = 0; i < a->n_gpus; i++) {
		if (has_gpu(b, a->gpu[i])) {
			*gpu = a->gpu[i];
			return true;
		}
	}
	return false;
}

static int
check_beside(const struct ag_device *d, const struct ag_device *before,
	     struct gw_err *err)
{
	unsigned gpu = 0;

	if (!overlap(d, before, &gpu))
		return 0;
	if (strcmp(d->id, before->id) == 0)
		return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
				  "device %s is listed twice", d->id);
	return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
			  "GPU %u is in two devices, %s and %s", gpu,
			  before->id, d->id);
}

int
ag_device_check_list(const struct gw_keys *names, size_t *at,
		     struct gw_err *err)
{
	struct ag_device seen[AG_DEVICES_MAX];

	for (size_t i = 0; i < names->n; i++) {
		*at = i;
		if (i == AG_DEVICES_MAX)
			return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
					  "more than %d devices are listed",
					  AG_DEVICES_MAX);
		if (ag_device_check_name(names->key[i], &seen[i], err) < 0)
			return -1;
		for (size_t k = 0; k < i; k++)
			if (check_beside(&seen[i], &seen[k], err) < 0)
				return -1;
	}
	return 0;
}

static int
put(struct gw_buf *out, const char *name, const char *value)
{
	if (gw_buf_printf(out, "%s=%s", name, value) < 0)
		return -1;
	return gw_buf_append(out, "", 1);
}

/*
 * ROCR_VISIBLE_DEVICES stays as it is: it filters below HIP, and what is left
 * is counted from 0 again, so that with both a GPU would be chosen twice.
 *
 * GGML_VK_VISIBLE_DEVICES counts the devices as Vulkan lists them, which need
 * not be the vendor tool's order, and a number that Vulkan does not have ends
 * llama-server. So it is set only where the index is nobody's but the
 * operator's. Set and empty it leaves a Vulkan build no device at all, as it
 * should be for the CPU; "-1" would end llama-server.
 */
int
ag_device_env(const struct ag_device *d, struct gw_buf *out)
{
	bool cpu = d->kind == AG_DEVICE_CPU;
	bool nobody = d->vendor == AG_VENDOR_NONE;
	const char *list = cpu ? "-1" : d->id + strlen("gpu:");

	if (cpu || nobody || d->vendor == AG_VENDOR_NVIDIA) {
		if (!cpu && put(out, "CUDA_DEVICE_ORDER", "PCI_BUS_ID") < 0)
			return -1;
		if (put(out, "CUDA_VISIBLE_DEVICES", list) < 0)
			return -1;
	}
	if ((cpu || nobody || d->vendor == AG_VENDOR_AMD) &&
	    put(out, "HIP_VISIBLE_DEVICES", list) < 0)
		return -1;
	if (cpu || nobody)
		return put(out, "GGML_VK_VISIBLE_DEVICES", cpu ? "" : list);
	return 0;
}
