/* SPDX-License-Identifier: MIT */
/* test_config_secrets.c - ${env:}, ${file:}, and printing without secrets. */
#include "config_fixture.h"

#define E "base.yaml:"

static const struct {
	const char *title, *yaml, *want;
} errors[] = {
	{"secrets: unset variable -> names key and variable",
	 "auth: {client_api_keys: [\"${env:GW_UNSET}\"]}\n" DISCOVERED_MODEL,
	 E "1:26: error: auth.client_api_keys[0]: environment variable "
	   "`GW_UNSET` is not set\n"},
	{"secrets: no variable's name -> refused",
	 "default_model: \"${env:}\"\n" DISCOVERED_MODEL,
	 E "1:16: error: default_model: environment variable `` is not "
	   "set\n"},
	{"secrets: missing file -> names key and path",
	 "auth: {upstream_node_key: \"${file:no/such}\"}\n" DISCOVERED_MODEL,
	 E "1:27: error: auth.upstream_node_key: file `no/such`: No such file "
	   "or directory\n"},
	{"secrets: a folder as file -> refused",
	 "auth: {upstream_node_key: \"${file:sub}\"}\n" DISCOVERED_MODEL,
	 E "1:27: error: auth.upstream_node_key: file `sub`: is a folder, not "
	   "a regular file\n"},
	{"secrets: a FIFO as file -> refused, no hang",
	 "auth: {upstream_node_key: \"${file:fifo}\"}\n" DISCOVERED_MODEL,
	 E "1:27: error: auth.upstream_node_key: file `fifo`: is a FIFO, not "
	   "a regular file\n"},
	{"secrets: 64 KiB and one byte -> refused",
	 "auth: {upstream_node_key: \"${file:large}\"}\n" DISCOVERED_MODEL,
	 E "1:27: error: auth.upstream_node_key: file `large`: is larger than "
	   "65536 bytes\n"},
	{"secrets: a NUL in the file -> refused",
	 "auth: {upstream_node_key: \"${file:nul}\"}\n" DISCOVERED_MODEL,
	 E "1:27: error: auth.upstream_node_key: file `nul` holds a NUL "
	   "byte\n"},
	{"secrets: bytes that are no UTF-8 -> refused, not shown",
	 "auth: {upstream_node_key: \"${file:latin}\"}\n" DISCOVERED_MODEL,
	 E "1:27: error: auth.upstream_node_key: `latin` does not hold "
	   "UTF-8\n"},
	{"secrets: an empty file -> an empty key is refused",
	 "auth: {upstream_node_key: \"${file:empty}\"}\n" DISCOVERED_MODEL,
	 E "1:27: error: auth.upstream_node_key: cannot be empty\n"},
	{"secrets: a newline in the middle -> refused",
	 "auth: {upstream_node_key: \"${file:lines}\"}\n" DISCOVERED_MODEL,
	 E "1:27: error: auth.upstream_node_key: cannot hold control "
	   "characters\n"},
	{"secrets: unknown reference -> the known ones",
	 "default_model: \"${vault:x}\"\n" DISCOVERED_MODEL,
	 E "1:16: error: default_model: unknown reference `${vault:x}`; there "
	   "are ${env:NAME} and ${file:PATH}, and $${ for a literal ${\n"},
	{"secrets: no closing brace -> refused",
	 "default_model: \"${env:HOME\"\n" DISCOVERED_MODEL,
	 E "1:16: error: default_model: `${` without its `}`; write $${ for a "
	   "literal ${\n"},
	{"secrets: a number from outside -> stays a string",
	 "gateway: {port: \"${env:GW_PORT}\"}\n" DISCOVERED_MODEL,
	 E "1:17: error: gateway.port: expected an integer, found a string "
	   "(what comes from ${...} is always a string)\n"},
	{"secrets: a bad value from outside -> not shown",
	 "models:\n  m:\n    type: ${env:GW_SECRET}\n",
	 E "3:11: error: models.m.type: expected `proxy` or `discovered`, "
	   "found a string (what comes from ${...} is always a string)\n"},
	{"secrets: a bad address from outside -> not shown",
	 "models:\n  m: {type: proxy, proxy_url: \"${env:GW_SECRET}\"}\n",
	 E "2:31: error: models.m.proxy_url: the URL must begin with http:// "
	   "or https://\n"},
	{"secrets: an alias from outside that is none -> not shown",
	 "default_model: ${env:GW_SECRET}\n" DISCOVERED_MODEL,
	 E "1:16: error: default_model: there is no alias `***`\n"},
	{"secrets: a name from outside that clashes -> not shown",
	 "models:\n  \"8080\": {type: discovered}\n"
	 "  m: {type: discovered, openai_model_name: \"${env:GW_PORT}\"}\n",
	 E "3:44: error: models.m.openai_model_name: `***` is already an "
	   "alias (base.yaml:2:3)\n"},
	{"secrets: inside defaults -> the whole path",
	 PROXY_MODEL "    defaults: {a: [{b: \"${env:GW_UNSET}\"}]}\n",
	 E "5:24: error: models.m.defaults.a[0].b: environment variable "
	   "`GW_UNSET` is not set\n"},
};

