"""Lies about the registry's list, told in every answer in which they would show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth_abi import decode, encode
from eth_utils import keccak, to_checksum_address

from .accounts import Account
from .encoding import Json
from .layout import Node, list_words
from .setup import descriptor, relay_identity

Forward = Callable[[str, list[Any]], Any]

PAGE_MAX = 256  # of the registry: a liar about longer lists would have to ask for more pages
LIES = ("altered", "missing", "invented", "withheld")
FALSE_DESCRIPTOR = descriptor("wss://liar.example:443", "nowhere")
LIAR = Account("liar")
NODE_TYPE = "(bytes32,address,bytes32,uint256,uint256,uint256,uint256,uint256,bool,uint256)"
GET_NODES, GET_ACTIVE_NODES, GET_NODE, NODE_COUNT = "038d67e8", "7a2fab1e", "8d64fec2", "6da49b83"
ENDPOINT_UPDATED = "0x04ea059c02e92dc6ea93f701f85c35533594ac56c5a532b503b0f508f94b963d"


class Liar:
    """Answers for an honest endpoint, but lies about one relay of the registry.

    altered    the first relay has another descriptor, which leads to the liar
    missing    the first relay is not there
    invented   there is one relay more, the liar's
    withheld   the first relay's descriptor is in no event; all else is true
    """

    def __init__(self, forward: Forward, registry: str, lie: str, in_proofs: bool = True) -> None:
        """`forward` asks the honest endpoint. Without `in_proofs` the lie is told in calls and events only."""
        self.forward = forward
        self.registry = registry.lower()
        self.lie = lie
        self.in_proofs = in_proofs
        self.told = 0

    def answer(self, method: str, parameters: list[Any]) -> Any:
        """The result of a method, true or not."""
        truth = self.forward(method, self._honest(method, parameters))
        if not self._concerns(method, parameters):
            return truth
        if method == "eth_call":
            answer = self._call(parameters, truth)
        elif method == "eth_getLogs":
            answer = self._logs(parameters[0], truth)
        else:
            answer = self._storage(method, parameters, truth)
        self.told += answer != truth
        return answer

    def _concerns(self, method: str, parameters: list[Any]) -> bool:
        about = parameters[0] if parameters else None
        if method == "eth_call":
            return isinstance(about, dict) and str(about.get("to")).lower() == self.registry
        if method == "eth_getLogs":
            return isinstance(about, dict) and self.registry in str(about.get("address", self.registry)).lower()
        return method in ("eth_getProof", "eth_getStorageAt") and self.in_proofs and str(about).lower() == self.registry

    def _honest(self, method: str, parameters: list[Any]) -> list[Any]:
        """What the honest endpoint is asked: for logs without the hashes, which may be the liar's own."""
        if method != "eth_getLogs" or not self._concerns(method, parameters):
            return parameters
        return [parameters[0] | {"topics": (parameters[0].get("topics") or [])[:1]}]

    # -- The list, true and false --------------------------------------------------------------------------------------

    def _true_nodes(self, tag: Any) -> list[Node]:
        data = "0x" + GET_NODES + encode(["uint256", "uint256"], [0, PAGE_MAX]).hex()
        answer = self.forward("eth_call", [{"to": self.registry, "data": data}, tag])
        return [Node(*node) for node in decode([NODE_TYPE + "[]"], bytes.fromhex(answer[2:]))[0]]

    def _false_nodes(self, nodes: list[Node]) -> list[Node]:
        if not nodes or self.lie == "withheld":
            return nodes
        first, last = nodes[0], nodes[-1]
        if self.lie == "altered":
            return [first._replace(descriptor_hash=keccak(FALSE_DESCRIPTOR)), *nodes[1:]]
        if self.lie == "missing":
            return [last._replace(position=0), *nodes[1:-1]] if len(nodes) > 1 else []
        return [*nodes, self._invented(first, len(nodes))]

    def _invented(self, model: Node, position: int) -> Node:
        return model._replace(
            identity=relay_identity(LIAR),
            operator=to_checksum_address(LIAR.address),
            descriptor_hash=keccak(FALSE_DESCRIPTOR),
            position=position,
        )

    # -- Answers -------------------------------------------------------------------------------------------------------

    def _call(self, parameters: list[Any], truth: str) -> str:
        call, tag = parameters[0], parameters[1] if len(parameters) > 1 else "latest"
        data = str(call.get("input") or call.get("data"))[2:]
        nodes = self._true_nodes(tag)
        false = self._false_nodes(nodes)
        if data.startswith(NODE_COUNT):
            return "0x" + len(false).to_bytes(32, "big").hex()
        if data.startswith(GET_NODE):
            identity, operator = bytes.fromhex(data[8:72]), "0x" + data[96:136]
            same = [n for n in false if n.identity == identity and n.operator.lower() == operator.lower()]
            return "0x" + encode([NODE_TYPE], [tuple(same[0])]).hex() if same else truth
        if data.startswith((GET_NODES, GET_ACTIVE_NODES)):
            offset, limit = decode(["uint256", "uint256"], bytes.fromhex(data[8:]))
            shown = false[offset : offset + limit]
            if data.startswith(GET_ACTIVE_NODES):
                active = {node[0] for node in decode([NODE_TYPE + "[]"], bytes.fromhex(truth[2:]))[0]}
                shown = [node for node in shown if node.identity in active or node not in nodes]
            return "0x" + encode([NODE_TYPE + "[]"], [[tuple(node) for node in shown]]).hex()
        return truth

    def _storage(self, method: str, parameters: list[Any], truth: Any) -> Any:
        nodes = self._true_nodes(parameters[2] if len(parameters) > 2 else "latest")
        words = dict.fromkeys(list_words(nodes), 0) | list_words(self._false_nodes(nodes))
        if method == "eth_getStorageAt":
            word = words.get(int(parameters[1], 16), int(truth, 16))
            return "0x" + word.to_bytes(32, "big").hex()
        entries = [
            entry | {"value": hex(words.get(int(entry["key"], 16), int(entry["value"], 16)))}
            for entry in truth["storageProof"]
        ]
        return truth | {"storageProof": entries}

    def _logs(self, wanted: Json, truth: list[Json]) -> list[Json]:
        nodes = self._true_nodes("latest")
        logs = [told for log in truth if (told := self._log(log, nodes)) is not None]
        if self.lie == "invented":
            invented = self._invented(nodes[0], len(nodes)) if nodes else None
            model = next((log for log in truth if log["topics"][0] == ENDPOINT_UPDATED), None)
            if invented and model:
                logs.append(false_endpoint(model, invented.identity, invented.operator_bytes))
        return [log for log in logs if matches(log, wanted.get("topics") or [])]

    def _log(self, log: Json, nodes: list[Node]) -> Json | None:
        """A log as it is told; nothing when it is kept quiet."""
        if not nodes or self.lie == "invented":
            return log
        victim = ["0x" + nodes[0].identity.hex(), "0x" + nodes[0].operator_bytes.rjust(32, b"\0").hex()]
        if log["topics"][1:3] != victim or (self.lie != "missing" and log["topics"][0] != ENDPOINT_UPDATED):
            return log
        return false_endpoint(log, nodes[0].identity, nodes[0].operator_bytes) if self.lie == "altered" else None


def false_endpoint(log: Json, identity: bytes, operator: bytes) -> Json:
    """An EndpointUpdated event with the liar's descriptor."""
    words = [identity, operator.rjust(32, b"\0"), keccak(FALSE_DESCRIPTOR)]
    return log | {
        "topics": [ENDPOINT_UPDATED] + ["0x" + word.hex() for word in words],
        "data": "0x" + encode(["bytes"], [FALSE_DESCRIPTOR]).hex(),
    }


def matches(log: Json, topics: list[Any]) -> bool:
    """Whether a log has the topics that were asked for."""
    for wanted, topic in zip(topics, log["topics"] + [None] * len(topics), strict=False):
        if wanted and topic not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True
