# @version 0.4.3
"""
@title A receiver that tries to be paid twice
@dev   For tests of the registry only.
"""

interface Registry:
    def registerNode(identity: bytes32, descriptor: Bytes[512]): payable
    def deregisterNode(identity: bytes32): nonpayable
    def withdraw(identity: bytes32): nonpayable

registry: address
identity: bytes32
mode: public(uint256)       # 0 take it, 1 withdraw again, 2 register again and leave, 3 refuse
attempts: public(uint256)
successes: public(uint256)


@deploy
def __init__(registry: address, identity: bytes32):
    self.registry = registry
    self.identity = identity


@external
def set_mode(mode: uint256):
    self.mode = mode


@external
@payable
def register():
    extcall Registry(self.registry).registerNode(self.identity, b"hostile", value=msg.value)


@external
def deregister():
    extcall Registry(self.registry).deregisterNode(self.identity)


@external
def withdraw():
    extcall Registry(self.registry).withdraw(self.identity)


@external
@payable
def __default__():
    if self.mode == 3:
        raise "no, thank you"
    if self.mode == 1:
        self.attempts += 1
        success: bool = raw_call(
            self.registry, abi_encode(self.identity, method_id=method_id("withdraw(bytes32)")), revert_on_failure=False
        )
        if success:
            self.successes += 1
    if self.mode == 2:
        extcall Registry(self.registry).registerNode(self.identity, b"again", value=msg.value)
        extcall Registry(self.registry).deregisterNode(self.identity)
