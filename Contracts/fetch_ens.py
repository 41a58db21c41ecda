"""Gets the byte code of the real ENS registry and public resolver, which web3's source archive has for its tests.

    python fetch_ens.py OUT.json

The archive is downloaded by pip, pinned by version and hash, read as text, and never run.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ARCHIVE = "web3==8.0.0 --hash=sha256:8d898fe1909037d6269c998d27c1806ce201cf6d7e49514ad6f3e4dcc64e6e9a\n"
REGISTRY = ("web3-8.0.0/tests/ens/conftest.py", "ENSFactory", "bytecode")
RESOLVER = ("web3-8.0.0/ens/contract_data.py", "resolver_bytecode")


def download(directory: Path) -> Path:
    """The archive."""
    pins = directory / "pins.txt"
    pins.write_text(ARCHIVE)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-binary", ":all:", "--require-hashes", "--requirement", str(pins), "--dest", str(directory)]
    subprocess.run(command, check=True)
    return next(directory.glob("web3-*.tar.gz"))


def keyword_in_function(source: str, function: str, keyword: str) -> str:
    """The string given for a keyword somewhere inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for inner in ast.walk(node):
                if isinstance(inner, ast.keyword) and inner.arg == keyword:
                    return ast.literal_eval(inner.value)
    raise LookupError(f"no {keyword} in {function}")


def assigned(source: str, name: str) -> str:
    """The string assigned to a name of a module."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return ast.literal_eval(node.value)
    raise LookupError(f"no {name}")


def main() -> None:
    """Writes both as JSON."""
    with tempfile.TemporaryDirectory() as directory, tarfile.open(download(Path(directory))) as archive:

        def text(member: str) -> str:
            file = archive.extractfile(member)
            if file is None:
                raise LookupError(member)
            return file.read().decode()

        codes = {
            "registry": keyword_in_function(text(REGISTRY[0]), REGISTRY[1], REGISTRY[2]).removeprefix("0x"),
            "resolver": assigned(text(RESOLVER[0]), RESOLVER[1]).removeprefix("0x"),
        }
    Path(sys.argv[1]).write_text(json.dumps(codes) + "\n")


if __name__ == "__main__":
    main()
