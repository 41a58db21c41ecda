"""Whether each NAT box does what it is meant to, as plain sockets see it: a test of the lab itself.

Usage: nat_boxes.py [--quick | KIND…], under run.sh; --quick leaves out what has to wait for mappings to end. Exit status 0
when all boxes behave.
"""

import concurrent.futures
import contextlib
import os
import sys
import time

import lab
from lab import ADDRESS4, say
from nat import DEPENDENT, INDEPENDENT, BY_ADDRESS, KINDS, SEQUENTIAL_COUNT, Side, open_address, udp_socket

SLOTS = int(os.environ["NAT_SLOTS"])


def public(slot, letter):
    """The address of a slot's site; see run.sh."""
    return f"{'203.0.113' if letter == 'a' else '192.0.2'}.{20 + slot}"


class Outside(contextlib.ExitStack):
    """Sockets on the WAN: at one address two ports, and the first port's number at another address."""

    def __init__(self):
        super().__init__()
        first = self.enter_context(udp_socket("relay", ADDRESS4["relay"]))
        port = first.getsockname()[1]
        other_port = self.enter_context(udp_socket("relay", ADDRESS4["relay"]))
        other_address = self.enter_context(udp_socket("relay-2", ADDRESS4["relay-2"], port))
        self.sockets = (first, other_port, other_address)


def observe(inner, outer):
    """Where `outer` sees `inner`; None when nothing comes."""
    inner.sendto(b"hello", outer.getsockname())
    try:
        return outer.recvfrom(100)[1]
    except TimeoutError:
        return None


def reaches(outer, mapped, inner):
    """Whether a packet from outside comes in by a mapping."""
    outer.sendto(b"hello", mapped)
    try:
        inner.recvfrom(100)
        return True
    except TimeoutError:
        return False


def measure(host, neighbor):
    """Mapping, filtering and ports, as a host sees them through its box; hairpin, as a neighbour in the same LAN does."""
    with Outside() as outside, contextlib.ExitStack() as stack:
        first, other_port, other_address = outside.sockets
        inner = stack.enter_context(udp_socket(host))
        seen = [observe(inner, outer) for outer in (first, other_port, other_address)]
        if None in seen:
            return {"mapping": "blocked"}
        local = inner.getsockname()[1]
        mapping = INDEPENDENT if len(set(seen)) == 1 else (DEPENDENT if seen[0] != seen[1] else BY_ADDRESS)
        # A fresh socket that has sent to the first one only.
        fresh = stack.enter_context(udp_socket(host))
        mapped = observe(fresh, first)
        if reaches(other_address, mapped, fresh):
            filtering = INDEPENDENT
        else:
            filtering = BY_ADDRESS if reaches(other_port, mapped, fresh) else DEPENDENT
        steps = {(after[1] - before[1]) % SEQUENTIAL_COUNT for before, after in zip(seen, seen[1:])}
        ports = (
            "preserved" if {address[1] for address in seen} == {local} else
            "hashed" if mapping == INDEPENDENT else "sequential" if steps == {1} else "random")
        other = stack.enter_context(udp_socket(neighbor))
        return {
            "mapping": mapping, "filtering": filtering, "ports": ports, "hairpin": reaches(other, mapped, fresh)}


def check(slot, kind, **options):
    """The faults of a box of a kind."""
    site = f"nat{slot}-a"
    hosts = [f"{site}-host"] if kind == "none" else [f"{site}-host", f"{site}-neighbor"]
    side = Side(site, public(slot, "a"), kind, hosts, **options)
    try:
        found = measure(side.hosts[0], side.hosts[-1])
        wanted = KINDS[kind]
        if options.get("udp_blocked"):
            return [] if found["mapping"] == "blocked" else [f"UDP is not blocked: {found}"]
        expected = {
            "mapping": INDEPENDENT if wanted.mapping == "none" else wanted.mapping, "filtering": wanted.filtering,
            "ports": wanted.ports, "hairpin": wanted.mapping == "none" or options.get("hairpin", False)}
        faults = [f"{key} is {found[key]}, not {value}" for key, value in expected.items() if found[key] != value]
        return faults + (check_forgetting(side) if "seconds" in options or kind == "full-cone" else [])
    finally:
        side.clear()


def check_forgetting(side):
    """Whether mappings end: by time where it is short, and when the box reboots."""
    with Outside() as outside, udp_socket(side.hosts[0]) as inner:
        first = outside.sockets[0]
        mapped = observe(inner, first)
        faults = []
        if not reaches(first, mapped, inner):
            faults.append("a fresh mapping does not work")
        if "seconds" in side.options:
            # A mapping that is used lives on; conntrack counts whole seconds.
            time.sleep(side.options["seconds"] * 0.7)
            if not reaches(first, mapped, inner):
                faults.append("the mapping ended too early")
            time.sleep(side.options["seconds"] + 2)
        else:
            side.forget()
        if reaches(first, mapped, inner):
            faults.append("the mapping was not forgotten")
        return faults


CHECKS = [(kind, {}) for kind in KINDS] + [
    ("port-restricted", {"hairpin": True}), ("full-cone", {"hairpin": True}),
    ("port-restricted", {"udp_blocked": True}), ("port-restricted", {"seconds": 30})]


def main():
    wanted = sys.argv[1:]
    checks = [
        item for item in CHECKS if not wanted or item[0] in wanted or wanted == ["--quick"] and "seconds" not in item[1]]
    slots, bad = list(range(SLOTS)), 0

    def one(item):
        slot = slots.pop()
        try:
            return check(slot, item[0], **item[1])
        except (lab.Failure, OSError) as failure:
            return [f"{type(failure).__name__}: {failure}"]
        finally:
            slots.append(slot)

    with concurrent.futures.ThreadPoolExecutor(SLOTS) as pool:
        for (kind, options), faults in zip(checks, pool.map(one, checks)):
            note = " ".join(f"{key}={value}" for key, value in options.items())
            say(f"  {'FAIL' if faults else 'ok  '}  {kind:<24}{note:<20}{'; '.join(faults)}")
            bad += bool(faults)
    say(f"{len(checks) - bad} of {len(checks)} boxes behave")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
