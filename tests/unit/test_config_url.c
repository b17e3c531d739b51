/* SPDX-License-Identifier: MIT */
/* test_config_url.c - which upstream addresses are taken, and in what form. */
#include "config/url.h"
#include "tap.h"

static const struct {
	const char *url, *want; /* NULL: refused */
	const char *why;	/* part of the reason */
} cases[] = {
	{"http://127.0.0.1:8011", "http://127.0.0.1:8011", NULL},
	{"http://127.0.0.1:8011/", "http://127.0.0.1:8011", NULL},
	{"http://127.0.0.1:8011/v1", "http://127.0.0.1:8011", NULL},
	{"http://127.0.0.1:8011/v1/", "http://127.0.0.1:8011", NULL},
	{"http://h//", "http://h", NULL},
	{"http://h/v1/v1", "http://h/v1", NULL},
	{"http://h/v10", "http://h/v10", NULL},
	{"http://h/xv1", "http://h/xv1", NULL},
	{"https://h/openai", "https://h/openai", NULL},
	{"https://h/openai/v1/", "https://h/openai", NULL},
	{"https://h/a/b/", "https://h/a/b", NULL},
	{"http://h/a/../b", "http://h/b", NULL},
	{"HTTP://h", "http://h", NULL},
	{"http://[::1]:8011/v1", "http://[::1]:8011", NULL},
	{"http://[fe80::1%25eth0]:1", "http://[fe80::1%25eth0]:1", NULL},
	{"http://h:1", "http://h:1", NULL},
	{"http://h:65535", "http://h:65535", NULL},
	{"http://a-b.c_d.example", "http://a-b.c_d.example", NULL},
	{"http://h/p@q", "http://h/p@q", NULL},
	{"http://h/models", "http://h/models", NULL},
	{"http://h/models/x/v1", "http://h/models/x", NULL},
	{"http://h/chat", "http://h/chat", NULL},
	{"http://h:1/v1/chat/completions", NULL,
	 "`/chat/completions`; write `http://h:1`"},
	{"http://h/v1/chat/completions/", NULL, "; write `http://h`"},
	{"http://h/p/v1//chat/completions", NULL, "path of an endpoint"},
	{"http://h/chat/completions", NULL, "; write `http://h`"},
	{"https://h/a/v1/completions", NULL, "; write `https://h/a`"},
	{"http://h/v1/embeddings", NULL, "`/embeddings`; write `http://h`"},
	{"http://h/v1/messages/count_tokens", NULL, "; write `http://h`"},
	{"http://h/v1/messages", NULL, "; write `http://h`"},
	{"http://h/v1/responses", NULL, "; write `http://h`"},
	{"http://h/v1/rerank", NULL, "; write `http://h`"},
	{"http://h/v1/models", NULL, "`/models`; write `http://h`"},
	{"http://h/v1/health", NULL, "; write `http://h`"},
	{"http://h/health", NULL, "; write `http://h`"},
	{"http://h/v1/chat", NULL, "`/chat`; write `http://h`"},
	{"http://h/v1/audio/speech", NULL, "; write `http://h`"},
	{"http://h/v1/nodes/register", NULL, "; write `http://h`"},
	{"http://h:11434/api/chat", NULL, "; write `http://h:11434`"},
	{"http://h:11434/api/generate", NULL, "; write `http://h:11434`"},
	{"", NULL, "empty"},
	{"h:8011", NULL, "must begin with"},
	{"//h", NULL, "must begin with"},
	{"/v1", NULL, "must begin with"},
	{"file:///etc/passwd", NULL, "must begin with"},
	{"ftp://h", NULL, "must begin with"},
	{"unix:/run/x", NULL, "must begin with"},
	{"http:h", NULL, "must begin with"},
	{"http:/h", NULL, "must begin with"},
	{"http://", NULL, "no host"},
	{"http:///v1", NULL, "no host"},
	{"http://:80", NULL, "no host"},
	{"http://?x", NULL, "no host"},
	{"http://h:0", NULL, "port"},
	{"http://h:00", NULL, "port"},
	{"http://h:65536", NULL, "port"},
	{"http://h:-1", NULL, "port"},
	{"http://h:8x", NULL, "port"},
	{"http://u:p@h", NULL, "user or password"},
	{"http://u@h", NULL, "user or password"},
	{"http://@h", NULL, "user or password"},
	{"http://h/?q=1", NULL, "query"},
	{"http://h?", NULL, "query"},
	{"http://h/#f", NULL, "fragment"},
	{"http://h/a b", NULL, "blank"},
	{" http://h", NULL, "blank"},
	{"http://h\n", NULL, "blank"},
	{"http://h\x7f", NULL, "blank"},
	{"http://h\\@x", NULL, "backslash"},
	{"http://m\xc3\xbcller.example", NULL, "xn--"},
	{"http://m%c3%bcller.example", NULL, "xn--"},
	{"https://\xe4\xbe\x8b\xe3\x81\x88.jp:8011/v1", NULL, "xn--"},
	{"http://a\xff", NULL, "xn--"},
	{"http://xn--mller-kva.example", "http://xn--mller-kva.example", NULL},
	{"http://[::1", NULL, "cannot be used"},
	{"http://[xyz]", NULL, "cannot be used"},
};

