/* SPDX-License-Identifier: MIT */
/* crowd.c - counts, and not more often than it has to; see crowd.h. */
#include "serve/crowd.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"

#define COST_FACTOR 50 /* a count may take one part in so many of the time */

void
gw_crowd_watch(struct gw_crowd *c, pid_t server, unsigned limit,
	       unsigned processes)
{
	*c = (struct gw_crowd){
		.server = server,
		.limit = limit,
		.processes = processes,
		.open = limit, /* not counted yet */
	};
}

/*
 * Linux tells the number as the folder's size since 6.2. Before, they are
 * listed, a microsecond each: no more than matter.
 */
static unsigned
count(const struct gw_crowd *c)
{
	char path[40];
	unsigned n = 0;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)c->server);
	if (stat(path, &st) == 0 && st.st_size > 0)
		return st.st_size < UINT_MAX ? (unsigned)st.st_size : UINT_MAX;
	dir = opendir(path);
	if (!dir)
		return 0;
	while (n < c->limit / 2 && readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/*
 * A connection is new with its first request at the earliest, so until the
 * other processes, too, may have answered enough of them, the last count holds.
 */
bool
gw_crowd_is(struct gw_crowd *c)
{
	unsigned half = c->limit / 2;
	uint64_t begun_us, now_us;

	if (!c->limit)
		return false;
	c->since++;
	if (c->open < half && c->since <= (half - c->open) / c->processes)
		return false;
	begun_us = gw_mono_us();
	if (begun_us < c->next_us) /* better one too many */
		return true;
	c->open = count(c);
	c->since = 0;
	now_us = gw_mono_us();
	c->next_us = now_us + COST_FACTOR * (now_us - begun_us);
	return c->open >= half;
}
