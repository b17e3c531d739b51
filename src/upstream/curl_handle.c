/* SPDX-License-Identifier: MIT */
/*
 * curl_handle.c - easy handles, set up once and used again.
 *
 * What never changes is set when a handle is made; the address, which libcurl
 * would parse and put together again for each request, when it first serves an
 * address. So handles are kept by address: a table of places that addresses
 * share by their hash, the newer one taking a place that nobody uses. Whoever
 * finds none serves without: slower, and no less right.
 */
#include <string.h>

#include "base/hash.h"
#include "upstream/curl_private.h"

#define CONNECTION_IDLE_S 4L /* llama-server closes after 5 s */
/* A host that is gone while it works on a request is given up after a minute:
 * Linux sends nine probes. */
#define KEEPALIVE_IDLE_S 15L
#define KEEPALIVE_INTERVAL_S 5L

struct gw_curl_address {
	char *url;
	CURLU *parsed;
	bool insecure; /* of TLS */
	unsigned users;
	CURL *idle[GW_IDLE_EASY_PER_ADDRESS];
	unsigned n_idle;
};

/* ---- addresses ----------------------------------------------------------- */

static void
address_free(struct gw_upstreams *u, struct gw_curl_address *a)
{
	if (!a)
		return;
	while (a->n_idle) {
		curl_easy_cleanup(a->idle[--a->n_idle]);
		u->n_idle--;
	}
	curl_url_cleanup(a->parsed);
	free(a->url);
	free(a);
}

static struct gw_curl_address *
address_new(const char *url, bool insecure)
{
	struct gw_curl_address *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->insecure = insecure;
	a->url = strdup(url);
	a->parsed = curl_url();
	if (a->url && a->parsed &&
	    curl_url_set(a->parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS) ==
		    CURLUE_OK)
		return a;
	curl_url_cleanup(a->parsed);
	free(a->url);
	free(a);
	return NULL;
}

/* NULL: its place is another's, or it is no address that libcurl can read. */
static struct gw_curl_address *
address_of(struct gw_upstreams *u, const char *url, bool insecure)
{
	struct gw_curl_address **at =
		&u->addresses[gw_hash_slot(gw_hash_text(url), GW_ADDRESSES)];

	if (*at && (*at)->insecure == insecure && strcmp((*at)->url, url) == 0)
		return *at;
	if (*at && (*at)->users)
		return NULL;
	address_free(u, *at);
	*at = address_new(url, insecure);
	return *at;
}

/* ---- handles ------------------------------------------------------------- */

static CURL *
easy_new(struct gw_upstreams *u)
{
	CURL *e = curl_easy_init();

	if (!e)
		return NULL;
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* Else ending a transfer waits for the resolver's thread. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, CONNECTION_IDLE_S);
	curl_easy_setopt(e, CURLOPT_SHARE, u->share);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	return e;
}

static void
set_tls(CURL *e, const struct gw_transfer_tls *tls)
{
	struct curl_blob ca = {
		.data = (void *)(uintptr_t)tls->ca,
		.len = tls->ca_len,
		.flags = CURL_BLOB_COPY,
	};

	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, tls->insecure ? 0L : 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, tls->insecure ? 0L : 2L);
	if (!tls->ca)
		return;
	/* Instead of the system's, which are a folder as well. */
	curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca);
}

int
gw_curl_handle_take(struct gw_transfer *t,
		    const struct gw_transfer_request *req)
{
	struct gw_upstreams *u = t->upstreams;
	/* One with certificates of its own has lost the system's. */
	struct gw_curl_address *a =
		req->tls.ca ? NULL : address_of(u, req->url, req->tls.insecure);

	bool fresh = !a || !a->n_idle;

	if (!fresh) {
		t->easy = a->idle[--a->n_idle];
		u->n_idle--;
	} else {
		t->easy = easy_new(u);
		if (!t->easy)
			return -1;
		if (a)
			curl_easy_setopt(t->easy, CURLOPT_CURLU, a->parsed);
		else
			curl_easy_setopt(t->easy, CURLOPT_URL, req->url);
		set_tls(t->easy, &req->tls);
	}
	t->address = a;
	if (a)
		a->users++;
	return fresh;
}

/* Addresses that are used no more must not keep all places: each one that has
 * idle handles loses one in its turn. */
static void
make_room(struct gw_upstreams *u)
{
	for (size_t i = 0; i < GW_ADDRESSES && u->n_idle >= GW_IDLE_EASY_MAX;
	     i++) {
		struct gw_curl_address *a = u->addresses[u->next_to_lose];

		u->next_to_lose = (u->next_to_lose + 1) % GW_ADDRESSES;
		if (!a || !a->n_idle)
			continue;
		curl_easy_cleanup(a->idle[--a->n_idle]);
		u->n_idle--;
	}
}

void
gw_curl_handle_put_back(struct gw_transfer *t)
{
	struct gw_upstreams *u = t->upstreams;
	struct gw_curl_address *a = t->address;
	CURL *easy = t->easy;

	t->easy = NULL;
	/* libcurl counts a handle's retries over all of its transfers and fails
	 * the sixth: a handle that has used one up is not used again. Nor is
	 * one that failed: it would tell that errno of later transfers, too. */
	if (t->retried || t->failed || !a ||
	    a->n_idle >= GW_IDLE_EASY_PER_ADDRESS) {
		curl_easy_cleanup(easy);
	} else {
		make_room(u);
		/* It must not point at a transfer that is gone. */
		curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
		curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
		a->idle[a->n_idle++] = easy;
		u->n_idle++;
	}
	if (a)
		a->users--;
}

void
gw_curl_handles_free(struct gw_upstreams *u)
{
	for (size_t i = 0; i < GW_ADDRESSES; i++) {
		address_free(u, u->addresses[i]);
		u->addresses[i] = NULL;
	}
}
