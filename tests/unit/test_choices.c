/* SPDX-License-Identifier: MIT */
/*
 * test_choices.c - the one place where a candidate's state is computed: what a
 * node tells, what probes say and what requests met, each alone, every two of
 * them, and what is done with a place that fails and comes back.
 */
#include "base/log.h"
#include "nodes/model_state.h"
#include "probe/prober.h"
#include "probe/result.h"
#include "responder/stages.h"
#include "routing/availability.h"
#include "routing/ejection.h"
#include "routing/place_keys.h"
#include "routing/routing.h"
#include "serve_run.h"
#include "stage/policy.h"

#define STALE_MS 10000
#define PAUSE_MS 5000
#define DOC                                                                    \
	"{\"node_id\":\"n1\",\"base_url\":\"http://n1\",\"served_models\":["   \
	"{\"model_id\":\"m\",\"roles\":[\"r\"]},"                              \
	"{\"model_id\":\"o\",\"roles\":[\"s\"]}]}"

static struct gw_routing routing;
static char shm_name[64];

/* ---- set-up -------------------------------------------------------------- */

static void
end_registry(void)
{
	gw_policies_release(&routing);
	gw_place_keys_release(&routing);
	gw_choices_release(&routing.choices);
	gw_node_view_free(routing.nodes);
	reg_close(routing.reg);
}

static void
put_node(void)
{
	struct reg_err err = {0};

	if (reg_node_put(routing.reg, "n1", DOC, strlen(DOC), clock_ms,
			 STALE_MS, NULL, &err) < 0)
		exit(1);
}

/* A registry of its own with a proxy and a node of two models. */
static void
begin(void)
{
	struct reg_err err = {0};

	set_up(&gw_pipeline, NULL, 0, &routing);
	end_registry();
	memset(&routing, 0, sizeof(routing));
	routing.worker = worker;
	routing.reg = reg_open(shm_name, 12u << 20, &err);
	if (!routing.reg) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	reg_unlink(shm_name); /* nobody else needs the name */
	routing.nodes = gw_node_view_new(routing.reg, STALE_MS);
	config->auth.upstream_node_key = strdup("node-key");
	config->gateway.eject.failures = 3;
	config->gateway.eject.pause_ms = PAUSE_MS;
	config->gateway.eject.pause_max_ms = 2 * PAUSE_MS;
	put_node();
}

static void
touch(const char *status)
{
	struct reg_err err = {0};

	if (reg_node_touch(routing.reg, "n1", status,
			   status ? strlen(status) : 0, clock_ms, &err) < 0)
		exit(1);
}

/* The only candidate of an alias, as it stands. */
static struct gw_choice
choice(int which)
{
	gw_node_view_refresh(routing.nodes);
	if (gw_choices_of(&routing, config, model(which), clock_ms,
			  &routing.choices) < 0 ||
	    routing.choices.n != 1)
		exit(1);
	return routing.choices.at[0];
}

static struct gw_place
place(int which)
{
	struct gw_choice c = choice(which);

	return (struct gw_place){.ref = c.ref,
				 .address = c.address,
				 .alias = model(which)->alias,
				 .node_id = c.node ? "n1" : NULL,
				 .base_url = c.node ? "http://n1" : "http://p"};
}

static void
probed(int which, uint32_t result)
{
	struct gw_choice c = choice(which);
	struct reg_probe last;

	if (reg_probe_begin(routing.reg, c.keys.probe, clock_ms, 0, 1000,
			    &last) != REG_PROBE_MINE)
		exit(1);
	reg_probe_put(routing.reg, c.keys.probe, clock_ms, 1, result);
}

static void
fail(int which, unsigned n, bool unconnected)
{
	struct gw_place at = place(which);

	gw_ejection_failed(&routing, config, &at, n, unconnected, "a test");
}

/* ---- one reason each ----------------------------------------------------- */

static void
node_is_stale(int which)
{
	(void)which;
	clock_ms += STALE_MS;
}

static void
model_failed(int which)
{
	(void)which;
	touch("{\"models\":{\"m\":{\"state\":\"failed\"}}}");
}

static void
probe_loading(int which)
{
	probed(which, gw_probe_result_of_status(503));
}

static void
ejected(int which)
{
	fail(which, 3, false);
}

static void
address_ejected(int which)
{
	fail(which, 3, true);
}

