/* SPDX-License-Identifier: MIT */
/*
 * cpu.c - the machine itself as a device, read from /proc. These files
 * are made by the kernel at once: reading them does not wait.
 */
#include "agent/device/internal.h"

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"

#define PROC_TEXT_MAX 8192 /* bytes of a file that are looked at */

/* The value behind "@key:" at the beginning of a line, or NULL. */
static const char *
line_value(const char *text, const char *key, size_t *n)
{
	size_t k = strlen(key);

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		if (len > k && memcmp(text, key, k) == 0) {
			const char *p = text + k;
			size_t left = len - k;

			ag_trim(&p, &left);
			if (left > 0 && *p == ':') {
				p++;
				left--;
				ag_trim(&p, &left);
				*n = left;
				return p;
			}
		}
		text += len + (text[len] == '\n');
	}
	return NULL;
}

static int64_t
memory_mib(const char *meminfo, const char *key)
{
	size_t n;
	const char *p = line_value(meminfo, key, &n);
	int64_t kib;

	kib = p ? ag_read_whole(p, n, "kB", INT64_MAX / 1024) : AG_UNKNOWN;
	return kib == AG_UNKNOWN ? AG_UNKNOWN : kib / 1024;
}

void
ag_cpu_sample(const char *meminfo, const char *loadavg, unsigned cores,
	      struct ag_sample *out)
{
	int64_t load = ag_read_milli(loadavg, strcspn(loadavg, " \n"), "");

	ag_sample_clear(out, 0);
	memcpy(out->name, "CPU", sizeof("CPU"));
	out->memory_total_mib = memory_mib(meminfo, "MemTotal");
	out->memory_free_mib = memory_mib(meminfo, "MemAvailable");
	if (load == AG_UNKNOWN || cores == 0)
		return;
	load /= (int64_t)cores * 10;
	out->utilisation_pct = load < 100 ? load : 100;
}

void
ag_cpu_name(const char *cpuinfo, char *out, size_t cap)
{
	size_t n;
	const char *p = line_value(cpuinfo, "model name", &n);

	ag_read_text(out, cap, p ? p : "", p ? n : 0);
	if (out[0] == '\0')
		ag_read_text(out, cap, "CPU", 3);
}

static void
read_proc(const char *path, char text[PROC_TEXT_MAX])
{
	int fd gw_auto_fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, PROC_TEXT_MAX - 1);

	text[n < 0 ? 0 : n] = '\0';
}

void
ag_cpu_read(struct ag_device *d)
{
	char meminfo[PROC_TEXT_MAX], other[PROC_TEXT_MAX];
	char name[sizeof(d->sample.name)];
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	read_proc("/proc/cpuinfo", other);
	ag_cpu_name(other, name, sizeof(name));
	read_proc("/proc/meminfo", meminfo);
	read_proc("/proc/loadavg", other);
	ag_cpu_sample(meminfo, other, cores > 0 ? (unsigned)cores : 0,
		      &d->sample);
	memcpy(d->sample.name, name, sizeof(name));
	d->sampled_ms = gw_mono_ms();
}
