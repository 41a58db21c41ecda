"""What is measured side by side: how each of them is set up between two hosts, as a tunnel with an MTU of 1,400."""

import json
import shutil
import subprocess

from network import ADDRESS, HOSTS, RELAY, checked, command, wait_until

MTU = 1400
INSIDE = {"a": "10.78.0.1", "b": "10.78.0.2"}
OTHER = {"a": "b", "b": "a"}
# One such frame, cut to segments with their overhead, fits one UDP_SEGMENT send.
GSO_BYTES = 60000


class Peer:
    """`name` is the row; `address` the inner address of each host; `processes` what CPU and memory are counted of."""

    tools = ()

    def __init__(self, name):
        self.name, self.address, self.processes, self.others = name, INSIDE, [], []

    def missing(self):
        """A tool that is needed and not there; None when all are."""
        return next((tool for tool in self.tools if not shutil.which(tool)), None)

    def start(self, network):
        raise NotImplementedError

    def configure(self, network, site, device, with_offloads=False):
        wait_until(f"{device} is there", lambda: network.run(site, "ip", "link", "show", device).returncode == 0)
        if with_offloads:
            network.must(site, "ip", "link", "set", device, "gso_max_size", str(GSO_BYTES))
        network.must(site, "ip", "link", "set", device, "mtu", str(MTU), "up")
        network.must(site, "ip", "address", "add", f"{INSIDE[site]}/24", "dev", device)


class Bare(Peer):
    """The cable itself."""

    def start(self, network):
        self.address = ADDRESS


class Ceiling(Peer):
    def __init__(self, name, program, cipher):
        super().__init__(name)
        self.program, self.cipher = program, cipher

    def start(self, network):
        for site in HOSTS:
            self.processes.append(network.start(
                site, f"{self.name}-{site}", str(self.program), "tap0", ADDRESS[site], ADDRESS[OTHER[site]], "7000",
                self.cipher))
            self.configure(network, site, "tap0", with_offloads=True)


class ShadowMesh(Peer):
    """`path`: udp, wss or relay. `settings`: further lines of both configurations."""

    def __init__(self, name, program, path, settings=""):
        super().__init__(name)
        self.program, self.path, self.settings = str(program), path, settings

    def start(self, network):
        directory = network.directory
        ids = {site: self.identity(directory, site) for site in ("a", "b", "r")}
        if self.path != "wss":
            self.start_relay(network, directory)
        for site in HOSTS:
            file = directory / f"{site}.yaml"
            file.write_text(self.configuration(directory, site, ids))
            self.processes.append(
                network.start(site, f"{self.name}-{site}", self.program, "up", "--config", str(file)))
        for site in HOSTS:
            wait_until(f"{self.name} uses its path", lambda: self.current(network, site).startswith(self.path), 30)

    def identity(self, directory, site):
        file = directory / f"{site}.identity"
        file.unlink(missing_ok=True)
        return command(self.program, "init", "--identity", str(file)).split()[0]

    def start_relay(self, network, directory):
        (directory / "state").mkdir(mode=0o700, exist_ok=True)
        (directory / "relay.yaml").write_text(
            f"listen_address: '0.0.0.0:443'\nstun_address: '0.0.0.0:3478'\nidentity: {directory}/r.identity\n"
            f"state_directory: {directory}/state\n")
        self.others.append(network.start(
            "r", "relay", self.program, "relay", "run", "--config", str(directory / "relay.yaml")))
        wait_until("the relay listens", lambda: network.run("r", "ss", "-Hltn", "sport = :443").stdout)

    def configuration(self, directory, site, ids):
        mode = {"udp": "auto", "wss": "direct", "relay": "relay"}[self.path]
        lines = [
            f"mode: {mode}", f"identity: {directory}/{site}.identity",
            f"tap:\n  name: tap0\n  address: {INSIDE[site]}/24\n  mtu: {MTU}",
            f"control:\n  socket: {directory}/{site}.sock"]
        if self.path != "wss":
            address = RELAY if site == "a" else "10.77.2.2"
            lines.append(f"relays:\n  - url: 'wss://{address}:443'\n    id: {ids['r']}\nafter_direct: standby")
        lines.append(f"peers:\n  - peer_id: {ids[OTHER[site]]}\n    name: other")
        if self.path == "wss" and site == "a":
            lines.append(f"    address: '{ADDRESS['b']}:8443'")
        if self.path == "wss" and site == "b":
            lines.append(f"listen_address: '{ADDRESS['b']}:8443'")
        return "\n".join(lines) + "\n" + self.settings

    def current(self, network, site):
        done = subprocess.run(
            [self.program, "status", "--json", "--socket", str(network.directory / f"{site}.sock")],
            capture_output=True, text=True)
        return (json.loads(done.stdout)["peers"][0].get("path") or "") if done.returncode == 0 else ""


