"""Throwaway accounts of the development chain. Their keys are public knowledge: never send them anything of value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from eth_keys import keys
from eth_utils import keccak

ETHER = 10**18
BALANCE = 10_000 * ETHER


@dataclass(frozen=True)
class Account:
    """An account and its private key, derived from a name."""

    name: str

    @cached_property
    def key(self) -> keys.PrivateKey:
        """The private key: Keccak-256 of a fixed prefix and the name."""
        return keys.PrivateKey(keccak(text=f"shadowmesh development account {self.name}"))

    @cached_property
    def address(self) -> bytes:
        """The address, 20 bytes."""
        return self.key.public_key.to_canonical_address()

    @property
    def checksum_address(self) -> str:
        """The address as text with checksum."""
        return self.key.public_key.to_checksum_address()


def development_accounts(count: int) -> list[Account]:
    """The accounts named 0, 1, ..."""
    return [Account(str(index)) for index in range(count)]
