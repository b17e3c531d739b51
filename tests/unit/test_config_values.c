/* SPDX-License-Identifier: MIT */
/* test_config_values.c - what a configuration means once it is loaded. */
#include "base/log.h"
#include "config_fixture.h"

static void
is_keys(const struct gw_keys *keys, const char *want, const char *title)
{
	struct gw_buf got GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(4096);

	for (size_t i = 0; i < keys->n; i++)
		if (gw_buf_printf(&got, "%s%s", i ? " " : "", keys->key[i]) < 0)
			fixture_fatal("out of memory");
	is_str(got.data ? got.data : "", want, title);
}

/* The members of a model's `defaults` in the order of the file. */
static void
is_defaults(const struct gw_model *m, const char *want, const char *title)
{
	struct gw_buf got GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(8192);
	bool lengths = true;

	for (size_t i = 0; i < m->n_defaults; i++) {
		const struct gw_default *d = &m->defaults[i];

		lengths = lengths && strlen(d->member) == d->member_len &&
			  strlen(d->key) == d->key_len;
		if (gw_buf_printf(&got, "%s%s", i ? "," : "", d->member) < 0)
			fixture_fatal("out of memory");
	}
	is_str(got.data ? got.data : "", want, title);
	if (!lengths)
		ok(false, "%s: lengths", title);
}

static void
defaults_of_every_key(void)
{
	struct gw_config *c = expect_loads("values: one model is enough",
					   DISCOVERED_MODEL, NULL);
	const struct gw_model *m = c ? &c->models[0] : NULL;

	if (!c)
		return;
	is_str(c->default_model, NULL, "values: no default_model");
	is_str(c->gateway.host, "127.0.0.1", "values: host");
	is_int(c->gateway.port, 8000, "values: port");
	ok(c->gateway.workers >= 1, "values: workers follow the cores");
	is_int(c->gateway.probe_timeout_ms, 2000, "values: probe_timeout_s");
	is_int(c->gateway.probe_ttl_ms, 2000, "values: probe_ttl_s");
	is_int((long long)c->gateway.max_body_bytes, 32 << 20,
	       "values: max_body_bytes");
	is_int((long long)c->gateway.max_bodies_bytes, 256 << 20,
	       "values: max_bodies_bytes");
	is_int(c->gateway.shutdown_grace_ms, 10000, "values: shutdown_grace_s");
	is_int(c->gateway.sse_keepalive_ms, 10000, "values: sse_keepalive_s");
	is_int((long long)c->gateway.cors_origins.n, 0, "values: cors_origins");
	is_int(c->gateway.log_format, GW_LOG_TEXT, "values: log_format");
	is_int((long long)c->auth.client_api_keys.n, 0, "values: client keys");
	is_int((long long)c->auth.node_api_keys.n, 0, "values: node keys");
	is_str(c->auth.upstream_node_key, NULL, "values: upstream_node_key");
	is_str(m->alias, "m", "values: alias");
	is_str(m->openai_model_name, "m", "values: name is the alias");
	is_str(m->role, "m", "values: role is the alias");
	is_int(m->strategy, GW_ROUND_ROBIN, "values: strategy");
	is_str(m->base_url, NULL, "values: no base_url");
	is_int(m->timeouts.connect_ms, 5000, "values: connect_s");
	is_int(m->timeouts.first_byte_ms, 300000, "values: first_byte_s");
	is_int(m->timeouts.idle_ms, 120000, "values: idle_s");
	is_int(m->timeouts.total_ms, 0, "values: total_s");
	is_int(m->timeouts.client_idle_ms, 300000, "values: client_idle_s");
	is_int((long long)c->n_default_keys, 0, "values: no default keys");
	is_int(gw_config_default_key(c, "x", 1), -1,
	       "values: no index of a key that is nowhere");
	gw_config_unref(c);
}

