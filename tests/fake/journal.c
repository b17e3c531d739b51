/* SPDX-License-Identifier: MIT */
/*
 * journal.c - what the fake saw: the event log and the counters.
 *
 * The log holds one JSON object a line, flushed at once, so that a test reads
 * it while the fake runs. Bodies are logged as text when they are UTF-8 and
 * short, as base64 otherwise; --body-dir keeps every body as a file instead,
 * for byte-exact comparison of large ones.
 */
#include "fake.h"

#include <limits.h>
#include <string.h>

#include "base/clock.h"

#define LOGGED_BODY_MAX_BYTES (256u << 10)

void
fake_base64(const unsigned char *p, size_t n, struct gw_buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		unsigned v = (unsigned)p[i] << 16;
		char four[4];

		v |= have > 1 ? (unsigned)p[i + 1] << 8 : 0;
		v |= have > 2 ? p[i + 2] : 0;
		four[0] = digits[v >> 18];
		four[1] = digits[v >> 12 & 63];
		four[2] = have > 1 ? digits[v >> 6 & 63] : '=';
		four[3] = have > 2 ? digits[v & 63] : '=';
		if (gw_buf_append(out, four, sizeof(four)))
			return;
	}
}

/* Bytes of one well-formed UTF-8 sequence at @p, 0 when it is none. */
static size_t
utf8_length(const unsigned char *p, size_t left)
{
	size_t n = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;

	if (*p == 0 || n > left || (*p >= 0x80 && *p < 0xc2) || *p > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static bool
is_text(const char *p, size_t n)
{
	size_t step;

	for (size_t i = 0; i < n; i += step) {
		step = utf8_length((const unsigned char *)p + i, n - i);
		if (step == 0)
			return false;
	}
	return true;
}

static void
write_line(struct fake_server *srv, struct json_object *o)
{
	fprintf(srv->log, "%s\n",
		json_object_to_json_string_ext(
			o, JSON_C_TO_STRING_PLAIN |
				   JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(srv->log);
}

static void
save_body(const struct fake_conn *c)
{
	char path[PATH_MAX];
	gw_auto_file FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/%llu.body", c->srv->opt.body_dir,
		 (unsigned long long)c->x.id);
	f = fopen(path, "we");
	if (!f || fwrite(c->body.data ? c->body.data : "", 1, c->body.len, f) !=
			  c->body.len)
		fprintf(stderr, "fake_llama: cannot write %s\n", path);
}

static void
add_body(const struct fake_conn *c, struct json_object *o)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(FAKE_BODY_MAX_BYTES);

	gw_json_set_int(o, "body_bytes", (int64_t)c->body.len);
	if (c->body.len == 0 || c->body.len > LOGGED_BODY_MAX_BYTES)
		return;
	if (is_text(c->body.data, c->body.len)) {
		json_object_object_add(o, "body",
				       json_object_new_string_len(
					       c->body.data, (int)c->body.len));
		return;
	}
	fake_base64((const unsigned char *)c->body.data, c->body.len, &text);
	gw_json_set_str(o, "body_base64", text.data);
}

static struct json_object *
event(const struct fake_conn *c, const char *name)
{
	struct json_object *o = json_object_new_object();

	gw_json_set_str(o, "event", name);
	gw_json_set_int(o, "id", (int64_t)c->x.id);
	gw_json_set_int(o, "conn", (int64_t)c->id);
	gw_json_set_int(o, "t_ms", (int64_t)gw_mono_ms());
	gw_json_set_int(o, "t_us", (int64_t)gw_mono_us());
	return o;
}

void
fake_journal_request(struct fake_conn *c)
{
	gw_auto_json struct json_object *o = NULL;

	if (c->srv->opt.body_dir)
		save_body(c);
	if (!c->srv->log)
		return;
	o = event(c, "request");
	gw_json_set_str(o, "method", http_method_str(c->parser.method));
	gw_json_set_str(o, "path", c->url.data);
	json_object_object_add(o, "headers", fake_conn_headers(c));
	add_body(c, o);
	write_line(c->srv, o);
}

void
fake_journal_end(struct fake_conn *c, const char *name)
{
	gw_auto_json struct json_object *o = NULL;
	uint64_t unsent = c->out.len - c->out_off;

	if (!c->srv->log)
		return;
	o = event(c, name);
	gw_json_set_int(o, "after_ms",
			(int64_t)(gw_mono_ms() - c->x.started_ms));
	gw_json_set_int(o, "status", c->x.status);
	gw_json_set_int(o, "bytes", (int64_t)(c->x.bytes - unsent));
	gw_json_set_int(o, "tokens", c->x.tokens);
	write_line(c->srv, o);
}

struct json_object *
fake_stats_json(const struct fake_server *srv)
{
	const struct fake_stats *st = &srv->stats;
	struct json_object *o = json_object_new_object();
	struct json_object *paths = json_object_new_object();

	for (size_t i = 0; i < st->n_paths; i++)
		gw_json_set_int(paths, st->paths[i].path,
				(int64_t)st->paths[i].n);
	gw_json_set_str(o, "name", srv->opt.name);
	json_object_object_add(o, "requests", paths);
	gw_json_set_int(o, "requests_total", (int64_t)st->requests);
	gw_json_set_int(o, "tokens", (int64_t)st->tokens);
	gw_json_set_int(o, "aborted", (int64_t)st->aborted);
	gw_json_set_int(o, "active", (int64_t)st->active);
	gw_json_set_int(o, "waiting", fake_conn_waiting(srv));
	gw_json_set_int(o, "max_concurrent", (int64_t)st->active_max);
	gw_json_set_int(o, "models_max_concurrent", (int64_t)st->models_max);
	/* whoever asks for the counters is not a client */
	gw_json_set_int(o, "open_connections", (int64_t)st->open - 1);
	gw_json_set_int(o, "max_connections", (int64_t)st->open_max);
	gw_json_set_int(o, "connections", (int64_t)st->connections);
	return o;
}
