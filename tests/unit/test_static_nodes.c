/* SPDX-License-Identifier: MIT */
/*
 * test_static_nodes.c - nodes of the configuration in a view of the registry:
 * their places, how they follow an edit, and whom they hide.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "config_fixture.h"
#include "nodes/node_view.h"

#define STALE_MS 1000
#define NOW 1000000
#define ROLES "models: {r: {type: discovered}, s: {type: discovered}}\n"

static struct reg *reg;
static struct gw_node_view *view;

/* The configuration has these nodes from now on. */
static void
configure(const char *nodes)
{
	struct gw_diag diag = {0};
	char text[4096];
	struct gw_config *c;

	snprintf(text, sizeof(text), ROLES "nodes: %s\n", nodes);
	c = load_texts(text, NULL, &diag);
	if (!c)
		fixture_fatal(diag.items[0].text);
	gw_diag_release(&diag);
	gw_node_view_configure(view, c);
	gw_config_unref(c); /* the view has its own reference */
	gw_node_view_refresh(view);
}

#define NODE(id, more)                                                         \
	"{node_id: " id ", base_url: \"http://" id "\", roles: [r]" more "}"

static void
put(const char *id, const char *role)
{
	char text[256];
	struct reg_err err = {0};

	snprintf(text, sizeof(text),
		 "{\"node_id\":\"%s\",\"base_url\":\"http://registered\","
		 "\"served_models\":[{\"model_id\":\"x\",\"roles\":[\"%s\"]}]}",
		 id, role);
	if (reg_node_put(reg, id, text, strlen(text), NOW, STALE_MS, NULL,
			 &err) < 0)
		fixture_fatal(err.msg);
}

/* The candidates of a role as "node/model node/model". */
static const char *
fresh(const char *role, uint64_t now_ms)
{
	static char text[512];
	const struct gw_candidate *c;
	size_t n = gw_node_view_fresh(view, role, now_ms, &c), used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s%s/%s", i ? " " : "",
					 c[i].node->doc->node_id,
					 c[i].model->model_id);
	return text;
}

/* All that is listed, "*" behind a node of the configuration. */
static const char *
listed(void)
{
	static char text[512];
	const struct gw_node *n;
	uint32_t slot = 0;
	size_t used = 0;

	text[0] = '\0';
	while ((n = gw_node_view_next(view, &slot)) && used < sizeof(text))
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s%s%s", used ? " " : "",
					 n->doc->node_id, n->fixed ? "*" : "");
	return text;
}

static const struct gw_node *
node(const char *id)
{
	const struct gw_node *n;
	uint32_t slot = 0;

	while ((n = gw_node_view_next(view, &slot)))
		if (strcmp(n->doc->node_id, id) == 0)
			return n;
	return NULL;
}

static void
beside_registered(void)
{
	struct gw_role_count count;

	configure("[" NODE("a", "") ", " NODE("b", "") "]");
	is_str(fresh("r", NOW), "a/r b/r", "static: both, with no registry");
	put("n", "r");
	is_str(fresh("r", NOW), "n/x a/r b/r",
	       "static: behind those that registered");
	is_str(listed(), "n a* b*", "static: listed so, too");
	is_str(fresh("r", NOW + STALE_MS), "a/r b/r",
	       "static: fresh when a registered one is not any more");
	is_str(fresh("r", NOW + 1000000000), "a/r b/r",
	       "static: and fresh for ever");
	ok(gw_node_age_ms(view, node("a"), NOW) == 0,
	   "static: its last sign of life is now");
	gw_node_view_count(view, "r", NOW + STALE_MS, &count);
	ok(count.nodes == 3 && count.fresh == 2 && count.candidates == 2 &&
		   count.newest_seen_ms == NOW + STALE_MS,
	   "static: counted");
}

/* What an edit leaves alone is the same node for whoever holds its reference.
 */
