/* SPDX-License-Identifier: MIT */
/*
 * exchange.c - the only includer of fcgiapp.h and the only place that touches
 * FCGX_Request.ipcFd; see exchange.h for why.
 */
#include "fcgi/exchange.h"

#include <fcgiapp.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define PARAM_PLACES 128u /* a power of two */
#define PARAMS_INDEXED 96 /* a request has about thirty */

/* Stands for `feed` where libfcgi wants a descriptor: no socket has it. */
#define FEED_FD INT_MAX

/* What libfcgi reads next, instead of a socket. */
static struct {
	const char *p;
	size_t n;
	bool used; /* OS_Read() below was called at all */
} feed;

struct gw_exchange {
	struct gw_writer *writer;
	int fd;
	FCGX_Request fcgx;
	/* Where parameters are in fcgx.envp, by param_place(); 0 = nowhere. */
	uint8_t param[PARAM_PLACES];
	bool all_indexed;
};

/* A request of nobody's, whose output stream writes for all of them. */
struct gw_writer {
	FCGX_Request fcgx;
	bool ready;
};

/*
 * libfcgi reads through this function of its own platform layer (fcgios.h).
 * The one of the program takes its place, as the dynamic linker looks symbols
 * up (ELF); gw_writer_new() makes sure of it.
 */
int OS_Read(int fd, char *buf, size_t len);

__attribute__((visibility("default"), used)) int
OS_Read(int fd, char *buf, size_t len)
{
	feed.used = true;
	if (fd != FEED_FD)
		return (int)read(fd, buf, len);
	if (len > feed.n)
		len = feed.n;
	memcpy(buf, feed.p, len);
	feed.p += len;
	feed.n -= len;
	return (int)len; /* 0: libfcgi wants more than there is, and fails */
}

static int
accept_from(FCGX_Request *fcgx, const char *records, size_t n)
{
	feed.p = records;
	feed.n = n;
	FCGX_InitRequest(fcgx, -1, 0);
	fcgx->ipcFd = FEED_FD;
	/* Else FCGX_Accept_r starts by closing ipcFd. */
	fcgx->keepConnection = 1;
	return FCGX_Accept_r(fcgx) == 0 ? 0 : -1;
}

/* ---- the writer ---------------------------------------------------------- */

static int
writer_ready(struct gw_writer *w)
{
	static const char empty_request[] =
		"\1\1\0\1\0\10\0\0" /* BEGIN_REQUEST ... */
		"\0\1\1\0\0\0\0\0"  /* ... responder, kept */
		"\1\4\0\1\0\0\0\0"; /* no PARAMS */

	if (w->ready)
		return 0;
	if (accept_from(&w->fcgx, empty_request, sizeof(empty_request) - 1) < 0)
		return -1;
	FCGX_FreeStream(&w->fcgx.in);
	w->ready = true;
	return 0;
}

static void
writer_spent(struct gw_writer *w)
{
	FCGX_Free(&w->fcgx, 0);
	w->ready = false;
}

struct gw_writer *
gw_writer_new(struct gw_err *err)
{
	struct gw_writer *w = calloc(1, sizeof(*w));

	if (!w || FCGX_Init() != 0 || writer_ready(w) < 0 || !feed.used) {
		gw_err_set(err, GW_ERR_INTERNAL, 0,
			   "libfcgi cannot be set up%s",
			   feed.used ? ""
				     : ": it does not read through this "
				       "program's OS_Read()");
		gw_writer_free(w);
		return NULL;
	}
	return w;
}

void
gw_writer_free(struct gw_writer *w)
{
	if (!w)
		return;
	if (w->ready)
		writer_spent(w);
	free(w);
}

/* ---- parameters ---------------------------------------------------------- */

static unsigned
param_place(const char *name, size_t len)
{
	unsigned h = (unsigned)len;

	h = h * 31 + (unsigned char)name[0];
	h = h * 31 + (unsigned char)name[len / 2];
	h = h * 31 + (unsigned char)name[len - 1];
	return (h ^ h >> 7) % PARAM_PLACES;
}

