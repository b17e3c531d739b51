/* SPDX-License-Identifier: MIT */
/*
 * secrets.c - ${env:NAME} and ${file:PATH} in string values.
 *
 * Runs on the merged tree, so what an override replaced is never looked up.
 * What comes in is not looked at again and stays a string. A message names the
 * key and the variable or path, never a value.
 */
#include "config/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/utf8.h"

struct expand {
	struct gw_yaml *doc;
	struct gw_path path;
};

/* One reference inside a string: the text between "${" and "}". */
struct reference {
	const char *text;
	size_t len;
};

static int
append_env(struct expand *x, struct gw_yaml_node *node, const char *name,
	   struct gw_buf *out)
{
	const char *value = *name ? getenv(name) : NULL;

	if (!value) {
		gw_yaml_error(x->doc, node,
			      "%s: environment variable `%s` is not set",
			      x->path.text, name);
		return -1;
	}
	return gw_buf_puts(out, value);
}

/* A copy of a file stands for the original: its link says where that was. */
static int
origin_of(const char *file, struct gw_buf *out)
{
	static const char yaml[] = ".yaml";
	size_t len = strlen(file), tail = sizeof(yaml) - 1;
	struct stat st;

	if (len < tail || strcmp(file + len - tail, yaml) != 0)
		return -1;
	if (gw_buf_printf(out, "%.*s" GW_CONFIG_ORIGIN, (int)(len - tail),
			  file) == 0 &&
	    lstat(out->data, &st) == 0 && S_ISLNK(st.st_mode))
		return gw_buf_puts(out, "/");
	gw_buf_clear(out);
	return -1;
}

int
gw_yaml_full_path(const struct gw_yaml *d, const struct gw_yaml_node *node,
		  const char *path, struct gw_buf *out)
{
	const char *file = d->paths[node->file];
	const char *slash = strrchr(file, '/');

	if (path[0] != '/' && slash && origin_of(file, out) < 0 &&
	    gw_buf_append(out, file, (size_t)(slash - file) + 1) < 0)
		return -1;
	return gw_buf_puts(out, path);
}

void
gw_yaml_include(struct gw_yaml *d, const char *path, const struct gw_buf *bytes)
{
	gw_yaml_hash(d, bytes->data, bytes->len);
	for (size_t i = 0; i < d->n_included; i++)
		if (strcmp(d->included[i], path) == 0)
			return;
	if (d->n_included == GW_CONFIG_INCLUDED_MAX) {
		if (!d->unwatched && d->diag)
			gw_diag_add(d->diag, true, NULL, 0, 0,
				    "more than %d files of ${file:}: an edit "
				    "of `%s`, and of those behind it, is not "
				    "noticed until another file changes",
				    GW_CONFIG_INCLUDED_MAX, path);
		d->unwatched = true;
		return;
	}
	d->included[d->n_included] = gw_yaml_text(d, path, strlen(path));
	d->n_included += d->included[d->n_included] != NULL;
}

/* Editors and `echo` end a file with line ends that nobody means. */
static size_t
text_end(const struct gw_buf *bytes, size_t from)
{
	size_t end = bytes->len;

	while (end > from &&
	       (bytes->data[end - 1] == '\n' || bytes->data[end - 1] == '\r'))
		end--;
	return end;
}

static int
append_file(struct expand *x, struct gw_yaml_node *node, const char *path,
	    struct gw_buf *out)
{
	struct gw_buf full GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(8192);
	struct gw_buf bytes GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1);
	char why[160];
	size_t skip;
	int r;

	if (gw_yaml_full_path(x->doc, node, path, &full) < 0) {
		gw_yaml_error(x->doc, node,
			      "%s: the path of ${file:} is too long",
			      x->path.text);
		return -1;
	}
	if (gw_read_file(full.data ? full.data : "", &bytes,
			 GW_CONFIG_SECRET_MAX, why, sizeof(why)) < 0) {
		gw_yaml_error(x->doc, node, "%s: file `%s`: %s", x->path.text,
			      full.data ? full.data : "", why);
		return -1;
	}
	gw_yaml_include(x->doc, full.data, &bytes);
	if (bytes.len && memchr(bytes.data, '\0', bytes.len)) {
		gw_yaml_error(x->doc, node, "%s: file `%s` holds a NUL byte",
			      x->path.text, full.data);
		return -1;
	}
	skip = bytes.len ? gw_utf8_mark(bytes.data, bytes.len) : 0;
	r = gw_buf_append(out, bytes.data ? bytes.data + skip : "",
			  text_end(&bytes, skip) - skip);
	if (bytes.data)
		explicit_bzero(bytes.data, bytes.len);
	return r;
}

