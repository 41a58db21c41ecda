"""Blocks, transactions, receipts and logs as JSON-RPC shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eth_utils import to_checksum_address

if TYPE_CHECKING:
    from .blocks import Block

Json = dict[str, Any]

# Header fields in the order of their RLP: (JSON name, py-evm name, byte count or None for a quantity).
HEADER_FIELDS: tuple[tuple[str, str, int | None], ...] = (
    ("parentHash", "parent_hash", 32),
    ("sha3Uncles", "uncles_hash", 32),
    ("miner", "coinbase", 20),
    ("stateRoot", "state_root", 32),
    ("transactionsRoot", "transaction_root", 32),
    ("receiptsRoot", "receipt_root", 32),
    ("logsBloom", "bloom", 256),
    ("difficulty", "difficulty", None),
    ("number", "block_number", None),
    ("gasLimit", "gas_limit", None),
    ("gasUsed", "gas_used", None),
    ("timestamp", "timestamp", None),
    ("extraData", "extra_data", 0),
    ("mixHash", "mix_hash", 32),
    ("nonce", "nonce", 8),
    ("baseFeePerGas", "base_fee_per_gas", None),
    ("withdrawalsRoot", "withdrawals_root", 32),
    ("blobGasUsed", "blob_gas_used", None),
    ("excessBlobGas", "excess_blob_gas", None),
    ("parentBeaconBlockRoot", "parent_beacon_block_root", 32),
    ("requestsHash", "requests_hash", 32),
)


def quantity(value: int) -> str:
    """A number without leading zeros."""
    return hex(value)


def data(value: bytes) -> str:
    """Bytes, two digits each."""
    return "0x" + bytes(value).hex()


def address(value: bytes) -> str | None:
    """An address with checksum; nothing for the empty one of a creation."""
    return to_checksum_address(value) if value else None


def block_json(block: Block, full: bool) -> Json:
    """A block with all fields of its header, so that its hash can be recomputed."""
    result: Json = {"hash": data(block.hash), "uncles": [], "withdrawals": [], "size": quantity(block.byte_count)}
    for name, field, byte_count in HEADER_FIELDS:
        value = getattr(block.header, field)
        if byte_count is None:
            result[name] = quantity(value)
        elif field == "bloom":
            result[name] = data(value.to_bytes(256, "big"))
        else:
            result[name] = data(value)
    indices = range(len(block.transactions))
    result["transactions"] = [transaction_json(block, i) if full else data(block.transactions[i].hash) for i in indices]
    return result


def transaction_json(block: Block, index: int) -> Json:
    """A mined transaction."""
    transaction = block.transactions[index]
    kind = getattr(transaction, "type_id", None) or 0
    result: Json = {
        "blockHash": data(block.hash),
        "blockNumber": quantity(block.number),
        "transactionIndex": quantity(index),
        "hash": data(transaction.hash),
        "type": quantity(kind),
        "from": address(transaction.sender),
        "to": address(transaction.to),
        "nonce": quantity(transaction.nonce),
        "gas": quantity(transaction.gas),
        "gasPrice": quantity(block.gas_price(index)),
        "value": quantity(transaction.value),
        "input": data(transaction.data),
        "r": quantity(transaction.r),
        "s": quantity(transaction.s),
        "v": quantity(transaction.y_parity if kind else transaction.v),
    }
    if kind:
        result["yParity"] = result["v"]
        result["chainId"] = quantity(transaction.chain_id)
        result["accessList"] = [
            {"address": address(account), "storageKeys": [data(slot.to_bytes(32, "big")) for slot in slots]}
            for account, slots in transaction.access_list
        ]
    if kind >= 2:
        result["maxFeePerGas"] = quantity(transaction.max_fee_per_gas)
        result["maxPriorityFeePerGas"] = quantity(transaction.max_priority_fee_per_gas)
    return result


def receipt_json(block: Block, index: int) -> Json:
    """What became of a transaction."""
    transaction, receipt = block.transactions[index], block.receipts[index]
    before = block.receipts[index - 1].gas_used if index else 0
    return {
        "blockHash": data(block.hash),
        "blockNumber": quantity(block.number),
        "transactionHash": data(transaction.hash),
        "transactionIndex": quantity(index),
        "type": quantity(getattr(transaction, "type_id", None) or 0),
        "from": address(transaction.sender),
        "to": address(transaction.to),
        "contractAddress": address(block.created[index]),
        "cumulativeGasUsed": quantity(receipt.gas_used),
        "gasUsed": quantity(receipt.gas_used - before),
        "effectiveGasPrice": quantity(block.gas_price(index)),
        "status": quantity(1 if receipt.state_root == b"\x01" else 0),
        "logsBloom": data(receipt.bloom.to_bytes(256, "big")),
        "logs": [log for log in block.logs if log["transactionIndex"] == quantity(index)],
    }


def logs_json(block: Block) -> list[Json]:
    """All logs of a block, in order."""
    logs: list[Json] = []
    for index, receipt in enumerate(block.receipts):
        for log in receipt.logs:
            logs.append(
                {
                    "address": address(log.address),
                    "topics": [data(topic.to_bytes(32, "big")) for topic in log.topics],
                    "data": data(log.data),
                    "blockHash": data(block.hash),
                    "blockNumber": quantity(block.number),
                    "blockTimestamp": quantity(block.header.timestamp),
                    "transactionHash": data(block.transactions[index].hash),
                    "transactionIndex": quantity(index),
                    "logIndex": quantity(len(logs)),
                    "removed": False,
                }
            )
    return logs
