/* SPDX-License-Identifier: MIT */
/* step.h - what a stage (or an endpoint's answer) says when it returns. */
#ifndef GW_SERVE_STEP_H
#define GW_SERVE_STEP_H

enum gw_step {
	GW_NEXT,	/* done: run the next stage */
	GW_WAIT,	/* an event will resume this stage */
	GW_REPICK,	/* back to pick_node, for another upstream */
	GW_AGAIN,	/* back to the stage behind it: the same upstream */
	GW_FINISH	/* nothing more to do: account */
};

#endif