/* Every key set, null included: null means not set. */
static void
every_key_set(void)
{
	struct gw_config *c = expect_loads(
		"values: every key can be set",
		"version: 1\n"
		"default_model: w\n"
		"gateway:\n"
		"  host: \"::1\"\n"
		"  port: 0x1F90\n"
		"  workers: 256\n"
		"  max_body_bytes: 1024\n"
		"  max_bodies_bytes: 1048576\n"
		"  probe_timeout_s: 0.0004\n"
		"  probe_ttl_s: 0\n"
		"  shutdown_grace_s: 1.1\n"
		"  sse_keepalive_s: 1e1\n"
		"  cors_origins: [\"*\", \"https://a.example:8443\"]\n"
		"  log_format: json\n"
		"auth:\n"
		"  client_api_keys: [c1, c2]\n"
		"  node_api_keys: [n1]\n"
		"  upstream_node_key: up\n"
		"models:\n"
		"  w:\n"
		"    type: proxy\n"
		"    openai_model_name: gpt-w\n"
		"    proxy_url: https://h:8443/openai/v1/\n"
		"    api_key: sk\n"
		"    timeouts: {connect_s: 0, first_byte_s: null, idle_s: .5,\n"
		"               total_s: 86400, client_idle_s: 0.5}\n"
		"  r:\n"
		"    type: discovered\n"
		"    role: review er\n"
		"    strategy: random\n"
		"    proxy_url: null\n"
		"    defaults: null\n",
		NULL);
	const struct gw_model *w, *r;

	if (!c)
		return;
	w = &c->models[0];
	r = &c->models[1];
	is_str(c->default_model, "w", "values: default_model is set");
	is_str(c->gateway.host, "::1", "values: host is set");
	is_int(c->gateway.port, 8080, "values: port in hexadecimal");
	is_int(c->gateway.workers, 256, "values: workers is set");
	is_int((long long)c->gateway.max_body_bytes, 1024,
	       "values: max_body_bytes is set");
	is_int((long long)c->gateway.max_bodies_bytes, 1 << 20,
	       "values: max_bodies_bytes is set");
	is_int(c->gateway.probe_timeout_ms, 1,
	       "values: 0.0004 s is not 0 ms but 1");
	is_int(c->gateway.probe_ttl_ms, 0, "values: probe_ttl_s 0");
	is_int(c->gateway.shutdown_grace_ms, 1100,
	       "values: 1.1 s are 1100 ms, not 1101");
	is_int(c->gateway.sse_keepalive_ms, 10000, "values: 1e1 s");
	is_keys(&c->gateway.cors_origins, "* https://a.example:8443",
		"values: cors_origins");
	is_int(c->gateway.log_format, GW_LOG_JSON, "values: log_format json");
	is_keys(&c->auth.client_api_keys, "c1 c2", "values: client keys");
	is_keys(&c->auth.node_api_keys, "n1", "values: node keys");
	is_str(c->auth.upstream_node_key, "up", "values: upstream key");
	is_int((long long)c->n_models, 2, "values: two models");
	is_int(w->type, GW_MODEL_PROXY, "values: a proxy");
	is_str(w->base_url, "https://h:8443/openai", "values: base_url");
	is_str(w->api_key, "sk", "values: api_key");
	is_str(w->role, NULL, "values: a proxy has no role");
	is_int(w->timeouts.connect_ms, 0, "values: connect_s 0 is no limit");
	is_int(w->timeouts.first_byte_ms, 300000,
	       "values: null is the default");
	is_int(w->timeouts.idle_ms, 500, "values: idle_s .5");
	is_int(w->timeouts.total_ms, 86400000, "values: total_s, a day");
	is_int(w->timeouts.client_idle_ms, 500, "values: client_idle_s .5");
	is_str(r->role, "review er", "values: role is set");
	is_int(r->strategy, GW_RANDOM, "values: random");
	ok(gw_config_model(c, "w", 1) == w, "names: the alias leads to it");
	ok(gw_config_model(c, "gpt-w", 5) == w,
	   "names: openai_model_name leads to it");
	ok(gw_config_model(c, "r", 1) == r, "names: the other alias");
	ok(!gw_config_model(c, "gpt-", 4), "names: a part of a name is none");
	ok(!gw_config_model(c, "w\0x", 3), "names: a NUL is no end");
	ok(!gw_config_model(c, "", 0), "names: the empty name is none");
	gw_config_unref(c);
}

static void
all_bodies(void)
{
	static const struct {
		const char *title, *gateway;
		long long want;
	} cases[] = {
		{"bodies: one may be larger than the default of all -> as much",
		 "gateway: {max_body_bytes: 1073741824}", 1 << 30},
		{"bodies: and null is not set",
		 "gateway: {max_body_bytes: 1073741824, "
		 "max_bodies_bytes: null}",
		 1 << 30},
		{"bodies: as it was set, also below the default of one",
		 "gateway: {max_body_bytes: 5000, max_bodies_bytes: 5001}",
		 5001},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++) {
		struct gw_config *c = expect_loads(
			cases[i].title, DISCOVERED_MODEL, cases[i].gateway);

		if (c)
			is_int((long long)c->gateway.max_bodies_bytes,
			       cases[i].want, cases[i].title);
		gw_config_unref(c);
	}
}

