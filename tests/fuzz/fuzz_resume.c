/* SPDX-License-Identifier: MIT */
/*
 * fuzz_resume.c - any bytes as the streams of an answer that is resumed.
 *
 * Input: the first byte says of what kind the request is (1), whether it is
 * asked for plainly (2), and seeds the sizes of the pieces; behind it stand the
 * request and the streams of up to three servers, with a byte 0xff between.
 *
 * Checked: what the client gets and what comes of it do not depend on the
 * pieces; of the first stream it gets the beginning; the request for the rest
 * is one that is accepted from clients.
 *
 * A plain program runs over seeds (`fuzz_resume [FILE...]`); for libFuzzer:
 * clang -fsanitize=fuzzer,address -DGW_LIBFUZZER ...
 */
#include "unit/tap.h"
#include "unit/body_config.h"
#include "resume/resume.h"
#include "fuzz/fuzz.h"

#define PARTS_MAX 4
#define BETWEEN 0xff
#define TOTAL_MAX (64u << 20)

struct part {
	const char *p;
	size_t n;
};

struct outcome {
	struct gw_buf shown, next; /* next: all requests */
	int verdicts[2 * PARTS_MAX];
	size_t n;
};

static void
check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_resume: %s\n", what);
	abort();
}

/* A body as it was finished, or NULL when no client may send it. */
static struct gw_body *
body_of(struct part text)
{
	struct gw_body *b = gw_body_new(TOTAL_MAX, &test_room, &test_config);
	struct gw_err err;
	size_t n;

	check(b != NULL, "no memory");
	for (; text.n > 0; text.p += n, text.n -= n) {
		n = text.n < GW_BODY_STEP_BYTES ? text.n : GW_BODY_STEP_BYTES;
		if (gw_body_append(b, text.p, n, &err) < 0)
			goto fail;
	}
	if (gw_body_finish(b, &err) == 0)
		return b;
fail:
	gw_body_free(b);
	return NULL;
}

static void
show(struct outcome *o, struct gw_resume_bytes bytes)
{
	check(bytes.n == 0 || gw_buf_append(&o->shown, bytes.p, bytes.n) == 0,
	      "no memory");
}

static enum gw_resume_fed
feed(struct gw_resume *rs, struct part part, size_t piece, struct outcome *o)
{
	enum gw_resume_fed rc = GW_RESUME_GOES_ON;
	struct gw_resume_bytes bytes;

	for (size_t at = 0; at < part.n && rc == GW_RESUME_GOES_ON;
	     at += piece) {
		rc = gw_resume_feed(rs, part.p + at,
				    part.n - at < piece ? part.n - at : piece,
				    &bytes);
		show(o, bytes);
	}
	return rc;
}

static enum gw_resume_verdict
broke(struct gw_resume *rs, const struct gw_body *request, struct outcome *o)
{
	gw_auto_buf struct gw_buf next = GW_BUF_INIT(GW_RESUME_NEXT_MAX);
	struct gw_resume_bytes last;
	struct gw_body *again;
	const char *why;
	enum gw_resume_verdict v =
		gw_resume_broke(rs, false, request, &test_model, &next, &last, &why);

	show(o, last);
	check(v != GW_RESUME_NOT || why, "no reason is told");
	if (v != GW_RESUME_ASK)
		return v;
	again = body_of((struct part){next.data, next.len});
	check(again != NULL, "the request for the rest is none");
	gw_body_free(again);
	check(gw_buf_append(&o->next, next.data, next.len) == 0, "no memory");
	return v;
}

static void
run(const struct gw_body *request, const struct part *streams, size_t n,
    unsigned how, size_t piece, struct outcome *o)
{
	struct gw_resume *rs =
		gw_resume_new(how & 1 ? GW_RESUME_COMPLETION : GW_RESUME_CHAT);
	int rc;

	*o = (struct outcome){.shown = GW_BUF_INIT(TOTAL_MAX),
			      .next = GW_BUF_INIT(TOTAL_MAX)};
	check(rs != NULL, "no memory");
	rc = (int)feed(rs, streams[0], piece, o);
	check(rc == GW_RESUME_GOES_ON && o->shown.len <= streams[0].n &&
		      (!o->shown.len ||
		       memcmp(o->shown.data, streams[0].p, o->shown.len) == 0),
	      "the first stream was changed");
	for (size_t i = 1; i <= n; i++) {
		rc = (int)broke(rs, request, o);
		o->verdicts[o->n++] = rc;
		if (rc != GW_RESUME_ASK || i == n)
			break;
		gw_resume_ask(rs, "node", how & 2);
		o->verdicts[o->n++] = (int)feed(rs, streams[i], piece, o);
	}
	gw_resume_free(rs);
}

static bool
same(const struct gw_buf *a, const struct gw_buf *b)
{
	return a->len == b->len &&
	       (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static size_t
split(const char *p, size_t n, struct part *parts)
{
	size_t i;

	for (i = 0; i < PARTS_MAX; i++) {
		const char *end =
			i + 1 < PARTS_MAX ? memchr(p, BETWEEN, n) : NULL;

		parts[i] = (struct part){p, end ? (size_t)(end - p) : n};
		if (!end)
			return i + 1;
		n -= parts[i].n + 1;
		p = end + 1;
	}
	return i;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct part parts[PARTS_MAX];
	struct outcome whole, pieces;
	struct gw_body *request;
	size_t n;

	if (size == 0)
		return 0;
	n = split((const char *)data + 1, size - 1, parts);
	request = n > 1 ? body_of(parts[0]) : NULL;
	if (!request)
		return 0;
	run(request, parts + 1, n - 1, data[0], size, &whole);
	run(request, parts + 1, n - 1, data[0], 1 + data[0] / 4 % 16, &pieces);
	check(same(&whole.shown, &pieces.shown),
	      "what is shown depends on the pieces");
	check(same(&whole.next, &pieces.next),
	      "the request depends on the pieces");
	check(whole.n == pieces.n && memcmp(whole.verdicts, pieces.verdicts,
					    sizeof(whole.verdicts)) == 0,
	      "the verdict depends on the pieces");
	gw_buf_release(&whole.shown);
	gw_buf_release(&whole.next);
	gw_buf_release(&pieces.shown);
	gw_buf_release(&pieces.next);
	gw_body_free(request);
	return 0;
}

#ifndef GW_LIBFUZZER
int
main(int argc, char **argv)
{
	return fuzz_seeds(argc, argv);
}
#endif
