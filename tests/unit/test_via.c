/* SPDX-License-Identifier: MIT */
/*
 * test_via.c - whom a request has passed: found again, bounded, and whatever a
 * stranger writes into the header.
 */
#include "serve/via.h"
#include "tap.h"

#define OWN "00000000000000ff"
#define A "0123456789abcdef"
#define B "fedcba9876543210"

static char out[GW_VIA_BYTES];
static struct gw_err err;

static int
read_via(const char *header)
{
	err = (struct gw_err){0};
	return gw_via_read(header, OWN, out, &err);
}

static void
is_read(const char *header, const char *names, const char *title)
{
	ok(read_via(header) == 0 && err.code == GW_OK, "%s: no loop", title);
	is_str(out, names, title);
}

/* @n different names. */
static void
many(char *text, size_t cap, int n)
{
	size_t len = 0;

	for (int i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, cap - len, "%s%016x",
					i ? ", " : "", 0x1000 + i);
}

int
main(void)
{
	char text[1000], name[GW_VIA_NAME_BYTES], sent[GW_VIA_BYTES];

	gw_via_name(255, name);
	is_str(name, OWN, "via: a name is 16 digits");
	is_read(NULL, "", "via: no header");
	is_read("", "", "via: an empty one");
	is_read(A, A, "via: one name");
	is_read(A "," B, A ", " B, "via: two of them");
	is_read("  " A " ,\t, " B ",", A ", " B, "via: odd blanks");
	is_read("x, " A "0, 0123456789ABCDEF, 0123456789abcde, " B, B,
		"via: what is no name is left out");
	ok(read_via(OWN) < 0 && err.code == GW_ERR_LOOP_DETECTED,
	   "via: our own -> a loop");
	ok(read_via(A ", " B "," OWN ", " A) < 0, "via: somewhere in it");
	ok(strncmp(err.msg, "loop: ", 6) == 0, "via: and the message says so");
	many(text, sizeof(text), GW_VIA_MAX);
	is_read(text, text, "via: as many as may be");
	gw_via_add(out, OWN, sent);
	ok(strlen(sent) == strlen(text) + 2 + strlen(OWN) &&
		   strcmp(sent + strlen(text) + 2, OWN) == 0,
	   "via: and there is room for us");
	many(text, sizeof(text), GW_VIA_MAX + 1);
	ok(read_via(text) < 0 && err.code == GW_ERR_LOOP_DETECTED,
	   "via: one more -> refused");
	gw_via_add("", OWN, sent);
	is_str(sent, OWN, "via: nobody before us");
	return done_testing();
}
