/* SPDX-License-Identifier: MIT */
/*
 * schema.h - a program's keys as a table, and the walks over it.
 *
 * A program lists its keys in a .def file (options.def for the gateway), one row
 * a key; the same rows check a file, fill a struct, print it, compare two and
 * free one. Nothing here knows a key: what a kind of value means lives in its
 * struct gw_kind, and a program may add kinds of its own.
 */
#ifndef GW_CONFIG_SCHEMA_H
#define GW_CONFIG_SCHEMA_H

#include "config/keys.h"
#include "config/yaml.h"

struct gw_option;
struct gw_schema;
struct gw_emit;

/* What the walk that fills a struct carries along. */
struct gw_apply {
	struct gw_yaml *doc;
	const struct gw_schema *schema;
	struct gw_path path;	/* of the value at hand */
};

/* How values of one kind are read, printed and freed. */
struct gw_kind {
	const char *wanted;	/* "an integer", for messages */
	const char *mask;	/* printed for a secret; NULL = "***" */
	bool is_pointer;	/* the slot is a char *, compared as text */
	bool is_number;		/* wants a number: quotes are a likely mistake */
	bool is_text;		/* wants text: missing quotes are one */
	/*
	 * Fill @slot from @v, which is neither NULL nor null. False after a
	 * finding (gw_apply_error), or with doc->no_memory set; @slot is then
	 * still fit for release().
	 */
	bool (*set)(struct gw_apply *ap, const struct gw_option *o,
		    const struct gw_yaml_node *v, void *slot);
	/* @source: the value's node, or NULL when it came from a default. */
	void (*emit)(struct gw_emit *e, const struct gw_option *o,
		     const struct gw_yaml_node *source, const void *slot);
	void (*release)(void *slot); /* NULL: nothing to free */
};

/*
 * An array of structs: a mapping of name -> struct (path "models.*") or a list
 * (path "models.[]"). All offsets are into the struct that holds the array.
 */
struct gw_record {
	size_t size;		/* of one struct */
	size_t count_offset;	/* size_t: how many there are */
	size_t name_offset;	/* mapping: char * inside the element */
	size_t name_max;	/* bytes of a name */
	size_t max;		/* most elements */
	const char *noun;	/* "alias", for messages */
};

enum {
	GW_OPTION_REQUIRED = 1,	/* no default: must be there */
	GW_OPTION_SECRET = 2,	/* printed as "***"; records: told as no value */
	GW_OPTION_RESTART = 4,	/* a running instance cannot change it */
	GW_OPTION_PUBLIC = 8,	/* shown even when it came from ${...}: clients
				 * see it anyway, or it is one of a few words */
	GW_OPTION_SELECTS = 16,	/* a WORD that decides which groups apply */
};

/* One row. Children follow from the paths: "a.b" belongs to the mapping "a". */
struct gw_option {
	const char *path;
	const struct gw_kind *kind;
	const char *unit;		/* "" = none */
	size_t offset, size;		/* in the struct; size 0 = not stored */
	int64_t min, max;		/* integers; ms of seconds; text bytes */
	const char *const *words;	/* WORD: the choices, NULL at the end */
	const struct gw_record *record;	/* RECORDS */
	const char *fallback;		/* default as YAML text; NULL = none */
	unsigned flags;
	unsigned group;			/* 0 = always, else 1 << (index of the
					 * word that the SELECTS row must have) */
	const char *help;
};

struct gw_schema {
	const struct gw_option *options;
	size_t n;
};

/* Rows and structs without a document (schema.c). */

/*
 * gw_schema_child - the next row directly under @prefix ("" = the top).
 * @o  the row before, NULL at first
 * Returns NULL after the last one.
 */
const struct gw_option *gw_schema_child(const struct gw_schema *s,
					const char *prefix,
					const struct gw_option *o);

/* gw_option_name - the last part of a row's path. */
const char *gw_option_name(const struct gw_option *o);

/* gw_option_slot - where a row's value is in its struct. */
void *gw_option_slot(const struct gw_option *o, void *base);

/*
 * gw_record_prefix - what the rows of a record's elements hang under, for
 * gw_schema_child(): "models.*" or "models.[]".
 * @o    a row with a record
 * @out  cut when longer
 */
#define GW_SCHEMA_PREFIX_BYTES 128
void gw_record_prefix(const struct gw_option *o,
		      char out[static GW_SCHEMA_PREFIX_BYTES]);

/* gw_schema_release - free what the rows of @base own. */
void gw_schema_release(const struct gw_schema *s, void *base);

/*
 * gw_schema_differs - does one row outside of records differ between structs?
 */
bool gw_schema_differs(const struct gw_option *o, const void *a,
		       const void *b);

/* The walks. */

/*
 * gw_schema_apply - check a document and fill a struct from it (apply.c).
 * @base  the struct the rows' offsets are about, all zero
 * Every problem becomes a finding of @doc; what had none is filled, so that
 * checks across keys can still run. Always gw_schema_release() afterwards.
 */
