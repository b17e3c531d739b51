/* SPDX-License-Identifier: MIT */
/*
 * request.h - one request on its way through the stages.
 *
 * Every field has one writer, named in its comment; stages read what earlier
 * ones left. The request keeps the configuration it began with.
 */
#ifndef GW_SERVE_REQUEST_H
#define GW_SERVE_REQUEST_H

#include <ev.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "body/body.h"
#include "config/config.h"
#include "serve/endpoint.h"
#include "serve/step.h"
#include "reg.h"
#include "sse/sse.h"

#define GW_REQUEST_ID_MAX 128		/* bytes of an X-Request-Id we keep */
#define GW_PATH_MAX 1024		/* bytes of a decoded path */
#define GW_DOCUMENT_MAX (1u << 20)	/* bytes of a registration */
#define GW_PICK_ATTEMPTS 3		/* nodes tried for one request */

struct gw_fcgi_conn;
struct gw_worker;
struct gw_transfer;
struct gw_availability;
struct ag_ticket;

/* Where a request is, for the access log: set by the stages as they pass. */
enum gw_phase {
	GW_PHASE_ACCEPT,
	GW_PHASE_RECEIVE,
	GW_PHASE_ANSWER,
	GW_PHASE_QUEUE,		/* the node agent's: waits for its model */
	GW_PHASE_CONNECT,
	GW_PHASE_FIRST_BYTE,
	GW_PHASE_STREAM,
	GW_PHASE__MAX
};

/* The time limits of a request, as a 504 names them. */
enum gw_limit {
	GW_LIMIT_NONE,
	GW_LIMIT_CONNECT,
	GW_LIMIT_FIRST_BYTE,
	GW_LIMIT_IDLE,
	GW_LIMIT_TOTAL,
	GW_LIMIT_CLIENT, /* it holds a device, and does not read */
	GW_LIMIT__MAX
};

/* The upstream chosen for a request; strings live in `storage`. */
struct gw_target {
	const char *base_url;
	const char *api_key;	/* Bearer, or NULL */
	char *model_json;	/* JSON text of the forwarded `model`, or NULL */
	char *node_id;		/* discovered: X-RoleMesh-Node; or NULL */
	char *owned_url;	/* discovered: base_url's storage */
	struct reg_node_ref node;
	int32_t lease;		/* reg_lease_take(), -1 = none */
};

struct gw_request {
	struct gw_worker *worker;
	struct gw_fcgi_conn *conn;	/* NULL once finished or gone */
	struct gw_config *config;	/* a reference */
	unsigned stage;			/* index into the pipeline */
	bool running;			/* pipeline_run() is on the stack */
	bool resume_again;		/* an event came while it was */
	bool client_gone;
	enum gw_phase phase;
	struct gw_err err;		/* set by whoever failed; answered once */

	/* accept */
	char id[GW_REQUEST_ID_MAX + 1];
	char path[GW_PATH_MAX];		/* percent-decoded, no query */
	size_t path_len;
	const char *cors_origin;	/* allowed origin to echo, or NULL */
	enum gw_method method;
	char method_name[16];
	const struct gw_endpoint *endpoint;
	char allow[64];

	/* authenticate */
	int key_index;			/* which key it was, -1 = none needed */

	/* receive */
	struct gw_body *body;		/* GW_EP_RELAY */
	struct gw_buf document_text;	/* GW_EP_DOCUMENT */
	struct json_object *document;
	bool body_complete;
	uint64_t bytes_in;

	/* resolve_role */
	const struct gw_model *model;
	bool wants_stream;

	/* pick_node */
	struct gw_target target;
	unsigned pick_attempts;
	struct reg_node_ref tried[GW_PICK_ATTEMPTS];

	/* schedule (the node agent's) */
	struct ag_ticket *ticket;	/* its place on a device, or NULL */

	/* answer */
	struct gw_availability *availability;	/* models, ready */
	ev_timer retry;			/* the registry was busy */
	unsigned retries;

	/* forward and stream */
	struct gw_transfer *transfer;
	struct gw_sse sse;		/* client side: between events? */
	bool upstream_head;		/* status and headers are here */
	bool upstream_done;
	bool upstream_is_sse;
	int upstream_status;		/* 0 = none */
	int upstream_failure;		/* enum gw_transfer_result when done */
	char upstream_reason[160];	/* what libcurl says about it */
	char content_type[256];
	char retry_after[64];
	int64_t content_length;		/* -1 = unknown */
	bool early_commit;		/* 200 was sent to keep the client waiting */
	struct gw_buf held;		/* upstream error behind an early 200, or a
					 * short answer kept until it is whole */
	bool hold;
	bool relay_paused;		/* the client reads slower than it gets */
	uint64_t t_paused_ms;		/* since when */

	/* deadlines (deadline.c) */
	ev_timer deadline;
	enum gw_limit limit_hit;
	uint64_t t_forward_ms;		/* first transfer started; 0 = not yet */
	uint64_t t_connected_ms;	/* 0 = not yet */
	uint64_t t_upstream_ms;		/* last byte from upstream; 0 = none */
	uint64_t t_client_ms;		/* last byte queued for the client */

	/* reply */
	bool committed;			/* the head is queued */
	bool head_only;			/* HEAD */
	int status;			/* HTTP status sent, 0 = none */
	bool broken;			/* ended without its proper end */
	uint64_t bytes_out;
	uint64_t t_start_us;
	uint64_t t_first_byte_us;	/* first byte queued for the client */
};

/*
 * gw_request_new - for a connection whose parameters are complete.
 * Returns a request in its first stage, or NULL when memory is out. Freed by
 * the account stage and by nobody else.
 */
struct gw_request *gw_request_new(struct gw_worker *w, struct gw_fcgi_conn *c);

/* gw_request_free - release everything it owns. Called by gw_pipeline. */
void gw_request_free(struct gw_request *r);

/* gw_target_clear - forget the chosen upstream and let it go (release). */
void gw_target_clear(struct gw_request *r);

/* gw_phase_name - word for the access log; static storage. */
const char *gw_phase_name(enum gw_phase phase);

#endif
