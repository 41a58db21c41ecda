"""The path scenarios of paths.py, in the order they run; each is a function of a `Scenario` with its own network."""

import signal
import time

import lab
from hosts import SITES, TAP, identities, outlive_trial
from lab import ADDRESS4, ADDRESS6, SPARE4

UK, BELGIUM = SITES
# 3 round trips by relay and 200 ms.
UP_MS_MAX = 3 * 80 + 200
# DESIGN section 7: with the relay on standby, and with the relay disconnected and 40 ms away.
OUTAGE_STANDBY_MS, OUTAGE_DISCONNECT_MS = 1000, 1500
ROAMING_MS = 1000

SCENARIOS = []


def scenario(function):
    SCENARIOS.append((function.__name__.replace("_", "-"), function))
    return function


def up(s, prefix, seconds=15, **settings):
    """The hosts meet, take the expected path, and traffic runs for a while."""
    s.meet(**settings)
    s.stream()
    s.wait(prefix, seconds)
    s.verdict.note(f"direct after {s.settled_in(prefix)} ms")


def stay(s, prefix, seconds=2):
    """Nothing of the stream is lost, moved or doubled while the hosts take such a path and for a while on it."""
    time.sleep(seconds)
    s.finish(prefix)
    s.expect_clean()


# Where a path is found


@scenario
def routed(s):
    up(s, "udp")
    taken = s.settled_in("udp")
    s.verdict.expect(taken is not None and taken <= UP_MS_MAX, f"direct only after {taken} ms, {UP_MS_MAX} ms allowed")
    stay(s, "udp")


@scenario
def same_lan(s):
    namespaces = {site: f"{lab.PREFIX}-{site}" for site in SITES}
    s.ip(UK, f"link add lan0 type veth peer name lan0 netns {namespaces[BELGIUM]}", "link delete lan0")
    for site, address in zip(SITES, ("192.168.7.1", "192.168.7.2")):
        lab.must(site, "ip", "address", "add", f"{address}/24", "dev", "lan0")
        lab.must(site, "ip", "link", "set", "lan0", "up")
    up(s, "udp")
    # The path through the LAN is there within the first attempt; it may have begun with a longer one.
    for host, address in zip(s.hosts, ("192.168.7.2", "192.168.7.1")):
        lab.wait_until(
            f"{host.site} uses the LAN", lambda: address in host.path() or "fe80:" in host.path(), 10, pause=0.1)
    stay(s, "udp")


@scenario
def udp_blocked_on_one_side(s):
    s.block(UK, "out meta l4proto udp oifname wan0 drop", "in meta l4proto udp iifname wan0 drop")
    up(s, "wss")
    stay(s, "wss")


@scenario
def udp_blocked_on_both_sides(s):
    for site in SITES:
        s.block(site, "out meta l4proto udp oifname wan0 drop", "in meta l4proto udp iifname wan0 drop")
    up(s, "wss")
    stay(s, "wss")


ONLY_443 = (
    "out oifname wan0 tcp dport 443 accept", "out oifname wan0 ct state established accept", "out oifname wan0 drop",
    "in iifname wan0 ct state established accept", "in iifname wan0 drop")


@scenario
def only_443_outbound(s):
    for site in SITES:
        s.block(site, *ONLY_443)
    s.meet()
    s.stream()
    # Longer than an attempt (5 s): by then everything was tried.
    time.sleep(7)
    stay(s, "relay", 0)


@scenario
def only_443_outbound_to_a_listener(s):
    s.block(UK, *ONLY_443)
    up(s, "wss", each={BELGIUM: {"listen": f"{ADDRESS4[BELGIUM]}:443"}})
    stay(s, "wss")


@scenario
def ipv6_only(s):
    without_ipv4(s, *SITES)
    s.relay(version6=True)
    up(s, "udp [")
    stay(s, "udp [")


def without_ipv4(s, *sites):
    for site in sites:
        s.callback(lab.restore_addresses, site)
        lab.must(site, "ip", "-4", "address", "flush", "dev", "wan0")


@scenario
def broken_ipv4(s):
    for site in SITES:
        s.block(site, "out oifname wan0 meta nfproto ipv4 drop")
    s.relay(version6=True)
    up(s, "udp [")
    stay(s, "udp [")


@scenario
def junk_candidates(s):
    # 16 addresses that lead nowhere, each named to the peer as one of this host's.
    s.ip(UK, "link add junk0 type veth peer name junk1", "link delete junk0")
    for number in range(16):
        lab.must(UK, "ip", "address", "add", f"10.77.{number}.1/24", "dev", "junk0")
    for device in ("junk0", "junk1"):
        lab.must(UK, "ip", "link", "set", device, "up")
    up(s, "udp")
    taken = s.settled_in("udp")
    s.verdict.expect(taken is not None and taken <= UP_MS_MAX, f"direct only after {taken} ms, {UP_MS_MAX} ms allowed")
    stay(s, "udp")


