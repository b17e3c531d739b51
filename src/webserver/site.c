/* SPDX-License-Identifier: MIT */
/*
 * site.c - what has to be in place before lighttpd starts.
 *
 * Starts nothing, and knows nothing of what will answer behind lighttpd.
 */
#include "webserver/site.h"

#include <assert.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "webserver/find.h"
#include "webserver/listen.h"

/* A web server whose owner was killed needs a moment to let the port go. */
#define LEFTOVER_PORT_WAIT_MS 5000
#define COMMON_TEMPLATE "server.conf.in"
#define COMMON_CONF "server.conf"
#define CONF_MAX (256u << 10)
#define FDS_MIN 256
#define FDS_MAX 65535 /* lighttpd keeps server.max-fds in 16 bits */
#define FDS_OWN 64    /* what lighttpd needs beside its connections */
/* The client's, the FastCGI connection's, and a file for what of a body or an
 * answer does not fit into memory. Without the last one lighttpd ends an answer
 * in the middle as if it were whole. */
#define FDS_PER_CONNECTION 3

void
gw_site_init(struct gw_site *s, const char *program, const char *tag)
{
	memset(s, 0, sizeof(*s));
	s->program = program;
	s->tag = tag;
	s->folder.lock_fd = -1;
	s->listen_fd = -1;
}

int
gw_site_listen(struct gw_site *s, const char *host, uint32_t port,
	       bool leftover, const char *port_settings, struct gw_err *err)
{
	char text[64];

	s->listen_fd =
		gw_listen(host, port, leftover ? LEFTOVER_PORT_WAIT_MS : 0,
			  port_settings, &s->address, err);
	if (s->listen_fd < 0)
		return -1;
	s->port = port;
	snprintf(s->url, sizeof(s->url), "http://%s:%u",
		 gw_address_text(&s->address, text, sizeof(text)),
		 (unsigned)port);
	return 0;
}

int
gw_site_link(const struct gw_site *s, const char *target, const char *name,
	     struct gw_err *err)
{
	char path[PATH_MAX];
	gw_auto_free char *real = realpath(target, NULL);

	if (!real)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "%s: %s; install the program again", target,
				  strerror(errno));
	snprintf(path, sizeof(path), "%s/%s", s->folder.path, name);
	if (symlink(real, path) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "cannot create %s: %s", path,
				  strerror(errno));
	return 0;
}

static int
make_subfolder(const struct gw_site *s, const char *name, struct gw_err *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", s->folder.path, name);
	if (mkdir(path, 0700) == 0)
		return 0;
	return gw_err_set(err, GW_ERR_INTERNAL, errno, "cannot create %s: %s",
			  path, strerror(errno));
}

void
gw_site_need(struct gw_site *s, const char *name, uint32_t n)
{
	assert(s->n_needs < GW_SITE_NEEDS_MAX);
	s->needs[s->n_needs].name = name;
	s->needs[s->n_needs++].n = n;
}

static bool
one_is_missing(const struct gw_site *s, const struct gw_site_need *need,
	       char name[32])
{
	uint32_t i = 0;

	do {
		if (need->n > 0)
			snprintf(name, 32, "%.16s-%u", need->name, (unsigned)i);
		else
			snprintf(name, 32, "%.31s", need->name);
		if (!gw_folder_has(&s->folder, name))
			return true;
	} while (++i < need->n);
	return false;
}

const char *
gw_site_missing(const struct gw_site *s, bool served, char name[32])
{
	if (!gw_folder_is_there(&s->folder))
		return "";
	for (size_t i = 0; served && i < s->n_needs; i++)
		if (one_is_missing(s, &s->needs[i], name))
			return name;
	return NULL;
}

int
gw_site_fill(struct gw_site *s, struct gw_err *err)
{
	char path[PATH_MAX];

	if (gw_find_data("errors", path, err) < 0 ||
	    gw_site_link(s, path, "errors", err) < 0 ||
	    make_subfolder(s, "empty", err) < 0)
		return -1;
	gw_site_need(s, "errors", 0);
	gw_site_need(s, "upload", 0);
	return make_subfolder(s, "upload", err);
}

