/* SPDX-License-Identifier: MIT */
/* log_json.c - key=value to JSON; see log_json.h. */
#include "base/log_json.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#define CUT_MARK "...\""
#define ESCAPE_BYTES 4 /* \xHH */

enum kind {
	TEXT,
	NUMBER,
	FLAG,
	ATTEMPTS
};

static const struct {
	const char *name;
	enum kind kind;
} fields[] = {
#define LOG_FIELD(name, kind, where, meaning) {#name, kind},
#include "base/log_fields.def"
#undef LOG_FIELD
};

/* A part of the line. */
struct span {
	const char *p, *end;
};

static enum kind
kind_of(struct span name)
{
	size_t n = (size_t)(name.end - name.p);

	for (size_t i = 0; i < GW_ARRAY_LEN(fields); i++)
		if (strncmp(fields[i].name, name.p, n) == 0 &&
		    fields[i].name[n] == '\0')
			return fields[i].kind;
	return TEXT;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *
skip_digits(const char *p, const char *end)
{
	while (p < end && is_digit(*p))
		p++;
	return p;
}

/* As RFC 8259 has it: printf's are, but for nan and inf. */
static bool
is_number(struct span s)
{
	const char *p = s.p + (s.p < s.end && *s.p == '-'), *from = p;

	p = skip_digits(p, s.end);
	if (p == from || (*from == '0' && p - from > 1))
		return false;
	if (p < s.end && *p == '.') {
		from = ++p;
		p = skip_digits(p, s.end);
		if (p == from)
			return false;
	}
	if (p < s.end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < s.end && (*p == '+' || *p == '-');
		from = p;
		p = skip_digits(p, s.end);
		if (p == from)
			return false;
	}
	return p == s.end;
}

static size_t
room(const struct gw_line *out)
{
	return out->cap - out->len;
}

/* All of it, or nothing. */
static bool
put(struct gw_line *out, const char *p, size_t n)
{
	if (n > room(out))
		return false;
	gw_line_bytes(out, p, n);
	return true;
}

static bool
put_text(struct gw_line *out, const char *s)
{
	return put(out, s, strlen(s));
}

/* ---- strings ------------------------------------------------------------- */

static int
hex(char c)
{
	return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that an escape at @p stands for, or -1. */
static int
escaped(const char *p, const char *end)
{
	if (end - p < ESCAPE_BYTES || p[0] != '\\' || p[1] != 'x' ||
	    hex(p[2]) < 0 || hex(p[3]) < 0)
		return -1;
	return hex(p[2]) * 16 + hex(p[3]);
}

/* How @byte stands in a string, in @unit; returns its length. */
static size_t
spell(int byte, char unit[6])
{
	static const char digits[] = "0123456789abcdef";

	if (byte == '"' || byte == '\\') {
		unit[0] = '\\';
		unit[1] = (char)byte;
		return 2;
	}
	if (byte >= 0x20 && byte < 0x7f) {
		unit[0] = (char)byte;
		return 1;
	}
	/* A byte that is no UTF-8 has no place in JSON: its escape has. */
	memcpy(unit, byte < 0x80 ? "\\u00" : "\\\\x", 4);
	unit[byte < 0x80 ? 4 : 3] = digits[byte >> 4];
	unit[byte < 0x80 ? 5 : 4] = digits[byte & 15];
	return byte < 0x80 ? 6 : 5;
}

/* One character or escape of @s at *@p, which moves on. */
static bool
put_unit(struct gw_line *out, const char **p, const char *end)
{
	int byte = escaped(*p, end);
	size_t whole = gw_utf8_char(*p, (size_t)(end - *p)), n;
	char unit[6];

	if (byte < 0 && whole > 1)
		n = whole;
	else
		n = spell(byte >= 0 ? byte : (unsigned char)**p, unit);
	/* Room is left for the end of the string, cut or not. */
	if (n + strlen(CUT_MARK) > room(out))
		return false;
	gw_line_bytes(out, byte < 0 && whole > 1 ? *p : unit, n);
	*p += byte >= 0 ? ESCAPE_BYTES : byte < 0 && whole ? whole : 1;
	return true;
}

/* Nothing at all where not even the quotes fit. */
static bool
put_string(struct gw_line *out, struct span s)
{
	if (room(out) < 1 + strlen(CUT_MARK))
		return false;
	gw_line_puts(out, "\"");
	while (s.p < s.end)
		if (!put_unit(out, &s.p, s.end)) {
			gw_line_puts(out, CUT_MARK);
			return false;
		}
	gw_line_puts(out, "\"");
	return true;
}

/* ---- values -------------------------------------------------------------- */

/* Behind a text in quotes that begins at @p, without them in @inner. */
static const char *
unquote(const char *p, const char *end, struct span *inner)
{
	inner->p = ++p;
	while (p < end && *p != '"')
		p++;
	inner->end = p;
	return p + (p < end);
}

static bool
put_number(struct gw_line *out, struct span s)
{
	return is_number(s) ? put(out, s.p, (size_t)(s.end - s.p))
			    : put_string(out, s);
}

/* The last @c in @s, or NULL. */
static const char *
last_of(struct span s, char c)
{
	while (s.end > s.p)
		if (*--s.end == c)
			return s.end;
	return NULL;
}

/* CANDIDATE:RESULT:MS; the candidate may hold colons, or stand in quotes. */
static bool
put_attempt(struct gw_line *out, struct span s, bool first)
{
	struct span who = s, result, ms;
	const char *second = last_of(s, ':'), *colon;
	size_t before = out->len;

	if (!second)
		return false;
	colon = last_of((struct span){s.p, second}, ':');
	if (!colon)
		return false;
	result = (struct span){colon + 1, second};
	ms = (struct span){second + 1, s.end};
	who.end = colon;
	if (who.p < who.end && *who.p == '"')
		unquote(who.p, who.end, &who);
	if (put_text(out, first ? "{\"candidate\":" : ",{\"candidate\":") &&
	    put_string(out, who) && put_text(out, ",\"result\":") &&
	    put_string(out, result) && put_text(out, ",\"ms\":") &&
	    put_number(out, ms) && room(out) > 1 && put_text(out, "}"))
		return true;
	out->len = before;
	return false;
}

/* The comma behind an attempt that begins at @p, or @end. */
static const char *
attempt_end(const char *p, const char *end)
{
	struct span inner;

	if (p < end && *p == '"')
		p = unquote(p, end, &inner);
	while (p < end && *p != ',')
		p++;
	return p;
}

static bool
put_attempts(struct gw_line *out, struct span s)
{
	bool whole = true;
	bool first = true;

	if (room(out) < 2)
		return false;
	gw_line_puts(out, "[");
	while (s.p < s.end) {
		const char *end = attempt_end(s.p, s.end);

		if (put_attempt(out, (struct span){s.p, end}, first))
			first = false;
		else
			whole = false;
		s.p = end + (end < s.end);
	}
	gw_line_puts(out, "]");
	return whole;
}

static bool
is_one(struct span s, char c)
{
	return s.end - s.p == 1 && *s.p == c;
}

static bool
put_bare(struct gw_line *out, enum kind kind, struct span s)
{
	if (is_one(s, '-'))
		return put_text(out, kind == ATTEMPTS ? "[]" : "null");
	if (kind == ATTEMPTS)
		return put_attempts(out, s);
	if (kind == FLAG && is_one(s, '0'))
		return put_text(out, "false");
	if (kind == FLAG && is_one(s, '1'))
		return put_text(out, "true");
	return kind == NUMBER ? put_number(out, s) : put_string(out, s);
}

/* ---- pairs --------------------------------------------------------------- */

static bool
is_name(char c)
{
	return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z');
}

/* What was put of a member that has no value is taken back. */
static bool
put_member(struct gw_line *out, struct span name, enum kind kind,
	   struct span value, bool quoted)
{
	size_t before = out->len, begun;
	bool whole;

	if (!put_text(out, ",\"") ||
	    !put(out, name.p, (size_t)(name.end - name.p)) ||
	    !put_text(out, "\":")) {
		out->len = before;
		return false;
	}
	begun = out->len;
	whole = quoted ? put_string(out, value) : put_bare(out, kind, value);
	if (out->len == begun)
		out->len = before;
	return whole;
}

/* Attempts may begin with a quote and go on behind the next one. */
static const char *
value_end(const char *p, const char *end)
{
	struct span inner;

	while (p < end && *p != ' ')
		p = *p == '"' ? unquote(p, end, &inner) : p + 1;
	return p;
}

/* The pair at *@p, which moves on; false: there is none. */
static bool
take_pair(struct gw_line *out, const char **p, const char *end, bool *whole)
{
	struct span name = {*p, *p}, value;
	bool quoted;
	enum kind kind;

	while (name.end < end && is_name(*name.end))
		name.end++;
	if (name.end == name.p || name.end == end || *name.end != '=')
		return false;
	kind = kind_of(name);
	value.p = name.end + 1;
	quoted = value.p < end && *value.p == '"' && kind != ATTEMPTS;
	if (quoted) {
		*p = unquote(value.p, end, &value);
	} else {
		value.end = kind == ATTEMPTS ? value_end(value.p, end)
					     : memchr(value.p, ' ',
						      (size_t)(end - value.p));
		if (!value.end)
			value.end = end;
		*p = value.end;
	}
	if (!put_member(out, name, kind, value, quoted))
		*whole = false;
	return true;
}

bool
gw_log_json_members(struct gw_line *out, const char *text, size_t n)
{
	static const char rest[] = "text";
	const struct span rest_name = {rest, rest + sizeof(rest) - 1};
	const char *p = text, *end = text + n;
	bool whole = true;

	for (;;) {
		while (p < end && *p == ' ')
			p++;
		if (p == end)
			return whole;
		if (!take_pair(out, &p, end, &whole))
			return put_member(out, rest_name, TEXT,
					  (struct span){p, end}, true) &&
			       whole;
	}
}
