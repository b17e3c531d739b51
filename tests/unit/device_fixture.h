/* SPDX-License-Identifier: MIT */
/* device_fixture.h - answers of vendor tools, and samples as one line. */
#ifndef TESTS_UNIT_DEVICE_FIXTURE_H
#define TESTS_UNIT_DEVICE_FIXTURE_H

#include <limits.h>
#include <stdlib.h>

#include "agent/device/internal.h"
#include "unit/tap.h"

#define FIXTURE_BYTES_MAX 8192

/* A file of tests/fixtures/devices with a '\0' behind it. The caller frees. */
static inline char *
fixture_read(const char *name, size_t *len)
{
	const char *top = getenv("srcdir");
	char path[PATH_MAX], *text = malloc(FIXTURE_BYTES_MAX);
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/fixtures/devices/%s",
		 top ? top : ".", name);
	f = fopen(path, "rb");
	if (!f || !text) {
		printf("Bail out! cannot read %s\n", path);
		exit(1);
	}
	*len = fread(text, 1, FIXTURE_BYTES_MAX - 1, f);
	text[*len] = '\0';
	fclose(f);
	return text;
}

/* "index name uuid total/free MiB use% temperature power"; -1 is unknown. */
static inline const char *
sample_text(const struct ag_sample *s, char *out, size_t cap)
{
	snprintf(out, cap, "%u '%s' '%s' %lld/%lld MiB %lld%% %lldC %lldmW",
		 s->index, s->name, s->uuid, (long long)s->memory_total_mib,
		 (long long)s->memory_free_mib, (long long)s->utilisation_pct,
		 (long long)s->temperature_c, (long long)s->power_mw);
	return out;
}

#endif