void gw_schema_apply(const struct gw_schema *s, struct gw_yaml *doc,
		     void *base);

/*
 * gw_schema_print - every key with its effective value, as YAML (print.c).
 * @root  the merged tree it came from: knows what came from ${...}
 * Secrets and what came from ${...} are masked. Returns 0, -1 when @out is full.
 */
GW_MUSTCHECK int gw_schema_print(const struct gw_schema *s, const void *base,
				 const struct gw_yaml_node *root,
				 struct gw_buf *out);

/*
 * gw_suggest_key - say what an unknown key may have meant (suggest.c).
 * @prefix  where it stands
 * @out     filled with "did you mean `x`?" or the list of known keys
 */
void gw_suggest_key(const struct gw_schema *s, const char *prefix,
		    const struct gw_yaml_node *key, char *out,
		    size_t out_bytes);

/* gw_suggest_distance - edits (insert, delete, change, swap) between words. */
size_t gw_suggest_distance(const char *a, size_t a_len, const char *b,
			   size_t b_len);

/* What kinds say about a value and do with one. */

/*
 * gw_apply_error - a finding that begins with the path of the value
 * (apply_error.c).
 */
void gw_apply_error(struct gw_apply *ap, const struct gw_yaml_node *at,
		    const char *fmt, ...) GW_PRINTF(3, 4);

/*
 * gw_apply_wrong_type - "expected WANTED, found THIS" with a hint
 * (apply_error.c). Returns false.
 */
bool gw_apply_wrong_type(struct gw_apply *ap, const struct gw_option *o,
			 const struct gw_yaml_node *v, const char *wanted);

/*
 * gw_apply_text - check that a value is a usable string (kinds_text.c).
 * @max     bytes; 0 = no limit
 * @blanks  whether blanks may be in it
 * No string may be empty or hold control characters. False after a finding, or
 * when a failed ${...} was one.
 */
bool gw_apply_text(struct gw_apply *ap, const struct gw_option *o,
		   const struct gw_yaml_node *v, size_t max, bool blanks);

/*
 * gw_apply_strings - a list of strings into a struct gw_keys (kinds_text.c).
 * @check  judges one element, false after a finding; NULL = gw_apply_text()
 */
bool gw_apply_strings(struct gw_apply *ap, const struct gw_option *o,
		      const struct gw_yaml_node *v, void *slot,
		      bool (*check)(struct gw_apply *, const struct gw_option *,
				    const struct gw_yaml_node *));

/*
 * gw_tree_json - a tree as compact JSON text (tree_json.c).
 * @out  appended to; its max bounds the text
 * A number that JSON does not have becomes a finding. Returns 0, or -1: no room
 * or no memory.
 */
GW_MUSTCHECK int gw_tree_json(struct gw_apply *ap, const struct gw_yaml_node *v,
			      struct gw_buf *out);

/* gw_tree_json_string - one string, quotes and all. 0 / -1 as gw_tree_json. */
GW_MUSTCHECK int gw_tree_json_string(const char *text, size_t len,
				     struct gw_buf *out);

/* Printing, for the emit() of kinds (print.c). Failures are remembered in @e. */
void gw_emit_plain(struct gw_emit *e, const char *text);
void gw_emit_string(struct gw_emit *e, const char *text, size_t len);
void gw_emit_key(struct gw_emit *e, const char *text, size_t len);
void gw_emit_open(struct gw_emit *e, enum gw_yaml_kind map_or_list, bool flow);
void gw_emit_close(struct gw_emit *e, enum gw_yaml_kind map_or_list);
/* gw_emit_node - a tree as it was read, masked where it came from ${...}. */
void gw_emit_node(struct gw_emit *e, const struct gw_yaml_node *v);

/* What the walks go into themselves (schema.c); slots in brackets. */
extern const struct gw_kind gw_kind_section;  /* mapping, same struct [-] */
extern const struct gw_kind gw_kind_records;  /* array [T *] */

/* The kinds every program can use (kinds*.c). */
extern const struct gw_kind gw_kind_integer;  /* [uint32_t or uint64_t] */
extern const struct gw_kind gw_kind_seconds;  /* [uint32_t ms] */
extern const struct gw_kind gw_kind_boolean;  /* [bool] */
extern const struct gw_kind gw_kind_word;     /* one of words [enum] */
extern const struct gw_kind gw_kind_text;     /* [char *] */
extern const struct gw_kind gw_kind_token;    /* no blanks in it [char *] */
extern const struct gw_kind gw_kind_tokens;   /* [struct gw_keys] */
extern const struct gw_kind gw_kind_tree;     /* any mapping, kept as a tree
					       * [const struct gw_yaml_node *] */
extern const struct gw_kind gw_kind_host;     /* address or name [char *] */
extern const struct gw_kind gw_kind_url;      /* gw_base_url() [char *] */
extern const struct gw_kind gw_kind_header;   /* name of a header [char *] */

#endif