# When it fails


def cut_and_heal(s, most, **settings):
    up(s, "udp", **settings)
    if settings.get("after_direct") == "disconnect":
        closed = "relay not needed: every peer is reached directly"
        lab.wait_until("the relay connections are closed", lambda: all(host.events(message=closed) for host in s.hosts))
    outlive_trial(s.hosts)
    began = time.time()
    s.cut()
    s.wait("relay", 5)
    time.sleep(1)
    healed = time.time()
    lab.heal()
    s.wait("udp", 70)
    s.verdict.note(f"direct again {time.time() - healed:.1f} s after the healing")
    time.sleep(1)
    s.finish("udp", began - 1, healed)
    s.expect_outage(most)
    after_doubt(s, began, healed)
    return_is_clean(s, healed)


def after_doubt(s, began, end):
    """Only what was sent before the path was in doubt may be lost."""
    doubt = s.suspected(began)
    s.verdict.expect(doubt is not None, "the path was never in doubt")
    if doubt is not None:
        # A log line has whole milliseconds, and the other side may doubt later: each side's own frames count.
        for host, recording in zip(s.hosts, s.streams.recordings):
            own = host.events(began, "path in doubt")
            late = recording.lost_sent_after(own[0].time + 0.01, end) if own else 0
            s.verdict.expect(late == 0, f"{late} frames lost that {host.site} sent when the path was in doubt already")
        s.verdict.note(f"in doubt after {(doubt - began) * 1000:.0f} ms")


def return_is_clean(s, healed):
    back = s.streams.count(healed)
    s.verdict.expect(
        back.is_clean(), f"on the way back {back.lost} lost, {back.reordered} reordered, {back.duplicated} duplicated")


@scenario
def cut_and_heal_with_the_relay_on_standby(s):
    cut_and_heal(s, OUTAGE_STANDBY_MS)


@scenario
def cut_and_heal_with_the_relay_disconnected(s):
    cut_and_heal(s, OUTAGE_DISCONNECT_MS, after_direct="disconnect")


@scenario
def one_way_loss(s):
    up(s, "udp")
    time.sleep(1)
    began = time.time()
    s.block(BELGIUM, *(f"in iifname wan0 {family} saddr {address[UK]} drop" for family, address in (
        ("ip", ADDRESS4), ("ip6", ADDRESS6))))
    s.wait("relay", 5)
    time.sleep(2)
    end = time.time()
    s.finish("relay", began - 1, end)
    s.expect_outage(OUTAGE_STANDBY_MS)
    after_doubt(s, began, end)


@scenario
def answers_probes_but_drops_data(s):
    # Challenges have 1,200 bytes or more, polls are small; the data here lies between. TCP between the hosts is closed,
    # so that only the relay is left.
    for site in SITES:
        other = BELGIUM if site == UK else UK
        s.block(
            site, "in iifname wan0 udp sport != { 3478, 3479 } udp length 100-1190 drop",
            f"in iifname wan0 ip saddr {ADDRESS4[other]} meta l4proto tcp drop",
            f"in iifname wan0 ip6 saddr {ADDRESS6[other]} meta l4proto tcp drop")
    began = time.time()
    s.meet()
    s.stream(size=800)
    time.sleep(8)
    s.finish("relay", began)
    s.expect_outage(OUTAGE_STANDBY_MS)
    tried = any(host.events(message="path changed", to="udp") for host in s.hosts)
    s.verdict.note("the path was taken and left" if tried else "the path was never taken")


@scenario
def address_change_under_load(s):
    # One address only, so that it is the one in use that goes.
    s.callback(lab.restore_addresses, UK)
    lab.must(UK, "ip", "-6", "address", "flush", "dev", "wan0", "scope", "global")
    up(s, "udp")
    time.sleep(1)
    lab.must(UK, "ip", "address", "delete", f"{ADDRESS4[UK]}/32", "dev", "wan0")
    time.sleep(0.3)
    lab.must(UK, "ip", "address", "add", f"{SPARE4[UK]}/32", "dev", "wan0")
    lab.must(UK, "ip", "route", "replace", "default", "dev", "wan0", "src", SPARE4[UK])
    usable = time.time()
    flows_again(s, usable)


@scenario
def interface_down_and_up(s):
    up(s, "udp")
    time.sleep(1)
    s.callback(lab.restore_addresses, UK)
    s.ip(UK, "link set wan0 down", "link set wan0 up")
    time.sleep(0.3)
    lab.must(UK, "ip", "link", "set", "wan0", "up")
    lab.restore_addresses(UK)
    flows_again(s, time.time())


