/* SPDX-License-Identifier: MIT */
/*
 * process.c - one guarded child: its output, its end, and the way there.
 *
 * Signals go through the guard, never to a pid remembered here: only the guard
 * knows whether that pid is still the command's. Must not wait for anything
 * but on the loop.
 */
#include "agent/process/process.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/process/guard.h"
#include "agent/process/proc_stat.h"
#include "agent/process/spawn.h"
#include "base/log.h"

#define STUCK_S 5.0  /* SIGKILL without an end: worth a line in the log */
#define LINGER_S 0.5 /* a pipe that somebody outside holds open */

/* What the timer is for. Only ever forward. */
enum phase {
	PHASE_RUN,    /* nothing */
	PHASE_GRACE,  /* SIGTERM is sent, SIGKILL comes next */
	PHASE_KILL,   /* SIGKILL is sent, or what is left gets it */
	PHASE_LINGER, /* the guard is gone, the output has no end yet */
};

struct ag_process {
	struct ev_loop *loop;
	const struct ag_process_ops *ops;
	void *arg;
	ev_io guard_io, output_io; /* fd -1 = closed */
	ev_child guard_child;
	ev_timer timer;
	enum phase phase;
	pid_t pid;
	struct ag_exit how;
	bool how_known;
	bool in_callback; /* its storage is still in use ... */
	bool freed;	  /* ... and nobody else's any more */
};

static void
close_io(struct ag_process *p, ev_io *io)
{
	if (io->fd < 0)
		return;
	ev_io_stop(p->loop, io);
	close(io->fd);
	io->fd = -1;
}

static void
release(struct ag_process *p)
{
	close_io(p, &p->guard_io);
	close_io(p, &p->output_io);
	ev_child_stop(p->loop, &p->guard_child);
	ev_timer_stop(p->loop, &p->timer);
	p->freed = true;
	if (!p->in_callback)
		free(p);
}

/* After a callback. Returns false when the process was freed by it. */
static bool
is_left(struct ag_process *p)
{
	p->in_callback = false;
	if (p->freed)
		free(p);
	else
		return true;
	return false;
}

static void
set_timer(struct ag_process *p, enum phase phase, double after_s)
{
	p->phase = phase;
	ev_timer_stop(p->loop, &p->timer);
	/* The loop's idea of now may be as old as its last turn. */
	ev_now_update(p->loop);
	ev_timer_set(&p->timer, after_s, 0.);
	ev_timer_start(p->loop, &p->timer);
}

static void
tell_guard(struct ag_process *p, enum ag_guard_word word)
{
	struct ag_guard_msg m = {.word = word};

	if (p->guard_io.fd < 0)
		return;
	/* What cannot be said is said by the end of file: kill. */
	if (send(p->guard_io.fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL) <
	    0)
		shutdown(p->guard_io.fd, SHUT_WR);
}

/* The last callback, once there is nothing more to come. */
static void
finish(struct ag_process *p)
{
	const struct ag_process_ops *ops = p->ops;
	struct ag_exit how = p->how;
	void *arg = p->arg;

	/* The storage outlives the callback: a late call on it is harmless. */
	p->in_callback = true;
	release(p);
	ops->on_exit(arg, &how);
	(void)is_left(p);
}

/* The command is gone, or the guard; its own words came before this. */
static void
end_watch(struct ag_process *p)
{
	if (p->phase < PHASE_KILL)
		set_timer(p, PHASE_KILL, STUCK_S);
}

/* Returns false when the process was freed in a callback. */
static bool
take_message(struct ag_process *p, const struct ag_guard_msg *m)
{
	switch (m->word) {
	case AG_GUARD_STARTED:
		p->pid = m->value;
		if (!p->ops->on_started)
			return true;
		p->in_callback = true;
		p->ops->on_started(p->arg, p->pid, m->start_time);
		return is_left(p);
	case AG_GUARD_EXEC_FAILED:
		p->how = (struct ag_exit){
			.exec_errno = m->value ? m->value : EIO, .status = -1};
		break;
	case AG_GUARD_ENDED:
		p->how = (struct ag_exit){.status = -1};
		if (WIFEXITED(m->value))
			p->how.status = WEXITSTATUS(m->value);
		else
			p->how.signal = WTERMSIG(m->value);
		break;
	default:
		return true;
	}
	p->how_known = true;
	end_watch(p);
	return true;
}

