"""deregisterNode, removeSilentNode and withdraw."""

from __future__ import annotations

from pathlib import Path

import pytest
import vyper
from conftest import DAY, STAKE, UNBONDING, World, identity
from vyper.compiler.settings import Settings

from chain.accounts import Account
from chain.blocks import Call, Reverted, raise_if_failed
from chain.contract import Contract
from chain.layout import UNBONDING_ROOT, mapping_slot


def deregister(world: World, who: Account, name: str = "relay") -> dict:
    return world.registry.transact(who, "deregisterNode", identity(name))


def withdraw(world: World, who: Account, name: str = "relay") -> dict:
    return world.registry.transact(who, "withdraw", identity(name))


def test_a_deregistered_relay_is_gone_and_its_stake_waits(world: World, alice: Account) -> None:
    world.register(alice, stake=STAKE + 7)
    receipt = deregister(world, alice)
    due = world.now + UNBONDING
    who = {"identity": identity("relay"), "operator": "0x" + alice.address.hex()}
    event = who | {"stake": STAKE + 7, "withdrawableAt": due, "by": "0x" + alice.address.hex()}
    assert world.registry.events(receipt) == [("NodeDeregistered", event)]
    assert world.registry.call("nodeCount") == 0
    assert world.registry.call("getUnbonding", identity("relay"), alice.address) == (STAKE + 7, due)
    with pytest.raises(Reverted, match="not registered"):
        world.node(alice)


def test_the_stake_comes_back_after_the_unbonding_time_and_not_before(world: World, alice: Account) -> None:
    world.register(alice, stake=STAKE + 7)
    deregister(world, alice)
    world.travel(UNBONDING - 1)
    with pytest.raises(Reverted, match="still unbonding"):
        withdraw(world, alice)
    world.travel(1)
    before = world.balance(alice.address)
    receipt = withdraw(world, alice)
    cost = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert world.balance(alice.address) == before + STAKE + 7 - cost
    assert world.balance(world.registry.address) == 0
    who = {"identity": identity("relay"), "operator": "0x" + alice.address.hex()}
    assert world.registry.events(receipt) == [("StakeWithdrawn", who | {"amount": STAKE + 7})]
    assert world.registry.call("getUnbonding", identity("relay"), alice.address) == (0, 0)


def test_a_stake_is_paid_once_and_only_to_its_operator(world: World, alice: Account, bob: Account) -> None:
    world.register(alice)
    world.register(bob, "another")
    deregister(world, alice)
    world.travel(UNBONDING)
    with pytest.raises(Reverted, match="nothing to withdraw"):
        withdraw(world, bob)
    withdraw(world, alice)
    with pytest.raises(Reverted, match="nothing to withdraw"):
        withdraw(world, alice)
    assert world.balance(world.registry.address) == STAKE


def test_a_listed_stake_cannot_be_withdrawn(world: World, alice: Account) -> None:
    world.register(alice)
    world.travel(10 * UNBONDING)
    with pytest.raises(Reverted, match="nothing to withdraw"):
        withdraw(world, alice)


def test_only_the_operator_deregisters_while_the_relay_lives(world: World, alice: Account, bob: Account) -> None:
    world.register(alice)
    with pytest.raises(Reverted, match="not registered"):
        deregister(world, bob)
    with pytest.raises(Reverted, match="not silent for long enough"):
        world.registry.transact(bob, "removeSilentNode", identity("relay"), alice.address)


def test_a_pair_can_be_listed_again_while_its_stake_waits(world: World, alice: Account) -> None:
    world.register(alice, stake=STAKE)
    deregister(world, alice)
    first_due = world.now + UNBONDING
    world.register(alice, stake=2 * STAKE)
    assert world.registry.call("getUnbonding", identity("relay"), alice.address) == (STAKE, first_due)
    world.travel(DAY)
    deregister(world, alice)
    due = world.now + UNBONDING
    assert world.registry.call("getUnbonding", identity("relay"), alice.address) == (3 * STAKE, due)
    world.travel(UNBONDING)
    withdraw(world, alice)
    assert world.balance(world.registry.address) == 0


def test_the_stake_of_an_earlier_time_can_be_withdrawn_while_listed_again(world: World, alice: Account) -> None:
    world.register(alice)
    deregister(world, alice)
    world.register(alice)
    world.travel(UNBONDING)
    withdraw(world, alice)
    assert world.balance(world.registry.address) == STAKE
    assert world.registry.call("nodeCount") == 1


