/* SPDX-License-Identifier: MIT */
/* failover.c - see failover.h; what to do is verdict.c's to say. */
#include "stage/failover.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "routing/ejection.h"
#include "routing/history.h"
#include "routing/routing.h"
#include "serve/deadline.h"
#include "stage/affinity.h"
#include "stage/queue.h"
#include "stage/stage.h"
#include "stage/verdict.h"

/* Between two questions whether another one has become free: so long, and as
 * long again for each so many candidates. */
#define LINE_LOOK_MS 250
#define LINE_LOOK_CHOICES 64
#define RECORD_MS 1000 /* between two records for affinity */

/* ---- who else --------------------------------------------------------------
 */

struct gw_history *
gw_failover_history(struct gw_request *r)
{
	if (!r->forward.history)
		r->forward.history = calloc(1, sizeof(struct gw_history));
	gw_routed(r)->pick.history = r->forward.history;
	return r->forward.history;
}

const struct gw_model *
gw_failover_named(const struct gw_request *r)
{
	return r->forward.named ? r->forward.named : r->resolve.model;
}

const struct gw_model *
gw_failover_alias(const struct gw_request *r, size_t i)
{
	const struct gw_model *m = gw_failover_named(r);

	return i < m->n_fallbacks ? m->fallbacks[i] : NULL;
}

static bool
is_there_another(const struct gw_request *r, bool full_too, bool *passed_over)
{
	struct gw_routing *routing = gw_routing(r);
	const struct gw_picked *p = &gw_routed(r)->pick;
	const struct gw_model *m = r->resolve.model;
	/* Whoever is loading is waited for rather than one that is down. */
	enum gw_rank last = p->failed && !p->loading ? GW_RANK_LOADING
						     : GW_RANK_UNREACHABLE;
	bool found = false;

	*passed_over = false;
	if (m->type != GW_MODEL_DISCOVERED)
		return false;
	gw_node_view_refresh(routing->nodes);
	if (gw_choices_of(routing, r->config, m, gw_mono_ms(),
			  &routing->choices) < 0)
		return false;
	for (size_t i = 0; i < routing->choices.n; i++) {
		const struct gw_choice *c = &routing->choices.at[i];
		enum gw_rank rank = gw_choice_rank(c);

		if (gw_was_tried(p->history, m, c) ||
		    (p->chosen && c->key == p->keys.candidate[0]))
			continue;
		found = found || rank <= last ||
			(full_too && rank == GW_RANK_NO_SLOT && !c->ejected);
		*passed_over =
			*passed_over || (rank > last && rank < GW_RANK_NEVER);
	}
	return found;
}

/* One that is full is waited for; but whoever waits for a model to be loaded has
 * its place already. */
static bool
has_another(const struct gw_request *r, bool *passed_over)
{
	return is_there_another(r, !gw_routed(r)->pick.loading, passed_over);
}

bool
gw_failover_may_leave(const struct gw_request *r)
{
	bool passed_over;

	return !r->relay.head && r->forward.attempts < GW_ATTEMPTS_MAX &&
	       r->forward.further < r->resolve.model->retry.attempts &&
	       is_there_another(r, false, &passed_over);
}

static bool
is_ejected(const struct gw_request *r)
{
	const struct gw_picked *p = &gw_routed(r)->pick;
	const struct reg *reg = gw_routing(r)->reg;
	struct reg_candidate model, address;
	uint64_t now_ms = gw_mono_ms();

	if (!p->chosen)
		return false;
	reg_candidate_read(reg, p->ref, now_ms, &model);
	reg_candidate_read(reg, p->address, now_ms, &address);
	return model.ejected || address.ejected;
}

/* Has it a candidate that can be asked, in whatever order? */
static bool
can_be_asked(const struct gw_request *r, const struct gw_model *m)
{
	struct gw_routing *routing = gw_routing(r);
	const struct gw_picked *p = &gw_routed(r)->pick;

	if (gw_choices_of(routing, r->config, m, gw_mono_ms(),
			  &routing->choices) < 0)
		return false;
	for (size_t i = 0; i < routing->choices.n; i++)
		if (gw_choice_rank(&routing->choices.at[i]) != GW_RANK_NEVER &&
		    !gw_was_tried(p->history, m, &routing->choices.at[i]))
			return true;
	return false;
}

