/* SPDX-License-Identifier: MIT */
/*
 * affinity.c - what a conversation is known by, and the place that it is
 * remembered with.
 */
#include "stage/affinity.h"

#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "fcgi/fcgi_conn.h"
#include "routing/routing.h"

#define PARAM_MAX 256 /* bytes of a header's name as a parameter */

bool
gw_affinity_watches(const struct gw_request *r)
{
	return r->config && r->config->uses_affinity &&
	       r->accept.endpoint->flags & GW_EP_STREAM;
}

static char
as_param(char c)
{
	if (c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
}

/* The value of the header @name, as web servers hand it on; NULL = none. */
static const char *
header(const struct gw_request *r, const char *name)
{
	char param[PARAM_MAX] = "HTTP_";
	size_t n = strlen(param);

	for (; *name && n + 1 < sizeof(param); name++)
		param[n++] = as_param(*name);
	param[n] = '\0';
	return r->conn ? gw_fcgi_param(r->conn, param) : NULL;
}

size_t
gw_affinity_keys(const struct gw_request *r, uint64_t out[GW_AFFINITY_KEYS_MAX])
{
	const struct gw_model *m = r->resolve.model;
	const char *name =
		m->affinity_header ? m->affinity_header : GW_AFFINITY_HEADER;
	const char *session = header(r, name);
	uint64_t alias = gw_hash(m->alias, strlen(m->alias) + 1);
	const uint64_t *prefixes;
	size_t n;

	if (session && *session) {
		out[0] = gw_hash_more(alias, session, strlen(session) + 1);
		return 1;
	}
	if (!r->receive.body)
		return 0;
	n = gw_body_prefixes(r->receive.body, &prefixes);
	for (size_t i = 0; i < n; i++)
		out[i] = gw_hash_more(alias, &prefixes[i], sizeof(prefixes[i]));
	return n;
}

/*
 * The whole prompt is what the next turn begins with. The shorter beginnings
 * are for clients that change their last message afterwards; one that the place
 * is known for already is renewed by being asked for.
 */
void
gw_affinity_record(const struct gw_request *r, uint64_t place)
{
	uint64_t keys[GW_AFFINITY_KEYS_MAX], now_ms = gw_mono_ms();
	size_t n, at = 0;
	struct reg *reg;

	if (r->resolve.model->strategy != GW_AFFINITY)
		return;
	reg = gw_routing(r)->reg;
	n = gw_affinity_keys(r, keys);
	if (n && reg_prefix_find(reg, keys, n, &at) == place)
		at++;
	else
		at = 0;
	for (; at < n; at++)
		reg_prefix_put(reg, keys[at], place, now_ms);
}
