/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the only place that reads the time.
 *
 * Durations and deadlines use CLOCK_MONOTONIC, which all processes of a machine
 * share; the wall clock appears only in what people and clients read.
 */
#ifndef GW_BASE_CLOCK_H
#define GW_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* gw_mono_ms - milliseconds of CLOCK_MONOTONIC; never 0 after boot. */
static inline uint64_t
gw_mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* gw_mono_us - microseconds of CLOCK_MONOTONIC. */
static inline uint64_t
gw_mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* gw_wall_ms - milliseconds since the Unix epoch. */
static inline int64_t
gw_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* gw_wall_s - seconds since the Unix epoch. */
static inline int64_t
gw_wall_s(void)
{
	return (int64_t)time(NULL);
}

#endif
