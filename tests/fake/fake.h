/* SPDX-License-Identifier: MIT */
/*
 * fake.h - the scripted upstream: a llama-server as seen from its socket.
 *
 * One process, one libev loop, thousands of connections. Left alone it answers
 * like a small llama-server that echoes its input; told so by its command line,
 * by PUT /fake/mode or by a "fake" member of a request body it misbehaves in
 * the ways that upstreams do. README.md lists the whole vocabulary. It serves
 * the tests, the benchmark and the demo, and is never installed.
 */
#ifndef TESTS_FAKE_FAKE_H
#define TESTS_FAKE_FAKE_H

#include <ev.h>
#include <http_parser.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"

#define FAKE_BODY_MAX_BYTES (128u << 20)
#define FAKE_OUT_MAX_BYTES (256u << 20)
#define FAKE_HEADERS_MAX_BYTES (256u << 10)
#define FAKE_PIPELINE_MAX_BYTES (1u << 20)
#define FAKE_MODELS_MAX 16
#define FAKE_PATHS_MAX 32

/*
 * What one answer does. Three layers make it: the command line, then
 * PUT /fake/mode, then the request's own "fake" member; each overlays single
 * keys. Strings and objects are borrowed from the JSON they came from.
 */
struct fake_script {
	int64_t tokens;		    /* -1 = the words of the echoed text */
	int64_t delay_ms;	    /* before every token but the first */
	int64_t first_delay_ms;	    /* silence before the headers */
	int64_t head_delay_ms;	    /* silence between headers and body */
	int64_t status;		    /* 0 = the endpoint's own answer */
	int64_t die_after_tokens;   /* -1 = never; RST */
	int64_t end_after_tokens;   /* -1 = never; FIN, no last chunk */
	int64_t content_length_lie; /* bytes announced but never sent */
	int64_t big_tokens;	    /* bytes a token's text is padded to */
	int64_t raw_split;	    /* bytes a write when replaying, 0 = all */
	int64_t raw_delay_ms;	    /* between two such writes */
	int64_t models_status;	    /* of GET /v1/models, 0 = 200 */
	int64_t heartbeat_status;   /* of heartbeats, 0 = as scripted */
	int64_t models_delay_ms;
	int64_t error_after_tokens;	/* -1 = never; an error event, the end */
	int64_t bad_chunk_after_tokens; /* -1 = never; no chunk, the end */
	int64_t bad_event_after_tokens; /* -1 = never; an event more, on it goes */
	int64_t silent_after_tokens;	/* -1 = never */
	int64_t silent_ms;		/* ... and a FIN then, 0 = for ever */
	int64_t pings;			/* comments before the first token */
	int64_t ping_ms;		/* before each of them */
	int64_t die_after_bytes;	/* -1 = never; of a whole answer; RST */
	int64_t end_after_bytes;	/* -1 = never; the same with a FIN */
	int64_t body_bytes;		/* a scripted error is padded to that */
	int64_t exit_signal;		/* the process ends with this request */
	int64_t for_ms;			/* how long a mode holds, 0 = always */
	int64_t every_ms;		/* ... and from when it does so again */
	bool wait_head; /* silence before the headers, until told to go */
	/* The same before every token, the first too; of a replay, before every
	 * piece but the first, which has the headers. */
	bool wait_tokens;
	bool half_event;
	bool no_done;
	bool never;
	bool close_before_answer;
	bool reset_before_answer;
	bool early_answer; /* when the head is there, whatever of the body is */
	bool turns_again;  /* after the last of @turns the first again */
	bool close_reused; /* close unanswered unless first on its connection */
	bool garbage;
	bool usage;
	bool echo_headers;
	bool stamp;
	bool stamp_us;
	bool models_close;
	bool models_wait; /* before GET /v1/models, until told to go */
	bool props_wait;  /* the same before GET /props */
	bool loading;
	const char *body;
	const char *content_type;
	const char *redirect;
	const char *raw_file; /* a name in --fixtures, or --replay's path */
	const char *text;     /* replaces the echo */
	const char *prefill;  /* "continue" (NULL too), "restart", "refuse" */
	struct json_object *headers; /* more response headers, an object */
	struct json_object *props;   /* GET /props, NULL = there is none */
	struct json_object *pieces;  /* raw stream pieces, a list of strings */
	struct json_object *error;   /* members of a scripted error */
	struct json_object *turns;   /* scripts, a request each */
};

