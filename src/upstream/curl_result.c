/* SPDX-License-Identifier: MIT */
/*
 * curl_result.c - how a transfer ended, in the words of transfer_result.def,
 * from what libcurl says about it.
 */
#include "upstream/curl_private.h"

static const struct {
	enum gw_code code;
	const char *text;
} results[GW_TRANSFER__MAX] = {
#define RESULT(name, code, text) [GW_TRANSFER_##name] = {GW_ERR_##code, text},
#include "upstream/transfer_result.def"
#undef RESULT
};

const char *
gw_transfer_reason(enum gw_transfer_result result)
{
	return results[result].text;
}

enum gw_code
gw_transfer_code(enum gw_transfer_result result)
{
	return results[result].code;
}

static enum gw_transfer_result
connect_failure(CURL *easy)
{
	long sys = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &sys);
	return sys == ECONNREFUSED ? GW_TRANSFER_REFUSED
				   : GW_TRANSFER_UNREACHABLE;
}

/* The kernel gave the host up, or the network said that there is none. */
static bool
is_host_gone(CURL *easy)
{
	long sys = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &sys);
	return sys == ETIMEDOUT || sys == EHOSTUNREACH || sys == ENETUNREACH;
}

static enum gw_transfer_result
lost(const struct gw_transfer *t)
{
	if (t->head_done)
		return GW_TRANSFER_BROKEN;
	return is_host_gone(t->easy) ? GW_TRANSFER_VANISHED
				     : GW_TRANSFER_CLOSED;
}

enum gw_transfer_result
gw_curl_result(const struct gw_transfer *t, CURLcode code)
{
	if (t->left)
		return t->left_as;
	if (code != CURLE_OK && t->flooded)
		return GW_TRANSFER_HEADERS_TOO_LARGE;
	switch (code) {
	case CURLE_OK:
		/* An end inside the head is none for libcurl. */
		return t->head_done ? GW_TRANSFER_OK : GW_TRANSFER_CLOSED;
	case CURLE_ABORTED_BY_CALLBACK:
		return t->barred ? GW_TRANSFER_STRANGER : GW_TRANSFER_CLOSED;
	case CURLE_COULDNT_CONNECT:
		return connect_failure(t->easy);
	case CURLE_COULDNT_RESOLVE_HOST:
		return GW_TRANSFER_DNS;
	case CURLE_OPERATION_TIMEDOUT:
		return t->connected ? GW_TRANSFER_TIMED_OUT
				    : GW_TRANSFER_CONNECT_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return GW_TRANSFER_TLS;
	case CURLE_GOT_NOTHING:
		return GW_TRANSFER_CLOSED;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return lost(t);
	case CURLE_PARTIAL_FILE:
		return t->head_done ? GW_TRANSFER_BROKEN : GW_TRANSFER_CLOSED;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_WRITE_ERROR: /* on_write() refused it */
	case CURLE_HTTP2:
		return t->head_done ? GW_TRANSFER_BROKEN : GW_TRANSFER_NOT_HTTP;
	case CURLE_OUT_OF_MEMORY:
		/* libcurl's word for a header line over its own limit, too. */
		return t->connected ? GW_TRANSFER_HEADERS_TOO_LARGE
				    : GW_TRANSFER_INTERNAL;
	case CURLE_FAILED_INIT:
	case CURLE_URL_MALFORMAT:
		return GW_TRANSFER_INTERNAL;
	default:
		return t->head_done ? GW_TRANSFER_BROKEN : GW_TRANSFER_CLOSED;
	}
}
