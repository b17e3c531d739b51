/* SPDX-License-Identifier: MIT */
/* children.c - the file children.json; knows no states. */
#include "agent/process/children.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/secret.h"
#include "webserver/folder.h"

#define NAME "children.json"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_BYTES 64
#define DEPTH_MAX 8

/* ---- written by the one that lives --------------------------------------- */

int
ag_children_init(struct ag_children *c, const char *folder, struct gw_err *err)
{
	int n;

	n = snprintf(c->path, sizeof(c->path), "%s/" NAME, folder);
	if (n < 0 || (size_t)n >= sizeof(c->path))
		return gw_err_set(err, GW_ERR_INTERNAL, ENAMETOOLONG,
				  "the path of %s is too long", folder);
	if (gw_secret_hex(c->mark, AG_MARK_BYTES) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "no random numbers: %s", strerror(errno));
	return 0;
}

/* Start times are told in these, see proc_stat.h. */
static uint64_t
ticks_since_boot(void)
{
	struct timespec t = {0};
	uint64_t per_s = (uint64_t)sysconf(_SC_CLK_TCK);

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * per_s +
	       (uint64_t)t.tv_nsec * per_s / 1000000000;
}

/* The identity of this boot; "" = not known. */
static void
boot_id(char out[BOOT_ID_BYTES])
{
	gw_auto_file FILE *f = fopen(BOOT_ID, "re");

	if (!f || !fgets(out, BOOT_ID_BYTES, f))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static struct json_object *
document(const struct ag_children *c, const struct ag_child *child, size_t n)
{
	struct json_object *doc = json_object_new_object();
	struct json_object *list = json_object_new_array();
	char boot[BOOT_ID_BYTES];

	boot_id(boot);
	gw_json_set_str(doc, "boot_id", boot);
	gw_json_set_int(doc, "alive_at", (int64_t)ticks_since_boot());
	gw_json_set_str(doc, "mark", c->mark);
	json_object_object_add(doc, "children", list);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		gw_json_set_str(o, "model_id", child[i].name);
		gw_json_set_int(o, "pid", child[i].pid);
		gw_json_set_int(o, "start_time", (int64_t)child[i].start_time);
		json_object_array_add(list, o);
	}
	return doc;
}

void
ag_children_write(const struct ag_children *c, const struct ag_child *child,
		  size_t n)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(AG_CHILDREN_BYTES_MAX);
	gw_auto_json struct json_object *doc = NULL;
	char fresh[PATH_MAX];

	if (!c->path[0] || snprintf(fresh, sizeof(fresh), "%s.new", c->path) >=
				   (int)sizeof(fresh))
		return;
	doc = document(c, child, n);
	unlink(fresh);
	if (gw_json_text(doc, &text) == 0 &&
	    gw_file_write(fresh, text.data, text.len) == 0 &&
	    rename(fresh, c->path) == 0)
		return;
	unlink(fresh);
}

/* ---- read by the one that comes after ------------------------------------ */

/* The number of a member, 0 when there is none. */
static int64_t
number(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &v))
		return 0;
	return json_object_get_int64(v);
}

/* The text of a member, "" when there is none. */
static const char *
word(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) &&
			       json_object_is_type(v, json_type_string)
		       ? json_object_get_string(v)
		       : "";
}

/* A short one would be found in anybody's environment. */
static bool
is_mark(const char *text)
{
	for (size_t i = 0; text[i]; i++)
		if (!isxdigit((unsigned char)text[i]))
			return false;
	return strlen(text) == 2 * AG_MARK_BYTES;
}

static size_t
leaders(struct json_object *list, struct ag_leader leader[AG_CHILDREN_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		int64_t pid = number(o, "pid");
		int64_t start_time = number(o, "start_time");

		/* 1 and the like would mean everybody to kill(). */
		if (pid > 1 && pid <= INT_MAX && start_time > 0 &&
		    n < AG_CHILDREN_MAX)
			leader[n++] = (struct ag_leader){
				.pid = (pid_t)pid,
				.start_time = (uint64_t)start_time,
			};
	}
	return n;
}

void
ag_children_end_leftovers(const char *folder)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(AG_CHILDREN_BYTES_MAX);
	gw_auto_json struct json_object *doc = NULL;
	struct ag_leader leader[AG_CHILDREN_MAX];
	struct ag_leftovers left = {.leader = leader};
	char path[PATH_MAX], boot[BOOT_ID_BYTES], why[160];
	struct gw_err ignored = {0};
	struct json_object *list;

	if (snprintf(path, sizeof(path), "%s/" NAME, folder) >=
		    (int)sizeof(path) ||
	    gw_read_file(path, &text, AG_CHILDREN_BYTES_MAX, why, sizeof(why)) <
		    0)
		return;
	doc = gw_json_parse_object(text.data ? text.data : "", text.len,
				   DEPTH_MAX, &ignored);
	if (!doc || !json_object_object_get_ex(doc, "children", &list) ||
	    !json_object_is_type(list, json_type_array))
		return;
	boot_id(boot);
	if (boot[0] && strcmp(boot, word(doc, "boot_id")) == 0 &&
	    number(doc, "alive_at") > 0)
		left.alive_at = (uint64_t)number(doc, "alive_at");
	if (is_mark(word(doc, "mark")))
		left.mark = word(doc, "mark");
	left.n = leaders(list, leader);
	ag_leftovers_kill(&left);
}