struct fake_options {
	const char *host;
	const char *name;
	const char *port_file;
	const char *log_path;
	const char *body_dir;
	const char *api_key;
	const char *fixtures;
	const char *replay;
	const char *llama_log; /* the model file to name in llama's words */
	const char *models[FAKE_MODELS_MAX];
	size_t n_models;
	long port;
	long start_ms; /* before it listens */
	long loading_ms;
	long stop_ms;	    /* from SIGTERM to the end */
	long exit_after_ms; /* -1 = never */
	long exit_signal;   /* how it ends then, 0 = by exit_status */
	long exit_status;
	long idle_ms;
	long max_requests;
	bool instant;
	bool ignore_sigterm;
};

struct fake_path_count {
	char path[64];
	uint64_t n;
};

struct fake_stats {
	struct fake_path_count paths[FAKE_PATHS_MAX];
	size_t n_paths;
	uint64_t requests, aborted, tokens;
	uint64_t open, open_max;     /* connections */
	uint64_t active, active_max; /* requests being answered */
	uint64_t models, models_max; /* of these, GET /v1/models */
	uint64_t connections;	     /* ever accepted */
};

struct fake_conn;

struct fake_server {
	struct ev_loop *loop;
	struct fake_options opt;
	struct fake_script base;       /* the command line */
	struct fake_script mode;       /* base + PUT /fake/mode */
	struct json_object *base_json; /* of --script */
	struct json_object *mode_json;
	uint64_t mode_since_ms; /* when that mode came */
	uint64_t turn;		/* inference requests since then */
	struct fake_stats stats;
	struct fake_conn *conns; /* all open ones */
	struct ev_io listener;
	struct ev_timer sweep;	/* closes idle connections */
	struct ev_timer resume; /* accepts again after EMFILE */
	struct ev_timer end, stopped, loaded;
	struct ev_signal term, intr;
	bool stopping;
	int exit_status;
	FILE *log;
	uint64_t started_ms;
	int64_t created_s; /* wall clock, for "created" */
	uint64_t next_id;
	struct gw_buf instant; /* --instant: the one chat answer */
};

enum fake_kind {
	FAKE_NONE,
	FAKE_ROOT,
	FAKE_HEALTH,
	FAKE_MODELS,
	FAKE_PROPS,
	FAKE_CHAT,
	FAKE_COMPLETIONS,
	FAKE_EMBEDDINGS,
	FAKE_RERANK,
	FAKE_RESPONSES,
	FAKE_MESSAGES,
	FAKE_COUNT_TOKENS,
	FAKE_NODE, /* as a gateway */
	FAKE_HEARTBEAT,
	FAKE_CTL_MODE,
	FAKE_CTL_STATS,
	FAKE_CTL_EXIT,
	FAKE_CTL_GO,
	FAKE_KIND__MAX
};

/* One request and the answer being given; cleared when the answer ended. */
struct fake_exchange {
	uint64_t id;
	uint64_t started_ms;
	bool active;   /* being answered */
	bool counted;  /* in the counters and the log; control is not */
	bool unparsed; /* the body is no JSON object */
	bool stream;
	enum fake_kind kind;
	int status;
	struct json_object *request;   /* the body, NULL when not parsed */
	struct json_object *mode_json; /* keeps the script's strings alive */
	struct fake_script script;
	struct gw_buf text;   /* what the answer says */
	struct gw_buf head;   /* stream: events before the first token */
	struct gw_buf prefix; /* stream: a token event up to the text */
	struct gw_buf suffix; /* stream: ... and after it */
	struct gw_buf rest;   /* second half of an event, or raw bytes */
	size_t off;	      /* in text (stream) or rest (raw) */
	int64_t n_tokens;     /* stream: how many in all */
	int64_t tokens;	      /* ... and sent so far */
	int64_t skipped;      /* what a prefill had said of them */
	size_t held_bytes;    /* ... at the end of a completion's prompt */
	int64_t pinged;	      /* stream: comments sent so far */
	uint64_t next_us;     /* when the next token is due */
	uint64_t bytes;	      /* handed to the connection */
	bool chunked;
	bool close_after;
};

