/* SPDX-License-Identifier: MIT */
/*
 * test_config_limits.c - files made to hurt: a clear error, soon.
 *
 * Each one must be refused within SOON_MS of CPU time, also under a sanitizer.
 */
#include <limits.h>

#include "config_fixture.h"

#define E "base.yaml:"
/* However fast this machine is: not longer than so many plain files take. */
#define SOON_FILES 200
#define PLAIN_VALUES 10000

static unsigned long soon_ms;

static void
put(struct gw_buf *b, const char *text, size_t times)
{
	while (times--)
		if (gw_buf_puts(b, text) < 0)
			fixture_fatal("out of memory");
}

/* The first finding of a file is @want, or NULL: it loads. */
static void
expect_first(const char *title, const struct gw_buf *text, const char *want)
{
	const char *paths[] = {"base.yaml"};
	struct gw_diag diag = {0};
	unsigned long before = cpu_ms();
	struct gw_config *c;

	write_bytes("base.yaml", text->data, text->len);
	c = gw_config_load(paths, 1, &diag);
	is_str(diag.n ? diag.items[0].text : NULL, want, title);
	ok((c != NULL) == (want == NULL), "%s: and the outcome", title);
	ok(cpu_ms() - before < soon_ms, "%s: and soon", title);
	gw_config_unref(c);
	gw_diag_release(&diag);
}

/* What is soon: measured with a file that nothing is wrong with. */
static void
measure(void)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 20);
	unsigned long before = cpu_ms();

	soon_ms = ULONG_MAX;
	put(&b, "models: {m: {type: discovered, defaults: {l: [0", 1);
	put(&b, ", 1", PLAIN_VALUES);
	put(&b, "]}}}\n", 1);
	expect_first("limits: a plain file", &b, NULL);
	soon_ms = SOON_FILES * (cpu_ms() - before + 1);
}

static void
alias_bomb(void)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 16);

	put(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n", 1);
	for (int i = 1; i < 10; i++) {
		if (gw_buf_printf(&b, "a%d: &a%d [", i, i) < 0)
			fixture_fatal("out of memory");
		for (int k = 0; k < 10; k++)
			if (gw_buf_printf(&b, "%s*a%d", k ? ", " : "", i - 1) <
			    0)
				fixture_fatal("out of memory");
		put(&b, "]\n", 1);
	}
	expect_first("limits: ten levels of ten aliases", &b,
		     E "6:15: error: the file holds more than 250000 values or "
		       "4194304 bytes once its aliases are expanded");
}

/* The same with merges, and one mapping that many sources are merged into. */
static void
merge_bombs(void)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 20);
	struct gw_buf many GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 20);

	put(&b, "a0: &a0 {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1}\n", 1);
	for (int i = 1; i < 10; i++) {
		if (gw_buf_printf(&b, "a%d: &a%d {", i, i) < 0)
			fixture_fatal("out of memory");
		for (int k = 0; k < 10; k++)
			if (gw_buf_printf(&b, "k%d: {<<: [*a%d, *a%d]}, ", k,
					  i - 1, i - 1) < 0)
				fixture_fatal("out of memory");
		put(&b, "}\n", 1);
	}
	expect_first("limits: ten levels of twenty merges", &b,
		     E "5:179: error: the file holds more than 250000 values or "
		       "4194304 bytes once its aliases are expanded");
	put(&many, "x-a: &a {k: 1}\nx-b: {<<: [*a", 1);
	put(&many, ", *a", 20000);
	put(&many, "]}\nmodels: {m: {type: discovered}}\n", 1);
	expect_first("limits: 20,001 sources of one mapping", &many, NULL);
}

static void
alias_of_long_text(void)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 20);

	put(&b, "a: &a \"", 1);
	put(&b, "0123456789abcdef", 32768);
	put(&b, "\"\nb: [", 1);
	put(&b, "*a, ", 100);
	put(&b, "]\n", 1);
	expect_first("limits: half a megabyte a hundred times", &b,
		     E "2:29: error: the file holds more than 250000 values or "
		       "4194304 bytes once its aliases are expanded");
}

static void
large_files(void)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(16 << 20);

	put(&b, DISCOVERED_MODEL "#", 1);
	put(&b, "x", (4 << 20) - b.len);
	expect_first("limits: exactly 4 MiB", &b, NULL);
	put(&b, "x", 1);
	expect_first("limits: one byte more", &b,
		     "base.yaml: error: is larger than 4194304 bytes");
	put(&b, "0123456789", 1 << 20);
	expect_first("limits: more than 10 MB", &b,
		     "base.yaml: error: is larger than 4194304 bytes");
}

