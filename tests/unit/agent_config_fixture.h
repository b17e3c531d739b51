/* SPDX-License-Identifier: MIT */
/* agent_config_fixture.h - the agent's configuration from texts. */
#ifndef TESTS_UNIT_AGENT_CONFIG_FIXTURE_H
#define TESTS_UNIT_AGENT_CONFIG_FIXTURE_H

#include "agent/config/agent_config.h"
#include "config_fixture.h"

/* One model and nothing else: on one line, so that line 2 comes behind it. */
#define ONE_MODEL "models: [{model_id: m, path: /m.gguf}]\n"

/* base.yaml holds @base; over.yaml, when @over is not NULL, lies on top. */
static inline struct ag_config *
load_agent(const char *base, const char *over, struct gw_diag *diag)
{
	const char *paths[] = {"base.yaml", "over.yaml"};

	write_text(paths[0], base);
	if (over)
		write_text(paths[1], over);
	return ag_config_load(paths, over ? 2 : 1, NULL, 0, diag);
}

/* The findings of a load are exactly @want (lines), and it failed or not. */
static inline void
expect_agent_findings(const char *title, const char *base, const char *over,
		      const char *want)
{
	struct gw_diag diag = {0};
	struct ag_config *c = load_agent(base, over, &diag);
	char *got = diag_text(&diag);

	is_str(got, want, title);
	if ((c == NULL) != (diag.errors > 0))
		ok(false, "%s: loaded although there were errors, or not",
		   title);
	free(got);
	ag_config_free(c);
	gw_diag_release(&diag);
}

/* A load without findings; NULL after a failed test. */
static inline struct ag_config *
expect_agent_loads(const char *title, const char *base, const char *over)
{
	struct gw_diag diag = {0};
	struct ag_config *c = load_agent(base, over, &diag);

	ok(c != NULL && diag.n == 0, "%s", title);
	for (size_t i = 0; i < diag.n; i++)
		printf("# %s\n", diag.items[i].text);
	gw_diag_release(&diag);
	return c;
}

#endif
