#!/usr/bin/env bash
# Installs what the benchmarks need besides the lab's tools, where it is missing; Debian. Needs root.
set -euo pipefail

missing=()
# program:package
for tool in iperf3:iperf3 ethtool:ethtool gcc:gcc wireguard-go:wireguard-go wg:wireguard-tools tincd:tinc nebula:nebula; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
done
((${#missing[@]} > 0)) || exit 0
export DEBIAN_FRONTEND=noninteractive
echo "installing: ${missing[*]}"
apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null || {
    apt-get update -q </dev/null
    apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null
}
