/* SPDX-License-Identifier: MIT */
/*
 * request.h - one request on its way through the stages.
 *
 * It is made of parts. Each has one writer, named above it, and is read by
 * whoever comes later. What belongs to nobody alone: `phase` (where it is),
 * `err` (set once, by whoever failed), `conn` (NULL once the answer has ended
 * or the client is gone) and `own` (the program's part, with parts of its own).
 * The request keeps the configuration it began with. request.c gives the parts
 * their first values and takes back what they own; what a part points to has
 * functions of its own (the body is edited for its upstream, and given up when
 * it was sent).
 *
 * Memory: gw_request_new() to gw_request_free(), by the worker and the
 * pipeline.
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
#include "resume/resume.h"
#include "serve/endpoint.h"
#include "serve/rate_told.h"
#include "serve/step.h"
#include "serve/turns.h"
#include "serve/via.h"
#include "sse/sse.h"
#include "upstream/transfer.h"

#define GW_REQUEST_ID_MAX 128		/* bytes of an X-Request-Id we keep */
#define GW_CLIENT_MAX 64		/* bytes of a client's address */
#define GW_PATH_MAX 1024		/* bytes of a decoded path */
#define GW_DOCUMENT_MAX (1u << 20)	/* bytes of a registration */
#define GW_HELD_MAX (64u << 10)		/* bytes of an error kept to be quoted */
#define GW_WHOLE_MAX (1u << 20)		/* bytes of an answer kept to become events */
#define GW_ATTEMPTS_MAX 8		/* of one request, fallbacks included */
#define GW_MISHAPS_MAX 16		/* kinds of them: stage/verdict.def */

struct gw_coding;
struct gw_fcgi_conn;
struct gw_worker;
struct gw_transfer;