static void
index_params(struct gw_exchange *x)
{
	size_t n = 0;

	memset(x->param, 0, sizeof(x->param));
	/* envp[0] is libfcgi's own FCGI_ROLE. */
	while (x->fcgx.envp[n] && x->fcgx.envp[n + 1] && n < PARAMS_INDEXED) {
		const char *entry = x->fcgx.envp[++n];
		const char *end = strchr(entry, '=');
		unsigned at;

		if (!end || end == entry)
			continue;
		at = param_place(entry, (size_t)(end - entry));
		while (x->param[at])
			at = (at + 1) % PARAM_PLACES;
		x->param[at] = (uint8_t)n;
	}
	x->all_indexed = n < PARAMS_INDEXED;
}

const char *
gw_exchange_param(const struct gw_exchange *x, const char *name)
{
	size_t len = strlen(name);
	unsigned at = param_place(name, len);

	for (; x->param[at]; at = (at + 1) % PARAM_PLACES) {
		const char *entry = x->fcgx.envp[x->param[at]];

		if (strncmp(entry, name, len) == 0 && entry[len] == '=')
			return entry + len + 1;
	}
	return x->all_indexed ? NULL : FCGX_GetParam(name, x->fcgx.envp);
}

bool
gw_exchange_has_param(const struct gw_exchange *x, const char *prefix)
{
	size_t len = strlen(prefix);

	for (char **entry = x->fcgx.envp; *entry; entry++)
		if (strncmp(*entry, prefix, len) == 0)
			return true;
	return false;
}

/* ---- an exchange --------------------------------------------------------- */

struct gw_exchange *
gw_exchange_begin(struct gw_writer *w, int fd, const char *records, size_t n)
{
	struct gw_exchange *x = malloc(sizeof(*x));

	if (!x || accept_from(&x->fcgx, records, n) < 0) {
		free(x);
		return NULL;
	}
	x->writer = w;
	x->fd = fd;
	x->fcgx.ipcFd = fd;
	index_params(x);
	return x;
}

void
gw_exchange_free(struct gw_exchange *x)
{
	if (!x)
		return;
	/* Not FCGX_Finish_r: after a failed write it would close the fd and
	 * poll up to two seconds for the peer to do the same. */
	FCGX_Free(&x->fcgx, 0);
	free(x);
}

int
gw_exchange_read(struct gw_exchange *x, const char *records, size_t n,
		 char *out, size_t content)
{
	char none;
	int got;

	feed.p = records;
	feed.n = n;
	x->fcgx.ipcFd = FEED_FD;
	got = FCGX_GetStr(content ? out : &none, content ? (int)content : 1,
			  x->fcgx.in);
	x->fcgx.ipcFd = x->fd;
	return got == (int)content ? 0 : -1;
}

void
gw_exchange_read_all(struct gw_exchange *x)
{
	FCGX_FreeStream(&x->fcgx.in);
}

/* Its own streams are for the end, or for nothing: 9 KiB. */
static FCGX_Request *
borrow_writer(struct gw_exchange *x)
{
	FCGX_FreeStream(&x->fcgx.out);
	FCGX_FreeStream(&x->fcgx.err);
	if (writer_ready(x->writer) < 0)
		return NULL;
	x->writer->fcgx.requestId = x->fcgx.requestId;
	x->writer->fcgx.ipcFd = x->fd;
	return &x->writer->fcgx;
}

int
gw_exchange_write(struct gw_exchange *x, const char *p, size_t n, bool last)
{
	bool own = last && x->fcgx.out;
	FCGX_Request *fcgx = own ? &x->fcgx : borrow_writer(x);
	int rc;

	if (!fcgx)
		return -1;
	if (n)
		FCGX_PutStr(p, (int)n, fcgx->out);
	if (last) {
		FCGX_FClose(fcgx->err);
		FCGX_FClose(fcgx->out);
	} else {
		FCGX_FFlush(fcgx->out);
	}
	rc = FCGX_GetError(fcgx->out) == 0 ? 0 : -1;
	/* A stream that was closed, or failed, writes no more. */
	if (!own && (last || rc < 0))
		writer_spent(x->writer);
	return rc;
}
