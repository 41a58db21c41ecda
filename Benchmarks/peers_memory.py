"""What further peers cost a node in memory: a daemon with one peer, and one with many, each over direct UDP with a little
traffic. All are daemons of their own; what is measured is the one they are peers of. Needs root.

    peers_memory.py --daemon PROGRAM [--peers 101] [--out FILE]

    hub 10.77.0.1 ------- 10.77.0.2 all peers         the relay, by which they meet, has a cable to each side (network.py)
"""

import argparse
import json
import pathlib
import re
import sys
import tempfile
import time

from network import RELAY, Failure, Network, command, wait_until

# The relay and its STUN service bound what one address may open at a time, and all peers have one address.
STARTED_TOGETHER = 10
START_SECONDS = 90
PINGS = 5
# What handshakes and questions leave is given back within 12 s; what is left is what peers hold.
QUIET_SECONDS = 13


class Hub:
    """A node with `count` peers, and they."""

    def __init__(self, network, program, count):
        self.network, self.program, self.count = network, str(program), count
        self.directory = network.directory

    def measure(self):
        """Bytes resident in the end, of these in memory that no file backs, and at most."""
        ids = {name: self.identity(name) for name in ("relay", "hub", *self.names())}
        self.start_relay()
        peers = "".join(f"  - peer_id: {ids[name]}\n" for name in self.names())
        hub = self.start_node("a", "hub", RELAY, ids, "peers:\n" + peers)
        for first in range(0, self.count, STARTED_TOGETHER):
            for name in list(self.names())[first:first + STARTED_TOGETHER]:
                self.start_node("b", name, "10.77.2.2", ids, f"peers:\n  - peer_id: {ids['hub']}\n")
            self.wait_for_direct(min(self.count, first + STARTED_TOGETHER))
        # Twice: the first makes both sides learn where the other is.
        for _ in range(2):
            self.network.run("a", "ping", "-c", str(PINGS), "-i", "0.5", "ff02::1%hub")
        time.sleep(QUIET_SECONDS)
        found = self.resident(hub)
        self.check()
        return found

    def names(self):
        return (f"peer{index}" for index in range(self.count))

    def identity(self, name):
        return command(self.program, "init", "--identity", str(self.directory / f"{name}.identity")).split()[0]

    def start_relay(self):
        (self.directory / "state").mkdir(mode=0o700)
        file = self.directory / "relay.yaml"
        file.write_text(
            f"listen_address: '0.0.0.0:443'\nstun_address: '0.0.0.0:3478'\nidentity: {self.directory}/relay.identity\n"
            f"state_directory: {self.directory}/state\n")
        self.network.start("r", "relay", self.program, "relay", "run", "--config", str(file))
        wait_until("the relay listens", lambda: self.network.run("r", "ss", "-Hltn", "sport = :443").stdout)

    def start_node(self, site, name, relay, ids, settings):
        file = self.directory / f"{name}.yaml"
        file.write_text(
            f"identity: {self.directory}/{name}.identity\ntap:\n  name: {name}\n  mtu: 1400\n"
            f"control:\n  socket: {self.directory}/{name}.sock\nafter_direct: standby\n"
            f"relays:\n  - url: 'wss://{relay}:443'\n    id: {ids['relay']}\n{settings}")
        return self.network.start(site, name, self.program, "up", "--config", str(file))

    def wait_for_direct(self, count):
        """Reads the log: a question to the daemon would take memory itself, all the more with many peers."""
        log = self.directory / "hub.log"

        def reached():
            lines = [line for line in log.read_text(errors="replace").splitlines() if "direct path proven" in line]
            return len({word for line in lines for word in line.split() if word.startswith("peer=")})

        wait_until(f"{count} peers are reached directly", lambda: reached() >= count, START_SECONDS)

    def check(self):
        """Every peer was reached directly, and answered what the hub sent to all."""
        words = [self.program, "status", "--json", "--socket", str(self.directory / "hub.sock")]
        for peer in json.loads(command(*words))["peers"]:
            traffic = peer["traffic"]
            if not (peer.get("path") or "").startswith("udp"):
                raise Failure(f"{peer['id']} is reached by {peer.get('path')}, not directly")
            if min(traffic["sent_frames"], traffic["received_frames"]) < PINGS:
                raise Failure(f"{peer['id']} did not answer: {traffic}")

    def resident(self, process):
        text = pathlib.Path(f"/proc/{process.pid}/status").read_text()

        def value(name):
            return int(re.search(rf"{name}:\s+(\d+)", text)[1]) * 1024

        return {"resident": value("VmRSS"), "own": value("RssAnon"), "peak": value("VmHWM")}


def measure(program, count):
    with tempfile.TemporaryDirectory() as directory, Network(directory) as network:
        try:
            return Hub(network, program, count).measure()
        except Failure:
            for log in sorted(pathlib.Path(directory).glob("*.log"))[:4]:
                print(f"{log.name}: …{log.read_text(errors='replace')[-600:]}", file=sys.stderr)
            raise


def compare(program, count):
    """Bytes of the node with one peer, with `count`, and of each further peer, for each kind of memory."""
    one, many = measure(program, 1), measure(program, count)
    each = {kind: round((many[kind] - one[kind]) / (count - 1)) for kind in one}
    return {"peers": count, "one_bytes": one, "all_bytes": many, "each_further_bytes": each}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--daemon", required=True, type=pathlib.Path)
    parser.add_argument("--peers", type=int, default=101)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    found = compare(options.daemon.resolve(), options.peers)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"peers_memory: {failure}")
