/* SPDX-License-Identifier: MIT */
/*
 * explain.h - where a request would go, found out by walking its way without
 * doing anything on it (pick_walk.h): nobody is asked, called or counted, no
 * slot and nobody's turn is taken. For the endpoint that tells an operator.
 *
 * One thread a process; nothing blocks.
 */
#ifndef GW_STAGE_EXPLAIN_H
#define GW_STAGE_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "stage/queue.h"

struct gw_model;
struct gw_request;

enum gw_would {
	GW_WOULD_SEND,
	GW_WOULD_WAIT,	/* in the queue of `alias` */
	GW_WOULD_REFUSE /* r->err says how */
};

/* gw_explained_release() frees what it holds. */
struct gw_explained {
	enum gw_would would;
	const struct gw_model *alias; /* where its way ends; refused: that it
				       * names */
	uint64_t key; /* SEND: of the candidate; 0 = by chance */
	bool trial;   /* it is the trial of an ejected one */
	struct gw_queue_outlook queue; /* WAIT */
	uint64_t *keys;		       /* by chance: one of these ... */
	uint32_t *weighs;	       /* ... as likely as it weighs */
	size_t n;
};

/*
 * gw_explain - where would a request for an alias go now?
 * @r    of its client (authenticate) and its body, if it has any, a request is
 *       made in thought; what it is itself stays as it was, but for its error
 * @m    of @r's configuration
 * @out  filled
 * Refreshes the view of the nodes. Returns 0, or -1 with r->err set: no memory.
 */
GW_MUSTCHECK int gw_explain(struct gw_request *r, const struct gw_model *m,
			    struct gw_explained *out);

void gw_explained_release(struct gw_explained *e);

#endif
