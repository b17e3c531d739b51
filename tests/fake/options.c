/* SPDX-License-Identifier: MIT */
/*
 * options.c - the scripted upstream's command line.
 *
 * Script options (--tokens, --delay-ms, --replay, ...) become the ground layer
 * of every script. A bad command line ends the process with status 2.
 */
#include "fake.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

enum {
	OPT_HOST = 256,
	OPT_PORT,
	OPT_PORT_FILE,
	OPT_NAME,
	OPT_LOG,
	OPT_BODY_DIR,
	OPT_API_KEY,
	OPT_MODELS,
	OPT_LOADING_S,
	OPT_REPLAY,
	OPT_REPLAY_SPLIT,
	OPT_REPLAY_DELAY_MS,
	OPT_TOKENS,
	OPT_DELAY_MS,
	OPT_STAMP,
	OPT_FIXTURES,
	OPT_IDLE_MS,
	OPT_MAX_REQUESTS,
	OPT_INSTANT,
	OPT_IGNORE_SIGTERM,
	OPT_START_S,
	OPT_STOP_S,
	OPT_EXIT_AFTER_S,
	OPT_EXIT_SIGNAL,
	OPT_EXIT_STATUS,
	OPT_LLAMA_LOG,
	OPT_SCRIPT,
	OPT_HELP,
};

static const struct option options[] = {
	{"host", required_argument, NULL, OPT_HOST},
	{"port", required_argument, NULL, OPT_PORT},
	{"port-file", required_argument, NULL, OPT_PORT_FILE},
	{"name", required_argument, NULL, OPT_NAME},
	{"log", required_argument, NULL, OPT_LOG},
	{"body-dir", required_argument, NULL, OPT_BODY_DIR},
	{"api-key", required_argument, NULL, OPT_API_KEY},
	{"models", required_argument, NULL, OPT_MODELS},
	{"loading-s", required_argument, NULL, OPT_LOADING_S},
	{"replay", required_argument, NULL, OPT_REPLAY},
	{"replay-split", required_argument, NULL, OPT_REPLAY_SPLIT},
	{"replay-delay-ms", required_argument, NULL, OPT_REPLAY_DELAY_MS},
	{"tokens", required_argument, NULL, OPT_TOKENS},
	{"delay-ms", required_argument, NULL, OPT_DELAY_MS},
	{"stamp", no_argument, NULL, OPT_STAMP},
	{"fixtures", required_argument, NULL, OPT_FIXTURES},
	{"idle-ms", required_argument, NULL, OPT_IDLE_MS},
	{"max-requests", required_argument, NULL, OPT_MAX_REQUESTS},
	{"instant", no_argument, NULL, OPT_INSTANT},
	{"ignore-sigterm", no_argument, NULL, OPT_IGNORE_SIGTERM},
	{"start-s", required_argument, NULL, OPT_START_S},
	{"stop-s", required_argument, NULL, OPT_STOP_S},
	{"exit-after-s", required_argument, NULL, OPT_EXIT_AFTER_S},
	{"exit-signal", required_argument, NULL, OPT_EXIT_SIGNAL},
	{"exit-status", required_argument, NULL, OPT_EXIT_STATUS},
	{"llama-log", required_argument, NULL, OPT_LLAMA_LOG},
	{"script", required_argument, NULL, OPT_SCRIPT},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static int
usage(FILE *to)
{
	fputs("usage: fake_llama [--option[=value]]...\noptions:", to);
	for (const struct option *o = options; o->name; o++)
		fprintf(to, " --%s%s", o->name, o->has_arg ? "=..." : "");
	fputs("\nTheir meaning is in tests/fake/README.md.\n", to);
	return to == stdout ? 0 : 2;
}

static long
number(const char *text, double scale)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (errno || *end || end == text || v < 0 || v * scale > 1e15) {
		fprintf(stderr, "fake_llama: not a number: %s\n", text);
		exit(2);
	}
	return (long)(v * scale);
}

static void
split_models(struct fake_options *opt, char *list)
{
	char *rest = list, *name;

	while (opt->n_models < FAKE_MODELS_MAX && (name = strsep(&rest, ",")))
		if (*name)
			opt->models[opt->n_models++] = name;
}

