#!/usr/bin/env bash
# The demo: a relay and two hosts in three namespaces, 80 ms apart through the relay; see lab.sh for the picture.
#
#     Lab/demo.sh           shows each step with its time, writes out/demo.json, cleans up; exit status 0 when all holds
#     Lab/demo.sh keep      the same, and leaves everything up for playing
#
# Needs root and the release build (`make demo` sees to both).
source "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

export SHADOWMESH=${SHADOWMESH:-$LAB_SOURCE_DIRECTORY/../.build/release/shadowmesh}
OUT=${OUT:-$LAB_SOURCE_DIRECTORY/../out}

identity() { "$SHADOWMESH" init --identity "$LAB_DIRECTORY/$1.identity"; }

# node_config SITE ADDRESS PEER-ID PEER-NAME RELAY-ID
node_config() {
    cat >"$LAB_DIRECTORY/$1.yaml" <<YAML
mode: relay
identity: $LAB_DIRECTORY/$1.identity
tap:
  address: $2
relays:
  - url: wss://198.51.100.1:443
    id: $5
peers:
  - peer_id: $3
    name: $4
control:
  socket: $LAB_DIRECTORY/$1.sock
key_rotation_interval: 1
YAML
}

[[ -x $SHADOWMESH ]] || lab_fail "$SHADOWMESH is missing: run 'make build' first"
[[ ${1:-} != keep ]] || export LAB_KEEP=1
lab_begin
lab_three_sites
lab_start_wan
relay_id=$(identity relay)
uk_id=$(identity uk-vps)
belgium_id=$(identity belgium-rpi)
mkdir -m 700 "$LAB_DIRECTORY/relay-state"
cat >"$LAB_DIRECTORY/relay.yaml" <<YAML
listen_address: 198.51.100.1:443
stun_address: 198.51.100.1:3478
identity: $LAB_DIRECTORY/relay.identity
state_directory: $LAB_DIRECTORY/relay-state
YAML
node_config uk-vps 10.10.10.3/24 "$belgium_id" belgium-rpi "$relay_id"
node_config belgium-rpi 10.10.10.4/24 "$uk_id" uk-vps "$relay_id"
mkdir -p "$OUT"
LAB_PREFIX=$LAB_PREFIX LAB_DIRECTORY=$LAB_DIRECTORY python3 "$LAB_SOURCE_DIRECTORY/demo.py" "$OUT/demo.json" ${1:+"$1"}
