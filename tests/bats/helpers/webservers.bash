# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# webservers.bash - the gateway behind Apache or nginx, with the configurations
# that are shipped, as an operator sets it up: responders from mod_fcgid, or two
# pools of their own beside mod_proxy_fcgi or nginx.
#
# After gw_setup and gw_config: web_start KIND, and web_teardown instead of
# gw_teardown. Run as root, the web server serves as www-data, which must get
# through the socket's group; else everything runs as the user who tests.

# Both just above gateway.max_body_bytes of the tests, WEB_MAX_BODY.
WEB_MAX_BODY=$((9 * 1024 * 1024))
WEB_MAX_KIB=$((WEB_MAX_BODY / 1024 + 1))

# web_start KIND - lighttpd, fcgid, proxy or nginx. WEB_WORKERS (2) sets the
# size of the inference pool, WEB_POOL another address for it than its socket,
# WEB_USERS a file of users that the web server lets in, as the configurations show
# it.
web_start() {
  export WEB_KIND=$1 WEB_OWNER=$$
  case $WEB_KIND in
  lighttpd)
    _web_lighttpd_users
    GW_WORKERS=${WEB_WORKERS:-2} gw_start
    return
    ;;
  fcgid | proxy) gw_requires apache2 ;;
  nginx) gw_requires nginx ;;
  esac
  _web_folder
  if [[ $WEB_KIND != fcgid ]]; then
    web_pool_inference
    web_pool_control
  fi
  web_server_start
}

