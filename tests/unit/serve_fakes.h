/* SPDX-License-Identifier: MIT */
/*
 * serve_fakes.h - a web server and upstreams that the test plays itself, in a
 * time that stands still until the test moves it.
 *
 * It takes the place of src/fcgi/ and of the transfers of src/upstream/ in the
 * programs that include it (once each); all else is real. What a caller of
 * these must never do counts as `misuse`.
 */
#ifndef TESTS_UNIT_SERVE_FAKES_H
#define TESTS_UNIT_SERVE_FAKES_H

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/fcgi_conn.h"
#include "tap.h"
#include "upstream/transfer.h"

#define UNUSED_OK __attribute__((unused))

static unsigned misuse;

/* ---- time ---------------------------------------------------------------- */

static uint64_t clock_ms = 1000000;
static uint64_t clock_step_ms; /* so much goes by whenever it is read */

/* For this program and for the event loop in it. */
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = (time_t)(clock_ms / 1000);
	ts->tv_nsec = (long)(clock_ms % 1000) * 1000000;
	clock_ms += clock_step_ms;
	return 0;
}

/* ---- the web server ------------------------------------------------------ */

#define OUT_MAX (256u << 10)
#define PARAMS_MAX 32

struct gw_fcgi_front {
	const struct gw_fcgi_ops *ops;
	void *arg;
};

struct gw_fcgi_conn {
	const char *param[PARAMS_MAX][2];
	size_t n_params;
	void *request;	/* NULL once it has ended */
	size_t backlog; /* as the test wants it */
	bool fills;	/* and what is written adds to it */
	bool full;	/* writes fail */
	bool asks_admission;
	bool elsewhere; /* the web server runs on another host */
	char out[OUT_MAX];
	size_t out_len;
	unsigned finished, aborted;
};

static struct gw_fcgi_front front;
static struct gw_fcgi_conn *open_conn; /* told when the front ends */

struct gw_fcgi_front *
gw_fcgi_front_new(struct ev_loop *loop, const struct gw_fcgi_ops *ops,
		  void *arg, unsigned max_conns, struct gw_err *err)
{
	(void)loop;
	(void)max_conns;
	(void)err;
	front = (struct gw_fcgi_front){ops, arg};
	return &front;
}

static bool
has_ended(const struct gw_fcgi_conn *c)
{
	return c->finished || c->aborted;
}

void
gw_fcgi_front_free(struct gw_fcgi_front *f)
{
	struct gw_fcgi_conn *c = open_conn;

	open_conn = NULL;
	if (f && c && c->request && !has_ended(c))
		f->ops->on_gone(c->request);
}

void
gw_fcgi_limit_client(struct gw_fcgi_conn *c, uint32_t ms)
{
	(void)c;
	(void)ms;
}

bool
gw_fcgi_params_clean(const struct gw_fcgi_conn *c)
{
	for (size_t i = 0; i < c->n_params; i++)
		if (strncmp(c->param[i][0], "REMOTE_", 7) != 0 &&
		    strpbrk(c->param[i][1], "\r\n"))
			return false;
	return true;
}

bool
gw_fcgi_is_from_here(const struct gw_fcgi_conn *c)
{
	return !c->elsewhere;
}

bool
gw_fcgi_asks_admission(const struct gw_fcgi_conn *c)
{
	return c->asks_admission;
}

const char *
gw_fcgi_param(const struct gw_fcgi_conn *c, const char *name)
{
	if (!c) {
		misuse++;
		return NULL;
	}
	for (size_t i = 0; i < c->n_params; i++)
		if (strcmp(c->param[i][0], name) == 0)
			return c->param[i][1];
	return NULL;
}

