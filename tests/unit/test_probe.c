/* SPDX-License-Identifier: MIT */
/*
 * test_probe.c - runs of probes over transfers that the test plays itself:
 * sharing, waiting for another process, leaving early, and the bounds.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "probe/probe.h"
#include "reg.h"
#include "tap.h"

#define TRANSFERS_MAX 2048
#define LIMIT_S 60.0 /* a test that waits longer has failed */

/* ---- transfers played by the test ---------------------------------------- */

struct gw_transfer {
	bool live;
	char url[256];
	char bearer[64];
	const struct gw_transfer_ops *ops;
	void *arg;
};

static struct gw_transfer transfers[TRANSFERS_MAX];
static size_t started, live;
static bool refuse_start;
static uint64_t counted;

struct gw_transfer *
gw_transfer_start(struct gw_upstreams *u, const struct gw_transfer_request *req,
		  const struct gw_transfer_ops *ops, void *arg,
		  struct gw_err *err)
{
	struct gw_transfer *t = &transfers[started];

	(void)u;
	if (refuse_start || started == TRANSFERS_MAX) {
		gw_err_set(err, GW_ERR_INTERNAL, 0, "no transfer");
		return NULL;
	}
	started++;
	live++;
	t->live = true;
	t->ops = ops;
	t->arg = arg;
	snprintf(t->url, sizeof(t->url), "%s", req->url);
	snprintf(t->bearer, sizeof(t->bearer), "%s",
		 req->bearer ? req->bearer : "");
	return t;
}

void
gw_transfer_cancel(struct gw_transfer *t)
{
	live -= t->live;
	t->live = false;
}

const char *
gw_transfer_reason(enum gw_transfer_result result)
{
	return result == GW_TRANSFER_REFUSED ? "connection refused" : "other";
}

static void
count_sent(void *arg)
{
	(void)arg;
	counted++;
}

/* The upstream answers, or does not (status 0). */
static void
answer(size_t i, int status, enum gw_transfer_result result)
{
	struct gw_transfer *t = &transfers[i];
	struct gw_transfer_head head = {
		.status = status, .content_type = "", .retry_after = ""};

	if (status)
		t->ops->on_head(t->arg, &head);
	live--;
	t->live = false;
	t->ops->on_done(t->arg, result, "");
}

/* ---- set-up -------------------------------------------------------------- */

static struct gw_prober_setup with = {.on_sent = count_sent};
static struct gw_prober *prober;
static struct gw_config config;
static struct reg *other; /* "another process": a second attachment */
static char shm_name[64];
static int done_calls;

static void (*in_done)(void); /* called once, by the next on_done() */

static void
on_done(void *arg)
{
	void (*act)(void) = in_done;

	(void)arg;
	done_calls++;
	in_done = NULL;
	if (act)
		act();
}

static struct reg *
attach(void)
{
	struct reg_err err = {0};
	struct reg *reg = reg_open(shm_name, 0, &err);

	if (!reg) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	return reg;
}

static void
begin_test(void)
{
	gw_prober_free(prober);
	prober = gw_prober_new(&with);
	if (!prober)
		exit(1);
	started = live = 0;
	done_calls = 0;
	counted = 0;
	refuse_start = false;
	config.gateway.probe_timeout_ms = 1000;
	config.gateway.probe_ttl_ms = 60000;
}

static void
on_limit(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)t;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* Runs the loop until on_done was called @calls times, at most LIMIT_S. */
static bool
until_done(int calls)
{
	ev_timer limit;

	ev_now_update(with.loop);
	ev_timer_init(&limit, on_limit, LIMIT_S, 0.);
	ev_timer_start(with.loop, &limit);
	while (done_calls < calls && ev_is_active(&limit))
		ev_run(with.loop, EVRUN_ONCE);
	ev_timer_stop(with.loop, &limit);
	return done_calls >= calls;
}

