/* SPDX-License-Identifier: MIT */
/* place_keys.c - see place_keys.h. */
#include "routing/place_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "probe/result.h"
#include "routing/routing.h"
#include "routing/target.h"

#define SECOND_HASH UINT64_C(0x9e3779b97f4a7c15) /* another beginning */

/* Kept with a node. */
struct memo {
	uint64_t config; /* fingerprint of the one that it is for */
	struct gw_place_keys models[];
};

static uint64_t
begin(int half)
{
	return half ? SECOND_HASH : GW_HASH_INIT;
}

/* No key of the registry is 0. */
static uint64_t
nonzero(uint64_t h)
{
	return h ? h : 1;
}

void
gw_address_key(const char *base_url, uint64_t key[2])
{
	for (int i = 0; i < 2; i++)
		key[i] = nonzero(
			gw_hash_more(begin(i), base_url, strlen(base_url) + 1));
}

void
gw_candidate_key(const uint64_t address[2], const char *model, uint64_t key[2])
{
	for (int i = 0; i < 2; i++)
		key[i] = nonzero(
			gw_hash_more(address[i], model, strlen(model) + 1));
}

static uint64_t
place_key(int half, const char *kind, const struct gw_model *m)
{
	uint64_t h = gw_hash_more(begin(half), kind, strlen(kind) + 1);

	return gw_hash_more(h, m->alias, strlen(m->alias) + 1);
}

void
gw_queue_place_key(const struct gw_model *m, uint64_t key[2])
{
	for (int i = 0; i < 2; i++)
		key[i] = nonzero(place_key(i, "queue", m));
}

void
gw_share_place_key(const struct gw_model *m, const uint64_t who[2],
		   uint64_t key[2])
{
	for (int i = 0; i < 2; i++)
		key[i] = nonzero(gw_hash_more(place_key(i, "share", m), who,
					      2 * sizeof(who[0])));
}

void
gw_client_place_key(const uint64_t who[2], uint64_t key[2])
{
	uint64_t what = gw_hash_text("client");

	for (int i = 0; i < 2; i++)
		key[i] = nonzero(gw_hash_more(what, &who[i], sizeof(who[i])));
}

static void
compute(const char *model, const struct gw_probe_target *target,
	struct gw_place_keys *out)
{
	gw_address_key(target->base_url, out->address);
	gw_candidate_key(out->address, model, out->candidate);
	gw_probe_target_key(target, out->probe);
}

static void
compute_proxy(const struct gw_model *m, struct gw_place_keys *out)
{
	struct gw_probe_target target = gw_proxy_target(m);

	/* Which of its names the client used makes no difference. */
	compute(m->default_model_json ? m->default_model_json : m->alias,
		&target, out);
}

static bool
keep_proxies(struct gw_routing *routing, const struct gw_config *config)
{
	struct gw_proxy_memo *kept = &routing->proxies;

	if (kept->keys && kept->config == config->fingerprint)
		return true;
	gw_place_keys_release(routing);
	kept->keys = calloc(config->n_models, sizeof(*kept->keys));
	if (!kept->keys)
		return false;
	kept->config = config->fingerprint;
	for (size_t i = 0; i < config->n_models; i++)
		if (config->models[i].type == GW_MODEL_PROXY)
			compute_proxy(&config->models[i], &kept->keys[i]);
	return true;
}

void
gw_proxy_keys(struct gw_routing *routing, const struct gw_config *config,
	      const struct gw_model *m, struct gw_place_keys *out)
{
	/* Requests that began before a reload do not throw out what is kept. */
	if (routing->worker && config == routing->worker->config &&
	    keep_proxies(routing, config))
		*out = routing->proxies.keys[m - config->models];
	else
		compute_proxy(m, out);
}

void
gw_place_keys_release(struct gw_routing *routing)
{
	free(routing->proxies.keys);
	routing->proxies = (struct gw_proxy_memo){0};
}

static struct memo *
memo_of(const struct gw_config *config, struct gw_node *n)
{
	struct gw_probe_target target = gw_node_target(config, n);
	struct memo *memo = n->memo;

	if (memo && memo->config == config->fingerprint)
		return memo;
	if (!memo) {
		memo = calloc(1,
			      sizeof(*memo) + n->doc->n_models *
						      sizeof(memo->models[0]));
		n->memo = memo;
	}
	if (!memo)
		return NULL;
	memo->config = config->fingerprint;
	for (size_t i = 0; i < n->doc->n_models; i++)
		compute(n->doc->models[i].model_json, &target,
			&memo->models[i]);
	return memo;
}

void
gw_node_keys(const struct gw_config *config, const struct gw_node *n,
	     size_t model, struct gw_place_keys *out)
{
	/* The view gives nodes to be read; what is kept beside them is ours. */
	struct memo *memo = memo_of(config, (struct gw_node *)(uintptr_t)n);
	struct gw_probe_target target;

	if (memo) {
		*out = memo->models[model];
		return;
	}
	target = gw_node_target(config, n);
	compute(n->doc->models[model].model_json, &target, out);
}
