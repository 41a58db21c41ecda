# @version 0.4.3
"""
@title Relay registry of ShadowMesh
@notice Lists the relays at which nodes meet. Anyone may list a relay by locking a stake; the stake comes back after
        the relay has left the list and the unbonding time has passed. Nobody owns this contract: no account can change
        a rule, remove a relay that shows signs of life, or take a stake.
@dev    An entry belongs to a pair (identity hash, operator account). Whether the operator holds the identity's keys is
        not checked here (to verify ML-DSA-87 in the EVM would cost many times what all else does), so anyone may list
        any identity hash, but only beside the entry of its true holder, never in its place. A client tries the entries
        of an identity until the relay behind one proves itself at connect.

        There is no slashing, on purpose. What a relay does wrong (dropping records, being slow, being away) leaves no
        evidence that a contract could judge; a rule that takes stakes on somebody's word would be a weapon against
        honest relays. The stake makes a crowd of false relays expensive; the proofs of identity make them useless.

        Storage is laid out so that a light client can prove the whole list by eth_getProof: a count, then two words per
        position, and two more words per entry. STORAGE.md gives every slot and bit. Positions are dense: the last entry
        moves into the place of one that leaves.
"""

# -- Limits ----------------------------------------------------------------------------------------------------------

# A relay beats every 8 hours; two beats may be missed before it counts as silent.
ACTIVE_SECONDS: public(constant(uint256)) = 24 * 3600
# An entry silent for so long may be removed by anyone, or the list that clients have to prove would only ever grow.
SILENT_SECONDS: public(constant(uint256)) = 30 * 24 * 3600
# Room for an endpoint, a region and what later versions add; at 24 gas a byte a full one costs 12,000 gas.
DESCRIPTOR_BYTES_MAX: public(constant(uint256)) = 512
# One page of a view. 256 entries are 82 kB of answer, which every endpoint serves.
PAGE_MAX: public(constant(uint256)) = 256
# The width of a position in the status word is 24 bits.
NODES_MAX: public(constant(uint256)) = 2**24 - 1
# The width of a stake in the status word is 80 bits: 1,208,925 ether.
STAKE_MAX: public(constant(uint256)) = 2**80 - 1
# An unbonding time beyond a year would be a trap for stakes.
UNBONDING_SECONDS_MAX: constant(uint256) = 366 * 24 * 3600
# EIP-2935: serves the hashes of the last 8,191 blocks (27 hours), longer than an active relay leaves between beats.
BLOCK_HASHES: constant(address) = 0x0000F90827F1C53a10cb7A02335B175320002935

# Fields of the status word, by their lowest bit. STORAGE.md draws it.
SHIFT_HEARTBEAT: constant(uint256) = 80
SHIFT_POSITION: constant(uint256) = 120
SHIFT_DESCRIPTOR_BLOCK: constant(uint256) = 144
SHIFT_VALUE: constant(uint256) = 184
FLAG_DRAWN: constant(uint256) = 1 << 248
MASK_24: constant(uint256) = 2**24 - 1
MASK_40: constant(uint256) = 2**40 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_80: constant(uint256) = 2**80 - 1
MASK_160: constant(uint256) = 2**160 - 1
SHIFT_REGISTERED: constant(uint256) = 160

# The least stake that lists a relay, in wei. Set at deployment.
MINIMUM_STAKE: public(immutable(uint256))
# How long a stake stays locked after its relay has left the list, in seconds. Set at deployment.
UNBONDING_SECONDS: public(immutable(uint256))


# -- Storage: the order of these declarations is the layout of STORAGE.md --------------------------------------------

# The two words of an entry that can change.
struct Detail:
    descriptorHash: bytes32  # Keccak-256 of the descriptor's bytes
    status: uint256          # stake, heartbeat, position, descriptor block, registration value; never 0 while listed


# The two words of a position.
struct Entry:
    operatorWord: uint256  # operator account in bits 0 to 159, time of registration in bits 160 to 199
    identity: bytes32      # the relay's peer ID


# How many entries are listed.
nodeCount: public(uint256)
# What changes about an entry, by `_key`.
details: HashMap[bytes32, Detail]
# What is left of an entry that was removed, by `_key`: stake in bits 0 to 79, time from which it may be withdrawn in
# bits 80 to 119.
unbonding: HashMap[bytes32, uint256]
# The list. All positions below nodeCount are in use, all others are zero.
entries: Entry[NODES_MAX]


# -- What the views return, and events -------------------------------------------------------------------------------

