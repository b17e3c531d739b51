/* SPDX-License-Identifier: MIT */
/* record.c - FastCGI record framing; knows no connection and does no I/O. */
#include "fcgi/record.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/scan.h"

int
gw_record_read(const char *p, size_t n, struct gw_record *out)
{
	const unsigned char *b = (const unsigned char *)p;

	if (n > 0 && b[0] != 1)
		return -1;
	if (n < GW_RECORD_HEAD_BYTES)
		return 0;
	out->type = b[1];
	out->id = (uint16_t)(b[2] << 8 | b[3]);
	out->content_len = (uint16_t)(b[4] << 8 | b[5]);
	out->whole_len = (size_t)GW_RECORD_HEAD_BYTES + out->content_len + b[6];
	out->content = b + GW_RECORD_HEAD_BYTES;
	return n >= out->whole_len ? 1 : 0;
}

/* A length takes one byte, or four with the top bit set. */
static bool
read_length(const unsigned char *p, size_t n, size_t *at, size_t *len)
{
	if (*at >= n)
		return false;
	if (p[*at] < 0x80) {
		*len = p[(*at)++];
		return true;
	}
	if (n - *at < 4)
		return false;
	*len = (size_t)(p[*at] & 0x7f) << 24 | (size_t)p[*at + 1] << 16 |
	       (size_t)p[*at + 2] << 8 | p[*at + 3];
	*at += 4;
	return true;
}

bool
gw_record_params_sane(const unsigned char *p, size_t n)
{
	size_t at = 0, name, value;

	while (at < n) {
		if (!read_length(p, n, &at, &name) ||
		    !read_length(p, n, &at, &value))
			return false;
		if (name > n - at || value > n - at - name)
			return false;
		at += name + value;
	}
	return true;
}

static bool
is_clients(const unsigned char *name, size_t n)
{
	static const struct {
		const char *text;
		size_t len;
	} prefixes[] = {{"HTTP_", 5}, {"CONTENT_", 8}, {"REQUEST_", 8}};

	for (size_t i = 0; i < GW_ARRAY_LEN(prefixes); i++)
		if (n >= prefixes[i].len && name[0] == prefixes[i].text[0] &&
		    memcmp(name, prefixes[i].text, prefixes[i].len) == 0)
			return true;
	return false;
}

bool
gw_record_params_clean(const unsigned char *p, size_t n)
{
	size_t at = 0, name, value;

	while (at < n) {
		if (!read_length(p, n, &at, &name) ||
		    !read_length(p, n, &at, &value) || name > n - at ||
		    value > n - at - name)
			return false;
		if (is_clients(p + at, name) &&
		    gw_has_control((const char *)p + at, name + value))
			return false;
		at += name + value;
	}
	return true;
}
