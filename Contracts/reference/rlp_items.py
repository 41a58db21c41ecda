"""RLP: nested items and their encodings, and encodings that must be refused."""

from __future__ import annotations

from random import Random
from typing import Any

import rlp

from chain.encoding import Json

# Around the borders of the short and long forms.
LENGTHS = (0, 1, 2, 54, 55, 56, 57, 255, 256, 257)
DEPTH_MAX = 5


def random_item(random: Random, depth: int = 0) -> Any:
    """Bytes, or a list of items."""
    if depth < DEPTH_MAX and random.random() < 0.45:
        return [random_item(random, depth + 1) for _ in range(random.choice((0, 1, 2, 3, 5)))]
    if random.random() < 0.3:
        return bytes([random.randrange(256)])
    return random.randbytes(random.choice((0, 1, 2, 20, 32, 54, 55, 56, 80)))


def text(item: Any) -> Any:
    """An item as JSON: hexadecimal for bytes."""
    return item.hex() if isinstance(item, bytes) else [text(part) for part in item]


def mutated(random: Random, encoding: bytes) -> tuple[str, bytes]:
    """A spoiled encoding and how it was spoiled."""
    kind = random.choice(("truncated", "trailing", "changed"))
    if kind == "truncated":
        return kind, encoding[: random.randrange(len(encoding))]
    if kind == "trailing":
        return kind, encoding + random.randbytes(random.randint(1, 3))
    place = random.randrange(len(encoding))
    return kind, encoding[:place] + bytes([encoding[place] ^ random.randint(1, 255)]) + encoding[place + 1 :]


def is_refused(encoding: bytes) -> bool:
    """Whether the oracle refuses it."""
    try:
        return rlp.encode(rlp.decode(encoding, strict=True)) != encoding
    except (rlp.exceptions.RLPException, IndexError):
        return True


FORMS = {
    "empty input": "",
    "a byte below 80 with a length": "8100",
    "a byte below 80 with a length, 7f": "817f",
    "long form for 0 bytes": "b800",
    "long form for 55 bytes": "b837" + "aa" * 55,
    "long form of a list for 0 bytes": "f800",
    "long form of a list for 55 bytes": "f837" + "01" * 55,
    "length with a leading zero": "b90038" + "aa" * 56,
    "length with a leading zero, list": "f90038" + "01" * 56,
    "length of 2^64 - 1": "bf" + "ff" * 8,
    "length of 2^64 - 1, list": "ff" * 9,
    "length of 2^63 - 1": "bf7f" + "ff" * 7,
    "length cut": "b9ff",
    "a part reaches beyond its list": "c3836162",
    "a part reaches beyond its list, nested": "c3c3c0c0",
}


def rlp_vectors(random: Random, count: int) -> Json:
    """Items with encodings, and encodings that are refused."""
    items: list[Any] = [bytes(length) for length in LENGTHS] + [bytes([value]) for value in (0, 1, 127, 128, 255)]
    items += [[], [[]], [[], [[]], [[], [[]]]], [b"\x01"] * 55, [b"\x01"] * 56]
    items += [random_item(random) for _ in range(count)]
    accepted = [{"item": text(item), "encoding": rlp.encode(item).hex()} for item in items]
    refused = [{"reason": reason, "encoding": encoding} for reason, encoding in FORMS.items()]
    for entry in refused:
        if not is_refused(bytes.fromhex(entry["encoding"])):
            raise AssertionError(f"accepted: {entry}")
    while len(refused) < len(FORMS) + count // 2:
        reason, encoding = mutated(random, rlp.encode(random_item(random)))
        if is_refused(encoding):
            refused.append({"reason": reason, "encoding": encoding.hex()})
    return {"accepted": accepted, "refused": refused}
