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
 * ag_model_check - is everything there that can be looked at? The devices are
 * known.
 * @err  MODEL_START_FAILED: the program or the model file is missing, unreadable
 *       or no file; NO_DEVICE: none that it may run on is there and large enough
 * Returns 0 / -1.
 */
GW_MUSTCHECK int ag_model_check(const struct ag_model *m, struct gw_err *err);

/*
 * ag_model_choose_port - llama_server_port_base + index of the model, or the
 * first spare one behind all models when somebody else has taken that.
 * @hold  set to a descriptor that keeps it (port.h); the caller closes it
 * @err   MODEL_START_FAILED: none of them is free
 */
GW_MUSTCHECK int ag_model_choose_port(const struct ag_model *m, unsigned *port,
				      int *hold, struct gw_err *err);

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
