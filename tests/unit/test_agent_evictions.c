/* SPDX-License-Identifier: MIT */
/*
 * test_agent_evictions.c - whom a start would push out, as the gateway is told
 * of it, and when there is news.
 */
#include "schedule_fixture.h"

static unsigned news;

static void
on_news(void *arg)
{
	(void)arg;
	news++;
}

static void
begin_told(size_t n_devices)
{
	begin(n_devices);
	ag_scheduler_on_evicts(s, on_news, NULL);
	news = 0;
}

/* The models that would push another one out: "bcd". */
static const char *
evicts(void)
{
	static char text[N_MODELS + 1];
	size_t n = 0;

	for (size_t i = 0; i < N_MODELS; i++)
		if (ag_scheduler_evicts(s, &model[i]))
			text[n++] = (char)('a' + i);
	text[n] = '\0';
	return text;
}

static void
one_device(void)
{
	struct client *a;

	ok(!ag_scheduler_evicts(NULL, &model[A]),
	   "evicts: before the devices are known -> nobody");
	begin_told(1);
	is_str(evicts(), "", "evicts: an empty device -> nobody");
	a = asks(A);
	is_str(evicts(), "bcd", "evicts: a is starting -> all others would");
	is_int(news, 1, "evicts: ... which is news");
	is_ready(A, gpu0);
	is_str(evicts(), "bcd", "evicts: a is ready -> the same");
	is_int(news, 1, "evicts: ... and no news");
	asks(B);
	ends(a);
	ok(model[A].state == AG_STOPPING, "evicts: a makes room for b");
	is_str(evicts(), "acd",
	       "evicts: a makes room for b -> a and others would push b out");
	is_gone(A);
	is_str(evicts(), "acd", "evicts: b is starting -> the same");
	end();
}

static void
waits_to_be_started(void)
{
	struct client *a;

	begin_told(1);
	looked_for[A] = true;
	a = asks(A);
	ok(waits(a) && !model[A].device, "awaited: its files are looked for");
	is_str(evicts(), "bcd", "awaited: ... its place is taken already");
	is_int(news, 1, "awaited: ... which is news");
	ends(a);
	is_str(evicts(), "", "awaited: its client left -> nobody's place");
	is_int(news, 2, "awaited: ... which is news, too");
	end();
}

static void
two_devices(void)
{
	begin_told(2);
	looked_for[A] = looked_for[B] = true;
	asks(A);
	is_str(evicts(), "", "two devices: one of them is left");
	is_int(news, 0, "two devices: no news");
	asks(B);
	is_str(evicts(), "cd", "two devices: two models wait for them");
	is_int(news, 1, "two devices: ... which is news");
	end();
}

static void
drains(void)
{
	struct client *a, *b;

	begin_told(1);
	a = asks(A);
	is_ready(A, gpu0);
	b = asks(B);
	ag_model_stop(&model[A], "asked to");
	ok(model[A].state == AG_DRAINING, "drains: a has a request");
	ends(b);
	is_str(evicts(), "abcd", "drains: until it has ended, everybody waits");
	ends(a);
	is_str(evicts(), "", "drains: it ends, nobody else waits -> room");
	end();
}

static void
ends_unused(void)
{
	begin_told(1);
	is_ready(A, gpu0);
	news = 0;
	ag_model_stop(&model[A], "unused");
	settle();
	is_str(evicts(), "",
	       "unused: a ends by itself -> nobody is pushed out");
	is_int(news, 1, "unused: ... which is news");
	end();
}

static void
groups(void)
{
	begin_told(1);
	in_group(A, 400);
	in_group(B, 600);
	in_group(C, 700);
	looked_for[A] = true;
	asks(A);
	is_str(evicts(), "cd",
	       "groups: what fits beside one that is awaited, and what does "
	       "not");
	looked_for[A] = false;
	is_ready(A, gpu0);
	is_sampled();
	news = 0;
	gpu0->sample.memory_free_mib = 500;
	is_sampled();
	is_str(evicts(), "bcd", "groups: others use the memory -> no room");
	is_int(news, 1, "groups: ... which is news");
	end();
}

static void
not_allowed(void)
{
	begin_told(1);
	configs[B].memory_mib = 1001;
	is_ready(A, gpu0);
	is_str(evicts(), "cd",
	       "not allowed: what can be nowhere takes no place");
	end();
}

int
main(void)
{
	one_device();
	waits_to_be_started();
	two_devices();
	drains();
	ends_unused();
	groups();
	not_allowed();
	return done_testing();
}
