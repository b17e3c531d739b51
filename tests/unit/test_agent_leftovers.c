/* SPDX-License-Identifier: MIT */
/*
 * test_agent_leftovers.c - a dead agent's processes, found without their head;
 * strangers beside them.
 */
#include "agent/process/children.h"
#include "agent/process/leftovers.h"
#include "agent/process/proc_stat.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "tap.h"

#define MARK "0123456789abcdef0123456789abcdef"
#define SLEEPS "exec sleep 1000"

/* A leader of a group runs @script, and the process whose pid that prints. */
struct pair {
	pid_t leader, other;
	uint64_t leader_start, other_start;
};

static uint64_t
start_of(pid_t pid)
{
	struct ag_proc_stat stat = {0};

	(void)ag_proc_stat(pid, &stat);
	return stat.start_time;
}

static bool
runs(pid_t pid)
{
	struct ag_proc_stat stat;

	/* What is orphaned becomes our child. */
	waitpid(pid, NULL, WNOHANG);
	return ag_proc_stat(pid, &stat) == 0 && stat.state != 'Z' &&
	       stat.state != 'X';
}

static bool
ends(pid_t pid)
{
	/* SIGKILL was sent, or never will be. */
	for (int i = 0; i < 500 && runs(pid); i++)
		usleep(20000);
	return !runs(pid);
}

/*
 * It is on the way to `sleep`: while a program is being executed there is no
 * environment to be read. Who sleeps is through.
 */
static bool
sleeps(pid_t pid)
{
	char path[64], comm[32] = "";
	struct ag_proc_stat stat;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = '\0';
	fclose(f);
	return strcmp(comm, "sleep\n") == 0 && ag_proc_stat(pid, &stat) == 0 &&
	       stat.state == 'S';
}

static struct pair
start(const char *script, const char *mark)
{
	struct pair p = {0};
	int ends[2];
	FILE *f;

	if (pipe(ends) != 0)
		exit(1);
	p.leader = fork();
	if (p.leader == 0) {
		setpgid(0, 0);
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		if (mark)
			setenv(AG_MARK_VARIABLE, mark, 1);
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	f = fdopen(ends[0], "r");
	if (!f || fscanf(f, "%d", &p.other) != 1)
		exit(1);
	fclose(f);
	for (int i = 0; i < 5000 && !sleeps(p.other); i++)
		usleep(2000);
	p.leader_start = start_of(p.leader);
	p.other_start = start_of(p.other);
	return p;
}

/* As the kernel does when the guard is killed; its number is free then. */
static void
lose_leader(const struct pair *p)
{
	kill(p->leader, SIGKILL);
	waitpid(p->leader, NULL, 0);
}

static void
clear(const struct pair *p)
{
	kill(p->leader, SIGKILL);
	kill(p->other, SIGKILL);
	waitpid(p->leader, NULL, 0);
	waitpid(p->other, NULL, 0);
}

#define IN_GROUP "sh -c 'echo $$; " SLEEPS "' & wait"
#define IN_SESSION "setsid sh -c 'echo $$; " SLEEPS "' & wait"
/* A child that cleared its environment, in the session of one that did not. */
#define CLEARED                                                                \
	"setsid sh -c 'env -i sh -c \"echo \\$\\$; " SLEEPS "\" & wait' & "    \
	"wait"

static void
search(const struct pair *p, const char *mark, uint64_t alive_at)
{
	struct ag_leader leader = {.pid = p->leader,
				   .start_time = p->leader_start};
	struct ag_leftovers left = {
		.mark = mark, .alive_at = alive_at, .leader = &leader, .n = 1};

	ag_leftovers_kill(&left);
}

static void
heads(void)
{
	struct pair p = start(IN_GROUP, NULL);
	struct ag_leader wrong = {.pid = p.leader,
				  .start_time = p.leader_start + 1};
	struct ag_leftovers left = {.leader = &wrong, .n = 1};

	ag_leftovers_kill(&left);
	ok(runs(p.leader) && runs(p.other),
	   "head: its number is somebody else's by now -> left alone");
	search(&p, NULL, 0);
	ok(ends(p.leader) && ends(p.other),
	   "head: it lives -> killed, and its child");
	clear(&p);
}

static void
groups(void)
{
	struct pair p = start(IN_GROUP, NULL);

	lose_leader(&p);
	search(&p, NULL, 0);
	ok(runs(p.other), "group: the host was booted since -> left alone");
	search(&p, NULL, p.other_start - 1);
	ok(runs(p.other), "group: began after the head was last seen, no mark "
			  "-> left alone");
	search(&p, MARK, p.other_start);
	ok(ends(p.other), "group: the head is gone, a member lived beside it "
			  "-> killed");
	clear(&p);
}

static void
marks(void)
{
	struct pair p = start(IN_SESSION, MARK), q = start(IN_SESSION, NULL),
		    c = start(CLEARED, MARK);
	struct ag_leftovers none = {0}, left = {.mark = MARK};

	lose_leader(&p);
	lose_leader(&q);
	lose_leader(&c);
	ag_leftovers_kill(&none);
	ok(runs(p.other) && runs(q.other) && runs(c.other),
	   "mark: nothing is known -> everybody is left alone");
	ag_leftovers_kill(&left);
	ok(ends(p.other), "mark: in a session of its own -> killed");
	ok(ends(c.other), "mark: not in the environment, but in that of its "
			  "session's head -> killed");
	ok(runs(q.other), "mark: none -> left alone");
	clear(&p);
	clear(&q);
	clear(&c);
}

/* Where the mark begins in the environment of a process. */
static size_t
place_of_mark(pid_t pid)
{
	static const char mark[] = AG_MARK_VARIABLE "=" MARK;
	static char text[200000];
	char path[64], *found;
	ssize_t n, have = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 &&
	       (n = read(fd, text + have, sizeof(text) - (size_t)have)) > 0)
		have += n;
	close(fd);
	found = memmem(text, (size_t)have, mark, sizeof(mark));
	return found ? (size_t)(found - text) : 0;
}

