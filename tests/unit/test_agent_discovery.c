/* SPDX-License-Identifier: MIT */
/*
 * test_agent_discovery.c - discovery and refresh of devices, with vendor tools
 * that the test plays itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "device_fixture.h"

#define LIMIT_S 120 /* a test that waits longer has failed */
#define RUNS_MAX 64

/* ---- programs played by the test ------------------------------------------
 */

struct ag_process {
	bool live, killed;
	const char *program;
	const struct ag_process_ops *ops;
	void *arg;
};

static struct ag_process runs[RUNS_MAX];
static size_t started, live;
static bool refuse_start;
static char env_seen[64];

struct ag_process *
ag_process_start(struct ev_loop *loop, const struct ag_process_spec *spec,
		 const struct ag_process_ops *ops, void *arg,
		 struct gw_err *err)
{
	struct ag_process *p = &runs[started];

	(void)loop;
	if (refuse_start || started == RUNS_MAX) {
		gw_err_set(err, GW_ERR_INTERNAL, 0, "no process");
		return NULL;
	}
	started++;
	live++;
	*p = (struct ag_process){
		.live = true, .program = spec->argv[0], .ops = ops, .arg = arg};
	snprintf(env_seen, sizeof(env_seen), "%s",
		 spec->env ? spec->env[0] : "");
	return p;
}

void
ag_process_kill(struct ag_process *p)
{
	p->killed = true;
}

void
ag_process_free(struct ag_process *p)
{
	if (!p)
		return;
	live -= p->live;
	p->live = false;
}

/* The newest program, when it is the one that is wanted and runs. */
static struct ag_process *
running(const char *program)
{
	struct ag_process *p = started ? &runs[started - 1] : NULL;

	return p && p->live && strcmp(p->program, program) == 0 ? p : NULL;
}

static void
ends(const struct ag_exit *how)
{
	struct ag_process *p = &runs[started - 1];

	p->live = false;
	live--;
	p->ops->on_exit(p->arg, how);
}

static void
prints(const char *text, size_t n)
{
	struct ag_process *p = &runs[started - 1];

	p->ops->on_output(p->arg, text, n);
}

static void
answers(const char *text, int status)
{
	prints(text, strlen(text));
	ends(&(struct ag_exit){.status = status});
}

static void
answers_file(const char *name, int status)
{
	size_t len;
	char *text = fixture_read(name, &len);

	answers(text, status);
	free(text);
}

static void
is_not_installed(void)
{
	ends(&(struct ag_exit){.exec_errno = ENOENT, .status = -1});
}

/* ---- the log ---------------------------------------------------------------
 */

static int log_fd;

static const char *
log_lines(void)
{
	static char text[65536];
	ssize_t n = read(log_fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
logged(const char *part, const char *title)
{
	const char *text = log_lines();

	if (!ok(strstr(text, part) != NULL, "%s", title))
		printf("# log: %s\n", text);
}

static void
log_begin(void)
{
	int ends_of[2];

	if (pipe2(ends_of, O_NONBLOCK) < 0 ||
	    dup2(ends_of[1], STDERR_FILENO) < 0)
		exit(99);
	close(ends_of[1]);
	log_fd = ends_of[0];
}

/* ---- discovery -------------------------------------------------------------
 */

static struct ev_loop *loop;
static int ready_calls;
static struct ag_devices *devices;

static void
on_ready(void *arg)
{
	(void)arg;
	ready_calls++;
}

static void
turn(void)
{
	ev_run(loop, EVRUN_NOWAIT);
}

/* @names separated by blanks; "" = auto. One turn: the first tool is asked. */
static void
begin(const char *text)
{
	char copy[256], *name[8], *save = NULL;
	struct gw_keys keys = {name, 0};
	struct gw_err err = {0};
	size_t n;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *p = strtok_r(copy, " ", &save); p;
	     p = strtok_r(NULL, " ", &save))
		name[keys.n++] = p;
	started = live = 0;
	ready_calls = 0;
	refuse_start = false;
	(void)log_lines();
	devices = ag_devices_new_limited(loop, "guard", &keys, 30, on_ready,
					 NULL, &err);
	if (!devices) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	ok(ready_calls == 0 && started == 0 &&
		   (ag_devices_list(devices, &n), n == 0),
	   "discover: \"%s\" begun -> nothing is known yet", text);
	turn();
}

static void
end(void)
{
	ag_devices_free(devices);
	ok(live == 0, "discover: freed -> nothing runs");
}

static struct ag_device *
device(size_t i)
{
	size_t n;
	struct ag_device *d = ag_devices_list(devices, &n);

	return i < n ? &d[i] : NULL;
}

/* "gpu:0 gpu:1!" with a "!" behind what is missing; n, a vendor's number. */
static void
devices_are(const char *want, const char *title)
{
	char got[512] = "";
	size_t n;
	struct ag_device *d = ag_devices_list(devices, &n);

	for (size_t i = 0; i < n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got),
			 "%s%s/%d%s", i ? " " : "", d[i].id, d[i].vendor,
			 d[i].missing ? "!" : "");
	is_str(got, want, title);
	ok(ready_calls == 1, "%s, told once", title);
}