static void
edits(void)
{
	struct reg_node_ref a, b;

	configure("[" NODE("a", "") ", " NODE("b", "") "]");
	a = node("a")->reg.ref;
	b = node("b")->reg.ref;
	ok(a.slot > REG_NODES_MAX && b.slot == a.slot + 1,
	   "edit: in the order of the file, behind the registry's places");
	configure("[" NODE("a", "") ", " NODE("b", ", weight: 2") ", " NODE(
		"c", "") "]");
	is_str(listed(), "n a* b* c*", "edit: one more");
	ok(gw_node_view_find(view, a) == node("a"),
	   "edit: the same one is found by its old reference");
	ok(!gw_node_view_find(view, b), "edit: a changed one is another one");
	is_int(node("b")->doc->models[0].weight, 2, "edit: its new weight");
	configure("[" NODE("c", "") "]");
	is_str(listed(), "n c*", "edit: two are taken away");
	ok(!gw_node_view_find(view, a),
	   "edit: who moved into the place is not the one that had it");
	is_str(fresh("r", NOW), "n/x c/r", "edit: candidates follow");
	configure("[]");
	is_str(listed(), "n", "edit: none is left");
	configure("[{node_id: a, base_url: \"http://a\", roles: [s]}]");
	is_str(fresh("r", NOW), "n/x", "edit: an old role is gone");
	is_str(fresh("s", NOW), "a/s", "edit: a new role is there");
}

static void
hidden(void)
{
	struct reg_node_ref before;
	struct gw_role_count count;
	struct reg_err err = {0};

	configure("[]");
	put("twin", "r");
	is_str(fresh("r", NOW), "n/x twin/x", "hidden: it registered first");
	before = node("twin")->reg.ref;
	configure("[" NODE("twin", "") "]");
	is_str(fresh("r", NOW), "n/x twin/r", "hidden: the static one serves");
	is_str(listed(), "n twin*", "hidden: and is the one that is listed");
	ok(!gw_node_view_find(view, before), "hidden: not found either");
	gw_node_view_count(view, "r", NOW, &count);
	is_int((long long)count.nodes, 2, "hidden: not counted");
	put("twin", "s");
	is_str(fresh("s", NOW), "",
	       "hidden: also when it registers anew at another process");
	if (reg_node_touch(reg, "twin", "{\"a\":1}", 7, NOW, &err) < 0)
		fixture_fatal(err.msg);
	gw_node_view_refresh(view);
	is_str(listed(), "n twin*", "hidden: also when it is alive");
	put("late", "r");
	configure("[" NODE("twin", "") ", " NODE("late", "") "]");
	is_str(listed(), "n twin* late*",
	       "hidden: registered and configured between two looks");
	if (reg_node_remove(reg, "late", &err) < 0)
		fixture_fatal(err.msg);
	is_str(fresh("r", NOW), "n/x twin/r late/r",
	       "hidden: gone from the registry, no harm");
	configure("[]");
	is_str(fresh("r", NOW), "n/x", "hidden: the static ones are gone ...");
	is_str(fresh("s", NOW), "twin/x", "hidden: ... and it is back");
	if (reg_node_remove(reg, "twin", &err) < 0)
		fixture_fatal(err.msg);
	is_str(fresh("s", NOW), "", "hidden: and can leave");
}

/* A pass over the registry that goes on in pieces meets an edit. */
static void
in_pieces(void)
{
	struct gw_config *c;

	for (char id[] = "p0"; id[1] < '9'; id[1]++)
		put(id, "s");
	ok(!gw_node_view_catch_up(view, 1), "pieces: begun");
	c = expect_loads(
		"pieces: loads",
		ROLES "nodes: [" NODE("p7", "") ", " NODE("q", "") "]\n", NULL);
	gw_node_view_configure(view, c);
	gw_config_unref(c);
	while (!gw_node_view_catch_up(view, 1))
		;
	is_str(fresh("s", NOW), "p0/x p1/x p2/x p3/x p4/x p5/x p6/x p8/x",
	       "pieces: whom the edit hides is hidden");
	is_str(fresh("r", NOW), "n/x p7/r q/r", "pieces: and its nodes serve");
}

