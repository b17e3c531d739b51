/* SPDX-License-Identifier: MIT */
/*
 * report.h - devices and models as documents: for /v1/node/inventory, for
 * /v1/models and for the gateway. The caller puts what it gets.
 */
#ifndef AG_REPORT_H
#define AG_REPORT_H

#include <json-c/json.h>

#include "agent/agent.h"

/* ag_report_inventory - everything an operator may want to see. */
struct json_object *ag_report_inventory(struct ag_agent *a);

/* ag_report_model - one entry of /v1/models, with its state. */
struct json_object *ag_report_model(const struct ag_agent *a,
				    const struct ag_model *m);

/* ag_report_registration - the body of /v1/nodes/register: what it serves and
 * how much of it there is: each model's max_concurrency is that of a loaded one,
 * heartbeats have what holds now. Models without roles are left out. */
struct json_object *ag_report_registration(struct ag_agent *a);

/*
 * ag_report_heartbeat - the body of /v1/nodes/heartbeat. Its metrics keep within
 * what a gateway takes (GW_NODE_METRICS_MAX): with very many models, details are
 * left out before states, and states before "failed".
 */
struct json_object *ag_report_heartbeat(struct ag_agent *a);

#endif
