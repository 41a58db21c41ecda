"""The lying endpoint lies convincingly, and a client that checks proofs as STORAGE.md says finds every lie out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rlp
from conftest import World, identity
from eth_abi import decode
from eth_utils import keccak, to_bytes
from trie import HexaryTrie
from trie.exceptions import BadTrieProof

from chain.layout import Node, list_words
from chain.lies import ENDPOINT_UPDATED, FALSE_DESCRIPTOR, LIAR, LIES, Liar
from chain.rpc import Rpc
from chain.server import Server
from chain.setup import relay_identity
from reference.registry import request

Ask = Callable[..., Any]
ROOT = Path(__file__).parent.parent
RELAYS = "abc"


class LieFoundError(Exception):
    """The client saw that it was lied to."""


@pytest.fixture
def honest(world: World) -> Ask:
    """An honest endpoint of a registry with three relays."""
    for index, name in enumerate(RELAYS):
        world.register(world.accounts[index + 1], name, f"where {name} is".encode())
    rpc = Rpc(world.chain)
    return lambda method, *parameters: request(rpc, method, *parameters)


def lying(honest: Ask, world: World, lie: str, in_proofs: bool) -> tuple[Ask, Liar]:
    """An endpoint that tells a lie."""
    liar = Liar(lambda method, parameters: honest(method, *parameters), address(world), lie, in_proofs)
    return lambda method, *parameters: liar.answer(method, list(parameters)), liar


def address(world: World) -> str:
    """The registry's."""
    return "0x" + world.registry.address.hex()


def view(ask: Ask, world: World, name: str, *arguments: Any) -> str:
    """What an endpoint says that a view returns."""
    data = "0x" + world.registry.encode(name, *arguments).hex()
    return ask("eth_call", {"to": address(world), "data": data}, "latest")


def claimed(ask: Ask, world: World) -> list[Node]:
    """The list as an endpoint claims it."""
    answer = view(ask, world, "getNodes", 0, 256)
    node = "(bytes32,address,bytes32,uint256,uint256,uint256,uint256,uint256,bool,uint256)[]"
    return [Node(*values) for values in decode([node], to_bytes(hexstr=answer))[0]]


def verified(ask: Ask, world: World, state_root: bytes) -> dict[bytes, bytes]:
    """Identity to descriptor, verified as in STORAGE.md, section 2; `LieFoundError` if that fails."""
    nodes = claimed(ask, world)
    expected = list_words(nodes)
    answer = ask("eth_getProof", address(world), [hex(slot) for slot in expected], "latest")
    root = rlp.decode(proven(state_root, world.registry.address, answer["accountProof"]))[2]
    for (slot, word), entry in zip(expected.items(), answer["storageProof"], strict=True):
        value = proven(root, slot.to_bytes(32, "big"), entry["proof"])
        if word != (int.from_bytes(rlp.decode(value), "big") if value else 0) or word != int(entry["value"], 16):
            raise LieFoundError(f"slot {slot}")
    hashes = ["0x" + node.descriptor_hash.hex() for node in nodes]
    wanted = {"address": address(world), "topics": [ENDPOINT_UPDATED, None, None, hashes], "fromBlock": "0x0"}
    texts = {}
    for log in ask("eth_getLogs", wanted):
        text = decode(["bytes"], to_bytes(hexstr=log["data"]))[0]
        texts[keccak(text)] = text
    if any(node.descriptor_hash not in texts for node in nodes):
        raise LieFoundError("a descriptor is withheld")
    return {node.identity: texts[node.descriptor_hash] for node in nodes}


def proven(root: bytes, key: bytes, proof: list[str]) -> bytes:
    """The value at a key; `LieFoundError` when the proof does not hold."""
    try:
        return HexaryTrie.get_from_proof(root, keccak(key), [rlp.decode(to_bytes(hexstr=node)) for node in proof])
    except BadTrieProof as error:
        raise LieFoundError(str(error)) from error


def test_the_truth_is_verified(honest: Ask, world: World) -> None:
    expected = {identity(name): f"where {name} is".encode() for name in RELAYS}
    assert verified(honest, world, world.chain.head.header.state_root) == expected


@pytest.mark.parametrize("in_proofs", [True, False])
@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found_out(honest: Ask, world: World, lie: str, in_proofs: bool) -> None:
    ask, liar = lying(honest, world, lie, in_proofs)
    with pytest.raises(LieFoundError):
        verified(ask, world, world.chain.head.header.state_root)
    assert liar.told > 0


def test_who_does_not_verify_is_fooled(honest: Ask, world: World) -> None:
    true = {node.identity: node for node in claimed(honest, world)}
    told = {lie: {node.identity: node for node in claimed(lying(honest, world, lie, True)[0], world)} for lie in LIES}
    assert told["altered"].keys() == true.keys()
    assert told["altered"][identity("a")].descriptor_hash == keccak(FALSE_DESCRIPTOR)
    assert told["missing"].keys() == true.keys() - {identity("a")}
    assert told["invented"].keys() == true.keys() | {relay_identity(LIAR)}
    assert told["withheld"] == true


@pytest.mark.parametrize("lie", ["altered", "missing", "invented"])
def test_a_liar_agrees_with_itself(honest: Ask, world: World, lie: str) -> None:
    """Its calls, its storage and its events tell one story: only proofs can contradict it."""
    ask, _ = lying(honest, world, lie, True)
    nodes = claimed(ask, world)
    assert int(view(ask, world, "nodeCount"), 16) == len(nodes)
    assert view(ask, world, "getActiveNodes", 0, 256) == view(ask, world, "getNodes", 0, 256)
    for slot, word in list_words(nodes).items():
        assert int(ask("eth_getStorageAt", address(world), hex(slot), "latest"), 16) == word
    for node in nodes:
        topics = [ENDPOINT_UPDATED, "0x" + node.identity.hex(), None, "0x" + node.descriptor_hash.hex()]
        assert len(ask("eth_getLogs", {"address": address(world), "topics": topics, "fromBlock": "0x0"})) == 1


def test_the_program_forwards_and_lies(honest: Ask, world: World) -> None:
    rpc = Rpc(world.chain)
    with Server("127.0.0.1", 0, rpc.answer) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        command = [sys.executable, str(ROOT / "liar.py"), "--upstream", server.url]
        command += ["--registry", address(world), "--lie", "missing"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                url = json.loads(process.stdout.readline())["rpc"]
                count = {"to": address(world), "data": "0x" + world.registry.encode("nodeCount").hex()}
                answers = post(url, [call("eth_chainId"), call("eth_call", count, "latest"), call("eth_nothing")])
                assert answers[0]["result"] == hex(world.chain.chain_id)
                assert int(answers[1]["result"], 16) == len(RELAYS) - 1
                assert answers[2]["error"]["code"] == -32601
                assert post(url, call("liar_told"))["result"] == 1
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0
        server.shutdown()


def call(method: str, *parameters: Any) -> dict:
    """A request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}


def post(url: str, body: Any) -> Any:
    """The response to it over HTTP."""
    http = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(http, timeout=10) as response:
        return json.loads(response.read())
