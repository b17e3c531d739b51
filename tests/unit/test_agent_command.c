/* SPDX-License-Identifier: MIT */
/*
 * test_agent_command.c - how a llama-server is started: its words, and the line
 * that a shell understands the same way.
 */
#include <sys/wait.h>

#include "agent/model/command.h"
#include "agent_config_fixture.h"

#define TEXT_MAX (1u << 20)

static void
device_of(const char *name, enum ag_vendor vendor, struct ag_device *d)
{
	struct gw_err err = {0};

	if (ag_device_check_name(name, d, &err) < 0)
		fixture_fatal(err.msg);
	d->vendor = vendor;
}

/* A list of strings with '|' between them. The caller frees. */
static char *
joined(char *const *list)
{
	struct gw_buf out = GW_BUF_INIT(TEXT_MAX);

	if (gw_buf_puts(&out, "") < 0)
		fixture_fatal("out of memory");
	for (size_t i = 0; list[i]; i++)
		if (gw_buf_printf(&out, "%s%s", i ? "|" : "", list[i]) < 0)
			fixture_fatal("out of memory");
	return out.data;
}

/* The first model of @yaml on @device as a command; false after a failure. */
static bool
build(const char *title, const char *yaml, const char *device,
      struct ag_command *out)
{
	struct ag_config *c = expect_agent_loads(title, yaml, NULL);
	struct ag_command_start how = {.port = 18080};
	struct gw_err err = {0};
	struct ag_device d;
	bool built;

	if (!c)
		return false;
	device_of(device, AG_VENDOR_NVIDIA, &d);
	built = ag_command_build(c, &c->models[0], &d, &how, out, &err) == 0;
	if (!built)
		ok(false, "%s: %s", title, err.msg);
	ag_config_free(c);
	return built;
}

#define ALWAYS                                                                 \
	"llama-server|--model|/m.gguf|--alias|m|--host|127.0.0.1|--port|18080"

static void
is_argv(const char *title, const char *key, const char *want)
{
	struct ag_command command = {0};
	char yaml[1024], *got;

	snprintf(yaml, sizeof(yaml),
		 "models: [{model_id: m, path: /m.gguf%s%s}]\n",
		 *key ? ", " : "", key);
	if (!build(title, yaml, "gpu:0", &command))
		return;
	got = joined(command.argv);
	is_str(got, want, title);
	free(got);
	ag_command_release(&command);
}

static void
flags(void)
{
	is_argv("command: nothing is set", "", ALWAYS);
	is_argv("command: ctx_size", "ctx_size: 4096",
		ALWAYS "|--ctx-size|4096");
	is_argv("command: batch_size", "batch_size: 2048",
		ALWAYS "|--batch-size|2048");
	is_argv("command: ubatch_size", "ubatch_size: 512",
		ALWAYS "|--ubatch-size|512");
	is_argv("command: threads", "threads: 8", ALWAYS "|--threads|8");
	is_argv("command: threads_batch", "threads_batch: 9",
		ALWAYS "|--threads-batch|9");
	is_argv("command: gpu_layers", "gpu_layers: auto",
		ALWAYS "|--n-gpu-layers|auto");
	is_argv("command: main_gpu", "main_gpu: 1", ALWAYS "|--main-gpu|1");
	is_argv("command: tensor_split", "tensor_split: [3, 1]",
		ALWAYS "|--tensor-split|3,1");
	is_argv("command: flash_attn", "flash_attn: false",
		ALWAYS "|--flash-attn|off");
	is_argv("command: alias", "alias: other name",
		"llama-server|--model|/m.gguf|--alias|other name|--host|"
		"127.0.0.1|--port|18080");
	is_argv("command: structured keys in one order",
		"flash_attn: on, tensor_split: \"1\", main_gpu: 0, "
		"gpu_layers: 1, threads_batch: 2, threads: 3, ubatch_size: 4, "
		"batch_size: 5, ctx_size: 6",
		ALWAYS "|--ctx-size|6|--batch-size|5|--ubatch-size|4|"
		       "--threads|3|--threads-batch|2|--n-gpu-layers|1|"
		       "--main-gpu|0|--tensor-split|1|--flash-attn|on");
}