# An entry, unpacked.
struct Node:
    identity: bytes32
    operator: address
    descriptorHash: bytes32
    descriptorBlock: uint256    # number of the block whose EndpointUpdated event holds the descriptor
    stake: uint256              # wei
    heartbeat: uint256          # seconds since 1970, of the block of the last heartbeat
    registered: uint256         # seconds since 1970, of the block of registration
    position: uint256           # index in the list; changes when another entry leaves
    drawn: bool                 # whether registrationValue is fixed
    registrationValue: uint256  # 64 bits; while not drawn, the number of the block whose hash will decide it


# A relay was listed. EndpointUpdated follows.
event NodeRegistered:
    identity: indexed(bytes32)
    operator: indexed(address)
    stake: uint256


# A relay's descriptor is new; its hash is in storage.
event EndpointUpdated:
    identity: indexed(bytes32)
    operator: indexed(address)
    descriptorHash: indexed(bytes32)
    descriptor: Bytes[DESCRIPTOR_BYTES_MAX]


# A relay said that it is alive.
event Heartbeat:
    identity: indexed(bytes32)
    operator: indexed(address)
    registrationValue: uint256  # 0 while not drawn


# A relay is off the list; its stake waits.
event NodeDeregistered:
    identity: indexed(bytes32)
    operator: indexed(address)
    stake: uint256
    withdrawableAt: uint256  # seconds since 1970
    by: address              # the operator, or whoever removed a silent entry


# A stake was paid back to its operator.
event StakeWithdrawn:
    identity: indexed(bytes32)
    operator: indexed(address)
    amount: uint256


@deploy
def __init__(minimum_stake: uint256, unbonding_seconds: uint256):
    """
    @notice Fixes the two parameters for good.
    @param minimum_stake The least stake that lists a relay, in wei; at least 1.
    @param unbonding_seconds How long a stake stays locked after its relay has left; at most 366 days.
    """
    assert minimum_stake > 0 and minimum_stake <= STAKE_MAX, "stake out of range"
    assert unbonding_seconds <= UNBONDING_SECONDS_MAX, "unbonding time too long"
    MINIMUM_STAKE = minimum_stake
    UNBONDING_SECONDS = unbonding_seconds


# -- Transactions of operators ---------------------------------------------------------------------------------------

@external
@payable
def registerNode(identity: bytes32, descriptor: Bytes[DESCRIPTOR_BYTES_MAX]):
    """
    @notice Lists a relay under the sender's account; counts as its first heartbeat. The ether sent is its stake.
    @dev    The registration value, by which clients choose home relays, is drawn by the first heartbeat in a later
            block from the hash of this block, which nobody knows yet (but who builds the block, and would have to throw
            it away): so no one can try identities or accounts until one falls beside a victim, not even with a contract
            that reverts when it does not like the outcome. Each try costs a stake for the unbonding time.
    @param identity The relay's peer ID (SHA-256 over its public keys), not 0.
    @param descriptor 1 to 512 bytes that tell clients how to reach the relay; not interpreted here.
    """
    assert identity != empty(bytes32), "no identity"
    assert len(descriptor) > 0, "no descriptor"
    assert msg.value >= MINIMUM_STAKE, "stake too small"
    assert msg.value <= STAKE_MAX, "stake too large"
    key: bytes32 = self._key(identity, msg.sender)
    assert self.details[key].status == 0, "already registered"

    position: uint256 = self.nodeCount
    assert position < NODES_MAX, "list full"
    self.nodeCount = position + 1
    self.entries[position] = Entry(
        operatorWord=convert(msg.sender, uint256) | (block.timestamp << SHIFT_REGISTERED),
        identity=identity,
    )
    digest: bytes32 = keccak256(descriptor)
    self.details[key] = Detail(
        descriptorHash=digest,
        status=(
            msg.value
            | (block.timestamp << SHIFT_HEARTBEAT)
            | (position << SHIFT_POSITION)
            | (block.number << SHIFT_DESCRIPTOR_BLOCK)
            | (block.number << SHIFT_VALUE)
        ),
    )
    log NodeRegistered(identity=identity, operator=msg.sender, stake=msg.value)
    log EndpointUpdated(identity=identity, operator=msg.sender, descriptorHash=digest, descriptor=descriptor)


@external
def updateHeartbeat(identity: bytes32):
    """
    @notice Says that the sender's relay is alive. Due every 8 hours; after 24 hours without, the relay is not active.
    @dev    The first one in a block after registration also draws the registration value. If none comes within 8,191
            blocks (27 hours) of registration, the value stays undrawn for as long as the entry exists.
    @param identity The relay's peer ID.
    """
    key: bytes32 = self._key(identity, msg.sender)
    status: uint256 = self.details[key].status
    assert status != 0, "not registered"
    status = (status & ~(MASK_40 << SHIFT_HEARTBEAT)) | (block.timestamp << SHIFT_HEARTBEAT)
    if status & FLAG_DRAWN == 0:
        status = self._drawn(status, key)
    self.details[key].status = status
    value: uint256 = 0
    if status & FLAG_DRAWN != 0:
        value = (status >> SHIFT_VALUE) & MASK_64
    log Heartbeat(identity=identity, operator=msg.sender, registrationValue=value)


