/* SPDX-License-Identifier: MIT */
/* test_agent_process.c - one guarded program: start, output, end, leaks. */
#include "agent_run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MANY_STARTS 200
#define LARGE_BYTES 100000000

static bool
run_to_end(struct run *r, const char *script)
{
	return run_script(r, script) && run_until(has_exited, r);
}

static bool
ended_with(const struct run *r, int status, int signal)
{
	bool as_wanted = r->exits == 1 && r->how.exec_errno == 0 &&
			 r->how.status == status && r->how.signal == signal;

	if (!as_wanted)
		printf("# exits=%u exec_errno=%d status=%d signal=%d\n",
		       r->exits, r->how.exec_errno, r->how.status,
		       r->how.signal);
	return as_wanted;
}

static void
ends(void)
{
	struct run zero = {0}, seven = {0}, usr1 = {0};

	run_to_end(&zero, "echo out; echo err >&2");
	ok(ended_with(&zero, 0, 0), "process: it succeeds -> status 0");
	is_str(zero.output, "out\nerr\n",
	       "process: both outputs -> all read before the end is told");
	run_to_end(&seven, "exit 7");
	ok(ended_with(&seven, 7, 0), "process: it fails -> its status");
	run_to_end(&usr1, "kill -USR1 $$");
	ok(ended_with(&usr1, -1, SIGUSR1),
	   "process: a signal ends it -> that signal");
}

static void
told_at_start(void)
{
	struct run r = {0};
	char want[128];

	run_script(&r, "echo \"$$ $(cut -d' ' -f5,22 /proc/$$/stat)\"; "
		       "echo ready; sleep 1000");
	ok(r.started == 0,
	   "process: started -> no callback before the loop runs");
	run_until(is_ready, &r);
	snprintf(want, sizeof(want), "%d %d %llu\nready\n", (int)r.pid,
		 (int)r.pid, (unsigned long long)r.start_time);
	is_str(r.output, want,
	       "process: it runs -> its pid, its own group, its start time");
	ok(ag_process_start_time(r.pid) == r.start_time,
	   "process: it runs -> the same when asked");
	ag_process_kill(r.process);
	run_until(has_exited, &r);
	is_int((long long)ag_process_start_time(r.pid), 0,
	       "process: it is gone -> no start time");
}

static void
not_executable(void)
{
	const char *missing[] = {"/nonexistent/program", NULL};
	const char *unknown[] = {"rolemesh-no-such-program", NULL};
	const char *by_path[] = {"sh", "-c", "exit 3", NULL};
	char file[] = "/tmp/agent-process-XXXXXX";
	const char *plain[] = {file, NULL};
	struct run a = {0}, b = {0}, c = {0}, d = {0};
	int fd = mkstemp(file);

	run_argv(&a, missing, NULL);
	run_until(has_exited, &a);
	ok(a.how.exec_errno == ENOENT && a.how.status == -1 && !a.started,
	   "process: a missing file -> ENOENT, never started");
	run_argv(&b, unknown, NULL);
	run_until(has_exited, &b);
	is_int(b.how.exec_errno, ENOENT, "process: not in PATH -> ENOENT");
	run_argv(&c, plain, NULL);
	run_until(has_exited, &c);
	is_int(c.how.exec_errno, EACCES,
	       "process: a file that is not executable -> EACCES");
	run_argv(&d, by_path, NULL);
	run_until(has_exited, &d);
	ok(ended_with(&d, 3, 0), "process: a name without '/' -> from PATH");
	close(fd);
	unlink(file);
}

static void
broken_guard(void)
{
	const char *argv[] = {"/bin/true", NULL};
	struct ag_process_spec spec = {.guard = "/nonexistent/guard",
				       .argv = argv};
	struct run r = {0};
	size_t fds = count_fds();

	ok(!ag_process_start(EV_DEFAULT, &spec, &run_ops, &r, &r.err) &&
		   r.err.code == GW_ERR_INTERNAL && r.err.sys == ENOENT &&
		   strstr(r.err.msg, spec.guard),
	   "process: no guard -> an error that names it");
	is_int((long long)count_fds(), (long long)fds,
	       "process: no guard -> no descriptor stays open");
	spec.guard = "/bin/true";
	r.process = ag_process_start(EV_DEFAULT, &spec, &run_ops, &r, &r.err);
	run_until(has_exited, &r);
	is_int(r.how.exec_errno, EPROTO,
	       "process: a guard that is none -> not executed");
}

