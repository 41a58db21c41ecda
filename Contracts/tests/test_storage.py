"""STORAGE.md says the truth: slots, packing, selectors, topics, proofs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import rlp
from conftest import STAKE, UNBONDING, World, identity
from eth_utils import keccak, to_bytes
from trie import HexaryTrie

from chain.accounts import Account
from chain.contract import signature
from chain.encoding import HEADER_FIELDS, Json
from chain.layout import DETAILS_ROOT, UNBONDING_ROOT, Node, list_words, mapping_slot
from chain.rpc import Rpc
from reference.registry import request

DOCUMENT = (Path(__file__).parent.parent / "STORAGE.md").read_text()


def bits(word: int, low: int, high: int) -> int:
    """The bits low to high of a word."""
    return word >> low & (1 << (high - low + 1)) - 1


def test_the_words_of_an_entry_are_packed_as_documented(world: World, alice: Account, bob: Account) -> None:
    world.register(bob, "first")
    world.register(alice, "relay", b"where", STAKE + 3)
    registered, block = world.now, world.chain.head
    assert world.storage(0) == 2
    operator_word = world.storage(3 + 2 * 1)
    assert bits(operator_word, 0, 159) == int.from_bytes(alice.address, "big")
    assert bits(operator_word, 160, 199) == registered
    assert bits(operator_word, 200, 255) == 0
    assert world.storage(4 + 2 * 1) == int.from_bytes(identity("relay"), "big")

    slot = mapping_slot(DETAILS_ROOT, identity("relay"), alice.address)
    assert world.storage(slot) == int.from_bytes(keccak(b"where"), "big")
    status = world.storage(slot + 1)
    assert bits(status, 0, 79) == STAKE + 3
    assert bits(status, 80, 119) == registered
    assert bits(status, 120, 143) == 1
    assert bits(status, 144, 183) == block.number
    assert bits(status, 184, 247) == block.number
    assert bits(status, 248, 255) == 0

    world.travel(1_000)
    world.beat(alice)
    drawn = world.storage(slot + 1)
    assert bits(drawn, 80, 119) == world.now
    assert bits(drawn, 184, 247) == world.node(alice)["registrationValue"]
    assert bits(drawn, 248, 255) == 1
    unchanged = ~(2**40 - 1 << 80 | 2**72 - 1 << 184)
    assert drawn & unchanged == status & unchanged


def test_what_left_is_zero_but_for_the_stake_that_waits(world: World, alice: Account, bob: Account) -> None:
    world.register(alice, "a")
    world.register(bob, "b")
    world.registry.transact(alice, "deregisterNode", identity("a"))
    assert world.storage(0) == 1
    assert bits(world.storage(3), 0, 159) == int.from_bytes(bob.address, "big")
    assert world.storage(4) == int.from_bytes(identity("b"), "big")
    assert (world.storage(5), world.storage(6)) == (0, 0)
    slot = mapping_slot(DETAILS_ROOT, identity("a"), alice.address)
    assert (world.storage(slot), world.storage(slot + 1)) == (0, 0)
    word = world.storage(mapping_slot(UNBONDING_ROOT, identity("a"), alice.address))
    assert (bits(word, 0, 79), bits(word, 80, 119), bits(word, 120, 255)) == (STAKE, world.now + UNBONDING, 0)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_a_list_can_be_proven_down_to_the_block_hash(world: World, count: int) -> None:
    for index in range(count):
        world.register(world.accounts[index % 5], str(index), bytes([index + 1]))
    rpc = Rpc(world.chain)
    nodes = [Node(*node) for node in world.registry.call("getNodes", 0, 256)]
    block = request(rpc, "eth_getBlockByNumber", "finalized", False)
    expected = list_words(nodes)
    assert len(expected) == 1 + 4 * count
    answer = request(rpc, "eth_getProof", address(world), [hex(slot) for slot in expected], block["number"])
    assert header_hash(block) == block["hash"]
    assert proven_words(to_bytes(hexstr=block["stateRoot"]), answer) == expected


def test_descriptors_are_found_by_hash_and_block(world: World, alice: Account, bob: Account) -> None:
    world.register(alice, "a", b"old")
    world.register(bob, "b", b"b's")
    world.registry.transact(alice, "updateEndpoint", identity("a"), b"new")
    rpc = Rpc(world.chain)
    nodes = world.registry.call("getNodes", 0, 256)
    topics = [topic("EndpointUpdated"), None, None, ["0x" + node[2].hex() for node in nodes]]
    wanted = {"address": address(world), "topics": topics}
    logs = request(rpc, "eth_getLogs", wanted | {"fromBlock": hex(min(n[3] for n in nodes)), "toBlock": "latest"})
    assert {log["topics"][3] for log in logs} == set(topics[3])
    for node in nodes:
        block = {"fromBlock": hex(node[3]), "toBlock": hex(node[3])}
        (log,) = request(rpc, "eth_getLogs", wanted | block | {"topics": [topics[0], "0x" + node[0].hex()]})
        byte_count = int(log["data"][66:130], 16)
        assert keccak(bytes.fromhex(log["data"][130 : 130 + 2 * byte_count])) == node[2]


def address(world: World) -> str:
    """The registry's."""
    return "0x" + world.registry.address.hex()


