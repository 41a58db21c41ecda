# A wide-area network of network namespaces on this machine, for tests and the demo. Source it, do not run it.
#
#     namespace sm<pid>-uk-vps        namespace sm<pid>-relay        namespace sm<pid>-belgium-rpi
#     203.0.113.10                    198.51.100.1                   192.0.2.10
#     2001:db8:10::10                 2001:db8:1::1                  2001:db8:20::10
#          wan0 (TUN)                      wan0 (TUN)                     wan0 (TUN)
#            |  20 ms one way                |  0 ms                        |  20 ms one way
#            +------------------- shadowmesh-wan (one process) ------------+
#
# Nothing leaves the machine: no namespace has a way out but its TUN device, whose far end is the emulator.
#
#     source Lab/lab.sh
#     lab_begin                                   root needed; the trap set here clears everything at exit
#     lab_site relay 198.51.100.1 2001:db8:1::1   … or: lab_three_sites
#     lab_start_wan 'leg relay delay 5ms' …       starts the emulator with these settings
#     lab_exec relay ping -c1 203.0.113.10        a command at a site
#     lab_start relay iperf iperf3 -s             … in the background; log in $LAB_DIRECTORY/iperf.log
#     lab_wan 'leg uk-vps loss 1%'                changes the network while it runs
#
# Environment: LAB_WAN_BINARY, the emulator (default: the release build's). LAB_KEEP=1 leaves everything up at exit.
set -euo pipefail

LAB_ROOT=/run/shadowmesh-lab
LAB_SOURCE_DIRECTORY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_WAN_BINARY=${LAB_WAN_BINARY:-$LAB_SOURCE_DIRECTORY/../.build/release/shadowmesh-wan}
LAB_PREFIX=
LAB_DIRECTORY=
LAB_SITES=()

lab_say() { printf '%s\n' "$*" >&2; }

lab_fail() {
    lab_say "lab: $*"
    exit 1
}

# lab_start_time PID: what tells a process from a later one of the same number (proc(5), field 22); nothing when gone.
lab_start_time() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
    # The name in parentheses may hold spaces: count from behind it.
    set -- ${stat##*) }
    echo "${20}"
}

# lab_begin: a fresh lab, with what dead labs left behind cleared away first.
lab_begin() {
    [[ $(id -u) == 0 ]] || lab_fail "network namespaces need root: run it with sudo"
    [[ -z $LAB_PREFIX ]] || lab_fail "lab_begin was called already"
    command -v ip >/dev/null || lab_fail "'ip' is missing: run Lab/install-dependencies.sh"
    [[ -x $LAB_WAN_BINARY ]] || lab_fail "$LAB_WAN_BINARY is missing: run 'swift build -c release' first"
    mkdir -p "$LAB_ROOT"
    chmod 700 "$LAB_ROOT"
    lab_clear_leftovers
    LAB_PREFIX=sm$$
    LAB_DIRECTORY=$LAB_ROOT/$LAB_PREFIX
    mkdir "$LAB_DIRECTORY"
    echo "$$ $(lab_start_time $$)" >"$LAB_DIRECTORY/owner"
    : >"$LAB_DIRECTORY/namespaces"
    : >"$LAB_DIRECTORY/processes"
    trap 'lab_at_exit $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# lab_site NAME IPV4 IPV6 [ROUTED-CIDR…]: a namespace for a site; further prefixes are routed to it.
lab_site() {
    local name=$1 namespace=$LAB_PREFIX-$1
    # Written down first: whatever happens next, it will be cleared.
    echo "$namespace" >>"$LAB_DIRECTORY/namespaces"
    ip netns add "$namespace"
    ip -n "$namespace" link set lo up
    local line="site $name netns /run/netns/$namespace device wan0 prefix $2/32 prefix $3/128" cidr
    for cidr in "${@:4}"; do line+=" prefix $cidr"; done
    echo "$line" >>"$LAB_DIRECTORY/wan.conf"
    LAB_SITES+=("$name $2 $3")
}

# lab_three_sites: the relay and two hosts of the picture above.
lab_three_sites() {
    lab_site relay 198.51.100.1 2001:db8:1::1
    lab_site uk-vps 203.0.113.10 2001:db8:10::10
    lab_site belgium-rpi 192.0.2.10 2001:db8:20::10
}

# lab_start_wan [COMMAND…]: starts the emulator. Without commands: 20 ms one way on the legs of the two hosts.
lab_start_wan() {
    if (($# == 0)); then set -- 'leg uk-vps delay 20ms' 'leg belgium-rpi delay 20ms'; fi
    printf '%s\n' "$@" >>"$LAB_DIRECTORY/wan.conf"
    lab_background wan "$LAB_WAN_BINARY" run "$LAB_DIRECTORY/wan.conf" "$LAB_DIRECTORY/wan.socket"
    lab_wait_until 10 "the WAN emulator is ready or has ended" lab_wan_is_settled "$LAB_PID"
    grep -qx ready "$LAB_DIRECTORY/wan.log" || lab_fail "$(<"$LAB_DIRECTORY/wan.log")"
    local site name version4 version6
    for site in "${LAB_SITES[@]}"; do
        read -r name version4 version6 <<<"$site"
        ip -n "$LAB_PREFIX-$name" address add "$version4/32" dev wan0
        # Without a look for others that have it: until that is over no route may name it.
        ip -n "$LAB_PREFIX-$name" -6 address add "$version6/128" dev wan0 nodad
        ip -n "$LAB_PREFIX-$name" route add default dev wan0 src "$version4"
        ip -n "$LAB_PREFIX-$name" -6 route add default dev wan0 src "$version6"
    done
}

lab_wan_is_settled() { grep -qx ready "$LAB_DIRECTORY/wan.log" || ! kill -0 "$1" 2>/dev/null; }

# lab_wan COMMAND: one command to the emulator (see 'shadowmesh-wan', WanCommand); prints its answer.
lab_wan() { "$LAB_WAN_BINARY" send "$LAB_DIRECTORY/wan.socket" "$@"; }

# lab_exec SITE COMMAND…: runs a command at a site.
lab_exec() {
    local namespace=$LAB_PREFIX-$1
    shift
    ip netns exec "$namespace" "$@"
}

# lab_start SITE LABEL COMMAND…: starts a command at a site; LAB_PID is its process.
lab_start() {
    local namespace=$LAB_PREFIX-$1 label=$2
    shift 2
    lab_background "$label" ip netns exec "$namespace" "$@"
}

# lab_background LABEL COMMAND…: starts a command, its output in LABEL.log; LAB_PID is its process.
lab_background() {
    local label=$1
    shift
    "$@" </dev/null >"$LAB_DIRECTORY/$label.log" 2>&1 &
    LAB_PID=$!
    echo "$LAB_PID $(lab_start_time "$LAB_PID") $label" >>"$LAB_DIRECTORY/processes"
}

# lab_stop PID [SECONDS]: asks a process of this lab to end, and ends it when it has not after SECONDS (default 5).
lab_stop() {
    local pid=$1 start
    start=$(awk -v pid="$pid" '$1 == pid { print $2 }' "$LAB_DIRECTORY/processes" | tail -n 1)
    lab_end_process "$pid" "$start" "${2:-5}"
    wait "$pid" 2>/dev/null || true
}

# lab_wait_until SECONDS WHAT COMMAND…: waits until COMMAND succeeds, or fails naming WHAT.
lab_wait_until() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= deadline)); then
            [[ -s $LAB_DIRECTORY/wan.log ]] && tail -n 5 "$LAB_DIRECTORY/wan.log" >&2
            lab_fail "waited in vain until $what"
        fi
        sleep 0.05
    done
}

