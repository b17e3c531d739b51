/* SPDX-License-Identifier: MIT */
/*
 * fuzz_yaml.c - any bytes as a configuration file, of the gateway and of a node
 * agent.
 *
 * Input: a base file and, behind a line `%%%`, an override. Checked: no fault;
 * a snapshot exactly when there are no errors; what loads prints, and what was
 * printed loads and prints the same.
 *
 * A plain program runs over seeds (`fuzz_yaml [FILE...]`); for libFuzzer:
 * clang -fsanitize=fuzzer,address -DGW_LIBFUZZER ...
 */
#include "unit/tap.h"
#include "base/buf.h"
#include "agent/config/agent_config.h"
#include "config/config.h"
#include "fuzz/fuzz.h"

#include <sys/mman.h>

#define PRINT_MAX (64u << 20)

static void
check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_yaml: %s\n", what);
	abort();
}

/* A file in memory; regular, as the loader wants it. */
static int
memory_file(const void *bytes, size_t n, char *path, size_t path_bytes)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	check(fd >= 0 && write(fd, bytes, n) == (ssize_t)n, "no file");
	snprintf(path, path_bytes, "/proc/self/fd/%d", fd);
	return fd;
}

/* A program's way to load, print and free its configuration. */
struct program {
	void *(*load)(const char *const *paths, size_t n, struct gw_diag *diag);
	int (*print)(const void *c, struct gw_buf *out);
	void (*release)(void *c);
};

static void *
gateway_load(const char *const *paths, size_t n, struct gw_diag *diag)
{
	return gw_config_load(paths, n, diag);
}

static int
gateway_print(const void *c, struct gw_buf *out)
{
	return gw_config_print(c, out);
}

static void
gateway_release(void *c)
{
	gw_config_unref(c);
}

static void *
agent_load(const char *const *paths, size_t n, struct gw_diag *diag)
{
	return ag_config_load(paths, n, NULL, 0, diag);
}

static int
agent_print(const void *c, struct gw_buf *out)
{
	return ag_config_print(c, out);
}

static void
agent_release(void *c)
{
	ag_config_free(c);
}

static const struct program programs[] = {
	{gateway_load, gateway_print, gateway_release},
	{agent_load, agent_print, agent_release},
};

static void *
load(const struct program *p, const void *base, size_t base_len,
     const void *over, size_t over_len)
{
	char names[2][64];
	const char *paths[] = {names[0], names[1]};
	int a = memory_file(base, base_len, names[0], sizeof(names[0]));
	int b = over ? memory_file(over, over_len, names[1], sizeof(names[1]))
		     : -1;
	struct gw_diag diag = {0};
	void *c = p->load(paths, over ? 2 : 1, &diag);

	check((c == NULL) == (diag.errors > 0),
	      "errors and no snapshot differ");
	check(diag.n + diag.left_out >= diag.errors, "an error got lost");
	gw_diag_release(&diag);
	close(a);
	if (b >= 0)
		close(b);
	return c;
}

static void
print(const struct program *p, const void *c, struct gw_buf *out)
{
	gw_buf_init(out, PRINT_MAX);
	check(p->print(c, out) == 0, "what loads does not print");
}

static void
try_program(const struct program *p, const void *base, size_t base_len,
	    const void *over, size_t over_len)
{
	void *c = load(p, base, base_len, over, over_len), *again;
	struct gw_buf once, twice;

	if (!c)
		return;
	print(p, c, &once);
	again = load(p, once.data, once.len, NULL, 0);
	/* Aliases written out can pass the limit of one file. */
	check(again || once.len > (1u << 16), "what it printed does not load");
	if (again) {
		print(p, again, &twice);
		check(once.len == twice.len &&
			      memcmp(once.data, twice.data, once.len) == 0,
		      "printed twice, two texts");
		gw_buf_release(&twice);
		p->release(again);
	}
	gw_buf_release(&once);
	p->release(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char mark[] = "\n%%%\n";
	const uint8_t *over = memmem(data, size, mark, sizeof(mark) - 1);
	size_t base_len = over ? (size_t)(over - data) + 1 : size;

	if (over)
		over += sizeof(mark) - 1;
	for (size_t i = 0; i < GW_ARRAY_LEN(programs); i++)
		try_program(&programs[i], data, base_len, over,
			    over ? (size_t)(data + size - over) : 0);
	return 0;
}

#ifndef GW_LIBFUZZER
int
main(int argc, char **argv)
{
	return fuzz_seeds(argc, argv);
}
#endif
