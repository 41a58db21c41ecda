#!/usr/bin/env bash
# Builds the C forwarder against the BoringSSL objects of the release build: the same cipher code as the daemon's.
#     Benchmarks/Ceiling/build.sh RELEASE-BUILD-DIRECTORY OUT
set -euo pipefail
directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
objects=$(mktemp)
trap 'rm -f "$objects"' EXIT
find "$1/CCryptoBoringSSL.build" -name '*.o' >"$objects"
[[ -s $objects ]] || { echo "no BoringSSL objects below $1: run 'make build' first" >&2; exit 1; }
mkdir -p "$(dirname "$2")"
gcc -O2 -march=native -Wall -Wextra -Werror -D_GNU_SOURCE -o "$2" "$directory/forwarder.c" "@$objects" \
    -Wl,--gc-sections -lstdc++ -lpthread -lm
