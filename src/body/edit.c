/* SPDX-License-Identifier: MIT */
/*
 * edit.c - what goes upstream: the client's bytes with a few ranges changed.
 *
 * The result is a short list of ranges over the received bytes and over the
 * text that was added, so a large body is never copied. A small one is put
 * together once, because one write is cheaper than five.
 */
#include "body/parts.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

void
gw_edit_init(struct gw_edit *e)
{
	memset(e, 0, sizeof(*e));
	gw_buf_init(&e->members, SIZE_MAX / 4);
	gw_buf_init(&e->model, SIZE_MAX / 4);
	gw_buf_init(&e->flat, GW_BODY_STEP_BYTES);
}

void
gw_edit_release(struct gw_edit *e)
{
	gw_buf_release(&e->members);
	gw_buf_release(&e->model);
	gw_buf_release(&e->flat);
	e->n_parts = 0;
	e->total = 0;
}

static void
add_part(struct gw_edit *e, const char *p, size_t n)
{
	if (n == 0)
		return;
	e->part[e->n_parts].p = p;
	e->part[e->n_parts].n = n;
	e->n_parts++;
	e->total += n;
}

static void
forget(struct gw_edit *e)
{
	gw_buf_clear(&e->members);
	gw_buf_clear(&e->model);
	gw_buf_clear(&e->flat);
	e->n_parts = 0;
	e->total = 0;
}

void
gw_edit_reset(struct gw_body *b)
{
	forget(&b->edit);
	add_part(&b->edit, b->bytes.data, b->bytes.len);
}

/* One more member; a comma goes behind each, the last one's may be dropped. */
static int
add_member(struct gw_edit *e, const char *p, size_t n)
{
	if (gw_buf_append(&e->members, p, n) < 0)
		return -1;
	return gw_buf_append(&e->members, ",", 1);
}

static int
add_members(struct gw_body *b, const char *model_json,
	    const struct gw_model *model)
{
	struct gw_edit *e = &b->edit;
	size_t i, n = model ? model->n_defaults : 0;

	if (model_json && !b->check.has_model &&
	    (gw_buf_puts(&e->members, "\"model\":") < 0 ||
	     add_member(e, model_json, strlen(model_json)) < 0))
		return -1;
	for (i = 0; i < n; i++) {
		const struct gw_default *d = &model->defaults[i];

		if (!gw_check_has(&b->check, d->key_index) &&
		    add_member(e, d->member, d->member_len) < 0)
			return -1;
	}
	if (!b->check.has_members && e->members.len)
		e->members.len--; /* nothing follows the last comma */
	return 0;
}

static int
list_parts(struct gw_body *b, const char *model_json,
	   const struct gw_model *model)
{
	const struct gw_check *c = &b->check;
	struct gw_edit *e = &b->edit;
	const char *data = b->bytes.data;
	size_t at = b->split.open_end;

	if (add_members(b, model_json, model) < 0)
		return -1;
	add_part(e, data, at);
	add_part(e, e->members.data, e->members.len);
	if (model_json && c->has_model) {
		if (gw_buf_puts(&e->model, model_json) < 0)
			return -1;
		add_part(e, data + at, c->model_at - at);
		add_part(e, e->model.data, e->model.len);
		at = c->model_end;
	}
	add_part(e, data + at, b->bytes.len - at);
	return 0;
}

static int
flatten(struct gw_edit *e)
{
	size_t i;

	for (i = 0; i < e->n_parts; i++)
		if (gw_buf_append(&e->flat, e->part[i].p, e->part[i].n) < 0)
			return -1;
	return 0;
}

int
gw_body_edit(struct gw_body *b, const char *model_json,
	     const struct gw_model *model, struct gw_err *err)
{
	struct gw_edit *e = &b->edit;

	forget(e);
	if (list_parts(b, model_json, model) < 0)
		goto no_memory;
	if (e->members.len == 0 && e->model.len == 0)
		gw_edit_reset(b);
	else if (e->total <= GW_BODY_STEP_BYTES && flatten(e) < 0)
		goto no_memory;
	return 0;
no_memory:
	return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
			  "no memory to prepare a request body");
}

size_t
gw_body_forward_len(const struct gw_body *b)
{
	return b->edit.total;
}

const char *
gw_body_forward_flat(const struct gw_body *b)
{
	const struct gw_edit *e = &b->edit;

	if (e->total > GW_BODY_STEP_BYTES)
		return NULL;
	return e->n_parts == 1 ? e->part[0].p : e->flat.data;
}

size_t
gw_body_forward_read(const struct gw_body *b, size_t offset, char *out,
		     size_t cap)
{
	const struct gw_edit *e = &b->edit;
	size_t i, take, done = 0;

	for (i = 0; i < e->n_parts && done < cap; i++) {
		if (offset >= e->part[i].n) {
			offset -= e->part[i].n;
			continue;
		}
		take = e->part[i].n - offset;
		if (take > cap - done)
			take = cap - done;
		memcpy(out + done, e->part[i].p + offset, take);
		done += take;
		offset = 0;
	}
	return done;
}