bool
gw_fcgi_has_param(const struct gw_fcgi_conn *c, const char *prefix)
{
	for (size_t i = 0; i < c->n_params; i++)
		if (strncmp(c->param[i][0], prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

int
gw_fcgi_write(struct gw_fcgi_conn *c, const void *p, size_t n)
{
	misuse += has_ended(c);
	if (c->full || c->out_len + n >= OUT_MAX)
		return -1;
	c->backlog += c->fills ? n : 0;
	memcpy(c->out + c->out_len, p, n);
	c->out_len += n;
	c->out[c->out_len] = '\0';
	return 0;
}

unsigned
gw_fcgi_open_requests(const struct gw_fcgi_front *f)
{
	(void)f;
	return 1; /* one client at a time */
}

size_t
gw_fcgi_backlog(const struct gw_fcgi_conn *c)
{
	return c->backlog;
}

void
gw_fcgi_finish(struct gw_fcgi_conn *c)
{
	misuse += has_ended(c);
	c->finished++;
}

void
gw_fcgi_abort(struct gw_fcgi_conn *c)
{
	misuse += has_ended(c);
	c->aborted++;
}

/* ---- upstreams ----------------------------------------------------------- */

#define TRANSFERS_MAX 64
#define HEADERS_SEEN 12
#define HEADER_BYTES 5000
#define BODY_SEEN 1024

struct gw_upstreams {
	int unused;
};

struct gw_transfer {
	bool live;
	unsigned cancelled, resumed;
	bool left;
	enum gw_transfer_result left_as;
	uint64_t sent; /* as the test wants it */
	const struct gw_transfer_ops *ops;
	void *arg;
	struct gw_transfer_request req; /* its texts below */
	char url[6000];
	char bearer[64];
	char header[HEADERS_SEEN][HEADER_BYTES];
	char body[BODY_SEEN]; /* how it begins */
};

static struct gw_upstreams upstreams;
static struct gw_transfer transfers[TRANSFERS_MAX];
static size_t started;
static bool refuse_start;

struct gw_upstreams *
gw_upstreams_new(struct ev_loop *loop, struct gw_err *err)
{
	(void)loop;
	(void)err;
	return &upstreams;
}

void
gw_upstreams_free(struct gw_upstreams *u)
{
	(void)u;
}

static void
see_body(struct gw_transfer *t, const struct gw_transfer_request *req)
{
	size_t n = 0;

	if (!req->body)
		n = req->read(req->read_arg, 0, t->body, BODY_SEEN - 1);
	else if (req->body_len < BODY_SEEN)
		memcpy(t->body, req->body, n = req->body_len);
	t->body[n] = '\0';
}

struct gw_transfer *
gw_transfer_start(struct gw_upstreams *u, const struct gw_transfer_request *req,
		  const struct gw_transfer_ops *ops, void *arg,
		  struct gw_err *err)
{
	struct gw_transfer *t = &transfers[started];

	misuse += u != &upstreams;
	if (refuse_start || started == TRANSFERS_MAX) {
		gw_err_set(err, GW_ERR_INTERNAL, 0, "no transfer");
		return NULL;
	}
	started++;
	memset(t, 0, sizeof(*t));
	t->live = true;
	t->ops = ops;
	t->arg = arg;
	t->req = *req;
	snprintf(t->url, sizeof(t->url), "%s", req->url);
	snprintf(t->bearer, sizeof(t->bearer), "%s",
		 req->bearer ? req->bearer : "");
	for (size_t i = 0; i < req->n_headers && i < HEADERS_SEEN; i++)
		snprintf(t->header[i], HEADER_BYTES, "%s", req->headers[i]);
	see_body(t, req);
	return t;
}

void
gw_transfer_resume(struct gw_transfer *t)
{
	misuse += !t->live;
	t->resumed++;
}

void
gw_transfer_cancel(struct gw_transfer *t)
{
	misuse += !t->live;
	t->live = false;
	t->cancelled++;
}

void
gw_transfer_leave(struct gw_transfer *t, enum gw_transfer_result result)
{
	misuse += !t->live || t->left;
	t->left = true;
	t->left_as = result;
}

bool
gw_transfer_is_over(const struct gw_transfer *t)
{
	return !t->live || t->left;
}

uint64_t
gw_transfer_sent(const struct gw_transfer *t)
{
	misuse += !t->live;
	return t->sent;
}

/* The transfer that was started last does these. */

static const char *up_retry_after = ""; /* of heads */
static const char *up_encoding = "";

static struct gw_transfer *
up(void)
{
	return &transfers[started - 1];
}

UNUSED_OK static void
up_connected(void)
{
	up()->ops->on_connected(up()->arg);
}

/* One that was left ends as soon as libcurl has returned. */
static void
up_left(struct gw_transfer *t)
{
	if (!t->live || !t->left)
		return;
	t->live = false;
	t->ops->on_done(t->arg, t->left_as, "said libcurl");
}

UNUSED_OK static void
up_head(int status, const char *type, int64_t length)
{
	struct gw_transfer_head head = {.status = status,
					.content_type = type,
					.content_encoding = up_encoding,
					.retry_after = up_retry_after,
					.content_length = length};
	struct gw_transfer *t = up();

	t->ops->on_head(t->arg, &head);
	up_left(t);
}

/* Returns what became of it: taken, or to be delivered again. */
UNUSED_OK static bool
up_data(const char *text)
{
	struct gw_transfer *t = up();
	bool taken = t->ops->on_data(t->arg, text, strlen(text));

	up_left(t);
	return taken;
}

UNUSED_OK static void
up_done(enum gw_transfer_result result)
{
	up()->live = false;
	up()->ops->on_done(up()->arg, result, "said libcurl");
}

/* The header line that begins so, or NULL. */
UNUSED_OK static const char *
up_header(const char *name)
{
	for (size_t i = 0; i < up()->req.n_headers && i < HEADERS_SEEN; i++)
		if (strncmp(up()->header[i], name, strlen(name)) == 0)
			return up()->header[i] + strlen(name);
	return NULL;
}

#endif
