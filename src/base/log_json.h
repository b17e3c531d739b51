/* SPDX-License-Identifier: MIT */
/*
 * log_json.h - the fields of a log line as members of a JSON object.
 *
 * Whatever the line holds, what is written is JSON and UTF-8. Pure: no I/O, no
 * allocation, any thread.
 */
#ifndef GW_BASE_LOG_JSON_H
#define GW_BASE_LOG_JSON_H

#include <stdbool.h>

#include "base/line.h"

/*
 * gw_log_json_members - append each field as a member with a comma in front.
 * @out   its last byte must be one that a comma may follow
 * @text  @n bytes of `key=value` pairs, quoted as gw_log_quote() does; a pair
 *        has the kind that log_fields.def says, text if none; `-` is null. The
 *        escapes \xHH become the characters again, but for bytes that are no
 *        UTF-8: those stay as they are. What is no pair becomes, with all that
 *        follows, one member `text`
 * Returns false when something did not fit: a text is then cut between two
 * characters and ends in "...", any other member is left out.
 */
bool gw_log_json_members(struct gw_line *out, const char *text, size_t n);

#endif
