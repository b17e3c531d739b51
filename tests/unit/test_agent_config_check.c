/* SPDX-License-Identifier: MIT */
/* test_agent_config_check.c - what the agent's configuration refuses. */
#include "agent/device/device.h"
#include "agent_config_fixture.h"
#include "nodes/node_doc.h"
#include "reg.h"

struct finding {
	const char *title, *yaml, *want;
};

static void
run(const struct finding *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_agent_findings(cases[i].title, cases[i].yaml, NULL,
				      cases[i].want);
}

/* A model on line 1 with one more key; its place is 1:35. */
#define WITH(text) "models: [{model_id: m, path: /m, " text "}]\n"

static const struct finding values[] = {
	{"models: none", "version: 1\n",
	 "base.yaml:1:1: error: `models` is missing\n"},
	{"models: an empty list", "models: []\n",
	 "base.yaml:1:9: error: models: at least one model is needed\n"},
	{"models: a mapping", "models: {m: {path: /m}}\n",
	 "base.yaml:1:9: error: models: expected a list, found a mapping\n"},
	{"models: nothing set", "models: [{}]\n",
	 "base.yaml:1:10: error: `models[0].model_id` is missing\n"
	 "base.yaml:1:10: error: `models[0].path` is missing\n"},
	{"a key like no other: all keys there are, to the last",
	 "bogus: 1\n" WITH("preload: true"),
	 "base.yaml:1:1: error: unknown key `bogus`; known here: `version`, "
	 "`node_id`, `listen_host`, `listen_port`, `advertise_url`, "
	 "`dispatcher_base_url`, `dispatcher_api_key`, `heartbeat_interval_s`, "
	 "`log_format`, `auth`, `llama_server_bin`, `llama_server_startup_timeout_s`, "
	 "`llama_server_probe_interval_s`, `llama_server_port_base`, "
	 "`max_pending_per_device`, `idle_unload_s`, `stop_timeout_s`, "
	 "`shutdown_grace_s`, `max_body_bytes`, `max_bodies_bytes`, "
	 "`sse_keepalive_s`, `timeouts`, `devices`, `models`\n"},
	{"models: an unknown key", WITH("ctx_sise: 5"),
	 "base.yaml:1:34: error: unknown key `models[0].ctx_sise`; did you "
	 "mean `ctx_size`?\n"},
	{"version: another one", "version: 2\n" ONE_MODEL,
	 "base.yaml:1:10: error: version: must be 1, not 2\n"},
	{"node_id: a control character", "node_id: \"a\\tb\"\n" ONE_MODEL,
	 "base.yaml:1:10: error: node_id: cannot hold control characters\n"},
	{"dispatcher_base_url: no address",
	 "dispatcher_base_url: gw:8000\n" ONE_MODEL,
	 "base.yaml:1:22: error: dispatcher_base_url: the URL must begin with "
	 "http:// or https://\n"},
	{"advertise_url: no address", "advertise_url: ftp://x\n" ONE_MODEL,
	 "base.yaml:1:16: error: advertise_url: the URL must begin with "
	 "http:// or https://\n"},
	{"listen_host: no host", "listen_host: \"a b\"\n" ONE_MODEL,
	 "base.yaml:1:14: error: listen_host: cannot hold blanks\n"},
	{"listen_host: a host with a port",
	 "listen_host: \"0.0.0.0:8091\"\nauth: {api_keys: [k]}\n" ONE_MODEL,
	 "base.yaml:1:14: error: listen_host: is a host with a port; write "
	 "`0.0.0.0` and give the port (8091) apart\n"},
	{"devices: another word", "devices: all\n" ONE_MODEL,
	 "base.yaml:1:10: error: devices: expected `auto` or a list such as "
	 "[\"gpu:0\", \"gpu:1,2\", \"cpu:0\"], found the string `all`\n"},
	{"devices: an empty list", "devices: []\n" ONE_MODEL,
	 "base.yaml:1:10: error: devices: name at least one device, or write "
	 "`auto`\n"},
	{"devices: the same one twice",
	 "devices: [\"gpu:0\", \"gpu:0\"]\n" ONE_MODEL,
	 "base.yaml:1:20: error: devices: `gpu:0` stands there twice\n"},
	{"devices: a GPU in two of them",
	 "devices: [\"cpu:0\", \"gpu:0\", \"gpu:1,0\"]\n" ONE_MODEL,
	 "base.yaml:1:29: error: devices: GPU 0 is in two devices, gpu:0 and "
	 "gpu:1,0\n"},
	{"roles: no string", WITH("roles: [a, 5]"),
	 "base.yaml:1:45: error: models[0].roles[1]: expected a string, found "
	 "the integer `5`\n"},
	{"roles: one twice", WITH("roles: [a, b, a]"),
	 "base.yaml:1:48: error: models[0].roles: `a` stands there twice\n"},
	{"preload: a string", WITH("preload: yes"),
	 "base.yaml:1:43: error: models[0].preload: expected true or false, "
	 "found the string `yes`\n"},
	{"ctx_size: in quotes", WITH("ctx_size: \"4096\""),
	 "base.yaml:1:44: error: models[0].ctx_size: expected an integer, "
	 "found the string `4096` (take the quotes off)\n"},
	{"ctx_size: a fraction", WITH("ctx_size: 1.5"),
	 "base.yaml:1:44: error: models[0].ctx_size: expected an integer, "
	 "found the number `1.5`\n"},
	{"gpu_layers: another word", WITH("gpu_layers: none"),
	 "base.yaml:1:46: error: models[0].gpu_layers: expected an integer, "
	 "`auto` or `all`, found the string `none`\n"},
	{"flash_attn: another word", WITH("flash_attn: yes"),
	 "base.yaml:1:46: error: models[0].flash_attn: expected `on`, `off` "
	 "or `auto`, found the string `yes`\n"},
	{"flash_attn: a number", WITH("flash_attn: 1"),
	 "base.yaml:1:46: error: models[0].flash_attn: expected `on`, `off` "
	 "or `auto`, found the integer `1`\n"},
	{"tensor_split: a number", WITH("tensor_split: 3"),
	 "base.yaml:1:48: error: models[0].tensor_split: expected a string "
	 "such as \"3,1\" or a list of numbers, found the integer `3`\n"},
	{"tensor_split: words", WITH("tensor_split: \"3,x\""),
	 "base.yaml:1:48: error: models[0].tensor_split: expected shares such "
	 "as \"3,1\" or [3, 1], numbers that are not negative\n"},
	{"tensor_split: nothing behind the comma", WITH("tensor_split: \"3,\""),
	 "base.yaml:1:48: error: models[0].tensor_split: expected shares such "
	 "as \"3,1\" or [3, 1], numbers that are not negative\n"},
	{"tensor_split: negative", WITH("tensor_split: [-1, 2]"),
	 "base.yaml:1:48: error: models[0].tensor_split: expected shares such "
	 "as \"3,1\" or [3, 1], numbers that are not negative\n"},
	{"tensor_split: an empty list", WITH("tensor_split: []"),
	 "base.yaml:1:48: error: models[0].tensor_split: expected shares such "
	 "as \"3,1\" or [3, 1], numbers that are not negative\n"},
	{"tensor_split: strings in a list", WITH("tensor_split: [1, \"2\"]"),
	 "base.yaml:1:52: error: models[0].tensor_split: expected a number as "
	 "share 1\n"},
	{"meta: a list", WITH("meta: [1]"),
	 "base.yaml:1:40: error: models[0].meta: expected a mapping, found a "
	 "list\n"},
	{"meta: a number that JSON does not have", WITH("meta: {a: .inf}"),
	 "base.yaml:1:44: error: models[0].meta.a: .inf cannot be sent: JSON "
	 "has no such number\n"},
};

