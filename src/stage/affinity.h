/* SPDX-License-Identifier: MIT */
/*
 * affinity.h - conversations, and the places that have their prompts in the
 * cache. Which place a request gets, policy_affinity.c decides.
 *
 * A conversation is known by a header of the client's, or by the beginnings of
 * its prompt. Which place knows which beginning stands in the registry, for all
 * processes; the oldest are forgotten. An alias's conversations are its own.
 *
 * Nothing blocks, nothing fails.
 */
#ifndef GW_STAGE_AFFINITY_H
#define GW_STAGE_AFFINITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "body/prompt.h"

struct gw_request;

#define GW_AFFINITY_HEADER "X-Session-Id" /* where none is configured */
#define GW_AFFINITY_KEYS_MAX GW_PROMPT_PARTS_MAX

/* gw_affinity_watches - shall the beginnings of this request's prompt be hashed?
 * Only where some alias of the configuration asks for it. */
bool gw_affinity_watches(const struct gw_request *r);

/*
 * gw_affinity_keys - what the request's conversation is known by, for the alias
 * that serves it now.
 * @out  from the beginning that many have to the whole prompt
 * Returns how many; 0: nothing tells its conversation.
 */
size_t gw_affinity_keys(const struct gw_request *r,
			uint64_t out[GW_AFFINITY_KEYS_MAX]);

/*
 * gw_affinity_record - a place has begun to answer, so it has the prompt in its
 * cache: its conversation shall return to it. Does nothing where the alias has
 * another strategy.
 * @place  key[0] of the candidate
 */
void gw_affinity_record(const struct gw_request *r, uint64_t place);

#endif
