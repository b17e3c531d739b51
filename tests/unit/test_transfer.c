/* SPDX-License-Identifier: MIT */
/*
 * test_transfer.c - ends of a transfer that must not hold the event loop up.
 * Name look-up is the test's own: one name is resolved only when told.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "tap.h"
#include "upstream/transfer.h"

#define LIMIT_S 120 /* a test that waits longer has failed */

/* ---- a resolver that hangs ----------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int asked, answered;
static bool go;
static int waits; /* for a look-up that hangs */

/* libcurl's resolver thread calls this instead of libc's. */
int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
	    struct addrinfo **found)
{
	(void)name;
	(void)service;
	(void)hints;
	*found = NULL;
	pthread_mutex_lock(&lock);
	asked++;
	pthread_cond_broadcast(&changed);
	while (!go)
		pthread_cond_wait(&changed, &lock);
	answered++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return EAI_NONAME;
}

static void
set_go(void)
{
	pthread_mutex_lock(&lock);
	go = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* And this one to wait for that thread. */
int
pthread_join(pthread_t thread, void **value)
{
	int (*real)(pthread_t, void **);

	*(void **)&real = dlsym(RTLD_NEXT, "pthread_join");
	waits += !go;
	set_go(); /* else that was the end of this test */
	return real(thread, value);
}

static void
let_go(void)
{
	set_go();
	pthread_mutex_lock(&lock);
	while (answered < asked)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static int
asked_by_now(void)
{
	pthread_mutex_lock(&lock);
	int n = asked;
	pthread_mutex_unlock(&lock);
	return n;
}

/* ---- transfers ----------------------------------------------------------- */

static struct ev_loop *loop;
static struct gw_upstreams *upstreams;
static int done;
static enum gw_transfer_result result;

static void
on_head(void *arg, const struct gw_transfer_head *head)
{
	(void)arg;
	(void)head;
}

static bool
on_data(void *arg, const char *p, size_t n)
{
	(void)arg;
	(void)p;
	(void)n;
	return true;
}

static void
on_done(void *arg, enum gw_transfer_result r, const char *detail)
{
	(void)arg;
	(void)detail;
	done++;
	result = r;
}

static const struct gw_transfer_ops ops = {
	.on_head = on_head, .on_data = on_data, .on_done = on_done};

/* Starts a transfer and turns the loop until its name is being looked up. */
static struct gw_transfer *
start(uint32_t connect_ms)
{
	const struct gw_transfer_request req = {.url = "http://hangs.invalid/",
						.connect_ms = connect_ms};
	struct gw_err err = {0};
	int before = asked_by_now();
	struct gw_transfer *t =
		gw_transfer_start(upstreams, &req, &ops, NULL, &err);

	if (!t)
		abort();
	while (asked_by_now() == before)
		ev_run(loop, EVRUN_ONCE);
	return t;
}

int
main(void)
{
	struct gw_err err = {0};

	/* A hang is the failure looked for. */
	alarm(LIMIT_S);
	loop = ev_loop_new(EVFLAG_AUTO);
	upstreams = gw_upstreams_new(loop, &err);
	if (!loop || !upstreams)
		return 99;

	gw_transfer_cancel(start(0));
	ok(!waits, "transfer: the client leaves during a name look-up -> "
		   "cancelling does not wait for it");
	is_int(done, 0, "transfer: cancelled -> no callback");

	start(50);
	while (!done)
		ev_run(loop, EVRUN_ONCE);
	is_int((int)result, GW_TRANSFER_CONNECT_TIMEOUT,
	       "transfer: a name look-up takes too long -> connect time-out, "
	       "while it still hangs");

	start(0);
	gw_upstreams_free(upstreams);
	ok(!waits,
	   "transfer: the process ends during a name look-up -> at once");
	let_go();
	ev_loop_destroy(loop);
	return done_testing();
}
