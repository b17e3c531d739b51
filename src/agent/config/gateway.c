/* SPDX-License-Identifier: MIT */
/*
 * gateway.c - does what the gateway will be told make sense?
 *
 * A node whose address the gateway cannot reach registers happily and fails
 * every request; that is found here. Nothing is looked up or connected.
 */
#include "agent/config/internal.h"

#include <arpa/inet.h>
#include <string.h>

#include "config/url.h"

#define HOST_MAX 512 /* bytes of a host in a URL */

/* An address that means "every address of this host". */
static bool
is_wildcard(const char *host)
{
	char bare[INET6_ADDRSTRLEN] = "";
	size_t skip = host[0] == '[';
	struct in6_addr six;
	struct in_addr four;

	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(host + skip, "]"),
		 host + skip);
	if (inet_pton(AF_INET, bare, &four) == 1)
		return four.s_addr == INADDR_ANY;
	return inet_pton(AF_INET6, bare, &six) == 1 &&
	       IN6_IS_ADDR_UNSPECIFIED(&six);
}

/* The host of a URL that gw_base_url() made. */
static void
host_of(const char *url, char out[HOST_MAX])
{
	const char *host = strstr(url, "://") + 3;
	size_t len =
		*host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");

	snprintf(out, HOST_MAX, "%.*s", (int)len, host);
}

int
ag_config_default_url(struct ag_config *c, struct gw_yaml *doc)
{
	const struct gw_yaml_node *at = gw_yaml_value(doc->root, "listen_host");
	struct gw_buf url GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(HOST_MAX);
	const char *host = c->listen_host;
	bool bare = host && strchr(host, ':') && host[0] != '[';
	struct gw_err err = {0};

	if (!host || !c->listen_port ||
	    !gw_yaml_is_null(gw_yaml_value(doc->root, "advertise_url")))
		return 0;
	if (gw_buf_printf(&url, "http://%s", bare ? "[" : "") < 0)
		return -1;
	/* A zone: fe80::1%eth0 is fe80::1%25eth0 in a URL. */
	for (const char *s = host; *s; s++)
		if (gw_buf_append(&url, s, 1) < 0 ||
		    (*s == '%' && gw_buf_puts(&url, "25") < 0))
			return -1;
	if (gw_buf_printf(&url, "%s:%u", bare ? "]" : "", c->listen_port) < 0)
		return -1;
	if (gw_base_url(url.data, url.len, &c->advertise_url, &err) == 0)
		return 0;
	if (err.code == GW_ERR_INTERNAL)
		return -1;
	gw_yaml_error(doc, at,
		      "listen_host: no address for the gateway can be made of "
		      "`%s`; set `advertise_url`",
		      gw_yaml_show(at, host));
	return 0;
}

static void
check_advertised(const struct ag_config *c, struct gw_yaml *doc)
{
	const struct gw_yaml_node *set =
		gw_yaml_value(doc->root, "advertise_url");
	const struct gw_yaml_node *listen =
		gw_yaml_value(doc->root, "listen_host");
	const struct gw_yaml_node *gateway =
		gw_yaml_value(doc->root, "dispatcher_base_url");
	bool own = !gw_yaml_is_null(set);
	const struct gw_yaml_node *at = own ? set : listen;
	char told[HOST_MAX], asked[HOST_MAX];

	if (!c->dispatcher_base_url || !c->advertise_url)
		return;
	host_of(c->advertise_url, told);
	host_of(c->dispatcher_base_url, asked);
	if (is_wildcard(told))
		gw_yaml_error(doc, at,
			      "%s: the gateway cannot reach `%s`; set "
			      "`advertise_url` to an address of this host",
			      own ? "advertise_url" : "listen_host",
			      gw_yaml_show(at, told));
	else if (gw_host_is_loopback(told) && !gw_host_is_loopback(asked))
		gw_yaml_warning(doc, gw_yaml_is_null(at) ? gateway : at,
				"advertise_url: the gateway on another host is "
				"told `%s`, which only this host reaches; set "
				"%s",
				gw_yaml_show(at, c->advertise_url),
				own ? "another address"
				    : "`listen_host` and `advertise_url`");
}

void
ag_config_check_gateway(const struct ag_config *c, struct gw_yaml *doc)
{
	const struct gw_yaml_node *gateway =
		gw_yaml_value(doc->root, "dispatcher_base_url");
	const struct gw_yaml_node *key =
		gw_yaml_value(doc->root, "dispatcher_api_key");
	size_t roles = 0;

	check_advertised(c, doc);
	if (c->dispatcher_api_key && gw_yaml_is_null(gateway))
		gw_yaml_warning(doc, key,
				"dispatcher_api_key: has no effect without "
				"`dispatcher_base_url`");
	for (size_t i = 0; i < c->n_models; i++)
		roles += c->models[i].roles.n;
	if (c->dispatcher_base_url && c->n_models && !roles)
		gw_yaml_warning(doc, gateway,
				"dispatcher_base_url: no model has `roles`: "
				"there is nothing to register");
}