/* Where a request is, for the access log: set by the stages as they pass. */
enum gw_phase {
	GW_PHASE_ACCEPT,
	GW_PHASE_RECEIVE,
	GW_PHASE_ANSWER,
	GW_PHASE_QUEUE,		/* waits for a slot, for its model */
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

/* pipeline.c: how far it is. */
struct gw_progress {
	unsigned stage; /* index into the pipeline */
	bool running;	/* gw_pipeline_resume() is on the stack */
	bool again;	/* an event came while it was */
	bool client_gone;
};

/* stage accept: what is asked for. */
struct gw_accepted {
	char id[GW_REQUEST_ID_MAX + 1];
	char *path;			/* percent-decoded, no query; NULL: it
					 * is not known yet, or broken */
	size_t path_len;
	char client[GW_CLIENT_MAX];	/* its address, as the web server says */
	const char *cors_origin;	/* allowed origin to echo, or NULL */
	char via[GW_VIA_BYTES];		/* the gateways it has passed */
	enum gw_method method;
	char method_name[16];
	bool head_only; /* HEAD */
	bool admission; /* the web server asks whether a request whose
			 * body it has not read may come */
	char allow[64]; /* what the path allows, after a miss */
	const struct gw_endpoint *endpoint; /* NULL: there is none */
};

/* stage authenticate: who asks. */
struct gw_authenticated {
	const struct gw_client *client; /* of the request's configuration; NULL:
					 * no key is asked for, or another kind
					 * of key came */
	const struct gw_node_key *node; /* GW_EP_NODE_KEY; NULL likewise */
	bool is_operator;		/* an operator's key */
	uint64_t who[2];		/* the same in all processes, whatever
					 * becomes of the configuration: of the
					 * key or the user; where none is asked
					 * for, of the address */
	char name[GW_CLIENT_NAME_MAX + 1]; /* for the log; "" = no key */
};

/* stage receive: what came with it. */
struct gw_received {
	struct gw_body *body;		/* GW_EP_RELAY */
	struct gw_buf text;		/* GW_EP_DOCUMENT, while it arrives */
	size_t held;			/* of the worker's bodies, for the text
					 * and then for the document */
	struct json_object *document;	/* GW_EP_DOCUMENT */
	bool complete;
	uint64_t bytes;
	uint64_t begun_us; /* since when it is read */
	uint64_t done_us;  /* when it was complete */
};

/* stage resolve_role: which alias serves it. */
struct gw_resolved {
	const struct gw_model *model; /* of the request's configuration */
	bool wants_stream;
};

/* The stage that chooses (pick_node, the agent's schedule): the upstream. */
struct gw_target {
	const char *base_url;
	const char *api_key; /* Bearer, or NULL */
	struct gw_transfer_tls tls;
	char *model_json;    /* JSON text of the forwarded `model`, or NULL */
	char *node_id;	     /* discovered: X-RoleMesh-Node; or NULL */
	char *owned_url;     /* base_url's storage, or NULL */
	const char *key_place; /* where `api_key` is configured, static; NULL:
				* it is the alias's own */
};

/* The same: what it waited until its turn came. */
struct gw_queued_for {
	uint64_t begun_us;  /* it waits since; 0 = not now */
	uint64_t waited_us; /* before that */
};

/* stage answer, the endpoints' side of it (src/endpoint). */
struct gw_answering {
	ev_timer retry; /* the registry was busy */
	unsigned retries;
};

/* long_answer.c: how far it is. */
struct gw_long_answer {
	struct gw_turn turn;
	bool full;   /* the client shall take some first */
	size_t sent; /* bytes of the body */
};

/* An upstream's answer that is not passed on as long as there is something else
 * to try. */
struct gw_kept_answer {
	int status;
	char content_type[256];
	char content_encoding[64];
	char retry_after[64];
	struct gw_buf body;
	char *node_id; /* or NULL */
	const struct gw_model *model;
};

/* One that came to nothing, or (the last one) not. */
struct gw_attempt {
	char *candidate;	/* node or alias; NULL = no memory for it */
	const char *result;	/* static */
	uint32_t us;		/* from its start to its end */
};

/* stage forward. */
struct gw_forwarding {
	unsigned attempts; /* begun so far */
	unsigned further;  /* of them behind the first one of this alias */
	unsigned again;	   /* waits before the same candidate was asked again */
	uint8_t once[GW_MISHAPS_MAX]; /* further ones, by the kind of mishap */
	uint64_t begun_us;	      /* of the attempt under way */
	uint64_t first_us;	      /* when the first attempt began */
	uint64_t asked_us;	      /* ... and the last one, over or not */
	uint64_t queued_us;	      /* it had waited before the first one */
	uint64_t loading_ms;	      /* since when it loads; 0 = it does not */
	bool failed;		      /* what the client gets tells a failure */
	bool waiting;		      /* to ask the same candidate again */
	const struct gw_model *named; /* whose fallback list is followed; NULL:
				       * of the request's own alias */
	size_t fallbacks;	      /* aliases of it that were turned to */
	enum gw_limit limit;	      /* that ended the last attempt */
	struct gw_kept_answer *kept;  /* the last one there was, or NULL */
	struct gw_err *last; /* what is told where nobody else can be asked, or
			      * NULL ... */
	const struct gw_model *last_model; /* ... and whose failure it is */
	struct gw_attempt *past; /* GW_ATTEMPTS_MAX; NULL: none was over */
	unsigned n_past;
	void *history; /* of the stage that chooses, in one piece of malloc's,
			* or NULL; freed with the request */
};

/* What becomes of an answer's bytes before anything of it is passed on. */
enum gw_relay_mode {
	GW_RELAY_UNDECIDED,
	GW_RELAY_PASS, /* the first one that is no comment opens the answer */
	GW_RELAY_HOLD, /* so does the first one that is too much to hold */
	GW_RELAY_KEEP  /* it is looked at whole, or its first GW_HELD_MAX */
};

/* relay.c: what the transfer has told so far. */
struct gw_relayed {
	enum gw_relay_mode mode;
	bool first;  /* a byte for the client is there: open it ... */
	bool opened; /* ... and from now on all go to the client */
	struct gw_transfer *transfer; /* NULL: none under way */
	bool head;		      /* status and headers are here */
	bool done;		      /* the transfer has ended ... */
	int failure;		      /* ... so: enum gw_transfer_result */
	char reason[160];	      /* what libcurl says about it */
	int status;		      /* 0 = none */
	bool is_sse;
	char content_type[256];
	char content_encoding[64]; /* "" = plain bytes */
	char retry_after[64];
	int64_t content_length;		/* -1 = unknown */
	struct gw_sse sse;		/* client side: between events? */
	struct gw_sse_watch watch;	/* has the upstream told an error, and
					 * its tokens (whole answers', too)? */
	struct gw_buf held;		/* what came before it was opened */
	bool held_cut;			/* ... and that was not all of it */
	struct gw_coding *coding;	/* the bytes are decoded, or NULL */
	size_t taken;			/* bytes of the refused piece that were
					 * decoded all the same */
	bool paused;	       /* the client reads slower than it gets */
	uint64_t paused_ms;    /* since when */
	uint64_t connected_us; /* 0 = not yet */
	uint64_t first_us;     /* first byte, comments aside; 0 = none */
	uint64_t got_us;       /* the last one before it was opened */
	uint64_t last_ms;      /* last byte from upstream; 0 = none */
	uint64_t told_ms;      /* when that was told last */
};

/* stage stream: how the answer goes on. */
struct gw_streaming {
	bool events; /* the client gets an event stream */
};

/* stage stream (rest.c), `fed` relay.c: what is done when a stream breaks. */
struct gw_resuming {
	struct gw_resume *stream; /* NULL: it is not resumed */
	/* Both NULL, or both of them; receive.body is one of the two. */
	struct gw_body *own;  /* the client's request */
	struct gw_body *rest; /* that for the rest of the answer ... */
	const struct gw_model *made_for; /* ... made for this alias */
	unsigned times;	      /* it broke, and somebody was asked */
	bool asking;	      /* for the rest, since then */
	bool plain;	      /* ... with the client's own request */
	enum gw_resume_fed fed; /* what the stream turned out to be */
};

/* deadline.c */
struct gw_deadline {
	ev_timer timer;
	enum gw_limit hit;
	uint64_t wake_ms;    /* the stage wants to be resumed; 0 = never */
	bool doubted;	     /* a limit passed; the sockets have one more look */
	uint64_t begun_ms;   /* total_s counts from here; 0 = not yet */
	uint64_t turned_ms;  /* ... and that of a fallback from here */
	uint64_t skipped_ms; /* a comment was due, but had no place */
};

/* reply.c: what has been given to the web server. */
struct gw_replied {
	bool committed; /* the head is queued */
	bool early;	/* it was a 200 to keep the client waiting */
	int status;	/* HTTP status sent, 0 = none */
	bool broken;	/* ended without its proper end */
	uint64_t bytes;
	uint64_t first_us; /* first byte queued; 0 = none */
	uint64_t last_ms;  /* last byte queued; at first, when it began */
};

struct gw_request {
	struct gw_worker *worker;
	struct gw_request *prev, *next; /* all of the worker's, by request.c */
	struct gw_config *config; /* a reference */
	uint64_t begun_us;
	void *own; /* pipeline->own_bytes of them, zeroed */

