/* SPDX-License-Identifier: MIT */
/* test_log.c - the log never waits for whoever reads it. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/line.h"
#include "base/log.h"
#include "unit/tap.h"

#define LINES 200 /* more than a pipe of 64 KiB takes */

/* Standard error as a pipe; the end to read from. */
static int
stderr_to_pipe(void)
{
	int ends[2];

	if (pipe(ends) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		exit(99);
	close(ends[1]);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	return ends[0];
}

static size_t
read_all(int fd, char *out, size_t cap)
{
	size_t n = 0;
	ssize_t got;

	while (n + 1 < cap && (got = read(fd, out + n, cap - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	return n;
}

static int
count(const char *text, const char *what)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void
words(void)
{
	char out[64];
	const char *plain = "gpu-box_1.local:80/v1+@";

	ok(gw_log_word(out, sizeof(out), plain) == plain,
	   "log: a plain word -> as it is");
	is_str(gw_log_word(out, sizeof(out), "a b=\"c\""),
	       "\"a b=\\x22c\\x22\"", "log: blanks and quotes -> quoted");
	is_str(gw_log_word(out, sizeof(out), ""), "\"\"",
	       "log: an empty word -> quoted");
	is_str(gw_log_word(out, sizeof(out), NULL), "-", "log: no word -> -");
}

static int other_writer = -1; /* to the same pipe, non-blocking */

static void
write_as_another(void)
{
	static const char page[4096];

	while (other_writer >= 0 && write(other_writer, page, sizeof(page)) > 0)
		;
}

/* The C library's, but for another writer that takes the room just seen. */
int
poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct timespec limit = {.tv_sec = timeout_ms / 1000};
	int rc = ppoll(fds, n, &limit, NULL);

	write_as_another();
	return rc;
}

static void
several_writers(void)
{
	int fd = stderr_to_pipe();
	char page[4096];

	gw_log_init("test");
	other_writer = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK);
	if (other_writer < 0)
		exit(99);
	gw_log(GW_EV_START, NULL, "a=line");
	ok(true, "log: another writer takes the last room -> not waited for");
	ok(read(fd, page, sizeof(page)) > 0,
	   "log: a line or the other one's bytes are there");
	ok(!(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK),
	   "log: standard error itself stays as others expect it");
	close(other_writer);
	other_writer = -1;
	close(fd);
}

static bool no_open;   /* it is another user's */
static bool no_nowait; /* the kernel is an older one */

int
open(const char *path, int flags, ...)
{
	if (no_open) {
		errno = EACCES;
		return -1;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

ssize_t
pwritev2(int fd, const struct iovec *v, int n, off_t at, int flags)
{
	if (no_nowait) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return syscall(SYS_pwritev2, fd, v, n, at, 0, flags);
}

/* The pipe of another user, and one more writer that takes the last room. */
static void
full_pipe_of_another(const char *how)
{
	static char text[1 << 20];
	int fd = stderr_to_pipe(), lines;

	other_writer = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK);
	if (other_writer < 0)
		exit(99);
	no_open = true;
	gw_log_init("test");
	gw_log(GW_EV_START, NULL, "the=first");
	write_as_another();
	for (int i = 0; i < 100; i++)
		gw_log(GW_EV_START, NULL, "into=full");
	ok(true, "log, %s: the pipe is full -> not waited for", how);
	read_all(fd, text, sizeof(text));
	gw_log(GW_EV_START, NULL, "the=next");
	read_all(fd, text, sizeof(text));
	lines = count(text, "event=start");
	ok(lines == 1 && strstr(text, " lost=100 the=next\n"),
	   "log, %s: read again -> the next line comes, and says what is lost",
	   how);
	for (int i = 0; i < LINES; i++)
		gw_log(GW_EV_START, NULL, "filler=%0900d", i);
	read_all(fd, text, sizeof(text));
	lines = count(text, "event=start");
	ok(lines > 10 && lines == count(text, "\n"),
	   "log, %s: nobody reads -> lines are whole (%d)", how, lines);
	no_open = false;
	close(other_writer);
	other_writer = -1;
	close(fd);
}

#define WRITERS 3

static void
write_many(void)
{
	gw_log_init("test");
	for (int i = 0; i < 20 * LINES; i++)
		gw_log(GW_EV_START, NULL, "n=%d filler=%0*d end", i, i % 1500,
		       0);
	_exit(0);
}

/* Several processes write into one pipe that is read now and then. */
static void
race(const char *how)
{
	static char text[64 << 20];
	int fd = stderr_to_pipe();
	size_t n = 0;
	ssize_t got;

	no_open = true;
	for (int i = 0; i < WRITERS; i++)
		if (fork() == 0)
			write_many();
	no_open = false;
	if (dup2(fd, STDERR_FILENO) < 0) /* no writer, then, but those */
		exit(99);
	fcntl(fd, F_SETFL, 0);
	while (n + 1 < sizeof(text) &&
	       (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	for (int i = 0; i < WRITERS; i++)
		wait(NULL);
	ok(n > 0 && count(text, "event=start") == count(text, " end\n") &&
		   count(text, "\n") == count(text, " end\n"),
	   "log, %s: three writers -> none waits, lines are whole (%d)", how,
	   count(text, "\n"));
	close(fd);
}

static void
pipes_of_another(void)
{
	const char *how = "one that cannot be opened";

	full_pipe_of_another(how);
	race(how);
	no_nowait = true;
	how = "the same, an older kernel";
	full_pipe_of_another(how);
	race(how);
}

static void
to_a_socket(void)
{
	int ends[2];
	char line[4096];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
	    dup2(ends[1], STDERR_FILENO) < 0)
		exit(99);
	gw_log_init("test");
	gw_log(GW_EV_START, NULL, "to=socket");
	ok(recv(ends[0], line, sizeof(line), MSG_DONTWAIT) > 0,
	   "log: a socket (systemd's) -> gets its lines");
	for (int i = 0; i < 2000; i++)
		gw_log(GW_EV_START, NULL, "filler=%s", line);
	ok(true, "log: and does not block when nobody reads");
	close(ends[0]);
	close(ends[1]);
}

/* JOURNAL_STREAM names standard error, or @off inodes beside it. */
static void
tell_journal(unsigned off)
{
	struct stat st;
	char text[64];

	if (fstat(STDERR_FILENO, &st) < 0)
		exit(99);
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino + off);
	setenv("JOURNAL_STREAM", text, 1);
	gw_log_init("test");
}

/* The journal knows by a line's beginning how serious it is. */
static void
journal(void)
{
	static const struct {
		enum gw_event event;
		const char *begins;
	} cases[] = {{GW_EV_ACCESS_ROUTINE, "<7>2"},
		     {GW_EV_START, "<6>2"},
		     {GW_EV_NODE_STALE, "<4>2"},
		     {GW_EV_FATAL, "<3>2"}};
	static char text[1 << 16];
	int fd = stderr_to_pipe();

	setenv("GW_LOG_LEVEL", "debug", 1);
	tell_journal(0);
	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++) {
		gw_log(cases[i].event, NULL, "a=b");
		read_all(fd, text, sizeof(text));
		ok(strncmp(text, cases[i].begins, 4) == 0,
		   "journal: its stream -> %s", cases[i].begins);
	}
	gw_log_collect(true);
	gw_log(GW_EV_START, NULL, "a=b");
	gw_log(GW_EV_START, NULL, "a=b");
	gw_log_collect(false);
	read_all(fd, text, sizeof(text));
	ok(strncmp(text, "<6>2", 4) == 0 && strstr(text, "\n<6>2"),
	   "journal: lines that leave together -> each has its own");
	tell_journal(1);
	gw_log(GW_EV_START, NULL, "a=b");
	read_all(fd, text, sizeof(text));
	ok(text[0] == '2', "journal: another stream than ours -> no priority");
	unsetenv("JOURNAL_STREAM");
	unsetenv("GW_LOG_LEVEL");
	gw_log_init("test");
	gw_log(GW_EV_START, NULL, "a=b");
	read_all(fd, text, sizeof(text));
	ok(text[0] == '2', "journal: none -> no priority");
	close(fd);
}

/* A turn of an event loop: lines leave together. */
static void
collected(int fd)
{
	static char text[1 << 20];
	char filler[1001];

	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	read_all(fd, text, sizeof(text));
	gw_log_collect(true);
	gw_log(GW_EV_START, "a", "n=%d", 1);
	gw_log_text(GW_EV_ACCESS, "b", "n=2", 3);
	is_int((int)read_all(fd, text, sizeof(text)), 0,
	       "collect: lines wait for the end of the turn");
	gw_log_collect(false);
	read_all(fd, text, sizeof(text));
	ok(count(text, "\n") == 2 && strstr(text, " rid=a n=1\n") &&
		   strstr(text, "event=access rid=b n=2\n") ==
			   text + strlen(text) -
				   strlen("event=access rid=b "
					  "n=2\n"),
	   "collect: then all are there, in their order");
	gw_log_collect(true);
	gw_log(GW_EV_START, NULL, "n=3");
	gw_log(GW_EV_ACCEPT_PAUSED, NULL, "n=4");
	read_all(fd, text, sizeof(text));
	is_int(count(text, "\n"), 2, "collect: a warning waits for nothing");
	gw_log(GW_EV_START, NULL, "n=5");
	gw_log_flush();
	read_all(fd, text, sizeof(text));
	is_int(count(text, "\n"), 1, "collect: nor does what is flushed");
	for (int i = 0; i < 4; i++)
		gw_log(GW_EV_START, NULL, "filler=%s", filler);
	read_all(fd, text, sizeof(text));
	is_int(count(text, "\n"), 3, "collect: 4 KiB wait, no more");
	gw_log_collect(false);
	read_all(fd, text, sizeof(text));
	is_int(count(text, "\n"), 1, "collect: the rest follows");
	gw_log_collect(true);
	for (int i = 0; i < LINES; i++)
		gw_log(GW_EV_START, NULL, "filler=%s", filler);
	gw_log_collect(false);
	read_all(fd, text, sizeof(text));
	gw_log(GW_EV_START, NULL, "last=%d", LINES - count(text, "\n"));
	read_all(fd, text, sizeof(text));
	ok(atoi(strstr(text, "lost=") + 5) == atoi(strstr(text, "last=") + 5),
	   "collect: of batches that are lost each line is counted");
}

/* A text with quotes of its own stays one value. */
static void
told(int fd)
{
	static char text[1 << 16], large[2 * GW_LOG_LINE_BYTES];

	read_all(fd, text, sizeof(text));
	gw_log_told(GW_EV_FATAL, "message", "no \"file\" there");
	read_all(fd, text, sizeof(text));
	ok(strstr(text, " event=fatal message=\"no \\x22file\\x22 there\"\n"),
	   "log: a text of somebody else's -> its quotes are escaped");
	memset(large, '"', sizeof(large) - 1);
	gw_log_told(GW_EV_FATAL, "message", large);
	ok(read_all(fd, text, sizeof(text)) <= GW_LOG_LINE_BYTES &&
		   count(text, "\n") == 1,
	   "log: one that is too long -> a line all the same");
}

/* A line of @n bytes; one without text has @bare. */
static void
line_of(size_t n, size_t bare)
{
	static char text[GW_LOG_LINE_BYTES];

	memset(text, 'x', sizeof(text));
	gw_log_text(GW_EV_START, NULL, text, n - bare);
}

/* So much waits; a byte more does not. */
static void
batches(int fd)
{
	static char text[1 << 20];
	size_t bare, got;

	gw_log_text(GW_EV_START, NULL, "", 0);
	bare = read_all(fd, text, sizeof(text));
	gw_log_collect(true);
	for (size_t more = 0; more < 2; more++) {
		line_of(GW_LOG_BATCH_BYTES / 2, bare);
		line_of(GW_LOG_BATCH_BYTES / 2 + more, bare);
		got = read_all(fd, text, sizeof(text));
		is_int((long long)got, more ? GW_LOG_BATCH_BYTES / 2 : 0,
		       more ? "batch: one byte more -> what waited is written"
			    : "batch: 4,096 bytes wait");
		gw_log_flush();
		read_all(fd, text, sizeof(text));
	}
	for (int i = 0; i < LINES; i++)
		line_of(GW_LOG_BATCH_BYTES / 2, bare);
	gw_log_flush();
	read_all(fd, text, sizeof(text));
	for (int i = 0; i < 3; i++)
		gw_log_text(GW_EV_START, NULL, "after", 5);
	gw_log_collect(false);
	read_all(fd, text, sizeof(text));
	ok(count(text, " after\n") == 3 && count(text, " lost=") == 1 &&
		   strstr(text, " lost=") < strchr(text, '\n'),
	   "batch: what was lost is said once, in the first line");
}

/* Lines of one second share its text. */
static void
time_goes_on(int fd)
{
	static char text[1 << 16];
	char stamp[32], first[32] = "";
	time_t before, after;
	struct tm tm;

	do {
		before = time(NULL);
		gw_log(GW_EV_START, NULL, "what=time");
		after = time(NULL);
		read_all(fd, text, sizeof(text));
		gmtime_r(&before, &tm);
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S.", &tm);
		if (before == after && !*first)
			snprintf(first, sizeof(first), "%s", stamp);
	} while (before != after || strcmp(stamp, first) == 0);
	ok(strncmp(text, stamp, strlen(stamp)) == 0,
	   "log: a second later -> the lines say so");
}

/* The pieces that lines are made of. */
static void
pieces(void)
{
	char out[24];
	struct gw_line l = {.text = out, .cap = sizeof(out)};

	gw_line_uint(&l, 0, 1);
	gw_line_uint(&l, 7, 3);
	gw_line_uint(&l, UINT64_MAX, 1);
	ok(l.len == 24 && memcmp(out, "000718446744073709551615", 24) == 0,
	   "line: 0, 7 with three digits, the largest");
	gw_line_puts(&l, "more");
	gw_line_puts(&l, "m");
	ok(l.len == 24, "line: what does not fit is cut");
	l.len = 0;
	gw_line_hex(&l, 0x1a2b);
	ok(l.len == 16 && memcmp(out, "0000000000001a2b", 16) == 0,
	   "line: 16 hexadecimal digits");
}

int
main(void)
{
	static char text[1 << 20];
	char filler[1001], want[32];
	int fd = stderr_to_pipe(), written;

	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	gw_log_init("test");
	alarm(120); /* a log that blocks ends here */
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < LINES; i++)
		gw_log(GW_EV_START, NULL, "filler=%s", filler);
	ok(true, "log: nobody reads -> %d lines do not block", LINES);

	read_all(fd, text, sizeof(text));
	written = count(text, "event=start");
	ok(written > 0 && written < LINES,
	   "log: nobody reads -> what does not fit is left out (%d written)",
	   written);
	is_int(count(text, "\n"), written, "log: lines are written whole");

	gw_log(GW_EV_STOP, NULL, "reason=again");
	read_all(fd, text, sizeof(text));
	snprintf(want, sizeof(want), "lost=%d ", LINES - written);
	ok(strstr(text, want) != NULL, "log: read again -> says %s", want);
	gw_log(GW_EV_STOP, NULL, "reason=more");
	read_all(fd, text, sizeof(text));
	ok(strstr(text, "lost=") == NULL, "log: said once");
	collected(fd);
	batches(fd);
	told(fd);
	time_goes_on(fd);
	pieces();
	words();
	several_writers();
	pipes_of_another();
	to_a_socket();
	journal();
	return done_testing();
}
