/* SPDX-License-Identifier: MIT */
/*
 * url.c - addresses: checked, brought into one form, and who reaches them.
 *
 * libcurl's own parser decides, so that nothing passes here which the transfer
 * would read differently. The one place beside src/upstream/ that includes a
 * header of libcurl, and only its URL API; no transfer here.
 */
#include "config/url.h"

#include <arpa/inet.h>
#include <curl/urlapi.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define URL_MAX 2048

static void
cleanup_url(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void
cleanup_curl(char **p)
{
	curl_free(*p);
}

static int
refuse(struct gw_err *err, const char *why)
{
	return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0, "%s", why);
}

/* What the parser would let through, and what deserves better words. */
static int
check_text(const char *url, size_t len, struct gw_err *err)
{
	const char *host, *end;

	if (!len)
		return refuse(err, "the URL is empty");
	if (len > URL_MAX)
		return refuse(err, "the URL is longer than 2048 bytes");
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)url[i] <= ' ' || url[i] == 0x7f)
			return refuse(err, "the URL holds a blank or a control "
					   "character");
	if (strncasecmp(url, "http://", 7) != 0 &&
	    strncasecmp(url, "https://", 8) != 0)
		return refuse(err, "the URL must begin with http:// or "
				   "https://");
	host = strstr(url, "://") + 3;
	end = host + strcspn(host, "/?#\\");
	if (end == host || *host == ':')
		return refuse(err, "the URL has no host");
	if (memchr(host, '@', (size_t)(end - host)))
		return refuse(err, "the URL must not hold a user or password");
	if (*end == '\\')
		return refuse(err, "the URL holds a backslash");
	if (strchr(url, '?'))
		return refuse(err, "the URL must not have a query (`?`)");
	if (strchr(url, '#'))
		return refuse(err, "the URL must not have a fragment (`#`)");
	return 0;
}

static void
drop_slashes(char *path)
{
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		path[--len] = '\0';
}

/* A prefix of the path stays: some servers live below one. */
static void
drop_v1(char *path)
{
	size_t len;

	drop_slashes(path);
	len = strlen(path);
	if (len >= 3 && strcmp(path + len - 3, "/v1") == 0)
		path[len - 3] = '\0';
	drop_slashes(path);
}

/*
 * Paths below /v1 that people copy from a curl command: never part of a base
 * URL behind /v1. Those that nothing else ends in are found without it, too.
 */
static const struct {
	const char *path;
	bool unmistakable;
} endpoints[] = {
	{"/chat/completions", true},
	{"/completions", true},
	{"/embeddings", true},
	{"/messages/count_tokens", true},
	{"/nodes/register", true},
	{"/nodes/heartbeat", true},
	{"/nodes/deregister", true},
	{"/api/chat", true}, /* Ollama's own */
	{"/api/generate", true},
	{"/api/tags", true},
	{"/api/embed", true},
	{"/responses", false},
	{"/messages", false},
	{"/rerank", false},
	{"/models", false},
	{"/health", true},
	{"/chat", false},
	{"/metrics", false},
	{"/props", false},
	{"/slots", false},
	{"/ready", false},
	{"/audio/transcriptions", true},
	{"/audio/speech", true},
	{"/images/generations", true},
	{"/node/inventory", false},
};

static bool
ends_with(const char *text, size_t len, const char *tail)
{
	size_t n = strlen(tail);

	return len >= n && strncmp(text + len - n, tail, n) == 0;
}

/* Bytes of the path in front of an endpoint's, or all of them: there is none.
 */
static size_t
before_endpoint(const char *path)
{
	size_t len = strlen(path), n;

	for (size_t i = 0; i < GW_ARRAY_LEN(endpoints); i++) {
		if (!ends_with(path, len, endpoints[i].path))
			continue;
		n = len - strlen(endpoints[i].path);
		if (endpoints[i].unmistakable || ends_with(path, n, "/v1"))
			return n;
	}
	return len;
}

/* @path, whose slashes at the end are gone, is that of @u. */
static int
refuse_endpoint(CURLU *u, char *path, struct gw_err *err)
{
	char *whole GW_CLEANUP(cleanup_curl) = NULL;
	gw_auto_free char *tail = NULL;
	size_t n = before_endpoint(path);

	if (!path[n])
		return 0;
	tail = strdup(path + n);
	path[n] = '\0';
	drop_v1(path);
	if (!tail ||
	    curl_url_set(u, CURLUPART_PATH, *path ? path : "/", 0) !=
		    CURLUE_OK ||
	    curl_url_get(u, CURLUPART_URL, &whole, 0) != CURLUE_OK)
		return gw_err_set(err, GW_ERR_INTERNAL, 0, "out of memory");
	drop_slashes(whole);
	return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
			  "the URL ends in the path of an endpoint, "
			  "`%s`" GW_URL_MEANT "`%s`",
			  tail, whole);
}

/* libcurl would translate such a name, or fail, by the locale of the process
 * that is asked: said here, where somebody reads it. */
