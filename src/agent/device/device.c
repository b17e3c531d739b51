/* SPDX-License-Identifier: MIT */
/*
 * device.c - which devices there are, and keeping what is known of them fresh.
 *
 * Discovery asks nvidia-smi, then rocm-smi, until one lists a GPU; that one is
 * asked again by every refresh. Nothing here waits for a tool.
 */
#include "agent/device/internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define TOOLS 2

static const struct vendor {
	enum ag_vendor vendor;
	const char *const *argv;
	int (*parse)(const char *text, size_t len, struct ag_sample_list *out,
		     struct gw_err *err);
} vendors[TOOLS] = {
	{AG_VENDOR_NVIDIA, ag_nvidia_command, ag_nvidia_parse},
	{AG_VENDOR_AMD, ag_rocm_command, ag_rocm_parse},
};

/* How the asking of a tool went, in the order of their worth. */
enum outcome {
	ABSENT,
	LISTED_NONE,
	FAILED,
	LISTED
};

struct ag_devices {
	struct ev_loop *loop;
	char *guard;
	void (*on_ready)(void *arg);
	void *arg;
	void (*on_sample)(void *arg); /* or NULL */
	void *on_sample_arg;
	struct ag_device device[AG_DEVICES_MAX];
	size_t n;
	bool is_auto;
	bool ready;
	ev_timer begin; /* discovery begins in the loop */
	struct ag_tool tool[TOOLS];
	size_t asking; /* index of the tool that is, or was last, asked */
	size_t best;   /* of discovery: the one to be asked again */
	enum outcome best_outcome;
	uint64_t asked_ms; /* when the last asking ended */
	unsigned failures; /* refreshes in a row */
	struct gw_log_limit limit;
};

static bool
has_gpus(const struct ag_devices *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->device[i].kind == AG_DEVICE_GPU)
			return true;
	return false;
}

static void
read_cpus(struct ag_devices *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->device[i].kind == AG_DEVICE_CPU)
			ag_cpu_read(&d->device[i]);
}

/* ---- what a tool said ------------------------------------------------------
 */

static void
tool_failed(struct ag_devices *d, const char *reason)
{
	char quoted[GW_ERR_MSG_BYTES];

	gw_log_limited(
		&d->limit, GW_EV_DEVICE_TOOL_FAILED, NULL, "tool=%s reason=%s",
		vendors[d->asking].argv[0],
		gw_log_quote(quoted, sizeof(quoted), reason, strlen(reason)));
}

/*
 * A status other than 0 does not make a list wrong: nvidia-smi warns that way
 * of one bad GPU among good ones, or that there is none. @reason is a storage
 * of GW_ERR_MSG_BYTES.
 */
static enum outcome
read_answer(const struct vendor *v, const struct ag_tool_answer *a,
	    struct ag_sample_list *list, char *reason)
{
	struct gw_err err = {0};

	list->n = 0;
	if (a->end == AG_TOOL_ANSWERED &&
	    v->parse(a->text, a->len, list, &err) == 0)
		return list->n > 0 ? LISTED : LISTED_NONE;
	list->n = 0;
	snprintf(reason, GW_ERR_MSG_BYTES, "%s",
		 a->end == AG_TOOL_ANSWERED && a->status == 0 ? err.msg
							      : a->reason);
	return a->end == AG_TOOL_ABSENT ? ABSENT : FAILED;
}

/* The one line that says what there is. */
static void
say_devices(const struct ag_devices *d, const struct ag_sample_list *list)
{
	const char *by = d->is_auto ? "nobody" : "configuration";

	if (list->n > 0)
		by = vendors[d->asking].argv[0];
	ag_device_log_all(d->device, d->n, by, list->n);
}

static void
take_list(struct ag_devices *d, const struct ag_sample_list *list)
{
	uint64_t now = gw_mono_ms();
	bool back = false;

	for (size_t i = 0; i < d->n; i++) {
		struct ag_device *dev = &d->device[i];
		bool was_missing = dev->missing;

		if (dev->kind != AG_DEVICE_GPU)
			continue;
		dev->missing = !ag_device_take(dev, list);
		if (!dev->missing) {
			dev->vendor = vendors[d->asking].vendor;
			dev->sampled_ms = now;
			back = back || was_missing;
		} else if (!was_missing) {
			ag_device_log_missing(dev, vendors[d->asking].argv[0],
					      list);
		}
	}
	if (back)
		say_devices(d, list);
}

/* ---- discovery -------------------------------------------------------------
 */

static void
name_device(struct ag_devices *d, const char *name)
{
	struct gw_err err;

	if (ag_device_check_name(name, &d->device[d->n], &err) == 0)
		d->n++;
}

/* `auto`: a device for each GPU, as many as there may be. */
static void
make_devices(struct ag_devices *d, const struct ag_sample_list *list)
{
	char name[AG_DEVICE_ID_BYTES];

	for (size_t i = 0; i < list->n && d->n < AG_DEVICES_MAX; i++) {
		snprintf(name, sizeof(name), "gpu:%u", list->sample[i].index);
		name_device(d, name);
	}
	if (d->n == 0)
		name_device(d, "cpu:0");
}

/* The last step: may free @d. */
static void
discovered(struct ag_devices *d, const struct ag_sample_list *list)
{
	d->asking = d->best;
	if (d->is_auto)
		make_devices(d, list);
	if (d->best_outcome == LISTED || d->best_outcome == LISTED_NONE)
		take_list(d, list);
	read_cpus(d);
	d->asked_ms = gw_mono_ms();
	d->ready = true;
	say_devices(d, list);
	d->on_ready(d->arg);
}

