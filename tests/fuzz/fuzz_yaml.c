/* SPDX-License-Identifier: MIT */
/*
 * fuzz_yaml.c - any bytes as a configuration file.
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

static struct gw_config *
load(const void *base, size_t base_len, const void *over, size_t over_len)
{
	char names[2][64];
	const char *paths[] = {names[0], names[1]};
	int a = memory_file(base, base_len, names[0], sizeof(names[0]));
	int b = over ? memory_file(over, over_len, names[1], sizeof(names[1]))
		     : -1;
	struct gw_diag diag = {0};
	struct gw_config *c = gw_config_load(paths, over ? 2 : 1, &diag);

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
print(const struct gw_config *c, struct gw_buf *out)
{
	gw_buf_init(out, PRINT_MAX);
	check(gw_config_print(c, out) == 0, "what loads does not print");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char mark[] = "\n%%%\n";
	const uint8_t *over = memmem(data, size, mark, sizeof(mark) - 1);
	size_t base_len = over ? (size_t)(over - data) + 1 : size;
	struct gw_config *c, *again;
	struct gw_buf once, twice;

	if (over)
		over += sizeof(mark) - 1;
	c = load(data, base_len, over, over ? (size_t)(data + size - over) : 0);
	if (!c)
		return 0;
	print(c, &once);
	again = load(once.data, once.len, NULL, 0);
	/* Aliases written out can pass the limit of one file. */
	check(again || once.len > (1u << 16), "what it printed does not load");
	if (again) {
		print(again, &twice);
		check(once.len == twice.len &&
			      memcmp(once.data, twice.data, once.len) == 0,
		      "printed twice, two texts");
		gw_buf_release(&twice);
	}
	gw_buf_release(&once);
	gw_config_unref(again);
	gw_config_unref(c);
	return 0;
}

#ifndef GW_LIBFUZZER
int
main(int argc, char **argv)
{
	return fuzz_seeds(argc, argv);
}
#endif
