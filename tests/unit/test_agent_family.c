/* SPDX-License-Identifier: MIT */
/* test_agent_family.c - whatever a program starts ends with it, and with us. */
#include "agent_run.h"

#include <sys/wait.h>

/* Prints its pid by this name, and never ends on its own. */
#define SLEEPER(name)                                                          \
	"sh -c 'trap \"\" TERM HUP; echo " name "=$$; "                        \
	"while :; do sleep 1000; done'"
/* Parent of nobody known, leader of a session of its own. */
#define DAEMON(name) "(setsid " SLEEPER(name) " &)"

static const char *const names[] = {"wrapper", "plain", "daemon", "guard"};
#define DAEMONS 20
#define N_NAMES (sizeof(names) / sizeof(names[0]))

static bool
all_gone(const struct run *r)
{
	for (size_t i = 0; i < N_NAMES; i++) {
		pid_t pid = printed_pid(r, names[i]);

		if (pid && is_running(pid))
			return false;
	}
	return true;
}

/* The wrapper, a child of it, and a daemon have told their pids. */
static bool
is_complete(const struct run *r)
{
	return r->started && printed_pid(r, "wrapper") &&
	       printed_pid(r, "plain") && printed_pid(r, "daemon");
}

static const char family[] =
	"echo wrapper=$$; " DAEMON("daemon") "; " SLEEPER("plain") "; exit 0";

static bool
all_run(const struct run *r)
{
	return is_running(printed_pid(r, "wrapper")) &&
	       is_running(printed_pid(r, "plain")) &&
	       is_running(printed_pid(r, "daemon"));
}

static void
terminated(void)
{
	struct run r = {0};

	run_script(&r, family);
	run_until(is_complete, &r);
	ok(all_run(&r), "family: a wrapper, its child, a daemon -> all run");
	ag_process_terminate(r.process, 100);
	run_until(has_exited, &r);
	ok(r.exits == 1 && all_gone(&r),
	   "family: terminated, the children ignore SIGTERM -> all gone");
}

static void
killed(void)
{
	struct run r = {0};

	run_script(&r, family);
	run_until(is_complete, &r);
	ag_process_kill(r.process);
	run_until(has_exited, &r);
	ok(r.how.signal == SIGKILL && all_gone(&r),
	   "family: killed -> all gone when that is told");
}

static void
left_behind(void)
{
	struct run r = {0};

	/* It ends once both have printed; they hold its output open. */
	run_script(&r, "f=$(mktemp); " SLEEPER("plain") " >>$f & " DAEMON(
			       "daemon") " >>$f; "
					 "until [ $(wc -l <$f) = 2 ]; do sleep "
					 "0.02; done; "
					 "cat $f; rm $f; exit 6");
	run_until(has_exited, &r);
	ok(r.how.status == 6 && printed_pid(&r, "plain") &&
		   printed_pid(&r, "daemon") && all_gone(&r),
	   "family: the command ends, others are left -> gone when its end is "
	   "told");
}

/* Processes that have this variable in their environment. */
static unsigned
count_marked(const char *mark)
{
	DIR *d = opendir("/proc");
	static char text[OUTPUT_MAX];
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d))) {
		char path[300];
		size_t len;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/environ", e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		len = fread(text, 1, sizeof(text), f);
		fclose(f);
		n += memmem(text, len, mark, strlen(mark)) &&
		     is_running((pid_t)strtol(e->d_name, NULL, 10));
	}
	if (d)
		closedir(d);
	return n;
}

static bool
all_deep(const struct run *r)
{
	unsigned n = 0;

	for (const char *p = r->output; (p = strstr(p, "deep")); p++)
		n++;
	return n == DAEMONS;
}

/* Daemons that start daemons, each a session of its own. */
static void
many(bool (*until)(const struct run *), const char *when)
{
	const char *argv[] = {"/bin/sh", "-c",
			      "i=0; while [ $i -lt 20 ]; do i=$((i+1)); "
			      "(setsid sh -c '(setsid sh -c \"echo deep; "
			      "sleep 1000; :\" &); sleep 1000; :' &); done; "
			      "echo ready; sleep 1000; :",
			      NULL};
	char mark[64];
	const char *env[] = {mark, NULL};
	struct run r = {0};
	unsigned before;

	snprintf(mark, sizeof(mark), "AG_TEST_MARK=%d.%s", (int)getpid(), when);
	run_argv(&r, argv, env);
	run_until(until, &r);
	before = count_marked(mark);
	ag_process_kill(r.process);
	run_until(has_exited, &r);
	/* The shell and its guard at least. */
	ok(before >= 2 && r.exits == 1 && count_marked(mark) == 0,
	   "family: daemons of daemons, killed when %s -> all gone", when);
}

static void
freed(void)
{
	struct run r = {0};

	run_script(&r, family);
	run_until(is_complete, &r);
	ag_process_free(r.process);
	run_until(all_gone, &r);
	run_until(has_no_child, &r);
	ok(all_gone(&r) && r.exits == 0, "family: freed -> all gone, no word");
}

static pid_t
guard_of(const struct run *r)
{
	struct ag_proc_stat stat = {0};

	(void)ag_proc_stat(r->pid, &stat);
	return stat.ppid;
}

