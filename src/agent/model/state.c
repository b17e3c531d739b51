/* SPDX-License-Identifier: MIT */
/* state.c - the steps a model may take; the only writer of m->state. */
#include "agent/model/state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"

#define TO(name) (1u << AG_##name)

static const struct {
	const char *word;
	unsigned next;
} states[AG_STATE__MAX] = {
#define STATE(name, word, next, text) [AG_##name] = {word, next},
#include "agent/model/states.def"
#undef STATE
};

const char *
ag_state_word(enum ag_state s)
{
	return states[s].word;
}

unsigned
ag_model_parallel(const struct ag_model *m)
{
	unsigned n = m->config->parallel ? m->config->parallel : m->slots;

	if (n > AG_PARALLEL_MAX)
		return AG_PARALLEL_MAX;
	return n ? n : 1;
}

void
ag_model_enter(struct ag_model *m, enum ag_state to, const char *reason)
{
	enum ag_state from = m->state;
	char id[300], why[AG_REASON_BYTES + 16];

	assert(states[from].next & (1u << to));
	m->state = to;
	m->since_ms = gw_mono_ms();
	m->since_wall_s = gw_wall_s();
	if (reason != m->reason) { /* else it stays the same */
		snprintf(m->reason, sizeof(m->reason), "%s",
			 reason ? reason : "");
		gw_utf8_trim(m->reason, strlen(m->reason));
	}
	gw_log(GW_EV_MODEL_STATE, NULL,
	       "model=%s from=%s to=%s device=%s port=%u reason=%s",
	       gw_log_quote(id, sizeof(id), m->config->model_id,
			    strlen(m->config->model_id)),
	       states[from].word, states[to].word,
	       m->device ? m->device->id : "-", m->port,
	       gw_log_quote(why, sizeof(why), m->reason, strlen(m->reason)));
	m->context->ops->changed(m->context->arg, m);
}