static void
terminates(void)
{
	struct run polite = {0}, plain = {0}, deaf = {0}, twice = {0};
	const char *ignores = "trap '' TERM; echo ready; "
			      "while :; do sleep 1000; done";

	run_script(&polite, "trap 'echo bye; exit 5' TERM; echo ready; "
			    "while :; do sleep 0.05; done");
	run_until(is_ready, &polite);
	ag_process_terminate(polite.process, LONG_MS);
	run_until(has_exited, &polite);
	ok(ended_with(&polite, 5, 0) && strstr(polite.output, "bye"),
	   "terminate: SIGTERM handled -> its own status");
	run_script(&plain, "echo ready; exec sleep 1000");
	run_until(is_ready, &plain);
	ag_process_terminate(plain.process, LONG_MS);
	run_until(has_exited, &plain);
	ok(ended_with(&plain, -1, SIGTERM),
	   "terminate: SIGTERM not handled -> ended by it");
	run_script(&deaf, ignores);
	run_until(is_ready, &deaf);
	ag_process_terminate(deaf.process, 50);
	run_until(has_exited, &deaf);
	ok(ended_with(&deaf, -1, SIGKILL),
	   "terminate: SIGTERM ignored -> SIGKILL after the grace time");
	run_script(&twice, ignores);
	run_until(is_ready, &twice);
	ag_process_terminate(twice.process, LONG_MS);
	ag_process_terminate(twice.process, 50);
	ag_process_terminate(twice.process, LONG_MS);
	run_until(has_exited, &twice);
	ok(ended_with(&twice, -1, SIGKILL),
	   "terminate: asked again -> the earliest end counts");
}

static void
killed_at_once(void)
{
	struct run a = {0}, b = {0};

	run_script(&a, "sleep 1000");
	ag_process_kill(a.process);
	run_until(has_exited, &a);
	ok(ended_with(&a, -1, SIGKILL), "kill: before it runs -> ended");
	run_script(&b, "sleep 1000");
	ag_process_terminate(b.process, LONG_MS);
	run_until(has_exited, &b);
	ok(ended_with(&b, -1, SIGTERM), "terminate: before it runs -> ended");
}

static void
environment(void)
{
	const char *argv[] = {"/bin/sh", "-c",
			      "echo $AG_KEPT,$AG_REPLACED,$AG_NEW,$AG_TWICE,"
			      "$(env | grep -c '^AG_REPLACED=')",
			      NULL};
	const char *env[] = {"AG_REPLACED=new", "AG_NEW=a=b", "AG_TWICE=1",
			     "AG_TWICE=2", NULL};
	struct run r = {0};

	setenv("AG_KEPT", "kept", 1);
	setenv("AG_REPLACED", "old", 1);
	run_argv(&r, argv, env);
	run_until(has_exited, &r);
	is_str(r.output, "kept,new,a=b,2,1\n",
	       "environment: laid over ours -> replaced, added, the last one "
	       "of a name counts");
	is_str(getenv("AG_REPLACED"), "old",
	       "environment: laid over ours -> ours is as before");
}

static bool
has_variable(pid_t pid, const char *entry)
{
	static char text[1 << 20];
	char path[64];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	return memmem(text, len, entry, strlen(entry) + 1) != NULL;
}

static void
environment_of_guard(void)
{
	const char *argv[] = {"/bin/sh", "-c",
			      /* no exec: in the middle of one there is no
			       * environment to be read */
			      "echo $AG_LONG | wc -c; echo ready; sleep 1000; "
			      "exit 0",
			      NULL};
	static char longest[100000] = "AG_LONG=";
	const char *env[] = {"LD_PRELOAD=/nonexistent/shim.so", "AG_OWN=1",
			     longest, NULL};
	struct ag_proc_stat stat = {0};
	struct run r = {0};

	memset(longest + strlen(longest), 'x', sizeof(longest) - 9);
	run_argv(&r, argv, env);
	run_until(is_ready, &r);
	(void)ag_proc_stat(r.pid, &stat);
	ok(has_variable(r.pid, "AG_OWN=1") &&
		   has_variable(r.pid, "LD_PRELOAD=/nonexistent/shim.so"),
	   "environment: meant for the command -> the command has it");
	ok(!has_variable(stat.ppid, "AG_OWN=1") &&
		   !has_variable(stat.ppid, "LD_PRELOAD=/nonexistent/shim.so"),
	   "environment: meant for the command -> its guard does not");
	ok(strstr(r.output, "99992\n") != NULL,
	   "environment: 100 KB of it -> arrives whole");
	ag_process_kill(r.process);
	run_until(has_exited, &r);
}

static unsigned long long
status_mask(const struct run *r, const char *name)
{
	const char *p = strstr(r->output, name);

	return p ? strtoull(p + strlen(name), NULL, 16) : ~0ull;
}

static void
nothing_inherited(void)
{
	struct run fds = {0}, r = {0};
	int leak = open("/dev/null", O_RDONLY), high = fcntl(leak, F_DUPFD, 77);
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGPIPE, SIG_IGN);
	/* The last one is the folder that ls reads. */
	run_to_end(&fds, "readlink /proc/self/fd/0; exec ls /proc/self/fd");
	is_str(fds.output, "/dev/null\n0\n1\n2\n3\n",
	       "inherit: we hold descriptors -> none of them in the program");
	run_to_end(&r, "exec grep -E 'Sig(Blk|Ign)' /proc/self/status");
	/* The C library ignores two signals of its own in what it spawns. */
	ok((status_mask(&r, "SigIgn:") & ~0x180000000u) == 0 &&
		   status_mask(&r, "SigBlk:") == 0,
	   "inherit: we block and ignore signals -> the program does not");
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(leak);
	close(high);
}

