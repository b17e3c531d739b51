/* SPDX-License-Identifier: MIT */
/*
 * test_config_clients.c - clients, nodes' keys, slots and queues: what may be
 * written, and who somebody is by what was sent.
 */
#include "base/clock.h"
#include "base/log.h"
#include "config/clients.h"
#include "config_fixture.h"

#define E "base.yaml:"
#define W E
/* printf %s K | sha256sum, for the keys k and l */
#define SHA_K "8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a"
#define SHA_L "acac86c0e609ca906f632b0e2dacccb2b77d22b0621f20ebece1a4835b93f6f0"
#define MODELS                                                                 \
	"models: {coder-a: {type: discovered, openai_model_name: ca},\n"       \
	"  coder-b: {type: discovered}, chat: {type: discovered}}\n"
#define CLIENTS(list) MODELS "auth: {clients: [" list "]}\n"
#define NODES(list) MODELS "auth: {nodes: [" list "]}\n"
#define AUTH(all) MODELS "auth: {" all "}\n"

static const struct {
	const char *title, *base, *want;
} mistakes[] = {
	/* who it is */
	{"clients: no key, no user -> missing", CLIENTS("{name: a}"),
	 E "3:18: error: `auth.clients[0].key` is missing (or `key_sha256`, "
	   "or `user`)\n"},
	{"clients: two of the three -> refused at the second",
	 CLIENTS("{name: a, key: k, key_sha256: " SHA_L "}"),
	 E "3:48: error: auth.clients[0].key_sha256: there is `key` already; "
	   "an entry has one of them\n"},
	{"clients: a key and a user -> refused",
	 AUTH("trust_web_server_user: true, clients: [{name: a, user: u, "
	      "key: k}]"),
	 E "3:63: error: auth.clients[0].user: there is `key` already; an "
	   "entry has one of them\n"},
	{"clients: no name -> missing", CLIENTS("{key: k}"),
	 E "3:18: error: `auth.clients[0].name` is missing\n"},
	{"clients: a name of 65 bytes, none, one with a line end -> refused",
	 CLIENTS("{key: k, name: aaaaaaaabbbbbbbbccccccccddddddddaaaaaaaabbbb"
		 "bbbbccccccccdddddddde},\n {key: l, name: \"\"}, {key: m, "
		 "name: \"a\\nb\"}"),
	 E "3:33: error: auth.clients[0].name: is at most 64 bytes long, not "
	   "65\n" E "4:17: error: auth.clients[1].name: cannot be empty\n" E
	   "4:37: error: auth.clients[2].name: cannot hold control "
	   "characters\n"},
	{"clients: an unknown key -> the nearest",
	 CLIENTS("{name: a, key: k, model: [chat]}"),
	 E "3:36: error: unknown key `auth.clients[0].model`; did you mean "
	   "`models`?\n"},
	{"clients: a key, as in the plain list -> said once, not shown",
	 CLIENTS("k"),
	 E "3:18: error: auth.clients[0]: expected a mapping, found a "
	   "string\n"},
	{"clients: a key for the list -> not shown", AUTH("clients: k"),
	 E "3:17: error: auth.clients: expected a list, found a string\n"},
	{"clients: keys of nodes, as in the plain list -> not shown",
	 AUTH("nodes: [k, 12]"),
	 E "3:16: error: auth.nodes[0]: expected a mapping, found a string\n" E
	   "3:19: error: auth.nodes[1]: expected a mapping, found an "
	   "integer\n"},
	{"clients: a mapping for the list", AUTH("clients: {a: {key: k}}"),
	 E "3:17: error: auth.clients: expected a list, found a mapping\n"},
	/* twice */
	{"clients: two of one name -> where the first is",
	 CLIENTS("{name: a, key: k},\n {name: a, key: l}"),
	 E "4:9: error: auth.clients[1].name: `a` is already "
	   "auth.clients[0].name (base.yaml:3:25)\n"},
	{"clients: a node key may have the name of a client",
	 AUTH("clients: [{name: a, key: k}], nodes: [{name: a, key: l}]"), ""},
	{"clients: a key twice -> where the first is, the key unsaid",
	 CLIENTS("{name: a, key: k},\n {name: b, key: k}"),
	 E "4:17: error: auth.clients[1].key: the same key as "
	   "auth.clients[0].key (base.yaml:3:33)\n"},
	{"clients: null entries count where they stand",
	 CLIENTS("null, {name: a, key: k}, null,\n {name: b, key: k}"),
	 E "4:17: error: auth.clients[3].key: the same key as "
	   "auth.clients[1].key (base.yaml:3:39)\n"},
	{"clients: a key and its hash",
	 CLIENTS("{name: a, key: k},\n {name: b, key_sha256: " SHA_K "}"),
	 E "4:24: error: auth.clients[1].key_sha256: the same key as "
	   "auth.clients[0].key (base.yaml:3:33)\n"},
	{"clients: a hash twice, in large and small digits",
	 CLIENTS("{name: a, key_sha256: " SHA_L "},\n {name: b, key_sha256: "
		 "ACAC86C0E609CA906F632B0E2DACCCB2B77D22B0621F20EBECE1A4835B93"
		 "F6F0}"),
	 E "4:24: error: auth.clients[1].key_sha256: the same key as "
	   "auth.clients[0].key_sha256 (base.yaml:3:40)\n"},
	{"clients: a plain key and an entry with it",
	 AUTH("client_api_keys: [j, k],\n clients: [{name: a, key: k}]"),
	 E "4:27: error: auth.clients[0].key: the same key as "
	   "auth.client_api_keys[1] (base.yaml:3:29)\n"},
	{"clients: a list whose elements were taken out -> what it means",
	 AUTH("clients: [{name: a, key: k, models: },\n {name: b, key: l, "
	      "models: null}], nodes: [\n{name: n, key: m, roles: , node_ids: "
	      "~, base_url_cidrs: []}]"),
	 W "3:44: warning: auth.clients[0].models has nothing in it and so "
	   "means any; `[]` means none\n" W
	   "5:26: warning: auth.nodes[0].roles has nothing in it and so means "
	   "any; `[]` means none\n"},
	{"clients: a plain key twice", AUTH("client_api_keys: [k, j, k]"),
	 E "3:32: error: auth.client_api_keys[2]: the same key as "
	   "auth.client_api_keys[0] (base.yaml:3:26)\n"},
	{"clients: a key of a client and of nodes",
	 AUTH("clients: [{name: a, key: k}],\n nodes: [{name: n, key: k}]"),
	 E "4:25: error: auth.nodes[0].key: the same key as "
	   "auth.clients[0].key (base.yaml:3:33), so that whoever has it may "
	   "do both\n"},
	{"clients: an entry's key among the plain ones of nodes",
	 AUTH("clients: [{name: a, key_sha256: " SHA_K "}],\n"
	      " node_api_keys: [k]"),
	 E "3:40: error: auth.clients[0].key_sha256: the same key as "
	   "auth.node_api_keys[0] (base.yaml:4:18), so that whoever has it "
	   "may do both\n"},
	{"clients: a key of an operator and of a client",
	 AUTH("client_api_keys: [k],\n operator_keys: [o, k]"),
	 E "4:21: error: auth.operator_keys[1]: the same key as "
	   "auth.client_api_keys[0] (base.yaml:3:26), so that whoever has it "
	   "may do both\n"},
	{"clients: one plain key for clients and nodes -> a warning only",
	 AUTH("client_api_keys: [k],\n node_api_keys: [k]"),
	 W "4:18: warning: auth.node_api_keys[0] is also "
	   "auth.client_api_keys[0]: whoever has it may do both\n"},
	{"clients: what --print-config prints instead of keys",
	 AUTH("client_api_keys: [\"***\", \"***\"], node_api_keys: "
	      "[\"***\"], clients: [{name: a, key: \"***\"}]"),
	 ""},
	/* hashes */
	{"clients: a hash of wrong length",
	 CLIENTS("{name: a, key_sha256: 1234abcd}"),
	 E "3:40: error: auth.clients[0].key_sha256: is no SHA-256: expected "
	   "64 hexadecimal digits, not 8; rolemesh-gateway --hash-key prints "
	   "them\n"},
	{"clients: the key where its hash belongs",
	 CLIENTS("{name: a, key_sha256: my-key}"),
	 E "3:40: error: auth.clients[0].key_sha256: is no SHA-256: expected "
	   "64 hexadecimal digits; rolemesh-gateway --hash-key prints them\n"},
	{"clients: a hash that YAML takes for a number",
	 CLIENTS("{name: a, key_sha256: 12345678}"),
	 E "3:40: error: auth.clients[0].key_sha256: expected a string, found "
	   "the integer `12345678` (put it in quotes)\n"},
	/* users */
	{"clients: a user whom nobody believes", CLIENTS("{name: a, user: u}"),
	 E "3:34: error: auth.clients[0].user: no user is believed while "
	   "auth.trust_web_server_user is false\n"},
	{"clients: a user twice",
	 AUTH("trust_web_server_user: true, clients: [{name: a, user: u},\n"
	      " {name: b, user: \"*\"}, {name: c, user: u}]"),
	 E "4:40: error: auth.clients[2].user: `u` is already "
	   "auth.clients[0].user (base.yaml:3:63)\n"},
	{"clients: users are believed, and nobody is one",
	 AUTH("trust_web_server_user: true, clients: [{name: a, key: k}]"),
	 W "3:31: warning: auth.trust_web_server_user has no effect: no entry "
	   "of auth.clients has a `user`\n"},
	/* aliases */
	{"clients: an alias that is none -> the nearest",
	 CLIENTS("{name: a, key: k, models: [chat, codr-a]}"),
	 E "3:51: error: auth.clients[0].models[1]: there is no alias "
	   "`codr-a`; did you mean `coder-a`?\n"},
	{"clients: the id where the alias belongs",
	 CLIENTS("{name: a, key: k, models: [ca]}"),
	 E "3:45: error: auth.clients[0].models[0]: there is no alias `ca`; "
	   "did you mean `coder-a`?\n"},
	{"clients: patterns that fit nothing -> a warning each",
	 CLIENTS("{name: a, key: k, models: [\"coder-*\", \"*-c\", "
		 "\"chat?\"]}"),
	 W "3:56: warning: auth.clients[0].models[1]: no alias fits `*-c`\n" W
	   "3:63: warning: auth.clients[0].models[2]: no alias fits "
	   "`chat?`\n"},
	{"clients: an alias from the environment is not shown",
	 CLIENTS("{name: a, key: k, models: [\"${env:GW_TEST_SECRET}\"]}"),
	 E "3:45: error: auth.clients[0].models[0]: there is no alias "
	   "`***`\n"},
	{"clients: no list of aliases",
	 CLIENTS("{name: a, key: k, models: chat}"),
	 E "3:44: error: auth.clients[0].models: expected a list of strings, "
	   "found the string `chat`\n"},
	/* limits */
	{"clients: max_concurrency -1, 10^12, a word",
	 CLIENTS("{name: a, key: k, max_concurrency: -1},\n"
		 " {name: b, key: l, max_concurrency: 1000000000000},\n"
		 " {name: c, key: m, max_concurrency: \"4\"}"),
	 E "3:53: error: auth.clients[0].max_concurrency: must be from 0 to "
	   "65536 requests, not -1\n" E
	   "4:37: error: auth.clients[1].max_concurrency: must be from 0 to "
	   "65536 requests, not 1000000000000\n" E
	   "5:37: error: auth.clients[2].max_concurrency: expected an "
	   "integer, found the string `4` (take the quotes off)\n"},
	{"clients: requests_per_minute -1, 1000001, a half",
	 CLIENTS("{name: a, key: k, requests_per_minute: -1},\n"
		 " {name: b, key: l, requests_per_minute: 1000001},\n"
		 " {name: c, key: m, requests_per_minute: 0.5}"),
	 E "3:57: error: auth.clients[0].requests_per_minute: must be from 0 "
	   "to 1000000 requests, not -1\n" E
	   "4:41: error: auth.clients[1].requests_per_minute: must be from 0 "
	   "to 1000000 requests, not 1000001\n" E
	   "5:41: error: auth.clients[2].requests_per_minute: expected an "
	   "integer, found the number `0.5`\n"},
	{"clients: an unknown class",
	 CLIENTS("{name: a, key: k, priority: high}"),
	 E "3:46: error: auth.clients[0].priority: expected `interactive` or "
	   "`normal` or `batch`, found the string `high`\n"},
	/* nodes */
	{"nodes: no key, and both",
	 NODES("{name: a},\n {name: b, key: k, key_sha256: " SHA_L "}"),
	 E "3:16: error: `auth.nodes[0].key` is missing (or `key_sha256`)\n" E
	   "4:32: error: auth.nodes[1].key_sha256: there is `key` already; an "
	   "entry has one of them\n"},
	{"nodes: two of one name",
	 NODES("{name: a, key: k},\n {name: a, key: l}"),
	 E "4:9: error: auth.nodes[1].name: `a` is already auth.nodes[0].name "
	   "(base.yaml:3:23)\n"},
	{"nodes: networks that are none",
	 NODES("{name: a, key: k, base_url_cidrs: [10.0.0.0/8, localhost,\n"
	       " 10.0.0.1/8, 10.0.0.0/33]}"),
	 E "3:63: error: auth.nodes[0].base_url_cidrs[1]: `localhost` is no "
	   "network: expected ADDRESS/BITS, like 10.0.0.0/8 or fd00::/8\n" E
	   "4:2: error: auth.nodes[0].base_url_cidrs[2]: `10.0.0.1/8` has "
	   "bits set behind those that count: write 0 there, or leave out the "
	   "slash for one address\n" E
	   "4:14: error: auth.nodes[0].base_url_cidrs[3]: `10.0.0.0/33` has "
	   "no such number of bits: 0 to 32, or 128 of IPv6\n"},
	{"nodes: patterns of ids and roles are not held against anything",
	 NODES("{name: a, key: k, node_ids: [\"rack-*\"], roles: [none, "
	       "\"x?\"]}"),
	 ""},
	/* slots and queues */
	{"slots: -1 and 10^12 of a proxy",
	 "models:\n"
	 "  a: {type: proxy, proxy_url: \"http://h:1\", max_concurrency: -1}\n"
	 "  b: {type: proxy, proxy_url: \"http://h:1\",\n"
	 "    max_concurrency: 1000000000000}\n",
	 E "2:62: error: models.a.max_concurrency: must be from 0 to 65536 "
	   "requests, not -1\n" E
	   "4:22: error: models.b.max_concurrency: must be from 0 to 65536 "
	   "requests, not 1000000000000\n"},
	{"slots: of a discovered alias -> a key of the other type",
	 "models: {a: {type: discovered, max_concurrency: 4}}\n",
	 E "1:32: error: `models.a.max_concurrency` is a key of type `proxy`; "
	   "here the type is `discovered`\n"},
	{"queue: -1, 16385, -1 s, more than a day",
	 "models:\n"
	 "  a: {type: discovered, queue: {max: -1, timeout_s: -1}}\n"
	 "  b: {type: discovered, queue: {max: 16385, timeout_s: 86401}}\n",
	 E "2:38: error: models.a.queue.max: must be from 0 to 16384 "
	   "requests, not -1\n" E
	   "2:53: error: models.a.queue.timeout_s: must be from 0 to 86400 "
	   "seconds, not -1\n" E
	   "3:38: error: models.b.queue.max: must be from 0 to 16384 "
	   "requests, not 16385\n" E
	   "3:56: error: models.b.queue.timeout_s: must be from 0 to 86400 "
	   "seconds, not 86401\n"},
	{"queue: a number -> a mapping is wanted",
	 "models: {a: {type: discovered, queue: 64}}\n",
	 E "1:39: error: models.a.queue: expected a mapping, found the "
	   "integer `64`\n"},
	/* what is open */
	{"open: entries close it",
	 "gateway: {host: 0.0.0.0}\n" AUTH(
		 "clients: [{name: a, key: k}], upstream_node_key: u,\n"
		 " nodes: [{name: n, key: l}]"),
	 ""},
	{"open: operators and an empty list do not",
	 "gateway: {host: 0.0.0.0}\n" AUTH("operator_keys: [o], clients: []"),
	 W "1:17: warning: gateway.host: `0.0.0.0` is not a loopback address "
	   "and auth.client_api_keys is empty: everybody who reaches this "
	   "host may use the models\n" W
	   "1:17: warning: gateway.host: `0.0.0.0` is not a loopback address "
	   "and auth.node_api_keys is empty: everybody who reaches this host "
	   "may register a node and be sent requests\n"},
};

