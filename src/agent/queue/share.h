/* SPDX-License-Identifier: MIT */
/*
 * share.h - how many requests of a model a gateway should have here at one
 * time: those that run, and of those that may wait for a device (max_pending)
 * the model's share. More of them wait at the gateway, where it is known whose
 * they are, and none is refused here for want of room in a queue.
 *
 * Pure: it asks placement.h, looks at nothing else and changes nothing. Any
 * thread that owns the models; no function can fail.
 */
#ifndef AG_QUEUE_SHARE_H
#define AG_QUEUE_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/device/device.h"
#include "agent/model/state.h"

struct ag_share {
	/* Not all models find a place at one time, and one that finds none may
	 * be put where this one is. */
	bool turns;
	uint32_t waiting; /* of a device's queue, 1 or more; beside what it runs
			   * when it takes turns */
};

/*
 * ag_shares_of - who takes turns, and how the queues are divided.
 * @all           1 .. AG_MODELS_MAX models; how they stand does not count, but
 *                for the slots that were learned
 * @device, @n    all devices of the node
 * @max_pending   requests that may wait for a device, 1 or more
 * @out           one for each model, written in full
 * All models are put onto the devices, those that may be on few of them first;
 * who finds a device of its own, or fits beside its group, takes no turns. It
 * is a first fit, no proof: at worst a model is said to take turns that need
 * not. What may be on no device takes none.
 * The bounds (below) of those that take turns on a device are together no more
 * than @max_pending, where each can have one at least beside what it runs:
 * while one makes room for another, all that was sent has to wait.
 */
void ag_shares_of(struct ag_models all, const struct ag_device *device,
		  size_t n, uint32_t max_pending, struct ag_share *out);

/*
 * ag_share_bound - the requests of @m that a gateway should have here at most.
 * @ready  count as if it was loaded: then as many as run at one time, and the
 *         share of one that takes turns, so that it is known here who waits for
 *         whom. Otherwise all of them wait: the share alone
 * Returns 1 or more.
 */
uint32_t ag_share_bound(const struct ag_model *m, const struct ag_share *s,
			bool ready);

#endif
