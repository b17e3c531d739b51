/* SPDX-License-Identifier: MIT */
/*
 * check.c - yajl over a request body, and what routing learns from it.
 *
 * The only file that knows yajl. It judges the JSON and remembers the `model`,
 * `stream` and which of the configured default keys the top level has: a
 * fixed amount, whatever the body holds. Messages name byte offsets and never
 * quote the text, which is the client's own business and must not reach logs.
 *
 * yajl decodes a string with escapes only where a callback waits for it, so
 * the callbacks for keys and values are set only while their text matters.
 */
#include "base/utf8.h"
#include "body/parts.h"

#include <errno.h>
#include <string.h>

static size_t
offset_now(const struct gw_check *c)
{
	return c->base + yajl_get_bytes_consumed(c->json);
}

static int
model_is_no_string(void *arg)
{
	struct gw_check *c = arg;

	gw_err_set(c->err, GW_ERR_INVALID_REQUEST, 0,
		   "`model` must be a string");
	gw_err_param(c->err, "model");
	return 0;
}

static int
number_value(void *arg, const char *text, size_t len)
{
	(void)text;
	(void)len;
	return model_is_no_string(arg);
}

static int
boolean_value(void *arg, int value)
{
	struct gw_check *c = arg;

	if (c->await == GW_AWAIT_MODEL)
		return model_is_no_string(arg);
	c->wants_stream = value;
	return 1;
}

/* Where the value stands that begins with @first and has just ended. */
static void
remember_range(struct gw_check *c, char first)
{
	c->model_end = offset_now(c);
	c->model_at = c->key_end;
	while (c->text[c->model_at] != first) /* blanks and the colon */
		c->model_at++;
}

/* However it is escaped, what fits into `model` is no long string. */
_Static_assert(GW_BODY_PIECE_BYTES / 12 > GW_MODEL_NAME_MAX,
	       "a `model` of full length must never be cut");

static int
model_value(void *arg, const unsigned char *text, size_t len)
{
	struct gw_check *c = arg;

	if (len > GW_MODEL_NAME_MAX) {
		gw_err_set(c->err, GW_ERR_INVALID_REQUEST, 0,
			   "`model` is longer than %d bytes",
			   GW_MODEL_NAME_MAX);
		gw_err_param(c->err, "model");
		return 0;
	}
	/* Stricter than yajl: the name goes into logs, headers and answers. */
	if (!gw_utf8_valid((const char *)text, len)) {
		gw_err_set(c->err, GW_ERR_INVALID_REQUEST, 0,
			   "`model` is not valid UTF-8");
		gw_err_param(c->err, "model");
		return 0;
	}
	memcpy(c->model, text, len);
	c->model[len] = '\0';
	c->model_len = len;
	remember_range(c, '"');
	return 1;
}

/* As good as absent, but what takes its place stands where it stood. */
static int
model_is_null(void *arg)
{
	remember_range(arg, 'n');
	return 1;
}

/* Choose the callbacks for the value to come. */
static void
await(struct gw_check *c, enum gw_await what)
{
	bool model = what == GW_AWAIT_MODEL;

	c->await = what;
	c->callbacks.yajl_string = model ? model_value : NULL;
	c->callbacks.yajl_number = model ? number_value : NULL;
	c->callbacks.yajl_null = model ? model_is_null : NULL;
	c->callbacks.yajl_boolean =
		what == GW_AWAIT_NOTHING ? NULL : boolean_value;
}

/* A key of ours was met: may it be, and whose value follows? */
static int
own_key(struct gw_check *c, bool *before, enum gw_await what, const char *name)
{
	if (*before) {
		gw_err_set(c->err, GW_ERR_INVALID_REQUEST, 0,
			   "the request has `%s` twice", name);
		gw_err_param(c->err, name);
		return 0;
	}
	*before = true;
	await(c, what);
	return 1;
}

static bool
is_key(const unsigned char *key, size_t len, const char *name)
{
	return len == strlen(name) && memcmp(key, name, len) == 0;
}

