"""The demo's second part: the way between the hosts is open. The sequence of the diagram that this product was asked for
with, step by step, then the direct path is cut and healed, under traffic all the while.
"""

import re
import statistics
import time

import lab
from hosts import OVERLAY, Host, changed_to, outlive_trial
from lab import run, say, wait_until
from show import step
from traffic import Streams, Transfer

UK, BELGIUM = OVERLAY
# What the figures promise; see the README.
ROUND_TRIP_RELAY_MS = 80
UP_MS_MAX = 3 * ROUND_TRIP_RELAY_MS + 200
OUTAGE_MS_MAX = 1500
STREAM_RATE = 1000
# A datagram of the stream in the tunnel: 1,300 bytes, headers of UDP, IP and Ethernet, and at least 33 of the record; more
# where its checksum is left to the receiver, or several go at once.
STREAM_DATAGRAM_BYTES = 1300 + 8 + 20 + 14 + 33


def show(result, relay):
    say("\nThe way between the hosts opens (15 ms one way). Both start anew; a UDP stream each way and a TCP transfer run:")
    lab.heal()
    traces = {site: Trace(site) for site in OVERLAY}
    began = time.time()
    uk, belgium = (Host(site, [relay], after_direct="disconnect").start() for site in OVERLAY)
    wait_until("the hosts have their TAP devices", lambda: uk.has_overlay() and belgium.has_overlay())
    streams, transfer = Streams(rate=STREAM_RATE), Transfer()
    follow_diagram(result, uk, belgium, traces, began)
    direct = look_direct(result, relay, uk, belgium)
    spans = cut_and_heal(result, uk, belgium)
    streams.finish()
    result["tcp_bytes"] = transfer.finish()
    result["tcp_checksum_ok"] = bool(result["tcp_bytes"])
    step("TCP transfer", f"{(result['tcp_bytes'] or 0) / 1e6:.1f} MB, checksum {'right' if result['tcp_bytes'] else 'WRONG'}")
    spans = [(began, direct, "relay", "udp", result.pop("first_migration_ms"))] + spans
    result["migrations"] = [
        {"from": old, "to": new, "frames_sent": count.sent, **count.figures(), "ms": round(milliseconds, 1)}
        for begin, end, old, new, milliseconds in spans for count in [streams.count(begin, end)]]
    result["outage_ms"] = streams.count(spans[1][0], spans[1][1]).outage_ms
    for item in result["migrations"]:
        step(
            f"{item['from']} to {item['to']}", f"{item['ms']:.0f} ms; {item['frames_sent']} frames: {item['lost']} lost, "
            f"{item['reordered']} reordered, {item['duplicated']} duplicated")


class Trace:
    """What passes a host's line, packet by packet: the datagrams between both hosts, with the kernel's times."""

    LINE = re.compile(r"(?P<time>[\d.]+) IP6? (?P<source>\S+)\.\d+ > \S+: UDP, length (?P<length>\d+)")

    def __init__(self, site):
        self.site, self.place, self.packets = site, 0, []
        other = next(name for name in OVERLAY if name != site)
        self.own = {lab.ADDRESS4[site], lab.ADDRESS6[site]}
        self.file = lab.DIRECTORY / f"trace-{site}.log"
        self.process = lab.start(
            site, f"trace-{site}", "tcpdump", "-i", "wan0", "-n", "-l", "-tt", "-q", "-s", "96",
            f"udp and (host {lab.ADDRESS4[other]} or host {lab.ADDRESS6[other]})")
        wait_until("tcpdump captures", lambda: "listening on" in self.file.read_text())

    def read(self):
        with open(self.file) as file:
            file.seek(self.place)
            text = file.read()
        whole = text.rfind("\n") + 1
        self.place += len(text[:whole].encode())
        for line in text[:whole].splitlines():
            if match := self.LINE.match(line):
                self.packets.append((float(match["time"]), match["source"] in self.own, int(match["length"])))

    def first(self, is_out, since=0.0, size_min=0):
        """When the first packet of at least `size_min` bytes went out, or came, after `since`."""
        return next(
            (time for time, out, size in self.packets
             if out == is_out and time >= since and size >= size_min), None)

    def stop(self):
        lab.stop(self.process)


