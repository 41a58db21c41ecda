"""Contract ABI: values of the registry's types and their encodings, and encodings that must be refused."""

from __future__ import annotations

from random import Random
from typing import Any

from eth_abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils import keccak, to_checksum_address

from chain import artifact
from chain.contract import signature, type_name
from chain.encoding import Json

NODE = "(bytes32,address,bytes32,uint256,uint256,uint256,uint256,uint256,bool,uint256)"
# The types that random signatures are put together from.
TYPES = (
    "address", "bool", "bytes32", "bytes", "string", "uint8", "uint64", "uint256", "bytes[]", "uint256[]", "bytes32[]",
    "address[]", "string[]", "(uint256,bytes)", "(address,uint64)", "(bytes32,(bool,string))", "(uint64,bytes)[]", NODE,
    NODE + "[]", "uint256[3]",
)  # fmt: skip
TEXTS = ("", "wss://relay.example:443", "eu-central", "Zürich", "日本", "a" * 32, "b" * 33)


def random_value(random: Random, kind: str) -> Any:
    """A value of a type."""
    if kind.endswith("[]"):
        return [random_value(random, kind[:-2]) for _ in range(random.choice((0, 1, 2, 4)))]
    if kind.endswith("[3]"):
        return [random_value(random, kind[:-3]) for _ in range(3)]
    if kind.startswith("("):
        return tuple(random_value(random, part) for part in parts(kind))
    if kind.startswith("uint"):
        bits = int(kind[4:])
        return random.choice((0, 1, 2**bits - 1, random.getrandbits(bits), random.getrandbits(bits // 2)))
    if kind == "bool":
        return random.random() < 0.5
    if kind == "string":
        return random.choice(TEXTS)
    byte_count = {"address": 20, "bytes32": 32, "bytes": random.choice((0, 1, 31, 32, 33, 100))}[kind]
    value = random.randbytes(byte_count)
    return to_checksum_address(value) if kind == "address" else value


def parts(kind: str) -> list[str]:
    """The types inside a tuple's parentheses."""
    result, depth, start = [], 0, 1
    for index, character in enumerate(kind):
        depth += (character == "(") - (character == ")")
        if (character == "," and depth == 1) or (character == ")" and depth == 0):
            result.append(kind[start:index])
            start = index + 1
    return result


def text(value: Any) -> Any:
    """A value as JSON: hexadecimal for bytes, decimal text for numbers, lists for arrays and tuples."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    return [text(part) for part in value]


def truncated(random: Random, types: list[str], encoding: bytes) -> bytes | None:
    """A part of an encoding that the oracle refuses."""
    part = encoding[: random.randrange(len(encoding))]
    try:
        decode(types, part)
    except DecodingError:
        return part
    return None


FORMS = (
    ("address with bytes before it", ["address"], "01" + "00" * 11 + "aa" * 20),
    ("bool of 2", ["bool"], "00" * 31 + "02"),
    ("uint64 above its range", ["uint64"], "00" * 23 + "01" + "00" * 8),
    ("offset beyond the end", ["bytes"], "00" * 31 + "60" + "00" * 32),
    ("offset of 2^256 - 1", ["bytes"], "ff" * 32 + "00" * 32),
    ("length beyond the end", ["bytes"], "00" * 31 + "20" + "00" * 31 + "21" + "aa" * 32),
    ("length of 2^256 - 1", ["bytes"], "00" * 31 + "20" + "ff" * 32 + "aa" * 32),
    ("array longer than what is there", ["uint256[]"], "00" * 31 + "20" + "00" * 31 + "02" + "00" * 32),
    ("array of 2^64 - 1 elements", ["uint256[]"], "00" * 31 + "20" + "00" * 24 + "ff" * 8 + "00" * 32),
)


def abi_vectors(random: Random, count: int) -> Json:
    """Values with encodings, encodings that are refused, and the registry's selectors and topics."""
    accepted, refused = [], []
    for _ in range(count):
        types = random.choices(TYPES, k=random.randint(1, 4))
        values = [random_value(random, kind) for kind in types]
        encoding = encode(types, values)
        accepted.append({"types": types, "values": text(values), "encoding": encoding.hex()})
        if len(refused) < count // 4 and (part := truncated(random, types, encoding)) is not None:
            refused.append({"reason": "truncated", "types": types, "encoding": part.hex()})
    for reason, types, encoding in FORMS:
        try:
            decode(types, bytes.fromhex(encoding))
        except (DecodingError, OverflowError):
            refused.append({"reason": reason, "types": types, "encoding": encoding})
        else:
            raise AssertionError(f"accepted: {reason}")
    return {"accepted": accepted, "refused": refused} | registry_vectors(random, count // 10)


def registry_vectors(random: Random, count: int) -> Json:
    """The registry's interface as its ABI gives it, and calldata of its functions."""
    abi = artifact.load()["abi"]
    functions = [entry for entry in abi if entry["type"] == "function"]
    calls = []
    for index in range(max(count, len(functions))):
        entry = functions[index % len(functions)]
        types = [type_name(part) for part in entry["inputs"]]
        values = [random_value(random, kind) for kind in types]
        selector, arguments = keccak(text=signature(entry))[:4], encode(types, values)
        calls.append({"signature": signature(entry), "values": text(values), "calldata": (selector + arguments).hex()})
    topics = {signature(e): keccak(text=signature(e)).hex() for e in abi if e["type"] == "event"}
    return {"calls": calls, "topics": topics}
