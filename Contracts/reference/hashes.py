"""Keccak-256, addresses and ENS names."""

from __future__ import annotations

from random import Random

from eth_keys import keys
from eth_utils import keccak

from chain.encoding import Json
from chain.ens import namehash

# Around the block size of Keccak-256, 136 bytes, where padding changes.
LENGTHS = (0, 1, 31, 32, 33, 64, 134, 135, 136, 137, 271, 272, 273, 408)
LABEL_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_"
# EIP-137 gives these.
KNOWN_NAMES = {
    "": "00" * 32,
    "eth": "93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae",
    "foo.eth": "de9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f",
}


def keccak_vectors(random: Random, count: int) -> Json:
    """Messages and digests."""
    lengths = [*LENGTHS, *(random.randrange(600) for _ in range(count))]
    messages = [random.randbytes(length) for length in lengths]
    return {"vectors": [{"message": message.hex(), "digest": keccak(message).hex()} for message in messages]}


def account_vectors(random: Random, count: int) -> Json:
    """Private keys, public keys (64 bytes, without the leading 04), addresses and their text (EIP-55)."""
    vectors = []
    for _ in range(count):
        key = keys.PrivateKey(random.randbytes(32))
        public = key.public_key
        vectors.append(
            {
                "key": key.to_bytes().hex(),
                "public_key": public.to_bytes().hex(),
                "address": public.to_canonical_address().hex(),
                "checksum_address": public.to_checksum_address(),
            }
        )
    return {"vectors": vectors}


def name_vectors(random: Random, count: int) -> Json:
    """Names and their hashes; the names need no normalising."""
    for name, node in KNOWN_NAMES.items():
        if namehash(name).hex() != node:
            raise AssertionError(f"namehash of {name!r}")
    names = [*KNOWN_NAMES, "chronara.eth", "relays.chronara.eth"]
    for _ in range(count):
        labels = [
            "".join(random.choices(LABEL_CHARACTERS, k=random.randint(1, 20))) for _ in range(random.randint(1, 4))
        ]
        names.append(".".join(labels))
    return {"vectors": [{"name": name, "node": namehash(name).hex()} for name in names]}
