/* SPDX-License-Identifier: MIT */
/* test_config.c - what a configuration says about its mistakes, and where. */
#include "config_fixture.h"

#define E "base.yaml:"
#define O "over.yaml:"

static const struct {
	const char *title;
	const char *base;
	const char *over;
	const char *want;
} cases[] = {
	/* shape of files */
	{"config: empty base -> says so", "# only a comment\n", NULL,
	 "base.yaml: error: the file is empty\n"},
	{"config: empty override -> changes nothing", DISCOVERED_MODEL,
	 "# nothing\n", ""},
	{"config: null override -> changes nothing", DISCOVERED_MODEL, "~\n",
	 ""},
	{"config: a list as file -> a mapping is wanted", "- 1\n", NULL,
	 E "1:1: error: a configuration file holds a mapping, "
	   "`key: value`\n"},
	{"config: a byte order mark -> no matter",
	 "\xef\xbb\xbf" DISCOVERED_MODEL, NULL, ""},
	{"config: lines that end in CR LF -> no matter",
	 "version: 1\r\nmodels:\r\n  m:\r\n    type: discovered\r\n", NULL, ""},
	{"config: UTF-16 -> refused",
	 "\xff\xfe"
	 "a",
	 NULL, E "1:1: error: YAML: invalid leading UTF-8 octet\n"},
	{"config: a value cut inside a character -> still UTF-8",
	 DISCOVERED_MODEL "gateway: {port: "
			  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4}\n",
	 NULL,
	 E "2:17: error: gateway.port: expected an integer, found the string "
	   "`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?...`\n"},
	{"config: two documents -> the second is refused",
	 DISCOVERED_MODEL "---\nmodels: {}\n", NULL,
	 E "2:1: error: a second document; a configuration file is one\n"},
	{"config: a tab as indentation -> says tab", "gateway:\n\tport: 1\n",
	 NULL, E "2:1: error: YAML: a tab cannot indent; use blanks\n"},
	{"config: an unclosed quote -> place of the problem",
	 "default_model: \"x\nmodels: {}\n", NULL,
	 E "3:1: error: YAML: found unexpected end of stream while scanning "
	   "a quoted scalar (line 1)\n"},
	{"config: syntax errors in both files -> both are reported", "a: [1\n",
	 "b: }\n",
	 E "2:1: error: YAML: did not find expected ',' or ']' while parsing "
	   "a flow sequence (line 1)\n" O
	   "1:4: error: YAML: did not find expected node content while "
	   "parsing a block node (line 1)\n"},
	{"config: bytes that are no UTF-8 -> line and column",
	 "version: 1\ndefault_model: \xc3\xa4\xff\n", NULL,
	 E "2:17: error: YAML: invalid leading UTF-8 octet\n"},
	{"config: overlong UTF-8 -> refused", "a: \xc0\xaf\n", NULL,
	 E "1:4: error: YAML: invalid length of a UTF-8 sequence\n"},
	{"config: a control character -> refused", "a: \x01\n", NULL,
	 E "1:4: error: YAML: control characters are not allowed\n"},
	{"config: an alias without anchor -> refused", "a: *b\n", NULL,
	 E "1:4: error: the alias has no anchor before it\n"},
	{"config: an anchor that contains itself -> refused", "a: &x [1, *x]\n",
	 NULL,
	 E "1:11: error: the alias stands inside its own anchor: it would "
	   "contain itself\n"},
	{"config: a merge key -> what it brings is judged where it stands",
	 "gateway: &g {port: 1}\nauth: {<<: *g}\n" DISCOVERED_MODEL, NULL,
	 E "1:14: error: unknown key `auth.port`; did you mean "
	   "`gateway.port`?\n"},
	{"config: a merge key with something else -> refused",
	 "x-a: &a 5\ngateway: {<<: *a}\n", NULL,
	 E "2:15: error: `<<` takes a mapping or a list of mappings, as in "
	   "`<<: *anchor`\n"},
	{"config: a merge key with a list of lists -> refused",
	 "x-a: &a [[{port: 1}]]\ngateway: {<<: *a}\n", NULL,
	 E "1:10: error: `<<` takes a mapping or a list of mappings, as in "
	   "`<<: *anchor`\n"},
	{"config: two merge keys -> refused",
	 "gateway: {<<: {port: 1}, <<: {port: 2}}\n", NULL,
	 E
	 "1:26: error: duplicate key `<<`; write one with a list: `<<: [*one, "
	 "*two]`\n"},
	{"config: a merge key in quotes -> an ordinary key",
	 "gateway: {\"<<\": {port: 1}}\n" DISCOVERED_MODEL, NULL,
	 E "1:11: error: unknown key `gateway.<<`; known here: `host`, `port`, "
	   "`workers`, `max_body_bytes`, `max_bodies_bytes`, "
	   "`probe_timeout_s`, `probe_ttl_s`, `shutdown_grace_s`, "
	   "`sse_keepalive_s`, `cors_origins`, `log_format`, `eject`\n"},
	{"config: a merge key in itself -> refused", "gateway: &g {<<: *g}\n",
	 NULL,
	 E "1:18: error: the alias stands inside its own anchor: it would "
	   "contain itself\n"},
	{"config: its own keys twice beside a merge key -> refused",
	 "x-a: &a {port: 1}\ngateway: {<<: *a, port: 2, port: "
	 "3}\n" DISCOVERED_MODEL,
	 NULL,
	 E "2:28: error: duplicate key `port`; it stands at line 2 already\n"},
	{"config: x- keys -> left alone at the top, whatever they hold",
	 "x-a: {b: [1, {c: \"${env:GW_UNSET_FOR_SURE}\"}]}\nx-: "
	 "5\n" DISCOVERED_MODEL,
	 NULL, ""},
	{"config: x- keys elsewhere -> refused",
	 "gateway: {x-a: 1}\nX-b: 1\nxc: 1\n" DISCOVERED_MODEL, NULL,
	 E "1:11: error: unknown key `gateway.x-a`; known here: `host`, "
	   "`port`, `workers`, `max_body_bytes`, `max_bodies_bytes`, "
	   "`probe_timeout_s`, `probe_ttl_s`, `shutdown_grace_s`, "
	   "`sse_keepalive_s`, `cors_origins`, `log_format`, `eject`\n" E
	   "2:1: error: unknown key `X-b`; known here: `version`, "
	   "`default_model`, `gateway`, `auth`, `models`, `nodes`\n" E
	   "3:1: error: unknown key `xc`; known here: `version`, "
	   "`default_model`, `gateway`, `auth`, `models`, `nodes`\n"},
	{"config: a list as key -> refused", "? [a]\n: 1\n", NULL,
	 E "1:3: error: a key must be a scalar, not a list or a mapping\n"},
	{"config: an unknown tag -> the known ones", "version: !foo 1\n", NULL,
	 E "1:10: error: unknown tag; the known ones are !!str, !!int, "
	   "!!float, !!bool, !!null, !!seq and !!map\n"},
	{"config: a tag that does not fit -> says so", "version: !!int x\n",
	 NULL, E "1:10: error: the value does not fit its tag\n"},
	{"config: duplicate key -> both lines",
	 DISCOVERED_MODEL "gateway:\n  port: 1\n  host: ::1\n  port: 2\n", NULL,
	 E "5:3: error: duplicate key `port`; it stands at line 3 already\n"},
	{"config: duplicate alias -> both lines",
	 "models:\n  a: {type: discovered}\n  a: {type: discovered}\n", NULL,
	 E "3:3: error: duplicate key `a`; it stands at line 2 already\n"},

	/* keys */
	{"config: a typo -> nearest key",
	 DISCOVERED_MODEL "gatewya: {port: 1}\n", NULL,
	 E "2:1: error: unknown key `gatewya`; did you mean `gateway`?\n"},
	{"config: a typo in a section -> nearest key",
	 DISCOVERED_MODEL "gateway: {prot: 1}\n", NULL,
	 E "2:11: error: unknown key `gateway.prot`; did you mean `port`?\n"},
	{"config: a key one level too high -> where it belongs",
	 DISCOVERED_MODEL "client_api_keys: [a]\n", NULL,
	 E "2:1: error: unknown key `client_api_keys`; did you mean "
	   "`auth.client_api_keys`?\n"},
	{"config: a key like no other -> all known ones",
	 DISCOVERED_MODEL "auth: {zzzzzzzzzzzz: 1}\n", NULL,
	 E "2:8: error: unknown key `auth.zzzzzzzzzzzz`; known here: "
	   "`client_api_keys`, `node_api_keys`, `upstream_node_key`, "
	   "`upstream_operator_key`, `clients`, `nodes`, `operator_keys`, `trust_web_server_user`\n"},
	{"config: an unknown key of a model -> nearest key",
	 "models:\n  m: {type: discovered, stratgy: random}\n", NULL,
	 E "2:25: error: unknown key `models.m.stratgy`; did you mean "
	   "`strategy`?\n"},

	/* types */
	{"config: a string for a number -> says both",
	 DISCOVERED_MODEL "gateway: {port: http}\n", NULL,
	 E "2:17: error: gateway.port: expected an integer, found the string "
	   "`http`\n"},
	{"config: a quoted number -> take the quotes off",
	 DISCOVERED_MODEL "gateway: {port: \"80\"}\n", NULL,
	 E "2:17: error: gateway.port: expected an integer, found the string "
	   "`80` (take the quotes off)\n"},
	{"config: a fraction for an integer -> refused",
	 DISCOVERED_MODEL "gateway: {port: 80.5}\n", NULL,
	 E "2:17: error: gateway.port: expected an integer, found the number "
	   "`80.5`\n"},
	{"config: a number for a string -> put it in quotes",
	 "models: {m: {type: discovered, openai_model_name: 5}}\n", NULL,
	 E "1:51: error: models.m.openai_model_name: expected a string, found "
	   "the integer `5` (put it in quotes)\n"},
	{"config: a scalar for a section -> a mapping is wanted",
	 DISCOVERED_MODEL "gateway: on\n", NULL,
	 E "2:10: error: gateway: expected a mapping, found the string "
	   "`on`\n"},
	{"config: a scalar for a list -> a list is wanted",
	 DISCOVERED_MODEL "auth: {client_api_keys: abc}\n", NULL,
	 E "2:25: error: auth.client_api_keys: expected a list of strings, "
	   "found a string\n"},
	{"config: a number as key -> its value is not shown",
	 DISCOVERED_MODEL "auth: {client_api_keys: [12345]}\n", NULL,
	 E "2:26: error: auth.client_api_keys[0]: expected a string, found an "
	   "integer (put it in quotes)\n"},
	{"config: yes is no boolean and no number",
	 DISCOVERED_MODEL "gateway: {workers: yes}\n", NULL,
	 E "2:20: error: gateway.workers: expected an integer, found the "
	   "string `yes`\n"},
	{"config: a list of models -> a mapping is wanted", "models: [a]\n",
	 NULL, E "1:9: error: models: expected a mapping, found a list\n"},
	{"config: a scalar for a model -> a mapping is wanted",
	 "models: {m: 5}\n", NULL,
	 E "1:13: error: models.m: expected a mapping, found the integer "
	   "`5`\n"},

	/* ranges */
	{"config: port 0 -> range", DISCOVERED_MODEL "gateway: {port: 0}\n",
	 NULL, E "2:17: error: gateway.port: must be from 1 to 65535, not 0\n"},
	{"config: port 65536 -> range",
	 DISCOVERED_MODEL "gateway: {port: 65536}\n", NULL,
	 E "2:17: error: gateway.port: must be from 1 to 65535, not 65536\n"},
	{"config: a port beyond 64 bits -> range",
	 DISCOVERED_MODEL "gateway: {port: 99999999999999999999}\n", NULL,
	 E "2:17: error: gateway.port: must be from 1 to 65535, not "
	   "99999999999999999999\n"},
	{"config: 257 workers -> range with unit",
	 DISCOVERED_MODEL "gateway: {workers: 257}\n", NULL,
	 E "2:20: error: gateway.workers: must be from 1 to 256 processes, "
	   "not 257\n"},
	{"config: max_body_bytes one below and one above -> range",
	 DISCOVERED_MODEL "gateway: {max_body_bytes: 1023}\n",
	 "gateway: {max_body_bytes: 1073741825}\n",
	 O "1:27: error: gateway.max_body_bytes: must be from 1024 to "
	   "1073741824 bytes, not 1073741825\n"},
	{"config: max_bodies_bytes one below and one above -> range",
	 DISCOVERED_MODEL "gateway: {max_bodies_bytes: 1023}\n",
	 "gateway: {max_bodies_bytes: 1099511627777}\n",
	 O "1:29: error: gateway.max_bodies_bytes: must be from 1024 to "
	   "1099511627776 bytes, not 1099511627777\n"},
	{"config: version 2 -> only 1", "version: 2\n" DISCOVERED_MODEL, NULL,
	 E "1:10: error: version: must be 1, not 2\n"},
	{"config: probe_timeout_s 0 -> more than 0",
	 DISCOVERED_MODEL "gateway: {probe_timeout_s: 0}\n", NULL,
	 E "2:28: error: gateway.probe_timeout_s: must be more than 0 to 60 "
	   "seconds, not 0\n"},
	{"config: a negative time -> range",
	 DISCOVERED_MODEL "gateway: {probe_ttl_s: -0.0001}\n", NULL,
	 E "2:24: error: gateway.probe_ttl_s: must be from 0 to 3600 seconds, "
	   "not -0.0001\n"},
	{"config: endless time -> range",
	 "models: {m: {type: discovered, timeouts: {idle_s: .inf, "
	 "total_s: 86400.001, first_byte_s: .nan}}}\n",
	 NULL,
	 E "1:51: error: models.m.timeouts.idle_s: must be from 0 to 86400 "
	   "seconds, not .inf\n" E
	   "1:66: error: models.m.timeouts.total_s: must be from 0 to 86400 "
	   "seconds, not 86400.001\n" E
	   "1:91: error: models.m.timeouts.first_byte_s: must be from 0 to "
	   "86400 seconds, not .nan\n"},

	/* models */
	{"config: no models at all -> missing", "version: 1\n", NULL,
	 E "1:1: error: `models` is missing\n"},
	{"config: empty models -> one is needed", "models: {}\n", NULL,
	 E "1:9: error: models: at least one alias is needed\n"},
	{"config: every model taken away -> one is needed", DISCOVERED_MODEL,
	 "models: {m: null}\n",
	 E "1:9: error: models: at least one alias is needed\n"},
	{"config: an empty alias -> refused",
	 "models: {\"\": {type: discovered}}\n", NULL,
	 E "1:10: error: models.\"\": an alias cannot be empty\n"},
	{"config: an alias with a control character -> refused",
	 "models: {\"a\\tb\": {type: discovered}}\n", NULL,
	 E "1:10: error: models.a?b: an alias cannot hold control "
	   "characters\n"},
	{"config: a model without type -> missing",
	 "models:\n  m:\n    role: x\n", NULL,
	 E "2:3: error: `models.m.type` is missing\n"},
	{"config: an unknown type -> the choices",
	 "models: {m: {type: proxi, proxy_url: http://a}}\n", NULL,
	 E "1:20: error: models.m.type: expected `proxy` or `discovered`, "
	   "found the string `proxi`\n"},
	{"config: a proxy without proxy_url -> missing",
	 "models:\n  m:\n    type: proxy\n", NULL,
	 E "2:3: error: `models.m.proxy_url` is missing\n"},
	{"config: role and strategy in a proxy -> keys of the other type",
	 PROXY_MODEL "    role: x\n    strategy: random\n", NULL,
	 E "5:5: error: `models.m.role` is a key of type `discovered`; here "
	   "the type is `proxy`\n" E
	   "6:5: error: `models.m.strategy` is a key of type `discovered`; "
	   "here the type is `proxy`\n"},
	{"config: proxy_url in a discovered model -> key of the other type",
	 "models: {m: {type: discovered, proxy_url: http://a}}\n", NULL,
	 E "1:32: error: `models.m.proxy_url` is a key of type `proxy`; here "
	   "the type is `discovered`\n"},
	{"config: an unknown strategy -> the choices",
	 "models: {m: {type: discovered, strategy: best}}\n", NULL,
	 E "1:42: error: models.m.strategy: expected `round_robin` or "
	   "`random` or `least_busy` or `affinity`, found the string "
	   "`best`\n"},
	{"config: a bad proxy_url -> the reason",
	 "models: {m: {type: proxy, proxy_url: \"file:///etc/passwd\"}}\n",
	 NULL,
	 E "1:38: error: models.m.proxy_url: the URL must begin with http:// "
	   "or https://\n"},
	{"config: default_model without such an alias -> nearest alias",
	 "default_model: plannr\n"
	 "models: {planner: {type: discovered}, w: {type: discovered}}\n",
	 NULL,
	 E "1:16: error: default_model: there is no alias `plannr`; did you "
	   "mean `planner`?\n"},
	{"config: default_model is an openai_model_name -> the alias",
	 "default_model: gpt\n"
	 "models: {m: {type: discovered, openai_model_name: gpt}}\n",
	 NULL,
	 E "1:16: error: default_model: there is no alias `gpt`; did you mean "
	   "`m`?\n"},
	{"config: openai_model_name is another alias -> both places",
	 "models:\n  a: {type: discovered, openai_model_name: b}\n"
	 "  b: {type: discovered}\n",
	 NULL,
	 E "2:44: error: models.a.openai_model_name: `b` is already an alias "
	   "(base.yaml:3:3)\n"},
	{"config: openai_model_name twice, across files -> both places",
	 "models:\n  a: {type: discovered, openai_model_name: x}\n",
	 "models:\n  b: {type: discovered, openai_model_name: x}\n",
	 O "2:44: error: models.b.openai_model_name: `x` is already the name "
	   "of `a` (base.yaml:2:25)\n"},
	{"config: an alias too long for a role -> set role",
	 "models:\n  "
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 ": {type: discovered}\n",
	 NULL,
	 E "2:3: error: models."
	   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	   ": the alias stands for the role as well, which is at most 128 "
	   "bytes long; set `role`\n"},

	/* values that could never match */
	{"config: empty keys and keys with blanks -> refused",
	 DISCOVERED_MODEL "auth:\n  client_api_keys: [\"\", \"a b\", ok-key]\n"
			  "  node_api_keys: [\"a\\nb\"]\n",
	 NULL,
	 E "3:21: error: auth.client_api_keys[0]: cannot be empty\n" E
	   "3:25: error: auth.client_api_keys[1]: cannot hold blanks\n" E
	   "4:19: error: auth.node_api_keys[0]: cannot hold control "
	   "characters\n"},
	{"config: an empty host -> refused",
	 DISCOVERED_MODEL "gateway: {host: \"\"}\n", NULL,
	 E "2:17: error: gateway.host: cannot be empty\n"},
	{"config: a host that is none -> refused",
	 DISCOVERED_MODEL "gateway: {host: \"a\\\"b\"}\n", NULL,
	 E "2:17: error: gateway.host: is no host: expected an IPv4 or IPv6 "
	   "address or a name\n"},
	{"config: an open bracket in a host -> refused",
	 DISCOVERED_MODEL "gateway: {host: \"[::1\"}\n", NULL,
	 E "2:17: error: gateway.host: is no host: expected an IPv4 or IPv6 "
	   "address or a name\n"},
	{"config: an origin with a path -> refused",
	 DISCOVERED_MODEL "gateway: {cors_origins: [\"http://a/\", a.b]}\n",
	 NULL,
	 E "2:26: error: gateway.cors_origins[0]: is no origin: expected `*` "
	   "or scheme://host[:port] without a path\n" E
	   "2:39: error: gateway.cors_origins[1]: is no origin: expected `*` "
	   "or scheme://host[:port] without a path\n"},

	/* defaults */
	{"config: defaults that JSON does not know -> refused",
	 PROXY_MODEL "    defaults: {a: .inf, b: {c: [-.INF, .NaN]}}\n", NULL,
	 E "5:19: error: models.m.defaults.a: .inf cannot be sent: JSON has "
	   "no such number\n" E
	   "5:33: error: models.m.defaults.b.c[0]: -.INF cannot be sent: JSON "
	   "has no such number\n" E
	   "5:40: error: models.m.defaults.b.c[1]: .NaN cannot be sent: JSON "
	   "has no such number\n"},
	{"config: defaults that are no mapping -> refused",
	 PROXY_MODEL "    defaults: [1]\n", NULL,
	 E "5:15: error: models.m.defaults: expected a mapping of request "
	   "keys, found a list\n"},
	{"config: defaults with `model` or `stream` in other letters -> "
	 "refused",
	 PROXY_MODEL "    defaults: {Model: x, STREAM: true, models: 1}\n",
	 NULL,
	 E "5:16: error: models.m.defaults.Model: servers differ in what they "
	   "make of it; write `model`\n" E
	   "5:26: error: models.m.defaults.STREAM: servers differ in what they "
	   "make of it; write `stream`\n"},
	{"config: defaults.model that is no string -> refused",
	 PROXY_MODEL "    defaults: {model: 5}\n", NULL,
	 E "5:23: error: models.m.defaults.model: expected a string, found "
	   "the integer `5`\n"},

	{"config: names that others have -> refused, each with the other's "
	 "place",
	 "models:\n"
	 "  a: {type: discovered, names: [x, a, x, \"*\", one two]}\n"
	 "  b: {type: discovered, openai_model_name: id-b, names: [a, id-b, "
	 "x]}\n"
	 "  c: {type: discovered, names: [id-b, \"*\", y]}\n"
	 "  d: {type: discovered, openai_model_name: y}\n",
	 NULL,
	 E "3:58: error: models.b.names: `a` is already an alias "
	   "(base.yaml:2:3)\n" E
	   "3:67: error: models.b.names: `x` is already the name of `a` "
	   "(base.yaml:2:25)\n" E
	   "4:33: error: models.c.names: `id-b` is already the name of `b` "
	   "(base.yaml:3:25)\n" E
	   "4:39: error: models.c.names: `*` is already one of the names of "
	   "`a`; only one alias can take every unknown name\n" E
	   "4:44: error: models.c.names: `y` is already the name of `d` "
	   "(base.yaml:5:25)\n"},
	{"config: names that are none -> refused",
	 "models:\n  a: {type: discovered, names: [5, \"\", \"a\\tb\"]}\n"
	 "  b: {type: discovered, names: x}\n",
	 NULL,
	 E "2:33: error: models.a.names[0]: expected a string, found the "
	   "integer `5` (put it in quotes)\n" E
	   "2:36: error: models.a.names[1]: cannot be empty\n" E
	   "2:40: error: models.a.names[2]: cannot hold control characters\n" E
	   "3:32: error: models.b.names: expected a list of strings, found "
	   "the string `x`\n"},

	/* overrides */
	{"config: an override turns mappings into others -> its own places",
	 "gateway: {port: 1}\n" DISCOVERED_MODEL,
	 "gateway: [1]\nmodels: {m: none}\nauth: {client_api_keys: {a: b}}\n",
	 O "1:10: error: gateway: expected a mapping, found a list\n" O
	   "2:13: error: models.m: expected a mapping, found the string "
	   "`none`\n" O
	   "3:25: error: auth.client_api_keys: expected a list of strings, "
	   "found a mapping\n"},
	{"config: mistakes of two files -> in the order of the files",
	 "prot: 1\nmodels: {m: {type: discovered, role: 5}}\n",
	 "gateway: {prot: 2}\nversion: 3\n",
	 E "1:1: error: unknown key `prot`; known here: `version`, "
	   "`default_model`, `gateway`, `auth`, `models`, `nodes`\n" E
	   "2:38: error: models.m.role: expected a string, found the integer "
	   "`5` (put it in quotes)\n" O
	   "1:11: error: unknown key `gateway.prot`; did you mean `port`?\n" O
	   "2:10: error: version: must be 1, not 3\n"},

	/* warnings */
	{"config: an open host without keys -> warning",
	 DISCOVERED_MODEL "gateway: {host: 0.0.0.0}\n", NULL,
	 E "2:17: warning: gateway.host: `0.0.0.0` is not a loopback address "
	   "and auth.client_api_keys is empty: everybody who reaches this "
	   "host may use the models\n" E
	   "2:17: warning: gateway.host: `0.0.0.0` is not a loopback address "
	   "and auth.node_api_keys is empty: everybody who reaches this host "
	   "may register a node and be sent requests\n"},
	{"config: an open registration and a key for nodes -> refused",
	 DISCOVERED_MODEL
	 "gateway: {host: \"::\"}\n"
	 "auth: {client_api_keys: [k], upstream_node_key: u}\n",
	 NULL,
	 E "3:49: error: auth.upstream_node_key: auth.node_api_keys is empty "
	   "and gateway.host `::` is not a loopback address: everybody who "
	   "reaches this host could register a node and would be sent this "
	   "key; set auth.node_api_keys\n"},
	{"config: the same, each of them in another file -> refused there",
	 DISCOVERED_MODEL "auth: {client_api_keys: [k], upstream_node_key: u,"
			  " node_api_keys: [n]}\ngateway: {host: gw.example}\n",
	 "auth: {node_api_keys: null}\n",
	 E "2:49: error: auth.upstream_node_key: auth.node_api_keys is empty "
	   "and gateway.host `gw.example` is not a loopback address: everybody "
	   "who reaches this host could register a node and would be sent this "
	   "key; set auth.node_api_keys\n"},
	{"config: a key for nodes on loopback -> no warning",
	 DISCOVERED_MODEL "auth: {upstream_node_key: u}\n", NULL, ""},
	{"config: a host with a port -> refused, and what to write",
	 DISCOVERED_MODEL "gateway: {host: \"0.0.0.0:8000\"}\n", NULL,
	 E "2:17: error: gateway.host: is a host with a port; write `0.0.0.0` "
	   "and give the port (8000) apart\n"},
	{"config: an endpoint as proxy_url -> refused, and what to write",
	 "models:\n  p: {type: proxy, proxy_url: "
	 "\"http://h:1/v1/chat/completions\"}\n",
	 NULL,
	 E "2:31: error: models.p.proxy_url: the URL ends in the path of an "
	   "endpoint, `/chat/completions`; write `http://h:1`\n"},
	{"config: other versions of an API as proxy_url -> warning",
	 "models:\n  p: {type: proxy, proxy_url: \"http://h/v1/v1\"}\n"
	 "  q: {type: proxy, proxy_url: \"https://h/api/v4/\"}\n"
	 "  r: {type: proxy, proxy_url: \"http://h:11434/api\"}\n"
	 "  s: {type: proxy, proxy_url: \"https://h/api/v1\"}\n"
	 "  t: {type: proxy, proxy_url: \"https://h/vllm\"}\n",
	 NULL,
	 E "2:31: warning: models.p.proxy_url ends in `/v1`: requests will go "
	   "to `http://h/v1/v1/...`\n" E
	   "3:31: warning: models.q.proxy_url ends in `/v4`: requests will go "
	   "to `https://h/api/v4/v1/...`\n" E
	   "4:31: warning: models.r.proxy_url ends in `/api`: requests will go "
	   "to `http://h:11434/api/v1/...`; Ollama's OpenAI API is not below "
	   "/api\n"},
	{"config: all bodies together below one -> warning",
	 DISCOVERED_MODEL "gateway: {max_bodies_bytes: 33554431}\n", NULL,
	 E "2:29: warning: gateway.max_bodies_bytes: 33554431 is below "
	   "gateway.max_body_bytes, 33554432: a body that is larger than the "
	   "former is refused (413), also when it is the only one\n"},
	{"config: all bodies together like one -> no warning",
	 DISCOVERED_MODEL "gateway: {max_bodies_bytes: 2048, "
			  "max_body_bytes: 2048}\n",
	 NULL, ""},
	{"config: an open host with keys -> no warning",
	 DISCOVERED_MODEL "gateway: {host: 0.0.0.0}\n"
			  "auth: {client_api_keys: [k], node_api_keys: [n]}\n",
	 NULL, ""},
	{"config: loopback hosts without keys -> no warning",
	 DISCOVERED_MODEL "gateway: {host: \"[::1]\"}\n",
	 "gateway: {host: localhost}\n", ""},
	{"config: one key for clients and nodes -> warning without the key",
	 DISCOVERED_MODEL "auth: {client_api_keys: [a, k], "
			  "node_api_keys: [k]}\n",
	 NULL,
	 E "2:49: warning: auth.node_api_keys[0] is also "
	   "auth.client_api_keys[1]: whoever has it may do both\n"},
	{"config: defaults.model of a discovered alias -> warning, no effect",
	 "models:\n  r: {type: discovered, defaults: {model: x}}\n", NULL,
	 E "2:25: warning: models.r.defaults.model has no effect: a node is "
	   "sent the model_id it registered\n"},
};