static const struct finding across[] = {
	{"model_id: twice",
	 "models:\n"
	 "- {model_id: a, path: /1}\n"
	 "- null\n"
	 "- {model_id: a, path: /2}\n",
	 "base.yaml:4:14: error: models[2].model_id: `a` is already the "
	 "model_id of models[0] (base.yaml:2:14)\n"},
	{"alias: another model's model_id",
	 "models:\n"
	 "- {model_id: a, path: /1, alias: b}\n"
	 "- {model_id: b, path: /2}\n",
	 "base.yaml:2:34: error: models[0].alias: `b` is already the model_id "
	 "of models[1] (base.yaml:3:14)\n"},
	{"alias: another model's alias",
	 "models:\n"
	 "- {model_id: a, path: /1, alias: c}\n"
	 "- {model_id: b, path: /2, alias: c}\n",
	 "base.yaml:3:34: error: models[1].alias: `c` is already the alias of "
	 "models[0] (base.yaml:2:34)\n"},
	{"alias: the model's own model_id", WITH("alias: m"), ""},
	{"alias: a comma", WITH("alias: \"x,y\""),
	 "base.yaml:1:41: error: models[0].alias: `x,y` holds a comma, where "
	 "llama-server splits its --alias\n"},
	{"model_id: a comma without an alias",
	 "models: [{model_id: \"x,y\", path: /m}]\n",
	 "base.yaml:1:21: error: models[0].model_id: `x,y` holds a comma, "
	 "where llama-server splits its --alias; set `alias`\n"},
	{"model_id: a comma with an alias",
	 "models: [{model_id: \"x,y\", path: /m, alias: xy}]\n", ""},
	{"group: without memory_mib", WITH("group: g"),
	 "base.yaml:1:41: error: models[0].group: needs `memory_mib`, or "
	 "nobody knows what fits onto a device together\n"},
	{"group: with memory_mib", WITH("group: g, memory_mib: 1"), ""},
	{"devices of a model: not configured",
	 "devices: [\"gpu:0\", \"gpu:1,2\"]\n" WITH(
		 "devices: [\"gpu:1,2\", \"gpu:1\"]"),
	 "base.yaml:2:55: error: models[0].devices[1]: `gpu:1` is not among "
	 "the configured `devices`\n"},
	{"devices of a model: any name with auto",
	 WITH("devices: [\"gpu:7\", \"cpu:0\"]"), ""},
	{"dispatcher_api_key: without a gateway",
	 "dispatcher_api_key: k\n" ONE_MODEL,
	 "base.yaml:1:21: warning: dispatcher_api_key: has no effect without "
	 "`dispatcher_base_url`\n"},
	{"listen_host: open to everybody", "listen_host: 0.0.0.0\n" ONE_MODEL,
	 "base.yaml:1:14: warning: listen_host: `0.0.0.0` is not a loopback "
	 "address and auth.api_keys is empty: everybody who reaches this host "
	 "may use the models\n"},
	{"server_args: a llama-server that prints prompts",
	 WITH("server_args: {log_verbosity: 4}"),
	 "base.yaml:1:48: warning: models[0].server_args.log_verbosity: "
	 "llama-server may print prompts then; its last lines are shown in the "
	 "inventory, and logged when it fails\n"},
	{"listen_host: open, with keys",
	 "listen_host: 0.0.0.0\nauth: {api_keys: [k]}\n" ONE_MODEL, ""},
	{"roles: none for the gateway",
	 "dispatcher_base_url: http://127.0.0.1:8000\n" ONE_MODEL,
	 "base.yaml:1:22: warning: dispatcher_base_url: no model has `roles`: "
	 "there is nothing to register\n"},
	{"advertise_url: missing, listening on every IPv4 address",
	 "listen_host: 0.0.0.0\nauth: {api_keys: [k]}\n"
	 "dispatcher_base_url: http://127.0.0.1:8000\n" WITH("roles: [r]"),
	 "base.yaml:1:14: error: listen_host: the gateway cannot reach "
	 "`0.0.0.0`; set `advertise_url` to an address of this host\n"},
	{"advertise_url: missing, listening on every IPv6 address",
	 "listen_host: \"::\"\nauth: {api_keys: [k]}\n"
	 "dispatcher_base_url: http://127.0.0.1:8000\n" WITH("roles: [r]"),
	 "base.yaml:1:14: error: listen_host: the gateway cannot reach "
	 "`[::]`; set `advertise_url` to an address of this host\n"},
	{"advertise_url: every address of the host",
	 "advertise_url: http://[0:0::0]:1\n"
	 "dispatcher_base_url: http://127.0.0.1:8000\n" WITH("roles: [r]"),
	 "base.yaml:1:16: error: advertise_url: the gateway cannot reach "
	 "`[::]`; set `advertise_url` to an address of this host\n"},
	{"advertise_url: set, listening on every address",
	 "listen_host: 0.0.0.0\nauth: {api_keys: [k]}\n"
	 "advertise_url: http://box:1\n"
	 "dispatcher_base_url: http://gw:8000\n" WITH("roles: [r]"),
	 ""},
	{"advertise_url: missing, a gateway elsewhere",
	 "dispatcher_base_url: http://gw.example:8000\n" WITH("roles: [r]"),
	 "base.yaml:1:22: warning: advertise_url: the gateway on another host "
	 "is told `http://127.0.0.1:8091`, which only this host reaches; set "
	 "`listen_host` and `advertise_url`\n"},
	{"advertise_url: loopback, a gateway elsewhere",
	 "advertise_url: http://[::1]:8091\n"
	 "dispatcher_base_url: http://10.0.0.1:8000\n" WITH("roles: [r]"),
	 "base.yaml:1:16: warning: advertise_url: the gateway on another host "
	 "is told `http://[::1]:8091`, which only this host reaches; set "
	 "another address\n"},
	{"advertise_url: missing, a gateway beside it",
	 "dispatcher_base_url: http://localhost:8000\n" WITH("roles: [r]"), ""},
	{"ports: the agent's own just below", "listen_port: 18079\n" ONE_MODEL,
	 ""},
	{"ports: the agent's own is the first",
	 "listen_port: 18080\n" ONE_MODEL,
	 "base.yaml:1:14: error: llama_server_port_base: the agent listens on "
	 "18080, which is among the ports 18080 to 18081 of its "
	 "llama-servers\n"},
	{"ports: the agent's own is the last",
	 "llama_server_port_base: 8090\n" ONE_MODEL,
	 "base.yaml:1:25: error: llama_server_port_base: the agent listens on "
	 "8091, which is among the ports 8090 to 8091 of its llama-servers\n"},
	{"ports: the agent's own just above",
	 "llama_server_port_base: 8089\n" ONE_MODEL, ""},
	{"everything wrong at once",
	 "listen_prot: 1\n"
	 "dispatcher_api_key: k\n"
	 "listen_port: 18080\n"
	 "models:\n"
	 "- {model_id: a, path: /1, group: g, ctx_size: x}\n"
	 "- {model_id: a, server_args: {--host: x}}\n",
	 "base.yaml:1:1: error: unknown key `listen_prot`; did you mean "
	 "`listen_port`?\n"
	 "base.yaml:2:21: warning: dispatcher_api_key: has no effect without "
	 "`dispatcher_base_url`\n"
	 "base.yaml:3:14: error: llama_server_port_base: the agent listens on "
	 "18080, which is among the ports 18080 to 18082 of its "
	 "llama-servers\n"
	 "base.yaml:5:34: error: models[0].group: needs `memory_mib`, or "
	 "nobody knows what fits onto a device together\n"
	 "base.yaml:5:47: error: models[0].ctx_size: expected an integer, "
	 "found the string `x`\n"
	 "base.yaml:6:3: error: `models[1].path` is missing\n"
	 "base.yaml:6:14: error: models[1].model_id: `a` is already the "
	 "model_id of models[0] (base.yaml:5:14)\n"
	 "base.yaml:6:31: error: models[1].server_args.--host: options are "
	 "written without their dashes: `host`\n"},
};