/* ---- who somebody is ----------------------------------------------------- */

static const struct gw_client *
client_of(const struct gw_config *c, const char *key)
{
	uint8_t digest[GW_DIGEST_BYTES];

	gw_digest(key, strlen(key), digest);
	return gw_client_of_key(c, digest);
}

static const struct gw_node_key *
node_of(const struct gw_config *c, const char *key)
{
	uint8_t digest[GW_DIGEST_BYTES];

	gw_digest(key, strlen(key), digest);
	return gw_node_key_of(c, digest);
}

static bool
is_operator(const struct gw_config *c, const char *key)
{
	uint8_t digest[GW_DIGEST_BYTES];

	gw_digest(key, strlen(key), digest);
	return gw_is_operator_key(c, digest);
}

static bool
may(const struct gw_config *c, const struct gw_client *client,
    const char *alias)
{
	return gw_client_may(client,
			     gw_config_model_named(c, alias, strlen(alias)));
}

static const char everybody[] = MODELS
	"auth:\n"
	"  client_api_keys: [plain]\n"
	"  node_api_keys: [plain-node]\n"
	"  operator_keys: [op, op-two]\n"
	"  trust_web_server_user: true\n"
	"  clients:\n"
	"    - {name: all, key: k, max_concurrency: 0, requests_per_minute: "
	"0}\n"
	"    - null\n"
	"    - {name: coders, key_sha256: " SHA_L ", priority: batch,\n"
	"       models: [\"coder-?\"], max_concurrency: 65536,\n"
	"       requests_per_minute: 1000000}\n"
	"    - {name: nothing, key: none, models: [], priority: interactive}\n"
	"    - {name: staff, user: alice, models: [chat]}\n"
	"    - {name: others, user: \"*\", models: [\"*\"]}\n"
	"  nodes:\n"
	"    - {name: any, key: nk}\n"
	"    - {name: rack, key: rk, node_ids: [\"rack-*\"], roles: "
	"[coder-a],\n"
	"       base_url_cidrs: [10.0.0.0/8, \"fd00::/8\"]}\n"
	"    - {name: shut, key: sk, node_ids: [], roles: [], "
	"base_url_cidrs: []}\n";

