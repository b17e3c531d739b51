/* SPDX-License-Identifier: MIT */
/* target.c - see target.h. */
#include "routing/target.h"

struct gw_probe_target
gw_proxy_target(const struct gw_model *m)
{
	return (struct gw_probe_target){
		.base_url = m->base_url,
		.bearer = m->api_key,
		.tls = {.ca = m->tls.ca.text,
			.ca_len = m->tls.ca.len,
			.insecure = m->tls_insecure},
	};
}

struct gw_probe_target
gw_node_target(const struct gw_config *config, const struct gw_node *n)
{
	struct gw_probe_target t = {
		.base_url = n->doc->base_url,
		.bearer = config->auth.upstream_node_key,
	};

	if (!n->fixed)
		return t;
	if (n->fixed->api_key)
		t.bearer = n->fixed->api_key;
	t.tls = (struct gw_transfer_tls){.ca = n->fixed->tls.ca.text,
					 .ca_len = n->fixed->tls.ca.len,
					 .insecure = n->fixed->tls_insecure};
	return t;
}