/* An alias that nobody serves is none. */
static bool
has_fallback(const struct gw_request *r)
{
	const struct gw_model *m;

	gw_node_view_refresh(gw_routing(r)->nodes);
	for (size_t i = r->forward.fallbacks; (m = gw_failover_alias(r, i));
	     i++)
		if (can_be_asked(r, m))
			return true;
	return false;
}

static void
fall_back(struct gw_request *r)
{
	const struct gw_model *next =
		gw_failover_alias(r, r->forward.fallbacks);

	if (!r->forward.named)
		r->forward.named = r->resolve.model;
	r->forward.fallbacks++;
	r->resolve.model = next;
	gw_deadline_turn(r);
	if (gw_routed(r)->pick.history)
		gw_routed(r)->pick.history->n_unreached = 0;
	gw_resolve_stream(r);
}

/* ---- what is known of whom was asked ----------------------------------------
 */

static struct gw_place
place(const struct gw_request *r)
{
	const struct gw_picked *p = &gw_routed(r)->pick;

	return (struct gw_place){.ref = p->ref,
				 .address = p->address,
				 .alias = r->resolve.model->alias,
				 .node_id = r->target.node_id,
				 .base_url = r->target.base_url};
}

/* It gave somebody a byte since this request came to it: it is busy, not dead.
 */
static bool
is_alive(const struct gw_request *r)
{
	const struct gw_picked *p = &gw_routed(r)->pick;
	struct reg_candidate met;

	reg_candidate_read(gw_routing(r)->reg, p->ref, gw_mono_ms(), &met);
	return met.byte_ms >= p->begun_ms;
}

static void
blame_later(struct gw_request *r)
{
	const struct gw_picked *p = &gw_routed(r)->pick;
	struct gw_history *h = gw_failover_history(r);

	if (h && h->n_blamed < GW_ATTEMPTS_MAX)
		memcpy(h->blamed[h->n_blamed++].candidate, p->keys.candidate,
		       sizeof(p->keys.candidate));
}

static void
note_unreached(struct gw_request *r)
{
	struct gw_history *h = gw_failover_history(r);

	if (h && h->n_unreached < GW_ATTEMPTS_MAX)
		h->unreached[h->n_unreached++] =
			gw_routed(r)->pick.keys.address[0];
}

/* It was the trial of its model or of its address, and may have failed as the
 * other one: neither keeps it. */
static void
end_trial(struct gw_request *r)
{
	struct gw_picked *p = &gw_routed(r)->pick;

	if (p->trial) {
		reg_candidate_untry(gw_routing(r)->reg, p->ref);
		reg_candidate_untry(gw_routing(r)->reg, p->address);
	}
	p->trial = false;
}

static void
failed(struct gw_request *r, int mishap, uint64_t busy_ms)
{
	struct gw_routing *routing = gw_routing(r);
	struct gw_picked *p = &gw_routed(r)->pick;
	unsigned n = gw_mishap_failures((enum gw_mishap)mishap);
	bool unconnected = mishap == GW_MISHAP_UNCONNECTED;
	struct gw_place at = place(r);

	p->failed = true;
	p->lost = mishap == GW_MISHAP_LOST;
	p->loading = mishap == GW_MISHAP_LOADING;
	if (!p->chosen)
		return;
	if (busy_ms)
		reg_candidate_busy(routing->reg, p->ref,
				   gw_mono_ms() + busy_ms);
	if (mishap == GW_MISHAP_FAILED)
		blame_later(r);
	if (unconnected)
		note_unreached(r);
	if (mishap == GW_MISHAP_SILENT && is_alive(r))
		n = 0;
	if (r->relay.failure == GW_TRANSFER_REFUSED && unconnected)
		n *= 2;
	if (n == 0)
		return; /* a trial ends without a verdict, on release */
	gw_ejection_failed(routing, r->config, &at, n, unconnected,
			   gw_mishap_word((enum gw_mishap)mishap));
	end_trial(r);
}

