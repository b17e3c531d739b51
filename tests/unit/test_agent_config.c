/* SPDX-License-Identifier: MIT */
/* test_agent_config.c - what the agent's configuration means once loaded. */
#include "agent_config_fixture.h"

static void
is_names(const struct gw_keys *keys, const char *want, const char *title)
{
	struct gw_buf got GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(4096);

	for (size_t i = 0; i < keys->n; i++)
		if (gw_buf_printf(&got, "%s%s", i ? " " : "", keys->key[i]) < 0)
			fixture_fatal("out of memory");
	is_str(got.data ? got.data : "", want, title);
}

static void
defaults(void)
{
	struct ag_config *c = expect_agent_loads(
		"agent config: one model is enough", ONE_MODEL, NULL);
	const struct ag_model_config *m = c ? &c->models[0] : NULL;
	char host[256] = "";

	if (!c)
		return;
	gethostname(host, sizeof(host) - 1);
	is_str(c->node_id, host, "defaults: node_id is the host's name");
	is_str(c->listen_host, "127.0.0.1", "defaults: listen_host");
	is_int(c->listen_port, 8091, "defaults: listen_port");
	is_str(c->advertise_url, "http://127.0.0.1:8091",
	       "defaults: advertise_url is where it listens");
	is_str(c->dispatcher_base_url, NULL, "defaults: no gateway");
	is_str(c->dispatcher_api_key, NULL, "defaults: no node key");
	is_int(c->heartbeat_interval_ms, 10000, "defaults: heartbeat");
	is_int(c->log_format, GW_LOG_TEXT, "defaults: log_format");
	is_int((long long)c->api_keys.n, 0, "defaults: everybody may call");
	is_str(c->llama_server_bin, "llama-server", "defaults: the program");
	is_int(c->startup_timeout_ms, 30000, "defaults: startup timeout");
	is_int(c->probe_interval_ms, 500, "defaults: probe interval");
	is_int(c->port_base, 18080, "defaults: port base");
	is_int(c->max_pending, 8, "defaults: max_pending_per_device");
	is_int(c->idle_unload_ms, 0, "defaults: never unloaded");
	is_int(c->stop_timeout_ms, 10000, "defaults: stop_timeout_s");
	is_int(c->shutdown_grace_ms, 10000, "defaults: shutdown_grace_s");
	is_int(c->sse_keepalive_ms, 10000, "defaults: sse_keepalive_s");
	is_int((long long)c->max_body_bytes, 32 << 20,
	       "defaults: max_body_bytes");
	is_int((long long)c->max_bodies_bytes, 256 << 20,
	       "defaults: max_bodies_bytes");
	is_int(c->timeouts.connect_ms, 5000, "defaults: connect_s");
	is_int(c->timeouts.first_byte_ms, 300000, "defaults: first_byte_s");
	is_int(c->timeouts.idle_ms, 120000, "defaults: idle_s");
	is_int(c->timeouts.total_ms, 0, "defaults: total_s");
	is_int((long long)c->devices.n, 0, "defaults: devices are auto");
	is_int((long long)c->n_models, 1, "defaults: one model");
	is_str(m->model_id, "m", "defaults: its id");
	is_str(m->path, "/m.gguf", "defaults: its file");
	is_str(m->alias, "m", "defaults: the alias is the id");
	is_int((long long)m->roles.n, 0, "defaults: no roles");
	ok(!m->preload, "defaults: not preloaded");
	is_str(m->group, NULL, "defaults: no group");
	is_int((long long)m->memory_mib, 0, "defaults: memory is not known");
	is_int((long long)m->devices.n, 0, "defaults: any device");
	is_int(m->parallel, 0, "defaults: llama-server tells its slots");
	ok(!m->server_args && !m->env && !m->meta && !m->meta_json,
	   "defaults: no mappings");
	for (int i = 0; i < AG_FLAG__MAX; i++)
		if (m->flag[i])
			ok(false, "defaults: flag %d is set", i);
	ag_config_free(c);
}

