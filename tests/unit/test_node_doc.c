/* SPDX-License-Identifier: MIT */
/* test_node_doc.c - what a registration may hold, and which field is at fault.
 */
#include <stdlib.h>

#include "base/json.h"
#include "nodes/node_doc.h"
#include "tap.h"

#define HEAD "{\"node_id\":\"n\",\"base_url\":\"http://h:1\","
#define ONE "\"served_models\":[{\"model_id\":\"m\",\"roles\":[\"r\"]}]"

#define MODEL(more)                                                            \
	"\"served_models\":[{\"model_id\":\"m\",\"roles\":[\"r\"]" more "}]}"

static struct json_object *
parse(const char *text)
{
	struct gw_err err = {0};
	struct json_object *o =
		gw_json_parse_object(text, strlen(text), 64, &err);

	if (!o) {
		printf("Bail out! test input: %s\n", err.msg);
		exit(1);
	}
	return o;
}

static struct gw_node_doc *
from_wire(const char *text, struct gw_err *err)
{
	gw_auto_json struct json_object *body = parse(text);

	return gw_node_doc_from_wire(body, err);
}

static void
refused(const char *text, const char *param, const char *title)
{
	struct gw_err err = {0};
	struct gw_node_doc *d = from_wire(text, &err);

	ok(!d && err.code == GW_ERR_INVALID_REQUEST &&
		   strcmp(err.param, param) == 0 && strstr(err.msg, param),
	   "register: %s -> 400 about %s", title, param);
	if (d || strcmp(err.param, param) != 0)
		printf("# code %d param '%s': %s\n", err.code, err.param,
		       err.msg);
	gw_node_doc_free(d);
}

