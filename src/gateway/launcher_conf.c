/* SPDX-License-Identifier: MIT */
/*
 * launcher_conf.c - lighttpd's configuration, filled in from the template.
 *
 * Paths of the user's choice never get into it: the private folder has links
 * called "responder" and "errors", because lighttpd splits bin-path at blanks.
 */
#include "gateway/launcher.h"

#include <string.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "config/doc.h"
#include "webserver/find.h"
#include "webserver/listen.h"
#include "webserver/render.h"

#define TEMPLATE_NAME "gateway.conf.in"
#define CONF_MAX (256u << 10)
#define FDS_MIN 256
#define FDS_MAX 65535 /* lighttpd keeps server.max-fds in 16 bits */
#define FDS_OWN 64    /* what lighttpd needs beside its connections */

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

	if (gw_find_data(TEMPLATE_NAME, path, err) < 0)
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
	const struct gw_render_var vars[] = {
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

	gw_address_text(&l->address, bind, sizeof(bind));
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
	    gw_render(TEMPLATE_NAME, template.data ? template.data : "", vars,
		      GW_ARRAY_LEN(vars), &conf, err) < 0)
		return -1;
	if (gw_file_write(path, conf.data, conf.len) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "cannot write %s: %s", path, strerror(errno));
	return 0;
}