static struct gw_probe_run *
run_of(const char *const *urls, size_t n)
{
	struct gw_err err = {0};
	struct gw_probe_run *run;

	run = gw_probe_run_new(prober, &config, n, on_done, NULL, &err);
	if (!run) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	for (size_t i = 0; i < n; i++)
		gw_probe_run_ask(run, i,
				 &(struct gw_probe_target){.base_url = urls[i],
							   .bearer = "key"});
	gw_probe_run_wait(run);
	return run;
}

static struct gw_probe_run *
run_one(const char *url)
{
	return run_of(&url, 1);
}

static bool
reachable(const struct gw_probe_run *run, size_t i)
{
	return gw_probe_is_reachable(gw_probe_run_outcome(run, i).result);
}

static const char *
reason(const struct gw_probe_run *run, size_t i)
{
	static char text[GW_PROBE_REASON_BYTES];

	return gw_probe_reason(gw_probe_run_outcome(run, i).result, text,
			       sizeof(text));
}

/* ---- tests --------------------------------------------------------------- */

static void
several_targets(void)
{
	static const char *const urls[] = {"http://a", "http://b", "http://a"};
	struct gw_probe_run *run;

	begin_test();
	run = run_of(urls, 3);
	is_int((long long)started, 2,
	       "probe: a target named twice, asked once");
	is_str(transfers[0].url, "http://a/v1/models", "probe: URL");
	is_str(transfers[0].bearer, "key", "probe: the key of requests");
	answer(0, 200, GW_TRANSFER_OK);
	ok(!gw_probe_run_is_done(run) && done_calls == 0,
	   "probe: not done while one target is open");
	answer(1, 0, GW_TRANSFER_REFUSED);
	ok(gw_probe_run_is_done(run) && done_calls == 1, "probe: done, once");
	ok(reachable(run, 0) && reachable(run, 2), "probe: 200 -> reachable");
	ok(!reachable(run, 1), "probe: refused -> not reachable");
	is_str(reason(run, 1), "connection refused", "probe: and why");
	is_int((long long)counted, 2, "probe: every probe is counted");
	gw_probe_run_free(run);
	run = run_of(urls, 3);
	ok(gw_probe_run_is_done(run) && started == 2 && done_calls == 1,
	   "probe: fresh results -> done at once, nothing sent, no callback");
	ok(reachable(run, 0) && !reachable(run, 1), "probe: and the same");
	gw_probe_run_free(run);
}

static void
two_runs_share(void)
{
	struct gw_probe_run *one, *two;

	begin_test();
	one = run_one("http://shared");
	two = run_one("http://shared");
	is_int((long long)started, 1, "probe: two runs, one probe");
	gw_probe_run_free(one);
	is_int((long long)live, 1, "probe: it goes on when one of them leaves");
	answer(0, 503, GW_TRANSFER_OK);
	is_int(done_calls, 1, "probe: only who stayed is told");
	is_str(reason(two, 0), "HTTP 503: it may be loading its model",
	       "probe: 503 has a hint");
	gw_probe_run_free(two);
}

static void
leaving_early_still_publishes(void)
{
	struct gw_probe_run *run;

	begin_test();
	gw_probe_run_free(run_one("http://left"));
	is_int((long long)live, 1, "probe: everybody left -> it still goes on");
	answer(0, 204, GW_TRANSFER_OK);
	is_int(done_calls, 0, "probe: nobody is told");
	run = run_one("http://left");
	ok(gw_probe_run_is_done(run) && reachable(run, 0) && started == 1,
	   "probe: its result was published");
	gw_probe_run_free(run);
}

static struct gw_probe_run *again;

static void
ask_again(void)
{
	again = run_one("http://again");
}

