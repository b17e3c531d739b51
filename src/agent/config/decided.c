/* SPDX-License-Identifier: MIT */
/*
 * decided.c - options and variables of llama-server that the agent decides
 * itself, and what to write instead of them.
 */
#include "agent/config/internal.h"

#include <stdlib.h>
#include <string.h>

/* What is said instead of the operator. */
#define BY_PATH "the file of the weights is the key `path`"
#define BY_ALIAS "it is the key `alias` of the model"
#define BY_AGENT                                                               \
	"the agent decides the address: 127.0.0.1 and a port from "            \
	"`llama_server_port_base` on"
#define BY_KEYS                                                                \
	"only the agent talks to its llama-servers; who may call the agent "   \
	"is the key `auth.api_keys`"
#define BY_TLS                                                                 \
	"the agent talks plain HTTP to its llama-servers, on this machine "    \
	"only"
#define BY_PATHS "the agent sends requests to /v1/... as they come"
#define BY_MODELS                                                              \
	"a llama-server serves one model; several are the key `models`"
#define BY_PARALLEL                                                            \
	"write `parallel` into `server_args`: the agent sends as many "        \
	"requests at one time"
#define BY_DEVICES                                                             \
	"the agent sets it; where a model may run is the key `devices`"
#define BY_NOBODY "it prints something instead of serving"

/* Options that the agent decides itself. */
static const struct {
	const char *option;   /* NULL: only the variable */
	const char *variable; /* that says the same; NULL = none */
	const char *instead;
} decided[] = {
	{"model", "LLAMA_ARG_MODEL", BY_PATH},
	{"m", NULL, BY_PATH},
	{"model-url", "LLAMA_ARG_MODEL_URL", BY_PATH},
	{"mu", NULL, BY_PATH},
	{"docker-repo", "LLAMA_ARG_DOCKER_REPO", BY_PATH},
	{"dr", NULL, BY_PATH},
	{"hf-repo", "LLAMA_ARG_HF_REPO", BY_PATH},
	{"hf", NULL, BY_PATH},
	{"hfr", NULL, BY_PATH},
	{"hf-file", "LLAMA_ARG_HF_FILE", BY_PATH},
	{"hff", NULL, BY_PATH},
	{"alias", "LLAMA_ARG_ALIAS", BY_ALIAS},
	{"a", NULL, BY_ALIAS},
	{"host", "LLAMA_ARG_HOST", BY_AGENT},
	{"port", "LLAMA_ARG_PORT", BY_AGENT},
	{"reuse-port", "LLAMA_ARG_REUSE_PORT", BY_AGENT},
	{"api-prefix", "LLAMA_ARG_API_PREFIX", BY_PATHS},
	{"api-key", "LLAMA_API_KEY", BY_KEYS},
	{"api-key-file", "LLAMA_ARG_API_KEY_FILE", BY_KEYS},
	{"ssl-key-file", "LLAMA_ARG_SSL_KEY_FILE", BY_TLS},
	{"ssl-cert-file", "LLAMA_ARG_SSL_CERT_FILE", BY_TLS},
	{"models-dir", "LLAMA_ARG_MODELS_DIR", BY_MODELS},
	{"models-preset", "LLAMA_ARG_MODELS_PRESET", BY_MODELS},
	{"models-max", "LLAMA_ARG_MODELS_MAX", BY_MODELS},
	{"models-autoload", "LLAMA_ARG_MODELS_AUTOLOAD", BY_MODELS},
	{"no-models-autoload", NULL, BY_MODELS},
	{"help", NULL, BY_NOBODY},
	{"h", NULL, BY_NOBODY},
	{"usage", NULL, BY_NOBODY},
	{"version", NULL, BY_NOBODY},
	{"list-devices", NULL, BY_NOBODY},
	{"cache-list", NULL, BY_NOBODY},
	{"completion-bash", NULL, BY_NOBODY},
	{NULL, "LLAMA_ARG_N_PARALLEL", BY_PARALLEL},
	{NULL, "CUDA_VISIBLE_DEVICES", BY_DEVICES},
	{NULL, "CUDA_DEVICE_ORDER", BY_DEVICES},
	{NULL, "HIP_VISIBLE_DEVICES", BY_DEVICES},
};

/* Short names work with one dash only; the agent writes two. */
static const struct {
	const char *name, *write;
} short_names[] = {
	{"np", "parallel"},	   {"c", "ctx_size"},
	{"b", "batch_size"},	   {"ub", "ubatch_size"},
	{"t", "threads"},	   {"tb", "threads_batch"},
	{"ngl", "gpu_layers"},	   {"mg", "main_gpu"},
	{"ts", "tensor_split"},	   {"fa", "flash_attn"},
	{"ctk", "cache_type_k"},   {"ctv", "cache_type_v"},
	{"cb", "cont_batching"},   {"mm", "mmproj"},
	{"sm", "split_mode"},	   {"ot", "override_tensor"},
	{"cmoe", "cpu_moe"},	   {"ncmoe", "n_cpu_moe"},
	{"md", "model_draft"},	   {"n", "predict"},
	{"to", "timeout"},	   {"dev", "device"},
	{"cram", "cache_ram"},	   {"ctxcp", "ctx_checkpoints"},
	{"kvu", "kv_unified"},	   {"v", "verbose"},
	{"lv", "verbosity"},	   {"s", "seed"},
	{"nkvo", "no_kv_offload"},
};

void
ag_arg_canonical(const struct gw_yaml_node *key, char out[AG_ARG_NAME_MAX + 1])
{
	snprintf(out, AG_ARG_NAME_MAX + 1, "%s", key->text);
	for (char *s = out; *s; s++)
		if (*s == '_')
			*s = '-';
	if (strcmp(out, "gpu-layers") == 0)
		snprintf(out, AG_ARG_NAME_MAX + 1, "n-gpu-layers");
}

const char *
ag_decided_option(const char *name)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(decided); i++)
		if (decided[i].option && strcmp(decided[i].option, name) == 0)
			return decided[i].instead;
	return NULL;
}

const char *
ag_decided_variable(const char *name)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(decided); i++)
		if (decided[i].variable &&
		    strcmp(decided[i].variable, name) == 0)
			return decided[i].instead;
	return NULL;
}

void
ag_config_clean_environment(struct gw_diag *diag)
{
	static const char prefix[] = "LLAMA_"; /* the others are overlaid */

	for (size_t i = 0; i < GW_ARRAY_LEN(decided); i++) {
		const char *name = decided[i].variable;

		if (!name || strncmp(name, prefix, sizeof(prefix) - 1) != 0 ||
		    !getenv(name))
			continue;
		gw_diag_add(diag, true, NULL, 0, 0,
			    "%s of the environment is not passed on: %s", name,
			    decided[i].instead);
		unsetenv(name);
	}
}

const char *
ag_long_option(const char *name)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(short_names); i++)
		if (strcmp(short_names[i].name, name) == 0)
			return short_names[i].write;
	return NULL;
}
