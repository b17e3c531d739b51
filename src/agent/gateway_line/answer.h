/* SPDX-License-Identifier: MIT */
/*
 * answer.h - what a gateway's answer says, for gateway_line.c.
 * Pure questions about a document; @doc is NULL when the answer was none.
 */
#ifndef AG_GATEWAY_LINE_ANSWER_H
#define AG_GATEWAY_LINE_ANSWER_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* ag_gateway_answer_parse - the answer as a document the caller puts, or NULL. */
struct json_object *ag_gateway_answer_parse(const struct gw_buf *text);

/*
 * ag_gateway_answer_explain - why an answer is a failure, and what to look at.
 * @status       HTTP status
 * @registering  it was a registration that was answered
 * @out          storage of @cap bytes
 */
void ag_gateway_answer_explain(struct json_object *doc, int status,
			       bool registering, char *out, size_t cap);

/* ag_gateway_answer_drains - does it say that this node gets no new requests? */
bool ag_gateway_answer_drains(struct json_object *doc);

/*
 * ag_gateway_answer_interval_ms - how often a heartbeat should come.
 * @own_ms    configured here
 * @least_ms  less is not believed
 * Returns the gateway's heartbeat_interval_s when that is shorter, else @own_ms.
 */
uint32_t ag_gateway_answer_interval_ms(struct json_object *doc, uint32_t own_ms,
				       uint32_t least_ms);

#endif
