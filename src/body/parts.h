/* SPDX-License-Identifier: MIT */
/*
 * parts.h - what the files of src/body/ share; nobody else includes it.
 *
 * body.c owns the bytes and the life of a body. split.c decides which ranges
 * of the bytes may be parsed now, check.c is the only user of yajl and learns
 * what routing needs, edit.c describes what goes upstream.
 */
#ifndef GW_BODY_PARTS_H
#define GW_BODY_PARTS_H

#include <yajl/yajl_parse.h>

#include "body/body.h"
#include "body/prompt.h"

/* A string that grows past this is checked in pieces of this size. */
#define GW_BODY_PIECE_BYTES (16u << 10)

/* Whose value comes next at the top level, if anybody's. */
enum gw_await {
	GW_AWAIT_NOTHING,
	GW_AWAIT_MODEL,
	GW_AWAIT_STREAM
};

struct gw_check {
	yajl_handle json;	  /* the text, its long strings cut short */
	yajl_handle strings;	  /* pieces of long strings; NULL until one */
	yajl_callbacks callbacks; /* changed while parsing: see check.c */
	const struct gw_config *config; /* borrowed, may be NULL */
	unsigned char *seen; /* one bit for each of config->default_keys */
	const char *text;    /* the whole body, during a call */
	size_t base;	     /* offset of the range being parsed */
	size_t cut_end;	     /* where its cut string seems to end, or 0 */
	struct gw_err *err;  /* where callbacks report, during a call */
	unsigned depth;	     /* open objects and lists */
	bool complete;	     /* the top-level object was closed */
	bool has_members;    /* ... and is not empty */
	enum gw_await await;
	bool has_model, has_stream, wants_stream;
	size_t key_end;		    /* offset behind the last top-level key */
	size_t model_at, model_end; /* range of the value, quotes included */
	size_t model_len;
	char model[GW_MODEL_NAME_MAX + 1]; /* decoded, '\0' behind it */
	uint64_t parsed_bytes; /* handed to yajl so far: what tests bound */
};

enum gw_split_state {
	GW_SPLIT_BEFORE,  /* blanks in front of the object */
	GW_SPLIT_BETWEEN, /* between tokens */
	GW_SPLIT_ATOM,	  /* in a number, a literal or what looks like one */
	GW_SPLIT_STRING,
};

struct gw_split {
	enum gw_split_state state;
	size_t next;	   /* first byte not looked at */
	size_t fed;	   /* first byte no parser was given */
	size_t hold;	   /* ATOM, STRING: parse nothing from here on yet */
	size_t piece;	   /* STRING: where its current piece begins */
	size_t escape_end; /* STRING: no cut in the 6 bytes before this one */
	bool is_long;	   /* STRING: its first piece was given away */
	size_t open_end;   /* offset behind the top-level '{' */
};

#define GW_EDIT_PARTS_MAX 5

struct gw_edit {
	struct gw_buf members; /* text added behind the brace */
	struct gw_buf model;   /* text in place of the model's value */
	struct gw_buf flat;    /* the result in one piece, when small */
	struct {
		const char *p;
		size_t n;
	} part[GW_EDIT_PARTS_MAX];
	size_t n_parts;
	size_t total;
};

struct gw_body {
	struct gw_buf bytes;	   /* max is what it holds of the room */
	struct gw_body_room *room;
	size_t held;	 /* bytes of the room */
	size_t limit;	 /* bytes that it may have */
	size_t expected; /* bytes that were announced; 0 = not known */
	struct gw_config *config; /* referenced, may be NULL */
	struct gw_split split;
	struct gw_check check;
	struct gw_edit edit;
	struct gw_prompt *prompt; /* NULL: nobody wants its hashes */
	const uint64_t *prefixes; /* in it, of the whole body */
	size_t n_prefixes;
};

/* gw_check_init - @config is borrowed. 0, or -1 when memory is out. */
GW_MUSTCHECK int gw_check_init(struct gw_check *c,
			       const struct gw_config *config);

/* gw_check_stop - free the parsers; what was learnt stays. */
void gw_check_stop(struct gw_check *c);

/* gw_check_release - free everything. */
void gw_check_release(struct gw_check *c);

/*
 * gw_check_range - parse [from, to) of @text as what follows the last range.
 * The range must not end inside a token, or yajl looks at that token again
 * from its beginning in the next call.
 * Returns 0 / -1 with the errors of gw_body_append().
 */
GW_MUSTCHECK int gw_check_range(struct gw_check *c, const char *text,
				size_t from, size_t to, struct gw_err *err);

/*
 * gw_check_cut - the same for a range that ends inside a string: a quote takes
 * the place of text[to] for the time of the call.
 */
GW_MUSTCHECK int gw_check_cut(struct gw_check *c, char *text, size_t from,
			      size_t to, struct gw_err *err);

/*
 * gw_check_piece - check [from, to) of @text, a later piece of a long string.
 * Quotes take the places of text[from - 1] and text[to] for the call.
 */
GW_MUSTCHECK int gw_check_piece(struct gw_check *c, char *text, size_t from,
				size_t to, struct gw_err *err);

/*
 * gw_check_end - no text follows the @len bytes: is the object complete?
 * @in_string  they end inside a string
 */
GW_MUSTCHECK int gw_check_end(struct gw_check *c, const char *text, size_t len,
			      bool in_string, struct gw_err *err);

/* gw_check_has - was the key with this index in default_keys at the top level? */
bool gw_check_has(const struct gw_check *c, uint32_t key_index);

/* gw_split_more - parse what can be parsed of the bytes received so far. */
GW_MUSTCHECK int gw_split_more(struct gw_body *b, struct gw_err *err);

/* gw_split_end - no more bytes come. */
GW_MUSTCHECK int gw_split_end(struct gw_body *b, struct gw_err *err);

/* gw_edit_init - nothing changed. gw_edit_release - free what an edit owns. */
void gw_edit_init(struct gw_edit *e);
void gw_edit_release(struct gw_edit *e);

/* gw_edit_reset - forward the client's own bytes. */
void gw_edit_reset(struct gw_body *b);

#endif
