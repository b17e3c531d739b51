/* SPDX-License-Identifier: MIT */
/*
 * curl_transfer.c - one HTTP exchange with an upstream: its options and the
 * callbacks libcurl makes for it. Its end is curl_end.c's. See curl_private.h.
 */
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/scan.h"
#include "upstream/coding.h"
#include "upstream/curl_private.h"

/* A kept connection that was dead shows at once. One that closes later took the
 * request, unless its host has acknowledged nothing for seconds: sending it
 * again could run it twice, or kill the server twice. */
#define RETRY_WITHIN_MS 1000
/* Each open transfer holds a buffer. */
#define RECEIVE_BYTES 16384L
#define TRICKLE_BYTES 1024L
#define NO_LIMIT_MS 0x7fffffffL /* libcurl takes 0 for its default */

/* ---- libcurl's callbacks ------------------------------------------------- */

static void
copy_value(char *out, size_t cap, const char *p, size_t n)
{
	while (n && (*p == ' ' || *p == '\t')) {
		p++;
		n--;
	}
	while (n && (p[n - 1] == '\r' || p[n - 1] == '\n' || p[n - 1] == ' '))
		n--;
	/* A value we cannot hold is not forwarded: half a type is worse. Nor is
	 * one with control characters: a CR would begin a line of its own. */
	if (n >= cap || gw_has_control(p, n))
		n = 0;
	memcpy(out, p, n);
	out[n] = '\0';
}

static bool
is_field(const char *line, size_t n, const char *name, size_t *skip)
{
	size_t len = strlen(name);

	*skip = len + 1;
	return n > len && line[len] == ':' && strncasecmp(line, name, len) == 0;
}

static void
head_complete(struct gw_transfer *t)
{
	curl_off_t length = -1;
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200) {
		/* 100 Continue and friends: the real head follows */
		t->content_type[0] = t->content_encoding[0] =
			t->retry_after[0] = '\0';
		return;
	}
	if (gw_coding_is_plain(t->content_encoding))
		t->content_encoding[0] = '\0';
	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	t->head_done = true;
	t->head.status = (int)status;
	t->head.content_type = t->content_type;
	t->head.content_encoding = t->content_encoding;
	t->head.retry_after = t->retry_after;
	t->head.content_length = length;
	if (t->ops)
		t->ops->on_head(t->arg, &t->head);
}

static size_t
on_header(char *line, size_t size, size_t n, void *arg)
{
	struct gw_transfer *t = arg;
	size_t skip;

	n *= size;
	/* libcurl keeps each line: nothing else bounds them. */
	t->header_bytes += n;
	t->flooded = t->header_bytes > GW_HEADERS_MAX;
	if (t->flooded)
		return 0;
	if (t->head_done)
		return n; /* trailers */
	if (is_field(line, n, "content-type", &skip))
		copy_value(t->content_type, sizeof(t->content_type),
			   line + skip, n - skip);
	else if (is_field(line, n, "content-encoding", &skip))
		copy_value(t->content_encoding, sizeof(t->content_encoding),
			   line + skip, n - skip);
	else if (is_field(line, n, "retry-after", &skip))
		copy_value(t->retry_after, sizeof(t->retry_after), line + skip,
			   n - skip);
	else if (n <= 2 && (line[0] == '\r' || line[0] == '\n'))
		head_complete(t);
	/* A cancelled transfer must stop here: its body may be freed already.
	 */
	return t->ops && !t->left ? n : 0;
}