def topic(name: str) -> str:
    """The documented topic 0 of an event."""
    return "0x" + re.search(rf"\| ([0-9a-f]{{64}}) \| `{name}\(", DOCUMENT)[1]


def header_hash(block: Json) -> str:
    """The hash recomputed from the fields of a block."""

    def field(name: str, byte_count: int | None) -> bytes:
        if byte_count is not None:
            return to_bytes(hexstr=block[name])
        number = int(block[name], 16)
        return number.to_bytes((number.bit_length() + 7) // 8, "big")

    return "0x" + keccak(rlp.encode([field(name, count) for name, _, count in HEADER_FIELDS])).hex()


def proven_words(state_root: bytes, answer: Json) -> dict[int, int]:
    """The storage that an answer of eth_getProof proves, by slot."""

    def value(root: bytes, key: bytes, proof: list[str]) -> bytes:
        return HexaryTrie.get_from_proof(root, keccak(key), [rlp.decode(to_bytes(hexstr=node)) for node in proof])

    account = rlp.decode(value(state_root, to_bytes(hexstr=answer["address"]), answer["accountProof"]))
    words = {}
    for entry in answer["storageProof"]:
        slot = int(entry["key"], 16)
        encoded = value(account[2], slot.to_bytes(32, "big"), entry["proof"])
        words[slot] = int.from_bytes(rlp.decode(encoded), "big") if encoded else 0
        assert words[slot] == int(entry["value"], 16)
    return words


def test_the_documented_selectors_are_all_there_are(world: World) -> None:
    functions = [entry for entry in world.registry.abi if entry["type"] == "function"]
    expected = {keccak(text=signature(entry))[:4].hex(): signature(entry) for entry in functions}
    rows = re.findall(r"\| ([0-9a-f]{8}) \| `(\w+)\(([^)]*)\)`", DOCUMENT)
    found = {selector: f"{name}({types(parameters)})" for selector, name, parameters in rows}
    assert found == expected


def test_the_documented_events_are_all_there_are(world: World) -> None:
    events = [entry for entry in world.registry.abi if entry["type"] == "event"]
    expected = {
        keccak(text=signature(entry)).hex(): (
            signature(entry),
            [(part["name"], part["indexed"]) for part in entry["inputs"]],
        )
        for entry in events
    }
    found = {}
    for digest, name, parameters in re.findall(r"\| ([0-9a-f]{64}) \| `(\w+)\(([^)]*)\)`", DOCUMENT):
        declared = [part.split() for part in parameters.split(", ")]
        found[digest] = (f"{name}({types(parameters)})", [(part[-1], "indexed" in part) for part in declared])
    assert found == expected


def types(parameters: str) -> str:
    """The types of a documented list of parameters."""
    return ",".join(part.split()[0] for part in parameters.split(", ")) if parameters else ""


def test_the_documented_reasons_are_all_there_are() -> None:
    source = (Path(__file__).parent.parent / "Registry.vy").read_text()
    reasons = set(re.findall(r'^ *assert .*, "(.*)"$', source, re.MULTILINE))
    table = DOCUMENT[DOCUMENT.index("## 5.") : DOCUMENT.index("## 6.")]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert {reason for row in rows for reason in re.findall(r"`(.*?)`", row)} == reasons


def test_the_documented_constants_are_the_contract_s(world: World) -> None:
    constants = {
        "ACTIVE_SECONDS": 86_400,
        "SILENT_SECONDS": 2_592_000,
        "DESCRIPTOR_BYTES_MAX": 512,
        "PAGE_MAX": 256,
        "NODES_MAX": 2**24 - 1,
        "STAKE_MAX": 2**80 - 1,
        "MINIMUM_STAKE": STAKE,
        "UNBONDING_SECONDS": UNBONDING,
    }
    assert {name: world.registry.call(name) for name in constants} == constants
