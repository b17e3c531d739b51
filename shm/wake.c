/* SPDX-License-Identifier: MIT */
/*
 * wake.c - one process wakes another one that waits in its event loop.
 *
 * A row has the random name of its process's socket, and a word that says that
 * it was woken. The word is set first, then an empty message makes the
 * descriptor readable; whoever is woken takes the messages first, and then the
 * word. A message that finds no room lies behind others that wake as well. So
 * nothing is lost, and messages of strangers are only messages.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"

#define NAME_TRIES 8 /* of random names, each somebody else's already */

/* In the abstract name space: no file that stays behind. */
static socklen_t
address_of(uint64_t number, struct sockaddr_un *a)
{
	int n;

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1,
		     "rolemesh-wake-%016llx", (unsigned long long)number);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)n);
}

static uint64_t
random_number(const struct reg *r)
{
	uint64_t seed[3] = {r->identity, reg_clock_ms(), r->row};
	uint64_t number = 0;

	/* Early after a start of the machine there may be none yet. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(number))
		number = gw_hash(seed, sizeof(seed));
	return number ? number : 1;
}

static int
bind_anywhere(const struct reg *r, int fd, uint64_t *number)
{
	for (int tries = 0; tries < NAME_TRIES; tries++) {
		struct sockaddr_un a;
		socklen_t len;

		*number = random_number(r);
		len = address_of(*number, &a);
		if (bind(fd, (struct sockaddr *)&a, len) == 0)
			return 0;
		if (errno != EADDRINUSE)
			break;
	}
	return -1;
}

int
reg_wake_fd(struct reg *r)
{
	uint64_t number;
	int fd;

	if (r->pid != getpid())
		return -1;
	if (r->wake_number)
		return r->wake_fd;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (bind_anywhere(r, fd, &number)) {
		close(fd);
		return -1;
	}
	r->wake_fd = fd;
	r->wake_number = number;
	atomic_store(&r->seg->rows[r->row].wake, number);
	return fd;
}

static void
take_messages(struct reg *r)
{
	char byte;

	for (int n = 0; n < REG_WAKES_MAX; n++) {
		if (recv(r->wake_fd, &byte, sizeof(byte), MSG_DONTWAIT) < 0 &&
		    errno != EINTR)
			break;
		REG_STOP_POINT();
	}
}

bool
reg_wake_drain(struct reg *r)
{
	if (!r->wake_number)
		return false;
	take_messages(r);
	REG_STOP_POINT();
	return atomic_exchange(&r->seg->rows[r->row].woken, 0);
}

/* Any socket will do to send from: whoever only wakes others has one as well.
 */
static bool
send_to(struct reg *r, uint64_t number)
{
	int fd = reg_wake_fd(r);
	struct sockaddr_un a;
	socklen_t len = address_of(number, &a);

	if (fd < 0)
		return false;
	if (sendto(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (struct sockaddr *)&a, len) == 0)
		return true;
	/* Its queue is full: it is about to read, or will when it goes on. */
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS;
}

bool
reg_wake(struct reg *r, uint32_t row, uint64_t row_generation)
{
	struct reg_row *w;
	uint64_t number;

	if (row >= REG_ROWS_MAX)
		return false;
	w = &r->seg->rows[row];
	number = atomic_load(&w->wake);
	REG_STOP_POINT();
	/* The name of one that came later would wake for nothing, no more. */
	if (!number || atomic_load(&w->generation) != row_generation)
		return false;
	REG_CRASH_POINT();
	atomic_store(&w->woken, 1);
	REG_CRASH_POINT();
	return send_to(r, number);
}

void
reg_wake_move(struct reg *r, struct reg *to)
{
	if (!r->wake_number)
		return;
	to->wake_fd = r->wake_fd;
	to->wake_number = r->wake_number;
	r->wake_number = 0;
	atomic_store(&r->seg->rows[r->row].wake, 0);
	atomic_store(&to->seg->rows[to->row].wake, to->wake_number);
}

void
reg_wake_close(struct reg *r)
{
	if (!r->wake_number)
		return;
	close(r->wake_fd);
	r->wake_number = 0;
}
