/* SPDX-License-Identifier: MIT */
/*
 * record.h - the eight bytes in front of every FastCGI record.
 *
 * Only what is needed to see where records end and what kind they are
 * (FastCGI specification 1.0, section 3.3); their content is libfcgi's.
 */
#ifndef GW_FCGI_RECORD_H
#define GW_FCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_RECORD_HEAD_BYTES 8
#define GW_RECORD_MAX_BYTES (8 + 65535 + 255)

enum gw_record_type {
	GW_RECORD_BEGIN = 1,
	GW_RECORD_ABORT = 2,
	GW_RECORD_PARAMS = 4,
	GW_RECORD_STDIN = 5
};

struct gw_record {
	uint8_t type;
	uint16_t id;
	uint16_t content_len;
	size_t whole_len; /* head, content and padding */
	const unsigned char *content;
};

/*
 * gw_record_read - the record at the start of some bytes.
 * Returns 1 with *out filled when it is whole, 0 when more bytes are needed,
 * -1 when this is no FastCGI version 1 record.
 */
int gw_record_read(const char *p, size_t n, struct gw_record *out);

/*
 * gw_record_params_sane - do the name-value pairs fit the bytes exactly?
 * @p, @n  content of all PARAMS records of a request, in one piece
 * libfcgi trusts the lengths in there (CVE-2025-23016); they are checked
 * before it sees them.
 */
bool gw_record_params_sane(const unsigned char *p, size_t n);

/*
 * gw_record_params_clean - no control byte but a tab in what the client sent?
 * @p, @n  sane ones. Looks at HTTP_*, CONTENT_* and REQUEST_*; Apache
 * puts newlines into others (SERVER_SIGNATURE).
 */
bool gw_record_params_clean(const unsigned char *p, size_t n);

#endif
