/* SPDX-License-Identifier: MIT */
/*
 * requests.c - /rolemesh/requests: the last requests of all processes, the
 * newest first, out of the registry's recorder. Piece by piece: others are
 * served in between. What comes meanwhile is not in it; what the ring gives
 * away before its turn came is not, either.
 */
#include "endpoint/requests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "endpoint/shared.h"
#include "endpoint/table.h"
#include "routing/request_record.h"
#include "routing/routing.h"
#include "serve/long_answer.h"
#include "serve/query.h"

#define TEXT_MAX (16u << 20)
#define LIMIT_DEFAULT 100
#define RECORDS_A_TURN 64 /* GW_PIECE_US may make it fewer */

/* How far an answer is. */
struct gw_recorded {
	uint64_t next;	/* number to be looked at, going down ... */
	uint64_t last;	/* ... to this one; above next: no more */
	unsigned limit; /* so many more are shown */
	bool any_model;
	char model[GW_RECORDED_MODEL_MAX + 1];
	enum gw_outcome outcome; /* GW_OUTCOME__MAX = any */
	bool shown;		 /* one at least */
	bool complete;
	struct gw_buf text;
};

void
gw_recorded_free(struct gw_recorded *l)
{
	if (!l)
		return;
	gw_buf_release(&l->text);
	free(l);
}

/* ---- what is asked for -----------------------------------------------------
 */

static int
bad(struct gw_request *r, const char *field, const char *what)
{
	gw_err_set(&r->err, GW_ERR_INVALID_REQUEST, 0, "%s is %s", field, what);
	return gw_err_param(&r->err, field);
}

static int
read_limit(struct gw_request *r, const char *text, unsigned *limit)
{
	unsigned n = 0;

	if (!*text || text[strspn(text, "0123456789")] || strlen(text) > 4)
		return bad(r, "limit", "a number from 1 to 4096");
	while (*text)
		n = n * 10 + (unsigned)(*text++ - '0');
	if (n < 1 || n > REG_RECORDS_MAX)
		return bad(r, "limit", "a number from 1 to 4096");
	*limit = n;
	return 0;
}

static int
read_outcome(struct gw_request *r, const char *text, enum gw_outcome *outcome)
{
	char words[160] = "one of";
	size_t n = strlen(words);

	*outcome = gw_outcome_of(text);
	if (*outcome != GW_OUTCOME__MAX)
		return 0;
	for (int i = 0; i < GW_OUTCOME__MAX; i++)
		n += (size_t)snprintf(words + n, sizeof(words) - n, "%s %s",
				      i ? "," : "",
				      gw_outcome_word((enum gw_outcome)i));
	return bad(r, "outcome", words);
}

