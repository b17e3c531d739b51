/* SPDX-License-Identifier: MIT */
/*
 * endpoint.h - one row per endpoint; the flags say which stages run.
 *
 * To add one: a row in table.c and, unless it is relayed, one file here with
 * its answer function, declared below.
 */
#ifndef GW_SERVE_ENDPOINT_H
#define GW_SERVE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/step.h"
#include "sse/sse.h"

struct gw_request;

enum gw_method {
	GW_METHOD_GET,
	GW_METHOD_HEAD,
	GW_METHOD_POST,
	GW_METHOD_OPTIONS,
	GW_METHOD_OTHER
};

enum gw_endpoint_flag {
	GW_EP_CLIENT_KEY = 1 << 0, /* authenticate: a client key */
	GW_EP_NODE_KEY = 1 << 1,   /* authenticate: a node key */
	GW_EP_DOCUMENT = 1 << 2,   /* receive: one small JSON object */
	GW_EP_RELAY = 1 << 3,	   /* receive .. stream: goes to an upstream */
	GW_EP_ANSWER = 1 << 4,	   /* answer: this process knows it */
	GW_EP_PREFIX = 1 << 5,	   /* the path goes on after `path` */
	GW_EP_STREAM = 1 << 6	   /* "stream": true asks for events */
};

/* What the rows of relayed.def have in common. */
#define GW_EP_RELAYED (GW_EP_CLIENT_KEY | GW_EP_RELAY)
#define GW_EP_STREAMED (GW_EP_RELAYED | GW_EP_STREAM)

struct gw_endpoint {
	const char *path;      /* percent-decoded path it serves */
	enum gw_method method; /* GET also serves HEAD */
	unsigned flags;
	enum gw_step (*answer)(struct gw_request *r); /* GW_EP_ANSWER */
	enum gw_sse_dialect dialect; /* of error events, GW_EP_RELAY */
	const char *help;	     /* one line for the documentation */
};

/* The gateway's endpoints. */
extern const struct gw_endpoint gw_endpoints[];
extern const size_t gw_n_endpoints;

/*
 * gw_endpoint_find - the row for a path and method.
 * @allow  storage of @cap bytes: what an Allow header should say when the path
 *         exists but not with this method; "" when the path is unknown
 * Returns the row, or NULL.
 */
const struct gw_endpoint *gw_endpoint_find(const struct gw_endpoint *table,
					   size_t n, const char *path,
					   enum gw_method method, char *allow,
					   size_t cap);

/*
 * Answer functions, one file each. They are called once the request's document
 * (if any) is in r->document, and again after each WAIT; they end with a reply
 * and FINISH, or with r->err set and FINISH.
 */
enum gw_step gw_answer_health(struct gw_request *r);
enum gw_step gw_answer_ready(struct gw_request *r);
enum gw_step gw_answer_models(struct gw_request *r);
enum gw_step gw_answer_model(struct gw_request *r);
enum gw_step gw_answer_register(struct gw_request *r);
enum gw_step gw_answer_heartbeat(struct gw_request *r);
enum gw_step gw_answer_deregister(struct gw_request *r);

#endif