def follow_diagram(result, uk, belgium, traces, began):
    """Shows steps 1 to 18 as they happen, in the diagram's order, each with the time of the event itself."""

    def logged(host, message, **fields):
        return lambda: next((event.time for event in host.events(began, message, **fields)), None)

    def at(number):
        return shown.get(number, 0.0)

    a, b = uk, belgium
    sequence = [
        (1, a, "connects to the relay", logged(a, "relay connected")),
        (2, b, "connects to the relay", logged(b, "relay connected")),
        (3, a, "HELLO", logged(a, "handshake", step="HELLO sent")),
        (4, b, "HELLO, forwarded by the relay", logged(b, "handshake", step="HELLO received")),
        (5, b, "CHALLENGE, ML-KEM-1024 public key", logged(b, "handshake", step="CHALLENGE sent")),
        (6, a, "CHALLENGE, forwarded", logged(a, "handshake", step="CHALLENGE received")),
        (7, a, "RESPONSE, ML-KEM-1024 ciphertext, A's addresses sealed", logged(a, "handshake", step="RESPONSE sent")),
        (8, b, "RESPONSE, forwarded", logged(b, "handshake", step="RESPONSE received")),
        (9, b, "ESTABLISHED, B's addresses sealed", logged(b, "handshake", step="ESTABLISHED sent")),
        (10, a, "ESTABLISHED, forwarded", logged(a, "handshake", step="ESTABLISHED received")),
        (11, b, "both have the session: A's first record came", logged(b, "session confirmed")),
        (12, a, "attempts the direct path", lambda: traces[UK].first(is_out=True)),
        (13, b, "attempts the direct path", lambda: traces[BELGIUM].first(is_out=True)),
        (14, a, "SESSION_RESUME answered: path proven, tunnel migrated", logged(a, "path changed", to="udp")),
        (15, b, "SESSION_RESUME answered: path proven, tunnel migrated", logged(b, "path changed", to="udp")),
        (16, a, "closes the relay connection", logged(a, "relay not needed: every peer is reached directly")),
        (17, b, "closes the relay connection", logged(b, "relay not needed: every peer is reached directly")),
        (18, b, "encrypted frames, all of them direct", lambda: traces[BELGIUM].first(
            is_out=False, since=max(at(16), at(17)), size_min=STREAM_DATAGRAM_BYTES)),
    ]
    shown = {}

    def showing():
        for trace in traces.values():
            trace.read()
        while len(shown) < len(sequence):
            number, host, text, find = sequence[len(shown)]
            when = find()
            if when is None:
                return False
            shown[number] = when
            step(f"{number:2}  {host.site:<12} {(when - began) * 1000:6.0f} ms", text, at=when)
        return True

    try:
        wait_until("the diagram's 18 steps are done", showing, seconds=20, pause=0.05)
    except lab.Failure:
        number, host, text, _ = sequence[len(shown)]
        raise lab.Failure(f"step {number} of the diagram did not come: {host.site} {text}") from None
    finally:
        for trace in traces.values():
            trace.stop()
    result["steps"] = [
        {"step": number, "site": host.site, "name": text, "ms": round((shown[number] - began) * 1000, 1)}
        for number, host, text, _ in sequence]
    established = [logged(host, "session established")() for host in (a, b)]
    result["established_to_direct_ms"] = round((changed_to("udp", began, a, b) - max(established)) * 1000, 1)
    result["first_migration_ms"] = (changed_to("udp", began, a, b) - logged(a, "direct path proven")()) * 1000
    step("direct after ESTABLISHED", f"{result['established_to_direct_ms']:.0f} ms ({UP_MS_MAX} allowed)")