/* Options that set the ground layer of every script. */
static bool
script_option(struct fake_script *s, int which, char *value)
{
	switch (which) {
	case OPT_REPLAY:
		s->raw_file = value;
		return true;
	case OPT_REPLAY_SPLIT:
		s->raw_split = number(value, 1);
		return true;
	case OPT_REPLAY_DELAY_MS:
		s->raw_delay_ms = number(value, 1);
		return true;
	case OPT_TOKENS:
		s->tokens = number(value, 1);
		return true;
	case OPT_DELAY_MS:
		s->delay_ms = number(value, 1);
		return true;
	case OPT_STAMP:
		s->stamp = true;
		return true;
	default:
		return false;
	}
}

/* When and how the process begins and ends. */
static bool
life_option(struct fake_options *opt, int which, char *value)
{
	switch (which) {
	case OPT_START_S:
		opt->start_ms = number(value, 1000);
		return true;
	case OPT_LOADING_S:
		opt->loading_ms = number(value, 1000);
		return true;
	case OPT_STOP_S:
		opt->stop_ms = number(value, 1000);
		return true;
	case OPT_EXIT_AFTER_S:
		opt->exit_after_ms = number(value, 1000);
		return true;
	case OPT_EXIT_SIGNAL:
		opt->exit_signal = number(value, 1);
		return true;
	case OPT_EXIT_STATUS:
		opt->exit_status = number(value, 1);
		return true;
	case OPT_IGNORE_SIGTERM:
		opt->ignore_sigterm = true;
		return true;
	default:
		return false;
	}
}

static bool
number_option(struct fake_options *opt, int which, char *value)
{
	switch (which) {
	case OPT_PORT:
		opt->port = number(value, 1);
		return true;
	case OPT_IDLE_MS:
		opt->idle_ms = number(value, 1);
		return true;
	case OPT_MAX_REQUESTS:
		opt->max_requests = number(value, 1);
		return true;
	case OPT_INSTANT:
		opt->instant = true;
		return true;
	case OPT_MODELS:
		split_models(opt, value);
		return true;
	default:
		return false;
	}
}

static const char **
string_option(struct fake_options *opt, int which)
{
	switch (which) {
	case OPT_HOST:
		return &opt->host;
	case OPT_PORT_FILE:
		return &opt->port_file;
	case OPT_NAME:
		return &opt->name;
	case OPT_LOG:
		return &opt->log_path;
	case OPT_BODY_DIR:
		return &opt->body_dir;
	case OPT_API_KEY:
		return &opt->api_key;
	case OPT_FIXTURES:
		return &opt->fixtures;
	case OPT_LLAMA_LOG:
		return &opt->llama_log;
	default:
		return NULL;
	}
}

/* Like PUT /fake/mode, but part of the ground that {} restores. */
static void
read_script(struct fake_server *srv, const char *text)
{
	char why[128] = "fake: a script is a JSON object";

	srv->base_json = json_tokener_parse(text);
	if (!srv->base_json ||
	    fake_script_apply(&srv->base, srv->base_json, why, sizeof(why))) {
		fprintf(stderr, "fake_llama: --script: %s\n", why);
		exit(2);
	}
}

void
fake_options_read(struct fake_server *srv, int argc, char **argv)
{
	struct fake_options *opt = &srv->opt;
	const char **text, *key = getenv("LLAMA_API_KEY");
	int which;

	*opt = (struct fake_options){.host = "127.0.0.1",
				     .name = "fake",
				     .idle_ms = 5000,
				     .api_key = key && *key ? key : NULL,
				     .exit_after_ms = -1,
				     .max_requests = 100};
	fake_script_init(&srv->base);
	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (which == OPT_HELP || which == '?')
			exit(usage(which == '?' ? stderr : stdout));
		if (which == OPT_REPLAY)
			opt->replay = optarg;
		text = string_option(opt, which);
		if (text)
			*text = optarg;
		else if (which == OPT_SCRIPT && !srv->base_json)
			read_script(srv, optarg);
		else if (!script_option(&srv->base, which, optarg) &&
			 !life_option(opt, which, optarg))
			number_option(opt, which, optarg);
	}
	if (optind < argc)
		exit(usage(stderr));
	if (opt->n_models == 0)
		opt->models[opt->n_models++] = opt->name;
	srv->mode = srv->base;
}
