/* SPDX-License-Identifier: MIT */
/*
 * command.h - the exact command line and environment of a model's
 * llama-server. What --dry-run prints is what is started: both come from here.
 */
#ifndef AG_MODEL_COMMAND_H
#define AG_MODEL_COMMAND_H

#include "agent/config/agent_config.h"
#include "agent/device/device.h"
#include "base/buf.h"
#include "base/err.h"

/* Owned strings, NULL at the end of each list. */
struct ag_command {
	char **argv;
	char **env; /* NAME=value, beside the agent's own environment */
};

/* What one start has and another has not. */
struct ag_command_start {
	unsigned port;	  /* TCP, on 127.0.0.1 */
	const char *key;  /* what it is to ask callers for, or NULL: in the
			   * environment, everybody can read command lines */
	const char *mark; /* AG_MARK_VARIABLE (leftovers.h), or NULL */
};

/*
 * ag_command_build - how a model is started on a device.
 * @how  read during the call
 * @out  filled on success; the caller releases it
 * @err  INTERNAL (no memory)
 * The order is: program, --model, --alias, --host, --port, structured keys in
 * the order of flags.def, server_args in the order of the file. server_args:
 * `a_b: 1` is --a-b 1, true a bare --a-b, false and null nothing, a list the
 * option once for each entry. The environment: the device's
 * (ag_device_env), then the model's `env` in the order of the file.
 */
GW_MUSTCHECK int ag_command_build(const struct ag_config *c,
				  const struct ag_model_config *m,
				  const struct ag_device *d,
				  const struct ag_command_start *how,
				  struct ag_command *out, struct gw_err *err);
void ag_command_release(struct ag_command *c);

/*
 * ag_command_text - one line that a POSIX shell would run the same way:
 * NAME=value ... program arguments, quoted where needed.
 */
GW_MUSTCHECK int ag_command_text(const struct ag_command *c,
				 struct gw_buf *out);

#endif
