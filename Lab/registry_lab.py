"""What the registry's demo is made of: development chains, endpoints that lie, relays with accounts, nodes that know only a
name."""

import json
import pathlib
import re
import subprocess
import sys

from eth_account import Account

import lab
from hosts import Host
from lab import wait_until

CONTRACTS = pathlib.Path(__file__).parent.parent / "Contracts"
CHAIN_SITE, CHAIN_PORT = "relay", 8545
HOST = lab.ADDRESS4[CHAIN_SITE]
PASSPHRASE = "of the demo"
NETWORKS = {"mainnet": 1, "sepolia": 11_155_111, "development": 31_337}


class Chain:
    """A development chain of its own, by the number of any network."""

    started = 0

    def __init__(self, network, relays=0):
        """Starts it; `ready` waits until it serves."""
        self.network, self.port = network, CHAIN_PORT + Chain.started
        self.url = f"http://{HOST}:{self.port}"
        Chain.started += 1
        self.process = self._start(
            f"chain-{network}", "devchain.py", self.port, "--chain-id", str(NETWORKS[network]), "--relays", str(relays))
        self.ready = None

    def wait(self):
        self.ready = self._ready_line(f"chain-{self.network}")
        self.contract = self.ready["name"]
        return self

    @staticmethod
    def _start(label, program, port, *arguments):
        return lab.start(
            CHAIN_SITE, label, sys.executable, str(CONTRACTS / program), "--host", HOST, "--port", str(port), *arguments)

    @staticmethod
    def _ready_line(label):
        log = lab.DIRECTORY / f"{label}.log"
        return json.loads(wait_until(f"{label} is ready", lambda: [
            text for text in log.read_text(errors="replace").splitlines() if text.startswith("{")], 90, 0.05)[0])

    def liars(self, lies):
        """The URLs of endpoints that lie, by what they say."""
        ports = {lie: self.port + 20 + number for number, lie in enumerate(lies)}
        for lie, port in ports.items():
            self._start(f"liar-{lie}", "liar.py", port, "--upstream", self.url, "--registry", self.ready["registry"],
                        "--lie", lie)
        for lie in lies:
            self._ready_line(f"liar-{lie}")
        return {lie: f"http://{HOST}:{port}" for lie, port in ports.items()}

    def rpc(self, method, *parameters):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
        answer = json.loads(lab.must(
            CHAIN_SITE, "curl", "-s", "-H", "content-type: application/json", "--data", body, self.url))
        if "result" not in answer:
            raise lab.Failure(f"{method}: {answer}")
        return answer["result"]

    def pass_time(self, seconds):
        self.rpc("evm_increaseTime", seconds)
        self.rpc("evm_mine")

    def send(self, account, to, wei):
        """A transfer that eth-account signs."""
        raw = Account.sign_transaction({
            "chainId": NETWORKS[self.network], "nonce": int(self.rpc("eth_getTransactionCount", account["address"]), 16),
            "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9, "gas": 21_000, "to": to, "value": wei, "data": b"",
        }, account["key"]).raw_transaction
        self.rpc("eth_sendRawTransaction", "0x" + raw.hex().removeprefix("0x"))

    def urls(self):
        """Three endpoints: ways to the one chain there is."""
        return [f"{self.url}/{name}" for name in ("one", "two", "three")]

    def section(self, *urls, cache, keystore=None):
        """The section `registry` of a configuration."""
        text = [
            "registry:", f"  network: {self.network}", f"  rpc: [{', '.join(json.dumps(url) for url in urls)}]",
            f"  ens: '{self.ready['ens']}'", f"  contract: '{self.contract}'", f"  cache: {cache_file(cache)}"]
        if keystore:
            text += [f"  keystore: {keystore}", f"  keystore_passphrase_file: {passphrase_file()}"]
        return "\n".join(text) + "\n"

    def write_section(self, name, *urls):
        """A file that holds nothing else; the cache has its name."""
        file = lab.DIRECTORY / f"{name}.yaml"
        file.write_text(self.section(*(urls or self.urls()), cache=name))
        return file


