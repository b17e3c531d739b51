/* SPDX-License-Identifier: MIT */
/* via.c - the list in X-RoleMesh-Via; knows no request. */
#include "serve/via.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/line.h"

#define DIGITS "0123456789abcdef"
#define NAME_LEN (GW_VIA_NAME_BYTES - 1)

void
gw_via_name(uint64_t number, char name[GW_VIA_NAME_BYTES])
{
	snprintf(name, GW_VIA_NAME_BYTES, "%016" PRIx64, number);
}

static bool
is_name(const char *p, size_t n)
{
	return n == NAME_LEN && strspn(p, DIGITS) >= n;
}

static int
loop(const char *how, struct gw_err *err)
{
	return gw_err_set(
		err, GW_ERR_LOOP_DETECTED, 0,
		"loop: %s; the proxy_url of an alias or the base_url of a node "
		"is an address of the gateway itself, or leads back to it",
		how);
}

int
gw_via_read(const char *header, const char *own, char out[GW_VIA_BYTES],
	    struct gw_err *err)
{
	static const char between[] = ", \t";
	size_t len = 0, n = 0;

	out[0] = '\0';
	for (const char *p = header ? header : ""; *p;) {
		size_t word = strcspn(p, between);

		if (is_name(p, word)) {
			if (strncmp(p, own, NAME_LEN) == 0)
				return loop("this request has come back to the "
					    "gateway that sent it",
					    err);
			if (n++ == GW_VIA_MAX)
				return loop("this request has passed too many "
					    "gateways",
					    err);
			len += (size_t)snprintf(out + len, GW_VIA_BYTES - len,
						"%s%.*s", len ? ", " : "",
						(int)word, p);
		}
		p += word;
		p += strspn(p, between);
	}
	return 0;
}

void
gw_via_add(const char *passed, const char *own, char out[GW_VIA_BYTES])
{
	struct gw_line l = {.text = out, .cap = GW_VIA_BYTES - 1};

	gw_line_puts(&l, passed);
	gw_line_puts(&l, *passed ? ", " : "");
	gw_line_puts(&l, own);
	out[l.len] = '\0';
}