/* YAML scalars as JSON of `defaults`. */
static const struct {
	const char *yaml;
	const char *json;
} scalars[] = {
	{"null", "null"},
	{"Null", "null"},
	{"NULL", "null"},
	{"~", "null"},
	{"", "null"},
	{"nUll", "\"nUll\""},
	{"true", "true"},
	{"True", "true"},
	{"TRUE", "true"},
	{"false", "false"},
	{"False", "false"},
	{"FALSE", "false"},
	{"yes", "\"yes\""},
	{"no", "\"no\""},
	{"on", "\"on\""},
	{"off", "\"off\""},
	{"y", "\"y\""},
	{"0", "0"},
	{"-0", "-0"},
	{"+5", "5"},
	{"007", "7"},
	{"-007", "-7"},
	{"000", "0"},
	{"0o17", "15"},
	{"0x10", "16"},
	{"0xDEADbeef", "3735928559"},
	{"0xffffffffffffffffffffffff", "79228162514264337593543950335"},
	{"0o18", "\"0o18\""},
	{"0xg", "\"0xg\""},
	{"-0x10", "\"-0x10\""},
	{"0x", "\"0x\""},
	{"123456789012345678901234567890", "123456789012345678901234567890"},
	{"1_000", "\"1_000\""},
	{"0.60", "0.60"},
	{"0.6", "0.6"},
	{".5", "0.5"},
	{"-.5", "-0.5"},
	{"+.5", "0.5"},
	{"1.", "1.0"},
	{"1.e3", "1.0e3"},
	{"01.50", "1.50"},
	{"1e400", "1e400"},
	{"1E+05", "1E+05"},
	{"1e-7", "1e-7"},
	{"1e", "\"1e\""},
	{".", "\".\""},
	{"+", "\"+\""},
	{"1.2.3", "\"1.2.3\""},
	{"12:30:45", "\"12:30:45\""},
	{"2001-01-01", "\"2001-01-01\""},
	{"\"5\"", "\"5\""},
	{"'true'", "\"true\""},
	{"\"\"", "\"\""},
	{"|\n        5\n", "\"5\\n\""},
	{">-\n        a\n        b\n", "\"a b\""},
	{"!!str 5", "\"5\""},
	{"! 5", "\"5\""},
	{"!!int \"5\"", "5"},
	{"!!float 5", "5"},
	{"!!bool \"true\"", "true"},
	{"!!null \"\"", "null"},
	{"\"a\\\"b\\\\c\\x01\\u00e4/\"", "\"a\\\"b\\\\c\\u0001\xc3\xa4/\""},
	{"\"nul\\0byte\"", "\"nul\\u0000byte\""},
	{"[1, two, [3.0, null]]", "[1,\"two\",[3.0,null]]"},
	{"{a: {b: [true]}, \"c d\": {}}", "{\"a\":{\"b\":[true]},\"c d\":{}}"},
	{"{1: x, null: y, \"k\\0\": z}",
	 "{\"1\":\"x\",\"null\":\"y\",\"k\\u0000\":\"z\"}"},
	{"[]", "[]"},
};

static void
scalars_as_json(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(scalars); i++) {
		char yaml[512], want[512], title[600];
		struct gw_diag diag = {0};
		struct gw_config *c;

		snprintf(yaml, sizeof(yaml),
			 PROXY_MODEL "    defaults:\n      x: %s\n",
			 scalars[i].yaml);
		snprintf(want, sizeof(want), "\"x\":%s", scalars[i].json);
		snprintf(title, sizeof(title), "scalar %zu: becomes %s", i,
			 scalars[i].json);
		c = load_texts(yaml, NULL, &diag);
		is_str(c ? c->models[0].defaults[0].member : "not loaded", want,
		       title);
		gw_config_unref(c);
		gw_diag_release(&diag);
	}
}

