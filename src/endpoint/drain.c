/* SPDX-License-Identifier: MIT */
/*
 * drain.c - /rolemesh/nodes/ID/drain and /undrain: an operator takes a node out
 * of service, and puts it back. What runs there ends as it would; who waits for
 * it goes elsewhere.
 */
#include "routing/drain.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "endpoint/shared.h"
#include "endpoint/table.h"
#include "routing/routing.h"
#include "routing/states.h"
#include "serve/reply.h"

/* The node's id, where @rest is ID and then @word; else false. */
static bool
id_before(const char *rest, const char *word, char id[REG_NODE_ID_MAX + 1])
{
	size_t n = strlen(rest), tail = strlen(word);

	while (n && rest[n - 1] == '/')
		n--;
	while (n && *rest == '/') {
		rest++;
		n--;
	}
	if (n <= tail || memcmp(rest + n - tail, word, tail) != 0 ||
	    n - tail > REG_NODE_ID_MAX)
		return false;
	memcpy(id, rest, n - tail);
	id[n - tail] = '\0';
	return true;
}

static const char *const verbs[] = {"/load", "/unload"};

static bool
ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), tail = strlen(end);

	while (n && text[n - 1] == '/')
		n--;
	return n > tail && memcmp(text + n - tail, end, tail) == 0;
}

/* One that left is known as long as it is drained. */
static bool
is_known(const struct gw_request *r, const char *id)
{
	struct reg_node n;

	return gw_config_static_node(r->config, id) ||
	       reg_node_get(gw_routing(r)->reg, id, &n) ||
	       gw_is_drained_id(gw_routing(r), id, gw_mono_ms());
}

static void
say(const struct gw_request *r, const char *id, bool drain)
{
	char quoted[GW_QUOTED_NODE_ID];

	gw_log_quote(quoted, sizeof(quoted), id, strlen(id));
	if (drain)
		gw_log(GW_EV_NODE_DRAINED, r->accept.id,
		       "node=%s key=%s reason=\"an operator asked for it\"",
		       quoted, r->authenticate.name);
	else
		gw_log(GW_EV_NODE_UNDRAINED, r->accept.id,
		       "node=%s key=%s reason=\"an operator asked for it\"",
		       quoted, r->authenticate.name);
}

static enum gw_step
set(struct gw_request *r, const char *id, bool drain)
{
	struct gw_routing *routing = gw_routing(r);
	char quoted[GW_QUOTED_NODE_ID];
	struct reg_err err = {0};
	struct json_object *doc;
	uint64_t now_ms = gw_mono_ms();
	bool was = gw_is_drained_id(routing, id, now_ms);

	if (!is_known(r, id)) {
		gw_err_set(
			&r->err, GW_ERR_NODE_NOT_REGISTERED, 0,
			"there is no node %s: none is registered or "
			"configured by this name",
			gw_log_quote(quoted, sizeof(quoted), id, strlen(id)));
		return GW_FINISH;
	}
	if (reg_drain_set(routing->reg, gw_drain_key(id), drain, now_ms, &err) <
	    0)
		return gw_registry_failed(r, &err, id);
	if (was != drain) {
		say(r, id, drain);
		gw_states_aliases(routing);
		gw_waiting_freed(routing);
	}
	doc = json_object_new_object();
	gw_json_set_str(doc, "node_id", id);
	json_object_object_add(doc, "draining", json_object_new_boolean(drain));
	gw_reply_json(r, 200, doc);
	return GW_FINISH;
}

enum gw_step
gw_answer_node_order(struct gw_request *r)
{
	const char *rest = gw_endpoint_rest(r->accept.endpoint, r->accept.path);
	char id[REG_NODE_ID_MAX + 1];

	/* A NUL byte is part of no name. */
	if (strlen(r->accept.path) == r->accept.path_len) {
		if (id_before(rest, "/drain", id))
			return set(r, id, true);
		if (id_before(rest, "/undrain", id))
			return set(r, id, false);
		for (size_t i = 0; i < GW_ARRAY_LEN(verbs); i++)
			if (ends_with(rest, verbs[i]))
				return gw_answer_model_order(r, rest, verbs[i]);
	}
	gw_err_set(&r->err, GW_ERR_NOT_FOUND, 0,
		   "a node is told /drain or /undrain, its model /load or "
		   "/unload: POST /rolemesh/nodes/ID/drain, POST "
		   "/rolemesh/nodes/ID/models/MODEL/load");
	return GW_FINISH;
}
