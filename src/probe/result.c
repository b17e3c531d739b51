/* SPDX-License-Identifier: MIT */
/*
 * result.c - how a probe's outcome is named, stored in 20 bits and told.
 * Pure functions; starts nothing.
 */
#include "probe/result.h"

#include <stdio.h>
#include <string.h>

#define STATUS_BASE 4096u /* above every enum gw_transfer_result */
#define NOT_IN_TIME 2048u

_Static_assert(GW_TRANSFER__MAX < NOT_IN_TIME, "results share one number");

static const struct {
	int status;
	const char *hint;
} hints[] = {
	{401, "the upstream wants another key"},
	{403, "the upstream does not allow this key"},
	{404, "there is no /v1/models at this address"},
	{503, "it may be loading its model"},
	{508, "the address leads back to this gateway"},
};

uint32_t
gw_probe_result_of_status(int status)
{
	return STATUS_BASE + (uint32_t)status;
}

uint32_t
gw_probe_result_of_failure(enum gw_transfer_result result)
{
	return (uint32_t)result;
}

uint32_t
gw_probe_result_not_in_time(void)
{
	return NOT_IN_TIME;
}

bool
gw_probe_is_reachable(uint32_t result)
{
	return result >= STATUS_BASE + 200 && result < STATUS_BASE + 300;
}

bool
gw_probe_is_loading(uint32_t result)
{
	return result == STATUS_BASE + 503;
}

bool
gw_probe_is_answer(uint32_t result)
{
	return result >= STATUS_BASE;
}

static const char *
hint_for(uint32_t status)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(hints); i++)
		if ((uint32_t)hints[i].status == status)
			return hints[i].hint;
	return status >= 300 && status < 400 ? "redirects are not followed"
					     : NULL;
}

const char *
gw_probe_reason(uint32_t result, char *out, size_t cap)
{
	const char *hint;

	if (gw_probe_is_reachable(result)) {
		snprintf(out, cap, "ok");
	} else if (result >= STATUS_BASE) {
		hint = hint_for(result - STATUS_BASE);
		snprintf(out, cap, "HTTP %u%s%s", result - STATUS_BASE,
			 hint ? ": " : "", hint ? hint : "");
	} else if (result < GW_TRANSFER__MAX) {
		snprintf(out, cap, "%s",
			 gw_transfer_reason((enum gw_transfer_result)result));
	} else {
		snprintf(out, cap, "not probed in time");
	}
	return out;
}

/* splitmix64's finalizer: every input bit reaches every output bit. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/*
 * Mixing after each byte keeps the two halves independent: a collision of one
 * says nothing about the other, so 128 bits are what they look like. Not for
 * secrecy; the registry is as private as the configuration.
 */
static void
absorb(uint64_t key[2], const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		key[0] = mix(key[0] ^ (unsigned char)s[i]);
		key[1] = mix(key[1] + 0x100 + (unsigned char)s[i]);
	}
}

void
gw_probe_key(const char *base_url, const char *bearer, uint64_t key[2])
{
	key[0] = UINT64_C(0x9e3779b97f4a7c15);
	key[1] = UINT64_C(0xd1b54a32d192ed03);
	absorb(key, base_url, strlen(base_url) + 1);
	if (bearer)
		absorb(key, bearer, strlen(bearer) + 1);
}

void
gw_probe_target_key(const struct gw_probe_target *target, uint64_t key[2])
{
	gw_probe_key(target->base_url, target->bearer, key);
	/* The same server may be believed by one alias and not by another. */
	if (target->tls.insecure)
		absorb(key, "\1", 2);
	if (target->tls.ca)
		absorb(key, target->tls.ca, target->tls.ca_len);
}
