/* SPDX-License-Identifier: MIT */
/*
 * log.c - the lines an operator reads about devices. A line that gets
 * too long is cut behind a whole device.
 */
#include "agent/device/internal.h"

#include "base/log.h"

#define LIST_TEXT_MAX 1500 /* bytes of a line that name devices */
#define DEVICE_TEXT_BYTES 256

static void
one(const struct ag_device *d, char text[DEVICE_TEXT_BYTES])
{
	char memory[48] = "";

	if (d->sample.memory_total_mib != AG_UNKNOWN)
		snprintf(memory, sizeof(memory), " %lld MiB",
			 (long long)d->sample.memory_total_mib);
	snprintf(text, DEVICE_TEXT_BYTES, "%s%s%s%s%s", d->id,
		 d->sample.name[0] ? " " : "", d->sample.name, memory,
		 d->missing ? " (missing)" : "");
}

void
ag_device_log_all(const struct ag_device *device, size_t n, const char *by,
		  size_t listed)
{
	struct gw_buf text gw_auto_buf = GW_BUF_INIT(LIST_TEXT_MAX);
	char item[DEVICE_TEXT_BYTES], quoted[LIST_TEXT_MAX + 4];

	for (size_t i = 0; i < n; i++) {
		one(&device[i], item);
		if (gw_buf_printf(&text, "%s%s", i ? ", " : "", item) < 0)
			break;
	}
	gw_log(GW_EV_DEVICES, NULL, "by=%s n=%zu listed=%zu devices=%s", by, n,
	       listed,
	       gw_log_quote(quoted, sizeof(quoted), text.data ? text.data : "",
			    text.len));
}

void
ag_device_log_missing(const struct ag_device *d, const char *tool,
		      const struct ag_sample_list *list)
{
	struct gw_buf text gw_auto_buf = GW_BUF_INIT(LIST_TEXT_MAX);

	for (size_t i = 0; i < list->n; i++)
		if (gw_buf_printf(&text, "%s%u", i ? "," : "",
				  list->sample[i].index) < 0)
			break;
	gw_log(GW_EV_DEVICE_MISSING, NULL, "device=%s tool=%s indexes=%s", d->id,
	       tool, list->n > 0 && text.data ? text.data : "none");
}
