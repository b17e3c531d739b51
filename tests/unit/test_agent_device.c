/* SPDX-License-Identifier: MIT */
/*
 * test_agent_device.c - names of devices, lists, environments, several GPUs as
 * one, and discovery with vendor tools that the test plays itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "device_fixture.h"

#define LIMIT_S 20 /* a test that waits longer has failed */
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

/* ---- names -----------------------------------------------------------------
 */

static void
good_name(const char *name, size_t gpus, unsigned last)
{
	struct ag_device d;
	struct gw_err err = {0};

	ok(ag_device_check_name(name, &d, &err) == 0 &&
		   strcmp(d.id, name) == 0 && d.n_gpus == gpus &&
		   d.kind == (gpus ? AG_DEVICE_GPU : AG_DEVICE_CPU) &&
		   (gpus == 0 || d.gpu[gpus - 1] == last) &&
		   d.sample.memory_total_mib == AG_UNKNOWN && !d.missing,
	   "device: name %s -> understood", name);
}

static void
bad_name(const char *name, const char *why)
{
	struct gw_err err = {0};

	ok(ag_device_check_name(name, NULL, &err) < 0 &&
		   err.code == GW_ERR_INVALID_REQUEST && strstr(err.msg, why) &&
		   strstr(err.msg, "gpu:N,M"),
	   "device: name %.70s -> refused, %s", name, why);
}

static void
names(void)
{
	char text[AG_DEVICE_ID_BYTES + 1] = "gpu:";

	good_name("cpu:0", 0, 0);
	good_name("gpu:0", 1, 0);
	good_name("gpu:3,1", 2, 1);
	good_name("gpu:9999", 1, 9999);
	bad_name("", "no known kind");
	bad_name("gpu", "no known kind");
	bad_name("GPU:0", "no known kind");
	bad_name("cuda:0", "no known kind");
	bad_name("cpu:1", "all cores");
	bad_name("cpu:", "all cores");
	bad_name("gpu:", "index is missing");
	bad_name("gpu:x", "index is missing");
	bad_name("gpu:-1", "index is missing");
	bad_name("gpu:0,", "index is missing");
	bad_name("gpu:,0", "index is missing");
	bad_name("gpu:00", "no zeros");
	bad_name("gpu:0 1", "commas");
	bad_name("gpu:10000", "at most 4 digits");
	bad_name("gpu:2,0,2", "twice");
	for (unsigned i = 0; i < 20; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%s%u", i ? "," : "", i + 10);
	good_name(text, 20, 29); /* 63 bytes */
	snprintf(text + strlen(text), 2, "0");
	bad_name(text, "too long");
}

/* ---- lists -----------------------------------------------------------------
 */

static void
list_is(char **name, size_t n, size_t at, const char *why, const char *title)
{
	struct gw_keys keys = {name, n};
	struct gw_err err = {0};
	size_t fault = 12345;
	int rc = ag_device_check_list(&keys, &fault, &err);

	if (!ok(why ? rc < 0 && fault == at && strstr(err.msg, why) &&
				err.code == GW_ERR_INVALID_REQUEST
		    : rc == 0,
		"%s", title))
		printf("# rc %d at %zu: %s\n", rc, fault, err.msg);
}

#define LIST(at, why, title, ...)                                              \
	do {                                                                   \
		char *list_names[] = {__VA_ARGS__};                            \
		list_is(list_names, GW_ARRAY_LEN(list_names), at, why, title); \
	} while (0)

static void
lists(void)
{
	char text[AG_DEVICES_MAX + 1][16];
	char *name[AG_DEVICES_MAX + 1];

	list_is(NULL, 0, 0, NULL, "device: an empty list -> accepted");
	LIST(0, NULL, "device: different devices -> accepted", (char *)"gpu:2",
	     (char *)"gpu:0,1", (char *)"cpu:0");
	LIST(2, "gpu:1 is listed twice", "device: one twice -> refused",
	     (char *)"gpu:1", (char *)"cpu:0", (char *)"gpu:1");
	LIST(1, "cpu:0 is listed twice", "device: the CPU twice -> refused",
	     (char *)"cpu:0", (char *)"cpu:0");
	LIST(1, "GPU 1 is in two devices, gpu:0,1 and gpu:2,1",
	     "device: a GPU in two devices -> refused, both named",
	     (char *)"gpu:0,1", (char *)"gpu:2,1");
	LIST(1, "not a device", "device: no name in a list -> its place",
	     (char *)"gpu:0", (char *)"gpu:a");
	for (size_t i = 0; i <= AG_DEVICES_MAX; i++) {
		snprintf(text[i], sizeof(text[i]), "gpu:%zu", i);
		name[i] = text[i];
	}
	list_is(name, AG_DEVICES_MAX, 0, NULL,
		"device: as many as there may be -> accepted");
	list_is(name, AG_DEVICES_MAX + 1, AG_DEVICES_MAX, "more than 32",
		"device: one more -> refused");
}

/* ---- environment -----------------------------------------------------------
 */

static void
env_is(const char *name, enum ag_vendor vendor, const char *want,
       const char *title)
{
	struct gw_buf b GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(512);
	struct ag_device d;
	struct gw_err err;

	if (ag_device_check_name(name, &d, &err) < 0)
		exit(99);
	d.vendor = vendor;
	if (ag_device_env(&d, &b) < 0)
		exit(99);
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] == '\0')
			b.data[i] = '\n';
	is_str(b.data, want, title);
}

