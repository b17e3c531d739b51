/* SPDX-License-Identifier: MIT */
/*
 * reg_test.h - what the tests of shm/ share: segments of their own that never
 * stay behind, child processes, and payloads that can tell they are whole.
 */
#ifndef TESTS_UNIT_REG_TEST_H
#define TESTS_UNIT_REG_TEST_H

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"
#include "tap.h"

/* fork() costs ten times as much under the address sanitizer. */
#if defined(__SANITIZE_ADDRESS__)
#define REG_TEST_SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REG_TEST_SLOW 1
#endif
#endif

#define UNUSED_OK __attribute__((unused))

static char seg_name[64];
static pid_t seg_creator;

UNUSED_OK static void
seg_remove(void)
{
	if (getpid() == seg_creator && seg_name[0])
		reg_unlink(seg_name);
}

/* Gives seg_name a name nobody else has; removed when the test ends. */
UNUSED_OK static const char *
seg_new(void)
{
	static int n;

	if (!seg_creator) {
		seg_creator = getpid();
		signal(SIGPIPE, SIG_IGN); /* whoever reads us may stop */
		atexit(seg_remove);
	}
	seg_remove();
	snprintf(seg_name, sizeof(seg_name), "/reg-test-%d-%d", (int)getpid(),
		 n++);
	/* Of a test with the same pid that was killed, long ago. */
	reg_unlink(seg_name);
	return seg_name;
}

/* Opens seg_name or ends the test: nothing works without. */
UNUSED_OK static struct reg *
seg_open(size_t bytes)
{
	struct reg_err err = {0};
	struct reg *r = reg_open(seg_name, bytes, &err);

	if (!r) {
		ok(false, "open %s: %s", seg_name, err.msg);
		exit(1);
	}
	return r;
}

/* Starts a child that runs @body and exits with what it returns. */
UNUSED_OK static pid_t
spawn(int (*body)(void *), void *arg)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		/* A test that is killed leaves nobody behind. */
		_exit(prctl(PR_SET_PDEATHSIG, SIGKILL) ? 97 : body(arg));
	if (pid < 0) {
		ok(false, "fork: %s", strerror(errno));
		exit(1);
	}
	return pid;
}

/* Waits for a child: its exit status, or 128 + the signal that ended it. */
UNUSED_OK static int
reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A child that waits to be killed. */
UNUSED_OK _Noreturn static void
hold(void)
{
	for (;;)
		pause();
}

UNUSED_OK static int
kill_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	return reap(pid);
}

/* Memory that this process and its children share. */
UNUSED_OK static void *
shared_page(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		ok(false, "mmap: %s", strerror(errno));
		exit(1);
	}
	return p;
}

/* Waits for a child to set a word. */
UNUSED_OK static void
await(const _Atomic int *word, int at_least)
{
	while (atomic_load(word) < at_least)
		sched_yield();
}

UNUSED_OK static uint32_t
random_next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

/* A payload whose first 8 bytes are the hash of the others; len >= 9. */
UNUSED_OK static void
payload_make(char *bytes, size_t len, uint64_t seed)
{
	uint64_t hash;

	for (size_t i = 8; i < len; i++)
		bytes[i] = (char)random_next(&seed);
	hash = gw_hash(bytes + 8, len - 8);
	memcpy(bytes, &hash, 8);
}

UNUSED_OK static bool
payload_is_whole(const char *bytes, size_t len)
{
	uint64_t hash;

	if (len < 9)
		return false;
	memcpy(&hash, bytes, 8);
	return hash == gw_hash(bytes + 8, len - 8);
}

/* Candidate number @n, for leases; whoever is at the table comes to an end. */
UNUSED_OK static struct reg_candidate_ref
candidate(struct reg *r, uint64_t n)
{
	const uint64_t key[2] = {n, n};
	struct reg_candidate_ref c;

	for (int tries = 0; tries < 1000; tries++) {
		c = reg_candidate_open(r, key, reg_clock_ms());
		if (c.index < REG_CANDIDATES_MAX)
			break;
	}
	return c;
}

UNUSED_OK static int32_t
lease_take(struct reg *r, uint64_t n)
{
	return reg_lease_take(r, candidate(r, n), 0, NULL);
}

/* What a candidate counts, the dead's leases included until they are swept. */
UNUSED_OK static uint32_t
leases_on(const struct reg *r, uint64_t n)
{
	const uint64_t key[2] = {n, n};
	struct reg_candidate state;

	reg_candidate_read(r, reg_candidate_find(r, key), 0, &state);
	return state.in_flight;
}

UNUSED_OK static uint32_t
leases_of_all(const struct reg *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < REG_CANDIDATES_MAX; i++)
		n += reg_load_count(r->seg->places[i].load);
	return n;
}

/* As if the last one were longer ago. */
UNUSED_OK static unsigned
sweep_now(struct reg *r)
{
	atomic_store(&r->seg->header.swept_ms, 0);
	return reg_lease_sweep(r, reg_clock_ms());
}

#define PROCESSES 8

/* Starts the processes at one moment, and waits until all of them are done. */
struct gate {
	_Atomic int ready;
	_Atomic int open;
};

static struct gate *gate UNUSED_OK;

UNUSED_OK static void
gate_pass(void)
{
	atomic_fetch_add(&gate->ready, 1);
	await(&gate->open, 1);
}

UNUSED_OK static int
run_together(int (*body)(void *))
{
	pid_t pids[PROCESSES];
	int failed = 0;

	if (!gate)
		gate = shared_page(sizeof(*gate));
	atomic_store(&gate->ready, 0);
	atomic_store(&gate->open, 0);
	for (uintptr_t i = 0; i < PROCESSES; i++)
		pids[i] = spawn(body, (void *)i);
	await(&gate->ready, PROCESSES);
	atomic_store(&gate->open, 1);
	for (int i = 0; i < PROCESSES; i++)
		failed += reap(pids[i]) != 0;
	return failed;
}

/* Operations with BUSY tried again, since tests do write all at once. */
#define RETRY(call, err)                                                       \
	__extension__({                                                        \
		int retry_rc_;                                                 \
		do                                                             \
			retry_rc_ = (call);                                    \
		while (retry_rc_ && (err).code == REG_BUSY);                   \
		retry_rc_;                                                     \
	})

#endif
