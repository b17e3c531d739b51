/* SPDX-License-Identifier: MIT */
/*
 * stage.h - the steps of a request, one file each; a program lists those it
 * takes (responder/stages.c, agent/stage_schedule.c). serve/step.h says what
 * they return.
 */
#ifndef GW_STAGE_STAGE_H
#define GW_STAGE_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "serve/step.h"

struct gw_end;
struct gw_request;
struct reg;

enum gw_step gw_stage_accept(struct gw_request *r);
enum gw_step gw_stage_check_origin(struct gw_request *r);
enum gw_step gw_stage_authenticate(struct gw_request *r);
enum gw_step gw_stage_check_operator(struct gw_request *r);
enum gw_step gw_stage_admit(struct gw_request *r);
enum gw_step gw_stage_limit_client(struct gw_request *r);
enum gw_step gw_stage_receive(struct gw_request *r);
enum gw_step gw_stage_answer(struct gw_request *r);
enum gw_step gw_stage_resolve_role(struct gw_request *r);
enum gw_step gw_stage_authorize(struct gw_request *r);
enum gw_step gw_stage_pick_node(struct gw_request *r);
enum gw_step gw_stage_forward(struct gw_request *r);
enum gw_step gw_stage_stream(struct gw_request *r);
enum gw_step gw_stage_account(struct gw_request *r);

/*
 * gw_receive_is_too_slow - has a body of @bytes so far taken too long?
 * A minute, and then a second for each GW_RECEIVE_BYTES_S: a sender of a byte now
 * and then must not keep what it sent before for ever. One that sends nothing is
 * the web server's to cut off.
 */
#define GW_RECEIVE_GRACE_MS 60000
#define GW_RECEIVE_BYTES_S 8000
bool gw_receive_is_too_slow(uint64_t elapsed_ms, uint64_t bytes);

/* The receive stage's events: more of the body (at most 64 KiB), its end. */
void gw_receive_body(struct gw_request *r, const char *p, size_t n);
void gw_receive_end(struct gw_request *r);

/* gw_resolve_stream - another alias serves the request: does the client want a
 * stream? Its defaults may say so. */
void gw_resolve_stream(struct gw_request *r);

/*
 * gw_default_model_json - for a stage that chooses: where the request named no
 * model, or an @other one, target.model_json says which one is meant; else it
 * stays NULL.
 * Returns 0, or -1 with r->err INTERNAL when memory is out.
 */
GW_MUSTCHECK int gw_default_model_json(struct gw_request *r, bool other);

/* gw_pick_move - the registry moves: have the request hold in @to what it holds
 * of a candidate. */
void gw_pick_move(struct gw_request *r, struct reg *to);

/* gw_pick_release - let the candidate go that pick_node chose, if any; a trial
 * that it was ends without a verdict. */
void gw_pick_release(struct gw_request *r);

/* gw_record_request - a request that was for a model goes into the registry's
 * recorder, where GET /rolemesh/requests finds it. Copies; cannot fail. */
void gw_record_request(const struct gw_request *r, const struct gw_end *end);

/* gw_limit_client_move - the registry moves: have the request hold its place among
 * its client's in @to. */
void gw_limit_client_move(struct gw_request *r, struct reg *to);

/* gw_limit_client_release - its client has one request less under way; safe
 * twice. */
void gw_limit_client_release(struct gw_request *r);

#endif
