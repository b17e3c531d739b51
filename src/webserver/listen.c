/* SPDX-License-Identifier: MIT */
/*
 * listen.c - the socket that lighttpd will accept on.
 *
 * It is bound before anything else starts: "port taken" is known, in
 * words of our own, without a race. lighttpd gets it as an inherited socket.
 */
#include "webserver/listen.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"

/* The kernel cuts this to net.core.somaxconn. */
#define BACKLOG 4096
#define RETRY_MS 50

static int
bind_one(const struct addrinfo *ai)
{
	gw_auto_fd int fd =
		socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, off = 0, out;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -1;
	/* Who says "::" means every address, whatever the system's default. */
	if (ai->ai_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -1;
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -1;
	out = fd;
	fd = -1;
	return out;
}

/* "[::1]" is how addresses look in URLs; the resolver wants them bare. */
static int
bare_host(const char *host, char *out, size_t cap)
{
	size_t len = strlen(host);

	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (len == 0 || len >= cap)
		return -1;
	memcpy(out, host, len);
	out[len] = '\0';
	return 0;
}

int
gw_listen(const char *host, uint32_t port, unsigned wait_ms,
	  const char *port_settings, struct sockaddr_storage *address,
	  struct gw_err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	uint64_t give_up = gw_mono_ms() + wait_ms;
	struct addrinfo *found = NULL;
	char bare[256], service[8];
	int fd, rc, sys;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	if (bare_host(host, bare, sizeof(bare)) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, EINVAL,
				  "\"%s\" is no address to listen on", host);
	rc = getaddrinfo(bare, service, &hints, &found);
	if (rc != 0)
		return gw_err_set(err, GW_ERR_INTERNAL, 0,
				  "cannot listen on %s port %s: %s", host,
				  service, gai_strerror(rc));
	for (;;) {
		fd = bind_one(found);
		sys = errno;
		if (fd >= 0 || sys != EADDRINUSE || gw_mono_ms() >= give_up)
			break;
		poll(NULL, 0, RETRY_MS);
	}
	if (fd >= 0) {
		memset(address, 0, sizeof(*address));
		memcpy(address, found->ai_addr, found->ai_addrlen);
	}
	freeaddrinfo(found);
	if (fd >= 0)
		return fd;
	if (sys == EADDRINUSE)
		return gw_err_set(err, GW_ERR_INTERNAL, sys,
				  "port %s on %s is in use by another program: "
				  "stop it, or choose another with %s",
				  service, host, port_settings);
	return gw_err_set(err, GW_ERR_INTERNAL, sys,
			  "cannot listen on %s port %s: %s", host, service,
			  strerror(sys));
}

const char *
gw_address_text(const struct sockaddr_storage *address, char *out, size_t cap)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;

		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		snprintf(out, cap, "[%s]", text);
	} else {
		const struct sockaddr_in *in = (const void *)address;

		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		snprintf(out, cap, "%s", text);
	}
	return out;
}