/* Its first key is at 1:48. */
#define ARGS(text) WITH("server_args: {" text "}")
#define AT_ARG "base.yaml:1:48: error: models[0].server_args"

static const struct finding args[] = {
	{"server_args: a list", WITH("server_args: [--jinja]"),
	 "base.yaml:1:47: error: models[0].server_args: expected a mapping "
	 "of options, found a list\n"},
	{"server_args: with dashes", ARGS("--no-mmap: true"),
	 AT_ARG ".--no-mmap: options are written without their dashes: "
		"`no-mmap`\n"},
	{"server_args: one dash", ARGS("-np: 2"),
	 AT_ARG ".-np: options are written without their dashes: `np`\n"},
	{"server_args: nothing but dashes", ARGS("--: 2"),
	 AT_ARG ".--: expected the name of an option, such as `parallel`\n"},
	{"server_args: no name", ARGS("\"\": 2"),
	 AT_ARG ".\"\": expected the name of an option, such as "
		"`parallel`\n"},
	{"server_args: a blank in a name", ARGS("a b: 2"),
	 AT_ARG ".a b: the name of an option is letters, digits, `_` and "
		"`-`\n"},
	{"server_args: a value in a name", ARGS("a=b: 2"),
	 AT_ARG ".a=b: the name of an option is letters, digits, `_` and "
		"`-`\n"},
	{"server_args: a short name", ARGS("np: 2"),
	 AT_ARG ".np: only long names are possible here: write `parallel`\n"},
	{"server_args: model", ARGS("model: x"),
	 AT_ARG ".model: cannot be set here: the file of the weights is the "
		"key `path`\n"},
	{"server_args: m", ARGS("m: x"),
	 AT_ARG ".m: cannot be set here: the file of the weights is the key "
		"`path`\n"},
	{"server_args: hf_repo", ARGS("hf_repo: x"),
	 AT_ARG ".hf_repo: cannot be set here: the file of the weights is the "
		"key `path`\n"},
	{"server_args: host", ARGS("host: x"),
	 AT_ARG ".host: cannot be set here: the agent decides the address: "
		"127.0.0.1 and a port from `llama_server_port_base` on\n"},
	{"server_args: port", ARGS("port: 1"),
	 AT_ARG ".port: cannot be set here: the agent decides the address: "
		"127.0.0.1 and a port from `llama_server_port_base` on\n"},
	{"server_args: alias", ARGS("alias: x"),
	 AT_ARG ".alias: cannot be set here: it is the key `alias` of the "
		"model\n"},
	{"server_args: a", ARGS("a: x"),
	 AT_ARG ".a: cannot be set here: it is the key `alias` of the "
		"model\n"},
	{"server_args: api_key", ARGS("api_key: x"),
	 AT_ARG ".api_key: cannot be set here: only the agent talks to its "
		"llama-servers; who may call the agent is the key "
		"`auth.api_keys`\n"},
	{"server_args: api-key-file", ARGS("api-key-file: x"),
	 AT_ARG ".api-key-file: cannot be set here: only the agent talks to "
		"its llama-servers; who may call the agent is the key "
		"`auth.api_keys`\n"},
	{"server_args: ssl_key_file", ARGS("ssl_key_file: x"),
	 AT_ARG ".ssl_key_file: cannot be set here: the agent talks plain "
		"HTTP to its llama-servers, on this machine only\n"},
	{"server_args: ssl-cert_file", ARGS("ssl-cert_file: x"),
	 AT_ARG ".ssl-cert_file: cannot be set here: the agent talks plain "
		"HTTP to its llama-servers, on this machine only\n"},
	{"server_args: api_prefix", ARGS("api_prefix: x"),
	 AT_ARG ".api_prefix: cannot be set here: the agent sends requests to "
		"/v1/... as they come\n"},
	{"server_args: models_dir", ARGS("models_dir: x"),
	 AT_ARG ".models_dir: cannot be set here: a llama-server serves one "
		"model; several are the key `models`\n"},
	{"server_args: models-preset", ARGS("models-preset: x"),
	 AT_ARG ".models-preset: cannot be set here: a llama-server serves "
		"one model; several are the key `models`\n"},
	{"server_args: version", ARGS("version: true"),
	 AT_ARG ".version: cannot be set here: it prints something instead of "
		"serving\n"},
	{"server_args: two spellings", ARGS("a_b: 1, a-b: 2"),
	 "base.yaml:1:56: error: models[0].server_args.a-b: is the same "
	 "option as `a_b` (base.yaml:1:48)\n"},
	{"server_args: two names of one option",
	 ARGS("n_gpu_layers: 1, gpu-layers: 2"),
	 "base.yaml:1:65: error: models[0].server_args.gpu-layers: is the "
	 "same option as `n_gpu_layers` (base.yaml:1:48)\n"},
	{"server_args: one spelling twice", ARGS("a_b: 1, a_b: 2"),
	 "base.yaml:1:56: error: duplicate key `a_b`; it stands at line 1 "
	 "already\n"},
	{"server_args: a structured key",
	 WITH("server_args: {ctx-size: 1}, "
	      "ctx_size: 2"),
	 AT_ARG ".ctx-size: the key `ctx_size` sets this already\n"},
	{"server_args: a structured key, the other spelling",
	 WITH("server_args: {ctx_size: 1}, ctx_size: 2"),
	 AT_ARG ".ctx_size: the key `ctx_size` sets this already\n"},
	{"server_args: a structured key under its other name",
	 WITH("server_args: {n-gpu-layers: 1}, gpu_layers: 2"),
	 AT_ARG ".n-gpu-layers: the key `gpu_layers` sets this already\n"},
	{"server_args: a structured key that is not set",
	 WITH("server_args: {gpu_layers: 1, ctx-size: 5}, ctx_size: null"), ""},
	{"server_args: parallel is a string", ARGS("parallel: \"2\""),
	 "base.yaml:1:58: error: models[0].server_args.parallel: expected an "
	 "integer, found the string `2`\n"},
	{"server_args: parallel 0", ARGS("parallel: 0"),
	 "base.yaml:1:58: error: models[0].server_args.parallel: must be from "
	 "1 to 64, not 0\n"},
	{"server_args: parallel 65", ARGS("parallel: 65"),
	 "base.yaml:1:58: error: models[0].server_args.parallel: must be from "
	 "1 to 64, not 65\n"},
	{"server_args: parallel 64", ARGS("parallel: 64"), ""},
	{"server_args: a mapping as value", ARGS("x: {a: 1}"),
	 "base.yaml:1:51: error: models[0].server_args.x: expected a string, "
	 "a number, true, false or a list (JSON goes into quotes), found a "
	 "mapping\n"},
	{"server_args: a list in a list", ARGS("x: [a, [b]]"),
	 "base.yaml:1:55: error: models[0].server_args.x[1]: expected a "
	 "string or a number, found a list\n"},
	{"server_args: a boolean in a list", ARGS("x: [a, true]"),
	 "base.yaml:1:55: error: models[0].server_args.x[1]: expected a "
	 "string or a number, found the boolean `true`\n"},
	{"server_args: null in a list", ARGS("x: [a, null]"),
	 "base.yaml:1:55: error: models[0].server_args.x[1]: expected a "
	 "string or a number, found null\n"},
	{"server_args: a NUL", ARGS("x: \"a\\0b\""),
	 "base.yaml:1:51: error: models[0].server_args.x: cannot hold a "
	 "NUL\n"},
	{"server_args: a reference that leads nowhere",
	 ARGS("x: \"${env:AG_TEST_NOWHERE}\""),
	 "base.yaml:1:51: error: models[0].server_args.x: environment "
	 "variable `AG_TEST_NOWHERE` is not set\n"},
	{"server_args: every kind of value",
	 ARGS("xa: text, xb: \"\", xc: 1.50, xd: true, xe: false, xf: null, "
	      "xg: [x, 1], xh: [], i.5-j: \"two\\nlines\""),
	 ""},
};