/* Does @key begin with @letter, in upper or lower case? Returns the bytes it
 * takes, 0 = no. */
static size_t
folded(const unsigned char *key, size_t len, char letter)
{
	if (len >= 1 && (key[0] == letter || key[0] == letter - 'a' + 'A'))
		return 1;
	/* U+017F, the long s: Unicode's upper case of it is an S as well. */
	return letter == 's' && len >= 2 && key[0] == 0xc5 && key[1] == 0xbf
		       ? 2
		       : 0;
}

/* Is it @name but for upper and lower case? */
static bool
is_variant(const unsigned char *key, size_t len, const char *name)
{
	size_t at = 0, n;

	for (; *name; name++, at += n) {
		n = folded(key + at, len - at, *name);
		if (n == 0)
			return false;
	}
	return at == len;
}

/* Servers whose JSON ignores case would take the value for the key's. */
static int
refuse_variants(struct gw_check *c, const unsigned char *key, size_t len)
{
	static const char *const names[] = {"model", "stream"};

	for (size_t i = 0; i < GW_ARRAY_LEN(names); i++) {
		if (!is_variant(key, len, names[i]))
			continue;
		gw_err_set(c->err, GW_ERR_INVALID_REQUEST, 0,
			   "the request has a key that is `%s` but for upper "
			   "and lower case; servers differ in what they make "
			   "of it: write `%s`",
			   names[i], names[i]);
		gw_err_param(c->err, names[i]);
		return 0;
	}
	return 1;
}

/* Called for keys of the top level only. */
static int
top_key(void *arg, const unsigned char *key, size_t len)
{
	struct gw_check *c = arg;
	int index;

	c->has_members = true;
	c->key_end = offset_now(c);
	await(c, GW_AWAIT_NOTHING);
	if (c->key_end == c->cut_end)
		return 1; /* only the first piece of a long key */
	if (c->config) {
		index = gw_config_default_key(c->config, (const char *)key,
					      len);
		if (index >= 0)
			c->seen[index / 8] |= (unsigned char)(1u << index % 8);
	}
	if (is_key(key, len, "model"))
		return own_key(c, &c->has_model, GW_AWAIT_MODEL, "model");
	if (is_key(key, len, "stream"))
		return own_key(c, &c->has_stream, GW_AWAIT_STREAM, "stream");
	return refuse_variants(c, key, len);
}

static int
scope_opens(void *arg)
{
	struct gw_check *c = arg;

	if (c->await == GW_AWAIT_MODEL)
		return model_is_no_string(arg);
	if (c->depth == GW_BODY_DEPTH_MAX) {
		gw_err_set(c->err, GW_ERR_INVALID_JSON, 0,
			   "the body is nested deeper than %d levels at byte "
			   "%zu",
			   GW_BODY_DEPTH_MAX, offset_now(c) - 1);
		return 0;
	}
	c->depth++;
	c->callbacks.yajl_map_key = c->depth == 1 ? top_key : NULL;
	await(c, GW_AWAIT_NOTHING);
	return 1;
}

static int
scope_closes(void *arg)
{
	struct gw_check *c = arg;

	c->depth--;
	c->callbacks.yajl_map_key = c->depth == 1 ? top_key : NULL;
	c->complete = c->depth == 0;
	return 1;
}

int
gw_check_init(struct gw_check *c, const struct gw_config *config)
{
	memset(c, 0, sizeof(*c));
	c->config = config;
	c->callbacks.yajl_start_map = scope_opens;
	c->callbacks.yajl_start_array = scope_opens;
	c->callbacks.yajl_end_map = scope_closes;
	c->callbacks.yajl_end_array = scope_closes;
	if (config && config->n_default_keys) {
		c->seen = calloc((config->n_default_keys + 7) / 8, 1);
		if (!c->seen)
			return -1;
	}
	c->json = yajl_alloc(&c->callbacks, NULL, c);
	return c->json ? 0 : -1;
}

