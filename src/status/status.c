/* SPDX-License-Identifier: MIT */
/*
 * status.c - the document piece by piece: its lists, and their elements one
 * after the other. What an element says is its own file's.
 */
#include "status/status.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "config/clients.h"
#include "config/reload.h"
#include "status/parts.h"

#include <autoconf.h>

#define PARSE_A_PIECE 32 /* nodes that registered anew */

struct gw_status *
gw_status_new(const struct gw_status_source *source)
{
	struct gw_status *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->of = *source;
	gw_config_ref(s->of.config);
	gw_buf_init(&s->text, GW_STATUS_TEXT_MAX);
	return s;
}

void
gw_status_free(struct gw_status *s)
{
	if (!s)
		return;
	gw_config_unref(s->of.config);
	gw_buf_release(&s->text);
	free(s->nodes);
	free(s->waiting);
	free(s);
}

const struct gw_buf *
gw_status_text(const struct gw_status *s)
{
	return &s->text;
}

/* ---- the text --------------------------------------------------------------
 */

/* An object's members, to go on in one that is open. Puts the object. */
static int
add_members(struct gw_status *s, struct json_object *members)
{
	gw_auto_json struct json_object *o = members;
	size_t at = s->text.len;

	if (gw_json_text(o, &s->text) < 0 || s->text.data[at] != '{')
		return -1;
	s->text.data[at] = ',';
	s->text.len--; /* its end */
	return 0;
}

static int
add_element(struct gw_status *s, struct json_object *element)
{
	gw_auto_json struct json_object *o = element;
	bool first = !s->opened;

	s->opened = true;
	return gw_json_element(o, first, &s->text);
}

/* From one list to the next. */
static int
begin_list(struct gw_status *s, enum gw_status_part part, const char *opening)
{
	s->part = part;
	s->next = 0;
	s->opened = false;
	return gw_buf_puts(&s->text, opening);
}

/* ---- the head --------------------------------------------------------------
 */

static int
add_head(struct gw_status *s)
{
	gw_auto_json struct json_object *o = json_object_new_object();
	struct json_object *config = json_object_new_object();
	struct gw_reload reload;

	gw_reload_read(s->of.routing->reg, &reload);
	gw_json_set_int(o, "generation", (int64_t)reload.generation);
	gw_json_set_str(o, "version", PACKAGE_VERSION);
	json_object_object_add(
		o, "started",
		s->of.started_wall_s
			? json_object_new_int64(s->of.started_wall_s)
			: NULL);
	gw_status_set_time(o, "now", gw_wall_ms());
	gw_json_set_str(o, "default_model", s->of.config->default_model);
	gw_status_set_time(config, "loaded", reload.loaded_ms);
	json_object_object_add(config, "last_reload",
			       gw_reload_object(&reload));
	json_object_object_add(o, "config", config);
	json_object_object_add(o, "counters",
			       gw_counters_document(s->of.counters));
	if (gw_json_text(o, &s->text) < 0)
		return -1;
	s->text.len--; /* its end: lists follow */
	return begin_list(s, GW_STATUS_PROCESSES, ",\"processes\":[");
}

/* ---- the lists: one element each -------------------------------------------
 */

static int
add_process(struct gw_status *s)
{
	struct reg_process p;

	if (reg_process_next(s->of.routing->reg, &s->row, &p))
		return add_element(s, gw_status_process(s, &p));
	return begin_list(s, GW_STATUS_ALIASES, "],\"aliases\":[");
}

/* The alias's beginning, then its candidates, then its end. */
static int
begin_alias(struct gw_status *s, const struct gw_model *m)
{
	if (add_element(s, gw_status_alias(s, m)) < 0)
		return -1;
	s->text.len--;
	s->in_alias = true;
	s->candidate = 0;
	return gw_buf_puts(&s->text, ",\"candidates\":[");
}

static int
go_on_with_alias(struct gw_status *s, const struct gw_model *m)
{
	gw_auto_json struct json_object *o =
		gw_status_candidate(s, m, s->candidate);

	if (o)
		return gw_json_element(o, s->candidate++ == 0, &s->text);
	s->in_alias = false;
	s->next++;
	if (gw_buf_puts(&s->text, "]") < 0 ||
	    add_members(s, gw_status_alias_end(s, m)) < 0)
		return -1;
	return gw_buf_puts(&s->text, "}");
}

static int
begin_nodes(struct gw_status *s)
{
	const struct gw_node *n;
	uint32_t slot = 0;

	s->nodes = calloc(GW_NODE_SLOTS, sizeof(*s->nodes));
	if (!s->nodes)
		return -1;
	while ((n = gw_node_view_next(s->of.routing->nodes, &slot)))
		s->nodes[s->n_nodes++] = n->reg.ref;
	return begin_list(s, GW_STATUS_NODES, "],\"nodes\":[");
}

static int
add_alias(struct gw_status *s)
{
	const struct gw_config *c = s->of.config;

	if (s->in_alias)
		return go_on_with_alias(s, &c->models[s->next]);
	if (s->next < c->n_models)
		return begin_alias(s, &c->models[s->next]);
	return begin_nodes(s);
}

/* One that is gone by now is left out. */
static int
add_node(struct gw_status *s)
{
	const struct gw_node *n;
	struct json_object *o;

	if (s->next < s->n_nodes) {
		n = gw_node_view_find(s->of.routing->nodes,
				      s->nodes[s->next++]);
		o = n ? gw_status_node(s, n) : NULL;
		return o ? add_element(s, o) : 0;
	}
	if (gw_status_read_waiting(s) < 0)
		return -1;
	return begin_list(s, GW_STATUS_CLIENTS, "],\"clients\":[");
}

static int
add_client(struct gw_status *s)
{
	const struct gw_client *c = gw_client_at(s->of.config, s->next++);

	if (c)
		return add_element(s, gw_status_client(s, c));
	s->part = GW_STATUS_END;
	return gw_buf_puts(&s->text, "]}");
}

static int
add(struct gw_status *s)
{
	switch (s->part) {
	case GW_STATUS_HEAD:
		return add_head(s);
	case GW_STATUS_PROCESSES:
		return add_process(s);
	case GW_STATUS_ALIASES:
		return add_alias(s);
	case GW_STATUS_NODES:
		return add_node(s);
	case GW_STATUS_CLIENTS:
		return add_client(s);
	case GW_STATUS_END:
		break;
	}
	return 0;
}

enum gw_status_step
gw_status_go_on(struct gw_status *s, uint64_t budget_us)
{
	uint64_t begun_us = gw_mono_us();

	s->now_ms = begun_us / 1000;
	if (s->part == GW_STATUS_HEAD &&
	    !gw_node_view_catch_up(s->of.routing->nodes,
				   budget_us == UINT64_MAX ? UINT32_MAX
							   : PARSE_A_PIECE))
		return GW_STATUS_MORE;
	while (s->part != GW_STATUS_END) {
		if (add(s) < 0)
			return GW_STATUS_FAILED;
		if (gw_mono_us() - begun_us >= budget_us)
			break;
	}
	return s->part == GW_STATUS_END ? GW_STATUS_DONE : GW_STATUS_MORE;
}
