/* SPDX-License-Identifier: MIT */
/*
 * exchange.c - the only includer of fcgiapp.h and the only place that touches
 * FCGX_Request.ipcFd; see exchange.h for why.
 */
#include "fcgi/exchange.h"

#include <fcgiapp.h>
#include <string.h>
#include <sys/socket.h>

struct gw_hatch {
	int in, out; /* we write `in`, libfcgi reads `out` */
	int capacity;
};

struct gw_exchange {
	struct gw_hatch *hatch;
	int fd;
	unsigned unread; /* gw_exchange_read() calls that were fed */
	FCGX_Request fcgx;
};

static int
hatch_open(struct gw_hatch *h)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	h->in = pair[0];
	h->out = pair[1];
	/* Best effort; a request that does not fit is refused, not hung. */
	(void)setsockopt(h->in, SOL_SOCKET, SO_SNDBUF, &h->capacity,
			 sizeof(h->capacity));
	return 0;
}

struct gw_hatch *
gw_hatch_new(size_t capacity, struct gw_err *err)
{
	struct gw_hatch *h = calloc(1, sizeof(*h));

	if (h)
		h->capacity = (int)capacity;
	if (!h || FCGX_Init() != 0 || hatch_open(h) < 0) {
		gw_err_set(err, GW_ERR_INTERNAL, errno,
			   "libfcgi cannot be set up: %s", strerror(errno));
		free(h);
		return NULL;
	}
	return h;
}

static void
hatch_close(struct gw_hatch *h)
{
	if (h->in >= 0)
		close(h->in);
	if (h->out >= 0)
		close(h->out);
	h->in = h->out = -1;
}

void
gw_hatch_free(struct gw_hatch *h)
{
	if (!h)
		return;
	hatch_close(h);
	free(h);
}

static int
hatch_put(struct gw_hatch *h, const char *p, size_t n)
{
	ssize_t put = send(h->in, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	return put == (ssize_t)n ? 0 : -1;
}

/* What nobody will read must not reach the next request. */
static void
hatch_drain(struct gw_hatch *h)
{
	char bin[8192];

	while (recv(h->out, bin, sizeof(bin), MSG_DONTWAIT) > 0)
		;
}

struct gw_exchange *
gw_exchange_begin(struct gw_hatch *h, int fd, const char *records, size_t n,
		  unsigned reads)
{
	struct gw_exchange *x = malloc(sizeof(*x));

	if (!x || (h->in < 0 && hatch_open(h) < 0) ||
	    hatch_put(h, records, n) < 0) {
		hatch_drain(h);
		free(x);
		return NULL;
	}
	x->hatch = h;
	x->fd = fd;
	x->unread = reads;
	FCGX_InitRequest(&x->fcgx, -1, 0);
	x->fcgx.ipcFd = h->out;
	/* Else FCGX_Accept_r starts by closing ipcFd. */
	x->fcgx.keepConnection = 1;
	if (FCGX_Accept_r(&x->fcgx) != 0) {
		/* It closed ipcFd, to wait for another connection. */
		h->out = -1;
		hatch_close(h);
		free(x);
		return NULL;
	}
	x->fcgx.ipcFd = fd;
	return x;
}

void
gw_exchange_free(struct gw_exchange *x)
{
	if (!x)
		return;
	if (x->unread)
		hatch_drain(x->hatch);
	/* Not FCGX_Finish_r: after a failed write it would close the fd and
	 * poll up to two seconds for the peer to do the same. */
	FCGX_Free(&x->fcgx, 0);
	free(x);
}

int
gw_exchange_feed(struct gw_exchange *x, const char *records, size_t n,
		 unsigned reads)
{
	x->unread += reads;
	return hatch_put(x->hatch, records, n);
}

int
gw_exchange_read(struct gw_exchange *x, char *out, size_t n)
{
	char none;
	int got;

	x->fcgx.ipcFd = x->hatch->out;
	got = FCGX_GetStr(n ? out : &none, n ? (int)n : 1, x->fcgx.in);
	x->fcgx.ipcFd = x->fd;
	if (got != (int)n)
		return -1;
	x->unread--;
	return 0;
}

const char *
gw_exchange_param(const struct gw_exchange *x, const char *name)
{
	return FCGX_GetParam(name, x->fcgx.envp);
}

int
gw_exchange_write(struct gw_exchange *x, const char *p, size_t n, bool last)
{
	FCGX_Stream *out = x->fcgx.out;

	if (n)
		FCGX_PutStr(p, (int)n, out);
	if (last) {
		FCGX_FClose(x->fcgx.err);
		FCGX_FClose(out);
	} else {
		FCGX_FFlush(out);
	}
	return FCGX_GetError(out) == 0 ? 0 : -1;
}
