"""registerNode and updateEndpoint."""

from __future__ import annotations

import pytest
from conftest import STAKE, World, identity
from eth_utils import keccak, to_checksum_address

from chain.accounts import ETHER, Account
from chain.blocks import Call, Reverted, raise_if_failed
from chain.contract import send
from chain.setup import deploy_registry


def test_a_registered_relay_is_listed_with_all_it_said(world: World, alice: Account) -> None:
    world.register(alice, descriptor=b"wss://here", stake=STAKE + 5)
    assert world.node(alice) == {
        "identity": identity("relay"),
        "operator": to_checksum_address(alice.address).lower(),
        "descriptorHash": keccak(b"wss://here"),
        "descriptorBlock": world.chain.head.number,
        "stake": STAKE + 5,
        "heartbeat": world.now,
        "registered": world.now,
        "position": 0,
        "drawn": False,
        "registrationValue": world.chain.head.number,
    }
    assert world.registry.call("nodeCount") == 1
    assert [entry[0] for entry in world.registry.call("getActiveNodes", 0, 256)] == [identity("relay")]
    assert world.balance(world.registry.address) == STAKE + 5


def test_registration_emits_the_entry_and_then_its_descriptor(world: World, alice: Account) -> None:
    events = world.registry.events(world.register(alice, descriptor=b"wss://here"))
    who = {"identity": identity("relay"), "operator": "0x" + alice.address.hex()}
    assert events == [
        ("NodeRegistered", who | {"stake": STAKE}),
        ("EndpointUpdated", who | {"descriptorHash": keccak(b"wss://here"), "descriptor": b"wss://here"}),
    ]


@pytest.mark.parametrize("byte_count", [1, 31, 32, 33, 512])
def test_descriptors_of_1_to_512_bytes_are_taken(world: World, alice: Account, byte_count: int) -> None:
    descriptor = bytes(range(256)) * 2
    world.register(alice, descriptor=descriptor[:byte_count])
    assert world.node(alice)["descriptorHash"] == keccak(descriptor[:byte_count])


@pytest.mark.parametrize(
    ("name", "descriptor", "stake", "reason"),
    [
        ("relay", b"", STAKE, "no descriptor"),
        ("relay", b"where", STAKE - 1, "stake too small"),
        ("relay", b"where", 0, "stake too small"),
        ("relay", bytes(513), STAKE, "execution reverted"),
    ],
)
def test_bad_registrations_are_refused(
    world: World, alice: Account, name: str, descriptor: bytes, stake: int, reason: str
) -> None:
    with pytest.raises(Reverted, match=reason):
        world.register(alice, name, descriptor, stake)


def test_the_zero_identity_is_refused(world: World, alice: Account) -> None:
    with pytest.raises(Reverted, match="no identity"):
        world.registry.transact(alice, "registerNode", bytes(32), b"where", value=STAKE)


@pytest.mark.parametrize(("value", "reason"), [(2**80 - 1, None), (2**80, "stake too large")])
def test_stakes_fit_their_field(world: World, alice: Account, value: int, reason: str | None) -> None:
    """There is not so much ether: the account is given it for this call only."""
    state = world.chain.state(world.chain.head)
    state.set_balance(alice.address, 2**81)
    data = world.registry.encode("registerNode", identity("relay"), b"where")
    call = Call(alice.address, world.registry.address, data, value)
    computation, _ = world.chain.execute(call, world.chain.head, state)
    if reason is None:
        raise_if_failed(computation)
    else:
        with pytest.raises(Reverted, match=reason):
            raise_if_failed(computation)


def test_the_same_pair_cannot_be_listed_twice(world: World, alice: Account) -> None:
    world.register(alice)
    with pytest.raises(Reverted, match="already registered"):
        world.register(alice)


