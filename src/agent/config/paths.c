/* SPDX-License-Identifier: MIT */
/*
 * paths.c - `path` of a model and `llama_server_bin`: like ${file:}, a relative
 * one starts at the folder of the file that names it, wherever the agent is
 * started. Whether something is there is file_check.c's business.
 */
#include "agent/config/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of @file with its last slash; what is relative, from here. */
static int
put_folder(struct gw_buf *out, const char *file)
{
	const char *slash = strrchr(file, '/');
	char here[PATH_MAX];

	if (!slash)
		return 0; /* it is the current one */
	if (*file != '/' && getcwd(here, sizeof(here)) &&
	    (gw_buf_puts(out, here) < 0 || gw_buf_puts(out, "/") < 0))
		return -1;
	return gw_buf_append(out, file, (size_t)(slash - file) + 1);
}

/* Put the folder before the text that was stored. */
static bool
resolve(struct gw_apply *ap, const struct gw_yaml_node *v, void *slot)
{
	struct gw_buf full GW_CLEANUP(gw_buf_release) =
		GW_BUF_INIT(AG_PATH_MAX + 1);
	char **text = slot;

	if (put_folder(&full, ap->doc->paths[v->file]) < 0 ||
	    gw_buf_puts(&full, *text) < 0 || full.len > AG_PATH_MAX) {
		gw_apply_error(ap, v,
			       "is at most %d bytes long, the folder of its "
			       "file included",
			       AG_PATH_MAX);
		return false;
	}
	free(*text);
	*text = GW_STEAL(full.data);
	return true;
}

static bool
set_path(struct gw_apply *ap, const struct gw_option *o,
	 const struct gw_yaml_node *v, void *slot)
{
	return gw_kind_text.set(ap, o, v, slot) &&
	       (**(char **)slot == '/' || resolve(ap, v, slot));
}

/* A name without a slash is looked up in PATH. */
static bool
set_program(struct gw_apply *ap, const struct gw_option *o,
	    const struct gw_yaml_node *v, void *slot)
{
	const char *text;

	if (!gw_kind_text.set(ap, o, v, slot))
		return false;
	text = *(char **)slot;
	return *text == '/' || !strchr(text, '/') || resolve(ap, v, slot);
}

static void
emit_path(struct gw_emit *e, const struct gw_option *o,
	  const struct gw_yaml_node *source, const void *slot)
{
	gw_kind_text.emit(e, o, source, slot);
}

static void
release_path(void *slot)
{
	gw_kind_text.release(slot);
}

const struct gw_kind ag_kind_path = {
	.wanted = "a string",
	.is_pointer = true,
	.is_text = true,
	.set = set_path,
	.emit = emit_path,
	.release = release_path,
};

const struct gw_kind ag_kind_program = {
	.wanted = "a string",
	.is_pointer = true,
	.is_text = true,
	.set = set_program,
	.emit = emit_path,
	.release = release_path,
};
