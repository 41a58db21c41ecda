"""The registry's demo: relays registered on a development chain, and two nodes that know only its name and meet there.

Usage: registry_demo.py, under run.sh, by a Python with the registry's packages (`make registry-demo` sees to both).
Writes OUT/registry.json; exit status 0 when all holds.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from eth_account import Account

import lab
from hosts import OVERLAY, Host, identities, make_identities, wait_established
from lab import say, wait_until
from show import elapsed, step, table

CONTRACTS = pathlib.Path(__file__).parent.parent / "Contracts"
CHAIN_SITE, CHAIN_PORT = "relay", 8545
CHAIN_URL = f"http://{lab.ADDRESS4[CHAIN_SITE]}:{CHAIN_PORT}"
PASSPHRASE = "of the demo"
LIES = ("altered", "missing", "invented")
DAY = 25 * 3600


class Chain:
    """The development chain, and endpoints in front of it that lie."""

    def __init__(self, relays=0, port=CHAIN_PORT):
        self.port = port
        self.process, line = self._start("chain", "devchain.py", "--relays", str(relays))
        self.ready = json.loads(line)
        self.url = f"http://{lab.ADDRESS4[CHAIN_SITE]}:{self.port}"

    def _start(self, label, program, *arguments, port=None):
        log = lab.DIRECTORY / f"{label}-{port or self.port}.log"
        process = lab.start(
            CHAIN_SITE, log.stem, sys.executable, str(CONTRACTS / program), "--host", lab.ADDRESS4[CHAIN_SITE],
            "--port", str(port or self.port), *arguments)
        line = wait_until(f"{program} is ready", lambda: [
            text for text in (log.read_text(errors="replace") if log.exists() else "").splitlines()
            if text.startswith("{")], seconds=90, pause=0.1)[0]
        return process, line

    def liar(self, lie, port):
        process, _ = self._start(
            f"liar-{lie}", "liar.py", "--upstream", self.url, "--registry", self.ready["registry"], "--lie", lie,
            port=port)
        return process, f"http://{lab.ADDRESS4[CHAIN_SITE]}:{port}"

    def rpc(self, method, *parameters):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
        answer = json.loads(lab.must(
            CHAIN_SITE, "curl", "-s", "-H", "content-type: application/json", "--data", body, self.url))
        if "result" not in answer:
            raise lab.Failure(f"{method}: {answer}")
        return answer["result"]

    def section(self, *urls, cache="registry", keystore=None):
        """The section `registry` of a configuration."""
        text = [
            "registry:", "  network: development", f"  rpc: [{', '.join(json.dumps(url) for url in urls)}]",
            f"  ens: '{self.ready['ens']}'", f"  contract: {self.ready['name']}",
            f"  cache: {lab.DIRECTORY}/{cache}.sqlite"]
        if keystore:
            text += [f"  keystore: {keystore}", f"  keystore_passphrase_file: {lab.DIRECTORY}/passphrase"]
        return "\n".join(text) + "\n"

    def urls(self):
        """Three endpoints: ways to the one chain there is."""
        return [f"{self.url}/{name}" for name in ("one", "two", "three")]


class RegisteredRelay:
    """A relay with an account on the chain."""

    def __init__(self, number, chain):
        self.name, self.site = f"relay-{number}", "relay" if number < 2 else "relay-2"
        self.port = 4430 + number
        self.url = f"wss://{lab.ADDRESS4[self.site]}:{self.port}"
        self.configuration = lab.DIRECTORY / f"{self.name}.yaml"
        keystore = lab.DIRECTORY / f"{self.name}.json"
        # A keystore as another tool of Ethereum writes it.
        account = chain.ready["accounts"][number + 1]
        keystore.write_text(json.dumps(Account.encrypt(account["key"], PASSPHRASE, iterations=4096)))
        keystore.chmod(0o600)
        state = lab.DIRECTORY / f"{self.name}-state"
        state.mkdir(mode=0o700)
        self.configuration.write_text(
            f"listen_address: '{lab.ADDRESS4[self.site]}:{self.port}'\n"
            f"stun_address: '{lab.ADDRESS4[self.site]}:{3478 + number}'\n"
            f"identity: {lab.DIRECTORY}/{self.name}.identity\n"
            f"state_directory: {state}\n" + chain.section(*chain.urls(), keystore=keystore))

    def command(self, name, *arguments):
        """A subcommand of `shadowmesh registry` in this relay's name; the gas that it took."""
        text = lab.must(
            self.site, lab.SHADOWMESH, "registry", name, "--config", str(self.configuration), *arguments)
        found = re.search(r"done in block \d+: gas (\d+)", text)
        return int(found[1]) if found else None

    def start(self):
        self.process = lab.start(
            self.site, self.name, lab.SHADOWMESH, "relay", "run", "--config", str(self.configuration))
        lab.wait_for_listener(self.site, self.port)


