/* SPDX-License-Identifier: MIT */
/*
 * model_order.c - /rolemesh/nodes/ID/models/MODEL/load and /unload: an
 * operator's order to the agent of a node, passed on with a key of the
 * gateway's own, and the agent's answer to the operator.
 */
#include "endpoint/model_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "endpoint/shared.h"
#include "endpoint/table.h"
#include "routing/routing.h"
#include "routing/target.h"
#include "serve/pipeline.h"
#include "serve/reply.h"
#include "serve/worker.h"

#define CONNECT_MS 5000
#define TOTAL_MS 30000
#define ANSWER_MAX (64u << 10)
#define ANSWER_DEPTH_MAX 32
#define URL_MAX 8192
#define KEY_PLACE "auth.upstream_operator_key"

struct gw_model_order {
	struct gw_request *request;
	struct gw_transfer *transfer; /* NULL: it is over */
	enum gw_transfer_result result;
	int status;
	bool cut; /* the answer was too long */
	struct gw_buf answer;
	char node[REG_NODE_ID_MAX + 1];
};

void
gw_model_order_free(struct gw_model_order *o)
{
	if (!o)
		return;
	if (o->transfer)
		gw_transfer_cancel(o->transfer);
	gw_buf_release(&o->answer);
	free(o);
}

/* ---- the exchange ----------------------------------------------------------
 */

static void
on_head(void *arg, const struct gw_transfer_head *head)
{
	((struct gw_model_order *)arg)->status = head->status;
}

static bool
on_data(void *arg, const char *p, size_t n)
{
	struct gw_model_order *o = arg;

	if (!o->cut && gw_buf_append(&o->answer, p, n) < 0)
		o->cut = true;
	return true;
}

static void
on_done(void *arg, enum gw_transfer_result result, const char *detail)
{
	struct gw_model_order *o = arg;

	(void)detail;
	o->transfer = NULL;
	o->result = result;
	gw_pipeline_resume(o->request);
}

static const struct gw_transfer_ops ops = {
	.on_head = on_head,
	.on_data = on_data,
	.on_done = on_done,
};

/* A part of a path: all but what is plain in every one of them is escaped. */
static int
add_escaped(struct gw_buf *url, const char *text, size_t n)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c && strchr(plain, c)
			     ? gw_buf_append(url, &text[i], 1)
			     : gw_buf_printf(url, "%%%02X", c)) < 0)
			return -1;
	}
	return 0;
}

static enum gw_step
no_memory(struct gw_request *r)
{
	gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
		   "no memory for an order to a node");
	return GW_FINISH;
}

static enum gw_step
send(struct gw_request *r, const struct gw_node *n, const char *model,
     const char *verb)
{
	static const char *const headers[] = {"Content-Type: application/json",
					      "Accept: application/json"};
	gw_auto_buf struct gw_buf url = GW_BUF_INIT(URL_MAX);
	struct gw_probe_target target = gw_node_target(r->config, n);
	struct gw_model_order *o = calloc(1, sizeof(*o));

	if (!o)
		return no_memory(r);
	gw_routed(r)->order = o;
	o->request = r;
	gw_buf_init(&o->answer, ANSWER_MAX);
	memcpy(o->node, n->doc->node_id, strlen(n->doc->node_id) + 1);
	if (gw_buf_puts(&url, target.base_url) < 0 ||
	    gw_buf_puts(&url, "/v1/node/models/") < 0 ||
	    add_escaped(&url, model, strlen(model)) < 0 ||
	    gw_buf_puts(&url, verb) < 0)
		return no_memory(r);
	o->transfer = gw_transfer_start(
		r->worker->upstreams,
		&(struct gw_transfer_request){
			.url = url.data,
			.bearer = r->config->auth.upstream_operator_key,
			.headers = headers,
			.n_headers = GW_ARRAY_LEN(headers),
			.post = true,
			.body = "{}",
			.body_len = 2,
			.tls = target.tls,
			.connect_ms = CONNECT_MS,
			.total_ms = TOTAL_MS},
		&ops, o, &r->err);
	return o->transfer ? GW_WAIT : GW_FINISH;
}

/* ---- its answer ------------------------------------------------------------
 */

/* A 404 of the model alone is the agent's to tell; any other one says that it
 * has no such endpoint. */
