/* SPDX-License-Identifier: MIT */
/*
 * explain.c - /rolemesh/explain: what would be done with a request, and why.
 * GET names its model, POST has its body; nothing is sent and nothing counted.
 * Where it would go is stage/explain.h's to find out.
 */
#include "stage/explain.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "config/clients.h"
#include "endpoint/explain.h"
#include "endpoint/table.h"
#include "routing/client_use.h"
#include "routing/known.h"
#include "routing/routing.h"
#include "serve/query.h"
#include "serve/reply.h"
#include "serve/unknown_model.h"
#include "serve/worker.h"

#define DEFAULT_DEPTH_MAX 64

static const char *const would_words[] = {
	[GW_WOULD_SEND] = "send",
	[GW_WOULD_WAIT] = "wait",
	[GW_WOULD_REFUSE] = "refuse",
};

/* ---- what is asked ---------------------------------------------------------
 */

/* What is explained, and what the limits of its client say. */
struct question {
	const struct gw_model *model;
	const struct gw_client *client; /* NULL: of nobody in particular */
	struct gw_client_use use;
	struct gw_err refusal; /* by the limits or the rights of the client */
};

static int
find_model(struct gw_request *r, const char *name, size_t len,
	   struct question *q)
{
	if (!name && r->config->default_model) {
		name = r->config->default_model;
		len = strlen(name);
	}
	if (!name) {
		gw_err_set(&r->err, GW_ERR_INVALID_REQUEST, 0,
			   "model is missing, and no default_model is "
			   "configured");
		return gw_err_param(&r->err, "model");
	}
	q->model = gw_config_model(r->config, name, len);
	return q->model ? 0 : gw_unknown_model(r, name, len);
}

static int
find_client(struct gw_request *r, const char *name, struct question *q)
{
	for (size_t i = 0; (q->client = gw_client_at(r->config, i)); i++)
		if (strcmp(q->client->name, name) == 0)
			return 0;
	gw_err_set(&r->err, GW_ERR_NOT_FOUND, 0,
		   "no client of this configuration has that name; "
		   "/rolemesh/status lists them");
	return gw_err_param(&r->err, "client");
}

static int
read_question(struct gw_request *r, struct question *q)
{
	struct gw_query_field fields[] = {{.name = "client"},
					  {.name = "model"}};
	bool has_body = r->receive.body != NULL;
	size_t len = 0;
	const char *name;

	if (gw_query_read(r, fields, has_body ? 1 : 2) < 0)
		return -1;
	if (has_body) {
		name = gw_body_model(r->receive.body, &len);
	} else {
		name = fields[1].given ? fields[1].value : NULL;
		len = name ? strlen(name) : 0;
	}
	if (find_model(r, name, len, q) < 0)
		return -1;
	return fields[0].given ? find_client(r, fields[0].value, q) : 0;
}

/* ---- the client ------------------------------------------------------------
 */

/* As stages limit_client and authorize have it, in their order. */
static void
look_at_limits(struct gw_request *r, struct question *q)
{
	const struct gw_client *c = q->client;

	if (!c)
		return;
	gw_client_use(gw_routing(r)->reg, r->config, c, gw_mono_ms(), &q->use);
	if (c->max_concurrency && q->use.in_flight >= c->max_concurrency)
		gw_err_set(&q->refusal, GW_ERR_CLIENT_BUSY, 0,
			   "the client has as many requests under way as it "
			   "may (max_concurrency = %u)",
			   c->max_concurrency);
	else if (c->requests_per_minute && !q->use.many && !q->use.remaining)
		gw_err_set(&q->refusal, GW_ERR_RATE_LIMITED, 0,
			   "the client has asked as often as it may "
			   "(requests_per_minute = %u)",
			   c->requests_per_minute);
	else if (!gw_client_may(c, q->model))
		gw_err_set(&q->refusal, GW_ERR_MODEL_NOT_ALLOWED, 0,
			   "the client's models do not have '%s' among them",
			   q->model->alias);
}

/* The request is that client's while it is explained. */
static int
explain(struct gw_request *r, const struct question *q, struct gw_explained *e)
{
	struct gw_authenticated me = r->authenticate;
	int rc;

	r->authenticate.client = q->client;
	if (!q->client && gw_clients_open(r->config))
		gw_identity("address", r->accept.client, r->authenticate.who);
	if (q->client)
		memcpy(r->authenticate.who, q->client->id,
		       sizeof(r->authenticate.who));
	rc = gw_explain(r, q->model, e);
	r->authenticate = me;
	return rc;
}

static struct json_object *
client_object(const struct question *q)
{
	const struct gw_client *c = q->client;
	struct json_object *o;

	if (!c)
		return NULL;
	o = json_object_new_object();
	gw_json_set_str(o, "name", c->name);
	json_object_object_add(
		o, "allowed",
		json_object_new_boolean(gw_client_may(c, q->model)));
	json_object_object_add(
		o, "in_flight",
		q->use.many ? NULL
			    : json_object_new_int64((int64_t)q->use.in_flight));
	gw_json_set_bound(o, "max_concurrency", c->max_concurrency);
	gw_json_set_bound(o, "requests_per_minute", c->requests_per_minute);
	json_object_object_add(
		o, "remaining",
		q->use.many || !c->requests_per_minute
			? NULL
			: json_object_new_int64(q->use.remaining));
	return o;
}

/* ---- aliases ---------------------------------------------------------------
 */

static const struct gw_model *
alias_at(const struct gw_model *named, size_t i)
{
	return i == 0			 ? named
	       : i <= named->n_fallbacks ? named->fallbacks[i - 1]
					 : NULL;
}

