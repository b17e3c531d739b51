/* SPDX-License-Identifier: MIT */
/*
 * config_fixture.h - configuration files from texts, in a folder of the test.
 *
 * fixture_begin() changes into a fresh folder, so that findings read
 * "base.yaml:1:2: ..."; fixture_end() removes it.
 */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "tap.h"

static char fixture_folder[PATH_MAX];
static char fixture_source[PATH_MAX]; /* top of the source tree */

static inline void
fixture_fatal(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

static inline void
fixture_begin(void)
{
	const char *tmp = getenv("TMPDIR");
	const char *srcdir = getenv("srcdir");

	if (!realpath(srcdir ? srcdir : ".", fixture_source))
		fixture_fatal("no source folder");
	snprintf(fixture_folder, sizeof(fixture_folder), "%s/gw-config-XXXXXX",
		 tmp ? tmp : "/tmp");
	if (!mkdtemp(fixture_folder) || chdir(fixture_folder) < 0)
		fixture_fatal("no folder for the test");
}

static inline int
fixture_remove(const char *path, const struct stat *st, int type,
	       struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline int
fixture_end(void)
{
	if (chdir("/") < 0)
		fixture_fatal("cannot leave the folder of the test");
	nftw(fixture_folder, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
	return done_testing();
}

static inline void
write_bytes(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
		fixture_fatal("cannot write a file of the test");
}

static inline void
write_text(const char *path, const char *text)
{
	write_bytes(path, text, strlen(text));
}

/* The path of a file below tests/fixtures/config; valid until the next call. */
static inline const char *
fixture_path(const char *name)
{
	static char path[2][2 * PATH_MAX];
	static unsigned turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/tests/fixtures/config/%s",
		 fixture_source, name);
	return path[turn];
}

/* base.yaml holds @base; over.yaml, when @over is not NULL, lies on top. */
static inline struct gw_config *
load_texts(const char *base, const char *over, struct gw_diag *diag)
{
	const char *paths[] = {"base.yaml", "over.yaml"};

	write_text(paths[0], base);
	if (over)
		write_text(paths[1], over);
	return gw_config_load(paths, over ? 2 : 1, diag);
}

/* All findings, one a line; the caller frees. */
static inline char *
diag_text(const struct gw_diag *diag)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		fixture_fatal("out of memory");
	gw_diag_print(diag, f);
	fclose(f);
	return text;
}

/* The findings of a load are exactly @want (lines), and it failed or not. */
static inline void
expect_findings(const char *title, const char *base, const char *over,
		const char *want)
{
	struct gw_diag diag = {0};
	struct gw_config *c = load_texts(base, over, &diag);
	char *got = diag_text(&diag);

	is_str(got, want, title);
	if ((c == NULL) != (diag.errors > 0))
		ok(false, "%s: loaded although there were errors, or not",
		   title);
	free(got);
	gw_config_unref(c);
	gw_diag_release(&diag);
}

/* A load without findings; NULL after a failed test. */
static inline struct gw_config *
expect_loads(const char *title, const char *base, const char *over)
{
	struct gw_diag diag = {0};
	struct gw_config *c = load_texts(base, over, &diag);

	ok(c != NULL && diag.n == 0, "%s", title);
	for (size_t i = 0; i < diag.n; i++)
		printf("# %s\n", diag.items[i].text);
	gw_diag_release(&diag);
	return c;
}

/* One model `m` around lines that are indented by four blanks. */
#define PROXY_MODEL                                                            \
	"models:\n  m:\n    type: proxy\n    proxy_url: http://127.0.0.1:1\n"
#define DISCOVERED_MODEL "models: {m: {type: discovered}}\n"

#endif