struct fake_conn {
	struct fake_server *srv;
	struct fake_conn *next, **link;
	uint64_t id;
	int fd;
	struct ev_io rd, wr;
	struct ev_timer timer;
	void (*step)(struct fake_conn *c);    /* runs when the timer fires */
	void (*drained)(struct fake_conn *c); /* runs when out is empty */
	http_parser parser;
	bool in_value, complete, closing;
	bool waiting;	   /* @step runs with the next PUT /fake/go */
	bool early;	   /* to be answered before its body is there */
	bool draining;	   /* was: the rest of the input is dropped */
	struct gw_buf in;  /* bytes behind the current request */
	struct gw_buf out; /* not yet accepted by the kernel */
	size_t out_off;
	struct gw_buf url;
	struct gw_buf headers; /* name '\0' value '\0' ... as received */
	struct gw_buf body;
	uint64_t requests;
	uint64_t active_ms; /* last sign of life, for the idle limit */
	struct fake_exchange x;
};

/* --- conn.c: sockets and HTTP framing --- */

/* Take over an accepted socket; closes it when memory is out. */
void fake_conn_open(struct fake_server *srv, int fd);

/* Queue bytes and write what the kernel takes. The connection may be closed
 * (not freed) by a failed write: c->fd is -1 then. */
void fake_conn_write(struct fake_conn *c, const void *p, size_t n);

/* Run @step in @ms milliseconds; replaces an earlier one. */
void fake_conn_after(struct fake_conn *c, double ms,
		     void (*step)(struct fake_conn *c));

/* Run @step when a PUT /fake/go comes; replaces an earlier one. */
void fake_conn_on_go(struct fake_conn *c, void (*step)(struct fake_conn *c));

/* That PUT came. Returns how many connections waited for it. */
int fake_conn_go(struct fake_server *srv);

/* How many wait for one. */
int fake_conn_waiting(const struct fake_server *srv);

/* The answer is complete: keep the connection or close it when drained. */
void fake_conn_done(struct fake_conn *c);

/* A request is being answered from now on, until the answer is complete. */
void fake_conn_begin(struct fake_conn *c);

/* Close at once, with a FIN, or with a reset. */
void fake_conn_close(struct fake_conn *c, bool reset);

/* Close connections that idle past the limit. */
void fake_conn_sweep(struct fake_server *srv);

/* Close if open, and free; for the end of the process. */
void fake_conn_free(struct fake_conn *c);

/* Forget the request and its answer; the counters follow. */
void fake_exchange_clear(struct fake_conn *c);

/* --- intake.c: request bytes to requests --- */

/* Feed received bytes; answers the request that they complete. */
void fake_intake(struct fake_conn *c, const char *p, size_t n);

/* Value of the first header of that name (any case), or NULL. */
const char *fake_conn_header(const struct fake_conn *c, const char *name);

/* All headers as a list of [name, value], in the order received. */
struct json_object *fake_conn_headers(const struct fake_conn *c);

/* --- options.c --- */

/* Fill the options and the ground script; ends the process on a bad line. */
void fake_options_read(struct fake_server *srv, int argc, char **argv);

/* --- life.c: how the process begins and ends --- */

/* Wait as long as the start is to take; signals act as by default. */
void fake_life_delay(const struct fake_options *opt);

/* Watch signals and, where told so, the end's time. */
void fake_life_begin(struct fake_server *srv);

/* Say so, as llama-server where asked to. */
void fake_life_listening(struct fake_server *srv, int port);
void fake_life_not_listening(const struct fake_server *srv, const char *why);

/* PUT /fake/exit: answer, then end by that signal or status. */
void fake_life_exit(struct fake_conn *c);