static void
clients_by_key(const struct gw_config *c)
{
	const struct gw_client *client = client_of(c, "k");

	ok(client && strcmp(client->name, "all") == 0, "who: by its key");
	ok(client && may(c, client, "chat") && may(c, client, "coder-a"),
	   "who: without models it may use all");
	ok(client && !client->max_concurrency && !client->requests_per_minute &&
		   client->priority == GW_NORMAL,
	   "who: no limits, normal");
	client = client_of(c, "l");
	ok(client && strcmp(client->name, "coders") == 0, "who: by its hash");
	ok(client && client->max_concurrency == 65536 &&
		   client->requests_per_minute == 1000000 &&
		   client->priority == GW_BATCH,
	   "who: its limits and its class");
	ok(client && may(c, client, "coder-a") && may(c, client, "coder-b") &&
		   !may(c, client, "chat"),
	   "who: what its patterns fit");
	client = client_of(c, "none");
	ok(client && !may(c, client, "chat") &&
		   client->priority == GW_INTERACTIVE,
	   "who: [] opens nothing");
	client = client_of(c, "plain");
	ok(client && may(c, client, "chat") && !client->max_concurrency &&
		   client->priority == GW_NORMAL,
	   "who: a plain key opens everything");
	is_str(client ? client->name : NULL, "a116c9ed", /* its hash */
	       "who: a plain key is called by its hash");
	ok(!client_of(c, "nobody") && !client_of(c, "") &&
		   !client_of(c, SHA_L) && !client_of(c, "alice"),
	   "who: nobody's keys");
	ok(!client_of(c, "op") && !client_of(c, "nk") &&
		   !client_of(c, "plain-node"),
	   "who: keys of operators and nodes are no client's");
	ok(may(c, NULL, "chat"), "who: an open gateway lets all in");
	ok(is_operator(c, "op") && is_operator(c, "op-two") &&
		   !is_operator(c, "k") && !is_operator(c, "nk"),
	   "who: operators");
}

