"""Runs every peer side by side, in interleaved rounds, and writes out/bench.json and a table. Needs root.

    bench.py --daemon PROGRAM --ceiling PROGRAM [--rounds 3] [--seconds 2] [--only NAME…] [--lock FILE] [--out FILE]

Three rounds of all take about ten minutes. `--lock FILE` is held during each round and let go between two, for machines that
do other work as well.
"""

import argparse
import contextlib
import fcntl
import json
import pathlib
import random
import statistics
import sys
import tempfile
import time

from measure import Measurement, percentile
from network import Failure, Network
from peers import all_peers
from peers_memory import compare

SPREAD = ("tcp1_gbps", "tcp4_gbps", "reverse_gbps", "udp1372_pps", "udp64_pps")
# Peers that show how much of the figures is veth passing segments of 60 KB whole.
PLAIN = ("ceiling", "shadowmesh-udp", "wireguard-go")
# Peers of the node whose memory is measured with many.
MEMORY_PEERS = 101


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--daemon", required=True, type=pathlib.Path)
    parser.add_argument("--ceiling", required=True, type=pathlib.Path)
    parser.add_argument("--micro", type=pathlib.Path, help="report of the micro-benchmarks, for allocations per frame")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of each TCP measurement")
    parser.add_argument("--only", nargs="*", help="names of rows")
    parser.add_argument("--quick", action="store_true", help="one TCP stream and idle latency only")
    parser.add_argument("--lock", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/bench.json"))
    return parser.parse_args()


def say(text):
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def holding(lock):
    if not lock:
        yield
        return
    with open(lock, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def measure(peer, rates, options):
    """One round of one peer: a figure for each name."""
    with tempfile.TemporaryDirectory() as directory, Network(directory) as network:
        try:
            peer.processes, peer.others = [], []
            peer.start(network)
            run = Measurement(network, peer, rates)
            found = {}
            idle = run.latency()
            found["p50"], found["p99"] = percentile(idle, 0.5), percentile(idle, 0.99)
            found["tcp1_gbps"], found["cpu_s_per_gbit"] = run.tcp(options.seconds)
            if not options.quick:
                found["tcp4_gbps"], _ = run.tcp(options.seconds, "-P", "4")
                found["reverse_gbps"], _ = run.tcp(options.seconds, "-R")
                found["udp1372_pps"], found["udp64_pps"] = run.udp(1372), run.udp(64)
                loaded = run.loaded_latency()
                found["loaded_p50"], found["loaded_p99"] = percentile(loaded, 0.5), percentile(loaded, 0.99)
                half = run.loaded_latency(found["tcp1_gbps"] * 1e9 / 2)
                found["half_p50"], found["half_p99"] = percentile(half, 0.5), percentile(half, 0.99)
            found["peak_rss_bytes"] = run.memory()
            return found
        except Failure:
            for log in sorted(pathlib.Path(directory).glob(f"{peer.name}-*.log")):
                say(f"{log.name}: …{log.read_text(errors='replace')[-600:]}")
            raise


def measure_plain(peer, options):
    """TCP with one stream over a cable without segmentation offloads."""
    with tempfile.TemporaryDirectory() as directory, Network(directory, has_offloads=False) as network:
        peer.processes, peer.others = [], []
        peer.start(network)
        return Measurement(network, peer, {}).tcp(options.seconds)[0]


def spread(values):
    return {
        "median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def row(name, rounds):
    def values(key):
        return [found[key] for found in rounds if key in found]

    def median(key, digits):
        return round(statistics.median(values(key)), digits) if values(key) else None

    result = {"peer": name}
    result.update({key: spread(values(key)) for key in SPREAD if values(key)})
    ping = ("p50", "p99", "loaded_p50", "loaded_p99", "half_p50", "half_p99")
    result["ping_us"] = {key: median(key, 0) for key in ping if values(key)}
    result["cpu_s_per_gbit"] = median("cpu_s_per_gbit", 3)
    result["peak_rss_bytes"] = max(values("peak_rss_bytes"), default=0)
    return result


def ratios(rows):
    by_name = {row["peer"]: row for row in rows}

    def ratio(value, *names):
        if any(name not in by_name for name in names):
            return None
        first, second = (value(by_name[name]) for name in names)
        return round(first / second, 3) if second else None

    def tcp(row):
        return row["tcp1_gbps"]["median"]

    def cpu(row):
        return row["cpu_s_per_gbit"]

    own = "shadowmesh-udp"
    return {
        "tcp1_vs_wireguard_go": ratio(tcp, own, "wireguard-go"), "tcp1_vs_nebula": ratio(tcp, own, "nebula"),
        "tcp1_vs_ceiling": ratio(tcp, own, "ceiling"), "cpu_vs_tinc": ratio(cpu, own, "tinc"),
        "cpu_vs_nebula": ratio(cpu, own, "nebula")}


def allocations(file):
    """Allocations per frame of the whole loop, from the micro-benchmarks' report."""
    if not file or not file.exists():
        return None
    operations = {entry["name"]: entry for entry in json.loads(file.read_text())["operations"]}
    return max(operations[name]["allocationsPerThousand"] for name in ("loop-send", "loop-receive")) / 1000 \
        if {"loop-send", "loop-receive"} <= operations.keys() else None


def table(report):
    def figure(entry, key, factor=1.0, digits=2):
        return f"{entry[key]['median'] * factor:.{digits}f}" if key in entry else "-"

    head = ("peer", "TCP x1", "TCP x4", "reverse", "UDP 1372", "UDP 64", "ping", "p99", "loaded", "p99", "CPU s", "RSS")
    unit = ("", "Gbit/s", "Gbit/s", "Gbit/s", "kpps", "kpps", "us", "us", "us", "us", "/Gbit", "MiB")
    lines = [head, unit]
    for entry in report["rows"]:
        ping = entry["ping_us"]
        lines.append((
            entry["peer"], *(figure(entry, key) for key in SPREAD[:3]),
            *(figure(entry, key, 0.001, 1) for key in SPREAD[3:]),
            *(f"{ping[key]:.0f}" if key in ping else "-" for key in ("p50", "p99", "loaded_p50", "loaded_p99")),
            f"{entry['cpu_s_per_gbit']:.2f}", f"{entry['peak_rss_bytes'] / 2**20:.0f}"))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = "\n".join(
        "  ".join(word.ljust(width) if column == 0 else word.rjust(width)
                  for column, (word, width) in enumerate(zip(line, widths))) for line in lines)
    found = "\n".join(f"{name}: {value}" for name, value in report["ratios"].items())
    plain = ", ".join(f"{name} {values['median']}" for name, values in report["tcp1_gbps_without_veth_offloads"].items())
    memory = report["memory"]
    return f"{text}\n\n{found}\nTCP x1 with veth's segmentation offloads off, Gbit/s: {plain or '-'}\n" \
        f"allocations per frame: {report['allocations_per_frame']}\n" \
        f"peak RSS of each further peer, bytes: {report['rss_per_further_peer_bytes'] or '-'}" \
        + (f" (with 1 peer {memory['one_bytes']['peak']}, with {memory['peers']} {memory['all_bytes']['peak']})"
           if memory else "")


def main():
    options = arguments()
    peers = [peer for peer in all_peers(options.daemon.resolve(), options.ceiling.resolve())
             if not options.only or peer.name in options.only]
    for peer in list(peers):
        if tool := peer.missing():
            say(f"{peer.name} is left out: {tool} is not installed")
            peers.remove(peer)
    found = {peer.name: [] for peer in peers}
    plain = {name: [] for name in PLAIN if name in found}
    rates = {peer.name: {} for peer in peers}
    begin = time.monotonic()
    for number in range(options.rounds):
        with holding(options.lock):
            for peer in random.sample(peers, len(peers)):
                result = measure(peer, rates[peer.name], options)
                found[peer.name].append(result)
                if peer.name in plain and not options.quick:
                    plain[peer.name].append(measure_plain(peer, options))
                say(f"{time.monotonic() - begin:5.0f} s, round {number + 1} of {options.rounds}: {peer.name} "
                    f"{result['tcp1_gbps']:.2f} Gbit/s, {result['cpu_s_per_gbit']:.2f} CPU s per Gbit")
    memory = None
    if "shadowmesh-udp" in found and not options.quick:
        with holding(options.lock):
            say(f"{time.monotonic() - begin:5.0f} s, memory of {MEMORY_PEERS} peers")
            try:
                memory = compare(options.daemon.resolve(), MEMORY_PEERS)
            except Failure as failure:
                # Ten minutes of other figures are not thrown away.
                say(f"the memory of further peers is left out: {failure}")
    rows = [row(peer.name, found[peer.name]) for peer in peers]
    report = {
        "rows": rows, "ratios": ratios(rows), "allocations_per_frame": allocations(options.micro),
        "rss_per_further_peer_bytes": memory and memory["each_further_bytes"]["peak"], "memory": memory,
        "tcp1_gbps_without_veth_offloads": {name: spread(values) for name, values in plain.items() if values}}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"bench: {failure}")
