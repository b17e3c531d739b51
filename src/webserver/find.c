/* SPDX-License-Identifier: MIT */
/*
 * find.c - where the parts of an installed program lie.
 *
 * In this order: an environment variable (tests, packagers), beside this very
 * program (a build folder), where `make install` puts them. Only looks.
 */
#include "webserver/find.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#ifdef HAVE_CONFIG_H
#include <autoconf.h>
#endif

#define DATA_FOLDER "lighttpd"

static bool
executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

/* @name in the folder of this program; "" when that cannot be told. */
static void
beside_program(const char *name, char out[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	int len;

	out[0] = '\0';
	if (n <= 0)
		return;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return;
	len = snprintf(out, PATH_MAX, "%.*s/%s", (int)(slash - self), self,
		       name);
	if (len < 0 || len >= PATH_MAX)
		out[0] = '\0';
}

int
gw_find_program(const char *name, const char *variable, char out[PATH_MAX],
		struct gw_err *err)
{
	const char *wanted = getenv(variable);
	char beside[PATH_MAX], installed[PATH_MAX];

	beside_program(name, beside);
	snprintf(installed, sizeof(installed), GW_LIBEXECDIR "/%s", name);
	if (!wanted || !*wanted)
		wanted = executable(beside) ? beside : installed;
	if (strlen(wanted) < PATH_MAX && executable(wanted)) {
		memcpy(out, wanted, strlen(wanted) + 1);
		return 0;
	}
	return gw_err_set(err, GW_ERR_INTERNAL, 0,
			  "%s is not there or not executable: install the "
			  "program again, or set %s",
			  wanted, variable);
}

int
gw_find_data(const char *name, char out[PATH_MAX], struct gw_err *err)
{
	const char *folder = getenv("ROLEMESH_DATADIR");
	char beside[PATH_MAX];
	int n;

	beside_program(DATA_FOLDER, beside);
	if (!folder || !*folder)
		folder = access(beside, X_OK) == 0 ? beside : GW_DATADIR;
	n = snprintf(out, PATH_MAX, "%s/%s", folder, name);
	if (n > 0 && n < PATH_MAX && access(out, R_OK) == 0)
		return 0;
	return gw_err_set(err, GW_ERR_INTERNAL, errno,
			  "%s/%s cannot be read: install the program again, or "
			  "set ROLEMESH_DATADIR",
			  folder, name);
}

/* /usr/sbin, where Debian has lighttpd, is in no ordinary user's PATH. */
int
gw_find_lighttpd(char out[PATH_MAX], struct gw_err *err)
{
	const char *wanted = getenv("LIGHTTPD");
	const char *const usual[] = {
		GW_LIGHTTPD, "/usr/sbin/lighttpd", "/usr/local/sbin/lighttpd",
		"/usr/bin/lighttpd", "/usr/local/bin/lighttpd"};
	bool given = wanted && *wanted;
	size_t n = given ? 1 : GW_ARRAY_LEN(usual);

	for (size_t i = 0; i < n; i++) {
		const char *path = given ? wanted : usual[i];

		if (strlen(path) >= PATH_MAX || !executable(path))
			continue;
		memcpy(out, path, strlen(path) + 1);
		return 0;
	}
	return gw_err_set(err, GW_ERR_INTERNAL, 0,
			  "lighttpd was not found (%s): install the package "
			  "lighttpd, or set LIGHTTPD to the program's path",
			  given ? wanted : GW_LIGHTTPD);
}
