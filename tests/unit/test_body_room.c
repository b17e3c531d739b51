/* SPDX-License-Identifier: MIT */
/*
 * test_body_room.c - what request bodies hold of the memory that they may have
 * together, around its limit, and that they give all of it back.
 */
#include "body/parts.h"
#include "body_config.h"
#include "tap.h"

#define ROOM 100000

static int64_t told; /* the sum of what `changed` was told */

static void
on_changed(void *arg, int64_t bytes)
{
	(void)arg;
	told += bytes;
}

static struct gw_body_room room = {.key = "gateway.max_bodies_bytes",
				   .changed = on_changed};

/* Nobody holds anything. */
static void
empty(uint64_t max)
{
	is_int((long long)room.used, 0, "room: what was held before is back");
	room.max = max;
}

static int
grow(size_t *held, size_t need, size_t most)
{
	struct gw_err err = {0};

	return gw_body_room_grow(&room, held, need, most, &err);
}

static void
growing(void)
{
	size_t a = 0, b = 0;

	empty(ROOM);
	ok(grow(&a, 1, ROOM) == 0 && a == GW_BODY_ROOM_LEAST,
	   "grow: a byte of who knows how many -> a little more");
	ok(grow(&a, GW_BODY_ROOM_LEAST, ROOM) == 0 && a == GW_BODY_ROOM_LEAST,
	   "grow: what it has is not taken twice");
	ok(grow(&a, 5000, ROOM) == 0 && a == 2 * GW_BODY_ROOM_LEAST,
	   "grow: more -> twice as much");
	ok(grow(&a, 9000, 9001) == 0 && a == 9001,
	   "grow: never more than it will need");
	ok(grow(&a, 60000, ROOM) == 0 && a == 60000, "grow: a large piece");
	ok(grow(&b, 39999, ROOM) == 0 && b == 39999 && room.used == 99999,
	   "grow: a second one");
	ok(grow(&b, 40000, ROOM) == 0 && b == 40000 && room.used == ROOM,
	   "grow: up to the limit, where there is no room for twice as much");
	ok(grow(&b, 40001, ROOM) < 0 && b == 40000 && room.used == ROOM,
	   "grow: one byte more -> refused, and nothing has changed");
	gw_body_room_keep(&room, &a, 60001);
	is_int((long long)a, 60000, "keep: nobody gets more");
	gw_body_room_keep(&room, &a, 10);
	ok(a == 10 && grow(&b, 40001, ROOM) == 0, "keep: the rest is free");
	gw_body_room_keep(&room, &a, 0);
	gw_body_room_keep(&room, &b, 0);
	is_int(told, 0, "room: each change was told");
}

static void
words(void)
{
	struct gw_err err = {0};
	size_t a = 0;

	empty(ROOM);
	ok(gw_body_room_fits(&room, ROOM, &err) == 0 && room.used == 0,
	   "fits: all of it, and nothing is taken");
	ok(gw_body_room_fits(&room, ROOM + 1, &err) < 0 &&
		   err.code == GW_ERR_OVERLOADED,
	   "fits: not a byte more");
	is_str(err.msg,
	       "there is no room for this request's body: those in the memory "
	       "of this process may have 100000 bytes together "
	       "(gateway.max_bodies_bytes)",
	       "fits: the words");
	ok(grow(&a, ROOM, ROOM) == 0 && gw_body_room_fits(&room, 0, &err) == 0,
	   "fits: what has no body always does");
	room.max = 10;
	ok(gw_body_room_fits(&room, 1, &err) < 0 &&
		   grow(&a, ROOM + 1, ROOM) < 0,
	   "room: a limit that fell below what is held -> no more");
	gw_body_room_keep(&room, &a, 9);
	is_int(gw_body_room_fits(&room, 1, &err), 0, "room: until there is");
	gw_body_room_keep(&room, &a, 0);
}

/* An object of @n bytes. */
static const char *
object(size_t n)
{
	static char text[ROOM + 64];

