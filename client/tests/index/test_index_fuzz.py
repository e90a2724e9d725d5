"""Random lives of a chain: after each step the index says what one built from nothing says, keeps what was erased and
reports every write that no transaction explains."""

from __future__ import annotations

import asyncio
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from truemark.index import Follower, Index
from truemark.rpc import NodeUnavailable

from ..own_devnet import Devnet
from .conftest import Impatient
from .contents import built_from_nothing, contents, emptied, prints

pytestmark = pytest.mark.node

_STEPS = 8
#: Many short lives say more than a few long ones.
_FEW_STEPS = 3
#: What can happen, and how often.
_ACTIONS = {
    "transactions": 6,
    "empty": 4,
    "abort": 4,
    "replace": 3,
    "disguise": 5,
    "revert": 3,
    "snapshot": 3,
    "write": 4,
    "nonce": 1,
    "silence": 2,
    "reopen": 2,
    "restart": 0.15,
}


@dataclass
class Life:
    """What the test did to the node, as it should show: the writes of each block that no transaction made."""

    devnet: Devnet
    chance: random.Random
    #: Block -> (slot, value), or an account's nonce under the slot -1.
    writes: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    snapshots: list[tuple[str, dict[int, list[tuple[int, int]]]]] = field(default_factory=list)
    #: Blocks below are not touched: the node's own past.
    floor: int = 0
    values: int = 0

    def transactions(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            self.devnet.mint(self.chance.choice((0x77, 0x78)), self.chance.randint(1, 2))

    def empty(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            self.devnet.empty()

    def abort(self) -> None:
        head = self.devnet.head
        if head > self.floor:
            self._abort(self.chance.randint(max(self.floor + 1, head - 6), head))

    def replace(self) -> None:
        """With as many blocks, so that the height does not tell."""
        head = self.devnet.head
        if head > self.floor:
            first = self.chance.randint(max(self.floor + 1, head - 4), head)
            self._abort(first)
            for _ in range(first, head + 1):
                self.chance.choice((self.devnet.empty, self.devnet.mint))()

    def disguise(self) -> None:
        """Replaces a block with another one, and those above it with their like: same kind, same time."""
        head = self.devnet.head
        if head <= self.floor:
            return
        first = self.chance.randint(max(self.floor + 1, head - 4), head)
        old = [
            self.devnet.call("starknet_getBlockWithTxHashes", block_id={"block_number": number})
            for number in range(first, head + 1)
        ]
        self._abort(first)
        self.values += 1
        for block in old:
            self.devnet.call("devnet_setTime", time=block["timestamp"], generate_block=False)
            if block["block_number"] == first and not block["transactions"]:
                # Nothing of it but what it wrote differs.
                self.devnet.write(2**200, 10**6 + self.values)
                self.devnet.empty()
                self.writes = {**self.writes, first: [(2**200, 10**6 + self.values)]}
            elif block["block_number"] == first:
                self.devnet.mint(0x79, 10**6 + self.values)
            elif block["transactions"]:
                self.devnet.mint()
            else:
                self.devnet.empty()

    def snapshot(self) -> None:
        self.snapshots.append((self.devnet.snapshot(), dict(self.writes)))

    def revert(self) -> None:
        if self.snapshots:
            at = self.chance.randrange(len(self.snapshots))
            snapshot, self.writes = self.snapshots[at]
            del self.snapshots[at:]
            self.devnet.revert(snapshot)

    def write(self) -> None:
        self.values += 1
        slot = self.chance.randint(2**200, 2**200 + 2)
        self.devnet.write(slot, 10**6 + self.values)
        self._unexplained(slot, 10**6 + self.values)

    def nonce(self) -> None:
        self.values += 1
        self.devnet.set_nonce(10**6 + self.values, self.account)
        self._unexplained(-1, 10**6 + self.values)

    def restart(self) -> None:
        self.devnet.restart()
        self.writes, self.snapshots, self.floor = {}, [], 0

    @property
    def account(self) -> int:
        return int(self.devnet.call("devnet_getPredeployedAccounts")[1]["address"], 16)

    def _abort(self, first: int) -> None:
        self.devnet.abort(first)
        self.writes = {block: written for block, written in self.writes.items() if block < first}
        # A snapshot of a block that is gone cannot be gone back to.
        self.snapshots.clear()

    def _unexplained(self, slot: int, value: int) -> None:
        self.chance.choice((self.devnet.empty, self.devnet.mint))()
        self.writes = {**self.writes, self.devnet.head: [(slot, value)]}


async def live(devnet: Devnet, seed: int, folder: Path, steps: int = _STEPS) -> None:
    chance = random.Random(seed)
    # What a node keeps of its past grows with every rollback.
    devnet.restart()
    life = Life(devnet, chance, floor=devnet.head)
    folder.mkdir()
    empty = emptied(folder / "empty.sqlite")
    shutil.copyfile(empty, folder / "index.sqlite")
    async with Impatient(devnet.url) as rpc:
        index = Index.open(folder / "index.sqlite")
        try:
            follower = Follower(rpc, index, audit=None)
            await follower.backfill()
            log: list[str] = []
            erased: list[tuple[int, bytes]] = []
            for _ in range(steps):
                # Several things may happen between two looks.
                before = prints(index)
                for _ in range(chance.choice((1, 1, 1, 2, 3))):
                    (action,) = chance.choices(list(_ACTIONS), list(_ACTIONS.values()))
                    log.append(action)
                    if action == "silence":
                        with rpc.during_silence(devnet), pytest.raises(NodeUnavailable):
                            await follower.backfill()
                    elif action == "reopen":
                        index.close()
                        index = Index.open(folder / "index.sqlite")
                        follower = Follower(rpc, index, audit=None)
                    else:
                        await asyncio.to_thread(getattr(life, action))
                assert await follower.backfill() == devnet.head, (seed, log)
                fresh = await built_from_nothing(rpc, folder / "fresh.sqlite", empty)
                ours = contents(index)
                for table, rows in fresh.items():
                    assert ours[table] == rows, (seed, log, table)
                after = prints(index)
                erased += [(number, was) for number, was in before.items() if after.get(number) != was]
                kept = {(orphan.block.number, orphan.block.fingerprint) for orphan in index.orphans()}
                assert kept >= set(erased), (seed, log)
                reported = [
                    (write.block_number, -1 if write.key is None else write.key, write.value)
                    for write in index.unattributed(life.floor + 1)
                ]
                expected = [(block, *each) for block, written in sorted(life.writes.items()) for each in written]
                assert reported == expected, (seed, log)
            for orphan in index.orphans():
                assert len(index.transactions(orphan.block)) == orphan.block.transaction_count
        finally:
            index.close()


@pytest.mark.parametrize("seed", range(2))
async def test_some_lives_of_a_chain(own_devnet: Devnet, seed: int, tmp_path: Path) -> None:
    await live(own_devnet, seed, tmp_path / "life")


@pytest.mark.deep
async def test_many_lives_of_a_chain(own_devnet: Devnet, lite_devnet: Devnet, tmp_path: Path) -> None:
    """Two hundred, on both kinds of node at a time."""

    async def lives(devnet: Devnet, folder: Path) -> None:
        folder.mkdir()
        for seed in range(100, 200):
            await asyncio.wait_for(live(devnet, seed, folder / f"{seed}", _FEW_STEPS), 120)
            shutil.rmtree(folder / f"{seed}")

    await asyncio.gather(lives(own_devnet, tmp_path / "own"), lives(lite_devnet, tmp_path / "lite"))


@pytest.mark.prove
@pytest.mark.parametrize("mode", ["own_devnet", "lite_devnet"])
async def test_index_in_all_lives_of_a_chain(mode: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    devnet: Devnet = request.getfixturevalue(mode)
    for seed in range(1_000, 1_500):
        await asyncio.wait_for(live(devnet, seed, tmp_path / f"life{seed}"), 120)
