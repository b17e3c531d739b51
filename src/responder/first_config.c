/* SPDX-License-Identifier: MIT */
/* first_config.c - see first_config.h. */
#include "responder/first_config.h"

#include <stdio.h>

#include "base/log.h"

void
gw_log_findings(const struct gw_diag *diag)
{
	for (size_t i = 0; i < diag->n; i++)
		gw_log_told(diag->items[i].warning ? GW_EV_CONFIG_WARNING
						   : GW_EV_CONFIG_BROKEN,
			    "finding", diag->items[i].text);
}

/* A responder that starts during a broken edit serves the last good files. */
static struct gw_config *
load_last_good(const struct gw_instance *in)
{
	char names[GW_INSTANCE_FILES_MAX][512];
	const char *paths[GW_INSTANCE_FILES_MAX];
	struct gw_diag diag = {0};
	struct gw_config *c = NULL;
	bool fits = true;

	if (!in->last_good)
		return NULL;
	for (size_t i = 0; i < in->n_paths; i++) {
		int n = snprintf(names[i], sizeof(names[i]), "%s/%zu.yaml",
				 in->last_good, i);

		fits = fits && n > 0 && (size_t)n < sizeof(names[i]);
		paths[i] = names[i];
	}
	if (fits)
		c = gw_config_load(paths, in->n_paths, &diag);
	gw_diag_release(&diag);
	return c;
}

struct gw_config *
gw_first_config(struct gw_instance *in, struct gw_err *err)
{
	gw_auto_diag struct gw_diag diag = {0};
	struct gw_config *c = gw_config_load((const char *const *)in->paths,
					     in->n_paths, &diag);

	if (c)
		return c;
	c = load_last_good(in);
	if (!c) {
		gw_diag_print(&diag, stderr);
		gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
			   "the configuration has %zu error(s)", diag.errors);
		return NULL;
	}
	/* Others read it long since. */
	gw_log_set_format(c->gateway.log_format);
	gw_log_findings(&diag);
	gw_log(GW_EV_CONFIG_BROKEN, NULL,
	       "errors=%zu doing=\"using the last files that loaded\"",
	       diag.errors);
	return c;
}
