"""Where the processor's time goes in both daemons under one TCP stream: perf's report of each, and system calls counted.

    profile.py --daemon PROGRAM [--path udp|wss|relay] [--seconds 5] [--out out/profile.txt]

Needs root and perf (Debian: linux-perf).
"""

import argparse
import pathlib
import subprocess
import tempfile

from measure import Measurement
from network import Network
from peers import ShadowMesh


def perf(directory, process, label, seconds):
    data = pathlib.Path(directory) / f"{label}.data"
    recorder = subprocess.Popen(
        ["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-g", "-o", str(data), "-p", str(process.pid), "--",
         "sleep", str(seconds)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return data, recorder


def report(data, *options):
    return subprocess.run(
        ["perf", "report", "--stdio", "-i", str(data), "--no-children", "-g", "none", "--percent-limit", "0.4", *options],
        capture_output=True, text=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--daemon", required=True, type=pathlib.Path)
    parser.add_argument("--path", default="udp", choices=("udp", "wss", "relay"))
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/profile.txt"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, Network(directory) as network:
        peer = ShadowMesh("shadowmesh", options.daemon.resolve(), options.path)
        peer.start(network)
        run = Measurement(network, peer, {})
        records = [
            (site, *perf(directory, process, site, options.seconds)) for site, process in zip("ab", peer.processes)]
        gigabits, cost = run.tcp(options.seconds + 1)
        text = f"{gigabits:.2f} Gbit/s, {cost:.3f} CPU seconds per Gbit\n"
        for site, data, recorder in records:
            recorder.wait(timeout=30)
            text += f"\n== {'sending' if site == 'a' else 'receiving'} side\n"
            text += report(data, "--sort", "comm,dso") + report(data, "--sort", "symbol")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
