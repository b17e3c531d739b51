/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - run a libFuzzer target over files, in `make check`.
 *
 * Include it once in a target after unit/tap.h; main() calls fuzz_seeds(). A
 * fault is an abort or a sanitizer's report; each file that survives is one ok.
 * Without arguments the seeds are those in $srcdir/tests/fuzz/seeds/NAME for a
 * program called fuzz_NAME.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_SEED_MAX (1u << 20)

__attribute__((unused)) static void
fuzz_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(FUZZ_SEED_MAX);
	size_t n = 0;

	if (f && data) {
		n = fread(data, 1, FUZZ_SEED_MAX, f);
		LLVMFuzzerTestOneInput(data, n);
	}
	ok(f && data && n > 0, "fuzz: %s -> no fault", path);
	if (f)
		fclose(f);
	free(data);
}

__attribute__((unused)) static void
fuzz_folder(const char *path)
{
	struct dirent **names = NULL;
	int i, n = scandir(path, &names, NULL, alphasort);
	char file[PATH_MAX + NAME_MAX + 2];

	ok(n > 2, "fuzz: %s -> has seeds", path);
	for (i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.') {
			snprintf(file, sizeof(file), "%s/%s", path,
				 names[i]->d_name);
			fuzz_file(file);
		}
		free(names[i]);
	}
	free(names);
}

__attribute__((unused)) static int
fuzz_seeds(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	const char *name = strstr(argv[0], "fuzz_");
	char folder[PATH_MAX];
	int i;

	for (i = 1; i < argc; i++)
		fuzz_file(argv[i]);
	if (argc < 2) {
		while (name && strstr(name + 1, "fuzz_"))
			name = strstr(name + 1, "fuzz_");
		snprintf(folder, sizeof(folder), "%s/tests/fuzz/seeds/%s",
			 srcdir ? srcdir : ".", name ? name + 5 : "");
		fuzz_folder(folder);
	}
	return done_testing();
}

#endif
