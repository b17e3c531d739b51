/* SPDX-License-Identifier: MIT */
/* tap.h - just enough TAP for the unit tests: ok(condition, "title", ...). */
#ifndef TESTS_UNIT_TAP_H
#define TESTS_UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int tap_run, tap_failed;

/* CPU time of this process: how long it takes on a busy machine says nothing.
 */
__attribute__((unused)) static unsigned long
cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (unsigned long)ts.tv_sec * 1000 +
	       (unsigned long)ts.tv_nsec / 1000000;
}

__attribute__((format(printf, 2, 3), unused)) static bool
ok(bool pass, const char *fmt, ...)
{
	va_list ap;

	tap_failed += !pass;
	printf("%sok %d - ", pass ? "" : "not ", ++tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	return pass;
}

__attribute__((unused)) static bool
is_str(const char *got, const char *want, const char *title)
{
	bool pass = got && want ? strcmp(got, want) == 0 : got == want;

	ok(pass, "%s", title);
	if (!pass)
		printf("# got:  %s\n# want: %s\n", got ? got : "(null)",
		       want ? want : "(null)");
	return pass;
}

__attribute__((unused)) static bool
is_int(long long got, long long want, const char *title)
{
	bool pass = got == want;

	ok(pass, "%s", title);
	if (!pass)
		printf("# got:  %lld\n# want: %lld\n", got, want);
	return pass;
}

/* Prints the plan; the exit status for main. */
__attribute__((unused)) static int
done_testing(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed ? 1 : 0;
}

#endif
