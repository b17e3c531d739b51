/* SPDX-License-Identifier: MIT */
/* relay_bytes.h - for relay.c; relay.h is for everybody else. */
#ifndef GW_SERVE_RELAY_BYTES_H
#define GW_SERVE_RELAY_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/request.h"

/*
 * gw_relay_take - on_data of a transfer.
 * @arg  the request
 * False: the client has too much already, the same bytes shall come again.
 */
bool gw_relay_take(void *arg, const char *p, size_t n);

/* gw_relay_note - something of the answer, or its end, is here, and nothing of
 * it with the client: the time is remembered. */
void gw_relay_note(struct gw_request *r);

#endif