static void
files_that_are_none(void)
{
	struct gw_diag diag = {0};
	const char *paths[] = {"missing.yaml", ".", "fifo", "/dev/zero"};
	struct gw_config *c;
	char *got;

	if (mkfifo("fifo", 0600) < 0)
		fixture_fatal("no FIFO");
	c = gw_config_load(paths, 4, &diag);
	got = diag_text(&diag);
	is_str(got,
	       "missing.yaml: error: No such file or directory\n"
	       ".: error: is a folder, not a regular file\n"
	       "fifo: error: is a FIFO, not a regular file\n"
	       "/dev/zero: error: is a device, not a regular file\n",
	       "config: missing file, folder, FIFO, device -> errors, no hang");
	ok(!c, "config: no snapshot comes of them");
	free(got);
	gw_diag_release(&diag);
}

static void
too_many_files(void)
{
	struct gw_diag diag = {0};
	const char *paths[17];
	char *got;

	for (size_t i = 0; i < 17; i++)
		paths[i] = "base.yaml";
	write_text("base.yaml", DISCOVERED_MODEL);
	ok(!gw_config_load(paths, 17, &diag), "config: 17 files -> refused");
	got = diag_text(&diag);
	is_str(got, "error: a configuration is 1 to 16 files, not 17\n",
	       "config: 17 files -> says how many are possible");
	free(got);
	gw_diag_release(&diag);
}

static void
a_hundred_and_more(void)
{
	struct gw_diag diag = {0};
	struct gw_buf text GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 16);
	struct gw_config *c;
	char *got;

	if (gw_buf_puts(&text, DISCOVERED_MODEL) < 0)
		fixture_fatal("out of memory");
	for (int i = 0; i < 150; i++)
		if (gw_buf_printf(&text, "key%d: 1\n", i) < 0)
			fixture_fatal("out of memory");
	c = load_texts(text.data, NULL, &diag);
	got = diag_text(&diag);
	is_int((long long)diag.errors, 150, "diag: all errors are counted");
	is_int((long long)diag.n, GW_DIAG_MAX, "diag: the first 100 are kept");
	ok(strstr(got, "\n... and 50 more\n") != NULL,
	   "diag: the rest is told as a number");
	ok(!c, "diag: 150 errors -> no snapshot");
	free(got);
	gw_diag_release(&diag);
}

int
main(void)
{
	fixture_begin();
	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++)
		expect_findings(cases[i].title, cases[i].base, cases[i].over,
				cases[i].want);
	files_that_are_none();
	too_many_files();
	a_hundred_and_more();
	return fixture_end();
}
