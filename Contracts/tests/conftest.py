"""One chain for all tests: each starts from the same snapshot and leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eth_utils import keccak

from chain.accounts import ETHER, Account
from chain.blocks import Block, DevelopmentChain
from chain.contract import Contract, signed
from chain.encoding import Json
from chain.setup import DevelopmentNetwork, Settings, make_network

STAKE = ETHER // 10
UNBONDING = 7 * 24 * 3600
HOUR = 3600
DAY = 24 * HOUR
GENESIS_TIME = 1_750_000_000.0


def identity(name: str) -> bytes:
    """A peer ID made from a name."""
    return keccak(text=f"test identity {name}")


@dataclass(frozen=True)
class World:
    """The chain, the registry and the accounts, with what tests do to them."""

    chain: DevelopmentChain
    registry: Contract
    accounts: list[Account]

    def register(self, who: Account, name: str = "relay", descriptor: bytes = b"where", stake: int = STAKE) -> Json:
        """Registers a relay; the receipt."""
        return self.registry.transact(who, "registerNode", identity(name), descriptor, value=stake)

    def beat(self, who: Account, name: str = "relay") -> Json:
        """Beats; the receipt."""
        return self.registry.transact(who, "updateHeartbeat", identity(name))

    def node(self, who: Account, name: str = "relay") -> Json:
        """An entry, its fields by name."""
        entry = next(e for e in self.registry.abi if e.get("name") == "getNode")
        values = self.registry.call("getNode", identity(name), who.address)
        return dict(zip([part["name"] for part in entry["outputs"][0]["components"]], values, strict=True))

    def travel(self, seconds: int) -> int:
        """Lets time pass and mines a block; its time."""
        self.chain.next_timestamp = self.now + seconds
        return self.chain.mine([]).header.timestamp

    @property
    def now(self) -> int:
        """The time of the newest block."""
        return self.chain.head.header.timestamp

    def balance(self, address: bytes) -> int:
        """An account's ether, wei."""
        return self.chain.state(self.chain.head).get_balance(address)

    def storage(self, slot: int) -> int:
        """A word of the registry's storage."""
        return self.chain.state(self.chain.head).get_storage(self.registry.address, slot)

    def mine_together(self, calls: list[tuple[Account, str, tuple, int]]) -> Block:
        """Mines (sender, function, arguments, wei) in one block, whether they succeed or not."""
        nonces: dict[bytes, int] = {}
        transactions = []
        for sender, name, arguments, value in calls:
            nonce = nonces.get(sender.address, self.chain.state(self.chain.head).get_nonce(sender.address))
            nonces[sender.address] = nonce + 1
            data = self.registry.encode(name, *arguments)
            raw = signed(self.chain, sender, self.registry.address, data, value, 300_000, nonce)
            transactions.append(self.chain.decode(raw))
        return self.chain.mine(transactions)


@pytest.fixture(scope="session")
def network() -> DevelopmentNetwork:
    """A chain with registry and ENS, whose clock stands but for what tests let pass."""
    return make_network(Settings(minimum_stake=STAKE, unbonding_seconds=UNBONDING, clock=lambda: GENESIS_TIME))


@pytest.fixture
def world(network: DevelopmentNetwork) -> Iterator[World]:
    """The shared chain; undone after the test."""
    snapshot = network.chain.snapshot()
    yield World(network.chain, network.registry, network.accounts)
    network.chain.restore(snapshot)


@pytest.fixture
def alice(world: World) -> Account:
    """An operator."""
    return world.accounts[1]


@pytest.fixture
def bob(world: World) -> Account:
    """Another one."""
    return world.accounts[2]
