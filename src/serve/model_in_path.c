/* SPDX-License-Identifier: MIT */
/* model_in_path.c - looks a name of the path up as it came, then without the
 * slashes behind it, then without those in front. */
#include "serve/model_in_path.h"

#include <string.h>

#include "serve/request.h"
#include "serve/shown.h"
#include "serve/unknown_model.h"

/* One that the client may not use is as good as none. */
static const struct gw_model *
own(const struct gw_request *r, const struct gw_model *m)
{
	return m && gw_shown_model(r, m) ? m : NULL;
}

const struct gw_model *
gw_model_in_path(struct gw_request *r)
{
	const char *name = gw_endpoint_rest(r->accept.endpoint, r->accept.path);
	size_t len = r->accept.path_len - (size_t)(name - r->accept.path);
	const struct gw_model *m =
		own(r, gw_config_model_named(r->config, name, len));

	if (m)
		return m;
	while (len && name[len - 1] == '/')
		len--;
	m = own(r, gw_config_model_named(r->config, name, len));
	if (m)
		return m;
	for (; len && *name == '/'; len--)
		name++;
	m = own(r, gw_config_model(r->config, name, len));
	if (!m)
		gw_unknown_model(r, name, len);
	return m;
}
