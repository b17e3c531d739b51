/* SPDX-License-Identifier: MIT */
/*
 * error.c - the error value and the clock that the other files share.
 */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "internal.h"

int
reg_fail(struct reg_err *err, enum reg_code code, int sys, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	err->code = code;
	err->sys = sys;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return -1;
}

uint64_t
reg_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}
