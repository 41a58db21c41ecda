"""Real daemons behind NAT boxes of every kind, with a real relay: which path each pair finds, and how fast.

Usage: nat_matrix.py [A [B]], under run.sh: all cells, those with a side A, or those of A and B in this order; A and B may
have * for any characters. Writes
OUT/nat-matrix.json; exit status 0 when each cell has the path it has to have.
"""

import concurrent.futures
import json
import os
import pathlib
import queue
import re
import statistics
import subprocess
import sys
import threading
import time
from fnmatch import fnmatch

import hosts
import lab
from hosts import Host, Relay, make_identities
from lab import say
from nat import KINDS, SIDES, Side
from nat_cells import cells
from scenario import kind as kind_of_path

SLOTS = int(os.environ["NAT_SLOTS"])
PROBES_MAX = 3000
CONNECTED_MS_MAX, DIRECT_SECONDS = 3000, 30
# A path that nobody expects is waited for as long as it takes to see that a hopeless attempt is given up.
HOPELESS_SECONDS = 12
# An address gets six in all, four of them in the first second, which is not watched; two addresses of each side.
CHALLENGES_MAX = 8
ADDRESS = {"a": "203.0.113.{}", "b": "192.0.2.{}"}


class Follower:
    """What a daemon logs, read once."""

    def __init__(self, label):
        self.file, self.place, self.events = lab.DIRECTORY / f"{label}.log", 0, []
        self.place = self.file.stat().st_size if self.file.exists() else 0

    def first(self, message, **fields):
        """The time of the first such event; None before."""
        self._read()
        return next((event.time for event in self.all(message, **fields)), None)

    def all(self, message, **fields):
        self._read()
        return [event for event in self.events if event.message == message and all(
            event.fields.get(key, "").startswith(value) for key, value in fields.items())]

    def _read(self):
        if not self.file.exists():
            return
        with open(self.file, errors="replace") as file:
            file.seek(self.place)
            text = file.read()
        whole = text.rfind("\n") + 1
        self.place += len(text[:whole].encode())
        self.events += [lab.Event(line) for line in text[:whole].splitlines() if lab.EVENT.match(line)]


class Probes:
    """Datagrams that a host sends to other hosts, counted by the kernel."""

    def __init__(self, site):
        self.site = site
        lab.must(site, "nft", "-f", "-", text=(
            "table inet count {\ncounter sent { }\nchain out { type filter hook output priority 0; }\n}\n"
            "add rule inet count out oifname port0 udp dport != { 3478, 3479 } counter name sent\n"))

    def count(self):
        text = lab.must(self.site, "nft", "list", "counter", "inet", "count", "sent")
        return int(re.search(r"packets (\d+)", text)[1])

    def stray(self, path, seconds):
        """Datagrams sent in a span to other ports of the address of a path, none of which has anything to answer."""
        address, _, port = path.split(" ")[1].rpartition(":")
        family = "ip6" if "[" in address else "ip"
        lab.must(self.site, "nft", "-f", "-", text=(
            "table inet stray {\ncounter stray { }\nchain out { type filter hook output priority 0; }\n}\n"
            f"add rule inet stray out {family} daddr {address.strip('[]')} udp dport != {{ 3478, 3479, {port} }} counter name stray\n"))
        time.sleep(seconds)
        text = lab.must(self.site, "nft", "list", "counter", "inet", "stray", "stray")
        lab.must(self.site, "nft", "delete", "table", "inet", "stray")
        return int(re.search(r"packets (\d+)", text)[1])