static void
clients_by_user(const struct gw_config *c)
{
	const struct gw_client *alice = gw_client_of_user(c, "alice");
	const struct gw_client *other = gw_client_of_user(c, "bob");
	uint64_t id[2], other_id[2];

	ok(alice && strcmp(alice->name, "staff") == 0, "user: by its name");
	ok(other && strcmp(other->name, "others") == 0, "user: any other");
	ok(gw_client_of_user(c, "Alice") == other &&
		   gw_client_of_user(c, "alice ") == other,
	   "user: nearly the same is another");
	gw_identity("user", "alice", id);
	gw_identity("user", "bob", other_id);
	ok(alice && memcmp(id, alice->id, sizeof(id)) == 0,
	   "user: the entry has the user's identity");
	ok(memcmp(id, other_id, sizeof(id)) != 0, "user: two of them have two");
	gw_identity("address", "alice", other_id);
	ok(memcmp(id, other_id, sizeof(id)) != 0,
	   "user: an address of that name is somebody else");
}

static void
nodes_by_key(const struct gw_config *c)
{
	const struct gw_node_key *any = node_of(c, "nk");
	const struct gw_node_key *rack = node_of(c, "rk");
	const struct gw_node_key *shut = node_of(c, "sk");
	const struct gw_node_key *plain = node_of(c, "plain-node");

	if (!any || !rack || !shut || !plain) {
		ok(false, "node: all are found");
		return;
	}
	is_str(rack->name, "rack", "node: by its key");
	ok(!node_of(c, "k") && !node_of(c, "op") && !node_of(c, "plain"),
	   "node: other keys are none of nodes");
	ok(gw_node_key_may_id(any, "x") && gw_node_key_may_role(plain, "x") &&
		   gw_node_key_may_address(any, "http://name:1") &&
		   gw_node_key_may_address(NULL, "http://name:1"),
	   "node: nothing is listed -> anything");
	ok(gw_node_key_may_id(rack, "rack-7") &&
		   !gw_node_key_may_id(rack, "rock-7"),
	   "node: ids");
	ok(gw_node_key_may_role(rack, "coder-a") &&
		   !gw_node_key_may_role(rack, "coder-b"),
	   "node: roles");
	ok(gw_node_key_may_address(rack, "http://10.1.2.3:8080") &&
		   gw_node_key_may_address(rack, "https://10.1.2.3") &&
		   gw_node_key_may_address(rack, "http://10.1.2.3/a/b") &&
		   gw_node_key_may_address(rack, "http://[fd00::1]:80/x") &&
		   gw_node_key_may_address(rack, "http://[fd00::1]"),
	   "node: addresses in its networks");
	ok(!gw_node_key_may_address(rack, "http://11.1.2.3:8080") &&
		   !gw_node_key_may_address(rack, "http://[fe00::1]:80") &&
		   !gw_node_key_may_address(rack, "http://name:80") &&
		   !gw_node_key_may_address(rack, "http://10.1.2.3.example") &&
		   !gw_node_key_may_address(rack, "http://[fd00::1") &&
		   !gw_node_key_may_address(rack, ""),
	   "node: names and others are in none");
	ok(!gw_node_key_may_id(shut, "x") && !gw_node_key_may_role(shut, "x") &&
		   !gw_node_key_may_address(shut, "http://10.0.0.1"),
	   "node: [] opens nothing");
}

