/* SPDX-License-Identifier: MIT */
/* log.c - the log sink; the one mutable global besides signal flags. */
#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log_json.h"

#define LIMIT_WINDOW_MS 10000
#define LIMIT_LINES 5
#define JSON_END ",\"cut\":true}\n"

_Static_assert(GW_LOG_LINE_BYTES <= GW_LOG_BATCH_BYTES, "a line fits");
_Static_assert(GW_LOG_BATCH_BYTES <= PIPE_BUF, "a batch is one atomic write");

static const struct {
	const char *word;
	enum gw_log_level level;
} events[GW_EV__MAX] = {
#define EVENT(name, word, level, text) [GW_EV_##name] = {word, GW_LOG_##level},
#include "base/events.def"
#undef EVENT
};

static const char *const level_names[GW_LOG__MAX] = {"debug", "info", "warn",
						     "error"};

const char *const gw_log_formats[] = {
	[GW_LOG_TEXT] = "text", [GW_LOG_JSON] = "json", NULL};

/* As syslog(3) numbers them; the journal takes them from the beginning of a
 * line. */
static const char *const priorities[GW_LOG__MAX] = {"<7>", "<6>", "<4>", "<3>"};

static struct {
	const char *program;
	long pid;
	enum gw_log_level min;
	enum gw_log_format format;
	mode_t type;	    /* of standard error: S_IFREG, S_IFSOCK, ... */
	int own_fd;	    /* a non-blocking way to it, or -1 */
	int spare[2];	    /* a pipe of our own, from which lines are moved */
	unsigned long lost; /* lines since the last one written */
	bool is_journal;
	bool collects;
	size_t waiting;		 /* bytes of the batch */
	unsigned long n_waiting; /* lines */
	time_t stamp_s;		 /* what `stamp` says; 0 = nothing */
	char stamp[24];		 /* YYYY-MM-DDTHH:MM:SS. */
} sink = {.program = "rolemesh",
	  .min = GW_LOG_INFO,
	  .own_fd = -1,
	  .spare = {-1, -1}};

static char batch[GW_LOG_BATCH_BYTES];

/* The controlling terminal opens for whoever is in its session, whose ever the
 * terminal is. */
