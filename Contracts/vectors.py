"""Writes reference vectors for the Swift client of the registry.

    .build/contracts-venv/bin/python Contracts/vectors.py [--seed 1] [--out out/registry-vectors] [--small]

`--small` writes the few that are kept in Tests/Vectors/registry; without it thousands are made. The same seed makes the
same files.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

from chain.encoding import Json
from reference.abi import abi_vectors
from reference.hashes import account_vectors, keccak_vectors, name_vectors
from reference.keystores import keystore_vectors
from reference.proofs import trie_vectors
from reference.registry import registry_vectors
from reference.rlp_items import rlp_vectors
from reference.transactions import transaction_vectors

# File, generator, how many in the small set, how many in the full one.
SETS: tuple[tuple[str, Callable[[Random, int], Json], int, int], ...] = (
    ("keccak", keccak_vectors, 12, 2_000),
    ("accounts", account_vectors, 12, 1_000),
    ("names", name_vectors, 12, 1_000),
    ("rlp", rlp_vectors, 40, 3_000),
    ("abi", abi_vectors, 36, 3_000),
    ("transactions", transaction_vectors, 16, 1_000),
    ("keystores", keystore_vectors, 8, 64),
    ("tries", trie_vectors, 22, 1_000),
)
RELAYS = {True: 3, False: 60}


def generate(seed: int, small: bool) -> dict[str, Json]:
    """All files by name. Each has a random source of its own, so that one can change without the others."""
    files = {}
    for name, make, few, many in SETS:
        files[name] = {"seed": seed} | make(Random(f"{name} {seed}"), few if small else many)
    files["registry"] = registry_vectors(RELAYS[small])
    return files


def text(vectors: Json) -> str:
    """A file: one vector a line."""
    return json.dumps(vectors, separators=(",", ":"), ensure_ascii=False).replace("},{", "},\n{") + "\n"


def main() -> None:
    """Writes them and says how many."""
    parser = argparse.ArgumentParser(description="Reference vectors for the Swift client of the registry.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out/registry-vectors"))
    parser.add_argument("--small", action="store_true", help="the few that are kept")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}")
    for name, vectors in generate(options.seed, options.small).items():
        content = text(vectors)
        (options.out / f"{name}.json").write_text(content)
        counts = ", ".join(f"{len(value)} {key}" for key, value in vectors.items() if isinstance(value, list | dict))
        print(f"{name}.json: {counts}, {len(content.encode()):,} bytes")


if __name__ == "__main__":
    main()