static void
prepare_files(void)
{
	static char large[65537];

	memset(large, 'x', sizeof(large));
	if (mkdir("sub", 0700) < 0 || mkfifo("fifo", 0600) < 0 ||
	    symlink("sub/key", "link") < 0)
		fixture_fatal("cannot prepare files");
	write_text("sub/key", "s3cret-from-file\n");
	write_bytes("large", large, sizeof(large));
	write_bytes("nul", "a\0b", 3);
	write_text("latin", "caf\xe9");
	write_text("empty", "");
	write_text("lines", "key\n\nkey\n");
	setenv("GW_SECRET", "s3cret-from-env", 1);
	setenv("GW_NESTED", "${env:GW_SECRET}", 1);
	setenv("GW_PORT", "8080", 1);
	setenv("GW_URL", "http://s3cret.example:8011/v1", 1);
	unsetenv("GW_UNSET");
}

static void
substitution(void)
{
	struct gw_config *c =
		expect_loads("secrets: references of every form",
			     "auth:\n"
			     "  client_api_keys:\n"
			     "    - ${env:GW_SECRET}\n"
			     "    - \"${file:sub/key}\"\n"
			     "    - \"1${file:link}\"\n"
			     "    - a-${env:GW_PORT}-${env:GW_PORT}-z\n"
			     "    - $${env:GW_SECRET}\n"
			     "    - $$${env:GW_PORT}\n"
			     "    - 1${env:GW_NESTED}\n"
			     "    - pa$$word\n"
			     "models:\n"
			     "  m:\n"
			     "    type: proxy\n"
			     "    proxy_url: ${env:GW_URL}\n"
			     "    defaults:\n"
			     "      user: ${env:GW_PORT}\n",
			     NULL);
	static const char *const want[] = {
		"s3cret-from-env",   "s3cret-from-file",  "1s3cret-from-file",
		"a-8080-8080-z",     "${env:GW_SECRET}",  "$${env:GW_PORT}",
		"1${env:GW_SECRET}", "pa$$word",
	};
	static const char *const titles[] = {
		"secrets: a variable",
		"secrets: a file beside the configuration, its newline dropped",
		"secrets: a file behind a symlink",
		"secrets: text around and several references",
		"secrets: $${ is a literal ${",
		"secrets: $$${ is a $ and a literal ${",
		"secrets: what comes in is not looked at again",
		"secrets: other dollars are themselves",
	};

	if (!c)
		return;
	for (size_t i = 0; i < GW_ARRAY_LEN(want); i++)
		is_str(c->auth.client_api_keys.key[i], want[i], titles[i]);
	is_str(c->models[0].base_url, "http://s3cret.example:8011",
	       "secrets: an address");
	is_str(c->models[0].defaults[0].member, "\"user\":\"8080\"",
	       "secrets: in defaults a string, never a number");
	gw_config_unref(c);
}

static void
replaced_references(void)
{
	struct gw_config *c = expect_loads(
		"secrets: what an override replaced is never looked up",
		"auth: {upstream_node_key: "
		"\"${env:GW_UNSET}\"}\n" DISCOVERED_MODEL,
		"auth: {upstream_node_key: local}\n");

	gw_config_unref(c);
}

