/* SPDX-License-Identifier: MIT */
/*
 * listening.h - is it the model's own llama-server that listens on its port?
 *
 * The port was free when it was chosen, but a program of anybody can take it
 * before llama-server does, or after it died: it would be sent the key, and
 * prompts. So it is asked before the first word on each connection.
 */
#ifndef AG_MODEL_LISTENING_H
#define AG_MODEL_LISTENING_H

#include "agent/model/state.h"

/* How often in a row a stranger is seen before that is believed: a family that
 * changes while it is looked at may hide the one who listens. */
#define AG_STRANGER_LOOKS 2

enum ag_listening {
	AG_LISTENING_NOBODY,   /* not yet, or not any more */
	AG_LISTENING_OURS,     /* m->listener has the sockets */
	AG_LISTENING_STRANGER, /* perhaps: look again */
	AG_LISTENING_TAKEN,    /* certainly; m->error says by whom */
};

/* ag_listening_look - looks at the sockets and the processes that have them. */
enum ag_listening ag_listening_look(struct ag_model *m);

/* ag_listening_still - the same sockets listen as at the latest look, all the
 * time since then. */
bool ag_listening_still(const struct ag_model *m);

#endif
