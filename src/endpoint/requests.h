/* SPDX-License-Identifier: MIT */
/* requests.h - what a request for /rolemesh/requests holds, for who ends
 * requests. */
#ifndef GW_ENDPOINT_REQUESTS_H
#define GW_ENDPOINT_REQUESTS_H

struct gw_recorded;

/* gw_recorded_free - NULL is allowed. */
void gw_recorded_free(struct gw_recorded *l);

#endif
