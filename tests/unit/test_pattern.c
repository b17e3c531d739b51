/* SPDX-License-Identifier: MIT */
/* test_pattern.c - names with * and ?, and networks with hosts in them. */
#include "base/pattern.h"

#include "base/cidr.h"
#include "tap.h"

static const struct {
	const char *pattern, *name;
	bool fits;
} patterns[] = {
	{"coder", "coder", true},
	{"coder", "coder-a", false},
	{"coder", "code", false},
	{"coder", "Coder", false},
	{"coder", "", false},
	{"", "", true},
	{"", "a", false},
	{"*", "", true},
	{"*", "anything at all", true},
	{"coder-*", "coder-", true},
	{"coder-*", "coder-large", true},
	{"coder-*", "coder", false},
	{"coder-*", "my-coder-a", false},
	{"*-a", "coder-a", true},
	{"*-a", "coder-ab", false},
	{"*-a", "-a-a", true},
	{"a*b*c", "abc", true},
	{"a*b*c", "axxbyyc", true},
	{"a*b*c", "axxbyy", false},
	{"a*b*c", "abcbc", true},
	{"a**c", "abc", true},
	{"**", "x", true},
	{"team-?", "team-a", true},
	{"team-?", "team-", false},
	{"team-?", "team-ab", false},
	{"team-?", "team-\xc3\xa9", true}, /* one character, two bytes */
	{"team-??", "team-\xc3\xa9", false},
	{"?", "\xf0\x9f\x98\x80", true},
	{"*?", "\xc3\xa9", true},
	{"?*", "", false},
	{"*?x", "\xc3\xa9x", true},
	{"*?x", "x", false},
	{"\xc3\xa9*", "\xc3\xa9t\xc3\xa9", true},
	{"a?c", "a*c", true}, /* the way to a literal one */
	{"[ab]", "a", false},
	{"[ab]", "[ab]", true},
	{"a\\*", "a\\b", true}, /* no escapes */
	/* where a walk that tries every way would not end */
	{"*a*a*a*a*a*a*a*a*a*a*a*a*b",
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 false},
};

static const char none[] = "is no network";
static const char bits[] = "has no such number of bits";
static const char set[] = "has bits set";

static const struct {
	const char *text, *wrong; /* NULL: it is one */
} networks[] = {
	{"10.0.0.0/8", NULL},
	{"0.0.0.0/0", NULL},
	{"192.168.1.7", NULL},
	{"192.168.1.7/32", NULL},
	{"192.168.1.6/31", NULL},
	{"fd00::/8", NULL},
	{"::/0", NULL},
	{"::1", NULL},
	{"::1/128", NULL},
	{"::ffff:10.0.0.0/104", NULL},
	{"::ffff:10.0.0.1", NULL},
	{"10.0.0.1/8", set},
	{"192.168.1.7/31", set},
	{"fd00::1/8", set},
	{"::1/127", set},
	{"10.0.0.0/33", bits},
	{"10.0.0.0/", bits},
	{"10.0.0.0/08", bits},
	{"10.0.0.0/-1", bits},
	{"10.0.0.0/8x", bits},
	{"10.0.0.0/8/8", bits},
	{"10.0.0.0/1000", bits},
	{"fd00::/129", bits},
	{"::ffff:10.0.0.0/8", bits},
	{"", none},
	{"/8", none},
	{"10.0.0/8", none},
	{"10/8", none},
	{"010.0.0.0/8", none},
	{"256.0.0.0/8", none},
	{"[fd00::]/8", none},
	{"localhost", none},
	{"10.0.0.0 /8", none},
	{"fd00:::/8", none},
	{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/8", none},
};

static const struct {
	const char *net, *host;
	bool in;
} hosts[] = {
	{"10.0.0.0/8", "10.255.255.255", true},
	{"10.0.0.0/8", "11.0.0.0", false},
	{"10.0.0.0/8", "9.255.255.255", false},
	{"10.64.0.0/10", "10.127.0.1", true},
	{"10.64.0.0/10", "10.128.0.0", false},
	{"192.168.1.7", "192.168.1.7", true},
	{"192.168.1.7", "192.168.1.6", false},
	{"0.0.0.0/0", "8.8.8.8", true},
	{"0.0.0.0/0", "[::1]", false},
	{"::/0", "8.8.8.8", false},
	{"::/0", "[2001:db8::1]", true},
	{"fd00::/8", "[fdff::1]", true},
	{"fd00::/8", "[fe00::1]", false},
	{"fd00::/8", "fd00::1", false}, /* no port could follow it */
	{"fe80::/10", "[fe80::1%25eth0]", true},
	{"fe80::/10", "[fe80::1%eth0]", true},
	{"10.0.0.0/8", "[::ffff:10.1.2.3]", true},
	{"::/0", "[::ffff:10.1.2.3]", false},
	{"::ffff:10.0.0.0/104", "10.1.2.3", true},
	{"::ffff:10.0.0.0/104", "11.1.2.3", false},
	{"0.0.0.0/0", "localhost", false},
	{"0.0.0.0/0", "10.example.com", false},
	{"0.0.0.0/0", "10.1", false},
	{"0.0.0.0/0", "0x0a000001", false},
	{"0.0.0.0/0", "167772161", false},
	{"0.0.0.0/0", "[10.0.0.1]", false},
	{"0.0.0.0/0", "", false},
	{"::/0", "[]", false},
	{"::/0", "[", false},
};

int
main(void)
{
	struct gw_cidr net;

	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		ok(gw_pattern_fits(patterns[i].pattern, patterns[i].name) ==
			   patterns[i].fits,
		   "pattern: `%s` %s `%s`", patterns[i].pattern,
		   patterns[i].fits ? "fits" : "does not fit",
		   patterns[i].name);
	ok(gw_pattern_is_name("coder-[a].b"), "pattern: a name");
	ok(!gw_pattern_is_name("coder-*"), "pattern: a star makes it one");
	ok(!gw_pattern_is_name("coder-?"), "pattern: so does a ?");
	for (size_t i = 0; i < sizeof(networks) / sizeof(*networks); i++) {
		const char *text = networks[i].text, *want = networks[i].wrong;
		const char *wrong = gw_cidr_read(text, strlen(text), &net);

		ok(want ? wrong && strncmp(wrong, want, strlen(want)) == 0
			: !wrong,
		   "network: `%s` -> %s", text, want ? want : "is one");
	}
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		const char *host = hosts[i].host;

		if (gw_cidr_read(hosts[i].net, strlen(hosts[i].net), &net)) {
			ok(false, "network: %s can be read", hosts[i].net);
			continue;
		}
		ok(gw_cidr_holds_host(&net, host, strlen(host)) == hosts[i].in,
		   "network: %s %s %s", host, hosts[i].in ? "in" : "not in",
		   hosts[i].net);
	}
	return done_testing();
}
