/* SPDX-License-Identifier: MIT */
/*
 * via.h - which gateways and agents a request has passed, so that one that goes
 * round in circles ends at once instead of filling every process.
 *
 * The header X-RoleMesh-Via names each of them by 16 hexadecimal digits. A
 * gateway that finds itself in it answers 508, whatever stands between: an alias
 * or a node whose address is the gateway's own, or two gateways that point at
 * each other. Pure functions.
 */
#ifndef GW_SERVE_VIA_H
#define GW_SERVE_VIA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define GW_VIA_HEADER "X-RoleMesh-Via"
#define GW_VIA_NAME_BYTES 17 /* 16 digits and '\0' */
#define GW_VIA_MAX 8	     /* gateways that a request may have passed */
#define GW_VIA_BYTES ((GW_VIA_MAX + 1) * (GW_VIA_NAME_BYTES + 1))

/* gw_via_name - a name from any number that is its bearer's alone. */
void gw_via_name(uint64_t number, char name[GW_VIA_NAME_BYTES]);

/*
 * gw_via_read - what a request carries.
 * @header  the header's value, or NULL; what is no name in it is left out
 * @own     whose process asks
 * @out     the names, separated by ", ": "" when it comes from no gateway
 * @err     LOOP_DETECTED: @own is among them, or they are over GW_VIA_MAX
 * Returns 0 / -1.
 */
GW_MUSTCHECK int gw_via_read(const char *header, const char *own,
			     char out[GW_VIA_BYTES], struct gw_err *err);

/* gw_via_add - the same with @own at its end, for what goes upstream. */
void gw_via_add(const char *passed, const char *own, char out[GW_VIA_BYTES]);

#endif
