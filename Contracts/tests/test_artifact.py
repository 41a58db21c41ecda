"""The kept byte code and vectors are what the sources make."""

from __future__ import annotations

from pathlib import Path

from chain import artifact
from vectors import generate, text

VECTORS = Path(__file__).parent.parent.parent / "Tests" / "Vectors" / "registry"


def test_the_artifact_is_what_the_compiler_makes() -> None:
    assert artifact.ARTIFACT.read_text() == artifact.encoded(artifact.compiled()), "run make contracts-build"


def test_the_kept_vectors_are_what_the_generator_makes() -> None:
    made = {f"{name}.json": text(vectors) for name, vectors in generate(1, small=True).items()}
    kept = {path.name: path.read_text() for path in VECTORS.glob("*.json")}
    assert kept == made, "run Contracts/vectors.py --small --out Tests/Vectors/registry"


def test_the_kept_vectors_are_small() -> None:
    assert sum(path.stat().st_size for path in VECTORS.glob("*.json")) < 300_000
