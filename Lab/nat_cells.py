"""The cells of the NAT matrix: which boxes stand between two hosts, and what path there has to be."""

import os
from dataclasses import dataclass, field

from nat import KINDS, SIDES

RANDOM = ("symmetric-random", "cgnat-symmetric")
PORT_RESTRICTED = ("port-restricted", "cgnat-port-restricted")
# What the promise of nine in ten is measured by.
HARD_TRIES = int(os.environ.get("TRIES", 10))


@dataclass
class Cell:
    """One pair of sides; `a` is the side that calls."""

    a: str
    b: str
    expected: str  # udp, wss or relay: the kind of path
    kinds: tuple
    tries: int = 1
    options: list = field(default_factory=lambda: [{}, {}])  # of each Side
    settings: list = field(default_factory=lambda: [{}, {}])  # of each node
    is_one_lan: bool = False
    has_version6: bool = False
    idle_seconds: int = 0
    reboots: bool = False  # the box before `a`, once there is a path

    @property
    def name(self):
        return f"{self.a} × {self.b}"


def expected_path(a, b):
    """Whether UDP can get through two boxes, by what they map and filter; the relay carries the rest."""
    hard = [kind for kind in (a, b) if KINDS[kind].mapping == "address-and-port-dependent"]
    # Two that choose ports at random need some 170,000 probes; where one counts up, its port can be told beforehand,
    # but that of the other side cannot.
    return "relay" if len(hard) == 2 and any(kind in RANDOM for kind in hard) else "udp"


def cells():
    """All of them, the slow ones first, so that none is left for the end."""
    grid = []
    for a in SIDES:
        for b in SIDES:
            is_hard = (a in RANDOM and b in PORT_RESTRICTED) or (a in PORT_RESTRICTED and b in RANDOM)
            grid.append(Cell(a, b, expected_path(a, b), (a, b), HARD_TRIES if is_hard else 1))
    short = [{"seconds": 30}, {"seconds": 30}]
    blocked = {"udp_blocked": True}
    special = [
        Cell("mapping-timeout-30s", "mapping-timeout-30s", "udp", ("port-restricted",) * 2, options=short, idle_seconds=70),
        Cell("same-nat", "same-nat", "udp", ("port-restricted",) * 2, is_one_lan=True),
        Cell("same-nat-hairpin", "same-nat-hairpin", "udp", ("port-restricted",) * 2, is_one_lan=True,
             options=[{"hairpin": True}] * 2),
        # Hosts that reach nobody but their box: through it, where it hairpins.
        Cell("isolated-hairpin", "isolated-hairpin", "udp", ("port-restricted",) * 2, is_one_lan=True,
             options=[{"hairpin": True, "isolated": True}] * 2),
        Cell("isolated", "isolated", "relay", ("port-restricted",) * 2, is_one_lan=True, options=[{"isolated": True}] * 2),
        Cell("same-symmetric-nat", "same-symmetric-nat", "udp", ("symmetric-random",) * 2, is_one_lan=True),
        Cell("udp-blocked", "port-restricted", "wss", ("port-restricted",) * 2, options=[blocked, {}]),
        Cell("port-restricted", "udp-blocked", "wss", ("port-restricted",) * 2, options=[{}, blocked]),
        Cell("udp-blocked", "udp-blocked", "wss", ("port-restricted",) * 2, options=[blocked, blocked]),
        Cell("udp-blocked-symmetric", "udp-blocked", "relay", ("symmetric-random", "port-restricted"),
             options=[blocked, blocked]),
        Cell("nat-type-udp-blocked", "port-restricted", "wss", ("port-restricted",) * 2,
             settings=[{"nat_type": "udp-blocked"}, {}]),
        Cell("rebooted", "rebooted", "udp", ("port-restricted",) * 2, reboots=True),
        Cell("rebooted-full-cone", "symmetric-random", "udp", ("full-cone", "symmetric-random"), reboots=True),
        Cell("rebooted-symmetric", "port-restricted", "udp", ("symmetric-random", "port-restricted"), reboots=True),
        Cell("ipv6-firewall", "ipv6-firewall", "udp IPv6", ("symmetric-random",) * 2, has_version6=True),
    ]
    # Hard translators whose box forwards ports: whatever the other side is, it has somewhere to send to.
    for method, b in (("PCP", "symmetric-random"), ("PCP", "symmetric-sequential"), ("PCP", "cgnat-symmetric"),
                      ("NAT-PMP", "cgnat-symmetric"), ("UPnP", "port-restricted"), ("UPnP", "cgnat-symmetric")):
        name, forwards = f"symmetric-random+{method}", {"forwards": method}
        special.append(Cell(name, b, "udp", ("symmetric-random", b), options=[forwards, {}]))
        special.append(Cell(b, name, "udp", (b, "symmetric-random"), options=[{}, forwards]))
    special.append(Cell("symmetric-random+PCP", "symmetric-random+UPnP", "udp", ("symmetric-random",) * 2,
                        options=[{"forwards": "PCP"}, {"forwards": "UPnP"}]))
    return sorted(special + grid, key=lambda cell: (-cell.idle_seconds, -cell.tries, cell.expected != "relay"))
