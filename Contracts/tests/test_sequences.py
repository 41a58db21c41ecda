"""Random sequences of transactions against a model in Python."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from random import Random

import pytest
from conftest import DAY, STAKE, UNBONDING, World, identity

from chain.blocks import Reverted
from chain.layout import DETAILS_ROOT, mapping_slot

SEED = int(os.environ.get("REGISTRY_SEED", "1"))
SEQUENCES = 4
STEPS = 60
ACTIONS = ("register", "register", "register", "beat", "update", "deregister", "silent", "withdraw", "wait")


@dataclass
class Model:
    """What must be in the registry."""

    order: list[tuple[bytes, bytes]] = field(default_factory=list)
    stakes: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    beats: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    waiting: dict[tuple[bytes, bytes], tuple[int, int]] = field(default_factory=dict)

    def remove(self, pair: tuple[bytes, bytes], now: int) -> None:
        """Swap and pop; the stake waits."""
        index = self.order.index(pair)
        last = self.order.pop()
        if index < len(self.order):
            self.order[index] = last
        self.waiting[pair] = (self.waiting.get(pair, (0, 0))[0] + self.stakes.pop(pair), now + UNBONDING)


def step(random: Random, world: World, model: Model) -> str:
    """Does one thing, which must succeed or fail as the model says."""
    action = random.choice(ACTIONS)
    who, name = random.choice(world.accounts[1:5]), random.choice("abc")
    pair = (identity(name), who.address)
    listed = pair in model.stakes
    if action == "wait":
        world.travel(random.choice((60, DAY, UNBONDING, 31 * DAY)))
        return action
    arguments: dict[str, tuple] = {
        "register": ("registerNode", pair[0], name.encode()),
        "beat": ("updateHeartbeat", pair[0]),
        "update": ("updateEndpoint", pair[0], random.randbytes(20)),
        "deregister": ("deregisterNode", pair[0]),
        "silent": ("removeSilentNode", pair[0], who.address),
        "withdraw": ("withdraw", pair[0]),
    }
    stake = STAKE + random.randrange(1000) if action == "register" else 0
    allowed = {
        "register": not listed,
        "beat": listed,
        "update": listed,
        "deregister": listed,
        "silent": listed and world.now > model.beats[pair] + 30 * DAY,
        "withdraw": pair in model.waiting and world.now >= model.waiting[pair][1],
    }[action]
    sender = world.accounts[6] if action == "silent" else who
    if not allowed:
        with pytest.raises(Reverted):
            world.registry.transact(sender, *arguments[action], value=stake)
        return f"no {action}"
    world.registry.transact(sender, *arguments[action], value=stake)
    if action == "register":
        model.order.append(pair)
        model.stakes[pair] = stake
    if action in ("register", "beat"):
        model.beats[pair] = world.now
    if action in ("deregister", "silent"):
        model.remove(pair, world.now)
    if action == "withdraw":
        del model.waiting[pair]
    return action


def check(world: World, model: Model) -> None:
    """The registry is what the model says, and owes what it has."""
    nodes = world.registry.call("getNodes", 0, 256)
    assert [(node[0], bytes.fromhex(node[1][2:])) for node in nodes] == model.order
    assert [node[7] for node in nodes] == list(range(len(nodes)))
    assert [node[4] for node in nodes] == [model.stakes[pair] for pair in model.order]
    assert [node[5] for node in nodes] == [model.beats[pair] for pair in model.order]
    owed = sum(model.stakes.values()) + sum(amount for amount, _ in model.waiting.values())
    assert world.balance(world.registry.address) == owed
    assert (world.storage(3 + 2 * len(nodes)), world.storage(4 + 2 * len(nodes))) == (0, 0)
    for account in world.accounts[1:5]:
        for name in "abc":
            pair = (identity(name), account.address)
            assert (world.storage(mapping_slot(DETAILS_ROOT, *pair) + 1) != 0) == (pair in model.stakes)
            assert world.registry.call("getUnbonding", *pair) == model.waiting.get(pair, (0, 0))


@pytest.mark.parametrize("seed", range(SEED, SEED + SEQUENCES))
def test_any_sequence_leaves_what_the_model_says(world: World, seed: int) -> None:
    """Replay one with REGISTRY_SEED=seed."""
    print(f"seed {seed}")
    random, model = Random(seed), Model()
    done = set()
    for _ in range(STEPS):
        done.add(step(random, world, model))
        check(world, model)
    assert {"register", "beat", "deregister", "wait"} <= done