static void
args(void)
{
	is_argv("command: a number", "server_args: {parallel: 2}",
		ALWAYS "|--parallel|2");
	is_argv("command: underscores become dashes",
		"server_args: {cache_type-k: q8_0}",
		ALWAYS "|--cache-type-k|q8_0");
	is_argv("command: numbers as they are written",
		"server_args: {xa: 0.60, xb: 0x0F, xc: 1e3, xd: 007}",
		ALWAYS "|--xa|0.60|--xb|0x0F|--xc|1e3|--xd|007");
	is_argv("command: true is the bare option",
		"server_args: {jinja: true, mlock: TRUE}",
		ALWAYS "|--jinja|--mlock");
	is_argv("command: false and null are nothing",
		"server_args: {jinja: false, mlock: null}", ALWAYS);
	is_argv("command: words that only look like booleans",
		"server_args: {reasoning: on, xa: \"true\", xb: yes}",
		ALWAYS "|--reasoning|on|--xa|true|--xb|yes");
	is_argv("command: a list, once for each entry",
		"server_args: {lora: [a.gguf, 5, 0.50]}",
		ALWAYS "|--lora|a.gguf|--lora|5|--lora|0.50");
	is_argv("command: an empty list is nothing", "server_args: {lora: []}",
		ALWAYS);
	is_argv("command: an empty string",
		"server_args: {chat-template: \"\"}",
		ALWAYS "|--chat-template|");
	is_argv("command: server_args behind the keys, in the file's order",
		"server_args: {zz: 1, aa: 2}, ctx_size: 3",
		ALWAYS "|--ctx-size|3|--zz|1|--aa|2");
}

static void
is_env(const char *title, const char *device, const char *env, const char *want)
{
	struct ag_command command = {0};
	char yaml[1024], *got;

	snprintf(yaml, sizeof(yaml),
		 "models: [{model_id: m, path: /m.gguf, env: {%s}}]\n", env);
	if (!build(title, yaml, device, &command))
		return;
	got = joined(command.env);
	is_str(got, want, title);
	free(got);
	ag_command_release(&command);
}

static void
environment(void)
{
	is_env("command: a GPU is pinned", "gpu:1", "",
	       "CUDA_DEVICE_ORDER=PCI_BUS_ID|CUDA_VISIBLE_DEVICES=1");
	is_env("command: several GPUs are pinned", "gpu:0,2", "",
	       "CUDA_DEVICE_ORDER=PCI_BUS_ID|CUDA_VISIBLE_DEVICES=0,2");
	is_env("command: the CPU hides every GPU", "cpu:0", "",
	       "CUDA_VISIBLE_DEVICES=-1|HIP_VISIBLE_DEVICES=-1|"
	       "GGML_VK_VISIBLE_DEVICES=");
	is_env("command: env of the model comes behind, in the file's order",
	       "gpu:0", "Z: a b, A: 1.50, T: true, N: null, E: \"\"",
	       "CUDA_DEVICE_ORDER=PCI_BUS_ID|CUDA_VISIBLE_DEVICES=0|Z=a b|"
	       "A=1.50|T=true|E=");
	is_env("command: what the model's env sets is there once", "cpu:0",
	       "GGML_VK_VISIBLE_DEVICES: 3",
	       "CUDA_VISIBLE_DEVICES=-1|HIP_VISIBLE_DEVICES=-1|"
	       "GGML_VK_VISIBLE_DEVICES=3");
}

/* What @line prints when a shell runs it, '|' instead of NULs between words. */
static char *
run_shell(const char *line)
{
	struct gw_buf out = GW_BUF_INIT(TEXT_MAX);
	char piece[4096];
	size_t n;
	FILE *f;

	write_text("line.sh", line);
	f = popen("/bin/sh line.sh", "r");
	if (!f)
		fixture_fatal("cannot run a shell");
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		if (gw_buf_append(&out, piece, n) < 0)
			fixture_fatal("the program said too much");
	if (pclose(f) != 0)
		fixture_fatal("the shell failed");
	for (size_t i = 0; i + 1 < out.len; i++)
		if (!out.data[i])
			out.data[i] = '|';
	return out.data;
}

/* The line of @c, run by /bin/sh, gives the words of @c. */
static void
runs_the_same(const struct ag_command *c, const char *title)
{
	struct gw_buf line GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(TEXT_MAX);
	struct gw_buf want GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(TEXT_MAX);
	char *got;

	for (size_t i = 0; c->argv[i]; i++)
		if (gw_buf_printf(&want, "%s|", c->argv[i]) < 0)
			fixture_fatal("out of memory");
	for (size_t i = 0; c->env[i]; i++)
		if (gw_buf_printf(&want, "%s|", c->env[i]) < 0)
			fixture_fatal("out of memory");
	want.data[--want.len] = '\0';
	is_int(ag_command_text(c, &line), 0, "command: has a line");
	got = run_shell(line.data);
	if (!is_str(got, want.data, title))
		printf("# line: %s\n", line.data);
	free(got);
}

