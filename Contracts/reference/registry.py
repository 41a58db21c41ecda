"""The registry on a chain of its own: header, eth_getProof of the whole list, events; and lies about it."""

from __future__ import annotations

import copy

from eth_utils import keccak

from chain.accounts import Account
from chain.encoding import Json, block_json
from chain.ens import namehash
from chain.layout import Node, list_words
from chain.rpc import Rpc
from chain.setup import NAME, DevelopmentNetwork, Settings, descriptor, make_network, relay_identity

GENESIS_TIME = 1_750_000_000.0
NODE_FIELDS = (
    "identity", "operator", "descriptorHash", "descriptorBlock", "stake", "heartbeat", "registered", "position",
    "drawn", "registrationValue",
)  # fmt: skip


def node_json(node: tuple) -> Json:
    """A node with its fields named: hexadecimal for bytes, decimal text for numbers."""
    result: Json = {}
    for name, value in zip(NODE_FIELDS, node, strict=True):
        if isinstance(value, bytes):
            result[name] = value.hex()
        elif isinstance(value, bool):
            result[name] = value
        else:
            result[name] = value[2:].lower() if isinstance(value, str) else str(value)
    return result


def request(rpc: Rpc, method: str, *parameters: object) -> Json:
    """The result of a method."""
    return rpc.answer({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)})["result"]


def registry_case(network: DevelopmentNetwork) -> Json:
    """What a client gets and must conclude, for one list."""
    rpc = Rpc(network.chain)
    address = "0x" + network.registry.address.hex()
    nodes = [Node(*node) for node in network.registry.call("getNodes", 0, 256)]
    tag = hex(network.chain.head.number)
    slots = [hex(slot) for slot in list_words(nodes)]
    return {
        "address": address,
        "block": block_json(network.chain.head, False),
        "nodes": [node_json(node) for node in nodes],
        "get_nodes_result": request(rpc, "eth_call", {"to": address, "data": _get_nodes(network)}, tag),
        "proof": request(rpc, "eth_getProof", address, slots, tag),
        "logs": request(rpc, "eth_getLogs", {"fromBlock": "0x0", "toBlock": tag, "address": address}),
        "ens": ens_case(network, rpc, tag),
    }


def ens_case(network: DevelopmentNetwork, rpc: Rpc, tag: str) -> Json:
    """A name, and proofs of what it stands for from ENS registry and resolver; and proofs that another name is not
    there."""
    registry, resolver = ("0x" + contract.address.hex() for contract in (network.ens, network.resolver))
    return {
        "registry": registry,
        "resolver": resolver,
        "known": _name_case(rpc, registry, resolver, NAME, tag),
        "unknown": _name_case(rpc, registry, resolver, "nobody.eth", tag),
    }


def _name_case(rpc: Rpc, registry: str, resolver: str, name: str, tag: str) -> Json:
    """The slots are those of ENSStorage.swift, of which the last is the one that this resolver uses."""
    node = namehash(name)
    record = int.from_bytes(_element(node, bytes(32)), "big")
    coin, second = (60).to_bytes(32, "big"), (2).to_bytes(32, "big")
    slots = [
        _element(node, bytes(32)),
        _element(coin, _element(node, _element(bytes(32), second))),
        _element(coin, _element(node, (1).to_bytes(32, "big"))),
    ]
    return {
        "name": name,
        "registry_proof": request(rpc, "eth_getProof", registry, [hex(record), hex(record + 1)], tag),
        "resolver_proof": request(rpc, "eth_getProof", resolver, ["0x" + slot.hex() for slot in slots], tag),
    }


def _element(key: bytes, root: bytes) -> bytes:
    """Where Solidity keeps an element of a mapping."""
    return keccak(key + root)


def _get_nodes(network: DevelopmentNetwork) -> str:
    return "0x" + network.registry.encode("getNodes", 0, 256).hex()


def lies(case: Json) -> list[Json]:
    """Spoiled answers of eth_getProof: `index` tells which entry of storageProof is replaced by `entry`; without an
    index, the fields of `account` replace those of the answer."""
    storage = case["proof"]["storageProof"]
    count = len(case["nodes"])

    def entry(index: int, **changes: object) -> Json:
        return {"index": index, "entry": copy.deepcopy(storage[index]) | changes, "account": None}

    other = "0x" + "11" * 32
    return [
        {"name": "a relay hidden: the count is one less"} | entry(0, value=hex(count - 1)),
        {"name": "a relay invented: the count is one more"} | entry(0, value=hex(count + 1)),
        {"name": "a relay altered: another identity"} | entry(2, value=other),
        {"name": "a relay altered: another descriptor hash"} | entry(1 + 2 * count, value=other),
        {"name": "the proof of another slot"} | entry(1, proof=storage[2]["proof"]),
        {"name": "no proof"} | entry(1, proof=[]),
        {"name": "said to be absent", "index": 1, "entry": storage[1] | {"value": "0x0"}, "account": None},
        {"name": "a storage root of its own", "index": None, "entry": None, "account": {"storageHash": other}},
        {"name": "no account proof", "index": None, "entry": None, "account": {"accountProof": []}},
        {"name": "another balance", "index": None, "entry": None, "account": {"balance": "0x1"}},
    ]


def registry_vectors(relays: int) -> Json:
    """An empty registry, and one with relays, with lies about the latter; and the latter after a beat and an update."""
    empty = make_network(Settings(clock=lambda: GENESIS_TIME, accounts=2))
    full = make_network(Settings(clock=lambda: GENESIS_TIME, accounts=2, relays=relays))
    case = registry_case(full)
    beating, moving = Account("relay 0"), Account("relay 1")
    full.registry.transact(beating, "updateHeartbeat", relay_identity(beating))
    full.registry.transact(
        moving, "updateEndpoint", relay_identity(moving), descriptor("wss://relay-1.example:8443", "us-west")
    )
    return {"empty": registry_case(empty), "listed": case, "later": registry_case(full), "lies": lies(case)}