/* Its first key is at 1:40. */
#define ENV(text) WITH("env: {" text "}")
#define AT_ENV "base.yaml:1:40: error: models[0].env"
#define NAME_RULE                                                              \
	"the name of a variable is letters, digits and `_`, no digit first, "  \
	"128 bytes at most\n"
#define DEVICE_RULE                                                            \
	"cannot be set here: the agent sets it; where a model may run is "     \
	"the key `devices`\n"

static const struct finding env[] = {
	{"env: a list", WITH("env: [A=1]"),
	 "base.yaml:1:39: error: models[0].env: expected a mapping of "
	 "variables, found a list\n"},
	{"env: a digit first", ENV("1A: x"), AT_ENV ".1A: " NAME_RULE},
	{"env: a dash", ENV("A-B: x"), AT_ENV ".A-B: " NAME_RULE},
	{"env: no name", ENV("\"\": x"), AT_ENV ".\"\": " NAME_RULE},
	{"env: a value in a name", ENV("\"A=B\": x"),
	 AT_ENV ".A=B: " NAME_RULE},
	{"env: a list as value", ENV("A: [1]"),
	 "base.yaml:1:43: error: models[0].env.A: expected a string, a number "
	 "or a boolean, found a list\n"},
	{"env: a mapping as value", ENV("A: {b: 1}"),
	 "base.yaml:1:43: error: models[0].env.A: expected a string, a number "
	 "or a boolean, found a mapping\n"},
	{"env: a NUL", ENV("A: \"a\\0b\""),
	 "base.yaml:1:43: error: models[0].env.A: cannot hold a NUL\n"},
	{"env: CUDA_VISIBLE_DEVICES", ENV("CUDA_VISIBLE_DEVICES: 0"),
	 AT_ENV ".CUDA_VISIBLE_DEVICES: " DEVICE_RULE},
	{"env: CUDA_DEVICE_ORDER", ENV("CUDA_DEVICE_ORDER: x"),
	 AT_ENV ".CUDA_DEVICE_ORDER: " DEVICE_RULE},
	{"env: HIP_VISIBLE_DEVICES", ENV("HIP_VISIBLE_DEVICES: 0"),
	 AT_ENV ".HIP_VISIBLE_DEVICES: " DEVICE_RULE},
	{"env: what llama-server takes for --api-key", ENV("LLAMA_API_KEY: k"),
	 AT_ENV ".LLAMA_API_KEY: cannot be set here: only the agent talks to "
		"its llama-servers; who may call the agent is the key "
		"`auth.api_keys`\n"},
	{"env: what llama-server takes for --parallel",
	 ENV("LLAMA_ARG_N_PARALLEL: 4"),
	 AT_ENV ".LLAMA_ARG_N_PARALLEL: cannot be set here: write `parallel` "
		"into `server_args`: the agent sends as many requests at one "
		"time\n"},
	{"env: every kind of value",
	 ENV("A: x, _b2: 1, C: 1.5, D: true, E: null, F: \"\""), ""},
};

