/* SPDX-License-Identifier: MIT */
/*
 * test_fcgi_input.c - what a client can put into its request to hurt others:
 * bodies of one-byte records or large ones, control bytes in parameters.
 */
#include "base/log.h"
#include "fcgi_manual.h"
#include "tap.h"

#define PIECES 20000
#define CALLS_MAX 20 /* 180 KiB of records, 128 KiB read at a time */

static void
test_tiny_records(size_t padding, const char *title)
{
	struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);

	put_begin(&out, 1, false);
	put_record(&out, GW_RECORD_PARAMS, 1, "", 0, 0);
	say(&server, fd, out.data, out.len);
	owner.body_calls = owner.body_bytes = owner.ended_bodies = 0;
	gw_buf_clear(&out);
	for (int i = 0; i < PIECES; i++)
		put_record(&out, GW_RECORD_STDIN, 1, "x", 1, padding);
	put_record(&out, GW_RECORD_STDIN, 1, "", 0, 0);
	/* All of it is there before the loop turns: nobody sends faster. */
	for (size_t at = 0; at < out.len;) {
		ssize_t n = send(fd, out.data + at, out.len - at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else
			turn(&server);
	}
	turn(&server);
	is_int((long long)owner.body_bytes, PIECES, title);
	ok(owner.ended_bodies == 1 && owner.body_calls <= CALLS_MAX,
	   "input: in %u pieces", owner.body_calls);
	gw_buf_release(&out);
}

/* Neighbours that are more than one record can hold stay apart. */
static void
test_large_records(void)
{
	static const size_t sizes[] = {1,     40000, 40000, 2,	   65534, 1,
				       65535, 65535, 1,	    32768, 32767, 1};
	static char content[UINT16_MAX];
	struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	size_t sent = 0;

	memset(content, 'x', sizeof(content));
	put_begin(&out, 1, false);
	put_record(&out, GW_RECORD_PARAMS, 1, "", 0, 0);
	owner.body_bytes = owner.ended_bodies = 0;
	for (size_t i = 0; i < GW_ARRAY_LEN(sizes); i++) {
		put_record(&out, GW_RECORD_STDIN, 1, content, sizes[i], i % 8);
		sent += sizes[i];
	}
	put_record(&out, GW_RECORD_STDIN, 1, "", 0, 0);
	say(&server, fd, out.data, out.len);
	ok(owner.body_bytes == sent && owner.ended_bodies == 1,
	   "input: a body of small and large records -> arrives");
	gw_buf_release(&out);
}

static bool
is_clean(const char *name, const char *value, size_t n)
{
	struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	struct gw_buf pairs = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	bool clean;

	put_pair(&pairs, "GATEWAY_INTERFACE", "CGI/1.1");
	put_length(&pairs, strlen(name));
	put_length(&pairs, n);
	put(&pairs, name, strlen(name));
	put(&pairs, value, n);
	put_begin(&out, 1, false);
	put_params(&out, 1, &pairs, 9);
	owner.conn = NULL;
	say(&server, fd, out.data, out.len);
	clean = owner.conn && gw_fcgi_params_clean(owner.conn);
	gw_buf_release(&out);
	gw_buf_release(&pairs);
	return clean;
}

static void
test_control_bytes(void)
{
	static const char *const names[] = {
		"HTTP_ACCEPT",	  "HTTP_X_REQUEST_ID", "CONTENT_TYPE",
		"CONTENT_LENGTH", "REQUEST_METHOD",    "REQUEST_URI"};
	unsigned refused = 0, taken = 0;
	char value[] = "a?b";

	for (size_t i = 0; i < GW_ARRAY_LEN(names); i++)
		for (int c = 0; c < 256; c++) {
			bool bad = (c < 0x20 && c != '\t') || c == 0x7f;

			value[1] = (char)c;
			if (bad)
				refused += !is_clean(names[i], value, 3);
			else if (c % 16 == 9) /* some of them will do */
				taken += is_clean(names[i], value, 3);
		}
	is_int(refused, 32 * GW_ARRAY_LEN(names),
	       "input: each control byte in what the client sent -> not clean");
	is_int(taken, 15 * GW_ARRAY_LEN(names),
	       "input: tabs, letters and bytes over 127 -> clean");
	ok(!is_clean("HTTP_X\n", "v", 1),
	   "input: a control byte in a name -> not clean");
	ok(is_clean("SERVER_SIGNATURE", "<address>\n", 10),
	   "input: Apache's signature ends in a newline -> clean");
}

int
main(void)
{
	setenv("GW_LOG_LEVEL", "error", 1);
	gw_log_init("test_fcgi_input");
	owner_start(4);
	test_tiny_records(0, "input: a body of one-byte records -> arrives");
	test_tiny_records(7, "input: with padding -> arrives");
	test_large_records();
	test_control_bytes();
	owner_stop();
	return done_testing();
}
