/* SPDX-License-Identifier: MIT */
/*
 * agent.h - rolemesh-node-agent: the one process of a node and what it owns.
 *
 * One thread, one event loop (libev's default one, which alone watches
 * children): a FastCGI front behind a lighttpd of its own, the llama-servers,
 * the queues between the two, and the line to the gateway.
 */
#ifndef AG_AGENT_H
#define AG_AGENT_H

#include <ev.h>
#include <json-c/json.h>
#include <limits.h>

#include "agent/config/agent_config.h"
#include "agent/device/device.h"
#include "agent/gateway_line/gateway_line.h"
#include "agent/model/model.h"
#include "agent/process/children.h"
#include "agent/queue/schedule.h"
#include "serve/endpoint.h"
#include "serve/pipeline.h"
#include "serve/worker.h"

struct ag_agent {
	struct ag_config *config;
	struct gw_config *routes;	/* what the pipeline serves from; models
					 * have the indexes of the configuration */
	struct ev_loop *loop;
	struct gw_worker *worker;
	/* parts.c */
	struct ag_devices *devices;
	struct ag_model_context context;
	struct ag_models models;	/* in the order of the configuration */
	struct ag_scheduler *scheduler;	/* NULL until the devices are known */
	struct ag_gateway_line *line;
	char guard[PATH_MAX];		/* rolemesh-guard */
	struct ag_children children;	/* which of them run, on disk */
	int64_t started_wall_s;
	/* run.c's: a model went to another state */
	void (*on_model_changed)(void *run);
	void *run;
};

/* ag_routes_new - the agent's configuration as the pipeline's; NULL: memory. */
GW_MUSTCHECK struct gw_config *ag_routes_new(const struct ag_config *c);

/* The agent's stages (stage_schedule.c) and endpoints (endpoints.c). */
extern const struct gw_pipeline ag_pipeline;
extern const struct gw_endpoint ag_endpoints[];
extern const size_t ag_n_endpoints;

enum gw_step ag_answer_models(struct gw_request *r);
enum gw_step ag_answer_model(struct gw_request *r);
enum gw_step ag_answer_inventory(struct gw_request *r);

#endif
