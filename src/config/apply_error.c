/* SPDX-License-Identifier: MIT */
/*
 * apply_error.c - what is said about a value that cannot be taken.
 *
 * Every kind reports through this file and it calls none. A message says what
 * was found and what is wanted; it shows no value that is secret or came from
 * ${...}.
 */
#include "config/schema.h"

void
gw_apply_error(struct gw_apply *ap, const struct gw_yaml_node *at,
	       const char *fmt, ...)
{
	char message[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	gw_yaml_error(ap->doc, at, "%s: %s", ap->path.text, message);
}

static void
describe(const struct gw_option *o, const struct gw_yaml_node *v, char *out,
	 size_t out_bytes)
{
	static const char *const names[] = {
		[GW_YAML_NULL] = "null",	 [GW_YAML_BOOL] = "the boolean",
		[GW_YAML_INT] = "the integer",	 [GW_YAML_FLOAT] = "the number",
		[GW_YAML_STRING] = "the string", [GW_YAML_LIST] = "a list",
		[GW_YAML_MAP] = "a mapping",
	};
	bool scalar = v->kind >= GW_YAML_BOOL && v->kind <= GW_YAML_STRING;

	if (!scalar)
		snprintf(out, out_bytes, "%s", names[v->kind]);
	else if (v->substituted || (o->flags & GW_OPTION_SECRET))
		snprintf(out, out_bytes, "%s%s",
			 v->kind == GW_YAML_INT ? "an" : "a",
			 names[v->kind] + 3);
	else
		snprintf(out, out_bytes, "%s `%.40s%s`", names[v->kind],
			 v->text, v->len > 40 ? "..." : "");
}

static const char *
hint(const struct gw_option *o, const struct gw_yaml_node *v)
{
	enum gw_yaml_kind as_plain;

	if (v->kind == GW_YAML_STRING && v->substituted)
		return " (what comes from ${...} is always a string)";
	if (v->kind == GW_YAML_STRING && o->kind->is_number) {
		as_plain = gw_yaml_scalar_kind(v->text, v->len);
		if (as_plain == GW_YAML_INT || as_plain == GW_YAML_FLOAT)
			return " (take the quotes off)";
	}
	if (v->kind >= GW_YAML_BOOL && v->kind <= GW_YAML_FLOAT &&
	    o->kind->is_text)
		return " (put it in quotes)";
	return "";
}

bool
gw_apply_wrong_type(struct gw_apply *ap, const struct gw_option *o,
		    const struct gw_yaml_node *v, const char *wanted)
{
	char found[128];

	describe(o, v, found, sizeof(found));
	gw_apply_error(ap, v, "expected %s, found %s%s", wanted, found,
		       hint(o, v));
	return false;
}