static void
busy(int which)
{
	reg_candidate_busy(routing.reg, place(which).ref,
			   clock_ms + 60 * PAUSE_MS);
}

static void
probe_refused(int which)
{
	probed(which, gw_probe_result_of_failure(GW_TRANSFER_REFUSED));
}

static void
model_stopped(int which)
{
	(void)which;
	touch("{\"models\":{\"m\":{\"state\":\"stopped\"}}}");
}

static void
nothing(int which)
{
	(void)which;
}

/* In the order in which they count. Two of the probe's exclude each other, and
 * so do two of the heartbeat's. */
static const struct reason {
	void (*happens)(int which);
	enum gw_state state;
	enum gw_rank rank;
	bool node_only, probe, heartbeat, usable;
} reasons[] = {
	{node_is_stale, GW_STATE_STALE, GW_RANK_NEVER, true, false, false,
	 false},
	{model_failed, GW_STATE_FAILED, GW_RANK_NEVER, true, false, true,
	 false},
	{probe_loading, GW_STATE_LOADING, GW_RANK_LOADING, false, true, false,
	 false},
	{ejected, GW_STATE_EJECTED, GW_RANK_EJECTED, false, false, false, true},
	{address_ejected, GW_STATE_EJECTED, GW_RANK_EJECTED, false, false,
	 false, true},
	{busy, GW_STATE_FULL, GW_RANK_FULL, false, false, false, true},
	{probe_refused, GW_STATE_UNREACHABLE, GW_RANK_UNREACHABLE, false, true,
	 false, false},
	{model_stopped, GW_STATE_COLD, GW_RANK_NOW, true, false, true, true},
	{nothing, GW_STATE_READY, GW_RANK_NOW, false, false, false, true},
};

static void
check(const struct reason *a, const struct reason *b, int which)
{
	struct gw_choice c;
	bool usable;
	enum gw_rank rank;

	begin();
	/* A sign of life ends an absence: that comes last. */
	if (b)
		b->happens(which);
	a->happens(which);
	c = choice(which);
	/* Ejection refuses nobody, but who is not there is not there. */
	usable = a->usable && !(a->state == GW_STATE_EJECTED && b &&
				b->state == GW_STATE_UNREACHABLE);
	/* Whoever answers 503 to everything seems to be loading, too. */
	rank = b && a->state == GW_STATE_LOADING && b->state == GW_STATE_EJECTED
		       ? GW_RANK_EJECTED
		       : a->rank;
	ok(c.state == a->state && gw_choice_rank(&c) == rank &&
		   gw_choice_is_usable(&c) == usable,
	   "state: %s %s%s -> %s", which == PROXY ? "proxy" : "node",
	   gw_state_name(a->state), b ? gw_state_name(b->state) : "",
	   gw_state_name(c.state));
}

static void
states(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(reasons); i++)
		for (int which = PROXY; which <= DISCOVERED; which++) {
			const struct reason *a = &reasons[i];

			if (a->node_only && which == PROXY)
				continue;
			check(a, NULL, which);
			for (size_t j = i + 1; j < GW_ARRAY_LEN(reasons); j++)
				if (!(reasons[j].node_only && which == PROXY) &&
				    !(a->probe && reasons[j].probe) &&
				    !(a->heartbeat && reasons[j].heartbeat))
					check(a, &reasons[j], which);
		}
}

static void
names(void)
{
	unsigned wrong = 0;

	for (int i = 0; i < GW_STATE__MAX; i++)
		for (int j = 0; j < i; j++)
			wrong += strcmp(gw_state_name((enum gw_state)i),
					gw_state_name((enum gw_state)j)) == 0;
	is_int(wrong, 0, "state: each has a name of its own");
	is_str(gw_state_name(GW_STATE_READY), "ready", "state: ready");
}

/* What a heartbeat says, in the words of the node agent. */
static void
told(void)
{
	static const struct {
		const char *word;
		enum gw_state want;
	} rows[] = {
		{"ready", GW_STATE_READY},   {"stopped", GW_STATE_COLD},
		{"starting", GW_STATE_COLD}, {"loading", GW_STATE_COLD},
		{"draining", GW_STATE_COLD}, {"stopping", GW_STATE_COLD},
		{"failed", GW_STATE_FAILED}, {"asleep", GW_STATE_READY},
	};
	char text[128];

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		begin();
		snprintf(text, sizeof(text),
			 "{\"models\":{\"m\":{\"state\":\"%s\"}}}",
			 rows[i].word);
		touch(text);
		is_int(choice(DISCOVERED).state, rows[i].want, rows[i].word);
	}
	begin();
	touch("{\"models\":{\"o\":{\"state\":\"failed\"}}}");
	is_int(choice(DISCOVERED).state, GW_STATE_READY,
	       "told: another model of the node has failed");
}

