# shellcheck shell=bash disable=SC2154,SC2034 # set in run.sh and the other parts
# SPDX-License-Identifier: MIT
#
# queue.sh - how soon a freed slot is used: many clients, several responders, one
# request at a time.

# start_slot - upstream[slot], whose log tells when each request came and when its
# answer ended
start_slot() {
  "$TOP_BUILDDIR/tests/fake/fake_llama" --port 0 --port-file "$dir/slot.port" \
    --log "$dir/slot.journal" --script "{\"first_delay_ms\": $QUEUE_ANSWER_MS}" \
    --models planner --max-requests 1000000000 --idle-ms 600000 2>"$dir/slot.log" &
  pids+=("$!")
  wait_for test -s "$dir/slot.port" || die "the upstream did not start: $(<"$dir/slot.log")"
  upstream[slot]=127.0.0.1:$(<"$dir/slot.port")
}

# turns_of - of a journal on standard input, a line for each chat that was answered to
# its end and followed by another one: the microseconds between the two. For each
# chat another line, "= N": how many there are at that moment. One whose client
# left does not count: here its end is seen a moment after the next one's begin.
turns_of() {
  jq -rn '[inputs | select(.event != "request" or .path == "/v1/chat/completions")] as $all
    | INDEX($all[] | select(.event == "client_closed"); .id) as $left
    | foreach $all[] as $now ({open: []};
        .gap = null
        | if $left[$now.id | tostring] then .ended = null
          elif $now.event == "request" then
            (if .open == [] and .ended then .gap = $now.t_us - .ended else . end)
            | .ended = null | .open += [$now.id]
          elif .open | index($now.id) then .open -= [$now.id] | .ended = $now.t_us
          else . end;
        select($now.event == "request") | "= \(.open | length)", (.gap // empty))'
}

# shared_by - responders that have answered chats
shared_by() {
  grep 'event=access.*/v1/chat/completions' "$dir/queue.log" |
    grep -o '\[[0-9]*\]' | sort -u | wc -l
}

# freed_slots -> slot_ms, slot_p99_ms, slots, slot_most
freed_slots() {
  local round from errors _ WORKERS=$QUEUE_RESPONDERS
  start_slot
  start_gateway queue "${ports[QUEUE_PORT]}" "${upstream[slot]}" "$TOP_BUILDDIR" "$TOP_SRCDIR" \
    "max_concurrency: 1"
  for ((round = 0; round < ROUNDS; round++)); do
    from=$(($(wc -l <"$dir/slot.journal") + 1))
    load "$QUEUE_CONNECTIONS" "$QUEUE_S" "${url[queue]}"
    read -r _ _ errors _ <<<"$line"
    [[ ${errors:-1} == 0 ]] || die "queue: chats failed (${line:-no result})"
    tail -n "+$from" "$dir/slot.journal" | turns_of >"$dir/turns"
    grep -v = "$dir/turns" | sort -n >"$dir/gaps"
    [[ -s $dir/gaps ]] || die 'queue: no request came after another one'
    put "$round" slots gateway "$(wc -l <"$dir/gaps")"
    put "$round" slot_ms gateway "$(calc 'u / 1000' u="$(median <"$dir/gaps")")"
    put "$round" slot_p99_ms gateway \
      "$(awk '{ v[NR] = $1 } END { printf "%.3f\n", v[int(NR * 0.99 + 0.999)] / 1000 }' "$dir/gaps")"
    put "$round" slot_most gateway \
      "$(sed -n 's/= //p' "$dir/turns" | sort -n | tail -n 1)"
    printf '  slots    %s used, %s ms median, %s ms p99\n' "$(all slots gateway | tail -n 1)" \
      "$(all slot_ms gateway | tail -n 1)" "$(all slot_p99_ms gateway | tail -n 1)"
  done
  (($(shared_by) == QUEUE_RESPONDERS)) || note "$(shared_by) of $QUEUE_RESPONDERS responders had chats"
}
