"""Relays and nodes of the lab, as the demo and the path scenarios use them."""

import base64
import json
import pathlib
import re
import signal
import subprocess
import time

import lab

TAP = "chr-001"
SITES = ("uk-vps", "belgium-rpi")
OVERLAY = {"uk-vps": "10.10.10.3", "belgium-rpi": "10.10.10.4"}
OTHER = {"uk-vps": "belgium-rpi", "belgium-rpi": "uk-vps"}

identities = {}


def make_identity(name):
    """A new identity in NAME.identity; its peer ID."""
    done = subprocess.run(
        [lab.SHADOWMESH, "init", "--identity", str(lab.DIRECTORY / f"{name}.identity")], capture_output=True, text=True)
    if done.returncode != 0:
        raise lab.Failure(f"no identity: {done.stderr}")
    return done.stdout.split()[0]


def make_identities(*relays, sites=SITES):
    """Identities for both hosts and the relays. The first host (UK) gets the lower ID: it is the one that calls."""
    made = sorted(
        ((make_identity(f"{site}-made"), f"{site}-made") for site in sites),
        key=lambda item: base64.b32decode(item[0].upper() + "===="))  # 52 characters; base32 in whole groups has 56
    for (peer_id, file), site in zip(made, sites):
        (lab.DIRECTORY / f"{file}.identity").rename(lab.DIRECTORY / f"{site}.identity")
        identities[site] = peer_id
    for relay in relays:
        identities[relay] = make_identity(relay)


class Relay:
    """A relay at the site of its name, on IPv4 or IPv6."""

    def __init__(self, site="relay", version6=False, alternate=None):
        """`alternate`: a second address of the site, for its STUN service."""
        self.site, self.process = site, None
        self.host = f"[{lab.ADDRESS6[site]}]" if version6 else lab.ADDRESS4[site]
        state = lab.DIRECTORY / f"{site}-state"
        state.mkdir(mode=0o700, exist_ok=True)
        self.url = f"wss://{self.host}:443"
        (lab.DIRECTORY / f"{site}.yaml").write_text(
            f"listen_address: '{self.host}:443'\nstun_address: '{self.host}:3478'\n"
            f"identity: {lab.DIRECTORY}/{site}.identity\nstate_directory: {state}\n"
            + (f"stun_alternate_address: '{alternate}:3478'\n" if alternate else ""))

    def start(self):
        """Starts it; returns once it listens."""
        self.process = lab.start(
            self.site, self.site, lab.SHADOWMESH, "relay", "run", "--config", str(lab.DIRECTORY / f"{self.site}.yaml"))
        lab.wait_for_listener(self.site, 443)
        return self

    def stop(self, with_signal=signal.SIGTERM):
        lab.stop(self.process, with_signal)

    def connections(self):
        """How many connections of nodes the kernel at the relay's site has."""
        return len(lab.run(self.site, "ss", "-Htn", "state", "established", "sport = :443").stdout.splitlines())


