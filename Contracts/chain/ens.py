"""The real ENS registry and public resolver on the development chain, and a name set in them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from eth_utils import keccak

from .accounts import Account
from .blocks import DevelopmentChain
from .contract import Contract
from .encoding import Json

# Written by fetch_ens.py when the venv is made, into the venv.
CODES = Path(sys.prefix) / "ens-contracts.json"


def _function(name: str, inputs: list[str], outputs: list[str]) -> Json:
    return {
        "type": "function",
        "name": name,
        "inputs": [{"name": "", "type": kind} for kind in inputs],
        "outputs": [{"name": "", "type": kind} for kind in outputs],
    }


# EIP-137.
REGISTRY_ABI = [
    _function("setSubnodeOwner", ["bytes32", "bytes32", "address"], []),
    _function("setResolver", ["bytes32", "address"], []),
    _function("owner", ["bytes32"], ["address"]),
    _function("resolver", ["bytes32"], ["address"]),
]
RESOLVER_ABI = [
    {"type": "constructor", "inputs": [{"name": "ens", "type": "address"}]},
    _function("setAddr", ["bytes32", "address"], []),
    _function("addr", ["bytes32"], ["address"]),
]


def namehash(name: str) -> bytes:
    """EIP-137's hash of a name that is normal already."""
    node = bytes(32)
    for label in reversed(name.split(".") if name else []):
        node = keccak(node + keccak(text=label))
    return node


def deploy_ens(chain: DevelopmentChain, owner: Account) -> tuple[Contract, Contract]:
    """Deploys registry and resolver; `owner` owns the root."""
    if not CODES.exists():
        raise SystemExit(f"{CODES} is missing: run 'make contracts-venv', which gets it")
    codes = json.loads(CODES.read_text())
    registry = Contract.deploy(chain, owner, codes["registry"], REGISTRY_ABI)
    resolver = Contract.deploy(chain, owner, codes["resolver"], RESOLVER_ABI, (registry.address,))
    return registry, resolver


def set_name(registry: Contract, resolver: Contract, owner: Account, name: str, address: bytes) -> None:
    """Makes a name, and the names above it, resolve to an address."""
    labels = name.split(".")
    for index in reversed(range(len(labels))):
        parent = namehash(".".join(labels[index + 1 :]))
        registry.transact(owner, "setSubnodeOwner", parent, keccak(text=labels[index]), owner.address)
    registry.transact(owner, "setResolver", namehash(name), resolver.address)
    resolver.transact(owner, "setAddr", namehash(name), address)
