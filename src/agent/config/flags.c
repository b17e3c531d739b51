/* SPDX-License-Identifier: MIT */
/*
 * flags.c - keys of a model that become flags of llama-server.
 *
 * Each is checked as what it is and kept as the text for the command line. They
 * may be shown even when they came from ${...}: numbers and a few words.
 */
#include "agent/config/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SPLIT_TEXT_MAX 1024 /* bytes of a tensor_split */

static bool
store(struct gw_apply *ap, void *slot, const char *text)
{
	char *copy = strdup(text);

	if (!copy) {
		ap->doc->no_memory = true;
		return false;
	}
	memcpy(slot, &copy, sizeof(copy));
	return true;
}

static void
release_flag(void *slot)
{
	free(*(char **)slot);
}

/* Numbers, and the few words that stand beside them. */
static void
emit_plain(struct gw_emit *e, const struct gw_option *o,
	   const struct gw_yaml_node *source, const void *slot)
{
	const char *text = *(char *const *)slot;

	(void)o;
	(void)source;
	gw_emit_plain(e, text ? text : "null");
}

static bool
set_count(struct gw_apply *ap, const struct gw_option *o,
	  const struct gw_yaml_node *v, void *slot)
{
	char text[32];
	int64_t value;

	if (v->kind != GW_YAML_INT)
		return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
	if (gw_yaml_scalar_int(v, &value) < 0 || value < o->min ||
	    value > o->max) {
		gw_apply_error(ap, v,
			       "must be from %" PRId64 " to %" PRId64
			       "%s%s, not %.40s",
			       o->min, o->max, *o->unit ? " " : "", o->unit,
			       v->text);
		return false;
	}
	snprintf(text, sizeof(text), "%" PRId64, value);
	return store(ap, slot, text);
}

const struct gw_kind ag_kind_count = {
	.wanted = "an integer",
	.is_number = true,
	.set = set_count,
	.emit = emit_plain,
	.release = release_flag,
};

static bool
set_layers(struct gw_apply *ap, const struct gw_option *o,
	   const struct gw_yaml_node *v, void *slot)
{
	if (v->kind == GW_YAML_STRING &&
	    (strcmp(v->text, "auto") == 0 || strcmp(v->text, "all") == 0))
		return store(ap, slot, v->text);
	return set_count(ap, o, v, slot);
}

const struct gw_kind ag_kind_layers = {
	.wanted = "an integer, `auto` or `all`",
	.is_number = true,
	.set = set_layers,
	.emit = emit_plain,
	.release = release_flag,
};

/* YAML 1.2: on and off are strings, true and false are not. */
static bool
set_flash(struct gw_apply *ap, const struct gw_option *o,
	  const struct gw_yaml_node *v, void *slot)
{
	if (v->kind == GW_YAML_BOOL)
		return store(ap, slot,
			     v->text[0] == 't' || v->text[0] == 'T' ? "on"
								    : "off");
	if (v->kind == GW_YAML_STRING &&
	    (strcmp(v->text, "on") == 0 || strcmp(v->text, "off") == 0 ||
	     strcmp(v->text, "auto") == 0))
		return store(ap, slot, v->text);
	return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
}

const struct gw_kind ag_kind_flash = {
	.wanted = "`on`, `off` or `auto`",
	.set = set_flash,
	.emit = emit_plain,
	.release = release_flag,
};

/* A share: digits with at most one point. */
static bool
is_share(const char *text, size_t len)
{
	size_t digits = 0, points = 0;

	for (size_t i = 0; i < len; i++) {
		digits += text[i] >= '0' && text[i] <= '9';
		points += text[i] == '.';
	}
	return digits && points <= 1 && digits + points == len;
}

/* "3,1": @text is what comes out of either spelling. */
static bool
check_split(struct gw_apply *ap, const struct gw_option *o,
	    const struct gw_yaml_node *v, const char *text)
{
	int64_t n = 0;

	for (const char *s = text; s; n++) {
		size_t len = strcspn(s, ",");

		if (!is_share(s, len)) {
			gw_apply_error(ap, v,
				       "expected shares such as \"3,1\" or "
				       "[3, 1], numbers that are not negative");
			return false;
		}
		s = s[len] ? s + len + 1 : NULL;
	}
	if (n <= o->max)
		return true;
	gw_apply_error(ap, v, "at most %" PRId64 " shares are possible",
		       o->max);
	return false;
}

static bool
join_shares(struct gw_apply *ap, const struct gw_yaml_node *v,
	    struct gw_buf *out)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct gw_yaml_node *item = v->child[i].value;

		if (item->kind != GW_YAML_INT && item->kind != GW_YAML_FLOAT) {
			gw_apply_error(ap, item,
				       "expected a number as share %zu", i);
			return false;
		}
		if ((i && gw_buf_append(out, ",", 1) < 0) ||
		    gw_buf_append(out, item->text, item->len) < 0) {
			gw_apply_error(ap, v, "is too long");
			return false;
		}
	}
	return true;
}

static bool
set_split(struct gw_apply *ap, const struct gw_option *o,
	  const struct gw_yaml_node *v, void *slot)
{
	struct gw_buf text GW_CLEANUP(gw_buf_release) =
		GW_BUF_INIT(SPLIT_TEXT_MAX);

	if (v->kind == GW_YAML_STRING) {
		if (!gw_apply_text(ap, o, v, SPLIT_TEXT_MAX, false) ||
		    gw_buf_puts(&text, v->text) < 0)
			return false;
	} else if (v->kind != GW_YAML_LIST) {
		return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
	} else if (!join_shares(ap, v, &text)) {
		return false;
	}
	return check_split(ap, o, v, text.data ? text.data : "") &&
	       store(ap, slot, text.data);
}

static void
emit_split(struct gw_emit *e, const struct gw_option *o,
	   const struct gw_yaml_node *source, const void *slot)
{
	gw_kind_text.emit(e, o, source, slot);
}

const struct gw_kind ag_kind_split = {
	.wanted = "a string such as \"3,1\" or a list of numbers",
	.set = set_split,
	.emit = emit_split,
	.release = release_flag,
};