static struct pair
start_behind(size_t bytes)
{
	static char longest[100001];
	struct pair p;

	memset(longest, 'x', bytes);
	longest[bytes] = '\0';
	setenv("AG_TEST_LONG", longest, 1);
	p = start(IN_SESSION, MARK);
	unsetenv("AG_TEST_LONG");
	return p;
}

static void
long_environment(void)
{
	struct ag_leftovers left = {.mark = MARK};
	struct pair p = start_behind(100000);
	size_t at = place_of_mark(p.other);

	lose_leader(&p);
	ag_leftovers_kill(&left);
	ok(at > 100000 && ends(p.other),
	   "mark: behind 100 KB of environment -> killed");
	clear(&p);
	/* What is read at a time ends in the middle of it. */
	p = start_behind(100000 - at + 65536 - 20);
	at = place_of_mark(p.other);
	lose_leader(&p);
	ag_leftovers_kill(&left);
	ok(at == 65536 - 20 && ends(p.other),
	   "mark: in two pieces of what is read -> killed");
	clear(&p);
}

/* What an agent writes is what the next one finds. */
static void
files(void)
{
	char folder[] = "/tmp/agent-leftovers-XXXXXX", path[64];
	struct ag_children children = {0};
	struct gw_err err = {0};
	struct ag_child child;
	struct pair p, q;

	if (!mkdtemp(folder) || ag_children_init(&children, folder, &err) != 0)
		exit(1);
	p = start(IN_GROUP, NULL);
	q = start(IN_SESSION, children.mark);
	child = (struct ag_child){
		.name = "m", .pid = p.leader, .start_time = p.leader_start};
	ag_children_write(&children, &child, 1);
	lose_leader(&p);
	lose_leader(&q);
	ag_children_end_leftovers(folder);
	ok(ends(p.other), "file: names a wrapper that is gone -> its child is "
			  "killed");
	ok(ends(q.other), "file: has a mark -> who bears it is killed");
	snprintf(path, sizeof(path), "%s/children.json", folder);
	unlink(path);
	rmdir(folder);
	clear(&p);
	clear(&q);
}

int
main(void)
{
	gw_log_init("test");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	heads();
	groups();
	marks();
	long_environment();
	files();
	return done_testing();
}