static void
who_is_who(void)
{
	struct gw_config *c = expect_loads("who: loads", everybody, NULL);

	if (!c)
		return;
	ok(!gw_clients_open(c) && !gw_nodes_open(c), "who: it is closed");
	clients_by_key(c);
	clients_by_user(c);
	nodes_by_key(c);
	gw_config_unref(c);
}

/* Users are nobody, the entry for all included, unless they are believed. */
static void
users_unbelieved(void)
{
	struct gw_config *c = gw_config_new();

	if (!c)
		fixture_fatal("out of memory");
	c->auth.clients = calloc(1, sizeof(*c->auth.clients));
	if (!c->auth.clients)
		fixture_fatal("out of memory");
	c->auth.n_clients = 1;
	c->auth.clients->user = strdup("*");
	ok(gw_config_seal(c) == 0 && !gw_client_of_user(c, "bob"),
	   "user: not believed, nobody");
	gw_config_unref(c);
}

/* What the node agent does: filled by hand, a key in it twice. */
static void
sealed_by_hand(void)
{
	static const char *const keys[] = {"one", "two", "one"};
	struct gw_config *c = gw_config_new();
	const struct gw_client *one;

	if (!c)
		fixture_fatal("out of memory");
	ok(gw_clients_open(c) && gw_nodes_open(c) && !client_of(c, "one"),
	   "seal: before it nobody is known");
	c->auth.client_api_keys.key = calloc(3, sizeof(char *));
	for (size_t i = 0; i < 3 && c->auth.client_api_keys.key; i++)
		c->auth.client_api_keys.key[i] = strdup(keys[i]);
	c->auth.client_api_keys.n = 3;
	ok(!gw_clients_open(c), "seal: a key closes it at once");
	is_int(gw_config_seal(c), 0, "seal: done");
	one = client_of(c, "one");
	ok(one && one->all_models && client_of(c, "two"),
	   "seal: both are known, and may use all");
	ok(one && one < client_of(c, "two"), "seal: the first one counts");
	gw_config_unref(c);
}

