/* SPDX-License-Identifier: MIT */
/* test_crowd.c - this process plays the server whose descriptors are counted.
 */
#include <fcntl.h>
#include <unistd.h>

#include "serve/crowd.h"
#include "tap.h"

#define LIMIT 200u
#define PROCESSES 2u
#define MORE 150

/* How many answers in a row have no crowd, of @n. */
static unsigned
calm(struct gw_crowd *c, unsigned n)
{
	unsigned i = 0;

	while (i < n && !gw_crowd_is(c))
		i++;
	return i;
}

int
main(void)
{
	struct gw_crowd c;
	unsigned again;

	gw_crowd_watch(&c, getpid(), 0, PROCESSES);
	is_int(calm(&c, 1000), 1000, "crowd: nothing to watch -> never");
	gw_crowd_watch(&c, getpid(), LIMIT, PROCESSES);
	ok(!gw_crowd_is(&c) && c.open > 2 && c.open < LIMIT / 2,
	   "crowd: the first answer counts what is open");
	again = (LIMIT / 2 - c.open) / PROCESSES;
	for (int i = 0; i < MORE; i++)
		if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
			return 99;
	is_int(calm(&c, again + 1), again,
	       "crowd: half of the places are taken -> seen as soon as all "
	       "processes together may have answered as many");
	return done_testing();
}