static void
auto_discovery(void)
{
	begin("");
	ok(running("nvidia-smi") && strcmp(env_seen, "LC_ALL=C") == 0,
	   "discover: auto -> nvidia-smi is asked, in English");
	answers_file("nvidia-two.csv", 0);
	devices_are("gpu:0/1 gpu:1/1", "discover: NVIDIA -> a device a GPU");
	is_int(device(1)->sample.memory_free_mib, 12036,
	       "discover: NVIDIA -> with numbers");
	ok(device(1)->sampled_ms > 0, "discover: NVIDIA -> with a time");
	logged("event=devices by=nvidia-smi n=2 listed=2 devices=\"gpu:0 "
	       "NVIDIA GeForce RTX 4090 24564 MiB, gpu:1",
	       "discover: NVIDIA -> logged");
	end();

	begin("");
	is_not_installed();
	ok(running("rocm-smi"), "discover: no nvidia-smi -> rocm-smi is asked");
	answers_file("rocm-mi300.json", 0);
	devices_are("gpu:0/2 gpu:1/2", "discover: AMD -> a device a GPU");
	ok(!strstr(log_lines(), "level=warn"),
	   "discover: nvidia-smi is not installed -> no warning");
	end();

	begin("");
	answers_file("nvidia-none.txt", 6);
	answers_file("rocm-no-data.txt", 0);
	devices_are("cpu:0/0", "discover: tools that list none -> the CPU");
	ok(device(0)->sample.memory_total_mib > 0 &&
		   device(0)->sample.name[0] && device(0)->sampled_ms > 0,
	   "discover: the CPU -> with memory and a name");
	end();

	begin("");
	answers_file("nvidia-no-driver.txt", 9);
	is_not_installed();
	devices_are("cpu:0/0", "discover: no driver -> the CPU");
	logged("event=device_tool_failed tool=nvidia-smi reason=\"exit status "
	       "9: NVIDIA-SMI has failed because",
	       "discover: no driver -> a warning with the tool's words");
	end();

	begin("");
	answers_file("nvidia-inforom.csv", 14);
	devices_are("gpu:0/1", "discover: a status beside a list -> the list");
	end();
}

static void
named_devices(void)
{
	begin("gpu:1 cpu:0 gpu:7 gpu:0,9");
	answers_file("nvidia-two.csv", 0);
	devices_are("gpu:1/1 cpu:0/0 gpu:7/0! gpu:0,9/0!",
		    "discover: names -> in their order, unlisted ones missing");
	logged("event=device_missing device=gpu:7 tool=nvidia-smi indexes=0,1",
	       "discover: unlisted -> a warning that says what is listed");
	ok(device(1)->sample.memory_total_mib > 0,
	   "discover: the CPU among GPUs -> sampled");
	end();

	begin("gpu:0,1");
	is_not_installed();
	is_not_installed();
	devices_are("gpu:0,1/0", "discover: names, no tool -> believed");
	ok(device(0)->sample.memory_total_mib == AG_UNKNOWN &&
		   device(0)->sampled_ms == 0,
	   "discover: names, no tool -> nothing known");
	logged("by=configuration n=1 listed=0",
	       "discover: names, no tool -> logged");
	end();

	begin("gpu:0");
	answers_file("nvidia-mismatch.txt", 18);
	answers_file("rocm-none.txt", 0);
	devices_are("gpu:0/0", "discover: names, one tool fails -> believed");
	end();

	begin("gpu:0");
	answers_file("nvidia-none.txt", 6);
	is_not_installed();
	devices_are("gpu:0/0!", "discover: names, none listed -> missing");
	logged("indexes=none", "discover: names, none listed -> said");
	end();

	begin("cpu:0");
	ok(started == 0, "discover: the CPU alone -> no tool is asked");
	devices_are("cpu:0/0", "discover: the CPU alone -> there");
	end();
}

