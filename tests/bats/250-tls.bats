#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 250-tls.bats - upstreams behind https: an authority of one's own, none at all,
# and what is refused. nginx is the TLS front of the scripted upstream.

load helpers/all

# authority NAME - a private one: NAME.ca, NAME.ca.key
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj "/CN=$1" -keyout "$GW_DIR/$1.ca.key" -out "$GW_DIR/$1.ca" 2>/dev/null
}

# certificate NAME AUTHORITY SUBJECT_ALT_NAME
certificate() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
    -keyout "$GW_DIR/$1.key" -out "$GW_DIR/$1.csr" 2>/dev/null
  openssl x509 -req -in "$GW_DIR/$1.csr" -CA "$GW_DIR/$2.ca" -CAkey "$GW_DIR/$2.ca.key" \
    -CAcreateserial -days 2 -extfile <(echo "subjectAltName=$3") -out "$GW_DIR/$1.pem" 2>/dev/null
}

front_answers() {
  curl -sk --noproxy '*' --max-time 2 -o /dev/null "https://127.0.0.1:$1/v1/models"
}

# tls_front NAME UPSTREAM - sets TLS_URL_NAME; its certificate is NAME.pem
tls_front() {
  local port
  port=$(free_ports 1)
  cat >"$GW_DIR/$1.conf" <<CONF
daemon off;
master_process off;
pid $GW_DIR/$1.pid;
error_log $GW_DIR/$1.nginx.log;
events { }
http {
  access_log off;
  client_body_temp_path $GW_DIR/$1.tmp; proxy_temp_path $GW_DIR/$1.tmp; fastcgi_temp_path $GW_DIR/$1.tmp;
  uwsgi_temp_path $GW_DIR/$1.tmp; scgi_temp_path $GW_DIR/$1.tmp;
  server {
    listen 127.0.0.1:$port ssl;
    ssl_certificate $GW_DIR/$1.pem;
    ssl_certificate_key $GW_DIR/$1.key;
    location / { proxy_pass $2; proxy_buffering off; proxy_http_version 1.1; }
  }
}
CONF
  nginx -e "$GW_DIR/$1.nginx.log" -c "$GW_DIR/$1.conf" >/dev/null 2>&1 3>&- 4>&- &
  gw_track "tls-$1" "$!"
  export "TLS_URL_$1=https://127.0.0.1:$port"
  wait_until 10 front_answers "$port"
}

# shellcheck disable=SC2154 # exported by the helpers
write_config() {
  gw_config <<YAML
gateway: {probe_ttl_s: 0.05}
models:
  private: {type: proxy, proxy_url: "$TLS_URL_good", tls: {ca_file: ours.ca}}
  system: {type: proxy, proxy_url: "$TLS_URL_good"}
  other: {type: proxy, proxy_url: "$TLS_URL_good", tls: {ca_file: theirs.ca}}
  any: {type: proxy, proxy_url: "$TLS_URL_good", tls: {verify: false}}
  misnamed: {type: proxy, proxy_url: "$TLS_URL_misnamed", tls: {ca_file: ours.ca}}
  anyname: {type: proxy, proxy_url: "$TLS_URL_misnamed", tls: {verify: false}}
YAML
}