def cache_file(name):
    return lab.DIRECTORY / f"{name}.sqlite"


def passphrase_file():
    file = lab.DIRECTORY / "passphrase"
    if not file.exists():
        file.write_text(PASSPHRASE)
        file.chmod(0o600)
    return file


def foreign_keystore(name, account):
    """A keystore as another tool of Ethereum writes it."""
    keystore = lab.DIRECTORY / f"{name}.json"
    keystore.write_text(json.dumps(Account.encrypt(account["key"], PASSPHRASE, iterations=4096)))
    keystore.chmod(0o600)
    return keystore


class RegisteredRelay:
    """A relay with an account on a chain."""

    numbers = 0

    def __init__(self, name, chain, keystore, identity=None):
        self.name, self.chain, self.process = name, chain, None
        number = RegisteredRelay.numbers
        RegisteredRelay.numbers += 1
        self.site = "relay" if number % 4 < 2 else "relay-2"
        self.port = 4430 + number
        self.url = f"wss://{lab.ADDRESS4[self.site]}:{self.port}"
        self.configuration = lab.DIRECTORY / f"{name}.yaml"
        state = lab.DIRECTORY / f"{name}-state"
        state.mkdir(mode=0o700)
        self.configuration.write_text(
            f"listen_address: '{lab.ADDRESS4[self.site]}:{self.port}'\n"
            f"stun_address: '{lab.ADDRESS4[self.site]}:{3500 + 2 * number}'\n"
            f"identity: {lab.DIRECTORY}/{identity or name}.identity\n"
            f"state_directory: {state}\n" + chain.section(*chain.urls(), cache=name, keystore=keystore))

    def try_command(self, name, *arguments):
        return lab.run(
            self.site, lab.SHADOWMESH, "registry", name, "--config", str(self.configuration), *arguments)

    def command(self, name, *arguments):
        """A subcommand of `shadowmesh registry` in this relay's name; what it says, and the gas that it took."""
        done = self.try_command(name, *arguments)
        if done.returncode != 0:
            raise lab.Failure(f"{self.name}: registry {name}: {done.stderr.strip() or done.stdout.strip()}")
        found = re.search(r"done in block \d+: gas (\d+)", done.stdout)
        return done.stdout, int(found[1]) if found else None

    def gas(self, name, *arguments):
        return self.command(name, *arguments)[1]

    def register(self):
        return self.gas("register", "--url", self.url, "--region", "lab", "--stake", "0.1")

    def start(self):
        self.process = lab.start(
            self.site, self.name, lab.SHADOWMESH, "relay", "run", "--config", str(self.configuration))
        lab.wait_for_listener(self.site, self.port)
        return self

    def beats(self):
        """The gas of each beat that it sent."""
        return [int(event.fields["gas"]) for event in lab.log_events(self.name) if event.message == "beat"]


def listing(configuration, *arguments):
    """What `shadowmesh registry list` says."""
    text = lab.must(
        "uk-vps", lab.SHADOWMESH, "registry", "list", "--json", "--config", str(configuration), *arguments)
    return json.loads(text)


def node(site, chain):
    """A node that knows the registry's name, endpoints and its peer's ID, and no relay."""
    host = Host(site, [])
    with open(host.configuration, "a") as file:
        file.write(chain.section(*chain.urls(), cache=site))
    return host


def carrier(host):
    """How the ID of the relay begins that carries the host's frames; empty when none does."""
    path = host.path()
    return path.removeprefix("relay ") if path.startswith("relay ") else ""


def decrypts(keystore):
    """The address that eth-account finds in a keystore."""
    return Account.from_key(Account.decrypt(json.loads(pathlib.Path(keystore).read_text()), PASSPHRASE)).address


def make_account(name):
    """An account that the program makes: the keystore, and its address."""
    keystore = lab.DIRECTORY / f"{name}.json"
    done = subprocess.run(
        [lab.SHADOWMESH, "registry", "account", "--keystore", str(keystore), "--passphrase-file",
         str(passphrase_file())], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise lab.Failure(f"no account: {done.stderr}")
    return keystore, done.stdout.strip()
