/* SPDX-License-Identifier: MIT */
/*
 * cache_told.c - looks for three names and their numbers. The same words in
 * what a model says stand between escaped quotes, and are none.
 */
#include "serve/cache_told.h"

#include <string.h>

#include "base/cleanup.h"

#define DIGITS_MAX 15 /* of a number of tokens */

static bool
is_name(const struct gw_cache_told *t)
{
	static const char *const names[] = {"cached_tokens", "cache_n",
					    "cache_read_input_tokens"};

	for (size_t i = 0; i < GW_ARRAY_LEN(names); i++)
		if (t->n == strlen(names[i]) &&
		    memcmp(t->name, names[i], t->n) == 0)
			return true;
	return false;
}

static void
restart(struct gw_cache_told *t, char c)
{
	t->step = c == '"' ? GW_CACHE_NAME : GW_CACHE_OUTSIDE;
	t->n = 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
in_name(struct gw_cache_told *t, char c)
{
	if (c == '"' && is_name(t)) {
		t->step = GW_CACHE_COLON;
		t->n = 0;
	} else if (c == '"' || t->n == GW_CACHE_NAME_MAX) {
		restart(t, c);
	} else {
		t->name[t->n++] = c;
	}
}

static void
in_number(struct gw_cache_told *t, char c)
{
	if (c >= '0' && c <= '9' && t->n < DIGITS_MAX) {
		t->number = t->number * 10 + (uint64_t)(c - '0');
		t->n++;
	} else if (t->n > 0 || !is_blank(c)) {
		/* It ends with what is no digit: it may go on in the next piece
		 * of the answer. */
		if (t->n > 0) {
			t->told = true;
			if (t->number > t->tokens)
				t->tokens = t->number;
		}
		restart(t, c);
	}
}

void
gw_cache_told_feed(struct gw_cache_told *t, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		if (t->step == GW_CACHE_OUTSIDE) {
			p = memchr(p, '"', (size_t)(end - p));
			if (!p)
				return;
			restart(t, *p);
		} else if (t->step == GW_CACHE_NAME) {
			in_name(t, *p);
		} else if (t->step == GW_CACHE_NUMBER) {
			in_number(t, *p);
		} else if (*p == ':') {
			t->step = GW_CACHE_NUMBER;
			t->number = 0;
		} else if (!is_blank(*p)) {
			restart(t, *p);
		}
		p++;
	}
}
