"""The chain itself: builds blocks on py-evm under Prague's rules, one at a time, and keeps all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import rlp
from eth.abc import BlockHeaderAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI, StateAPI
from eth.chains.base import Chain
from eth.constants import POST_MERGE_DIFFICULTY, POST_MERGE_MIX_HASH, POST_MERGE_NONCE
from eth.db.atomic import AtomicDB
from eth.exceptions import Revert
from eth.vm.forks import PragueVM
from eth.vm.forks.prague.constants import HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CONTRACT_CODE
from eth.vm.spoof import SpoofTransaction
from eth_abi import decode
from eth_utils import ValidationError, keccak

from .encoding import Json, logs_json

GAS_LIMIT = 36_000_000  # mainnet's in 2025
ZERO_ADDRESS = bytes(20)
ERROR_SELECTOR = bytes.fromhex("08c379a0")  # Error(string)


class Reverted(Exception):
    """A call failed inside the EVM; the revert data, if any, and a reason for people."""

    def __init__(self, reason: str, output: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.output = output


class Refused(Exception):
    """A transaction that a node would not take."""


@dataclass(frozen=True)
class Call:
    """The fields of eth_call and eth_estimateGas."""

    sender: bytes = ZERO_ADDRESS
    to: bytes = b""
    data: bytes = b""
    value: int = 0
    gas: int = GAS_LIMIT


@dataclass
class Block:
    """A block with what became of its transactions."""

    header: BlockHeaderAPI
    transactions: tuple[SignedTransactionAPI, ...] = ()
    receipts: tuple[ReceiptAPI, ...] = ()
    created: tuple[bytes, ...] = ()
    byte_count: int = 0

    @cached_property
    def hash(self) -> bytes:
        """Keccak-256 of the header's RLP."""
        return self.header.hash

    @property
    def number(self) -> int:
        """The height."""
        return self.header.block_number

    @cached_property
    def logs(self) -> list[Json]:
        """All logs, as JSON."""
        return logs_json(self)

    def gas_price(self, index: int) -> int:
        """What a transaction paid for a unit of gas, wei."""
        transaction = self.transactions[index]
        base = self.header.base_fee_per_gas
        return base + min(transaction.max_priority_fee_per_gas, transaction.max_fee_per_gas - base)


