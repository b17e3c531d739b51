/* SPDX-License-Identifier: MIT */
/*
 * test_agent_share.c - who takes turns on which device, and how many requests
 * of a model a gateway should have here at most.
 */
#include "agent/queue/share.h"
#include "tap.h"

#define N_DEVICES 3

/* A model as it is configured. */
struct want {
	const char *on;	   /* "02": gpu:0 and gpu:2; NULL = on any */
	const char *group; /* NULL = none */
	uint64_t mib;
	uint32_t parallel; /* 0 = not known: one */
};

static struct ag_device devices[N_DEVICES];
static struct ag_model_config configs[AG_MODELS_MAX];
static struct ag_model list[AG_MODELS_MAX];
static char *names[AG_MODELS_MAX][N_DEVICES];

/* Devices of 1000 MiB. */
static void
fresh(void)
{
	memset(devices, 0, sizeof(devices));
	memset(configs, 0, sizeof(configs));
	memset(list, 0, sizeof(list));
	for (size_t i = 0; i < N_DEVICES; i++) {
		snprintf(devices[i].id, sizeof(devices[i].id), "gpu:%zu", i);
		devices[i].sample.memory_total_mib = 1000;
		devices[i].sample.memory_free_mib = 0; /* says nothing */
	}
	for (size_t i = 0; i < AG_MODELS_MAX; i++)
		list[i].config = &configs[i];
}

static void
configure(size_t i, const struct want *w)
{
	configs[i].group = (char *)w->group;
	configs[i].memory_mib = w->mib;
	configs[i].parallel = w->parallel;
	configs[i].devices.key = names[i];
	for (const char *on = w->on; on && *on; on++)
		names[i][configs[i].devices.n++] = devices[*on - '0'].id;
}

/* Of each model its share, with a '*' when it takes turns: "4* 4* 8". */
static const char *
shares(size_t n_models, size_t n_devices, uint32_t max_pending)
{
	static char text[256];
	struct ag_share share[AG_MODELS_MAX];
	size_t len = 0;

	ag_shares_of((struct ag_models){.model = list, .n = n_models}, devices,
		     n_devices, max_pending, share);
	text[0] = '\0';
	for (size_t i = 0; i < n_models; i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%s%u%s", i ? " " : "",
			share[i].waiting, share[i].turns ? "*" : "");
	return text;
}

