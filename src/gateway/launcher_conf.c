/* SPDX-License-Identifier: MIT */
/*
 * launcher_conf.c - lighttpd's configuration, filled in from the template.
 *
 * Paths of the user's choice never get into it: the private folder has links
 * called "responder" and "errors", because lighttpd splits bin-path at blanks.
 */
#include "gateway/launcher.h"

#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "config/doc.h"

#define TEMPLATE_NAME "gateway.conf.in"
#define CONF_MAX (256u << 10)
#define FDS_MIN 256
#define FDS_MAX 65535 /* lighttpd keeps server.max-fds in 16 bits */
#define FDS_OWN 64    /* what lighttpd needs beside its connections */

static const char *
find_var(const struct launcher_var *vars, size_t n, const char *name,
	 size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(vars[i].name) == len &&
		    memcmp(vars[i].name, name, len) == 0)
			return vars[i].value;
	return NULL;
}

/* Length of "@NAME@" at @p, or 0. */
static size_t
place_len(const char *p)
{
	size_t n = strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

	return n > 0 && p[1 + n] == '@' ? n + 2 : 0;
}

static bool
breaks_out(const char *value)
{
	for (; *value; value++)
		if (*value == '"' || *value == '\\' ||
		    iscntrl((unsigned char)*value))
			return true;
	return false;
}

static int
no_room(struct gw_err *err)
{
	return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
			  "the filled-in configuration is too large");
}

static int
put_value(const char *place, size_t len, const struct launcher_var *vars,
	  size_t n, unsigned line, struct gw_buf *out, struct gw_err *err)
{
	const char *value = find_var(vars, n, place + 1, len - 2);

	if (!value)
		return gw_err_set(err, GW_ERR_INTERNAL, 0,
				  TEMPLATE_NAME ":%u: nothing is known as %.*s",
				  line, (int)len, place);
	if (breaks_out(value))
		return gw_err_set(err, GW_ERR_INTERNAL, 0,
				  "the value of %.*s has a quote, a backslash "
				  "or a control character",
				  (int)len, place);
	return gw_buf_puts(out, value) < 0 ? no_room(err) : 0;
}

int
launcher_render(const char *template, const struct launcher_var *vars, size_t n,
		struct gw_buf *out, struct gw_err *err)
{
	unsigned line = 1;
	bool comment = false, line_start = true;

	for (const char *p = template; *p;) {
		size_t len = *p == '@' && !comment ? place_len(p) : 0;

		if (len > 0) {
			if (put_value(p, len, vars, n, line, out, err) < 0)
				return -1;
			p += len;
			continue;
		}
		if (line_start && *p == '#')
			comment = true;
		line_start = line_start && isblank((unsigned char)*p);
		if (*p == '\n') {
			line++;
			line_start = true;
			comment = false;
		}
		if (gw_buf_append(out, p++, 1) < 0)
			return no_room(err);
	}
	return 0;
}

/* lighttpd and the responders may have as many descriptors as there are. */
static unsigned
raise_fd_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return FDS_MIN;
	lim.rlim_cur = lim.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &lim);
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur < FDS_MIN)
		return FDS_MIN;
	return lim.rlim_cur < FDS_MAX ? (unsigned)lim.rlim_cur : FDS_MAX;
}

static int
read_template(struct gw_buf *out, struct gw_err *err)
{
	char path[PATH_MAX], why[256];

	if (launcher_find_data(TEMPLATE_NAME, path, err) < 0)
		return -1;
	if (gw_read_file(path, out, CONF_MAX, why, sizeof(why)) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, 0, "%s %s", path, why);
	return 0;
}

int
launcher_write_conf(const struct launcher *l, struct gw_err *err)
{
	gw_auto_buf struct gw_buf template = GW_BUF_INIT(2 * CONF_MAX);
	gw_auto_buf struct gw_buf conf = GW_BUF_INIT(2 * CONF_MAX);
	const struct gw_config *c = l->config;
	char bind[64], port[16], errors[PATH_MAX], path[PATH_MAX];
	char fds[16], connections[16], request_kib[32], workers[16];
	const struct launcher_var vars[] = {
		{"BIND", bind},
		{"PORT", port},
		{"RUNTIME_DIR", l->folder.path},
		{"ERRORS_DIR", errors},
		{"MAX_FDS", fds},
		{"MAX_CONNECTIONS", connections},
		{"MAX_REQUEST_KIB", request_kib},
		{"WORKERS", workers},
	};
	unsigned max_fds = raise_fd_limit();

	launcher_address_text(&l->address, bind, sizeof(bind));
	snprintf(port, sizeof(port), "%u", (unsigned)c->gateway.port);
	snprintf(errors, sizeof(errors), "%s/errors", l->folder.path);
	snprintf(fds, sizeof(fds), "%u", max_fds);
	snprintf(connections, sizeof(connections), "%u",
		 (max_fds - FDS_OWN) / 2);
	snprintf(request_kib, sizeof(request_kib), "%llu",
		 (unsigned long long)(c->gateway.max_body_bytes + 1023) / 1024 +
			 1);
	snprintf(workers, sizeof(workers), "%u", (unsigned)c->gateway.workers);
	snprintf(path, sizeof(path), "%s/" LAUNCHER_CONF_NAME, l->folder.path);
	if (read_template(&template, err) < 0 ||
	    launcher_render(template.data ? template.data : "", vars,
			    GW_ARRAY_LEN(vars), &conf, err) < 0)
		return -1;
	if (gw_file_write(path, conf.data, conf.len) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "cannot write %s: %s", path, strerror(errno));
	return 0;
}
