/* SPDX-License-Identifier: MIT */
/*
 * schema.c - the rows of a schema by their paths, and what needs nothing else:
 * freeing a struct and comparing two.
 *
 * The lowest of the files about schemas: it must not call a walk or name a kind
 * that holds a value.
 */
#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

/* No value of its own: the walks know what is inside. */
const struct gw_kind gw_kind_section = {.wanted = "a mapping"};
const struct gw_kind gw_kind_records = {.wanted = "a mapping or a list"};

const char *
gw_option_name(const struct gw_option *o)
{
	const char *dot = strrchr(o->path, '.');

	return dot ? dot + 1 : o->path;
}

const struct gw_option *
gw_schema_child(const struct gw_schema *s, const char *prefix,
		const struct gw_option *o)
{
	size_t len = strlen(prefix);

	for (o = o ? o + 1 : s->options; o < s->options + s->n; o++) {
		const char *name = o->path;

		if (len) {
			if (strncmp(name, prefix, len) != 0 || name[len] != '.')
				continue;
			name += len + 1;
		}
		if (!strchr(name, '.'))
			return o;
	}
	return NULL;
}

void *
gw_option_slot(const struct gw_option *o, void *base)
{
	return (char *)base + o->offset;
}

void
gw_record_prefix(const struct gw_option *o,
		 char out[static GW_SCHEMA_PREFIX_BYTES])
{
	snprintf(out, GW_SCHEMA_PREFIX_BYTES, "%s.%s", o->path,
		 o->record->name_max ? "*" : "[]");
}

static void
release_mapping(const struct gw_schema *s, const char *prefix, void *base)
{
	const struct gw_option *o = NULL;

	while ((o = gw_schema_child(s, prefix, o))) {
		if (o->kind == &gw_kind_section)
			release_mapping(s, o->path, base);
		else if (o->kind->release && o->size)
			o->kind->release(gw_option_slot(o, base));
		if (o->kind == &gw_kind_records) {
			const struct gw_record *r = o->record;
			char *array = *(char **)gw_option_slot(o, base);
			size_t n = *(size_t *)((char *)base + r->count_offset);
			char child[GW_SCHEMA_PREFIX_BYTES];

			gw_record_prefix(o, child);
			for (size_t i = 0; i < n; i++) {
				release_mapping(s, child, array + i * r->size);
				if (r->name_max)
					free(*(char **)(array + i * r->size +
							r->name_offset));
			}
			free(array);
		}
	}
}

void
gw_schema_release(const struct gw_schema *s, void *base)
{
	release_mapping(s, "", base);
}

bool
gw_schema_differs(const struct gw_option *o, const void *a, const void *b)
{
	const void *slot_a = (const char *)a + o->offset;
	const void *slot_b = (const char *)b + o->offset;
	const char *text_a, *text_b;

	if (!o->kind->is_pointer)
		return memcmp(slot_a, slot_b, o->size) != 0;
	text_a = *(char *const *)slot_a;
	text_b = *(char *const *)slot_b;
	if (!text_a || !text_b)
		return text_a != text_b;
	return strcmp(text_a, text_b) != 0;
}