/* Ask tool d->asking, or a later one when it cannot be started. */
static void
ask_next(struct ag_devices *d)
{
	static const struct ag_sample_list nothing;
	struct gw_err err = {0};

	for (; d->asking < TOOLS; d->asking++) {
		if (ag_tool_run(&d->tool[d->asking], vendors[d->asking].argv,
				&err) == 0)
			return;
		tool_failed(d, err.msg);
		if (FAILED > d->best_outcome) {
			d->best = d->asking;
			d->best_outcome = FAILED;
		}
	}
	discovered(d, &nothing);
}

static void
discovery_answer(struct ag_devices *d, const struct ag_tool_answer *a)
{
	struct ag_sample_list list;
	char reason[GW_ERR_MSG_BYTES];
	enum outcome outcome =
		read_answer(&vendors[d->asking], a, &list, reason);

	if (outcome == FAILED)
		tool_failed(d, reason);
	if (outcome > d->best_outcome) {
		d->best = d->asking;
		d->best_outcome = outcome;
	}
	if (outcome == LISTED) {
		discovered(d, &list);
		return;
	}
	d->asking++;
	ask_next(d);
}

static void
on_begin(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct ag_devices *d = timer->data;

	(void)loop;
	(void)events;
	if (!d->is_auto && !has_gpus(d))
		d->asking = TOOLS;
	ask_next(d);
}

/* ---- refresh ---------------------------------------------------------------
 */

static void
refresh_failed(struct ag_devices *d, const char *reason)
{
	d->failures++;
	if (d->failures > AG_STALE_AFTER)
		return; /* all is said; the next success counts anew */
	tool_failed(d, reason);
	if (d->failures < AG_STALE_AFTER)
		return;
	for (size_t i = 0; i < d->n; i++)
		if (d->device[i].kind == AG_DEVICE_GPU)
			ag_sample_forget(&d->device[i].sample);
}

static void
tell_sampled(const struct ag_devices *d)
{
	if (d->on_sample)
		d->on_sample(d->on_sample_arg);
}

static void
refresh_answer(struct ag_devices *d, const struct ag_tool_answer *a)
{
	struct ag_sample_list list;
	char reason[GW_ERR_MSG_BYTES];
	enum outcome outcome =
		read_answer(&vendors[d->asking], a, &list, reason);

	d->asked_ms = gw_mono_ms();
	if (outcome == LISTED || outcome == LISTED_NONE) {
		d->failures = 0;
		take_list(d, &list);
	} else {
		refresh_failed(d, reason);
	}
	tell_sampled(d);
}

static void
on_tool_end(void *arg, const struct ag_tool_answer *a)
{
	struct ag_devices *d = arg;

	if (d->ready)
		refresh_answer(d, a);
	else
		discovery_answer(d, a);
}

void
ag_devices_refresh(struct ag_devices *d, uint32_t max_age_ms)
{
	struct ag_tool *tool = &d->tool[d->best];
	struct gw_err err = {0};

	if (!d->ready || tool->owed || gw_mono_ms() - d->asked_ms < max_age_ms)
		return;
	read_cpus(d);
	d->asked_ms = gw_mono_ms();
	if (d->best_outcome == ABSENT || !has_gpus(d)) {
		tell_sampled(d);
		return;
	}
	d->asking = d->best;
	if (ag_tool_is_busy(tool))
		refresh_failed(d, "the last one was killed and still hangs");
	else if (ag_tool_run(tool, vendors[d->best].argv, &err) < 0)
		refresh_failed(d, err.msg);
}

/* ---- life cycle ------------------------------------------------------------
 */

static int
take_names(struct ag_devices *d, const struct gw_keys *names,
	   struct gw_err *err)
{
	size_t at;

	d->is_auto = names->n == 0;
	if (ag_device_check_list(names, &at, err) < 0)
		return -1;
	for (size_t i = 0; i < names->n; i++)
		name_device(d, names->key[i]);
	return 0;
}

void
ag_devices_on_sample(struct ag_devices *d, void (*sampled)(void *arg),
		     void *arg)
{
	d->on_sample = sampled;
	d->on_sample_arg = arg;
}

struct ag_devices *
ag_devices_new_limited(struct ev_loop *loop, const char *guard,
		       const struct gw_keys *names, uint32_t limit_ms,
		       void (*on_ready)(void *arg), void *arg,
		       struct gw_err *err)
{
	struct ag_devices *d = calloc(1, sizeof(*d));

	if (!d) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		return NULL;
	}
	d->loop = loop;
	d->on_ready = on_ready;
	d->arg = arg;
	ev_timer_init(&d->begin, on_begin, 0., 0.);
	d->begin.data = d;
	d->guard = strdup(guard);
	if (!d->guard) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		goto fail;
	}
	if (take_names(d, names, err) < 0)
		goto fail;
	for (size_t i = 0; i < TOOLS; i++)
		ag_tool_init(&d->tool[i], loop, d->guard, limit_ms, on_tool_end,
			     d);
	ev_timer_start(loop, &d->begin);
	return d;
fail:
	ag_devices_free(d);
	return NULL;
}

struct ag_devices *
ag_devices_new(struct ev_loop *loop, const char *guard,
	       const struct gw_keys *names, void (*on_ready)(void *arg),
	       void *arg, struct gw_err *err)
{
	return ag_devices_new_limited(loop, guard, names, AG_TOOL_LIMIT_MS,
				      on_ready, arg, err);
}

void
ag_devices_free(struct ag_devices *d)
{
	if (!d)
		return;
	ev_timer_stop(d->loop, &d->begin);
	for (size_t i = 0; i < TOOLS; i++)
		ag_tool_release(&d->tool[i]);
	free(d->guard);
	free(d);
}

struct ag_device *
ag_devices_list(struct ag_devices *d, size_t *n)
{
	*n = d->ready ? d->n : 0;
	return d->device;
}
