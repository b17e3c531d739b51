/* SPDX-License-Identifier: MIT */
/* test_config_nodes.c - nodes that are written in the configuration. */
#include "base/log.h"
#include "config_fixture.h"

#define E "base.yaml:"
/* One alias of role `r`, then the list of nodes that a case has. */
#define ROLE_R "models: {r: {type: discovered}}\nnodes:\n"
#define NODE_N "- {node_id: n, base_url: \"http://h\", "

static const struct {
	const char *title, *base, *want;
} mistakes[] = {
	{"nodes: a mapping -> a list is wanted",
	 DISCOVERED_MODEL "nodes: {n: {base_url: \"http://h\"}}\n",
	 E "2:8: error: nodes: expected a list, found a mapping\n"},
	{"nodes: a string in the list -> a mapping is wanted",
	 DISCOVERED_MODEL "nodes: [n]\n",
	 E "2:9: error: nodes[0]: expected a mapping, found the string "
	   "`n`\n"},
	{"nodes: an empty mapping -> all that is missing",
	 DISCOVERED_MODEL "nodes: [{}]\n",
	 E "2:9: error: `nodes[0].node_id` is missing\n" E
	   "2:9: error: `nodes[0].base_url` is missing\n" E
	   "2:9: error: `nodes[0].served_models` is missing (or the shorter "
	   "list `roles`)\n"},
	{"nodes: empty lists -> missing",
	 ROLE_R NODE_N "served_models: [], roles: []}\n",
	 E "3:3: error: `nodes[0].served_models` is missing (or the shorter "
	   "list `roles`)\n"},
	{"nodes: only null models -> one is needed",
	 ROLE_R NODE_N "served_models: [null]}\n",
	 E "3:53: error: nodes[0].served_models: at least one model is "
	   "needed\n"},
	{"nodes: a typo -> nearest key",
	 ROLE_R NODE_N "roles: [r], wieght: 2}\n",
	 E "3:50: error: unknown key `nodes[0].wieght`; did you mean "
	   "`weight`?\n"},
	{"nodes: a typo in a model -> nearest key",
	 ROLE_R NODE_N "served_models: [{model_id: m, roles: [r], role: x}]}\n",
	 E "3:80: error: unknown key `nodes[0].served_models[0].role`; did "
	   "you mean `roles`?\n"},
	{"nodes: an id of 129 bytes, with a control character -> refused",
	 ROLE_R
	 "- {base_url: \"http://h\", roles: [r], node_id: "
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}\n"
	 "- {base_url: \"http://h\", roles: [r], node_id: \"a\\nb\"}\n",
	 E "3:47: error: nodes[0].node_id: is at most 128 bytes long, not "
	   "129\n" E
	   "4:47: error: nodes[1].node_id: cannot hold control characters\n"},
	{"nodes: an id twice -> both places, also behind a null",
	 ROLE_R NODE_N "roles: [r]}\n- null\n" NODE_N "roles: [r]}\n",
	 E "5:13: error: nodes[2].node_id: `n` is the id of nodes[0] already "
	   "(base.yaml:3:3)\n"},
	{"nodes: an id three times -> each with the first",
	 ROLE_R NODE_N "roles: [r]}\n" NODE_N "roles: [r]}\n" NODE_N
		       "roles: [r]}\n",
	 E "4:13: error: nodes[1].node_id: `n` is the id of nodes[0] already "
	   "(base.yaml:3:3)\n" E
	   "5:13: error: nodes[2].node_id: `n` is the id of nodes[0] already "
	   "(base.yaml:3:3)\n"},
	{"nodes: an address that is none -> the reason",
	 ROLE_R "- {node_id: n, base_url: \"h:80\", roles: [r]}\n",
	 E "3:26: error: nodes[0].base_url: the URL must begin with http:// "
	   "or https://\n"},
	{"nodes: an address below which nothing is -> a warning",
	 ROLE_R "- {node_id: n, base_url: \"http://h/api\", roles: [r]}\n",
	 E "3:26: warning: nodes[0].base_url ends in `/api`: requests will go "
	   "to `http://h/api/v1/...`; Ollama's OpenAI API is not below "
	   "/api\n"},
	{"nodes: a model without id and roles -> missing",
	 ROLE_R NODE_N "served_models: [{}]}\n",
	 E "3:54: error: `nodes[0].served_models[0].model_id` is missing\n" E
	   "3:54: error: `nodes[0].served_models[0].roles` is missing\n"},
	{"nodes: a model without any role -> one is needed",
	 ROLE_R NODE_N "served_models: [{model_id: m, roles: []}]}\n",
	 E "3:75: error: nodes[0].served_models[0].roles: at least one role "
	   "is needed\n"},
	{"nodes: two models of one id -> refused",
	 ROLE_R NODE_N "served_models: [{model_id: m, roles: [r]}, "
		       "{model_id: m, roles: [r]}]}\n",
	 E "3:92: error: nodes[0].served_models[1].model_id: another model of "
	   "the node is called `m`\n"},
	{"nodes: a role twice in the shorter list -> refused",
	 ROLE_R NODE_N "roles: [r, r]}\n",
	 E "3:45: error: nodes[0].roles[1]: `r` names model 0 again\n"},
	{"nodes: roles that nobody asks for -> warnings",
	 ROLE_R NODE_N "roles: [r, q]}\n"
		       "- {node_id: o, base_url: \"http://h\", "
		       "served_models: [{model_id: m, roles: [x, r]}]}\n",
	 E "3:49: warning: nodes[0].roles[1]: no alias of type discovered has "
	   "the role `q`: it gets no requests\n" E
	   "4:76: warning: nodes[1].served_models[0].roles[0]: no alias of "
	   "type discovered has the role `x`: it gets no requests\n"},
	{"nodes: an alias with another role -> a warning",
	 "models: {r: {type: discovered, role: s}}\nnodes:\n" NODE_N
	 "roles: [r]}\n",
	 E "3:46: warning: nodes[0].roles[0]: no alias of type discovered has "
	   "the role `r`: it gets no requests\n"},
	{"nodes: weights out of range, of the wrong type -> refused",
	 ROLE_R NODE_N "roles: [r], weight: 0}\n"
		       "- {node_id: o, base_url: \"http://h\", weight: 101, "
		       "served_models: [{model_id: m, roles: [r], "
		       "weight: 1.5}]}\n",
	 E "3:58: error: nodes[0].weight: must be from 1 to 100, not 0\n" E
	   "4:46: error: nodes[1].weight: must be from 1 to 100, not 101\n" E
	   "4:101: error: nodes[1].served_models[0].weight: expected an "
	   "integer, found the number `1.5`\n"},
	{"nodes: bounds out of range, of the wrong type -> refused",
	 ROLE_R NODE_N "max_concurrency: -1, served_models: [{model_id: m, "
		       "roles: [r], max_concurrency: 65537, parallel: "
		       "\"4\"}]}\n",
	 E "3:55: error: nodes[0].max_concurrency: must be from 0 to 65536 "
	   "requests, not -1\n" E
	   "3:118: error: nodes[0].served_models[0].max_concurrency: must be "
	   "from 0 to 65536 requests, not 65537\n" E
	   "3:135: error: nodes[0].served_models[0].parallel: expected an "
	   "integer, found the string `4` (take the quotes off)\n"},
	{"nodes: a meta that is no mapping, has no JSON -> refused",
	 ROLE_R NODE_N "roles: [r], meta: [1]}\n"
		       "- {node_id: o, base_url: \"http://h\", roles: [r], "
		       "meta: {a: {b: .inf}}}\n",
	 E "3:56: error: nodes[0].meta: expected a mapping, found a list\n" E
	   "4:64: error: nodes[1].meta.a.b: .inf cannot be sent: JSON has no "
	   "such number\n"},
	{"nodes: a key with a blank, a file that is not there -> refused",
	 ROLE_R NODE_N
	 "roles: [r], api_key: \"a b\", tls: {ca_file: no.pem}}\n",
	 E "3:59: error: nodes[0].api_key: cannot hold blanks\n" E
	   "3:81: error: nodes[0].tls.ca_file: file `no.pem`: No such file or "
	   "directory\n"},
	{"nodes: tls beside http, no certificate wanted -> warnings",
	 ROLE_R NODE_N "roles: [r], tls: {verify: false}}\n"
		       "- {node_id: o, base_url: \"https://h\", roles: [r], "
		       "tls: {verify: false}}\n",
	 E "3:50: warning: nodes[0].tls has no effect: base_url is no https "
	   "address\n" E
	   "4:65: warning: nodes[1].tls.verify: any certificate is accepted: "
	   "whoever gets between can read requests and the api_key; name the "
	   "authority with `ca_file`\n"},
};

