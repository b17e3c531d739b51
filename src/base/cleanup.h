/* SPDX-License-Identifier: MIT */
/*
 * cleanup.h - the fixed vocabulary of scope guards for locals.
 *
 * A guarded local is always initialised at its declaration; GW_STEAL() is the
 * only way to hand it out of its scope. Constructors of long-lived objects use
 * `goto fail` and their own _free() instead; never mix both in one function.
 */
#ifndef GW_BASE_CLEANUP_H
#define GW_BASE_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GW_CLEANUP(fn) __attribute__((cleanup(fn)))
#define GW_MUSTCHECK __attribute__((warn_unused_result))
#define GW_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define GW_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Hand over a guarded pointer: the value goes to the caller, NULL stays. */
#define GW_STEAL(p)                                                            \
	__extension__({                                                        \
		__typeof__(p) gw_stolen_ = (p);                                \
		(p) = NULL;                                                    \
		gw_stolen_;                                                    \
	})

static inline void
gw_cleanup_free(void *pp)
{
	free(*(void **)pp);
}

static inline void
gw_cleanup_fd(const int *fd)
{
	int keep = errno;

	if (*fd >= 0)
		close(*fd);
	errno = keep;
}

static inline void
gw_cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define gw_auto_free GW_CLEANUP(gw_cleanup_free)
#define gw_auto_fd GW_CLEANUP(gw_cleanup_fd)
#define gw_auto_file GW_CLEANUP(gw_cleanup_file)

#endif
