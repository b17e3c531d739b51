# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# raw.bash - answers of an upstream whose headers or trailers are too long, for
# scripts with a raw_file.

# trailers BYTES - lines that long altogether.
trailers() {
  local left=$1 line
  while ((left > 0)); do
    line=$((left > 1000 + 10 ? 1000 : left))
    printf 'X-T: %s\r\n' "$(head -c $((line - 7)) /dev/zero | tr '\0' t)"
    left=$((left - line))
  done
}

raw_files() {
  local head=$'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
  local chunked=$'Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n'
  local used=$((${#head} + 32)) # with the blank lines that count, too
  mkdir -p "$1"
  { printf %s "$head$chunked" && trailers $((65536 - used)) && printf '\r\n'; } >"$1/trailers-fit"
  { printf %s "$head$chunked" && trailers 70000 && printf '\r\n'; } >"$1/trailers"
  { printf %s "$head" && trailers 70000 && printf 'Content-Length: 2\r\n\r\n{}'; } >"$1/headers"
  { printf %s "$head" && printf 'X-L: %s\r\nContent-Length: 2\r\n\r\n{}' \
    "$(head -c 200000 /dev/zero | tr '\0' l)"; } >"$1/one-line"
  {
    printf %s "${head/application\/json/text\/event-stream}"
    printf 'Transfer-Encoding: chunked\r\n\r\nb\r\ndata: "a"\n\n\r\n0\r\n'
    trailers 70000
    printf '\r\n'
  } >"$1/stream-trailers"
}
