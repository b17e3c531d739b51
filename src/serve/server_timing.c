/* SPDX-License-Identifier: MIT */
/* server_timing.c - see server_timing.h. */
#include "serve/server_timing.h"

#include "base/clock.h"
#include "base/line.h"
#include "serve/request.h"

#define ONE_BYTES 64 /* ", NAME;dur=" and a number */

static const char *const words[GW_TIME__MAX] = {
#define TIME(name, word, text) [GW_TIME_##name] = word,
#include "serve/server_timing.def"
};

static uint64_t
between(uint64_t from_us, uint64_t to_us)
{
	return to_us > from_us ? to_us - from_us : 0;
}

static void
tell(struct gw_times *t, enum gw_time which, uint64_t us)
{
	t->us[which] = us;
	t->known[which] = true;
}

/* Of the attempts but the last one. A kept answer was that of an earlier one:
 * all of them are then, and the last one has connected for nothing. */
static void
tell_attempts(const struct gw_request *r, uint64_t queue_us, uint64_t now_us,
	      struct gw_times *t)
{
	const struct gw_forwarding *f = &r->forward;
	const struct gw_relayed *u = &r->relay;
	bool kept = u->done && !u->first_us;
	uint64_t last_us = kept ? now_us : f->asked_us;
	uint64_t waited_us = between(f->queued_us, queue_us);

	if (f->asked_us != f->first_us || kept)
		tell(t, GW_TIME_RETRY,
		     between(f->first_us + waited_us, last_us));
	if (!u->connected_us)
		return;
	tell(t, GW_TIME_CONNECT, between(f->asked_us, u->connected_us));
	if (u->first_us)
		tell(t, GW_TIME_UPSTREAM,
		     between(u->connected_us, u->first_us));
}

struct gw_times
gw_times_of(const struct gw_request *r, uint64_t now_us)
{
	const struct gw_forwarding *f = &r->forward;
	struct gw_times t = {0};
	uint64_t queue_us = r->queue.waited_us, begun_us = now_us,
		 before_us = 0;

	if (r->queue.begun_us)
		queue_us += between(r->queue.begun_us, now_us);
	before_us = queue_us;
	tell(&t, GW_TIME_AUTH, between(r->begun_us, r->receive.begun_us));
	tell(&t, GW_TIME_QUEUE, queue_us);
	if (f->first_us) {
		tell_attempts(r, queue_us, now_us, &t);
		begun_us = f->first_us;
		before_us = f->queued_us;
	}
	/* Before the first attempt, and behind the upstream's bytes. */
	tell(&t, GW_TIME_GATEWAY,
	     between(r->receive.done_us + before_us, begun_us) +
		     (r->relay.first_us ? between(r->relay.got_us, now_us)
					: 0));
	return t;
}

static int
put_one(struct gw_buf *b, bool first, const char *word, uint64_t us)
{
	char text[ONE_BYTES];
	struct gw_line l = {.text = text, .cap = sizeof(text)};

	gw_line_puts(&l, first ? "" : ", ");
	gw_line_puts(&l, word);
	gw_line_puts(&l, ";dur=");
	gw_line_uint(&l, us / 1000, 1);
	gw_line_puts(&l, ".");
	gw_line_uint(&l, us % 1000, 3);
	return gw_buf_append(b, text, l.len);
}

int
gw_server_timing(const struct gw_request *r, struct gw_buf *b)
{
	struct gw_times t;
	bool first = true;

	/* Without an alias nobody was asked. */
	if (!r->resolve.model || r->err.code)
		return 0;
	t = gw_times_of(r, gw_mono_us());
	if (gw_buf_puts(b, GW_SERVER_TIMING_HEADER ": ") < 0)
		return -1;
	for (size_t i = 0; i < GW_TIME__MAX; i++) {
		if (!t.known[i])
			continue;
		if (put_one(b, first, words[i], t.us[i]) < 0)
			return -1;
		first = false;
	}
	return gw_buf_puts(b, "\r\n");
}
