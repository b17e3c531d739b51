/* SPDX-License-Identifier: MIT */
/*
 * prompt.c - hashes of a prompt's beginnings.
 *
 * Knows of JSON only where strings begin and end, how deep it is, and what is a
 * key: yajl judges the same bytes, and of what it refuses nobody asks the hash.
 */
#include "body/prompt.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/scan.h"

/*
 * How a line begins that a client (Claude Code: "...; cch=...") changes with
 * each request though nothing of the conversation has changed. No byte of it
 * may be escaped in JSON.
 */
static const char left_out[] = "x-anthropic-billing-header:";
#define LEFT_OUT_BYTES (sizeof(left_out) - 1)

/* ---- parts --------------------------------------------------------------- */

static void
begin_part(struct gw_prompt *p)
{
	p->hash = GW_HASH_INIT;
	p->block_bytes = 0;
}

static void
end_part(struct gw_prompt *p, bool is_user)
{
	uint64_t *last = &p->parts[GW_PROMPT_PARTS_MAX - 1];

	if (is_user && !p->counts) {
		p->counts = true;
		p->first = p->n < GW_PROMPT_PARTS_MAX ? p->n : p->n - 1;
	}
	if (p->n < GW_PROMPT_PARTS_MAX)
		p->parts[p->n++] = p->hash;
	else
		*last = gw_hash_more(*last, &p->hash, sizeof(p->hash));
	begin_part(p);
}

static bool
is_hashed(const struct gw_prompt *p)
{
	if (p->member == GW_PROMPT_LIST)
		return p->in_element;
	return p->member != GW_PROMPT_OTHER;
}

static void
take(struct gw_prompt *p, const char *text, size_t n)
{
	size_t room, some;

	if (!is_hashed(p))
		return;
	while (p->member == GW_PROMPT_BLOCKS && n > 0) {
		room = GW_PROMPT_BLOCK_BYTES - p->block_bytes;
		some = n < room ? n : room;
		p->hash = gw_hash_more(p->hash, text, some);
		p->block_bytes += some;
		text += some;
		n -= some;
		if (p->block_bytes == GW_PROMPT_BLOCK_BYTES)
			end_part(p, true);
	}
	p->hash = gw_hash_more(p->hash, text, n);
}

static void
end_element(struct gw_prompt *p)
{
	if (p->in_element)
		end_part(p, p->is_user);
	p->in_element = false;
}

/* ---- members ------------------------------------------------------------- */

static bool
is_word(const struct gw_prompt *p, const char *word)
{
	return p->word_len == strlen(word) &&
	       memcmp(p->word, word, p->word_len) == 0;
}

/* The top-level key that was read has a value now. */
static void
begin_value(struct gw_prompt *p)
{
	static const struct {
		const char *key;
		enum gw_prompt_member member;
		enum gw_prompt_head head;
	} known[] = {
		{"tools", GW_PROMPT_HEAD, GW_PROMPT_TOOLS},
		{"system", GW_PROMPT_HEAD, GW_PROMPT_SYSTEM},
		{"instructions", GW_PROMPT_HEAD, GW_PROMPT_INSTRUCTIONS},
		{"messages", GW_PROMPT_LIST, GW_PROMPT__HEADS},
		{"input", GW_PROMPT_LIST, GW_PROMPT__HEADS},
		{"prompt", GW_PROMPT_BLOCKS, GW_PROMPT__HEADS},
	};

	p->member = GW_PROMPT_OTHER;
	for (size_t i = 0; i < GW_ARRAY_LEN(known); i++)
		if (is_word(p, known[i].key)) {
			p->member = known[i].member;
			p->head = known[i].head;
		}
	p->in_list = p->in_element = false;
	begin_part(p);
}

static void
end_value(struct gw_prompt *p)
{
	if (p->member == GW_PROMPT_HEAD)
		p->heads[p->head] = p->hash;
	else if (p->member == GW_PROMPT_LIST)
		end_element(p);
	else if (p->member == GW_PROMPT_BLOCKS && p->block_bytes)
		end_part(p, true);
	p->member = GW_PROMPT_OTHER;
}

/* ---- between strings ----------------------------------------------------- */

/* Does a message begin with @c? `input` may be one text, which is a user's. */
static void
may_begin_element(struct gw_prompt *p, char c)
{
	if (p->member != GW_PROMPT_LIST || p->in_element || c == ',')
		return;
	if (p->in_list ? p->depth != 2 || c == ']'
		       : p->depth != 1 || c == '[' || c == '}')
		return;
	p->in_element = true;
	p->is_user = !p->in_list;
	p->is_object = p->is_role = false;
	begin_part(p);
}

static void
scope_opens(struct gw_prompt *p, char c)
{
	if (p->member == GW_PROMPT_LIST && !p->in_element && p->depth == 1)
		p->in_list = true;
	else
		take(p, &c, 1);
	p->depth++;
	if (p->in_list && p->depth == 3)
		p->is_object = c == '{';
	p->key_next =
		c == '{' && (p->depth == 1 || (p->in_list && p->depth == 3));
}

