/* SPDX-License-Identifier: MIT */
/*
 * test_agent_device_tool.c - vendor tools as real programs: shell scripts in a
 * folder that is all of PATH, so that none of this machine is found.
 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device_fixture.h"

#define GUARD "./rolemesh-guard"
#define LONG_MS 60000 /* for tools that answer; nobody waits that long */
#define SHORT_MS 100  /* for tools that hang */
#define LIMIT_S 120   /* a test that waits longer has failed */

static struct ev_loop *loop;
static char folder[PATH_MAX];

/* ---- scripts ---------------------------------------------------------------
 */

static const char *
in_folder(const char *name)
{
	static char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* A script; its own commands are found as usual. */
static void
script(const char *name, const char *body, mode_t mode)
{
	FILE *f = fopen(in_folder(name), "w");

	if (!f) {
		printf("Bail out! cannot write %s\n", in_folder(name));
		exit(1);
	}
	fprintf(f, "#!/bin/sh\nPATH=/usr/bin:/bin\n%s\n", body);
	fclose(f);
	if (chmod(in_folder(name), mode) < 0)
		exit(99);
}

/* A script that prints a fixture. */
static void
script_of(const char *name, const char *fixture, int status)
{
	char body[FIXTURE_BYTES_MAX + 200];
	size_t len;
	char *text = fixture_read(fixture, &len);

	snprintf(body, sizeof(body), "cat <<'EOT'\n%sEOT\nexit %d", text,
		 status);
	script(name, body, 0755);
	free(text);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* ---- one run ---------------------------------------------------------------
 */

static struct ag_tool tool;
static unsigned told;
static enum ag_tool_end how;
static int status;
static char *text;
static size_t text_len;
static char reason[512];

static void
on_end(void *arg, const struct ag_tool_answer *a)
{
	(void)arg;
	told++;
	how = a->end;
	status = a->status;
	snprintf(reason, sizeof(reason), "%s", a->reason);
	free(text);
	text = malloc(a->len + 1);
	memcpy(text, a->text, a->len);
	text[a->len] = '\0';
	text_len = a->len;
}

static void
spin(bool (*condition)(void))
{
	alarm(LIMIT_S);
	while (!condition())
		ev_run(loop, EVRUN_ONCE);
	alarm(0);
}

static bool
is_told(void)
{
	return told > 0;
}

static bool
is_gone(void)
{
	return !ag_tool_is_busy(&tool);
}

static void
start(const char *name, uint32_t limit_ms)
{
	const char *argv[] = {name, NULL};
	struct gw_err err = {0};

	told = 0;
	ag_tool_init(&tool, loop, GUARD, limit_ms, on_end, NULL);
	if (ag_tool_run(&tool, argv, &err) < 0) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
}

static void
run(const char *name, uint32_t limit_ms)
{
	start(name, limit_ms);
	spin(is_told);
	spin(is_gone);
	ag_tool_release(&tool);
}

/* ---- what the tests look at ------------------------------------------------
 */

static void
answers(void)
{
	script("good", "echo \"$LC_ALL\"; echo warning >&2; echo done", 0755);
	run("good", LONG_MS);
	ok(told == 1 && how == AG_TOOL_ANSWERED && status == 0,
	   "tool: it works -> an answer, told once");
	is_str(text, "C\nwarning\ndone\n",
	       "tool: it works -> both outputs, without a locale");
	is_str(reason, "", "tool: it works -> nothing to complain about");

	script_of("nine", "nvidia-no-driver.txt", 9);
	run("nine", LONG_MS);
	ok(how == AG_TOOL_ANSWERED && status == 9,
	   "tool: it fails -> its status");
	is_str(reason,
	       "exit status 9: NVIDIA-SMI has failed because it couldn't "
	       "communicate with the NVIDIA driver. Make sure that the latest "
	       "NVIDIA driver is installed and running.",
	       "tool: it fails -> its own words");

	script("silent", "exit 3", 0755);
	run("silent", LONG_MS);
	is_str(reason, "exit status 3", "tool: it fails silently -> no words");
	is_int((long long)text_len, 0, "tool: it is silent -> an empty answer");

	script("crash", "kill -SEGV $$", 0755);
	run("crash", LONG_MS);
	ok(how == AG_TOOL_FAILED && strstr(reason, "ended by signal 11"),
	   "tool: it crashes -> failed, with the signal");
}

static void
cannot_run(void)
{
	const char *argv[] = {"good", NULL};
	struct gw_err err = {0};

	run("no-such-tool", LONG_MS);
	ok(how == AG_TOOL_ABSENT, "tool: it is not installed -> absent");
	script("plain", "echo no", 0644);
	run("plain", LONG_MS);
	ok(how == AG_TOOL_FAILED &&
		   strstr(reason, "cannot be executed: Permission denied"),
	   "tool: it may not be run -> failed, with the reason");
	told = 0;
	ag_tool_init(&tool, loop, "/nonexistent/guard", LONG_MS, on_end, NULL);
	ok(ag_tool_run(&tool, argv, &err) < 0 && err.code == GW_ERR_INTERNAL &&
		   told == 0 && !ag_tool_is_busy(&tool),
	   "tool: no guard -> refused at once");
	ag_tool_release(&tool);
}

static void
floods(void)
{
	char body[100];

	snprintf(body, sizeof(body), "head -c %u /dev/zero",
		 AG_TOOL_OUTPUT_MAX);
	script("full", body, 0755);
	run("full", LONG_MS);
	ok(how == AG_TOOL_ANSWERED && text_len == AG_TOOL_OUTPUT_MAX,
	   "tool: it prints as much as it may -> all of it");
	snprintf(body, sizeof(body), "head -c %u /dev/zero; exec sleep 1000",
		 AG_TOOL_OUTPUT_MAX + 1);
	script("more", body, 0755);
	run("more", LONG_MS);
	ok(how == AG_TOOL_FAILED && strstr(reason, "printed more than 262144"),
	   "tool: it prints a byte more -> killed");
	script("much", "head -c 1048576 /dev/zero", 0755);
	run("much", LONG_MS);
	ok(how == AG_TOOL_FAILED && strstr(reason, "printed more than 262144"),
	   "tool: it prints 1 MiB -> failed");
}

static pid_t
noted_pid(void)
{
	FILE *f = fopen(in_folder("pid"), "r");
	int pid = 0;

	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

static bool
is_noted(void)
{
	return noted_pid() > 0;
}

static void
on_look(struct ev_loop *l, ev_timer *timer, int events)
{
	(void)l;
	(void)timer;
	(void)events;
}

static bool
its_child_is_gone(void)
{
	return kill(noted_pid(), 0) < 0 && errno == ESRCH;
}

static void
hangs(void)
{
	script("hang",
	       "trap '' TERM INT; sleep 1000 & "
	       "echo $! >\"${0%/*}/pid.new\"; mv \"${0%/*}/pid.new\" "
	       "\"${0%/*}/pid\"; echo begun; wait; wait; sleep 1000",
	       0755);
	run("hang", SHORT_MS);
	ok(told == 1 && how == AG_TOOL_FAILED &&
		   strcmp(reason, "no answer within 100 ms") == 0,
	   "tool: it hangs -> failed at the limit, told once");
	unlink(in_folder("pid"));

	start("hang", LONG_MS);
	spin(is_noted);
	told = 0;
	ag_tool_release(&tool);
	spin(its_child_is_gone);
	ok(told == 0, "tool: released while it runs -> gone, with its child, "
		      "and not told");
}

/* ---- the whole -------------------------------------------------------------
 */

static void
on_ready(void *arg)
{
	(void)arg;
	told++;
}

static struct ag_device *
discover(struct ag_devices **d, size_t *n)
{
	struct gw_keys none = {0};
	struct gw_err err = {0};

	told = 0;
	*d = ag_devices_new(loop, GUARD, &none, on_ready, NULL, &err);
	if (!*d)
		exit(99);
	spin(is_told);
	return ag_devices_list(*d, n);
}

static void
discovery(void)
{
	struct ag_devices *d;
	struct ag_device *list;
	uint64_t before;
	size_t n;

	list = discover(&d, &n);
	ok(n == 1 && strcmp(list[0].id, "cpu:0") == 0,
	   "discover: no tool in PATH -> the CPU");
	ag_devices_free(d);

	script_of("nvidia-smi", "nvidia-no-driver.txt", 9);
	script_of("rocm-smi", "rocm-7-low-power.txt", 0);
	list = discover(&d, &n);
	ok(n == 1 && list[0].vendor == AG_VENDOR_AMD &&
		   strcmp(list[0].sample.name, "AMD Radeon 8060S Graphics") ==
			   0,
	   "discover: nvidia-smi fails, rocm-smi works -> an AMD GPU");
	ag_devices_free(d);

	script_of("nvidia-smi", "nvidia-eight.csv", 0);
	list = discover(&d, &n);
	ok(n == 8 && strcmp(list[7].id, "gpu:7") == 0 &&
		   list[7].sample.memory_total_mib == 81559,
	   "discover: nvidia-smi lists eight -> eight devices");
	before = list[0].sampled_ms;
	script_of("nvidia-smi", "nvidia-reset.csv", 0);
	ag_devices_refresh(d, 0);
	alarm(LIMIT_S);
	while (!list[2].missing)
		ev_run(loop, EVRUN_ONCE);
	alarm(0);
	ok(list[1].sample.memory_free_mib == 80000 &&
		   list[1].sampled_ms >= before && list[7].missing,
	   "refresh: nvidia-smi lists two -> new numbers, six are missing");
	ag_devices_free(d);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");
	ev_timer look; /* files are looked at now and then */

	snprintf(folder, sizeof(folder), "%s/agent-tool-XXXXXX",
		 tmp ? tmp : "/tmp");
	if (!mkdtemp(folder) || setenv("PATH", folder, 1) < 0 ||
	    setenv("LC_ALL", "C.UTF-8", 1) < 0)
		return 99;
	loop = ev_default_loop(0);
	ev_timer_init(&look, on_look, 0.01, 0.01);
	ev_timer_start(loop, &look);
	answers();
	cannot_run();
	floods();
	hangs();
	discovery();
	free(text);
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	ev_timer_stop(loop, &look);
	ev_loop_destroy(loop);
	return done_testing();
}
