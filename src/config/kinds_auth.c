/* SPDX-License-Identifier: MIT */
/*
 * kinds_auth.c - the kinds for who may do what: digests of keys, lists of
 * patterns, lists of networks.
 *
 * A list that is not there says "any", an empty one "none": unlike other lists
 * they are printed as null when they were left out.
 */
#include "config/internal.h"

#include <ctype.h>
#include <string.h>

#include "base/cidr.h"
#include "base/digest.h"

static bool
set_digest(struct gw_apply *ap, const struct gw_option *o,
	   const struct gw_yaml_node *v, void *slot)
{
	uint8_t digest[GW_DIGEST_BYTES];
	size_t digits = 0;
	char text[GW_DIGEST_TEXT];
	struct gw_yaml_node small = *v;

	if (!gw_apply_text(ap, o, v, 0, false))
		return false;
	while (digits < v->len && isxdigit((unsigned char)v->text[digits]))
		digits++;
	if (digits == v->len && gw_digest_read(v->text, v->len, digest)) {
		/* One form of it, whoever printed it. */
		gw_digest_hex(digest, text);
		small.text = text;
		return gw_kind_text.set(ap, o, &small, slot);
	}
	if (digits == v->len)
		gw_apply_error(ap, v,
			       "is no SHA-256: expected 64 hexadecimal digits, "
			       "not %zu; rolemesh-gateway --hash-key prints "
			       "them",
			       v->len);
	else
		gw_apply_error(ap, v,
			       "is no SHA-256: expected 64 hexadecimal digits; "
			       "rolemesh-gateway --hash-key prints them");
	return false;
}

static void
emit_text(struct gw_emit *e, const struct gw_option *o,
	  const struct gw_yaml_node *source, const void *slot)
{
	gw_kind_text.emit(e, o, source, slot);
}

static void
release_text(void *slot)
{
	gw_kind_text.release(slot);
}

const struct gw_kind gw_kind_digest = {
	.wanted = "64 hexadecimal digits",
	.is_pointer = true,
	.is_text = true,
	.set = set_digest,
	.emit = emit_text,
	.release = release_text,
};

static bool
check_pattern(struct gw_apply *ap, const struct gw_option *o,
	      const struct gw_yaml_node *v)
{
	return gw_apply_text(ap, o, v, (size_t)o->max, true);
}

static bool
set_patterns(struct gw_apply *ap, const struct gw_option *o,
	     const struct gw_yaml_node *v, void *slot)
{
	return gw_apply_strings(ap, o, v, slot, check_pattern);
}

static bool
check_cidr(struct gw_apply *ap, const struct gw_option *o,
	   const struct gw_yaml_node *v)
{
	struct gw_cidr net;
	const char *wrong;

	if (!gw_apply_text(ap, o, v, (size_t)o->max, false))
		return false;
	wrong = gw_cidr_read(v->text, v->len, &net);
	if (wrong)
		gw_apply_error(ap, v, "`%s` %s", gw_yaml_show(v, v->text),
			       wrong);
	return !wrong;
}

static bool
set_cidrs(struct gw_apply *ap, const struct gw_option *o,
	  const struct gw_yaml_node *v, void *slot)
{
	return gw_apply_strings(ap, o, v, slot, check_cidr);
}

static void
emit_list(struct gw_emit *e, const struct gw_option *o,
	  const struct gw_yaml_node *source, const void *slot)
{
	const struct gw_keys *list = slot;

	if (list->key)
		gw_kind_tokens.emit(e, o, source, slot);
	else
		gw_emit_plain(e, "null");
}

static void
release_list(void *slot)
{
	gw_kind_tokens.release(slot);
}

const struct gw_kind gw_kind_patterns = {
	.wanted = "a list of names or patterns",
	.is_text = true,
	.set = set_patterns,
	.emit = emit_list,
	.release = release_list,
};

const struct gw_kind gw_kind_cidrs = {
	.wanted = "a list of networks",
	.is_text = true,
	.set = set_cidrs,
	.emit = emit_list,
	.release = release_list,
};
