/* SPDX-License-Identifier: MIT */
/*
 * log.h - one call, one line of key=value on standard error, or the same as one
 * JSON object.
 *
 * The process manager (lighttpd, Apache, systemd, a terminal) collects it. Where
 * that is systemd's journal, a line begins with its priority, as "<4>". A line
 * is written with one write(2) of at most GW_LOG_LINE_BYTES, so lines of
 * several processes never mix. Logging never blocks: standard error is opened
 * once more in a mode of its own (a pipe of another user cannot be; that one is
 * asked before each line), and while nobody reads, lines are lost, and the next
 * one written says lost=N. Repeating events can be limited; what was left out is
 * counted in the next line that goes through.
 */
#ifndef GW_BASE_LOG_H
#define GW_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

enum gw_log_level {
	GW_LOG_DEBUG,
	GW_LOG_INFO,
	GW_LOG_WARN,
	GW_LOG_ERROR,
	GW_LOG__MAX
};

enum gw_event {
#define EVENT(name, word, level, text) GW_EV_##name,
#include "base/events.def"
#undef EVENT
	GW_EV__MAX
};

enum gw_log_format { GW_LOG_TEXT, GW_LOG_JSON };
/* Their words in a configuration, in this order; NULL at the end. */
extern const char *const gw_log_formats[];

#define GW_LOG_LINE_BYTES 3072
#define GW_LOG_BATCH_BYTES 4096 /* a pipe takes so much whole, or nothing */

/*
 * gw_log_init - name this process in its log lines.
 * @program  static string, e.g. "rolemesh-responder"
 * Reads GW_LOG_LEVEL (debug, info, warn, error; default info) and
 * JOURNAL_STREAM, by which systemd says which stream is its journal's. A process
 * that was forked calls it again: the process id is remembered.
 */
void gw_log_init(const char *program);

/*
 * gw_log_set_format - what lines look like from now on; text at first.
 * GW_LOG_JSON: one object a line, with `time`, `process`, `process_id` and the
 * fields of log_fields.def, typed as there; `"cut":true` in one that had to be
 * shortened to GW_LOG_LINE_BYTES. Without priorities, journal or not: programs
 * read it. Kept by a process that is forked.
 */
void gw_log_set_format(enum gw_log_format format);

/*
 * gw_log - write one line.
 * @ev   a row of events.def; its level decides whether the line is written
 * @rid  request id or NULL
 * @fmt  `key=value` pairs separated by blanks, each key a row of log_fields.def;
 *       quote untrusted values with gw_log_quote() first
 * Keeps errno. Not signal-safe.
 */
void gw_log(enum gw_event ev, const char *rid, const char *fmt, ...)
	GW_PRINTF(3, 4);

/*
 * gw_log_text - gw_log() for what was put together without printf (line.h).
 * @p  @n bytes of `key=value` pairs
 */
void gw_log_text(enum gw_event ev, const char *rid, const char *p, size_t n);

/*
 * gw_log_told - gw_log() for one text that somebody else put together, such as
 * the message of an error: quotes in it do not end the value.
 * @key  the field's name
 */
void gw_log_told(enum gw_event ev, const char *key, const char *value);

/*
 * gw_log_collect - keep lines back, so that many leave in one write.
 * @on  true: up to GW_LOG_BATCH_BYTES wait, and no longer than until a warning
 *      or an error is written; false: what waits is written now, and each line
 *      from now on at once
 * An event loop turns it on when it wakes and off before it sleeps. A process
 * that is killed meanwhile loses what waits; one that was forked must not turn
 * it off.
 */
void gw_log_collect(bool on);

/* gw_log_flush - what waits is written now; what comes later may wait again. */
void gw_log_flush(void);

/* A limiter in the caller's storage, zero-initialised. */
struct gw_log_limit {
	uint64_t window_start_ms;
	uint32_t written;    /* lines in this window */
	uint32_t suppressed; /* lines left out since the last one written */
};

/*
 * gw_log_limited - gw_log(), at most 5 lines in 10 s per limiter.
 * The next line written says suppressed=N.
 */
void gw_log_limited(struct gw_log_limit *limit, enum gw_event ev,
		    const char *rid, const char *fmt, ...) GW_PRINTF(4, 5);

/*
 * gw_log_quote - make a value safe for a log line or an error message.
 * @out  storage of @cap bytes (cap >= 3), filled with a double-quoted text in
 *       which quotes, backslashes, control bytes and bytes that are no UTF-8
 *       are escaped as \xHH: it is UTF-8 whatever @value is
 * Returns @out. A value that does not fit is cut between two characters and
 * ends in "...".
 */
const char *gw_log_quote(char *out, size_t cap, const char *value, size_t len);

/*
 * gw_log_word - the same for a value that is nearly always a plain word.
 * @value  NULL gives "-"
 * Returns @value itself when nothing in it can be misread behind `key=`, else
 * @out, quoted.
 */
const char *gw_log_word(char *out, size_t cap, const char *value);

#endif