/* @head, a number and @tail, @n times; without a @tail no number. */
static struct gw_buf
repeat(const char *before, const char *head, const char *tail, unsigned n,
       const char *after)
{
	struct gw_buf b = GW_BUF_INIT(1 << 20);

	if (gw_buf_puts(&b, before) < 0)
		fixture_fatal("out of memory");
	for (unsigned i = 0; i < n; i++) {
		char item[128];

		if (tail)
			snprintf(item, sizeof(item), "%s%u%s", head, i, tail);
		else
			snprintf(item, sizeof(item), "%s", head);
		if (gw_buf_puts(&b, item) < 0)
			fixture_fatal("out of memory");
	}
	if (gw_buf_puts(&b, after) < 0)
		fixture_fatal("out of memory");
	return b;
}

/* The text with @n of something loads, that with one more says @want. */
static void
one_too_many(const char *title, const char *before, const char *head,
	     const char *tail, unsigned n, const char *after, const char *want)
{
	struct gw_buf good GW_CLEANUP(gw_buf_release) =
		repeat(before, head, tail, n, after);
	struct gw_buf bad GW_CLEANUP(gw_buf_release) =
		repeat(before, head, tail, n + 1, after);
	struct gw_diag diag = {0};
	struct gw_config *c = load_texts(good.data, NULL, &diag);

	ok(c != NULL, "%s: as many as may", title);
	for (size_t i = 0; i < diag.n && !c; i++)
		printf("# %s\n", diag.items[i].text);
	gw_config_unref(c);
	gw_diag_release(&diag);
	diag = (struct gw_diag){0};
	c = load_texts(bad.data, NULL, &diag);
	ok(!c, "%s: one more -> refused", title);
	for (size_t i = 0; i < diag.n; i++)
		if (want && strstr(diag.items[i].text, want))
			want = NULL;
	ok(!want, "%s: and why", title);
	gw_config_unref(c);
	gw_diag_release(&diag);
}

