/* SPDX-License-Identifier: MIT */
/* test_backoff.c - how long until the next attempt. */
#include "base/backoff.h"
#include "tap.h"

static void
doubles_up_to_its_limit(void)
{
	static const uint32_t wanted[] = {100, 200, 400, 800, 1000, 1000};
	struct gw_backoff b = {.first_ms = 100, .max_ms = 1000};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		is_int(gw_backoff_next(&b, 0xffffffff), wanted[i],
		       "backoff: the next failure -> twice as long, to the "
		       "limit");
	for (int i = 0; i < 1000; i++)
		(void)gw_backoff_next(&b, 0);
	is_int(gw_backoff_next(&b, 0), 1000,
	       "backoff: a thousand failures -> still the limit");
	gw_backoff_reset(&b);
	is_int(gw_backoff_next(&b, 0), 100,
	       "backoff: reset -> the first wait again");
}

static void
jitter_only_shortens(void)
{
	struct gw_backoff b = {
		.first_ms = 1000, .max_ms = 1000, .jitter_pct = 50};
	uint32_t least = UINT32_MAX, most = 0;

	for (uint32_t r = 0; r < 0x10000; r += 0xff) {
		uint32_t wait = gw_backoff_next(&b, r);

		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	ok(least >= 500 && least < 510 && most == 1000,
	   "backoff: jitter of 50%% -> between half and all of it");
	b.jitter_pct = 100;
	ok(gw_backoff_next(&b, 0xffff) >= 1, "backoff: full jitter -> not 0");
}

int
main(void)
{
	doubles_up_to_its_limit();
	jitter_only_shortens();
	return done_testing();
}