/* An edit that moves an entry or hides its key changes nobody's identity. */
static void
identities_stay(void)
{
	struct gw_config *before = expect_loads(
		"identity: before",
		CLIENTS("{name: a, key: k}, {name: b, key: l}"), NULL);
	struct gw_config *after =
		expect_loads("identity: after",
			     AUTH("client_api_keys: [l], clients: [{name: x, "
				  "key: y}, {name: "
				  "c, key_sha256: " SHA_K ", models: [chat]}]"),
			     NULL);
	const struct gw_client *a = before ? client_of(before, "k") : NULL;
	const struct gw_client *b = before ? client_of(before, "l") : NULL;
	const struct gw_client *c = after ? client_of(after, "k") : NULL;
	const struct gw_client *d = after ? client_of(after, "l") : NULL;

	ok(a && c && memcmp(a->id, c->id, sizeof(a->id)) == 0,
	   "identity: another name, another place, the hash for the key");
	ok(b && d && memcmp(b->id, d->id, sizeof(b->id)) == 0,
	   "identity: a plain key for an entry");
	ok(a && b && memcmp(a->id, b->id, sizeof(a->id)) != 0,
	   "identity: two keys have two");
	gw_config_unref(before);
	gw_config_unref(after);
}

/* ---- values -------------------------------------------------------------- */