	snprintf(text, sizeof(text), "{\"a\":%*s}", (int)n - 6, "1");
	return text;
}

static struct gw_body *
begin(size_t announced)
{
	struct gw_body *b = gw_body_new(ROOM * 2, &room, &test_config);

	if (!b)
		abort();
	if (announced)
		gw_body_expect(b, announced);
	return b;
}

static int
add(struct gw_body *b, const char *p, size_t n)
{
	struct gw_err err = {0};

	while (n > 0) {
		size_t step = n < 10000 ? n : 10000;

		if (gw_body_append(b, p, step, &err) < 0) {
			is_int(err.code, GW_ERR_OVERLOADED, "body: overloaded");
			return -1;
		}
		p += step;
		n -= step;
	}
	return 0;
}

static void
announced(void)
{
	struct gw_body *b, *c;
	struct gw_err err = {0};

	empty(ROOM);
	b = begin(ROOM);
	is_int((long long)room.used, 0, "body: announced -> nothing is held");
	ok(add(b, object(ROOM), 1) == 0 && room.used == GW_BODY_ROOM_LEAST,
	   "body: one byte of it -> a little");
	ok(add(b, object(ROOM) + 1, 81000) == 0 && room.used == ROOM,
	   "body: most of it -> all that it will need");
	c = begin(2);
	ok(add(c, "{}", 2) < 0 && room.used == ROOM,
	   "body: then there is no room for another");
	gw_body_free(c);
	ok(add(b, object(ROOM) + 81001, ROOM - 81001) == 0 &&
		   gw_body_finish(b, &err) == 0 && room.used == ROOM,
	   "body: the first one gets there");
	gw_body_discard(b);
	is_int((long long)room.used, 0, "body: sent on -> all is given back");
	c = begin(2);
	ok(add(c, "{}", 2) == 0 && gw_body_finish(c, &err) == 0 &&
		   room.used == 2,
	   "body: a small one takes what it is");
	gw_body_free(b);
	gw_body_free(c);
}

static void
unknown(void)
{
	struct gw_body *b;
	struct gw_err err = {0};
	const char *text = object(70000);

	empty(ROOM);
	b = begin(0);
	ok(add(b, text, 10) == 0 && room.used < 10 + GW_BODY_STEP_BYTES,
	   "body: of unknown length -> a little");
	ok(add(b, text + 10, 69990) == 0 && room.used >= 70000,
	   "body: and more as it comes");
	ok(gw_body_finish(b, &err) == 0 && room.used == 70000 &&
		   b->bytes.cap == 70001,
	   "body: complete -> what it did not need is given back");
	gw_body_free(b);
	room.max = 2 * ROOM;
	b = begin(0);
	ok(add(b, object(ROOM), ROOM) == 0 &&
		   room.used <= ROOM + GW_BODY_STEP_BYTES,
	   "body: but never a step more than came");
	gw_body_free(b);
	room.max = ROOM;
	b = begin(90000);
	ok(add(b, "{}", 2) == 0 && room.used > 2 &&
		   gw_body_finish(b, &err) == 0 && room.used == 2,
	   "body: shorter than announced -> the same");
	gw_body_free(b);
	b = begin(5);
	ok(add(b, object(70000), 70000) == 0 && gw_body_finish(b, &err) == 0 &&
		   room.used == 70000,
	   "body: longer than announced -> as one of unknown length");
	gw_body_free(b);
	b = begin(0);
	ok(add(b, object(ROOM), ROOM) == 0 && gw_body_finish(b, &err) == 0,
	   "body: as much as there is");
	gw_body_free(b);
	b = begin(0);
	ok(add(b, object(ROOM + 1), ROOM + 1) < 0, "body: one byte more");
	gw_body_free(b);
	b = begin(0);
	ok(gw_body_append(b, "]", 1, &err) < 0 && room.used > 0,
	   "body: no JSON");
	gw_body_free(b);
	empty(0);
}

int
main(void)
{
	growing();
	words();
	announced();
	unknown();
	is_int(told, 0, "room: each change was told");
	return done_testing();
}
