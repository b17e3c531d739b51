/* SPDX-License-Identifier: MIT */
/*
 * prober.c - asks upstreams whether they are there, each of them once.
 *
 * Owns the jobs (one a target) and their transfers. A job is in exactly one of
 * four lists: queued (too many under way), elsewhere (another process asks:
 * look again soon), running, or over (its answer is known but libcurl is on the
 * stack, from where nobody may be told).
 */
#include "probe/prober.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "probe/job.h"
#include "probe/result.h"

#define LOOK_AGAIN_S 0.02    /* is the other process done? */
#define LEASE_EXTRA_MS 500   /* a probe's right outlives its time-out */
#define BODY_MAX (64u << 10) /* read so that the connection can be reused */
#define URL_MAX 4096

struct gw_prober {
	struct gw_prober_setup with;
	struct gw_probe_jobs jobs;
	struct gw_probe_job_list queued, elsewhere, running, over;
	unsigned n_running;
	ev_timer growing_old; /* the young ones */
	ev_timer look_again;
	ev_timer hand_out;
};

static struct gw_probe_outcome
outcome_now(uint32_t result)
{
	return (struct gw_probe_outcome){.result = result,
					 .since_wall_s = gw_wall_s()};
}

/*
 * Tells everybody. A waiter may do anything in its answer: ask again (and must
 * get a new job), or make other waiters leave; hence out of the table first,
 * and from the head each time.
 */
static void
finish(struct gw_probe_job *j, struct gw_probe_outcome outcome)
{
	struct gw_probe_waiter *w;

	gw_probe_job_unlist(j);
	while ((w = LIST_FIRST(&j->waiters))) {
		LIST_REMOVE(w, link);
		w->job = NULL;
		w->answer(w, outcome);
	}
	gw_probe_job_free(j);
}

/* ---- the exchange -------------------------------------------------------- */

static void start_queued(struct gw_prober *p);

static void
publish(struct gw_probe_job *j, uint32_t result)
{
	struct gw_prober *p = j->prober;

	reg_probe_put(p->with.reg, j->key, gw_mono_ms(), gw_wall_s(), result);
	if (p->with.on_result)
		p->with.on_result(p->with.arg, j->base_url, j->key, result);
}

/* The result of a job's own exchange: publish, then tell. */
static void
conclude(struct gw_probe_job *j, uint32_t result)
{
	struct gw_prober *p = j->prober;
	struct gw_probe_outcome o = outcome_now(result);

	if (j->last.checked_ms && j->last.result == result)
		o.since_wall_s = j->last.since_wall_s;
	if (j->shared)
		publish(j, result);
	finish(j, o);
	start_queued(p);
}

static void
on_head(void *arg, const struct gw_transfer_head *head)
{
	struct gw_probe_job *j = arg;

	j->status = head->status;
}

/* libcurl is on the stack here, so a body that is too long ends it later. */
static bool
on_data(void *arg, const char *p, size_t n)
{
	struct gw_probe_job *j = arg;
	struct gw_prober *prober = j->prober;

	(void)p;
	j->body_bytes += n;
	if (j->body_bytes <= BODY_MAX)
		return true;
	gw_transfer_cancel(GW_STEAL(j->transfer));
	prober->n_running--;
	gw_probe_job_move(j, &prober->over);
	ev_timer_start(prober->with.loop, &prober->hand_out);
	return true;
}

static void
on_done(void *arg, enum gw_transfer_result result, const char *detail)
{
	struct gw_probe_job *j = arg;

	(void)detail;
	j->transfer = NULL;
	j->prober->n_running--;
	if (j->status)
		conclude(j, gw_probe_result_of_status(j->status));
	else if (result == GW_TRANSFER_OK)
		conclude(j, gw_probe_result_of_failure(GW_TRANSFER_CLOSED));
	else
		conclude(j, gw_probe_result_of_failure(result));
}

static const struct gw_transfer_ops probe_ops = {
	.on_head = on_head,
	.on_data = on_data,
	.on_done = on_done,
};

static const char *const probe_headers[] = {
	"Accept: application/json",
	"User-Agent: rolemesh-gateway",
};

/* Those, and who asks: a gateway must not probe because it is probed. */
static void
collect_headers(const struct gw_prober *p, char *via, size_t cap,
		const char **headers, size_t *n)
{
	*n = GW_ARRAY_LEN(probe_headers);
	memcpy(headers, probe_headers, sizeof(probe_headers));
	if (!p->with.via)
		return;
	snprintf(via, cap, "X-RoleMesh-Via: %s", p->with.via);
	headers[(*n)++] = via;
}