@external
def updateEndpoint(identity: bytes32, descriptor: Bytes[DESCRIPTOR_BYTES_MAX]):
    """
    @notice Replaces the descriptor of the sender's relay. Neither a heartbeat nor a new registration value.
    @param identity The relay's peer ID.
    @param descriptor 1 to 512 bytes that tell clients how to reach the relay; not interpreted here.
    """
    assert len(descriptor) > 0, "no descriptor"
    key: bytes32 = self._key(identity, msg.sender)
    status: uint256 = self.details[key].status
    assert status != 0, "not registered"
    digest: bytes32 = keccak256(descriptor)
    self.details[key] = Detail(
        descriptorHash=digest,
        status=(
            (status & ~(MASK_40 << SHIFT_DESCRIPTOR_BLOCK)) | (block.number << SHIFT_DESCRIPTOR_BLOCK)
        ),
    )
    log EndpointUpdated(identity=identity, operator=msg.sender, descriptorHash=digest, descriptor=descriptor)


@external
def deregisterNode(identity: bytes32):
    """
    @notice Takes the sender's relay off the list. Its stake may be withdrawn after the unbonding time.
    @param identity The relay's peer ID.
    """
    self._remove(identity, msg.sender)


@external
def removeSilentNode(identity: bytes32, operator: address):
    """
    @notice Takes off the list a relay that has not beaten for 30 days. Anyone may; the stake stays its operator's, who
            may withdraw it after the unbonding time.
    @param identity The relay's peer ID.
    @param operator The account that registered it.
    """
    status: uint256 = self.details[self._key(identity, operator)].status
    assert status != 0, "not registered"
    assert block.timestamp > ((status >> SHIFT_HEARTBEAT) & MASK_40) + SILENT_SECONDS, "not silent for long enough"
    self._remove(identity, operator)


@external
@nonreentrant
def withdraw(identity: bytes32):
    """
    @notice Pays the stake of the sender's removed entry back to the sender, once the unbonding time has passed.
    @dev    The record is cleared before the payment, so a receiver that calls again finds nothing.
    @param identity The peer ID the stake was locked for.
    """
    key: bytes32 = self._key(identity, msg.sender)
    word: uint256 = self.unbonding[key]
    assert word != 0, "nothing to withdraw"
    assert block.timestamp >= word >> SHIFT_HEARTBEAT, "still unbonding"
    self.unbonding[key] = 0
    amount: uint256 = word & MASK_80
    log StakeWithdrawn(identity=identity, operator=msg.sender, amount=amount)
    raw_call(msg.sender, b"", value=amount)


# -- Views -----------------------------------------------------------------------------------------------------------

@external
@view
def getNode(identity: bytes32, operator: address) -> Node:
    """
    @notice One entry; reverts when there is none.
    @param identity The relay's peer ID.
    @param operator The account that registered it.
    """
    status: uint256 = self.details[self._key(identity, operator)].status
    assert status != 0, "not registered"
    return self._node((status >> SHIFT_POSITION) & MASK_24)


@external
@view
def getNodes(offset: uint256, limit: uint256) -> DynArray[Node, PAGE_MAX]:
    """
    @notice The entries at positions offset to offset + limit - 1, silent ones too; fewer at the end of the list.
    @param offset The first position.
    @param limit How many positions to look at; at most 256.
    """
    assert limit <= PAGE_MAX, "page too large"
    nodes: DynArray[Node, PAGE_MAX] = []
    for position: uint256 in range(offset, self._end(offset, limit), bound=PAGE_MAX):
        nodes.append(self._node(position))
    return nodes


@external
@view
def getActiveNodes(offset: uint256, limit: uint256) -> DynArray[Node, PAGE_MAX]:
    """
    @notice Of the entries at positions offset to offset + limit - 1, those with a heartbeat within 24 hours. A page may
            be shorter than limit, or empty, before the end of the list: go on until offset reaches nodeCount.
    @param offset The first position.
    @param limit How many positions to look at; at most 256.
    """
    assert limit <= PAGE_MAX, "page too large"
    nodes: DynArray[Node, PAGE_MAX] = []
    for position: uint256 in range(offset, self._end(offset, limit), bound=PAGE_MAX):
        node: Node = self._node(position)
        if block.timestamp <= node.heartbeat + ACTIVE_SECONDS:
            nodes.append(node)
    return nodes