setup_file() {
  gw_setup
  gw_requires nginx
  gw_requires openssl
  fake_start alpha
  authority ours
  authority theirs
  certificate good ours IP:127.0.0.1
  certificate misnamed ours DNS:elsewhere.example
  tls_front good "$FAKE_URL_alpha"
  tls_front misnamed "$FAKE_URL_alpha"
  write_config
  GW_WORKERS=1 gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

assert_untrusted() {
  gw_chat "$1"
  assert_error 502 upstream_unreachable
  assert_match "$(jq -r .error.message <<<"$body")" 'TLS handshake failed'
}

@test "tls: a private authority, or none at all -> served, whole and streamed" {
  local model
  for model in private any anyname; do
    gw_chat "$model"
    assert_status 200
    gw_chat "$model" '{"stream":true}'
    assert_status 200
    assert_match "$body" 'data: \[DONE\]'
  done
}

@test "tls: an authority that nobody named, another one, another host's name -> 502, nothing is sent" {
  local before model
  before=$(fake_count alpha)
  for model in system other misnamed; do
    assert_untrusted "$model"
  done
  assert_equal "$(fake_count alpha)" "$before" 'requests upstream'
}

@test "tls: whom one alias believes is no other alias's business, whoever came first" {
  local round
  for round in 1 2 3; do
    gw_chat private
    assert_status 200
    assert_untrusted system
    gw_chat any
    assert_status 200
    assert_untrusted other
  done
}

@test "tls: /v1/models -> each alias is judged as its requests are" {
  gw_get /v1/models
  assert_status 200
  assert_json '[.data[].id] | sort' '["any","anyname","private"]'
  assert_json '[.rolemesh.unavailable_models[].reason] | unique' '["TLS handshake failed"]'
}

@test "tls: the file with the authority changes -> in force without a restart" {
  cp "$GW_DIR/theirs.ca" "$GW_DIR/kept"
  cat "$GW_DIR/ours.ca" >>"$GW_DIR/theirs.ca"
  wait_until 10 answers other
  mv "$GW_DIR/kept" "$GW_DIR/theirs.ca"
  wait_until 10 refuses other
}

answers() {
  gw_chat "$1"
  [[ $status_code == 200 ]]
}

refuses() {
  gw_chat "$1"
  [[ $status_code == 502 ]]
}

@test "tls: --check warns of verify: false and of http; --print-config loads again" {
  run -0 gw_run --check --config "$GW_CONFIG"
  assert_match "$output" 'warning: models.any.tls.verify: any certificate is accepted'
  [[ $output != *models.private* ]]
  gw_run --print-config --config "$GW_CONFIG" >"$BATS_TEST_TMPDIR/printed.yaml" 2>/dev/null
  grep -F "ca_file: $GW_DIR/ours.ca" "$BATS_TEST_TMPDIR/printed.yaml"
  run -0 gw_run --check --config "$BATS_TEST_TMPDIR/printed.yaml"
  cat >"$BATS_TEST_TMPDIR/http.yaml" <<YAML
models: {p: {type: proxy, proxy_url: "http://127.0.0.1:1", tls: {verify: false}}}
YAML
  run -0 gw_run --check --config "$BATS_TEST_TMPDIR/http.yaml"
  assert_match "$output" 'warning: models.p.tls has no effect: proxy_url is no https address'
}

@test "tls: a ca_file that is missing, a folder, or holds no certificate; tls of a discovered role -> exit 2" {
  echo 'no certificate' >"$BATS_TEST_TMPDIR/empty.ca"
  cat >"$BATS_TEST_TMPDIR/bad.yaml" <<YAML
models:
  a: {type: proxy, proxy_url: "https://h", tls: {ca_file: nowhere.ca}}
  b: {type: proxy, proxy_url: "https://h", tls: {ca_file: .}}
  c: {type: proxy, proxy_url: "https://h", tls: {ca_file: empty.ca}}
  d: {type: proxy, proxy_url: "https://h", tls: {verify: "no", ca_fil: x}}
  e: {type: discovered, tls: {verify: false}}
YAML
  run -2 gw_run --check --config "$BATS_TEST_TMPDIR/bad.yaml"
  assert_match "$output" ':2:[0-9]+: error: models.a.tls.ca_file: file .*/nowhere.ca.: No such file'
  assert_match "$output" ':3:[0-9]+: error: models.b.tls.ca_file: file .* is a folder'
  assert_match "$output" ':4:[0-9]+: error: models.c.tls.ca_file: file .*/empty.ca. holds no certificate'
  assert_match "$output" ':5:[0-9]+: error: models.d.tls.verify: expected'
  assert_match "$output" ':5:[0-9]+: error: unknown key .models.d.tls.ca_fil.; did you mean .ca_file'
  assert_match "$output" ':6:[0-9]+: error: .models.e.tls. is a key of type .proxy'
}