class Pair:
    """The two hosts of a slot behind the boxes of a cell."""

    def __init__(self, slot, cell, relays):
        self.cell, self.relays = cell, relays
        self.sites = [f"nat{slot}-a-host", f"nat{slot}-b-host"]
        self.sides = []
        try:
            if cell.is_one_lan:
                self.sides.append(Side(f"nat{slot}-a", ADDRESS["a"].format(20 + slot), cell.kinds[0], self.sites, **cell.options[0]))
            else:
                for letter, kind, options in zip("ab", cell.kinds, cell.options):
                    public6 = f"2001:db8:{letter}{slot}:1" if cell.has_version6 else None
                    self.sides.append(
                        Side(f"nat{slot}-{letter}", ADDRESS[letter].format(20 + slot), kind, public6=public6, **options))
            self.probes = [Probes(site) for site in self.sites]
        except BaseException:
            self.clear()
            raise

    def clear(self):
        for side in self.sides:
            side.clear()

    def attempt(self):
        """Starts both daemons, waits for their paths, and ends them. Returns what was found."""
        for side in self.sides:
            side.forget()
        followers = [Follower(site) for site in self.sites]
        sent = sum(probes.count() for probes in self.probes)
        began = time.time()
        found = {"faults": []}
        daemons = [
            Host(site, self.relays, **settings).start() for site, settings in zip(self.sites, self.cell.settings)]
        try:
            self._watch(daemons, followers, began, found)
            found["probes"] = sum(probes.count() for probes in self.probes) - sent
            self._look(daemons, followers, found)
            if not all(side.forwarded() for side in self.sides if side.forwards):
                found["faults"].append("no port is forwarded")
            return found
        finally:
            for daemon in daemons:
                daemon.stop()
            for side in self.sides:
                if side.forwards and (left := side.forwarded()):
                    found["faults"].append(f"{left} ports are still forwarded after the end")

    def _watch(self, daemons, followers, began, found):
        found |= {"path": "none", "connected_ms": None, "direct_ms": None}
        times = wait(lambda: latest(follower.first("session established") for follower in followers), 15)
        if times is None:
            found["faults"].append("no session in 15 s")
            return
        found["connected_ms"] = round((times - began) * 1000)
        is_hopeless = self.cell.expected == "relay"
        direct = wait(lambda: latest(first_direct(follower) for follower in followers),
                      HOPELESS_SECONDS if is_hopeless else DIRECT_SECONDS)
        if direct is not None:
            found["direct_ms"] = round((direct - began) * 1000)

    def _reboot(self, daemons, found):
        """The box before the first host forgets everything: the tunnel carries on, and is direct again."""
        self.sides[0].forget()
        if not there(lambda: ping(self.sites[0]) is not None, 6):
            found["faults"].append("no answer to pings after the reboot")
        # What is kept, or what is found anew, is the same to a person: a direct path that stays.
        time.sleep(2)
        if not there(lambda: all(daemon.path().startswith("udp") for daemon in daemons), 2 * DIRECT_SECONDS):
            found["faults"].append("no direct path after the reboot")

    def _look(self, daemons, followers, found):
        """The path both use, and whether it carries something."""
        if self.cell.idle_seconds:
            time.sleep(self.cell.idle_seconds)
        elif found["direct_ms"] is not None:
            time.sleep(1)  # Both sides settle on the best of several paths.
        if self.cell.reboots and found["direct_ms"] is not None:
            self._reboot(daemons, found)
        paths = [daemon.path() for daemon in daemons]
        found["path"] = " / ".join(dict.fromkeys(kind_of_path(path) for path in paths))
        is_lan = [" 192.168." in path for path in paths]
        if self.cell.is_one_lan and found["path"] == "udp" and all(is_lan) == self.sides[0].is_isolated:
            found["faults"].append(f"the path between neighbours is {' / '.join(paths)}")
        if self.cell.idle_seconds and any(follower.all("path in doubt") for follower in followers):
            found["faults"].append("the path did not live through the silence")
        found["ping_ms"] = ping(self.sites[0])
        if found["ping_ms"] is None:
            found["faults"].append("no answer to pings")
        if found["path"].startswith("udp"):
            strays = [probes.stray(path, 1.5) for probes, path in zip(self.probes, paths)]
            # A path is found in the middle of an attempt, whose challenges to the addresses that were named go on.
            if sum(strays) > CHALLENGES_MAX:
                found["faults"].append(f"{sum(strays)} probes after the success")
        if self.cell.expected == "relay":
            before = sum(probes.count() for probes in self.probes)
            time.sleep(1.5)
            if (more := sum(probes.count() for probes in self.probes) - before) > CHALLENGES_MAX:
                found["faults"].append(f"{more} probes after giving up")
        named = [(daemon.status() or {}).get("nat", {}) for daemon in daemons]
        for index, value in enumerate(named):
            wanted = wanted_hairpin(self.cell, index)
            if value.get("hairpin") != wanted:
                found["faults"].append(f"hairpin of {'ab'[index]} is {value.get('hairpin')}, not {wanted}")
        found["named"] = [value.get("type", "unknown") for value in named]


