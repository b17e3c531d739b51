/* SPDX-License-Identifier: MIT */
/*
 * instance.c - the environment of one instance as checked values.
 *
 * Touches no file but to find out the base file's real path; opens nothing.
 */
#include "responder/instance.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "config/yaml.h"

#define STALE_AFTER_DEFAULT_MS 30000
#define STALE_AFTER_MAX_MS 86400000

/* Set and not empty: web servers pass empty variables on. */
static const char *
env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int
no_memory(struct gw_err *err)
{
	return gw_err_set(err, GW_ERR_INTERNAL, 0, "out of memory");
}

static int
add_path(struct gw_instance *in, const char *path, size_t len,
	 struct gw_err *err)
{
	if (in->n_paths == GW_INSTANCE_FILES_MAX)
		return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
				  "too many configuration files: one base and "
				  "at most %d overrides are possible",
				  GW_INSTANCE_FILES_MAX - 1);
	in->paths[in->n_paths] = strndup(path, len);
	if (!in->paths[in->n_paths])
		return no_memory(err);
	in->n_paths++;
	return 0;
}

static int
add_list(struct gw_instance *in, const char *list, struct gw_err *err)
{
	while (*list) {
		size_t len = strcspn(list, ":");

		if (len && add_path(in, list, len, err) < 0)
			return -1;
		list += len;
		list += *list == ':';
	}
	return 0;
}

static int
find_paths(struct gw_instance *in, const char *config,
	   const char *const *overrides, size_t n_overrides, struct gw_err *err)
{
	const char *list = env("ROLE_MESH_CONFIG_OVERRIDE");
	bool found = true;

	if (!config)
		config = env("ROLE_MESH_CONFIG");
	if (!config) {
		config = gw_default_file(GW_CONFIG_HERE, GW_CONFIG_INSTALLED,
					 &found);
		in->by_default = true;
	}
	if (!found)
		return gw_err_set(
			err, GW_ERR_INVALID_REQUEST, ENOENT,
			"no configuration: neither " GW_CONFIG_HERE
			" in the current folder nor " GW_CONFIG_INSTALLED
			" is there; name one "
			"with --config or ROLE_MESH_CONFIG");
	if (add_path(in, config, strlen(config), err) < 0)
		return -1;
	for (size_t i = 0; i < n_overrides; i++)
		if (add_path(in, overrides[i], strlen(overrides[i]), err) < 0)
			return -1;
	return n_overrides || !list ? 0 : add_list(in, list, err);
}

/*
 * The real path, so that two spellings of one file are one instance. A file
 * that is missing for a moment still has a folder.
 */
static char *
real_path(const char *path)
{
	char *real = realpath(path, NULL), *out = NULL;
	gw_auto_free char *folder = NULL;
	const char *slash = strrchr(path, '/');

	if (real)
		return real;
	folder =
		slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	real = folder ? realpath(folder, NULL) : NULL;
	if (!real ||
	    asprintf(&out, "%s/%s", real, slash ? slash + 1 : path) < 0)
		out = NULL;
	free(real);
	return out;
}

static int
derive_name(struct gw_instance *in, struct gw_err *err)
{
	gw_auto_free char *path = real_path(in->paths[0]);

	if (!path)
		return gw_err_set(err, GW_ERR_INVALID_REQUEST, errno,
				  "configuration file `%s`: %s", in->paths[0],
				  strerror(errno));
	snprintf(in->shm_name, sizeof(in->shm_name), "/rolemesh-%u-%016" PRIx64,
		 (unsigned)getuid(), gw_hash_text(path));
	return 0;
}

static int
find_shm_name(struct gw_instance *in, struct gw_err *err)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._-";
	const char *name = env("ROLE_MESH_SHM");

	if (!name)
		return derive_name(in, err);
	name += *name == '/';
	if (!*name || name[strspn(name, letters)] || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0 || strlen(name) > GW_SHM_NAME_BYTES - 2)
		return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
				  "ROLE_MESH_SHM: expected a word of letters, "
				  "digits, `.`, `_` and `-` of at most %d "
				  "bytes, with or without a `/` in front",
				  GW_SHM_NAME_BYTES - 2);
	snprintf(in->shm_name, sizeof(in->shm_name), "/%s", name);
	return 0;
}

static int
find_stale_after(struct gw_instance *in, struct gw_err *err)
{
	const char *text = getenv("ROLE_MESH_NODE_STALE_AFTER_S");
	struct gw_yaml_node v = {.text = text};
	int64_t ms = 0;

	in->stale_after_ms = STALE_AFTER_DEFAULT_MS;
	if (!text)
		return 0;
	v.len = strlen(text);
	v.kind = gw_yaml_scalar_kind(text, v.len);
	if ((v.kind != GW_YAML_INT && v.kind != GW_YAML_FLOAT) ||
	    gw_yaml_scalar_ms(&v, &ms) < 0 || ms < 1 || ms > STALE_AFTER_MAX_MS)
		return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
				  "ROLE_MESH_NODE_STALE_AFTER_S: expected a "
				  "number of seconds, more than 0 and at most "
				  "%d, not `%.40s`",
				  STALE_AFTER_MAX_MS / 1000, text);
	in->stale_after_ms = (uint32_t)ms;
	return 0;
}

static int
find_last_good(struct gw_instance *in, struct gw_err *err)
{
	const char *folder = env("ROLE_MESH_LAST_GOOD");

	if (!folder)
		return 0;
	in->last_good = strdup(folder);
	return in->last_good ? 0 : no_memory(err);
}

int
gw_instance_from_env(struct gw_instance *in, const char *config,
		     const char *const *overrides, size_t n_overrides,
		     struct gw_err *err)
{
	*in = (struct gw_instance){0};
	if (find_paths(in, config, overrides, n_overrides, err) == 0 &&
	    find_shm_name(in, err) == 0 && find_stale_after(in, err) == 0 &&
	    find_last_good(in, err) == 0)
		return 0;
	gw_instance_release(in);
	return -1;
}

static uint64_t
hash_file(uint64_t h, const char *path)
{
	char text[128];
	gw_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));

	return gw_hash_more(h, text, n > 0 ? (size_t)n : 0);
}

/*
 * Two containers may have the same host name, user and files, but not the same
 * shared memory: each mount of /dev/shm is a device of its own. What is missing
 * is left out.
 */
uint64_t
gw_instance_number(const struct gw_instance *in)
{
	uint64_t h = gw_hash_text(in->shm_name);
	char host[256] = "";
	struct stat shm = {0};

	gethostname(host, sizeof(host) - 1);
	h = gw_hash_more(h, host, strlen(host) + 1);
	h = hash_file(h, "/proc/sys/kernel/random/boot_id");
	stat("/dev/shm", &shm);
	h = gw_hash_more(h, &shm.st_dev, sizeof(shm.st_dev));
	h = gw_hash_more(h, &shm.st_ino, sizeof(shm.st_ino));
	return h ? h : 1;
}

void
gw_instance_release(struct gw_instance *in)
{
	for (size_t i = 0; i < in->n_paths; i++)
		free(in->paths[i]);
	free(in->last_good);
	*in = (struct gw_instance){0};
}
