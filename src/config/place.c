/* SPDX-License-Identifier: MIT */
/*
 * place.c - what looks wrong about the address of an upstream, although it is
 * allowed. Warnings only.
 */
#include "config/internal.h"

#include <string.h>

/* /v2, /v1beta: what is behind the last slash, when it looks like one. */
static bool
is_version(const char *segment)
{
	return segment[0] == 'v' && segment[1] >= '0' && segment[1] <= '9' &&
	       strlen(segment) < 16;
}

/* Requests go to <address>/v1/..., which is rarely meant below these. */
static void
warn_version(struct gw_yaml *doc, const struct gw_place *p)
{
	const struct gw_yaml_node *v = gw_yaml_value(p->map, p->url_key);
	const char *slash = strrchr(p->base_url, '/');
	bool api;

	if (!v || !slash)
		return;
	/* Ollama's own API; OpenRouter's is /api/v1, and says so. */
	api = strcmp(slash, "/api") == 0 && !memmem(v->text, v->len, "/v1", 3);
	if (api || is_version(slash + 1))
		gw_yaml_warning(doc, v,
				"%s.%s ends in `%s`: requests will go to "
				"`%s/v1/...`%s",
				p->path, p->url_key, slash,
				gw_yaml_show(v, p->base_url),
				api ? "; Ollama's OpenAI API is not below /api"
				    : "");
}

static void
warn_tls(struct gw_yaml *doc, const struct gw_place *p)
{
	const struct gw_yaml_member *tls = gw_yaml_get(p->map, "tls", 3);

	if (!tls || (!p->tls_insecure && !p->ca_path))
		return;
	if (strncmp(p->base_url, "https://", 8) != 0)
		gw_yaml_warning(doc, tls->key,
				"%s.tls has no effect: %s is no https address",
				p->path, p->url_key);
	else if (p->tls_insecure)
		gw_yaml_warning(doc, gw_yaml_value(tls->value, "verify"),
				"%s.tls.verify: any certificate is accepted: "
				"whoever gets between can read requests and "
				"the api_key; name the authority with "
				"`ca_file`",
				p->path);
}

void
gw_place_warn(struct gw_yaml *doc, const struct gw_place *p)
{
	if (!p->base_url)
		return;
	warn_version(doc, p);
	warn_tls(doc, p);
}