static void
deep_files(void)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 20);

	put(&b, "[", 1 << 20);
	expect_first("limits: a million open brackets", &b,
		     E "1:65: error: nested too deep (more than 64 levels)");
	gw_buf_clear(&b);
	put(&b, "{a: ", 1 << 18);
	expect_first("limits: open braces", &b,
		     E "1:257: error: nested too deep (more than 64 levels)");
	gw_buf_clear(&b);
	put(&b, "- ", 1 << 19);
	expect_first("limits: nested dashes", &b,
		     E "1:129: error: nested too deep (more than 64 levels)");
	gw_buf_clear(&b);
	/* models, m and defaults are three of the 64 */
	put(&b, PROXY_MODEL "    defaults: {x: ", 1);
	put(&b, "[", 60);
	put(&b, "]", 60);
	put(&b, "}\n", 1);
	expect_first("limits: 64 levels", &b, NULL);
}

static void
wide_files(void)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 21);

	for (int i = 0; i < 150000; i++)
		if (gw_buf_printf(&b, "k%d: 1\n", i) < 0)
			fixture_fatal("out of memory");
	expect_first("limits: 300,000 values", &b,
		     E "125000:10: error: the file holds more than 250000 values "
		       "or 4194304 bytes once its aliases are expanded");
	gw_buf_clear(&b);
	for (int i = 0; i < 124000; i++)
		if (gw_buf_printf(&b, "k%d: 1\n", i) < 0)
			fixture_fatal("out of memory");
	expect_first("limits: 124,000 unknown keys", &b,
		     E "1:1: error: unknown key `k0`; known here: `version`, "
		       "`default_model`, `gateway`, `auth`, `models`, `nodes`");
	gw_buf_clear(&b);
	put(&b, "a: 1\n", 124000);
	expect_first("limits: one key 124,000 times", &b,
		     E "2:1: error: duplicate key `a`; it stands at line 1 "
		       "already");
	gw_buf_clear(&b);
	put(&b, "x", 900000);
	put(&b, ": 1\n", 1);
	expect_first("limits: a key of 900,000 bytes", &b,
		     E "1:900001: error: YAML: mapping values are not allowed "
		       "in this context");
	gw_buf_clear(&b);
	put(&b, "a: [", 1);
	put(&b, "&x 1, ", 2000);
	put(&b, "]\n", 1);
	expect_first("limits: 2,000 anchors", &b,
		     E "1:6149: error: the file has too many anchors");
}

static void
many_models(void)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 20);

	put(&b, "models:\n", 1);
	for (int i = 0; i < 1024; i++)
		if (gw_buf_printf(&b, "  m%d: {type: discovered}\n", i) < 0)
			fixture_fatal("out of memory");
	expect_first("limits: 1,024 models", &b, NULL);
	put(&b, "  one-more: {type: discovered}\n", 1);
	expect_first("limits: 1,025 models", &b,
		     E "1026:13: error: models: at most 1024 are possible");
}

static void
long_values(void)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 20);

	put(&b, PROXY_MODEL "    defaults: {x: 0x", 1);
	put(&b, "f", 1022);
	put(&b, "}\n", 1);
	expect_first("limits: a number of 1,024 characters", &b, NULL);
	gw_buf_clear(&b);
	put(&b, PROXY_MODEL "    defaults: {x: ", 1);
	put(&b, "7", 1025);
	put(&b, "}\n", 1);
	expect_first("limits: a number of 1,025 characters", &b,
		     E "5:19: error: the number is too long");
	gw_buf_clear(&b);
	put(&b, "models: {\"", 1);
	put(&b, "a", 256);
	put(&b, "\": {type: proxy, proxy_url: http://a}}\n", 1);
	expect_first("limits: an alias of 256 bytes", &b, NULL);
	gw_buf_clear(&b);
	put(&b, "models: {\"", 1);
	put(&b, "a", 257);
	put(&b, "\": {type: proxy, proxy_url: http://a}}\n", 1);
	{
		struct gw_diag diag = {0};
		struct gw_config *c = load_texts(b.data, NULL, &diag);

		ok(!c && diag.errors == 1 &&
			   strstr(diag.items[0].text,
				  "an alias is at most 256 bytes long"),
		   "limits: an alias of 257 bytes");
		gw_config_unref(c);
		gw_diag_release(&diag);
	}
}

/* Many models that share one large `defaults` by an alias. */
static void
shared_defaults(void)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 20);
	struct gw_diag diag = {0};
	struct gw_config *c;

	put(&b, "models:\n  m: {type: discovered, defaults: &d {x: \"", 1);
	/* six bytes of JSON for each of them */
	put(&b, "\\x01", 100000);
	put(&b, "\"}}\n", 1);
	for (int i = 0; i < 40; i++)
		if (gw_buf_printf(&b,
				  "  m%d: {type: discovered, defaults: *d}\n",
				  i) < 0)
			fixture_fatal("out of memory");
	c = load_texts(b.data, NULL, &diag);
	ok(!c && diag.n &&
		   strstr(diag.items[0].text, "too much text in `defaults`"),
	   "limits: 24 MB of JSON out of one alias -> refused");
	gw_diag_release(&diag);
}

int
main(void)
{
	fixture_begin();
	measure();
	alias_bomb();
	merge_bombs();
	alias_of_long_text();
	large_files();
	deep_files();
	wide_files();
	many_models();
	long_values();
	shared_defaults();
	return fixture_end();
}
