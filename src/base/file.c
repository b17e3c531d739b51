/* SPDX-License-Identifier: MIT */
/*
 * file.c - a regular file as bytes, and nothing else than a regular file.
 *
 * A configuration path may be anything: a FIFO or a terminal would hold the
 * event loop for ever, opening a device may do something.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES (16u << 10)

static int
fail(char *why, size_t why_bytes, int error)
{
	snprintf(why, why_bytes, "%s", strerror(error));
	return -1;
}

static int
refuse_kind(char *why, size_t why_bytes, mode_t mode)
{
	snprintf(why, why_bytes, "is %s, not a regular file",
		 S_ISDIR(mode)	  ? "a folder"
		 : S_ISFIFO(mode) ? "a FIFO"
		 : S_ISSOCK(mode) ? "a socket"
				  : "a device");
	return -1;
}

static int
read_all(int fd, struct gw_buf *out, size_t max, char *why, size_t why_bytes)
{
	for (;;) {
		ssize_t n;

		if (gw_buf_reserve(out, READ_BYTES) < 0)
			return fail(why, why_bytes, ENOMEM);
		n = read(fd, out->data + out->len, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(why, why_bytes, errno);
		if (n == 0)
			return 0;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (out->len > max) {
			snprintf(why, why_bytes, "is larger than %zu bytes",
				 max);
			return -1;
		}
	}
}

int
gw_read_file(const char *path, struct gw_buf *out, size_t max, char *why,
	     size_t why_bytes)
{
	gw_auto_fd int fd = -1;
	struct stat st;

	/* Before opening too: opening a device can have an effect. */
	if (stat(path, &st) < 0)
		return fail(why, why_bytes, errno);
	if (!S_ISREG(st.st_mode))
		return refuse_kind(why, why_bytes, st.st_mode);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(why, why_bytes, errno);
	if (!S_ISREG(st.st_mode))
		return refuse_kind(why, why_bytes, st.st_mode);
	gw_buf_release(out);
	gw_buf_init(out, max + 2 * READ_BYTES);
	return read_all(fd, out, max, why, why_bytes);
}

const char *
gw_default_file(const char *here, const char *installed, bool *found)
{
	*found = true;
	if (access(here, F_OK) == 0)
		return here;
	if (access(installed, F_OK) == 0)
		return installed;
	*found = false;
	return here;
}
