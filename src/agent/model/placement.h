/* SPDX-License-Identifier: MIT */
/*
 * placement.h - can a model be on a device, beside what is there? Pure questions
 * about models and devices; decides and changes nothing.
 */
#ifndef AG_MODEL_PLACEMENT_H
#define AG_MODEL_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/model/state.h"

/* ag_place_allowed - is @d one of the model's devices, there, large enough? */
bool ag_place_allowed(const struct ag_model *m, const struct ag_device *d);

/* ag_place_same_group - may the two share a device at all? */
bool ag_place_same_group(const struct ag_model *a, const struct ag_model *b);

/*
 * ag_place_fits - could @m be started on @d without ending another model?
 * An empty device takes any model that is allowed there. Beside others: all of
 * one group, and memory_mib fits into what is left of the total by the models'
 * own memory_mib, and of the free memory measured last less what was started
 * since then. A size that is not known limits nothing.
 */
bool ag_place_fits(struct ag_models all, const struct ag_model *m,
		   const struct ag_device *d);

/*
 * ag_place_will_fit - the same for who comes next: whose requests wait for @d
 * counts as being there, and what was told to end as gone.
 */
bool ag_place_will_fit(struct ag_models all, const struct ag_model *m,
		       const struct ag_device *d);

/*
 * ag_place_unsettled - does a model on @d take memory that was not measured yet?
 * Then a "does not fit" may be over in a moment.
 */
bool ag_place_unsettled(struct ag_models all, const struct ag_device *d);

/*
 * ag_place_victim - the model on @d that should go first to make room for @m:
 * one that cannot share the device with it, else the one of its group that was
 * unused longest, idle ones first. Only READY ones; NULL when there is none.
 */
struct ag_model *ag_place_victim(struct ag_models all, const struct ag_model *m,
				 const struct ag_device *d);

#endif
