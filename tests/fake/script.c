/* SPDX-License-Identifier: MIT */
/*
 * script.c - the vocabulary of a script, one row a key.
 *
 * Adding a behaviour: one field in struct fake_script, one row here, the code
 * that obeys it in stream.c or route.c, and a test in 012-fake-failures.bats.
 */
#include "fake.h"

#include <stddef.h>
#include <string.h>

enum key_type {
	INTEGER,
	FLAG,
	STRING,
	OBJECT,
	LIST
};

struct key {
	const char *name;
	enum key_type type;
	size_t offset;
};

#define KEY(name, type)                                                        \
	{                                                                      \
#name, type, offsetof(struct fake_script, name)                \
	}

static const struct key keys[] = {
	KEY(tokens, INTEGER),
	KEY(delay_ms, INTEGER),
	KEY(first_delay_ms, INTEGER),
	KEY(head_delay_ms, INTEGER),
	KEY(status, INTEGER),
	KEY(die_after_tokens, INTEGER),
	KEY(end_after_tokens, INTEGER),
	KEY(content_length_lie, INTEGER),
	KEY(big_tokens, INTEGER),
	KEY(raw_split, INTEGER),
	KEY(raw_delay_ms, INTEGER),
	KEY(models_status, INTEGER),
	KEY(heartbeat_status, INTEGER),
	KEY(models_delay_ms, INTEGER),
	KEY(error_after_tokens, INTEGER),
	KEY(bad_chunk_after_tokens, INTEGER),
	KEY(bad_event_after_tokens, INTEGER),
	KEY(silent_after_tokens, INTEGER),
	KEY(silent_ms, INTEGER),
	KEY(pings, INTEGER),
	KEY(ping_ms, INTEGER),
	KEY(die_after_bytes, INTEGER),
	KEY(end_after_bytes, INTEGER),
	KEY(body_bytes, INTEGER),
	KEY(exit_signal, INTEGER),
	KEY(for_ms, INTEGER),
	KEY(every_ms, INTEGER),
	KEY(wait_head, FLAG),
	KEY(wait_tokens, FLAG),
	KEY(half_event, FLAG),
	KEY(no_done, FLAG),
	KEY(never, FLAG),
	KEY(close_before_answer, FLAG),
	KEY(reset_before_answer, FLAG),
	KEY(early_answer, FLAG),
	KEY(turns_again, FLAG),
	KEY(close_reused, FLAG),
	KEY(garbage, FLAG),
	KEY(usage, FLAG),
	KEY(echo_headers, FLAG),
	KEY(stamp, FLAG),
	KEY(stamp_us, FLAG),
	KEY(models_close, FLAG),
	KEY(models_wait, FLAG),
	KEY(props_wait, FLAG),
	KEY(loading, FLAG),
	KEY(body, STRING),
	KEY(content_type, STRING),
	KEY(redirect, STRING),
	KEY(raw_file, STRING),
	KEY(text, STRING),
	KEY(prefill, STRING),
	KEY(headers, OBJECT),
	KEY(props, OBJECT),
	KEY(error, OBJECT),
	KEY(pieces, LIST),
	KEY(turns, LIST),
};

static const enum json_type json_types[] = {
	[INTEGER] = json_type_int,   [FLAG] = json_type_boolean,
	[STRING] = json_type_string, [OBJECT] = json_type_object,
	[LIST] = json_type_array,
};

void
fake_script_init(struct fake_script *s)
{
	*s = (struct fake_script){
		.tokens = -1,
		.die_after_tokens = -1,
		.end_after_tokens = -1,
		.error_after_tokens = -1,
		.bad_chunk_after_tokens = -1,
		.bad_event_after_tokens = -1,
		.silent_after_tokens = -1,
		.die_after_bytes = -1,
		.end_after_bytes = -1,
	};
}

static const struct key *
find_key(const char *name)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static void
set(struct fake_script *s, const struct key *key, struct json_object *v)
{
	char *field = (char *)s + key->offset;

	switch (key->type) {
	case INTEGER:
		*(int64_t *)(void *)field = json_object_get_int64(v);
		break;
	case FLAG:
		*(bool *)field = json_object_get_boolean(v);
		break;
	case STRING:
		*(const char **)(void *)field = json_object_get_string(v);
		break;
	case OBJECT:
	case LIST:
		*(struct json_object **)(void *)field = v;
		break;
	}
}

/* A name from a script must stay inside the fixtures folder. */
static bool
leaves_folder(const char *name)
{
	return strchr(name, '/') || name[0] == '.' || name[0] == '\0';
}

static bool
is_prefill(const char *word)
{
	return strcmp(word, "continue") == 0 || strcmp(word, "restart") == 0 ||
	       strcmp(word, "refuse") == 0;
}

/* A turn is a script, but has no turns of its own. */
static int
check_turns(struct json_object *list, char *why, size_t why_bytes)
{
	struct fake_script scratch;
	struct json_object *turn;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		turn = json_object_array_get_idx(list, i);
		fake_script_init(&scratch);
		if (json_object_object_get_ex(turn, "turns", NULL)) {
			snprintf(why, why_bytes, "fake: a turn has no turns");
			return -1;
		}
		if (fake_script_apply(&scratch, turn, why, why_bytes))
			return -1;
	}
	return 0;
}

/* What a value must be beside its type. */
static int
check(const struct fake_script *s, const char *name, char *why,
      size_t why_bytes)
{
	if (strcmp(name, "raw_file") == 0 && leaves_folder(s->raw_file)) {
		snprintf(why, why_bytes, "fake: raw_file is a name");
		return -1;
	}
	if (strcmp(name, "prefill") == 0 && !is_prefill(s->prefill)) {
		snprintf(why, why_bytes,
			 "fake: prefill is continue, restart or refuse");
		return -1;
	}
	return strcmp(name, "turns") == 0
		       ? check_turns(s->turns, why, why_bytes)
		       : 0;
}

int
fake_script_apply(struct fake_script *s, struct json_object *o, char *why,
		  size_t why_bytes)
{
	const struct key *key;

	if (!json_object_is_type(o, json_type_object)) {
		snprintf(why, why_bytes, "fake: a script is an object");
		return -1;
	}
	json_object_object_foreach(o, name, v)
	{
		key = find_key(name);
		if (!key) {
			snprintf(why, why_bytes, "fake: unknown key %s", name);
			return -1;
		}
		if (!json_object_is_type(v, json_types[key->type])) {
			snprintf(why, why_bytes, "fake: wrong type of %s",
				 name);
			return -1;
		}
		set(s, key, v);
		if (check(s, name, why, why_bytes))
			return -1;
	}
	return 0;
}
