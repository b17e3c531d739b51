/* SPDX-License-Identifier: MIT */
/* failure.c - words about failures; decides nothing about them. */
#include "agent/model/failure.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static void
describe_exit(const struct ag_exit *how, char *out, size_t cap)
{
	if (how->exec_errno)
		snprintf(out, cap, "cannot be executed: %s",
			 strerror(how->exec_errno));
	else if (how->signal)
		snprintf(out, cap, "was ended by signal %d (%s)", how->signal,
			 strsignal(how->signal));
	else
		snprintf(out, cap, "ended with status %d", how->status);
}

void
ag_failure_describe(struct ag_model *m, const struct ag_exit *how)
{
	bool was_ready = m->state == AG_READY || m->state == AG_DRAINING;
	char end[128];

	describe_exit(how, end, sizeof(end));
	gw_err_set(&m->error, GW_ERR_MODEL_START_FAILED, how->exec_errno,
		   "llama-server of model '%s' %s%s; the node's inventory and "
		   "log have its last output",
		   m->config->model_id, end,
		   was_ready ? "" : " before it was ready");
}

void
ag_failure_log(const struct ag_model *m, uint32_t retry_ms)
{
	const struct ag_output_ring *o = &m->output;
	size_t first = o->n > AG_OUTPUT_LOGGED ? o->n - AG_OUTPUT_LOGGED : 0;
	char id[300], text[GW_ERR_MSG_BYTES];

	gw_log_quote(id, sizeof(id), m->config->model_id,
		     strlen(m->config->model_id));
	gw_log(GW_EV_MODEL_FAILED, NULL,
	       "model=%s failures=%u retry_in_ms=%" PRIu32 " reason=%s", id,
	       m->backoff.failures, retry_ms,
	       gw_log_quote(text, sizeof(text), m->error.msg,
			    strlen(m->error.msg)));
	for (size_t i = first; i < o->n; i++) {
		const char *line = ag_output_ring_line(o, i);

		gw_log(GW_EV_CHILD_OUTPUT, NULL, "model=%s line=%s", id,
		       gw_log_quote(text, sizeof(text), line, strlen(line)));
	}
}
