#!/usr/bin/env bash
# Runs a program of the lab in a fresh network: two relays and two hosts, each in a namespace of its own (see lab.sh for
# the picture). 80 ms there and back through a relay, 30 ms directly. Everything is cleared away when the program ends.
#
#     Lab/run.sh demo.py [keep]         the demo; out/demo.json
#     Lab/run.sh paths.py [NAME…]       the path scenarios, or those named; out/paths.json
#
# Exit status 0 when all holds. LAB_KEEP=1 leaves everything up when it does. Needs root and the release build (`make demo`
# and `make lab` see to both).
source "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

export SHADOWMESH=${SHADOWMESH:-$LAB_SOURCE_DIRECTORY/../.build/release/shadowmesh}
export OUT=${OUT:-$LAB_SOURCE_DIRECTORY/../out}

[[ $# -ge 1 && -f $LAB_SOURCE_DIRECTORY/$1 ]] || lab_fail "usage: Lab/run.sh demo.py [keep] | Lab/run.sh paths.py [NAME…]"
[[ -x $SHADOWMESH ]] || lab_fail "$SHADOWMESH is missing: run 'make build' first"
[[ ${2:-} != keep ]] || export LAB_KEEP=1
lab_begin
lab_site relay 198.51.100.1 2001:db8:1::1
lab_site relay-2 198.51.100.2 2001:db8:2::1
# Each host has an address more, for when it moves.
lab_site uk-vps 203.0.113.10 2001:db8:10::10 203.0.113.11/32
lab_site belgium-rpi 192.0.2.10 2001:db8:20::10 192.0.2.11/32
lab_start_wan 'leg uk-vps delay 20ms' 'leg belgium-rpi delay 20ms' 'pair uk-vps belgium-rpi delay 15ms'
mkdir -p "$OUT"
export LAB_PREFIX LAB_DIRECTORY LAB_WAN_BINARY PYTHONDONTWRITEBYTECODE=1
python3 "$LAB_SOURCE_DIRECTORY/$1" "${@:2}"