/* Bytes since the loop's last turn; the timer stands for all else it does. */
static struct {
	size_t in_turn, most_in_turn, total;
	unsigned timer;
} flood;

static void
on_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	flood.in_turn = 0;
}

static void
on_flood_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	flood.timer++;
}

static void
on_flood(struct run *r, size_t n)
{
	(void)r;
	flood.total += n;
	flood.in_turn += n;
	if (flood.in_turn > flood.most_in_turn)
		flood.most_in_turn = flood.in_turn;
}

static void
large_output(void)
{
	struct run r = {.then_output = on_flood};
	ev_prepare turn;
	ev_timer timer;

	ev_prepare_init(&turn, on_turn);
	ev_prepare_start(EV_DEFAULT, &turn);
	ev_timer_init(&timer, on_flood_timer, 0.001, 0.001);
	ev_timer_start(EV_DEFAULT, &timer);
	run_to_end(&r, "exec head -c 100000000 /dev/zero");
	ev_timer_stop(EV_DEFAULT, &timer);
	ev_prepare_stop(EV_DEFAULT, &turn);
	is_int((long long)flood.total, LARGE_BYTES,
	       "output: 100 MB -> every byte arrives");
	ok(flood.most_in_turn > 0 && flood.most_in_turn <= AG_PROCESS_READ_MAX,
	   "output: 100 MB -> a bounded piece each turn of the loop");
	ok(flood.timer > 1,
	   "output: 100 MB -> a timer of the loop still fires");
}

static void
free_it(struct run *r)
{
	ag_process_free(r->process);
	r->process = NULL;
}

static void
free_at_output(struct run *r, size_t n)
{
	(void)n;
	free_it(r);
}

static unsigned late_outputs;

static void
expect_no_output(struct run *r, size_t n)
{
	(void)n;
	late_outputs += !r->process;
}

static struct run second;

static void
start_second(struct run *r)
{
	(void)r;
	run_script(&second, "exit 4");
}

static void
in_callbacks(void)
{
	struct run a = {.then_started = free_it,
			.then_output = expect_no_output};
	struct run b = {.then_output = free_at_output};
	struct run c = {.then_exit = start_second};

	run_script(&a, "while :; do echo a; done");
	run_until(has_no_child, &a);
	ok(a.started == 1 && late_outputs == 0 && a.exits == 0 &&
		   !is_running(a.pid),
	   "free: when it started -> gone, no further callback");
	run_script(&b, "while :; do echo b; done");
	run_until(has_no_child, &b);
	ok(b.n_output > 0 && b.exits == 0 && !is_running(b.pid),
	   "free: at its output -> gone, no further callback");
	run_to_end(&c, "exit 1");
	run_until(has_exited, &second);
	ok(ended_with(&c, 1, 0) && ended_with(&second, 4, 0),
	   "process: one starts another at its end -> both end as they should");
	ag_process_free(NULL);
}

static void
leaks(size_t fds)
{
	struct run r = {0};
	unsigned good = 0;

	for (int i = 0; i < MANY_STARTS; i++) {
		r = (struct run){0};
		run_to_end(&r, "exit 0");
		good += r.exits == 1 && r.how.status == 0;
	}
	is_int(good, MANY_STARTS, "process: 200 starts in a row -> 200 ends");
	is_int((long long)count_fds(), (long long)fds,
	       "process: all that was started -> no descriptor left open");
	is_int((long long)count_children(), 0,
	       "process: all that was started -> no zombie, no child left");
}

static void
guard_by_hand(void)
{
	static const char *const args[] = {"",
					   "3",
					   "x -- /bin/true",
					   "3 /bin/true --",
					   "3 -- /bin/true",
					   "0 -- /bin/true"};
	char command[5000], line[256];
	unsigned good = 0;

	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		FILE *f;
		int status, n = 0;

		snprintf(command, sizeof(command), "%s %s 2>&1", run_guard,
			 args[i]);
		f = popen(command, "r");
		while (f && fgets(line, sizeof(line), f))
			n += strncmp(line, "usage: ", 7) == 0 ? 1 : 100;
		status = f ? pclose(f) : -1;
		good += n == 1 && WIFEXITED(status) && WEXITSTATUS(status) == 2;
	}
	is_int(good, sizeof(args) / sizeof(args[0]),
	       "guard: wrong arguments -> one line of usage, exit 2");
}

int
main(void)
{
	size_t fds;

	run_init();
	guard_by_hand();
	/* The loop's own descriptors come with its first child. */
	(void)run_to_end(&(struct run){0}, "exit 0");
	fds = count_fds();
	ends();
	told_at_start();
	not_executable();
	broken_guard();
	terminates();
	killed_at_once();
	environment();
	environment_of_guard();
	nothing_inherited();
	large_output();
	in_callbacks();
	leaks(fds);
	return done_testing();
}
