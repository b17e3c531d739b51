/* SPDX-License-Identifier: MIT */
/*
 * sse_fixture.h - the body of a recorded answer, without chunk framing.
 * Include it once in a program.
 */
#ifndef TESTS_UNIT_SSE_FIXTURE_H
#define TESTS_UNIT_SSE_FIXTURE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE_MAX (64u << 10)

struct fixture {
	char raw[FIXTURE_MAX];
	char body[FIXTURE_MAX];
	size_t len; /* of body */
};

static bool
dechunk(struct fixture *f, const char *p, const char *end)
{
	char *rest;
	size_t size;

	f->len = 0;
	while (p < end) {
		size = strtoul(p, &rest, 16);
		p = rest + 2;
		if (size == 0 || p + size > end)
			break; /* recorded streams may have been cut off */
		memcpy(f->body + f->len, p, size);
		f->len += size;
		p += size + 2;
	}
	return f->len > 0;
}

__attribute__((unused)) static bool
read_fixture(const char *name, struct fixture *f)
{
	const char *srcdir = getenv("srcdir");
	char path[4096];
	const char *head_end;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/tests/fixtures/upstream/%s.http",
		 srcdir ? srcdir : ".", name);
	file = fopen(path, "rb");
	if (!file)
		return false;
	n = fread(f->raw, 1, sizeof(f->raw) - 1, file);
	fclose(file);
	f->raw[n] = '\0';
	head_end = strstr(f->raw, "\r\n\r\n");
	if (!head_end)
		return false;
	head_end += 4;
	if (strstr(f->raw, "Transfer-Encoding: chunked"))
		return dechunk(f, head_end, f->raw + n);
	f->len = n - (size_t)(head_end - f->raw);
	memcpy(f->body, head_end, f->len);
	return f->len > 0;
}

#endif
