/* SPDX-License-Identifier: MIT */
/* test_agent_placement.c - what fits where, and who has to go. */
#include "agent/model/placement.h"
#include "tap.h"

static struct ag_device gpu, other_gpu;
static struct ag_model_config configs[4];
static struct ag_model list[4];
static const struct ag_models all = {.model = list, .n = 4};

/* Four stopped models without group or size, two devices of 1000 MiB. */
static void
fresh(void)
{
	static const char *const ids[] = {"a", "b", "c", "d"};

	memset(configs, 0, sizeof(configs));
	memset(list, 0, sizeof(list));
	memset(&gpu, 0, sizeof(gpu));
	snprintf(gpu.id, sizeof(gpu.id), "gpu:0");
	gpu.kind = AG_DEVICE_GPU;
	gpu.sample.memory_total_mib = 1000;
	gpu.sample.memory_free_mib = 1000;
	gpu.sampled_ms = 100;
	other_gpu = gpu;
	snprintf(other_gpu.id, sizeof(other_gpu.id), "gpu:1");
	for (size_t i = 0; i < 4; i++) {
		configs[i].model_id = (char *)ids[i];
		list[i].config = &configs[i];
		list[i].index = i;
	}
}

static void
in_group(size_t i, const char *group, uint64_t mib)
{
	configs[i].group = (char *)group;
	configs[i].memory_mib = mib;
}

/* Ready on gpu since before its last sample. */
static void
runs(size_t i)
{
	list[i].device = &gpu;
	list[i].state = AG_READY;
	list[i].since_ms = 50;
}

static void
empty_device(void)
{
	fresh();
	ok(ag_place_fits(all, &list[0], &gpu),
	   "placement: an empty device -> takes any model");
	configs[0].memory_mib = 1000;
	ok(ag_place_fits(all, &list[0], &gpu),
	   "placement: a model as large as the device -> fits");
	configs[0].memory_mib = 1001;
	ok(!ag_place_fits(all, &list[0], &gpu) &&
		   !ag_place_allowed(&list[0], &gpu),
	   "placement: a MiB more than the device has -> never");
	gpu.sample.memory_total_mib = AG_UNKNOWN;
	ok(ag_place_fits(all, &list[0], &gpu),
	   "placement: a device of unknown size -> takes it");
	gpu.missing = true;
	ok(!ag_place_allowed(&list[0], &gpu),
	   "placement: a device that is not there -> takes none");
}

static void
only_named_devices(void)
{
	char *names[] = {(char *)"gpu:1"};

	fresh();
	configs[0].devices = (struct gw_keys){.key = names, .n = 1};
	ok(!ag_place_allowed(&list[0], &gpu),
	   "placement: a device the model does not name -> not allowed");
	ok(ag_place_allowed(&list[0], &other_gpu),
	   "placement: a device the model names -> allowed");
}

static void
strangers(void)
{
	fresh();
	runs(1);
	ok(!ag_place_fits(all, &list[0], &gpu),
	   "placement: another model there, no group -> does not fit");
	in_group(0, "x", 10);
	in_group(1, "y", 10);
	ok(!ag_place_fits(all, &list[0], &gpu),
	   "placement: another model there, other group -> does not fit");
	ok(ag_place_fits(all, &list[0], &other_gpu),
	   "placement: another model on another device -> fits");
}

static void
groups_by_total(void)
{
	fresh();
	in_group(0, "x", 400);
	in_group(1, "x", 600);
	runs(1);
	gpu.sample.memory_free_mib = AG_UNKNOWN;
	ok(ag_place_fits(all, &list[0], &gpu),
	   "placement: one group, sizes add up to the total -> fits");
	configs[0].memory_mib = 401;
	ok(!ag_place_fits(all, &list[0], &gpu),
	   "placement: one group, a MiB above the total -> does not fit");
}

static void
groups_by_free_memory(void)
{
	fresh();
	in_group(0, "x", 300);
	in_group(1, "x", 300);
	runs(1);
	gpu.sample.memory_free_mib = 300;
	ok(ag_place_fits(all, &list[0], &gpu),
	   "placement: as much free as it needs -> fits");
	gpu.sample.memory_free_mib = 299;
	ok(!ag_place_fits(all, &list[0], &gpu),
	   "placement: others use the memory -> does not fit");
	ok(!ag_place_unsettled(all, &gpu),
	   "placement: all were measured -> settled");
	/* The one that runs was started after the sample. */
	gpu.sample.memory_free_mib = 600;
	list[1].since_ms = 101;
	ok(ag_place_fits(all, &list[0], &gpu),
	   "placement: free memory less what was started since -> fits");
	gpu.sample.memory_free_mib = 599;
	ok(!ag_place_fits(all, &list[0], &gpu),
	   "placement: the new one's memory is not free any more -> does not "
	   "fit");
	ok(ag_place_unsettled(all, &gpu),
	   "placement: one was not measured yet -> unsettled");
	list[1].since_ms = 50;
	list[1].state = AG_LOADING;
	ok(ag_place_unsettled(all, &gpu),
	   "placement: one was measured while it loaded -> unsettled");
}

static void
who_comes_next(void)
{
	fresh();
	list[1].expected = &gpu;
	ok(ag_place_fits(all, &list[0], &gpu) &&
		   !ag_place_will_fit(all, &list[0], &gpu),
	   "placement: one waits for the place -> it is taken for the next");
	ok(ag_place_will_fit(all, &list[0], &other_gpu) &&
		   ag_place_will_fit(all, &list[1], &gpu),
	   "placement: ... another place is not, nor for itself");
	in_group(0, "x", 400);
	in_group(1, "x", 600);
	ok(ag_place_will_fit(all, &list[0], &gpu),
	   "placement: there will be room beside it");
	configs[0].memory_mib = 401;
	ok(!ag_place_will_fit(all, &list[0], &gpu),
	   "placement: a MiB more than there will be");
	fresh();
	runs(1);
	list[1].state = AG_STOPPING;
	ok(!ag_place_fits(all, &list[0], &gpu) &&
		   ag_place_will_fit(all, &list[0], &gpu),
	   "placement: one that ends -> is gone for the next");
}

static void
victims(void)
{
	fresh();
	ok(ag_place_victim(all, &list[0], &gpu) == NULL,
	   "placement: nobody there -> no victim");
	in_group(0, "x", 10);
	in_group(1, "x", 10);
	in_group(2, "x", 10);
	runs(1);
	runs(2);
	list[1].last_used_ms = 20;
	list[2].last_used_ms = 10;
	ok(ag_place_victim(all, &list[0], &gpu) == &list[2],
	   "placement: two of its group -> the one unused longest goes");
	list[2].running = 1;
	ok(ag_place_victim(all, &list[0], &gpu) == &list[1],
	   "placement: that one is busy -> the idle one goes");
	runs(3);
	list[3].running = 5;
	ok(ag_place_victim(all, &list[0], &gpu) == &list[3],
	   "placement: one that cannot share -> goes before its group");
	list[3].state = AG_STARTING;
	ok(ag_place_victim(all, &list[0], &gpu) == &list[1],
	   "placement: a starting model -> is no victim");
}

int
main(void)
{
	empty_device();
	only_named_devices();
	strangers();
	groups_by_total();
	groups_by_free_memory();
	who_comes_next();
	victims();
	return done_testing();
}