/* Whoever is told may ask at once: that is another question. */
static void
asked_again_when_told(void)
{
	struct gw_probe_run *run;

	begin_test();
	config.gateway.probe_ttl_ms = 0;
	run = run_one("http://again");
	in_done = ask_again;
	answer(0, 503, GW_TRANSFER_OK);
	ok(started == 2 && done_calls == 1 && !gw_probe_run_is_done(again),
	   "probe: asked again while it is told -> asked once more");
	answer(1, 200, GW_TRANSFER_OK);
	ok(done_calls == 2 && reachable(again, 0) && !reachable(run, 0),
	   "probe: ... and each has its own answer");
	gw_probe_run_free(again);
	gw_probe_run_free(run);
}

static void
another_process_probes(void)
{
	struct reg_probe probe;
	struct gw_probe_run *run;
	uint64_t key[2];

	begin_test();
	gw_probe_key("http://elsewhere", "key", key);
	ok(reg_probe_begin(other, key, gw_mono_ms(), 60000, 60000, &probe) ==
		   REG_PROBE_MINE,
	   "probe: another process asks first");
	run = run_one("http://elsewhere");
	gw_probe_run_free(run_one("http://elsewhere"));
	ok(started == 0 && !gw_probe_run_is_done(run),
	   "probe: this one waits and sends nothing");
	reg_probe_put(other, key, gw_mono_ms(), 12345, 4096 + 401);
	ok(until_done(1), "probe: it is told when the other has the answer");
	is_str(reason(run, 0), "HTTP 401: the upstream wants another key",
	       "probe: the other's result");
	is_int(gw_probe_run_outcome(run, 0).since_wall_s, 12345,
	       "probe: and since when");
	gw_probe_run_free(run);
}

static void
deadline(void)
{
	struct gw_probe_run *run;
	uint64_t key[2], t0 = gw_mono_ms();
	struct reg_probe probe;

	begin_test();
	config.gateway.probe_timeout_ms = 50;
	gw_probe_key("http://hangs", "key", key);
	if (reg_probe_begin(other, key, gw_mono_ms(), 0, 60000, &probe) !=
	    REG_PROBE_MINE)
		ok(false, "set-up");
	run = run_one("http://hangs");
	ok(until_done(1), "probe: a run ends although nobody answers");
	ok(gw_mono_ms() - t0 >= 1050, "probe: after 2 x time-out + 1 s");
	is_str(reason(run, 0), "not probed in time", "probe: and says so");
	gw_probe_run_free(run);
}

/* The loop runs for so long. */
static void
linger(double seconds)
{
	ev_timer limit;

	ev_now_update(with.loop);
	ev_timer_init(&limit, on_limit, seconds, 0.);
	ev_timer_start(with.loop, &limit);
	ev_run(with.loop, 0);
	ev_timer_stop(with.loop, &limit);
}

static void
old_results(void)
{
	static const char *const urls[] = {"http://old", "http://new"};
	struct gw_probe_run *run;

	begin_test();
	config.gateway.probe_ttl_ms = 0;
	gw_probe_run_free(run_one(urls[0]));
	answer(0, 200, GW_TRANSFER_OK);
	run = run_one(urls[0]);
	is_int((long long)started, 2, "probe: it has run out -> asked again");
	ok(until_done(1) && reachable(run, 0),
	   "probe: no answer for a quarter of a second -> what was known");
	ok(gw_probe_run_outcome(run, 0).age_ms >= GW_PROBE_RENEW_MS,
	   "probe: with its age");
	is_int((long long)live, 1, "probe: the question stands");
	gw_probe_run_free(run);
	run = run_of(urls, 2);
	linger(2 * GW_PROBE_RENEW_MS / 1000.0);
	ok(!gw_probe_run_is_done(run), "probe: what was never known is waited "
				       "for");
	answer(2, 200, GW_TRANSFER_OK);
	ok(gw_probe_run_is_done(run) && reachable(run, 0) && reachable(run, 1),
	   "probe: and comes beside what is old");
	is_int((long long)gw_probe_run_outcome(run, 1).age_ms, 0,
	       "probe: an answer of now has no age");
	gw_probe_run_free(run);
	answer(1, 0, GW_TRANSFER_REFUSED);
	run = run_one(urls[0]);
	ok(until_done(3) && !reachable(run, 0),
	   "probe: what came late is known the next time");
	gw_probe_run_free(run);
}

