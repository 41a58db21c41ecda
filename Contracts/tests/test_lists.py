"""Long lists: 1,000 relays, page by page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import DAY, GENESIS_TIME, STAKE, World, identity

from chain.accounts import Account
from chain.blocks import Reverted
from chain.setup import DevelopmentNetwork, Settings, make_network, relay_identity

RELAYS = 1_000
BEATING = 300  # of these, how many beat again a day later


@pytest.fixture(scope="module")
def crowd() -> DevelopmentNetwork:
    """A chain with 1,000 relays; the first 300 beat again after a day, and time passed until the others are silent."""
    network = make_network(Settings(minimum_stake=STAKE, relays=RELAYS, clock=lambda: GENESIS_TIME))
    world = World(network.chain, network.registry, network.accounts)
    world.travel(DAY - 60)
    operators = [Account(f"relay {index}") for index in range(BEATING)]
    for first in range(0, BEATING, 100):
        world.mine_together(
            [(who, "updateHeartbeat", (relay_identity(who),), 0) for who in operators[first : first + 100]]
        )
    world.travel(120)
    return network


@pytest.fixture
def crowded(crowd: DevelopmentNetwork) -> Iterator[World]:
    """That chain; undone after the test."""
    snapshot = crowd.chain.snapshot()
    yield World(crowd.chain, crowd.registry, crowd.accounts)
    crowd.chain.restore(snapshot)


def pages(world: World, name: str, limit: int) -> list[bytes]:
    """The identities on all pages."""
    count = world.registry.call("nodeCount")
    found = []
    for offset in range(0, count, limit):
        found += [entry[0] for entry in world.registry.call(name, offset, limit)]
    return found


@pytest.mark.parametrize("limit", [256, 250, 77])
def test_pages_show_each_of_1000_relays_once_and_in_order(crowded: World, limit: int) -> None:
    expected = [relay_identity(Account(f"relay {index}")) for index in range(RELAYS)]
    assert pages(crowded, "getNodes", limit) == expected


def test_pages_of_active_relays_leave_out_the_silent_ones(crowded: World) -> None:
    expected = [relay_identity(Account(f"relay {index}")) for index in range(BEATING)]
    assert pages(crowded, "getActiveNodes", 256) == expected
    assert crowded.registry.call("getActiveNodes", 512, 256) == ()


def test_a_page_ends_where_the_list_does(crowded: World) -> None:
    assert len(crowded.registry.call("getNodes", RELAYS - 5, 256)) == 5
    assert len(crowded.registry.call("getNodes", RELAYS - 1, 1)) == 1
    for offset in (RELAYS, RELAYS + 1, 2**256 - 1):
        assert crowded.registry.call("getNodes", offset, 256) == ()
        assert crowded.registry.call("getActiveNodes", offset, 256) == ()
    assert crowded.registry.call("getNodes", 0, 0) == ()


def test_pages_of_more_than_256_are_refused(crowded: World) -> None:
    for name in ("getNodes", "getActiveNodes"):
        for limit in (257, 2**256 - 1):
            with pytest.raises(Reverted, match="page too large"):
                crowded.registry.call(name, 0, limit)


def test_a_full_page_stays_within_the_gas_of_public_endpoints(crowded: World) -> None:
    """50 million gas is what geth gives a call when nothing else is set; the chain here gives 36 million."""
    assert len(crowded.registry.call("getNodes", 0, 256)) == 256


def test_costs_do_not_grow_with_the_list(crowded: World, world: World) -> None:
    def costs(place: World) -> list[int]:
        who = place.accounts[1]
        receipts = [place.register(who, "warm-up"), place.register(who), place.beat(who), place.beat(who)]
        receipts.append(place.registry.transact(who, "deregisterNode", identity("warm-up")))
        return [int(receipt["gasUsed"], 16) for receipt in receipts]

    # The first entry of an empty list makes the count's word, which costs 17,100 more.
    small, large = costs(world), costs(crowded)
    assert small[0] == large[0] + 17_100
    assert small[1:] == large[1:]
