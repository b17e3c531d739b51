/* SPDX-License-Identifier: MIT */
/* model_in_path.c - looks a name of the path up as it came, then without the
 * slashes behind it, then without those in front. */
#include "serve/model_in_path.h"

#include <string.h>

#include "serve/request.h"
#include "serve/unknown_model.h"

const struct gw_model *
gw_model_in_path(struct gw_request *r)
{
	const char *name = gw_endpoint_rest(r->accept.endpoint, r->accept.path);
	size_t len = r->accept.path_len - (size_t)(name - r->accept.path);
	const struct gw_model *m = gw_config_model_named(r->config, name, len);

	if (m)
		return m;
	while (len && name[len - 1] == '/')
		len--;
	m = gw_config_model_named(r->config, name, len);
	if (m)
		return m;
	for (; len && *name == '/'; len--)
		name++;
	m = gw_config_model(r->config, name, len);
	if (!m)
		gw_unknown_model(r->config, name, len, &r->err);
	return m;
}
