"""The demo's first part: two hosts that cannot reach each other meet at the relay and use the tunnel through it."""

import json
import re
import statistics

import lab
from hosts import OVERLAY, TAP, Host, Relay, memory_of, resident_bytes, wait_established
from lab import run, say, start, stop, wait_until
from show import step
from traffic import Streams

MARKER = b"SHADOWMESH-CLEAR"  # 16 bytes, as many as ping -p repeats
HANDSHAKES = 20  # the median of this many is reported
ROTATIONS = 10
OTHER = OVERLAY["belgium-rpi"]


def show(result):
    """Shows it all; the relay, still running."""
    lab.cut()
    relay, uk, belgium = meet()
    use(result, uk, belgium)
    rotate(result, uk)
    result["rss_bytes"] = {
        "relay": resident_bytes(relay.process), **{host.site: host.resident_bytes() for host in (uk, belgium)}}
    # After that: a look into a process's memory makes it resident.
    look_for_plaintext(result, relay, uk)
    handshakes(result, uk, belgium)
    for host in (uk, belgium):
        host.stop()
    return relay


def meet():
    say("A relay and two hosts that know only each other's ID, 40 ms from the relay each, no way between them yet:")
    relay = Relay().start()
    step("relay listens", f"{relay.host}:443, TLS 1.3")
    hosts = [Host(site, [relay], key_rotation_interval=1).start() for site in OVERLAY]
    wait_established(*hosts)
    step("session", "end to end, through the relay")
    return relay, *hosts