def listing(site, configuration, *arguments):
    """What `shadowmesh registry list` says."""
    text = lab.must(site, lab.SHADOWMESH, "registry", "list", "--json", "--config", str(configuration), *arguments)
    return json.loads(text)


def node(site, chain, urls):
    """A node that knows the registry's name, endpoints and its peer's ID, and no relay."""
    host = Host(site, [])
    with open(host.configuration, "a") as file:
        file.write(chain.section(*urls, cache=site))
    return host


def register(result, chain):
    say("Four relays are registered, each by an account of its own:")
    (lab.DIRECTORY / "passphrase").write_text(PASSPHRASE)
    (lab.DIRECTORY / "passphrase").chmod(0o600)
    relays = [RegisteredRelay(number, chain) for number in range(4)]
    block = chain.rpc("eth_blockNumber")
    dry = lab.must(
        relays[0].site, lab.SHADOWMESH, "registry", "register", "--config", str(relays[0].configuration), "--url",
        relays[0].url, "--stake", "0.1", "--dry-run")
    result["dry_run_sends_nothing"] = "nothing was sent" in dry and chain.rpc("eth_blockNumber") == block
    gas = result["gas"] = {}
    for relay in relays:
        gas["register"] = relay.command("register", "--url", relay.url, "--region", "lab", "--stake", "0.1")
        step(relay.name, f"{relay.url}, {gas['register']} gas")
    for relay in relays:
        relay.start()
    wait_until("all relays beat", lambda: all(
        any(event.message == "beat" for event in lab.log_events(relay.name)) for relay in relays), 30)
    gas["heartbeat"] = max(
        int(event.fields["gas"]) for relay in relays for event in lab.log_events(relay.name) if event.message == "beat")
    gas["update"] = relays[3].command("update", "--url", relays[3].url, "--region", "lab 2")
    step("all relays beat by themselves", f"{gas['heartbeat']} gas")
    return relays


def meet(result, chain, relays):
    say(f"\nTwo nodes that know {chain.ready['name']}, three endpoints and each other's ID:")
    lab.cut()
    hosts = [node(site, chain, chain.urls()).start() for site in OVERLAY]
    wait_established(*hosts, seconds=30)
    result["ping"] = lab.run("uk-vps", "ping", "-c", "3", "-i", "0.2", OVERLAY["belgium-rpi"]).returncode == 0
    step("they meet", "the tunnel works" if result["ping"] else "no ping")
    carrying = wait_until("a relay carries the frames", lambda: carrier(hosts[0]))
    first = next(relay for relay in relays if identities[relay.name].startswith(carrying))
    began = time.time()
    lab.stop(first.process, signal.SIGKILL)
    wait_until("a frame passes by another relay", lambda: lab.run(
        "uk-vps", "ping", "-c", "1", "-W", "1", OVERLAY["belgium-rpi"]).returncode == 0 and carrier(hosts[0]) not in
        ("", carrying), 40)
    result["failover_ms"] = round(1000 * (time.time() - began))
    step("their relay is killed", f"on the next after {result['failover_ms']} ms")
    first.start()
    return hosts


def carrier(host):
    """How the ID of the relay begins that carries the host's frames; empty when none does."""
    return host.path().removeprefix("relay ") if host.path().startswith("relay ") else ""


def lie(result, chain, hosts):
    say("\nOne of three endpoints lies:")
    truth = listing("uk-vps", hosts[0].configuration)["relays"]
    result["lies_detected"] = {}
    for place, kind in enumerate(LIES):
        process, url = chain.liar(kind, CHAIN_PORT + 10 + place)
        configuration = lab.DIRECTORY / f"liar-{kind}.yaml"
        configuration.write_text(chain.section(chain.urls()[0], url, chain.urls()[2], cache=f"liar-{kind}"))
        told = listing("uk-vps", configuration)
        liar = told["endpoints"][1]
        lies = sum(endpoint["lies"] for endpoint in told["endpoints"])
        result["lies_detected"][kind] = told["relays"] == truth and liar["lies"] > 0 and lies == liar["lies"]
        step(kind, f"{liar['name']} {liar['problem']}" if liar["lies"] else "NOT found out")
        lab.stop(process)


