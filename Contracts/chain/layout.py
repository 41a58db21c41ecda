"""The registry's storage as STORAGE.md gives it: slots and words of a list."""

from __future__ import annotations

from typing import NamedTuple

from eth_utils import keccak

COUNT_SLOT = 0
DETAILS_ROOT = 1
UNBONDING_ROOT = 2
ENTRIES_SLOT = 3


class Node(NamedTuple):
    """What the registry's views return for an entry."""

    identity: bytes
    operator: str
    descriptor_hash: bytes
    descriptor_block: int
    stake: int
    heartbeat: int
    registered: int
    position: int
    drawn: bool
    registration_value: int

    @property
    def operator_bytes(self) -> bytes:
        """The operator's address, 20 bytes."""
        return bytes.fromhex(self.operator[2:])


def mapping_slot(root: int, identity: bytes, operator: bytes) -> int:
    """Where a mapping keeps what belongs to a pair. Vyper hashes the mapping's slot before the key."""
    key = keccak(identity + bytes(12) + operator)
    return int.from_bytes(keccak(root.to_bytes(32, "big") + key), "big")


def list_words(nodes: list[Node]) -> dict[int, int]:
    """All words of a list by slot, in the order in which STORAGE.md, section 2, asks for them."""
    words = {COUNT_SLOT: len(nodes)}
    for node in nodes:
        slot = ENTRIES_SLOT + 2 * node.position
        words[slot] = int(node.operator, 16) | node.registered << 160
        words[slot + 1] = int.from_bytes(node.identity, "big")
    for node in nodes:
        slot = mapping_slot(DETAILS_ROOT, node.identity, node.operator_bytes)
        words[slot] = int.from_bytes(node.descriptor_hash, "big")
        words[(slot + 1) % 2**256] = status_word(node)
    return words


def status_word(node: Node) -> int:
    """An entry's status word."""
    return (
        node.stake
        | node.heartbeat << 80
        | node.position << 120
        | node.descriptor_block << 144
        | node.registration_value << 184
        | int(node.drawn) << 248
    )