static size_t
on_write(char *p, size_t size, size_t n, void *arg)
{
	struct gw_transfer *t = arg;

	n *= size;
	/* Behind a 101 everything is body to libcurl: it never had a head. */
	if (!t->ops || !t->head_done || t->left)
		return CURL_WRITEFUNC_ERROR;
	if (!t->ops->on_data(t->arg, p, n)) {
		if (!t->ops)
			return CURL_WRITEFUNC_ERROR;
		t->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	return t->ops && !t->left ? n : CURL_WRITEFUNC_ERROR;
}

static size_t
on_read(char *out, size_t size, size_t n, void *arg)
{
	struct gw_transfer *t = arg;
	size_t got;

	if (!t->ops)
		return CURL_READFUNC_ABORT;
	got = t->read(t->read_arg, t->read_offset, out, size * n);
	t->read_offset += got;
	return got;
}

/* libcurl rewinds to try a dead connection's request on a fresh one. */
static int
on_seek(void *arg, curl_off_t offset, int origin)
{
	struct gw_transfer *t = arg;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_FAIL;
	t->read_offset = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static int
on_prereq(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	struct gw_transfer *t = arg;

	(void)peer;
	(void)local;
	(void)peer_port;
	(void)local_port;
	t->barred = t->ops && t->ops->may_send && !t->ops->may_send(t->arg);
	if (t->barred)
		return CURL_PREREQFUNC_ABORT;
	t->retried = t->connected;
	t->connected = true;
	t->sent_ms = gw_mono_ms();
	if (!t->retried)
		t->connected_ms = t->sent_ms;
	else if (!t->silent && t->sent_ms - t->connected_ms > RETRY_WITHIN_MS)
		return CURL_PREREQFUNC_ABORT;
	if (t->ops && t->ops->on_connected)
		t->ops->on_connected(t->arg);
	return t->ops ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* ---- start --------------------------------------------------------------- */

#define OWN_HEADERS 3 /* besides those of the caller */

/* Headers for libcurl: nodes and text in one piece of memory. */
struct header_list {
	struct curl_slist *node;
	char *text;
};

static void
add_header(struct gw_transfer *t, struct header_list *to, const char *start,
	   const char *rest)
{
	size_t n = strlen(start), m = strlen(rest);

	memcpy(to->text, start, n);
	memcpy(to->text + n, rest, m + 1);
	*to->node = (struct curl_slist){.data = to->text};
	if (to->node != t->headers)
		to->node[-1].next = to->node;
	to->node++;
	to->text += n + m + 1;
}

static bool
has_accept(const struct gw_transfer_request *req)
{
	for (size_t i = 0; i < req->n_headers; i++)
		if (strncasecmp(req->headers[i], "Accept:", 7) == 0)
			return true;
	return false;
}

static int
set_headers(struct gw_transfer *t, const struct gw_transfer_request *req)
{
	static const char bearer[] = "Authorization: Bearer ";
	size_t n = req->n_headers + OWN_HEADERS;
	size_t bytes = sizeof("Accept:") + sizeof("Expect:") + sizeof(bearer);
	struct header_list to;

	for (size_t i = 0; i < req->n_headers; i++)
		bytes += strlen(req->headers[i]) + 1;
	bytes += req->bearer ? strlen(req->bearer) : 0;
	t->headers = malloc(n * sizeof(struct curl_slist) + bytes);
	if (!t->headers)
		return -1;
	to.node = t->headers;
	to.text = (char *)(t->headers + n);
	for (size_t i = 0; i < req->n_headers; i++)
		add_header(t, &to, req->headers[i], "");
	/* An empty one keeps libcurl's own away: no Accept that nobody sent. */
	if (!has_accept(req))
		add_header(t, &to, "Accept:", "");
	/* No Accept-Encoding either: nothing can be put into compressed
	 * streams, and no server compresses for those who do not ask. */
	/* Neither a 100-continue round trip nor chunked uploads. */
	if (req->post)
		add_header(t, &to, "Expect:", "");
	if (req->bearer)
		add_header(t, &to, bearer, req->bearer);
	return 0;
}

static void
set_callbacks(struct gw_upstreams *u, CURL *e)
{
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_prereq);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
	gw_curl_sockets_of(u, e);
}

static void
set_body(struct gw_transfer *t, const struct gw_transfer_request *req)
{
	CURL *e = t->easy;

	if (!req->post) {
		curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
		return;
	}
	t->read = req->read;
	t->read_arg = req->read_arg;
	curl_easy_setopt(e, CURLOPT_POST, 1L);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
			 (curl_off_t)req->body_len);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body); /* NULL = read */
}

/* Everything an earlier transfer of this handle has set. */
static void
set_options(struct gw_transfer *t, const struct gw_transfer_request *req)
{
	CURL *e = t->easy;
	long connect_ms = req->connect_ms ? (long)req->connect_ms : NO_LIMIT_MS;

	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE,
			 req->trickles ? TRICKLE_BYTES : RECEIVE_BYTES);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->detail);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)req->total_ms);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
	curl_easy_setopt(e, CURLOPT_READDATA, t);
	curl_easy_setopt(e, CURLOPT_SEEKDATA, t);
	set_body(t, req);
}

struct gw_transfer *
gw_transfer_start(struct gw_upstreams *u, const struct gw_transfer_request *req,
		  const struct gw_transfer_ops *ops, void *arg,
		  struct gw_err *err)
{
	struct gw_transfer *t = calloc(1, sizeof(*t));
	CURLMcode rc;
	int fresh;

	if (!t)
		goto out_of_memory;
	t->upstreams = u;
	t->fd = CURL_SOCKET_BAD;
	t->ops = ops;
	t->arg = arg;
	t->next = u->transfers;
	if (u->transfers)
		u->transfers->prev = t;
	u->transfers = t;
	fresh = gw_curl_handle_take(t, req);
	if (fresh < 0 || set_headers(t, req) < 0)
		goto out_of_memory;
	if (fresh)
		set_callbacks(u, t->easy);
	set_options(t, req);
	u->in_curl++;
	rc = curl_multi_add_handle(u->multi, t->easy);
	u->in_curl--;
	if (rc == CURLM_OK) {
		gw_curl_vanish_watch(u);
		return t;
	}
	gw_err_set(err, GW_ERR_INTERNAL, 0, "libcurl: %s",
		   curl_multi_strerror(rc));
	gw_transfer_free(t);
	return NULL;
out_of_memory:
	gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
	if (t)
		gw_transfer_free(t);
	return NULL;
}

void
gw_transfer_resume(struct gw_transfer *t)
{
	struct gw_upstreams *u = t->upstreams;

	if (!t->paused || t->reaping)
		return;
	t->paused = false;
	u->in_curl++;
	curl_easy_pause(t->easy, CURLPAUSE_CONT);
	u->in_curl--;
	gw_curl_settle(u);
}

void
gw_transfer_leave(struct gw_transfer *t, enum gw_transfer_result result)
{
	t->left = true;
	t->left_as = result;
}

bool
gw_transfer_is_over(const struct gw_transfer *t)
{
	return !t->ops || t->left;
}

uint64_t
gw_transfer_sent(const struct gw_transfer *t)
{
	curl_off_t n = 0;

	curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &n);
	return n > 0 ? (uint64_t)n : 0;
}
