/* SPDX-License-Identifier: MIT */
/*
 * cidr.h - networks like 10.0.0.0/8 and fd00::/8, and who is in them.
 */
#ifndef GW_BASE_CIDR_H
#define GW_BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An IPv4 address that is written as IPv6 (::ffff:10.0.0.1) is an IPv4 one. */
struct gw_cidr {
	uint8_t address[16]; /* IPv4: the first four */
	uint8_t bits;	     /* that count */
	bool is_six;
};

/*
 * gw_cidr_read - a network from its text.
 * @text, @len  ADDRESS/BITS, or an address alone for itself; IPv6 without
 *              brackets
 * @out         filled when it is one
 * Returns NULL, or the reason why it is none: a constant, the end of a sentence
 * that begins with what was read. Pure.
 */
const char *gw_cidr_read(const char *text, size_t len, struct gw_cidr *out);

/*
 * gw_cidr_holds_host - is a host in the network?
 * @host, @len  as in an address of a server: IPv6 in brackets, which may name a
 *              zone. A name is in no network, whatever it leads to.
 * Pure: nothing is looked up.
 */
bool gw_cidr_holds_host(const struct gw_cidr *net, const char *host,
			size_t len);

#endif
