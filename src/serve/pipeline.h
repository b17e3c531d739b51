/* SPDX-License-Identifier: MIT */
/*
 * pipeline.h - the path of a request as a list one can read.
 *
 * No stage calls another one. A stage returns a gw_step; events resume the
 * request at the stage that waits. The last stage, account, always runs,
 * exactly once, whatever happened, and the request is gone afterwards.
 */
#ifndef GW_SERVE_PIPELINE_H
#define GW_SERVE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/request.h"

#define GW_STAGE_ALWAYS 0

struct gw_stage {
	const char *name;
	enum gw_step (*run)(struct gw_request *r);
	unsigned wants;		/* endpoint flags, any of which makes it run, or
				 * GW_STAGE_ALWAYS */
};

/*
 * How a program turns to something else when an attempt came to nothing: its
 * side of stage forward, which decides when. Static; nothing blocks.
 */
struct gw_failover {
	/* May another candidate of the alias be asked now? @passed_over is set:
	 * there is one that is not asked as long as there are others. */
	bool (*has_another)(const struct gw_request *r, bool *passed_over);
	/* Is the candidate at hand ejected by now? */
	bool (*is_ejected)(const struct gw_request *r);
	/* Is there an alias of the fallback list that was not turned to? */
	bool (*has_fallback)(const struct gw_request *r);
	/* The request is that alias's from now on. */
	void (*fall_back)(struct gw_request *r);
	/* An attempt came to nothing. @mishap  enum gw_mishap; @busy_ms  how
	 * long its candidate wants to be left alone; 0 = it does not */
	void (*failed)(struct gw_request *r, int mishap, uint64_t busy_ms);
	/* A byte of an answer was passed on, the first one in a tenth of a
	 * second. */
	void (*gave_byte)(struct gw_request *r);
	/* An answer is for the client, and all of it is there; or it broke off
	 * or fell silent behind its first byte. */
	void (*ended)(struct gw_request *r, bool whole);
	/* Has the candidate loaded its model? Has it asked, if not. */
	bool (*is_loaded)(struct gw_request *r);
	/* Was it sent to one that serves others first, which it need not wait
	 * for to the end? */
	bool (*is_in_line)(const struct gw_request *r);
	/* It still waits there, and another one has become free: it goes to
	 * that one, once. False: it stays, and this is asked again after
	 * @again_ms, which grows with the number of candidates. */
	bool (*leaves_line)(struct gw_request *r, uint32_t *again_ms);
};

/* How a request ended, as stage account tells it. */
struct gw_end {
	int status; /* 499: the client was gone */
	bool client_gone;
	bool broken;
	const char *last_result; /* of the attempt that was under way; static */
	uint64_t queue_ms;	 /* it waited for its turn */
	struct gw_tokens_told tokens; /* that the upstream told of */
};

/* What a program does with its requests. Static. */
struct gw_pipeline {
	const struct gw_stage *stages;
	size_t n;		/* the last one is account */
	size_t pick;		/* where REPICK goes */
	size_t own_bytes;	/* of the program's own part of a request */
	bool picks_again;	/* REPICK makes sense for a proxy, too */
	bool limits_readers;	/* idle_s ends a client that does not read: it
				 * holds what others wait for */
	/* Input events, for the stage that receives. */
	void (*on_body)(struct gw_request *r, const char *p, size_t n);
	void (*on_body_end)(struct gw_request *r);
	/* The connection to the upstream stands. False: it is not the one that
	 * was chosen, nothing is sent (STRANGER). NULL = always. */
	bool (*may_send)(const struct gw_request *r);
	/* The host of its upstream acknowledges nothing: could another one take
	 * the request right now? NULL = never. */
	bool (*may_leave)(const struct gw_request *r);
	/* NULL: what its one upstream answers is for the client. */
	const struct gw_failover *failover;
	/* Let go of what the program gave to a request, the hold on its
	 * upstream above all: before another upstream is chosen, and when the
	 * request ends, however it ends. NULL = nothing. */
	void (*release)(struct gw_request *r);
	/* It has ended: keep what is worth keeping. Behind the access record;
	 * NULL = nothing. */
	void (*record)(const struct gw_request *r, const struct gw_end *end);
	/* Let go of what it held for all of its life, whichever upstreams it
	 * had: when the request ends, behind release. NULL = nothing. */
	void (*ended)(struct gw_request *r);
};

/*
 * gw_pipeline_resume - something a waiting request waits for has happened.
 * May free the request: callers do not touch it afterwards. Safe to call from
 * inside a running stage (the stage then runs again).
 */
void gw_pipeline_resume(struct gw_request *r);

/*
 * gw_pipeline_end - no further stage but account: the client is told r->err,
 * which is set. Frees the request. Not from inside a stage.
 */
void gw_pipeline_end(struct gw_request *r);

/*
 * gw_pipeline_client_gone - the client left; the request ends as a 499.
 * Frees the request unless a stage is running, which then ends it.
 */
void gw_pipeline_client_gone(struct gw_request *r);

/*
 * gw_pipeline_client_stalled - the client took nothing for too long and is cut
 * off: a 499 whose record says so. Otherwise as gw_pipeline_client_gone().
 */
void gw_pipeline_client_stalled(struct gw_request *r);

#endif
