/* SPDX-License-Identifier: MIT */
/* test_receive.c - how long the body of a request may trickle in. */
#include "stage/stage.h"
#include "tap.h"

int
main(void)
{
	const uint64_t grace = GW_RECEIVE_GRACE_MS;

	ok(!gw_receive_is_too_slow(0, 1) && !gw_receive_is_too_slow(grace, 1),
	   "receive: a byte within the first minute -> waited for");
	ok(gw_receive_is_too_slow(grace + 1, 1),
	   "receive: a byte a minute -> too slow");
	ok(!gw_receive_is_too_slow(grace + 1000, GW_RECEIVE_BYTES_S) &&
		   gw_receive_is_too_slow(grace + 1001, GW_RECEIVE_BYTES_S),
	   "receive: each second's worth of bytes -> a second more");
	ok(!gw_receive_is_too_slow(4 * 1000 * 1000, 32 << 20),
	   "receive: 32 MiB in an hour -> waited for");
	ok(gw_receive_is_too_slow(24 * 3600 * 1000, 32 << 20),
	   "receive: 32 MiB in a day -> too slow");
	return done_testing();
}
