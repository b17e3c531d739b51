/* SPDX-License-Identifier: MIT */
/*
 * start.h - what has to be there before a llama-server is started, and
 * its start. For model.c, and for who asks before it makes room.
 */
#ifndef AG_MODEL_START_H
#define AG_MODEL_START_H

#include "agent/model/state.h"

#define AG_SPARE_PORTS 64 /* tried beyond the models' own */

/*
 * ag_model_check_device - is a device there that it may run on? The devices are
 * known. What it needs of the file system is look.h's business.
 * @err  NO_DEVICE: none is there and large enough
 * Returns 0 / -1.
 */
GW_MUSTCHECK int ag_model_check_device(const struct ag_model *m,
				       struct gw_err *err);

/* ag_model_is_startable - ag_model_start() would start it now. */
bool ag_model_is_startable(const struct ag_model *m);

/* ag_model_is_looked_for - its files are, since a moment only: what comes after
 * it should wait for the answer.
 * ag_model_is_out_of_reach - they are, for long: a file system hangs, and others
 * go first. */
bool ag_model_is_looked_for(const struct ag_model *m);
bool ag_model_is_out_of_reach(const struct ag_model *m);

/*
 * ag_model_choose_port - llama_server_port_base + index of the model, or the
 * first spare one behind all models when somebody else has taken that.
 * @hold  set to a descriptor that keeps it (port.h); the caller closes it
 * @err   MODEL_START_FAILED: none of them is free
 */
GW_MUSTCHECK int ag_model_choose_port(const struct ag_model *m, unsigned *port,
				      int *hold, struct gw_err *err);

/* ag_model_give_back_port - what ag_model_choose_port() took; safe twice. */
void ag_model_give_back_port(struct ag_model *m);

/*
 * ag_model_spawn - start llama-server for @m on @d; m->port is chosen.
 * @err  INTERNAL
 * Fills m->key: whoever else reaches the port is served nothing.
 */
GW_MUSTCHECK int ag_model_spawn(struct ag_model *m, const struct ag_device *d,
				const struct ag_process_ops *ops,
				struct ag_process **process,
				struct gw_err *err);

#endif
