/* SPDX-License-Identifier: MIT */
/*
 * yaml.h - configuration files as one merged tree that knows its places.
 *
 * Every node remembers its file, line and column, so that whatever is wrong
 * with it later can be pointed at. The tree knows YAML and merging; it knows no
 * key of any program (schema.h does). All memory of a document is one arena.
 */
#ifndef GW_CONFIG_YAML_H
#define GW_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "config/diag.h"

#define GW_CONFIG_FILES_MAX 16
#define GW_CONFIG_FILE_MAX (4u << 20) /* bytes of one file */
#define GW_CONFIG_DEPTH_MAX 64	      /* nesting of lists and mappings */
#define GW_CONFIG_NODES_MAX 250000    /* nodes of a file, aliases expanded */
#define GW_CONFIG_ANCHORS_MAX 1024    /* anchors of a file */
#define GW_CONFIG_TEXT_MAX (4u << 20) /* bytes of scalars, aliases expanded */
#define GW_CONFIG_NUMBER_MAX 1024     /* characters of one number */
#define GW_CONFIG_INCLUDED_MAX 64     /* files of ${file:} that are watched */
#define GW_CONFIG_SECRET_MAX (64u << 10)  /* bytes of one ${file:...} */
#define GW_CONFIG_EXPANDED_MAX (4u << 20) /* bytes of all ${...} together */

/* X.from beside X.yaml, a link: the folder of the file that X.yaml is a copy of. */
#define GW_CONFIG_ORIGIN ".from"

enum gw_yaml_kind {
	GW_YAML_NULL,
	GW_YAML_BOOL,
	GW_YAML_INT,
	GW_YAML_FLOAT,
	GW_YAML_STRING,
	GW_YAML_LIST,
	GW_YAML_MAP,
};

/* One element of a list (key NULL) or of a mapping. */
struct gw_yaml_member {
	struct gw_yaml_node *key;
	struct gw_yaml_node *value;
};

/*
 * Nodes may be shared: an alias is a copy of the anchored node with the alias'
 * own place, and both have the same children.
 */
struct gw_yaml_node {
	enum gw_yaml_kind kind;
	bool substituted;      /* text came from ${...}: never show it */
	bool broken;	       /* its ${...} failed: reported already */
	bool merges;	       /* a key: `<<`, not in quotes */
	bool expanded;	       /* gw_yaml_substitute() has been here */
	unsigned file;	       /* index into gw_yaml.paths */
	unsigned line, column; /* from 1; 0 = no place */
	uint32_t weight;       /* nodes below and this one */
	uint32_t bytes;	       /* text below and its own */
	const char *text;      /* scalars: decoded, '\0' behind it */
	size_t len;
	struct gw_yaml_member *child; /* lists and mappings, in order */
	size_t n;
	uint32_t *sorted; /* mappings: indexes into child, by key */
};

struct gw_yaml {
	const char *paths[GW_CONFIG_FILES_MAX]; /* in the arena */
	size_t n_paths;
	const char *included[GW_CONFIG_INCLUDED_MAX]; /* paths of ${file:} */
	size_t n_included;
	bool unwatched;	       /* there were more: said so */
	struct gw_yaml_node
		*root;	       /* merged; NULL when a file could not be read */
	uint64_t fingerprint;  /* hash of the bytes of all files read */
	size_t expanded_bytes; /* of ${...} so far */
	size_t json_bytes;     /* written for free mappings so far */
	bool no_memory;	       /* an allocation failed; the load is void */
	struct gw_diag *diag;  /* where findings go; not owned */
	struct gw_chunk *chunks;
};

/*
 * gw_yaml_init - an empty document whose findings go to @diag.
 * gw_yaml_release - free everything, secrets overwritten first.
 */
void gw_yaml_init(struct gw_yaml *d, struct gw_diag *diag);
void gw_yaml_release(struct gw_yaml *d);

/*
 * gw_yaml_load - read every file and merge them.
 * @paths, @n  base first, 1 .. GW_CONFIG_FILES_MAX
 * Sets d->root and d->fingerprint. Problems are findings; d->root is NULL when
 * a file could not be understood. Blocks on reading files; no FIFO, device or
 * folder is ever waited for.
 */
void gw_yaml_load(struct gw_yaml *d, const char *const *paths, size_t n);

/*
 * gw_yaml_settle - the last step of a load: its findings are complete.
 * @errors  what d->diag counted before the load began
 * Adds the finding that memory ran out, if it did, puts all in the order of the
 * files, and lets go of d->diag. Returns whether the document can be used.
 */
GW_MUSTCHECK bool gw_yaml_settle(struct gw_yaml *d, size_t errors);

/*
 * gw_yaml_parse - the tree of one file's bytes (load.c).
 * @file  index into d->paths
 * Returns the root, or NULL: an empty file (*empty set), findings, or no
 * memory.
 */
struct gw_yaml_node *gw_yaml_parse(struct gw_yaml *d, unsigned file,
				   const char *bytes, size_t len, bool *empty);

