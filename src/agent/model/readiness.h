/* SPDX-License-Identifier: MIT */
/*
 * readiness.h - is a llama-server ready? Asked again and again until it is.
 *
 * Ready means: GET /health is a 200 (while a model loads it is a 503, before
 * that nobody listens), and then GET /v1/models is one, too. Ends with its
 * callback or ag_readiness_stop(); how long is long enough is the caller's
 * business. One thread; nothing blocks.
 */
#ifndef AG_MODEL_READINESS_H
#define AG_MODEL_READINESS_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "upstream/transfer.h"

#define AG_READINESS_FIRST_MS 50   /* the first wait; doubles up to interval */
#define AG_READINESS_ASK_MS 5000   /* until one question is given up */

struct ag_readiness {
	struct ev_loop *loop;
	struct gw_upstreams *upstreams;
	unsigned port;
	uint32_t interval_ms;
	uint32_t wait_ms;
	bool models;	  /* /health was good, /v1/models is asked */
	int status;	  /* of the question under way, 0 = none yet */
	struct gw_transfer *transfer;
	ev_timer timer;
	void (*on_loading)(void *arg); /* it answers, but not with a 2xx */
	void (*on_ready)(void *arg);
	void *arg;
};

/*
 * ag_readiness_start - begin to ask http://127.0.0.1:@port.
 * @interval_ms  between two questions in the long run
 * The callbacks run on the loop; on_loading may come many times.
 */
void ag_readiness_start(struct ag_readiness *r, struct ev_loop *loop,
			struct gw_upstreams *upstreams, unsigned port,
			uint32_t interval_ms, void (*on_loading)(void *arg),
			void (*on_ready)(void *arg), void *arg);

/* ag_readiness_stop - ask no more; safe before start (all zero) and twice. */
void ag_readiness_stop(struct ag_readiness *r);

#endif
