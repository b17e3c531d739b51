/* SPDX-License-Identifier: MIT */
/*
 * place.c - where the models of a configuration stand in its document, so that
 * a finding about one of them can name the line.
 */
#include "agent/config/internal.h"

void
ag_config_places(const struct ag_config *c, const struct gw_yaml *doc,
		 struct ag_model_place place[AG_MODELS_MAX])
{
	const struct gw_yaml_node *list = gw_yaml_value(doc->root, "models");
	size_t n = 0;

	for (size_t i = 0; list && i < list->n && n < c->n_models; i++)
		if (!gw_yaml_is_null(list->child[i].value))
			place[n++] = (struct ag_model_place){
				.node = list->child[i].value,
				.index = i,
			};
}
