"""What each transaction costs, compared with gas.json. `REGISTRY_GAS=record` writes the file anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import DAY, STAKE, UNBONDING, World, identity

from chain.encoding import Json
from chain.setup import deploy_registry

GAS = Path(__file__).parent.parent / "gas.json"
# The figures the project set itself: 10 dollars at 25 gwei and 3,000 dollars an ether; three beats a day for ever.
REGISTER_MAX = 133_333
HEARTBEAT_MAX = 30_000
# An endpoint of 100 bytes and a region, in fields, with room to spare; 43 bytes is what the made-up relays have.
TYPICAL, LONG, LONGEST = (bytes(index % 255 + 1 for index in range(count)) for count in (43, 176, 512))


@pytest.fixture(scope="module")
def measured(network: object) -> dict[str, int]:
    """Every kind of transaction once, its gas by name."""
    chain, accounts = network.chain, network.accounts
    snapshot = chain.snapshot()
    try:
        return measure(World(chain, deploy_registry(chain, accounts[0], STAKE, UNBONDING), accounts))
    finally:
        chain.restore(snapshot)


def measure(world: World) -> dict[str, int]:
    """Registers three relays and does everything to them."""
    alice, bob, carol = world.accounts[1:4]
    deployed = world.chain.blocks[-1].receipts[0].gas_used

    def used(receipt: Json) -> int:
        return int(receipt["gasUsed"], 16)

    def transact(who: object, name: str, label: str, *arguments: object) -> int:
        return used(world.registry.transact(who, name, identity(label), *arguments))

    gas = {"deploy": deployed}
    gas["register, first of all"] = used(world.register(alice, "a", LONG))
    gas["register, descriptor of 43 bytes"] = used(world.register(bob, "b", TYPICAL))
    gas["register, descriptor of 176 bytes"] = used(world.register(carol, "c", LONG))
    gas["register, descriptor of 512 bytes"] = used(world.register(carol, "d", LONGEST))
    gas["heartbeat, first"] = used(world.beat(bob, "b"))
    world.travel(8 * 3600)
    gas["heartbeat"] = used(world.beat(bob, "b"))
    for _ in range(256):
        world.chain.mine([])
    gas["heartbeat, first, after 256 blocks"] = used(world.beat(carol, "c"))
    gas["update, descriptor of 176 bytes"] = transact(bob, "updateEndpoint", "b", LONG)
    gas["deregister"] = transact(bob, "deregisterNode", "b")
    gas["deregister, last in the list"] = transact(carol, "deregisterNode", "c")
    world.travel(31 * DAY)
    gas["remove a silent one"] = transact(alice, "removeSilentNode", "d", carol.address)
    gas["withdraw"] = transact(bob, "withdraw", "b")
    return gas


def test_gas_is_what_was_recorded(measured: dict[str, int]) -> None:
    if os.environ.get("REGISTRY_GAS") == "record":
        GAS.write_text(json.dumps(measured, indent=2) + "\n")
    assert measured == json.loads(GAS.read_text()), "record anew with REGISTRY_GAS=record, if this is meant"


def test_registering_costs_at_most_10_dollars_from_the_second_relay_on(measured: dict[str, int]) -> None:
    assert measured["register, descriptor of 43 bytes"] <= REGISTER_MAX
    assert measured["register, descriptor of 176 bytes"] <= REGISTER_MAX


def test_a_heartbeat_costs_at_most_30000(measured: dict[str, int]) -> None:
    assert measured["heartbeat"] <= HEARTBEAT_MAX
    assert measured["heartbeat, first"] <= HEARTBEAT_MAX
