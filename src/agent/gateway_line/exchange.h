/* SPDX-License-Identifier: MIT */
/*
 * exchange.h - one document sent to the gateway, and its answer. For
 * gateway_line.c, which knows what is sent when and what an answer means.
 */
#ifndef AG_GATEWAY_LINE_EXCHANGE_H
#define AG_GATEWAY_LINE_EXCHANGE_H

#include <json-c/json.h>
#include <stdint.h>

#include "base/buf.h"
#include "upstream/transfer.h"

#define AG_EXCHANGE_LIMIT_MS 10000  /* until one is given up */
#define AG_EXCHANGE_BODY_MAX (1u << 20) /* bytes; a gateway takes no more */
#define AG_EXCHANGE_REPLY_MAX 65536 /* bytes of an answer that are looked at */

struct ag_exchange {
	struct gw_upstreams *upstreams;
	struct gw_transfer *transfer; /* NULL = none is under way */
	struct gw_buf body;
	struct gw_buf reply;
	struct json_object *answer;   /* the reply as a document, NULL = it is
				       * none; stays until the next exchange */
	int status;		      /* HTTP, 0 = none came */
	void (*done)(void *arg, enum gw_transfer_result result);
	void *arg;
};

/*
 * ag_exchange_init - nothing is under way.
 * @upstreams  borrowed until the release
 * @done       called on the loop at the end of each exchange that was begun and
 *             not cancelled; may begin the next one
 */
void ag_exchange_init(struct ag_exchange *x, struct gw_upstreams *upstreams,
		      void (*done)(void *arg, enum gw_transfer_result result),
		      void *arg);

/*
 * ag_exchange_post - send @doc to @base followed by @path. None is under way.
 * @key  Bearer, or NULL
 * Returns 0, or -1: no memory, or too large; done is not called then.
 */
GW_MUSTCHECK int ag_exchange_post(struct ag_exchange *x, const char *base,
				  const char *path, const char *key,
				  struct json_object *doc);

/* ag_exchange_cancel - give up what is under way; done is not called. */
void ag_exchange_cancel(struct ag_exchange *x);

/* ag_exchange_release - the same, and everything it owns. */
void ag_exchange_release(struct ag_exchange *x);

#endif
