#!/usr/bin/env bash
# Runs a program of the lab in a fresh network: two relays and two hosts, each in a namespace of its own (see lab.sh for
# the picture). 80 ms there and back through a relay, 30 ms directly. Everything is cleared away when the program ends.
#
#     Lab/run.sh demo.py [keep]         the demo; out/demo.json
#     Lab/run.sh registry_demo.py       the registry's demo; out/registry.json (PYTHON: one with the registry's packages)
#     Lab/run.sh paths.py [NAME…]       the path scenarios, or those named; out/paths.json
#     Lab/run.sh nat_boxes.py [KIND…]   whether each kind of NAT box does what it is meant to
#     Lab/run.sh nat_netcheck.py        what `shadowmesh netcheck` says behind each of them
#     Lab/run.sh nat_odds.py [TRIES]    how often random ports are hit, computed and measured
#     Lab/run.sh nat_matrix.py [A B]    hosts behind NAT boxes of all kinds; out/nat-matrix.json
#
# Exit status 0 when all holds. LAB_KEEP=1 leaves everything up when it does. Needs root and the release build (`make demo`
# and `make lab` see to both).
source "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

export SHADOWMESH=${SHADOWMESH:-$LAB_SOURCE_DIRECTORY/../.build/release/shadowmesh}
export OUT=${OUT:-$LAB_SOURCE_DIRECTORY/../out}

[[ $# -ge 1 && -f $LAB_SOURCE_DIRECTORY/$1 ]] || lab_fail "usage: Lab/run.sh PROGRAM.py [ARGUMENT…]; see the head of this file"
[[ -x $SHADOWMESH ]] || lab_fail "$SHADOWMESH is missing: run 'make build' first"
[[ ${2:-} != keep ]] || export LAB_KEEP=1
lab_begin
# The first relay has an address more, for what its STUN service answers from elsewhere.
lab_site relay 198.51.100.1 2001:db8:1::1 198.51.100.3/32
lab_site relay-2 198.51.100.2 2001:db8:2::1
# Each host has an address more, for when it moves.
lab_site uk-vps 203.0.113.10 2001:db8:10::10 203.0.113.11/32
lab_site belgium-rpi 192.0.2.10 2001:db8:20::10 192.0.2.11/32
settings=('leg uk-vps delay 20ms' 'leg belgium-rpi delay 20ms' 'pair uk-vps belgium-rpi delay 15ms')
if [[ $1 == nat_* ]]; then
    # Pairs of sites for boxes, so that several pairs can be tried at once: each with an address that is routed on to a
    # host without a translator, a network of IPv6, and an address for boxes that forward ports (nat.py).
    for ((number = 0; number < ${NAT_SLOTS:=8}; number++)); do
        lab_site "nat$number-a" "203.0.113.$((20 + number))" "2001:db8:a$number::1" \
            "203.0.113.$((84 + number))/32" "2001:db8:a$number:1::/64" "44.128.0.$((20 + number))/32"
        lab_site "nat$number-b" "192.0.2.$((20 + number))" "2001:db8:b$number::1" \
            "192.0.2.$((84 + number))/32" "2001:db8:b$number:1::/64" "44.128.1.$((20 + number))/32"
        settings+=("leg nat$number-a delay 20ms" "leg nat$number-b delay 20ms" "pair nat$number-a nat$number-b delay 15ms")
    done
    export NAT_SLOTS
fi
lab_start_wan "${settings[@]}"
mkdir -p "$OUT"
# Where daemons are, though not in everybody's PATH.
export PATH=$PATH:/usr/sbin:/sbin
export LAB_PREFIX LAB_DIRECTORY LAB_WAN_BINARY PYTHONDONTWRITEBYTECODE=1
"${PYTHON:-python3}" "$LAB_SOURCE_DIRECTORY/$1" "${@:2}"
