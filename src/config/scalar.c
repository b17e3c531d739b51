/* SPDX-License-Identifier: MIT */
/*
 * scalar.c - what YAML 1.2's core schema makes of a plain scalar.
 *
 * Numbers stay text as long as possible: 0.60, 1e400 and thirty digits go into
 * a request exactly as the operator wrote them. No double is ever printed.
 */
#include "config/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool
is_word(const char *text, size_t len, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
			return true;
	return false;
}

static size_t
span(const char *text, size_t at, size_t len, const char *set)
{
	size_t from = at;

	while (at < len && text[at] && strchr(set, text[at]))
		at++;
	return at - from;
}

static size_t
digits(const char *text, size_t at, size_t len)
{
	return span(text, at, len, "0123456789");
}

/* [-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+ */
static bool
is_int(const char *text, size_t len)
{
	size_t at;

	if (len > 2 && text[0] == '0' && text[1] == 'o')
		return span(text, 2, len, "01234567") == len - 2;
	if (len > 2 && text[0] == '0' && text[1] == 'x')
		return span(text, 2, len, "0123456789abcdefABCDEF") == len - 2;
	at = len && (text[0] == '-' || text[0] == '+');
	return at < len && digits(text, at, len) == len - at;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool
is_float(const char *text, size_t len)
{
	size_t at = len && (text[0] == '-' || text[0] == '+');
	size_t whole = digits(text, at, len), fraction = 0;

	at += whole;
	if (at < len && text[at] == '.') {
		fraction = digits(text, at + 1, len);
		at += 1 + fraction;
	}
	if (!whole && !fraction)
		return false;
	if (at < len && (text[at] == 'e' || text[at] == 'E')) {
		at++;
		if (at < len && (text[at] == '-' || text[at] == '+'))
			at++;
		if (!digits(text, at, len))
			return false;
		at += digits(text, at, len);
	}
	return at == len;
}

static bool
is_not_finite(const char *text, size_t len)
{
	static const char *const words[] = {
		".inf",	 ".Inf",  ".INF",  "+.inf", "+.Inf", "+.INF",
		"-.inf", "-.Inf", "-.INF", ".nan",  ".NaN",  ".NAN",
	};

	return is_word(text, len, words, GW_ARRAY_LEN(words));
}

enum gw_yaml_kind
gw_yaml_scalar_kind(const char *text, size_t len)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
	static const char *const bools[] = {"true",  "True",  "TRUE",
					    "false", "False", "FALSE"};

	if (is_word(text, len, nulls, GW_ARRAY_LEN(nulls)))
		return GW_YAML_NULL;
	if (is_word(text, len, bools, GW_ARRAY_LEN(bools)))
		return GW_YAML_BOOL;
	if (is_int(text, len))
		return GW_YAML_INT;
	if (is_float(text, len) || is_not_finite(text, len))
		return GW_YAML_FLOAT;
	return GW_YAML_STRING;
}

/* The base of 0o and 0x; those two take no sign. */
static int
base_of(const struct gw_yaml_node *v)
{
	if (v->len > 2 && v->text[0] == '0' && v->text[1] == 'o')
		return 8;
	if (v->len > 2 && v->text[0] == '0' && v->text[1] == 'x')
		return 16;
	return 10;
}

int
gw_yaml_scalar_int(const struct gw_yaml_node *v, int64_t *out)
{
	int base = base_of(v);
	long long value;

	errno = 0;
	value = strtoll(base == 10 ? v->text : v->text + 2, NULL, base);
	if (errno)
		return -1;
	*out = value;
	return 0;
}

int
gw_yaml_scalar_ms(const struct gw_yaml_node *v, int64_t *out)
{
	int64_t whole;
	double ms;

	if (v->kind == GW_YAML_INT) {
		if (gw_yaml_scalar_int(v, &whole) < 0)
			return -1;
		ms = (double)whole * 1000;
	} else {
		if (is_not_finite(v->text, v->len))
			return -1;
		ms = strtod(v->text, NULL) * 1000;
	}
	if (!(ms >= -1e15 && ms <= 1e15))
		return -1;
	*out = (int64_t)ms;
	/* 1.1 s is 1100.0000000000002 ms in binary: that is not 1101. */
	if (ms - (double)*out > 1e-6 || (ms > 0 && *out == 0))
		++*out;
	else if (ms - (double)*out < 0)
		--*out;
	return 0;
}

/*
 * 0x and 0o of any length in decimal, exactly: multiply and carry over decimal
 * digits, least significant first. GW_CONFIG_NUMBER_MAX bounds the work.
 */
static int
json_from_base(const struct gw_yaml_node *v, int base, struct gw_buf *out)
{
	unsigned char decimal[2 * GW_CONFIG_NUMBER_MAX] = {0};
	size_t n = 1;

	for (size_t i = 2; i < v->len; i++) {
		const char c = v->text[i];
		int carry = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

		for (size_t k = 0; k < n; k++) {
			carry += decimal[k] * base;
			decimal[k] = (unsigned char)(carry % 10);
			carry /= 10;
		}
		for (; carry; carry /= 10) {
			if (n == sizeof(decimal))
				return -1;
			decimal[n++] = (unsigned char)(carry % 10);
		}
	}
	while (n) {
		char digit = (char)('0' + decimal[--n]);

		if (gw_buf_append(out, &digit, 1) < 0)
			return -1;
	}
	return 0;
}

/*
 * Decimal: JSON knows no '+' in front, no leading zeros and wants digits on
 * both sides of the point. Valid JSON comes out unchanged.
 */
static int
json_from_decimal(const char *text, size_t len, struct gw_buf *out)
{
	size_t at = text[0] == '-' || text[0] == '+', whole, fraction;

	if (text[0] == '-' && gw_buf_append(out, "-", 1) < 0)
		return -1;
	while (at + 1 < len && text[at] == '0' && digits(text, at + 1, len))
		at++;
	whole = digits(text, at, len);
	if (gw_buf_append(out, whole ? text + at : "0", whole ? whole : 1) < 0)
		return -1;
	at += whole;
	if (at < len && text[at] == '.') {
		fraction = digits(text, at + 1, len);
		if (gw_buf_append(out, text + at, 1 + fraction) < 0 ||
		    (!fraction && gw_buf_append(out, "0", 1) < 0))
			return -1;
		at += 1 + fraction;
	}
	return gw_buf_append(out, text + at, len - at);
}

int
gw_yaml_scalar_json(const struct gw_yaml_node *v, struct gw_buf *out)
{
	int base = base_of(v);

	if (is_not_finite(v->text, v->len))
		return -1;
	if (base != 10)
		return json_from_base(v, base, out);
	return json_from_decimal(v->text, v->len, out);
}
