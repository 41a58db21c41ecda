"""The JSON-RPC methods of the development chain."""

from __future__ import annotations

import inspect
import re
import threading
import traceback
from typing import Any

from eth_utils import ValidationError

from .blocks import Block, Call, DevelopmentChain, Refused, Reverted
from .encoding import Json, block_json, data, quantity, receipt_json, transaction_json
from .proofs import prove

# As geth: more in one request is refused.
PROOF_SLOTS_MAX = 1_024
FEE_HISTORY_BLOCKS_MAX = 1_024
BATCH_MAX = 1_000
HEXADECIMAL = re.compile("0x[0-9a-fA-F]*")
PRIORITY_FEE = 10**9  # what eth_maxPriorityFeePerGas suggests, wei


class RpcError(Exception):
    """An error of JSON-RPC: code, message, and data where the method gives any."""

    def __init__(self, code: int, message: str, details: str | None = None) -> None:
        super().__init__(message)
        self.body: Json = {"code": code, "message": message} | ({} if details is None else {"data": details})


def invalid(message: str) -> RpcError:
    """Wrong parameters."""
    return RpcError(-32602, message)


class Rpc:
    """Answers requests about one chain, one at a time."""

    def __init__(self, chain: DevelopmentChain, finality: int = 0, log_blocks_max: int | None = None) -> None:
        """`finality`: by how many blocks `finalized` and `safe` trail `latest`. `log_blocks_max`: the longest range
        that eth_getLogs takes; public endpoints have such limits."""
        self.chain = chain
        self.finality = finality
        self.log_blocks_max = log_blocks_max
        self.snapshots: list[tuple[int, int]] = []
        self.lock = threading.Lock()

    # -- Requests ------------------------------------------------------------------------------------------------------

    def answer(self, request: Any) -> Any:
        """The response to a request or a batch; nothing for notifications."""
        if not isinstance(request, list):
            return self._answer_one(request)
        if not 0 < len(request) <= BATCH_MAX:
            return _failure(None, RpcError(-32600, "empty batch" if not request else "batch too large"))
        responses = [response for entry in request if (response := self._answer_one(entry)) is not None]
        return responses or None

    def _answer_one(self, request: Any) -> Json | None:
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _failure(None, RpcError(-32600, "invalid request"))
        try:
            with self.lock:
                result = self._call_method(request["method"], request.get("params", []))
        except RpcError as error:
            return _failure(request.get("id"), error)
        except Reverted as error:
            code = 3 if error.output or error.reason.startswith("execution reverted") else -32000
            return _failure(request.get("id"), RpcError(code, error.reason, data(error.output)))
        except (Refused, ValidationError) as error:
            return _failure(request.get("id"), RpcError(-32000, str(error)))
        except Exception:
            traceback.print_exc()
            return _failure(request.get("id"), RpcError(-32603, "internal error, see the chain's standard error"))
        return {"jsonrpc": "2.0", "id": request["id"], "result": result} if "id" in request else None

    def _call_method(self, name: str, parameters: Any) -> Any:
        method = getattr(self, name, None) if name.startswith(("eth_", "net_", "web3_", "evm_")) else None
        if method is None:
            raise RpcError(-32601, f"the method {name} does not exist/is not available")
        if not isinstance(parameters, list):
            raise invalid("parameters must be a list")
        try:
            bound = inspect.signature(method).bind(*parameters)
        except TypeError as error:
            raise invalid(str(error)) from error
        return method(*bound.args)

    # -- Chain ---------------------------------------------------------------------------------------------------------

    def web3_clientVersion(self) -> str:
        return "shadowmesh-devchain"

    def net_version(self) -> str:
        return str(self.chain.chain_id)

    def eth_chainId(self) -> str:
        return quantity(self.chain.chain_id)

    def eth_syncing(self) -> bool:
        return False

    def eth_accounts(self) -> list[str]:
        return []  # it signs for nobody

    def eth_blockNumber(self) -> str:
        return quantity(self.chain.head.number)

    def eth_getBlockByNumber(self, tag: str, full: bool = False) -> Json | None:
        block = self._find(tag)
        return block and block_json(block, full)

    def eth_getBlockByHash(self, block_hash: str, full: bool = False) -> Json | None:
        number = self.chain.numbers.get(_bytes(block_hash, 32))
        return None if number is None else block_json(self.chain.blocks[number], full)

    # -- Fees ----------------------------------------------------------------------------------------------------------

    def eth_gasPrice(self) -> str:
        return quantity(self.chain.next_header().base_fee_per_gas + PRIORITY_FEE)

    def eth_maxPriorityFeePerGas(self) -> str:
        return quantity(PRIORITY_FEE)

    def eth_feeHistory(self, count: str | int, newest: str, percentiles: list[float] | None = None) -> Json:
        last = self._block(newest).number
        first = max(0, last + 1 - min(max(_number(count), 1), FEE_HISTORY_BLOCKS_MAX))
        blocks = self.chain.blocks[first : last + 1]
        after = self.chain.blocks[last + 1].header if last < self.chain.head.number else self.chain.next_header()
        result: Json = {
            "oldestBlock": quantity(first),
            "baseFeePerGas": [quantity(block.header.base_fee_per_gas) for block in blocks]
            + [quantity(after.base_fee_per_gas)],
            "gasUsedRatio": [block.header.gas_used / block.header.gas_limit for block in blocks],
            "baseFeePerBlobGas": [quantity(1)] * (len(blocks) + 1),
            "blobGasUsedRatio": [0.0] * len(blocks),
        }
        if percentiles:
            result["reward"] = [[quantity(_reward(block, share)) for share in percentiles] for block in blocks]
        return result

    # -- State ---------------------------------------------------------------------------------------------------------

    def eth_getBalance(self, address: str, tag: Any = "latest") -> str:
        return quantity(self._state(tag).get_balance(_bytes(address, 20)))

    def eth_getTransactionCount(self, address: str, tag: Any = "latest") -> str:
        return quantity(self._state(tag).get_nonce(_bytes(address, 20)))

    def eth_getCode(self, address: str, tag: Any = "latest") -> str:
        return data(self._state(tag).get_code(_bytes(address, 20)))

    def eth_getStorageAt(self, address: str, slot: str, tag: Any = "latest") -> str:
        return data(self._state(tag).get_storage(_bytes(address, 20), _number(slot)).to_bytes(32, "big"))

    def eth_getProof(self, address: str, slots: list[str], tag: Any = "latest") -> Json:
        if not isinstance(slots, list) or len(slots) > PROOF_SLOTS_MAX:
            raise invalid(f"wanted a list of at most {PROOF_SLOTS_MAX} slots")
        numbers = [_number(slot) for slot in slots]
        return prove(self.chain, self._block(tag), _bytes(address, 20), numbers, slots)

    def eth_call(self, fields: Json, tag: Any = "latest") -> str:
        return data(self.chain.call(_call(fields), self._block(tag)))

    def eth_estimateGas(self, fields: Json, tag: Any = "latest") -> str:
        return quantity(self.chain.estimate(_call(fields), self._block(tag)))

    # -- Transactions and logs -----------------------------------------------------------------------------------------

    def eth_sendRawTransaction(self, raw: str) -> str:
        return data(self.chain.submit(_bytes(raw)))

    def eth_getTransactionByHash(self, transaction_hash: str) -> Json | None:
        place = self.chain.mined.get(_bytes(transaction_hash, 32))
        return place and transaction_json(self.chain.blocks[place[0]], place[1])

    def eth_getTransactionReceipt(self, transaction_hash: str) -> Json | None:
        place = self.chain.mined.get(_bytes(transaction_hash, 32))
        return place and receipt_json(self.chain.blocks[place[0]], place[1])

    def eth_getLogs(self, wanted: Json) -> list[Json]:
        if not isinstance(wanted, dict):
            raise invalid("wanted an object")
        if "blockHash" in wanted:
            blocks = [self._block({"blockHash": wanted["blockHash"]})]
        else:
            first = self._block(wanted.get("fromBlock") or "latest").number
            last = self._block(wanted.get("toBlock") or "latest", clamp=True).number
            if self.log_blocks_max is not None and last - first >= self.log_blocks_max:
                raise RpcError(-32005, f"query exceeds the range of {self.log_blocks_max} blocks")
            blocks = self.chain.blocks[first : last + 1]
        addresses = _alternatives(wanted.get("address"))
        topics = [_alternatives(topic) for topic in wanted.get("topics") or []]
        return [log for block in blocks for log in block.logs if _matches(log, addresses, topics)]

    # -- Development ---------------------------------------------------------------------------------------------------

    def evm_mine(self, timestamp: str | int | None = None) -> str:
        """Mines an empty block, at a time if one is given."""
        if timestamp is not None:
            self.evm_setNextBlockTimestamp(timestamp)
        return quantity(self.chain.mine([]).number)

    def evm_increaseTime(self, seconds: str | int) -> str:
        """Moves the clock of all blocks to come: the next one is at least so much later than the newest."""
        self.chain.advance(_number(seconds))
        return quantity(self.chain.time_offset)

    def evm_setNextBlockTimestamp(self, timestamp: str | int) -> None:
        """Sets the time of the next block only."""
        value = _number(timestamp)
        if value <= self.chain.head.header.timestamp:
            raise invalid(f"the timestamp must be above the head's, {self.chain.head.header.timestamp}")
        self.chain.next_timestamp = value

    def evm_snapshot(self) -> str:
        """Remembers this point of the chain."""
        self.snapshots.append(self.chain.snapshot())
        return quantity(len(self.snapshots))

    def evm_revert(self, snapshot: str) -> bool:
        """Goes back to a snapshot, which is used up by it, as are later ones."""
        index = _number(snapshot) - 1
        if not 0 <= index < len(self.snapshots):
            return False
        self.chain.restore(self.snapshots[index])
        del self.snapshots[index:]
        return True

    # -- Blocks by tag -------------------------------------------------------------------------------------------------

    def _find(self, tag: Any, clamp: bool = False) -> Block | None:
        head = self.chain.head.number
        if isinstance(tag, dict):  # EIP-1898
            if "blockHash" in tag:
                number = self.chain.numbers.get(_bytes(tag["blockHash"], 32))
                return None if number is None else self.chain.blocks[number]
            tag = tag.get("blockNumber")
        if tag in ("latest", "pending", None):
            return self.chain.head
        if tag in ("safe", "finalized"):
            return self.chain.blocks[max(0, head - self.finality)]
        number = 0 if tag == "earliest" else _number(tag)
        if number > head and not clamp:
            return None
        return self.chain.blocks[min(number, head)]

    def _block(self, tag: Any, clamp: bool = False) -> Block:
        block = self._find(tag, clamp)
        if block is None:
            raise RpcError(-32000, "header not found")
        return block

    def _state(self, tag: Any) -> Any:
        return self.chain.state(self._block(tag))


