/* SPDX-License-Identifier: MIT */
/*
 * request_record.c - numbers in a fixed part, then texts behind their lengths.
 * All processes that share it are of one version (the registry refuses others),
 * but bytes are read as if they could be anything.
 */
#include "routing/request_record.h"

#include <string.h>

#include "base/cleanup.h"

#define FORMAT 1

struct fixed {
	int64_t began_ms;
	uint64_t queue_us, connect_us, first_byte_us, total_us;
	uint64_t bytes_in, bytes_out;
	uint32_t tokens[3];
	uint32_t attempt_us[GW_ATTEMPTS_MAX];
	uint16_t status;
	uint8_t format, outcome, ended_by, stream, n_attempts, padding[5];
};

_Static_assert(sizeof(struct fixed) + 5 + GW_REQUEST_ID_MAX +
			       GW_CLIENT_NAME_MAX + GW_RECORDED_MODEL_MAX <=
		       REG_RECORD_BYTES - 2 * GW_ATTEMPTS_MAX,
	       "texts of a usual length are whole");

static const char *const outcomes[] = {
#define OUTCOME(name, word, text) [GW_OUTCOME_##name] = word,
#include "routing/ends.def"
};

static const char *const ends[] = {
#define ENDED_BY(name, word, text) [GW_ENDED_BY_##name] = word,
#include "routing/ends.def"
};

const char *
gw_outcome_word(enum gw_outcome o)
{
	return outcomes[o];
}

const char *
gw_ended_by_word(enum gw_ended_by e)
{
	return ends[e];
}

enum gw_outcome
gw_outcome_of(const char *word)
{
	size_t i = 0;

	while (i < GW_ARRAY_LEN(outcomes) && strcmp(outcomes[i], word) != 0)
		i++;
	return (enum gw_outcome)i;
}

/* ---- to bytes --------------------------------------------------------------
 */

struct writer {
	uint8_t *out;
	size_t n;
};

static size_t
room(const struct writer *w)
{
	return REG_RECORD_BYTES - w->n;
}

/* At most so many bytes of it, and never half a character. */
static void
put(struct writer *w, const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len > max) {
		len = max;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	w->out[w->n++] = (uint8_t)len;
	memcpy(w->out + w->n, text, len);
	w->n += len;
}

/* What is left, less a byte of length, for each of @n texts. */
static size_t
share(const struct writer *w, size_t n)
{
	return room(w) / n - 1;
}

static void
put_attempts(struct writer *w, const struct gw_request_record *rec)
{
	for (unsigned i = 0; i < rec->n_attempts; i++) {
		unsigned texts = 2 * (rec->n_attempts - i);
		size_t half = share(w, texts),
		       len = strlen(rec->attempts[i].result);

		/* A result is short, and its name may have the rest. */
		put(w, rec->attempts[i].result,
		    half < GW_RECORDED_WORD_MAX ? half : GW_RECORDED_WORD_MAX);
		half = 2 * half - (len < half ? len : half);
		put(w, rec->attempts[i].candidate,
		    half < GW_RECORDED_NAME_MAX ? half : GW_RECORDED_NAME_MAX);
	}
}

size_t
gw_record_encode(const struct gw_request_record *rec, uint8_t *out)
{
	struct fixed f = {.began_ms = rec->began_ms,
			  .queue_us = rec->queue_us,
			  .connect_us = rec->connect_us,
			  .first_byte_us = rec->first_byte_us,
			  .total_us = rec->total_us,
			  .bytes_in = rec->bytes_in,
			  .bytes_out = rec->bytes_out,
			  .tokens = {rec->prompt_tokens, rec->completion_tokens,
				     rec->cached_tokens},
			  .status = (uint16_t)rec->status,
			  .format = FORMAT,
			  .outcome = (uint8_t)rec->outcome,
			  .ended_by = (uint8_t)rec->ended_by,
			  .stream = rec->stream,
			  .n_attempts = (uint8_t)rec->n_attempts};
	struct writer w = {.out = out, .n = sizeof(f)};
	/* Of each attempt two lengths at least are to come. */
	size_t reserve = 2 * (size_t)rec->n_attempts;

	for (unsigned i = 0; i < rec->n_attempts; i++)
		f.attempt_us[i] = rec->attempts[i].us;
	memcpy(out, &f, sizeof(f));
	put(&w, rec->id, GW_REQUEST_ID_MAX);
	put(&w, rec->client, GW_CLIENT_NAME_MAX);
	put(&w, rec->model, GW_RECORDED_MODEL_MAX);
	for (int i = 0; i < 2; i++) {
		size_t max = i ? GW_RECORDED_WORD_MAX : GW_RECORDED_PATH_MAX;
		size_t left = room(&w) - reserve - (2 - (size_t)i);

		put(&w, i ? rec->error : rec->path, left < max ? left : max);
	}
	put_attempts(&w, rec);
	return w.n;
}

/* ---- from bytes ------------------------------------------------------------
 */

struct reader {
	const uint8_t *p, *end;
};

static bool
get(struct reader *in, char *out, size_t max)
{
	size_t len;

	if (in->p == in->end)
		return false;
	len = *in->p++;
	if (len > max || len > (size_t)(in->end - in->p))
		return false;
	memcpy(out, in->p, len);
	out[len] = '\0';
	in->p += len;
	return true;
}

bool
gw_record_decode(const uint8_t *bytes, size_t n, struct gw_request_record *rec)
{
	struct reader in = {.p = bytes + sizeof(struct fixed),
			    .end = bytes + n};
	struct fixed f;
	bool whole;

	if (n < sizeof(f))
		return false;
	memcpy(&f, bytes, sizeof(f));
	if (f.format != FORMAT || f.n_attempts > GW_ATTEMPTS_MAX ||
	    f.outcome >= GW_OUTCOME__MAX || f.ended_by >= GW_ENDED_BY__MAX)
		return false;
	rec->began_ms = f.began_ms;
	rec->queue_us = f.queue_us;
	rec->connect_us = f.connect_us;
	rec->first_byte_us = f.first_byte_us;
	rec->total_us = f.total_us;
	rec->bytes_in = f.bytes_in;
	rec->bytes_out = f.bytes_out;
	rec->prompt_tokens = f.tokens[0];
	rec->completion_tokens = f.tokens[1];
	rec->cached_tokens = f.tokens[2];
	rec->status = f.status;
	rec->outcome = (enum gw_outcome)f.outcome;
	rec->ended_by = (enum gw_ended_by)f.ended_by;
	rec->stream = f.stream;
	rec->n_attempts = f.n_attempts;
	whole = get(&in, rec->id, GW_REQUEST_ID_MAX) &&
		get(&in, rec->client, GW_CLIENT_NAME_MAX) &&
		get(&in, rec->model, GW_RECORDED_MODEL_MAX) &&
		get(&in, rec->path, GW_RECORDED_PATH_MAX) &&
		get(&in, rec->error, GW_RECORDED_WORD_MAX);
	for (unsigned i = 0; whole && i < rec->n_attempts; i++) {
		struct gw_recorded_attempt *a = &rec->attempts[i];

		a->us = f.attempt_us[i];
		whole = get(&in, a->result, GW_RECORDED_WORD_MAX) &&
			get(&in, a->candidate, GW_RECORDED_NAME_MAX);
	}
	return whole && in.p == in.end;
}
