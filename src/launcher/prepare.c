/* SPDX-License-Identifier: MIT */
/*
 * prepare.c - everything that must be in place before lighttpd starts.
 *
 * Order matters: owning the instance comes first, because only its owner may
 * remove what a dead launcher left behind; the port next, because it is the
 * likeliest thing to fail.
 */
#include "launcher/launcher.h"

#include <limits.h>
#include <string.h>

#include "base/log.h"
#include "launcher/last_good.h"
#include "webserver/cors.h"
#include "webserver/find.h"

static int
own_instance(struct launcher *l, struct gw_err *err)
{
	struct reg_err rerr = {0};

	l->reg = reg_open(l->instance->shm_name, 0, &rerr);
	if (!l->reg)
		return gw_err_set(err, GW_ERR_INTERNAL, rerr.sys,
				  "shared memory %s: %s", l->instance->shm_name,
				  rerr.msg);
	l->owns = reg_own(l->reg, &rerr) == 0;
	if (l->owns)
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
link_responder(struct launcher *l, struct gw_err *err)
{
	char path[PATH_MAX];

	if (gw_find_program("rolemesh-responder", "ROLEMESH_RESPONDER", path,
			    err) < 0)
		return -1;
	gw_site_need(&l->site, "responder", 0);
	return gw_site_link(&l->site, path, "responder", err);
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
	snprintf(last_good, sizeof(last_good), "%s/last-good",
		 l->site.folder.path);
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

static int
write_conf(struct launcher *l, struct gw_err *err)
{
	const struct gw_config *c = l->config;
	char workers[16];
	const struct gw_render_var vars[] = {{"WORKERS", workers}};

	if (gw_site_write_cors(&l->site,
			       (const char *const *)c->gateway.cors_origins.key,
			       c->gateway.cors_origins.n, err) < 0)
		return -1;
	/* The sockets, as gateway.conf.in and lighttpd name them. */
	gw_site_need(&l->site, "i", c->gateway.workers);
	gw_site_need(&l->site, "c", 1);
	snprintf(workers, sizeof(workers), "%u", (unsigned)c->gateway.workers);
	return gw_site_write_conf(&l->site, "gateway.conf.in", vars,
				  GW_ARRAY_LEN(vars), c->gateway.max_body_bytes,
				  err);
}

int
launcher_prepare(struct launcher *l, struct gw_err *err)
{
	const struct gw_config *c = l->config;
	struct gw_site *site = &l->site;
	bool leftover = false;

	if (gw_find_lighttpd(site->lighttpd, err) < 0 ||
	    own_instance(l, err) < 0 ||
	    gw_folder_create(&site->folder, l->instance->shm_name, &leftover,
			     err) < 0 ||
	    gw_site_listen(site, c->gateway.host, c->gateway.port, leftover,
			   "--port or gateway.port", err) < 0)
		return -1;
	if (link_responder(l, err) < 0 || gw_site_fill(site, err) < 0 ||
	    gw_last_good_write(site->folder.path,
			       (const char *const *)l->instance->paths,
			       l->instance->n_paths, err) < 0 ||
	    set_environment(l, err) < 0)
		return -1;
	return write_conf(l, err);
}

void
launcher_release(struct launcher *l, bool again)
{
	gw_site_release(&l->site);
	if (l->reg) {
		/* Unlinked while it is owned: no one can be starting on it. */
		if (again)
			gw_log(GW_EV_STOP, NULL, "shm=%s kept=\"for the next\"",
			       l->instance->shm_name);
		else if (!l->owns || !reg_is_current(l->reg))
			gw_log(GW_EV_STOP, NULL,
			       "shm=%s kept=\"its name is another's now\"",
			       l->instance->shm_name);
		else if (reg_rows_live(l->reg) <= 1)
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
