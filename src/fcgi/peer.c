/* SPDX-License-Identifier: MIT */
/*
 * peer.c - does the web server of a connection run on this host? What its
 * parameters say of a user is believed only then: whoever reaches a TCP port
 * can send any.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "fcgi/conn.h"

/* The 16 bytes of an address, IPv4 as IPv6 has it (RFC 4291, section 2.5.5.2).
 * False: it is of another family. */
static bool
as_ipv6(const struct sockaddr_storage *from, struct in6_addr *out)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(out, 0, sizeof(*out));
	if (from->ss_family == AF_INET) {
		memcpy(&v4, from, sizeof(v4));
		out->s6_addr[10] = out->s6_addr[11] = 0xff;
		memcpy(&out->s6_addr[12], &v4.sin_addr, 4);
		return true;
	}
	if (from->ss_family != AF_INET6)
		return false;
	memcpy(&v6, from, sizeof(v6));
	*out = v6.sin6_addr;
	return true;
}

bool
gw_peer_is_here(const struct sockaddr_storage *peer,
		const struct sockaddr_storage *own)
{
	struct in6_addr there, here;

	if (peer->ss_family == AF_UNIX)
		return true;
	if (!as_ipv6(peer, &there) || !as_ipv6(own, &here))
		return false;
	if (IN6_IS_ADDR_LOOPBACK(&there) ||
	    (IN6_IS_ADDR_V4MAPPED(&there) && there.s6_addr[12] == 127))
		return true;
	return memcmp(&there, &here, sizeof(there)) == 0;
}

bool
gw_fcgi_is_from_here(const struct gw_fcgi_conn *c)
{
	struct sockaddr_storage peer = {0}, own = {0};
	socklen_t peer_len = sizeof(peer), own_len = sizeof(own);

	if (c->is_unix)
		return true;
	return getpeername(c->fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
	       getsockname(c->fd, (struct sockaddr *)&own, &own_len) == 0 &&
	       gw_peer_is_here(&peer, &own);
}
