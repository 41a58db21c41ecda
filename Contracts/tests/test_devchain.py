"""The development chain as a program: JSON-RPC over HTTP, as a real node would answer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_account import Account as Signer
from eth_utils import keccak, to_bytes

from chain.contract import GAS_PRICE
from chain.encoding import HEADER_FIELDS, Json
from chain.ens import namehash

ROOT = Path(__file__).parent.parent
RELAYS = 5
FINALITY = 2
LOG_BLOCKS_MAX = 50


@dataclass(frozen=True)
class Node:
    """A running development chain."""

    process: subprocess.Popen
    ready: Json

    def post(self, body: Any) -> Any:
        """The parsed response to any JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.ready["rpc"], data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            content = response.read()
        return json.loads(content) if content else None

    def answer(self, method: str, *parameters: Any) -> Json:
        """The response to a request."""
        return self.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": list(parameters)})

    def result(self, method: str, *parameters: Any) -> Any:
        """The result of a request that succeeds."""
        answer = self.answer(method, *parameters)
        assert "result" in answer, answer
        return answer["result"]

    def error(self, method: str, *parameters: Any) -> Json:
        """The error of a request that fails."""
        answer = self.answer(method, *parameters)
        assert "error" in answer, answer
        return answer["error"]

    def sign(self, index: int = 1, **changes: Any) -> str:
        """A signed transaction of an account."""
        account = self.ready["accounts"][index]
        fields = {
            "chainId": self.ready["chain_id"],
            "nonce": int(self.result("eth_getTransactionCount", account["address"], "pending"), 16),
            "maxPriorityFeePerGas": 10**9,
            "maxFeePerGas": GAS_PRICE,
            "gas": 21_000,
            "to": self.ready["accounts"][2]["address"],
            "value": 1,
            "data": "0x",
        }
        return "0x" + Signer.sign_transaction(fields | changes, account["key"]).raw_transaction.hex()


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    command = [sys.executable, str(ROOT / "devchain.py"), "--relays", str(RELAYS)]
    command += ["--finality", str(FINALITY), "--log-blocks-max", str(LOG_BLOCKS_MAX)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Node(process, json.loads(process.stdout.readline()))
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0  # it ends cleanly


@pytest.fixture(autouse=True)
def undone(node: Node) -> Iterator[None]:
    snapshot = node.result("evm_snapshot")
    yield
    assert node.result("evm_revert", snapshot)


def test_it_says_who_it_is(node: Node) -> None:
    assert node.result("eth_chainId") == "0x7a69"
    assert node.result("net_version") == "31337"
    assert node.result("eth_syncing") is False
    assert node.ready["rpc"].startswith("http://127.0.0.1:")


def test_the_name_resolves_to_the_registry(node: Node) -> None:
    target = namehash(node.ready["name"]).hex()
    resolver = node.result("eth_call", {"to": node.ready["ens"], "data": "0x0178b8bf" + target}, "latest")
    assert resolver[-40:] == node.ready["resolver"][2:].lower()
    address = node.result("eth_call", {"to": node.ready["resolver"], "data": "0x3b3b57de" + target}, "latest")
    assert address[-40:] == node.ready["registry"][2:].lower()


def test_the_made_up_relays_are_listed(node: Node) -> None:
    count = node.result("eth_call", {"to": node.ready["registry"], "data": "0x6da49b83"}, "latest")
    assert int(count, 16) == RELAYS


@pytest.mark.parametrize("tag", ["0x0", "0x3", "latest", "finalized"])
def test_block_hashes_can_be_recomputed(node: Node, tag: str) -> None:
    block = node.result("eth_getBlockByNumber", tag, False)

    def field(name: str, byte_count: int | None) -> bytes:
        return to_bytes(hexstr=block[name]) if byte_count is not None else to_bytes(int(block[name], 16)).lstrip(b"\0")

    assert "0x" + keccak(rlp.encode([field(name, count) for name, _, count in HEADER_FIELDS])).hex() == block["hash"]
    assert node.result("eth_getBlockByHash", block["hash"], False) == block


def test_tags_name_blocks(node: Node) -> None:
    head = int(node.result("eth_blockNumber"), 16)
    for tag, number in (("latest", head), ("finalized", head - FINALITY), ("safe", head - FINALITY), ("earliest", 0)):
        assert int(node.result("eth_getBlockByNumber", tag)["number"], 16) == number
    assert node.result("eth_getBlockByNumber", hex(head + 1)) is None
    assert node.result("eth_getBlockByHash", "0x" + "11" * 32) is None
    assert node.error("eth_getBalance", node.ready["registry"], hex(head + 1))["code"] == -32000
    by_hash = {"blockHash": node.result("eth_getBlockByNumber", "0x3")["hash"]}
    assert node.result("eth_getBalance", node.ready["registry"], by_hash) == "0x0"


def test_a_transaction_is_mined_with_its_receipt(node: Node) -> None:
    raw = node.sign()
    identifier = node.result("eth_sendRawTransaction", raw)
    assert identifier == "0x" + keccak(hexstr=raw).hex()
    receipt = node.result("eth_getTransactionReceipt", identifier)
    assert (receipt["status"], receipt["gasUsed"], receipt["contractAddress"]) == ("0x1", "0x5208", None)
    block = node.result("eth_getBlockByNumber", receipt["blockNumber"], True)
    assert block["transactions"] == [node.result("eth_getTransactionByHash", identifier)]
    base_fee = int(block["baseFeePerGas"], 16)
    assert int(receipt["effectiveGasPrice"], 16) == base_fee + 10**9


def test_older_kinds_of_transactions_are_taken(node: Node) -> None:
    account = node.ready["accounts"][3]
    fields = {"nonce": 0, "gas": 30_000, "gasPrice": GAS_PRICE, "to": account["address"], "value": 1, "data": "0x"}
    for index, extra in enumerate(
        ({}, {"accessList": [{"address": account["address"], "storageKeys": [1]}], "type": 1})
    ):
        full = fields | {"chainId": node.ready["chain_id"], "nonce": index} | extra
        raw = "0x" + Signer.sign_transaction(full, account["key"]).raw_transaction.hex()
        identifier = node.result("eth_sendRawTransaction", raw)
        assert node.result("eth_getTransactionReceipt", identifier)["status"] == "0x1"
        assert node.result("eth_getTransactionByHash", identifier)["type"] == hex(index)


def test_what_a_node_would_refuse_is_refused(node: Node) -> None:
    def reason(raw: str) -> str:
        error = node.error("eth_sendRawTransaction", raw)
        assert error["code"] == -32000
        return error["message"]

    assert "invalid chain id" in reason(node.sign(chainId=1))
    assert "nonce too high" in reason(node.sign(nonce=5))
    assert "insufficient funds" in reason(node.sign(value=10**30))
    assert "less than block base fee" in reason(node.sign(maxFeePerGas=1, maxPriorityFeePerGas=1))
    assert "intrinsic gas too low" in reason(node.sign(gas=20_999))
    assert "exceeds block gas limit" in reason(node.sign(gas=10**9))
    assert "invalid transaction" in reason("0x02c0")
    assert "invalid transaction" in reason(node.sign()[:-2])
    raw = node.sign()
    node.result("eth_sendRawTransaction", raw)
    assert "already known" in reason(raw)
    assert "nonce too low" in reason(node.sign(nonce=0, value=2))


def test_a_legacy_transaction_without_a_chain_id_is_refused(node: Node) -> None:
    account = node.ready["accounts"][3]
    fields = {"nonce": 0, "gas": 30_000, "gasPrice": GAS_PRICE, "to": account["address"], "value": 1, "data": "0x"}
    raw = Signer.sign_transaction(fields, account["key"]).raw_transaction.hex()
    assert "invalid chain id" in node.error("eth_sendRawTransaction", "0x" + raw)["message"]


def test_a_transaction_that_fails_is_mined_all_the_same(node: Node) -> None:
    raw = node.sign(to=node.ready["registry"], data="0x2ceb406" + "00" * 32 + "0", value=0, gas=100_000)
    receipt = node.result("eth_getTransactionReceipt", node.result("eth_sendRawTransaction", raw))
    assert (receipt["status"], receipt["logs"]) == ("0x0", [])


def test_a_revert_is_told_with_its_reason(node: Node) -> None:
    call = {"to": node.ready["registry"], "data": "0x8d64fec2" + "00" * 64}
    for method in ("eth_call", "eth_estimateGas"):
        error = node.error(method, call, "latest")
        assert (error["code"], error["message"]) == (3, "execution reverted: not registered")
        assert bytes.fromhex(error["data"][2:])[68:82] == b"not registered"


def test_an_estimate_is_enough_and_not_far_too_much(node: Node) -> None:
    sender = node.ready["accounts"][1]["address"]
    data = "0x8f1e8a4a" + "11" * 32 + f"{64:064x}{5:064x}" + b"where".hex().ljust(64, "0")
    call = {"from": sender, "to": node.ready["registry"], "data": data, "value": hex(10**17)}
    estimate = int(node.result("eth_estimateGas", call), 16)
    raw = node.sign(to=node.ready["registry"], data=data, value=10**17, gas=estimate)
    receipt = node.result("eth_getTransactionReceipt", node.result("eth_sendRawTransaction", raw))
    assert receipt["status"] == "0x1"
    assert int(receipt["gasUsed"], 16) <= estimate <= int(receipt["gasUsed"], 16) + 64
    assert node.result("eth_estimateGas", {"from": sender, "to": sender, "value": "0x1"}) == "0x5208"


def test_fees_are_those_of_the_blocks(node: Node) -> None:
    node.result("eth_sendRawTransaction", node.sign())
    head = node.result("eth_getBlockByNumber", "latest")
    history = node.result("eth_feeHistory", "0x2", "latest", [0, 50, 100])
    assert int(history["oldestBlock"], 16) == int(head["number"], 16) - 1
    assert len(history["baseFeePerGas"]) == 3
    assert history["baseFeePerGas"][1] == head["baseFeePerGas"]
    assert history["reward"][1] == [hex(10**9)] * 3
    following = int(history["baseFeePerGas"][2], 16)
    assert int(node.result("eth_gasPrice"), 16) == following + int(node.result("eth_maxPriorityFeePerGas"), 16)
    node.result("evm_mine")
    assert int(node.result("eth_getBlockByNumber", "latest")["baseFeePerGas"], 16) == following
    assert node.result("eth_feeHistory", "0x400", "latest")["oldestBlock"] == "0x0"


def test_logs_are_filtered(node: Node) -> None:
    everything = {"address": node.ready["registry"], "fromBlock": "0x0", "toBlock": "latest"}
    logs = node.result("eth_getLogs", everything)
    assert len(logs) == 3 * RELAYS  # registered, endpoint, heartbeat
    assert [log["logIndex"] for log in logs[:4]] == ["0x0", "0x1", "0x2", "0x3"]
    first, second = logs[0], logs[1]
    topic = first["topics"][0]
    assert len(node.result("eth_getLogs", everything | {"topics": [topic]})) == RELAYS
    assert len(node.result("eth_getLogs", everything | {"topics": [[topic, second["topics"][0]]]})) == 2 * RELAYS
    mine = everything | {"topics": [None, first["topics"][1]]}
    assert [log["topics"][1] for log in node.result("eth_getLogs", mine)] == [first["topics"][1]] * 3
    assert node.result("eth_getLogs", everything | {"address": [node.ready["ens"]], "topics": [topic]}) == []
    by_hash = {"blockHash": first["blockHash"], "address": [node.ready["registry"]]}
    assert node.result("eth_getLogs", by_hash) == [log for log in logs if log["blockHash"] == first["blockHash"]]
    assert node.result("eth_getLogs", everything | {"topics": [None] * 4 + [topic]}) == []


def test_ranges_of_logs_are_limited_on_request(node: Node) -> None:
    for _ in range(LOG_BLOCKS_MAX):
        node.result("evm_mine")
    assert node.error("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})["code"] == -32005


def test_proofs_have_a_limit_of_slots(node: Node) -> None:
    assert node.error("eth_getProof", node.ready["registry"], ["0x0"] * 1_025, "latest")["code"] == -32602
    answer = node.result("eth_getProof", node.ready["registry"], ["0x0", "0x" + "0" * 63 + "3"], "latest")
    assert [entry["key"] for entry in answer["storageProof"]] == ["0x0", "0x" + "0" * 63 + "3"]


def test_time_can_be_moved(node: Node) -> None:
    before = int(node.result("eth_getBlockByNumber", "latest")["timestamp"], 16)
    node.result("evm_increaseTime", 90_000)
    node.result("evm_mine")
    after = int(node.result("eth_getBlockByNumber", "latest")["timestamp"], 16)
    assert 90_000 <= after - before < 90_600
    active = "0x7a2fab1e" + "00" * 32 + f"{256:064x}"
    assert int(node.result("eth_call", {"to": node.ready["registry"], "data": active}, "latest")[66:], 16) == 0
    node.result("evm_setNextBlockTimestamp", hex(after + 5))
    node.result("evm_mine")
    assert int(node.result("eth_getBlockByNumber", "latest")["timestamp"], 16) == after + 5
    assert node.error("evm_setNextBlockTimestamp", after)["code"] == -32602


def test_snapshots_are_used_up(node: Node) -> None:
    head = node.result("eth_blockNumber")
    snapshot = node.result("evm_snapshot")
    identifier = node.result("eth_sendRawTransaction", node.sign())
    assert node.result("evm_revert", snapshot)
    assert node.result("eth_blockNumber") == head
    assert node.result("eth_getTransactionReceipt", identifier) is None
    assert not node.result("evm_revert", snapshot)
    assert node.result("eth_sendRawTransaction", node.sign()) == identifier


def test_batches_are_answered_in_order(node: Node) -> None:
    requests = [{"jsonrpc": "2.0", "id": index, "method": "eth_chainId"} for index in range(3)]
    assert [answer["id"] for answer in node.post(requests)] == [0, 1, 2]
    mixed = node.post([requests[0], {"id": "x", "method": "eth_nothing"}, 5, {"method": "eth_chainId"}])
    assert [answer.get("error", {}).get("code") for answer in mixed] == [None, -32601, -32600]
    assert node.post({"jsonrpc": "2.0", "method": "eth_chainId"}) is None  # a notification
    assert node.post([])["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("method", "parameters", "code"),
    [
        ("eth_getBalance", [], -32602),
        ("eth_getBalance", ["0x12", "latest"], -32602),
        ("eth_getBalance", [5, "latest"], -32602),
        ("eth_getBalance", ["0x" + "11" * 20, "soon"], -32602),
        ("eth_getBlockByNumber", ["latest", False, 1], -32602),
        ("eth_call", ["no object"], -32602),
        ("eth_call", [{"to": "0x1234"}], -32602),
        ("eth_getLogs", [[]], -32602),
        ("eth_sendRawTransaction", ["02"], -32602),
        ("eth_sendTransaction", [{}], -32601),
        ("answer", [{}], -32601),
    ],
)
def test_nonsense_is_refused_with_a_code(node: Node, method: str, parameters: list, code: int) -> None:
    assert node.error(method, *parameters)["code"] == code


def test_what_is_not_json_is_refused(node: Node) -> None:
    assert node.post(b"{")["error"]["code"] == -32700
    assert node.post({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": {}})["error"]["code"] == -32602
