/* SPDX-License-Identifier: MIT */
/*
 * verdict.h - what becomes of a request whose attempt came to nothing.
 *
 * Pure functions over plain values: they look at nothing else, change nothing
 * and cannot fail. The stages gather the values and carry the verdict out. The
 * rows of the table are the rows of the manual's table of failures.
 */
#ifndef GW_STAGE_VERDICT_H
#define GW_STAGE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "serve/request.h"
#include "upstream/retry_after.h"
#include "upstream/transfer.h"


/* What happened to an attempt before the first byte of its answer was passed on. */
enum gw_mishap {
#define MISHAP(name, again, other, once, failures, word) GW_MISHAP_##name,
#include "stage/verdict.def"
#undef MISHAP
	GW_MISHAP__MAX
};

_Static_assert(GW_MISHAP__MAX <= GW_MISHAPS_MAX, "one cell for each of them");

/* What is done about it. */
enum gw_verdict {
	GW_VERDICT_AGAIN,    /* the same candidate, after `wait_ms` */
	GW_VERDICT_OTHER,    /* another candidate, at once */
	GW_VERDICT_LOADING,  /* wait for the same one to have its model loaded */
	GW_VERDICT_FALLBACK, /* the next alias of the fallback list, at once */
	GW_VERDICT_RESORT,   /* a candidate that is passed over otherwise */
	GW_VERDICT_END	     /* nothing is left: the client gets what there is */
};

/* An attempt, and what else the request could do. */
struct gw_attempted {
	enum gw_mishap mishap;
	unsigned total;	  /* attempts of this request so far, this one too */
	unsigned further; /* of them behind the first one of this alias */
	unsigned once;	  /* further ones that a mishap of this kind had */
	bool another;	  /* another candidate of the alias may be asked now */
	bool fallback;	  /* an alias of the fallback list was not tried yet */
	bool ejected;	  /* its candidate is: who has a fallback waits no more */
	bool passed_over; /* a candidate was not asked for being ejected, busy or
			   * loading */
	uint64_t retry_after_ms; /* as the answer says, or GW_NO_RETRY_AFTER */
	uint64_t backoff_ms;	 /* what the next wait would be without it */
	uint64_t left_ms;	 /* of total_s; UINT64_MAX = no limit */
	bool loading_over;	 /* it has loaded for first_byte_s already */
	/* of the alias */
	unsigned attempts;	 /* retry.attempts */
	uint64_t backoff_max_ms; /* retry.backoff_max_s */
};

/* gw_verdict - the verdict; @wait_ms is set where it is AGAIN. */
enum gw_verdict gw_verdict(const struct gw_attempted *a, uint64_t *wait_ms);

/*
 * gw_mishap_of_transfer - what a transfer that failed before its answer was
 * passed on means: NONE for GW_TRANSFER_OK.
 */
enum gw_mishap gw_mishap_of_transfer(enum gw_transfer_result result);

/*
 * gw_mishap_of_answer - what a whole answer with this status means.
 * @retry_after  it has a Retry-After
 * @body, @len   its beginning, for what the status leaves open
 * Returns NONE for an answer that is for the client, whatever it says.
 */
enum gw_mishap gw_mishap_of_answer(int status, bool retry_after,
				   const char *body, size_t len);

/* gw_mishap_needs_answer - must an answer with this status be looked at whole
 * before anything of it is passed on? */
bool gw_mishap_needs_answer(int status);

/* gw_mishap_is_key - does the status refuse a key, which was the gateway's? */
bool gw_mishap_is_key(int status, bool own_key);

/*
 * gw_backoff_ms - the wait before the @n-th time (from 1) that a candidate is
 * asked again: @base_ms doubled each time up to @max_ms, 25 % more or less.
 * @random  any 64 bits
 */
uint64_t gw_backoff_ms(unsigned n, uint64_t base_ms, uint64_t max_ms,
		       uint64_t random);

/* gw_mishap_word - for the access record; static storage. */
const char *gw_mishap_word(enum gw_mishap mishap);

/* gw_mishap_failures - how much it counts towards ejection at once; 0 = not. */
unsigned gw_mishap_failures(enum gw_mishap mishap);

#endif
