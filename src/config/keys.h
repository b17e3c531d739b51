/* SPDX-License-Identifier: MIT */
/* keys.h - a list of strings, as configurations hold them. */
#ifndef GW_CONFIG_KEYS_H
#define GW_CONFIG_KEYS_H

#include <stddef.h>

/* Owned by the struct it is part of; often secret. */
struct gw_keys {
	char **key;
	size_t n;
};

#endif
