/* SPDX-License-Identifier: MIT */
/* test_instance.c - what the environment says about an instance. */
#include "config_fixture.h"
#include "responder/instance.h"

static const char *const variables[] = {
	"ROLE_MESH_CONFIG",    "ROLE_MESH_CONFIG_OVERRIDE",
	"ROLE_MESH_SHM",       "ROLE_MESH_NODE_STALE_AFTER_S",
	"ROLE_MESH_LAST_GOOD",
};

static void
clear(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
	setenv("ROLE_MESH_CONFIG", "base.yaml", 1);
}

static void
expect_error(const char *name, const char *value)
{
	struct gw_instance in;
	struct gw_err err = {0};
	int r;

	clear();
	setenv(name, value, 1);
	r = gw_instance_from_env(&in, NULL, NULL, 0, &err);
	ok(r == -1 && err.code == GW_ERR_INVALID_REQUEST &&
		   strstr(err.msg, name),
	   "instance: %s=\"%.40s\" -> refused by name", name, value);
	if (r == 0)
		gw_instance_release(&in);
}

static void
expect_stale(const char *value, uint32_t want_ms)
{
	struct gw_instance in;
	struct gw_err err = {0};
	char title[100];

	clear();
	if (value)
		setenv("ROLE_MESH_NODE_STALE_AFTER_S", value, 1);
	snprintf(title, sizeof(title), "instance: stale after %s s",
		 value ? value : "(unset)");
	if (gw_instance_from_env(&in, NULL, NULL, 0, &err) < 0) {
		ok(false, "%s: %s", title, err.msg);
		return;
	}
	is_int(in.stale_after_ms, want_ms, title);
	gw_instance_release(&in);
}

static void
shm_name(const char *value, char *out, size_t out_bytes)
{
	struct gw_instance in;
	struct gw_err err = {0};

	if (value)
		setenv("ROLE_MESH_SHM", value, 1);
	else
		unsetenv("ROLE_MESH_SHM");
	out[0] = '\0';
	if (gw_instance_from_env(&in, NULL, NULL, 0, &err) < 0)
		return;
	snprintf(out, out_bytes, "%s", in.shm_name);
	gw_instance_release(&in);
}

static void
names(void)
{
	char a[300], b[300], want[64];

	clear();
	shm_name("word", a, sizeof(a));
	is_str(a, "/word", "instance: a plain word as name");
	shm_name("/slash.word-1_2", a, sizeof(a));
	is_str(a, "/slash.word-1_2", "instance: a name with a slash");
	shm_name("", a, sizeof(a));
	shm_name(NULL, b, sizeof(b));
	is_str(a, b, "instance: an empty name is none");
	snprintf(want, sizeof(want), "/rolemesh-%u-", (unsigned)getuid());
	ok(strncmp(a, want, strlen(want)) == 0 &&
		   strlen(a) == strlen(want) + 16 &&
		   strspn(a + strlen(want), "0123456789abcdef") == 16,
	   "instance: a name from user and path (%s)", a);
	setenv("ROLE_MESH_CONFIG", "./link.yaml", 1);
	shm_name(NULL, b, sizeof(b));
	is_str(b, a, "instance: another way to the same file, the same name");
	setenv("ROLE_MESH_CONFIG", "other.yaml", 1);
	shm_name(NULL, b, sizeof(b));
	ok(b[0] && strcmp(a, b) != 0, "instance: another file, another name");
	setenv("ROLE_MESH_CONFIG", "base.yaml", 1);
	if (rename("base.yaml", "away") < 0)
		fixture_fatal("cannot rename");
	shm_name(NULL, b, sizeof(b));
	is_str(b, a, "instance: missing for a moment, the same name");
	if (rename("away", "base.yaml") < 0)
		fixture_fatal("cannot rename");
}

