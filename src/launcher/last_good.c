/* SPDX-License-Identifier: MIT */
/*
 * last_good.c - copies of the last configuration files that loaded.
 *
 * Layout: FOLDER/last-good is a link to FOLDER/last-good.0 or .1, swapped by
 * rename(2). Each holds 0.yaml (the base), 1.yaml, ... (the overrides) and
 * links 0.from, 1.from, ... to the folders of the originals: a relative
 * ${file:x} is rewritten to go through them, so that it keeps its meaning; for
 * other paths the loader looks for them (GW_CONFIG_ORIGIN).
 */
#include "launcher/last_good.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "config/config.h"
#include "config/yaml.h"
#include "webserver/folder.h"

/* Room for longer ${file:} paths. */
#define COPY_MAX (8u * GW_CONFIG_FILE_MAX)
#define FILE_REF "${file:"

static int
fail(struct gw_err *err, const char *what, const char *path)
{
	int sys = errno;

	return gw_err_set(err, GW_ERR_INTERNAL, sys, "cannot %s %s: %s", what,
			  path, strerror(sys));
}

static int GW_PRINTF(2, 3) path_format(char out[PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, PATH_MAX, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

/*
 * Copy text, leading relative ${file:} paths through the link @via. `$${` is an
 * escaped dollar and stays; so do absolute paths. The link's path is made of
 * harmless characters, so it fits into any YAML style of quoting.
 */
static int
redirect_file_refs(const struct gw_buf *in, const char *via, struct gw_buf *out)
{
	const char *p = in->data, *end = in->data + in->len;

	while (p < end) {
		const char *ref = memmem(p, (size_t)(end - p), FILE_REF,
					 strlen(FILE_REF));
		const char *path = ref ? ref + strlen(FILE_REF) : end;
		bool relative = ref && path < end && *path != '/' &&
				!(ref > in->data && ref[-1] == '$');

		if (gw_buf_append(out, p, (size_t)(path - p)) < 0)
			return -1;
		if (relative &&
		    (gw_buf_puts(out, via) < 0 || gw_buf_puts(out, "/") < 0))
			return -1;
		p = path;
	}
	return 0;
}

static int
copy_one(const char *folder, size_t index, const char *path, char **copied,
	 struct gw_err *err)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(2 * GW_CONFIG_FILE_MAX);
	gw_auto_buf struct gw_buf copy = GW_BUF_INIT(COPY_MAX);
	char to[PATH_MAX], via[PATH_MAX], origin[PATH_MAX], why[256];
	const char *slash = strrchr(path, '/');

	if (path_format(to, "%s/%zu.yaml", folder, index) < 0 ||
	    path_format(via, "%s/%zu" GW_CONFIG_ORIGIN, folder, index) < 0 ||
	    path_format(origin, "%.*s/", slash ? (int)(slash - path) : 0,
			path) < 0)
		return fail(err, "name the copy of", path);
	if (gw_read_file(path, &text, GW_CONFIG_FILE_MAX, why, sizeof(why)) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, 0, "%s %s", path, why);
	if (redirect_file_refs(&text, via, &copy) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, 0,
				  "the copy of %s is too large", path);
	if (symlink(origin, via) < 0 ||
	    gw_file_write(to, copy.data, copy.len) < 0)
		return fail(err, "write", to);
	*copied = strdup(to);
	return *copied ? 0 : fail(err, "remember", to);
}

static void
free_paths(char *paths[GW_INSTANCE_FILES_MAX])
{
	for (size_t i = 0; i < GW_INSTANCE_FILES_MAX; i++)
		free(paths[i]);
}

static int
copy_all(const char *folder, const char *const *paths, size_t n,
	 struct gw_err *err)
{
	char *copies[GW_INSTANCE_FILES_MAX] = {NULL};
	gw_auto_diag struct gw_diag diag = {0};
	struct gw_config *check = NULL;
	int result = 0;

	if (mkdir(folder, 0700) < 0)
		result = fail(err, "create", folder);
	for (size_t i = 0; result == 0 && i < n; i++)
		result = copy_one(folder, i, paths[i], &copies[i], err);
	if (result == 0) {
		check = gw_config_load((const char *const *)copies, n, &diag);
		if (!check)
			result = gw_err_set(err, GW_ERR_INTERNAL, 0,
					    "the copy of %s does not load: %s",
					    paths[0],
					    diag.n ? diag.items[0].text : "?");
	}
	gw_config_unref(check);
	free_paths(copies);
	return result;
}

int
gw_last_good_write(const char *folder, const char *const *paths, size_t n,
		   struct gw_err *err)
{
	char link[PATH_MAX], fresh_link[PATH_MAX], fresh[PATH_MAX], now[16];
	ssize_t len;

	if (path_format(link, "%s/last-good", folder) < 0 ||
	    path_format(fresh_link, "%s/last-good.new", folder) < 0)
		return fail(err, "name the copies in", folder);
	len = readlink(link, now, sizeof(now));
	if (path_format(fresh, "%s/last-good.%c", folder,
			len > 0 && now[len - 1] == '0' ? '1' : '0') < 0)
		return fail(err, "name the copies in", folder);
	/* What a reader may still have open is the one before the present one.
	 */
	gw_folder_remove(fresh);
	if (copy_all(fresh, paths, n, err) < 0) {
		gw_folder_remove(fresh);
		return -1;
	}
	(void)unlink(fresh_link);
	if (symlink(strrchr(fresh, '/') + 1, fresh_link) < 0 ||
	    rename(fresh_link, link) < 0)
		return fail(err, "swap", link);
	return 0;
}