/* Prints its words and the variables named by the test, each with a NUL. */
static const char program[] =
	"#!/bin/sh\n"
	"printf '%s\\0' \"$0\" \"$@\"\n"
	"for n in CUDA_DEVICE_ORDER CUDA_VISIBLE_DEVICES V W X Y; do\n"
	"  eval \"printf '%s=%s\\0' $n \\\"\\$$n\\\"\"\n"
	"done\n";

static void
quoting(void)
{
	struct ag_command command = {0};

	mkdir("a folder", 0755);
	write_text("a folder/it's=\"fake\" $0", program);
	chmod("a folder/it's=\"fake\" $0", 0755);
	if (!build("quoting: loads",
		   "llama_server_bin: \"./a folder/it's=\\\"fake\\\" $0\"\n"
		   "models:\n"
		   "- model_id: \"it's $HOME `id` \\\\ \\\"m\\\"\"\n"
		   "  path: \"/a b/*.gguf\"\n"
		   "  server_args:\n"
		   "    blank: \" \"\n"
		   "    empty: \"\"\n"
		   "    lines: \"one\\ntwo\\n\"\n"
		   "    tab: \"a\\tb\"\n"
		   "    quotes: \"'\"\n"
		   "    many: \"'' '\\\"' \\\\' \"\n"
		   "    dollar: \"$${HOME} $(id) $V\"\n"
		   "    marks: \"~ # & ; < > ( ) { } [ ] ! ? * = % ^ @ , :\"\n"
		   "    equal: a=b\n"
		   "    tilde: \"~\"\n"
		   "    hash: \"#x\"\n"
		   "    dash: -x\n"
		   "    json: '{\"a\": [1, \"it''s\"]}'\n"
		   "    utf: \"\\u00e9\\U0001F600\"\n"
		   "    jinja: true\n"
		   "  env:\n"
		   "    V: \"a 'b' \\\"c\\\" $X\"\n"
		   "    W: \"\"\n"
		   "    X: \"two\\nlines\"\n"
		   "    Y: a=b\n",
		   "gpu:0", &command))
		return;
	runs_the_same(&command, "quoting: a shell finds the same words");
	ag_command_release(&command);
}

static void
every_byte(void)
{
	struct ag_command command = {0};
	struct gw_buf yaml GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(TEXT_MAX);

	write_text("fake", program);
	chmod("fake", 0755);
	if (gw_buf_puts(&yaml, "llama_server_bin: ./fake\n"
			       "models:\n"
			       "- model_id: m\n"
			       "  path: p\n"
			       "  env: {V: 1, W: 2, X: 3, Y: 4}\n"
			       "  server_args:\n") < 0)
		fixture_fatal("out of memory");
	for (unsigned c = 1; c < 0x80; c++)
		if (gw_buf_printf(&yaml,
				  "    x%u: [\"\\x%02x\", \"a\\x%02x\"]\n", c,
				  c, c) < 0)
			fixture_fatal("out of memory");
	if (!build("quoting: every byte loads", yaml.data, "gpu:0", &command))
		return;
	runs_the_same(&command,
		      "quoting: every byte, alone and behind another");
	ag_command_release(&command);
}

static void
text(void)
{
	struct gw_buf line GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(TEXT_MAX);
	struct gw_buf small GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(40);
	struct ag_command command = {0};

	if (!build("text: loads",
		   "models: [{model_id: m, path: \"/a b.gguf\", ctx_size: 5, "
		   "env: {V: \"x y\"}}]\n",
		   "gpu:0", &command))
		return;
	is_int(ag_command_text(&command, &line), 0, "text: there is room");
	is_str(line.data,
	       "CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0 V='x y' "
	       "llama-server --model '/a b.gguf' --alias m --host 127.0.0.1 "
	       "--port 18080 --ctx-size 5",
	       "text: quotes only where they are needed");
	is_int(ag_command_text(&command, &small), -1, "text: there is no room");
	ag_command_release(&command);
	ok(!command.argv && !command.env, "text: released");
}

int
main(void)
{
	fixture_begin();
	flags();
	args();
	environment();
	quoting();
	every_byte();
	text();
	return fixture_end();
}
