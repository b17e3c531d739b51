/* SPDX-License-Identifier: MIT */
/*
 * body.c - the life of a request body and what the rest may ask about it.
 *
 * Owns the received bytes. Knows nothing of JSON: split.c and check.c do that
 * as the bytes come in, edit.c describes the forwarded text.
 */
#include "body/parts.h"

#include <errno.h>

struct gw_body *
gw_body_new(size_t max_bytes, struct gw_body_room *room,
	    struct gw_config *config)
{
	struct gw_body *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->room = room;
	b->limit = max_bytes;
	gw_buf_init(&b->bytes, 0);
	gw_edit_init(&b->edit);
	if (config)
		b->config = gw_config_ref(config);
	if (gw_check_init(&b->check, config) < 0)
		goto fail;
	return b;
fail:
	gw_body_free(b);
	return NULL;
}

void
gw_body_free(struct gw_body *b)
{
	if (!b)
		return;
	gw_check_release(&b->check);
	gw_body_discard(b);
	gw_config_unref(b->config);
	free(b->prompt);
	free(b);
}

void
gw_body_discard(struct gw_body *b)
{
	gw_edit_release(&b->edit);
	gw_buf_release(&b->bytes);
	gw_body_room_keep(b->room, &b->held, 0);
}

int
gw_body_watch_prompt(struct gw_body *b)
{
	b->prompt = calloc(1, sizeof(*b->prompt));
	return b->prompt ? 0 : -1;
}

void
gw_body_expect(struct gw_body *b, size_t total_bytes)
{
	if (total_bytes <= b->limit)
		b->expected = total_bytes;
}

/* What is held is what is allocated. */
static int
make_room(struct gw_body *b, size_t n, struct gw_err *err)
{
	size_t need = b->bytes.len + n;
	/* Of unknown length: who knows whether more comes. */
	size_t most =
		need <= b->expected ? b->expected : need + GW_BODY_STEP_BYTES;

	if (need <= b->held)
		return 0;
	if (gw_body_room_grow(b->room, &b->held, need, most, err) < 0)
		return -1;
	b->bytes.max = b->held;
	if (gw_buf_reserve(&b->bytes, b->held - b->bytes.len) == 0)
		return 0;
	return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
			  "no memory for a request body");
}

int
gw_body_append(struct gw_body *b, const char *p, size_t n, struct gw_err *err)
{
	if (n > b->limit - b->bytes.len)
		return gw_err_set(err, GW_ERR_REQUEST_TOO_LARGE, 0,
				  "the request body is larger than the limit "
				  "of %zu bytes",
				  b->limit);
	if (make_room(b, n, err) < 0)
		return -1;
	if (gw_buf_append(&b->bytes, p, n) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
				  "no memory for a request body");
	if (b->prompt)
		gw_prompt_more(b->prompt, p, n);
	return gw_split_more(b, err);
}

int
gw_body_finish(struct gw_body *b, struct gw_err *err)
{
	if (gw_split_end(b, err) < 0)
		return -1;
	/* An answer may stream for minutes; the parsers are not needed. */
	gw_check_stop(&b->check);
	if (b->bytes.len < b->held) { /* its length was not known, or a lie */
		gw_buf_fit(&b->bytes);
		gw_body_room_keep(b->room, &b->held, b->bytes.len);
	}
	gw_edit_reset(b);
	if (b->prompt)
		b->n_prefixes = gw_prompt_end(b->prompt, &b->prefixes);
	return 0;
}

const char *
gw_body_model(const struct gw_body *b, size_t *len)
{
	*len = b->check.model_len;
	return b->check.model_len ? b->check.model : NULL;
}

bool
gw_body_wants_stream(const struct gw_body *b)
{
	return b->check.wants_stream;
}

bool
gw_body_has(const struct gw_body *b, uint32_t key_index)
{
	return gw_check_has(&b->check, key_index);
}

size_t
gw_body_prefixes(const struct gw_body *b, const uint64_t **hashes)
{
	*hashes = b->prefixes;
	return b->n_prefixes;
}

const char *
gw_body_bytes(const struct gw_body *b, size_t *len)
{
	*len = b->bytes.len;
	return b->bytes.data ? b->bytes.data : "";
}
