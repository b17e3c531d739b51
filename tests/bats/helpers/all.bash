# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# all.bash - what every .bats file loads: `load helpers/all`.
#
# Needs TOP_BUILDDIR and TOP_SRCDIR (make check exports both); by hand, run bats
# from the build folder, or from the source folder when that is the same.

bats_require_minimum_version 1.5.0

TOP_BUILDDIR=${TOP_BUILDDIR:-$PWD}
TOP_SRCDIR=${TOP_SRCDIR:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
export TOP_BUILDDIR TOP_SRCDIR

load helpers/process
load helpers/assert
load helpers/request
load helpers/sse
load helpers/fake
load helpers/gateway
load helpers/registry
load helpers/agent
load helpers/raw
load helpers/netns
