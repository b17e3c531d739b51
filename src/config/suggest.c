/* SPDX-License-Identifier: MIT */
/*
 * suggest.c - what somebody who typed an unknown key may have meant.
 *
 * Must stay cheap on hostile files: long keys are not compared at all.
 */
#include "config/schema.h"

#include <string.h>

#define WORD_MAX 64

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t
gw_suggest_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *two_up = rows[0], *up = rows[1], *row = rows[2];

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return a_len > b_len ? a_len : b_len;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *spare = two_up;

		two_up = up;
		up = row;
		row = spare;
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = least(least(up[j], row[j - 1]) + 1,
				       up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = least(row[j], two_up[j - 2] + 1);
		}
	}
	return row[b_len];
}

/* A row of that name in another mapping: put one level too high or too low. */
static const struct gw_option *
elsewhere(const struct gw_schema *s, const struct gw_yaml_node *key)
{
	for (size_t i = 0; i < s->n; i++) {
		const char *name = gw_option_name(&s->options[i]);

		if (strlen(name) == key->len &&
		    memcmp(name, key->text, key->len) == 0)
			return &s->options[i];
	}
	return NULL;
}

static void
list_known(const struct gw_schema *s, const char *prefix, char *out,
	   size_t out_bytes)
{
	const struct gw_option *o = NULL;
	size_t at = 0;
	const char *lead = "known here: ";

	out[0] = '\0';
	while ((o = gw_schema_child(s, prefix, o))) {
		int n = snprintf(out + at, out_bytes - at, "%s`%s`", lead,
				 gw_option_name(o));

		lead = ", ";
		if (n < 0 || (size_t)n >= out_bytes - at)
			return;
		at += (size_t)n;
	}
}

void
gw_suggest_key(const struct gw_schema *s, const char *prefix,
	       const struct gw_yaml_node *key, char *out, size_t out_bytes)
{
	const struct gw_option *o = NULL, *best = NULL, *other;
	size_t best_distance = WORD_MAX;

	while (key->len <= WORD_MAX && (o = gw_schema_child(s, prefix, o))) {
		const char *name = gw_option_name(o);
		size_t distance = gw_suggest_distance(key->text, key->len, name,
						      strlen(name));

		if (distance < best_distance) {
			best_distance = distance;
			best = o;
		}
	}
	other = elsewhere(s, key);
	if (best && best_distance > 1 && other)
		snprintf(out, out_bytes, "did you mean `%s`?", other->path);
	else if (best && best_distance <= least(4, (key->len + 1) / 2))
		snprintf(out, out_bytes, "did you mean `%s`?",
			 gw_option_name(best));
	else
		list_known(s, prefix, out, out_bytes);
}
