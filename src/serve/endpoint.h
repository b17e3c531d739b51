/* SPDX-License-Identifier: MIT */
/*
 * endpoint.h - what an endpoint is: one row of a program's table; the flags say
 * which stages run.
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
	GW_EP_STREAM = 1 << 6,	   /* "stream": true asks for events */
	GW_EP_ANYONE = 1 << 7,	   /* tells nothing: any web page may look */
	GW_EP_ROUTINE = 1 << 8,	   /* its success is worth a line at debug */
	GW_EP_PROBED = 1 << 9,	   /* the same, where a gateway asks */
	GW_EP_OPERATOR_KEY = 1 << 10, /* authenticate: an operator's key will
				       * do as well as a client's */
	GW_EP_KEY_TELLS = 1 << 11, /* authenticate: needs no key, but who shows
				    * one is told more */
	GW_EP_OPERATOR = 1 << 12, /* check_operator: an operator's key and no
				   * other, or this host where no keys are
				   * configured; no CORS */
	GW_EP_BODY = 1 << 13 /* receive: a body as for an upstream, which goes
			      * to none */
};

/* What the rows of relayed.def have in common. */
#define GW_EP_RELAYED (GW_EP_CLIENT_KEY | GW_EP_RELAY)
#define GW_EP_STREAMED (GW_EP_RELAYED | GW_EP_STREAM)

struct gw_endpoint {
	const char *path;      /* percent-decoded path it serves; also where
				* slashes are doubled or at the end, and where
				* "/v1" is missing or doubled */
	enum gw_method method; /* GET also serves HEAD */
	unsigned flags;
	/* GW_EP_ANSWER: called once the request's document (if any) is there,
	 * and again after each WAIT; ends with a reply and FINISH, or with
	 * r->err set and FINISH. */
	enum gw_step (*answer)(struct gw_request *r);
	enum gw_sse_dialect dialect; /* of error events, GW_EP_RELAY */
	const char *help;	     /* one line for the documentation */
};

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
 * gw_endpoint_rest - what a GW_EP_PREFIX row leaves open.
 * @path  one that found the row @e
 * Returns the part of @path behind the row's, as it came: slashes may be left at
 * both ends.
 */
const char *gw_endpoint_rest(const struct gw_endpoint *e, const char *path);

#endif
