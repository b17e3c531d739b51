/* SPDX-License-Identifier: MIT */
/*
 * test_pool_listen.c - the socket file of a --listen pool when another pool
 * starts or ends at the same path in the same moment.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "responder/pool_listen.h"
#include "tap.h"

static char folder[] = "/tmp/rolemesh-pool.XXXXXX";
static char path[100], address[110];
static const struct gw_pool_options options = {
	.address = address, .workers = 1, .mode = 0600};

static int listening = -1, unlinked_while_listening;

/* In the library's place: is the socket still open when its file goes? */
int
unlink(const char *name)
{
	if (listening >= 0)
		unlinked_while_listening = fcntl(listening, F_GETFD) >= 0;
	return unlinkat(AT_FDCWD, name, 0);
}

static int
connects(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
test_own_only(void)
{
	struct gw_listener one, two;
	struct gw_err err = {0};
	int fd;

	if (gw_listener_open(&options, &one, &err) < 0)
		abort();
	unlink(path);
	if (gw_listener_open(&options, &two, &err) < 0)
		abort();
	gw_listener_close(&one);
	fd = connects();
	ok(fd >= 0, "pool: its socket was replaced by another pool's, it ends "
		    "-> the other one is reached");
	close(fd);
	listening = two.fd;
	gw_listener_close(&two);
	listening = -1;
	ok(unlinked_while_listening,
	   "pool: it ends -> its file goes before it stops listening");
	ok(access(path, F_OK) < 0, "pool: that one ends -> no file is left");
}

/* As a worker sees it: it has the socket, the pool's parent closes its own. */
static void
test_refuses(void)
{
	struct gw_listener l;
	struct gw_err err = {0};
	int worker, before, taken;

	if (gw_listener_open(&options, &l, &err) < 0)
		abort();
	worker = dup(l.fd);
	before = connects();
	if (before < 0 || rename(path, "before") < 0 ||
	    link("before", path) < 0)
		abort();
	gw_listener_close(&l);
	ok(access(path, F_OK) < 0, "pool: it ends -> its socket is gone");
	if (rename("before", path) < 0)
		abort();
	ok(connects() < 0, "pool: who had found it before -> is refused");
	unlink(path);
	taken = accept(worker, NULL, NULL);
	ok(taken >= 0, "pool: who had connected before -> is accepted");
	close(taken);
	close(before);
	close(worker);
}

/* A dead pool's socket lies there, and another pool is just taking its place.
 */
static void
test_start_at_once(void)
{
	struct gw_listener dead, living;
	struct gw_err err = {0};
	int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = 0;
	struct stat before, now;
	pid_t pid;

	if (gw_listener_open(&options, &dead, &err) < 0)
		abort();
	close(dead.fd);
	if (lock < 0 || flock(lock, LOCK_EX) < 0 || stat(path, &before) < 0)
		abort();
	pid = fork();
	if (pid == 0)
		_exit(gw_listener_open(&options, &living, &err) < 0 ? 1 : 0);
	/* Time for the other one to do it wrong; right, it waits. */
	for (int i = 0; i < 20; i++) {
		if (stat(path, &now) < 0 || now.st_ino != before.st_ino)
			break;
		poll(NULL, 0, 10);
	}
	ok(stat(path, &now) == 0 && now.st_ino == before.st_ino,
	   "pool: another one has the folder's lock -> nothing is removed");
	unlink(path);
	living.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	{
		struct sockaddr_un at = {.sun_family = AF_UNIX};

		snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
		if (bind(living.fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		    listen(living.fd, 4) < 0)
			abort();
	}
	close(lock);
	waitpid(pid, &status, 0);
	is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 1,
	       "pool: the other one listens there now -> it does not start");
	ok(stat(path, &now) == 0, "pool: and the other one keeps its socket");
	close(living.fd);
	unlink(path);
}

int
main(void)
{
	if (!mkdtemp(folder) || chdir(folder) < 0)
		return 1;
	snprintf(path, sizeof(path), "%s/pool.sock", folder);
	snprintf(address, sizeof(address), "unix:%s", path);
	test_own_only();
	test_refuses();
	test_start_at_once();
	if (chdir("/") < 0 || rmdir(folder) < 0)
		ok(false, "pool: something is left behind");
	return done_testing();
}
