"""NAT boxes of the lab: namespaces of the kernel's own forwarding, conntrack and nftables, one kind of behaviour each.

    host namespace                 box namespace                                the WAN (lab.sh)
    192.168.N.2  port0 ----------- lan0 [bridge] 192.168.N.1   wan0 public --- emulator
    (two hosts on one LAN, or a second box between for a carrier's NAT)

How each behaviour of RFC 4787 is had from the kernel: conntrack maps each 5-tuple by itself. `snat` without a range keeps
the source port while it is free, which is endpoint-independent mapping as long as nothing else took the port: packets from
outside to ports that nobody has must therefore be dropped before conntrack confirms them (chain `strangers`). A port made
of the hash of the inner port gives the same mapping without keeping the port. Filtering by address and port is what
conntrack does anyway; less filtering is a `dnat` from a map of mappings that every outgoing packet refreshes, for the full
cone without, for the restricted cone with a set of the addresses that were sent to.
"""

import ctypes
import os
import socket
import struct
import threading
from dataclasses import dataclass

import lab

HASHED_FIRST, HASHED_COUNT = 20000, 30000
SEQUENTIAL_FIRST, SEQUENTIAL_COUNT = 30000, 4096


@dataclass(frozen=True)
class Kind:
    """What a NAT is meant to do, in the terms of RFC 4787, and what people call it."""

    name: str
    mapping: str  # none, endpoint-independent, address-and-port-dependent
    filtering: str  # endpoint-independent, address-dependent, address-and-port-dependent
    ports: str = "preserved"  # preserved, hashed, random, sequential
    carrier: str | None = None  # the kind of a second box, between this one and the WAN
    cone: str = ""  # the word a node is to find for it


INDEPENDENT, DEPENDENT, BY_ADDRESS = "endpoint-independent", "address-and-port-dependent", "address-dependent"

KINDS = {
    kind.name: kind for kind in (
        Kind("none", "none", INDEPENDENT, cone="none"),
        Kind("full-cone", INDEPENDENT, INDEPENDENT, cone="full cone"),
        Kind("restricted", INDEPENDENT, BY_ADDRESS, "hashed", cone="restricted cone"),
        Kind("port-restricted", INDEPENDENT, DEPENDENT, cone="port-restricted cone"),
        Kind("symmetric-random", DEPENDENT, DEPENDENT, "random", cone="symmetric"),
        Kind("symmetric-sequential", DEPENDENT, DEPENDENT, "sequential", cone="symmetric"),
        Kind("cgnat-port-restricted", INDEPENDENT, DEPENDENT, "hashed", carrier="port-restricted-hashed",
             cone="port-restricted cone"),
        Kind("cgnat-symmetric", DEPENDENT, DEPENDENT, "random", carrier="symmetric-random", cone="symmetric"),
        # Only as a carrier's box, to tell its mapping from that of the box at home.
        Kind("port-restricted-hashed", INDEPENDENT, DEPENDENT, "hashed", cone="port-restricted cone"),
    )
}
# Those of the matrix.
SIDES = [name for name in KINDS if name != "port-restricted-hashed"]


# What a gateway takes for an address of the Internet: ours are documentation's, which miniupnpd refuses to forward from. The
# test network of the radio amateurs (44.128.0.0/16) is routed nowhere.
def gateway_address(public):
    """The address of a site whose box forwards ports; see run.sh."""
    return f"44.128.{0 if public.startswith('203') else 1}.{public.rpartition('.')[2]}"


GATEWAY_RULES = """
table inet upnp {
chain forwarded { }
chain pass { type filter hook forward priority -1; jump forwarded; }
chain translated { }
chain in { type nat hook prerouting priority -101; iifname wan0 jump translated; }
chain masked { }
chain out { type nat hook postrouting priority 99; oifname wan0 jump masked; }
}
"""

