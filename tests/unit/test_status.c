/* SPDX-License-Identifier: MIT */
/*
 * test_status.c - the document of how a gateway stands, made without a request
 * and without a loop: from a registry that is mapped for reading alone, whole
 * or in pieces of every size.
 */
#include "base/clock.h"
#include "base/json.h"
#include "config/clients.h"
#include "config/reload.h"
#include "config_fixture.h"
#include "internal.h"
#include "routing/drain.h"
#include "routing/place_keys.h"
#include "routing/routing.h"
#include "status/status.h"

#define STALE_MS 10000
#define CONFIG                                                                 \
	"default_model: writer\n"                                              \
	"auth:\n"                                                              \
	"  clients:\n"                                                         \
	"    - {name: ann, key: secret-of-ann, max_concurrency: 2, "           \
	"requests_per_minute: 9}\n"                                            \
	"    - {name: all, user: \"*\"}\n"                                     \
	"  trust_web_server_user: true\n"                                      \
	"models:\n"                                                            \
	"  writer: {type: proxy, proxy_url: \"http://w:1\", api_key: "         \
	"secret-of-w}\n"                                                       \
	"  coder: {type: discovered, fallback: [writer]}\n"                    \
	"  judge: {type: discovered}\n"
#define NODE                                                                   \
	"{\"node_id\":\"%s\",\"base_url\":\"http://%s\",\"served_models\":"    \
	"[{\"model_id\":\"m\",\"roles\":[\"coder\"]}],\"meta\":{\"a\":1}}"

static struct reg *reg;
static struct reg looking; /* the same segment, read only */
static struct gw_config *config;
static struct gw_counters counters;
static char shm_name[64];

static void
put_node(const char *id, uint64_t seen_ms)
{
	struct reg_err err = {0};
	char text[300];
	int n = snprintf(text, sizeof(text), NODE, id, id);

	if (reg_node_put(reg, id, text, (size_t)n, seen_ms, STALE_MS, NULL,
			 &err) < 0)
		fixture_fatal(err.msg);
}

static void
begin(void)
{
	gw_auto_diag struct gw_diag diag = {0};
	const char *paths[] = {"base.yaml"};
	struct reg_err err = {0};

	write_bytes("base.yaml", CONFIG, strlen(CONFIG));
	config = gw_config_load(paths, 1, &diag);
	if (!config)
		fixture_fatal(diag.n ? diag.items[0].text : "no configuration");
	snprintf(shm_name, sizeof(shm_name), "/rolemesh-test-status-%d",
		 (int)getpid());
	reg_unlink(shm_name);
	reg = reg_open(shm_name, REG_SEGMENT_MIN, &err);
	if (!reg)
		fixture_fatal(err.msg);
	looking.fd = -1;
	if (reg_segment_look(&looking, shm_name, &err) < 0)
		fixture_fatal(err.msg);
}

static void
end(void)
{
	reg_segment_close(&looking);
	reg_close(reg);
	reg_unlink(shm_name);
	gw_config_unref(config);
}

/* The document as somebody who only looks makes it. */
static struct json_object *
document(struct gw_config *of, uint64_t budget_us, unsigned *pieces)
{
	struct gw_routing routing = {.reg = &looking};
	struct gw_err err = {0};
	struct gw_status *s;
	struct json_object *o = NULL;
	enum gw_status_step step = GW_STATUS_MORE;
	const struct gw_buf *text;

	routing.nodes = gw_node_view_new(&looking, STALE_MS);
	s = gw_status_new(&(struct gw_status_source){
		.routing = &routing, .config = of, .counters = &counters});
	*pieces = 0;
	while (s && step == GW_STATUS_MORE && ++*pieces < 1000)
		step = gw_status_go_on(s, budget_us);
	if (step == GW_STATUS_DONE) {
		text = gw_status_text(s);
		if (!memchr(text->data, '\n', text->len))
			o = gw_json_parse_object(text->data, text->len, 32,
						 &err);
	}
	gw_status_free(s);
	gw_place_keys_release(&routing);
	gw_choices_release(&routing.choices);
	gw_node_view_free(routing.nodes);
	return o;
}

/* What is found by keys and indices: "nodes", "0", "state". */
static const char *
at(struct json_object *o, const char *a, size_t i, const char *b)
{
	struct json_object *list, *v;

	if (!o || !json_object_object_get_ex(o, a, &list))
		return "nothing";
	v = json_object_is_type(list, json_type_array)
		    ? json_object_array_get_idx(list, i)
		    : list;
	if (b && (!v || !json_object_object_get_ex(v, b, &v)))
		return "nothing";
	return v ? json_object_get_string(v) : "null";
}

static void
test_empty(void)
{
	gw_auto_json struct json_object *o = NULL;
	struct gw_config *none = gw_config_new();
	unsigned pieces;

	if (!none || gw_config_seal(none) < 0)
		fixture_fatal("no configuration");
	o = document(none, UINT64_MAX, &pieces);
	ok(o != NULL, "nothing: a document all the same");
	is_int(pieces, 1, "nothing: ... in one piece where it may be");
	is_str(at(o, "aliases", 0, NULL), "null", "nothing: no alias");
	is_str(at(o, "nodes", 0, NULL), "null", "nothing: no node");
	is_str(at(o, "clients", 0, NULL), "null", "nothing: no client");
	is_str(at(o, "generation", 0, NULL), "0", "nothing: no generation");
	is_str(at(o, "started", 0, NULL), "null", "nothing: nobody answers");
	gw_config_unref(none);
}