static bool
hear_guard(struct ag_process *p)
{
	struct ag_guard_msg m;
	ssize_t n;

	while (p->guard_io.fd >= 0) {
		n = recv(p->guard_io.fd, &m, sizeof(m), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0) {
			close_io(p, &p->guard_io);
			return true;
		}
		if (n == sizeof(m) && !take_message(p, &m))
			return false;
	}
	return true;
}

static void
on_guard_io(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	(void)hear_guard(w->data);
}

static void
on_output_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct ag_process *p = w->data;
	char bytes[AG_PROCESS_READ_MAX];
	ssize_t n = read(w->fd, bytes, sizeof(bytes));

	(void)loop;
	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		if (!p->ops->on_output)
			return;
		p->in_callback = true;
		p->ops->on_output(p->arg, bytes, (size_t)n);
		(void)is_left(p);
		return;
	}
	close_io(p, &p->output_io);
	if (p->phase == PHASE_LINGER)
		finish(p);
}

/* Nobody told how the command ended: the guard was killed, or is none. */
static void
guess_how(struct ag_process *p, int guard_status)
{
	p->how = (struct ag_exit){.status = -1};
	if (!p->pid && WIFEXITED(guard_status)) {
		p->how.exec_errno = EPROTO;
		return;
	}
	/* The kernel kills the command, this does what stayed in its group. */
	p->how.signal = SIGKILL;
	if (p->pid)
		kill(-p->pid, SIGKILL);
}

static void
on_guard_child(struct ev_loop *loop, ev_child *w, int revents)
{
	struct ag_process *p = w->data;

	(void)revents;
	ev_child_stop(loop, w);
	if (!hear_guard(p))
		return;
	close_io(p, &p->guard_io);
	if (!p->how_known)
		guess_how(p, w->rstatus);
	if (p->output_io.fd < 0)
		finish(p);
	else
		set_timer(p, PHASE_LINGER, LINGER_S);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ag_process *p = w->data;

	(void)loop;
	(void)revents;
	switch (p->phase) {
	case PHASE_GRACE:
		ag_process_kill(p);
		break;
	case PHASE_KILL:
		gw_log(GW_EV_CHILD_STUCK, NULL,
		       "pid=%d guard_pid=%d seconds=%g", (int)p->pid,
		       (int)p->guard_child.pid, STUCK_S);
		break;
	case PHASE_LINGER:
		finish(p);
		break;
	case PHASE_RUN:
		break;
	}
}

struct ag_process *
ag_process_start(struct ev_loop *loop, const struct ag_process_spec *spec,
		 const struct ag_process_ops *ops, void *arg,
		 struct gw_err *err)
{
	struct ag_process *p = calloc(1, sizeof(*p));
	struct ag_spawned s;

	if (!p) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		return NULL;
	}
	if (ag_process_spawn(spec, &s, err) != 0) {
		free(p);
		return NULL;
	}
	p->loop = loop;
	p->ops = ops;
	p->arg = arg;
	ev_io_init(&p->guard_io, on_guard_io, s.guard_fd, EV_READ);
	ev_io_init(&p->output_io, on_output_io, s.output_fd, EV_READ);
	ev_child_init(&p->guard_child, on_guard_child, s.guard, 0);
	ev_timer_init(&p->timer, on_timer, 0., 0.);
	p->guard_io.data = p->output_io.data = p;
	p->guard_child.data = p->timer.data = p;
	ev_io_start(loop, &p->guard_io);
	ev_io_start(loop, &p->output_io);
	ev_child_start(loop, &p->guard_child);
	return p;
}

void
ag_process_terminate(struct ag_process *p, uint32_t grace_ms)
{
	double grace_s = grace_ms / 1000.;

	if (p->freed || p->phase > PHASE_GRACE)
		return;
	if (p->phase == PHASE_GRACE) {
		/* No second SIGTERM: programs take that for impatience. */
		ev_now_update(p->loop);
		if (ev_timer_remaining(p->loop, &p->timer) <= grace_s)
			return;
	} else {
		tell_guard(p, AG_GUARD_TERMINATE);
	}
	set_timer(p, PHASE_GRACE, grace_s);
}

void
ag_process_kill(struct ag_process *p)
{
	if (p->freed || p->phase >= PHASE_KILL)
		return;
	tell_guard(p, AG_GUARD_KILL);
	end_watch(p);
}

void
ag_process_free(struct ag_process *p)
{
	if (p && !p->freed)
		release(p);
}

pid_t
ag_process_guard(const struct ag_process *p)
{
	return p->guard_child.pid;
}

uint64_t
ag_process_start_time(pid_t pid)
{
	struct ag_proc_stat stat;

	return ag_proc_stat(pid, &stat) == 0 ? stat.start_time : 0;
}
