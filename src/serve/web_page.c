/* SPDX-License-Identifier: MIT */
/* web_page.c - see web_page.h. */
#include "serve/web_page.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "config/url.h"

#define HOST_MAX 256

/* Behind the host of an origin stands a port or nothing. */
static bool
ends_there(const char *p)
{
	return !*p ||
	       (*p == ':' && p[1] && !p[1 + strspn(p + 1, "0123456789")]);
}

bool
gw_authority_is_local(const char *host)
{
	char name[HOST_MAX];
	size_t len =
		*host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");

	if (len >= sizeof(name) || len > strlen(host) ||
	    !ends_there(host + len))
		return false;
	if (len > 0 && host[len - 1] == '.') /* of a name that is absolute */
		len--;
	memcpy(name, host, len);
	name[len] = '\0';
	/* RFC 6761: browsers ask nobody for names below localhost. */
	return gw_host_is_loopback(name) ||
	       (len > 10 && strcasecmp(name + len - 10, ".localhost") == 0);
}

/* What is behind the scheme, or NULL. */
static const char *
authority_of(const char *origin)
{
	const char *host = strstr(origin, "://");

	return host && host != origin ? host + 3 : NULL;
}

bool
gw_origin_is_local(const char *origin)
{
	const char *host = authority_of(origin);

	return host && gw_authority_is_local(host);
}

bool
gw_origin_is_of(const char *origin, const char *host)
{
	const char *authority = authority_of(origin);

	return authority && *authority && strcasecmp(authority, host) == 0;
}