static void
default_keys(void)
{
	struct gw_config *c = expect_loads(
		"defaults: keys of two models",
		"models:\n"
		"  a: {type: proxy, proxy_url: \"http://h\",\n"
		"      defaults: {temperature: 0, top_p: 1,\n"
		"      model: \"llama3:latest\"}}\n"
		"  b: {type: discovered, defaults: {seed: 1, temperature: 2,\n"
		"      \"\": 3, model: null}}\n",
		NULL);
	struct gw_buf got GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(512);
	bool right = true;

	if (!c)
		return;
	for (size_t i = 0; i < c->n_default_keys; i++)
		if (gw_buf_printf(&got, "[%.*s]", (int)c->default_keys[i].len,
				  c->default_keys[i].key) < 0)
			fixture_fatal("out of memory");
	is_str(got.data, "[][seed][top_p][temperature]",
	       "defaults: the union of the keys by length, without model");
	for (size_t i = 0; i < c->n_models; i++)
		for (size_t k = 0; k < c->models[i].n_defaults; k++) {
			const struct gw_default *d = &c->models[i].defaults[k];
			const struct gw_default_key *key =
				&c->default_keys[d->key_index];

			right = right && key->len == d->key_len &&
				memcmp(key->key, d->key, key->len) == 0;
		}
	ok(right, "defaults: each one knows its index");
	is_int(gw_config_default_key(c, "top_p", 5), 2, "defaults: look-up");
	is_int(gw_config_default_key(c, "top_q", 5), -1,
	       "defaults: look-up of another key");
	is_int(gw_config_default_key(c, "model", 5), -1,
	       "defaults: model is none of them");
	is_str(c->models[0].default_model_json, "\"llama3:latest\"",
	       "defaults: model stands apart, as JSON");
	is_str(c->models[1].default_model_json, NULL,
	       "defaults: model null is not set");
	gw_config_unref(c);
}

/* `x` of the merged defaults, or what is said. */
static const struct {
	const char *title, *base, *over, *want;
} merges[] = {
	{"merge: scalar over scalar", "{x: 1, y: 2}", "{x: 3}",
	 "\"x\":3,\"y\":2"},
	{"merge: new keys come last", "{x: 1}", "{a: 0, x: 2}",
	 "\"x\":2,\"a\":0"},
	{"merge: mappings key by key, at any depth",
	 "{x: {a: {b: 1, c: 2}, d: 3}}", "{x: {a: {c: 4, e: 5}}}",
	 "\"x\":{\"a\":{\"b\":1,\"c\":4,\"e\":5},\"d\":3}"},
	{"merge: lists are replaced", "{x: [1, 2, 3]}", "{x: [4]}",
	 "\"x\":[4]"},
	{"merge: an empty list replaces", "{x: [1]}", "{x: []}", "\"x\":[]"},
	{"merge: an empty mapping changes nothing", "{x: {a: 1}}", "{x: {}}",
	 "\"x\":{\"a\":1}"},
	{"merge: null replaces and is JSON null", "{x: {a: 1}}", "{x: null}",
	 "\"x\":null"},
	{"merge: a mapping replaces a scalar", "{x: 1}", "{x: {a: 1}}",
	 "\"x\":{\"a\":1}"},
	{"merge: a scalar replaces a list", "{x: [1]}", "{x: text}",
	 "\"x\":\"text\""},
	{"merge: lists of mappings are not merged", "{x: [{a: 1}]}",
	 "{x: [{b: 2}]}", "\"x\":[{\"b\":2}]"},
	{"merge: null as a whole takes the defaults away", "{x: 1}", "null",
	 ""},
	{"merge: an alias of the base can be overridden alone",
	 "{x: &s {a: 1}, y: *s}", "{y: {a: 2}}",
	 "\"x\":{\"a\":1},\"y\":{\"a\":2}"},
};

static void
merging(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(merges); i++) {
		struct gw_diag diag = {0};
		struct gw_config *c;
		char base[512], over[512];

		snprintf(base, sizeof(base), PROXY_MODEL "    defaults: %s\n",
			 merges[i].base);
		snprintf(over, sizeof(over), "models: {m: {defaults: %s}}\n",
			 merges[i].over);
		c = load_texts(base, over, &diag);
		if (c)
			is_defaults(&c->models[0], merges[i].want,
				    merges[i].title);
		else
			ok(false, "%s", merges[i].title);
		gw_config_unref(c);
		gw_diag_release(&diag);
	}
}

static struct gw_config *
load_fixtures(const char *base, const char *over)
{
	struct gw_diag diag = {0};
	const char *paths[2] = {fixture_path(base)};
	struct gw_config *c;

	if (over)
		paths[1] = fixture_path(over);
	c = gw_config_load(paths, over ? 2 : 1, &diag);
	ok(c && !diag.errors, "fixture: %s%s%s loads", base, over ? " + " : "",
	   over ? over : "");
	for (size_t i = 0; i < diag.n && !c; i++)
		printf("# %s\n", diag.items[i].text);
	gw_diag_release(&diag);
	return c;
}

