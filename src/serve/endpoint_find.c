/* SPDX-License-Identifier: MIT */
/* endpoint_find.c - how a path and a method find their row of a table of
 * endpoints. */
#include <stdio.h>
#include <string.h>

#include "serve/endpoint.h"

/* By enum gw_method, as Allow lists a row of that method. */
static const char *const allows[] = {
	[GW_METHOD_GET] = "GET, HEAD, ",
	[GW_METHOD_POST] = "POST, ",
};

static bool
path_matches(const struct gw_endpoint *e, const char *path, unsigned prefix)
{
	size_t n = strlen(e->path);

	if ((e->flags & GW_EP_PREFIX) != prefix)
		return false;
	if (prefix)
		return strncmp(path, e->path, n) == 0 && path[n] != '\0';
	return strcmp(path, e->path) == 0;
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
