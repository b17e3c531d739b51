/* SPDX-License-Identifier: MIT */
/*
 * body_run.h - a body fed in many ways, and all that a caller can learn of it.
 *
 * Every text is fed whole, byte by byte and in pieces of random sizes: verdict,
 * words and edited text must not depend on that. Include it once in a program.
 */
#ifndef TESTS_UNIT_BODY_RUN_H
#define TESTS_UNIT_BODY_RUN_H

#include "body/parts.h"
#include "body_config.h"
#include "tap.h"

#define LIMIT (1u << 20)

/* Everything a caller can learn from a body. */
struct outcome {
	struct gw_err err;
	char model[GW_MODEL_NAME_MAX + 1];
	size_t model_len;
	bool has_model, wants_stream;
	bool has[4];
	struct gw_buf forward;
};

static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void
read_forward(const struct gw_body *b, struct outcome *o)
{
	const char *flat = gw_body_forward_flat(b);
	char step[7];
	size_t n;

	while ((n = gw_body_forward_read(b, o->forward.len, step,
					 sizeof(step))) > 0)
		if (gw_buf_append(&o->forward, step, n) < 0)
			abort();
	if (o->forward.len != gw_body_forward_len(b) ||
	    !flat != (o->forward.len > GW_BODY_STEP_BYTES) ||
	    (flat && memcmp(flat, o->forward.data, o->forward.len) != 0))
		gw_err_set(&o->err, GW_ERR_INTERNAL, 0,
			   "the ways to read the forwarded body differ");
}

static void
learn(struct gw_body *b, struct outcome *o)
{
	const char *model = gw_body_model(b, &o->model_len);
	uint32_t i;

	o->has_model = model != NULL;
	if (model)
		memcpy(o->model, model, o->model_len);
	o->wants_stream = gw_body_wants_stream(b);
	for (i = 0; i < 4; i++)
		o->has[i] = gw_body_has(b, i);
	/* The first edit must not show in the second. */
	if (gw_body_edit(b, "\"another\"", NULL, &o->err) < 0 ||
	    gw_body_edit(b, "\"up\"", &test_model, &o->err) < 0)
		return;
	read_forward(b, o);
}

/* @step 0 = random sizes up to 40 bytes; else bytes a time. */
__attribute__((unused)) static void
run(const char *text, size_t len, size_t step, uint32_t seed, struct outcome *o)
{
	struct gw_body *b = gw_body_new(LIMIT, &test_room, &test_config);
	size_t at, n;

	memset(o, 0, sizeof(*o));
	gw_buf_init(&o->forward, LIMIT * 2);
	if (!b)
		abort();
	for (at = 0; at < len; at += n) {
		n = step ? step : next_random(&seed) % 40 + 1;
		if (n > len - at)
			n = len - at;
		if (gw_body_append(b, text + at, n, &o->err) < 0)
			goto out;
	}
	if (gw_body_finish(b, &o->err) == 0)
		learn(b, o);
out:
	gw_body_free(b);
}

__attribute__((unused)) static bool
same(const struct outcome *a, const struct outcome *b)
{
	return a->err.code == b->err.code &&
	       strcmp(a->err.msg, b->err.msg) == 0 &&
	       strcmp(a->err.param, b->err.param) == 0 &&
	       a->has_model == b->has_model && a->model_len == b->model_len &&
	       memcmp(a->model, b->model, sizeof(a->model)) == 0 &&
	       a->wants_stream == b->wants_stream &&
	       memcmp(a->has, b->has, sizeof(a->has)) == 0 &&
	       a->forward.len == b->forward.len &&
	       (a->forward.len == 0 ||
		memcmp(a->forward.data, b->forward.data, a->forward.len) == 0);
}

/* Runs it in all ways; @first has the outcome of the whole text at once. */
__attribute__((unused)) static bool
run_all(const char *text, size_t len, struct outcome *first)
{
	struct outcome other;
	bool pass = true;
	uint32_t seed;

	run(text, len, len ? len : 1, 1, first);
	for (seed = 0; seed < 6; seed++) {
		run(text, len, seed == 0 ? 1 : 0, seed * 77 + 5, &other);
		if (!same(first, &other)) {
			printf("# whole: %s\n# steps: %s\n", first->err.msg,
			       other.err.msg);
			pass = false;
		}
		gw_buf_release(&other.forward);
	}
	return pass;
}

/* Text of the form head + unit * n + tail. */
__attribute__((unused)) static void
repeated(const char *head, const char *unit, size_t n, const char *tail,
	 struct gw_buf *out)
{
	int rc = gw_buf_puts(out, head);

	while (rc == 0 && n-- > 0)
		rc = gw_buf_puts(out, unit);
	if (rc < 0 || gw_buf_puts(out, tail) < 0)
		abort();
}

#endif