static void
gave_byte(struct gw_request *r)
{
	struct gw_picked *p = &gw_routed(r)->pick;
	uint64_t now_ms = gw_mono_ms();

	reg_candidate_byte(gw_routing(r)->reg, p->ref, now_ms);
	if (now_ms - p->recorded_ms < RECORD_MS)
		return;
	p->recorded_ms = now_ms;
	gw_affinity_record(r, p->keys.candidate[0]);
}

/* Another one answered the same request: those were at fault. */
static void
blame(struct gw_request *r)
{
	const struct gw_picked *p = &gw_routed(r)->pick;
	struct gw_history *h = p->history;
	struct gw_place at = place(r);

	for (unsigned i = 0; h && i < h->n_blamed; i++) {
		if (h->blamed[i].candidate[0] == p->keys.candidate[0])
			continue;
		at.ref = reg_candidate_open(gw_routing(r)->reg,
					    h->blamed[i].candidate,
					    gw_mono_ms());
		at.node_id = NULL;
		at.base_url = "";
		gw_ejection_failed(gw_routing(r), r->config, &at, 1, false,
				   gw_mishap_word(GW_MISHAP_FAILED));
	}
	if (h)
		h->n_blamed = 0;
}

static void
ended(struct gw_request *r, bool whole)
{
	struct gw_picked *p = &gw_routed(r)->pick;
	struct gw_place at = place(r);

	if (!p->chosen)
		return;
	if (!whole) {
		gw_ejection_failed(gw_routing(r), r->config, &at, 1, false,
				   "its answer broke off");
		end_trial(r);
		return;
	}
	p->trial = false; /* success ends it */
	p->recorded_ms = 0;
	gave_byte(r);
	gw_ejection_succeeded(gw_routing(r), &at);
	blame(r);
}

struct gw_probe_target
gw_failover_target(const struct gw_request *r)
{
	return (struct gw_probe_target){
		.base_url = r->target.base_url,
		.bearer = r->target.api_key,
		.tls = r->target.tls,
	};
}

static bool
is_loaded(struct gw_request *r)
{
	struct gw_probe_target target = gw_failover_target(r);

	return gw_states_is_loaded(gw_routing(r), &target,
				   gw_routed(r)->pick.keys.probe);
}

/* ---- waiting where others are served first ----------------------------------
 */

static bool
is_in_line(const struct gw_request *r)
{
	const struct gw_picked *p = &gw_routed(r)->pick;

	return p->chosen && p->in_line && !p->left_line && !p->trial &&
	       r->forward.attempts < GW_ATTEMPTS_MAX;
}

static bool
has_free_slot(const struct gw_choice *c)
{
	return gw_choice_rank(c) == GW_RANK_NOW && c->step < GW_MODEL_STEP_BUSY;
}

static bool
leaves_line(struct gw_request *r, uint32_t *again_ms)
{
	struct gw_routing *routing = gw_routing(r);
	struct gw_picked *p = &gw_routed(r)->pick;
	bool found = false;

	*again_ms = LINE_LOOK_MS;
	/* What became free is for those that wait, and it has its place here. */
	if (gw_queue_has_any(r))
		return false;
	gw_node_view_refresh(routing->nodes);
	if (gw_choices_of(routing, r->config, r->resolve.model, gw_mono_ms(),
			  &routing->choices) < 0)
		return false;
	*again_ms += (uint32_t)(routing->choices.n * LINE_LOOK_MS /
				LINE_LOOK_CHOICES);
	for (size_t i = 0; i < routing->choices.n; i++) {
		const struct gw_choice *c = &routing->choices.at[i];

		/* Fewer are there by now: it may be its turn. */
		if (c->key == p->keys.candidate[0] &&
		    c->in_flight <= c->parallel)
			return false;
		found = found ||
			(has_free_slot(c) &&
			 !gw_was_tried(p->history, r->resolve.model, c));
	}
	if (!found)
		return false;
	/* It was not served there: nothing is held against that one. */
	p->left_line = true;
	p->chosen = false;
	return true;
}

const struct gw_failover gw_failover = {
	.has_another = has_another,
	.is_ejected = is_ejected,
	.has_fallback = has_fallback,
	.fall_back = fall_back,
	.failed = failed,
	.gave_byte = gave_byte,
	.ended = ended,
	.is_loaded = is_loaded,
	.is_in_line = is_in_line,
	.leaves_line = leaves_line,
};
