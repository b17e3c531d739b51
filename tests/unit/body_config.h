/* SPDX-License-Identifier: MIT */
/*
 * body_config.h - a configuration for tests of the body, without any YAML.
 *
 * It takes the place of src/config/ in the programs that include it (once
 * each): the three functions a body calls, over one table of default keys.
 */
#ifndef TESTS_UNIT_BODY_CONFIG_H
#define TESTS_UNIT_BODY_CONFIG_H

#include <string.h>

#include "body/room.h"
#include "config/config.h"

/* clang-format off */
#define TEXT(s) (s), sizeof(s) - 1

static struct gw_default_key test_keys[] = {
	{ TEXT("stop") },
	{ TEXT("a\0b") },
	{ TEXT("stream") },
	{ TEXT("temperature") },
};

static char test_temperature[] = "\"temperature\":0.6";
static char test_stop[] = "\"stop\":[\"a\"]";
/* clang-format on */

static struct gw_default test_defaults[] = {
	{.key_index = 3,
	 .member = test_temperature,
	 .member_len = sizeof(test_temperature) - 1},
	{.key_index = 0,
	 .member = test_stop,
	 .member_len = sizeof(test_stop) - 1},
};

static const struct gw_model test_model = {.defaults = test_defaults,
					   .n_defaults = 2};
__attribute__((unused)) static struct gw_body_room test_room = {.max = SIZE_MAX, .key = "room"};
static struct gw_config test_config = {
	.refs = 1, .default_keys = test_keys, .n_default_keys = 4};

int
gw_config_default_key(const struct gw_config *c, const char *key, size_t len)
{
	size_t i;

	for (i = 0; i < c->n_default_keys; i++)
		if (c->default_keys[i].len == len &&
		    memcmp(c->default_keys[i].key, key, len) == 0)
			return (int)i;
	return -1;
}

struct gw_config *
gw_config_ref(struct gw_config *c)
{
	c->refs++;
	return c;
}

void
gw_config_unref(struct gw_config *c)
{
	if (c)
		c->refs--;
}

#endif
