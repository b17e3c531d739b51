/* SPDX-License-Identifier: MIT */
/* cidr.c - addresses in text form, compared by their first bits. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <string.h>

#define ADDRESS_MAX (INET6_ADDRSTRLEN - 1)

static bool
read_address(const char *text, size_t len, struct gw_cidr *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char copy[ADDRESS_MAX + 1];

	if (len > ADDRESS_MAX || memchr(text, '\0', len))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	*out = (struct gw_cidr){.bits = 32};
	if (inet_pton(AF_INET, copy, out->address) == 1)
		return true;
	if (inet_pton(AF_INET6, copy, out->address) != 1)
		return false;
	if (memcmp(out->address, mapped, sizeof(mapped)) == 0) {
		memmove(out->address, out->address + sizeof(mapped), 4);
		memset(out->address + 4, 0, sizeof(mapped));
		return true;
	}
	out->is_six = true;
	out->bits = 128;
	return true;
}

/* The bits behind the slash, at most @most; -1: no such number. */
static int
read_bits(const char *text, size_t len, int most)
{
	int bits = 0;

	if (!len || len > 3 || (len > 1 && *text == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		bits = bits * 10 + (text[i] - '0');
	}
	return bits <= most ? bits : -1;
}

/* Bit @i of an address, from the left. */
static bool
bit(const uint8_t address[static 16], unsigned i)
{
	return address[i / 8] >> (7 - i % 8) & 1;
}

const char *
gw_cidr_read(const char *text, size_t len, struct gw_cidr *out)
{
	const char *slash = len ? memchr(text, '/', len) : NULL;
	size_t address = slash ? (size_t)(slash - text) : len;
	bool written_six = address && memchr(text, ':', address);
	struct gw_cidr net;
	int bits;

	if (!read_address(text, address, &net))
		return "is no network: expected ADDRESS/BITS, like 10.0.0.0/8 "
		       "or fd00::/8";
	if (slash) {
		bits = read_bits(slash + 1, len - address - 1,
				 written_six ? 128 : 32);
		if (bits >= 0 && written_six && !net.is_six)
			bits -= 96; /* an IPv4 one in the clothes of IPv6 */
		if (bits < 0)
			return "has no such number of bits: 0 to 32, or 128 "
			       "of IPv6";
		net.bits = (uint8_t)bits;
	}
	for (unsigned i = net.bits; i < (net.is_six ? 128 : 32); i++)
		if (bit(net.address, i))
			return "has bits set behind those that count: write "
			       "0 there, or leave out the slash for one "
			       "address";
	*out = net;
	return NULL;
}

bool
gw_cidr_holds_host(const struct gw_cidr *net, const char *host, size_t len)
{
	bool bracketed = len > 2 && host[0] == '[' && host[len - 1] == ']';
	const char *zone;
	struct gw_cidr one;

	if (bracketed) {
		host++;
		len -= 2;
		zone = memchr(host, '%', len);
		len = zone ? (size_t)(zone - host) : len;
	}
	/* IPv6 needs its brackets, IPv4 has none. */
	if (bracketed != (memchr(host, ':', len) != NULL) ||
	    !read_address(host, len, &one) || one.is_six != net->is_six)
		return false;
	for (unsigned i = 0; i < net->bits; i++)
		if (bit(one.address, i) != bit(net->address, i))
			return false;
	return true;
}
