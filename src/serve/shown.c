/* SPDX-License-Identifier: MIT */
/* shown.c - see shown.h; decides who may read what, never who may ask. */
#include "serve/shown.h"

#include "base/line.h"
#include "config/clients.h"
#include "serve/request.h"

bool
gw_shown_all(const struct gw_request *r)
{
	const struct gw_client *client = r->authenticate.client;

	if (client)
		return client->all_models;
	return r->authenticate.is_operator || gw_clients_open(r->config);
}

bool
gw_shown_model(const struct gw_request *r, const struct gw_model *m)
{
	if (gw_shown_all(r))
		return true;
	return m && r->authenticate.client &&
	       gw_client_may(r->authenticate.client, m);
}

/* Of those that stood in for the model, or were to. */
static bool
all_fallbacks_shown(const struct gw_request *r)
{
	const struct gw_model *named = r->forward.named;

	for (size_t i = 0; named && i < r->forward.fallbacks; i++)
		if (i < named->n_fallbacks &&
		    !gw_shown_model(r, named->fallbacks[i]))
			return false;
	return true;
}

void
gw_shown_error(const struct gw_request *r, struct gw_err *out)
{
	*out = r->err;
	if (!all_fallbacks_shown(r))
		gw_copy_text(out->msg, sizeof(out->msg),
			     gw_err_info(out->code)->text);
}