static void
relative_to_its_file(void)
{
	struct gw_diag diag = {0};
	const char *paths[] = {"base.yaml", "sub/over.yaml"};
	struct gw_config *c;

	write_text("base.yaml", DISCOVERED_MODEL);
	write_text("sub/over.yaml",
		   "auth: {upstream_node_key: \"${file:key}\"}\n");
	c = gw_config_load(paths, 2, &diag);
	is_str(c ? c->auth.upstream_node_key : NULL, "s3cret-from-file",
	       "secrets: paths start at the folder of the naming file");
	gw_config_unref(c);
	gw_diag_release(&diag);
}

/* What editors of all kinds leave around a key, and the key alone. */
static void
line_ends_and_marks(void)
{
	static const char *const files[] = {
		"key",
		"key\n",
		"key\r\n",
		"key\n\n",
		"key\r\n\r\n",
		"key\r",
		"\xef\xbb\xbfkey",
		"\xef\xbb\xbfkey\r\n",
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(files); i++) {
		struct gw_diag diag = {0};
		struct gw_config *c;

		write_text("ends", files[i]);
		c = load_texts(
			"\xef\xbb\xbf" DISCOVERED_MODEL
			"auth: {upstream_node_key: \"${file:ends}\"}\r\n",
			"\xef\xbb\xbfversion: 1\r\n", &diag);
		is_str(c ? c->auth.upstream_node_key : NULL, "key",
		       "secrets: line ends and a byte order mark are no part "
		       "of a key");
		gw_config_unref(c);
		gw_diag_release(&diag);
	}
}

static void
hidden_addresses(void)
{
	struct gw_diag diag = {0};
	struct gw_config *c;
	char *got;

	setenv("GW_ENDPOINT", "http://s3cret.example/v1/models", 1);
	setenv("GW_HOST_PORT", "s3cret.example:1", 1);
	c = load_texts("models:\n  p: {type: proxy, proxy_url: "
		       "\"${env:GW_ENDPOINT}\"}\n"
		       "gateway: {host: \"${env:GW_HOST_PORT}\"}\n",
		       NULL, &diag);
	got = diag_text(&diag);
	ok(!c && !strstr(got, "s3cret"),
	   "secrets: what to write instead is not shown of a secret");
	is_str(got,
	       "base.yaml:2:31: error: models.p.proxy_url: the URL ends in the "
	       "path of an endpoint, `/models`\n"
	       "base.yaml:3:17: error: gateway.host: is a host with a port\n",
	       "secrets: the rest of the message is");
	free(got);
	gw_diag_release(&diag);
}

static void
shared_by_alias(void)
{
	struct gw_config *c =
		expect_loads("secrets: an anchored mapping used twice",
			     "models:\n"
			     "  a: {type: discovered, defaults: &d {k: "
			     "\"${env:GW_NESTED}\"}}\n"
			     "  b: {type: discovered, defaults: *d}\n",
			     NULL);

	if (!c)
		return;
	is_str(c->models[0].defaults[0].member, "\"k\":\"${env:GW_SECRET}\"",
	       "secrets: expanded once at the anchor");
	is_str(c->models[1].defaults[0].member, "\"k\":\"${env:GW_SECRET}\"",
	       "secrets: expanded once at the alias");
	gw_config_unref(c);
}

static void
too_much(void)
{
	struct gw_buf text GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 16);
	static char large[65536];
	struct gw_diag diag = {0};
	struct gw_config *c;
	char *got;

	memset(large, 'x', sizeof(large));
	write_bytes("fits", large, sizeof(large));
	if (gw_buf_puts(&text, PROXY_MODEL "    defaults:\n      x: \"") < 0)
		fixture_fatal("out of memory");
	for (int i = 0; i < 65; i++)
		if (gw_buf_puts(&text, "${file:fits}") < 0)
			fixture_fatal("out of memory");
	if (gw_buf_puts(&text, "\"\n") < 0)
		fixture_fatal("out of memory");
	c = load_texts(text.data, NULL, &diag);
	got = diag_text(&diag);
	is_str(got,
	       E "6:10: error: models.m.defaults.x: what ${...} stands for is "
		 "too large (4194304 bytes at most, all together)\n",
	       "secrets: 65 times 64 KiB -> a limit, said so");
	ok(!c, "secrets: no snapshot of it");
	free(got);
	gw_diag_release(&diag);
}

