/* SPDX-License-Identifier: MIT */
/*
 * test_endpoint_table.c - paths and methods find their row, flags make sense.
 * Answer functions are stand-ins: only which row has one matters here.
 */
#include "endpoint/table.h"
#include "tap.h"

#define STAND_IN(name)                                                         \
	enum gw_step name(struct gw_request *r)                                \
	{                                                                      \
		(void)r;                                                       \
		return GW_FINISH;                                              \
	}

STAND_IN(gw_answer_root)
STAND_IN(gw_answer_health)
STAND_IN(gw_answer_ready)
STAND_IN(gw_answer_models)
STAND_IN(gw_answer_model)
STAND_IN(gw_answer_status)
STAND_IN(gw_answer_explain)
STAND_IN(gw_answer_requests)
STAND_IN(gw_answer_events)
STAND_IN(gw_answer_node_order)
STAND_IN(gw_answer_register)
STAND_IN(gw_answer_heartbeat)
STAND_IN(gw_answer_deregister)

static char allow[64];

static const struct gw_endpoint *
find(const char *path, enum gw_method method)
{
	memset(allow, 'x', sizeof(allow));
	return gw_endpoint_find(gw_endpoints, gw_n_endpoints, path, method,
				allow, sizeof(allow));
}

static const char *
found_path(const char *path, enum gw_method method)
{
	const struct gw_endpoint *e = find(path, method);

	return e ? e->path : NULL;
}

static void
each_row_is_found_and_consistent(void)
{
	for (size_t i = 0; i < gw_n_endpoints; i++) {
		const struct gw_endpoint *e = &gw_endpoints[i];
		bool relay = e->flags & GW_EP_RELAY;
		char path[128];

		snprintf(path, sizeof(path), "%s%s", e->path,
			 e->flags & GW_EP_PREFIX ? "x" : "");
		ok(find(path, e->method) == e, "table: %s finds its row", path);
		ok(!allow[0], "table: %s found -> no Allow", path);
		ok(relay == !e->answer && relay != !!(e->flags & GW_EP_ANSWER),
		   "table: %s is either relayed or answered", path);
		ok(e->help && e->help[0], "table: %s has a help line", path);
		ok(!relay || (e->flags & GW_EP_CLIENT_KEY),
		   "table: %s relayed only with a client key", path);
		ok((strncmp(path, "/v1/nodes/", 10) == 0) ==
			   !!(e->flags & GW_EP_NODE_KEY),
		   "table: %s takes a node key only below /v1/nodes/", path);
		ok((strncmp(path, "/rolemesh/", 10) == 0) ==
			   !!(e->flags & GW_EP_OPERATOR),
		   "table: %s is for operators only below /rolemesh/", path);
	}
}

static void
methods(void)
{
	is_str(found_path("/health", GW_METHOD_HEAD), "/health",
	       "table: HEAD is served where GET is");
	ok(!find("/health", GW_METHOD_POST), "table: POST /health -> no row");
	is_str(allow, "GET, HEAD, OPTIONS", "table: Allow of a GET row");
	ok(!find("/v1/chat/completions", GW_METHOD_GET),
	   "table: GET on a POST row -> no row");
	is_str(allow, "POST, OPTIONS", "table: Allow of a POST row");
	ok(!find("/v1/chat/completions", GW_METHOD_HEAD),
	   "table: HEAD on a POST row -> no row");
	ok(!find("/v1/models", GW_METHOD_OPTIONS), "table: OPTIONS -> no row");
	is_str(allow, "GET, HEAD, OPTIONS", "table: OPTIONS -> Allow");
	ok(!find("/v1/models/a", GW_METHOD_OTHER), "table: DELETE a model");
	is_str(allow, "GET, HEAD, OPTIONS", "table: DELETE a model -> Allow");
}

static void
paths(void)
{
	static const char *const unknown[] = {
		"/v1",
		"/v1/",
		"//v1//v1",
		"/v1/modelsx",
		"/Health",
		"/v1/nodes",
		"/v1/nodes/",
		"/V1/models",
		"/v2/models",
		"/v1x/models",
		"/xv1/models",
		"/v1/chat",
		"/v1models",
		"/health/x",
		"/v1/v1x/health",
		"/completions/chat",
		"/v1/chatcompletions",
		"/.",
	};

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		ok(!find(unknown[i], GW_METHOD_GET), "table: '%s' is unknown",
		   unknown[i]);
		is_str(allow, "", "table: unknown -> no Allow");
	}
	is_str(found_path("/v1/models", GW_METHOD_GET), "/v1/models",
	       "table: the list is not a model");
	is_str(found_path("/v1/models/org/name", GW_METHOD_GET), "/v1/models/",
	       "table: an id may hold slashes");
	ok(find("/v1/messages", GW_METHOD_POST)->dialect == GW_SSE_ANTHROPIC,
	   "table: /v1/messages speaks Anthropic's events");
	ok(find("/v1/responses", GW_METHOD_POST)->dialect == GW_SSE_RESPONSES,
	   "table: /v1/responses speaks its own events");
}

