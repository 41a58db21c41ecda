"""Namespaces and processes of a benchmark: two hosts with a cable between them, and a relay with a cable to each.

    a 10.77.0.1 ---------------- 10.77.0.2 b          veth, MTU 1,500
    a 10.77.1.1 -- relay 10.77.1.2, 10.77.2.2 -- 10.77.2.1 b
"""

import os
import pathlib
import subprocess
import time

HOSTS = ("a", "b")
ADDRESS = {"a": "10.77.0.1", "b": "10.77.0.2"}
RELAY = "10.77.1.2"
CABLES = (("a", "10.77.0.1/24", "b", "10.77.0.2/24"), ("a", "10.77.1.1/24", "r", "10.77.1.2/24"),
          ("b", "10.77.2.1/24", "r", "10.77.2.2/24"))
OFFLOADS = ("tso", "gso", "tx-udp-segmentation")


class Failure(Exception):
    """Something that had to happen did not."""


class Network:
    """Everything is gone at the end of the `with`, whatever happened."""

    def __init__(self, directory, has_offloads=True):
        self.prefix = f"smbench{os.getpid()}"
        self.directory, self.has_offloads, self.processes = pathlib.Path(directory), has_offloads, []

    def __enter__(self):
        self.clear()
        try:
            self.make()
        except BaseException:
            self.clear()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=8)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []
        self.clear()

    def clear(self):
        for site in ("a", "b", "r"):
            subprocess.run(["ip", "netns", "delete", self.name(site)], capture_output=True)

    def name(self, site):
        return f"{self.prefix}-{site}"

    def make(self):
        for site in ("a", "b", "r"):
            command("ip", "netns", "add", self.name(site))
            self.must(site, "ip", "link", "set", "lo", "up")
        for index, (left, left_address, right, right_address) in enumerate(CABLES):
            command(
                "ip", "link", "add", f"eth{index}", "netns", self.name(left), "type", "veth", "peer", "name",
                f"eth{index}", "netns", self.name(right))
            for site, address in ((left, left_address), (right, right_address)):
                self.must(site, "ip", "address", "add", address, "dev", f"eth{index}")
                self.must(site, "ip", "link", "set", f"eth{index}", "up")
                if not self.has_offloads:
                    switches = [word for name in OFFLOADS for word in (name, "off")]
                    self.must(site, "ethtool", "-K", f"eth{index}", *switches)

    def inside(self, site, *words):
        return ["ip", "netns", "exec", self.name(site), *words]

    def run(self, site, *words, timeout=60):
        return subprocess.run(self.inside(site, *words), capture_output=True, text=True, timeout=timeout)

    def must(self, site, *words):
        return checked(self.run(site, *words), words)

    def start(self, site, label, *words):
        """Starts a program; its output goes to LABEL.log. `ip netns exec` replaces itself: the process is the program."""
        with open(self.directory / f"{label}.log", "ab") as log:
            process = subprocess.Popen(
                self.inside(site, *words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        return process

    def stop(self, process):
        process.terminate()
        process.wait(timeout=8)
        self.processes.remove(process)


def checked(done, words):
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def command(*words):
    return checked(subprocess.run(words, capture_output=True, text=True), words)


def wait_until(what, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds} s in vain until {what}")
        time.sleep(0.05)