/*
 * gw_yaml_merge - @over laid upon @base (merge.c).
 * Mappings merge key by key, everything else is replaced. Neither is changed.
 * Returns the merged node, NULL when memory is out.
 */
struct gw_yaml_node *gw_yaml_merge(struct gw_yaml *d, struct gw_yaml_node *base,
				   struct gw_yaml_node *over);

/*
 * gw_yaml_substitute - expand ${env:NAME}, ${file:PATH} and $${ in every string
 * value of the merged tree (secrets.c). What a file held joins the fingerprint.
 */
void gw_yaml_substitute(struct gw_yaml *d);

/*
 * gw_yaml_full_path - where a path that a value names leads: a relative one
 * starts at the folder of the file that names it, or where the link beside a
 * copy leads (GW_CONFIG_ORIGIN). 0 / -1 (no room).
 */
GW_MUSTCHECK int gw_yaml_full_path(const struct gw_yaml *d,
				   const struct gw_yaml_node *node,
				   const char *path, struct gw_buf *out);

/* gw_yaml_include - @path was read: it is watched, its bytes join the
 * fingerprint. */
void gw_yaml_include(struct gw_yaml *d, const char *path,
		     const struct gw_buf *bytes);

/* gw_yaml_alloc - @n zeroed bytes of the arena, or NULL with d->no_memory set.
 */
void *gw_yaml_alloc(struct gw_yaml *d, size_t n);

/* gw_yaml_text - a copy of @n bytes with a '\0' behind it, in the arena. */
char *gw_yaml_text(struct gw_yaml *d, const char *p, size_t n);

/* gw_yaml_hash - add bytes to the fingerprint. */
void gw_yaml_hash(struct gw_yaml *d, const void *p, size_t n);

/*
 * gw_yaml_index - sort the keys of a mapping, for gw_yaml_get().
 * Returns 0, or -1 when memory is out.
 */
int gw_yaml_index(struct gw_yaml *d, struct gw_yaml_node *map);

/* gw_yaml_error / gw_yaml_warning - a finding at the place of @at. */
void gw_yaml_error(struct gw_yaml *d, const struct gw_yaml_node *at,
		   const char *fmt, ...) GW_PRINTF(3, 4);
void gw_yaml_warning(struct gw_yaml *d, const struct gw_yaml_node *at,
		     const char *fmt, ...) GW_PRINTF(3, 4);

/*
 * gw_yaml_get - the member of a mapping with this key.
 * Returns NULL when @map is NULL or no mapping, or has no such key. O(log n).
 */
const struct gw_yaml_member *gw_yaml_get(const struct gw_yaml_node *map,
					 const char *key, size_t len);

/* gw_yaml_value - the value of that member, or NULL. */
const struct gw_yaml_node *gw_yaml_value(const struct gw_yaml_node *map,
					 const char *key);

/*
 * gw_yaml_show - a value for a message: "***" when it came from ${...}.
 * @at  the value's node, or NULL
 */
const char *gw_yaml_show(const struct gw_yaml_node *at, const char *value);

/* gw_yaml_is_extension - a key `x-...`, which at the top level nobody reads. */
bool gw_yaml_is_extension(const struct gw_yaml_node *key);

/* gw_yaml_is_null - absent or null: the key counts as not set. */
bool gw_yaml_is_null(const struct gw_yaml_node *v);

/* The way to a node in words, for messages: `models.writer.api_key`. */
struct gw_path {
	char text[512]; /* cut when longer */
	size_t len;
};

/*
 * gw_path_key / gw_path_item - go down to a key or a list's element.
 * Returns what gw_path_up() takes to come back.
 */
size_t gw_path_key(struct gw_path *p, const char *key, size_t len);
size_t gw_path_item(struct gw_path *p, size_t index);
void gw_path_up(struct gw_path *p, size_t before);

/* scalar.c */

/* gw_yaml_scalar_kind - what a plain scalar is by YAML 1.2's core schema. */
enum gw_yaml_kind gw_yaml_scalar_kind(const char *text, size_t len);

/*
 * gw_yaml_scalar_int - the value of a GW_YAML_INT.
 * Returns 0, or -1 when it does not fit 64 bits.
 */
int gw_yaml_scalar_int(const struct gw_yaml_node *v, int64_t *out);

/*
 * gw_yaml_scalar_ms - seconds as milliseconds, rounded away from 0: only 0 is
 * 0.
 * @v  GW_YAML_INT or GW_YAML_FLOAT
 * Returns 0, or -1 when it is no number or beyond +-10^15 ms.
 */
int gw_yaml_scalar_ms(const struct gw_yaml_node *v, int64_t *out);

/*
 * gw_yaml_scalar_json - a number as JSON, every digit kept.
 * @v  GW_YAML_INT or GW_YAML_FLOAT
 * Returns 0, or -1: .inf, .nan (JSON has neither) or no room.
 */
int gw_yaml_scalar_json(const struct gw_yaml_node *v, struct gw_buf *out);

#endif