static int
start_transfer(struct gw_probe_job *j)
{
	struct gw_prober *p = j->prober;
	gw_auto_buf struct gw_buf url = GW_BUF_INIT(URL_MAX);
	struct gw_err err = {0};
	const char *headers[GW_ARRAY_LEN(probe_headers) + 1];
	char via[64];
	struct gw_transfer_request req = {
		.bearer = j->bearer,
		.tls = j->tls,
		.headers = headers,
		.connect_ms = j->limits.timeout_ms,
		.total_ms = j->limits.timeout_ms,
	};

	if (gw_buf_printf(&url, "%s/v1/models", j->base_url) < 0)
		return -1;
	req.url = url.data;
	collect_headers(p, via, sizeof(via), headers, &req.n_headers);
	j->transfer =
		gw_transfer_start(p->with.upstreams, &req, &probe_ops, j, &err);
	if (!j->transfer)
		return -1;
	p->n_running++;
	j->begun_ms = gw_mono_ms();
	gw_probe_job_move(j, &p->running);
	if (p->with.on_sent)
		p->with.on_sent(p->with.arg);
	return 0;
}

/* May one more begin? */
static bool
has_room(struct gw_prober *p)
{
	struct gw_probe_job *j = TAILQ_LAST(&p->running, gw_probe_job_list);
	uint64_t now_ms = gw_mono_ms();

	if (p->n_running >= GW_PROBES_IN_FLIGHT_MAX)
		return false;
	/* They are in the order in which they began. */
	for (unsigned young = 0; j; young++) {
		if (now_ms - j->begun_ms >= GW_PROBE_YOUNG_MS)
			return true;
		if (young + 1 == GW_PROBES_YOUNG_MAX)
			break;
		j = TAILQ_PREV(j, gw_probe_job_list, link);
	}
	if (!j)
		return true;
	if (!ev_is_active(&p->growing_old)) {
		p->growing_old.repeat = GW_PROBE_YOUNG_MS / 1000.0;
		ev_timer_again(p->with.loop, &p->growing_old);
	}
	return false;
}

/*
 * Starts a job, or finds that it needs not run. Returns true when the outcome
 * is known and the job can go; tells nobody.
 */
static bool
begin(struct gw_probe_job *j, struct gw_probe_outcome *out)
{
	struct gw_prober *p = j->prober;
	struct reg *reg = p->with.reg;
	enum reg_probe_turn turn;
	uint32_t failed;

	if (!has_room(p)) {
		gw_probe_job_move(j, &p->queued);
		return false;
	}
	turn = reg_probe_begin(reg, j->key, gw_mono_ms(), j->limits.ttl_ms,
			       j->limits.timeout_ms + LEASE_EXTRA_MS, &j->last);
	if (turn == REG_PROBE_FRESH) {
		out->result = j->last.result;
		out->since_wall_s = j->last.since_wall_s;
		return true;
	}
	if (turn == REG_PROBE_WAIT) {
		gw_probe_job_move(j, &p->elsewhere);
		if (!ev_is_active(&p->look_again))
			ev_timer_again(p->with.loop, &p->look_again);
		return false;
	}
	j->shared = turn == REG_PROBE_MINE;
	if (start_transfer(j) == 0)
		return false;
	failed = gw_probe_result_of_failure(GW_TRANSFER_INTERNAL);
	if (j->shared)
		publish(j, failed);
	*out = outcome_now(failed);
	return true;
}

static void
begin_or_finish(struct gw_probe_job *j)
{
	struct gw_probe_outcome outcome;

	if (begin(j, &outcome))
		finish(j, outcome);
}

static void
start_queued(struct gw_prober *p)
{
	struct gw_probe_job *j;

	while (!TAILQ_EMPTY(&p->queued) && has_room(p)) {
		j = TAILQ_FIRST(&p->queued);
		begin_or_finish(j);
	}
}

/* ---- timers -------------------------------------------------------------- */

static void
on_growing_old(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_prober *p = t->data;

	(void)revents;
	ev_timer_stop(loop, t);
	start_queued(p);
}

/* Those for whom it is still too early go to the end of the list again. */
static void
on_look_again(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_prober *p = t->data;
	struct gw_probe_job *j;
	size_t n = 0;

	(void)revents;
	TAILQ_FOREACH(j, &p->elsewhere, link)
	n++;
	while (n-- && (j = TAILQ_FIRST(&p->elsewhere)))
		begin_or_finish(j);
	if (TAILQ_EMPTY(&p->elsewhere))
		ev_timer_stop(loop, t);
}

