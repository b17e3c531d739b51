/* SPDX-License-Identifier: MIT */
/*
 * serve_run.h - a real worker over the fakes, with a small configuration, and
 * one client at a time.
 */
#ifndef TESTS_UNIT_SERVE_RUN_H
#define TESTS_UNIT_SERVE_RUN_H

#include "serve/worker.h"
#include "serve_fakes.h"

/* ---- the worker ---------------------------------------------------------- */

static struct gw_worker *worker;
static struct gw_config *config;
static struct gw_fcgi_conn conn;

/* A model of the configuration that set_up() makes: PROXY at http://p, and
 * DISCOVERED by the role "r". */
enum {
	PROXY,
	DISCOVERED
};

UNUSED_OK static struct gw_model *
model(int which)
{
	return &config->models[which];
}

/* What a test adds before the configuration is sealed, or NULL. */
UNUSED_OK static void (*configure)(struct gw_config *c);

static struct gw_config *
new_config(void)
{
	struct gw_config *c = gw_config_new();

	if (!c)
		exit(1);
	c->models = calloc(2, sizeof(*c->models));
	c->n_models = 2;
	c->models[PROXY] = (struct gw_model){.alias = strdup("p"),
					     .openai_model_name = strdup("p"),
					     .base_url = strdup("http://p"),
					     .api_key = strdup("secret")};
	c->models[DISCOVERED] =
		(struct gw_model){.alias = strdup("d"),
				  .openai_model_name = strdup("d"),
				  .type = GW_MODEL_DISCOVERED,
				  .role = strdup("r")};
	for (size_t i = 0; i < c->n_models; i++)
		c->models[i].retry = (struct gw_retry){2, 250, 5000};
	if (configure)
		configure(c);
	if (gw_config_seal(c) < 0)
		exit(1);
	c->gateway.max_body_bytes = 1000;
	c->gateway.max_bodies_bytes = 1 << 20;
	return c;
}

/* Everything is as at the start of a process. */
static void
set_up(const struct gw_pipeline *pipeline, const struct gw_endpoint *endpoints,
       size_t n_endpoints, void *program)
{
	static const struct gw_key_names keys = {.max_body_bytes = "max_body",
						 .max_bodies_bytes = "bodies",
						 .cors_origins = "origins"};
	struct gw_err err = {0};
	struct gw_worker_setup setup = {.pipeline = pipeline,
					.endpoints = endpoints,
					.n_endpoints = n_endpoints,
					.keys = keys,
					.program = program};

	gw_worker_free(worker);
	gw_config_unref(config);
	config = setup.config = new_config();
	worker = gw_worker_new(&setup, &err);
	if (!worker)
		exit(1);
	started = 0;
	refuse_start = false;
}

UNUSED_OK static void
tear_down(void)
{
	gw_worker_free(worker);
	gw_config_unref(config);
	is_int(misuse, 0, "fakes: none was used in a way it must not be");
}

UNUSED_OK static void
run_loop(void)
{
	for (int i = 0; i < 8; i++)
		ev_run(worker->loop, EVRUN_NOWAIT);
}

/* Time passes, and what is due then happens: what becomes due by that, too, for a
 * timer fires behind its time and not at it. */
UNUSED_OK static void
pass(uint64_t ms)
{
	clock_ms += ms - 1;
	run_loop();
	clock_ms++;
	run_loop();
}

UNUSED_OK static uint64_t
counted(enum gw_counter c)
{
	return worker->counters.own_counter[c];
}

/* ---- a client ------------------------------------------------------------ */

UNUSED_OK static void
param(const char *name, const char *value)
{
	conn.param[conn.n_params][0] = name;
	conn.param[conn.n_params++][1] = value;
}

/* The next request's connection; more parameters may follow. */
UNUSED_OK static void
client(const char *method, const char *path)
{
	memset(&conn, 0, sizeof(conn));
	param("REQUEST_METHOD", method);
	param("REQUEST_URI", path);
}

/* Its parameters are complete. Returns it, if it lives on. */
UNUSED_OK static struct gw_request *
arrive(void)
{
	open_conn = &conn;
	conn.request = front.ops->on_request(&conn, front.arg);
	return has_ended(&conn) ? NULL : conn.request;
}

UNUSED_OK static void
send_body(const char *text)
{
	front.ops->on_body(conn.request, text, strlen(text));
}

/* The whole of it; the request goes on. */
UNUSED_OK static void
send_all(const char *text)
{
	send_body(text);
	if (!has_ended(&conn))
		front.ops->on_body_end(conn.request);
}

UNUSED_OK static void
leave(void)
{
	front.ops->on_gone(conn.request);
	conn.request = NULL;
}

/* The client has room again. */
UNUSED_OK static void
drain(void)
{
	conn.backlog = 0;
	front.ops->on_writable(conn.request);
}

/* Did it get this text, and how often? */
UNUSED_OK static unsigned
got(const char *text)
{
	unsigned n = 0;

	for (const char *p = conn.out; (p = strstr(p, text)); p++)
		n++;
	return n;
}

/* What it got behind the head. */
UNUSED_OK static const char *
got_body(void)
{
	const char *p = strstr(conn.out, "\r\n\r\n");

	return p ? p + 4 : "";
}

#endif