static void
divides(void)
{
	static const struct {
		const char *title;
		size_t n_devices;
		uint32_t max_pending;
		size_t n;
		struct want model[5];
		const char *shares;
	} rows[] = {
		{"a model alone", 1, 8, 1, {{0}}, "8"},
		{"two, a device", 1, 8, 2, {{0}}, "3* 3*"},
		{"three, a device", 1, 9, 3, {{0}}, "2* 2* 2*"},
		{"as many as may wait", 1, 3, 3, {{0}}, "1* 1* 1*"},
		{"more than may wait", 1, 2, 3, {{0}}, "1* 1* 1*"},
		{"what runs is taken off",
		 1,
		 20,
		 2,
		 {{.parallel = 4}, {.parallel = 3}},
		 "6* 6*"},
		{"more runs than may wait",
		 1,
		 8,
		 2,
		 {{.parallel = 16}, {.parallel = 1}},
		 "1* 1*"},
		{"what runs of others beside is not",
		 1,
		 8,
		 2,
		 {{.parallel = 4, .group = "g"}, {.group = "g"}},
		 "4 4"},
		{"one may wait", 1, 1, 2, {{0}}, "1* 1*"},
		{"two, two devices", 2, 8, 2, {{0}}, "8 8"},
		{"three, two devices", 2, 9, 3, {{0}}, "2* 2* 2*"},
		{"two of one device, one of another",
		 2,
		 8,
		 3,
		 {{.on = "0"}, {.on = "1"}, {.on = "0"}},
		 "3* 8 3*"},
		{"whoever has a choice leaves the other one's device",
		 2,
		 8,
		 2,
		 {{.on = NULL}, {.on = "0"}},
		 "8 8"},
		{"the device that most may wait for counts",
		 2,
		 9,
		 4,
		 {{.on = "1"}, {.on = "1"}, {.on = "01"}, {.on = "0"}},
		 "2* 2* 2* 3*"},
		{"a group that fits",
		 1,
		 8,
		 2,
		 {{.group = "g", .mib = 400}, {.group = "g", .mib = 600}},
		 "4 4"},
		{"a group that is a MiB too large",
		 1,
		 8,
		 2,
		 {{.group = "g", .mib = 400}, {.group = "g", .mib = 601}},
		 "3* 3*"},
		{"a group of unknown sizes",
		 1,
		 8,
		 2,
		 {{.group = "g"}, {.group = "g"}},
		 "4 4"},
		{"two groups",
		 1,
		 8,
		 2,
		 {{.group = "g"}, {.group = "h"}},
		 "3* 3*"},
		{"a group, and one beside it on the other device",
		 2,
		 8,
		 3,
		 {{.group = "g"}, {.on = NULL}, {.group = "g"}},
		 "4 8 4"},
		{"a group, and a stranger on its only device",
		 1,
		 9,
		 3,
		 {{.group = "g"}, {.group = "g"}, {.on = NULL}},
		 "2* 2* 2*"},
		{"too large for any device: it takes nobody's turn",
		 1,
		 8,
		 2,
		 {{.mib = 1001}, {.mib = 1000}},
		 "8 8"},
		{"no device", 0, 8, 2, {{0}}, "8 8"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		fresh();
		for (size_t k = 0; k < rows[i].n; k++)
			configure(k, &rows[i].model[k]);
		is_str(shares(rows[i].n, rows[i].n_devices,
			      rows[i].max_pending),
		       rows[i].shares, rows[i].title);
	}
}

static void
devices_change(void)
{
	fresh();
	for (size_t i = 0; i < 2; i++)
		configure(i, &(struct want){.group = "g", .mib = 900});
	is_str(shares(2, 1, 8), "3* 3*", "devices: 1800 MiB do not fit");
	devices[0].sample.memory_total_mib = AG_UNKNOWN;
	is_str(shares(2, 1, 8), "4 4", "devices: an unknown size limits none");
	is_str(shares(2, 2, 8), "4 4", "devices: a group stays together");
	devices[0].sample.memory_total_mib = 1000;
	is_str(shares(2, 2, 8), "8 8", "devices: one each");
	devices[1].missing = true;
	is_str(shares(2, 2, 8), "3* 3*", "devices: one of them is gone");
}

static void
how_they_stand(void)
{
	fresh();
	list[0].device = &devices[1];
	list[0].state = AG_READY;
	list[0].running = 3;
	list[1].waiting = 2;
	list[1].expected = &devices[0];
	is_str(shares(3, 2, 9), "2* 2* 2*", "now: what runs where is nothing");
}

static void
many(void)
{
	static const struct want any = {.on = NULL};
	struct ag_share share[AG_MODELS_MAX];
	bool good = true;

	fresh();
	for (size_t i = 0; i < AG_MODELS_MAX; i++)
		configure(i, &any);
	ag_shares_of((struct ag_models){.model = list, .n = AG_MODELS_MAX},
		     devices, 1, 10000, share);
	for (size_t i = 0; i < AG_MODELS_MAX; i++)
		good = good && share[i].turns &&
		       share[i].waiting ==
			       (10000 - AG_MODELS_MAX) / AG_MODELS_MAX;
	ok(good, "many: as many models as there may be share one queue");
}

/* Whoever takes turns: all that is sent there may have to wait. */
static void
together(void)
{
	static const uint32_t parallel[] = {1, 2, 5};

	for (uint32_t max = 11; max < 40; max++) {
		struct ag_share share[3];
		uint32_t sum = 0;

		fresh();
		for (size_t i = 0; i < 3; i++)
			configs[i].parallel = parallel[i];
		ag_shares_of((struct ag_models){.model = list, .n = 3}, devices,
			     1, max, share);
		for (size_t i = 0; i < 3; i++)
			sum += ag_share_bound(&list[i], &share[i], true);
		ok(sum <= max && sum + 3 > max,
		   "together: as many as may wait, %u", max);
	}
}

static void
bounds(void)
{
	static const struct {
		const char *title;
		bool turns;
		uint32_t parallel, waiting;
		uint32_t ready, otherwise;
	} rows[] = {
		{"alone", false, 1, 8, 1, 1},
		{"alone, four slots", false, 4, 8, 4, 4},
		{"alone, as many slots as may wait", false, 8, 8, 8, 8},
		{"alone, more slots than may wait", false, 9, 8, 9, 8},
		{"alone, slots not known", false, 0, 8, 1, 1},
		{"turns", true, 1, 4, 5, 4},
		{"turns, sixteen slots", true, 16, 4, 20, 4},
		{"turns, slots not known", true, 0, 1, 2, 1},
		{"turns, most there may be", true, AG_PARALLEL_MAX, 10000,
		 10000 + AG_PARALLEL_MAX, 10000},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		const struct ag_share s = {
			.turns = rows[i].turns,
			.waiting = rows[i].waiting,
		};

		fresh();
		configs[0].parallel = rows[i].parallel;
		ok(ag_share_bound(&list[0], &s, true) == rows[i].ready &&
			   ag_share_bound(&list[0], &s, false) ==
				   rows[i].otherwise,
		   "bound: %s", rows[i].title);
	}
	fresh();
	list[0].slots = 6;
	is_int(ag_share_bound(&list[0],
			      &(struct ag_share){.turns = true, .waiting = 2},
			      true),
	       8, "bound: slots that llama-server told");
}

int
main(void)
{
	divides();
	devices_change();
	how_they_stand();
	many();
	together();
	bounds();
	return done_testing();
}
