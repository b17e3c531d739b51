/* SPDX-License-Identifier: MIT */
/*
 * start.c - looks for what a start needs, chooses the port, and starts.
 * Changes no state of the model.
 */
#include "agent/model/start.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/model/command.h"
#include "agent/model/placement.h"
#include "agent/model/port.h"
#include "base/log.h"
#include "base/secret.h"

static bool
has_device(const struct ag_model *m)
{
	const struct ag_device *d;
	size_t n;

	d = ag_devices_list(m->context->devices, &n);
	for (size_t i = 0; i < n; i++)
		if (ag_place_allowed(m, &d[i]))
			return true;
	return false;
}

int
ag_model_check_device(const struct ag_model *m, struct gw_err *err)
{
	if (!has_device(m))
		return gw_err_set(err, GW_ERR_NO_DEVICE, 0,
				  "no device of this node can hold the model "
				  "'%s'; the node's inventory lists them",
				  m->config->model_id);
	return 0;
}

bool
ag_model_is_startable(const struct ag_model *m)
{
	struct gw_err ignored;

	return ag_model_check_device(m, &ignored) == 0 &&
	       ag_look_is_fresh(&m->look);
}

bool
ag_model_is_looked_for(const struct ag_model *m)
{
	return ag_look_is_quick(&m->look);
}

bool
ag_model_is_out_of_reach(const struct ag_model *m)
{
	return ag_look_hangs(&m->look);
}

/* Returns what ag_port_take() does. */
static int
take(unsigned port)
{
	return port <= 65535 ? ag_port_take(port) : -1;
}

int
ag_model_choose_port(const struct ag_model *m, unsigned *port, int *hold,
		     struct gw_err *err)
{
	const struct ag_config *c = m->context->config;
	unsigned first = c->port_base + (unsigned)m->index;
	unsigned spare = c->port_base + (unsigned)c->n_models;
	char id[300];

	*port = first;
	*hold = take(first);
	if (*hold >= 0)
		return 0;
	for (unsigned i = 0; i < AG_SPARE_PORTS; i++) {
		*port = spare + i;
		*hold = take(*port);
		if (*hold < 0)
			continue;
		gw_log(GW_EV_PORT_TAKEN, NULL, "model=%s port=%u using=%u",
		       gw_log_quote(id, sizeof(id), m->config->model_id,
				    strlen(m->config->model_id)),
		       first, *port);
		return 0;
	}
	return gw_err_set(
		err, GW_ERR_MODEL_START_FAILED, 0,
		"no port for model '%s': port %u of 127.0.0.1 and the "
		"spare ones %u to %u are taken by other programs; "
		"choose another llama_server_port_base",
		m->config->model_id, first, spare, spare + AG_SPARE_PORTS - 1);
}

void
ag_model_give_back_port(struct ag_model *m)
{
	if (m->port_hold >= 0)
		close(m->port_hold);
	m->port_hold = -1;
	m->port = 0;
}

int
ag_model_spawn(struct ag_model *m, const struct ag_device *d,
	       const struct ag_process_ops *ops, struct ag_process **process,
	       struct gw_err *err)
{
	struct ag_command command = {0};
	struct ag_process_spec spec = {.guard = m->context->guard};
	struct ag_command_start how = {
		.port = m->port,
		.key = m->key,
		.mark = m->context->mark,
	};

	if (gw_secret_hex(m->key, AG_KEY_BYTES) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "no random numbers for a key: %s",
				  strerror(errno));
	if (ag_command_build(m->context->config, m->config, d, &how, &command,
			     err) < 0)
		return -1;
	spec.argv = (const char *const *)command.argv;
	spec.env = (const char *const *)command.env;
	*process = ag_process_start(m->context->loop, &spec, ops, m, err);
	ag_command_release(&command);
	return *process ? 0 : -1;
}
