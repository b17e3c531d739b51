/* SPDX-License-Identifier: MIT */
/*
 * launcher_prepare.c - everything that must be in place before lighttpd starts.
 *
 * Order matters: owning the instance comes first, because only its owner may
 * remove what a dead launcher left behind; the port next, because it is the
 * likeliest thing to fail.
 */
#include "gateway/launcher.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "gateway/last_good.h"
#include "webserver/find.h"
#include "webserver/listen.h"

/* A web server whose launcher was killed needs a moment to let the port go. */
#define LEFTOVER_PORT_WAIT_MS 5000

static int
own_instance(struct launcher *l, struct gw_err *err)
{
	struct reg_err rerr = {0};

	l->reg = reg_open(l->instance->shm_name, 0, &rerr);
	if (!l->reg)
		return gw_err_set(err, GW_ERR_INTERNAL, rerr.sys,
				  "shared memory %s: %s", l->instance->shm_name,
				  rerr.msg);
	if (reg_own(l->reg, &rerr) == 0)
		return 0;
	reg_close(l->reg);
	l->reg = NULL;
	if (rerr.code != REG_BUSY)
		return gw_err_set(err, GW_ERR_INTERNAL, rerr.sys,
				  "shared memory %s: %s", l->instance->shm_name,
				  rerr.msg);
	return gw_err_set(err, GW_ERR_INTERNAL, 0,
			  "this instance is running already: %s; a second one "
			  "with the same configuration needs a ROLE_MESH_SHM "
			  "of its own",
			  rerr.msg);
}

static int
link_into_folder(const struct launcher *l, const char *target, const char *name,
		 struct gw_err *err)
{
	char path[PATH_MAX];
	gw_auto_free char *real = realpath(target, NULL);

	if (!real)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "%s: %s; install the program again", target,
				  strerror(errno));
	snprintf(path, sizeof(path), "%s/%s", l->folder.path, name);
	if (symlink(real, path) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "cannot create %s: %s", path,
				  strerror(errno));
	return 0;
}

static int
link_programs(const struct launcher *l, struct gw_err *err)
{
	char path[PATH_MAX];

	if (gw_find_program("rolemesh-responder", "ROLEMESH_RESPONDER", path,
			    err) < 0 ||
	    link_into_folder(l, path, "responder", err) < 0)
		return -1;
	if (gw_find_data("errors", path, err) < 0)
		return -1;
	return link_into_folder(l, path, "errors", err);
}

static int
make_subfolder(const struct launcher *l, const char *name, struct gw_err *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", l->folder.path, name);
	if (mkdir(path, 0700) == 0)
		return 0;
	return gw_err_set(err, GW_ERR_INTERNAL, errno, "cannot create %s: %s",
			  path, strerror(errno));
}

/* Responders inherit this through lighttpd; paths are absolute there. */
static int
set_environment(const struct launcher *l, struct gw_err *err)
{
	gw_auto_buf struct gw_buf overrides = GW_BUF_INIT(64 * PATH_MAX);
	char last_good[PATH_MAX];
	bool good = true;

	for (size_t i = 1; i < l->instance->n_paths; i++)
		good = good && (i == 1 || gw_buf_puts(&overrides, ":") == 0) &&
		       gw_buf_puts(&overrides, l->instance->paths[i]) == 0;
	snprintf(last_good, sizeof(last_good), "%s/last-good", l->folder.path);
	good = good &&
	       setenv("ROLE_MESH_CONFIG", l->instance->paths[0], 1) == 0 &&
	       setenv("ROLE_MESH_SHM", l->instance->shm_name, 1) == 0 &&
	       setenv("ROLE_MESH_LAST_GOOD", last_good, 1) == 0;
	if (good && overrides.len > 0)
		good = setenv("ROLE_MESH_CONFIG_OVERRIDE", overrides.data, 1) ==
		       0;
	else
		unsetenv("ROLE_MESH_CONFIG_OVERRIDE");
	if (good)
		return 0;
	return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
}

int
launcher_prepare(struct launcher *l, struct gw_err *err)
{
	const struct gw_config *c = l->config;
	bool leftover = false;
	char host[64];

	if (gw_find_lighttpd(l->lighttpd, err) < 0 ||
	    own_instance(l, err) < 0 ||
	    gw_folder_create(&l->folder, l->instance->shm_name, &leftover,
			     err) < 0)
		return -1;
	l->listen_fd = gw_listen(c->gateway.host, c->gateway.port,
				 leftover ? LEFTOVER_PORT_WAIT_MS : 0,
				 "--port or gateway.port", &l->address, err);
	if (l->listen_fd < 0)
		return -1;
	snprintf(l->url, sizeof(l->url), "http://%s:%u",
		 gw_address_text(&l->address, host, sizeof(host)),
		 (unsigned)c->gateway.port);
	if (link_programs(l, err) < 0 || make_subfolder(l, "empty", err) < 0 ||
	    make_subfolder(l, "upload", err) < 0 ||
	    gw_last_good_write(l->folder.path,
			       (const char *const *)l->instance->paths,
			       l->instance->n_paths, err) < 0 ||
	    set_environment(l, err) < 0)
		return -1;
	return launcher_write_conf(l, err);
}

void
launcher_release(struct launcher *l)
{
	if (l->listen_fd >= 0)
		close(l->listen_fd);
	l->listen_fd = -1;
	gw_folder_destroy(&l->folder);
	if (l->reg) {
		/* Unlinked while it is owned: no one can be starting on it. */
		if (reg_rows_live(l->reg) <= 1)
			(void)reg_unlink(l->instance->shm_name);
		else
			gw_log(GW_EV_STOP, NULL,
			       "shm=%s kept=\"processes of another web server "
			       "use it\"",
			       l->instance->shm_name);
		reg_close(l->reg);
	}
	l->reg = NULL;
	gw_config_unref(l->config);
	l->config = NULL;
}