def use(result, uk, belgium):
    text = run("uk-vps", "ping", "-c", "10", "-i", "0.2", OTHER).stdout
    result["ping_loss"] = float(re.search(r"([\d.]+)% packet loss", text).group(1)) / 100
    times = [float(time) for time in re.findall(r"time=([\d.]+) ms", text)]
    result["rtt_relay_ms"] = statistics.median(times) if times else 0.0
    step("ping through the relay", f"{result['rtt_relay_ms']:.1f} ms, {result['ping_loss']:.0%} lost")
    text = uk.control("ping", "belgium-rpi", "-c", "2").stdout
    step("shadowmesh ping", text.splitlines()[0] if text else "no answer")

    neighbour = run("uk-vps", "ip", "neigh", "show", OTHER, "dev", TAP).stdout
    result["arp"] = "lladdr" in neighbour
    step("ARP", neighbour.strip())
    text = run("belgium-rpi", "ip", "-6", "-o", "address", "show", "dev", TAP, "scope", "link").stdout
    link_local = re.search(r"inet6 (fe80:\S+)/", text).group(1)
    result["neighbour_discovery"] = run("uk-vps", "ping", "-6", "-c", "2", "-W", "2", f"{link_local}%{TAP}").returncode == 0
    neighbour = run("uk-vps", "ip", "-6", "neigh", "show", link_local, "dev", TAP).stdout
    step("IPv6 neighbour discovery", neighbour.strip())
    result["dhcp_lease"] = lease()
    step("DHCP lease across the tunnel", result["dhcp_lease"] or "none")

    server = start("belgium-rpi", "iperf-server", "iperf3", "-s", "-1", "-B", OTHER)
    lab.wait_for_listener("belgium-rpi", 5201)
    answer = run("uk-vps", "iperf3", "-c", OTHER, "-t", "3", "-J", timeout=60)
    result["tcp_relay_mbps"] = round(json.loads(answer.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6, 1)
    stop(server)
    step("iperf3, one TCP stream", f"{result['tcp_relay_mbps']} Mbit/s through the relay")
    result["relay_path"] = all(host.path().startswith("relay") for host in (uk, belgium))


def lease():
    """A DHCP server on one host, a client on the other; the client's script only prints what it was given."""
    script = lab.DIRECTORY / "lease.sh"
    script.write_text('#!/bin/sh\n[ "$1" = bound ] && echo "lease $ip"\nexit 0\n')
    script.chmod(0o755)
    server = start(
        "belgium-rpi", "dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0",
        f"--interface={TAP}", "--bind-interfaces", "--dhcp-range=10.10.10.100,10.10.10.150,1h", "--dhcp-authoritative",
        "--no-ping", f"--dhcp-leasefile={lab.DIRECTORY}/leases", "--log-facility=-", "--user=root")
    lab.wait_for_listener("belgium-rpi", 67, udp=True)
    text = run("uk-vps", "udhcpc", "-i", TAP, "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", str(script)).stdout
    stop(server)
    found = re.search(r"lease (\S+)", text)
    return found.group(1) if found else None


def look_for_plaintext(result, relay, uk):
    captures = [lab.Capture(site, f"plain-{site}", device) for site, device in (("relay", "wan0"), ("uk-vps", TAP))]
    run("uk-vps", "ping", "-c", "5", "-i", "0.2", "-s", "200", "-p", MARKER.hex(), OTHER)
    at_relay, at_tap = (b"".join(bytes(packet) for _, _, packet in capture.finish()) for capture in captures)
    memory = memory_of(relay.process)
    result["plaintext_at_relay"] = MARKER in at_relay or MARKER in memory
    # The check can only pass when the same searches find the marker where it must be.
    result["plaintext_at_tap"] = MARKER in at_tap
    result["plaintext_in_node"] = MARKER in memory_of(uk.process)
    result["relay_capture_bytes"] = len(at_relay)
    is_shown = result["plaintext_at_tap"] and result["plaintext_in_node"]
    step("marker in frames on the TAP and in the node", "found" if is_shown else "NOT FOUND")
    step("marker at the relay", f"{'FOUND' if result['plaintext_at_relay'] else 'not found'} in {len(at_relay)} bytes"
         f" on its links and {len(memory) / 1e6:.0f} MB of its memory")


def rotate(result, uk):
    before = uk.peer()["session"]["rekeys"]
    streams = Streams(rate=2000, size=200, both=False)

    def rotations():
        return uk.peer()["session"]["rekeys"] - before

    wait_until(f"{ROTATIONS} rotations are done", lambda: rotations() >= ROTATIONS, seconds=30, pause=0.2)
    result["rekeys"] = rotations()
    count = streams.finish().count()
    result["rekey_frames_sent"], result["rekey_frames_lost"] = count.sent, count.lost
    result["rekey_frames_reordered"] = count.reordered
    step(f"{result['rekeys']} rotations of all keys", f"{count.sent} frames sent meanwhile, {count.lost} lost")


def handshakes(result, uk, belgium):
    walls, processor, sizes = [], [], []
    for _ in range(HANDSHAKES):
        old = belgium.peer()["session"]["id"]
        uk.stop()
        uk.start()

        def both():
            states = [established(host) for host in (uk, belgium)]
            names = {state["session"]["id"] if state and "session" in state else None for state in states}
            return len(names) == 1 and names.isdisjoint({old, None}) and states

        ends = wait_until("both hosts have the new session", both, pause=0.05)
        walls.append(max(end["handshake"]["duration_microseconds"] for end in ends) / 1000)
        processor.append(sum(end["handshake"]["cpu_microseconds"] for end in ends) / 1000)
        sizes.append(ends[0]["handshake"]["bytes"])
    result["handshake_ms"] = round(statistics.median(walls), 2)
    result["handshake_cpu_ms"] = round(statistics.median(processor), 2)
    result["handshake_bytes"] = statistics.median(sizes)
    step(
        f"median of {HANDSHAKES} handshakes", f"{result['handshake_ms']} ms, {result['handshake_cpu_ms']} ms CPU of both, "
        f"{result['handshake_bytes']:.0f} bytes")


def established(host):
    state = host.peer()
    return state and state["state"] == "established" and state.get("handshake") and state


def checks(result):
    limit = 2.5 * result["rtt_relay_ms"] + result["handshake_cpu_ms"]
    return [
        ("first part on the relay's path", result["relay_path"], ""),
        ("ping lost nothing", result["ping_loss"] == 0, f"{result['ping_loss']:.0%} lost"),
        ("round trip is that of the relay's path", 75 <= result["rtt_relay_ms"] <= 95, f"{result['rtt_relay_ms']:.1f} ms"),
        ("ARP and neighbour discovery", result["arp"] and result["neighbour_discovery"], ""),
        ("DHCP lease", bool(result["dhcp_lease"]), result["dhcp_lease"] or ""),
        ("TCP through the relay", result["tcp_relay_mbps"] > 1, f"{result['tcp_relay_mbps']} Mbit/s"),
        ("plaintext on the TAP, none at the relay",
         result["plaintext_at_tap"] and result["plaintext_in_node"] and not result["plaintext_at_relay"], ""),
        ("no frame lost in key rotations", result["rekeys"] >= ROTATIONS and result["rekey_frames_lost"] == 0,
         f"{result['rekeys']} rotations, {result['rekey_frames_sent']} frames"),
        ("handshake under 30 ms of CPU", result["handshake_cpu_ms"] < 30, f"{result['handshake_cpu_ms']} ms"),
        ("handshake within 2.5 round trips plus that", result["handshake_ms"] <= limit,
         f"{result['handshake_ms']} ms of {limit:.0f} ms"),
        ("less than 40 MB of memory each", all(size < 40e6 for size in result["rss_bytes"].values()),
         ", ".join(f"{site} {size / 1e6:.1f} MB" for site, size in result["rss_bytes"].items())),
    ]
