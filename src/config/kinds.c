/* SPDX-License-Identifier: MIT */
/*
 * kinds.c - numbers and choices.
 *
 * Each kind reads a node into its slot, prints the slot and frees it. Strings,
 * lists and mappings: kinds_text.c; hosts and addresses: kinds_net.c.
 */
#include "config/schema.h"

#include <inttypes.h>
#include <string.h>

#define SECONDS_BYTES 48

/* Numbers */

static bool
store_integer(const struct gw_option *o, void *slot, int64_t value)
{
	uint64_t wide = (uint64_t)value;
	uint32_t narrow = (uint32_t)value;

	if (o->size == sizeof(wide))
		memcpy(slot, &wide, sizeof(wide));
	else if (o->size == sizeof(narrow))
		memcpy(slot, &narrow, sizeof(narrow));
	return true;
}

static int64_t
load_integer(const struct gw_option *o, const void *slot)
{
	uint64_t wide;
	uint32_t narrow;

	if (o->size == sizeof(wide)) {
		memcpy(&wide, slot, sizeof(wide));
		return (int64_t)wide;
	}
	memcpy(&narrow, slot, sizeof(narrow));
	return narrow;
}

static bool
set_integer(struct gw_apply *ap, const struct gw_option *o,
	    const struct gw_yaml_node *v, void *slot)
{
	int64_t value;

	if (v->kind != GW_YAML_INT)
		return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
	if (gw_yaml_scalar_int(v, &value) == 0 && value >= o->min &&
	    value <= o->max)
		return store_integer(o, slot, value);
	if (o->min == o->max)
		gw_apply_error(ap, v, "must be %" PRId64 ", not %.40s", o->min,
			       v->text);
	else
		gw_apply_error(ap, v,
			       "must be from %" PRId64 " to %" PRId64
			       "%s%s, not %.40s",
			       o->min, o->max, *o->unit ? " " : "", o->unit,
			       v->text);
	return false;
}

static void
emit_integer(struct gw_emit *e, const struct gw_option *o,
	     const struct gw_yaml_node *source, const void *slot)
{
	/* A row without storage has one possible value. */
	int64_t value = o->size ? load_integer(o, slot) : o->min;
	char text[32];

	(void)source;
	if (!o->fallback && value < o->min) {
		gw_emit_plain(e, "null"); /* not set */
		return;
	}
	snprintf(text, sizeof(text), "%" PRId64, value);
	gw_emit_plain(e, text);
}

const struct gw_kind gw_kind_integer = {
	.wanted = "an integer",
	.is_number = true,
	.set = set_integer,
	.emit = emit_integer,
};

static void
seconds_text(int64_t ms, char text[static SECONDS_BYTES])
{
	int n = snprintf(text, SECONDS_BYTES, "%" PRId64 ".%03" PRId64,
			 ms / 1000, ms % 1000);

	while (text[n - 1] == '0')
		text[--n] = '\0';
	if (text[n - 1] == '.')
		text[n - 1] = '\0';
}

static bool
set_seconds(struct gw_apply *ap, const struct gw_option *o,
	    const struct gw_yaml_node *v, void *slot)
{
	char least[SECONDS_BYTES], most[SECONDS_BYTES];
	int64_t ms;

	if (v->kind != GW_YAML_INT && v->kind != GW_YAML_FLOAT)
		return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
	if (gw_yaml_scalar_ms(v, &ms) == 0 && ms >= o->min && ms <= o->max)
		return store_integer(o, slot, ms);
	seconds_text(o->min, least);
	seconds_text(o->max, most);
	/* One ms is the way to say "anything but 0". */
	gw_apply_error(ap, v, "must be %s%s to %s seconds, not %.40s",
		       o->min == 1 ? "more than " : "from ",
		       o->min == 1 ? "0" : least, most, v->text);
	return false;
}

static void
emit_seconds(struct gw_emit *e, const struct gw_option *o,
	     const struct gw_yaml_node *source, const void *slot)
{
	char text[SECONDS_BYTES];

	(void)source;
	seconds_text(load_integer(o, slot), text);
	gw_emit_plain(e, text);
}

const struct gw_kind gw_kind_seconds = {
	.wanted = "a number of seconds",
	.is_number = true,
	.set = set_seconds,
	.emit = emit_seconds,
};

/* Choices */

static bool
set_boolean(struct gw_apply *ap, const struct gw_option *o,
	    const struct gw_yaml_node *v, void *slot)
{
	bool value;

	if (v->kind != GW_YAML_BOOL)
		return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
	value = v->text[0] == 't' || v->text[0] == 'T';
	memcpy(slot, &value, sizeof(value));
	return true;
}

static void
emit_boolean(struct gw_emit *e, const struct gw_option *o,
	     const struct gw_yaml_node *source, const void *slot)
{
	(void)o;
	(void)source;
	gw_emit_plain(e, *(const bool *)slot ? "true" : "false");
}

const struct gw_kind gw_kind_boolean = {
	.wanted = "true or false",
	.set = set_boolean,
	.emit = emit_boolean,
};

static bool
set_word(struct gw_apply *ap, const struct gw_option *o,
	 const struct gw_yaml_node *v, void *slot)
{
	char wanted[256] = "";
	size_t at = 0;
	unsigned i;

	for (i = 0; o->words[i]; i++) {
		int n;

		if (v->kind == GW_YAML_STRING &&
		    strlen(o->words[i]) == v->len &&
		    memcmp(o->words[i], v->text, v->len) == 0) {
			memcpy(slot, &i, sizeof(i));
			return true;
		}
		n = snprintf(wanted + at, sizeof(wanted) - at, "%s`%s`",
			     i ? " or " : "", o->words[i]);
		if (n > 0 && (size_t)n < sizeof(wanted) - at)
			at += (size_t)n;
	}
	return gw_apply_wrong_type(ap, o, v, wanted);
}

static void
emit_word(struct gw_emit *e, const struct gw_option *o,
	  const struct gw_yaml_node *source, const void *slot)
{
	unsigned i;

	(void)source;
	memcpy(&i, slot, sizeof(i));
	gw_emit_plain(e, o->words[i]);
}

const struct gw_kind gw_kind_word = {
	.wanted = "a word",
	.set = set_word,
	.emit = emit_word,
};