static int
append_reference(struct expand *x, struct gw_yaml_node *node,
		 const struct reference *ref, struct gw_buf *out)
{
	static const struct {
		const char *word;
		int (*append)(struct expand *, struct gw_yaml_node *,
			      const char *, struct gw_buf *);
	} sources[] = {
		{"env:", append_env},
		{"file:", append_file},
	};
	gw_auto_free char *text = strndup(ref->text, ref->len);
	size_t before = out->len;

	if (!text) {
		x->doc->no_memory = true;
		return -1;
	}
	for (size_t i = 0; i < GW_ARRAY_LEN(sources); i++) {
		size_t skip = strlen(sources[i].word);

		if (strncmp(text, sources[i].word, skip) != 0)
			continue;
		if (sources[i].append(x, node, text + skip, out) < 0)
			return -1;
		if (gw_utf8_valid(out->data + before, out->len - before))
			return 0;
		gw_yaml_error(x->doc, node, "%s: `%s` does not hold UTF-8",
			      x->path.text, text + skip);
		return -1;
	}
	gw_yaml_error(x->doc, node,
		      "%s: unknown reference `${%.64s}`; there are ${env:NAME} "
		      "and ${file:PATH}, and $${ for a literal ${",
		      x->path.text, text);
	return -1;
}

/* Copies @node's text to @out with every reference expanded. 0 / -1. */
static int
expand_text(struct expand *x, struct gw_yaml_node *node, struct gw_buf *out)
{
	const char *s = node->text, *end = s + node->len;

	while (s < end) {
		struct reference ref = {.text = s + 2};
		const char *close;
		bool dollar = *s == '$';

		if (dollar && end - s >= 3 && memcmp(s, "$${", 3) == 0) {
			if (gw_buf_append(out, "${", 2) < 0)
				return -1;
			s += 3;
			continue;
		}
		if (!dollar || end - s < 2 || s[1] != '{') {
			if (gw_buf_append(out, s++, 1) < 0)
				return -1;
			continue;
		}
		close = memchr(s, '}', (size_t)(end - s));
		if (!close) {
			gw_yaml_error(x->doc, node,
				      "%s: `${` without its `}`; write $${ for "
				      "a literal ${",
				      x->path.text);
			return -1;
		}
		ref.len = (size_t)(close - ref.text);
		if (append_reference(x, node, &ref, out) < 0)
			return -1;
		node->substituted = true;
		s = close + 1;
	}
	return 0;
}

static void
expand_string(struct expand *x, struct gw_yaml_node *node)
{
	struct gw_buf out GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1);
	size_t errors = x->doc->diag->errors;
	size_t left = GW_CONFIG_EXPANDED_MAX - x->doc->expanded_bytes;

	if (!memmem(node->text, node->len, "${", 2))
		return;
	gw_buf_init(&out, left ? left : 1);
	if (expand_text(x, node, &out) < 0) {
		if (x->doc->diag->errors == errors)
			gw_yaml_error(x->doc, node,
				      "%s: what ${...} stands for is too large "
				      "(%u bytes at most, all together)",
				      x->path.text, GW_CONFIG_EXPANDED_MAX);
		node->substituted = node->broken = true;
		return;
	}
	x->doc->expanded_bytes += out.len;
	node->text = gw_yaml_text(x->doc, out.data ? out.data : "", out.len);
	node->len = out.len;
	if (!node->text) {
		node->text = "";
		node->len = 0;
	}
	if (out.data)
		explicit_bzero(out.data, out.len);
}

/* Depth is bounded by GW_CONFIG_DEPTH_MAX. */
static void
expand_node(struct expand *x, struct gw_yaml_node *node)
{
	/* Shared by an alias: its children have been expanded in place. */
	if (node->expanded)
		return;
	node->expanded = true;
	if (node->kind == GW_YAML_STRING)
		expand_string(x, node);
	for (size_t i = 0; i < node->n; i++) {
		const struct gw_yaml_node *key = node->child[i].key;
		size_t before;

		/* What is used of it is reached where it is used. */
		if (node == x->doc->root && gw_yaml_is_extension(key))
			continue;
		before = key ? gw_path_key(&x->path, key->text, key->len)
			     : gw_path_item(&x->path, i);

		expand_node(x, node->child[i].value);
		gw_path_up(&x->path, before);
	}
}

void
gw_yaml_substitute(struct gw_yaml *d)
{
	struct expand x = {.doc = d};

	if (d->root)
		expand_node(&x, d->root);
}
