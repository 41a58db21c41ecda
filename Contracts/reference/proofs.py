"""Merkle-Patricia proofs: of random tries, and of the registry on a chain; tampered ones must be refused."""

from __future__ import annotations

from random import Random

import rlp
from eth_utils import keccak
from trie import HexaryTrie
from trie.exceptions import BadTrieProof
from trie.exceptions import ValidationError as TrieValidationError

from chain.encoding import Json

ACCOUNT_COUNTS = (0, 1, 2, 3, 16, 17, 60, 300)


def word(random: Random) -> bytes:
    """A storage value's encoding: a number without leading zeros."""
    number = random.choice((1, 127, 128, random.getrandbits(40) | 1, random.getrandbits(256) | 1))
    return rlp.encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def account(random: Random) -> bytes:
    """An account's encoding: nonce, balance, storage root, code hash."""
    numbers = [random.getrandbits(bits) for bits in (8, 70)]
    fields = [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in numbers]
    return rlp.encode([*fields, random.randbytes(32), random.randbytes(32)])


def proof_of(trie: HexaryTrie, path: bytes) -> list[bytes]:
    """The nodes of a proof as eth_getProof gives them: short nodes are inside their parents."""
    nodes = [rlp.encode(node) for node in trie.get_proof(path) if node]
    return [node for position, node in enumerate(nodes) if position == 0 or len(node) >= 32]


def verify(root: bytes, path: bytes, proof: list[bytes]) -> bytes:
    """What a proof proves: the value, or nothing for absence; `BadTrieProof` when it proves neither."""
    return HexaryTrie.get_from_proof(root, path, [rlp.decode(node) for node in proof])


def refused(root: bytes, path: bytes, proof: list[bytes], claim: bytes) -> bool:
    """Whether the oracle refuses a claim."""
    try:
        return verify(root, path, proof) != claim
    except (BadTrieProof, TrieValidationError, rlp.exceptions.RLPException, ValueError, IndexError, TypeError):
        return True


def tampered(random: Random, root: bytes, path: bytes, proof: list[bytes], value: bytes, other: bytes) -> list[tuple]:
    """(reason, root, path, proof, claim) of claims made from a good one."""
    place = random.randrange(len(proof)) if proof else 0
    candidates = [
        ("another value", root, path, proof, other),
        ("another root", keccak(root), path, proof, value),
        ("no nodes", root, path, [], value),
    ]
    if proof:
        node = bytearray(proof[place])
        node[random.randrange(len(node))] ^= 1 << random.randrange(8)
        candidates += [
            ("a bit flipped in a node", root, path, [*proof[:place], bytes(node), *proof[place + 1 :]], value),
            ("a node left out", root, path, proof[:place] + proof[place + 1 :], value),
            ("claimed absent" if value else "claimed present", root, path, proof, b"" if value else other),
            ("absent by a proof cut short", root, path, proof[:-1], b""),
        ]
    if len(proof) > 1:
        candidates.append(("root node of another trie", root, path, [rlp.encode([b" ", value]), *proof[1:]], value))
    return [candidate for candidate in candidates if refused(*candidate[1:])]


def claim_json(root: bytes, path: bytes, proof: list[bytes], claim: bytes) -> Json:
    """A claim as JSON; `value` is empty for absence."""
    return {"root": root.hex(), "path": path.hex(), "proof": [node.hex() for node in proof], "value": claim.hex()}


def trie_vectors(random: Random, count: int, sizes: tuple[int, ...] = ACCOUNT_COUNTS) -> Json:
    """Claims about tries: `path` a hashed key, `value` an encoded value. All in `accepted` hold, none in `refused`."""
    accepted, spoiled = [], []
    while len(accepted) < count:
        make = random.choice((word, account))
        size = sizes[len(accepted) % len(sizes)]
        trie = HexaryTrie({})
        paths = [keccak(random.randbytes(32)) for _ in range(size)]
        for path in paths:
            trie[path] = make(random)
        asked = [*random.sample(paths, min(2, size)), keccak(random.randbytes(32))]
        for path in asked:
            proof, value = proof_of(trie, path), trie.get(path) or b""
            if verify(trie.root_hash, path, proof) != value:
                raise AssertionError("the oracle refuses its own proof")
            accepted.append(claim_json(trie.root_hash, path, proof, value))
            choices = tampered(random, trie.root_hash, path, proof, value, make(random))
            reason, *claim = random.choice(choices)
            spoiled.append({"reason": reason} | claim_json(*claim))
    return {"accepted": accepted, "refused": spoiled}