static int
open_terminal(void)
{
	int fd = open("/dev/tty", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	unsigned ours = 0, theirs = 0;

	if (fd < 0)
		return -1;
	if (ioctl(fd, TIOCGDEV, &ours) == 0 &&
	    ioctl(STDERR_FILENO, TIOCGDEV, &theirs) == 0 && ours == theirs)
		return fd;
	close(fd);
	return -1;
}

/*
 * Standard error is shared with other programs, so it stays in blocking mode;
 * opened once more, a pipe or a terminal has a mode of its own. That fails for
 * sockets, and for a pipe that belongs to another user.
 */
static void
open_own(void)
{
	int *const fds[] = {&sink.own_fd, &sink.spare[0], &sink.spare[1]};

	/* A parent's are not for its children as well. */
	for (size_t i = 0; i < GW_ARRAY_LEN(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	if (sink.type == S_IFIFO || sink.type == S_IFCHR)
		sink.own_fd =
			open("/proc/self/fd/2",
			     O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (sink.own_fd < 0 && sink.type == S_IFCHR)
		sink.own_fd = open_terminal();
}

/* systemd(1): "device:inode", inherited by those whose standard error is
 * something else, too. */
static bool
is_journal(const struct stat *st)
{
	const char *told = getenv("JOURNAL_STREAM");
	char ours[48];

	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st->st_dev,
		 (uintmax_t)st->st_ino);
	return told && strcmp(told, ours) == 0;
}

void
gw_log_init(const char *program)
{
	const char *want = getenv("GW_LOG_LEVEL");
	struct stat st;

	sink.program = program;
	sink.pid = (long)getpid();
	if (fstat(STDERR_FILENO, &st) < 0)
		memset(&st, 0, sizeof(st));
	sink.type = st.st_mode & S_IFMT;
	sink.is_journal = is_journal(&st);
	open_own();
	for (int i = 0; want && i < GW_LOG__MAX; i++)
		if (strcmp(want, level_names[i]) == 0)
			sink.min = (enum gw_log_level)i;
}

void
gw_log_set_format(enum gw_log_format format)
{
	sink.format = format;
}

static void
put_time(struct gw_line *l)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != sink.stamp_s) {
		gmtime_r(&now.tv_sec, &tm);
		strftime(sink.stamp, sizeof(sink.stamp), "%Y-%m-%dT%H:%M:%S.",
			 &tm);
		sink.stamp_s = now.tv_sec;
	}
	gw_line_puts(l, sink.stamp);
	gw_line_uint(l, (uint64_t)now.tv_nsec / 1000000, 3);
}

/* What a line of text begins with, before its fields. */
static void
put_origin(struct gw_line *l, enum gw_event ev)
{
	if (sink.is_journal)
		gw_line_puts(l, priorities[events[ev].level]);
	put_time(l);
	gw_line_puts(l, "Z ");
	gw_line_puts(l, sink.program);
	gw_line_puts(l, "[");
	gw_line_uint(l, (uint64_t)sink.pid, 1);
	gw_line_puts(l, "] ");
}

static void
put_head(struct gw_line *l, enum gw_event ev, const char *rid)
{
	if (sink.format == GW_LOG_TEXT)
		put_origin(l, ev);
	gw_line_puts(l, "level=");
	gw_line_puts(l, level_names[events[ev].level]);
	gw_line_puts(l, " event=");
	gw_line_puts(l, events[ev].word);
	if (rid) {
		gw_line_puts(l, " rid=");
		gw_line_puts(l, rid);
	}
	gw_line_puts(l, " ");
}

/*
 * A line is written into a pipe of our own and moved from there, which can be
 * told not to wait. A line so takes a page of the other pipe; hence only where
 * nothing else is left.
 */
static ssize_t
move_into_pipe(const char *line, size_t n)
{
	char rest[GW_LOG_LINE_BYTES];
	ssize_t moved;

	if (sink.spare[0] < 0 && pipe2(sink.spare, O_NONBLOCK | O_CLOEXEC) < 0)
		return -1;
	moved = write(sink.spare[1], line, n);
	if (moved == (ssize_t)n)
		moved = splice(sink.spare[0], NULL, STDERR_FILENO, NULL, n,
			       SPLICE_F_NONBLOCK);
	if (moved != (ssize_t)n)
		while (read(sink.spare[0], rest, sizeof(rest)) > 0)
			;
	return moved;
}

/* A pipe in blocking mode. Linux 6.4 and later take a line without waiting; a
 * look at it first would not do, as others may write as well. */
static ssize_t
write_into_pipe(const char *line, size_t n)
{
	struct iovec v = {.iov_base = (void *)(uintptr_t)line, .iov_len = n};
	ssize_t put = pwritev2(STDERR_FILENO, &v, 1, -1, RWF_NOWAIT);

	if (put < 0 && errno != EAGAIN && errno != EPIPE)
		put = move_into_pipe(line, n);
	return put;
}

/* Does not wait. */
static ssize_t
put(const char *line, size_t n)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (sink.own_fd >= 0)
		return write(sink.own_fd, line, n);
	if (sink.type == S_IFSOCK)
		return send(STDERR_FILENO, line, n,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sink.type == S_IFIFO)
		return write_into_pipe(line, n);
	if (sink.type != S_IFREG &&
	    (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT)))
		return -1;
	return write(STDERR_FILENO, line, n);
}

/*
 * Whoever reads the log may have stopped (a pipe that is full): a line is then
 * lost and counted rather than every stream held up. A pipe takes all of a
 * batch or nothing.
 */
static void
write_out(const char *text, size_t n, unsigned long lines)
{
	if (put(text, n) == (ssize_t)n)
		sink.lost = 0;
	else
		sink.lost += lines;
}

static void
write_batch(void)
{
	if (sink.waiting)
		write_out(batch, sink.waiting, sink.n_waiting);
	sink.waiting = sink.n_waiting = 0;
}

void
gw_log_collect(bool on)
{
	sink.collects = on;
	if (!on)
		write_batch();
}

void
gw_log_flush(void)
{
	write_batch();
}

