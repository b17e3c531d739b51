/* SPDX-License-Identifier: MIT */
/*
 * files.c - warnings about files that are not there.
 *
 * For --check and the start only: a missing file must not keep the other models
 * from being served, and it may come later.
 */
#include "agent/config/internal.h"

#include "agent/config/file_check.h"

static void
warn(struct gw_diag *diag, const struct gw_yaml *doc,
     const struct gw_yaml_node *at, const char *key, const char *path,
     const char *why)
{
	gw_diag_add(diag, true, at ? doc->paths[at->file] : NULL,
		    at ? at->line : 0, at ? at->column : 0, "%s: `%s`: %s", key,
		    gw_yaml_show(at, path), why);
}

static void
warn_program(const struct ag_config *c, const struct gw_yaml *doc,
	     struct gw_diag *diag)
{
	const struct gw_yaml_node *at =
		gw_yaml_value(doc->root, "llama_server_bin");
	const char *why = ag_why_no_program(c->llama_server_bin);

	if (why)
		warn(diag, doc, gw_yaml_is_null(at) ? NULL : at,
		     "llama_server_bin", c->llama_server_bin, why);
}

void
ag_config_warn_files(const struct ag_config *c, struct gw_diag *diag)
{
	const struct gw_yaml *doc = c->doc;
	struct ag_model_place place[AG_MODELS_MAX] = {{0}};

	ag_config_places(c, doc, place);
	warn_program(c, doc, diag);
	for (size_t i = 0; i < c->n_models; i++) {
		const char *path = c->models[i].path;
		const char *why = ag_why_no_weights(path);
		char key[64];

		snprintf(key, sizeof(key), "models[%zu].path", place[i].index);
		if (why)
			warn(diag, doc, gw_yaml_value(place[i].node, "path"),
			     key, path, why);
	}
	gw_diag_sort(diag, doc->paths, doc->n_paths);
}
