#!/usr/bin/env bash
# A relay and a node of this implementation, and a node in Python that knows docs/PROTOCOL.md only: they meet at the
# relay in both roles, and the host behind the first pings the second. All inside a network namespace of its own.
#
# Needs root, the release build and Python with Tests/Vectors/requirements.txt.
set -euo pipefail

SOURCE_DIRECTORY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export SHADOWMESH=${SHADOWMESH:-$SOURCE_DIRECTORY/../../.build/release/shadowmesh}
PYTHON=${PYTHON:-python3}

if [[ ${1:-} != inside ]]; then
    [[ -x $SHADOWMESH ]] || { echo "$SHADOWMESH is missing: run 'make build' first" >&2; exit 1; }
    exec unshare --net --mount --pid --fork --kill-child --mount-proc "$0" inside
fi

ip link set lo up
DIRECTORY=$(mktemp -d)
trap 'rm -rf "$DIRECTORY"' EXIT
mkdir -m 700 "$DIRECTORY/state"
relay_id=$("$SHADOWMESH" init --identity "$DIRECTORY/relay.identity")
node_id=$("$SHADOWMESH" init --identity "$DIRECTORY/node.identity")
python_id=$("$PYTHON" "$SOURCE_DIRECTORY/node.py" id)
cat >"$DIRECTORY/relay.yaml" <<YAML
listen_address: 127.0.0.1:8443
stun_address: "off"
identity: $DIRECTORY/relay.identity
state_directory: $DIRECTORY/state
YAML
cat >"$DIRECTORY/node.yaml" <<YAML
identity: $DIRECTORY/node.identity
tap:
  address: 10.77.0.1/24
relays:
  - url: wss://127.0.0.1:8443
    id: $relay_id
peers:
  - peer_id: $python_id
    name: python
control:
  socket: $DIRECTORY/node.sock
key_rotation_interval: 1
YAML

"$SHADOWMESH" relay run --config "$DIRECTORY/relay.yaml" >"$DIRECTORY/relay.log" 2>&1 &
for _ in {1..100}; do
    if (: </dev/tcp/127.0.0.1/8443) 2>/dev/null; then break; fi
    sleep 0.05
done
"$SHADOWMESH" up --config "$DIRECTORY/node.yaml" >"$DIRECTORY/node.log" 2>&1 &
for _ in {1..100}; do
    if ip -4 route get 10.77.0.2 2>/dev/null | grep -q 'src 10.77.0.1'; then break; fi
    sleep 0.05
done

status=0
for role in initiator responder; do
    ping -i 0.2 -w 30 10.77.0.2 >"$DIRECTORY/ping.log" 2>&1 &
    ping=$!
    "$PYTHON" "$SOURCE_DIRECTORY/node.py" "$role" 127.0.0.1 8443 "$relay_id" "$node_id" 10.77.0.2 30 3 || status=1
    kill -INT "$ping" 2>/dev/null || true
    wait "$ping" || true
    tail -2 "$DIRECTORY/ping.log"
done
[[ $status == 0 ]] || tail -n 40 "$DIRECTORY/relay.log" "$DIRECTORY/node.log"
exit "$status"
