"""The show of demo.sh: starts relay and hosts, watches them meet, uses the tunnel, and writes what it measured.

Usage: demo.py OUT-FILE [keep], with LAB_PREFIX, LAB_DIRECTORY and SHADOWMESH in the environment.
"""

import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

PREFIX, DIRECTORY = os.environ["LAB_PREFIX"], pathlib.Path(os.environ["LAB_DIRECTORY"])
SHADOWMESH = os.environ["SHADOWMESH"]
LAB = pathlib.Path(__file__).parent
TAP = "chr-001"
ADDRESS = {"uk-vps": "10.10.10.3", "belgium-rpi": "10.10.10.4"}
MARKER = b"SHADOWMESH-CLEAR"  # 16 bytes, as many as ping -p repeats
HANDSHAKES = 20  # the median of this many is reported
ROTATIONS = 10
STARTED = time.monotonic()

processes = []


def say(text=""):
    print(text, flush=True)


def step(text, detail=""):
    say(f"  {time.monotonic() - STARTED:6.2f} s  {text:<34} {detail}")


class Failure(Exception):
    """Something the demo needs did not happen."""


def inside(site, *command):
    return ["ip", "netns", "exec", f"{PREFIX}-{site}", *command]


def run(site, *command, timeout=30):
    return subprocess.run(inside(site, *command), capture_output=True, text=True, timeout=timeout)


def start(site, label, *command):
    """Starts a process of the lab: written down as lab.sh does, so that it is ended whatever happens."""
    with open(DIRECTORY / f"{label}.log", "ab") as log:
        process = subprocess.Popen(
            inside(site, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
    with open(DIRECTORY / "processes", "a") as file:
        file.write(f"{process.pid} {fields[19]} {label}\n")
    processes.append(process)
    return process


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=8)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    processes.remove(process)


def wait_until(what, condition, seconds=15, pause=0.02):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds} s in vain until {what}; logs are in {DIRECTORY}")
        time.sleep(pause)


def start_node(site):
    return start(site, site, SHADOWMESH, "up", "--config", str(DIRECTORY / f"{site}.yaml"))


def status(site):
    answer = subprocess.run(
        [SHADOWMESH, "status", "--json", "--socket", str(DIRECTORY / f"{site}.sock")], capture_output=True, text=True)
    return json.loads(answer.stdout) if answer.returncode == 0 else None


def peer(site):
    state = status(site)
    return state["peers"][0] if state else None


def is_established(site):
    state = peer(site)
    return state and state["state"] == "established" and state.get("handshake") and state


def resident_bytes(process):
    # `ip netns exec` replaces itself by the command, so the process is the daemon.
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) * 1024


def show_steps(site, shown):
    state = peer(site)
    for item in state["steps"] if state else []:
        if item["name"] not in shown:
            shown[item["name"]] = item["microseconds"] / 1000
            step(item["name"], f"{site}, {item['microseconds'] / 1000:.0f} ms after its start")


def meet(result):
    say("A relay and two hosts that know only each other's ID, 40 ms from the relay each:")
    relay = start("relay", "relay", SHADOWMESH, "relay", "run", "--config", str(DIRECTORY / "relay.yaml"))
    wait_until("the relay listens", lambda: run("relay", "ss", "-Hltn", "sport = :443").stdout.strip())
    step("relay listens", "198.51.100.1:443, TLS 1.3")
    nodes = {"uk-vps": start_node("uk-vps"), "belgium-rpi": start_node("belgium-rpi")}
    shown = {site: {} for site in nodes}
    ping = None

    def met():
        nonlocal ping
        for site in nodes:
            show_steps(site, shown[site])
        if ping is None and all(is_established(site) for site in nodes):
            ping = start("uk-vps", "first-ping", "ping", "-c", "3", "-i", "0.2", ADDRESS["belgium-rpi"])
        return all("first frame" in shown[site] for site in nodes)

    wait_until("both hosts have a session and frames", met)
    result["steps"] = [
        {"name": f"{site}: {name}", "ms": round(ms, 2)} for site in nodes for name, ms in shown[site].items()]
    return relay, nodes


