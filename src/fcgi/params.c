/* SPDX-License-Identifier: MIT */
/*
 * params.c - looks at a request's parameters before libfcgi does, which trusts
 * the lengths in them. See record.h.
 */
#include "fcgi/conn.h"

/*
 * The parameters without the heads of their records. They lie in one piece when
 * one record holds them, as nearly always; else they are put together in
 * @joined. Returns NULL when memory is out.
 */
static const unsigned char *
params_content(const struct gw_fcgi_conn *c, struct gw_buf *joined, size_t *n)
{
	const char *p = c->params.data, *end = p + c->params.len;
	const unsigned char *only = NULL;
	struct gw_record rec;
	unsigned pieces = 0;

	*n = 0;
	for (; gw_record_read(p, (size_t)(end - p), &rec) == 1;
	     p += rec.whole_len) {
		if (rec.type != GW_RECORD_PARAMS || !rec.content_len)
			continue;
		only = rec.content;
		*n += rec.content_len;
		pieces++;
	}
	if (pieces <= 1)
		return only ? only : (const unsigned char *)"";
	for (p = c->params.data;
	     gw_record_read(p, (size_t)(end - p), &rec) == 1;
	     p += rec.whole_len)
		if (rec.type == GW_RECORD_PARAMS &&
		    gw_buf_append(joined, rec.content, rec.content_len) < 0)
			return NULL;
	return (unsigned char *)joined->data;
}

int
gw_params_check(struct gw_fcgi_conn *c)
{
	gw_auto_buf struct gw_buf joined = GW_BUF_INIT(GW_FCGI_PARAMS_MAX);
	size_t n;
	const unsigned char *p = params_content(c, &joined, &n);

	if (!p || !gw_record_params_sane(p, n))
		return -1;
	c->clean = gw_record_params_clean(p, n);
	return 0;
}
