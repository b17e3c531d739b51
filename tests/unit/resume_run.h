/* SPDX-License-Identifier: MIT */
/*
 * resume_run.h - streams that break, and servers that go on with them. Include
 * it once in a program.
 */
#ifndef TESTS_UNIT_RESUME_RUN_H
#define TESTS_UNIT_RESUME_RUN_H

#include "base/json.h"
#include "body_config.h"
#include "resume/resume.h"
#include "tap.h"

#define RUN_MAX (64u << 20)

static struct gw_buf shown = {.max = RUN_MAX};		 /* to the client */
static struct gw_buf next = {.max = GW_RESUME_NEXT_MAX}; /* request */
static const char *why;
static bool clean; /* how the next stream ends */

static void
must(int rc)
{
	if (rc < 0)
		abort();
}

static void
show(struct gw_resume_bytes b)
{
	if (b.n)
		must(gw_buf_append(&shown, b.p, b.n));
}

/* Feeds a stream in pieces of @piece bytes, up to the first one that does not
 * go on. */
__attribute__((unused)) static enum gw_resume_fed
feed(struct gw_resume *rs, const char *p, size_t n, size_t piece)
{
	enum gw_resume_fed rc = GW_RESUME_GOES_ON;
	struct gw_resume_bytes b;

	for (size_t at = 0; at < n && rc == GW_RESUME_GOES_ON; at += piece) {
		rc = gw_resume_feed(rs, p + at, n - at < piece ? n - at : piece,
				    &b);
		show(b);
	}
	return rc;
}

static struct gw_body *
body_of(const char *text)
{
	struct gw_body *b = gw_body_new(RUN_MAX, &test_room, &test_config);
	struct gw_err err = {0};
	size_t len = strlen(text), n;

	for (size_t at = 0; b && at < len; at += n) {
		n = len - at < GW_BODY_STEP_BYTES ? len - at
						  : GW_BODY_STEP_BYTES;
		must(gw_body_append(b, text + at, n, &err));
	}
	if (!b)
		abort();
	must(gw_body_finish(b, &err));
	return b;
}

__attribute__((unused)) static enum gw_resume_verdict
broke(struct gw_resume *rs, const char *request, const struct gw_model *model)
{
	struct gw_body *b = body_of(request);
	struct gw_resume_bytes last;
	enum gw_resume_verdict v;

	gw_buf_clear(&next);
	v = gw_resume_broke(rs, clean, b, model, &next, &last, &why);
	show(last);
	gw_body_free(b);
	return v;
}

/* How often a text stands in what the client got. */
__attribute__((unused)) static unsigned
count(const char *what)
{
	unsigned n = 0;

	for (const char *p = shown.data; p && (p = strstr(p, what)); p++)
		n++;
	return n;
}

#endif