class DevelopmentChain:
    """A chain in memory. A transaction that is taken mines a block of its own."""

    def __init__(self, chain_id: int, balances: dict[bytes, int], clock: Callable[[], float] = time.time) -> None:
        """`clock` gives the time of new blocks, seconds since 1970; the same clock makes the same chain."""

        class ConfiguredChain(Chain):
            vm_configuration = ((0, PragueVM),)

        ConfiguredChain.chain_id = chain_id
        self.chain_id = chain_id
        accounts: dict[bytes, dict[str, Any]] = {
            holder: {"balance": balance, "nonce": 0, "code": b"", "storage": {}} for holder, balance in balances.items()
        }
        # EIP-2935's contract is part of the network: py-evm serves it when it is in the state, but does not put it in.
        accounts[HISTORY_STORAGE_ADDRESS] = {
            "balance": 0,
            "nonce": 1,
            "code": HISTORY_STORAGE_CONTRACT_CODE,
            "storage": {},
        }
        genesis = {
            "coinbase": ZERO_ADDRESS,
            "difficulty": POST_MERGE_DIFFICULTY,
            "extra_data": b"",
            "gas_limit": GAS_LIMIT,
            "mix_hash": POST_MERGE_MIX_HASH,
            "nonce": POST_MERGE_NONCE,
            "timestamp": int(clock()),
        }
        self.chain = ConfiguredChain.from_genesis(AtomicDB(), genesis, accounts)
        self.blocks = [Block(self.chain.get_canonical_head())]
        self.numbers = {self.head.hash: 0}
        self.mined: dict[bytes, tuple[int, int]] = {}
        self.clock = clock
        self.time_offset = 0
        self.next_timestamp: int | None = None

    @property
    def head(self) -> Block:
        """The newest block."""
        return self.blocks[-1]

    # -- Building ------------------------------------------------------------------------------------------------------

    def next_header(self) -> BlockHeaderAPI:
        """The header of the block to come, before it is filled."""
        parent = self.head.header
        timestamp = self.next_timestamp or int(self.clock()) + self.time_offset
        return self.chain.create_header_from_parent(
            parent, gas_limit=GAS_LIMIT, timestamp=max(timestamp, parent.timestamp + 1), coinbase=ZERO_ADDRESS
        ).copy(mix_hash=keccak(parent.hash))

    def decode(self, raw: bytes) -> SignedTransactionAPI:
        """A transaction from its bytes; refused when it is for another chain, which py-evm would not notice."""
        try:
            transaction = self.chain.get_vm(self.head.header).get_transaction_builder().decode(raw)
            transaction.validate()
            transaction.check_signature_validity()
        except Exception as error:
            raise Refused(f"invalid transaction: {error}") from error
        if transaction.chain_id != self.chain_id:
            raise Refused(f"invalid chain id: have {transaction.chain_id}, want {self.chain_id}")
        return transaction

    def submit(self, raw: bytes) -> bytes:
        """Checks a raw transaction, mines it, and gives its hash."""
        transaction = self.decode(raw)
        if transaction.hash in self.mined:
            raise Refused("already known")
        self._check(transaction)
        self.mine([transaction])
        return transaction.hash

    def mine(self, transactions: list[SignedTransactionAPI]) -> Block:
        """Appends a block of these transactions, in this order."""
        header = self.next_header()
        vm = self.chain.get_vm(header)
        vm.block_preprocessing(vm.get_block())
        try:
            header, receipts, computations = vm.apply_all_transactions(transactions, header)
        except ValidationError as error:
            raise Refused(str(error)) from error
        filled = vm.set_block_transactions_and_withdrawals(
            vm.get_block(), header, tuple(transactions), receipts, withdrawals=None
        )
        result = vm.mine_block(vm.block_postprocessing(filled)).block
        self.chain.chaindb.persist_block(result)
        self.next_timestamp = None
        created = tuple(
            b"" if transaction.to else computation.msg.storage_address
            for transaction, computation in zip(transactions, computations, strict=True)
        )
        block = Block(result.header, tuple(transactions), tuple(receipts), created, len(rlp.encode(result)))
        self.blocks.append(block)
        self.numbers[block.hash] = block.number
        for index, transaction in enumerate(transactions):
            self.mined[transaction.hash] = (block.number, index)
        return block

    def _check(self, transaction: SignedTransactionAPI) -> None:
        """What a node checks before it takes a transaction, in a node's words."""
        state = self.state(self.head)
        nonce = state.get_nonce(transaction.sender)
        if transaction.nonce != nonce:
            word = "low" if transaction.nonce < nonce else "high"
            raise Refused(f"nonce too {word}: next nonce {nonce}, tx nonce {transaction.nonce}")
        base_fee = self.next_header().base_fee_per_gas
        if transaction.max_fee_per_gas < base_fee:
            raise Refused(f"max fee per gas less than block base fee: {transaction.max_fee_per_gas} < {base_fee}")
        if transaction.max_priority_fee_per_gas > transaction.max_fee_per_gas:
            raise Refused("max priority fee per gas higher than max fee per gas")
        if transaction.gas > GAS_LIMIT:
            raise Refused("exceeds block gas limit")
        if transaction.gas < transaction.intrinsic_gas:
            raise Refused("intrinsic gas too low")
        cost = transaction.gas * transaction.max_fee_per_gas + transaction.value
        if state.get_balance(transaction.sender) < cost:
            raise Refused("insufficient funds for gas * price + value")

    # -- Reading -------------------------------------------------------------------------------------------------------

    def state(self, block: Block) -> StateAPI:
        """The state after a block, in the context of that block, where gas costs nothing."""
        header = block.header
        vm = self.chain.get_vm(header)
        return vm.build_state(
            self.chain.chaindb.db, header.copy(base_fee_per_gas=0), vm.chain_context, vm.previous_hashes
        )

    def execute(self, call: Call, block: Block, state: StateAPI | None = None) -> tuple[ComputationAPI, int]:
        """Runs a call on the state after a block, or another, and forgets what it changed; the result, the gas used."""
        state = state or self.state(block)
        unsigned = (
            self.chain.get_vm(block.header)
            .get_transaction_builder()
            .new_unsigned_dynamic_fee_transaction(
                chain_id=self.chain_id,
                nonce=state.get_nonce(call.sender),
                max_priority_fee_per_gas=0,
                max_fee_per_gas=0,
                gas=call.gas,
                to=call.to,
                value=call.value,
                data=call.data,
                access_list=(),
            )
        )
        transaction = SpoofTransaction(unsigned, from_=call.sender)
        computation = state.apply_transaction(transaction)
        return computation, call.gas - computation.get_gas_remaining()

    def call(self, call: Call, block: Block) -> bytes:
        """The output of a call; `Reverted` when it fails."""
        computation, _ = self.execute(call, block)
        raise_if_failed(computation)
        return computation.output

    def estimate(self, call: Call, block: Block) -> int:
        """The least gas limit, to 64 units, with which a call succeeds."""
        computation, used = self.execute(call, block)
        raise_if_failed(computation)
        if self._suffices(replace(call, gas=used), block):
            return used
        low, high = used, call.gas
        while high - low > 64:
            # Most calls need little more than they use: look there first.
            middle = min((low + high) // 2, low + max(64, low // 8))
            if self._suffices(replace(call, gas=middle), block):
                high = middle
            else:
                low = middle
        return high

    def _suffices(self, call: Call, block: Block) -> bool:
        try:
            return not self.execute(call, block)[0].is_error
        except ValidationError:  # below the gas that its bytes alone cost
            return False

    # -- Time travel ---------------------------------------------------------------------------------------------------

    def advance(self, seconds: int) -> None:
        """Moves the clock; the next block is at least so much later than the newest, which may be ahead of it."""
        ahead = self.head.header.timestamp - int(self.clock())
        self.time_offset = max(self.time_offset, ahead) + seconds

    def snapshot(self) -> tuple[int, int]:
        """What `restore` needs to come back to this point."""
        return len(self.blocks), self.time_offset

    def restore(self, snapshot: tuple[int, int]) -> None:
        """Forgets all blocks since the snapshot."""
        count, self.time_offset = snapshot
        for block in self.blocks[count:]:
            del self.numbers[block.hash]
            for transaction in block.transactions:
                del self.mined[transaction.hash]
        del self.blocks[count:]
        self.next_timestamp = None


def raise_if_failed(computation: ComputationAPI) -> None:
    """Turns a failed computation into `Reverted`, with the reason decoded where there is one."""
    if not computation.is_error:
        return
    if not isinstance(computation.error, Revert):
        raise Reverted(str(computation.error) or type(computation.error).__name__, b"")
    output = computation.output
    reason = "execution reverted"
    if output[:4] == ERROR_SELECTOR:
        reason += ": " + decode(["string"], output[4:])[0]
    raise Reverted(reason, output)
