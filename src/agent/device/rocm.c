/* SPDX-License-Identifier: MIT */
/*
 * rocm.c - what rocm-smi is asked and what it answers.
 *
 * Standard output and error come as one text: warnings, then one JSON object.
 * Values are strings ("7", "45.0", "N/A (Secondary die)"); the names of members
 * changed between versions, and so did what a GPU tells.
 */
#include "agent/device/internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"

#define DEPTH_MAX 4 /* of the answer; 2 is usual */
#define INDEX_DIGITS_MAX 4
#define MIB_BITS 20

const char *const ag_rocm_command[] = {
	"rocm-smi",	  "--showproductname",
	"--showuniqueid", "--showmeminfo",
	"vram",		  "--showuse",
	"--showtemp",	  "--showpower",
	"--json",	  NULL,
};

/* The names that a value has had, the best first; NULL at the end. */
static const char *const name_members[] = {"Card Series", "Device Name",
					   "Card Model", "Card SKU", NULL};
static const char *const uuid_members[] = {"Unique ID", NULL};
static const char *const total_members[] = {"VRAM Total Memory (B)", NULL};
static const char *const used_members[] = {"VRAM Total Used Memory (B)", NULL};
static const char *const use_members[] = {"GPU use (%)", NULL};
/* an MI300 has no edge sensor; ROCm 2 numbered them */
static const char *const temperature_members[] = {
	"Temperature (Sensor edge) (C)", "Temperature (Sensor junction) (C)",
	"Temperature (Sensor memory) (C)", "Temperature (Sensor #1) (C)", NULL};
static const char *const power_members[] = {
	"Average Graphics Package Power (W)",
	"Current Socket Graphics Package Power (W)", NULL};

/* What it says when there is no GPU, instead of an object. */
static const char *const none_texts[] = {"No AMD GPUs specified",
					 "No JSON data to report"};

/* The text of a member, however it is spelled, or NULL. */
static const char *
member(struct json_object *card, const char *name)
{
	json_object_object_foreach(card, key, value) if (
		strcasecmp(key, name) == 0 &&
		(json_object_is_type(value, json_type_string) ||
		 json_object_is_type(value, json_type_int) ||
		 json_object_is_type(
			 value,
			 json_type_double))) return json_object_get_string(value);
	return NULL;
}

static void
text_of(struct json_object *card, const char *const *names, char *out,
	size_t cap)
{
	for (; *names && out[0] == '\0'; names++) {
		const char *text = member(card, *names);

		if (text)
			ag_read_text(out, cap, text, strlen(text));
	}
}

static int64_t
milli_of(struct json_object *card, const char *const *names, const char *unit)
{
	int64_t milli = AG_UNKNOWN;

	for (; *names && milli == AG_UNKNOWN; names++) {
		const char *text = member(card, *names);

		if (text)
			milli = ag_read_milli(text, strlen(text), unit);
	}
	return milli;
}

static int64_t
whole_of(struct json_object *card, const char *const *names, const char *unit,
	 int64_t max)
{
	int64_t milli = milli_of(card, names, unit);

	return milli == AG_UNKNOWN ? AG_UNKNOWN
				   : ag_at_most((milli + 500) / 1000, max);
}

static void
read_card(struct json_object *card, struct ag_sample *s)
{
	int64_t total = whole_of(card, total_members, "B", INT64_MAX);
	int64_t used = whole_of(card, used_members, "B", INT64_MAX);

	text_of(card, name_members, s->name, sizeof(s->name));
	text_of(card, uuid_members, s->uuid, sizeof(s->uuid));
	s->utilisation_pct = whole_of(card, use_members, "%", 100);
	s->temperature_c =
		whole_of(card, temperature_members, "C", AG_TEMPERATURE_MAX_C);
	s->power_mw =
		ag_at_most(milli_of(card, power_members, "W"), AG_POWER_MAX_MW);
	if (total == AG_UNKNOWN)
		return;
	s->memory_total_mib = total >> MIB_BITS;
	if (used != AG_UNKNOWN && used <= total)
		s->memory_free_mib = (total - used) >> MIB_BITS;
}

/* "card12" -> 12; AG_UNKNOWN for other members, "system" for one. */
static int64_t
card_index(const char *key)
{
	static const char prefix[] = "card";
	size_t n = strlen(key), p = sizeof(prefix) - 1;

	if (n <= p || n > p + INDEX_DIGITS_MAX ||
	    strncasecmp(key, prefix, p) != 0 || (key[p] == '0' && n > p + 1))
		return AG_UNKNOWN;
	for (size_t i = p; i < n; i++)
		if (!isdigit((unsigned char)key[i]))
			return AG_UNKNOWN;
	return ag_read_whole(key + p, n - p, "", INT64_MAX);
}

/* The first '{' that begins a line; NULL = none. */
static const char *
object_begin(const char *text, size_t len)
{
	bool fresh = true;

	for (size_t i = 0; i < len; i++) {
		if (fresh && text[i] == '{')
			return text + i;
		if (text[i] == '\n')
			fresh = true;
		else if (!isspace((unsigned char)text[i]))
			fresh = false;
	}
	return NULL;
}

/* Bytes of the object at @p, messages behind it left out. */
static size_t
object_length(const char *p, size_t n)
{
	bool quoted = false;
	size_t depth = 0;

	for (size_t i = 0; i < n; i++) {
		if (quoted && p[i] == '\\')
			i++;
		else if (p[i] == '"')
			quoted = !quoted;
		else if (!quoted && p[i] == '{')
			depth++;
		else if (!quoted && p[i] == '}' && --depth == 0)
			return i + 1;
	}
	return n;
}

static bool
says_none(const char *text, size_t len)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(none_texts); i++)
		if (memmem(text, len, none_texts[i], strlen(none_texts[i])))
			return true;
	return false;
}

static int
read_cards(struct json_object *all, struct ag_sample_list *out,
	   struct gw_err *err)
{
	json_object_object_foreach(all, key, card)
	{
		int64_t index = card_index(key);
		struct ag_sample *s;

		if (index == AG_UNKNOWN ||
		    !json_object_is_type(card, json_type_object))
			continue;
		if (out->n == AG_GPUS_MAX)
			return gw_err_set(err, GW_ERR_INTERNAL, 0,
					  "more than %d GPUs are listed",
					  AG_GPUS_MAX);
		s = &out->sample[out->n++];
		ag_sample_clear(s, (unsigned)index);
		read_card(card, s);
	}
	return 0;
}

int
ag_rocm_parse(const char *text, size_t len, struct ag_sample_list *out,
	      struct gw_err *err)
{
	struct json_object *all gw_auto_json = NULL;
	const char *begin = object_begin(text, len);
	struct gw_err why = {0};
	char words[AG_WORDS_BYTES];

	out->n = 0;
	if (!begin && says_none(text, len))
		return 0;
	if (!begin) {
		ag_read_text(words, sizeof(words), text, len);
		return gw_err_set(err, GW_ERR_INTERNAL, 0,
				  "no JSON object in the answer: %s", words);
	}
	all = gw_json_parse_object(
		begin, object_length(begin, len - (size_t)(begin - text)),
		DEPTH_MAX, &why);
	if (!all)
		return gw_err_set(err, GW_ERR_INTERNAL, why.sys,
				  "the answer: %s", why.msg);
	if (read_cards(all, out, err) < 0)
		return -1;
	return ag_sample_sort(out, err);
}
