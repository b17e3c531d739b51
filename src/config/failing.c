/* SPDX-License-Identifier: MIT */
/*
 * failing.c - what a configuration says for the case that upstreams fail: waits
 * that belong together, and lists of other aliases.
 *
 * A fallback list names aliases; here they become models. That a list leads
 * back to its own alias is a mistake even though the list of a fallback is not
 * followed: nobody writes that on purpose.
 */
#include "config/internal.h"

#include <stdlib.h>
#include <string.h>

#define CIRCLE_BYTES 300 /* of a circle's text; what is longer is cut */

/* ---- a wait that grows up to another ------------------------------------- */

static const char *
seconds(uint32_t ms, char text[static 32])
{
	snprintf(text, 32, "%.10g", ms / 1000.0);
	return text;
}

/*
 * The default of @most_key grows with the first wait; one that was set must be
 * as long. 0: the value was a mistake of its own.
 */
static void
settle_waits(struct gw_yaml *doc, const struct gw_yaml_node *at,
	     const char *prefix, const char *first_key, uint32_t first,
	     const char *most_key, uint32_t *most)
{
	const struct gw_yaml_node *set = gw_yaml_value(at, most_key);
	char is[32], wanted[32];

	if (*most >= first || !*most)
		return;
	if (gw_yaml_is_null(set)) {
		*most = first;
		return;
	}
	gw_yaml_error(doc, set, "%s.%s: %s is below %s.%s, %s", prefix,
		      most_key, seconds(*most, is), prefix, first_key,
		      seconds(first, wanted));
}

static void
settle_all_waits(struct gw_config *c, struct gw_yaml *doc)
{
	settle_waits(
		doc,
		gw_yaml_value(gw_yaml_value(doc->root, "gateway"), "eject"),
		"gateway.eject", "pause_s", c->gateway.eject.pause_ms,
		"pause_max_s", &c->gateway.eject.pause_max_ms);
	for (size_t i = 0; i < c->n_models; i++) {
		struct gw_model *m = &c->models[i];
		char prefix[GW_MODEL_NAME_MAX + 32];
		const struct gw_yaml_member *at;

		if (!m->alias)
			continue;
		snprintf(prefix, sizeof(prefix), "models.%s.retry", m->alias);
		at = gw_config_node(doc, m->alias, "retry");
		settle_waits(doc, at ? at->value : NULL, prefix, "backoff_s",
			     m->retry.backoff_ms, "backoff_max_s",
			     &m->retry.backoff_max_ms);
	}
}

/* ---- fallback lists ------------------------------------------------------ */

/* Where entry @i of a list is written, or the list, after a mistake in it. */
static const struct gw_yaml_node *
entry_node(const struct gw_yaml *doc, const struct gw_model *m, size_t i)
{
	const struct gw_yaml_member *at =
		gw_config_node(doc, m->alias, "fallback");

	if (!at)
		return NULL;
	return at->value->kind == GW_YAML_LIST && at->value->n == m->fallback.n
		       ? at->value->child[i].value
		       : at->key;
}

static void
report_unknown(const struct gw_config *c, struct gw_yaml *doc,
	       const struct gw_model *m, size_t i)
{
	const struct gw_yaml_node *at = entry_node(doc, m, i);
	const struct gw_model *near = gw_config_nearest(c, m->fallback.key[i]);

	if (near == m)
		near = NULL;
	gw_yaml_error(doc, at,
		      "models.%s.fallback[%zu]: there is no alias `%s`%s%s%s",
		      m->alias, i, gw_yaml_show(at, m->fallback.key[i]),
		      near ? "; did you mean `" : "", near ? near->alias : "",
		      near ? "`?" : "");
}

/* The model of entry @i, or NULL after a finding. Aliases only: other names of a
 * model are the clients' business. */
static const struct gw_model *
resolve_entry(const struct gw_config *c, struct gw_yaml *doc,
	      const struct gw_model *m, size_t i)
{
	const struct gw_model *to = gw_config_alias(c, m->fallback.key[i]);
	const struct gw_yaml_node *at;

	if (!to) {
		report_unknown(c, doc, m, i);
		return NULL;
	}
	at = entry_node(doc, m, i);
	if (to == m) {
		gw_yaml_error(doc, at,
			      "models.%s.fallback[%zu]: an alias cannot be its "
			      "own fallback",
			      m->alias, i);
		return NULL;
	}
	for (size_t k = 0; k < m->n_fallbacks; k++) {
		if (m->fallbacks[k] != to)
			continue;
		gw_yaml_error(
			doc, at,
			"models.%s.fallback[%zu]: `%s` stands in the list "
			"already",
			m->alias, i, gw_yaml_show(at, m->fallback.key[i]));
		return NULL;
	}
	return to;
}

