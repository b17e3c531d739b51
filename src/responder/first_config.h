/* SPDX-License-Identifier: MIT */
/*
 * first_config.h - the configuration that a responder starts with, and how what is
 * wrong with one is told in the log. What comes later, config/watch.h brings.
 */
#ifndef GW_RESPONDER_FIRST_CONFIG_H
#define GW_RESPONDER_FIRST_CONFIG_H

#include "base/err.h"
#include "config/config.h"
#include "config/diag.h"
#include "responder/instance.h"

/*
 * gw_first_config - load the instance's files; during a broken edit the last good
 * ones that its launcher kept.
 * @err  INVALID_REQUEST: they have errors, which were printed on standard error
 * Returns a snapshot with one reference, or NULL. Blocks on file reads: for
 * start-up.
 */
GW_MUSTCHECK struct gw_config *gw_first_config(struct gw_instance *in,
					       struct gw_err *err);

/* gw_log_findings - a line of the log for each error and warning. */
void gw_log_findings(const struct gw_diag *diag);

#endif