static const char every_key[] =
	"version: 1\n"
	"node_id: gpu box 1\n"
	"listen_host: \"::1\"\n"
	"listen_port: 0x1F91\n"
	"advertise_url: https://gpu-box:9443/agent/v1/\n"
	"dispatcher_base_url: http://gw.example:8000/v1\n"
	"dispatcher_api_key: nk\n"
	"heartbeat_interval_s: .5\n"
	"log_format: json\n"
	"auth: {api_keys: [a1, a2]}\n"
	"llama_server_bin: /opt/my llama/llama-server\n"
	"llama_server_startup_timeout_s: 1.5\n"
	"llama_server_probe_interval_s: 0.01\n"
	"llama_server_port_base: 20000\n"
	"max_pending_per_device: 3\n"
	"idle_unload_s: 600\n"
	"stop_timeout_s: 0\n"
	"shutdown_grace_s: 2\n"
	"max_body_bytes: 1024\n"
	"max_bodies_bytes: 4096\n"
	"sse_keepalive_s: 0\n"
	"timeouts: {connect_s: 1, first_byte_s: 2, idle_s: 3, total_s: 4}\n"
	"devices: [\"gpu:0\", \"gpu:1,2\", \"cpu:0\"]\n"
	"models:\n"
	"- model_id: big\n"
	"  path: weights/big.gguf\n"
	"  roles: [planner, \"code review\"]\n"
	"  preload: TRUE\n"
	"  group: g\n"
	"  memory_mib: 4096\n"
	"  devices: [\"gpu:1,2\"]\n"
	"  ctx_size: 0x2000\n"
	"  batch_size: 2048\n"
	"  ubatch_size: 512\n"
	"  threads: -1\n"
	"  threads_batch: 16\n"
	"  gpu_layers: all\n"
	"  main_gpu: 1\n"
	"  tensor_split: [3, 1.50]\n"
	"  flash_attn: true\n"
	"  alias: big-model\n"
	"  server_args: {parallel: 4, temp: 0.60}\n"
	"  env: {GGML_X: 1, HF_TOKEN: hf_abc}\n"
	"  meta: {q: Q5, n: 1.50, deep: [null, true, {a: \"\\u00e9\"}]}\n"
	"- null\n"
	"- {model_id: small, path: s.gguf, tensor_split: \"1\",\n"
	"   flash_attn: off, gpu_layers: 33, alias: null, roles: null}\n";

static void
every_key_set(void)
{
	struct ag_config *c = expect_agent_loads(
		"agent config: every key can be set", every_key, NULL);
	const struct ag_model_config *m, *s;

	if (!c)
		return;
	m = &c->models[0];
	s = &c->models[1];
	is_str(c->node_id, "gpu box 1", "values: node_id");
	is_str(c->listen_host, "::1", "values: listen_host");
	is_int(c->listen_port, 8081, "values: a port in hexadecimal");
	is_str(c->advertise_url, "https://gpu-box:9443/agent",
	       "values: advertise_url without /v1");
	is_str(c->dispatcher_base_url, "http://gw.example:8000",
	       "values: dispatcher_base_url without /v1");
	is_str(c->dispatcher_api_key, "nk", "values: dispatcher_api_key");
	is_int(c->heartbeat_interval_ms, 500, "values: heartbeat");
	is_int(c->log_format, GW_LOG_JSON, "values: log_format json");
	is_names(&c->api_keys, "a1 a2", "values: auth.api_keys");
	is_str(c->llama_server_bin, "/opt/my llama/llama-server",
	       "values: a program with a blank in its path");
	is_int(c->startup_timeout_ms, 1500, "values: startup timeout");
	is_int(c->probe_interval_ms, 10, "values: probe interval");
	is_int(c->port_base, 20000, "values: port base");
	is_int(c->max_pending, 3, "values: max_pending_per_device");
	is_int(c->idle_unload_ms, 600000, "values: idle_unload_s");
	is_int(c->stop_timeout_ms, 0, "values: stop_timeout_s");
	is_int(c->shutdown_grace_ms, 2000, "values: shutdown_grace_s");
	is_int((long long)c->max_body_bytes, 1024, "values: max_body_bytes");
	is_int((long long)c->max_bodies_bytes, 4096,
	       "values: max_bodies_bytes");
	is_int(c->sse_keepalive_ms, 0, "values: no keep-alive");
	is_int(c->timeouts.connect_ms, 1000, "values: connect_s");
	is_int(c->timeouts.first_byte_ms, 2000, "values: first_byte_s");
	is_int(c->timeouts.idle_ms, 3000, "values: idle_s");
	is_int(c->timeouts.total_ms, 4000, "values: total_s");
	is_names(&c->devices, "gpu:0 gpu:1,2 cpu:0", "values: devices");
	is_int((long long)c->n_models, 2, "values: null is no model");
	is_str(m->path, "weights/big.gguf", "values: a path as written");
	is_names(&m->roles, "planner code review", "values: roles");
	ok(m->preload && !s->preload, "values: preload");
	is_str(m->group, "g", "values: group");
	is_int((long long)m->memory_mib, 4096, "values: memory_mib");
	is_names(&m->devices, "gpu:1,2", "values: devices of a model");
	is_str(m->flag[AG_FLAG_ctx_size], "8192", "values: ctx_size");
	is_str(m->flag[AG_FLAG_batch_size], "2048", "values: batch_size");
	is_str(m->flag[AG_FLAG_ubatch_size], "512", "values: ubatch_size");
	is_str(m->flag[AG_FLAG_threads], "-1", "values: threads");
	is_str(m->flag[AG_FLAG_threads_batch], "16", "values: threads_batch");
	is_str(m->flag[AG_FLAG_gpu_layers], "all", "values: gpu_layers");
	is_str(m->flag[AG_FLAG_main_gpu], "1", "values: main_gpu");
	is_str(m->flag[AG_FLAG_tensor_split], "3,1.50",
	       "values: tensor_split, a list");
	is_str(m->flag[AG_FLAG_flash_attn], "on", "values: flash_attn true");
	is_str(m->alias, "big-model", "values: alias");
	is_int(m->parallel, 4, "values: server_args.parallel");
	ok(m->server_args && m->env && m->meta, "values: mappings are kept");
	is_str(m->meta_json,
	       "{\"q\":\"Q5\",\"n\":1.50,\"deep\":[null,true,{\"a\":\"é\"}]}",
	       "values: meta as JSON, digits kept");
	is_str(s->flag[AG_FLAG_tensor_split], "1",
	       "values: tensor_split, a string");
	is_str(s->flag[AG_FLAG_flash_attn], "off", "values: flash_attn off");
	is_str(s->flag[AG_FLAG_gpu_layers], "33", "values: gpu_layers, number");
	is_str(s->alias, "small", "values: alias null is the id");
	ag_config_free(c);
}