static void
limits(void)
{
	one_too_many("limit: nodes", ROLE_R, "- {node_id: n",
		     ", base_url: \"http://h\", roles: [r]}\n",
		     GW_STATIC_NODES_MAX, "",
		     "nodes: at most 1024 are possible");
	one_too_many("limit: models of a node",
		     ROLE_R NODE_N "served_models: [", "{model_id: m",
		     ", roles: [r]},", GW_NODE_MODELS_MAX, "]}\n",
		     "nodes[0].served_models: at most 64 are possible");
	one_too_many("limit: roles of a model",
		     ROLE_R NODE_N "served_models: [{model_id: m, roles: [",
		     "r", ",", GW_NODE_ROLES_MAX, "]}]}\n",
		     "nodes[0].served_models[0].roles: at most 16 are "
		     "possible");
	one_too_many("limit: the shorter list", ROLE_R NODE_N "roles: [", "r",
		     ",", GW_NODE_MODELS_MAX, "]}\n",
		     "nodes[0].roles: at most 64 are possible");
	/* {"k":"..."} is eight bytes and the text. */
	one_too_many("limit: meta", ROLE_R NODE_N "roles: [r], meta: {k: \"",
		     "x", NULL, GW_NODE_META_MAX - 8, "\"}}\n",
		     "nodes[0].meta: is at most 4096 bytes as JSON");
	one_too_many("limit: a role",
		     "models: {r: {type: discovered}}\n"
		     "nodes:\n" NODE_N "roles: [",
		     "x", NULL, GW_NODE_NAME_MAX, "]}\n",
		     "nodes[0].roles[0]: is at most 256 bytes long, not 257");
}

