# shellcheck shell=bash disable=SC2154,SC2034 # set in run.sh and the other parts
# SPDX-License-Identifier: MIT
#
# fronts.sh - starts what is compared, each in front of the same scripted
# upstream and with the same number of workers.
#
# Of a front NAME the measurements know url[NAME], stream_url[NAME] and its
# processes: web[NAME] are the web server's (all that a plain proxy has),
# app[NAME] the responders'.

declare -A url stream_url web app

# start_upstream NAME -> upstream[NAME]; answers at once, without parsing
declare -A upstream upstream_pid
start_upstream() {
  "$TOP_BUILDDIR/tests/fake/fake_llama" --instant --port 0 \
    --port-file "$dir/$1.port" --tokens 100000000 \
    --script "{\"stamp_us\": true, \"delay_ms\": $TOKEN_MS}" \
    --models planner --max-requests 1000000000 --idle-ms 600000 \
    2>"$dir/$1.log" &
  pids+=("$!")
  upstream_pid[$1]=$!
  wait_for test -s "$dir/$1.port" || die "the upstream did not start: $(<"$dir/$1.log")"
  upstream[$1]=127.0.0.1:$(<"$dir/$1.port")
}

# serves NAME - it is up, and asks for nothing but the key
serves() {
  curl -sf -m 5 -o "$dir/answer" -H "Authorization: Bearer $BENCH_KEY" \
    -H 'Content-Type: application/json' -d @"$dir/chat.json" \
    "${url[$1]}/v1/chat/completions"
}

# up NAME LOG
up() {
  : "${stream_url[$1]:=${url[$1]}}"
  wait_for serves "$1" || die "$1 does not serve: $(tail "$2")"
}