def _failure(identifier: Any, error: RpcError) -> Json:
    return {"jsonrpc": "2.0", "id": identifier, "error": error.body}


def _bytes(text: Any, byte_count: int | None = None) -> bytes:
    if not isinstance(text, str) or not HEXADECIMAL.fullmatch(text) or len(text) % 2:
        raise invalid(f"wanted bytes in hexadecimal with 0x, got {text!r:.80}")
    value = bytes.fromhex(text[2:])
    if byte_count is not None and len(value) != byte_count:
        raise invalid(f"{len(value)} bytes where {byte_count} are wanted")
    return value


def _number(value: Any) -> int:
    if isinstance(value, str) and 2 < len(value) <= 66 and HEXADECIMAL.fullmatch(value):
        return int(value, 16)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise invalid(f"wanted a number in hexadecimal with 0x, got {value!r:.80}")


def _call(fields: Json) -> Call:
    if not isinstance(fields, dict):
        raise invalid("wanted an object")
    call = Call(
        sender=_bytes(fields.get("from") or "0x" + "00" * 20, 20),
        to=_bytes(fields.get("to") or "0x"),
        data=_bytes(fields.get("input") or fields.get("data") or "0x"),
        value=_number(fields.get("value") or 0),
    )
    if len(call.to) not in (0, 20):
        raise invalid(f"address of {len(call.to)} bytes")
    return call


def _reward(block: Block, percentile: float) -> int:
    base = block.header.base_fee_per_gas
    rewards = sorted(block.gas_price(index) - base for index in range(len(block.transactions)))
    return rewards[min(int(len(rewards) * percentile / 100), len(rewards) - 1)] if rewards else 0


def _alternatives(value: Any) -> set[str] | None:
    if value is None or value == []:
        return None
    return {entry.lower() for entry in (value if isinstance(value, list) else [value])}


def _matches(log: Json, addresses: set[str] | None, topics: list[set[str] | None]) -> bool:
    if addresses is not None and log["address"].lower() not in addresses:
        return False
    if len(topics) > len(log["topics"]):
        return False
    return all(wanted is None or topic in wanted for wanted, topic in zip(topics, log["topics"], strict=False))
