# shellcheck shell=bash disable=SC2154,SC2034 # set in run.sh and the other parts
# SPDX-License-Identifier: MIT
#
# targets.sh - what a run has to reach, one row each. Ratios and differences are
# medians over the rounds of one run.
#
# target GROUP WHAT UNIT VALUE min|max LIMIT

# A delay is some hundred microseconds at the 99th percentile, and what a busy
# machine adds there comes in pieces of a scheduler's turn: a quarter of nginx's
# own or that much is noise.
DELAY_TOLERANCE=1.25
DELAY_TOLERANCE_US=100

targets() {
  target chat 'CPU of a chat: responder / lighttpd' '' \
    "$(part_ratio chat_app_us chat_web_us gateway)" max 1.2
  [[ -z $(all syscalls gateway) ]] ||
    target chat 'system calls of a responder for a chat' '' "$(all syscalls gateway)" max 9
  target chat 'requests/s: gateway / nginx proxy_pass' '' \
    "$(ratio chat_rate gateway nginx)" min 0.36
  target chat 'added latency, one connection: gateway / nginx' '' \
    "$(ratio added_us gateway nginx)" max 2.5
  target chat 'requests/s: nginx with kept FastCGI connections / nginx proxy_pass' '' \
    "$(ratio chat_rate kept nginx)" min 0.45
  target streams 'CPU of a token: gateway / nginx' '' \
    "$(ratio token_us gateway nginx)" max 1.35
  target streams 'p99 of the added delay of a token' us \
    "$(median < <(all added_p99_us gateway))" max "$(delay_limit)"
  target many "streams of $MANY_STREAMS at 1 token/s" '' "$(all many_streams gateway)" min "$MANY_STREAMS"
  target many 'streams broken or tokens lost' '' "$(all many_broken gateway)" max 0
  target many 'memory of the responders for one of them' KiB "$(all many_kib gateway)" max 20
  target big '30 MiB once a second: p99 of the other streams moves by' ms \
    "$(median < <(all big_ms gateway))" max 10
  target queue "a freed slot is used, $QUEUE_RESPONDERS responders: median" ms \
    "$(median < <(all slot_ms gateway))" max 10
  target queue 'requests at a time where one is allowed' '' \
    "$(all slot_most gateway | sort -n | tail -n 1)" max 1
}

# With --against: no more than 3 % more than before.
against_targets() {
  local group quantity what
  while read -r group quantity what; do
    target "$group" "$what: now / before" '' "$(ratio "$quantity" gateway before)" max 1.03
  done <<'ROWS'
chat chat_app_us CPU of a chat, responder
chat chat_us CPU of a chat, web server and responder
chat syscalls system calls of a responder for a chat
streams token_app_us CPU of a token, responder
streams token_us CPU of a token, web server and responder
ROWS
}

# nginx's own, with the tolerance
delay_limit() {
  all added_p99_us nginx | median | awk -v f="$DELAY_TOLERANCE" -v u="$DELAY_TOLERANCE_US" '{
    limit = $1 * f > $1 + u ? $1 * f : $1 + u
    printf "%.0f\n", limit }'
}
