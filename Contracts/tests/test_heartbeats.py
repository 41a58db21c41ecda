"""updateHeartbeat, activity, and the draw of the registration value."""

from __future__ import annotations

import pytest
from conftest import DAY, HOUR, World, identity
from eth_utils import keccak

from chain.accounts import Account
from chain.blocks import Block, Call, Reverted, raise_if_failed


def drawn_from(block_hash: bytes, who: Account, name: str = "relay") -> int:
    """The registration value as STORAGE.md defines it."""
    key = keccak(identity(name) + bytes(12) + who.address)
    return int.from_bytes(keccak(block_hash + key)[-8:], "big")


def active(world: World) -> list[bytes]:
    """The identities that are listed as active."""
    return [entry[0] for entry in world.registry.call("getActiveNodes", 0, 256)]


def test_a_heartbeat_counts_from_its_block(world: World, alice: Account) -> None:
    world.register(alice)
    world.travel(8 * HOUR)
    receipt = world.beat(alice)
    node = world.node(alice)
    assert node["heartbeat"] == world.now
    assert node["registered"] < node["heartbeat"] - 8 * HOUR
    who = {"identity": identity("relay"), "operator": "0x" + alice.address.hex()}
    assert world.registry.events(receipt) == [("Heartbeat", who | {"registrationValue": node["registrationValue"]})]


def test_a_relay_is_active_for_24_hours_and_not_a_second_longer(world: World, alice: Account) -> None:
    world.register(alice)
    start = world.now
    assert world.travel(DAY) == start + DAY
    assert active(world) == [identity("relay")]
    world.travel(1)
    assert active(world) == []
    assert len(world.registry.call("getNodes", 0, 256)) == 1


def test_a_silent_relay_becomes_active_again_with_a_heartbeat(world: World, alice: Account) -> None:
    world.register(alice)
    world.travel(3 * DAY)
    assert active(world) == []
    world.beat(alice)
    assert active(world) == [identity("relay")]


def test_only_the_operator_beats_for_an_entry(world: World, alice: Account, bob: Account) -> None:
    world.register(alice)
    with pytest.raises(Reverted, match="not registered"):
        world.beat(bob)


def test_the_value_is_drawn_from_the_hash_of_the_block_of_registration(world: World, alice: Account) -> None:
    world.register(alice)
    block_hash = world.chain.head.hash
    world.travel(60)
    world.beat(alice)
    node = world.node(alice)
    assert node["drawn"]
    assert node["registrationValue"] == drawn_from(block_hash, alice)


def test_the_value_stays_with_later_heartbeats_and_endpoints(world: World, alice: Account) -> None:
    world.register(alice)
    world.beat(alice)
    value = world.node(alice)["registrationValue"]
    for _ in range(3):
        world.travel(8 * HOUR)
        world.beat(alice)
        world.registry.transact(alice, "updateEndpoint", identity("relay"), b"elsewhere")
        assert world.node(alice)["registrationValue"] == value


def test_relays_of_one_block_draw_different_values(world: World, alice: Account, bob: Account) -> None:
    stake = world.registry.call("MINIMUM_STAKE")
    world.mine_together([(who, "registerNode", (identity("relay"), b"x"), stake) for who in (alice, bob)])
    world.beat(alice)
    world.beat(bob)
    assert world.node(alice)["registrationValue"] != world.node(bob)["registrationValue"]


def test_nothing_is_drawn_in_the_block_of_registration(world: World, alice: Account) -> None:
    stake = world.registry.call("MINIMUM_STAKE")
    block = world.mine_together(
        [
            (alice, "registerNode", (identity("relay"), b"x"), stake),
            (alice, "updateHeartbeat", (identity("relay"),), 0),
        ]
    )
    assert all(receipt.state_root == b"\x01" for receipt in block.receipts)
    assert not world.node(alice)["drawn"]
    world.beat(alice)
    assert world.node(alice)["registrationValue"] == drawn_from(block.hash, alice)


@pytest.mark.parametrize("blocks", [255, 256, 257, 300])
def test_the_value_can_be_drawn_late(world: World, alice: Account, blocks: int) -> None:
    """Beyond 256 blocks the hash comes from EIP-2935's contract; it is the same."""
    world.register(alice)
    registration = world.chain.head
    for _ in range(blocks - 1):
        world.chain.mine([])
    world.beat(alice)
    assert world.chain.head.number == registration.number + blocks
    assert world.node(alice)["registrationValue"] == drawn_from(registration.hash, alice)


def test_the_value_cannot_be_drawn_after_8191_blocks(world: World, alice: Account) -> None:
    world.register(alice)
    registration = world.chain.head
    world.chain.mine([])

    def event_value(blocks: int) -> int:
        """What a heartbeat would log so many blocks after registration."""
        header = world.chain.head.header.copy(block_number=registration.number + blocks)
        call = Call(alice.address, world.registry.address, world.registry.encode("updateHeartbeat", identity("relay")))
        computation, _ = world.chain.execute(call, Block(header))
        raise_if_failed(computation)
        (_, _, data) = computation.get_log_entries()[0]
        return int.from_bytes(data, "big")

    assert event_value(8_191) == drawn_from(registration.hash, alice)
    assert event_value(8_192) == 0
    assert event_value(1_000_000) == 0


def test_a_new_registration_draws_anew(world: World, alice: Account) -> None:
    world.register(alice)
    world.beat(alice)
    first = world.node(alice)["registrationValue"]
    world.registry.transact(alice, "deregisterNode", identity("relay"))
    world.register(alice)
    assert not world.node(alice)["drawn"]
    world.beat(alice)
    assert world.node(alice)["registrationValue"] != first