static void
every_key_set(void)
{
	struct gw_config *c = expect_loads(
		"nodes: every key can be set",
		"models: {r: {type: discovered}, s: {type: discovered}}\n"
		"nodes:\n"
		"- null\n"
		"- node_id: box b\n"
		"  base_url: https://h:8443/prefix/v1/\n"
		"  served_models:\n"
		"  - model_id: m1\n"
		"    roles: [r, s]\n"
		"    meta: {ctx: 4096, list: [1, null]}\n"
		"    weight: 100\n"
		"    max_concurrency: 65536\n"
		"    parallel: 4\n"
		"  - {model_id: m2, roles: [s], weight: null}\n"
		"  meta: {}\n"
		"  weight: 3\n"
		"  max_concurrency: 2\n"
		"  api_key: secret\n"
		"  tls: {verify: true}\n"
		"- {node_id: a, base_url: \"http://h\", roles: [r, s],\n"
		"   tls: null, api_key: null}\n",
		NULL);
	const struct gw_static_node *b, *a;

	if (!c)
		return;
	is_int((long long)c->n_nodes, 2, "nodes: null entries are none");
	b = &c->nodes[0];
	a = &c->nodes[1];
	is_str(b->node_id, "box b", "nodes: node_id");
	is_str(b->base_url, "https://h:8443/prefix", "nodes: base_url");
	is_int((long long)b->n_models, 2, "nodes: two models");
	is_str(b->models[0].model_id, "m1", "nodes: model_id");
	is_int((long long)b->models[0].roles.n, 2, "nodes: two roles");
	is_str(b->models[0].roles.key[1], "s", "nodes: the second role");
	is_str(b->models[0].meta_json, "{\"ctx\":4096,\"list\":[1,null]}",
	       "nodes: meta of a model");
	is_int(b->models[0].weight, 100, "nodes: weight of a model");
	is_int(b->models[0].max_concurrency, 65536,
	       "nodes: max_concurrency of a model");
	is_int(b->models[0].parallel, 4, "nodes: parallel");
	is_int(b->models[1].weight, 0, "nodes: no weight of its own");
	is_str(b->meta_json, "{}", "nodes: meta");
	is_int(b->weight, 3, "nodes: weight");
	is_int(b->max_concurrency, 2, "nodes: max_concurrency");
	is_str(b->api_key, "secret", "nodes: api_key");
	ok(!b->tls_insecure, "nodes: certificates are checked");
	is_str(a->api_key, NULL, "nodes: no key");
	is_int(a->weight, 1, "nodes: weight when not set");
	is_int((long long)a->roles.n, 2, "nodes: the shorter list");
	ok(!a->tls_insecure, "nodes: without tls they are checked, too");
	ok(gw_config_static_node(c, "a") == a &&
		   gw_config_static_node(c, "box b") == b,
	   "nodes: found by their ids");
	ok(!gw_config_static_node(c, "box") && !gw_config_static_node(c, "") &&
		   !gw_config_static_node(c, "c"),
	   "nodes: others are not");
	gw_config_unref(c);
}

static void
found_among_many(void)
{
	struct gw_buf text GW_CLEANUP(gw_buf_release) =
		repeat(ROLE_R, "- {node_id: n",
		       ", base_url: \"http://h\", roles: [r],"
		       " weight: 1}\n",
		       1000, "");
	struct gw_config *c = expect_loads("nodes: 1,000", text.data, NULL);
	bool all = true;

	if (!c)
		return;
	for (size_t i = 0; i < c->n_nodes; i++)
		all = all && gw_config_static_node(c, c->nodes[i].node_id) ==
				     &c->nodes[i];
	ok(all, "nodes: each of 1,000 is found by its id");
	gw_config_unref(c);
}

static void
without_nodes(void)
{
	struct gw_config *c =
		expect_loads("nodes: none", DISCOVERED_MODEL, "nodes: []\n");
	struct gw_config *empty = gw_config_new();

	if (c)
		ok(!c->n_nodes && !gw_config_static_node(c, "a"),
		   "nodes: an empty list is none");
	ok(empty && !gw_config_static_node(empty, "a"),
	   "nodes: a snapshot that was not loaded has none");
	gw_config_unref(empty);
	gw_config_unref(c);
}

int
main(void)
{
	setenv("GW_LOG_LEVEL", "error", 1);
	gw_log_init("test_config_nodes");
	fixture_begin();
	for (size_t i = 0; i < GW_ARRAY_LEN(mistakes); i++)
		expect_findings(mistakes[i].title, mistakes[i].base, NULL,
				mistakes[i].want);
	limits();
	every_key_set();
	found_among_many();
	without_nodes();
	return fixture_end();
}
