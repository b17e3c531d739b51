/* SPDX-License-Identifier: MIT */
/*
 * nvidia.c - what nvidia-smi is asked and what it answers.
 *
 * Standard output and error come as one text. Messages stand around the table:
 * a GPU that fell off the bus before it, a damaged infoROM behind it. The GPUs
 * that are listed are still good, so a line that cannot be a row of the table
 * is passed over.
 */
#include "agent/device/internal.h"

#include <ctype.h>
#include <string.h>

#define COLUMNS_MAX 32 /* of a head line */

const char *const ag_nvidia_command[] = {
	"nvidia-smi",
	"--query-gpu=index,uuid,name,memory.total,memory.free,"
	"utilization.gpu,temperature.gpu,power.draw",
	"--format=csv",
	NULL,
};

enum column {
	INDEX,
	UUID,
	NAME,
	MEMORY_TOTAL,
	MEMORY_FREE,
	UTILISATION,
	TEMPERATURE,
	POWER,
	OTHER
};

static const char *const column_name[OTHER] = {
	"index",	   "uuid",	  "name",
	"memory.total",	   "memory.free", "utilization.gpu",
	"temperature.gpu", "power.draw"};

struct field {
	const char *p;
	size_t n;
};

/* A line without its end, and where the next one begins. */
static struct field
next_line(struct field *rest)
{
	const char *end = memchr(rest->p, '\n', rest->n);
	struct field line = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
	size_t taken = line.n + (end != NULL);

	rest->p += taken;
	rest->n -= taken;
	ag_trim(&line.p, &line.n);
	return line;
}

/* Returns how many fields there are; only the first COLUMNS_MAX are stored. */
static size_t
split(struct field line, struct field *out)
{
	size_t n = 0;

	for (;;) {
		const char *comma = memchr(line.p, ',', line.n);
		struct field f = {line.p,
				  comma ? (size_t)(comma - line.p) : line.n};

		ag_trim(&f.p, &f.n);
		if (n < COLUMNS_MAX)
			out[n] = f;
		n++;
		if (!comma)
			return n;
		line.n -= (size_t)(comma + 1 - line.p);
		line.p = comma + 1;
	}
}

static enum column
column_of(struct field f)
{
	const char *unit = memchr(f.p, '[', f.n);

	if (unit) {
		f.n = (size_t)(unit - f.p);
		ag_trim(&f.p, &f.n);
	}
	for (unsigned c = 0; c < OTHER; c++)
		if (ag_text_is(f.p, f.n, column_name[c]))
			return (enum column)c;
	return OTHER;
}

/* Is this the head line? Then what its columns are, and how many. */
static bool
is_head(struct field line, enum column *columns, size_t *n)
{
	struct field f[COLUMNS_MAX];
	bool found = false;

	*n = split(line, f);
	if (*n > COLUMNS_MAX)
		return false;
	for (size_t i = 0; i < *n; i++) {
		columns[i] = column_of(f[i]);
		found = found || columns[i] == INDEX;
	}
	return found;
}

/* A row has commas, and the index in front of all that we ask for. */
static bool
is_message(struct field line)
{
	return line.n == 0 || (!memchr(line.p, ',', line.n) &&
			       !isdigit((unsigned char)line.p[0]));
}

static void
read_column(struct ag_sample *s, enum column c, struct field f)
{
	switch (c) {
	case UUID:
		ag_read_text(s->uuid, sizeof(s->uuid), f.p, f.n);
		break;
	case NAME:
		ag_read_text(s->name, sizeof(s->name), f.p, f.n);
		break;
	case MEMORY_TOTAL:
		s->memory_total_mib =
			ag_read_whole(f.p, f.n, "MiB", AG_MEMORY_MAX_MIB);
		break;
	case MEMORY_FREE:
		s->memory_free_mib =
			ag_read_whole(f.p, f.n, "MiB", AG_MEMORY_MAX_MIB);
		break;
	case UTILISATION:
		s->utilisation_pct = ag_read_whole(f.p, f.n, "%", 100);
		break;
	case TEMPERATURE:
		s->temperature_c =
			ag_read_whole(f.p, f.n, "C", AG_TEMPERATURE_MAX_C);
		break;
	case POWER:
		s->power_mw = ag_at_most(ag_read_milli(f.p, f.n, "W"),
					 AG_POWER_MAX_MW);
		break;
	case INDEX:
	case OTHER:
		break;
	}
}

/* Returns NULL, or what is wrong with the row. */
static const char *
read_row(struct field line, const enum column *columns, size_t n,
	 struct ag_sample_list *out)
{
	struct field f[COLUMNS_MAX];
	struct ag_sample *s;
	int64_t index = AG_UNKNOWN;

	if (split(line, f) != n)
		return "another number of columns than the head line";
	for (size_t i = 0; i < n; i++)
		if (columns[i] == INDEX)
			index = ag_read_whole(f[i].p, f[i].n, "",
					      AG_GPU_INDEX_MAX);
	if (index == AG_UNKNOWN)
		return "no index";
	if (out->n == AG_GPUS_MAX)
		return "more GPUs than are looked after";
	s = &out->sample[out->n++];
	ag_sample_clear(s, (unsigned)index);
	for (size_t i = 0; i < n; i++)
		read_column(s, columns[i], f[i]);
	return NULL;
}

static int
at_fault(struct gw_err *err, unsigned number, const char *what,
	 struct field line)
{
	char words[AG_WORDS_BYTES];

	ag_read_text(words, sizeof(words), line.p, line.n);
	return gw_err_set(err, GW_ERR_INTERNAL, 0, "line %u: %s: %s", number,
			  what, words);
}

int
ag_nvidia_parse(const char *text, size_t len, struct ag_sample_list *out,
		struct gw_err *err)
{
	enum column columns[COLUMNS_MAX];
	struct field rest = {text, len};
	size_t n_columns = 0;
	bool head = false, none = false;

	out->n = 0;
	for (unsigned number = 1; rest.n > 0; number++) {
		struct field line = next_line(&rest);
		const char *wrong;

		if (!head) {
			head = is_head(line, columns, &n_columns);
			none = none || ag_text_is(line.p, line.n,
						  "No devices were found");
			continue;
		}
		if (is_message(line))
			continue;
		wrong = read_row(line, columns, n_columns, out);
		if (wrong)
			return at_fault(err, number, wrong, line);
	}
	if (!head && !none) {
		rest = (struct field){text, len};
		return at_fault(err, 1, "no head line", next_line(&rest));
	}
	return ag_sample_sort(out, err);
}
