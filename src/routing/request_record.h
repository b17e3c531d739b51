/* SPDX-License-Identifier: MIT */
/*
 * request_record.h - what is kept of a relayed request, as bytes of a record of
 * the registry (reg_recorder.h): who asked for what, where it went, how long it
 * took and how it ended. Never a prompt, an answer or a key.
 *
 * Pure; allocates nothing.
 */
#ifndef GW_ROUTING_REQUEST_RECORD_H
#define GW_ROUTING_REQUEST_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reg.h"
#include "serve/request.h"

enum gw_outcome {
#define OUTCOME(name, word, text) GW_OUTCOME_##name,
#include "routing/ends.def"
	GW_OUTCOME__MAX
};

enum gw_ended_by {
#define ENDED_BY(name, word, text) GW_ENDED_BY_##name,
#include "routing/ends.def"
	GW_ENDED_BY__MAX
};

#define GW_RECORDED_MODEL_MAX 96 /* bytes of an alias that are kept */
#define GW_RECORDED_WORD_MAX 32	 /* of an error's code, an attempt's result */
#define GW_RECORDED_PATH_MAX 40	 /* of an endpoint's path */
#define GW_RECORDED_NAME_MAX 128 /* of a candidate, where there is room */

/* A time that is not known, because it did not come to that. */
#define GW_RECORDED_NEVER UINT64_MAX

struct gw_recorded_attempt {
	char candidate[GW_RECORDED_NAME_MAX + 1]; /* node or alias */
	char result[GW_RECORDED_WORD_MAX + 1];
	uint32_t us;
};

/* Texts are UTF-8, cut between two characters; "" = none. */
struct gw_request_record {
	int64_t began_ms; /* wall clock */
	uint64_t queue_us;
	uint64_t connect_us;	/* of the last attempt: until it stood */
	uint64_t first_byte_us; /* from its beginning: the client's first */
	uint64_t total_us;
	uint64_t bytes_in, bytes_out;
	uint32_t prompt_tokens, completion_tokens, cached_tokens; /* 0 = not
								   * known */
	int status;
	enum gw_outcome outcome;
	enum gw_ended_by ended_by;
	bool stream; /* the client got events */
	char id[GW_REQUEST_ID_MAX + 1];
	char client[GW_CLIENT_NAME_MAX + 1];   /* by its name */
	char model[GW_RECORDED_MODEL_MAX + 1]; /* alias that served it last */
	char path[GW_RECORDED_PATH_MAX + 1];
	char error[GW_RECORDED_WORD_MAX + 1]; /* code */
	unsigned n_attempts;
	struct gw_recorded_attempt attempts[GW_ATTEMPTS_MAX];
};

/*
 * gw_record_encode - as bytes; names of candidates are cut where all of it
 * would be too long.
 * @out  REG_RECORD_BYTES of storage
 * Returns how many there are.
 */
size_t gw_record_encode(const struct gw_request_record *rec, uint8_t *out);

/* gw_record_decode - the reverse. False: these bytes are none. */
bool gw_record_decode(const uint8_t *bytes, size_t n,
		      struct gw_request_record *rec);

/* gw_outcome_word / gw_ended_by_word - as answers tell it; static storage. */
const char *gw_outcome_word(enum gw_outcome o);
const char *gw_ended_by_word(enum gw_ended_by e);

/* gw_outcome_of - the reverse; GW_OUTCOME__MAX = there is no such word. */
enum gw_outcome gw_outcome_of(const char *word);

#endif
