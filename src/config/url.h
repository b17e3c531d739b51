/* SPDX-License-Identifier: MIT */
/*
 * url.h - addresses of servers, wherever one is read: from a file, from a node
 * that registers. Nothing is looked up or connected.
 */
#ifndef GW_CONFIG_URL_H
#define GW_CONFIG_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define GW_URL_MEANT "; write "

/*
 * gw_base_url - check and normalise an upstream address.
 * @url  absolute http or https URL; a trailing '/' or '/v1' is taken off; no
 *       user:password, query or fragment, nor the path of an endpoint (the
 *       reason then ends with GW_URL_MEANT and the right value); at most 2048
 *       bytes
 * @out  set to a malloc'ed string the caller frees
 * Returns 0, or -1 with err INVALID_REQUEST and the reason, INTERNAL when memory
 * is out.
 */
GW_MUSTCHECK int gw_base_url(const char *url, size_t len, char **out,
			     struct gw_err *err);

/*
 * gw_host_check - is it something to listen on? An IPv4 address, an IPv6 one with
 * or without brackets, or a name; no scheme, no port, no path.
 * Returns 0, or -1 with err INVALID_REQUEST, which says what to write instead.
 */
GW_MUSTCHECK int gw_host_check(const char *host, struct gw_err *err);

/*
 * gw_host_is_loopback - does only this machine reach that address?
 * @host  as in a configuration: an IPv6 address with or without brackets.
 *        Of names only "localhost" counts: "127.example.com" is one.
 */
bool gw_host_is_loopback(const char *host);

#endif