/* In another registry, the same nodes of the configuration. */
static void
moved(void)
{
	gw_node_view_moved(view);
	is_str(fresh("r", NOW), "n/x p7/r q/r",
	       "moved: they are where they were");
}

/* As large as one can be: what the configuration takes, a node can be. */
static void
largest(void)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 20);
	struct gw_diag diag = {0};
	struct gw_config *c;
	int rc = gw_buf_puts(&b, ROLES "nodes: [{node_id: big, base_url: "
				       "\"http://big\", served_models: [");

	for (int m = 0; m < GW_NODE_MODELS_MAX; m++) {
		rc |= gw_buf_printf(&b, "{model_id: '%0256d', roles: [r", m);
		for (int i = 1; i < GW_NODE_ROLES_MAX; i++)
			rc |= gw_buf_printf(&b, ", '%0254d\"/'", i);
		rc |= gw_buf_printf(&b, "], meta: {k: '%0*d'}},",
				    GW_NODE_META_MAX - 8, 0);
	}
	rc |= gw_buf_puts(&b, "]}]\n");
	c = rc == 0 ? load_texts(b.data, NULL, &diag) : NULL;
	ok(c && diag.errors == 0, "largest: loads");
	if (!c)
		return;
	gw_node_view_configure(view, c);
	gw_node_view_refresh(view);
	ok(node("big") && node("big")->doc->n_models == GW_NODE_MODELS_MAX,
	   "largest: with all of its models");
	gw_config_unref(c);
	gw_diag_release(&diag);
}

static void
contents(void)
{
	const struct gw_node *n;

	configure("[{node_id: box, base_url: \"https://h/p/v1/v1\",\n"
		  "  served_models: [{model_id: 'm\"1', roles: [r, s],\n"
		  "    meta: {x: 0.1}, weight: 5, max_concurrency: 6,\n"
		  "    parallel: 7}, {model_id: m2, roles: [s]}],\n"
		  "  weight: 3, max_concurrency: 2, api_key: k,\n"
		  "  meta: {card: P40}}]");
	n = node("box");
	is_str(n->doc->base_url, "https://h/p/v1",
	       "contents: the address is made plain once, not twice");
	is_str(json_object_to_json_string_ext(
		       n->doc->json,
		       JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
	       "{\"node_id\":\"box\",\"base_url\":\"https://h/p/v1\","
	       "\"weight\":3,\"max_concurrency\":2,\"served_models\":["
	       "{\"model_id\":\"m\\\"1\",\"roles\":[\"r\",\"s\"],\"weight\":5,"
	       "\"max_concurrency\":6,\"parallel\":7,\"meta\":{\"x\":0.1}},"
	       "{\"model_id\":\"m2\",\"roles\":[\"s\"]}],"
	       "\"meta\":{\"card\":\"P40\"}}",
	       "contents: as a registration, without key");
	is_str(n->fixed->api_key, "k", "contents: the key is beside it");
	ok(n->doc->models[0].weight == 5 && n->doc->models[1].weight == 3 &&
		   n->doc->models[0].max_concurrency == 6 &&
		   n->doc->models[1].max_concurrency == 2 &&
		   n->doc->models[0].parallel == 7,
	   "contents: own numbers, else the node's");
	ok(!n->states[0].told && !n->states[1].told,
	   "contents: no state is told");
}

int
main(void)
{
	struct reg_err err = {0};
	char name[64];

	setenv("GW_LOG_LEVEL", "error", 1);
	fixture_begin();
	snprintf(name, sizeof(name), "/rolemesh-test-static-%d", (int)getpid());
	reg = reg_open(name, 0, &err);
	view = reg ? gw_node_view_new(reg, STALE_MS) : NULL;
	if (!view)
		fixture_fatal("no registry");
	beside_registered();
	edits();
	hidden();
	in_pieces();
	moved();
	largest();
	contents();
	gw_node_view_free(view);
	reg_close(reg);
	reg_unlink(name);
	return fixture_end();
}