static void
wait_until(bool (*condition)(void))
{
	alarm(LIMIT_S);
	while (!condition())
		ev_run(loop, EVRUN_ONCE);
	alarm(0);
}

static bool
rocm_is_asked(void)
{
	return running("rocm-smi") != NULL;
}

static void
sick_tools(void)
{
	static char chunk[4096];

	begin("");
	wait_until(rocm_is_asked);
	ok(runs[0].killed, "discover: nvidia-smi hangs -> killed");
	logged("tool=nvidia-smi reason=\"no answer within 30 ms\"",
	       "discover: nvidia-smi hangs -> said");
	is_not_installed();
	devices_are("cpu:0/0", "discover: nvidia-smi hangs -> the CPU");
	/* the killed one stays in the driver */
	ok(live == 1, "discover: nvidia-smi hangs -> kept in mind");
	end();

	begin("");
	for (size_t i = 0; i <= AG_TOOL_OUTPUT_MAX / sizeof(chunk); i++)
		prints(chunk, sizeof(chunk));
	ok(runs[0].killed, "discover: a tool floods -> killed");
	prints(chunk, sizeof(chunk));
	ends(&(struct ag_exit){.status = -1, .signal = SIGKILL});
	logged("reason=\"printed more than 262144 bytes\"",
	       "discover: a tool floods -> said");
	end();

	begin("");
	ends(&(struct ag_exit){.status = -1, .signal = SIGSEGV});
	logged("reason=\"ended by signal 11\"", "discover: it crashes -> said");
	ends(&(struct ag_exit){.exec_errno = EACCES, .status = -1});
	logged("tool=rocm-smi reason=\"cannot be executed: Permission denied",
	       "discover: it may not be run -> said");
	end();

	begin("");
	answers("Traceback (most recent call last):\n  File \"x\"\n\n"
		"ImportError: no librocm_smi64\n\n",
		1);
	logged("exit status 1: ImportError: no librocm_smi64",
	       "discover: a traceback -> its last line is quoted");
	end();
}

static void
free_in_ready(void *arg)
{
	ready_calls++;
	ag_devices_free(*(struct ag_devices **)arg);
}

static void
life_cycle(void)
{
	struct gw_keys none = {0};
	struct gw_err err = {0};
	char *bad[] = {(char *)"gpu:0", (char *)"gpu:0"};
	struct gw_keys twice = {bad, 2};

	begin("");
	end(); /* while nvidia-smi runs */

	ok(!ag_devices_new(loop, "guard", &twice, on_ready, NULL, &err) &&
		   strstr(err.msg, "twice"),
	   "discover: a bad list -> refused");
	started = live = 0;
	ready_calls = 0;
	refuse_start = true;
	devices = ag_devices_new(loop, "guard", &none, free_in_ready, &devices,
				 &err);
	ok(devices && ready_calls == 0, "discover: no process -> not told yet");
	turn();
	ok(ready_calls == 1, "discover: no process -> told in the loop, which "
			     "may free it");
}

/* ---- refresh ---------------------------------------------------------------
 */

static void
fails_once(void)
{
	ag_devices_refresh(devices, 0);
	answers_file("nvidia-no-driver.txt", 9);
}

