/* SPDX-License-Identifier: MIT */
/*
 * events.c - /rolemesh/events: the status once a second, for as long as
 * somebody looks. One snapshot of a process is for all who watch it. Who reads
 * slowly is sent the newest one when it has taken the one before, and no other:
 * a viewer holds one snapshot at most.
 */
#include "endpoint/events.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "config/reload.h"
#include "endpoint/table.h"
#include "fcgi/fcgi_conn.h"
#include "routing/routing.h"
#include "serve/long_answer.h"
#include "serve/reply.h"
#include "serve/worker.h"
#include "status/status.h"

#define PIECE_BYTES ((size_t)GW_FCGI_HIGH_WATER)
#define BEGINNING "event: status\ndata: "

/* One event, ready to be sent. */
struct snapshot {
	unsigned refs;
	uint64_t number;
	struct gw_buf text;
};

struct gw_viewer {
	TAILQ_ENTRY(gw_viewer) link;
	struct gw_events *of;
	struct gw_request *request;
	struct snapshot *current; /* that is being sent, or NULL */
	size_t sent;		  /* of it */
	uint64_t seen;		  /* number of the last one, 0 = none */
};

/* One a process, from the first viewer on. */
struct gw_events {
	struct gw_routing *routing;
	ev_timer each;
	struct gw_turn turn;
	struct gw_status *making; /* or NULL */
	struct snapshot *newest;  /* or NULL */
	uint64_t made;		  /* so many */
	TAILQ_HEAD(gw_viewers, gw_viewer) viewers;
	unsigned n;
	bool ended;
};

static void
let_go(struct snapshot *s)
{
	if (!s || --s->refs)
		return;
	gw_buf_release(&s->text);
	free(s);
}

/* ---- snapshots -------------------------------------------------------------
 */

static struct snapshot *
snapshot_of(const struct gw_buf *document, uint64_t number)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	s->number = number;
	gw_buf_init(&s->text, GW_STATUS_TEXT_MAX + 64);
	if (gw_buf_puts(&s->text, BEGINNING) == 0 &&
	    gw_buf_append(&s->text, document->data, document->len) == 0 &&
	    gw_buf_puts(&s->text, "\n\n") == 0)
		return s;
	let_go(s);
	return NULL;
}

static void
made_one(struct gw_events *e)
{
	struct snapshot *s =
		snapshot_of(gw_status_text(e->making), e->made + 1);
	struct gw_viewer *v;

	if (!s)
		return;
	e->made++;
	let_go(e->newest);
	e->newest = s;
	TAILQ_FOREACH(v, &e->viewers, link)
	if (!v->current)
		gw_long_answer_again(v->request);
}

static void
on_turn(void *arg)
{
	struct gw_events *e = arg;
	enum gw_status_step step = gw_status_go_on(e->making, GW_PIECE_US);

	if (step == GW_STATUS_MORE) {
		gw_turn_take(&e->routing->worker->turns, &e->turn, on_turn, e);
		return;
	}
	/* Without memory there is none this time. */
	if (step == GW_STATUS_DONE)
		made_one(e);
	gw_status_free(e->making);
	e->making = NULL;
}

/* One that takes longer than a second is not begun anew. */
static void
make(struct gw_events *e)
{
	struct gw_worker *w = e->routing->worker;

	if (e->making)
		return;
	e->making = gw_status_new(&(struct gw_status_source){
		.routing = e->routing,
		.config = w->config,
		.counters = &w->counters,
		.started_wall_s = w->started_wall_s});
	if (e->making)
		gw_turn_take(&w->turns, &e->turn, on_turn, e);
}

/* A web server that stops waits for the end of every answer. */
static void
on_second(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_events *e = t->data;

	(void)loop;
	(void)revents;
	if (gw_reload_stops(e->routing->reg))
		gw_events_end(e->routing);
	else
		make(e);
}

/* ---- who watches -----------------------------------------------------------
 */

static struct gw_events *
events_of(struct gw_routing *routing)
{
	struct gw_events *e = routing->events;

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->routing = routing;
	TAILQ_INIT(&e->viewers);
	ev_timer_init(&e->each, on_second, GW_EVENTS_EACH_S, GW_EVENTS_EACH_S);
	e->each.data = e;
	routing->events = e;
	return e;
}