/* Numbers: the least and the most load, one step beyond is an error. */
static void
is_bounded(const char *key, const char *least, const char *most,
	   const char *below, const char *above, const char *rule)
{
	const char *value[] = {least, most, below, above};
	bool of_model = strncmp(key, "models.", 7) == 0;
	const char *name = of_model ? key + 7 : key;

	for (size_t i = 0; i < 4; i++) {
		struct gw_diag diag = {0};
		char yaml[512], title[256], want[256];
		struct ag_config *c;
		char *said;

		if (of_model)
			snprintf(yaml, sizeof(yaml), WITH("%s: %s"), name,
				 value[i]);
		else if (strchr(key, '.'))
			snprintf(yaml, sizeof(yaml),
				 "%.*s: {%s: %s}\n" ONE_MODEL,
				 (int)strcspn(key, "."), key,
				 strchr(key, '.') + 1, value[i]);
		else
			snprintf(yaml, sizeof(yaml), "%s: %s\n" ONE_MODEL, key,
				 value[i]);
		snprintf(want, sizeof(want), "%s%s: must be %s, not %s\n",
			 of_model ? "models[0]." : "", name, rule, value[i]);
		snprintf(title, sizeof(title), "bounds: %s %s -> %s", key,
			 value[i], i < 2 ? "possible" : "refused");
		c = load_agent(yaml, NULL, &diag);
		said = diag_text(&diag);
		if (!ok(i < 2 ? diag.n == 0 && c
			      : diag.n == 1 && !c && strstr(said, want),
			"%s", title))
			printf("# %s# %s", said, want);
		free(said);
		ag_config_free(c);
		gw_diag_release(&diag);
	}
}