def fall_silent(result, chain, relays, hosts):
    say("\nTime passes:")
    gas = result["gas"]
    chain.rpc("evm_increaseTime", DAY)
    chain.rpc("evm_mine")
    for relay in relays[:3]:
        relay.command("heartbeat")
    entries = listing("uk-vps", hosts[0].configuration)["relays"]
    active = {entry["id"] for entry in entries if entry["active"]}
    result["silent_drops_out"] = active == {identities[relay.name] for relay in relays[:3]}
    step("a day without a beat", f"{len(active)} of {len(entries)} relays active")
    gas["deregister"] = relays[3].command("deregister")
    chain.rpc("evm_increaseTime", chain.ready["unbonding_seconds"] + 1)
    chain.rpc("evm_mine")
    gas["withdraw"] = relays[3].command("withdraw")
    step("it leaves, and gets its stake back", f"{gas['deregister']} and {gas['withdraw']} gas")
    for relay in relays[:3]:
        relay.command("heartbeat")


def measure(result, chain):
    say("\nThe list, read anew by three endpoints and proven:")
    result["verify_ms"], result["requests"] = {}, {}
    big = Chain(relays=200, port=CHAIN_PORT + 1)
    for count, of in ((4, chain), (200, big)):
        configuration = lab.DIRECTORY / f"measure-{count}.yaml"
        configuration.write_text(of.section(*of.urls(), cache=f"measure-{count}"))
        told = listing("uk-vps", configuration)
        result["verify_ms"][str(count)], result["requests"][str(count)] = told["read_milliseconds"], told["requests"]
        step(f"{len(told['relays'])} relays", f"{told['read_milliseconds']} ms, {told['requests']} requests")
    lab.stop(big.process)
    kept = listing("uk-vps", lab.DIRECTORY / "measure-200.yaml")
    result["cache_start_ms"] = kept["cache_milliseconds"]
    result["cache_serves_200"] = kept["stale"] and len(kept["relays"]) == 200
    step("200 relays from the cache", f"{kept['cache_milliseconds']} ms")


def go_on_without_chain(result, chain, hosts):
    say("\nAll endpoints die:")
    lab.stop(chain.process)
    for host in hosts:
        host.stop()
    for host in hosts:
        host.start()
    wait_established(*hosts, seconds=30)
    result["cache_serves"] = lab.run("uk-vps", "ping", "-c", "3", "-i", "0.2", OVERLAY["belgium-rpi"]).returncode == 0
    step("both nodes restart", "and meet, by the list that they kept" if result["cache_serves"] else "no ping")


def checks(result):
    gas = result["gas"]
    yield "register at most 133,333 gas", gas["register"] <= 133_333, f"{gas['register']}"
    yield "heartbeat at most 30,000 gas", gas["heartbeat"] <= 30_000, f"{gas['heartbeat']}"
    yield "200 relays under 3 s", result["verify_ms"]["200"] < 3000, f"{result['verify_ms']['200']} ms"
    yield "200 relays in at most 20 requests", result["requests"]["200"] <= 20, f"{result['requests']['200']}"
    yield "warm start under 50 ms", result["cache_start_ms"] < 50, f"{result['cache_start_ms']} ms"
    yield "another relay after one was killed", result["failover_ms"] < 10_000, f"{result['failover_ms']} ms"
    for kind, found in result["lies_detected"].items():
        yield f"a relay {kind}: found out", found, ""
    for name in ("dry_run_sends_nothing", "ping", "silent_drops_out", "cache_serves", "cache_serves_200"):
        yield name.replace("_", " "), result[name], ""


def main():
    out = pathlib.Path(os.environ["OUT"]) / "registry.json"
    result = {"passed": False}
    try:
        make_identities(*(f"relay-{number}" for number in range(4)))
        chain = Chain()
        relays = register(result, chain)
        hosts = meet(result, chain, relays)
        lie(result, chain, hosts)
        measure(result, chain)
        fall_silent(result, chain, relays, hosts)
        go_on_without_chain(result, chain, hosts)
        result["passed"] = table(list(checks(result)))
    except (lab.Failure, subprocess.TimeoutExpired) as failure:
        result["failure"] = str(failure)
        say(f"\n  FAIL  {failure}")
        for log in sorted(lab.DIRECTORY.glob("*.log")):
            say(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]))
    finally:
        lab.stop_all()
        out.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    say(f"\n{'All holds' if result['passed'] else 'NOT all holds'}; {elapsed():.0f} s; figures in {out.resolve()}")
    sys.exit(0 if result["passed"] else 1)


main()
