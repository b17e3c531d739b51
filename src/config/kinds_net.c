/* SPDX-License-Identifier: MIT */
/*
 * kinds_net.c - the kinds for hosts, for addresses of other servers, and for
 * names of headers.
 *
 * What is checked here goes into a web server's configuration or to libcurl;
 * nothing is looked up or connected.
 */
#include "config/schema.h"

#include <string.h>

#include "base/err.h"
#include "config/url.h"

static bool
set_url(struct gw_apply *ap, const struct gw_option *o,
	const struct gw_yaml_node *v, void *slot)
{
	struct gw_err err = {0};
	char *url = NULL;
	const char *meant;

	if (v->kind != GW_YAML_STRING)
		return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
	if (gw_base_url(v->text, v->len, &url, &err) < 0) {
		/* What to write is made of what ${...} stood for. */
		meant = v->substituted ? strstr(err.msg, GW_URL_MEANT) : NULL;
		gw_apply_error(ap, v, "%.*s",
			       meant ? (int)(meant - err.msg)
				     : (int)sizeof(err.msg),
			       err.msg);
		return false;
	}
	memcpy(slot, &url, sizeof(url));
	return true;
}

/*
 * What may stand in an address or a name. It goes into the web server's
 * configuration: quotes, blanks and the like must not get there.
 */
static bool
set_host(struct gw_apply *ap, const struct gw_option *o,
	 const struct gw_yaml_node *v, void *slot)
{
	struct gw_err err = {0};
	int shown;

	if (!gw_apply_text(ap, o, v, (size_t)o->max, false))
		return false;
	if (gw_host_check(v->text, &err) < 0) {
		/* What to write is made of what ${...} stood for. */
		shown = (int)(v->substituted ? strcspn(err.msg, ";")
					     : strlen(err.msg));
		gw_apply_error(ap, v, "%.*s", shown, err.msg);
		return false;
	}
	return gw_kind_text.set(ap, o, v, slot);
}

/* One `/v1` is taken off when it is read, so one is put on where it ends so. */
static void
emit_url(struct gw_emit *e, const struct gw_option *o,
	 const struct gw_yaml_node *source, const void *slot)
{
	const char *url = *(char *const *)slot;
	struct gw_buf text GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(8192);
	size_t len = url ? strlen(url) : 0;

	if (len < 3 || strcmp(url + len - 3, "/v1") != 0 ||
	    gw_buf_printf(&text, "%s/v1", url) < 0)
		gw_kind_text.emit(e, o, source, slot);
	else
		gw_emit_string(e, text.data, text.len);
}

static void
emit_host(struct gw_emit *e, const struct gw_option *o,
	  const struct gw_yaml_node *source, const void *slot)
{
	gw_kind_text.emit(e, o, source, slot);
}

/* A token as RFC 9110 has it: nothing else arrives as the name of a header. */
static bool
set_header(struct gw_apply *ap, const struct gw_option *o,
	   const struct gw_yaml_node *v, void *slot)
{
	static const char token[] =
		"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (!gw_apply_text(ap, o, v, (size_t)o->max, false))
		return false;
	if (strspn(v->text, token) != v->len) {
		gw_apply_error(ap, v,
			       "is no name of a header: letters, digits and "
			       "dashes, without a colon");
		return false;
	}
	return gw_kind_text.set(ap, o, v, slot);
}

static void
emit_header(struct gw_emit *e, const struct gw_option *o,
	    const struct gw_yaml_node *source, const void *slot)
{
	gw_kind_text.emit(e, o, source, slot);
}

static void
release_text(void *slot)
{
	gw_kind_text.release(slot);
}

const struct gw_kind gw_kind_url = {
	.wanted = "an http or https address",
	.mask = "https://masked.invalid/***",
	.is_pointer = true,
	.is_text = true,
	.set = set_url,
	.emit = emit_url,
	.release = release_text,
};

const struct gw_kind gw_kind_host = {
	.wanted = "a host",
	.is_pointer = true,
	.is_text = true,
	.set = set_host,
	.emit = emit_host,
	.release = release_text,
};

const struct gw_kind gw_kind_header = {
	.wanted = "a string",
	.is_pointer = true,
	.is_text = true,
	.set = set_header,
	.emit = emit_header,
	.release = release_text,
};
