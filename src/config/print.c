/* SPDX-License-Identifier: MIT */
/*
 * print.c - a filled struct as YAML that loads again, with nothing secret in
 * it.
 *
 * libyaml's emitter writes the text. Masking is decided here and in the kinds:
 * a secret row, or a value whose node came from ${...}.
 */
#include "config/schema.h"

#include <string.h>
#include <yaml.h>

struct gw_emit {
	const struct gw_schema *schema;
	yaml_emitter_t yaml;
	struct gw_buf *out;
	bool failed;
};

static int
write_out(void *arg, unsigned char *bytes, size_t len)
{
	struct gw_emit *e = arg;

	return gw_buf_append(e->out, bytes, len) == 0;
}

/* @made: what the yaml_*_event_initialize() call returned. */
static void
send(struct gw_emit *e, yaml_event_t *ev, int made)
{
	if (!made || e->failed) {
		if (made)
			yaml_event_delete(ev);
		e->failed = true;
		return;
	}
	/* The emitter owns the event from here, also when it fails. */
	if (!yaml_emitter_emit(&e->yaml, ev))
		e->failed = true;
}

static void
scalar(struct gw_emit *e, const char *text, size_t len,
       yaml_scalar_style_t style)
{
	yaml_event_t ev;

	send(e, &ev,
	     yaml_scalar_event_initialize(&ev, NULL, NULL,
					  (const yaml_char_t *)text, (int)len,
					  1, 1, style));
}

