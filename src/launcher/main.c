/* SPDX-License-Identifier: MIT */
/*
 * main.c - rolemesh-gateway: what a person runs.
 *
 * Reads options and configuration, then hands over to launcher_prepare() and
 * launcher_run(). Errors of the start are printed here, once.
 */
#include "launcher/launcher.h"

#include <string.h>

#include "base/log.h"
#include "webserver/again.h"

#define PRINT_MAX (16u << 20)

static void
print_error(const struct gw_err *err)
{
	fprintf(stderr, "rolemesh-gateway: %s\n", err->msg);
}

/*
 * Responders run elsewhere and get their paths in a list separated by colons.
 * Links stay what they are: a swapped link is an edit, too.
 */
static int
make_absolute(struct gw_instance *instance, struct gw_err *err)
{
	gw_auto_free char *cwd = getcwd(NULL, 0);

	for (size_t i = 0; i < instance->n_paths; i++) {
		char *path = instance->paths[i], *whole;

		if (i > 0 && strchr(path, ':'))
			return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
					  "%s: the path of an override cannot "
					  "hold a colon",
					  path);
		if (path[0] == '/')
			continue;
		if (!cwd)
			return gw_err_set(err, GW_ERR_INVALID_REQUEST, errno,
					  "the current folder is gone");
		if (asprintf(&whole, "%s/%s", cwd, path) < 0)
			return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
					  "out of memory");
		free(path);
		instance->paths[i] = whole;
		if (i > 0 && strchr(cwd, ':'))
			return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
					  "%s: the path of an override cannot "
					  "hold a colon",
					  whole);
	}
	return 0;
}

/* What is checked depends on it, here and in the responders. */
static int
tell_host(const struct launcher_options *o, struct gw_err *err)
{
	int rc = o->host ? setenv(GW_CONFIG_HOST_ENV, o->host, 1)
			 : unsetenv(GW_CONFIG_HOST_ENV);

	return rc == 0 ? 0
		       : gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
				    "out of memory");
}

static struct gw_config *
load(const struct launcher_options *o, const struct gw_instance *instance)
{
	gw_auto_diag struct gw_diag diag = {0};
	struct gw_err err = {0};
	struct gw_config *c;

	if (tell_host(o, &err) < 0) {
		print_error(&err);
		return NULL;
	}
	c = gw_config_load((const char *const *)instance->paths,
			   instance->n_paths, &diag);
	gw_diag_print(&diag, stderr);
	if (!c)
		return NULL;
	if (launcher_options_apply(o, c, &err) < 0) {
		print_error(&err);
		gw_config_unref(c);
		return NULL;
	}
	return c;
}

static bool
loads(const struct launcher_options *o, const struct gw_instance *instance)
{
	struct gw_config *c = load(o, instance);

	gw_config_unref(c);
	return c != NULL;
}

static int
print_config(const struct gw_config *c)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(PRINT_MAX);

	if (gw_config_print(c, &text) < 0) {
		fputs("rolemesh-gateway: out of memory\n", stderr);
		return EXIT_FAILURE;
	}
	fwrite(text.data, 1, text.len, stdout);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
serve(const struct launcher_options *o, struct gw_instance *instance,
      struct gw_config *config)
{
	struct launcher l = {.options = o,
			     .instance = instance,
			     .config = gw_config_ref(config)};
	struct gw_err err = {0};
	int status = EXIT_FAILURE;

	gw_log_set_format(config->gateway.log_format);
	gw_site_init(&l.site, "rolemesh-gateway", "RoleMesh-Gateway");
	if (launcher_prepare(&l, &err) == 0)
		status = launcher_run(&l);
	else
		print_error(&err);
	if (status == LAUNCHER_AGAIN && !loads(o, instance))
		status = LAUNCHER_EXIT_CONFIG;
	launcher_release(&l, status == LAUNCHER_AGAIN);
	return status;
}

static int
run(const struct launcher_options *o, struct gw_instance *instance,
    const char *shown_path)
{
	struct gw_config *config = load(o, instance);
	int status;

	if (!config)
		return LAUNCHER_EXIT_CONFIG;
	if (o->check || o->print_config) {
		status = o->print_config ? print_config(config) : EXIT_SUCCESS;
		if (o->check)
			printf("%s: ok\n", shown_path);
	} else {
		status = serve(o, instance, config);
	}
	gw_config_unref(config);
	return status;
}

int
main(int argc, char **argv)
{
	struct launcher_options options;
	struct gw_instance instance = {0};
	struct gw_err err = {0};
	gw_auto_free char *shown_path = NULL;
	struct gw_again again;
	int status;

	gw_log_init("rolemesh-gateway");
	if (!launcher_options_parse(&options, argc, argv, &status))
		return status;
	if (options.hash_key)
		return launcher_hash_key(stdin);
	gw_again_init(&again, argv);
	status = LAUNCHER_EXIT_CONFIG;
	if (gw_instance_from_env(&instance, options.config,
				 options.overrides.items, options.overrides.n,
				 &err) == 0) {
		if (instance.by_default && !options.check)
			fprintf(stderr,
				"rolemesh-gateway: nobody named a "
				"configuration: "
				"using %s\n",
				instance.paths[0]);
		shown_path = strdup(instance.paths[0]);
		if (shown_path && make_absolute(&instance, &err) == 0)
			status = run(&options, &instance, shown_path);
	}
	if (err.msg[0])
		print_error(&err);
	gw_instance_release(&instance);
	if (status == LAUNCHER_AGAIN) {
		gw_again_start(&again);
		fprintf(stderr, "rolemesh-gateway: cannot start over: %s\n",
			strerror(errno));
		status = EXIT_FAILURE;
	}
	gw_again_release(&again);
	return status;
}
