/* SPDX-License-Identifier: MIT */
/*
 * config.c - the life of a snapshot: loaded, shared, printed, compared, freed.
 *
 * The one place that knows the order: read, merge, substitute, check, complete.
 */
#include "config/internal.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/body_limits.h"

#define WORKERS_MAX 256

/* The cores this process may use: in a container fewer than the machine has. */
static uint32_t
online_cores(void)
{
	cpu_set_t set;
	long n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	if (n < 1)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	if (n < 1)
		return 1;
	return n > WORKERS_MAX ? WORKERS_MAX : (uint32_t)n;
}

static int
copy_if_missing(char **slot, const char *from)
{
	if (*slot || !from)
		return 0;
	*slot = strdup(from);
	return *slot ? 0 : -1;
}

/* Defaults that are other values, not constants. */
static int
complete(struct gw_config *c, struct gw_yaml *doc)
{
	gw_body_limits_settle(doc, gw_yaml_value(doc->root, "gateway"),
			      "gateway.", c->gateway.max_body_bytes,
			      &c->gateway.max_bodies_bytes);
	if (!c->gateway.workers)
		c->gateway.workers = online_cores();
	for (size_t i = 0; i < c->n_models; i++) {
		struct gw_model *m = &c->models[i];

		if (copy_if_missing(&m->openai_model_name, m->alias) < 0)
			return -1;
		c->uses_affinity |= m->strategy == GW_AFFINITY;
		m->tls_insecure = m->type == GW_MODEL_PROXY && !m->tls.verify;
		if (m->type == GW_MODEL_DISCOVERED &&
		    copy_if_missing(&m->role, m->alias) < 0)
			return -1;
	}
	return 0;
}

static void
build(struct gw_config *c, struct gw_config_internal *in)
{
	struct gw_yaml *doc = &in->doc;
	size_t errors = doc->diag->errors;

	gw_yaml_substitute(doc);
	gw_schema_apply(&gw_config_schema, doc, c);
	if (doc->no_memory)
		return;
	if (complete(c, doc) < 0 || gw_names_build(c, in) < 0 ||
	    gw_failing_settle(c, doc) < 0 || gw_nodes_settle(c, in) < 0 ||
	    gw_clients_build(c, in) < 0) {
		doc->no_memory = true;
		return;
	}
	gw_config_check(c, doc);
	gw_clients_check(c, doc);
	if (doc->diag->errors == errors && gw_defaults_index(c) < 0)
		doc->no_memory = true;
}

struct gw_config *
gw_config_new(void)
{
	struct gw_config *c = calloc(1, sizeof(*c));
	struct gw_config_internal *in = calloc(1, sizeof(*in));

	if (!c || !in) {
		free(c);
		free(in);
		return NULL;
	}
	c->refs = 1;
	c->internal = in;
	gw_yaml_init(&in->doc, NULL);
	return c;
}

int
gw_config_seal(struct gw_config *c)
{
	return gw_names_build(c, c->internal) < 0
		       ? -1
		       : gw_clients_build(c, c->internal);
}

struct gw_config *
gw_config_load_version(const char *const *paths, size_t n, struct gw_diag *diag,
		       uint64_t *fingerprint)
{
	struct gw_config *c = gw_config_new();
	struct gw_config_internal *in;
	size_t errors = diag->errors;

	*fingerprint = 0;
	if (!c) {
		gw_diag_add(diag, false, NULL, 0, 0, "out of memory");
		return NULL;
	}
	in = c->internal;
	gw_yaml_init(&in->doc, diag);
	gw_yaml_load(&in->doc, paths, n);
	if (in->doc.root)
		build(c, in);
	*fingerprint = c->fingerprint = in->doc.fingerprint;
	if (gw_yaml_settle(&in->doc, errors))
		return c;
	gw_config_unref(c);
	return NULL;
}

struct gw_config *
gw_config_load(const char *const *paths, size_t n, struct gw_diag *diag)
{
	uint64_t fingerprint;

	return gw_config_load_version(paths, n, diag, &fingerprint);
}

struct gw_config *
gw_config_ref(struct gw_config *c)
{
	c->refs++;
	return c;
}

void
gw_config_unref(struct gw_config *c)
{
	struct gw_config_internal *in;

	if (!c || --c->refs)
		return;
	in = c->internal;
	gw_failing_release(c);
	gw_clients_release(in);
	gw_schema_release(&gw_config_schema, c);
	free(c->default_keys);
	gw_yaml_release(&in->doc);
	free(in->names);
	free(in->nodes);
	free(in);
	free(c);
}

int
gw_config_print(const struct gw_config *c, struct gw_buf *out)
{
	const struct gw_config_internal *in = c->internal;

	return gw_schema_print(&gw_config_schema, c, in->doc.root, out);
}

unsigned
gw_config_needs_restart(const struct gw_config *before,
			const struct gw_config *after)
{
	unsigned n = 0;

	for (size_t i = 0; i < gw_config_schema.n; i++) {
		const struct gw_option *o = &gw_config_schema.options[i];

		if (!(o->flags & GW_OPTION_RESTART) ||
		    !gw_schema_differs(o, before, after))
			continue;
		gw_log(GW_EV_CONFIG_NEEDS_RESTART, NULL, "key=%s", o->path);
		n++;
	}
	return n;
}