/*
 * lighttpd and its children may have as many descriptors as there are; with
 * fewer than FDS_MIN they would start and then refuse at random.
 */
static int
raise_fd_limit(unsigned *max_fds, struct gw_err *err)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno, "getrlimit: %s",
				  strerror(errno));
	if (lim.rlim_cur < FDS_MIN)
		return gw_err_set(err, GW_ERR_INTERNAL, 0,
				  "only %llu descriptors are allowed, and %d "
				  "are the least: raise the limit (ulimit -n, "
				  "LimitNOFILE= of a systemd unit); a "
				  "connection takes three",
				  (unsigned long long)lim.rlim_cur, FDS_MIN);
	*max_fds = lim.rlim_cur < FDS_MAX ? (unsigned)lim.rlim_cur : FDS_MAX;
	return 0;
}

/* @template of the data files, filled in, as @name in the folder. */
static int
write_one(const struct gw_site *s, const char *template, const char *name,
	  const struct gw_render_var *vars, size_t n, struct gw_err *err)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(2 * CONF_MAX);
	gw_auto_buf struct gw_buf conf = GW_BUF_INIT(2 * CONF_MAX);
	char path[PATH_MAX], why[256];

	if (gw_find_data(template, path, err) < 0)
		return -1;
	if (gw_read_file(path, &text, CONF_MAX, why, sizeof(why)) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, 0, "%s %s", path, why);
	if (gw_render(template, text.data ? text.data : "", vars, n, &conf,
		      err) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/%s", s->folder.path, name);
	if (gw_file_write(path, conf.data, conf.len) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "cannot write %s: %s", path, strerror(errno));
	return 0;
}

static int
write_common(struct gw_site *s, uint64_t max_body_bytes, struct gw_err *err)
{
	unsigned max_fds = 0;
	char bind[64], port[16], errors[PATH_MAX];
	char fds[16], connections[16], request_kib[32];
	const struct gw_render_var vars[] = {
		{"BIND", bind},
		{"PORT", port},
		{"TAG", s->tag},
		{"RUNTIME_DIR", s->folder.path},
		{"ERRORS_DIR", errors},
		{"MAX_FDS", fds},
		{"MAX_CONNECTIONS", connections},
		{"MAX_REQUEST_KIB", request_kib},
	};

	if (raise_fd_limit(&max_fds, err) < 0)
		return -1;
	gw_address_text(&s->address, bind, sizeof(bind));
	snprintf(port, sizeof(port), "%u", (unsigned)s->port);
	snprintf(errors, sizeof(errors), "%s/errors", s->folder.path);
	snprintf(fds, sizeof(fds), "%u", max_fds);
	s->max_connections = (max_fds - FDS_OWN) / FDS_PER_CONNECTION;
	snprintf(connections, sizeof(connections), "%u", s->max_connections);
	snprintf(request_kib, sizeof(request_kib), "%llu",
		 (unsigned long long)(max_body_bytes + 1023) / 1024 + 1);
	return write_one(s, COMMON_TEMPLATE, COMMON_CONF, vars,
			 GW_ARRAY_LEN(vars), err);
}

int
gw_site_write_conf(struct gw_site *s, const char *template,
		   const struct gw_render_var *vars, size_t n,
		   uint64_t max_body_bytes, struct gw_err *err)
{
	struct gw_render_var all[1 + GW_SITE_VARS_MAX] = {
		{"RUNTIME_DIR", s->folder.path}};

	s->max_body_bytes = max_body_bytes;
	if (n > GW_SITE_VARS_MAX)
		return gw_err_set(err, GW_ERR_INTERNAL, 0,
				  "%s has more than %d names", template,
				  GW_SITE_VARS_MAX);
	if (n > 0)
		memcpy(all + 1, vars, n * sizeof(*vars));
	if (write_common(s, max_body_bytes, err) < 0)
		return -1;
	return write_one(s, template, GW_SITE_CONF, all, 1 + n, err);
}

void
gw_site_release(struct gw_site *s)
{
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	s->listen_fd = -1;
	gw_folder_destroy(&s->folder);
}
