/* SPDX-License-Identifier: MIT */
/* buf.c - bounded growing buffer; see buf.h for its invariants. */
#include "base/buf.h"

#include <string.h>

#define FIRST_CAP_BYTES 256

void
gw_buf_init(struct gw_buf *b, size_t max)
{
	*b = (struct gw_buf)GW_BUF_INIT(max);
}

void
gw_buf_release(struct gw_buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}

void
gw_buf_clear(struct gw_buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

int
gw_buf_reserve(struct gw_buf *b, size_t more)
{
	size_t need, cap;
	char *data;

	if (more > b->max || b->len > b->max - more)
		return -1;
	need = b->len + more + 1;
	if (need <= b->cap)
		return 0;
	cap = b->cap ? b->cap : FIRST_CAP_BYTES;
	while (cap < need)
		cap *= 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	data = realloc(b->data, cap);
	if (!data)
		return -1;
	data[b->len] = '\0';
	b->data = data;
	b->cap = cap;
	return 0;
}

void
gw_buf_fit(struct gw_buf *b)
{
	char *data;

	if (b->cap <= b->len + 1)
		return;
	data = realloc(b->data, b->len + 1);
	if (!data)
		return;
	b->data = data;
	b->cap = b->len + 1;
}

int
gw_buf_append(struct gw_buf *b, const void *p, size_t n)
{
	if (gw_buf_reserve(b, n) < 0)
		return -1;
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int
gw_buf_puts(struct gw_buf *b, const char *s)
{
	return gw_buf_append(b, s, strlen(s));
}

int
gw_buf_join(struct gw_buf *b, ...)
{
	size_t before = b->len;
	const char *s;
	va_list ap;
	int rc = 0;

	va_start(ap, b);
	while (rc == 0 && (s = va_arg(ap, const char *)))
		rc = gw_buf_puts(b, s);
	va_end(ap);
	if (rc < 0 && b->data) {
		b->len = before;
		b->data[before] = '\0';
	}
	return rc;
}

int
gw_buf_printf(struct gw_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n, rc = -1;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0 && gw_buf_reserve(b, (size_t)n) == 0) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
		rc = 0;
	}
	va_end(again);
	va_end(ap);
	return rc;
}

void
gw_buf_consume(struct gw_buf *b, size_t n)
{
	if (n == 0)
		return;
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
	b->data[b->len] = '\0';
}