/* ---- what else a choice says --------------------------------------------- */

static void
fields(void)
{
	struct gw_choice c;
	int32_t lease;

	begin();
	c = choice(PROXY);
	ok(!c.node && !c.model && c.weight == 1 && c.key == c.keys.candidate[0],
	   "choice: of a proxy");
	c = choice(DISCOVERED);
	ok(c.node && strcmp(c.node->doc->node_id, "n1") == 0 && c.weight == 1 &&
		   c.in_flight == 0 && !c.unreachable && !c.waits_for_trial &&
		   c.pause_ends_ms == 0,
	   "choice: of a node");
	lease = reg_lease_take(routing.reg, c.ref, 0, NULL);
	is_int(choice(DISCOVERED).in_flight, 1, "choice: a request runs there");
	reg_lease_drop(routing.reg, lease);
	probe_refused(DISCOVERED);
	ejected(DISCOVERED);
	c = choice(DISCOVERED);
	ok(c.state == GW_STATE_EJECTED && c.unreachable &&
		   c.pause_ends_ms == clock_ms + PAUSE_MS,
	   "choice: ejected, and unreachable besides");
	begin();
	probe_refused(PROXY);
	clock_ms += GW_PROBE_OLD_MAX_MS;
	is_int(choice(PROXY).state, GW_STATE_UNREACHABLE,
	       "choice: a probe counts for a while");
	clock_ms++;
	is_int(choice(PROXY).state, GW_STATE_READY, "choice: and then not");
	begin();
	busy(PROXY);
	clock_ms += 60 * PAUSE_MS - 1;
	is_int(choice(PROXY).state, GW_STATE_FULL,
	       "choice: busy up to its end");
	clock_ms++;
	is_int(choice(PROXY).state, GW_STATE_READY, "choice: and then not");
}

/* The same in every process, and different where anything differs. */
static void
place_names(void)
{
	struct gw_choice p, d;
	uint64_t address[2], key[2];

	begin();
	p = choice(PROXY);
	d = choice(DISCOVERED);
	gw_address_key("http://n1", address);
	gw_candidate_key(address, "\"m\"", key);
	ok(memcmp(key, d.keys.candidate, sizeof(key)) == 0 &&
		   memcmp(address, d.keys.address, sizeof(key)) == 0,
	   "names: of a node's model, by address and model");
	gw_candidate_key(address, "\"o\"", key);
	ok(memcmp(key, d.keys.candidate, sizeof(key)) != 0,
	   "names: another model's is another one");
	gw_address_key("http://p", address);
	gw_candidate_key(address, "p", key);
	ok(memcmp(key, p.keys.candidate, sizeof(key)) == 0,
	   "names: of a proxy that forwards what it is told, by its alias");
	ok(key[0] != key[1] && key[0] && key[1], "names: two halves, no 0");
	free(model(PROXY)->default_model_json);
	model(PROXY)->default_model_json = strdup("\"other\"");
	gw_place_keys_release(&routing);
	gw_candidate_key(address, "\"other\"", key);
	p = choice(PROXY);
	ok(memcmp(key, p.keys.candidate, sizeof(key)) == 0,
	   "names: of a proxy, by the model it forwards");
}

/* ---- ejection ------------------------------------------------------------ */

static void
counts(void)
{
	struct gw_place at;

	begin();
	fail(DISCOVERED, 1, false);
	fail(DISCOVERED, 1, false);
	is_int(choice(DISCOVERED).state, GW_STATE_READY, "eject: two -> not");
	fail(DISCOVERED, 1, false);
	is_int(choice(DISCOVERED).state, GW_STATE_EJECTED,
	       "eject: three -> is");
	begin();
	fail(DISCOVERED, 2, true);
	fail(DISCOVERED, 1, false);
	is_int(choice(DISCOVERED).state, GW_STATE_READY,
	       "eject: the address's are not the model's");
	fail(DISCOVERED, 2, true);
	is_int(choice(DISCOVERED).state, GW_STATE_EJECTED,
	       "eject: refused twice -> is");
	begin();
	fail(DISCOVERED, 2, false);
	fail(DISCOVERED, 2, true);
	at = place(DISCOVERED);
	gw_ejection_succeeded(&routing, &at);
	fail(DISCOVERED, 2, false);
	fail(DISCOVERED, 2, true);
	is_int(choice(DISCOVERED).state, GW_STATE_READY,
	       "eject: a success between them -> both begin anew");
	begin();
	config->gateway.eject.failures = 0;
	fail(DISCOVERED, 200, false);
	is_int(choice(DISCOVERED).state, GW_STATE_READY,
	       "eject: failures: 0 -> never");
}