/* A configuration of @n keys, each in a file of its own. */
static void
keys_of_files(const char *title, int n, const char *want)
{
	struct gw_buf text GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 16);
	bool room = gw_buf_puts(&text, DISCOVERED_MODEL
				       "auth: {client_api_keys: [k") == 0;
	char name[32], key[32];

	for (int i = 0; room && i < n; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		snprintf(key, sizeof(key), "key-%d", i);
		write_text(name, key);
		room = gw_buf_printf(&text, ", \"${file:%s}\"", name) == 0;
	}
	if (!room || gw_buf_puts(&text, "]}\n") < 0)
		fixture_fatal("out of memory");
	expect_findings(title, text.data, NULL, want);
}

static const char *const printed = "version: 1\n"
				   "default_model: w\n"
				   "gateway:\n"
				   "  host: 127.0.0.1\n"
				   "  port: 8000\n"
				   "  workers: 3\n"
				   "  max_body_bytes: 33554432\n"
				   "  max_bodies_bytes: 268435456\n"
				   "  probe_timeout_s: 2\n"
				   "  probe_ttl_s: 0.5\n"
				   "  shutdown_grace_s: 10\n"
				   "  sse_keepalive_s: 10\n"
				   "  cors_origins: ['*']\n"
				   "  log_format: json\n"
				   "  eject:\n"
				   "    failures: 3\n"
				   "    pause_s: 5\n"
				   "    pause_max_s: 10\n"
				   "auth:\n"
				   "  client_api_keys: ['***', '***']\n"
				   "  node_api_keys: []\n"
				   "  upstream_node_key: '***'\n"
				   "  upstream_operator_key: null\n"
				   "  clients: []\n"
				   "  nodes: []\n"
				   "  operator_keys: []\n"
				   "  trust_web_server_user: false\n"
				   "models:\n"
				   "  w:\n"
				   "    type: proxy\n"
				   "    openai_model_name: gpt\n"
				   "    names: [o, '*']\n"
				   "    proxy_url: https://masked.invalid/***\n"
				   "    api_key: '***'\n"
				   "    tls:\n"
				   "      ca_file: null\n"
				   "      verify: true\n"
				   "    defaults:\n"
				   "      temperature: 0.60\n"
				   "      big: 123456789012345678901234567890\n"
				   "      text: \"5\"\n"
				   "      literal: $${x}\n"
				   "      user: '***'\n"
				   "      list: [a, null, true, {k: '***'}]\n"
				   "      none: {}\n"
				   "    timeouts:\n"
				   "      connect_s: 5\n"
				   "      first_byte_s: 300\n"
				   "      idle_s: 120\n"
				   "      total_s: 0\n"
				   "      client_idle_s: 300\n"
				   "    retry:\n"
				   "      attempts: 2\n"
				   "      backoff_s: 0.25\n"
				   "      backoff_max_s: 5\n"
				   "    fallback: []\n"
				   "    resume: false\n"
				   "    max_concurrency: 0\n"
				   "    queue:\n"
				   "      max: 64\n"
				   "      timeout_s: 120\n"
				   "  \"5\":\n"
				   "    type: discovered\n"
				   "    openai_model_name: \"5\"\n"
				   "    names: []\n"
				   "    role: \"5\"\n"
				   "    strategy: random\n"
				   "    affinity_header: X-Session-Id\n"
				   "    defaults: {}\n"
				   "    timeouts:\n"
				   "      connect_s: 0.001\n"
				   "      first_byte_s: 300\n"
				   "      idle_s: 120\n"
				   "      total_s: 0\n"
				   "      client_idle_s: 300\n"
				   "    retry:\n"
				   "      attempts: 2\n"
				   "      backoff_s: 0.25\n"
				   "      backoff_max_s: 5\n"
				   "    fallback: []\n"
				   "    resume: false\n"
				   "    queue:\n"
				   "      max: 64\n"
				   "      timeout_s: 120\n"
				   "nodes:\n"
				   "- node_id: n\n"
				   "  base_url: http://127.0.0.1:1\n"
				   "  served_models:\n"
				   "  - model_id: m\n"
				   "    roles: [\"5\"]\n"
				   "    meta: {}\n"
				   "    weight: null\n"
				   "    max_concurrency: 0\n"
				   "    parallel: 4\n"
				   "  roles: []\n"
				   "  meta:\n"
				   "    card: '***'\n"
				   "  weight: 7\n"
				   "  max_concurrency: 2\n"
				   "  api_key: '***'\n"
				   "  tls:\n"
				   "    ca_file: null\n"
				   "    verify: true\n"
				   "- node_id: o\n"
				   "  base_url: https://masked.invalid/***\n"
				   "  served_models: []\n"
				   "  roles: [\"5\"]\n"
				   "  meta: {}\n"
				   "  weight: 1\n"
				   "  max_concurrency: 0\n"
				   "  api_key: null\n"
				   "  tls:\n"
				   "    ca_file: null\n"
				   "    verify: true\n";