class Host:
    """A node at the site of its name, with the other one as its only peer."""

    def __init__(self, site, relays, mode="auto", after_direct="standby", listen=None, dial=None, **settings):
        self.site, self.label, self.process, self.mark = site, site, None, 0
        other = OTHER[site]
        text = [
            f"mode: {mode}", f"identity: {lab.DIRECTORY}/{site}.identity",
            f"tap:\n  name: {TAP}\n  address: {OVERLAY[site]}/24"]
        if relays:
            text.append("relays:")
            text += [f"  - url: '{relay.url}'\n    id: {identities[relay.site]}" for relay in relays]
            text.append(f"after_direct: {after_direct}")
        text.append(f"peers:\n  - peer_id: {identities[other]}\n    name: {other}")
        if dial:
            text.append(f"    address: '{dial}'")
        if listen:
            text.append(f"listen_address: '{listen}'")
        text.append(f"control:\n  socket: {self.socket}\nlogging:\n  level: debug")
        text += [f"{key}: {value}" for key, value in settings.items()]
        self.configuration.write_text("\n".join(text) + "\n")

    @property
    def socket(self):
        return lab.DIRECTORY / f"{self.site}.sock"

    @property
    def configuration(self):
        return lab.DIRECTORY / f"{self.site}.yaml"

    def start(self):
        self.mark = len(lab.log_events(self.label))
        self.process = lab.start(
            self.site, self.label, lab.SHADOWMESH, "up", "--config", str(self.configuration))
        return self

    def stop(self):
        lab.stop(self.process)

    def control(self, *command):
        """A subcommand of the program that talks to the daemon."""
        return subprocess.run(
            [lab.SHADOWMESH, *command, "--socket", str(self.socket)], capture_output=True, text=True, timeout=30)

    def status(self):
        answer = self.control("status", "--json")
        return json.loads(answer.stdout) if answer.returncode == 0 else None

    def peer(self):
        state = self.status()
        return state["peers"][0] if state else None

    def path(self):
        """The path in use, such as `udp 192.0.2.10:40000`; empty while there is none."""
        state = self.peer()
        return (state or {}).get("path") or ""

    def addresses(self):
        """The peer's addresses for UDP, such as `192.0.2.10:40000`."""
        paths = (self.peer() or {}).get("paths") or {}
        return [found["address"] for found in paths.get("candidates", []) if found["transport"] == "udp"]

    def is_established(self):
        """Whether it has had a session since its start."""
        return bool(self.events(message="session established"))

    def use(self, path):
        """Asks the daemon to use a path: relay, auto, direct or ADDRESS:PORT."""
        done = self.control("path", OTHER[self.site], "--use", path)
        if done.returncode != 0:
            raise lab.Failure(f"{self.site}: path --use {path}: {(done.stderr or done.stdout).strip()}")

    def has_overlay(self):
        return OVERLAY[self.site] in lab.run(self.site, "ip", "-o", "address", "show", "dev", TAP).stdout

    def events(self, since=0.0, message=None, **fields):
        """What the daemon logged since its last start, and since a time if one is given."""
        return [
            event for event in lab.log_events(self.label)[self.mark:]
            if event.time >= since and message in (None, event.message)
            and all(event.fields.get(key, "").startswith(value) for key, value in fields.items())]

    def resident_bytes(self):
        return resident_bytes(self.process)


def resident_bytes(process):
    # `ip netns exec` replaces itself by the command, so the process is the daemon.
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) * 1024


def memory_of(process):
    """What a process holds in memory that it may write to and that it has touched (proc(5): smaps, mem)."""
    held, place = [], None
    for line in pathlib.Path(f"/proc/{process.pid}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            place = tuple(int(edge, 16) for edge in words[0].split("-")) if words[1].startswith("rw") else None
        elif words[0] == "Rss:" and place and int(words[1]):
            held.append(place)
    pieces = []
    with open(f"/proc/{process.pid}/mem", "rb", buffering=0) as memory:
        for begin, end in held:
            memory.seek(begin)
            while begin < end and (piece := memory.read(min(end - begin, 1 << 20))):
                pieces.append(piece)
                begin += len(piece)
    return b"".join(pieces)


def wait_established(*hosts, seconds=15):
    lab.wait_until("both hosts have a session", lambda: all(host.is_established() for host in hosts), seconds)


def wait_path(prefix, *hosts, seconds=15):
    """Waits until the path of every host begins so."""

    def there():
        return all(host.path().startswith(prefix) for host in hosts)

    try:
        lab.wait_until(f"the path is '{prefix}…'", there, seconds, pause=0.2)
    except lab.Failure as failure:
        found = ", ".join(f"{host.site}: {host.path() or 'none'}" for host in hosts)
        raise lab.Failure(f"{failure} ({found})") from None


def changed_to(prefix, since, *hosts):
    """When the last of the hosts changed to a path that begins so, after `since`; None while one has not."""
    found = [host.events(since, "path changed", to=prefix) for host in hosts]
    return max(events[0].time for events in found) if all(found) else None



def outlive_trial(hosts):
    """Waits until the direct path is older than 10 s: one that dies sooner counts as a bad one and is blocked for a while."""
    time.sleep(max(0.0, changed_to("udp", 0.0, *hosts) + 10.2 - time.time()))
