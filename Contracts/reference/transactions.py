"""Signed EIP-1559 transactions."""

from __future__ import annotations

from random import Random

from eth_account import Account
from eth_account.typed_transactions import TypedTransaction

from chain.encoding import Json

CHAIN_IDS = (1, 11_155_111, 31_337, 2**53)


def transaction_vectors(random: Random, count: int) -> Json:
    """Key, fields (numbers as decimal text, `to` empty for a creation), the hash that is signed, bytes, their hash."""
    vectors = []
    for _ in range(count):
        key = random.randbytes(32)
        tip = random.getrandbits(random.choice((0, 30, 40)))
        fields = {
            "chainId": random.choice(CHAIN_IDS),
            "nonce": random.choice((0, 1, 127, 128, random.getrandbits(32))),
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": tip + random.getrandbits(36),
            "gas": random.randint(21_000, 36_000_000),
            "to": random.randbytes(20) if random.random() < 0.9 else b"",
            "value": random.choice((0, 10**17, random.getrandbits(80), random.getrandbits(128))),
            "data": random.randbytes(random.choice((0, 1, 36, 68, 200))),
        }
        signed = Account.sign_transaction(fields, key)
        unsigned = TypedTransaction.from_dict(fields | {"to": fields["to"], "accessList": [], "type": 2})
        vectors.append(
            {
                "key": key.hex(),
                "sender": Account.from_key(key).address[2:].lower(),
                "chain_id": str(fields["chainId"]),
                "nonce": str(fields["nonce"]),
                "max_priority_fee_per_gas": str(fields["maxPriorityFeePerGas"]),
                "max_fee_per_gas": str(fields["maxFeePerGas"]),
                "gas": str(fields["gas"]),
                "to": fields["to"].hex(),
                "value": str(fields["value"]),
                "data": fields["data"].hex(),
                "signing_hash": unsigned.hash().hex(),
                "raw": signed.raw_transaction.hex(),
                "hash": signed.hash.hex(),
            }
        )
    return {"vectors": vectors}
