"""eth_getProof: account and storage proofs over py-evm's tries."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import rlp
from eth.rlp.accounts import Account
from eth_utils import keccak
from trie import HexaryTrie
from trie.constants import BLANK_NODE, BLANK_NODE_HASH
from trie.utils.nodes import decode_node

from .blocks import Block, DevelopmentChain
from .encoding import Json, data, quantity

# Decoded nodes to remember: the proofs of one list share all upper nodes of its trie.
NODES_CACHED = 20_000


class CachedTrie(HexaryTrie):
    """A trie that decodes each node once."""

    def get_node(self, node_hash: bytes) -> Any:
        if len(node_hash) != 32 or not isinstance(node_hash, bytes):  # a short node, kept inside its parent
            return super().get_node(node_hash)
        return _decoded(self.db[node_hash]) if node_hash != BLANK_NODE_HASH else BLANK_NODE


@lru_cache(maxsize=NODES_CACHED)
def _decoded(node: bytes) -> Any:
    return decode_node(node)


def prove(chain: DevelopmentChain, block: Block, address: bytes, slots: list[int], keys: list[str]) -> Json:
    """The answer of eth_getProof. `keys` are the slots as they were asked for, which are echoed."""
    db = chain.chain.chaindb.db
    accounts = CachedTrie(db, block.header.state_root)
    path = keccak(address)
    encoded = accounts.get(path)
    account = rlp.decode(encoded, Account) if encoded else Account()
    storage = CachedTrie(db, account.storage_root)
    entries = []
    for slot, key in zip(slots, keys, strict=True):
        slot_path = keccak(slot.to_bytes(32, "big"))
        word = storage.get(slot_path)
        value = int.from_bytes(rlp.decode(word), "big") if word else 0
        entries.append({"key": key, "value": quantity(value), "proof": _nodes(storage, slot_path)})
    return {
        "address": data(address),
        "balance": quantity(account.balance),
        "nonce": quantity(account.nonce),
        "codeHash": data(account.code_hash),
        "storageHash": data(account.storage_root),
        "accountProof": _nodes(accounts, path),
        "storageProof": entries,
    }


def _nodes(trie: HexaryTrie, path: bytes) -> list[str]:
    """The nodes from the root to where the path ends, encoded; those shorter than 32 bytes are inside their parents."""
    nodes = [rlp.encode(node) for node in trie.get_proof(path) if node]
    return [data(node) for position, node in enumerate(nodes) if position == 0 or len(node) >= 32]