GATEWAY_SETTINGS = """
ext_ifname=wan0
listening_ip=lan0
http_port=5000
ipv6_disable=yes
enable_natpmp={pmp}
enable_upnp={upnp}
min_lifetime=60
max_lifetime=86400
upnp_table_name=upnp
upnp_nat_table_name=upnp
upnp_forward_chain=forwarded
upnp_nat_chain=translated
upnp_nat_postrouting_chain=masked
system_uptime=yes
secure_mode=yes
uuid=7a2f0a9e-0000-4000-8000-{number:012d}
allow 1024-65535 192.168.0.0/16 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""


def rules(kind, public, lan, hairpin=False, udp_blocked=False, seconds=120):
    """The rules of a box of a kind, for nft; `lan` is the prefix behind it."""
    sequence = ", ".join(f"{number} : {SEQUENTIAL_FIRST + number}" for number in range(SEQUENTIAL_COUNT))
    port = {
        "preserved": "",
        # The kernel takes the number in the other byte order: any port from 256 on.
        "hashed": f":jhash udp sport mod {HASHED_COUNT} seed 0x5eed offset {HASHED_FIRST}",
        "random": " fully-random",
        # For that reason by a map, not by an offset.
        "sequential": f":numgen inc mod {SEQUENTIAL_COUNT} map {{ {sequence} }}",
    }[kind.ports]
    keeps_tcp_port = " fully-random" if kind.ports in ("random", "sequential") else ""
    lines = [
        "table ip nat {",
        f"map mapped {{ type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout {seconds}s; size 65535; }}",
        f"set asked {{ type inet_service . ipv4_addr; flags dynamic,timeout; timeout {seconds}s; size 65535; }}",
        "chain in { type nat hook prerouting priority dstnat; }",
        "chain out { type nat hook postrouting priority srcnat; }",
        "chain note { type filter hook postrouting priority 300; }",
        "chain strangers { type filter hook input priority 0; iifname wan0 ct state new drop; }",
        "chain pass { type filter hook forward priority 0; policy drop; }",
        "}",
    ]

    def rule(chain, text):
        lines.append(f"add rule ip nat {chain} {text}")

    if udp_blocked:
        rule("pass", "meta l4proto udp drop")
    rule("pass", "ct state established,related accept")
    rule("pass", "iifname lan0 oifname wan0 accept")
    rule("pass", "ct status dnat accept")
    # What came in first by `mapped` has the outer port in its original direction, all else in its reply's.
    for direction, outer, inner in (("original", "reply", "original"), ("reply", "original", "reply")):
        packet = f"oifname wan0 meta l4proto udp ct direction {direction}"
        port_outside = f"ct {outer} proto-dst"
        rule("note", f"{packet} update @mapped {{ {port_outside} : ct {inner} ip saddr . ct {inner} proto-src }}")
        rule("note", f"{packet} update @asked {{ {port_outside} . ip daddr }}")
    if kind.filtering == INDEPENDENT:
        rule("in", f"iifname wan0 ip daddr {public} meta l4proto udp dnat ip addr . port to udp dport map @mapped")
    elif kind.filtering == BY_ADDRESS:
        rule("in", f"iifname wan0 ip daddr {public} udp dport . ip saddr @asked dnat ip addr . port to udp dport map @mapped")
    if hairpin:
        rule("in", f"iifname lan0 ip daddr {public} meta l4proto udp dnat ip addr . port to udp dport map @mapped")
        rule("out", f"ip saddr {lan} oifname lan0 ct status dnat meta l4proto udp snat to {public}{port}")
        rule("note", f"ct original ip daddr {public} ct original ip saddr {lan} meta l4proto udp ct direction original "
             "update @mapped "
             "{ ct reply proto-dst : ct original ip saddr . ct original proto-src }")
    rule("out", f"oifname wan0 meta l4proto udp snat to {public}{port}")
    rule("out", f"oifname wan0 snat to {public}{keeps_tcp_port}")
    return "\n".join(lines) + "\n"


class Namespaces:
    """Namespaces made after the lab began, written down so that they are cleared whatever happens."""

    def __init__(self):
        self.names = []

    def add(self, name):
        with open(lab.DIRECTORY / "namespaces", "a") as file:
            file.write(f"{lab.PREFIX}-{name}\n")
        must("ip", "netns", "add", f"{lab.PREFIX}-{name}")
        self.names.append(name)
        lab.must(name, "ip", "link", "set", "lo", "up")
        return name

    def clear(self):
        for name in reversed(self.names):
            lab.command("ip", "netns", "delete", f"{lab.PREFIX}-{name}")
        self.names = []


def must(*command):
    done = lab.command(*command)
    if done.returncode != 0:
        raise lab.Failure(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


def link(inner, inner_device, outer, outer_device):
    """A cable between two namespaces."""
    must("ip", "link", "add", inner_device, "netns", f"{lab.PREFIX}-{inner}", "type", "veth",
         "peer", "name", outer_device, "netns", f"{lab.PREFIX}-{outer}")
    lab.must(inner, "ip", "link", "set", inner_device, "up")
    lab.must(outer, "ip", "link", "set", outer_device, "up")


class Side:
    """A host behind a box of a kind at a site of the WAN; with further hosts on the same LAN if asked for."""

    def __init__(self, site, public, kind, hosts=None, public6=None, **options):
        """`public`: the site's address. `public6`: a /64 that is routed to the site; the box then guards IPv6 as a
        stateful firewall. `options`: of `rules`."""
        self.site, self.public, self.kind = site, public, KINDS[kind]
        self.namespaces, self.options, self.public6 = Namespaces(), options, public6
        # What the box forwards ports by, "PCP", "NAT-PMP" or "UPnP"; it is then at an address of its own.
        self.forwards, self.gateway = self.options.pop("forwards", None), None
        self.own = self.public
        # Hosts of the LAN reach only the box, as in many guest networks.
        self.is_isolated = self.options.pop("isolated", False)
        if self.forwards:
            self.public = gateway_address(public)
        self.hosts = hosts or [f"{site}-host"]
        self.boxes = []
        try:
            self._build()
        except BaseException:
            self.clear()
            raise

    def _build(self):
        lab.must(self.site, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        inner, octet = self.site, 10
        if self.forwards:
            self._move(self.own, self.public)
        if self.kind.mapping == "none":
            return self._build_open()
        kind = self.kind
        if kind.carrier:
            carrier = KINDS[kind.carrier]
            self._box(self.site, self.public, "100.64.0.0/24", "100.64.0.1/24", carrier)
            inner = self.namespaces.add(f"{self.site}-home")
            link(inner, "wan0", self.site, "lan0")
            lab.must(self.site, "ip", "address", "add", "100.64.0.1/24", "dev", "lan0")
            lab.must(inner, "ip", "address", "add", "100.64.0.2/24", "dev", "wan0")
            lab.must(inner, "ip", "route", "add", "default", "via", "100.64.0.1")
            lab.must(inner, "sysctl", "-qw", "net.ipv4.ip_forward=1")
            kind = KINDS["port-restricted"]
        # Each household has the same addresses inside, as it is in the world: they must not be taken for a common LAN.
        network = f"192.168.{octet}"
        public = "100.64.0.2" if self.kind.carrier else self.public
        self._box(inner, public, f"{network}.0/24", f"{network}.1/24", kind)
        lab.must(inner, "ip", "link", "add", "lan0", "type", "bridge")
        lab.must(inner, "ip", "link", "set", "lan0", "up")
        # Hosts of one LAN reach each other past the rules; a kernel may pass bridged packets to them by default.
        lab.run(inner, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0")
        lab.must(inner, "ip", "address", "add", f"{network}.1/24", "dev", "lan0")
        for number, host in enumerate(self.hosts):
            self.namespaces.add(host)
            link(host, "port0", inner, f"port{number}")
            lab.must(inner, "ip", "link", "set", f"port{number}", "master", "lan0")
            if self.is_isolated:
                lab.must(inner, "ip", "link", "set", f"port{number}", "type", "bridge_slave", "isolated", "on")
            # Different in each household, as DHCP hands them out.
            address = f"{network}.{20 + number + 50 * (self.site[-1] == 'b')}"
            lab.must(host, "ip", "address", "add", f"{address}/24", "dev", "port0")
            lab.must(host, "ip", "route", "add", "default", "via", f"{network}.1")
            if self.public6:
                lab.must(host, "ip", "-6", "address", "add", f"{self.public6}::{20 + number:x}/64", "dev", "port0", "nodad")
                lab.must(host, "ip", "-6", "route", "add", "default", "via", f"{self.public6}::1")
        if self.public6:
            lab.must(inner, "ip", "-6", "address", "add", f"{self.public6}::1/64", "dev", "lan0", "nodad")
            lab.must(inner, "nft", "-f", "-", text=STATEFUL_FIREWALL)
        if self.forwards:
            self._start_gateway(inner)

    def _start_gateway(self, box):
        """A real gateway's daemon on the box next to the host."""
        settings = lab.DIRECTORY / f"{self.site}-miniupnpd.conf"
        settings.write_text(GATEWAY_SETTINGS.format(
            pmp="no" if self.forwards == "UPnP" else "yes", upnp="yes" if self.forwards == "UPnP" else "no",
            number=int("".join(filter(str.isdigit, self.site)) or 0)))
        lab.must(box, "nft", "-f", "-", text=GATEWAY_RULES)
        if self.forwards == "NAT-PMP":
            # miniupnpd speaks PCP at the same port: what begins with that version number never comes.
            lab.must(box, "nft", "add rule ip nat strangers udp dport 5351 @th,64,8 2 drop")
        self.gateway = lab.start(
            box, f"{self.site}-miniupnpd", "miniupnpd", "-d", "-f", str(settings), "-P", str(settings) + ".pid")
        lab.wait_for_listener(box, 1900 if self.forwards == "UPnP" else 5351, udp=True)

    def forwarded(self):
        """How many ports the box forwards now."""
        box = self.boxes[-1]
        return lab.must(box, "nft", "list chain inet upnp translated").count(" dnat ")

    def _build_open(self):
        """No translation: the host has a public address of its own, which the box routes to it."""
        (host,) = self.hosts
        self.namespaces.add(host)
        link(host, "port0", self.site, "lan0")
        own = open_address(self.public)
        lab.must(self.site, "ip", "address", "add", "169.254.1.1/32", "dev", "lan0")
        lab.must(self.site, "ip", "route", "add", f"{own}/32", "dev", "lan0")
        lab.must(host, "ip", "address", "add", f"{own}/32", "dev", "port0")
        lab.must(host, "ip", "route", "add", "169.254.1.1", "dev", "port0")
        lab.must(host, "ip", "route", "add", "default", "via", "169.254.1.1", "src", own)

    def _box(self, namespace, public, lan, gateway, kind):
        seconds = self.options.get("seconds", 120)
        lab.must(
            namespace, "sysctl", "-qw", f"net.netfilter.nf_conntrack_udp_timeout={min(30, seconds)}",
            f"net.netfilter.nf_conntrack_udp_timeout_stream={seconds}")
        lab.must(namespace, "nft", "-f", "-", text=rules(kind, public, lan, **self.options))
        self.boxes.append(namespace)

    def _move(self, old, new):
        """Gives the site another address."""
        lab.must(self.site, "ip", "address", "add", f"{new}/32", "dev", "wan0")
        lab.must(self.site, "ip", "address", "delete", f"{old}/32", "dev", "wan0")
        lab.must(self.site, "ip", "route", "replace", "default", "dev", "wan0", "src", new)

    def forget(self):
        """The boxes reboot: no mapping is left."""
        for box in self.boxes:
            with in_namespace(box):
                flush_connections()
            lab.must(box, "nft", "flush map ip nat mapped")
            lab.must(box, "nft", "flush set ip nat asked")

    def clear(self):
        """Takes it all down; the site is as before."""
        if self.gateway:
            lab.stop(self.gateway)
        if self.forwards and f" {self.public}/" in lab.run(self.site, "ip", "-o", "-4", "address").stdout:
            self._move(self.public, self.own)
        self.namespaces.clear()
        lab.run(self.site, "nft", "flush", "ruleset")
        # A namespace ends some time after its deletion: its cables would be in the way of the next.
        for device in ["lan0", *(f"port{number}" for number in range(len(self.hosts)))]:
            lab.run(self.site, "ip", "link", "delete", device)
        with in_namespace(self.site):
            flush_connections()