static void
spellings(void)
{
	/* Around an endpoint's path below /v1. */
	static const struct {
		const char *before, *behind;
	} forms[] = {
		{"/v1/", ""},	 {"/", ""},	      {"//v1/", ""},
		{"/v1//", ""},	 {"/v1/", "/"},	      {"/v1/", "//"},
		{"/v1/v1/", ""}, {"/v1/v1/v1/", ""},  {"", ""},
		{"//", "//"},	 {"///v1//v1//", ""}, {"v1/", "/"},
	};

	for (size_t i = 0; i < gw_n_endpoints; i++) {
		const struct gw_endpoint *e = &gw_endpoints[i];
		const char *name = e->path + 1;
		char path[128];
		bool all = true;

		if (strncmp(name, "v1/", 3) == 0)
			name += 3;
		if (!*name || e->flags & GW_EP_PREFIX)
			continue;
		for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
			snprintf(path, sizeof(path), "%s%s%s", forms[f].before,
				 name, forms[f].behind);
			all = all && find(path, e->method) == e;
		}
		ok(all, "table: %s, however its address is put together",
		   e->path);
	}
	is_str(found_path("/v1//chat///completions", GW_METHOD_POST),
	       "/v1/chat/completions", "table: slashes doubled inside");
	is_str(found_path("/", GW_METHOD_HEAD), "/", "table: the root");
	is_str(found_path("", GW_METHOD_GET), "/", "table: no path at all");
	is_str(found_path("//", GW_METHOD_GET), "/", "table: two slashes");
	ok(!find("/v1/models/", GW_METHOD_POST), "table: POST to the list");
	is_str(allow, "GET, HEAD, OPTIONS", "table: its Allow, with a slash");
}

/* What a path leaves open behind /v1/models/. */
static const char *
rest(const char *path)
{
	const struct gw_endpoint *e = find(path, GW_METHOD_GET);

	return e && e->flags & GW_EP_PREFIX ? gw_endpoint_rest(e, path) : NULL;
}

static void
names_behind_a_prefix(void)
{
	is_str(rest("/v1/models/a"), "a", "rest: a name");
	is_str(rest("/models/org/a"), "org/a", "rest: a name with a slash");
	is_str(rest("//v1//v1/models/v1"), "v1", "rest: a name like a version");
	is_str(rest("/v1/models//org//a/"), "/org//a/",
	       "rest: slashes of the name stay");
	is_str(rest("/v1/models/models/a"), "models/a", "rest: like the row");
	is_str(found_path("/v1/models//", GW_METHOD_GET), "/v1/models",
	       "rest: slashes alone are no name");
}

static void
exact_wins_over_prefix(void)
{
	static const struct gw_endpoint rows[] = {
		{.path = "/a/", .flags = GW_EP_PREFIX, .method = GW_METHOD_GET},
		{.path = "/a/b", .method = GW_METHOD_POST},
		{.path = "/a/c", .method = GW_METHOD_GET},
		{.path = "/a/c", .method = GW_METHOD_POST},
	};

	ok(gw_endpoint_find(rows, 4, "/a/b", GW_METHOD_POST, allow,
			    sizeof(allow)) == &rows[1],
	   "table: an exact path wins over a prefix that comes first");
	ok(!gw_endpoint_find(rows, 4, "/a/b", GW_METHOD_GET, allow,
			     sizeof(allow)),
	   "table: an exact path hides the prefix for other methods");
	is_str(allow, "POST, OPTIONS", "table: and Allow speaks of it alone");
	ok(!gw_endpoint_find(rows, 4, "/a/c", GW_METHOD_OTHER, allow,
			     sizeof(allow)),
	   "table: two rows of a path, neither fits");
	is_str(allow, "GET, HEAD, POST, OPTIONS", "table: Allow joins them");
}

int
main(void)
{
	each_row_is_found_and_consistent();
	methods();
	paths();
	spellings();
	names_behind_a_prefix();
	exact_wins_over_prefix();
	return done_testing();
}