/* Nobody looks: nothing is made, and nothing kept. */
static void
rest(struct gw_events *e)
{
	struct gw_worker *w = e->routing->worker;

	ev_timer_stop(w->loop, &e->each);
	gw_turn_leave(&w->turns, &e->turn);
	gw_status_free(e->making);
	e->making = NULL;
	let_go(e->newest);
	e->newest = NULL;
}

void
gw_viewer_free(struct gw_viewer *v)
{
	if (!v)
		return;
	TAILQ_REMOVE(&v->of->viewers, v, link);
	if (--v->of->n == 0)
		rest(v->of);
	let_go(v->current);
	free(v);
}

void
gw_events_end(struct gw_routing *routing)
{
	struct gw_events *e = events_of(routing);
	struct gw_viewer *v;

	if (!e)
		return;
	e->ended = true;
	TAILQ_FOREACH(v, &e->viewers, link)
	gw_long_answer_again(v->request);
}

void
gw_events_free(struct gw_routing *routing)
{
	if (routing->events)
		rest(routing->events);
	free(routing->events);
	routing->events = NULL;
}

/* ---- a stream --------------------------------------------------------------
 */

static enum gw_step
broken(struct gw_request *r)
{
	gw_reply_break(r);
	return GW_FINISH;
}

/* Adds one. NULL: r->err is set. */
static struct gw_viewer *
add_viewer(struct gw_request *r)
{
	struct gw_events *e = events_of(gw_routing(r));
	struct gw_viewer *v = NULL;

	if (e && e->ended) {
		gw_err_set(&r->err, GW_ERR_SHUTTING_DOWN, 0,
			   "this process stops");
		return NULL;
	}
	if (e && e->n >= GW_VIEWERS_MAX) {
		gw_err_set(&r->err, GW_ERR_OVERLOADED, 0,
			   "%d watch the status of this process already",
			   GW_VIEWERS_MAX);
		return NULL;
	}
	if (e)
		v = calloc(1, sizeof(*v));
	if (!v) {
		gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
			   "no memory for one more viewer");
		return NULL;
	}
	v->of = e;
	v->request = r;
	TAILQ_INSERT_TAIL(&e->viewers, v, link);
	if (e->n++ == 0)
		ev_timer_start(r->worker->loop, &e->each);
	if (!e->newest)
		make(e);
	return v;
}

static void
take_newest(struct gw_viewer *v)
{
	struct snapshot *s = v->of->newest;

	if (v->current || !s || s->number == v->seen)
		return;
	s->refs++;
	v->current = s;
	v->sent = 0;
}

static enum gw_step
go_on(struct gw_request *r, struct gw_viewer *v)
{
	struct snapshot *s;
	size_t n;

	if (v->of->ended && !v->sent) {
		gw_reply_end(r);
		return GW_FINISH;
	}
	take_newest(v);
	s = v->current;
	if (!s)
		return GW_WAIT;
	if (gw_reply_backlog(r) > GW_FCGI_HIGH_WATER) {
		r->long_answer.full = true;
		return GW_WAIT;
	}
	n = s->text.len - v->sent;
	if (n > PIECE_BYTES)
		n = PIECE_BYTES;
	if (gw_reply_body(r, s->text.data + v->sent, n) < 0)
		return broken(r);
	v->sent += n;
	if (v->sent == s->text.len) {
		v->seen = s->number;
		v->sent = 0;
		v->current = NULL;
		let_go(s);
	}
	return gw_long_answer_again(r);
}

enum gw_step
gw_answer_events(struct gw_request *r)
{
	struct gw_routed *mine = gw_routed(r);

	if (mine->viewer)
		return go_on(r, mine->viewer);
	if (!r->accept.head_only)
		mine->viewer = add_viewer(r);
	if (r->err.code)
		return GW_FINISH;
	if (gw_reply_head(r, 200, "text/event-stream", -1) < 0)
		return broken(r);
	if (mine->viewer)
		return go_on(r, mine->viewer);
	gw_reply_end(r);
	return GW_FINISH;
}