/* A model's own failures are not its neighbour's; a closed port is. */
static void
neighbours(void)
{
	begin();
	free(model(DISCOVERED)->role);
	model(DISCOVERED)->role = strdup("s");
	fail(DISCOVERED, 3, false);
	is_int(choice(DISCOVERED).state, GW_STATE_EJECTED, "eject: one model");
	free(model(DISCOVERED)->role);
	model(DISCOVERED)->role = strdup("r");
	is_int(choice(DISCOVERED).state, GW_STATE_READY,
	       "eject: its neighbour -> not");
	fail(DISCOVERED, 3, true);
	gw_ejection_connected(&routing, "http://n1");
	is_int(choice(DISCOVERED).state, GW_STATE_READY,
	       "eject: a probe is answered -> the address is well");
	free(model(DISCOVERED)->role);
	model(DISCOVERED)->role = strdup("s");
	is_int(choice(DISCOVERED).state, GW_STATE_EJECTED,
	       "eject: which says nothing of the model that failed");
	gw_ejection_came_anew(&routing, "http://n1", "\"o\"");
	is_int(choice(DISCOVERED).state, GW_STATE_READY,
	       "eject: it registers anew -> nothing is held against it");
}

static void
trials(void)
{
	struct gw_choice c;
	struct gw_place at;

	begin();
	ejected(DISCOVERED);
	clock_ms += PAUSE_MS - 1;
	touch(NULL);
	ok(!choice(DISCOVERED).waits_for_trial, "trial: not within the pause");
	clock_ms++;
	c = choice(DISCOVERED);
	ok(c.state == GW_STATE_EJECTED && c.waits_for_trial,
	   "trial: behind it one is due, and yet it is ejected");
	ok(reg_candidate_try(routing.reg, c.ref, clock_ms) &&
		   !choice(DISCOVERED).waits_for_trial,
	   "trial: one at a time");
	reg_candidate_untry(routing.reg, c.ref);
	ok(choice(DISCOVERED).waits_for_trial,
	   "trial: without a verdict -> another one is due");
	/* Both records are ejected: both pauses have to be over. */
	address_ejected(DISCOVERED);
	c = choice(DISCOVERED);
	ok(!c.waits_for_trial && c.pause_ends_ms == clock_ms + PAUSE_MS,
	   "trial: the address is ejected, too -> its pause as well");
	clock_ms += PAUSE_MS;
	touch(NULL);
	c = choice(DISCOVERED);
	ok(c.waits_for_trial, "trial: both are over");
	reg_candidate_try(routing.reg, c.address, clock_ms);
	ok(!choice(DISCOVERED).waits_for_trial,
	   "trial: of one of the two -> none of the other");
	at = place(DISCOVERED);
	gw_ejection_succeeded(&routing, &at);
	is_int(choice(DISCOVERED).state, GW_STATE_READY,
	       "trial: it answers -> both are well");
}

static void
longer_pauses(void)
{
	begin();
	ejected(PROXY);
	clock_ms += PAUSE_MS;
	fail(PROXY, 1, false);
	is_int((long long)(choice(PROXY).pause_ends_ms - clock_ms),
	       2 * PAUSE_MS, "pause: the trial fails -> twice as long");
	clock_ms += 2 * PAUSE_MS;
	fail(PROXY, 1, false);
	is_int((long long)(choice(PROXY).pause_ends_ms - clock_ms),
	       2 * PAUSE_MS, "pause: up to pause_max_s");
}

int
main(void)
{
	snprintf(shm_name, sizeof(shm_name), "/rolemesh-test-choices-%d",
		 (int)getpid());
	states();
	names();
	told();
	fields();
	place_names();
	counts();
	neighbours();
	trials();
	longer_pauses();
	tear_down();
	end_registry();
	return done_testing();
}
