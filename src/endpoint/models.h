/* SPDX-License-Identifier: MIT */
/* models.h - what a request for /v1/models holds, for who ends requests. */
#ifndef GW_ENDPOINT_MODELS_H
#define GW_ENDPOINT_MODELS_H

struct gw_listing;

/* gw_listing_free - NULL is allowed. */
void gw_listing_free(struct gw_listing *l);

#endif