static void
one(size_t i)
{
	struct gw_err err = {0};
	char *out = NULL;
	int r = gw_base_url(cases[i].url, strlen(cases[i].url), &out, &err);
	char title[160];

	if (cases[i].want) {
		snprintf(title, sizeof(title), "url %zu: becomes %s", i,
			 cases[i].want);
		is_str(r == 0 ? out : err.msg, cases[i].want, title);
		ok(err.code == GW_OK, "url %zu: no error is set", i);
	} else {
		ok(r == -1 && !out && err.code == GW_ERR_INVALID_REQUEST &&
			   strstr(err.msg, cases[i].why),
		   "url %zu: refused, the reason says: %s", i, cases[i].why);
		if (r == 0 || !strstr(err.msg, cases[i].why))
			printf("# %s -> %s\n", cases[i].url,
			       r == 0 ? out : err.msg);
	}
	free(out);
}

static void
lengths(void)
{
	static char url[2100];
	struct gw_err err = {0};
	char *out = NULL;

	memset(url, 'a', sizeof(url));
	memcpy(url, "http://h/", 9);
	is_int(gw_base_url(url, 2048, &out, &err), 0, "url: 2,048 bytes");
	free(out);
	out = NULL;
	is_int(gw_base_url(url, 2049, &out, &err), -1, "url: 2,049 bytes");
	ok(strstr(err.msg, "longer than 2048") != NULL,
	   "url: says how long it may be");
	is_int(gw_base_url("http://h\0/x", 11, &out, &err), -1,
	       "url: a NUL is refused");
	is_int(gw_base_url("http://h/v1junk", 11, &out, &err), 0,
	       "url: only len bytes count");
	is_str(out, "http://h", "url: the rest is not looked at");
	free(out);
}

static void
loopback_hosts(void)
{
	static const char *const own[] = {
		"127.0.0.1",
		"127.1.2.3",
		"::1",
		"[::1]",
		"localhost",
		"LocalHost",
		"::ffff:127.0.0.1",
		"[0:0::1]",
	};
	static const char *const others[] = {
		"",
		"0.0.0.0",
		"::",
		"[::]",
		"10.0.0.1",
		"127.example.com",
		"127.0.0.1.example.com",
		"128.0.0.1",
		"localhost.example.com",
		"[::1",
		"[127.0.0.1]",
		"::ffff:10.0.0.1",
		"fe80::1",
		"a-host-name-that-is-longer-than-any-address-of-a-host",
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(own); i++)
		ok(gw_host_is_loopback(own[i]), "loopback: '%s'", own[i]);
	for (size_t i = 0; i < GW_ARRAY_LEN(others); i++)
		ok(!gw_host_is_loopback(others[i]), "not loopback: '%s'",
		   others[i]);
}

static void
listen_hosts(void)
{
	static const char *const good[] = {
		"0.0.0.0", "127.0.0.1",	     "::",	 "::1",
		"[::]",	   "[fe80::1%eth0]", "fe80::1",	 "localhost",
		"a_b-c",   "h.example",	     "10.0.0.1",
	};
	static const struct {
		const char *host, *why;
	} bad[] = {
		{"0.0.0.0:8000", "write `0.0.0.0` and give the port (8000)"},
		{"localhost:8000", "write `localhost` and"},
		{"[::]:8000", "write `[::]` and give the port (8000)"},
		{"h:", "write `h` and"},
		{"http://0.0.0.0:8000", "write `0.0.0.0` and"},
		{"https://h/v1", "write `h` and"},
		{"*", "write `0.0.0.0` or `::`"},
		{"*:8000", "write `*` and"},
		{"h/v1", "is no host"},
		{"", "is no host"},
		{"[::1", "is no host"},
		{"[h]", "is no host"},
		{"::1]", "is no host"},
		{"[]", "is no host"},
		{"1:2:3", "is no host"},
		{":8000", "is no host"},
		{"a b", "is no host"},
		{"a\"b", "is no host"},
	};
	struct gw_err err;

	for (size_t i = 0; i < GW_ARRAY_LEN(good); i++)
		ok(gw_host_check(good[i], &err) == 0, "host: '%s'", good[i]);
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++)
		ok(gw_host_check(bad[i].host, &err) < 0 &&
			   strstr(err.msg, bad[i].why),
		   "host: '%s' -> %s", bad[i].host, bad[i].why);
}

int
main(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++)
		one(i);
	lengths();
	loopback_hosts();
	listen_hosts();
	return done_testing();
}