void
gw_check_stop(struct gw_check *c)
{
	if (c->json)
		yajl_free(c->json);
	if (c->strings)
		yajl_free(c->strings);
	c->json = c->strings = NULL;
}

void
gw_check_release(struct gw_check *c)
{
	gw_check_stop(c);
	free(c->seen);
	c->seen = NULL;
}

bool
gw_check_has(const struct gw_check *c, uint32_t key_index)
{
	if (!c->config || key_index >= c->config->n_default_keys)
		return false;
	return c->seen[key_index / 8] & (1u << key_index % 8);
}

/* yajl says "lexical error: invalid char in json text.\n": keep the reason. */
static int
refused(yajl_handle y, size_t base, struct gw_err *err)
{
	size_t at = base + yajl_get_bytes_consumed(y);
	unsigned char *text = yajl_get_error(y, 0, NULL, 0);
	const char *why = text ? strchr((char *)text, ':') : NULL;

	why = why ? why + 2 : "unknown reason";
	gw_err_set(err, GW_ERR_INVALID_JSON, 0,
		   "the body is not valid JSON near byte %zu: %.*s", at,
		   (int)strcspn(why, ".\n"), why);
	if (text)
		yajl_free_error(y, text);
	return -1;
}

static int
goes_on(size_t at, struct gw_err *err)
{
	return gw_err_set(err, GW_ERR_INVALID_JSON, 0,
			  "the body goes on after its JSON object, near byte "
			  "%zu",
			  at);
}

/* @p is at offset @base of the body, whose beginning is @text. */
static int
parse(struct gw_check *c, const char *text, size_t base, const char *p,
      size_t n, struct gw_err *err)
{
	yajl_status status;

	c->text = text;
	c->base = base;
	c->err = err;
	c->parsed_bytes += n;
	status = yajl_parse(c->json, (const unsigned char *)p, n);
	c->text = NULL;
	c->err = NULL;
	if (status == yajl_status_ok)
		return 0;
	if (status == yajl_status_client_canceled)
		return -1; /* by a callback, which has said why */
	if (c->complete)
		return goes_on(offset_now(c), err);
	return refused(c->json, base, err);
}

int
gw_check_range(struct gw_check *c, const char *text, size_t from, size_t to,
	       struct gw_err *err)
{
	return parse(c, text, from, text + from, to - from, err);
}

int
gw_check_cut(struct gw_check *c, char *text, size_t from, size_t to,
	     struct gw_err *err)
{
	char kept = text[to];
	int rc;

	text[to] = '"';
	c->cut_end = to + 1;
	rc = parse(c, text, from, text + from, to + 1 - from, err);
	c->cut_end = 0;
	text[to] = kept;
	return rc;
}

int
gw_check_piece(struct gw_check *c, char *text, size_t from, size_t to,
	       struct gw_err *err)
{
	char before = text[from - 1], behind = text[to];
	yajl_status status;
	int rc = 0;

	if (!c->strings) {
		c->strings = yajl_alloc(NULL, NULL, NULL);
		if (!c->strings)
			return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
					  "no memory to check a request body");
		yajl_config(c->strings, yajl_allow_multiple_values, 1);
	}
	text[from - 1] = text[to] = '"';
	c->parsed_bytes += to - from + 2;
	status = yajl_parse(c->strings, (const unsigned char *)text + from - 1,
			    to - from + 2);
	if (status != yajl_status_ok)
		rc = refused(c->strings, from - 1, err);
	text[from - 1] = before;
	text[to] = behind;
	return rc;
}

int
gw_check_end(struct gw_check *c, const char *text, size_t len, bool in_string,
	     struct gw_err *err)
{
	/* A blank ends the number or literal that may be the last token. */
	if (!in_string && parse(c, text, len, " ", 1, err) < 0)
		return -1;
	if (!c->complete)
		return gw_err_set(err, GW_ERR_INVALID_JSON, 0,
				  "the body ends before its JSON object does: "
				  "%zu bytes were received",
				  len);
	return in_string ? goes_on(len, err) : 0;
}
