/* SPDX-License-Identifier: MIT */
/*
 * stream_client.h - the streams of the load client and what they count.
 */
#ifndef TESTS_BENCH_STREAM_CLIENT_H
#define TESTS_BENCH_STREAM_CLIENT_H

#include <ev.h>
#include <http_parser.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Delays are counted in steps of 10 us; what is above 5 s counts as 5 s. */
#define DELAY_STEP_US 10
#define DELAYS_MAX 500000

struct client;

struct stream {
	struct client *cl;
	int fd;
	struct ev_io io;
	http_parser parser;
	size_t sent;	    /* of the request */
	struct gw_buf line; /* a line that is not complete yet */
	long last;	    /* number of the last token, 0 = none */
	bool failed;
};

struct client {
	struct ev_loop *loop;
	struct sockaddr_in to;
	struct gw_buf request;
	struct stream *streams;
	long n, opened, running, failed;
	double seconds, patience_s;
	bool counting;
	uint64_t started_us, ended_us;
	uint64_t tokens, gaps, unstamped;
	uint32_t delays[DELAYS_MAX + 1];
	struct ev_timer ramp, end;
};

/* Connect one stream and send its request; a failure is counted. */
void stream_open(struct client *cl, struct stream *s);

/* Every stream has had its first token: the measurement begins. */
void client_begin_counting(struct client *cl);

#endif