/* Lines leave in the order in which they came. */
static void
take_line(enum gw_event ev, const char *line, size_t n)
{
	if (sink.waiting + n > sizeof(batch))
		write_batch();
	memcpy(batch + sink.waiting, line, n);
	sink.waiting += n;
	sink.n_waiting++;
	/* What may be the last one of this process must not wait. */
	if (!sink.collects || events[ev].level >= GW_LOG_WARN)
		write_batch();
}

/* The end of the storage is kept for the newline. */
static void
begin_line(struct gw_line *l, enum gw_event ev, const char *rid,
	   uint32_t suppressed)
{
	l->cap--;
	put_head(l, ev, rid);
	if (suppressed) {
		gw_line_puts(l, "suppressed=");
		gw_line_uint(l, suppressed, 1);
		gw_line_puts(l, " ");
	}
	if (sink.lost && !sink.waiting) {
		gw_line_puts(l, "lost=");
		gw_line_uint(l, sink.lost, 1);
		gw_line_puts(l, " ");
	}
}

static void
take_as_json(const struct gw_line *fields, enum gw_event ev)
{
	char text[GW_LOG_LINE_BYTES];
	struct gw_line l = {.text = text,
			    .cap = sizeof(text) - (sizeof(JSON_END) - 1)};
	bool whole = fields->len < fields->cap;

	gw_line_puts(&l, "{\"time\":\"");
	put_time(&l);
	gw_line_puts(&l, "Z\",\"process\":\"");
	gw_line_puts(&l, sink.program);
	gw_line_puts(&l, "\",\"process_id\":");
	gw_line_uint(&l, (uint64_t)sink.pid, 1);
	if (!gw_log_json_members(&l, fields->text, fields->len))
		whole = false;
	l.cap = sizeof(text);
	gw_line_puts(&l, whole ? "}\n" : JSON_END);
	take_line(ev, l.text, l.len);
}

static void
end_line(struct gw_line *l, enum gw_event ev)
{
	if (sink.format == GW_LOG_JSON) {
		take_as_json(l, ev);
		return;
	}
	l->text[l->len++] = '\n';
	take_line(ev, l->text, l->len);
}

static void GW_PRINTF(4, 0)
	write_line(enum gw_event ev, const char *rid, uint32_t suppressed,
		   const char *fmt, va_list ap)
{
	char text[GW_LOG_LINE_BYTES];
	struct gw_line l = {.text = text, .cap = sizeof(text)};
	int keep = errno, m;
	size_t room;

	begin_line(&l, ev, rid, suppressed);
	room = l.cap - l.len;
	m = vsnprintf(text + l.len, room + 1, fmt, ap);
	if (m > 0)
		l.len += (size_t)m < room ? (size_t)m : room;
	end_line(&l, ev);
	errno = keep;
}

void
gw_log_text(enum gw_event ev, const char *rid, const char *p, size_t n)
{
	char text[GW_LOG_LINE_BYTES];
	struct gw_line l = {.text = text, .cap = sizeof(text)};
	int keep = errno;

	if (events[ev].level < sink.min)
		return;
	begin_line(&l, ev, rid, 0);
	gw_line_bytes(&l, p, n);
	end_line(&l, ev);
	errno = keep;
}

void
gw_log(enum gw_event ev, const char *rid, const char *fmt, ...)
{
	va_list ap;

	if (events[ev].level < sink.min)
		return;
	va_start(ap, fmt);
	write_line(ev, rid, 0, fmt, ap);
	va_end(ap);
}

void
gw_log_told(enum gw_event ev, const char *key, const char *value)
{
	char quoted[GW_LOG_LINE_BYTES];

	gw_log(ev, NULL, "%s=%s", key,
	       gw_log_quote(quoted, sizeof(quoted), value, strlen(value)));
}

void
gw_log_limited(struct gw_log_limit *limit, enum gw_event ev, const char *rid,
	       const char *fmt, ...)
{
	uint64_t now = gw_mono_ms();
	va_list ap;

	if (events[ev].level < sink.min)
		return;
	if (now - limit->window_start_ms >= LIMIT_WINDOW_MS) {
		limit->window_start_ms = now;
		limit->written = 0;
	}
	if (limit->written >= LIMIT_LINES) {
		limit->suppressed++;
		return;
	}
	limit->written++;
	va_start(ap, fmt);
	write_line(ev, rid, limit->suppressed, fmt, ap);
	va_end(ap);
	limit->suppressed = 0;
}
