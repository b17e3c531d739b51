/* SPDX-License-Identifier: MIT */
/* reg_nodes.h - finding and comparing nodes, for the tests about them. */
#ifndef TESTS_UNIT_REG_NODES_H
#define TESTS_UNIT_REG_NODES_H

#include "reg_test.h"

static struct reg_err err;

/* The node of an id, by walking; slot is REG_NODES_MAX when there is none. */
UNUSED_OK static struct reg_node
node_of(const struct reg *r, const char *id)
{
	struct reg_node node;
	uint32_t slot = 0;

	while (reg_node_next(r, &slot, &node))
		if (strcmp(node.id, id) == 0)
			return node;
	memset(&node, 0, sizeof(node));
	node.ref.slot = REG_NODES_MAX;
	return node;
}

UNUSED_OK static bool
has(const struct reg *r, const char *id)
{
	return node_of(r, id).ref.slot < REG_NODES_MAX;
}

UNUSED_OK static unsigned
count(const struct reg *r)
{
	struct reg_node node;
	uint32_t slot = 0;
	unsigned n = 0;

	while (reg_node_next(r, &slot, &node))
		n++;
	return n;
}

/* Reads a payload and compares it with a text; NULL = there is none. */
UNUSED_OK static bool
reads(const struct reg *r, struct reg_node_ref ref, enum reg_payload which,
      const char *want)
{
	size_t len = 99;
	char *text;
	bool same;

	if (reg_node_read(r, ref, which, &text, &len, &err))
		return false;
	same = want ? text && len == strlen(want) && strcmp(text, want) == 0
		    : !text && len == 0;
	free(text);
	return same;
}

UNUSED_OK static int
put(struct reg *r, const char *id, const char *record, uint64_t now_ms)
{
	return reg_node_put(r, id, record, strlen(record), now_ms, 1000, NULL,
			    &err);
}

#endif
