/* SPDX-License-Identifier: MIT */
/*
 * test_config_schema.c - the loader with another program's keys.
 *
 * A flat mapping, a list of records with free mappings in it, a kind of its own
 * (a word or a list): what a gateway's configuration does not have.
 */
#include "config/schema.h"
#include "config_fixture.h"

struct thing {
	char *id;
	bool preload;
	uint32_t size;
	const struct gw_yaml_node *args;
};

struct program {
	char *name;
	uint32_t port;
	uint32_t interval_ms;
	struct gw_keys devices;
	struct thing *things;
	size_t n_things;
};

static bool
set_devices(struct gw_apply *ap, const struct gw_option *o,
	    const struct gw_yaml_node *v, void *slot)
{
	if (v->kind == GW_YAML_STRING && strcmp(v->text, "auto") == 0)
		return true;
	if (v->kind != GW_YAML_LIST)
		return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
	return gw_apply_strings(ap, o, v, slot, NULL);
}

static void
emit_devices(struct gw_emit *e, const struct gw_option *o,
	     const struct gw_yaml_node *source, const void *slot)
{
	const struct gw_keys *keys = slot;

	if (keys->n)
		gw_kind_tokens.emit(e, o, source, slot);
	else
		gw_emit_plain(e, "auto");
}

static void
release_devices(void *slot)
{
	gw_kind_tokens.release(slot);
}

static const struct gw_kind kind_devices = {
	.wanted = "`auto` or a list of strings",
	.set = set_devices,
	.emit = emit_devices,
	.release = release_devices,
};

static const struct gw_record thing_record = {
	.size = sizeof(struct thing),
	.count_offset = offsetof(struct program, n_things),
	.max = 3,
	.noun = "thing",
};

#define IN(type, field)                                                        \
	.offset = offsetof(struct type, field),                                \
	.size = sizeof(((struct type *)0)->field)

static const struct gw_option rows[] = {
	{.path = "name", .kind = &gw_kind_text, .unit = "", IN(program, name)},
	{.path = "port",
	 .kind = &gw_kind_integer,
	 .unit = "",
	 IN(program, port),
	 .min = 1,
	 .max = 65535,
	 .fallback = "8091"},
	{.path = "interval_s",
	 .kind = &gw_kind_seconds,
	 .unit = "s",
	 IN(program, interval_ms),
	 .min = 100,
	 .max = 60000,
	 .fallback = "0.5"},
	{.path = "devices",
	 .kind = &kind_devices,
	 .unit = "",
	 IN(program, devices),
	 .fallback = "auto"},
	{.path = "things",
	 .kind = &gw_kind_records,
	 .unit = "",
	 IN(program, things),
	 .record = &thing_record,
	 .flags = GW_OPTION_REQUIRED},
	{.path = "things.[].id",
	 .kind = &gw_kind_text,
	 .unit = "",
	 IN(thing, id),
	 .flags = GW_OPTION_REQUIRED},
	{.path = "things.[].preload",
	 .kind = &gw_kind_boolean,
	 .unit = "",
	 IN(thing, preload),
	 .fallback = "false"},
	{.path = "things.[].size",
	 .kind = &gw_kind_integer,
	 .unit = "",
	 IN(thing, size),
	 .max = 100},
	{.path = "things.[].args",
	 .kind = &gw_kind_tree,
	 .unit = "",
	 IN(thing, args)},
};

static const struct gw_schema schema = {.options = rows,
					.n = GW_ARRAY_LEN(rows)};

/* Loads @text; the findings as text, which the caller frees. */
static char *
load(const char *text, struct program *p, struct gw_yaml *doc)
{
	const char *paths[] = {"base.yaml"};
	struct gw_diag diag = {0};
	char *findings;

	write_text("base.yaml", text);
	memset(p, 0, sizeof(*p));
	gw_yaml_init(doc, &diag);
	gw_yaml_load(doc, paths, 1);
	gw_yaml_substitute(doc);
	gw_schema_apply(&schema, doc, p);
	doc->diag = NULL;
	gw_diag_sort(&diag, paths, 1);
	findings = diag_text(&diag);
	gw_diag_release(&diag);
	return findings;
}