static void
test_whole(void)
{
	gw_auto_json struct json_object *o = NULL;
	gw_auto_diag struct gw_diag diag = {0};
	struct reg_candidate_ref c;
	struct reg_err err = {0};
	uint64_t now_ms = gw_mono_ms(), key[2];
	const char *text;
	int32_t lease;
	unsigned pieces;

	put_node("fresh", now_ms);
	put_node("gone", 1);
	put_node("out", now_ms);
	ok(reg_drain_set(reg, gw_drain_key("out"), true, now_ms, &err) == 0,
	   "whole: one is drained");
	reg_process_say(reg, "inference", gw_reload_started(reg, 7));
	gw_diag_add(&diag, true, "f", 1, 1, "only a warning");
	gw_diag_add(&diag, false, "f", 2, 1, "the mistake");
	gw_reload_put(reg, false, &diag, 8);
	gw_client_place_key(gw_client_at(config, 0)->id, key);
	c = reg_candidate_open(reg, key, now_ms);
	lease = reg_lease_take(reg, c, 2, NULL);
	o = document(config, UINT64_MAX, &pieces);
	ok(o != NULL, "whole: a document");
	is_str(at(o, "nodes", 0, "state"), "fresh", "whole: a fresh node");
	is_str(at(o, "nodes", 1, "state"), "stale", "whole: a stale one");
	is_str(at(o, "nodes", 2, "state"), "draining", "whole: a drained one");
	is_str(at(o, "nodes", 0, "meta"), "{ \"a\": 1 }", "whole: its meta");
	is_str(at(o, "aliases", 0, "default"), "true", "whole: the default");
	is_str(at(o, "aliases", 1, "state"), "usable", "whole: one is fresh");
	is_str(at(o, "aliases", 2, "state"), "unusable", "whole: none serves");
	is_str(at(o, "aliases", 2, "why"),
	       "no node registered for role 'judge'", "whole: ... and why");
	is_str(at(o, "clients", 0, "in_flight"), "1", "whole: a client's own");
	is_str(at(o, "clients", 0, "remaining"), "9", "whole: ... bucket");
	is_str(at(o, "clients", 1, "in_flight"), "null",
	       "whole: any user is many");
	is_str(at(o, "processes", 0, "pool"), "inference", "whole: a process");
	is_str(at(o, "processes", 0, "generation"), "1",
	       "whole: ... and what it has");
	is_str(at(o, "generation", 0, NULL), "1", "whole: generation");
	text = at(o, "config", 0, "last_reload");
	ok(strstr(text, "the mistake") && strstr(text, "\"success\": false"),
	   "whole: the last edit: %s", text);
	text = json_object_to_json_string(o);
	ok(!strstr(text, "secret-of"), "whole: no secret");
	reg_lease_drop(reg, lease);
}

/* In force is what was: a process that starts now has a copy of that. */
static void
test_reloads(void)
{
	gw_auto_diag struct gw_diag diag = {0};
	struct gw_reload r;

	is_int((long long)gw_reload_started(reg, 9), 7,
	       "reload: who starts on a broken edit has what is in force");
	gw_reload_put(reg, true, &diag, 10);
	gw_reload_read(reg, &r);
	ok(r.generation == 2 && r.edited && r.success && !r.error[0] &&
		   r.loaded_ms == r.edited_ms,
	   "reload: mended");
	is_int((long long)gw_reload_generation(reg, 7), 1,
	       "reload: the one before is known");
	is_int((long long)gw_reload_generation(reg, 8), 0,
	       "reload: a broken one is none");
	for (int i = 0; i < 3 * REG_EDITS_MAX; i++)
		gw_reload_put(reg, false, &diag, 100 + (uint64_t)i);
	gw_reload_read(reg, &r);
	ok(r.edited && !r.success && r.error[0], "reload: broken for long");
	ok(r.generation == 2 && gw_reload_started(reg, 11) == 10,
	   "reload: ... and what is in force stays known");
	ok(!gw_reload_stops(reg), "reload: nobody stops");
	reg_process_say(reg, GW_LAUNCHER_POOL, GW_NOTE_STOPS);
	ok(gw_reload_stops(&looking),
	   "reload: the launcher says that it stops");
}

static void
test_pieces(void)
{
	gw_auto_json struct json_object *o = NULL;
	unsigned pieces;

	/* Each thing of it is one, and ends. */
	o = document(config, 0, &pieces);
	ok(o != NULL, "pieces: a document");
	ok(pieces > 10 && pieces < 100, "pieces: %u of them", pieces);
	is_str(at(o, "nodes", 2, "state"), "draining", "pieces: the same");
	is_str(at(o, "clients", 1, "name"), "all", "pieces: ... to its end");
}

int
main(void)
{
	fixture_begin();
	begin();
	test_empty();
	test_whole();
	test_pieces();
	test_reloads();
	end();
	return fixture_end();
}