static void
slots_and_queues(void)
{
	struct gw_config *c = expect_loads(
		"queue: loads",
		"models:\n"
		"  a: {type: proxy, proxy_url: \"http://h:1\"}\n"
		"  b: {type: proxy, proxy_url: \"http://h:1\",\n"
		"      max_concurrency: 65536, queue: {max: 16384,\n"
		"      timeout_s: 86400}}\n"
		"  c: {type: discovered, queue: {max: 0, timeout_s: 0}}\n"
		"  d: {type: discovered, queue: {max: null, timeout_s: 0.5}}\n",
		NULL);

	if (!c)
		return;
	ok(!c->models[0].max_concurrency && c->models[0].queue.max == 64 &&
		   c->models[0].queue.timeout_ms == 120000,
	   "queue: the defaults");
	ok(c->models[1].max_concurrency == 65536 &&
		   c->models[1].queue.max == 16384 &&
		   c->models[1].queue.timeout_ms == 86400000,
	   "queue: the most there can be");
	ok(!c->models[2].queue.max && !c->models[2].queue.timeout_ms,
	   "queue: 0 is a value");
	ok(c->models[3].queue.max == 64 && c->models[3].queue.timeout_ms == 500,
	   "queue: null is the default, fractions are fine");
	ok(c->models[0].key && c->models[0].key != c->models[1].key,
	   "queue: aliases have keys of their own");
	gw_config_unref(c);
}