static int
check_host(CURLU *u, struct gw_err *err)
{
	char *host GW_CLEANUP(cleanup_curl) = NULL;

	if (curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return refuse(err, "the URL has no host");
	for (const char *p = host; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			return refuse(err,
				      "the URL's host must be ASCII: write an "
				      "international name in its encoded form "
				      "(xn--...)");
	return 0;
}

static int
normalise(const char *url, char **out, struct gw_err *err)
{
	CURLU *u GW_CLEANUP(cleanup_url) = curl_url();
	char *path GW_CLEANUP(cleanup_curl) = NULL;
	char *port GW_CLEANUP(cleanup_curl) = NULL;
	char *whole GW_CLEANUP(cleanup_curl) = NULL;
	CURLUcode rc;

	if (!u)
		return gw_err_set(err, GW_ERR_INTERNAL, 0, "out of memory");
	rc = curl_url_set(u, CURLUPART_URL, url, 0);
	if (rc == CURLUE_OK && check_host(u, err) < 0)
		return -1;
	if (rc == CURLUE_OK)
		rc = curl_url_get(u, CURLUPART_PATH, &path, 0);
	if (rc == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, 0) == CURLUE_OK &&
	    strspn(port, "0") == strlen(port))
		return refuse(err, "the URL's port must be 1 to 65535");
	if (rc == CURLUE_OK) {
		drop_slashes(path);
		if (refuse_endpoint(u, path, err) < 0)
			return -1;
		drop_v1(path);
		rc = curl_url_set(u, CURLUPART_PATH, *path ? path : "/", 0);
	}
	if (rc == CURLUE_OK)
		rc = curl_url_get(u, CURLUPART_URL, &whole, 0);
	if (rc == CURLUE_BAD_PORT_NUMBER)
		return refuse(err, "the URL's port must be 1 to 65535");
	if (rc != CURLUE_OK)
		return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
				  "the URL cannot be used: %s",
				  curl_url_strerror(rc));
	drop_slashes(whole);
	*out = strdup(whole);
	return *out ? 0 : gw_err_set(err, GW_ERR_INTERNAL, 0, "out of memory");
}

int
gw_base_url(const char *url, size_t len, char **out, struct gw_err *err)
{
	gw_auto_free char *copy = NULL;

	/* Before the copy: the length is the sender's. */
	if (len > URL_MAX)
		return refuse(err, "the URL is longer than 2048 bytes");
	copy = strndup(url, len);
	if (!copy)
		return gw_err_set(err, GW_ERR_INTERNAL, 0, "out of memory");
	if (strlen(copy) != len)
		return refuse(err, "the URL holds a blank or a control "
				   "character");
	if (check_text(copy, len, err) < 0)
		return -1;
	return normalise(copy, out, err);
}

/* The part of HOST:PORT or [HOST]:PORT before the port, or 0: no such thing. */
static size_t
host_before_port(const char *host)
{
	const char *colon = strrchr(host, ':');
	bool bracketed = host[0] == '[' && colon && colon[-1] == ']';

	if (!colon || colon == host ||
	    colon[1 + strspn(colon + 1, "0123456789")] ||
	    (!bracketed && strchr(host, ':') != colon))
		return 0;
	return (size_t)(colon - host);
}

static bool
is_ipv6(const char *host, size_t len)
{
	char bare[INET6_ADDRSTRLEN];
	struct in6_addr six;

	len = strcspn(host, "%") < len ? strcspn(host, "%") : len; /* a zone */
	if (len >= sizeof(bare))
		return false;
	memcpy(bare, host, len);
	bare[len] = '\0';
	return inet_pton(AF_INET6, bare, &six) == 1;
}

int
gw_host_check(const char *host, struct gw_err *err)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789.-_:%[]";
	size_t len = strlen(host), name = host_before_port(host);
	const char *scheme = strstr(host, "://");

	if (scheme)
		return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
				  "is no host but a URL; write `%.*s` and give "
				  "the port apart",
				  (int)strcspn(scheme + 3, ":/"), scheme + 3);
	if (strcmp(host, "*") == 0)
		return refuse(err, "is no host; write `0.0.0.0` or `::` for "
				   "every address");
	if (name)
		return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
				  "is a host with a port; write `%.*s` and "
				  "give the port (%s) apart",
				  (int)name, host, host + name + 1);
	if (host[0] == '[' && len > 2 && host[len - 1] == ']' &&
	    is_ipv6(host + 1, len - 2))
		return 0;
	if (strspn(host, letters) == len && !strpbrk(host, "[]") && len &&
	    (!strchr(host, ':') || is_ipv6(host, len)))
		return 0;
	return refuse(err, "is no host: expected an IPv4 or IPv6 address or a "
			   "name");
}

bool
gw_host_is_loopback(const char *host)
{
	char bare[INET6_ADDRSTRLEN] = "";
	size_t len = strlen(host), skip = host[0] == '[';
	struct in6_addr six;
	struct in_addr four;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (len >= sizeof(bare) || (skip && host[len - 1] != ']'))
		return false;
	memcpy(bare, host + skip, len - 2 * skip);
	if (!skip && inet_pton(AF_INET, bare, &four) == 1)
		return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
	if (inet_pton(AF_INET6, bare, &six) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&six) ||
	       (IN6_IS_ADDR_V4MAPPED(&six) &&
		six.s6_addr[12] == IN_LOOPBACKNET);
}