def flows_again(s, usable):
    """Traffic flows within a second of an address being usable, in the same session."""
    time.sleep(4)
    s.wait("udp", 10)
    s.finish("udp", usable - 1)
    flows = [recording.first_arrival(usable) for recording in s.streams.recordings]
    s.verdict.expect(all(flows), "no traffic at the new address")
    if all(flows):
        took = (max(flows) - usable) * 1000
        s.verdict.expect(took <= ROAMING_MS, f"traffic only {took:.0f} ms after the address was usable")
        s.verdict.note(f"traffic {took:.0f} ms after the address was usable")
    expect_one_handshake(s)


def expect_one_handshake(s):
    handshakes = max(len(host.events(message="session established")) for host in s.hosts)
    s.verdict.expect(handshakes == 1, f"the session did not go on: {handshakes} handshakes")


def expect_resumed(s, outage_ms_max):
    s.verdict.expect(s.verdict.count.outage_ms <= outage_ms_max, f"outage {s.verdict.count.outage_ms:.0f} ms")
    s.verdict.expect(s.verdict.count.duplicated == 0, "frames came twice")
    expect_one_handshake(s)


# Relays


@scenario
def relay_restart_on_a_direct_path(s):
    relay = s.relay()
    up(s, "udp")
    time.sleep(1)
    began = time.time()
    relay.stop(signal.SIGKILL)
    time.sleep(1)
    relay.start()
    lab.wait_until("both are at the relay again", lambda: all(
        host.events(began, "relay connected") for host in s.hosts), 20)
    stay(s, "udp", 1)


@scenario
def relay_restart_on_the_relay(s):
    relay = s.relay()
    s.meet(mode="relay")
    s.stream()
    time.sleep(1)
    began = time.time()
    relay.stop(signal.SIGKILL)
    relay.start()
    lab.wait_until("both are at the relay again", lambda: all(
        host.events(began, "relay connected") for host in s.hosts), 20)
    lab.wait_until("frames arrive", s.streams.flowing)
    time.sleep(2)
    s.finish("relay", began - 1)
    expect_resumed(s, 5000)


@scenario
def relay_replaced_by_another(s):
    relays = [s.relay("relay"), s.relay("relay-2")]
    s.meet(mode="relay")
    s.stream()
    time.sleep(1)
    used = s.hosts[0].path()
    began = time.time()
    # A path names its relay by the beginning of its ID.
    next(relay for relay in relays if identities[relay.site].startswith(used.split(" ")[1])).stop(signal.SIGKILL)
    lab.wait_until("frames arrive", s.streams.flowing)
    time.sleep(2)
    s.finish("relay", began - 1)
    s.verdict.expect(s.hosts[0].path() != used, "the path is still that of the relay that is gone")
    expect_resumed(s, 2000)


@scenario
def both_relays_lost(s):
    relays = [s.relay("relay"), s.relay("relay-2")]
    up(s, "udp")
    time.sleep(1)
    began = time.time()
    for relay in relays:
        relay.stop(signal.SIGKILL)
    time.sleep(2)
    without = time.time()
    # Now the direct path as well: nothing is left, until the relays are back.
    s.cut()
    time.sleep(3)
    for relay in relays:
        relay.start()
    back = time.time()
    s.wait("relay", 30)
    lab.wait_until("frames arrive", s.streams.flowing)
    again = time.time()
    time.sleep(1)
    s.finish("relay", back)
    direct = s.streams.count(began - 1, without - 0.1)
    s.verdict.expect(direct.is_clean(), f"{direct.lost} frames lost on the direct path when the relays went")
    s.verdict.note(f"found each other {again - back:.1f} s after the relays were back")
    # A host tries a relay again after 0.5 s, doubling: 4 s at most after the time this one was away.
    s.verdict.expect(again - back <= 8, f"found each other only {again - back:.1f} s after the relays were back")
    s.verdict.expect(s.verdict.count.duplicated == 0, "frames came twice")


# Rest


@scenario
def idle_pair(s):
    """One packet each way per heartbeat interval at most, when nobody has anything to say."""
    interval, span = 2, 10
    s.meet(after_direct="disconnect", heartbeat_interval=interval)
    for site in SITES:
        # The kernel's own multicast (neighbour and router discovery) would be frames to carry.
        lab.must(site, "sysctl", "-qw", f"net.ipv6.conf.{TAP}.disable_ipv6=1")
    s.stream(rate=100)
    s.wait("udp")
    closed = "relay not needed: every peer is reached directly"
    lab.wait_until("the relay connections are closed", lambda: all(host.events(message=closed) for host in s.hosts))
    s.finish("udp")
    s.expect_clean()
    time.sleep(3)
    captures = {site: lab.Capture(site, f"idle-{site}", "wan0", "-Q", "out", "not (udp and portrange 3478-3479)") for site in SITES}
    time.sleep(span)
    for site, capture in captures.items():
        sent = len(capture.finish())
        s.verdict.note(f"{site} sent {sent} packets in {span} s")
        s.verdict.expect(sent <= span // interval + 1, f"{site} sent {sent} packets in {span // interval} intervals")
