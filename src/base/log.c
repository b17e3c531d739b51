/* SPDX-License-Identifier: MIT */
/* log.c - the log sink; the one mutable global besides signal flags. */
#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/utf8.h"

#define LIMIT_WINDOW_MS 10000
#define LIMIT_LINES 5

_Static_assert(GW_LOG_LINE_BYTES <= PIPE_BUF, "a line is one atomic write");

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

static struct {
	const char *program;
	long pid;
	enum gw_log_level min;
	mode_t type;	    /* of standard error: S_IFREG, S_IFSOCK, ... */
	int own_fd;	    /* a non-blocking way to it, or -1 */
	unsigned long lost; /* lines since the last one written */
} sink = {"rolemesh", 0, GW_LOG_INFO, 0, -1, 0};

/*
 * Standard error is shared with other programs, so it stays in blocking mode;
 * opened once more, a pipe or a terminal has a mode of its own. That fails for
 * sockets, and for a pipe that belongs to another user.
 */
static void
open_own(void)
{
	if (sink.own_fd >= 0)
		close(sink.own_fd);
	sink.own_fd = -1;
	if (sink.type == S_IFIFO || sink.type == S_IFCHR)
		sink.own_fd =
			open("/proc/self/fd/2",
			     O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void
gw_log_init(const char *program)
{
	const char *want = getenv("GW_LOG_LEVEL");
	struct stat st;

	sink.program = program;
	sink.pid = (long)getpid();
	sink.type = fstat(STDERR_FILENO, &st) == 0 ? st.st_mode & S_IFMT : 0;
	open_own();
	for (int i = 0; want && i < GW_LOG__MAX; i++)
		if (strcmp(want, level_names[i]) == 0)
			sink.min = (enum gw_log_level)i;
}

static size_t
line_head(char *line, size_t cap, enum gw_event ev, const char *rid)
{
	struct timespec now;
	struct tm tm;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = snprintf(line, cap,
		     "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s[%ld] level=%s "
		     "event=%s ",
		     tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		     tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000, sink.program,
		     sink.pid, level_names[events[ev].level], events[ev].word);
	if (rid && n > 0 && (size_t)n < cap)
		n += snprintf(line + n, cap - (size_t)n, "rid=%s ", rid);
	return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

/* Does not wait; but for a pipe that could not be opened, of which several
 * writers may take the last room after a look at it. */
static ssize_t
put(const char *line, size_t n)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (sink.own_fd >= 0)
		return write(sink.own_fd, line, n);
	if (sink.type == S_IFSOCK)
		return send(STDERR_FILENO, line, n,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sink.type != S_IFREG &&
	    (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT)))
		return -1;
	return write(STDERR_FILENO, line, n);
}

/*
 * Whoever reads the log may have stopped (a pipe that is full): a line is then
 * lost and counted rather than every stream held up. A pipe takes a whole line
 * or nothing: GW_LOG_LINE_BYTES is below PIPE_BUF.
 */
static void
write_out(const char *line, size_t n)
{
	if (put(line, n) == (ssize_t)n)
		sink.lost = 0;
	else
		sink.lost++;
}

static void GW_PRINTF(4, 0)
	write_line(enum gw_event ev, const char *rid, uint32_t suppressed,
		   const char *fmt, va_list ap)
{
	char line[GW_LOG_LINE_BYTES];
	size_t n = line_head(line, sizeof(line), ev, rid);
	int keep = errno, m;

	if (suppressed)
		n += (size_t)snprintf(line + n, sizeof(line) - n,
				      "suppressed=%u ", suppressed);
	if (sink.lost)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "lost=%lu ",
				      sink.lost);
	m = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	if (m > 0)
		n += (size_t)m < sizeof(line) - n - 1 ? (size_t)m
						      : sizeof(line) - n - 2;
	line[n++] = '\n';
	write_out(line, n);
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

const char *
gw_log_quote(char *out, size_t cap, const char *value, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t o = 0, step;

	out[o++] = '"';
	for (size_t i = 0; i < len; i += step) {
		unsigned char c = (unsigned char)value[i];
		size_t whole = gw_utf8_char(value + i, len - i);
		bool plain = whole && c >= 0x20 && c != 0x7f && c != '"' &&
			     c != '\\';

		/* A whole character or a whole escape, never a part of one. */
		step = plain ? whole : 1;
		if (o + (plain ? whole : 4) + 5 > cap) {
			for (int d = 0; d < 3 && o + 2 < cap; d++)
				out[o++] = '.';
			break;
		}
		if (plain) {
			memcpy(out + o, value + i, whole);
			o += whole;
			continue;
		}
		out[o++] = '\\';
		out[o++] = 'x';
		out[o++] = hex[c >> 4];
		out[o++] = hex[c & 15];
	}
	out[o++] = '"';
	out[o] = '\0';
	return out;
}

const char *
gw_log_word(char *out, size_t cap, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._:/@+-";
	size_t n;

	if (!value)
		return "-";
	n = strlen(value);
	if (n > 0 && strspn(value, plain) == n)
		return value;
	return gw_log_quote(out, cap, value, n);
}