static void
fixture_quick(void)
{
	struct gw_config *c = load_fixtures("quick.yaml", NULL);

	if (!c)
		return;
	is_str(c->default_model, "planner", "fixture: default_model");
	is_keys(&c->auth.client_api_keys, "change-me-client-key",
		"fixture: client keys");
	is_keys(&c->auth.node_api_keys, "change-me-node-key",
		"fixture: node keys");
	is_str(c->models[0].base_url, "http://127.0.0.1:8011",
	       "fixture: planner's proxy_url");
	is_defaults(&c->models[0], "\"temperature\":0,\"max_tokens\":128",
		    "fixture: planner's defaults");
	is_str(c->models[1].openai_model_name, "writer",
	       "fixture: writer's name");
	is_defaults(&c->models[1], "\"temperature\":0.6,\"max_tokens\":256",
		    "fixture: 0.6 stays 0.6");
	gw_config_unref(c);
}

static void
fixture_roles(void)
{
	struct gw_config *c = load_fixtures("role_set.yaml", NULL);

	if (c) {
		is_int((long long)c->n_models, 3, "fixture: three roles");
		is_str(c->models[2].alias, "security-reviewer",
		       "fixture: roles have any name");
		is_str(c->models[1].base_url, "http://127.0.0.1:8012",
		       "fixture: summarizer's proxy_url");
	}
	gw_config_unref(c);
	c = load_fixtures("proxy.yaml", NULL);
	if (c)
		is_defaults(&c->models[0], "\"temperature\":0.6",
			    "fixture: the proxy's defaults");
	gw_config_unref(c);
	c = load_fixtures("discovered.yaml", NULL);
	if (c) {
		is_str(c->models[0].role, "reviewer", "fixture: role");
		is_int(c->models[0].strategy, GW_ROUND_ROBIN,
		       "fixture: strategy");
	}
	gw_config_unref(c);
	c = load_fixtures("top_level.yaml", NULL);
	if (c) {
		is_str(c->gateway.host, "0.0.0.0", "fixture: host");
		is_int(c->gateway.port, 8000, "fixture: port");
	}
	gw_config_unref(c);
}

static void
fixture_override(void)
{
	struct gw_config *c = load_fixtures("base.yaml", "override.yaml");
	const struct gw_model *planner;

	if (!c)
		return;
	planner = gw_config_model(c, "planner", 7);
	is_str(c->default_model, "planner", "override: what it leaves stays");
	is_str(c->gateway.host, "10.0.0.5", "override: host is replaced");
	is_int(c->gateway.port, 8000, "override: port beside it stays");
	is_keys(&c->auth.client_api_keys, "local-key",
		"override: the list is replaced");
	is_str(planner->base_url, "http://10.0.0.12:8011",
	       "override: proxy_url is replaced");
	is_defaults(planner,
		    "\"temperature\":0,\"max_tokens\":512,\"stop\":[\"end\"],"
		    "\"seed\":null",
		    "override: defaults are merged");
	ok(!gw_config_model(c, "extra", 5), "override: null takes a model out");
	ok(gw_config_model(c, "writer", 6) != NULL,
	   "override: a new model comes in");
	is_int((long long)c->n_models, 3, "override: three models");
	gw_config_unref(c);
}

/* What the documentation shows must load as it is. */
static void
shipped_files(void)
{
	struct gw_config *c = load_fixtures("../../../configs/demo.yaml", NULL);

	if (c) {
		is_str(c->default_model, "planner", "demo: default_model");
		is_str(c->models[1].base_url, "http://127.0.0.1:18012",
		       "demo: writer's upstream");
		is_int(c->models[2].type, GW_MODEL_DISCOVERED,
		       "demo: reviewer is discovered");
		is_int((long long)c->auth.client_api_keys.n, 0,
		       "demo: no keys");
	}
	gw_config_unref(c);
	c = load_fixtures("../../../configs/models.example.yaml", NULL);
	if (c)
		is_str(c->models[1].default_model_json, "\"dolphin3:latest\"",
		       "example: defaults.model");
	gw_config_unref(c);
}