# lab_end_process PID START-TIME SECONDS: ends the process if it is still the one that was started.
lab_end_process() {
    [[ -n $2 && $(lab_start_time "$1") == "$2" ]] || return 0
    kill -TERM "$1" 2>/dev/null || return 0
    local deadline=$((SECONDS + $3))
    while [[ $(lab_start_time "$1") == "$2" ]] && ! lab_is_zombie "$1"; do
        if ((SECONDS >= deadline)); then
            kill -KILL "$1" 2>/dev/null || true
            break
        fi
        sleep 0.05
    done
}

lab_is_zombie() { grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

# lab_clear DIRECTORY: ends the processes and removes the namespaces that a lab wrote down, then its directory.
lab_clear() {
    local directory=$1 pid start label namespace
    # The youngest first: the emulator, which the others talk through, was started before them.
    while read -r pid start label; do
        lab_end_process "$pid" "$start" 5
    done < <(tac "$directory/processes" 2>/dev/null)
    while read -r namespace; do
        # Only names of a lab's form: a damaged file must not remove anything else.
        [[ $namespace =~ ^sm[0-9]+-[a-z0-9_-]+$ && -e /run/netns/$namespace ]] || continue
        ip netns delete "$namespace" || lab_say "lab: could not remove the namespace $namespace"
    done < <(cat "$directory/namespaces" 2>/dev/null)
    rm -rf "$directory"
}

# lab_clear_leftovers: clears labs whose owner is gone.
lab_clear_leftovers() {
    local directory pid start
    for directory in "$LAB_ROOT"/sm*; do
        [[ -f $directory/owner && ! -f $directory/kept ]] || continue
        read -r pid start <"$directory/owner" || continue
        [[ $(lab_start_time "$pid") == "$start" ]] && continue
        lab_say "lab: clearing what $(basename "$directory") left behind"
        lab_clear "$directory"
    done
}

lab_at_exit() {
    trap - EXIT INT TERM HUP
    set +e
    if [[ ${LAB_KEEP:-0} == 1 && $1 == 0 ]]; then
        touch "$LAB_DIRECTORY/kept"
        lab_say "lab: left up in $LAB_DIRECTORY; 'Lab/clear.sh' clears it"
    else
        lab_clear "$LAB_DIRECTORY"
    fi
    exit "$1"
}