def there(condition, seconds):
    """Whether a condition comes true in time."""
    return wait(lambda: condition() or None, seconds) is not None


def first_direct(follower):
    times = [follower.first("path changed", to=prefix) for prefix in ("udp", "wss")]
    return min((value for value in times if value is not None), default=None)


def latest(times):
    times = list(times)
    return None if None in times else max(times)


def wait(condition, seconds):
    deadline = time.monotonic() + seconds
    while (value := condition()) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


def ping(site):
    """The mean round trip through the tunnel, in milliseconds; None without an answer."""
    done = lab.run(site, "ping", "-c", "5", "-i", "0.2", "-W", "2", hosts.OVERLAY[hosts.OTHER[site]])
    match = re.search(r"= [\d.]+/([\d.]+)/", done.stdout)
    return float(match[1]) if match else None


def wanted_hairpin(cell, index):
    """Whether a node is to find that its translator hairpins; None where it cannot tell."""
    options = cell.options[index]
    if wanted_name(cell, index) == "UDP blocked" or cell.kinds[index] == "none":
        return None
    return options.get("hairpin", False)


def wanted_name(cell, index):
    """What a node is to call the translation it is behind."""
    is_blocked = cell.options[index].get("udp_blocked") or cell.settings[index].get("nat_type") == "udp-blocked"
    return "UDP blocked" if is_blocked else KINDS[cell.kinds[index]].cone


def play(slot, cell, relays):
    """A cell's tries, to its line of the result."""
    tries, faults = [], []
    try:
        pair = Pair(slot, cell, relays)
        try:
            tries = [pair.attempt() for _ in range(cell.tries)]
        finally:
            keep_logs(cell, pair)
            pair.clear()
    except (lab.Failure, subprocess.SubprocessError, OSError, LookupError) as failure:
        faults.append(f"{type(failure).__name__}: {failure}")
    return summary(cell, tries, faults)


def keep_logs(cell, pair):
    """What the daemons of a cell logged goes to OUT/nat-logs, and out of the way of the next cell."""
    target = pathlib.Path(os.environ["OUT"]) / "nat-logs"
    target.mkdir(parents=True, exist_ok=True)
    for site, letter in zip(pair.sites, "ab"):
        log = lab.DIRECTORY / f"{site}.log"
        if log.exists():
            (target / f"{cell.a}--{cell.b}-{letter}.log").write_bytes(log.read_bytes())
            log.unlink()


