/* SPDX-License-Identifier: MIT */
/* verdict.c - see verdict.h: decides, and does nothing. */
#include "stage/verdict.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

#define DEPTH_MAX 16 /* of an error document */

enum again {
	NEVER,
	WAIT,
	LOAD
};

static const struct {
	enum again again;
	bool other;
	bool once;
	unsigned failures;
	const char *word;
} rows[GW_MISHAP__MAX] = {
#define MISHAP(name, again_, other_, once_, failures_, word_)                  \
	[GW_MISHAP_##name] = {again_, other_, once_, failures_, word_},
#include "stage/verdict.def"
#undef MISHAP
};

const char *
gw_mishap_word(enum gw_mishap mishap)
{
	return rows[mishap].word;
}

unsigned
gw_mishap_failures(enum gw_mishap mishap)
{
	return rows[mishap].failures;
}

/* ---- the verdict --------------------------------------------------------- */

static bool
has_attempts(const struct gw_attempted *a)
{
	return a->further < a->attempts && a->total < GW_ATTEMPTS_MAX &&
	       !(rows[a->mishap].once && a->once > 0);
}

/* How long before the same one is asked again; false: not this one. */
static bool
wait_of(const struct gw_attempted *a, uint64_t *wait_ms)
{
	*wait_ms = a->backoff_ms;
	if (a->retry_after_ms != GW_NO_RETRY_AFTER) {
		if (a->retry_after_ms > a->backoff_max_ms)
			return false;
		*wait_ms = a->retry_after_ms;
	}
	return *wait_ms < a->left_ms;
}

enum gw_verdict
gw_verdict(const struct gw_attempted *a, uint64_t *wait_ms)
{
	bool loading = rows[a->mishap].again == LOAD;
	bool may_move = rows[a->mishap].other && a->total < GW_ATTEMPTS_MAX &&
			(loading || has_attempts(a));

	*wait_ms = 0;
	if (may_move && a->another)
		return GW_VERDICT_OTHER;
	if (loading && !a->loading_over)
		return GW_VERDICT_LOADING;
	/* All of them are ejected now, and the others had longer to recover. */
	if (may_move && a->ejected && a->passed_over && !a->fallback)
		return GW_VERDICT_RESORT;
	if (rows[a->mishap].again == WAIT && has_attempts(a) &&
	    !(a->ejected && a->fallback) && wait_of(a, wait_ms))
		return GW_VERDICT_AGAIN;
	*wait_ms = 0;
	if (a->mishap == GW_MISHAP_NONE || a->total >= GW_ATTEMPTS_MAX)
		return GW_VERDICT_END;
	if (a->fallback)
		return GW_VERDICT_FALLBACK;
	if (may_move && a->passed_over)
		return GW_VERDICT_RESORT;
	return GW_VERDICT_END;
}

/* ---- what happened ------------------------------------------------------- */

enum gw_mishap
gw_mishap_of_transfer(enum gw_transfer_result result)
{
	switch (result) {
	case GW_TRANSFER_OK:
		return GW_MISHAP_NONE;
	case GW_TRANSFER_REFUSED:
	case GW_TRANSFER_CONNECT_TIMEOUT:
	case GW_TRANSFER_UNREACHABLE:
	case GW_TRANSFER_STRANGER:
	case GW_TRANSFER_DNS:
	case GW_TRANSFER_TLS:
	case GW_TRANSFER_UNACKNOWLEDGED:
		return GW_MISHAP_UNCONNECTED;
	case GW_TRANSFER_KEY_REFUSED:
		return GW_MISHAP_KEY_REFUSED;
	case GW_TRANSFER_TIMED_OUT:
		return GW_MISHAP_SILENT;
	case GW_TRANSFER_INTERNAL:
		return GW_MISHAP_OWN;
	default:
		return GW_MISHAP_LOST;
	}
}

bool
gw_mishap_is_key(int status, bool own_key)
{
	return own_key && (status == 401 || status == 403);
}

bool
gw_mishap_needs_answer(int status)
{
	switch (status) {
	case 400:
	case 413:
	case 429:
	case 500:
	case 502:
	case 503:
	case 504:
		return true;
	default:
		return false;
	}
}

/* `error` of an error document, or the document itself. */
static struct json_object *
error_of(struct json_object *doc)
{
	struct json_object *error;

	return json_object_object_get_ex(doc, "error", &error) &&
			       json_object_is_type(error, json_type_object)
		       ? error
		       : doc;
}

static bool
says(struct json_object *error, const char *key, const char *word)
{
	struct json_object *v;

	return json_object_object_get_ex(error, key, &v) &&
	       json_object_is_type(v, json_type_string) &&
	       strcmp(json_object_get_string(v), word) == 0;
}

static bool
is_too_long(struct json_object *error)
{
	static const char *const words[] = {"exceed_context_size_error",
					    "context_length_exceeded"};

	for (size_t i = 0; i < GW_ARRAY_LEN(words); i++)
		if (says(error, "code", words[i]) ||
		    says(error, "type", words[i]))
			return true;
	return false;
}

static enum gw_mishap
of_body(int status, const char *body, size_t len)
{
	gw_auto_json struct json_object *doc = NULL;
	struct json_object *error;
	struct gw_err err = {0};

	doc = gw_json_parse_object(body, len, DEPTH_MAX, &err);

	if (!doc || !json_object_is_type(doc, json_type_object))
		return GW_MISHAP_NONE;
	error = error_of(doc);
	if (status == 503)
		return says(error, "message", "Loading model")
			       ? GW_MISHAP_LOADING
			       : GW_MISHAP_NONE;
	return is_too_long(error) ? GW_MISHAP_TOO_LONG : GW_MISHAP_NONE;
}

enum gw_mishap
gw_mishap_of_answer(int status, bool retry_after, const char *body, size_t len)
{
	switch (status) {
	case 400:
	case 413:
		return of_body(status, body, len);
	case 429:
		return GW_MISHAP_BUSY;
	case 500:
		return GW_MISHAP_FAILED;
	case 502:
	case 504:
		return GW_MISHAP_DOWN;
	case 503:
		if (of_body(status, body, len) == GW_MISHAP_LOADING)
			return GW_MISHAP_LOADING;
		return retry_after ? GW_MISHAP_BUSY : GW_MISHAP_DOWN;
	default:
		return GW_MISHAP_NONE;
	}
}

/* ---- waits --------------------------------------------------------------- */

uint64_t
gw_backoff_ms(unsigned n, uint64_t base_ms, uint64_t max_ms, uint64_t random)
{
	uint64_t ms = base_ms;

	while (n-- > 1 && ms < max_ms)
		ms *= 2;
	if (ms > max_ms)
		ms = max_ms;
	/* 0.75 to 1.25 of it */
	return ms * 3 / 4 + (ms / 2 ? random % (ms / 2 + 1) : 0);
}
