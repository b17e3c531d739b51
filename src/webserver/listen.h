/* SPDX-License-Identifier: MIT */
/*
 * listen.h - the socket that lighttpd will accept on.
 */
#ifndef GW_WEBSERVER_LISTEN_H
#define GW_WEBSERVER_LISTEN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

/*
 * gw_listen - bind and listen.
 * @host           name, IPv4 or IPv6 address, the latter also in brackets; "::"
 *                 takes IPv4 connections too
 * @wait_ms        how long to wait for a port that is in use
 * @port_settings  how a person chooses another port, e.g. "listen_port"; goes
 *                 into the message
 * @address        set to where it listens
 * @err            INTERNAL naming host and port
 * Returns a descriptor, or -1. Resolves names, which may block.
 */
GW_MUSTCHECK int gw_listen(const char *host, uint32_t port, unsigned wait_ms,
			   const char *port_settings,
			   struct sockaddr_storage *address,
			   struct gw_err *err);

/* gw_address_text - "1.2.3.4" or "[::1]"; returns @out. */
const char *gw_address_text(const struct sockaddr_storage *address, char *out,
			    size_t cap);

#endif
