/* SPDX-License-Identifier: MIT */
/*
 * look.c - the thread that asks the file system, and the way back from it.
 *
 * A job belongs to the thread and to the model; who lets go last frees it. The
 * thread touches nothing else, and the watcher only while the model has not
 * let go.
 */
#include "agent/model/look.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/file_check.h"
#include "base/clock.h"
#include "base/err.h"

#define STACK_BYTES (256u << 10)

struct ag_look_job {
	pthread_mutex_t lock; /* of `left` and of sending to `answered` */
	bool left;	      /* the other one has let go */
	ev_async answered;
	struct ev_loop *loop;
	char *program, *weights, *model_id;
	char why[GW_ERR_MSG_BYTES]; /* "" = all is there */
};

static void
job_free(struct ag_look_job *j)
{
	pthread_mutex_destroy(&j->lock);
	free(j->program);
	free(j->weights);
	free(j->model_id);
	free(j);
}

/* ---- in the thread --------------------------------------------------------
 */

static void
look(struct ag_look_job *j)
{
	const char *why = ag_why_no_program(j->program);

	if (why) {
		snprintf(j->why, sizeof(j->why),
			 "llama_server_bin cannot be executed: %s: %s",
			 j->program, why);
		return;
	}
	why = ag_why_no_weights(j->weights);
	if (why)
		snprintf(j->why, sizeof(j->why),
			 "the file of model '%s' cannot be used: %s: %s",
			 j->model_id, j->weights, why);
}

static void *
run(void *arg)
{
	struct ag_look_job *j = arg;
	bool left;

	look(j);
	pthread_mutex_lock(&j->lock);
	left = j->left;
	j->left = true;
	if (!left)
		ev_async_send(j->loop, &j->answered);
	pthread_mutex_unlock(&j->lock);
	if (left)
		job_free(j);
	return NULL;
}

/* ---- on the loop ----------------------------------------------------------
 */

static void
let_go(struct ag_look *l)
{
	struct ag_look_job *j = l->job;
	bool left;

	l->job = NULL;
	ev_async_stop(l->loop, &j->answered);
	pthread_mutex_lock(&j->lock);
	left = j->left;
	j->left = true;
	pthread_mutex_unlock(&j->lock);
	if (left)
		job_free(j);
}

/* Last of all: it may begin the next one, or stop. */
static void
tell(struct ag_look *l, const char *why)
{
	if (!l->wanted)
		return;
	l->wanted = false;
	ev_timer_stop(l->loop, &l->limit);
	l->on_seen(l->arg, why);
}

static void
on_answered(struct ev_loop *loop, ev_async *w, int revents)
{
	struct ag_look *l = w->data;
	char why[GW_ERR_MSG_BYTES];

	(void)loop;
	(void)revents;
	memcpy(why, l->job->why, sizeof(why));
	let_go(l);
	l->good_ms = *why ? 0 : gw_mono_ms();
	tell(l, *why ? why : NULL);
}

static void
on_limit(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct ag_look *l = t->data;
	char why[GW_ERR_MSG_BYTES];

	(void)loop;
	(void)revents;
	if (l->job)
		snprintf(
			why, sizeof(why),
			"the file system with the program or the file of model "
			"'%s' does not answer: %s",
			l->model_id, l->weights);
	else
		snprintf(why, sizeof(why),
			 "no thread or memory to look for the file of model "
			 "'%s'",
			 l->model_id);
	tell(l, why);
}

static int
start_thread(struct ag_look_job *j)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return -1;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attr, run, j);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return rc == 0 ? 0 : -1;
}

static void
ask(struct ag_look *l)
{
	struct ag_look_job *j = calloc(1, sizeof(*j));

	if (!j)
		return;
	pthread_mutex_init(&j->lock, NULL);
	j->loop = l->loop;
	j->program = strdup(l->program);
	j->weights = strdup(l->weights);
	j->model_id = strdup(l->model_id);
	if (!j->program || !j->weights || !j->model_id) {
		job_free(j);
		return;
	}
	ev_async_init(&j->answered, on_answered);
	j->answered.data = l;
	ev_async_start(l->loop, &j->answered);
	if (start_thread(j) == 0) {
		l->job = j;
		return;
	}
	ev_async_stop(l->loop, &j->answered);
	job_free(j);
}

void
ag_look_init(struct ag_look *l, struct ev_loop *loop, const char *program,
	     const char *weights, const char *model_id, uint32_t limit_ms,
	     void (*on_seen)(void *arg, const char *why), void *arg)
{
	*l = (struct ag_look){
		.loop = loop,
		.program = program,
		.weights = weights,
		.model_id = model_id,
		.limit_ms = limit_ms,
		.on_seen = on_seen,
		.arg = arg,
	};
	ev_timer_init(&l->limit, on_limit, 0., 0.);
	l->limit.data = l;
}

void
ag_look_begin(struct ag_look *l)
{
	if (l->wanted)
		return;
	l->wanted = true;
	l->began_ms = gw_mono_ms();
	if (!l->job)
		ask(l);
	ev_now_update(l->loop);
	/* It could not even be asked: told so, but not from in here. */
	ev_timer_set(&l->limit, l->job ? l->limit_ms / 1000. : 0., 0.);
	ev_timer_start(l->loop, &l->limit);
}

bool
ag_look_is_fresh(const struct ag_look *l)
{
	return l->good_ms && gw_mono_ms() - l->good_ms < AG_LOOK_FRESH_MS;
}

bool
ag_look_is_quick(const struct ag_look *l)
{
	return l->wanted && gw_mono_ms() - l->began_ms < AG_LOOK_QUICK_MS;
}

bool
ag_look_hangs(const struct ag_look *l)
{
	return l->wanted && !ag_look_is_quick(l);
}

void
ag_look_stop(struct ag_look *l)
{
	if (!l->loop)
		return;
	l->wanted = false;
	ev_timer_stop(l->loop, &l->limit);
	if (l->job)
		let_go(l);
}
