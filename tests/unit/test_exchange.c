/* SPDX-License-Identifier: MIT */
/*
 * test_exchange.c - libfcgi behind its door: parameters by name, and answers in
 * parts that one writer writes for all.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/exchange.h"
#include "fcgi_client.h"
#include "tap.h"

#define PARAMS_MAX 300
#define NAME_BYTES 64
#define NUMBER_BYTES 24
#define LIMIT_S 300 /* what blocks for ever ends here */

static struct gw_writer *writer;

/* ---- parameters ---------------------------------------------------------- */

static char names[PARAMS_MAX][NAME_BYTES];

/* Names of many lengths, of which some begin as others do. */
static struct gw_exchange *
with_params(size_t n)
{
	gw_auto_buf struct gw_buf pairs = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	unsigned random = 1;
	char value[24];

	for (size_t i = 0; i < n; i++) {
		size_t len = 0;

		do {
			random = random * 1103515245 + 12345;
			names[i][len++] = "ABC_"[random >> 16 & 3];
		} while (len < NAME_BYTES - NUMBER_BYTES && (random >> 20) % 8);
		snprintf(names[i] + len, NUMBER_BYTES, "%zu", i);
		snprintf(value, sizeof(value), "v%zu", i);
		put_pair(&pairs, names[i], value);
	}
	put_begin(&out, 1, true);
	put_record(&out, GW_RECORD_PARAMS, 1, pairs.data, pairs.len, 0);
	put_record(&out, GW_RECORD_PARAMS, 1, "", 0, 0);
	return gw_exchange_begin(writer, -1, out.data, out.len);
}

/* What going through all of them finds. */
static bool
is_right(const struct gw_exchange *x, size_t n, const char *name)
{
	const char *got = gw_exchange_param(x, name);
	char want[24];

	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0) {
			snprintf(want, sizeof(want), "v%zu", i);
			return got && strcmp(got, want) == 0;
		}
	return !got;
}

static void
test_params(size_t n)
{
	struct gw_exchange *x = with_params(n);
	char name[NAME_BYTES + 1];
	int wrong = 0;

	if (!x)
		abort();
	for (size_t i = 0; i < n; i++)
		for (size_t len = strlen(names[i]) + 1; len > 0; len--) {
			snprintf(name, sizeof(name), "%.*s", (int)len,
				 names[i]);
			wrong += !is_right(x, n, name);
			snprintf(name + strlen(name),
				 sizeof(name) - strlen(name), "%c", 'x');
			wrong += !is_right(x, n, name);
		}
	ok(wrong == 0,
	   "exchange: of %zu parameters each is found, and no part of a name",
	   n);
	gw_exchange_free(x);
}

/* ---- answers ------------------------------------------------------------- */

struct party {
	struct gw_exchange *x;
	int here, there;
	int id;
};

static struct party
party(int id)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	struct party p = {.id = id};
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		abort();
	p.here = ends[0];
	p.there = ends[1];
	put_begin(&out, id, true);
	put_record(&out, GW_RECORD_PARAMS, id, "\1\1ab", 4, 0);
	put_record(&out, GW_RECORD_PARAMS, id, "", 0, 0);
	p.x = gw_exchange_begin(writer, p.here, out.data, out.len);
	if (!p.x)
		abort();
	gw_exchange_read_all(p.x);
	return p;
}

static bool
says(struct party *p, const char *text, bool last)
{
	return gw_exchange_write(p->x, text, strlen(text), last) == 0;
}

static void
leave(struct party *p)
{
	gw_exchange_free(p->x);
	close(p->here);
	close(p->there);
}

/* Is that all that came, under its own number, with one end when @ended? */
static bool
heard(struct party *p, const char *text, bool ended)
{
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf got = GW_BUF_INIT(BYTES_MAX);
	struct gw_record rec;
	char bytes[65536];
	unsigned ends = 0, others = 0;
	ssize_t n;

	while ((n = recv(p->there, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		put(&in, bytes, (size_t)n);
	for (; gw_record_read(in.data, in.len, &rec) == 1;
	     gw_buf_consume(&in, rec.whole_len)) {
		others += rec.id != p->id;
		ends += rec.type == END_REQUEST;
		if (rec.type == STDOUT)
			put(&got, rec.content, rec.content_len);
	}
	return in.len == 0 && others == 0 && ends == ended &&
	       got.len == strlen(text) && memcmp(got.data, text, got.len) == 0;
}

static void
test_parts(void)
{
	struct party a = party(7), b = party(300), c = party(1), d = party(9);

	ok(says(&a, "a1", false) && says(&b, "b1", false) &&
		   heard(&a, "a1", false) && heard(&b, "b1", false),
	   "exchange: two answers in parts -> each part to its own client");
	ok(says(&a, "a2", true) && heard(&a, "a2", true),
	   "exchange: one ends -> its end under its own number");
	ok(says(&b, "b2", false) && heard(&b, "b2", false),
	   "exchange: the other goes on");
	ok(says(&c, "whole", true) && heard(&c, "whole", true),
	   "exchange: a whole answer beside it");
	ok(says(&b, "", true) && heard(&b, "", true),
	   "exchange: an end that comes alone");
	ok(says(&d, "d1", false) && says(&d, "d2", true) &&
		   heard(&d, "d1d2", true),
	   "exchange: the next answer in parts");
	leave(&a);
	leave(&b);
	leave(&c);
	leave(&d);
}

static void
test_failed(void)
{
	struct party a = party(7), b = party(8);

	ok(says(&a, "a1", false) && says(&b, "b1", false),
	   "exchange: two answers have begun");
	close(a.there);
	ok(!says(&a, "a2", false), "exchange: one client is gone -> it fails");
	ok(says(&b, "b2", false) && says(&b, "b3", true) &&
		   heard(&b, "b1b2b3", true),
	   "exchange: ... -> and the other does not");
	a.there = dup(a.here);
	leave(&a);
	leave(&b);
}

static void
test_body(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	char got[16];
	struct gw_exchange *x = with_params(1);

	put_record(&out, GW_RECORD_STDIN, 1, "first", 5, 0);
	put_record(&out, GW_RECORD_STDIN, 1, "more", 4, 0);
	put_record(&out, GW_RECORD_STDIN, 1, "", 0, 0);
	ok(x && gw_exchange_read(x, out.data, 13, got, 5) == 0 &&
		   memcmp(got, "first", 5) == 0,
	   "exchange: a record of a body");
	ok(x && gw_exchange_read(x, out.data + 13, 12, got, 4) == 0 &&
		   memcmp(got, "more", 4) == 0,
	   "exchange: the next");
	ok(x && gw_exchange_read(x, out.data + 25, 8, got, 0) == 0,
	   "exchange: its end");
	gw_exchange_free(x);
	x = with_params(1);
	ok(x && gw_exchange_read(x, out.data, 10, got, 5) < 0,
	   "exchange: a record that is cut -> fails, and does not wait");
	gw_exchange_free(x);
}

int
main(void)
{
	static const size_t many[] = {1, 30, 95, 96, 97, 98, 128, PARAMS_MAX};
	struct gw_err err = {0};

	alarm(LIMIT_S);
	signal(SIGPIPE, SIG_IGN);
	writer = gw_writer_new(&err);
	if (!writer)
		return 99;
	for (size_t i = 0; i < GW_ARRAY_LEN(many); i++)
		test_params(many[i]);
	test_body();
	test_parts();
	test_failed();
	gw_writer_free(writer);
	return done_testing();
}
