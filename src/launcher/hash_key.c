/* SPDX-License-Identifier: MIT */
/*
 * hash_key.c - --hash-key: what stands in a configuration instead of a key.
 *
 * A key on a command line would be in everybody's list of processes and in a
 * shell's history, so it comes on standard input.
 */
#include "launcher/launcher.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/utf8.h"

#define KEY_MAX 4096 /* bytes, as of `key` in a configuration */

static int
refuse(const char *why)
{
	fprintf(stderr, "rolemesh-gateway: --hash-key: %s\n", why);
	return LAUNCHER_EXIT_CONFIG;
}

/* The bytes of a line without its end; one more than @max when it is longer. */
static size_t
read_line(FILE *in, char *line, size_t max)
{
	size_t n = 0;
	int c;

	while (n <= max && (c = getc(in)) != EOF && c != '\n')
		line[n++] = (char)c;
	if (n && line[n - 1] == '\r')
		n--;
	return n;
}

static const char *
wrong_with(const char *key, size_t n)
{
	if (!n)
		return "there is no key on standard input";
	if (n > KEY_MAX)
		return "a key is at most 4096 bytes long";
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)key[i] <= ' ' || key[i] == 0x7f)
			return "a key cannot hold blanks or control "
			       "characters: only the key must be on the first "
			       "line";
	return NULL;
}

int
launcher_hash_key(FILE *in)
{
	char line[KEY_MAX + 2], text[GW_DIGEST_TEXT];
	uint8_t digest[GW_DIGEST_BYTES];
	size_t n = read_line(in, line, KEY_MAX + 1), mark;
	const char *wrong;

	if (ferror(in))
		return refuse("standard input cannot be read");
	mark = n ? gw_utf8_mark(line, n) : 0;
	wrong = wrong_with(line + mark, n - mark);
	gw_digest(line + mark, n - mark, digest);
	explicit_bzero(line, sizeof(line));
	if (wrong)
		return refuse(wrong);
	gw_digest_hex(digest, text);
	puts(text);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
