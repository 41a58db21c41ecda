"""The compiled contract: made by `python -m chain.artifact`, kept in artifacts/Registry.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "Registry.vy"
ARTIFACT = ROOT / "artifacts" / "Registry.json"
# The newest rules that mainnet, Sepolia and py-evm share.
EVM_VERSION = "prague"


def compiled() -> dict[str, Any]:
    """What the pinned compiler makes of the source."""
    import vyper
    from vyper.compiler.settings import OptimizationLevel, Settings

    output = vyper.compile_code(
        SOURCE.read_text(),
        output_formats=["abi", "bytecode"],
        settings=Settings(evm_version=EVM_VERSION, optimize=OptimizationLevel.GAS),
    )
    return {
        "contract": SOURCE.name,
        "compiler": f"vyper {vyper.__version__}",
        "evmVersion": EVM_VERSION,
        "optimize": "gas",
        "bytecode": output["bytecode"],
        "abi": output["abi"],
    }


def load() -> dict[str, Any]:
    """The artifact that is kept."""
    return json.loads(ARTIFACT.read_text())


def encoded(artifact: dict[str, Any]) -> str:
    """The text of the file: one function or event a line, so that changes can be read."""
    fields = [f'  "{name}": {json.dumps(value)}' for name, value in artifact.items() if name != "abi"]
    abi = ",\n".join("    " + json.dumps(entry) for entry in artifact["abi"])
    return "{\n" + ",\n".join(fields) + ',\n  "abi": [\n' + abi + "\n  ]\n}\n"


if __name__ == "__main__":
    ARTIFACT.write_text(encoded(compiled()))