static void
scope_closes(struct gw_prompt *p, char c)
{
	p->key_next = false;
	if (p->in_list && p->depth == 2) {
		end_element(p);
		p->in_list = false;
	} else if (p->depth == 1) {
		end_value(p);
	} else {
		take(p, &c, 1);
	}
	p->depth -= p->depth > 0;
}

static void
colon(struct gw_prompt *p)
{
	if (p->depth == 1) {
		begin_value(p);
		return;
	}
	take(p, ":", 1);
	if (p->in_list && p->depth == 3)
		p->is_role = is_word(p, "role");
}

static void
comma(struct gw_prompt *p)
{
	if (p->depth == 1) {
		end_value(p);
		p->key_next = true;
	} else if (p->in_list && p->depth == 2) {
		end_element(p);
	} else {
		take(p, ",", 1);
		if (p->in_list && p->depth == 3) {
			p->key_next = p->is_object;
			p->is_role = false;
		}
	}
}

static void
string_opens(struct gw_prompt *p)
{
	take(p, "\"", 1);
	p->in_string = true;
	p->noting = p->key_next || (p->is_role && p->depth == 3);
	p->word_len = p->noting ? 0 : p->word_len;
	p->line = GW_PROMPT_BEGUN;
	p->begun = 0;
}

static void
outside(struct gw_prompt *p, char c)
{
	if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
		return;
	may_begin_element(p, c);
	if (c == '"')
		string_opens(p);
	else if (c == '{' || c == '[')
		scope_opens(p, c);
	else if (c == '}' || c == ']')
		scope_closes(p, c);
	else if (c == ':')
		colon(p);
	else if (c == ',')
		comma(p);
	else
		take(p, &c, 1);
}

/* ---- strings ------------------------------------------------------------- */

static void
note(struct gw_prompt *p, const char *text, size_t n)
{
	size_t room = sizeof(p->word) - p->word_len;

	if (!p->noting)
		return;
	n = n < room ? n : room;
	memcpy(p->word + p->word_len, text, n);
	p->word_len += n;
}

/* The line is none that is left out. */
static void
keep_line(struct gw_prompt *p)
{
	if (p->line != GW_PROMPT_BEGUN)
		return;
	p->line = GW_PROMPT_KEPT;
	take(p, left_out, p->begun);
}

/* Text of a string, without quotes and escapes. */
static void
plain(struct gw_prompt *p, const char *text, size_t n)
{
	size_t i = 0;

	note(p, text, n);
	if (p->line == GW_PROMPT_BEGUN) {
		while (i < n && p->begun < LEFT_OUT_BYTES &&
		       text[i] == left_out[p->begun]) {
			p->begun++;
			i++;
		}
		if (p->begun == LEFT_OUT_BYTES)
			p->line = GW_PROMPT_LEFT_OUT;
		else if (i < n)
			keep_line(p);
	}
	if (p->line == GW_PROMPT_KEPT)
		take(p, text + i, n - i);
}

/* What a backslash stands before. A line that is left out goes with its end. */
static void
escape(struct gw_prompt *p, char c)
{
	p->escaped = false;
	note(p, &c, 1);
	if (p->line != GW_PROMPT_LEFT_OUT)
		take(p, &c, 1);
	if (c == 'n') {
		p->line = GW_PROMPT_BEGUN;
		p->begun = 0;
	}
}

static void
string_closes(struct gw_prompt *p)
{
	keep_line(p);
	take(p, "\"", 1);
	p->in_string = false;
	if (p->noting && !p->key_next) {
		p->is_user = is_word(p, "user");
		p->is_role = false;
	}
	p->key_next = p->noting = false;
}

/* Returns how many bytes that were. */
static size_t
inside(struct gw_prompt *p, const char *text, size_t n)
{
	size_t some;

	if (p->escaped) {
		escape(p, *text);
		return 1;
	}
	some = gw_find_either(text, n, '"', '\\');
	if (some > 0) {
		plain(p, text, some);
		return some;
	}
	if (*text == '"') {
		string_closes(p);
	} else {
		keep_line(p);
		note(p, text, 1);
		if (p->line == GW_PROMPT_KEPT)
			take(p, text, 1);
		p->escaped = true;
	}
	return 1;
}

/* ---- the whole ----------------------------------------------------------- */

void
gw_prompt_more(struct gw_prompt *p, const char *text, size_t n)
{
	size_t i = 0;

	while (i < n)
		if (p->in_string)
			i += inside(p, text + i, n - i);
		else
			outside(p, text[i++]);
}

size_t
gw_prompt_end(struct gw_prompt *p, const uint64_t **hashes)
{
	uint64_t h = gw_hash(p->heads, sizeof(p->heads));

	for (size_t i = 0; i < p->n; i++) {
		h = gw_hash_more(h, &p->parts[i], sizeof(h));
		p->parts[i] = h;
	}
	*hashes = p->parts + p->first;
	return p->counts ? p->n - p->first : 0;
}
