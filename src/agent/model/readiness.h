/* SPDX-License-Identifier: MIT */
/*
 * readiness.h - is a llama-server ready? Asked again and again until it is.
 *
 * Ready means: GET /health is a 200 (while a model loads it is a 503, before
 * that nobody listens), and then GET /v1/models is one, too. Who wants to know is
 * then told how many slots it has, as GET /props says; whether it says so or not,
 * it is ready. Ends with its callback or ag_readiness_stop(); how long is long
 * enough is the caller's business. One thread; nothing blocks.
 */
#ifndef AG_MODEL_READINESS_H
#define AG_MODEL_READINESS_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "upstream/transfer.h"

#define AG_READINESS_FIRST_MS 50   /* the first wait; doubles up to interval */
#define AG_READINESS_ASK_MS 5000   /* until one question is given up */
#define AG_READINESS_PROPS_MAX (1u << 20) /* bytes of /props, templates and all;
					   * of more nothing is believed */

enum ag_readiness_question {
	AG_READINESS_HEALTH,
	AG_READINESS_MODELS,
	AG_READINESS_PROPS,
};

/* Called on the loop. */
struct ag_readiness_ops {
	/* Before each question: is it llama-server that would get it? False: it
	 * is asked again later. May stop it. */
	bool (*may_ask)(void *arg);
	/* The connection stands: is it still? False: nothing is sent. Must not
	 * stop it. */
	bool (*may_send)(void *arg);
	void (*on_loading)(void *arg); /* it answers, but not with a 2xx; may
					* come many times */
	void (*on_ready)(void *arg);
};

struct ag_readiness {
	struct ev_loop *loop;
	struct gw_upstreams *upstreams;
	unsigned port;
	const char *key;
	uint32_t interval_ms;
	uint32_t wait_ms;
	bool wants_slots; /* the last question is asked, too */
	enum ag_readiness_question question;
	int status;	  /* of the question under way, 0 = none yet */
	struct gw_buf props;
	unsigned slots;	  /* as it told, 0 = it did not */
	struct gw_transfer *transfer;
	ev_timer timer;
	const struct ag_readiness_ops *ops;
	void *arg;
};

/*
 * ag_readiness_start - begin to ask http://127.0.0.1:@port.
 * @key          Bearer of the questions; lives as long as it is asked
 * @interval_ms  between two questions in the long run
 * @wants_slots  ask for them, too: r->slots in on_ready
 * @ops          static; @arg is theirs
 */
void ag_readiness_start(struct ag_readiness *r, struct ev_loop *loop,
			struct gw_upstreams *upstreams, unsigned port,
			const char *key, uint32_t interval_ms, bool wants_slots,
			const struct ag_readiness_ops *ops, void *arg);

/* ag_readiness_stop - ask no more; safe before start (all zero) and twice. */
void ag_readiness_stop(struct ag_readiness *r);

#endif
