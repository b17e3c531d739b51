#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 244-client-config.bats - clients, nodes' keys, slots and queues in a
# configuration file: --hash-key, what --check says of them, what
# --print-config shows; and thousands of clients in one file.

load helpers/all

setup() {
  gw_setup
}

teardown() {
  gw_teardown
  gw_dump_if_failed
}

# config_of AUTH [MODELS] - a configuration with that `auth`, in flow style.
config_of() {
  gw_config <<YAML
auth: $1
models: ${2:-{coder-a: {type: discovered\}, chat: {type: discovered\}\}}
YAML
}

check_fails() {
  run -2 gw_run --check --config "$GW_CONFIG"
  [[ $output != *': ok'* ]]
}

# hash_of TEXT - what --hash-key makes of these bytes.
hash_of() {
  printf '%b' "$1" | gw_run --hash-key
}

@test "hash key: a line on standard input -> its SHA-256 and nothing else, exit 0" {
  run -0 --separate-stderr hash_of 'sesame\n'
  assert_equal "$output" "$(printf sesame | sha256sum | cut -c1-64)"
  assert_equal "$stderr" ''
}

@test "hash key: the end of a line, a byte order mark and what follows -> no part of the key" {
  local want text
  want=$(hash_of 'sesame')
  for text in 'sesame\n' 'sesame\r\n' '\xef\xbb\xbfsesame\n' 'sesame\nmore\n'; do
    run -0 hash_of "$text"
    assert_equal "$output" "$want" "$text"
  done
}

@test "hash key: what follows the line -> is not waited for" {
  mkfifo "$GW_DIR/key"
  gw_run --hash-key <"$GW_DIR/key" >"$GW_DIR/hash" &
  exec 7>"$GW_DIR/key"
  echo sesame >&7
  wait_until 20 test -s "$GW_DIR/hash"
  exec 7>&-
  wait $!
  assert_equal "$(<"$GW_DIR/hash")" "$(hash_of sesame)"
}

@test "hash key: nothing, an empty line, only a mark -> exit 2, says so" {
  local text
  for text in '' '\n' '\r\n' '\xef\xbb\xbf\n' '\nsesame\n'; do
    run -2 hash_of "$text"
    assert_match "$output" '--hash-key: there is no key on standard input'
  done
}

@test "hash key: blanks, control characters, a NUL, too long -> exit 2 without the key" {
  local text
  for text in 'open sesame\n' ' sesame\n' 'sesame \n' 'ses\tame\n' 'ses\0ame\n' 'ses\x7fame\n'; do
    run -2 hash_of "$text"
    assert_match "$output" 'cannot hold blanks or control characters'
    [[ $output != *ame* ]]
  done
  run -2 hash_of "$(head -c 4097 /dev/zero | tr '\0' k)"
  assert_match "$output" 'at most 4096 bytes'
  run -0 hash_of "$(head -c 4096 /dev/zero | tr '\0' k)\r\n"
}

@test "hash key: what it prints is the key_sha256 of that key -> --check finds both the same" {
  config_of "{clients: [{name: a, key_sha256: $(hash_of 'sesame\n')}]}"
  run -0 gw_run --check --config "$GW_CONFIG"
  config_of "{client_api_keys: [sesame], clients: [{name: a, key_sha256: $(hash_of sesame)}]}"
  check_fails
  assert_match "$output" 'models.yaml:1:[0-9]+: error: auth\.clients\[0\]\.key_sha256: the same key as auth\.client_api_keys\[0\] \(.*models.yaml:1:26\)'
}

@test "check: a key twice, of whatever lists -> exit 2, both places, the key unsaid" {
  local auth
  for auth in '{clients: [{name: a, key: sesame}, {name: b, key: sesame}]}' \
    '{client_api_keys: [sesame, sesame]}' \
    '{operator_keys: [sesame], clients: [{name: a, key: sesame}]}' \
    '{node_api_keys: [sesame], clients: [{name: a, key: sesame}]}' \
    '{nodes: [{name: n, key: sesame}], client_api_keys: [sesame]}'; do
    config_of "$auth"
    check_fails
    assert_match "$output" 'models.yaml:1:[0-9]+: error: auth\..*: the same key as auth\..*\(.*models.yaml:1:[0-9]+\)'
    [[ $output != *sesame* ]]
  done
}

