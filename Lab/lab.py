"""What the demo and the path scenarios share: processes, networks and waiting in a lab that lab.sh began.

Needs LAB_PREFIX, LAB_DIRECTORY, LAB_WAN_BINARY and SHADOWMESH in the environment (with_lab.sh sees to it).
"""

import calendar
import os
import pathlib
import re
import signal
import subprocess
import time

PREFIX, DIRECTORY = os.environ["LAB_PREFIX"], pathlib.Path(os.environ["LAB_DIRECTORY"])
SHADOWMESH, WAN = os.environ["SHADOWMESH"], os.environ["LAB_WAN_BINARY"]
LAB = pathlib.Path(__file__).parent

# The sites that with_lab.sh makes, and what addresses they have.
ADDRESS4 = {"relay": "198.51.100.1", "relay-2": "198.51.100.2", "uk-vps": "203.0.113.10", "belgium-rpi": "192.0.2.10"}
ADDRESS6 = {
    "relay": "2001:db8:1::1", "relay-2": "2001:db8:2::1", "uk-vps": "2001:db8:10::10", "belgium-rpi": "2001:db8:20::10"}
SPARE4 = {"relay": "198.51.100.3", "uk-vps": "203.0.113.11", "belgium-rpi": "192.0.2.11"}  # routed to the site, on no interface of it

processes = []


class Failure(Exception):
    """Something that had to happen did not."""


def say(text=""):
    print(text, flush=True)


def inside(site, *command):
    return ["ip", "netns", "exec", f"{PREFIX}-{site}", *command]


def command(*words, text=None, timeout=30):
    """A command outside of the sites, such as one that makes a namespace."""
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout, input=text)


def run(site, *command, timeout=30, text=None):
    return subprocess.run(inside(site, *command), capture_output=True, text=True, timeout=timeout, input=text)


def must(site, *command, text=None):
    """Runs a command that has to succeed."""
    done = run(site, *command, text=text)
    if done.returncode != 0:
        raise Failure(f"{site}: {' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def start(site, label, *command, stdin=subprocess.DEVNULL):
    """Starts a process of the lab: written down as lab.sh does, so that it is ended whatever happens."""
    with open(DIRECTORY / f"{label}.log", "ab") as log:
        process = subprocess.Popen(
            inside(site, *command), stdin=stdin, stdout=log, stderr=log, start_new_session=True)
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
    with open(DIRECTORY / "processes", "a") as file:
        file.write(f"{process.pid} {fields[19]} {label}\n")
    processes.append(process)
    return process


def stop(process, with_signal=signal.SIGTERM):
    if process not in processes:
        return
    if process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(timeout=8)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin:
        process.stdin.close()
    processes.remove(process)


def stop_all():
    for process in list(reversed(processes)):
        stop(process)


def wait_until(what, condition, seconds=15, pause=0.02):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds} s in vain until {what}")
        time.sleep(pause)


def wait_for_listener(site, port, udp=False):
    """Waits until a program at the site has the port."""
    wait_until(
        f"port {port} is open at {site}", lambda: run(site, "ss", "-Hlun" if udp else "-Hltn", f"sport = :{port}").stdout)


def wan(command):
    """One command to the emulator (WanCommand); its answer."""
    done = subprocess.run([WAN, "send", str(DIRECTORY / "wan.socket"), command], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"the WAN emulator refuses '{command}': {done.stdout}{done.stderr}")
    return done.stdout


def cut():
    """No packet passes between the two hosts any more, whatever the protocol; both still reach the relays."""
    wan("cut uk-vps belgium-rpi")


def heal():
    wan("heal uk-vps belgium-rpi")


def firewall(site, *rules, table="lab"):
    """Rules of nftables at a site, each with its chain in front: `in …` or `out …`; replaces the table's former ones."""
    lines = [f"table inet {table}", f"delete table inet {table}"]
    if rules:
        lines += [
            f"table inet {table} {{", "chain in { type filter hook input priority 0; }",
            "chain out { type filter hook output priority 0; }", "}"]
        lines += [f"add rule inet {table} {rule}" for rule in rules]
    must(site, "nft", "-f", "-", text="\n".join(lines) + "\n")


def restore_addresses(site):
    """The addresses and routes of a host's line as run.sh made them."""
    for family, address, length in (("-4", ADDRESS4[site], 32), ("-6", ADDRESS6[site], 128)):
        run(site, "ip", family, "address", "flush", "dev", "wan0", "scope", "global")
        must(site, "ip", family, "address", "add", f"{address}/{length}", "dev", "wan0")
        must(site, "ip", family, "route", "replace", "default", "dev", "wan0", "src", address)


class Capture:
    """A tcpdump at a site, into LABEL.pcap."""

    def __init__(self, site, label, device, *expression):
        self.file = DIRECTORY / f"{label}.pcap"
        self.file.unlink(missing_ok=True)
        self.process = start(
            site, f"{label}-tcpdump", "tcpdump", "-i", device, "-n", "-U", "-s", "0", "-w", str(self.file), *expression)
        wait_until("tcpdump captures", lambda: self.file.exists() and self.file.stat().st_size >= 24)

    def finish(self):
        """The times, lengths and bytes of the packets, in order."""
        # tcpdump hands its last packets over within this.
        time.sleep(0.3)
        stop(self.process)
        return list(packets(self.file.read_bytes()))


def packets(capture):
    """Time, length on the wire and kept bytes of each packet of a pcap file in this machine's byte order."""
    place = 24
    while place + 16 <= len(capture):
        seconds, microseconds, kept, length = (
            int.from_bytes(capture[place + 4 * field:place + 4 * field + 4], "little") for field in range(4))
        place += 16
        yield seconds + microseconds / 1e6, length, capture[place:place + kept]
        place += kept


EVENT = re.compile(r"(?P<time>\S+Z) (?P<level>\w+) [^:]+: (?P<text>.*)")
FIELD = re.compile(r' (\w+)=("[^"]*"|\S+)')


class Event:
    """One line of a daemon's log: when (seconds since 1970), what, and its fields."""

    def __init__(self, line):
        match = EVENT.match(line)
        self.time = parse_time(match["time"])
        first = FIELD.search(match["text"])
        self.message = match["text"][:first.start()] if first else match["text"]
        self.fields = {key: value.strip('"') for key, value in FIELD.findall(match["text"])}

    def __repr__(self):
        return f"{self.message} {self.fields}"


def parse_time(text):
    """2026-01-31T12:34:56.789Z as seconds since 1970."""
    whole, fraction = text[:-1].split(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + fraction)


def log_events(label):
    """All events in a daemon's log so far."""
    file = DIRECTORY / f"{label}.log"
    if not file.exists():
        return []
    return [Event(line) for line in file.read_text(errors="replace").splitlines() if EVENT.match(line)]
