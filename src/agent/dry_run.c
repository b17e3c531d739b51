/* SPDX-License-Identifier: MIT */
/* dry_run.c - what would be started, for people and shells; starts no model. */
#include <string.h>

#include "agent/agent.h"
#include "agent/model/command.h"
#include "agent/model/placement.h"
#include "agent/run.h"
#include "webserver/find.h"

#define LINE_MAX_BYTES (1u << 20)

static void
on_ready(void *arg)
{
	ev_break(arg, EVBREAK_ALL);
}

static int
print_one(const struct ag_config *c, size_t index, const struct ag_device *d,
	  struct gw_err *err)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(LINE_MAX_BYTES);
	const struct ag_model_config *m = &c->models[index];
	struct ag_command_start how = {.port = c->port_base + (unsigned)index};
	struct ag_command command = {0};
	int rc;

	if (ag_command_build(c, m, d, &how, &command, err) < 0)
		return -1;
	rc = ag_command_text(&command, &text);
	ag_command_release(&command);
	if (rc < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, 0,
				  "the command line of %s is too long",
				  m->model_id);
	printf("# %s on %s\n%s\n", m->model_id, d->id, text.data);
	return 0;
}

static int
print_all(const struct ag_config *c, struct ag_devices *devices,
	  struct gw_err *err)
{
	const struct ag_device *d;
	size_t n;

	d = ag_devices_list(devices, &n);
	for (size_t i = 0; i < c->n_models; i++) {
		struct ag_model m = {.config = &c->models[i]};
		bool any = false;

		for (size_t k = 0; k < n; k++) {
			if (!ag_place_allowed(&m, &d[k]))
				continue;
			if (print_one(c, i, &d[k], err) < 0)
				return -1;
			any = true;
		}
		if (!any)
			printf("# %s: no device can hold it\n",
			       c->models[i].model_id);
	}
	return 0;
}

int
ag_dry_run(struct ag_config *c)
{
	struct ev_loop *loop = ev_default_loop(0);
	struct ag_devices *devices = NULL;
	struct gw_err err = {0};
	char guard[PATH_MAX];
	int rc = -1;

	if (loop && gw_find_program("rolemesh-guard", "ROLEMESH_GUARD", guard,
				    &err) == 0)
		devices = ag_devices_new(loop, guard, &c->devices, on_ready,
					 loop, &err);
	if (devices) {
		ev_run(loop, 0);
		rc = print_all(c, devices, &err);
		ag_devices_free(devices);
	}
	if (rc == 0)
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	fprintf(stderr, "rolemesh-node-agent: %s\n", err.msg);
	return EXIT_FAILURE;
}
