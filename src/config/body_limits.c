/* SPDX-License-Identifier: MIT */
/* body_limits.c - max_body_bytes beside max_bodies_bytes. */
#include "config/body_limits.h"

void
gw_body_limits_settle(struct gw_yaml *doc, const struct gw_yaml_node *at,
		      const char *prefix, uint64_t one, uint64_t *all)
{
	const struct gw_yaml_node *set = gw_yaml_value(at, "max_bodies_bytes");

	if (*all >= one || *all == 0) /* 0: it was no number */
		return;
	if (gw_yaml_is_null(set)) {
		*all = one;
		return;
	}
	gw_yaml_warning(doc, set,
			"%smax_bodies_bytes: %llu is below %smax_body_bytes, "
			"%llu: a body that is larger than the former is "
			"refused (413), also when it is the only one",
			prefix, (unsigned long long)*all, prefix,
			(unsigned long long)one);
}
