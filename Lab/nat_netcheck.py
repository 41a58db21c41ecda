"""What `shadowmesh netcheck` says behind NAT boxes of every kind, against what the boxes are known to do.

Usage: nat_netcheck.py, under run.sh. Exit status 0 when all is named rightly, in under 5 s each.
"""

import concurrent.futures
import json
import os
import shutil
import sys

import hosts
import lab
from hosts import Relay
from lab import say
from nat import KINDS, Side
from nat_boxes import public

SLOTS = int(os.environ["NAT_SLOTS"])
MILLISECONDS_MAX = 5000
CHECKS = [(kind, {}) for kind in KINDS] + [
    ("port-restricted", {"hairpin": True}), ("port-restricted", {"udp_blocked": True}),
    ("symmetric-random", {"forwards": "PCP"}), ("symmetric-random", {"forwards": "NAT-PMP"}),
    ("port-restricted", {"forwards": "UPnP"})]
if not shutil.which("miniupnpd"):
    say("miniupnpd is not installed: boxes that forward ports are left out")
    CHECKS = [item for item in CHECKS if "forwards" not in item[1]]
# A daemon of PCP answers by NAT-PMP as well.
SPOKEN = {"PCP": ["PCP", "NAT-PMP"], "NAT-PMP": ["NAT-PMP"], "UPnP": ["UPnP"], None: []}


def netcheck(site, relays, *more):
    arguments = [word for relay in relays for word in ("--relay", relay.url)]
    return lab.run(site, lab.SHADOWMESH, "netcheck", "--json", *arguments, *more)


def check(slot, kind, options, relays):
    """The faults of what is said behind a box."""
    site = f"nat{slot}-a"
    side = Side(site, public(slot, "a"), kind, [f"{site}-host"], **options)
    try:
        done = netcheck(side.hosts[0], relays)
        if done.returncode != 0:
            return [f"status {done.returncode}: {done.stderr.strip()}"]
        found, wanted = json.loads(done.stdout), KINDS[kind]
        is_blocked = options.get("udp_blocked", False)
        nat = found["nat"]
        expected = {
            "udp": (found["udp"], not is_blocked), "ipv4": (found["ipv4"], True),
            "type": (nat["type"], "UDP blocked" if is_blocked else wanted.cone),
            "port mapping": (found["port_mapping"], SPOKEN[side.forwards]),
            "relays": (sum("tcp_microseconds" in relay for relay in found["relays"]), len(relays)),
            "nearest": (found["nearest_relay"] in [relay["url"] for relay in found["relays"]], True),
            "meaning": (bool(found["direct"]), True)}
        if not is_blocked:
            expected["mapping"] = (nat["mapping"], wanted.mapping)
            expected["filtering"] = (nat["filtering"], wanted.filtering)
            expected["keeps port"] = (nat["keeps_port"], wanted.ports == "preserved")
            expected["hairpin"] = (nat.get("hairpin"), None if kind == "none" else options.get("hairpin", False))
        faults = [f"{key} is {value}, not {right}" for key, (value, right) in expected.items() if value != right]
        if found["elapsed_milliseconds"] >= MILLISECONDS_MAX:
            faults.append(f"took {found['elapsed_milliseconds']} ms")
        return faults
    finally:
        side.clear()


def check_no_network(slot, relays):
    """A host that reaches nobody is told so."""
    done = netcheck(f"nat{slot}-a", relays[:0], "--relay", "wss://203.0.113.250", "--relay", "wss://[2001:db8:ff::1]:8443")
    found = json.loads(done.stdout)
    faults = [] if done.returncode == 1 else [f"status {done.returncode}"]
    if found["udp"] or found["ipv4"] or "nearest_relay" in found or found["elapsed_milliseconds"] >= MILLISECONDS_MAX:
        faults.append(f"found {found}")
    return faults


def main():
    lab.must("relay", "ip", "address", "add", f"{lab.SPARE4['relay']}/32", "dev", "wan0")
    relays = []
    for site, alternate in (("relay", lab.SPARE4["relay"]), ("relay-2", None)):
        hosts.identities[site] = hosts.make_identity(site)
        relays.append(Relay(site, alternate=alternate).start())
    slots, bad = list(range(SLOTS)), 0

    def one(item):
        slot = slots.pop()
        try:
            return check_no_network(slot, relays) if item is None else check(slot, *item, relays)
        except (lab.Failure, OSError, LookupError, ValueError) as failure:
            return [f"{type(failure).__name__}: {failure}"]
        finally:
            slots.append(slot)

    try:
        with concurrent.futures.ThreadPoolExecutor(SLOTS) as pool:
            for item, faults in zip([*CHECKS, None], pool.map(one, [*CHECKS, None])):
                kind, options = item or ("no relay reached", {})
                note = " ".join(f"{key}={value}" for key, value in options.items())
                say(f"  {'FAIL' if faults else 'ok  '}  {kind:<24}{note:<20}{'; '.join(faults)}")
                bad += bool(faults)
    finally:
        lab.stop_all()
    say(f"netcheck is right about {len(CHECKS) + 1 - bad} of {len(CHECKS) + 1} networks")
    sys.exit(1 if bad else 0)


main()
