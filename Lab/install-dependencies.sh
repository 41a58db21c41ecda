#!/usr/bin/env bash
# Installs what building, the lab and the demo use, on Debian and Ubuntu; does nothing when all of it is there.
set -euo pipefail

# command:package. Commands of /usr/sbin count though it is not in everybody's PATH.
TOOLS=(
    ip:iproute2 ping:iputils-ping arping:iputils-arping iperf3:iperf3 tcpdump:tcpdump nft:nftables
    dnsmasq:dnsmasq-base udhcpc:udhcpc python3:python3 ps:procps curl:curl ethtool:ethtool
)
# What tests can do without: they skip themselves and say so.
OPTIONAL=(turnserver:coturn stun:stun-client miniupnpd:miniupnpd-nftables)
PATH=$PATH:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive

# The lists may be absent or old, as in a fresh container: then they are fetched, once.
install_packages() {
    apt-get install -y -q --no-install-recommends "$@" </dev/null && return
    [[ -z ${updated:-} ]] || return
    apt-get update -q </dev/null
    updated=yes
    apt-get install -y -q --no-install-recommends "$@" </dev/null
}

missing=()
for tool in "${TOOLS[@]}"; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
done
# Debian keeps what makes a virtual environment in a package of its own.
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
# Libraries that programs are built with: SQLite, zlib, and secp256k1 for Ethereum's signatures.
[[ -e /usr/include/zlib.h ]] || missing+=(zlib1g-dev)
[[ -e /usr/include/sqlite3.h ]] || missing+=(libsqlite3-dev)
[[ -e /usr/include/secp256k1_recovery.h ]] || missing+=(libsecp256k1-dev)
command -v pkg-config >/dev/null || missing+=(pkg-config)
if ((${#missing[@]} > 0)); then
    if ! command -v apt-get >/dev/null; then
        echo "missing: ${missing[*]} (Debian's names); there is no apt-get here: install them your system's way" >&2
        exit 1
    fi
    if [[ $(id -u) != 0 ]]; then
        echo "missing: ${missing[*]}; installing needs root: run 'sudo $0'" >&2
        exit 1
    fi
    echo "installing: ${missing[*]}"
    install_packages "${missing[@]}"
fi
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    for tool in "${OPTIONAL[@]}"; do
        command -v "${tool%%:*}" >/dev/null && continue
        install_packages "${tool##*:}" >/dev/null 2>&1 || echo "not installed, and not needed by most: ${tool##*:}"
    done
fi
echo "all tools of the lab are installed"