static void
say_alias(struct gw_request *r, const struct gw_explained *e,
	  const struct gw_model *m, bool used, bool behind,
	  struct json_object *o)
{
	struct gw_usable usable;
	bool known = gw_known_usable(gw_routing(r), r->config, m, &usable);

	gw_json_set_str(o, "alias", m->alias);
	json_object_object_add(o, "used", json_object_new_boolean(used));
	if (used && e->would != GW_WOULD_REFUSE)
		gw_json_set_str(o, "why", NULL);
	else if (behind)
		gw_json_set_str(o, "why", "it is not needed");
	else
		gw_json_set_str(
			o, "why",
			usable.reason[0] ? usable.reason
			: known ? "nobody of it can be asked now, or its "
				  "queue takes no more"
				: "nobody of it can be asked now");
}

static int
add_aliases(struct gw_request *r, const struct question *q,
	    const struct gw_explained *e, struct json_object *doc)
{
	struct json_object *list = json_object_new_array(), *it = NULL;
	const struct gw_model *m;
	bool behind = false;
	int rc = 0;

	for (size_t i = 0; rc == 0 && (m = alias_at(q->model, i)); i++) {
		bool used = m == e->alias && e->would != GW_WOULD_REFUSE;
		struct json_object *o = json_object_new_object();

		json_object_array_add(list, o);
		say_alias(r, e, m, used, behind, o);
		rc = gw_explain_candidates(r, m, e, used, o, &it);
		behind = behind || used;
	}
	json_object_object_add(doc, "candidate",
			       it ? json_object_get(it) : NULL);
	json_object_object_add(doc, "aliases", list);
	return rc;
}

/* ---- the document ----------------------------------------------------------
 */

/* {"key": value}; NULL: no memory. */
static struct json_object *
default_object(const struct gw_default *d)
{
	struct gw_buf text = GW_BUF_INIT(d->member_len + 3);
	struct json_object *o = NULL;
	struct gw_err err = {0};

	if (gw_buf_puts(&text, "{") == 0 &&
	    gw_buf_append(&text, d->member, d->member_len) == 0 &&
	    gw_buf_puts(&text, "}") == 0)
		o = gw_json_parse_object(text.data, text.len, DEFAULT_DEPTH_MAX,
					 &err);
	gw_buf_release(&text);
	return o;
}

/* Of the alias that would serve it, what the request does not say itself. */
static struct json_object *
defaults_object(const struct gw_request *r, const struct gw_model *m)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < m->n_defaults; i++) {
		const struct gw_default *d = &m->defaults[i];
		gw_auto_json struct json_object *member = NULL;
		struct json_object *value = NULL;

		if (r->receive.body &&
		    gw_body_has(r->receive.body, d->key_index))
			continue;
		member = default_object(d);
		if (json_object_object_get_ex(member, d->key, &value))
			json_object_object_add(o, d->key,
					       json_object_get(value));
	}
	return o;
}

static struct json_object *
queue_object(const struct gw_explained *e)
{
	struct json_object *o;

	if (e->would != GW_WOULD_WAIT)
		return NULL;
	o = json_object_new_object();
	gw_json_set_int(o, "position", e->queue.position);
	gw_json_set_int(o, "waiting", e->queue.waiting);
	gw_json_set_int(o, "wait_s", e->queue.wait_s);
	gw_json_set_int(o, "max", e->alias->queue.max);
	json_object_object_add(o, "timeout_s",
			       gw_json_seconds(e->alias->queue.timeout_ms));
	return o;
}

static void
say_refusal(struct json_object *doc, const struct gw_err *err)
{
	const struct gw_err_info *info =
		err->code ? gw_err_info(err->code) : NULL;

	json_object_object_add(doc, "status",
			       info ? json_object_new_int(info->status) : NULL);
	gw_json_set_str(doc, "code", info ? info->code : NULL);
	gw_json_set_str(doc, "message", info ? err->msg : NULL);
	json_object_object_add(
		doc, "retry_after_s",
		info && err->retry_after_s
			? json_object_new_int64(err->retry_after_s)
			: NULL);
}

static struct json_object *
document(struct gw_request *r, const struct question *q,
	 const struct gw_explained *e)
{
	struct json_object *doc = json_object_new_object();
	bool refused = q->refusal.code != 0;
	/* What the way came to, out of the way of what follows. */
	struct gw_err met = r->err;

	memset(&r->err, 0, sizeof(r->err));
	gw_json_set_str(doc, "model", q->model->alias);
	gw_json_set_str(doc, "alias", e->alias->alias);
	json_object_object_add(doc, "client", client_object(q));
	gw_json_set_str(doc, "would",
			would_words[refused ? GW_WOULD_REFUSE : e->would]);
	say_refusal(doc, refused ? &q->refusal : &met);
	json_object_object_add(doc, "trial", json_object_new_boolean(e->trial));
	json_object_object_add(doc, "queue", queue_object(e));
	json_object_object_add(doc, "defaults_added",
			       defaults_object(r, e->alias));
	if (add_aliases(r, q, e, doc) == 0)
		return doc;
	json_object_put(doc);
	return NULL;
}

enum gw_step
gw_answer_explain(struct gw_request *r)
{
	struct question q = {0};
	struct gw_explained e = {0};
	struct json_object *doc = NULL;

	if (read_question(r, &q) < 0)
		return GW_FINISH;
	look_at_limits(r, &q);
	if (explain(r, &q, &e) == 0)
		doc = document(r, &q, &e);
	gw_explained_release(&e);
	if (doc)
		gw_reply_json(r, 200, doc);
	return GW_FINISH;
}