static void
good(void)
{
	struct gw_buf out GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(4096);
	struct program p;
	struct gw_yaml doc;
	char *said = load("name: box\n"
			  "devices: [\"gpu:0\", \"cpu:0\"]\n"
			  "things:\n"
			  "- {id: a, preload: TRUE, size: 5,\n"
			  "   args: {parallel: 1, flash: true, x: [1.50]}}\n"
			  "- id: b\n",
			  &p, &doc);

	is_str(said, "", "schema: a list of records loads");
	is_str(p.name, "box", "schema: text");
	is_int(p.port, 8091, "schema: a default");
	is_int(p.interval_ms, 500, "schema: a default in seconds");
	is_int((long long)p.devices.n, 2, "schema: a kind of its own, a list");
	is_int((long long)p.n_things, 2, "schema: two records");
	is_str(p.things[0].id, "a", "schema: a record's text");
	ok(p.things[0].preload && !p.things[1].preload, "schema: booleans");
	ok(p.things[0].args && gw_yaml_get(p.things[0].args, "flash", 5) &&
		   !p.things[1].args,
	   "schema: a free mapping is kept as a tree");
	is_int(gw_schema_print(&schema, &p, doc.root, &out), 0,
	       "schema: prints");
	is_str(out.data,
	       "name: box\n"
	       "port: 8091\n"
	       "interval_s: 0.5\n"
	       "devices: ['gpu:0', 'cpu:0']\n"
	       "things:\n"
	       "- id: a\n"
	       "  preload: true\n"
	       "  size: 5\n"
	       "  args:\n"
	       "    parallel: 1\n"
	       "    flash: true\n"
	       "    x: [1.50]\n"
	       "- id: b\n"
	       "  preload: false\n"
	       "  size: 0\n"
	       "  args: {}\n",
	       "schema: prints every key");
	gw_schema_release(&schema, &p);
	gw_yaml_release(&doc);
	free(said);
}

static void
bad(void)
{
	static const struct {
		const char *title, *yaml, *want;
	} cases[] = {
		{"schema: a word of its own kind",
		 "things: [{id: a}]\n"
		 "devices: auto\n",
		 ""},
		{"schema: another word", "things: [{id: a}]\ndevices: all\n",
		 "base.yaml:2:10: error: devices: expected `auto` or a list "
		 "of strings, found the string `all`\n"},
		{"schema: paths of list elements",
		 "things:\n- id: 5\n- {preload: yes}\n- x\n- {id: c}\n",
		 "base.yaml:2:7: error: things[0].id: expected a string, "
		 "found the integer `5` (put it in quotes)\n"
		 "base.yaml:3:3: error: `things[1].id` is missing\n"
		 "base.yaml:3:13: error: things[1].preload: expected true or "
		 "false, found the string `yes`\n"
		 "base.yaml:4:3: error: things[2]: expected a mapping, found "
		 "the string `x`\n"
		 "base.yaml:5:3: error: things: at most 3 are possible\n"},
		{"schema: the least number of seconds is possible",
		 "things: [{id: a}]\n"
		 "interval_s: 0.1\n",
		 ""},
		{"schema: a bound of less than a second -> said exactly",
		 "things: [{id: a}]\n"
		 "interval_s: 0.099\n",
		 "base.yaml:2:13: error: interval_s: must be from 0.1 to 60 "
		 "seconds, not 0.099\n"},
		{"schema: a mapping where a list is wanted", "things: {}\n",
		 "base.yaml:1:9: error: things: expected a list, found a "
		 "mapping\n"},
		{"schema: a typo in a list element",
		 "things: [{id: a, prelaod: true}]\n",
		 "base.yaml:1:18: error: unknown key `things[0].prelaod`; did "
		 "you mean `preload`?\n"},
		{"schema: a list where a tree is wanted",
		 "things: [{id: a, args: [1]}]\n",
		 "base.yaml:1:24: error: things[0].args: expected a mapping, "
		 "found a list\n"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++) {
		struct program p;
		struct gw_yaml doc;
		char *said = load(cases[i].yaml, &p, &doc);

		is_str(said, cases[i].want, cases[i].title);
		gw_schema_release(&schema, &p);
		gw_yaml_release(&doc);
		free(said);
	}
}

static void
distances(void)
{
	static const struct {
		const char *a, *b;
		size_t want;
	} cases[] = {
		{"", "", 0},	     {"a", "", 1},
		{"abc", "abc", 0},   {"abc", "abd", 1},
		{"prot", "port", 1}, {"kitten", "sitting", 3},
		{"ab", "ba", 1},     {"model", "models", 1},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++)
		is_int((long long)gw_suggest_distance(
			       cases[i].a, strlen(cases[i].a), cases[i].b,
			       strlen(cases[i].b)),
		       (long long)cases[i].want, "suggest: edits");
}

int
main(void)
{
	fixture_begin();
	good();
	bad();
	distances();
	return fixture_end();
}
