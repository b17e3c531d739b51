/* SPDX-License-Identifier: MIT */
/*
 * reply.h - the only writer to clients.
 *
 * Knows whether a request is committed (its head is queued). Before that any
 * answer is possible; after it only more body, an SSE error event where the
 * stream is one, or breaking off. Every head carries X-Request-Id, the CORS
 * headers the origin is entitled to, and, once known, X-RoleMesh-Model and
 * X-RoleMesh-Node.
 *
 * All functions tolerate a client that is gone (r->conn NULL): they do nothing.
 */
#ifndef GW_SERVE_REPLY_H
#define GW_SERVE_REPLY_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct gw_request;

/*
 * gw_reply_head - commit: status line and headers.
 * @status        200 .. 599
 * @content_type  NULL = no body headers (204)
 * @length        Content-Length, or -1 when unknown
 * Returns 0, or -1 with r->err set when no memory is left. Calling it twice is
 * a programmer error.
 */
GW_MUSTCHECK int gw_reply_head(struct gw_request *r, int status,
			       const char *content_type, int64_t length);

/*
 * gw_reply_early - commit a 200 with an event stream, before an upstream has
 * answered with anything but comments.
 * @type  of an event stream, as gw_sse_is_type() has it
 * Returns as gw_reply_head().
 */
GW_MUSTCHECK int gw_reply_early(struct gw_request *r, const char *type);

/*
 * gw_reply_goes_on - the client has the head and a part of an event stream, whose
 * rest another answer is to give: that one is treated as behind an early 200.
 */
void gw_reply_goes_on(struct gw_request *r);

/* gw_reply_body - queue bytes behind the head; HEAD requests drop them. 0 / -1. */
GW_MUSTCHECK int gw_reply_body(struct gw_request *r, const void *p, size_t n);

/*
 * gw_reply_error_event - an error event of an upstream's making goes to the
 * client; the answer counts as broken. 0 / -1, as gw_reply_body().
 */
GW_MUSTCHECK int gw_reply_error_event(struct gw_request *r,
				      const struct gw_buf *event);

/* gw_reply_end - the answer is complete. */
void gw_reply_end(struct gw_request *r);

/*
 * gw_reply_break - end an answer whose proper end never came, so that the web
 * server shows the client a broken one instead of a short one.
 */
void gw_reply_break(struct gw_request *r);

/* gw_reply_json - a whole answer: head, serialised @doc, end. Puts @doc. */
void gw_reply_json(struct gw_request *r, int status, struct json_object *doc);

/*
 * gw_reply_failure - tell the client about r->err in the one way still open:
 * an error document before the commit, an SSE error event in a stream, else
 * gw_reply_break().
 */
void gw_reply_failure(struct gw_request *r);

/* gw_reply_backlog - bytes queued that the web server has not taken yet. */
size_t gw_reply_backlog(const struct gw_request *r);

/* gw_error_document - {"error":{...}} for an error; the caller puts it. */
struct json_object *gw_error_document(const struct gw_err *err);

#endif
