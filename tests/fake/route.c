/* SPDX-License-Identifier: MIT */
/*
 * route.c - from method and path to the one who answers.
 *
 * Order as in llama-server: loading, key, path, body. POSTs go on in
 * inference.c; here are the plain GETs and the control requests.
 */
#include "fake.h"

#include <string.h>

#include "base/clock.h"

#define AGENT_ORDERS "/v1/node/models/"

static const struct {
	enum http_method method;
	const char *path;
	enum fake_kind kind;
} routes[] = {
	{HTTP_GET, "/", FAKE_ROOT},
	{HTTP_GET, "/health", FAKE_HEALTH},
	{HTTP_GET, "/v1/models", FAKE_MODELS},
	{HTTP_GET, "/props", FAKE_PROPS},
	{HTTP_POST, "/v1/chat/completions", FAKE_CHAT},
	{HTTP_POST, "/v1/completions", FAKE_COMPLETIONS},
	{HTTP_POST, "/v1/embeddings", FAKE_EMBEDDINGS},
	{HTTP_POST, "/v1/rerank", FAKE_RERANK},
	{HTTP_POST, "/v1/responses", FAKE_RESPONSES},
	{HTTP_POST, "/v1/messages", FAKE_MESSAGES},
	{HTTP_POST, "/v1/messages/count_tokens", FAKE_COUNT_TOKENS},
	{HTTP_POST, "/v1/nodes/register", FAKE_NODE},
	{HTTP_POST, "/v1/nodes/heartbeat", FAKE_HEARTBEAT},
	{HTTP_POST, "/v1/nodes/deregister", FAKE_NODE},
	{HTTP_PUT, "/fake/mode", FAKE_CTL_MODE},
	{HTTP_GET, "/fake/stats", FAKE_CTL_STATS},
	{HTTP_PUT, "/fake/exit", FAKE_CTL_EXIT},
	{HTTP_PUT, "/fake/go", FAKE_CTL_GO},
};

static enum fake_kind
find_route(const struct fake_conn *c)
{
	size_t n = strcspn(c->url.data, "?");

	for (size_t i = 0; i < GW_ARRAY_LEN(routes); i++)
		if (c->parser.method == routes[i].method &&
		    strlen(routes[i].path) == n &&
		    memcmp(routes[i].path, c->url.data, n) == 0)
			return routes[i].kind;
	/* A node agent's own, where a script says what it answers. */
	if (c->parser.method == HTTP_POST &&
	    strncmp(c->url.data, AGENT_ORDERS, strlen(AGENT_ORDERS)) == 0 &&
	    c->srv->mode_json)
		return FAKE_NODE;
	return FAKE_NONE;
}

static void
count(struct fake_conn *c)
{
	struct fake_stats *st = &c->srv->stats;
	struct fake_path_count *p = st->paths;
	char path[sizeof(p->path)];

	c->x.counted = true;
	st->requests++;
	if (++st->active > st->active_max)
		st->active_max = st->active;
	if (c->x.kind == FAKE_MODELS && ++st->models > st->models_max)
		st->models_max = st->models;
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(c->url.data, "?"),
		 c->url.data);
	for (; p < st->paths + st->n_paths; p++)
		if (strcmp(p->path, path) == 0)
			break;
	if (p == st->paths + FAKE_PATHS_MAX)
		return;
	if (p == st->paths + st->n_paths) {
		st->n_paths++;
		memcpy(p->path, path, sizeof(path));
	}
	p->n++;
}

static void
put_mode(struct fake_conn *c)
{
	struct fake_server *srv = c->srv;
	struct fake_script mode = srv->base;
	struct json_object *o = fake_parse(&c->body);
	char why[128] = "fake: a mode is a JSON object";

	if (!o || fake_script_apply(&mode, o, why, sizeof(why))) {
		json_object_put(o);
		fake_answer_error(c, 400, "invalid_request_error", why);
		return;
	}
	srv->mode = mode;
	srv->mode_since_ms = gw_mono_ms();
	srv->turn = 0;
	json_object_put(srv->mode_json);
	srv->mode_json = o;
	fake_answer_json(c, 200, json_object_get(o));
}

static void
put_go(struct fake_conn *c)
{
	struct json_object *o = json_object_new_object();

	gw_json_set_int(o, "went", fake_conn_go(c->srv));
	fake_answer_json(c, 200, o);
}