class WireGuardGo(Peer):
    tools = ("wireguard-go", "wg")

    def start(self, network):
        keys = {site: command("wg", "genkey").strip() for site in HOSTS}
        public = {
            site: checked(subprocess.run(["wg", "pubkey"], input=key, capture_output=True, text=True), ["wg"]).strip()
            for site, key in keys.items()}
        for site in HOSTS:
            file = network.directory / f"wg-{site}.key"
            file.write_text(keys[site])
            # Names of control sockets are the machine's: one device name per host.
            device = f"smwg{site}"
            self.processes.append(network.start(
                site, f"{self.name}-{site}", "env", "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1", "wireguard-go",
                "-f", device))
            wait_until("wireguard-go listens", lambda: network.run(site, "wg", "show", device).returncode == 0)
            network.must(
                site, "wg", "set", device, "private-key", str(file), "listen-port", "51820", "peer",
                public[OTHER[site]], "endpoint", f"{ADDRESS[OTHER[site]]}:51820", "allowed-ips", "10.78.0.0/24")
            self.configure(network, site, device)


class Tinc(Peer):
    tools = ("tincd",)

    def start(self, network):
        root = network.directory / "tinc"
        shutil.rmtree(root, ignore_errors=True)
        for site in HOSTS:
            (root / site / "hosts").mkdir(parents=True)
            connect = "ConnectTo = b\n" if site == "a" else ""
            (root / site / "tinc.conf").write_text(
                f"Name = {site}\nMode = switch\nDeviceType = tap\nInterface = tap0\nAddressFamily = ipv4\n{connect}")
            (root / site / "hosts" / site).write_text(f"Address = {ADDRESS[site]}\n")
            up = root / site / "tinc-up"
            up.write_text("#!/bin/sh\n")
            up.chmod(0o700)
            checked(
                subprocess.run(
                    ["tincd", "-c", str(root / site), "-K2048"], input="\n\n", capture_output=True, text=True), ["tincd"])
        for site in HOSTS:
            shutil.copy(root / OTHER[site] / "hosts" / OTHER[site], root / site / "hosts")
        for site in reversed(HOSTS):
            self.processes.append(network.start(
                site, f"{self.name}-{site}", "tincd", "-c", str(root / site), "-D", f"--pidfile={root}/{site}.pid"))
            self.configure(network, site, "tap0")


class Nebula(Peer):
    tools = ("nebula", "nebula-cert")

    def start(self, network):
        root = network.directory / "nebula"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        ca = ["-ca-crt", f"{root}/ca.crt", "-ca-key", f"{root}/ca.key"]
        command("nebula-cert", "ca", "-name", "bench", "-out-crt", f"{root}/ca.crt", "-out-key", f"{root}/ca.key")
        for site in HOSTS:
            command(
                "nebula-cert", "sign", "-name", site, "-ip", f"{INSIDE[site]}/24", *ca, "-out-crt",
                f"{root}/{site}.crt", "-out-key", f"{root}/{site}.key")
            rule = "    - port: any\n      proto: any\n      host: any\n"
            other = OTHER[site]
            (root / f"{site}.yml").write_text(
                f"pki:\n  ca: {root}/ca.crt\n  cert: {root}/{site}.crt\n  key: {root}/{site}.key\n"
                f"static_host_map:\n  '{INSIDE[other]}': ['{ADDRESS[other]}:4242']\n"
                "lighthouse:\n  am_lighthouse: false\nlisten:\n  host: 0.0.0.0\n  port: 4242\n"
                f"cipher: aes\ntun:\n  dev: tun0\n  mtu: {MTU}\n  tx_queue: 1000\n"
                f"logging:\n  level: error\n  format: text\nfirewall:\n  outbound:\n{rule}  inbound:\n{rule}")
        for site in HOSTS:
            self.processes.append(
                network.start(site, f"{self.name}-{site}", "nebula", "-config", f"{root}/{site}.yml"))


def all_peers(program, ceiling):
    """All rows, in the order of the table."""
    return [
        Bare("bare"), Ceiling("ceiling", ceiling, "chacha"), Ceiling("ceiling-nocrypto", ceiling, "none"),
        ShadowMesh("shadowmesh-udp", program, "udp"), ShadowMesh("shadowmesh-wss", program, "wss"),
        ShadowMesh("shadowmesh-relay", program, "relay"), WireGuardGo("wireguard-go"), Tinc("tinc"), Nebula("nebula")]
