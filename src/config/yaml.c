/* SPDX-License-Identifier: MIT */
/*
 * yaml.c - the arena, the places and the look-ups of a configuration document.
 *
 * Owns the memory of every node. Parsing is load.c, merging merge.c.
 */
#include "config/yaml.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define CHUNK_BYTES (16u << 10)

struct gw_chunk {
	struct gw_chunk *next;
	size_t used, size;
	max_align_t bytes[];
};

void
gw_yaml_init(struct gw_yaml *d, struct gw_diag *diag)
{
	*d = (struct gw_yaml){.fingerprint = GW_HASH_INIT, .diag = diag};
}

void
gw_yaml_release(struct gw_yaml *d)
{
	struct gw_chunk *next;

	for (struct gw_chunk *c = d->chunks; c; c = next) {
		next = c->next;
		explicit_bzero(c->bytes, c->used);
		free(c);
	}
	*d = (struct gw_yaml){0};
}

void *
gw_yaml_alloc(struct gw_yaml *d, size_t n)
{
	struct gw_chunk *c = d->chunks;
	size_t size = CHUNK_BYTES;
	void *p;

	n = (n + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	if (!c || c->size - c->used < n) {
		if (size < n)
			size = n;
		c = calloc(1, sizeof(*c) + size);
		if (!c) {
			d->no_memory = true;
			return NULL;
		}
		c->size = size;
		c->next = d->chunks;
		d->chunks = c;
	}
	p = (char *)c->bytes + c->used;
	c->used += n;
	return p;
}

char *
gw_yaml_text(struct gw_yaml *d, const char *p, size_t n)
{
	char *copy = gw_yaml_alloc(d, n + 1);

	if (copy && n)
		memcpy(copy, p, n);
	return copy;
}

void
gw_yaml_hash(struct gw_yaml *d, const void *p, size_t n)
{
	d->fingerprint = gw_hash_more(d->fingerprint, p, n);
	/* The length as well, or bytes could move from one file to the next. */
	d->fingerprint = gw_hash_more(d->fingerprint, &n, sizeof(n));
}

static int
compare_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int r = memcmp(a, b, a_len < b_len ? a_len : b_len);

	if (r)
		return r;
	return (a_len > b_len) - (a_len < b_len);
}

/* Equal keys by position, so that the first of them stands first. */
static int
compare_members(const void *x, const void *y, void *map)
{
	const struct gw_yaml_member *child =
		((const struct gw_yaml_node *)map)->child;
	uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
	int r = compare_text(child[i].key->text, child[i].key->len,
			     child[j].key->text, child[j].key->len);

	return r ? r : (i > j) - (i < j);
}

int
gw_yaml_index(struct gw_yaml *d, struct gw_yaml_node *map)
{
	map->sorted = gw_yaml_alloc(d, map->n * sizeof(*map->sorted));
	if (!map->sorted)
		return -1;
	for (size_t i = 0; i < map->n; i++)
		map->sorted[i] = (uint32_t)i;
	qsort_r(map->sorted, map->n, sizeof(*map->sorted), compare_members,
		map);
	return 0;
}

const struct gw_yaml_member *
gw_yaml_get(const struct gw_yaml_node *map, const char *key, size_t len)
{
	size_t low = 0, high;

	if (!map || map->kind != GW_YAML_MAP || !map->sorted)
		return NULL;
	high = map->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct gw_yaml_member *m = &map->child[map->sorted[mid]];
		int r = compare_text(m->key->text, m->key->len, key, len);

		if (r == 0)
			return m;
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct gw_yaml_node *
gw_yaml_value(const struct gw_yaml_node *map, const char *key)
{
	const struct gw_yaml_member *m = gw_yaml_get(map, key, strlen(key));

	return m ? m->value : NULL;
}

const char *
gw_yaml_show(const struct gw_yaml_node *at, const char *value)
{
	return at && at->substituted ? "***" : value;
}

bool
gw_yaml_is_extension(const struct gw_yaml_node *key)
{
	return strncmp(key->text, "x-", 2) == 0;
}

bool
gw_yaml_is_null(const struct gw_yaml_node *v)
{
	return !v || v->kind == GW_YAML_NULL;
}

static size_t
path_add(struct gw_path *p, const char *text, size_t len)
{
	size_t before = p->len, room = sizeof(p->text) - 1 - p->len;

	if (len > room)
		len = room;
	memcpy(p->text + p->len, text, len);
	p->len += len;
	p->text[p->len] = '\0';
	return before;
}

size_t
gw_path_key(struct gw_path *p, const char *key, size_t len)
{
	size_t before = p->len;

	if (before)
		path_add(p, ".", 1);
	path_add(p, len ? key : "\"\"", len ? len : 2);
	return before;
}

size_t
gw_path_item(struct gw_path *p, size_t index)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "[%zu]", index);

	return path_add(p, text, (size_t)n);
}

void
gw_path_up(struct gw_path *p, size_t before)
{
	p->len = before;
	p->text[before] = '\0';
}

static void finding(struct gw_yaml *d, const struct gw_yaml_node *at,
		    bool warning, const char *fmt, va_list ap) GW_PRINTF(4, 0);

static void
finding(struct gw_yaml *d, const struct gw_yaml_node *at, bool warning,
	const char *fmt, va_list ap)
{
	const char *file =
		at && at->file < d->n_paths ? d->paths[at->file] : NULL;

	gw_diag_vadd(d->diag, warning, file, at ? at->line : 0,
		     at ? at->column : 0, fmt, ap);
}

void
gw_yaml_error(struct gw_yaml *d, const struct gw_yaml_node *at, const char *fmt,
	      ...)
{
	va_list ap;

	va_start(ap, fmt);
	finding(d, at, false, fmt, ap);
	va_end(ap);
}

void
gw_yaml_warning(struct gw_yaml *d, const struct gw_yaml_node *at,
		const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	finding(d, at, true, fmt, ap);
	va_end(ap);
}