/* A result of @age_ms ago, put by another process. */
static void
put_old(const struct gw_probe_target *target, uint64_t age_ms)
{
	uint64_t key[2], then_ms = gw_mono_ms() - age_ms;
	struct reg_probe probe;

	gw_probe_target_key(target, key);
	if (reg_probe_begin(other, key, then_ms, 0, 1000, &probe) !=
	    REG_PROBE_MINE)
		ok(false, "set-up");
	reg_probe_put(other, key, then_ms, 77, 4096 + 200);
}

static void
known(void)
{
	const struct gw_probe_target targets[] = {
		{.base_url = "http://young", .bearer = "key"},
		{.base_url = "http://gray", .bearer = "key"},
		{.base_url = "http://x"},
		{.base_url = "https://own", .tls = {.insecure = true}}};
	struct gw_err err = {0};
	struct gw_probe_run *run;

	begin_test();
	put_old(&targets[0], GW_PROBE_OLD_MAX_MS / 2);
	put_old(&targets[1], GW_PROBE_OLD_MAX_MS + 1);
	put_old(&targets[3], GW_PROBE_OLD_MAX_MS / 2);
	run = gw_probe_run_new(prober, &config, 4, on_done, NULL, &err);
	if (!run)
		exit(1);
	for (size_t i = 0; i < 4; i++)
		gw_probe_run_recall(run, i, &targets[i]);
	ok(gw_probe_run_is_done(run) && started == 0,
	   "probe known: nobody is asked");
	ok(reachable(run, 0) && gw_probe_run_outcome(run, 0).since_wall_s == 77,
	   "probe known: less than a minute old");
	ok(!reachable(run, 1), "probe known: more than that -> nothing");
	is_str(reason(run, 2), "not probed in time",
	       "probe known: never asked -> nothing");
	ok(reachable(run, 3),
	   "probe known: a certificate of its own -> known, too");
	gw_probe_run_free(run);
}

/* Until so many are under way: none of them answers, so they grow old. */
static void
hang_until(size_t n)
{
	for (int turns = 0; live < n && turns < 10000; turns++)
		ev_run(with.loop, EVRUN_ONCE);
}

/* Transfer @i and those behind it, also such as begin meanwhile. */
static void
answer_all(size_t i)
{
	for (; i < started; i++)
		answer(i, 200, GW_TRANSFER_OK);
}

/* Those that hang must not keep the others from their turn for ever. */
static void
queued_behind_hanging(void)
{
	static char text[600][32];
	const char *urls[600];
	struct gw_probe_run *run;

	begin_test();
	config.gateway.probe_ttl_ms = 0;
	for (int i = 0; i < 600; i++) {
		snprintf(text[i], sizeof(text[i]), "http://hanging:%d", i);
		urls[i] = text[i];
		put_old(&(struct gw_probe_target){.base_url = urls[i],
						  .bearer = "key"},
			5000);
	}
	run = run_of(urls, 600);
	ok(until_done(1) && reachable(run, 599), "probe: 600 old results");
	gw_probe_run_free(run);
	answer_all(0);
	is_int((long long)started, 600,
	       "probe: what was queued is asked, though nobody waits");
}