def test_nobody_can_squat_on_an_identity(world: World, alice: Account, bob: Account) -> None:
    world.register(bob, "relay", b"the squatter's")
    world.register(alice, "relay", b"the true one's")
    world.beat(alice)
    world.registry.transact(bob, "updateEndpoint", identity("relay"), b"changed")
    assert world.node(alice)["descriptorHash"] == keccak(b"the true one's")
    world.registry.transact(bob, "deregisterNode", identity("relay"))
    assert world.node(alice)["position"] == 0
    assert world.registry.call("nodeCount") == 1


def test_an_operator_may_list_several_identities(world: World, alice: Account) -> None:
    names = ("one", "two", "three")
    for name in names:
        world.register(alice, name)
    assert [entry[0] for entry in world.registry.call("getNodes", 0, 256)] == [identity(name) for name in names]


def test_an_endpoint_is_replaced_and_nothing_else(world: World, alice: Account) -> None:
    world.register(alice)
    world.beat(alice)
    before = world.node(alice)
    world.travel(60)
    receipt = world.registry.transact(alice, "updateEndpoint", identity("relay"), b"elsewhere")
    changed = {"descriptorHash": keccak(b"elsewhere"), "descriptorBlock": world.chain.head.number}
    assert world.node(alice) == before | changed
    who = {"identity": identity("relay"), "operator": "0x" + alice.address.hex()}
    expected = who | {"descriptorHash": keccak(b"elsewhere"), "descriptor": b"elsewhere"}
    assert world.registry.events(receipt) == [("EndpointUpdated", expected)]


def test_an_endpoint_update_keeps_the_draw_that_is_due(world: World, alice: Account) -> None:
    world.register(alice)
    number = world.chain.head.number
    world.registry.transact(alice, "updateEndpoint", identity("relay"), b"elsewhere")
    assert (world.node(alice)["drawn"], world.node(alice)["registrationValue"]) == (False, number)


def test_bad_endpoint_updates_are_refused(world: World, alice: Account, bob: Account) -> None:
    world.register(alice)
    with pytest.raises(Reverted, match="no descriptor"):
        world.registry.transact(alice, "updateEndpoint", identity("relay"), b"")
    with pytest.raises(Reverted, match="execution reverted"):
        world.registry.transact(alice, "updateEndpoint", identity("relay"), bytes(513))
    with pytest.raises(Reverted, match="not registered"):
        world.registry.transact(bob, "updateEndpoint", identity("relay"), b"mine")


@pytest.mark.parametrize(
    ("stake", "unbonding", "reason"),
    [
        (0, 0, "stake out of range"),
        (2**80, 0, "stake out of range"),
        (1, 366 * 24 * 3600 + 1, "unbonding time too long"),
    ],
)
def test_the_constructor_refuses_traps(world: World, stake: int, unbonding: int, reason: str) -> None:
    with pytest.raises(Reverted, match=reason):
        deploy_registry(world.chain, world.accounts[0], stake, unbonding)


def test_the_parameters_are_those_of_deployment(world: World) -> None:
    registry = deploy_registry(world.chain, world.accounts[0], ETHER, 366 * 24 * 3600)
    assert (registry.call("MINIMUM_STAKE"), registry.call("UNBONDING_SECONDS")) == (ETHER, 366 * 24 * 3600)


def test_ether_without_a_call_and_with_a_call_that_takes_none_is_refused(world: World, alice: Account) -> None:
    with pytest.raises(Reverted):
        send(world.chain, alice, world.registry.address, b"", 1)
    world.register(alice)
    for name in ("updateHeartbeat", "deregisterNode", "withdraw"):
        with pytest.raises(Reverted):
            world.registry.transact(alice, name, identity("relay"), value=1)
    with pytest.raises(Reverted):
        world.registry.transact(alice, "updateEndpoint", identity("relay"), b"x", value=1)


def test_no_function_is_reserved_for_an_owner(world: World) -> None:
    functions = [entry for entry in world.registry.abi if entry["type"] == "function"]
    names = {entry["name"] for entry in functions if entry["stateMutability"] not in ("view", "pure")}
    expected = {"registerNode", "updateHeartbeat", "updateEndpoint", "deregisterNode", "removeSilentNode", "withdraw"}
    assert names == expected
