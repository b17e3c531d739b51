/* SPDX-License-Identifier: MIT */
/*
 * pipeline.h - the path of a request as a list one can read.
 *
 * No stage calls another one. A stage returns a gw_step; events resume the
 * request at the stage that waits. The last stage, account, always runs,
 * exactly once, whatever happened, and the request is gone afterwards.
 */
#ifndef GW_SERVE_PIPELINE_H
#define GW_SERVE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/request.h"

#define GW_STAGE_ALWAYS 0

struct gw_stage {
	const char *name;
	enum gw_step (*run)(struct gw_request *r);
	unsigned wants;		/* endpoint flags, any of which makes it run, or
				 * GW_STAGE_ALWAYS */
};

struct gw_pipeline {
	const struct gw_stage *stages;
	size_t n;		/* the last one is account */
	size_t pick;		/* where REPICK goes */
	bool picks_again;	/* REPICK makes sense for a proxy, too */
	/* Another upstream could take the request right now. NULL = never. */
	bool (*has_another)(const struct gw_request *r);
	/* Let go of what the program gave to a request, the hold on its
	 * upstream above all: before another upstream is chosen, and when the
	 * request ends, however it ends. */
	void (*release)(struct gw_request *r);
};

/* The gateway's stages (stages.c). */
extern const struct gw_pipeline gw_pipeline;

/*
 * gw_pipeline_resume - something a waiting request waits for has happened.
 * May free the request: callers do not touch it afterwards. Safe to call from
 * inside a running stage (the stage then runs again).
 */
void gw_pipeline_resume(struct gw_request *r);

/*
 * gw_pipeline_client_gone - the client left; the request ends as a 499.
 * Frees the request unless a stage is running, which then ends it.
 */
void gw_pipeline_client_gone(struct gw_request *r);

/* Stages, one file each in src/stage/. */
enum gw_step gw_stage_accept(struct gw_request *r);
enum gw_step gw_stage_authenticate(struct gw_request *r);
enum gw_step gw_stage_receive(struct gw_request *r);
enum gw_step gw_stage_answer(struct gw_request *r);
enum gw_step gw_stage_resolve_role(struct gw_request *r);
enum gw_step gw_stage_pick_node(struct gw_request *r);
enum gw_step gw_stage_forward(struct gw_request *r);
enum gw_step gw_stage_stream(struct gw_request *r);
enum gw_step gw_stage_account(struct gw_request *r);

/* gw_pick_has_another - the node view has a fresh node for it, untried. */
bool gw_pick_has_another(const struct gw_request *r);

/* Input events of the receive stage, called by the worker. */
void gw_receive_body(struct gw_request *r, const char *p, size_t n);
void gw_receive_end(struct gw_request *r);

#endif