@test "check: every mistake of an entry -> one line each, with its place, in one run" {
  config_of '{clients: [{name: a}, {name: a, key: k, user: u}, {name: c, key_sha256: abcd},
  {name: d, key: l, models: [chta, "x*"], max_concurrency: -1, requests_per_minute: 1000000000000}],
  nodes: [{name: n, key: m, base_url_cidrs: [10.0.0.1/8]}]}'
  check_fails
  assert_match "$output" '1:[0-9]+: error: `auth\.clients\[0\]\.key` is missing \(or `key_sha256`, or `user`\)'
  assert_match "$output" '1:[0-9]+: error: auth\.clients\[1\]\.name: `a` is already auth\.clients\[0\]\.name'
  assert_match "$output" '1:[0-9]+: error: auth\.clients\[1\]\.user: there is `key` already'
  assert_match "$output" '1:[0-9]+: error: auth\.clients\[1\]\.user: no user is believed while auth\.trust_web_server_user is false'
  assert_match "$output" '1:[0-9]+: error: auth\.clients\[2\]\.key_sha256: is no SHA-256: expected 64 hexadecimal digits, not 4'
  assert_match "$output" '2:[0-9]+: error: auth\.clients\[3\]\.models\[0\]: there is no alias `chta`; did you mean `chat`\?'
  assert_match "$output" '2:[0-9]+: warning: auth\.clients\[3\]\.models\[1\]: no alias fits `x\*`'
  assert_match "$output" '2:[0-9]+: error: auth\.clients\[3\]\.max_concurrency: must be from 0 to 65536 requests, not -1'
  assert_match "$output" '2:[0-9]+: error: auth\.clients\[3\]\.requests_per_minute: must be from 0 to 1000000 requests, not 1000000000000'
  assert_match "$output" '3:[0-9]+: error: auth\.nodes\[0\]\.base_url_cidrs\[0\]: `10\.0\.0\.1/8` has bits set'
}

@test "check: a pattern that fits no alias -> a warning, exit 0" {
  config_of '{clients: [{name: a, key: k, models: ["coder-*", "writer-*"]}]}'
  run -0 gw_run --check --config "$GW_CONFIG"
  assert_match "$output" 'warning: auth\.clients\[0\]\.models\[1\]: no alias fits `writer-\*`'
  assert_equal "$(grep -c warning <<<"$output")" 1 'warnings'
}

@test "check: slots and queues -> 0 is fine, beyond the ends is not" {
  config_of '{}' '{a: {type: proxy, proxy_url: "http://127.0.0.1:9", max_concurrency: 0, queue: {max: 0, timeout_s: 0}}}'
  run -0 gw_run --check --config "$GW_CONFIG"
  config_of '{}' '{a: {type: proxy, proxy_url: "http://127.0.0.1:9", max_concurrency: 1000000000000, queue: {max: -1}}}'
  check_fails
  assert_match "$output" 'models\.a\.max_concurrency: must be from 0 to 65536 requests, not 1000000000000'
  assert_match "$output" 'models\.a\.queue\.max: must be from 0 to 16384 requests, not -1'
}

@test "check: open to the network -> entries close it, and open registration is refused beside a key for nodes" {
  config_of '{clients: [{name: a, key: k}], upstream_node_key: u}'
  run -2 gw_run --check --config "$GW_CONFIG" --host 0.0.0.0
  assert_match "$output" 'error: auth\.upstream_node_key: auth\.node_api_keys is empty'
  [[ $output != *client_api_keys* ]]
  config_of '{clients: [{name: a, key: k}], upstream_node_key: u, nodes: [{name: n, key: l}]}'
  run -0 gw_run --check --config "$GW_CONFIG" --host 0.0.0.0
  [[ $output != *warning* ]]
  config_of '{operator_keys: [o]}'
  run -0 gw_run --check --config "$GW_CONFIG" --host 0.0.0.0
  assert_match "$output" 'warning: .*auth\.client_api_keys is empty'
  assert_match "$output" 'warning: .*auth\.node_api_keys is empty'
}