static void
refreshing(void)
{
	uint64_t sampled;

	begin("");
	answers_file("nvidia-two.csv", 0);
	ag_devices_refresh(devices, 60000);
	is_int((long long)started, 1, "refresh: young enough -> not asked");
	ag_devices_refresh(devices, 0);
	ag_devices_refresh(devices, 0);
	is_int((long long)started, 2, "refresh: asked twice -> one runs");
	ok(!strstr(log_lines(), "device_tool_failed"),
	   "refresh: asked while one runs -> no failure");
	answers("index, memory.free [MiB], memory.total [MiB]\n"
		"0, 5 MiB, 10 MiB\n1, 6 MiB, 10 MiB\n",
		0);
	is_int(device(0)->sample.memory_free_mib, 5,
	       "refresh: an answer -> new numbers");
	is_int(ready_calls, 1, "refresh: an answer -> not told again");
	sampled = device(0)->sampled_ms;
	(void)log_lines();

	fails_once();
	fails_once();
	ok(device(0)->sample.memory_free_mib == 5 &&
		   device(0)->sampled_ms == sampled,
	   "refresh: two failures -> the last numbers and their time stay");
	fails_once();
	ok(device(0)->sample.memory_free_mib == AG_UNKNOWN &&
		   device(0)->sampled_ms == sampled && !device(0)->missing,
	   "refresh: three failures -> unknown, not missing");
	logged("event=device_tool_failed", "refresh: a failure -> said");
	fails_once();
	ok(!strstr(log_lines(), "device_tool_failed"),
	   "refresh: the fourth failure -> not said again");

	ag_devices_refresh(devices, 0);
	answers_file("nvidia-two.csv", 0);
	is_int(device(1)->sample.memory_free_mib, 12036,
	       "refresh: it works again -> numbers again");
	fails_once();
	fails_once();
	is_int(device(1)->sample.memory_free_mib, 12036,
	       "refresh: two failures after that -> counted from the first");
	fails_once();
	is_int(device(1)->sample.memory_free_mib, AG_UNKNOWN,
	       "refresh: the third one after that -> unknown again");
	end();
}

static void
lost_and_back(void)
{
	begin("");
	answers_file("nvidia-two.csv", 0);
	(void)log_lines();
	ag_devices_refresh(devices, 0);
	answers("index, memory.free [MiB]\n0, 5 MiB\n", 0);
	ok(device(1)->missing && !device(0)->missing &&
		   device(1)->sample.memory_free_mib == AG_UNKNOWN,
	   "refresh: a GPU is not listed any more -> missing");
	logged("event=device_missing device=gpu:1 tool=nvidia-smi indexes=0",
	       "refresh: a GPU is not listed any more -> said");
	ag_devices_refresh(devices, 0);
	answers("index, memory.free [MiB]\n0, 5 MiB\n", 0);
	is_str(log_lines(), "", "refresh: still missing -> not said again");
	ag_devices_refresh(devices, 0);
	answers_file("nvidia-two.csv", 0);
	ok(!device(1)->missing, "refresh: listed again -> not missing");
	logged("event=devices by=nvidia-smi", "refresh: listed again -> said");
	end();

	begin("gpu:0");
	answers_file("nvidia-no-driver.txt", 9);
	is_not_installed();
	ag_devices_refresh(devices, 0);
	ok(running("nvidia-smi"),
	   "refresh: believed devices -> the failed tool is asked again");
	answers_file("nvidia-two.csv", 0);
	ok(device(0)->vendor == AG_VENDOR_NVIDIA && device(0)->sampled_ms > 0,
	   "refresh: the tool works now -> numbers");
	end();
}

static bool
limit_has_passed(void)
{
	return runs[started - 1].killed;
}

static void
stuck_refresh(void)
{
	begin("gpu:0 cpu:0");
	answers_file("nvidia-two.csv", 0);
	ag_devices_refresh(devices, 0);
	wait_until(limit_has_passed);
	is_int(device(0)->sample.memory_free_mib, 23000,
	       "refresh: the tool hangs -> the last numbers stay");
	ag_devices_refresh(devices, 0);
	ag_devices_refresh(devices, 0);
	is_int((long long)started, 2,
	       "refresh: a killed tool is not gone -> no other one");
	is_int(device(0)->sample.memory_free_mib, AG_UNKNOWN,
	       "refresh: it hangs for long -> unknown");
	ends(&(struct ag_exit){.status = -1, .signal = SIGKILL});
	ag_devices_refresh(devices, 0);
	is_int((long long)started, 3, "refresh: it is gone -> asked again");
	answers_file("nvidia-two.csv", 0);
	is_int(device(0)->sample.memory_free_mib, 23000,
	       "refresh: it is gone -> numbers again");
	end();

	begin("cpu:0");
	device(0)->sample.memory_total_mib = AG_UNKNOWN;
	ag_devices_refresh(devices, 0);
	ok(device(0)->sample.memory_total_mib > 0 && started == 0,
	   "refresh: the CPU -> read again, no tool");
	end();
}

int
main(void)
{
	log_begin();
	loop = ev_default_loop(0);
	auto_discovery();
	named_devices();
	sick_tools();
	life_cycle();
	refreshing();
	lost_and_back();
	stuck_refresh();
	close(log_fd);
	ev_loop_destroy(loop);
	return done_testing();
}
