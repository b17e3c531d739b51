/* SPDX-License-Identifier: MIT */
/*
 * tool.c - run a vendor tool and collect what it prints.
 *
 * A sick driver can hold nvidia-smi for minutes, in a way that even SIGKILL
 * does not end: the owner is told at the limit, and the process is kept in mind
 * until it is really gone. Knows nothing of what the output means.
 */
#include "agent/device/internal.h"

#include <string.h>

#define REASON_BYTES 320

/* Numbers with a dot, messages in English. */
static const char *const tool_env[] = {"LC_ALL=C", NULL};

/* Report, once; the owner may release @t in there. */
static void
end(struct ag_tool *t, struct ag_tool_answer *a)
{
	struct gw_buf out gw_auto_buf = t->out;

	gw_buf_init(&t->out, AG_TOOL_OUTPUT_MAX);
	ev_timer_stop(t->loop, &t->limit);
	t->owed = false;
	a->text = out.data ? out.data : "";
	a->len = out.len;
	t->on_end(t->arg, a);
}

static void
on_output(void *arg, const char *p, size_t n)
{
	struct ag_tool *t = arg;

	if (!t->owed || t->flooded || gw_buf_append(&t->out, p, n) == 0)
		return;
	t->flooded = true;
	ag_process_kill(t->process);
}

/* The line that says most: the first one, of a Python traceback the last. */
static const char *
telling_line(const struct gw_buf *out, size_t *len)
{
	static const char traceback[] = "Traceback";
	const char *p = out->data ? out->data : "", *best = "";
	size_t left = out->len;
	bool last = false;

	*len = 0;
	while (left > 0) {
		const char *newline = memchr(p, '\n', left);
		size_t all = newline ? (size_t)(newline - p) + 1 : left;
		const char *line = p;
		size_t n = all;

		p += all;
		left -= all;
		ag_trim(&line, &n);
		if (n == 0)
			continue;
		best = line;
		*len = n;
		last = last ||
		       (n >= sizeof(traceback) - 1 &&
			memcmp(line, traceback, sizeof(traceback) - 1) == 0);
		if (!last)
			break;
	}
	return best;
}

static void
say_status(const struct ag_tool *t, const struct ag_exit *how, char *out)
{
	char words[AG_WORDS_BYTES];
	size_t n;
	const char *line = telling_line(&t->out, &n);

	ag_read_text(words, sizeof(words), line, n);
	snprintf(out, REASON_BYTES, "%s %d%s%s",
		 how->signal ? "ended by signal" : "exit status",
		 how->signal ? how->signal : how->status, words[0] ? ": " : "",
		 words);
}

static void
on_exit_told(void *arg, const struct ag_exit *how)
{
	struct ag_tool *t = arg;
	char reason[REASON_BYTES] = "";
	struct ag_tool_answer a = {.end = AG_TOOL_FAILED, .reason = reason};

	t->process = NULL;
	if (!t->owed)
		return;
	if (how->exec_errno == ENOENT || how->exec_errno == ENOTDIR) {
		a.end = AG_TOOL_ABSENT;
		snprintf(reason, sizeof(reason), "not installed");
	} else if (how->exec_errno != 0) {
		snprintf(reason, sizeof(reason), "cannot be executed: %s",
			 strerror(how->exec_errno));
	} else if (t->flooded) {
		snprintf(reason, sizeof(reason), "printed more than %u bytes",
			 AG_TOOL_OUTPUT_MAX);
	} else {
		a.end = how->signal ? AG_TOOL_FAILED : AG_TOOL_ANSWERED;
		a.status = how->status;
		if (how->signal || how->status != 0)
			say_status(t, how, reason);
	}
	end(t, &a);
}

static void
on_limit(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct ag_tool *t = timer->data;
	char reason[REASON_BYTES];
	struct ag_tool_answer a = {.end = AG_TOOL_FAILED, .reason = reason};

	(void)loop;
	(void)events;
	snprintf(reason, sizeof(reason), "no answer within %u ms", t->limit_ms);
	ag_process_kill(t->process);
	end(t, &a);
}

static const struct ag_process_ops tool_ops = {
	.on_output = on_output,
	.on_exit = on_exit_told,
};

void
ag_tool_init(struct ag_tool *t, struct ev_loop *loop, const char *guard,
	     uint32_t limit_ms,
	     void (*on_end)(void *arg, const struct ag_tool_answer *a),
	     void *arg)
{
	*t = (struct ag_tool){
		.loop = loop,
		.guard = guard,
		.limit_ms = limit_ms,
		.on_end = on_end,
		.arg = arg,
	};
	gw_buf_init(&t->out, AG_TOOL_OUTPUT_MAX);
	ev_timer_init(&t->limit, on_limit, limit_ms / 1000., 0.);
	t->limit.data = t;
}

int
ag_tool_run(struct ag_tool *t, const char *const *argv, struct gw_err *err)
{
	struct ag_process_spec spec = {
		.guard = t->guard, .argv = argv, .env = tool_env};

	t->flooded = false;
	t->process = ag_process_start(t->loop, &spec, &tool_ops, t, err);
	if (!t->process)
		return -1;
	t->owed = true;
	ev_timer_set(&t->limit, t->limit_ms / 1000., 0.);
	ev_timer_start(t->loop, &t->limit);
	return 0;
}

bool
ag_tool_is_busy(const struct ag_tool *t)
{
	return t->process != NULL;
}

void
ag_tool_release(struct ag_tool *t)
{
	if (!t->loop)
		return;
	ev_timer_stop(t->loop, &t->limit);
	ag_process_free(t->process);
	t->process = NULL;
	t->owed = false;
	gw_buf_release(&t->out);
}