static int
resolve(const struct gw_config *c, struct gw_yaml *doc, struct gw_model *m)
{
	if (!m->alias || !m->fallback.n)
		return 0;
	m->fallbacks = calloc(m->fallback.n, sizeof(*m->fallbacks));
	if (!m->fallbacks)
		return -1;
	for (size_t i = 0; i < m->fallback.n; i++) {
		const struct gw_model *to = resolve_entry(c, doc, m, i);

		if (to)
			m->fallbacks[m->n_fallbacks++] = to;
	}
	return 0;
}

/* ---- circles ------------------------------------------------------------- */

/* The way down through the lists; a model is on it once at most. */
struct way {
	size_t *model; /* indexes, from the first on */
	size_t *next;  /* how many of its fallbacks were looked at */
	size_t n;
	bool *on, *done; /* by model */
};

/* `a -> b -> a`; the last step is entry @i of the last model's list. */
static void
report_circle(const struct gw_config *c, struct gw_yaml *doc,
	      const struct way *way, size_t to)
{
	const struct gw_model *last = &c->models[way->model[way->n - 1]];
	char text[CIRCLE_BYTES] = "";
	size_t at = 0, i = 0;
	int n;

	while (way->model[i] != to)
		i++;
	for (; i < way->n && at < sizeof(text); i++) {
		n = snprintf(text + at, sizeof(text) - at, "%.64s -> ",
			     c->models[way->model[i]].alias);
		at += n > 0 ? (size_t)n : 0;
	}
	if (at + 64 < sizeof(text))
		snprintf(text + at, sizeof(text) - at, "%.64s",
			 c->models[to].alias);
	else
		memcpy(text + sizeof(text) - sizeof("..."), "...",
		       sizeof("..."));
	for (i = 0; i < last->fallback.n; i++)
		if (strcmp(last->fallback.key[i], c->models[to].alias) == 0)
			break;
	gw_yaml_error(doc, entry_node(doc, last, i),
		      "models.%s.fallback[%zu]: the lists lead in a circle: %s",
		      last->alias, i, text);
}

static void
push(struct way *way, size_t model)
{
	way->model[way->n] = model;
	way->next[way->n++] = 0;
	way->on[model] = true;
}

/* All that can be reached from @first; each model is entered once. */
static void
walk(const struct gw_config *c, struct gw_yaml *doc, struct way *way,
     size_t first)
{
	push(way, first);
	while (way->n) {
		size_t at = way->model[way->n - 1];
		const struct gw_model *m = &c->models[at];
		size_t i = way->next[way->n - 1]++, to;

		if (i == m->n_fallbacks) {
			way->on[at] = false;
			way->done[at] = true;
			way->n--;
			continue;
		}
		to = (size_t)(m->fallbacks[i] - c->models);
		if (way->on[to])
			report_circle(c, doc, way, to);
		else if (!way->done[to])
			push(way, to);
	}
}

static int
find_circles(const struct gw_config *c, struct gw_yaml *doc)
{
	size_t n = c->n_models ? c->n_models : 1;
	struct way way = {
		.model = calloc(n, sizeof(*way.model)),
		.next = calloc(n, sizeof(*way.next)),
		.on = calloc(n, sizeof(*way.on)),
		.done = calloc(n, sizeof(*way.done)),
	};
	bool room = way.model && way.next && way.on && way.done;

	for (size_t i = 0; room && i < c->n_models; i++)
		if (!way.done[i] && c->models[i].n_fallbacks)
			walk(c, doc, &way, i);
	free(way.model);
	free(way.next);
	free(way.on);
	free(way.done);
	return room ? 0 : -1;
}

/* ---- all of it ----------------------------------------------------------- */

int
gw_failing_settle(struct gw_config *c, struct gw_yaml *doc)
{
	settle_all_waits(c, doc);
	for (size_t i = 0; i < c->n_models; i++)
		if (resolve(c, doc, &c->models[i]) < 0)
			return -1;
	return find_circles(c, doc);
}

void
gw_failing_release(struct gw_config *c)
{
	for (size_t i = 0; i < c->n_models; i++)
		free(c->models[i].fallbacks);
}
