/* SPDX-License-Identifier: MIT */
/* children.c - the file children.json; knows no states. */
#include "agent/process/children.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/process/process.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "webserver/folder.h"

#define DEPTH_MAX 8

void
ag_children_write(const char *path, const struct ag_child *child, size_t n)
{
	gw_auto_json struct json_object *doc = json_object_new_object();
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(AG_CHILDREN_BYTES_MAX);
	struct json_object *list = json_object_new_array();
	char fresh[PATH_MAX];

	json_object_object_add(doc, "children", list);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		gw_json_set_str(o, "model_id", child[i].name);
		gw_json_set_int(o, "pid", child[i].pid);
		gw_json_set_int(o, "start_time", (int64_t)child[i].start_time);
		json_object_array_add(list, o);
	}
	if (snprintf(fresh, sizeof(fresh), "%s.new", path) >=
	    (int)sizeof(fresh))
		return;
	unlink(fresh);
	if (gw_json_text(doc, &text) == 0 &&
	    gw_file_write(fresh, text.data, text.len) == 0 &&
	    rename(fresh, path) == 0)
		return;
	unlink(fresh);
}

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

static void
end_one(struct json_object *o)
{
	int64_t pid = number(o, "pid"), start_time = number(o, "start_time");

	/* 1 and the like would mean everybody to kill(). */
	if (pid <= 1 || pid > INT_MAX || start_time <= 0 ||
	    ag_process_start_time((pid_t)pid) != (uint64_t)start_time)
		return;
	gw_log(GW_EV_LEFTOVER_KILLED, NULL, "pid=%lld", (long long)pid);
	if (kill(-(pid_t)pid, SIGKILL) < 0)
		(void)kill((pid_t)pid, SIGKILL);
}

void
ag_children_end_leftovers(const char *path)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(AG_CHILDREN_BYTES_MAX);
	gw_auto_json struct json_object *doc = NULL;
	struct json_object *list;
	struct gw_err ignored = {0};
	char why[160];

	if (gw_read_file(path, &text, AG_CHILDREN_BYTES_MAX, why, sizeof(why)) <
	    0)
		return;
	doc = gw_json_parse_object(text.data ? text.data : "", text.len,
				   DEPTH_MAX, &ignored);
	if (!doc || !json_object_object_get_ex(doc, "children", &list) ||
	    !json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		end_one(json_object_array_get_idx(list, i));
}