/* What @value of flash_attn or gpu_layers becomes. */
static void
is_flag(const char *line, enum ag_flag flag, const char *want)
{
	char yaml[256], title[300];
	struct ag_config *c;

	snprintf(yaml, sizeof(yaml), "models: [{model_id: m, path: p, %s}]\n",
		 line);
	snprintf(title, sizeof(title), "flags: %s -> loads", line);
	c = expect_agent_loads(title, yaml, NULL);
	snprintf(title, sizeof(title), "flags: %s -> %s", line, want);
	if (c)
		is_str(c->models[0].flag[flag], want, title);
	ag_config_free(c);
}

static void
flags(void)
{
	is_flag("flash_attn: true", AG_FLAG_flash_attn, "on");
	is_flag("flash_attn: False", AG_FLAG_flash_attn, "off");
	is_flag("flash_attn: on", AG_FLAG_flash_attn, "on");
	is_flag("flash_attn: \"off\"", AG_FLAG_flash_attn, "off");
	is_flag("flash_attn: auto", AG_FLAG_flash_attn, "auto");
	is_flag("gpu_layers: auto", AG_FLAG_gpu_layers, "auto");
	is_flag("gpu_layers: 0", AG_FLAG_gpu_layers, "0");
	is_flag("gpu_layers: -1", AG_FLAG_gpu_layers, "-1");
	is_flag("tensor_split: \"3,1\"", AG_FLAG_tensor_split, "3,1");
	is_flag("tensor_split: [3, 1]", AG_FLAG_tensor_split, "3,1");
	is_flag("tensor_split: [.5, 0.25, 1]", AG_FLAG_tensor_split,
		".5,0.25,1");
}

