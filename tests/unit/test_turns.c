/* SPDX-License-Identifier: MIT */
/*
 * test_turns.c - one piece of work a turn of the loop, whoever waits longest
 * first; who leaves is not called.
 */
#include <unistd.h>

#include "serve/turns.h"
#include "tap.h"

static struct gw_turns turns;
static char order[64];

struct job {
	struct gw_turn turn;
	char name;
	int more; /* pieces */
	struct job *ends;
};

static void
note(char c)
{
	size_t n = strlen(order);

	if (n + 1 < sizeof(order))
		order[n] = c;
}

static void
work(void *arg)
{
	struct job *j = arg;

	note(j->name);
	if (j->ends)
		gw_turn_leave(&turns, &j->ends->turn);
	if (--j->more > 0)
		gw_turn_take(&turns, &j->turn, work, j);
}

static void
on_byte(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	note('.');
}

static const char *
run(int n)
{
	memset(order, 0, sizeof(order));
	while (n--) {
		ev_run(turns.loop, EVRUN_ONCE);
	}
	return order;
}

static void
begin(struct job *j, char name, int pieces)
{
	*j = (struct job){.name = name, .more = pieces};
	gw_turn_take(&turns, &j->turn, work, j);
}

/* Each turn of the loop, as an event that is always there sees it. */
static void
between_events(void)
{
	struct job a, b;

	begin(&a, 'a', 3);
	begin(&b, 'b', 2);
	gw_turn_take(&turns, &a.turn, work, &a);
	run(12);
	is_str(strstr(order, "aa") || strstr(order, "ab") ||
			       strstr(order, "ba") || strstr(order, "bb")
		       ? order
		       : "",
	       "", "turns: an event is seen between any two pieces");
	for (size_t i = 0, n = 0; i < sizeof(order); i++)
		if (order[i] != '.')
			order[n++] = order[i];
	is_str(order, "ababa", "turns: whoever waits longest is next");
}

static void
leaving(void)
{
	struct job a, b, c;

	begin(&a, 'a', 1);
	begin(&b, 'b', 1);
	begin(&c, 'c', 1);
	a.ends = &b;
	gw_turn_leave(&turns, &c.turn);
	gw_turn_leave(&turns, &c.turn);
	run(6);
	ok(strchr(order, 'a') && !strchr(order, 'b') && !strchr(order, 'c'),
	   "turns: who leaves is not called");
	begin(&c, 'c', 1);
	run(6);
	ok(strchr(order, 'c'), "turns: and may come again");
	begin(&a, 'a', 1);
	gw_turns_stop(&turns);
	run(3);
	ok(!strchr(order, 'a') && !a.turn.waiting,
	   "turns: nobody is called after the end");
}

int
main(void)
{
	int fd[2];
	ev_io always;

	gw_turns_init(&turns, ev_loop_new(EVFLAG_AUTO));
	if (!turns.loop || pipe(fd) < 0 || write(fd[1], "x", 1) != 1)
		return 1;
	ev_io_init(&always, on_byte, fd[0], EV_READ);
	ev_io_start(turns.loop, &always);
	between_events();
	leaving();
	ev_loop_destroy(turns.loop);
	close(fd[0]);
	close(fd[1]);
	return done_testing();
}