def use(result):
    say("\nThe tunnel, used:")
    other = ADDRESS["belgium-rpi"]
    text = run("uk-vps", "ping", "-c", "15", "-i", "0.2", "-q", other).stdout
    result["ping_loss"] = float(re.search(r"([\d.]+)% packet loss", text).group(1)) / 100
    result["rtt_relay_ms"] = float(re.search(r"= [\d.]+/([\d.]+)/", text).group(1))
    step("ping through the relay", f"{result['rtt_relay_ms']:.1f} ms, {result['ping_loss']:.0%} lost")
    text = subprocess.run(
        [SHADOWMESH, "ping", "belgium-rpi", "-c", "3", "--socket", str(DIRECTORY / "uk-vps.sock")],
        capture_output=True, text=True).stdout
    step("shadowmesh ping", text.splitlines()[0] if text else "no answer")

    neighbour = run("uk-vps", "ip", "neigh", "show", other, "dev", TAP).stdout
    result["arp"] = "lladdr" in neighbour
    step("ARP", neighbour.strip())
    text = run("belgium-rpi", "ip", "-6", "-o", "address", "show", "dev", TAP, "scope", "link").stdout
    link_local = re.search(r"inet6 (fe80:\S+)/", text).group(1)
    result["neighbour_discovery"] = run("uk-vps", "ping", "-6", "-c", "2", "-W", "2", f"{link_local}%{TAP}").returncode == 0
    neighbour = run("uk-vps", "ip", "-6", "neigh", "show", link_local, "dev", TAP).stdout
    step("IPv6 neighbour discovery", neighbour.strip())
    result["dhcp_lease"] = lease()
    step("DHCP lease across the tunnel", result["dhcp_lease"] or "none")

    server = start("belgium-rpi", "iperf-server", "iperf3", "-s", "-1", "-B", other)
    wait_until("iperf3 listens", lambda: run("belgium-rpi", "ss", "-Hltn", "sport = :5201").stdout.strip())
    answer = run("uk-vps", "iperf3", "-c", other, "-t", "5", "-J", timeout=60)
    result["tcp_relay_mbps"] = round(json.loads(answer.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6, 1)
    stop(server)
    step("iperf3, one TCP stream", f"{result['tcp_relay_mbps']} Mbit/s through the relay")


def lease():
    """A DHCP server on one host, a client on the other; the client's script only prints what it was given."""
    script = DIRECTORY / "lease.sh"
    script.write_text('#!/bin/sh\n[ "$1" = bound ] && echo "lease $ip"\nexit 0\n')
    script.chmod(0o755)
    server = start(
        "belgium-rpi", "dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0",
        f"--interface={TAP}", "--bind-interfaces", "--dhcp-range=10.10.10.100,10.10.10.150,1h", "--dhcp-authoritative",
        "--no-ping", f"--dhcp-leasefile={DIRECTORY}/leases", "--log-facility=-", "--user=root")
    wait_until("dnsmasq serves DHCP", lambda: run("belgium-rpi", "ss", "-Hlun", "sport = :67").stdout.strip())
    text = run("uk-vps", "busybox", "udhcpc", "-i", TAP, "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", str(script)).stdout
    stop(server)
    found = re.search(r"lease (\S+)", text)
    return found.group(1) if found else None


def look_for_plaintext(result):
    say("\nWhat the relay's host sees:")
    capture = {"relay": "wan0", "uk-vps": TAP}
    dumps = {
        site: start(site, f"dump-{site}", "tcpdump", "-i", device, "-U", "-s", "0", "-w", str(DIRECTORY / f"{site}.pcap"))
        for site, device in capture.items()}
    for site in capture:
        wait_until("tcpdump captures", lambda: (DIRECTORY / f"{site}.pcap").exists())
    run("uk-vps", "ping", "-c", "5", "-i", "0.2", "-s", "200", "-p", MARKER.hex(), ADDRESS["belgium-rpi"])
    time.sleep(0.3)  # tcpdump hands its last packets over within this; the check below would fail without them
    for process in dumps.values():
        stop(process)
    seen = {site: (DIRECTORY / f"{site}.pcap").read_bytes() for site in capture}
    result["plaintext_at_relay"] = MARKER in seen["relay"]
    # The check can only pass when the same search finds the marker where it must be.
    result["plaintext_at_tap"] = MARKER in seen["uk-vps"]
    result["relay_capture_bytes"] = len(seen["relay"])
    step("marker in frames on the TAP", "found" if result["plaintext_at_tap"] else "NOT FOUND")
    step(
        "marker at the relay", f"{'FOUND' if result['plaintext_at_relay'] else 'not found'} in {len(seen['relay'])} bytes")


def rotate(result):
    say(f"\n{ROTATIONS} rotations of all keys under load:")
    before = peer("uk-vps")["session"]["rekeys"]
    answer = start(
        "belgium-rpi", "stream-receiver", sys.executable, str(LAB / "stream.py"), "receive", ADDRESS["belgium-rpi"],
        str(DIRECTORY / "stream.json"))
    wait_until("the receiver listens", lambda: run("belgium-rpi", "ss", "-Hlun", "sport = :9").stdout.strip())
    sender = start(
        "uk-vps", "stream-sender", sys.executable, str(LAB / "stream.py"), "send", ADDRESS["belgium-rpi"],
        str(DIRECTORY / "stream-sent.json"), "2000")

    def rotations():
        return peer("uk-vps")["session"]["rekeys"] - before

    wait_until(f"{ROTATIONS} rotations are done", lambda: rotations() >= ROTATIONS, seconds=30, pause=0.2)
    result["rekeys"] = rotations()
    stop(sender)
    time.sleep(0.5)  # what is still under way: six one-way delays
    stop(answer)
    sent = json.loads((DIRECTORY / "stream-sent.json").read_text())["sent"]
    received = json.loads((DIRECTORY / "stream.json").read_text())
    result["rekey_frames_sent"] = sent
    result["rekey_frames_lost"] = sent - received["received"]
    result["rekey_frames_reordered"] = received["reordered"]
    step(f"{result['rekeys']} rotations", f"{sent} frames sent, {result['rekey_frames_lost']} lost")


def handshakes(result, nodes):
    say(f"\n{HANDSHAKES} handshakes through the relay (one host is restarted each time):")
    walls, processor, sizes = [], [], []
    for _ in range(HANDSHAKES):
        old = peer("belgium-rpi")["session"]["id"]
        stop(nodes["uk-vps"])
        nodes["uk-vps"] = start_node("uk-vps")

        def both():
            states = [is_established(site) for site in nodes]
            return all(states) and states[0].get("session") and states[1].get("session") and \
                states[0]["session"]["id"] == states[1]["session"]["id"] != old and states

        ends = wait_until("both hosts have the new session", both, pause=0.05)
        walls.append(max(end["handshake"]["duration_microseconds"] for end in ends) / 1000)
        processor.append(sum(end["handshake"]["cpu_microseconds"] for end in ends) / 1000)
        sizes.append(ends[0]["handshake"]["bytes"])
    result["handshake_ms"] = round(statistics.median(walls), 2)
    result["handshake_cpu_ms"] = round(statistics.median(processor), 2)
    result["handshake_bytes"] = statistics.median(sizes)
    step(
        "median handshake", f"{result['handshake_ms']} ms, {result['handshake_cpu_ms']} ms CPU of both, "
        f"{result['handshake_bytes']:.0f} bytes")


def checks(result):
    limit = 2.5 * result["rtt_relay_ms"] + result["handshake_cpu_ms"]
    return [
        ("ping lost nothing", result["ping_loss"] == 0, f"{result['ping_loss']:.0%} lost"),
        ("round trip is that of the relay's path", 75 <= result["rtt_relay_ms"] <= 95, f"{result['rtt_relay_ms']:.1f} ms"),
        ("ARP and neighbour discovery", result["arp"] and result["neighbour_discovery"], ""),
        ("DHCP lease", bool(result["dhcp_lease"]), result["dhcp_lease"] or ""),
        ("TCP through the relay", result["tcp_relay_mbps"] > 1, f"{result['tcp_relay_mbps']} Mbit/s"),
        ("plaintext on the TAP, none at the relay",
         result["plaintext_at_tap"] and not result["plaintext_at_relay"], ""),
        ("no frame lost in key rotations", result["rekeys"] >= ROTATIONS and result["rekey_frames_lost"] == 0,
         f"{result['rekeys']} rotations, {result['rekey_frames_sent']} frames"),
        ("handshake under 30 ms of CPU", result["handshake_cpu_ms"] < 30, f"{result['handshake_cpu_ms']} ms"),
        ("handshake within 2.5 round trips plus that", result["handshake_ms"] <= limit,
         f"{result['handshake_ms']} ms of {limit:.0f} ms"),
        ("less than 40 MB of memory each", all(size < 40e6 for size in result["rss_bytes"].values()),
         ", ".join(f"{site} {size / 1e6:.1f} MB" for site, size in result["rss_bytes"].items())),
    ]


def main():
    out, keep = pathlib.Path(sys.argv[1]), "keep" in sys.argv[2:]
    result = {"passed": False}
    try:
        relay, nodes = meet(result)
        use(result)
        look_for_plaintext(result)
        rotate(result)
        result["rss_bytes"] = {
            "relay": resident_bytes(relay), **{site: resident_bytes(node) for site, node in nodes.items()}}
        handshakes(result, nodes)
        table = checks(result)
        result["passed"] = all(holds for _, holds, _ in table)
        say("\n" + "\n".join(f"  {'ok  ' if holds else 'FAIL'}  {name:<46} {detail}" for name, holds, detail in table))
    except Failure as failure:
        result["failure"] = str(failure)
        say(f"\n  FAIL  {failure}")
        for log in sorted(DIRECTORY.glob("*.log")):
            say(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]))
    finally:
        if not (keep and result["passed"]):
            for process in list(reversed(processes)):
                stop(process)
        out.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    say(f"\n{'All holds' if result['passed'] else 'NOT all holds'}; {time.monotonic() - STARTED:.0f} s; figures in {out.resolve()}")
    if keep and result["passed"]:
        say(f"\nLeft up. Try:\n  ip netns exec {PREFIX}-uk-vps ping {ADDRESS['belgium-rpi']}\n"
            f"  {SHADOWMESH} status --socket {DIRECTORY}/uk-vps.sock\n  Lab/clear.sh   when done")
    sys.exit(0 if result["passed"] else 1)


main()
