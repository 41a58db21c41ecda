#!/usr/bin/env bash
# Clears labs that were left up (LAB_KEEP=1) and what dead ones left behind. A lab in use is left alone.
source "$(dirname "${BASH_SOURCE[0]}")/lab.sh"
[[ $(id -u) == 0 ]] || lab_fail "network namespaces need root: run it with sudo"
rm -f "$LAB_ROOT"/sm*/kept
lab_clear_leftovers
