"""What every path scenario has: hosts and relays that are set up and taken down, a network put back as it was, a verdict."""

import contextlib

import lab
from hosts import SITES, Host, Relay, wait_established, wait_path
from traffic import Count, Streams


class Verdict:
    """What a scenario found: whether it passed, and figures."""

    def __init__(self, name):
        self.name, self.path, self.count, self.notes, self.faults = name, "", Count(), [], []

    def expect(self, holds, fault):
        """Notes a fault unless `holds`."""
        if not holds:
            self.faults.append(fault)

    def note(self, text):
        self.notes.append(text)

    def json(self):
        return {
            "name": self.name, "passed": not self.faults, "path": self.path, "outage_ms": self.count.outage_ms,
            **self.count.figures(), "note": "; ".join(self.faults + self.notes)}


class Scenario(contextlib.ExitStack):
    """One scenario's network. Whatever it starts or changes is undone at its end, in reverse order, also on failure."""

    def __init__(self, verdict):
        super().__init__()
        self.verdict, self.hosts, self.relays, self.streams = verdict, [], [], None
        self.callback(lab.stop_all)
        for label in SITES:
            (lab.DIRECTORY / f"{label}.log").unlink(missing_ok=True)

    # Network

    def block(self, site, *rules):
        """Rules of the site's firewall for the rest of the scenario."""
        self.callback(lab.firewall, site)
        lab.firewall(site, *rules)

    def cut(self):
        self.callback(lab.heal)
        lab.cut()

    def wan(self, command, undo):
        self.callback(lab.wan, undo)
        lab.wan(command)

    def ip(self, site, command, undo):
        """An `ip` command at a site, and the one that undoes it (which may find nothing left to do)."""
        self.callback(lab.run, site, "ip", *undo.split())
        lab.must(site, "ip", *command.split())

    # Programs

    def relay(self, site="relay", version6=False):
        self.relays.append(Relay(site, version6).start())
        return self.relays[-1]

    def meet(self, relays=None, seconds=15, each=None, **settings):
        """Starts both hosts with `settings`, those in `each[site]` besides, and waits until they have a session."""
        relays = self.relays or [self.relay()] if relays is None else relays
        self.hosts = [Host(site, relays, **settings, **(each or {}).get(site, {})).start() for site in SITES]
        lab.wait_until("the hosts have their TAP devices", lambda: all(host.has_overlay() for host in self.hosts))
        wait_established(*self.hosts, seconds=seconds)
        return self.hosts

    def stream(self, rate=1000, size=1300):
        self.streams = Streams(rate, size)
        lab.wait_until("frames arrive", self.streams.flowing)
        return self.streams

    def wait(self, prefix, seconds=15):
        """Waits until both hosts use such a path."""
        wait_path(prefix, *self.hosts, seconds=seconds)

    def finish(self, prefix, begin=0.0, end=float("inf")):
        """Ends the stream, checks the path, and counts what was sent in the span."""
        found = [host.path() for host in self.hosts]
        self.verdict.path = " / ".join(dict.fromkeys(kind(path) for path in found))
        self.verdict.expect(
            all(path.startswith(prefix) for path in found), f"path {' / '.join(found)}, expected '{prefix}…'")
        self.verdict.count = self.streams.finish().count(begin, end)
        return self.verdict.count

    # Figures

    def settled_in(self, prefix):
        """Milliseconds from the session to such a path, on the later side."""
        times = []
        for host in self.hosts:
            moved = host.events(message="path changed", to=prefix)
            established = host.events(message="session established")
            if not moved or not established:
                return None
            times.append((moved[0].time - established[0].time) * 1000)
        return round(max(times))

    def suspected(self, since):
        """When the first side doubted its path; None if none did."""
        times = [event.time for host in self.hosts for event in host.events(since, "path in doubt")]
        return min(times, default=None)

    def expect_clean(self):
        count = self.verdict.count
        self.verdict.expect(
            count.is_clean(),
            f"of {count.sent} frames {count.lost} lost, {count.reordered} reordered, {count.duplicated} duplicated")

    def expect_outage(self, most):
        """The outage has a limit, and only frames sent before the doubt may be lost; none may come twice."""
        count = self.verdict.count
        self.verdict.expect(count.outage_ms <= most, f"outage {count.outage_ms:.0f} ms, {most} ms allowed")
        self.verdict.expect(count.duplicated == 0, f"{count.duplicated} frames came twice")


def kind(path):
    """udp, wss or relay, with the family where it matters."""
    word = path.split(" ")[0] if path else "none"
    return f"{word} IPv6" if "[" in path else word