static void
restart_keys(void)
{
	static const struct {
		const char *title, *over;
		unsigned want;
	} cases[] = {
		{"restart: a reloadable key -> none",
		 "gateway: {probe_ttl_s: 5}", 0},
		{"restart: max_bodies_bytes -> none",
		 "gateway: {max_bodies_bytes: 67108864}", 0},
		{"restart: the same values written out -> none",
		 "gateway: {port: 8000, host: 127.0.0.1}", 0},
		{"restart: port -> one", "gateway: {port: 8001}", 1},
		{"restart: host -> one", "gateway: {host: \"::1\"}", 1},
		{"restart: workers -> one", "gateway: {workers: 7}", 1},
		{"restart: max_body_bytes -> one",
		 "gateway: {max_body_bytes: 4096}", 1},
		{"restart: all four and a key -> four",
		 "gateway: {host: a, port: 1, workers: 7, "
		 "max_body_bytes: 4096}\nauth: {client_api_keys: [k], "
		 "node_api_keys: [n]}",
		 4},
	};
	const char *base = "gateway: {workers: 3}\n" DISCOVERED_MODEL;
	struct gw_config *before = expect_loads("restart: base", base, NULL);

	for (size_t i = 0; before && i < GW_ARRAY_LEN(cases); i++) {
		struct gw_config *after =
			expect_loads("restart: loads", base, cases[i].over);

		if (!after)
			continue;
		is_int(gw_config_needs_restart(before, after), cases[i].want,
		       cases[i].title);
		ok(before->fingerprint != after->fingerprint,
		   "fingerprint: differs with the files");
		gw_config_unref(after);
	}
	gw_config_unref(before);
}

static void
references(void)
{
	struct gw_config *c =
		expect_loads("refs: a snapshot", DISCOVERED_MODEL, NULL);
	struct gw_config *again;

	if (!c)
		return;
	again = expect_loads("refs: the same file", DISCOVERED_MODEL, NULL);
	ok(again && again->fingerprint == c->fingerprint,
	   "fingerprint: the same for the same bytes");
	gw_config_unref(again);
	ok(gw_config_ref(c) == c, "refs: a second reference");
	gw_config_unref(c);
	is_str(c->models[0].alias, "m", "refs: alive with one reference left");
	gw_config_unref(c);
	gw_config_unref(NULL);
}

/* What `<<` brings: own keys win, then the first source; over files, too. */
static void
merge_keys(void)
{
	struct gw_config *c = expect_loads(
		"merge keys: loads",
		"x-limits: &limits {connect_s: 1, idle_s: 2, total_s: 3}\n"
		"x-more: &more {idle_s: 7, first_byte_s: 8}\n"
		"x-role: &role\n"
		"  type: proxy\n"
		"  proxy_url: http://h:1\n"
		"  defaults: &defaults {temperature: 0.6, stop: [a]}\n"
		"  timeouts: {<<: [*limits, *more], total_s: 4}\n"
		"models:\n"
		"  a: *role\n"
		"  b: {<<: *role, proxy_url: \"http://h:2\"}\n"
		"  c:\n"
		"    <<: *role\n"
		"    defaults: {seed: 1, <<: *defaults}\n"
		"  d: {<<: [], type: discovered}\n",
		"models: {a: {proxy_url: \"http://h:3\"}}\n");
	const struct gw_timeouts *t;

	if (!c)
		return;
	is_int((long long)c->n_models, 4, "merge keys: four models");
	t = &c->models[1].timeouts;
	ok(t->connect_ms == 1000 && t->idle_ms == 2000 &&
		   t->first_byte_ms == 8000 && t->total_ms == 4000,
	   "merge keys: own keys win, then the first of a list");
	is_str(c->models[0].base_url, "http://h:3",
	       "merge keys: an override changes what an alias made ...");
	is_str(c->models[2].base_url, "http://h:1",
	       "merge keys: ... and nothing else that came of the anchor");
	is_str(c->models[1].base_url, "http://h:2", "merge keys: an own key");
	is_int((long long)c->models[2].n_defaults, 3,
	       "merge keys: inside defaults");
	is_str(c->models[2].defaults[0].member, "\"seed\":1",
	       "merge keys: own members stand first");
	gw_config_unref(c);
}

int
main(void)
{
	setenv("GW_LOG_LEVEL", "error", 1);
	gw_log_init("test_config_values");
	fixture_begin();
	defaults_of_every_key();
	every_key_set();
	scalars_as_json();
	default_keys();
	merging();
	fixture_quick();
	fixture_roles();
	fixture_override();
	shipped_files();
	restart_keys();
	all_bodies();
	references();
	merge_keys();
	return fixture_end();
}
