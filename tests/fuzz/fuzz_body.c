/* SPDX-License-Identifier: MIT */
/*
 * fuzz_body.c - any bytes as a request body.
 *
 * Input: the first byte seeds the sizes of the pieces, the rest is the body. A
 * byte 0x02 (never valid in JSON) stands for a run of text as long as one piece
 * of a long string, so that short inputs reach the code for long ones.
 *
 * Checked: the verdict and its words do not depend on the pieces; what is
 * accepted is one JSON object to a plain parser as well, before and after the
 * edit; what is refused as JSON is refused by it too, but for our own limits.
 *
 * A plain program runs over seeds (`fuzz_body [FILE...]`); for libFuzzer:
 * clang -fsanitize=fuzzer,address -DGW_LIBFUZZER ...
 */
#include "unit/tap.h"
#include "unit/body_config.h"
#include "body/parts.h"
#include "fuzz/fuzz.h"

#define EXPANDED_MAX (1u << 20)
#define RUN_BYTE 0x02
#define RUN_BYTES (GW_BODY_PIECE_BYTES - 16)

struct outcome {
	struct gw_err err;
	struct gw_buf forward;
};

static void
check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_body: %s\n", what);
	abort();
}

static void
expand(const uint8_t *p, size_t n, struct gw_buf *out)
{
	static char run[RUN_BYTES];
	size_t i;

	memset(run, 'x', sizeof(run));
	for (i = 0; i < n; i++)
		if (gw_buf_append(out, p[i] == RUN_BYTE ? run : (char *)&p[i],
				  p[i] == RUN_BYTE ? sizeof(run) : 1) < 0)
			return; /* long enough */
}

static void
feed(const struct gw_buf *text, uint32_t seed, size_t most, struct outcome *o)
{
	struct gw_body *b = gw_body_new(EXPANDED_MAX, &test_room, &test_config);
	size_t at, n;

	memset(&o->err, 0, sizeof(o->err));
	gw_buf_init(&o->forward, 2 * EXPANDED_MAX);
	check(b != NULL, "no memory");
	for (at = 0; at < text->len; at += n) {
		seed = seed * 1103515245 + 12345;
		n = 1 + (seed >> 8) % most;
		if (n > text->len - at)
			n = text->len - at;
		if (gw_body_append(b, text->data + at, n, &o->err) < 0)
			goto out;
	}
	if (gw_body_finish(b, &o->err) < 0)
		goto out;
	check(gw_body_edit(b, "\"up\"", &test_model, &o->err) == 0, "no edit");
	n = gw_body_forward_len(b);
	check(gw_buf_reserve(&o->forward, n) == 0, "no memory");
	o->forward.len = gw_body_forward_read(b, 0, o->forward.data, n + 1);
	check(o->forward.len == n, "the length of the edit is wrong");
out:
	gw_body_free(b);
}

/* One object to yajl alone, all at once? */
static bool
is_object(const struct gw_buf *text)
{
	yajl_handle y = yajl_alloc(NULL, NULL, NULL);
	const unsigned char *p = (const unsigned char *)text->data;
	size_t blanks = text->len ? strspn(text->data, " \t\r\n") : 0;
	bool good = blanks < text->len && p[blanks] == '{';

	good = good && yajl_parse(y, p, text->len) == yajl_status_ok &&
	       yajl_complete_parse(y) == yajl_status_ok;
	yajl_free(y);
	return good;
}

/*
 * Where a body is judged more strictly: limits, \v and \f as blanks, and a
 * string behind the object that never ends.
 */
static bool
is_own_rule(const struct gw_err *err)
{
	return strstr(err->msg, "deeper than") ||
	       strstr(err->msg, "longer than") ||
	       strstr(err->msg, "vertical tab") ||
	       strstr(err->msg, "goes on after");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_buf text = GW_BUF_INIT(EXPANDED_MAX);
	struct outcome whole, pieces;
	uint32_t seed;

	if (size == 0)
		return 0;
	seed = data[0];
	expand(data + 1, size - 1, &text);
	feed(&text, 1, EXPANDED_MAX, &whole);
	feed(&text, seed, seed % 2 ? 7 : 5000, &pieces);
	check(whole.err.code == pieces.err.code &&
		      strcmp(whole.err.msg, pieces.err.msg) == 0,
	      "the verdict depends on the pieces");
	check(whole.forward.len == pieces.forward.len &&
		      (whole.forward.len == 0 ||
		       memcmp(whole.forward.data, pieces.forward.data,
			      whole.forward.len) == 0),
	      "the edit depends on the pieces");
	if (whole.err.code == GW_OK)
		check(is_object(&text) && is_object(&whole.forward),
		      "something else than an object was accepted");
	else if (whole.err.code == GW_ERR_INVALID_JSON)
		check(!is_object(&text) || is_own_rule(&whole.err),
		      "an object was refused");
	gw_buf_release(&whole.forward);
	gw_buf_release(&pieces.forward);
	gw_buf_release(&text);
	return 0;
}

#ifndef GW_LIBFUZZER
int
main(int argc, char **argv)
{
	return fuzz_seeds(argc, argv);
}
#endif
