/* SPDX-License-Identifier: MIT */
/*
 * result.h - what became of a probe: a number of 20 bits, as the registry
 * stores it, and what it means. And the name under which it is stored.
 */
#ifndef GW_PROBE_RESULT_H
#define GW_PROBE_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/question.h"
#include "upstream/transfer.h"

#define GW_PROBE_REASON_BYTES 128

/* An answer came; @status 100 .. 999. */
uint32_t gw_probe_result_of_status(int status);

/* No answer came. */
uint32_t gw_probe_result_of_failure(enum gw_transfer_result result);

/* The run ended before anybody knew. Never stored. */
uint32_t gw_probe_result_not_in_time(void);

/* gw_probe_is_reachable - does a result mean that requests can be sent? */
bool gw_probe_is_reachable(uint32_t result);

/* gw_probe_is_loading - does it mean a server that loads its model? */
bool gw_probe_is_loading(uint32_t result);

/* gw_probe_is_answer - did an answer come, whatever it says? */
bool gw_probe_is_answer(uint32_t result);

/*
 * gw_probe_reason - a result in words: "ok", "connection refused", "HTTP 503:
 * it may be loading its model".
 * @out  storage of @cap bytes (GW_PROBE_REASON_BYTES are enough)
 * Returns @out.
 */
const char *gw_probe_reason(uint32_t result, char *out, size_t cap);

/* gw_probe_key - the name of a target in the registry's probe table. */
void gw_probe_key(const char *base_url, const char *bearer, uint64_t key[2]);

/* gw_probe_target_key - the same, with what a target's TLS is judged by. */
void gw_probe_target_key(const struct gw_probe_target *target, uint64_t key[2]);

#endif
