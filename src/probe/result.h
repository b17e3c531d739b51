/* SPDX-License-Identifier: MIT */
/*
 * result.h - the numbers behind gw_probe_reason(), for probe.c: what the
 * registry stores is 20 bits wide.
 */
#ifndef GW_PROBE_RESULT_H
#define GW_PROBE_RESULT_H

#include <stdint.h>

#include "upstream/transfer.h"

/* An answer came; @status 100 .. 999. */
uint32_t gw_probe_result_of_status(int status);

/* No answer came. */
uint32_t gw_probe_result_of_failure(enum gw_transfer_result result);

/* The run ended before anybody knew. Never stored. */
uint32_t gw_probe_result_not_in_time(void);

#endif