	struct gw_fcgi_conn *conn;
	enum gw_phase phase;
	struct gw_err err;

	struct gw_progress progress;
	struct gw_accepted accept;
	struct gw_authenticated authenticate;
	struct gw_rate_told rate; /* stage limit_client */
	struct gw_received receive;
	struct gw_resolved resolve;
	struct gw_target target;
	struct gw_queued_for queue;
	struct gw_answering answer;
	struct gw_long_answer long_answer;
	struct gw_forwarding forward;
	struct gw_relayed relay;
	struct gw_streaming stream;
	struct gw_resuming resume;
	struct gw_deadline deadline;
	struct gw_replied reply;
};

/*
 * gw_request_new - for a connection whose parameters are complete.
 * Returns a request in its first stage, or NULL when memory is out. Freed by
 * gw_pipeline and by nobody else. Crash: nothing outlives the process.
 */
struct gw_request *gw_request_new(struct gw_worker *w, struct gw_fcgi_conn *c);

/* gw_request_free - release everything it owns; its timers stop. */
void gw_request_free(struct gw_request *r);

/* gw_relayed_init - nothing was told yet. */
void gw_relayed_init(struct gw_relayed *relay);

/* gw_target_clear - forget the chosen upstream and let it go (release). */
void gw_target_clear(struct gw_request *r);

/*
 * gw_request_ask_rest - it is this body that is sent from now on, for the rest of
 * an answer; the client's own is kept. Takes @rest. It was made for the alias
 * that is asked now.
 */
void gw_request_ask_rest(struct gw_request *r, struct gw_body *rest);

/* gw_request_ask_plainly - the client's own body is sent, or the other one. Only
 * after gw_request_ask_rest(). */
void gw_request_ask_plainly(struct gw_request *r, bool plainly);

/* gw_kept_answer_free - NULL is allowed. */
void gw_kept_answer_free(struct gw_kept_answer *k);

/* gw_phase_name - word for the access log; static storage. */
const char *gw_phase_name(enum gw_phase phase);

#endif