void
gw_emit_plain(struct gw_emit *e, const char *text)
{
	scalar(e, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
}

/* Plain where a reader takes it for a string, quoted otherwise. */
static void
emit_text(struct gw_emit *e, const char *text, size_t len)
{
	bool plain = gw_yaml_scalar_kind(text, len) == GW_YAML_STRING &&
		     !(len == 2 && memcmp(text, "<<", 2) == 0);

	scalar(e, text, len,
	       plain ? YAML_PLAIN_SCALAR_STYLE
		     : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

void
gw_emit_key(struct gw_emit *e, const char *text, size_t len)
{
	emit_text(e, text, len);
}

/* A value: a literal ${ must not become a reference when it is read again. */
void
gw_emit_string(struct gw_emit *e, const char *text, size_t len)
{
	struct gw_buf safe GW_CLEANUP(gw_buf_release) =
		GW_BUF_INIT(2 * len + 1);

	for (size_t i = 0; i < len; i++) {
		if (len - i > 1 && text[i] == '$' && text[i + 1] == '{' &&
		    gw_buf_append(&safe, "$", 1) < 0)
			e->failed = true;
		if (gw_buf_append(&safe, text + i, 1) < 0)
			e->failed = true;
	}
	emit_text(e, safe.data ? safe.data : "", safe.len);
}

void
gw_emit_open(struct gw_emit *e, enum gw_yaml_kind map_or_list, bool flow)
{
	yaml_event_t ev;

	if (map_or_list == GW_YAML_MAP)
		send(e, &ev,
		     yaml_mapping_start_event_initialize(
			     &ev, NULL, NULL, 1,
			     flow ? YAML_FLOW_MAPPING_STYLE
				  : YAML_BLOCK_MAPPING_STYLE));
	else
		send(e, &ev,
		     yaml_sequence_start_event_initialize(
			     &ev, NULL, NULL, 1,
			     flow ? YAML_FLOW_SEQUENCE_STYLE
				  : YAML_BLOCK_SEQUENCE_STYLE));
}

void
gw_emit_close(struct gw_emit *e, enum gw_yaml_kind map_or_list)
{
	yaml_event_t ev;

	if (map_or_list == GW_YAML_MAP)
		send(e, &ev, yaml_mapping_end_event_initialize(&ev));
	else
		send(e, &ev, yaml_sequence_end_event_initialize(&ev));
}

/* Depth is bounded by GW_CONFIG_DEPTH_MAX. */
void
gw_emit_node(struct gw_emit *e, const struct gw_yaml_node *v)
{
	if (v->kind == GW_YAML_STRING && v->substituted) {
		gw_emit_string(e, "***", 3);
		return;
	}
	if (v->kind == GW_YAML_STRING) {
		gw_emit_string(e, v->text, v->len);
		return;
	}
	if (v->kind != GW_YAML_LIST && v->kind != GW_YAML_MAP) {
		gw_emit_plain(e, v->kind == GW_YAML_NULL ? "null" : v->text);
		return;
	}
	gw_emit_open(e, v->kind, v->kind == GW_YAML_LIST || !v->n);
	for (size_t i = 0; i < v->n; i++) {
		const struct gw_yaml_member *m = &v->child[i];

		if (m->key)
			gw_emit_key(e, m->key->text, m->key->len);
		gw_emit_node(e, m->value);
	}
	gw_emit_close(e, v->kind);
}

static void print_mapping(struct gw_emit *e, const char *prefix,
			  const struct gw_yaml_node *source, const char *base);

/*
 * Elements stand in the order of the file, null entries left out: walk both.
 */
static void
print_records(struct gw_emit *e, const struct gw_option *o,
	      const struct gw_yaml_node *source, const char *base)
{
	const struct gw_record *r = o->record;
	enum gw_yaml_kind kind = r->name_max ? GW_YAML_MAP : GW_YAML_LIST;
	const char *array = *(char *const *)(base + o->offset);
	size_t n = *(const size_t *)(base + r->count_offset), at = 0;
	char prefix[GW_SCHEMA_PREFIX_BYTES];

	gw_record_prefix(o, prefix);
	gw_emit_open(e, kind, n == 0);
	for (size_t i = 0; source && i < source->n && at < n; i++) {
		const struct gw_yaml_member *m = &source->child[i];

		if (gw_yaml_is_null(m->value))
			continue;
		if (m->key)
			gw_emit_key(e, m->key->text, m->key->len);
		print_mapping(e, prefix, m->value, array + at++ * r->size);
	}
	gw_emit_close(e, kind);
}

/* Is this a value to hide? Lists decide for each element themselves. */
static bool
is_masked(const struct gw_option *o, const struct gw_yaml_node *source,
	  const char *slot)
{
	if (!o->kind->is_pointer || !*(char *const *)slot)
		return false;
	if (o->flags & GW_OPTION_SECRET)
		return true;
	return source && source->substituted && !(o->flags & GW_OPTION_PUBLIC);
}

static void
print_option(struct gw_emit *e, const struct gw_option *o,
	     const struct gw_yaml_node *source, const char *base)
{
	const char *name = gw_option_name(o);
	const char *mask = o->kind->mask ? o->kind->mask : "***";

	gw_emit_key(e, name, strlen(name));
	if (o->kind == &gw_kind_section)
		print_mapping(e, o->path, source, base);
	else if (o->kind == &gw_kind_records)
		print_records(e, o, source, base);
	else if (is_masked(o, source, base + o->offset))
		gw_emit_string(e, mask, strlen(mask));
	else
		o->kind->emit(e, o, source, base + o->offset);
}

static void
print_mapping(struct gw_emit *e, const char *prefix,
	      const struct gw_yaml_node *source, const char *base)
{
	const struct gw_option *o = NULL;
	unsigned chosen = 0;
	bool selected = false;

	gw_emit_open(e, GW_YAML_MAP, false);
	while ((o = gw_schema_child(e->schema, prefix, o))) {
		const char *name = gw_option_name(o);
		const struct gw_yaml_member *m =
			gw_yaml_get(source, name, strlen(name));

		if (o->flags & GW_OPTION_SELECTS) {
			memcpy(&chosen, base + o->offset, sizeof(chosen));
			selected = true;
		}
		if (o->group && selected && !(o->group & (1u << chosen)))
			continue;
		print_option(e, o, m ? m->value : NULL, base);
	}
	gw_emit_close(e, GW_YAML_MAP);
}

int
gw_schema_print(const struct gw_schema *s, const void *base,
		const struct gw_yaml_node *root, struct gw_buf *out)
{
	struct gw_emit e = {.schema = s, .out = out};
	yaml_event_t ev;

	if (!yaml_emitter_initialize(&e.yaml))
		return -1;
	yaml_emitter_set_output(&e.yaml, write_out, &e);
	yaml_emitter_set_unicode(&e.yaml, 1);
	yaml_emitter_set_width(&e.yaml, -1);
	send(&e, &ev,
	     yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING));
	send(&e, &ev,
	     yaml_document_start_event_initialize(&ev, NULL, NULL, NULL, 1));
	print_mapping(&e, "", root, base);
	send(&e, &ev, yaml_document_end_event_initialize(&ev, 1));
	send(&e, &ev, yaml_stream_end_event_initialize(&ev));
	yaml_emitter_delete(&e.yaml);
	return e.failed ? -1 : 0;
}
