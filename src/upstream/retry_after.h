/* SPDX-License-Identifier: MIT */
/* retry_after.h - when an upstream wants to be asked again. */
#ifndef GW_UPSTREAM_RETRY_AFTER_H
#define GW_UPSTREAM_RETRY_AFTER_H

#include <stdint.h>

#define GW_NO_RETRY_AFTER UINT64_MAX
#define GW_RETRY_AFTER_MAX_S (366u * 24 * 3600)

/*
 * gw_retry_after_ms - the value of a Retry-After: seconds, or a date (RFC 9110,
 * section 10.2.3).
 * @text   C string; "" = there is none
 * @now_s  wall clock, seconds since 1970
 * Returns milliseconds, at most those of GW_RETRY_AFTER_MAX_S; 0 for a date that
 * has passed; GW_NO_RETRY_AFTER for what is neither a date nor a number, or
 * negative. Pure.
 */
uint64_t gw_retry_after_ms(const char *text, int64_t now_s);

#endif
