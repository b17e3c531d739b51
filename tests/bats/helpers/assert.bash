# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# assert.bash - checks that say what was expected and what came.
#
# They look at what the last gw_request left: $status_code $headers $body.
#
# shellcheck disable=SC2154 # set by gw_request

_fail() {
  printf '%s\n' "$@" >&2
  return 1
}

# assert_equal ACTUAL EXPECTED [WHAT]
assert_equal() {
  [[ $1 == "$2" ]] || _fail "${3:-value} differs" "  expected: $2" "  actual:   $1"
}

# assert_match TEXT REGEX [WHAT] - a bash (extended) regular expression.
assert_match() {
  [[ $1 =~ $2 ]] || _fail "${3:-text} does not match" "  regex:  $2" "  actual: $1"
}

# assert_between NUMBER LOW HIGH [WHAT] - integers.
assert_between() {
  (($1 >= $2 && $1 <= $3)) || _fail "${4:-number} is out of range" \
    "  expected: $2 .. $3" "  actual:   $1"
}

# assert_at_least NUMBER LOW [WHAT] - integers. What a machine takes has no upper
# bound, so this is all that a test may say of a time.
assert_at_least() {
  (($1 >= $2)) || _fail "${3:-number} is too small" "  expected: at least $2" "  actual:   $1"
}

# assert_status N
assert_status() {
  [[ $status_code == "$1" ]] || _fail "HTTP status differs" "  expected: $1" \
    "  actual:   $status_code (curl ${curl_status:-0})" "  body: ${body:0:500}"
}

# assert_json FILTER EXPECTED - jq FILTER on the body; strings raw, all else
# compact JSON.
assert_json() {
  local actual
  actual=$(jq -rc "$1" <<<"$body" 2>&1) ||
    _fail "jq failed on the body: $actual" "  body: ${body:0:500}" || return 1
  [[ $actual == "$2" ]] || _fail "body differs at $1" "  expected: $2" \
    "  actual:   $actual" "  body: ${body:0:500}"
}

# header NAME - value of the last such header, any case; fails without one.
header() {
  local line value found=''
  while IFS= read -r line; do
    [[ ${line%%:*} != "$line" ]] || continue
    value=${line%%:*}
    [[ ${value,,} == "${1,,}" ]] || continue
    value=${line#*:}
    value=${value#"${value%%[![:blank:]]*}"}
    found=x${value%"${value##*[![:blank:]]}"}
  done <<<"$headers"
  [[ -n $found ]] && printf '%s\n' "${found#x}"
}

# assert_header NAME VALUE, or NAME /REGEX/
assert_header() {
  local actual
  actual=$(header "$1") || _fail "header $1 is missing" "$headers" || return 1
  if [[ $2 == /*/ ]]; then
    local regex=${2:1:${#2}-2}
    assert_match "$actual" "$regex" "header $1"
  else
    assert_equal "$actual" "$2" "header $1"
  fi
}

# refute_header NAME
refute_header() {
  local actual
  if actual=$(header "$1"); then
    _fail "header $1 should not be there" "  actual: $actual"
  fi
}

# assert_error STATUS CODE [PARAM] - the whole OpenAI envelope: these four
# members and no others, each of its type. One jq for all of it: some tests
# look at dozens of errors.
assert_error() {
  local expected
  assert_status "$1" || return 1
  assert_header Content-Type '/^application\/json/' || return 1
  expected="[\"error\",\"code,message,param,type\",[\"string\",true],[\"string\",true],true,\"$2\""
  assert_json "[(keys | join(\",\")), (.error | (keys | join(\",\")),
      (.message, .type | [type, length > 0]),
      (.param | type | . == \"string\" or . == \"null\"), .code)
      ${3+, .error.param}]" "$expected${3+,\"$3\"}]"
}