static void
bad_fields(void)
{
	static const struct {
		const char *text, *param, *title;
	} rows[] = {
		{"{}", "node_id", "no node_id"},
		{"{\"node_id\":5}", "node_id", "node_id a number"},
		{"{\"node_id\":null}", "node_id", "node_id null"},
		{"{\"node_id\":\"\"}", "node_id", "node_id empty"},
		{"{\"node_id\":\"a\\nb\"}", "node_id", "node_id with newline"},
		{"{\"node_id\":\"a\\u0000b\"}", "node_id", "node_id with NUL"},
		{"{\"node_id\":\"n\"}", "base_url", "no base_url"},
		{"{\"node_id\":\"n\",\"base_url\":[]}", "base_url",
		 "base_url a list"},
		{"{\"node_id\":\"n\",\"base_url\":\"file:///etc/passwd\"}",
		 "base_url", "base_url a file"},
		{"{\"node_id\":\"n\",\"base_url\":"
		 "\"http://m\xc3\xbcller.example\"}",
		 "base_url", "base_url of an international name"},
		{"{\"node_id\":\"n\",\"base_url\":\"h:1\"}", "base_url",
		 "base_url not absolute"},
		{HEAD "\"x\":1}", "served_models", "nothing served"},
		{HEAD "\"served_models\":{}}", "served_models", "no list"},
		{HEAD "\"served_models\":[]}", "served_models", "empty list"},
		{HEAD "\"served_models\":[],\"roles\":[\"r\"]}",
		 "served_models", "an empty list that wins over roles"},
		{HEAD "\"roles\":[]}", "roles", "empty roles"},
		{HEAD "\"roles\":\"r\"}", "roles", "roles a string"},
		{HEAD "\"roles\":[\"a\",5]}", "roles.1", "a role a number"},
		{HEAD "\"roles\":[\"a\",\"a\"]}", "roles.1", "a role twice"},
		{HEAD "\"served_models\":[5]}", "served_models.0", "a number"},
		{HEAD "\"served_models\":[{\"roles\":[\"r\"]}]}",
		 "served_models.0.model_id", "no model_id"},
		{HEAD "\"served_models\":[{\"model_id\":\"m\"}]}",
		 "served_models.0.roles", "no roles"},
		{HEAD "\"served_models\":[{\"model_id\":\"m\",\"roles\":[]}]}",
		 "served_models.0.roles", "empty roles"},
		{HEAD "\"served_models\":[{\"model_id\":\"m\",\"roles\":"
		      "[\"a\",\"\"]}]}",
		 "served_models.0.roles.1", "an empty role"},
		{HEAD "\"served_models\":[{\"model_id\":\"m\",\"roles\":[\"a\"]"
		      ",\"meta\":[]}]}",
		 "served_models.0.meta", "meta a list"},
		{HEAD "\"served_models\":[{\"model_id\":\"m\",\"roles\":[\"a\"]"
		      "},{\"model_id\":\"m\",\"roles\":[\"b\"]}]}",
		 "served_models.1.model_id", "a model_id twice"},
		{HEAD ONE ",\"meta\":5}", "meta", "meta a number"},
		{HEAD ONE ",\"weight\":0}", "weight", "weight 0"},
		{HEAD ONE ",\"weight\":101}", "weight", "weight 101"},
		{HEAD ONE ",\"weight\":-1}", "weight", "a negative weight"},
		{HEAD ONE ",\"weight\":1.0}", "weight", "weight 1.0"},
		{HEAD ONE ",\"weight\":\"2\"}", "weight", "a weight as text"},
		{HEAD ONE ",\"weight\":true}", "weight", "weight true"},
		{HEAD ONE ",\"max_concurrency\":-1}", "max_concurrency",
		 "a negative max_concurrency"},
		{HEAD ONE ",\"max_concurrency\":65537}", "max_concurrency",
		 "max_concurrency 65537"},
		{HEAD ONE ",\"max_concurrency\":18446744073709551616}",
		 "max_concurrency", "max_concurrency beyond 64 bits"},
		{HEAD ONE ",\"max_concurrency\":{}}", "max_concurrency",
		 "max_concurrency an object"},
		{HEAD MODEL(",\"weight\":0"), "served_models.0.weight",
		 "a model's weight 0"},
		{HEAD MODEL(",\"weight\":1e1"), "served_models.0.weight",
		 "a model's weight 1e1"},
		{HEAD MODEL(",\"max_concurrency\":[]"),
		 "served_models.0.max_concurrency",
		 "a model's max_concurrency a list"},
		{HEAD MODEL(",\"parallel\":-1"), "served_models.0.parallel",
		 "a negative parallel"},
		{HEAD MODEL(",\"parallel\":4294967297"),
		 "served_models.0.parallel", "parallel beyond 32 bits"},
		{HEAD MODEL(",\"parallel\":\"4\""), "served_models.0.parallel",
		 "parallel as text"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		refused(rows[i].text, rows[i].param, rows[i].title);
}

/* A registration with @models models of @roles roles each. */
static const char *
crowd(struct gw_buf *b, int models, int roles)
{
	int rc = gw_buf_puts(b, HEAD "\"served_models\":[");

	for (int i = 0; i < models; i++) {
		rc |= gw_buf_printf(b, "%s{\"model_id\":\"m%d\",\"roles\":[",
				    i ? "," : "", i);
		for (int k = 0; k < roles; k++)
			rc |= gw_buf_printf(b, "%s\"r%d\"", k ? "," : "", k);
		rc |= gw_buf_puts(b, "]}");
	}
	rc |= gw_buf_puts(b, "]}");
	return rc == 0 ? b->data : "{}";
}

static void
accepted(const char *text, const char *title)
{
	struct gw_err err = {0};
	struct gw_node_doc *d = from_wire(text, &err);

	if (!ok(d, "register: %s -> accepted", title))
		printf("# %s\n", err.msg);
	gw_node_doc_free(d);
}

static void
text_of_length(const char *before, size_t n, const char *after,
	       const char *param, const char *title)
{
	gw_auto_buf struct gw_buf b = GW_BUF_INIT(1 << 20);
	int rc = gw_buf_puts(&b, before);

	for (size_t i = 0; i < n; i++)
		rc |= gw_buf_append(&b, "x", 1);
	rc |= gw_buf_puts(&b, after);
	if (rc < 0)
		ok(false, "test input fits");
	else if (param)
		refused(b.data, param, title);
	else
		accepted(b.data, title);
}

static void
limits(void)
{
	gw_auto_buf struct gw_buf most = GW_BUF_INIT(1 << 20);
	gw_auto_buf struct gw_buf models = GW_BUF_INIT(1 << 20);
	gw_auto_buf struct gw_buf roles = GW_BUF_INIT(1 << 20);
	static const char id_end[] = "\",\"base_url\":\"http://h\"," ONE "}";

	accepted(crowd(&most, 64, 16), "64 models of 16 roles");
	refused(crowd(&models, 65, 1), "served_models", "65 models");
	refused(crowd(&roles, 1, 17), "served_models.0.roles", "17 roles");
	text_of_length("{\"node_id\":\"", 128, id_end, NULL, "128 bytes of id");
	text_of_length("{\"node_id\":\"", 129, id_end, "node_id",
		       "129 bytes of id");
	text_of_length(HEAD ONE ",\"meta\":{\"a\":\"", 4096 - 8, "\"}}", NULL,
		       "4,096 bytes of meta");
	text_of_length(HEAD ONE ",\"meta\":{\"a\":\"", 4097 - 8, "\"}}", "meta",
		       "4,097 bytes of meta");
	text_of_length(HEAD "\"roles\":[\"", 256, "\"]}", NULL,
		       "256 bytes of role");
	text_of_length(HEAD "\"roles\":[\"", 257, "\"]}", "roles.0",
		       "257 bytes of role");
}

static const char full[] =
	"{\"node_id\":\"gpu-1\",\"base_url\":\"http://10.0.0.12:8014/v1/\","
	"\"served_models\":[{\"model_id\":\"q\\\"3\",\"roles\":[\"a\",\"b\"],"
	"\"meta\":{\"quant\":\"Q5\",\"x\":1e-7},\"capacity\":4},"
	"{\"model_id\":\"c\",\"roles\":[\"d\"],\"meta\":null}],"
	"\"roles\":[\"ignored\"],\"meta\":{\"gpu\":\"P40\"},\"extra\":[1]}";

static void
contents(void)
{
	struct gw_err err = {0};
	struct gw_node_doc *d = from_wire(full, &err);

	if (!ok(d, "register: the preferred form is accepted"))
		return;
	is_str(d->node_id, "gpu-1", "register: node_id");
	is_str(d->base_url, "http://10.0.0.12:8014", "register: base_url bare");
	is_int((long long)d->n_models, 2, "register: two models");
	is_str(d->models[0].model_id, "q\"3", "register: model_id decoded");
	is_str(d->models[0].model_json, "\"q\\\"3\"", "register: and as JSON");
	ok(gw_node_model_serves(&d->models[0], "b") &&
		   !gw_node_model_serves(&d->models[0], "d"),
	   "register: roles belong to their model");
	is_str(json_object_to_json_string_ext(
		       d->json,
		       JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
	       "{\"node_id\":\"gpu-1\",\"base_url\":\"http://10.0.0.12:8014\","
	       "\"served_models\":[{\"model_id\":\"q\\\"3\",\"roles\":[\"a\","
	       "\"b\"],\"meta\":{\"quant\":\"Q5\",\"x\":1e-7}},{\"model_id\":"
	       "\"c\",\"roles\":[\"d\"]}],\"meta\":{\"gpu\":\"P40\"}}",
	       "register: what is stored has known keys only");
	gw_node_doc_free(d);
}

/* weight/max_concurrency/parallel of each model */
static void
shares(const char *text, const char *want, const char *stored)
{
	struct gw_err err = {0};
	struct gw_node_doc *d = from_wire(text, &err), *again;
	gw_auto_buf struct gw_buf json = GW_BUF_INIT(4096);
	char got[256] = "";
	size_t at = 0;

	if (!ok(d && gw_json_text(d->json, &json) == 0, "shares: accepted")) {
		printf("# %s\n", err.msg);
		return;
	}
	is_str(json.data, stored, "shares: what is stored");
	again = gw_node_doc_from_record(json.data, json.len);
	for (size_t i = 0; again && i < again->n_models; i++)
		at += (size_t)snprintf(got + at, sizeof(got) - at, "%s%u/%u/%u",
				       i ? " " : "", again->models[i].weight,
				       again->models[i].max_concurrency,
				       again->models[i].parallel);
	is_str(got, want, "shares: read back, own numbers before the node's");
	gw_node_doc_free(again);
	gw_node_doc_free(d);
}

static void
all_shares(void)
{
	shares(HEAD "\"weight\":100,\"max_concurrency\":2,"
		    "\"served_models\":["
		    "{\"model_id\":\"a\",\"roles\":[\"r\"]},"
		    "{\"model_id\":\"b\",\"roles\":[\"r\"],\"weight\":1,"
		    "\"max_concurrency\":65536,\"parallel\":4,\"x\":1},"
		    "{\"model_id\":\"c\",\"roles\":[\"r\"],\"weight\":null,"
		    "\"max_concurrency\":0,\"parallel\":null}]}",
	       "100/2/0 1/65536/4 100/2/0",
	       HEAD "\"weight\":100,\"max_concurrency\":2,"
		    "\"served_models\":["
		    "{\"model_id\":\"a\",\"roles\":[\"r\"]},"
		    "{\"model_id\":\"b\",\"roles\":[\"r\"],\"weight\":1,"
		    "\"max_concurrency\":65536,\"parallel\":4},"
		    "{\"model_id\":\"c\",\"roles\":[\"r\"],"
		    "\"max_concurrency\":0}]}");
	shares(HEAD "\"roles\":[\"r\",\"s\"],\"weight\":3}", "3/0/0 3/0/0",
	       HEAD "\"weight\":3,\"served_models\":["
		    "{\"model_id\":\"r\",\"roles\":[\"r\"]},"
		    "{\"model_id\":\"s\",\"roles\":[\"s\"]}]}");
	shares(HEAD ONE "}", "1/0/0", HEAD ONE "}");
}

static void
legacy(void)
{
	struct gw_err err = {0};
	struct gw_node_doc *d = from_wire(
		HEAD "\"served_models\":null,\"roles\":[\"x\",\"y\"]}", &err);

	if (!ok(d && d->n_models == 2, "register: legacy roles are accepted")) {
		printf("# %s\n", err.msg);
		return;
	}
	is_str(d->models[1].model_id, "y", "register: legacy model_id == role");
	ok(gw_node_model_serves(&d->models[1], "y"), "register: legacy role");
	gw_node_doc_free(d);
}

static void
stored_and_read_back(void)
{
	struct gw_err err = {0};
	struct gw_node_doc *d =
		from_wire("{\"node_id\":\"n\",\"base_url\":\"http://h/v1/v1\","
			  "\"roles\":[\"r\"]}",
			  &err);
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(4096);
	struct gw_node_doc *again;

	if (!ok(d && gw_json_text(d->json, &text) == 0, "record: stored"))
		return;
	again = gw_node_doc_from_record(text.data, text.len);
	if (ok(again, "record: read back")) {
		is_str(again->base_url, d->base_url,
		       "record: the address is not normalised twice");
		ok(json_object_equal(again->json, d->json), "record: the same");
	}
	gw_node_doc_free(again);
	gw_node_doc_free(d);
	ok(!gw_node_doc_from_record(text.data, text.len / 2),
	   "record: half of one -> NULL");
	ok(!gw_node_doc_from_record("{}", 2), "record: another one -> NULL");
	ok(!gw_node_doc_from_record(NULL, 0), "record: none -> NULL");
}

/* What one node sends is shown to every client. */
static void
only_utf8(void)
{
	static const char *const texts[] = {
		"{\"node_id\":\"\xff\"}",
		"{\"node_id\":\"\xc0\xaf\"}",
		"{\"node_id\":\"\xed\xa0\x80\"}",
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(texts); i++) {
		struct gw_err err = {0};

		ok(!gw_json_parse_object(texts[i], strlen(texts[i]), 64,
					 &err) &&
			   err.code == GW_ERR_INVALID_JSON,
		   "register: no UTF-8 (%zu) -> invalid_json", i);
	}
}

static void
metrics(const char *text, int want, const char *stored)
{
	gw_auto_json struct json_object *body = parse(text);
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(GW_NODE_METRICS_MAX);
	struct gw_err err = {0};

	is_int(gw_node_metrics_from_wire(body, &out, &err), want, text);
	if (want < 0)
		is_str(err.param, "metrics", "heartbeat: names metrics");
	else
		is_str(out.data ? out.data : "", stored, "heartbeat: stored");
}

static void
metrics_limit(size_t n, int want)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(1 << 20);
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(GW_NODE_METRICS_MAX);
	struct gw_err err = {0};
	struct json_object *body;

	if (gw_buf_printf(&text, "{\"metrics\":{\"a\":\"%0*d\"}}", (int)n - 8,
			  0) < 0)
		return;
	body = parse(text.data);
	is_int(gw_node_metrics_from_wire(body, &out, &err), want,
	       "heartbeat: metrics at their limit and one byte above");
	json_object_put(body);
}

int
main(void)
{
	bad_fields();
	limits();
	contents();
	all_shares();
	legacy();
	stored_and_read_back();
	only_utf8();
	metrics("{\"metrics\":{\"a\" : 1}}", 0, "{\"a\":1}");
	metrics("{\"metrics\":null}", 0, "");
	metrics("{}", 0, "");
	metrics("{\"metrics\":[]}", -1, NULL);
	metrics_limit(GW_NODE_METRICS_MAX, 0);
	metrics_limit(GW_NODE_METRICS_MAX + 1, -1);
	return done_testing();
}