# Buffering on for whole answers, off for streams, as nginx's own manual advises.
start_nginx() {
  cat >"$dir/nginx.conf" <<CONF
daemon off;
worker_processes $WORKERS;
worker_rlimit_nofile 65536;
pid $dir/nginx.pid;
error_log $dir/nginx.log;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path $dir/nginx-body;
  proxy_temp_path $dir/nginx-proxy;
  fastcgi_temp_path $dir/nginx-fastcgi;
  uwsgi_temp_path $dir/nginx-uwsgi;
  scgi_temp_path $dir/nginx-scgi;
  upstream up {
    server ${upstream[main]};
    keepalive 256;
    keepalive_requests 100000000;
  }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {
    listen 127.0.0.1:$1 backlog=4096;
    location / { proxy_pass http://up; }
  }
  server {
    listen 127.0.0.1:$2 backlog=4096;
    location / { proxy_pass http://up; proxy_buffering off; }
  }
}
CONF
  nginx -p "$dir" -e "$dir/nginx.log" -c "$dir/nginx.conf" &
  pids+=("$!")
  url[nginx]=http://127.0.0.1:$1
  stream_url[nginx]=http://127.0.0.1:$2
  up nginx "$dir/nginx.log"
  web[nginx]=$(tree_of "${pids[-1]}")
}

start_haproxy() {
  cat >"$dir/haproxy.cfg" <<CONF
global
  nbthread $WORKERS
  maxconn 8000
defaults
  mode http
  timeout client 1h
  timeout server 1h
  timeout connect 5s
  http-reuse always
  option http-no-delay
frontend in
  bind 127.0.0.1:$1 backlog 4096
  default_backend up
backend up
  server up ${upstream[main]} pool-max-conn 256
CONF
  haproxy -db -f "$dir/haproxy.cfg" >"$dir/haproxy.log" 2>&1 &
  pids+=("$!")
  url[haproxy]=http://127.0.0.1:$1
  up haproxy "$dir/haproxy.log"
  web[haproxy]=$(tree_of "${pids[-1]}")
}

# The first Python that has the three modules; empty when none has.
fastapi_python() {
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import fastapi, httpx, uvicorn' 2>/dev/null && echo "$python" && return
  done
}

start_fastapi() {
  UPSTREAM=http://${upstream[main]} PYTHONDONTWRITEBYTECODE=1 \
    "$(fastapi_python)" -m uvicorn --app-dir "$TOP_SRCDIR/tests/bench" \
    --workers "$WORKERS" --host 127.0.0.1 --port "$1" fastapi_gateway:app \
    >"$dir/fastapi.log" 2>&1 &
  pids+=("$!")
  url[fastapi]=http://127.0.0.1:$1
  up fastapi "$dir/fastapi.log"
  app[fastapi]=$(tree_of "${pids[-1]}")
}

# write_config FILE UPSTREAM [KEYS] - all that a careful operator switches on;
# KEYS are further ones of the model
write_config() {
  cat >"$1" <<YAML
default_model: planner
auth:
  client_api_keys: ["$BENCH_KEY"]
models:
  planner:
    type: proxy
    proxy_url: http://$2
    defaults: {top_p: 0.9}${3:+
    $3}
  big:
    type: proxy
    proxy_url: http://${upstream[big]:-$2}
YAML
}

# start_gateway NAME PORT UPSTREAM BUILDDIR SRCDIR [KEYS]
start_gateway() {
  local name=$1 port=$2
  write_config "$dir/$name.yaml" "$3" "${6:-}"
  mkdir -m 700 "$dir/$name.run"
  TMPDIR=$dir/$name.run XDG_RUNTIME_DIR=$dir/$name.run \
    ROLE_MESH_SHM=/rolemesh-bench-$$-$name \
    ROLEMESH_RESPONDER=$4/rolemesh-responder ROLEMESH_DATADIR=$5/lighttpd \
    "$4/rolemesh-gateway" --config "$dir/$name.yaml" \
    --host 127.0.0.1 --port "$port" --workers "$WORKERS" \
    >"$dir/$name.log" 2>&1 &
  pids+=("$!")
  url[$name]=http://127.0.0.1:$port
  up "$name" "$dir/$name.log"
  web[$name]=$(tree_of "${pids[-1]}" lighttpd)
  app[$name]=$(tree_of "${pids[-1]}" responder)
  [[ -n ${web[$name]} && -n ${app[$name]} ]] || die "$name: no processes found"
  keep_asking "$name"
}

# Somebody looks at the models once a second: the upstreams are probed.
keep_asking() {
  while sleep 1; do
    curl -s -m 5 -o /dev/null -H "Authorization: Bearer $BENCH_KEY" \
      "${url[$1]}/v1/models"
  done &
  pids+=("$!")
}

# start_kept PORT - nginx with the configuration that is shipped for it, which
# keeps its FastCGI connections, and a pool of its own
start_kept() {
  local home=$dir/kept pool
  local -A socket=([inference]=$WORKERS [control]=1)
  mkdir -p "$home/empty"
  write_config "$dir/kept.yaml" "${upstream[main]}"
  for pool in inference control; do
    ROLE_MESH_POOL=$pool ROLE_MESH_SHM=/rolemesh-bench-$$-kept \
      "$TOP_BUILDDIR/rolemesh-responder" --config "$dir/kept.yaml" \
      --listen "unix:$home/$pool" --workers "${socket[$pool]}" \
      >>"$dir/kept.log" 2>&1 &
    pids+=("$!")
    wait_for test -S "$home/$pool" || die "pool $pool: $(tail "$dir/kept.log")"
    app[kept]+=" $(tree_of "$!")"
  done
  "$TOP_SRCDIR/tests/dev/render-conf.sh" "$TOP_SRCDIR/lighttpd/nginx/gateway.conf.in" \
    "LISTEN=127.0.0.1:$1" "RUNTIME_DIR=$home" "SOCKET_DIR=$home" \
    "ERRORS_DIR=$TOP_SRCDIR/lighttpd/errors" "USER=$(id -un)" "CORS_ORIGINS=none" \
    "MAX_REQUEST_KIB=33000" | sed "s/^worker_processes .*/worker_processes $WORKERS;/" \
    >"$dir/kept.conf" || die "lighttpd/nginx/gateway.conf.in cannot be filled in"
  nginx -e "$dir/kept-nginx.log" -c "$dir/kept.conf" -g 'daemon off;' 2>>"$dir/kept.log" &
  pids+=("$!")
  url[kept]=http://127.0.0.1:$1
  up kept "$dir/kept-nginx.log"
  web[kept]=$(tree_of "${pids[-1]}")
  keep_asking kept
}