static void
printing(void)
{
	struct gw_buf once GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 16);
	struct gw_buf twice GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 16);
	struct gw_buf small GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(100);
	struct gw_config *c = expect_loads(
		"print: loads",
		"default_model: w\n"
		"gateway: {workers: 3, probe_ttl_s: 0.5, cors_origins: "
		"[\"*\"], log_format: json}\n"
		"auth: {client_api_keys: [plain-s3cret, "
		"\"${env:GW_SECRET}\"],\n"
		"       upstream_node_key: plain-s3cret}\n"
		"models:\n"
		"  w:\n"
		"    type: proxy\n"
		"    openai_model_name: gpt\n"
		"    names: [o, \"*\"]\n"
		"    proxy_url: ${env:GW_URL}\n"
		"    api_key: plain-s3cret\n"
		"    defaults:\n"
		"      temperature: 0.60\n"
		"      big: 123456789012345678901234567890\n"
		"      text: \"5\"\n"
		"      literal: $${x}\n"
		"      user: a ${env:GW_SECRET} b\n"
		"      list: [a, ~, true, {k: \"${file:sub/key}\"}]\n"
		"      none: {}\n"
		"  gone: null\n"
		"  5: {type: discovered, strategy: random,\n"
		"      timeouts: {connect_s: 0.0001}}\n"
		"nodes:\n"
		"- null\n"
		"- {node_id: n, base_url: \"http://127.0.0.1:1/v1/\",\n"
		"   served_models: [null, {model_id: m, roles: [\"5\"],\n"
		"                   parallel: 4}],\n"
		"   api_key: plain-s3cret, weight: 7, max_concurrency: 2,\n"
		"   meta: {card: \"${env:GW_SECRET}\"}}\n"
		"- {node_id: o, base_url: \"${env:GW_URL}\", roles: [\"5\"]}\n",
		NULL);

	if (!c)
		return;
	is_int(gw_config_print(c, &once), 0, "print: works");
	is_str(once.data, printed, "print: every key, secrets as ***");
	ok(!strstr(once.data ? once.data : "s3cret", "s3cret"),
	   "print: no secret anywhere");
	is_int(gw_config_print(c, &small), -1, "print: no room -> -1");
	gw_config_unref(c);
	c = expect_loads("print: what it prints loads again",
			 once.data ? once.data : "", NULL);
	if (!c)
		return;
	is_int(gw_config_print(c, &twice), 0, "print: works again");
	is_str(twice.data, printed, "print: the same the second time");
	gw_config_unref(c);
}

/* The shipped example, printed, is a configuration without findings. */
static void
print_example(void)
{
	struct gw_buf out GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 16);
	struct gw_diag diag = {0};
	const char *paths[] = {
		fixture_path("../../../configs/models.example.yaml")};
	struct gw_config *c = gw_config_load(paths, 1, &diag);

	ok(c && !diag.n, "print: the example loads without findings");
	is_int(c ? gw_config_print(c, &out) : -1, 0, "print: the example");
	ok(out.data && !strstr(out.data, "change-me"),
	   "print: the example's keys are masked");
	gw_config_unref(c);
	gw_diag_release(&diag);
}

int
main(void)
{
	fixture_begin();
	prepare_files();
	for (size_t i = 0; i < GW_ARRAY_LEN(errors); i++)
		expect_findings(errors[i].title, errors[i].yaml, NULL,
				errors[i].want);
	substitution();
	replaced_references();
	relative_to_its_file();
	line_ends_and_marks();
	hidden_addresses();
	shared_by_alias();
	too_much();
	keys_of_files("secrets: 64 files are watched", 64, "");
	keys_of_files("secrets: more of them -> a warning, once", 70,
		      "warning: more than 64 files of ${file:}: an edit of "
		      "`many-64`, and of those behind it, is not noticed until "
		      "another file changes\n");
	printing();
	print_example();
	return fixture_end();
}