/* End by that signal, now. */
void fake_life_kill(struct fake_server *srv, int signum);

/* --- script.c --- */

void fake_script_init(struct fake_script *s);

/* Overlay the keys of a JSON object; -1 with a message in @why on a key that
 * is unknown or of the wrong type, so that a typo fails its test. */
GW_MUSTCHECK int fake_script_apply(struct fake_script *s, struct json_object *o,
				   char *why, size_t why_bytes);

/* --- turns.c: what of a mode holds now --- */

/* The mode, or the command line's script outside of the mode's time. */
const struct fake_script *fake_turns_script(const struct fake_server *srv);

/* Overlay the turn of this inference request, if it has one. */
void fake_turns_take(struct fake_conn *c);

/* --- route.c --- */

/* Answer the request that the connection has just completed. */
void fake_route(struct fake_conn *c);

/* --- inference.c --- */

/* Load the script of an inference request and begin its answer. */
void fake_inference(struct fake_conn *c);

/* A body as a JSON object the caller puts; NULL when it is none, or more than
 * this fake cares to look into. */
struct json_object *fake_parse(const struct gw_buf *body);

/* --- answer.c --- */

/* Status line and headers; @length -1 = chunked (or until close on 1.0). */
void fake_answer_head(struct fake_conn *c, int status, const char *type,
		      int64_t length);

/* A whole answer; honours head_delay_ms and content_length_lie. */
void fake_answer_body(struct fake_conn *c, int status, const char *type,
		      const char *body, size_t len);

/* As above with a JSON document, which is consumed. */
void fake_answer_json(struct fake_conn *c, int status, struct json_object *o);

/* --instant: the chat answer, built once and sent as it is. */
void fake_answer_instant(struct fake_conn *c);

/* llama-server's error shape, connection closed. */
void fake_answer_error(struct fake_conn *c, int status, const char *type,
		       const char *message);

/* --- document.c, document_data.c: whole answers --- */

/* Fill x->text with what this answer says. */
void fake_document_text(struct fake_conn *c);

/* The non-streamed answer of an endpoint; the caller puts it. */
struct json_object *fake_document(struct fake_conn *c);

struct json_object *fake_embeddings(struct fake_conn *c);
struct json_object *fake_rerank(struct fake_conn *c);
struct json_object *fake_count_tokens(struct fake_conn *c);
struct json_object *fake_models(struct fake_conn *c);

/* A message's content as text, or NULL. */
const char *fake_content(struct json_object *content);

/* The last thing the user said in this request, or NULL. */
const char *fake_said(const struct fake_conn *c);

/* A document from a template in which ' stands for ". */
struct json_object *fake_json(const char *text);

/* Words in a text: the fake's idea of tokens. */
int64_t fake_words(const char *text);

/* The model a request names, else the first of --models. */
const char *fake_model(const struct fake_conn *c);

/* A request that must be answered with a call of its first tool. */
bool fake_wants_tool(const struct fake_conn *c);
const char *fake_tool_name(const struct fake_conn *c);

/* --- prefill.c: an answer that the client has begun --- */

/* Skip what the prompt holds of the answer already; false when the request was
 * refused for it. The text is there (fake_document_text). */
bool fake_prefill(struct fake_conn *c);

/* --- dialect.c: streamed answers --- */

/* Fill head, prefix and suffix of the exchange. */
void fake_dialect_begin(struct fake_conn *c);

/* Events after the last token, "[DONE]" included where the endpoint has it;
 * each chunk of the real server is one call of @chunk. */
void fake_dialect_end(struct fake_conn *c,
		      void (*chunk)(struct fake_conn *c, const char *p,
				    size_t n));

/* --- stream.c --- */

void fake_stream_start(struct fake_conn *c);
void fake_replay_start(struct fake_conn *c);

/* --- journal.c --- */

void fake_journal_request(struct fake_conn *c);
void fake_journal_end(struct fake_conn *c, const char *event);
struct json_object *fake_stats_json(const struct fake_server *srv);
void fake_base64(const unsigned char *p, size_t n, struct gw_buf *out);

#endif
