/* SPDX-License-Identifier: MIT */
/* listening.c - the port of a model, and whose it is; changes no state. */
#include "agent/model/listening.h"

#include <stdio.h>

enum ag_listening
ag_listening_look(struct ag_model *m)
{
	struct ag_listener l;

	ag_listener_look(m->port, &l);
	m->listener = (struct ag_listener){0};
	if (!m->process || !l.n)
		return AG_LISTENING_NOBODY;
	if (ag_listener_is_of(&l, ag_process_guard(m->process))) {
		m->listener = l;
		m->strangers = 0;
		return AG_LISTENING_OURS;
	}
	if (++m->strangers < AG_STRANGER_LOOKS)
		return AG_LISTENING_STRANGER;
	gw_err_set(&m->error, GW_ERR_MODEL_START_FAILED, 0,
		   "a program that is not the llama-server of model '%s' (user "
		   "%u) listens on its port %u; the next start takes another "
		   "one",
		   m->config->model_id, (unsigned)l.socket[0].user, m->port);
	return AG_LISTENING_TAKEN;
}

bool
ag_listening_still(const struct ag_model *m)
{
	struct ag_listener l;

	if (!m->process || !m->listener.n)
		return false;
	ag_listener_look(m->port, &l);
	return ag_listener_within(&l, &m->listener);
}
