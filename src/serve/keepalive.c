/* SPDX-License-Identifier: MIT */
/* keepalive.c - when and how a waiting client gets a comment; keeps no time. */
#include "serve/keepalive.h"

#include "serve/reply.h"
#include "serve/request.h"
#include "sse/sse.h"

/* Its bytes will pass as they are, and need a head of their own. */
static bool
is_no_stream(const struct gw_request *r)
{
	return r->relay.head && r->relay.mode == GW_RELAY_PASS &&
	       !r->relay.is_sse;
}

bool
gw_keepalive_wanted(const struct gw_request *r)
{
	if (!r->config->gateway.sse_keepalive_ms)
		return false;
	if (!r->relay.opened)
		return r->resolve.wants_stream && !is_no_stream(r);
	/* A comment in the middle of compressed bytes would break them. */
	return r->stream.events && !r->relay.content_encoding[0];
}

bool
gw_keepalive_has_place(const struct gw_request *r)
{
	return gw_sse_between_events(&r->relay.sse) && gw_reply_backlog(r) == 0;
}

int
gw_keepalive_comment(struct gw_request *r, const char *text, size_t n)
{
	if (!r->reply.committed && gw_reply_early(r, GW_SSE_TYPE) < 0)
		return -1;
	return gw_reply_body(r, text, n);
}

int
gw_keepalive_send(struct gw_request *r)
{
	return gw_keepalive_comment(r, GW_SSE_KEEPALIVE,
				    sizeof(GW_SSE_KEEPALIVE) - 1);
}
