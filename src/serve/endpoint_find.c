/* SPDX-License-Identifier: MIT */
/*
 * endpoint_find.c - how a path and a method find their row of a table of
 * endpoints. Addresses that people put together by hand are understood: slashes
 * doubled or at the end, the "/v1" of a base URL twice or not at all.
 */
#include <stdio.h>
#include <string.h>

#include "serve/endpoint.h"

/* By enum gw_method, as Allow lists a row of that method. */
static const char *const allows[] = {
	[GW_METHOD_GET] = "GET, HEAD, ",
	[GW_METHOD_POST] = "POST, ",
};

static const char *
skip_slashes(const char *p)
{
	return p + strspn(p, "/");
}

/* Bytes of the segment that begins here. */
static size_t
segment(const char *p)
{
	return strcspn(p, "/");
}

static const char *
skip_versions(const char *p)
{
	for (p = skip_slashes(p); segment(p) == 2 && memcmp(p, "v1", 2) == 0;)
		p = skip_slashes(p + 2);
	return p;
}

/* What follows the row's segments in @path, or NULL: it is another's. */
static const char *
behind(const char *row, const char *path)
{
	row = skip_versions(row);
	if (*row)
		path = skip_versions(path);
	for (; *row; row = skip_slashes(row)) {
		size_t n = segment(row);

		path = skip_slashes(path);
		if (segment(path) != n || memcmp(row, path, n) != 0)
			return NULL;
		row += n;
		path += n;
	}
	return path;
}

const char *
gw_endpoint_rest(const struct gw_endpoint *e, const char *path)
{
	const char *rest = behind(e->path, path);

	/* One slash belongs to the row; more of them may begin a name. */
	return rest && *rest == '/' ? rest + 1 : rest;
}

static bool
path_matches(const struct gw_endpoint *e, const char *path, unsigned prefix)
{
	const char *rest;

	if ((e->flags & GW_EP_PREFIX) != prefix)
		return false;
	rest = behind(e->path, path);
	return rest && !!*skip_slashes(rest) == !!prefix;
}

static bool
method_matches(const struct gw_endpoint *e, enum gw_method method)
{
	return e->method == method ||
	       (e->method == GW_METHOD_GET && method == GW_METHOD_HEAD);
}

/* Rows of one kind: exact paths (@prefix 0) or prefixes. */
static const struct gw_endpoint *
find_among(const struct gw_endpoint *table, size_t n, const char *path,
	   unsigned prefix, enum gw_method method, char *allow, size_t cap)
{
	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(allow);

		if (!path_matches(&table[i], path, prefix))
			continue;
		if (method_matches(&table[i], method))
			return &table[i];
		snprintf(allow + used, cap - used, "%s",
			 allows[table[i].method]);
	}
	return NULL;
}

const struct gw_endpoint *
gw_endpoint_find(const struct gw_endpoint *table, size_t n, const char *path,
		 enum gw_method method, char *allow, size_t cap)
{
	const struct gw_endpoint *e;
	size_t used;

	allow[0] = '\0';
	/* As it is written, by nearly everybody. */
	for (size_t i = 0; i < n; i++)
		if (table[i].method == method &&
		    !(table[i].flags & GW_EP_PREFIX) &&
		    strcmp(table[i].path, path) == 0)
			return &table[i];
	e = find_among(table, n, path, 0, method, allow, cap);
	if (!e && !allow[0])
		e = find_among(table, n, path, GW_EP_PREFIX, method, allow,
			       cap);
	used = strlen(allow);
	if (e)
		allow[0] = '\0';
	else if (used)
		snprintf(allow + used, cap - used, "OPTIONS");
	return e;
}