static void
guard_signalled(void)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT,
				      SIGTSTP};
	struct run r = {0};
	pid_t guard;

	run_script(&r, "trap 'exit 5' TERM; echo ready; "
		       "while :; do sleep 0.05; done");
	run_until(is_ready, &r);
	guard = guard_of(&r);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		kill(guard, signals[i]);
	ok(getpgid(guard) != getpgrp() && getpgid(guard) != getpgid(r.pid),
	   "guard: its process group -> neither ours nor the command's");
	ag_process_terminate(r.process, LONG_MS);
	run_until(has_exited, &r);
	is_int(r.how.status, 5, "guard: gets signals -> does its work still");
}

static void
guard_killed(void)
{
	struct run r = {0};

	run_script(&r, family);
	run_until(is_complete, &r);
	kill(guard_of(&r), SIGKILL);
	for (int i = 0; i < WAIT_S / LOOK_S && is_running(r.pid); i++)
		usleep(LOOK_S * 1e6);
	ok(!is_running(r.pid),
	   "guard: killed -> the kernel ends the command, not the agent");
	run_until(has_exited, &r);
	/* The daemon left the group, and nobody is left to find it. */
	ok(r.exits == 1 && r.how.status == -1 && r.how.signal == SIGKILL,
	   "guard: killed -> SIGKILL is told, even while a daemon holds the "
	   "output open");
	kill(-printed_pid(&r, "daemon"), SIGKILL);
	run_until(all_gone, &r);
	ok(all_gone(&r), "guard: killed -> the command and its group are gone");
}

/* Read a log from its beginning; lines with this event. */
static unsigned
count_events(int fd, const char *event)
{
	static char text[OUTPUT_MAX];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	unsigned found = 0;

	text[n < 0 ? 0 : n] = '\0';
	for (const char *p = text; (p = strstr(p, event)); p++)
		found++;
	return found;
}

static int log_fd;

static bool
is_logged(const struct run *r)
{
	(void)r;
	return count_events(log_fd, "event=child_stuck") > 0;
}

static void
stuck(void)
{
	char file[] = "/tmp/agent-family-XXXXXX";
	int saved = dup(STDERR_FILENO);
	struct run r = {0};
	pid_t guard;
	bool logged;

	log_fd = mkstemp(file);
	dup2(log_fd, STDERR_FILENO);
	run_script(&r, "echo ready; sleep 1000");
	run_until(is_ready, &r);
	guard = guard_of(&r);
	/* As good as a program that hangs in the kernel. */
	kill(guard, SIGSTOP);
	ag_process_kill(r.process);
	logged = run_until(is_logged, &r);
	ok(logged && r.exits == 0,
	   "stuck: no end after SIGKILL -> logged, and waited for");
	kill(guard, SIGCONT);
	run_until(has_exited, &r);
	dup2(saved, STDERR_FILENO);
	close(saved);
	ok(r.how.signal == SIGKILL && count_events(log_fd, "event=") == 1,
	   "stuck: it ends at last -> told, and nothing more is logged");
	close(log_fd);
	unlink(file);
}

/* What the agent is in agent_killed(): starts the family, passes on what it
 * prints and who the guard is, and waits to be killed. */
static void
tell_guard(struct run *r)
{
	printf("guard=%d\n", (int)guard_of(r));
	fflush(stdout);
}

static void
pass_on(struct run *r, size_t n)
{
	printf("%.*s", (int)n, r->output + r->n_output - n);
	fflush(stdout);
}

static int
be_agent(void)
{
	struct run r = {.then_started = tell_guard, .then_output = pass_on};

	run_script(&r, family);
	ev_run(EV_DEFAULT, 0);
	return 1;
}

static void
agent_killed(const char *self)
{
	struct run r = {.started = 1};
	int ends[2];
	pid_t agent;
	ssize_t n;

	if (pipe(ends) != 0)
		exit(1);
	agent = fork();
	if (agent == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execl(self, self, "agent", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	while (!(is_complete(&r) && strstr(r.output, "guard="))) {
		n = read(ends[0], r.output + r.n_output,
			 OUTPUT_MAX - 1 - r.n_output);
		if (n <= 0)
			break;
		r.n_output += (size_t)n;
	}
	close(ends[0]);
	ok(all_run(&r) && is_running(printed_pid(&r, "guard")),
	   "agent: it has started a family -> all run");
	kill(agent, SIGKILL);
	waitpid(agent, NULL, 0);
	run_until(all_gone, &r);
	ok(all_gone(&r), "agent: SIGKILL -> the whole family and the guard are "
			 "gone");
}

int
main(int argc, char **argv)
{
	run_init();
	if (argc > 1 && strcmp(argv[1], "agent") == 0)
		return be_agent();
	agent_killed(argv[0]);
	terminated();
	killed();
	left_behind();
	many(is_ready, "some have started");
	many(all_deep, "all have started");
	freed();
	guard_signalled();
	guard_killed();
	stuck();
	is_int((long long)count_children(), 0,
	       "family: in the end -> no zombie, no child of ours");
	return done_testing();
}