static void
many_targets(void)
{
	static char text[700][32];
	const char *urls[700];
	struct gw_probe_run *run;

	begin_test();
	for (int i = 0; i < 700; i++) {
		snprintf(text[i], sizeof(text[i]), "http://many:%d", i);
		urls[i] = text[i];
	}
	run = run_of(urls, 700);
	is_int((long long)live, GW_PROBES_YOUNG_MAX,
	       "probe: 700 targets -> 32 are asked at once");
	answer(0, 200, GW_TRANSFER_OK);
	is_int((long long)live, GW_PROBES_YOUNG_MAX,
	       "probe: one has answered -> the next is asked");
	hang_until(GW_PROBES_IN_FLIGHT_MAX);
	is_int((long long)live, GW_PROBES_IN_FLIGHT_MAX,
	       "probe: 700 targets -> 512 in flight, the rest wait");
	usleep(GW_PROBE_YOUNG_MS * 1000); /* all of them are old now */
	answer(1, 200, GW_TRANSFER_OK);
	is_int((long long)live, GW_PROBES_IN_FLIGHT_MAX,
	       "probe: one of them has answered -> one takes its place");
	answer_all(2);
	ok(gw_probe_run_is_done(run) && started == 700 && done_calls == 1,
	   "probe: all of them are asked in the end");
	gw_probe_run_free(run);
	for (int i = 0; i < 700; i++)
		snprintf(text[i], sizeof(text[i]), "http://left:%d", i);
	run = run_of(urls, 700);
	hang_until(GW_PROBES_IN_FLIGHT_MAX);
	gw_probe_run_free(run);
	answer_all(700);
	is_int((long long)started - 700, GW_PROBES_IN_FLIGHT_MAX,
	       "probe: what was queued for a run that left is not sent");
}

/* A body without end: the status is what counts. */
static void
long_body(void)
{
	struct gw_transfer_head head = {
		.status = 200, .content_type = "", .retry_after = ""};
	static const char piece[16384];
	struct gw_probe_run *run;

	begin_test();
	run = run_one("http://long");
	transfers[0].ops->on_head(transfers[0].arg, &head);
	for (int i = 0; i < 4; i++)
		transfers[0].ops->on_data(transfers[0].arg, piece,
					  sizeof(piece));
	is_int((long long)live, 1, "probe: 64 KiB of body are read");
	transfers[0].ops->on_data(transfers[0].arg, "x", 1);
	ok(live == 0 && done_calls == 0,
	   "probe: more is not, and nobody is told from inside libcurl");
	ok(until_done(1) && reachable(run, 0), "probe: told from the loop");
	gw_probe_run_free(run);
}

static void
cannot_start(void)
{
	struct gw_probe_run *run;

	begin_test();
	refuse_start = true;
	run = run_one("http://nostart");
	ok(gw_probe_run_is_done(run) && !reachable(run, 0),
	   "probe: a transfer that cannot start -> not reachable");
	gw_probe_run_free(run);
	begin_test();
	run = run_of(NULL, 0);
	ok(gw_probe_run_is_done(run), "probe: no targets -> done");
	gw_probe_run_free(run);
}

static void
keys(void)
{
	uint64_t a[2], b[2];

	gw_probe_key("http://a", "k", a);
	gw_probe_key("http://a", "k", b);
	ok(!memcmp(a, b, sizeof(a)), "probe key: the same for the same");
	gw_probe_key("http://a", NULL, b);
	ok(a[0] != b[0] && a[1] != b[1], "probe key: the bearer counts");
	gw_probe_key("http://ak", "", b);
	ok(a[0] != b[0] && a[1] != b[1], "probe key: and where it begins");
	gw_probe_key("http://a", "", a);
	gw_probe_key("http://a", NULL, b);
	ok(a[0] != b[0] && a[1] != b[1], "probe key: empty is not none");
}

int
main(void)
{
	snprintf(shm_name, sizeof(shm_name), "/rolemesh-test-probe-%d",
		 (int)getpid());
	with.loop = ev_loop_new(EVFLAG_AUTO);
	with.reg = attach();
	other = attach();
	reg_unlink(shm_name);
	several_targets();
	two_runs_share();
	leaving_early_still_publishes();
	asked_again_when_told();
	another_process_probes();
	deadline();
	old_results();
	known();
	queued_behind_hanging();
	many_targets();
	long_body();
	cannot_start();
	keys();
	gw_prober_free(prober);
	reg_close(other);
	reg_close(with.reg);
	ev_loop_destroy(with.loop);
	return done_testing();
}