def summary(cell, tries, faults):
    good = [item for item in tries if item["path"] == cell.expected]
    direct = [item for item in tries if item["direct_ms"] is not None]
    connected = [item["connected_ms"] for item in tries if item["connected_ms"] is not None]
    faults = faults + [fault for item in tries for fault in item["faults"]]
    if len(connected) < len(tries) or not tries or max(connected) > CONNECTED_MS_MAX:
        faults.append(f"connected after {connected} ms")
    if any(item["probes"] > PROBES_MAX for item in tries):
        faults.append(f"more than {PROBES_MAX} probes")
    if len(good) < -(-len(tries) * 9 // 10):
        faults.append(f"path {cell.expected} in {len(good)} of {len(tries)} tries: {[item['path'] for item in tries]}")
    named = [item.get("named", []) for item in tries]
    wanted = [wanted_name(cell, index) for index in (0, 1)]
    return {
        "a": cell.a, "b": cell.b, "expected": cell.expected,
        "path": max((item["path"] for item in tries), key=[item["path"] for item in tries].count, default="none"),
        "connected_ms": max(connected, default=None),
        "direct_ms": round(statistics.median(item["direct_ms"] for item in direct)) if direct else None,
        "tries": len(tries), "direct_tries": len(direct),
        "probes": max((item["probes"] for item in tries), default=0),
        "nat_named_rightly": bool(named) and all(names == wanted for names in named),
        "ping_ms": round(statistics.median(pings), 1) if (pings := [item["ping_ms"] for item in tries if item.get("ping_ms")]) else None,
        "named": named[-1] if named else [], "passed": not faults, "note": "; ".join(dict.fromkeys(faults)),
    }


def show_table(results):
    """The grid of both sides: the path, and the milliseconds until it was there."""
    found = {(item["a"], item["b"]): item for item in results}
    if not any(a in SIDES and b in SIDES for a, b in found):
        return
    say("\n" + " " * 24 + "".join(f"{name[:21]:>23}" for name in SIDES))
    for a in SIDES:
        row = f"{a:<24}"
        for b in SIDES:
            item = found.get((a, b))
            text = "" if item is None else f"{item['path']}" + (
                f" {item['direct_ms']} ms" if item["direct_ms"] is not None else "") + (
                f" {item['direct_tries']}/{item['tries']}" if item["tries"] > 1 else "")
            row += f"{text + ('' if item is None or item['passed'] else ' !'):>23}"
        say(row)


def is_wanted(cell, patterns):
    if len(patterns) == 1:
        return fnmatch(cell.a, patterns[0]) or fnmatch(cell.b, patterns[0])
    return not patterns or fnmatch(cell.a, patterns[0]) and fnmatch(cell.b, patterns[1])


def main():
    wanted = sys.argv[1:]
    chosen = [cell for cell in cells() if is_wanted(cell, wanted)]
    if not chosen:
        sys.exit(f"no such cell; the sides are: {', '.join(sorted({name for cell in cells() for name in (cell.a, cell.b)}))}")
    out = pathlib.Path(os.environ["OUT"]) / "nat-matrix.json"
    began, results, lock = time.monotonic(), [], threading.Lock()
    relays = []
    lab.must("relay", "ip", "address", "add", f"{lab.SPARE4['relay']}/32", "dev", "wan0")
    for site, alternate in (("relay", lab.SPARE4["relay"]), ("relay-2", None)):
        hosts.identities[site] = hosts.make_identity(site)
        relays.append(Relay(site, alternate=alternate).start())
    slots = queue.Queue()
    for slot in range(SLOTS):
        pair = (f"nat{slot}-a-host", f"nat{slot}-b-host")
        make_identities(sites=pair)
        hosts.OTHER.update({pair[0]: pair[1], pair[1]: pair[0]})
        hosts.OVERLAY.update({pair[0]: "10.10.10.3", pair[1]: "10.10.10.4"})
        slots.put(slot)

    def one(cell):
        slot = slots.get()
        try:
            item = play(slot, cell, relays)
        finally:
            slots.put(slot)
        with lock:
            results.append(item)
            direct = "" if item["direct_ms"] is None else f"direct {item['direct_tries']}/{item['tries']} in {item['direct_ms']} ms"
            say(f"  {len(results):3}/{len(chosen)}  {'ok  ' if item['passed'] else 'FAIL'}  {cell.name:<46} {item['path']:<9}"
                f" connected {item['connected_ms']} ms  {direct}  {item['probes']} probes  {item['note']}")

    try:
        with concurrent.futures.ThreadPoolExecutor(SLOTS) as pool:
            list(pool.map(one, chosen))
    finally:
        lab.stop_all()
        passed = len(results) == len(chosen) and all(item["passed"] and item["nat_named_rightly"] for item in results)
        out.write_text(json.dumps({"passed": passed, "cells": results}, indent=2) + "\n")
    show_table(results)
    say(f"\n{sum(item['passed'] for item in results)} of {len(results)} cells have the path they are to have;"
        f" {sum(item['nat_named_rightly'] for item in results)} named rightly; {time.monotonic() - began:.0f} s; figures in {out.resolve()}")
    sys.exit(0 if passed else 1)


main()
