/* SPDX-License-Identifier: MIT */
/*
 * stream_client.c - opens N streams and tells how their tokens came through.
 *
 * Expects the scripted upstream at the far end: tokens t1, t2, ... in events of
 * a chat stream, stamped (t1@US) for the delays. Once every stream has its
 * first token it prints {"event":"start"} and counts for S seconds, then prints
 * one report; whoever measures the server's CPU does so between the two lines.
 * A load tool: one request a connection, no TLS, numeric addresses.
 */
#include "stream_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/json.h"

#define REQUEST_MAX_BYTES (1u << 20)
#define RAMP_TICK_S 0.001
#define RAMP_PER_TICK 2

void
client_begin_counting(struct client *cl)
{
	cl->counting = true;
	cl->started_us = gw_mono_us();
	ev_timer_stop(cl->loop, &cl->end);
	ev_timer_set(&cl->end, cl->seconds, 0.);
	ev_timer_start(cl->loop, &cl->end);
	printf("{\"event\":\"start\"}\n");
	fflush(stdout);
}

/* All at once would test the accept queue, not the streams; and streams that
 * began together would have their tokens at the same moments ever after. */
static void
on_ramp(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct client *cl = w->data;

	(void)revents;
	for (int i = 0; i < RAMP_PER_TICK && cl->opened < cl->n; i++)
		stream_open(cl, &cl->streams[cl->opened++]);
	if (cl->opened == cl->n)
		ev_timer_stop(loop, w);
}

static void
on_end_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct client *cl = w->data;

	(void)revents;
	cl->ended_us = gw_mono_us();
	if (!cl->counting)
		fprintf(stderr,
			"stream_client: only %ld of %ld streams began\n",
			cl->running, cl->n);
	ev_break(loop, EVBREAK_ALL);
}

/* The delay below which this share of the tokens stayed, in us. */
static int64_t
quantile(const struct client *cl, double share)
{
	uint64_t all = cl->tokens - cl->unstamped, seen = 0;

	for (int64_t i = 0; i <= DELAYS_MAX; i++) {
		seen += cl->delays[i];
		if (all && (double)seen >= share * (double)all)
			return i * DELAY_STEP_US;
	}
	return -1;
}

static void
report(const struct client *cl)
{
	gw_auto_json struct json_object *o = json_object_new_object();
	double s = (double)(cl->ended_us - cl->started_us) / 1e6;

	gw_json_set_str(o, "event", "report");
	gw_json_set_int(o, "streams", cl->n);
	gw_json_set_int(o, "streams_open", cl->running);
	gw_json_set_int(o, "streams_failed", cl->failed);
	gw_json_set_int(o, "tokens", (int64_t)cl->tokens);
	gw_json_set_int(o, "missing", (int64_t)cl->gaps);
	json_object_object_add(o, "seconds", json_object_new_double(s));
	json_object_object_add(
		o, "tokens_per_s",
		json_object_new_double(cl->counting ? (double)cl->tokens / s
						    : 0.));
	gw_json_set_int(o, "delay_median_us", quantile(cl, 0.5));
	gw_json_set_int(o, "delay_p99_us", quantile(cl, 0.99));
	printf("%s\n",
	       json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
}

/* http://A.B.C.D:PORT/path, the body's file and the key to one request. */
static int
build_request(struct client *cl, const char *url, const char *body_path,
	      const char *key)
{
	gw_auto_file FILE *f = fopen(body_path, "re");
	gw_auto_buf struct gw_buf body = GW_BUF_INIT(REQUEST_MAX_BYTES);
	struct http_parser_url u;
	char host[64], chunk[4096];
	size_t n;

	http_parser_url_init(&u);
	if (http_parser_parse_url(url, strlen(url), 0, &u) || !u.port ||
	    u.field_data[UF_HOST].len >= sizeof(host)) {
		fprintf(stderr, "stream_client: bad URL %s\n", url);
		return -1;
	}
	snprintf(host, sizeof(host), "%.*s", (int)u.field_data[UF_HOST].len,
		 url + u.field_data[UF_HOST].off);
	cl->to.sin_family = AF_INET;
	cl->to.sin_port = htons(u.port);
	if (inet_pton(AF_INET, host, &cl->to.sin_addr) != 1) {
		fprintf(stderr, "stream_client: not an address: %s\n", host);
		return -1;
	}
	if (!f) {
		fprintf(stderr, "stream_client: %s: %s\n", body_path,
			strerror(errno));
		return -1;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		if (gw_buf_append(&body, chunk, n))
			return -1;
	if (gw_buf_printf(&cl->request,
			  "POST %s HTTP/1.1\r\nHost: %s:%u\r\n"
			  "Authorization: Bearer %s\r\n"
			  "Content-Type: application/json\r\n"
			  "Content-Length: %zu\r\n\r\n",
			  url + u.field_data[UF_PATH].off, host, u.port, key,
			  body.len))
		return -1;
	return gw_buf_append(&cl->request, body.data ? body.data : "",
			     body.len);
}

static void
run(struct client *cl)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit))
			perror("stream_client: setrlimit");
	}
	ev_timer_init(&cl->ramp, on_ramp, 0., RAMP_TICK_S);
	ev_timer_init(&cl->end, on_end_timer, cl->patience_s, 0.);
	cl->ramp.data = cl->end.data = cl;
	ev_timer_start(cl->loop, &cl->ramp);
	ev_timer_start(cl->loop, &cl->end);
	ev_run(cl->loop, 0);
	report(cl);
}

int
main(int argc, char **argv)
{
	/* static: the counts of delays take 2 MB */
	static struct client cl = {.request = GW_BUF_INIT(REQUEST_MAX_BYTES),
				   .patience_s = 60.};
	bool complete;

	if (argc != 6) {
		fputs("usage: stream_client URL BODY_FILE KEY STREAMS "
		      "SECONDS\n",
		      stderr);
		return 2;
	}
	cl.n = strtol(argv[4], NULL, 10);
	cl.seconds = strtod(argv[5], NULL);
	if (cl.n < 1 || cl.n > 100000 || cl.seconds <= 0. ||
	    build_request(&cl, argv[1], argv[2], argv[3]))
		return 2;
	cl.streams = calloc((size_t)cl.n, sizeof(*cl.streams));
	cl.loop = ev_default_loop(0);
	if (!cl.streams || !cl.loop)
		return 1;
	run(&cl);
	for (long i = 0; i < cl.opened; i++) {
		if (cl.streams[i].fd >= 0)
			close(cl.streams[i].fd);
		gw_buf_release(&cl.streams[i].line);
	}
	free(cl.streams);
	gw_buf_release(&cl.request);
	ev_loop_destroy(cl.loop);
	complete = cl.counting && cl.failed == 0 && cl.gaps == 0;
	return complete ? 0 : 1;
}