# www-data cannot pass the test's own folder, which is private.
_web_folder() {
  WEB_DIR=$GW_DIR/web
  WEB_USER=$(id -un)
  WEB_GROUP=$(id -gn)
  if ((EUID == 0)); then
    WEB_DIR=$(mktemp -d /tmp/rolemesh-web.XXXXXX)
    WEB_USER=www-data
    WEB_GROUP=www-data
  fi
  export WEB_DIR WEB_USER WEB_GROUP
  mkdir -p "$WEB_DIR/empty" "$WEB_DIR/errors" "$WEB_DIR/bin" "$WEB_DIR/sockets"
  cp "$TOP_SRCDIR"/lighttpd/errors/* "$WEB_DIR/errors"
  cp "$TOP_BUILDDIR/rolemesh-responder" "$WEB_DIR/bin"
  cp "$GW_CONFIG" "$WEB_DIR/models.yaml"
  chmod -R u=rwX,go=rX "$WEB_DIR"
}

# web_pool_start NAME WORKERS ADDRESS [ARGS] - one pool as its own process.
web_pool_start() {
  local name=$1 workers=$2 address=$3
  shift 3
  ROLE_MESH_POOL=$name "$TOP_BUILDDIR/rolemesh-responder" \
    --config "$GW_CONFIG" --listen "$address" --workers "$workers" "$@" \
    >>"$GW_DIR/pool-$name.log" 2>&1 3>&- 4>&- &
  gw_track "pool-$name" "$!"
}

# web_pool_inference, web_pool_control - reachable for the web server's user.
web_pool_inference() {
  _web_pool inference "${WEB_WORKERS:-2}" \
    "${WEB_POOL:-unix:$WEB_DIR/sockets/inference}"
}

web_pool_control() {
  _web_pool control 1 "unix:$WEB_DIR/sockets/control"
}

_web_pool() {
  local -a mode=()
  ((EUID == 0)) && mode=(--socket-mode 0660 --socket-group www-data)
  web_pool_start "$@" "${mode[@]}"
}

# web_workers - pids of the processes that serve inference requests.
web_workers() {
  case $WEB_KIND in
  lighttpd) gw_responders inference ;;
  fcgid) gw_responders ;;
  *) gw_responders inference | grep -vx "$(gw_pid pool-inference)" ;;
  esac
}

_web_render() {
  "$TOP_SRCDIR/tests/dev/render-conf.sh" "$TOP_SRCDIR/lighttpd/$1" \
    "APACHE_MODULES=/usr/lib/apache2/modules" "LISTEN=127.0.0.1:$GW_PORT" \
    "RUNTIME_DIR=$WEB_DIR" "SOCKET_DIR=$WEB_DIR/sockets" \
    "ERRORS_DIR=$WEB_DIR/errors" "USER=$WEB_USER" "GROUP=$WEB_GROUP" \
    "RESPONDER=$WEB_DIR/bin/rolemesh-responder" "RESPONDER_DIR=$WEB_DIR/bin" \
    "CONFIG=$WEB_DIR/models.yaml" "CONFIG_OVERRIDE=" "SHM_NAME=$ROLE_MESH_SHM" \
    "NODE_STALE_AFTER_S=${ROLE_MESH_NODE_STALE_AFTER_S:-9000}" \
    'CORS_ORIGINS=https://app[.]example|http://localhost:3000' \
    "MAX_REQUEST_KIB=$WEB_MAX_KIB" "MAX_REQUEST_BYTES=$((WEB_MAX_KIB * 1024))"
}

# _web_users - a configuration with what it has for users of the web server's own,
# where there are any; a filter.
_web_users() {
  if [[ -n ${WEB_USERS:-} ]]; then
    sed -E "s#^([[:space:]]*)\#user\# ?#\1#; s#/etc/rolemesh/users#$WEB_USERS#"
  else
    cat
  fi
}

_web_lighttpd_users() {
  [[ -n ${WEB_USERS:-} ]] || return 0
  export GW_DATADIR=$GW_DIR/templates
  cp -r "$TOP_SRCDIR/lighttpd" "$GW_DATADIR"
  _web_users <"$TOP_SRCDIR/lighttpd/gateway.conf.in" >"$GW_DATADIR/gateway.conf.in"
}

# web_server_start - the web server itself; in a session of its own, so that
# what it leaves behind can be told by its group.
web_server_start() {
  local tries
  local -a command
  for tries in 1 2 3; do
    case $WEB_KIND in
    fcgid) _web_render apache/mod_fcgid.conf.in ;;
    proxy) _web_render apache/mod_proxy_fcgi.conf.in ;;
    nginx) _web_render nginx/gateway.conf.in ;;
    esac >"$GW_DIR/web.conf.all" || return 1
    _web_users <"$GW_DIR/web.conf.all" >"$GW_DIR/web.conf"
    if [[ -n ${WEB_POOL:-} ]]; then
      sed -i "s#\"unix:$WEB_DIR/sockets/inference\"#$WEB_POOL#" "$GW_DIR/web.conf"
    fi
    command=(apache2 -f "$GW_DIR/web.conf" -D FOREGROUND)
    [[ $WEB_KIND != nginx ]] ||
      command=(nginx -e stderr -c "$GW_DIR/web.conf" -g 'daemon off;')
    PATH=$PATH:/usr/sbin:/sbin setsid "${command[@]}" \
      >>"$GW_DIR/web.log" 2>&1 </dev/null 3>&- 4>&- &
    gw_track web "$!"
    _web_guard "$!" "$WEB_OWNER"
    wait_until 20 _web_up_or_dead || break
    alive "$(gw_pid web)" && return 0
    grep -qiE 'in use|could not bind' "$GW_DIR/web.log" || break
    _gw_choose_port
  done
  echo "$WEB_KIND did not start (attempt $tries):" >&2
  tail -n 30 "$GW_DIR"/web.log "$GW_DIR"/pool-*.log >&2
  return 1
}

# _web_guard PID OWNER - end the web server when the tests were killed and no
# teardown comes: signals to their group do not reach its session.
_web_guard() {
  env -u GW_TEST_ID -u ROLE_MESH_SHM setsid bash -c '
    while kill -0 "$1"; do
      kill -0 "$2" || kill "$1"
      sleep 1
    done' guard "$1" "$2" >/dev/null 2>&1 </dev/null 3>&- 4>&- &
}

_web_up_or_dead() {
  gone "$(gw_pid web)" || gw_is_up
}

# web_server_stop - end the web server, not the pools; fails when processes of
# it stay.
web_server_stop() {
  local pid
  pid=$(gw_pid web 2>/dev/null) || return 0
  _stop_tracked web 10
  if ! wait_until 5 _web_group_empty "$pid"; then
    kill -KILL -- "-$pid"
    return 1
  fi
}

_web_group_empty() {
  ! kill -0 -- "-$1" 2>/dev/null
}

# web_teardown - stop all, then fail where something is left (gw_teardown).
web_teardown() {
  local status=0
  [[ -z ${WEB_DIR:-} ]] || gw_dump_if_failed
  web_server_stop || status=1
  gw_teardown_pools || status=1
  # Nobody owns the shared memory of pools: they come and go and find it again.
  [[ $WEB_KIND == lighttpd ]] || rm -f "/dev/shm/${ROLE_MESH_SHM#/}"
  gw_teardown || status=1
  if [[ -n ${WEB_DIR:-} && $WEB_DIR == /tmp/rolemesh-web.* ]]; then
    rm -rf "$WEB_DIR"
  fi
  return "$status"
}

# gw_teardown_pools - SIGTERM to each pool; fails when one does not obey.
gw_teardown_pools() {
  local file name pid status=0
  for file in "$GW_DIR"/pids/pool-*; do
    [[ -e $file ]] || continue
    name=${file##*/}
    pid=$(gw_pid "$name")
    kill -TERM "$pid" 2>/dev/null
    if ! wait_until 10 gone "$pid"; then
      kill -KILL "$pid"
      status=1
    fi
    rm -f "$file"
  done
  return "$status"
}

# web_log_has REGEX - some responder logged it; for wait_until.
web_log_has() {
  cat "$GW_DIR"/gateway.log "$GW_DIR"/pool-*.log "$GW_DIR"/web.log 2>/dev/null |
    grep -Eq "$1"
}