def look_direct(result, relay, uk, belgium):
    """Round trip, and where the packets are, now that nothing needs the relay. When it was done."""
    captures = [
        lab.Capture("uk-vps", "direct", "wan0", "udp and (" + " or ".join(
            f"host {address[BELGIUM]}" for address in (lab.ADDRESS4, lab.ADDRESS6)) + ")"),
        # The hosts go on asking the relay's STUN service how they are seen; that is no traffic of the tunnel's.
        lab.Capture("relay", "at-relay", "wan0", "tcp or (udp and not portrange 3478-3479)")]
    text = run("uk-vps", "ping", "-c", "15", "-i", "0.2", OVERLAY[BELGIUM]).stdout
    times = [float(time) for time in re.findall(r"time=([\d.]+) ms", text)]
    result["rtt_direct_ms"] = statistics.median(times) if times else 0.0
    step("ping", f"{result['rtt_relay_ms']:.1f} ms by relay, {result['rtt_direct_ms']:.1f} ms directly")
    direct, at_relay = (sum(length for _, length, _ in capture.finish()) for capture in captures)
    result["direct_bytes"], result["relay_bytes_after_direct"] = direct, at_relay
    step("tcpdump, 3 s", f"{direct} bytes between the hosts, {at_relay} at the relay")
    states = [state["relays"][0]["state"] for state in (uk.status(), belgium.status())]
    result["relay_connection_closed"] = relay.connections() == 0 and all(state == "resting" for state in states)
    step("relay connections", f"{relay.connections()}; the hosts say: {', '.join(states)}")
    outlive_trial((uk, belgium))
    return time.time()


def cut_and_heal(result, uk, belgium):
    """Cuts the direct path and heals it. The two migrations: begin, end, from, to, and how long until both sides had moved."""
    began = time.time()
    lab.cut()
    step("direct path cut", "every packet between the two hosts is dropped", at=began)
    fell = wait_until("both are back on the relay", lambda: changed_to("relay", began, uk, belgium))
    for host in (uk, belgium):
        for message in ("path in doubt", "path dead", "relay connected", "path changed"):
            for event in host.events(began, message)[:1]:
                step(f"{host.site}: {message}", event.fields.get("reason", ""), at=event.time)
    text = run("uk-vps", "ping", "-c", "5", "-i", "0.2", OVERLAY[BELGIUM]).stdout
    result["rtt_fallback_ms"] = statistics.median([float(time) for time in re.findall(r"time=([\d.]+) ms", text)] or [0])
    step("ping", f"{result['rtt_fallback_ms']:.1f} ms by relay")
    healed = time.time()
    lab.heal()
    step("direct path healed", "", at=healed)
    back = wait_until("both are direct again", lambda: changed_to("udp", healed, uk, belgium), seconds=20)
    step("direct again", f"{(back - healed) * 1000:.0f} ms after the healing", at=back)
    proven = [event.time for host in (uk, belgium) for event in host.events(healed, "direct path proven")[:1]]
    closed = "relay not needed: every peer is reached directly"
    wait_until("the relay connections are closed again", lambda: all(host.events(healed, closed) for host in (uk, belgium)))
    step("relay connections closed again", at=max(host.events(healed, closed)[0].time for host in (uk, belgium)))
    return [
        (began, healed, "udp", "relay", (fell - began) * 1000),
        (healed, float("inf"), "relay", "udp", (back - min(proven, default=healed)) * 1000)]


def checks(result):
    planned = [item for item in result["migrations"] if item["to"] == "udp"]
    clean = all(item["frames_sent"] and not (item["lost"] or item["reordered"] or item["duplicated"]) for item in planned)
    return [
        ("direct within 3 round trips and 200 ms", result["established_to_direct_ms"] <= UP_MS_MAX,
         f"{result['established_to_direct_ms']:.0f} ms of {UP_MS_MAX} ms"),
        ("round trip is that of the direct path", 28 <= result["rtt_direct_ms"] <= 40, f"{result['rtt_direct_ms']:.1f} ms"),
        ("relay to direct: nothing lost, moved or doubled", clean and len(planned) == 2,
         ", ".join(f"{item['frames_sent']} frames" for item in planned)),
        ("traffic direct, none at the relay",
         result["direct_bytes"] > 0 and result["relay_bytes_after_direct"] == 0,
         f"{result['direct_bytes']} and {result['relay_bytes_after_direct']} bytes"),
        ("relay connections closed", result["relay_connection_closed"], ""),
        ("outage when the direct path is cut", 0 < result["outage_ms"] <= OUTAGE_MS_MAX,
         f"{result['outage_ms']:.0f} ms of {OUTAGE_MS_MAX} ms"),
        ("back on the relay after the cut", 75 <= result["rtt_fallback_ms"] <= 95, f"{result['rtt_fallback_ms']:.1f} ms"),
        ("TCP transfer across all of it", result["tcp_checksum_ok"], f"{(result['tcp_bytes'] or 0) / 1e6:.1f} MB"),
    ]
