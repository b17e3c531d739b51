/* SPDX-License-Identifier: MIT */
/*
 * diag.c - the list of findings; see diag.h.
 *
 * Losing a finding for want of memory must not lose the fact that there was
 * one: the error count always moves.
 */
#include "config/diag.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#define MESSAGE_BYTES 1024

/*
 * A key or value of a file may hold anything, and cutting it to a length may
 * split a character; a finding is one clean line of UTF-8.
 */
static void
one_line(char *s)
{
	size_t left = strlen(s), n;

	for (; left; s += n, left -= n) {
		n = gw_utf8_char(s, left);
		if (n && (unsigned char)*s >= ' ' && *s != 0x7f)
			continue;
		*s = '?';
		n = 1;
	}
}

static char *
compose(const struct gw_diag_item *item, const char *file, const char *message)
{
	const char *word = item->warning ? "warning" : "error";
	char *text = NULL;
	int n;

	if (!file)
		n = asprintf(&text, "%s: %s", word, message);
	else if (!item->line)
		n = asprintf(&text, "%s: %s: %s", file, word, message);
	else
		n = asprintf(&text, "%s:%u:%u: %s: %s", file, item->line,
			     item->column, word, message);
	return n < 0 ? NULL : text;
}

void
gw_diag_vadd(struct gw_diag *d, bool warning, const char *file, unsigned line,
	     unsigned column, const char *fmt, va_list ap)
{
	struct gw_diag_item item = {
		.warning = warning,
		.file_len = file ? strlen(file) : 0,
		.line = line,
		.column = column,
	};
	char message[MESSAGE_BYTES];
	struct gw_diag_item *items = NULL;
	int n;

	d->errors += !warning;
	n = vsnprintf(message, sizeof(message), fmt, ap);
	if (n >= 0 && d->n < GW_DIAG_MAX)
		items = realloc(d->items, (d->n + 1) * sizeof(*items));
	if (!items) {
		d->left_out++;
		return;
	}
	d->items = items;
	item.text = compose(&item, file, message);
	if (!item.text) {
		d->left_out++;
		return;
	}
	one_line(item.text);
	items[d->n++] = item;
}

void
gw_diag_add(struct gw_diag *d, bool warning, const char *file, unsigned line,
	    unsigned column, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	gw_diag_vadd(d, warning, file, line, column, fmt, ap);
	va_end(ap);
}

/* Which of the files a finding is about, counted from 1; 0 = none of them. */
static size_t
rank(const struct gw_diag_item *item, const char *const *paths, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(paths[i]) == item->file_len &&
		    memcmp(item->text, paths[i], item->file_len) == 0)
			return i + 1;
	return 0;
}

static bool
comes_before(const struct gw_diag_item *a, const struct gw_diag_item *b,
	     const char *const *paths, size_t n)
{
	size_t file_a = rank(a, paths, n), file_b = rank(b, paths, n);

	if (file_a != file_b)
		return file_a < file_b;
	if (a->line != b->line)
		return a->line < b->line;
	return a->column < b->column;
}

void
gw_diag_sort(struct gw_diag *d, const char *const *paths, size_t n)
{
	/* At most GW_DIAG_MAX of them, and equal places keep their order. */
	for (size_t i = 1; i < d->n; i++) {
		struct gw_diag_item item = d->items[i];
		size_t at = i;

		while (at && comes_before(&item, &d->items[at - 1], paths, n)) {
			d->items[at] = d->items[at - 1];
			at--;
		}
		d->items[at] = item;
	}
}

void
gw_diag_print(const struct gw_diag *d, FILE *f)
{
	for (size_t i = 0; i < d->n; i++)
		fprintf(f, "%s\n", d->items[i].text);
	if (d->left_out)
		fprintf(f, "... and %zu more\n", d->left_out);
}

void
gw_diag_release(struct gw_diag *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->items[i].text);
	free(d->items);
	*d = (struct gw_diag){0};
}