static void
environments(void)
{
	struct gw_buf tiny GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(40);
	struct ag_device d;
	struct gw_err err;

	env_is("gpu:1", AG_VENDOR_NVIDIA,
	       "CUDA_DEVICE_ORDER=PCI_BUS_ID\nCUDA_VISIBLE_DEVICES=1\n",
	       "env: an NVIDIA GPU -> CUDA");
	env_is("gpu:2,0", AG_VENDOR_NVIDIA,
	       "CUDA_DEVICE_ORDER=PCI_BUS_ID\nCUDA_VISIBLE_DEVICES=2,0\n",
	       "env: two GPUs -> in the order of the name");
	env_is("gpu:0", AG_VENDOR_AMD, "HIP_VISIBLE_DEVICES=0\n",
	       "env: an AMD GPU -> HIP alone");
	env_is("gpu:3", AG_VENDOR_NONE,
	       "CUDA_DEVICE_ORDER=PCI_BUS_ID\nCUDA_VISIBLE_DEVICES=3\n"
	       "HIP_VISIBLE_DEVICES=3\nGGML_VK_VISIBLE_DEVICES=3\n",
	       "env: a GPU that nobody listed -> every kind");
	env_is("cpu:0", AG_VENDOR_NONE,
	       "CUDA_VISIBLE_DEVICES=-1\nHIP_VISIBLE_DEVICES=-1\n"
	       "GGML_VK_VISIBLE_DEVICES=\n",
	       "env: the CPU -> every GPU hidden");
	ok(ag_device_check_name("gpu:1", &d, &err) == 0 &&
		   ag_device_env(&d, &tiny) < 0,
	   "env: no room -> an error");
}

/* ---- several GPUs as one ---------------------------------------------------
 */

static struct ag_sample_list two;

static struct ag_sample *
gpu(size_t i, const char *name, int64_t total, int64_t available, int64_t use,
    int64_t degrees)
{
	struct ag_sample *s = &two.sample[i];

	two.n = i + 1;
	*s = (struct ag_sample){.index = (unsigned)i,
				.uuid = "U",
				.memory_total_mib = total,
				.memory_free_mib = available,
				.utilisation_pct = use,
				.temperature_c = degrees,
				.power_mw = 1000};
	snprintf(s->name, sizeof(s->name), "%s", name);
	return s;
}

static void
aggregate_is(const char *want, const char *title)
{
	struct ag_device d;
	struct gw_err err;
	char got[300];

	if (ag_device_check_name("gpu:0,1", &d, &err) < 0 ||
	    !ag_device_take(&d, &two))
		exit(99);
	is_str(sample_text(&d.sample, got, sizeof(got)), want, title);
}

static void
aggregates(void)
{
	struct ag_device d;
	struct gw_err err;
	char name[96];

	gpu(0, "A", 100, 60, 10, 40);
	gpu(1, "A", 200, 70, 31, 55);
	aggregate_is("0 'A' '' 300/130 MiB 20% 55C 2000mW",
		     "device: two GPUs -> sums, mean, highest");
	gpu(1, "B", AG_UNKNOWN, 70, AG_UNKNOWN, AG_UNKNOWN);
	aggregate_is("0 'A + B' '' -1/130 MiB -1% 40C 2000mW",
		     "device: one of two does not tell -> sums unknown");
	memset(name, 'n', 94);
	name[94] = '\0';
	gpu(0, name, 1, 1, 1, 1);
	gpu(1, "B", 1, 1, 1, 1);
	if (ag_device_check_name("gpu:0,1", &d, &err) == 0)
		(void)ag_device_take(&d, &two);
	is_str(d.sample.name, name,
	       "device: names that do not fit -> the first one");
	two.n = 1;
	ok(!ag_device_take(&d, &two) && d.sample.memory_free_mib == AG_UNKNOWN,
	   "device: one of two is not listed -> missing, unknown");
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
	logged("event=device_missing device=gpu:7 tool=nvidia-smi listed=0,1",
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
	logged("listed=none", "discover: names, none listed -> said");
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
	logged("event=device_missing device=gpu:1 tool=nvidia-smi listed=0",
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
	names();
	lists();
	environments();
	aggregates();
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
