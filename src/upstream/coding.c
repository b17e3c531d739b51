/* SPDX-License-Identifier: MIT */
/*
 * coding.c - zlib's streaming decoder, and the ways in which servers use it:
 * several gzip members in a row, and "deflate" with or without zlib's head.
 */
#include "upstream/coding.h"

#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

#include "base/cleanup.h"

#define GZIP_OR_ZLIB (15 + 32) /* zlib looks at the head */
#define RAW (-15)

struct gw_coding {
	z_stream z;
	bool gzip;  /* another member may follow */
	bool begun; /* bytes have gone in */
	bool member_end;
	bool over; /* what follows is none of it */
};

static const struct {
	const char *name;
	bool gzip;
} known[] = {
	{"gzip", true},
	{"x-gzip", true},
	{"deflate", false},
};

bool
gw_coding_is_plain(const char *name)
{
	return !*name || strcasecmp(name, "identity") == 0;
}

struct gw_coding *
gw_coding_new(const char *name)
{
	struct gw_coding *c;

	for (size_t i = 0; i < GW_ARRAY_LEN(known); i++) {
		if (strcasecmp(name, known[i].name) != 0)
			continue;
		c = calloc(1, sizeof(*c));
		if (c && inflateInit2(&c->z, GZIP_OR_ZLIB) == Z_OK) {
			c->gzip = known[i].gzip;
			return c;
		}
		free(c);
	}
	return NULL;
}

void
gw_coding_free(struct gw_coding *c)
{
	if (!c)
		return;
	inflateEnd(&c->z);
	free(c);
}

/* RFC 1950, section 2.2: method 8, and a check over the two bytes. One byte
 * alone is taken for a head: servers send more at once. */
static bool
has_zlib_head(const unsigned char *p, size_t n)
{
	return (p[0] & 0x0f) == 8 && (n < 2 || (p[0] * 256 + p[1]) % 31 == 0);
}

static int
begin(struct gw_coding *c, const char *p, size_t n)
{
	c->begun = true;
	if (c->gzip || has_zlib_head((const unsigned char *)p, n))
		return 0;
	return inflateReset2(&c->z, RAW) == Z_OK ? 0 : -1;
}

static int
run(struct gw_coding *c, const char **p, size_t *n, char *out, size_t cap,
    size_t *got)
{
	const uInt most = 1u << 30;
	uInt in = *n < most ? (uInt)*n : most;
	uInt room = cap < most ? (uInt)cap : most;
	int rc;

	c->z.next_in = (z_const Bytef *)*p;
	c->z.avail_in = in;
	c->z.next_out = (Bytef *)out;
	c->z.avail_out = room;
	rc = inflate(&c->z, Z_SYNC_FLUSH);
	*p += in - c->z.avail_in;
	*n -= in - c->z.avail_in;
	*got = room - c->z.avail_out;
	c->member_end = rc == Z_STREAM_END;
	/* Z_BUF_ERROR: it waits for more. */
	return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR ? 0 : -1;
}

int
gw_coding_step(struct gw_coding *c, const char **p, size_t *n, char *out,
	       size_t cap, size_t *got)
{
	*got = 0;
	if (*n && !c->begun && begin(c, *p, *n) < 0)
		return -1;
	if (c->member_end && *n && !c->over) {
		c->over = !c->gzip || (unsigned char)**p != 0x1f ||
			  inflateReset(&c->z) != Z_OK;
		c->member_end = c->over;
	}
	if (c->over || !c->begun || c->member_end) {
		*p += *n;
		*n = 0;
		return 0;
	}
	return run(c, p, n, out, cap, got);
}

bool
gw_coding_is_whole(const struct gw_coding *c)
{
	return !c->begun || c->member_end;
}