@test "print config: clients -> keys are masked, the rest is there, and it loads again" {
  config_of '{client_api_keys: [first-secret, second-secret], operator_keys: [op-secret],
  clients: [{name: all, key: third-secret}, {name: none, key: fourth-secret, models: []},
  {name: hashed, key_sha256: "'"$(hash_of sesame)"'", models: ["coder-*"], priority: batch}],
  nodes: [{name: n, key: fifth-secret, base_url_cidrs: [10.0.0.0/8]}]}'
  gw_run --print-config --config "$GW_CONFIG" >"$GW_DIR/printed.yaml"
  run -1 grep secret "$GW_DIR/printed.yaml"
  run -0 grep -c '\*\*\*' "$GW_DIR/printed.yaml"
  assert_equal "$output" 5 'lines with masks'
  grep -qx "    key_sha256: $(hash_of sesame)" "$GW_DIR/printed.yaml"
  grep -qx '    priority: batch' "$GW_DIR/printed.yaml"
  grep -qx '    models: null' "$GW_DIR/printed.yaml"
  grep -qx '    models: \[\]' "$GW_DIR/printed.yaml"
  run -0 gw_run --check --config "$GW_DIR/printed.yaml"
  gw_run --print-config --config "$GW_DIR/printed.yaml" >"$GW_DIR/again.yaml"
  diff "$GW_DIR/printed.yaml" "$GW_DIR/again.yaml"
}

# many_clients N - that many entries with patterns and limits.
many_clients() {
  echo auth:
  echo '  clients:'
  awk -v n="$1" 'BEGIN {
    for (i = 0; i < n; i++) {
      printf "    - name: client-%d\n      key: key-of-client-%d\n", i, i
      print "      models: [\"coder-*\", chat]"
      print "      max_concurrency: 4"
      print "      requests_per_minute: 60"
      print "      priority: interactive"
    }
  }'
  echo 'models: {coder-a: {type: discovered}, chat: {type: discovered}}'
}

@test "check: 4,096 clients in one file -> loads; a key of the last twice is found" {
  many_clients 4096 | gw_config
  run -0 gw_run --check --config "$GW_CONFIG"
  assert_match "$output" 'models.yaml: ok$'
  [[ $output != *warning* ]]
  gw_run --print-config --config "$GW_CONFIG" >"$GW_DIR/printed.yaml"
  run -0 gw_run --check --config "$GW_DIR/printed.yaml"
  gw_config "$GW_DIR/over.yaml" <<<'auth: {client_api_keys: [key-of-client-4095]}'
  run -2 gw_run --check --config "$GW_CONFIG" --config-override "$GW_DIR/over.yaml"
  assert_match "$output" 'models.yaml:[0-9]+:[0-9]+: error: auth\.clients\[4095\]\.key: the same key as auth\.client_api_keys\[0\] \(.*over.yaml:1:'
}

@test "check: more entries than there can be -> refused at the first of them" {
  { echo 'auth: {clients: ['
    seq 16385 | sed 's/.*/{name: c&, key: k&},/'
    echo ']}'
    echo 'models: {chat: {type: discovered}}'; } | gw_config
  check_fails
  assert_match "$output" 'models.yaml:16386:1: error: auth\.clients: at most 16384 are possible$'
}

key_gets() {
  GW_KEY=$1 gw_get /v1/models >/dev/null
  [[ $status_code == "$2" ]]
}

@test "start: 4,096 clients -> the first and the last are known, another is not; an edit adds one" {
  many_clients 4096 | gw_config
  gw_start
  key_gets key-of-client-0 200
  key_gets key-of-client-4095 200
  key_gets key-of-client-4096 401
  many_clients 4097 | gw_config
  wait_until 20 key_gets key-of-client-4096 200
  key_gets key-of-client-0 200
}