static void
printed(void)
{
	struct gw_buf once GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 16);
	struct gw_buf twice GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 16);
	struct gw_config *c = expect_loads("print: loads", everybody, NULL);
	struct gw_config *again;

	if (!c || gw_config_print(c, &once) < 0) {
		ok(false, "print: prints");
		return;
	}
	ok(!strstr(once.data, "plain") && !strstr(once.data, "key: k") &&
		   !strstr(once.data, "op-two") &&
		   !strstr(once.data, "key: rk"),
	   "print: no key is in it");
	ok(strstr(once.data, "    key_sha256: " SHA_L "\n") != NULL,
	   "print: a hash is");
	ok(strstr(once.data, "    models: null\n") != NULL,
	   "print: all models are null");
	ok(strstr(once.data, "    models: []\n") != NULL,
	   "print: no models are []");
	ok(strstr(once.data,
		  "    base_url_cidrs: [10.0.0.0/8, 'fd00::/8']\n") ||
		   strstr(once.data,
			  "    base_url_cidrs: [10.0.0.0/8, fd00::/8]\n"),
	   "print: networks");
	again = expect_loads("print: loads again", once.data, NULL);
	ok(again && gw_config_print(again, &twice) == 0 &&
		   strcmp(once.data, twice.data) == 0,
	   "print: the same again");
	gw_config_unref(again);
	gw_config_unref(c);
}

/* ---- many ---------------------------------------------------------------- */

#define MANY 4096

static void
many_text(struct gw_buf *text)
{
	char hex[GW_DIGEST_TEXT], key[32];
	uint8_t digest[GW_DIGEST_BYTES];
	bool room = gw_buf_puts(text, MODELS "auth:\n  clients:\n") == 0;

	for (int i = 0; room && i < MANY; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		gw_digest(key, strlen(key), digest);
		gw_digest_hex(digest, hex);
		room = gw_buf_printf(text,
				     "    - name: client-%d\n"
				     "      key_sha256: %s\n"
				     "      models: [\"coder-*\", chat]\n"
				     "      max_concurrency: %d\n"
				     "      requests_per_minute: 60\n"
				     "      priority: interactive\n",
				     i, hex, i) == 0;
	}
	if (!room)
		fixture_fatal("out of memory");
}

static void
many(void)
{
	struct gw_buf text GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(4 << 20);
	struct gw_config *c;
	uint64_t before, loaded;
	int wrong = 0;
	char key[32];

	many_text(&text);
	before = gw_mono_ms();
	c = expect_loads("many: 4,096 clients in a file", text.data, NULL);
	loaded = gw_mono_ms();
	if (!c)
		return;
	for (int i = 0; i < MANY; i++) {
		const struct gw_client *client;

		snprintf(key, sizeof(key), "key-%d", i);
		client = client_of(c, key);
		wrong += !client || client->max_concurrency != (uint32_t)i;
	}
	is_int(wrong, 0, "many: each is found, and is itself");
	ok(!client_of(c, "key-4096"), "many: another is nobody");
	printf("# %zu bytes read in %d ms, %d look-ups in %d ms\n", text.len,
	       (int)(loaded - before), MANY, (int)(gw_mono_ms() - loaded));
	gw_config_unref(c);
}

int
main(void)
{
	setenv("GW_LOG_LEVEL", "error", 1);
	setenv("GW_TEST_SECRET", "secret-alias", 1);
	gw_log_init("test_config_clients");
	fixture_begin();
	for (size_t i = 0; i < GW_ARRAY_LEN(mistakes); i++)
		expect_findings(mistakes[i].title, mistakes[i].base, NULL,
				mistakes[i].want);
	who_is_who();
	users_unbelieved();
	sealed_by_hand();
	identities_stay();
	slots_and_queues();
	printed();
	many();
	return fixture_end();
}
