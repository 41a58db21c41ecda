"""An endpoint that lies about the registry, for tests: forwards JSON-RPC to an honest one and alters what comes back.

    .build/contracts-venv/bin/python Contracts/liar.py --upstream http://127.0.0.1:8545 --registry 0x... --lie altered

Prints one line of JSON when it is ready, and ends on SIGTERM. The method liar_told says how many answers were lies.
"""

from __future__ import annotations

import argparse
import json
import threading
import urllib.request
from typing import Any

from chain.lies import LIES, Liar
from chain.server import Server, serve_until_ended

TIMEOUT_SECONDS = 30


class UpstreamError(Exception):
    """What the honest endpoint answered in place of a result."""

    def __init__(self, body: Any) -> None:
        super().__init__(str(body))
        self.body = body


class Proxy:
    """Answers requests and batches through a liar, one at a time."""

    def __init__(self, upstream: str, registry: str, lie: str, in_proofs: bool) -> None:
        self.upstream = upstream
        self.liar = Liar(self.forward, registry, lie, in_proofs)
        self.lock = threading.Lock()

    def forward(self, method: str, parameters: list[Any]) -> Any:
        """The honest endpoint's result."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        request = urllib.request.Request(self.upstream, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            answer = json.loads(response.read())
        if "error" in answer:
            raise UpstreamError(answer["error"])
        return answer["result"]

    def answer(self, request: Any) -> Any:
        """The response to a request or a batch."""
        if isinstance(request, list):
            return [self._answer_one(entry) for entry in request]
        return self._answer_one(request)

    def _answer_one(self, request: Any) -> Any:
        response = {"jsonrpc": "2.0", "id": request.get("id")}
        try:
            with self.lock:
                return response | {"result": self._result(request["method"], request.get("params", []))}
        except UpstreamError as error:
            return response | {"error": error.body}
        except OSError as error:
            return response | {"error": {"code": -32603, "message": f"upstream: {error}"}}

    def _result(self, method: str, parameters: list[Any]) -> Any:
        return self.liar.told if method == "liar_told" else self.liar.answer(method, parameters)


def main() -> None:
    """Says where it listens, serves."""
    parser = argparse.ArgumentParser(description="An endpoint that lies about the registry, for tests.")
    parser.add_argument("--upstream", required=True, help="URL of an honest endpoint")
    parser.add_argument("--registry", required=True, help="the registry's address")
    parser.add_argument("--lie", required=True, choices=LIES)
    parser.add_argument("--claims-only", action="store_true", help="tell the truth in proofs and storage")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    proxy = Proxy(options.upstream, options.registry, options.lie, not options.claims_only)
    server = Server(options.host, options.port, proxy.answer)
    print(json.dumps({"rpc": server.url, "lie": options.lie, "claims_only": options.claims_only}), flush=True)
    serve_until_ended(server)


if __name__ == "__main__":
    main()
