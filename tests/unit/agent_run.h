/* SPDX-License-Identifier: MIT */
/*
 * agent_run.h - guarded processes on the default loop, and what they told.
 * Waits are for conditions; WAIT_S only ends a test that would hang.
 */
#ifndef TESTS_UNIT_AGENT_RUN_H
#define TESTS_UNIT_AGENT_RUN_H

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/process/proc_stat.h"
#include "agent/process/process.h"
#include "tap.h"

#define WAIT_S 60.0
#define LOOK_S 0.02 /* how often a condition outside is looked at */
#define OUTPUT_MAX 65536
#define LONG_MS 3600000

struct run {
	struct ag_process *process;
	struct gw_err err;
	pid_t pid;
	uint64_t start_time;
	unsigned started, exits;
	struct ag_exit how;
	char output[OUTPUT_MAX];
	size_t n_output;
	/* Called on the loop, where a test wants to do something there. */
	void (*then_started)(struct run *r);
	void (*then_output)(struct run *r, size_t n);
	void (*then_exit)(struct run *r);
};

static char run_guard[4096];
static bool run_late; /* a wait took too long */

__attribute__((unused)) static void
run_on_started(void *arg, pid_t pid, uint64_t start_time)
{
	struct run *r = arg;

	r->started++;
	r->pid = pid;
	r->start_time = start_time;
	if (r->then_started)
		r->then_started(r);
}

__attribute__((unused)) static void
run_on_output(void *arg, const char *p, size_t n)
{
	struct run *r = arg;
	size_t room = OUTPUT_MAX - 1 - r->n_output;
	size_t kept = n < room ? n : room;

	memcpy(r->output + r->n_output, p, kept);
	r->n_output += kept;
	r->output[r->n_output] = '\0';
	if (r->then_output)
		r->then_output(r, n);
}

__attribute__((unused)) static void
run_on_exit(void *arg, const struct ag_exit *how)
{
	struct run *r = arg;

	r->exits++;
	r->how = *how;
	r->process = NULL;
	if (r->then_exit)
		r->then_exit(r);
}

static const struct ag_process_ops run_ops = {
	.on_started = run_on_started,
	.on_output = run_on_output,
	.on_exit = run_on_exit,
};

/* Call first in main(). */
__attribute__((unused)) static void
run_init(void)
{
	const char *build = getenv("TOP_BUILDDIR");

	snprintf(run_guard, sizeof(run_guard), "%s/rolemesh-guard",
		 build ? build : ".");
}

__attribute__((unused)) static bool
run_argv(struct run *r, const char *const *argv, const char *const *env)
{
	struct ag_process_spec spec = {
		.guard = run_guard, .argv = argv, .env = env};

	r->process = ag_process_start(EV_DEFAULT, &spec, &run_ops, r, &r->err);
	return r->process != NULL;
}

/* All else in *@r is as the test has set it, or zero. */
__attribute__((unused)) static bool
run_script(struct run *r, const char *script)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};

	return run_argv(r, argv, NULL);
}

static void
run_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	(void)w;
	ev_break(loop, EVBREAK_ONE);
}

static void
run_too_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	(void)w;
	run_late = true;
	ev_break(loop, EVBREAK_ONE);
}

/* Run the loop until the condition holds. Returns whether it does. */
__attribute__((unused)) static bool
run_until(bool (*holds)(const struct run *), const struct run *r)
{
	struct ev_loop *loop = EV_DEFAULT;
	ev_timer tick, late;

	run_late = false;
	ev_now_update(loop);
	ev_timer_init(&tick, run_tick, LOOK_S, LOOK_S);
	ev_timer_init(&late, run_too_late, WAIT_S, 0.);
	ev_timer_start(loop, &tick);
	ev_timer_start(loop, &late);
	while (!holds(r) && !run_late)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &tick);
	ev_timer_stop(loop, &late);
	return !run_late;
}

__attribute__((unused)) static bool
has_exited(const struct run *r)
{
	return r->exits > 0;
}

/* Started, and the script has printed "ready". */
__attribute__((unused)) static bool
is_ready(const struct run *r)
{
	return r->started > 0 && strstr(r->output, "ready\n");
}

/* A zombie that nobody has reaped yet runs no more. */
__attribute__((unused)) static bool
is_running(pid_t pid)
{
	char path[64], text[512] = "";
	const char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	p = strrchr(text, ')');
	return p && p[2] != 'Z' && p[2] != 'X';
}

/* The pid in a line "NAME=pid" of the output, 0 = there is none. */
__attribute__((unused)) static pid_t
printed_pid(const struct run *r, const char *name)
{
	char start[64];
	const char *p;

	snprintf(start, sizeof(start), "%s=", name);
	p = strstr(r->output, start);
	return p ? (pid_t)strtol(p + strlen(start), NULL, 10) : 0;
}

__attribute__((unused)) static size_t
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* Children of ours, zombies among them. */
__attribute__((unused)) static size_t
count_children(void)
{
	DIR *d = opendir("/proc");
	struct ag_proc_stat stat;
	struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		n += pid > 0 && ag_proc_stat(pid, &stat) == 0 &&
		     stat.ppid == getpid();
	}
	if (d)
		closedir(d);
	return n;
}

__attribute__((unused)) static bool
has_no_child(const struct run *r)
{
	(void)r;
	return count_children() == 0;
}

#endif
