-- SPDX-License-Identifier: MIT
-- chat.lua - wrk sends the chat request in $BENCH_BODY; anything but 200 counts
-- as an error, and the last line of the output is a number for each.
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()

done = function(summary)
  local errors = summary.errors
  io.write(string.format("result %.1f %d\n",
    summary.requests / (summary.duration / 1e6),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
