/* SPDX-License-Identifier: MIT */
/*
 * web_page.h - which web page asks, as far as a browser tells: is it one of
 * this machine? Pure functions over what headers say.
 */
#ifndef GW_SERVE_WEB_PAGE_H
#define GW_SERVE_WEB_PAGE_H

#include <stdbool.h>

/*
 * gw_authority_is_local - does HOST[:PORT], as a Host header has it, name this
 * machine? A loopback address (an IPv6 one in brackets), localhost, or a name
 * below it (RFC 6761: nobody is asked for those). Anything else behind the host
 * than a port: no.
 */
bool gw_authority_is_local(const char *authority);

/* gw_origin_is_local - the same of SCHEME://HOST[:PORT], an Origin header. */
bool gw_origin_is_local(const char *origin);

/* gw_origin_is_of - is SCHEME://AUTHORITY of the page that @host (a Host
 * header) would be? Whatever the scheme; letters in any case. */
bool gw_origin_is_of(const char *origin, const char *host);

#endif
