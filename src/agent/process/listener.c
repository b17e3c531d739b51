/* SPDX-License-Identifier: MIT */
/*
 * listener.c - listening sockets and their holders, from /proc.
 *
 * Not netlink's sock_diag: hosts may forbid its address family, and the listing
 * here begins with all listening sockets (proc_net_tcp.rst), so that thousands
 * of connections cost nothing.
 */
#include "agent/process/listener.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/process/family.h"
#include "base/cleanup.h"

#define ROW_BYTES 512
#define STATE_LISTEN 0x0a

/* ---- sockets ------------------------------------------------------------- */

enum match {
	MATCH_NONE,
	MATCH_ALL,  /* listens on every address */
	MATCH_EXACT /* on 127.0.0.1 */
};

static enum match
match_v4(const char *hex)
{
	uint32_t a = (uint32_t)strtoul(hex, NULL, 16);

	if (a == htonl(INADDR_LOOPBACK))
		return MATCH_EXACT;
	return a == htonl(INADDR_ANY) ? MATCH_ALL : MATCH_NONE;
}

/* Four words of eight digits: `::`, or an IPv4 address mapped into IPv6. */
static enum match
match_v6(const char *hex)
{
	uint32_t word[4];
	char digits[9] = "";

	for (size_t i = 0; i < GW_ARRAY_LEN(word); i++) {
		memcpy(digits, hex + 8 * i, 8);
		word[i] = (uint32_t)strtoul(digits, NULL, 16);
	}
	if (word[0] || word[1])
		return MATCH_NONE;
	if (word[2] == htonl(0xffff))
		return match_v4(hex + 24);
	return !word[2] && !word[3] ? MATCH_ALL : MATCH_NONE;
}

static void
add(struct ag_listener *l, uint64_t inode, uid_t user)
{
	if (l->n >= AG_LISTENERS_MAX) {
		l->more = true;
		return;
	}
	l->socket[l->n].inode = inode;
	l->socket[l->n].user = user;
	l->n++;
}

/* One file's rows: those on the address, and those on all of them. */
static void
read_rows(const char *path, size_t digits, unsigned port,
	  struct ag_listener *exact, struct ag_listener *all)
{
	gw_auto_file FILE *f = fopen(path, "re");
	char row[ROW_BYTES];

	while (f && fgets(row, sizeof(row), f)) {
		char local[33];
		unsigned at, state, user;
		enum match m;
		uint64_t inode;

		/* The heading has none of these. */
		if (sscanf(row,
			   " %*u: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x "
			   "%*x:%*x %*x %u %*u %" SCNu64,
			   local, &at, &state, &user, &inode) != 5)
			continue;
		if (state != STATE_LISTEN)
			return;
		if (at != port || strlen(local) != digits)
			continue;
		m = digits == 8 ? match_v4(local) : match_v6(local);
		if (m != MATCH_NONE)
			add(m == MATCH_EXACT ? exact : all, inode, user);
	}
}

void
ag_listener_look(unsigned port, struct ag_listener *out)
{
	struct ag_listener exact = {0}, all4 = {0}, all6 = {0};

	read_rows("/proc/net/tcp", 8, port, &exact, &all4);
	read_rows("/proc/net/tcp6", 32, port, &exact, &all6);
	/* As the kernel prefers them. */
	*out = exact.n ? exact : all4.n ? all4 : all6;
}

bool
ag_listener_within(const struct ag_listener *now,
		   const struct ag_listener *before)
{
	for (size_t i = 0; i < now->n; i++) {
		size_t k = 0;

		while (k < before->n &&
		       before->socket[k].inode != now->socket[i].inode)
			k++;
		if (k == before->n)
			return false;
	}
	return now->n && !now->more;
}

/* ---- processes ----------------------------------------------------------- */

/* Takes the sockets off @left that this process holds. */
static void
tick_off(pid_t pid, struct ag_listener *left, bool *unreadable)
{
	char path[64], target[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	if (!d) {
		*unreadable = *unreadable || errno == EACCES || errno == EPERM;
		return;
	}
	while (left->n && (e = readdir(d))) {
		ssize_t len = readlinkat(dirfd(d), e->d_name, target,
					 sizeof(target) - 1);
		uint64_t inode;

		if (len <= 0)
			continue;
		target[len] = '\0';
		if (sscanf(target, "socket:[%" SCNu64 "]", &inode) != 1)
			continue;
		for (size_t i = 0; i < left->n; i++)
			if (left->socket[i].inode == inode)
				left->socket[i] = left->socket[--left->n];
	}
	closedir(d);
}

bool
ag_listener_is_of(const struct ag_listener *l, pid_t root)
{
	gw_auto_free struct ag_family *f = malloc(sizeof(*f));
	struct ag_listener left = *l;
	bool unreadable = false;

	if (!f || !l->n || l->more)
		return false;
	/* Those beyond AG_FAMILY_MAX are not believed. */
	ag_family_find(f, root, NULL);
	for (size_t i = 0; i < f->n && left.n; i++)
		tick_off(f->pid[i], &left, &unreadable);
	for (size_t i = 0; i < left.n; i++)
		if (!unreadable || left.socket[i].user != geteuid())
			return false;
	return true;
}
