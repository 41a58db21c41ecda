"""Contracts called by name: ABI encoding, signing and decoding over a chain in this process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_abi import decode, encode
from eth_account import Account as Signer
from eth_utils import keccak

from .accounts import Account
from .blocks import Block, Call, DevelopmentChain
from .encoding import Json, receipt_json

GAS_PRICE = 100 * 10**9  # far above the base fee of an idle chain
GAS_AMPLE = 8_000_000  # enough for everything that is deployed or called here


def type_name(parameter: Json) -> str:
    """A parameter's canonical type, tuples spelled out."""
    kind = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(type_name(part) for part in parameter["components"]) + ")" + kind[5:]


def signature(entry: Json) -> str:
    """The signature that selectors and topics are hashes of."""
    return entry["name"] + "(" + ",".join(type_name(parameter) for parameter in entry["inputs"]) + ")"


def send(
    chain: DevelopmentChain, sender: Account, to: bytes, data: bytes = b"", value: int = 0, gas: int | None = None
) -> Json:
    """Signs, mines, and gives the receipt. Without `gas`, what would fail is not sent, but raises `Reverted`."""
    if gas is None:
        gas = GAS_AMPLE
        chain.call(Call(sender.address, to, data, value, gas), chain.head)
    raw = signed(chain, sender, to, data, value, gas, chain.state(chain.head).get_nonce(sender.address))
    number, index = chain.mined[chain.submit(raw)]
    return receipt_json(chain.blocks[number], index)


def signed(chain: DevelopmentChain, sender: Account, to: bytes, data: bytes, value: int, gas: int, nonce: int) -> bytes:
    """The bytes of a signed EIP-1559 transaction; `to` is empty for a creation."""
    fields = {
        "chainId": chain.chain_id,
        "nonce": nonce,
        "maxPriorityFeePerGas": 10**9,
        "maxFeePerGas": GAS_PRICE,
        "gas": gas,
        "to": to,
        "value": value,
        "data": data,
    }
    return bytes(Signer.sign_transaction(fields, sender.key.to_bytes()).raw_transaction)


@dataclass(frozen=True)
class Contract:
    """A deployed contract."""

    chain: DevelopmentChain
    address: bytes
    abi: list[Json]

    @classmethod
    def deploy(
        cls, chain: DevelopmentChain, sender: Account, bytecode: str, abi: list[Json], arguments: tuple = ()
    ) -> Contract:
        """Deploys it."""
        inputs = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), [])
        creation = bytes.fromhex(bytecode.removeprefix("0x")) + encode([type_name(part) for part in inputs], arguments)
        receipt = send(chain, sender, b"", creation)
        return cls(chain, bytes.fromhex(receipt["contractAddress"][2:]), abi)

    @cached_property
    def _functions(self) -> dict[str, Json]:
        functions = [entry for entry in self.abi if entry["type"] == "function"]
        return {entry["name"]: entry for entry in functions} | {signature(entry): entry for entry in functions}

    def encode(self, name: str, *arguments: Any) -> bytes:
        """Calldata. `name` may be a whole signature, where a name is overloaded."""
        entry = self._functions[name]
        types = [type_name(part) for part in entry["inputs"]]
        return keccak(text=signature(entry))[:4] + encode(types, arguments)

    def call(self, name: str, *arguments: Any, block: Block | None = None, sender: bytes = bytes(20)) -> Any:
        """What a view returns; a single value alone, several as a tuple, structs as tuples."""
        outputs = [type_name(part) for part in self._functions[name]["outputs"]]
        request = Call(sender, self.address, self.encode(name, *arguments))
        values = decode(outputs, self.chain.call(request, block or self.chain.head))
        return values[0] if len(values) == 1 else values

    def transact(self, sender: Account, name: str, *arguments: Any, value: int = 0, gas: int | None = None) -> Json:
        """Sends a transaction; its receipt."""
        return send(self.chain, sender, self.address, self.encode(name, *arguments), value, gas)

    def events(self, receipt: Json) -> list[tuple[str, Json]]:
        """The events that a receipt holds of this contract: name and arguments."""
        known = {"0x" + keccak(text=signature(entry)).hex(): entry for entry in self.abi if entry["type"] == "event"}
        found = []
        for log in receipt["logs"]:
            if bytes.fromhex(log["address"][2:]) == self.address:
                entry = known[log["topics"][0]]
                found.append((entry["name"], _arguments(entry, log)))
        return found


def _arguments(entry: Json, log: Json) -> Json:
    indexed = [part for part in entry["inputs"] if part["indexed"]]
    plain = [part for part in entry["inputs"] if not part["indexed"]]
    result = {
        part["name"]: decode([type_name(part)], bytes.fromhex(topic[2:]))[0]
        for part, topic in zip(indexed, log["topics"][1:], strict=True)
    }
    values = decode([type_name(part) for part in plain], bytes.fromhex(log["data"][2:]))
    return result | {part["name"]: value for part, value in zip(plain, values, strict=True)}