STATEFUL_FIREWALL = """
table ip6 guard {
chain pass { type filter hook forward priority 0; policy drop; }
}
add rule ip6 guard pass ct state established,related accept
add rule ip6 guard pass iifname lan0 accept
"""


def open_address(public):
    """The address of a host without a translator at a site: 64 above the site's, routed to it."""
    start, _, last = public.rpartition(".")
    return f"{start}.{int(last) + 64}"


# Sockets and conntrack of another namespace

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET, NETLINK_NETFILTER = 0x40000000, 12


class in_namespace:
    """The calling thread is in a site's network namespace; what sockets it makes stay there."""

    def __init__(self, site):
        self.path = f"/run/netns/{lab.PREFIX}-{site}"

    def __enter__(self):
        self.own = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        target = os.open(self.path, os.O_RDONLY)
        try:
            self._enter(target)
        finally:
            os.close(target)

    def __exit__(self, *_):
        self._enter(self.own)
        os.close(self.own)

    @staticmethod
    def _enter(descriptor):
        if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
            raise lab.Failure(f"setns: {os.strerror(ctypes.get_errno())}")


def udp_socket(site, address="0.0.0.0", port=0, timeout=0.3):
    """A UDP socket at a site, used from anywhere."""
    with in_namespace(site):
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(timeout)
    made.bind((address, port))
    return made


def flush_connections():
    """Forgets all connections that the namespace's conntrack knows, in netlink's words (nfnetlink_conntrack.h)."""
    request, acknowledge, delete = 0x1, 0x4, 0x0102
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.send(struct.pack("=IHHII", 20, delete, request | acknowledge, 1, 0) + struct.pack("=BBH", 0, 0, 0))
        kind, error = struct.unpack_from("=HxxIIi", kernel.recv(4096), 4)[::3]
        if kind != 2 or error != 0:
            raise lab.Failure(f"conntrack was not flushed: {os.strerror(-error)}")
