/* SPDX-License-Identifier: MIT */
/* file.h - a whole regular file as bytes. */
#ifndef GW_BASE_FILE_H
#define GW_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/*
 * gw_read_file - the bytes of a regular file.
 * @out  emptied and filled; a '\0' that does not count stands behind the bytes
 * @max  more bytes are an error
 * @why  set to a sentence without the path on failure
 * Returns 0 / -1. Never waits: FIFOs, devices and folders are refused.
 */
GW_MUSTCHECK int gw_read_file(const char *path, struct gw_buf *out, size_t max,
			      char *why, size_t why_bytes);

/*
 * gw_default_file - where a program looks that was told no file.
 * @here       relative: in the current folder, first
 * @installed  absolute, then
 * @found      set to whether the returned one exists
 * Returns @installed if only that exists, else @here.
 */
const char *gw_default_file(const char *here, const char *installed,
			    bool *found);

#endif