static bool
is_loading(const struct fake_conn *c)
{
	const struct fake_server *srv = c->srv;

	return c->x.kind != FAKE_ROOT &&
	       (fake_turns_script(srv)->loading ||
		gw_mono_ms() - srv->started_ms < (uint64_t)srv->opt.loading_ms);
}

static bool
is_allowed(const struct fake_conn *c)
{
	const char *key = c->srv->opt.api_key;
	const char *got = fake_conn_header(c, "Authorization");

	return !key || c->x.kind == FAKE_HEALTH || c->x.kind == FAKE_ROOT ||
	       (got && strncmp(got, "Bearer ", 7) == 0 &&
		strcmp(got + 7, key) == 0);
}

/* Probes obey keys of their own, so that chats and probes can differ. */
static void
step_models(struct fake_conn *c)
{
	if (c->x.script.models_close)
		fake_conn_close(c, false);
	else if (c->x.script.models_status && c->x.script.models_status != 200)
		fake_answer_error(c, (int)c->x.script.models_status,
				  "server_error", "scripted probe answer");
	else
		fake_answer_json(c, 200, fake_document(c));
}

static void
begin_models(struct fake_conn *c)
{
	if (c->x.script.models_wait)
		fake_conn_on_go(c, step_models);
	else if (c->x.script.models_delay_ms)
		fake_conn_after(c, (double)c->x.script.models_delay_ms,
				step_models);
	else
		step_models(c);
}

static void
begin_root(struct fake_conn *c)
{
	static const char text[] = "scripted upstream, no llama-server\n";

	fake_answer_body(c, 200, "text/plain", text, sizeof(text) - 1);
}

static void
begin_health(struct fake_conn *c)
{
	fake_answer_json(c, 200, fake_json("{'status':'ok'}"));
}

static void
begin_none(struct fake_conn *c)
{
	fake_answer_error(c, 404, "not_found_error", "File Not Found");
}

/* Servers that are no llama-server have none. */
static void
step_props(struct fake_conn *c)
{
	if (c->x.script.props)
		fake_answer_json(c, 200, json_object_get(c->x.script.props));
	else
		begin_none(c);
}

static void
begin_props(struct fake_conn *c)
{
	if (c->x.script.props_wait)
		fake_conn_on_go(c, step_props);
	else
		step_props(c);
}

static void
begin_stats(struct fake_conn *c)
{
	fake_answer_json(c, 200, fake_stats_json(c->srv));
}

static void
begin_heartbeat(struct fake_conn *c)
{
	if (c->x.script.heartbeat_status)
		fake_answer_error(c, (int)c->x.script.heartbeat_status,
				  "server_error", "scripted heartbeat answer");
	else
		fake_inference(c);
}

static void (*const begin[FAKE_KIND__MAX])(struct fake_conn *c) = {
	[FAKE_NONE] = begin_none,
	[FAKE_ROOT] = begin_root,
	[FAKE_HEALTH] = begin_health,
	[FAKE_MODELS] = begin_models,
	[FAKE_PROPS] = begin_props,
	[FAKE_CHAT] = fake_inference,
	[FAKE_COMPLETIONS] = fake_inference,
	[FAKE_EMBEDDINGS] = fake_inference,
	[FAKE_RERANK] = fake_inference,
	[FAKE_RESPONSES] = fake_inference,
	[FAKE_MESSAGES] = fake_inference,
	[FAKE_COUNT_TOKENS] = fake_inference,
	[FAKE_NODE] = fake_inference,
	[FAKE_HEARTBEAT] = begin_heartbeat,
	[FAKE_CTL_MODE] = put_mode,
	[FAKE_CTL_STATS] = begin_stats,
	[FAKE_CTL_EXIT] = fake_life_exit,
	[FAKE_CTL_GO] = put_go,
};

void
fake_route(struct fake_conn *c)
{
	c->x.kind = find_route(c);
	if (c->x.kind >= FAKE_CTL_MODE) {
		begin[c->x.kind](c);
		return;
	}
	count(c);
	fake_journal_request(c);
	if (is_loading(c)) {
		fake_answer_error(c, 503, "unavailable_error", "Loading model");
		return;
	}
	if (!is_allowed(c)) {
		fake_answer_error(c, 401, "authentication_error",
				  "Invalid API Key");
		return;
	}
	c->x.script = *fake_turns_script(c->srv);
	c->x.mode_json = json_object_get(c->srv->mode_json);
	begin[c->x.kind](c);
}