static void
default_urls(void)
{
	static const struct {
		const char *host, *want;
	} cases[] = {
		{"0.0.0.0", "http://0.0.0.0:8091"},
		{"gpu-box.example", "http://gpu-box.example:8091"},
		{"\"::1\"", "http://[::1]:8091"},
		{"\"[2001:db8::1]\"", "http://[2001:db8::1]:8091"},
		{"\"fe80::1%eth0\"", "http://[fe80::1%25eth0]:8091"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++) {
		char yaml[256];
		struct ag_config *c;

		snprintf(yaml, sizeof(yaml),
			 "auth: {api_keys: [k]}\nlisten_host: %s\n" ONE_MODEL,
			 cases[i].host);
		c = expect_agent_loads("advertise_url: loads", yaml, NULL);
		if (c)
			is_str(c->advertise_url, cases[i].want,
			       "advertise_url: made from listen_host");
		ag_config_free(c);
	}
}

static char *
printed(const struct ag_config *c)
{
	struct gw_buf out = GW_BUF_INIT(1 << 20);

	if (ag_config_print(c, &out) < 0)
		fixture_fatal("cannot print");
	return out.data;
}

static const char want_model[] = "models:\n"
				 "- model_id: big\n"
				 "  path: weights/big.gguf\n"
				 "  roles: [planner, code review]\n"
				 "  preload: true\n"
				 "  group: g\n"
				 "  memory_mib: 4096\n"
				 "  devices: ['gpu:1,2']\n"
				 "  ctx_size: 8192\n"
				 "  batch_size: 2048\n"
				 "  ubatch_size: 512\n"
				 "  threads: -1\n"
				 "  threads_batch: 16\n"
				 "  gpu_layers: all\n"
				 "  main_gpu: 1\n"
				 "  tensor_split: 3,1.50\n"
				 "  flash_attn: on\n"
				 "  alias: big-model\n"
				 "  server_args:\n"
				 "    parallel: 4\n"
				 "    temp: 0.60\n"
				 "  env:\n"
				 "    GGML_X: 1\n"
				 "    HF_TOKEN: '***'\n"
				 "  meta:\n"
				 "    q: Q5\n"
				 "    n: 1.50\n"
				 "    deep: [null, true, {a: é}]\n";

static void
prints(void)
{
	struct ag_config *c =
		expect_agent_loads("print: loads", every_key, NULL);
	struct ag_config *again;
	char *text, *second;

	if (!c)
		return;
	text = printed(c);
	ok(strstr(text, want_model), "print: a model with every key");
	if (!strstr(text, want_model))
		printf("# %s\n", text);
	ok(strstr(text, "dispatcher_api_key: '***'\n") &&
		   strstr(text, "api_keys: ['***', '***']\n"),
	   "print: keys are masked");
	ok(strstr(text, "tensor_split: \"1\"\n") &&
		   strstr(text, "server_args: {}\n") &&
		   strstr(text, "env: {}\n") && strstr(text, "meta: {}\n") &&
		   strstr(text, "alias: small\n") &&
		   strstr(text, "ctx_size: null\n"),
	   "print: what is not set");
	again = expect_agent_loads("print: what is printed loads again", text,
				   NULL);
	second = again ? printed(again) : NULL;
	is_str(second, text, "print: and is the same");
	free(second);
	free(text);
	ag_config_free(again);
	ag_config_free(c);
}

static void
prints_auto(void)
{
	struct ag_config *c =
		expect_agent_loads("print: loads", ONE_MODEL, NULL);
	char *text = c ? printed(c) : NULL;

	ok(text && strstr(text, "devices: auto\n") &&
		   strstr(text, "advertise_url: http://127.0.0.1:8091\n") &&
		   strstr(text, "dispatcher_base_url: null\n"),
	   "print: effective values");
	free(text);
	ag_config_free(c);
}

static void
secrets(void)
{
	struct ag_config *c;
	char *text;

	setenv("AG_TEST_SECRET", "hush-hush", 1);
	c = expect_agent_loads(
		"secrets: references load",
		"dispatcher_base_url: \"http://${env:AG_TEST_SECRET}:1\"\n"
		"advertise_url: http://box:1\n"
		"models:\n"
		"- model_id: m\n"
		"  path: \"/${env:AG_TEST_SECRET}.gguf\"\n"
		"  roles: [r]\n"
		"  server_args: {grammar: \"${env:AG_TEST_SECRET}\",\n"
		"                lora: [\"${env:AG_TEST_SECRET}\", plain],\n"
		"                hf_token: shown-nowhere,\n"
		"                image_min_tokens: 77}\n"
		"  env: {A: \"x${env:AG_TEST_SECRET}\", OPENAI_API_KEY: "
		"raw-1,\n"
		"        my_Password: raw-2, THE_SECRETS: 3, PLAIN: seen,\n"
		"        NO_TOKEN: null}\n",
		NULL);
	if (!c)
		return;
	text = printed(c);
	ok(!strstr(text, "hush-hush") && !strstr(text, "raw-") &&
		   !strstr(text, "shown-nowhere"),
	   "secrets: none is printed");
	ok(strstr(text, "grammar: '***'\n") &&
		   strstr(text, "lora: ['***', plain]\n") &&
		   strstr(text, "image_min_tokens: 77\n"),
	   "secrets: server_args, only what came from ${...} or is a key");
	ok(strstr(text, "A: '***'\n") && strstr(text, "my_Password: '***'\n") &&
		   strstr(text, "THE_SECRETS: '***'\n") &&
		   strstr(text, "PLAIN: seen\n") &&
		   strstr(text, "NO_TOKEN: null\n"),
	   "secrets: env, by reference and by name");
	is_str(c->models[0].path, "/hush-hush.gguf",
	       "secrets: the value itself is there");
	free(text);
	ag_config_free(c);
	unsetenv("AG_TEST_SECRET");
}

static void
example(void)
{
	char path[2 * PATH_MAX];
	const char *paths[] = {path, "over.yaml"};
	struct gw_diag diag = {0};
	struct ag_config *c;
	char *said;

	snprintf(path, sizeof(path), "%s/configs/node_agent.example.yaml",
		 fixture_source);
	c = ag_config_load(paths, 1, NULL, 0, &diag);
	said = diag_text(&diag);
	is_str(said, "", "example: loads without a finding");
	ok(c && c->n_models == 2 && c->models[0].parallel == 2,
	   "example: two models");
	free(said);
	gw_diag_release(&diag);
	ag_config_free(c);

	write_text("over.yaml", "node_id: box-7\n"
				"listen_host: 10.0.0.7\n"
				"auth: {api_keys: [k]}\n"
				"dispatcher_base_url: http://10.0.0.1:8000\n"
				"models:\n"
				"- {model_id: mine, path: /w.gguf,\n"
				"   roles: [planner]}\n");
	c = ag_config_load(paths, 2, NULL, 0, &diag);
	said = diag_text(&diag);
	is_str(said, "", "example: loads with an override");
	ok(c && c->n_models == 1 && strcmp(c->models[0].model_id, "mine") == 0,
	   "example: the override's models are the only ones");
	if (c) {
		is_str(c->advertise_url, "http://10.0.0.7:8091",
		       "example: the override's address is told");
		is_str(c->dispatcher_api_key, "change-me-node-key",
		       "example: what the override leaves out stays");
	}
	free(said);
	gw_diag_release(&diag);
	ag_config_free(c);
}

static void
is_warned(const char *title, const char *yaml, const char *want)
{
	struct gw_diag diag = {0};
	struct ag_config *c = expect_agent_loads(title, yaml, NULL);
	char *said;

	if (!c)
		return;
	ag_config_warn_files(c, &diag);
	said = diag_text(&diag);
	is_str(said, want, title);
	is_int((long long)diag.errors, 0, "files: warnings are no errors");
	free(said);
	gw_diag_release(&diag);
	ag_config_free(c);
}

static void
files(void)
{
	write_text("real.gguf", "x");
	write_text("prog", "x");
	mkdir("bin", 0755);
	write_text("bin/llama-server", "x");
	setenv("PATH", "/nowhere:bin", 1);
	is_warned("files: a program in PATH that cannot be run",
		  "models: [{model_id: a, path: real.gguf}]\n",
		  "warning: llama_server_bin: `llama-server`: no such "
		  "program in PATH\n");
	chmod("bin/llama-server", 0755);
	is_warned("files: everything is there",
		  "models: [{model_id: a, path: real.gguf}]\n", "");
	chmod("prog", 0644);
	is_warned("files: what is missing, in the order of the file",
		  "models:\n"
		  "- {model_id: a, path: gone.gguf}\n"
		  "- null\n"
		  "- {model_id: b, path: bin}\n"
		  "- {model_id: c, path: real.gguf}\n"
		  "llama_server_bin: ./no-prog\n",
		  "base.yaml:2:23: warning: models[0].path: `gone.gguf`: No "
		  "such file or directory\n"
		  "base.yaml:4:23: warning: models[2].path: `bin`: Is a "
		  "directory\n"
		  "base.yaml:6:19: warning: llama_server_bin: `./no-prog`: No "
		  "such file or directory\n");
	setenv("AG_TEST_PATH", "secret.gguf", 1);
	is_warned("files: a path from ${...} is not shown",
		  "models: [{model_id: a, path: \"${env:AG_TEST_PATH}\"}]\n",
		  "base.yaml:1:30: warning: models[0].path: `***`: No such "
		  "file or directory\n");
	is_warned("files: a program that is no program",
		  "models: [{model_id: a, path: real.gguf}]\n"
		  "llama_server_bin: ./prog\n",
		  "base.yaml:2:19: warning: llama_server_bin: `./prog`: "
		  "Permission denied\n");
}

int
main(void)
{
	fixture_begin();
	defaults();
	every_key_set();
	flags();
	default_urls();
	prints();
	prints_auto();
	secrets();
	example();
	files();
	return fixture_end();
}