@external
@view
def getUnbonding(identity: bytes32, operator: address) -> (uint256, uint256):
    """
    @notice The stake that waits to be withdrawn, in wei, and the time from which it may be, in seconds since 1970;
            zeros when there is none.
    @param identity The peer ID the stake was locked for.
    @param operator The account that locked it.
    """
    word: uint256 = self.unbonding[self._key(identity, operator)]
    return word & MASK_80, word >> SHIFT_HEARTBEAT


# -- Within ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _key(identity: bytes32, operator: address) -> bytes32:
    """
    @dev Where the two mappings keep an entry: Keccak-256 of the identity and the operator as a 32-byte word.
    """
    return keccak256(concat(identity, convert(operator, bytes32)))


@internal
@view
def _drawn(status: uint256, key: bytes32) -> uint256:
    """
    @dev The status word with its registration value drawn from the hash of the block of registration, if that hash can
         be known here and now; unchanged if not.
    """
    number: uint256 = (status >> SHIFT_VALUE) & MASK_64
    block_hash: bytes32 = empty(bytes32)
    if number < block.number:
        if block.number - number <= 256:
            block_hash = blockhash(number)
        else:
            success: bool = False
            response: Bytes[32] = b""
            success, response = raw_call(
                BLOCK_HASHES, abi_encode(number), max_outsize=32, is_static_call=True, revert_on_failure=False
            )
            if success and len(response) == 32:
                block_hash = convert(response, bytes32)
    if block_hash == empty(bytes32):
        return status
    value: uint256 = convert(keccak256(concat(block_hash, key)), uint256) & MASK_64
    return (status & ~(MASK_64 << SHIFT_VALUE)) | (value << SHIFT_VALUE) | FLAG_DRAWN


@internal
def _remove(identity: bytes32, operator: address):
    """
    @dev Takes an entry off the list, moves the last one into its place, and books its stake as unbonding. A stake that
         was unbonding before for the same pair is added to, and waits as long as the newest.
    """
    key: bytes32 = self._key(identity, operator)
    status: uint256 = self.details[key].status
    assert status != 0, "not registered"
    position: uint256 = (status >> SHIFT_POSITION) & MASK_24
    last: uint256 = self.nodeCount - 1
    if position != last:
        moved: Entry = self.entries[last]
        self.entries[position] = moved
        moved_key: bytes32 = self._key(moved.identity, convert(moved.operatorWord & MASK_160, address))
        self.details[moved_key].status = (
            (self.details[moved_key].status & ~(MASK_24 << SHIFT_POSITION)) | (position << SHIFT_POSITION)
        )
    self.entries[last] = empty(Entry)
    self.details[key] = empty(Detail)
    self.nodeCount = last

    stake: uint256 = status & MASK_80
    withdrawable_at: uint256 = block.timestamp + UNBONDING_SECONDS
    # All the ether there is fits 87 bits, and the sum of two stakes of one operator may exceed 80: refused, not cut.
    amount: uint256 = (self.unbonding[key] & MASK_80) + stake
    assert amount <= STAKE_MAX, "withdraw first"
    self.unbonding[key] = amount | (withdrawable_at << SHIFT_HEARTBEAT)
    log NodeDeregistered(
        identity=identity, operator=operator, stake=stake, withdrawableAt=withdrawable_at, by=msg.sender
    )


@internal
@view
def _end(offset: uint256, limit: uint256) -> uint256:
    """
    @dev The position after the last of a page; offset itself when the page is empty.
    """
    count: uint256 = self.nodeCount
    if offset >= count:
        return offset
    return offset + min(limit, count - offset)


@internal
@view
def _node(position: uint256) -> Node:
    """
    @dev The entry at a position below nodeCount, unpacked.
    """
    entry: Entry = self.entries[position]
    operator: address = convert(entry.operatorWord & MASK_160, address)
    detail: Detail = self.details[self._key(entry.identity, operator)]
    return Node(
        identity=entry.identity,
        operator=operator,
        descriptorHash=detail.descriptorHash,
        descriptorBlock=(detail.status >> SHIFT_DESCRIPTOR_BLOCK) & MASK_40,
        stake=detail.status & MASK_80,
        heartbeat=(detail.status >> SHIFT_HEARTBEAT) & MASK_40,
        registered=entry.operatorWord >> SHIFT_REGISTERED,
        position=position,
        drawn=detail.status & FLAG_DRAWN != 0,
        registrationValue=(detail.status >> SHIFT_VALUE) & MASK_64,
    )
