/* SPDX-License-Identifier: MIT */
/* answer.c - reads a gateway's answers; sends and decides nothing.
 */
#include "agent/gateway_line/answer.h"

#include <string.h>

#include "base/json.h"
#include "base/log.h"

#define DEPTH_MAX 32
#define SAID_BYTES 200

struct json_object *
ag_gateway_answer_parse(const struct gw_buf *text)
{
	struct gw_err ignored = {0};

	return gw_json_parse_object(text->data ? text->data : "", text->len,
				    DEPTH_MAX, &ignored);
}

/* The gateway's own words, if it has any. */
static void
quote_message(struct json_object *doc, char *out, size_t cap)
{
	const char *message = NULL;
	struct json_object *error;

	if (doc && json_object_object_get_ex(doc, "error", &error) &&
	    json_object_is_type(error, json_type_object))
		message = gw_json_get_str(error, "message");
	if (message)
		gw_log_quote(out, cap, message, strlen(message));
	else
		snprintf(out, cap, "no message");
}

void
ag_gateway_answer_explain(struct json_object *doc, int status, bool registering,
			  char *out, size_t cap)
{
	char said[SAID_BYTES];

	quote_message(doc, said, sizeof(said));
	if (status == 403)
		snprintf(out, cap,
			 "it does not take that from this node (HTTP 403, %s): "
			 "see the key's entry of its auth.nodes",
			 said);
	else if (status == 401)
		snprintf(out, cap,
			 "it refuses the key (HTTP %d, %s): dispatcher_api_key "
			 "must be one of its auth.node_api_keys",
			 status, said);
	else if (registering && (status == 404 || status < 300))
		snprintf(out, cap,
			 "there is no gateway at this address (HTTP %d, %s): "
			 "check dispatcher_base_url",
			 status, said);
	else
		snprintf(out, cap, "HTTP %d, %s", status, said);
}

bool
ag_gateway_answer_drains(struct json_object *doc)
{
	struct json_object *v;

	return doc && json_object_object_get_ex(doc, "draining", &v) &&
	       json_object_is_type(v, json_type_boolean) &&
	       json_object_get_boolean(v);
}

uint32_t
ag_gateway_answer_interval_ms(struct json_object *doc, uint32_t own_ms,
			      uint32_t least_ms)
{
	struct json_object *v;
	double theirs_ms;

	if (!doc || !json_object_object_get_ex(doc, "heartbeat_interval_s", &v))
		return own_ms;
	theirs_ms = json_object_get_double(v) * 1000.;
	if (theirs_ms >= least_ms && theirs_ms < own_ms)
		return (uint32_t)theirs_ms;
	return own_ms;
}
