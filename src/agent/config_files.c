/* SPDX-License-Identifier: MIT */
/*
 * config_files.c - warnings about files that are not there.
 *
 * For --check and the start only: a missing file must not keep the other models
 * from being served, and it may come later.
 */
#include "agent/config_internal.h"

#include <string.h>
#include <sys/stat.h>

/* 0, or the errno-like reason why @path is no file to be used in @mode. */
static int
why_not(const char *path, int mode)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return access(path, mode) < 0 ? errno : 0;
}

static void
warn(struct gw_diag *diag, const struct gw_doc *doc, const struct gw_node *at,
     const char *key, const char *path, const char *why)
{
	gw_diag_add(diag, true, at ? doc->paths[at->file] : NULL,
		    at ? at->line : 0, at ? at->column : 0, "%s: `%s`: %s", key,
		    gw_node_show(at, path), why);
}

/* The first of PATH's folders that has a program of that name. */
static bool
in_path(const char *name)
{
	const char *folder = getenv("PATH");

	if (!folder)
		folder = "/bin:/usr/bin"; /* as execvp() does */
	for (;;) {
		size_t len = strcspn(folder, ":");
		struct gw_buf path GW_CLEANUP(gw_buf_release) =
			GW_BUF_INIT(2 * AG_PATH_MAX);

		/* An empty entry is the current folder. */
		if (gw_buf_append(&path, len ? folder : ".", len ? len : 1) ==
			    0 &&
		    gw_buf_printf(&path, "/%s", name) == 0 &&
		    why_not(path.data, X_OK) == 0)
			return true;
		if (!folder[len])
			return false;
		folder += len + 1;
	}
}

static void
warn_program(const struct ag_config *c, const struct gw_doc *doc,
	     struct gw_diag *diag)
{
	const struct gw_node *at = gw_node_value(doc->root, "llama_server_bin");
	const char *bin = c->llama_server_bin;
	int why;

	if (gw_node_is_null(at))
		at = NULL;
	if (!strchr(bin, '/')) {
		if (!in_path(bin))
			warn(diag, doc, at, "llama_server_bin", bin,
			     "no such program in PATH");
		return;
	}
	why = why_not(bin, X_OK);
	if (why)
		warn(diag, doc, at, "llama_server_bin", bin, strerror(why));
}

void
ag_config_warn_files(const struct ag_config *c, struct gw_diag *diag)
{
	const struct gw_doc *doc = ag_config_doc(c);
	struct ag_model_place place[AG_MODELS_MAX] = {{0}};

	ag_config_places(c, doc, place);
	warn_program(c, doc, diag);
	for (size_t i = 0; i < c->n_models; i++) {
		const char *path = c->models[i].path;
		int why = why_not(path, R_OK);
		char key[64];

		snprintf(key, sizeof(key), "models[%zu].path", place[i].index);
		if (why)
			warn(diag, doc, gw_node_value(place[i].node, "path"),
			     key, path, strerror(why));
	}
	gw_diag_sort(diag, doc->paths, doc->n_paths);
}
