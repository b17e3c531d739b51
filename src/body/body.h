/* SPDX-License-Identifier: MIT */
/*
 * body.h - the client's request body: checked as it arrives, changed in place.
 *
 * The bytes are the client's own and go upstream as they came, except that the
 * value of the top-level `model` may be replaced and missing members added
 * behind the opening brace. yajl checks the JSON; each step looks at no more
 * than GW_BODY_STEP_BYTES, and what is remembered about a body does not grow
 * with it, whatever its shape.
 */
#ifndef GW_BODY_BODY_H
#define GW_BODY_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "body/room.h"
#include "config/config.h"

#define GW_BODY_STEP_BYTES (64u << 10)	/* bytes looked at in one step */
#define GW_BODY_DEPTH_MAX 128		/* nesting accepted */
#define GW_BODY_NUMBER_MAX 1024		/* bytes of one number or literal */

struct gw_body;

/*
 * gw_body_new - an empty body.
 * @max_bytes  more is REQUEST_TOO_LARGE
 * @room       shared with others, outlives the body; what it takes of it is
 *             given back by gw_body_discard() or gw_body_free()
 * @config     its default_keys are what the check notices; referenced
 * Returns a body the caller frees, or NULL when memory is out.
 */
GW_MUSTCHECK struct gw_body *gw_body_new(size_t max_bytes,
					 struct gw_body_room *room,
					 struct gw_config *config);
void gw_body_free(struct gw_body *b);

/*
 * gw_body_expect - so many bytes were announced (a hint, ignored when larger than
 * the limit). Takes nothing: announcing costs a client nothing.
 */
void gw_body_expect(struct gw_body *b, size_t total_bytes);

/*
 * gw_body_watch_prompt - hash the prompt's beginnings as they arrive, for
 * gw_body_prefixes(). Before the first byte; costs others nothing.
 * Returns 0, or -1 when memory is out.
 */
GW_MUSTCHECK int gw_body_watch_prompt(struct gw_body *b);

/*
 * gw_body_append - take the next bytes and check what can be checked.
 * @n    at most GW_BODY_STEP_BYTES
 * @err  REQUEST_TOO_LARGE (names the limit), OVERLOADED (the room is full; names
 *       limit and key), INVALID_JSON (byte offset and
 *       reason; also nesting too deep), INVALID_REQUEST (`model` or `stream`
 *       twice or in other letters (`Model`), `model` neither a string nor null
 *       or over GW_MODEL_NAME_MAX; param set),
 *       INTERNAL when memory is out. A `stream` that is no boolean is the
 *       upstream's to judge
 * Returns 0 / -1; after -1 only gw_body_free() is allowed.
 */
GW_MUSTCHECK int gw_body_append(struct gw_body *b, const char *p, size_t n,
				struct gw_err *err);

/* gw_body_finish - the body is complete. Errors as gw_body_append. */
GW_MUSTCHECK int gw_body_finish(struct gw_body *b, struct gw_err *err);

/* After gw_body_finish(): */

/*
 * gw_body_model - the decoded `model`, or NULL when the request has none: it is
 * absent, null or "".
 */
const char *gw_body_model(const struct gw_body *b, size_t *len);

/* gw_body_wants_stream - `"stream": true`. */
bool gw_body_wants_stream(const struct gw_body *b);

/* gw_body_has - does the request set the key with this index in default_keys? */
bool gw_body_has(const struct gw_body *b, uint32_t key_index);

/*
 * gw_body_prefixes - what was watched: hashes of the prompt's beginnings.
 * @hashes  set to storage of the body's; from short to long, see prompt.h
 * Returns how many there are, at most GW_PROMPT_PARTS_MAX; 0 where nobody
 * watched or nothing counts. They stay when the body is discarded.
 */
size_t gw_body_prefixes(const struct gw_body *b, const uint64_t **hashes);

/* The bytes as received. */
const char *gw_body_bytes(const struct gw_body *b, size_t *len);

/*
 * gw_body_edit - decide what goes upstream.
 * @model_json  JSON text of the forwarded `model` value (with quotes), or NULL
 *              to leave it alone; added as a member when the request has no such
 *              key
 * @model       whose defaults to add where the request lacks the key; or NULL
 * @err         INTERNAL when memory is out
 * May be called again (another node was picked); each call starts from the
 * client's own bytes.
 */
GW_MUSTCHECK int gw_body_edit(struct gw_body *b, const char *model_json,
			      const struct gw_model *model, struct gw_err *err);

/*
 * gw_body_discard - its bytes are upstream: give their memory back. Afterwards
 * only gw_body_free() and what was decoded (model, stream, keys) is allowed.
 */
void gw_body_discard(struct gw_body *b);

/* gw_body_forward_len - total bytes after the edit. */
size_t gw_body_forward_len(const struct gw_body *b);

/*
 * gw_body_forward_flat - the edited body in one piece when it is small (at most
 * GW_BODY_STEP_BYTES), else NULL: read it in pieces then.
 */
const char *gw_body_forward_flat(const struct gw_body *b);

/*
 * gw_body_forward_read - copy up to @cap bytes of the edited body from @offset.
 * Returns the number copied, 0 at the end.
 */
size_t gw_body_forward_read(const struct gw_body *b, size_t offset, char *out,
			    size_t cap);

#endif
