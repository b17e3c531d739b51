-- SPDX-License-Identifier: MIT
-- chat.lua - wrk sends the chat request in $BENCH_BODY with the key in
-- $BENCH_KEY; anything but 200 counts as an error. The last line of the output:
--   result REQUESTS/S REQUESTS ERRORS MEDIAN_US P99_US
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY")
file:close()

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("result %.1f %d %d %d %d\n",
    summary.requests / (summary.duration / 1e6), summary.requests,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