/* By any of its names; of one that is not configured any more, by its alias. */
static void
read_model(struct gw_request *r, const char *name, struct gw_recorded *l)
{
	const struct gw_model *m =
		gw_config_model(r->config, name, strlen(name));
	const char *alias = m ? m->alias : name;
	size_t n = strlen(alias);

	/* As the recorder cut it. */
	if (n > GW_RECORDED_MODEL_MAX) {
		n = GW_RECORDED_MODEL_MAX;
		while (n > 0 && ((unsigned char)alias[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(l->model, alias, n);
	l->any_model = false;
}

static int
read_query(struct gw_request *r, struct gw_recorded *l)
{
	struct gw_query_field fields[] = {
		{.name = "limit"}, {.name = "model"}, {.name = "outcome"}};

	if (gw_query_read(r, fields, GW_ARRAY_LEN(fields)) < 0 ||
	    (fields[0].given &&
	     read_limit(r, fields[0].value, &l->limit) < 0) ||
	    (fields[2].given &&
	     read_outcome(r, fields[2].value, &l->outcome) < 0))
		return -1;
	if (fields[1].given)
		read_model(r, fields[1].value, l);
	return 0;
}

/* ---- one of them ------------------------------------------------------------
 */

static struct json_object *
attempts_array(const struct gw_request_record *rec)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < rec->n_attempts; i++) {
		const struct gw_recorded_attempt *a = &rec->attempts[i];
		struct json_object *o = json_object_new_object();

		gw_json_set_str(o, "candidate",
				a->candidate[0] ? a->candidate : NULL);
		gw_json_set_str(o, "result", a->result);
		json_object_object_add(o, "ms", gw_json_seconds(a->us));
		json_object_array_add(list, o);
	}
	return list;
}

/* Microseconds as milliseconds, as seconds are told of milliseconds. */
static void
set_ms(struct json_object *o, const char *key, uint64_t us)
{
	json_object_object_add(
		o, key, us == GW_RECORDED_NEVER ? NULL : gw_json_seconds(us));
}

static void
set_count(struct json_object *o, const char *key, uint32_t n)
{
	json_object_object_add(o, key, n ? json_object_new_int64(n) : NULL);
}

static void
set_text(struct json_object *o, const char *key, const char *text)
{
	gw_json_set_str(o, key, text[0] ? text : NULL);
}

static struct json_object *
record_object(const struct gw_request_record *rec)
{
	struct json_object *o = json_object_new_object();
	struct json_object *tokens = json_object_new_object();

	gw_json_set_str(o, "id", rec->id);
	json_object_object_add(o, "time",
			       gw_json_seconds((uint64_t)rec->began_ms));
	set_text(o, "client", rec->client);
	set_text(o, "model", rec->model);
	set_text(o, "path", rec->path);
	json_object_object_add(o, "stream",
			       json_object_new_boolean(rec->stream));
	gw_json_set_int(o, "status", rec->status);
	gw_json_set_str(o, "outcome", gw_outcome_word(rec->outcome));
	gw_json_set_str(o, "ended_by", gw_ended_by_word(rec->ended_by));
	set_text(o, "error", rec->error);
	json_object_object_add(o, "attempts", attempts_array(rec));
	set_ms(o, "queue_ms", rec->queue_us);
	set_ms(o, "connect_ms", rec->connect_us);
	set_ms(o, "first_byte_ms", rec->first_byte_us);
	set_ms(o, "total_ms", rec->total_us);
	gw_json_set_int(o, "bytes_in", (int64_t)rec->bytes_in);
	gw_json_set_int(o, "bytes_out", (int64_t)rec->bytes_out);
	json_object_object_add(o, "tokens", tokens);
	set_count(tokens, "prompt", rec->prompt_tokens);
	set_count(tokens, "completion", rec->completion_tokens);
	set_count(tokens, "cached", rec->cached_tokens);
	return o;
}

/* ---- in pieces
 * --------------------------------------------------------------- */

static struct gw_recorded *
recorded_new(struct gw_request *r)
{
	struct gw_recorded *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	gw_buf_init(&l->text, TEXT_MAX);
	l->limit = LIMIT_DEFAULT;
	l->any_model = true;
	l->outcome = GW_OUTCOME__MAX;
	l->next = reg_recorder_newest(gw_routing(r)->reg);
	l->last = l->next < REG_RECORDS_MAX ? 1 : l->next - REG_RECORDS_MAX + 1;
	return l;
}

static bool
is_wanted(const struct gw_recorded *l, const struct gw_request_record *rec)
{
	return (l->any_model || strcmp(l->model, rec->model) == 0) &&
	       (l->outcome == GW_OUTCOME__MAX || l->outcome == rec->outcome);
}

/* Returns 0 / -1. */
static int
show(struct gw_request *r, struct gw_recorded *l, uint64_t number)
{
	gw_auto_json struct json_object *o = NULL;
	uint8_t bytes[REG_RECORD_BYTES];
	struct gw_request_record rec;
	size_t n = reg_recorder_read(gw_routing(r)->reg, number, bytes);

	if (!n || !gw_record_decode(bytes, n, &rec) || !is_wanted(l, &rec))
		return 0;
	o = record_object(&rec);
	if (gw_json_element(o, !l->shown, &l->text) < 0)
		return -1;
	l->shown = true;
	l->limit--;
	return 0;
}

static int
go_on(struct gw_request *r, struct gw_recorded *l)
{
	uint64_t begun_us = gw_mono_us();

	if (!l->text.len && gw_buf_puts(&l->text, "{\"requests\":[") < 0)
		return -1;
	for (int i = 0; i < RECORDS_A_TURN && !gw_turn_is_over(begun_us) &&
			l->limit && l->next >= l->last;
	     i++)
		if (show(r, l, l->next--) < 0)
			return -1;
	if (l->limit && l->next >= l->last)
		return 0;
	l->complete = true;
	return gw_buf_puts(&l->text, "]}\n");
}

enum gw_step
gw_answer_requests(struct gw_request *r)
{
	struct gw_recorded *l = gw_routed(r)->recorded;

	if (!l) {
		l = gw_routed(r)->recorded = recorded_new(r);
		if (l && read_query(r, l) < 0)
			return GW_FINISH;
	}
	if (!l || (!l->complete && go_on(r, l) < 0)) {
		gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
			   "no memory for the list of requests");
		return GW_FINISH;
	}
	return l->complete ? gw_long_answer_send(r, &l->text)
			   : gw_long_answer_again(r);
}
