/* SPDX-License-Identifier: MIT */
/*
 * stamp_lines.c - copies lines from input to output, each behind the time at
 * which it came: milliseconds of CLOCK_MONOTONIC and a space.
 *
 * The scripted upstream stamps tokens with the same clock, so the difference is
 * what the way took. A last line without its newline is passed on as it is.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

int
main(void)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) >= 0) {
		printf("%llu ", (unsigned long long)gw_mono_ms());
		fwrite(line, 1, (size_t)n, stdout);
		fflush(stdout);
	}
	free(line);
	return ferror(stdin) || ferror(stdout) ? 1 : 0;
}