static bool
is_of_model(struct json_object *doc)
{
	struct json_object *error;
	const char *code;

	if (!doc || !json_object_object_get_ex(doc, "error", &error) ||
	    !json_object_is_type(error, json_type_object))
		return false;
	code = gw_json_get_str(error, "code");
	return code && strcmp(code, "model_not_found") == 0;
}

static enum gw_step
failed(struct gw_request *r, enum gw_code code, const char *what)
{
	const struct gw_model_order *o = gw_routed(r)->order;
	char quoted[GW_QUOTED_NODE_ID];

	gw_err_set(
		&r->err, code, 0, "node %s: %s",
		gw_log_quote(quoted, sizeof(quoted), o->node, strlen(o->node)),
		what);
	return GW_FINISH;
}

static enum gw_step
relay(struct gw_request *r, struct gw_model_order *o)
{
	struct gw_err ignored = {0};
	struct json_object *doc = NULL;

	if (o->result != GW_TRANSFER_OK)
		return failed(r, gw_transfer_code(o->result),
			      gw_transfer_reason(o->result));
	if (o->status == 401)
		return failed(
			r, GW_ERR_UPSTREAM_AUTH_FAILED,
			r->config->auth.upstream_operator_key
				? "its agent refuses " KEY_PLACE
				: "its agent wants a key: set " KEY_PLACE);
	if (!o->cut && o->answer.len)
		doc = gw_json_parse_object(o->answer.data, o->answer.len,
					   ANSWER_DEPTH_MAX, &ignored);
	if (o->status == 405 || o->status == 501 ||
	    (o->status == 404 && !is_of_model(doc))) {
		json_object_put(doc);
		return failed(r, GW_ERR_NODE_NOT_ABLE,
			      "what answers there cannot load or unload models "
			      "on request: it is no node agent, or an older "
			      "one");
	}
	if (!doc)
		return failed(r, GW_ERR_UPSTREAM_PROTOCOL_ERROR,
			      "its answer is no JSON object of 64 KiB at most");
	gw_reply_json(r, o->status, doc);
	return GW_FINISH;
}

/* ---- which node, which model -----------------------------------------------
 */

static const struct gw_node *
find_node(struct gw_node_view *v, const char *id)
{
	const struct gw_node *n;
	uint32_t slot = 0;

	gw_node_view_refresh(v);
	while ((n = gw_node_view_next(v, &slot)))
		if (strcmp(n->doc->node_id, id) == 0)
			return n;
	return NULL;
}

static bool
has_model(const struct gw_node *n, const char *model)
{
	for (size_t i = 0; i < n->doc->n_models; i++)
		if (strcmp(n->doc->models[i].model_id, model) == 0)
			return true;
	return false;
}

enum gw_step
gw_answer_model_order(struct gw_request *r, const char *rest, const char *verb)
{
	static const char between[] = "/models/";
	struct gw_node_view *nodes = gw_routing(r)->nodes;
	gw_auto_free char *path = NULL;
	const struct gw_node *n = NULL;
	struct gw_model_order *under_way = gw_routed(r)->order;
	char *at;

	/* The end of what the operator sent may come meanwhile. */
	if (under_way)
		return under_way->transfer ? GW_WAIT : relay(r, under_way);
	path = strdup(rest + strspn(rest, "/"));
	if (!path)
		return no_memory(r);
	at = path + strlen(path);
	while (at > path && at[-1] == '/')
		at--;
	at[-(ptrdiff_t)strlen(verb)] = '\0';
	/* A name may hold slashes, and even this. */
	for (at = strstr(path, between); at; at = strstr(at + 1, between)) {
		const char *model = at + strlen(between);

		*at = '\0';
		n = find_node(nodes, path);
		if (n && has_model(n, model))
			return send(r, n, model, verb);
		*at = '/';
		if (n)
			break;
	}
	if (n)
		gw_err_set(&r->err, GW_ERR_NOT_FOUND, 0,
			   "the node has no such model: see its models in "
			   "/rolemesh/status");
	else
		gw_err_set(&r->err, GW_ERR_NODE_NOT_REGISTERED, 0,
			   "there is no such node: none is registered or "
			   "configured by this name");
	return GW_FINISH;
}
