/* SPDX-License-Identifier: MIT */
/* process.c - a process of the instance, by what it says and what /proc says.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "config/reload.h"
#include "status/parts.h"

#define PROC_PATH 64

static int64_t
resident_bytes(uint32_t pid)
{
	char path[PROC_PATH];
	unsigned long long pages = 0;
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/statm", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	n = fscanf(f, "%*u %llu", &pages);
	fclose(f);
	return n == 1 ? (int64_t)pages * sysconf(_SC_PAGESIZE) : -1;
}

/* Newer kernels say it at once; it is 0 where they do not. */
static int64_t
open_descriptors(uint32_t pid)
{
	char path[PROC_PATH];
	struct stat st;
	int64_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/fd", pid);
	if (stat(path, &st) == 0 && st.st_size > 0)
		return st.st_size;
	d = opendir(path);
	if (!d)
		return -1;
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* null where it is not known: the process may have just ended. */
static void
set_known(struct json_object *o, const char *key, int64_t n)
{
	json_object_object_add(o, key, n < 0 ? NULL : json_object_new_int64(n));
}

struct json_object *
gw_status_process(const struct gw_status *s, const struct reg_process *p)
{
	struct json_object *o = json_object_new_object();
	uint64_t generation = gw_reload_generation(s->of.routing->reg, p->note);

	gw_json_set_int(o, "row", p->row);
	gw_json_set_int(o, "pid", p->pid);
	gw_json_set_str(o, "pool", p->pool[0] ? p->pool : NULL);
	json_object_object_add(
		o, "generation",
		generation ? json_object_new_int64((int64_t)generation) : NULL);
	set_known(o, "resident_bytes", resident_bytes(p->pid));
	set_known(o, "open_descriptors", open_descriptors(p->pid));
	gw_json_set_int(o, "open_requests", p->gauges[GW_GAUGE_OPEN_REQUESTS]);
	gw_json_set_int(o, "body_bytes", p->gauges[GW_GAUGE_BODY_BYTES]);
	return o;
}
