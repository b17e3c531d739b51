/* SPDX-License-Identifier: MIT */
/* elsewhere.c - see elsewhere.h; compares configurations only. */
#include "routing/elsewhere.h"

#include <string.h>

#include "routing/place_keys.h"
#include "routing/routing.h"

bool
gw_is_elsewhere(struct gw_routing *routing, const struct gw_request *r)
{
	const struct gw_config *now = routing->worker->config;
	const struct gw_model *m = r->resolve.model, *same;
	struct gw_place_keys is, was;

	if (r->config == now)
		return false;
	same = gw_config_model_named(now, m->alias, strlen(m->alias));
	if (!same || same->type != m->type)
		return same != NULL;
	if (same->type == GW_MODEL_DISCOVERED)
		return strcmp(same->role, m->role);
	gw_proxy_keys(routing, now, same, &is);
	gw_proxy_keys(routing, r->config, m, &was);
	return memcmp(is.candidate, was.candidate, sizeof(is.candidate));
}
