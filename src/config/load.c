/* SPDX-License-Identifier: MIT */
/*
 * load.c - files are read, parsed one event at a time and merged.
 *
 * Turns libyaml's own complaints into findings with a place. The tree itself is
 * built by compose.c; must not know any key.
 */
#include "config/compose.h"

#include <string.h>

#include "base/file.h"
#include "base/utf8.h"

/* Line and column of a byte, for what libyaml reports by offset only. */
static struct gw_yaml_node
place_of(unsigned file, const char *bytes, size_t offset)
{
	struct gw_yaml_node at = {.file = file, .line = 1, .column = 1};

	for (size_t i = 0; i < offset; i++) {
		if (bytes[i] == '\n') {
			at.line++;
			at.column = 1;
		} else if (((unsigned char)bytes[i] & 0xc0) != 0x80) {
			at.column++;
		}
	}
	return at;
}

/* Does this line begin with a tab? libyaml's words hide that. */
static bool
tab_indents(const char *bytes, size_t len, size_t line)
{
	const char *end = bytes + len;

	for (; line; line--) {
		bytes = memchr(bytes, '\n', (size_t)(end - bytes));
		if (!bytes)
			return false;
		bytes++;
	}
	while (bytes < end && *bytes == ' ')
		bytes++;
	return bytes < end && *bytes == '\t';
}

static void
syntax_error(struct gw_compose *p, const yaml_parser_t *y, const char *bytes,
	     size_t len)
{
	struct gw_yaml_node at = {.file = p->file};
	const char *problem = y->problem ? y->problem : "cannot be parsed";

	if (y->error == YAML_MEMORY_ERROR) {
		p->doc->no_memory = true;
		return;
	}
	if (y->error == YAML_READER_ERROR) {
		at = place_of(p->file, bytes,
			      y->problem_offset < len ? y->problem_offset
						      : len);
		gw_yaml_error(p->doc, &at, "YAML: %s", problem);
		return;
	}
	at.line = (unsigned)y->problem_mark.line + 1;
	at.column = (unsigned)y->problem_mark.column + 1;
	if (tab_indents(bytes, len, y->problem_mark.line))
		gw_yaml_error(p->doc, &at,
			      "YAML: a tab cannot indent; use blanks");
	else if (y->context)
		gw_yaml_error(p->doc, &at, "YAML: %s %s (line %zu)", problem,
			      y->context, y->context_mark.line + 1);
	else
		gw_yaml_error(p->doc, &at, "YAML: %s", problem);
}

/* One event after the other until the end, an error or a refusal. */
static int
run(struct gw_compose *p, const char *bytes, size_t len)
{
	yaml_event_type_t type = YAML_NO_EVENT;
	yaml_parser_t y;
	size_t skip;
	int r = 0;

	if (!yaml_parser_initialize(&y)) {
		p->doc->no_memory = true;
		return -1;
	}
	/* libyaml, told the encoding, takes the mark for a column of its line.
	 */
	skip = gw_utf8_mark(bytes, len);
	bytes += skip;
	len -= skip;
	yaml_parser_set_encoding(&y, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&y, (const unsigned char *)bytes, len);
	while (r == 0 && type != YAML_STREAM_END_EVENT) {
		yaml_event_t ev;

		if (!yaml_parser_parse(&y, &ev)) {
			syntax_error(p, &y, bytes, len);
			r = -1;
			break;
		}
		type = ev.type;
		r = gw_compose_event(p, &ev);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&y);
	return r;
}

struct gw_yaml_node *
gw_yaml_parse(struct gw_yaml *d, unsigned file, const char *bytes, size_t len,
	      bool *empty)
{
	struct gw_compose p = {.doc = d, .file = file};
	struct gw_yaml_node whole = {.file = file, .line = 1, .column = 1};

	*empty = false;
	if (run(&p, bytes ? bytes : "", len) < 0 || d->no_memory)
		return NULL;
	if (!p.root || p.root->kind == GW_YAML_NULL) {
		*empty = true;
		return NULL;
	}
	if (p.root->kind != GW_YAML_MAP) {
		gw_yaml_error(d, p.root->line ? p.root : &whole,
			      "a configuration file holds a mapping, "
			      "`key: value`");
		return NULL;
	}
	return p.root;
}

/* One file; false when it cannot take part in the merge. */
static bool
load_file(struct gw_yaml *d, unsigned file, struct gw_yaml_node **merged)
{
	struct gw_buf bytes GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1);
	struct gw_yaml_node *root;
	char why[160];
	bool empty;

	if (gw_read_file(d->paths[file], &bytes, GW_CONFIG_FILE_MAX, why,
			 sizeof(why)) < 0) {
		gw_diag_add(d->diag, false, d->paths[file], 0, 0, "%s", why);
		gw_yaml_hash(d, why, strlen(why));
		return false;
	}
	gw_yaml_hash(d, bytes.data, bytes.len);
	root = gw_yaml_parse(d, file, bytes.data, bytes.len, &empty);
	if (empty && file == 0) {
		gw_diag_add(d->diag, false, d->paths[file], 0, 0,
			    "the file is empty");
		return false;
	}
	if (empty)
		return true;
	if (!root)
		return false;
	*merged = *merged ? gw_yaml_merge(d, *merged, root) : root;
	return *merged != NULL;
}

void
gw_yaml_load(struct gw_yaml *d, const char *const *paths, size_t n)
{
	struct gw_yaml_node *merged = NULL;
	bool usable = true;

	if (n < 1 || n > GW_CONFIG_FILES_MAX) {
		gw_diag_add(d->diag, false, NULL, 0, 0,
			    "a configuration is 1 to %d files, not %zu",
			    GW_CONFIG_FILES_MAX, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		d->paths[i] = gw_yaml_text(d, paths[i], strlen(paths[i]));
		if (!d->paths[i])
			return;
	}
	d->n_paths = n;
	/* All of them, so that one run shows the mistakes of every file. */
	for (size_t i = 0; i < n && !d->no_memory; i++)
		usable = load_file(d, (unsigned)i, &merged) && usable;
	if (usable)
		d->root = merged;
}

bool
gw_yaml_settle(struct gw_yaml *d, size_t errors)
{
	struct gw_diag *diag = d->diag;

	if (d->no_memory)
		gw_diag_add(diag, false, NULL, 0, 0, "out of memory");
	gw_diag_sort(diag, d->paths, d->n_paths);
	d->diag = NULL;
	return d->root && diag->errors == errors;
}