static void
paths(void)
{
	struct gw_instance in;
	struct gw_err err = {0};
	const char *over[] = {"c1", "c2"};

	clear();
	setenv("ROLE_MESH_CONFIG_OVERRIDE", ":a:b::c:", 1);
	setenv("ROLE_MESH_LAST_GOOD", "/run/x", 1);
	is_int(gw_instance_from_env(&in, NULL, NULL, 0, &err), 0,
	       "instance: paths of the environment");
	is_int((long long)in.n_paths, 4, "instance: a base, three overrides");
	is_str(in.paths[0], "base.yaml", "instance: the base first");
	is_str(in.paths[1], "a", "instance: overrides in order");
	is_str(in.paths[3], "c", "instance: empty parts are left out");
	is_str(in.last_good, "/run/x", "instance: last good folder");
	gw_instance_release(&in);
	is_int(gw_instance_from_env(&in, "other.yaml", over, 2, &err), 0,
	       "instance: paths of the command line");
	is_int((long long)in.n_paths, 3, "instance: they win");
	is_str(in.paths[0], "other.yaml", "instance: their base");
	is_str(in.paths[2], "c2", "instance: their overrides");
	gw_instance_release(&in);
	clear();
	unsetenv("ROLE_MESH_CONFIG");
	if (mkdir("configs", 0700) < 0)
		fixture_fatal("no folder");
	is_int(gw_instance_from_env(&in, NULL, NULL, 0, &err), -1,
	       "instance: nothing said, and no file anywhere");
	ok(strstr(err.msg, "configs/models.yaml") &&
		   strstr(err.msg, "/etc/rolemesh/models.yaml") &&
		   strstr(err.msg, "ROLE_MESH_CONFIG"),
	   "instance: then all places are named");
	write_text("configs/models.yaml", "version: 1\n");
	is_int(gw_instance_from_env(&in, NULL, NULL, 0, &err), 0,
	       "instance: nothing said");
	ok(in.by_default, "instance: and it knows that");
	is_str(in.paths[0], "configs/models.yaml", "instance: default path");
	is_str(in.last_good, NULL, "instance: no last good folder");
	gw_instance_release(&in);
	clear();
	setenv("ROLE_MESH_CONFIG_OVERRIDE",
	       "1:2:3:4:5:6:7:8:9:10:11:12:13:14:"
	       "15",
	       1);
	is_int(gw_instance_from_env(&in, NULL, NULL, 0, &err), 0,
	       "instance: 15 overrides");
	gw_instance_release(&in);
	setenv("ROLE_MESH_CONFIG_OVERRIDE",
	       "1:2:3:4:5:6:7:8:9:10:11:12:13:14:"
	       "15:16",
	       1);
	is_int(gw_instance_from_env(&in, NULL, NULL, 0, &err), -1,
	       "instance: 16 overrides are too many");
	clear();
	setenv("ROLE_MESH_CONFIG", "no/such/folder.yaml", 1);
	is_int(gw_instance_from_env(&in, NULL, NULL, 0, &err), -1,
	       "instance: no folder, no name");
	ok(strstr(err.msg, "no/such/folder.yaml") != NULL,
	   "instance: says which file");
}

int
main(void)
{
	static const char *const bad_times[] = {
		"",	"30abc", "nan", ".nan", "inf",
		".inf", "0",	 "0.0", "-1",	"86401",
		"1e30", " 30",	 "30 ", "1,5",	"99999999999999999999",
	};
	static char long_name[GW_SHM_NAME_BYTES];

	fixture_begin();
	write_text("base.yaml", DISCOVERED_MODEL);
	write_text("other.yaml", DISCOVERED_MODEL);
	if (symlink("base.yaml", "link.yaml") < 0)
		fixture_fatal("no symlink");
	for (size_t i = 0; i < GW_ARRAY_LEN(bad_times); i++)
		expect_error("ROLE_MESH_NODE_STALE_AFTER_S", bad_times[i]);
	expect_stale(NULL, 30000);
	expect_stale("30", 30000);
	expect_stale("0.25", 250);
	expect_stale("0.0001", 1);
	expect_stale("86400", 86400000);
	memset(long_name, 'x', sizeof(long_name) - 1);
	expect_error("ROLE_MESH_SHM", long_name);
	expect_error("ROLE_MESH_SHM", "a/b");
	expect_error("ROLE_MESH_SHM", "/");
	expect_error("ROLE_MESH_SHM", "..");
	expect_error("ROLE_MESH_SHM", "//a");
	expect_error("ROLE_MESH_SHM", "a b");
	names();
	paths();
	return fixture_end();
}