def test_anyone_removes_an_entry_that_is_silent_for_30_days(world: World, alice: Account, bob: Account) -> None:
    world.register(alice)
    world.beat(alice)
    last = world.now
    world.chain.next_timestamp = last + 30 * DAY
    world.chain.mine([])
    with pytest.raises(Reverted, match="not silent for long enough"):
        world.registry.transact(bob, "removeSilentNode", identity("relay"), alice.address)
    world.travel(1)
    receipt = world.registry.transact(bob, "removeSilentNode", identity("relay"), alice.address)
    (name, event) = world.registry.events(receipt)[0]
    assert (name, event["by"], event["operator"]) == (
        "NodeDeregistered",
        "0x" + bob.address.hex(),
        "0x" + alice.address.hex(),
    )
    assert world.registry.call("nodeCount") == 0


def test_whoever_removes_a_silent_entry_gets_none_of_its_stake(world: World, alice: Account, bob: Account) -> None:
    world.register(alice)
    world.travel(31 * DAY)
    world.registry.transact(bob, "removeSilentNode", identity("relay"), alice.address)
    world.travel(UNBONDING)
    with pytest.raises(Reverted, match="nothing to withdraw"):
        withdraw(world, bob)
    withdraw(world, alice)
    assert world.balance(world.registry.address) == 0


def test_what_is_not_listed_cannot_be_removed(world: World, alice: Account, bob: Account) -> None:
    for name, arguments in (("deregisterNode", ()), ("removeSilentNode", (alice.address,))):
        with pytest.raises(Reverted, match="not registered"):
            world.registry.transact(bob, name, identity("relay"), *arguments)


def test_the_last_entry_takes_the_place_of_one_that_leaves(world: World, alice: Account) -> None:
    names = ["a", "b", "c", "d"]
    for name in names:
        world.register(alice, name, name.encode())
        world.beat(alice, name)
    before = world.node(alice, "d")
    deregister(world, alice, "b")
    assert [entry[0] for entry in world.registry.call("getNodes", 0, 256)] == [identity(name) for name in "adc"]
    assert world.node(alice, "d") == before | {"position": 1}
    deregister(world, alice, "c")
    assert [entry[0] for entry in world.registry.call("getNodes", 0, 256)] == [identity(name) for name in "ad"]
    deregister(world, alice, "a")
    deregister(world, alice, "d")
    assert world.registry.call("getNodes", 0, 256) == ()


@pytest.fixture
def hostile(world: World) -> Contract:
    source = (Path(__file__).parent / "Hostile.vy").read_text()
    output = vyper.compile_code(source, output_formats=["abi", "bytecode"], settings=Settings(evm_version="prague"))
    arguments = (world.registry.address, identity("hostile"))
    contract = Contract.deploy(world.chain, world.accounts[3], output["bytecode"], output["abi"], arguments)
    contract.transact(world.accounts[3], "register", value=STAKE)
    contract.transact(world.accounts[3], "deregister")
    return contract


def test_a_receiver_that_withdraws_again_is_paid_once(world: World, alice: Account, hostile: Contract) -> None:
    world.register(alice)  # there is ether of another to be taken
    world.travel(UNBONDING)
    hostile.transact(alice, "set_mode", 1)
    hostile.transact(alice, "withdraw", gas=500_000)
    assert (hostile.call("attempts"), hostile.call("successes")) == (1, 0)
    assert world.balance(hostile.address) == STAKE
    assert world.balance(world.registry.address) == STAKE


def test_a_receiver_may_register_and_leave_while_it_is_paid(world: World, alice: Account, hostile: Contract) -> None:
    world.register(alice)
    world.travel(UNBONDING)
    hostile.transact(alice, "set_mode", 2)
    hostile.transact(alice, "withdraw", gas=1_000_000)
    due = world.now + UNBONDING
    assert world.registry.call("getUnbonding", identity("hostile"), hostile.address) == (STAKE, due)
    assert world.balance(hostile.address) == 0
    assert world.balance(world.registry.address) == 2 * STAKE
    assert world.registry.call("nodeCount") == 1


def test_a_receiver_that_refuses_loses_nothing(world: World, alice: Account, hostile: Contract) -> None:
    world.travel(UNBONDING)
    hostile.transact(alice, "set_mode", 3)
    with pytest.raises(Reverted):
        hostile.transact(alice, "withdraw")
    hostile.transact(alice, "set_mode", 0)
    hostile.transact(alice, "withdraw")
    assert world.balance(hostile.address) == STAKE


def test_a_sum_that_does_not_fit_its_field_is_refused(world: World, alice: Account) -> None:
    """2^80 wei are more ether than there is: the word is set by hand."""
    world.register(alice)
    state = world.chain.state(world.chain.head)
    state.set_storage(world.registry.address, mapping_slot(UNBONDING_ROOT, identity("relay"), alice.address), 2**80 - 1)
    state.lock_changes()
    call = Call(alice.address, world.registry.address, world.registry.encode("deregisterNode", identity("relay")))
    computation, _ = world.chain.execute(call, world.chain.head, state)
    with pytest.raises(Reverted, match="withdraw first"):
        raise_if_failed(computation)