static void
on_hand_out(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_prober *p = t->data;
	struct gw_probe_job *j;

	(void)loop;
	(void)revents;
	while ((j = TAILQ_FIRST(&p->over)))
		conclude(j, gw_probe_result_of_status(j->status));
}

/* ---- interface ----------------------------------------------------------- */

struct gw_prober *
gw_prober_new(const struct gw_prober_setup *setup)
{
	struct gw_prober *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->with = *setup;
	TAILQ_INIT(&p->queued);
	TAILQ_INIT(&p->elsewhere);
	TAILQ_INIT(&p->running);
	TAILQ_INIT(&p->over);
	ev_timer_init(&p->growing_old, on_growing_old, 0., 0.);
	p->growing_old.data = p;
	ev_timer_init(&p->look_again, on_look_again, 0., LOOK_AGAIN_S);
	p->look_again.data = p;
	ev_timer_init(&p->hand_out, on_hand_out, 0., 0.);
	p->hand_out.data = p;
	return p;
}

struct ev_loop *
gw_prober_loop(const struct gw_prober *p)
{
	return p->with.loop;
}

void
gw_prober_free(struct gw_prober *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < GW_PROBE_BUCKETS; i++)
		while (p->jobs.bucket[i])
			gw_probe_job_free(p->jobs.bucket[i]);
	ev_timer_stop(p->with.loop, &p->growing_old);
	ev_timer_stop(p->with.loop, &p->look_again);
	ev_timer_stop(p->with.loop, &p->hand_out);
	free(p);
}

bool
gw_prober_ask(struct gw_prober *p, const struct gw_probe_target *target,
	      struct gw_probe_limits limits, struct gw_probe_waiter *waiter,
	      struct gw_probe_outcome *out)
{
	struct gw_probe_job *j;
	uint64_t key[2];

	gw_probe_target_key(target, key);
	j = gw_probe_job_find(&p->jobs, key);
	if (!j) {
		j = gw_probe_job_new(&p->jobs, p, target, key, limits);
		if (!j) {
			*out = outcome_now(gw_probe_result_of_failure(
				GW_TRANSFER_INTERNAL));
			return true;
		}
		if (begin(j, out)) {
			gw_probe_job_free(j);
			return true;
		}
	}
	LIST_INSERT_HEAD(&j->waiters, waiter, link);
	waiter->job = j;
	return false;
}

static bool
recall(struct gw_prober *p, const uint64_t key[2], struct gw_probe_outcome *out)
{
	uint64_t now_ms = gw_mono_ms();
	struct reg_probe last;
	uint64_t age_ms;

	reg_probe_last(p->with.reg, key, &last);
	age_ms = now_ms > last.checked_ms ? now_ms - last.checked_ms : 0;
	if (!last.checked_ms || age_ms > GW_PROBE_OLD_MAX_MS)
		return false;
	*out = (struct gw_probe_outcome){.result = last.result,
					 .since_wall_s = last.since_wall_s,
					 .age_ms = age_ms};
	return true;
}

bool
gw_prober_recall(struct gw_prober *p, const struct gw_probe_target *target,
		 struct gw_probe_outcome *out)
{
	uint64_t key[2];

	gw_probe_target_key(target, key);
	return recall(p, key, out);
}

/* One that is queued stays so, without a waiter: it would never be its turn if
 * those before it hang, and nobody waits for long. */
bool
gw_prober_settle(struct gw_prober *p, struct gw_probe_waiter *waiter,
		 struct gw_probe_outcome *out)
{
	if (!recall(p, waiter->job->key, out))
		return false;
	if (waiter->job->list == &p->queued) {
		LIST_REMOVE(waiter, link);
		waiter->job = NULL;
	} else {
		gw_prober_leave(p, waiter);
	}
	return true;
}

void
gw_prober_leave(struct gw_prober *p, struct gw_probe_waiter *waiter)
{
	struct gw_probe_job *j = waiter->job;

	if (!j)
		return;
	LIST_REMOVE(waiter, link);
	waiter->job = NULL;
	/* finish() holds a job that is in no list. */
	if (LIST_EMPTY(&j->waiters) &&
	    (j->list == &p->queued || j->list == &p->elsewhere))
		gw_probe_job_free(j);
}
