/* SPDX-License-Identifier: MIT */
/*
 * option_rows.h - the words in which a .def file says its rows.
 *
 * For the one file of a program that turns its options.def into a table, and
 * for no other: the names are short. That file adds KIND_x for kinds of its
 * own and names for its groups (GROUP), then:
 *
 *	static const struct gw_option options[] = {
 *	#include "config/options.def"
 *	};
 *
 * OPTION(path, kind, unit, where it is stored, what it may be, default as YAML
 *        text, flags, help)
 */
#ifndef GW_CONFIG_OPTION_ROWS_H
#define GW_CONFIG_OPTION_ROWS_H

#include <stddef.h>

#include "config/schema.h"

#define REQUIRED GW_OPTION_REQUIRED
#define SECRET GW_OPTION_SECRET
#define RESTART GW_OPTION_RESTART
#define PUBLIC GW_OPTION_PUBLIC
#define SELECTS GW_OPTION_SELECTS

/* Groups share a row's flags, kept apart by a shift: GROUP(index of a word). */
#define GROUP_SHIFT 16
#define GROUP(word) (1u << (GROUP_SHIFT + (word)))

#define KIND_INTEGER &gw_kind_integer
#define KIND_SECONDS &gw_kind_seconds
#define KIND_BOOLEAN &gw_kind_boolean
#define KIND_WORD &gw_kind_word
#define KIND_TEXT &gw_kind_text
#define KIND_TOKEN &gw_kind_token
#define KIND_TOKENS &gw_kind_tokens
#define KIND_SECTION &gw_kind_section
#define KIND_RECORDS &gw_kind_records
#define KIND_TREE &gw_kind_tree
#define KIND_HOST &gw_kind_host
#define KIND_URL &gw_kind_url

#define IN(type, field)                                                        \
	.offset = offsetof(struct type, field),                                \
	.size = sizeof(((struct type *)0)->field)
#define NOWHERE .size = 0
#define RANGE(least, most) .min = (least), .max = (most)
#define WORDS(list) .words = (list)
#define RECORD(what) .record = &(what)
#define ANY .min = 0

#define OPTION(path_, kind_, unit_, stored, may_be, fallback_, flags_, help_)  \
	{                                                                      \
		.path = (path_),                                               \
		.kind = KIND_##kind_,                                          \
		.unit = (unit_),                                               \
		stored,                                                        \
		may_be,                                                        \
		.fallback = (fallback_),                                       \
		.flags = (flags_) & ((1u << GROUP_SHIFT) - 1),                 \
		.group = (flags_) >> GROUP_SHIFT,                              \
		.help = (help_),                                               \
	},

#endif
