/* SPDX-License-Identifier: MIT */
/*
 * output_ring.h - the last lines a child process printed.
 *
 * Bounded whatever the child prints: AG_RING_LINES lines of at most
 * AG_RING_LINE_BYTES each, older ones forgotten, longer ones cut (they end in
 * "..."). Lines are kept as UTF-8; bytes that are none, and control characters,
 * become '?'.
 */
#ifndef AG_PROCESS_OUTPUT_RING_H
#define AG_PROCESS_OUTPUT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AG_RING_LINES 40
#define AG_RING_LINE_BYTES 400

struct ag_output_ring {
	char line[AG_RING_LINES][AG_RING_LINE_BYTES + 1];
	size_t first, n;	/* oldest line; lines held */
	size_t open_len;	/* bytes of the line being printed */
	bool open;		/* the last line has no end yet */
	bool cut;		/* ... and was longer than fits */
	char part[4];		/* a CR, or the beginning of a character */
	size_t n_part;		/* ... its bytes, 0 = none */
	uint64_t bytes;		/* ever fed */
};

/* ag_output_ring_feed - bytes as they came, in any pieces. */
void ag_output_ring_feed(struct ag_output_ring *r, const char *p, size_t n);

/* ag_output_ring_line - line @i of r->n, 0 the oldest; never NULL. */
const char *ag_output_ring_line(const struct ag_output_ring *r, size_t i);

/* ag_output_ring_clear - forget everything. All zero is empty, too. */
void ag_output_ring_clear(struct ag_output_ring *r);

#endif