static void
bounds(void)
{
	static const struct {
		const char *key, *least, *most, *below, *above, *rule;
	} rows[] = {
		{"listen_port", "1", "65535", "0", "65536", "from 1 to 65535"},
		{"heartbeat_interval_s", "0.1", "3600", "0.099", "3600.001",
		 "from 0.1 to 3600 seconds"},
		{"llama_server_startup_timeout_s", "0.1", "86400", "0",
		 "86400.001", "from 0.1 to 86400 seconds"},
		{"llama_server_probe_interval_s", "0.01", "60", "0.009",
		 "60.001", "from 0.01 to 60 seconds"},
		{"llama_server_port_base", "1024", "65000", "1023", "65001",
		 "from 1024 to 65000"},
		{"max_pending_per_device", "1", "10000", "0", "10001",
		 "from 1 to 10000 requests"},
		{"idle_unload_s", "0", "604800", "-0.001", "604800.001",
		 "from 0 to 604800 seconds"},
		{"stop_timeout_s", "0", "3600", "-1", "3600.001",
		 "from 0 to 3600 seconds"},
		{"shutdown_grace_s", "0", "3600", "-1", "3600.001",
		 "from 0 to 3600 seconds"},
		{"max_body_bytes", "1024", "1073741824", "1023", "1073741825",
		 "from 1024 to 1073741824 bytes"},
		{"max_bodies_bytes", "33554432", "1099511627776", "1023",
		 "1099511627777", "from 1024 to 1099511627776 bytes"},
		{"sse_keepalive_s", "0", "3600", "-1", "3601",
		 "from 0 to 3600 seconds"},
		{"timeouts.connect_s", "0", "3600", "-1", "3601",
		 "from 0 to 3600 seconds"},
		{"timeouts.first_byte_s", "0", "86400", "-1", "86401",
		 "from 0 to 86400 seconds"},
		{"timeouts.idle_s", "0", "86400", "-1", "86401",
		 "from 0 to 86400 seconds"},
		{"timeouts.total_s", "0", "86400", "-1", "86401",
		 "from 0 to 86400 seconds"},
		{"models.memory_mib", "0", "16777216", "-1", "16777217",
		 "from 0 to 16777216 MiB"},
		{"models.ctx_size", "0", "2147483647", "-1", "2147483648",
		 "from 0 to 2147483647 tokens"},
		{"models.batch_size", "1", "1048576", "0", "1048577",
		 "from 1 to 1048576 tokens"},
		{"models.ubatch_size", "1", "1048576", "0", "1048577",
		 "from 1 to 1048576 tokens"},
		{"models.threads", "-1", "1024", "-2", "1025",
		 "from -1 to 1024"},
		{"models.threads_batch", "-1", "1024", "-2", "1025",
		 "from -1 to 1024"},
		{"models.gpu_layers", "-1", "100000", "-2", "100001",
		 "from -1 to 100000 layers"},
		{"models.main_gpu", "0", "63", "-1", "64", "from 0 to 63"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		is_bounded(rows[i].key, rows[i].least, rows[i].most,
			   rows[i].below, rows[i].above, rows[i].rule);
}

static char *
repeat(const char *text, size_t n)
{
	char *out = calloc(1, strlen(text) * n + 1);

	if (!out)
		fixture_fatal("out of memory");
	for (size_t i = 0; i < n; i++)
		memcpy(out + i * strlen(text), text, strlen(text));
	return out;
}

/*
 * @before, @unit @n times, @after: loads with @max and no more. @want: what is
 * said then.
 */
static void
is_at_most(const char *what, const char *before, const char *unit,
	   const char *after, size_t max, const char *want)
{
	for (size_t n = max; n <= max + 1; n++) {
		char *middle = repeat(unit, n), *yaml = NULL, *said;
		struct gw_diag diag = {0};
		struct ag_config *c;

		if (asprintf(&yaml, "%s%s%s", before, middle, after) < 0)
			fixture_fatal("out of memory");
		c = load_agent(yaml, NULL, &diag);
		said = diag_text(&diag);
		if (!ok(n == max ? c && !diag.n
				 : !c && diag.errors == 1 && strstr(said, want),
			"bounds: %s, %zu -> %s", what, n,
			n == max ? "possible" : "refused"))
			printf("# %s", said);
		free(middle);
		free(yaml);
		free(said);
		ag_config_free(c);
		gw_diag_release(&diag);
	}
}

static void
lengths(void)
{
	is_at_most("bytes of node_id", "node_id: ", "x", "\n" ONE_MODEL,
		   REG_NODE_ID_MAX,
		   "node_id: is at most 128 bytes long, not 129\n");
	is_at_most("bytes of model_id", "models: [{path: p, model_id: ", "x",
		   "}]\n", GW_NODE_NAME_MAX,
		   "models[0].model_id: is at most 256 bytes long, not 257\n");
	is_at_most("bytes of alias",
		   "models: [{model_id: m, path: p, alias: ", "x", "}]\n",
		   GW_NODE_NAME_MAX,
		   "models[0].alias: is at most 256 bytes long, not 257\n");
	is_at_most("bytes of path", "models: [{model_id: m, path: ", "x",
		   "}]\n", 4095,
		   "models[0].path: is at most 4095 bytes long, not 4096\n");
	is_at_most("bytes of a role",
		   "models: [{model_id: m, path: p, roles: [", "x", "]}]\n",
		   GW_NODE_NAME_MAX,
		   "models[0].roles[0]: is at most 256 bytes long, not 257\n");
	is_at_most("bytes of a group",
		   "models: [{model_id: m, path: p, memory_mib: 1, group: ",
		   "x", "}]\n", 128,
		   "models[0].group: is at most 128 bytes long, not 129\n");
	is_at_most("bytes of meta",
		   "models: [{model_id: m, path: p, meta: {\"a\": \"", "x",
		   "\"}}]\n", GW_NODE_META_MAX - strlen("{\"a\":\"\"}"),
		   "models[0].meta: is at most 4096 bytes as JSON\n");
	is_at_most("bytes of an option's name",
		   "models: [{model_id: m, path: p, server_args: {", "x",
		   ": 1}}]\n", 64, ": a name is at most 64 bytes long\n");
	is_at_most("bytes of an option's value",
		   "models: [{model_id: m, path: p, server_args: {a-b: ", "x",
		   "}}]\n", 64 << 10,
		   "server_args.a-b: is at most 65536 bytes long\n");
	is_at_most("bytes of a variable's name",
		   "models: [{model_id: m, path: p, env: {", "x", ": 1}}]\n",
		   128, "128 bytes at most\n");
	is_at_most("values of one option",
		   "models: [{model_id: m, path: p, server_args: {a-b: [", "1,",
		   "]}}]\n", 256,
		   "models[0].server_args: at most 256 values are possible\n");
	is_at_most("shares of tensor_split",
		   "models: [{model_id: m, path: p, tensor_split: [", "1,",
		   "]}]\n", AG_GPUS_MAX,
		   "models[0].tensor_split: at most 64 shares are possible\n");
}

/* Lines that differ in a number. */
static void
is_at_most_lines(const char *what, const char *before, const char *line,
		 const char *after, size_t max, const char *want)
{
	for (size_t n = max; n <= max + 1; n++) {
		struct gw_buf yaml GW_CLEANUP(gw_buf_release) =
			GW_BUF_INIT(1 << 20);
		struct gw_diag diag = {0};
		struct ag_config *c;
		char *said;

		if (gw_buf_puts(&yaml, before) < 0)
			fixture_fatal("out of memory");
		for (size_t i = 0; i < n; i++) {
			char number[32];

			/* `#` stands for the number. */
			snprintf(number, sizeof(number), "%zu", i);
			for (const char *s = line; *s; s++)
				if ((*s == '#'
					     ? gw_buf_puts(&yaml, number)
					     : gw_buf_append(&yaml, s, 1)) < 0)
					fixture_fatal("out of memory");
		}
		if (gw_buf_puts(&yaml, after) < 0)
			fixture_fatal("out of memory");
		c = load_agent(yaml.data, NULL, &diag);
		said = diag_text(&diag);
		if (!ok(n == max ? c && !diag.n
				 : !c && diag.errors == 1 && strstr(said, want),
			"bounds: %s, %zu -> %s", what, n,
			n == max ? "possible" : "refused"))
			printf("# %s", said);
		free(said);
		ag_config_free(c);
		gw_diag_release(&diag);
	}
}

static void
counts(void)
{
	is_at_most_lines("models", "models:\n", "- {model_id: m#, path: p}\n",
			 "", AG_MODELS_MAX,
			 "models: at most 64 are possible\n");
	is_at_most_lines("roles", "models: [{model_id: m, path: p, roles: [",
			 "r#,", "]}]\n", GW_NODE_ROLES_MAX,
			 "models[0].roles: at most 16 are possible, not 17\n");
	is_at_most_lines("devices", "devices: [", "\"gpu:#\",", "]\n" ONE_MODEL,
			 AG_DEVICES_MAX,
			 "devices: at most 32 are possible, not 33\n");
	is_at_most_lines("devices of a model",
			 "models: [{model_id: m, path: p, devices: [",
			 "\"gpu:#\",", "]}]\n", AG_DEVICES_MAX,
			 "models[0].devices: at most 32 are possible, not "
			 "33\n");
	is_at_most_lines("options",
			 "models: [{model_id: m, path: p, server_args: {",
			 "x-#: true,", "}}]\n", 256,
			 "models[0].server_args: at most 256 values are "
			 "possible\n");
	is_at_most_lines("variables", "models: [{model_id: m, path: p, env: {",
			 "X#: 1,", "}}]\n", 256,
			 "models[0].env: at most 256 variables are "
			 "possible\n");
}

/* A finding in an override points there, and to the base for the other one. */
static void
overrides(void)
{
	expect_agent_findings(
		"override: a port that clashes",
		"llama_server_port_base: 9000\n" ONE_MODEL,
		"listen_port: 9001\n",
		"base.yaml:1:25: error: llama_server_port_base: the agent "
		"listens on 9001, which is among the ports 9000 to 9001 of "
		"its llama-servers\n");
	expect_agent_findings("override: models are replaced",
			      "models: [{model_id: \"\", path: p}]\n",
			      ONE_MODEL, "");
	setenv("AG_TEST_ID", "hush", 1);
	expect_agent_findings(
		"secrets: a value from ${...} is not in a message",
		"models:\n"
		"- {model_id: hush, path: p}\n"
		"- {model_id: \"${env:AG_TEST_ID}\", path: p}\n",
		NULL,
		"base.yaml:3:14: error: models[1].model_id: `***` is already "
		"the model_id of models[0] (base.yaml:2:14)\n");
}

int
main(void)
{
	fixture_begin();
	run(values, GW_ARRAY_LEN(values));
	run(across, GW_ARRAY_LEN(across));
	run(args, GW_ARRAY_LEN(args));
	run(env, GW_ARRAY_LEN(env));
	bounds();
	lengths();
	counts();
	overrides();
	return fixture_end();
}
