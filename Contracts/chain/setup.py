"""A chain with everything on it: the relay registry, ENS with its name, and relays if wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from eth_utils import keccak

from . import artifact
from .accounts import BALANCE, ETHER, Account, development_accounts
from .blocks import DevelopmentChain
from .contract import Contract, signed
from .ens import deploy_ens, set_name

NAME = "chronara.eth"
RELAYS_IN_BLOCK = 100  # 100 registrations of 125,000 gas fit a block of 36 million twice
REGISTER_GAS = 200_000


@dataclass(frozen=True)
class Settings:
    """What may be chosen about a development chain."""

    chain_id: int = 31_337
    accounts: int = 12
    minimum_stake: int = ETHER // 10
    unbonding_seconds: int = 7 * 24 * 3600
    relays: int = 0
    clock: Callable[[], float] = time.time


@dataclass(frozen=True)
class DevelopmentNetwork:
    """A chain and what was deployed on it."""

    chain: DevelopmentChain
    accounts: list[Account]
    registry: Contract
    registry_block: int
    ens: Contract
    resolver: Contract


def make_network(settings: Settings) -> DevelopmentNetwork:
    """Makes the chain. Account 0 deploys and owns the name."""
    accounts = development_accounts(settings.accounts)
    operators = [Account(f"relay {index}") for index in range(settings.relays)]
    balances = {account.address: BALANCE for account in accounts + operators}
    chain = DevelopmentChain(settings.chain_id, balances, settings.clock)
    ens, resolver = deploy_ens(chain, accounts[0])
    registry = deploy_registry(chain, accounts[0], settings.minimum_stake, settings.unbonding_seconds)
    registry_block = chain.head.number
    set_name(ens, resolver, accounts[0], NAME, registry.address)
    register_relays(registry, operators, settings.minimum_stake)
    return DevelopmentNetwork(chain, accounts, registry, registry_block, ens, resolver)


def deploy_registry(chain: DevelopmentChain, sender: Account, minimum_stake: int, unbonding_seconds: int) -> Contract:
    """Deploys the registry from its artifact."""
    compiled = artifact.load()
    return Contract.deploy(chain, sender, compiled["bytecode"], compiled["abi"], (minimum_stake, unbonding_seconds))


def descriptor(url: str, region: str) -> bytes:
    """A descriptor as in STORAGE.md, section 7."""
    fields = ((1, url.encode()), (2, region.encode()))
    return b"".join(kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value for kind, value in fields)


def relay_identity(operator: Account) -> bytes:
    """A peer ID for a made-up relay."""
    return keccak(text=f"identity of {operator.name}")


def relay_descriptor(index: int) -> bytes:
    """What a made-up relay says about itself; names of RFC 2606, which lead nowhere."""
    return descriptor(f"wss://relay-{index}.example:443", ("eu-central", "us-east", "ap-south")[index % 3])


def register_relays(registry: Contract, operators: list[Account], stake: int) -> None:
    """Lists a relay for each operator and beats once for each, so that their registration values are drawn."""
    for first in range(0, len(operators), RELAYS_IN_BLOCK):
        group = list(enumerate(operators))[first : first + RELAYS_IN_BLOCK]
        registrations = [
            (operator, registry.encode("registerNode", relay_identity(operator), relay_descriptor(index)), stake, 0)
            for index, operator in group
        ]
        beats = [
            (operator, registry.encode("updateHeartbeat", relay_identity(operator)), 0, 1) for _, operator in group
        ]
        for batch in (registrations, beats):
            registry.chain.mine(
                [
                    registry.chain.decode(
                        signed(registry.chain, operator, registry.address, data, value, REGISTER_GAS, nonce)
                    )
                    for operator, data, value, nonce in batch
                ]
            )
