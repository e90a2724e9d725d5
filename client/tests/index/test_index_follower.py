"""The follower on a real node: rollbacks, restarts, silence, writes by no transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from truemark.index import Cause, EventFilter, Follower, Index, Unindexed
from truemark.rpc import AsyncRpc, NodeUnavailable

from ..own_devnet import STRK, Devnet
from .conftest import Impatient
from .contents import built_from_nothing, contents, prints

pytestmark = pytest.mark.node


@pytest.fixture
def index(tmp_path: Path) -> AsyncIterator[Index]:
    with Index.open(tmp_path / "index.sqlite") as opened:
        yield opened


@pytest.fixture
async def rpc(own_devnet: Devnet) -> AsyncIterator[AsyncRpc]:
    async with AsyncRpc(own_devnet.url, timeout=5) as opened:
        yield opened


async def as_from_nothing(index: Index, devnet: Devnet, tmp_path: Path) -> None:
    fresh = await built_from_nothing(devnet.url, tmp_path / "fresh.sqlite")
    ours = contents(index)
    for table, rows in fresh.items():
        assert ours[table] == rows, table


async def test_blocks_transactions_and_events_are_there_decoded_without_configuration(
    devnet: Devnet, rpc: AsyncRpc, index: Index
) -> None:
    devnet.mint(0x77, 5)
    devnet.empty()
    assert await Follower(rpc, index).backfill() == 2
    assert [block.number for block in index.blocks(0, 9)] == [0, 1, 2]
    (transaction,) = index.transactions(index.block(1))
    transfer = transaction.events[0]
    assert (transfer.name, transfer.fields) == ("Transfer", {"from": "0x0", "to": "0x77", "value": "5"})
    assert transaction.succeeded
    assert transaction.fee > 0
    assert index.transaction(transaction.hash) == transaction
    assert index.events(EventFilter(mentions=0x77)).rows == (transfer,)
    assert index.account_history(0x77).rows == (transfer,)
    assert transaction.sender is not None
    assert index.sent(transaction.sender) == (transaction,)
    assert {write.tx_index for write in index.writes(1, 1)} == {0}
    assert index.unattributed() == ()


async def test_a_replaced_block_of_the_same_hash_is_found_and_kept(
    devnet: Devnet, rpc: AsyncRpc, index: Index, tmp_path: Path
) -> None:
    devnet.mint(0x77, 5)
    follower = Follower(rpc, index)
    await follower.backfill()
    before = index.block(1)
    devnet.abort(1)
    devnet.mint(0x77, 6)
    await follower.backfill()
    after = index.block(1)
    assert after.hash == before.hash
    assert after.fingerprint != before.fingerprint
    (orphan,) = index.orphans()
    assert orphan.block.fingerprint == before.fingerprint
    assert orphan.replaced_by == after
    assert (orphan.reorg.first, orphan.reorg.last) == (1, 1)
    (erased,) = index.events(EventFilter(mentions=0x77, orphaned=True)).rows
    assert erased.fields is not None
    assert erased.fields["value"] == "5"
    await as_from_nothing(index, devnet, tmp_path)


async def test_a_replaced_block_is_found_below_blocks_that_look_the_same(
    devnet: Devnet, rpc: AsyncRpc, index: Index, tmp_path: Path
) -> None:
    def grow(amount: int) -> None:
        devnet.mint(0x77, amount)
        now = int(devnet.call("starknet_getBlockWithTxHashes", block_id="latest")["timestamp"])
        devnet.call("devnet_setTime", time=now + 10, generate_block=False)
        devnet.empty()

    devnet.empty()
    snapshot = devnet.snapshot()
    grow(5)
    follower = Follower(rpc, index)
    await follower.backfill()
    before = prints(index)
    devnet.revert(snapshot)
    grow(6)
    await follower.backfill()
    after = prints(index)
    assert before[2] != after[2]
    assert [orphan.block.number for orphan in index.orphans()] == [2, 3]
    await as_from_nothing(index, devnet, tmp_path)


async def test_a_revert_to_a_snapshot_orphans_what_came_after_it(
    devnet: Devnet, rpc: AsyncRpc, index: Index, tmp_path: Path
) -> None:
    devnet.mint()
    snapshot = devnet.snapshot()
    for _ in range(3):
        devnet.mint()
    follower = Follower(rpc, index)
    await follower.backfill()
    devnet.revert(snapshot)
    assert await follower.backfill() == 1
    assert [(orphan.block.number, orphan.replaced_by) for orphan in index.orphans()] == [
        (2, None),
        (3, None),
        (4, None),
    ]
    with pytest.raises(Unindexed, match="no block 3"):
        index.block(3)
    await as_from_nothing(index, devnet, tmp_path)


async def test_a_node_that_starts_anew_is_another_chain(
    devnet: Devnet, rpc: AsyncRpc, index: Index, tmp_path: Path
) -> None:
    for _ in range(4):
        devnet.mint()
    follower = Follower(rpc, index)
    await follower.backfill()
    # So that its first block has another time.
    await asyncio.sleep(1.1)
    devnet.restart()
    devnet.mint(0x99, 3)
    assert await follower.backfill() == 1
    assert [orphan.block.number for orphan in index.orphans()] == [0, 1, 2, 3, 4]
    await as_from_nothing(index, devnet, tmp_path)


async def test_a_write_by_no_transaction_is_reported(
    devnet: Devnet, rpc: AsyncRpc, index: Index, tmp_path: Path
) -> None:
    devnet.mint()
    devnet.write(5, 6)
    devnet.empty()
    devnet.write(5, 7)
    devnet.mint()
    devnet.set_nonce(9, int(devnet.call("devnet_getPredeployedAccounts")[1]["address"], 16))
    devnet.empty()
    await Follower(rpc, index).backfill()
    found = [(write.block_number, write.part, write.key, write.value) for write in index.unattributed()]
    assert found == [(2, "storage", 5, 6), (3, "storage", 5, 7), (4, "nonce", None, 9)]
    assert {write.cause for write in index.unattributed()} == {Cause.UNATTRIBUTED}
    assert [index.block(number).unattributed for number in range(5)] == [0, 0, 1, 1, 1]
    (change,) = [change for change in index.diff(2, 3) if change.key == 5]
    assert (change.address, change.before, change.after) == (STRK, 6, 7)
    assert index.storage_at(STRK, 5, 2) == 6
    assert index.storage_at(STRK, 5, 1) is None


async def test_the_protocols_own_writes_are_not_taken_for_corruption(
    devnet: Devnet, rpc: AsyncRpc, index: Index
) -> None:
    for _ in range(12):
        devnet.empty()
    await Follower(rpc, index).backfill()
    assert {write.cause for write in index.writes(10, 12)} == {Cause.PROTOCOL}
    assert index.unattributed() == ()


async def test_a_silent_node_is_said_and_what_it_did_meanwhile_is_found(
    devnet: Devnet, index: Index, tmp_path: Path
) -> None:
    async with Impatient(devnet.url) as rpc:
        devnet.mint(0x77, 5)
        devnet.mint(0x77, 5)
        follower = Follower(rpc, index)
        await follower.backfill()
        with rpc.during_silence(devnet), pytest.raises(NodeUnavailable):
            await follower.backfill()
        assert follower.last_error is not None
        devnet.abort(1)
        devnet.mint(0x77, 6)
        devnet.mint(0x77, 5)
        assert await follower.backfill() == 2
        assert follower.last_error is None
    assert {orphan.block.number for orphan in index.orphans()} == {1, 2}
    await as_from_nothing(index, devnet, tmp_path)


async def test_it_follows_through_a_silence_until_it_is_told_to_stop(devnet: Devnet, index: Index) -> None:
    async def reaches(number: int) -> None:
        async with asyncio.timeout(20):
            while (head := index.head()) is None or head.number != number:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async with Impatient(devnet.url) as rpc:
        follower, stop = Follower(rpc, index), asyncio.Event()
        following = asyncio.create_task(follower.follow(stop, poll=0.02))
        devnet.mint()
        await reaches(1)
        with rpc.during_silence(devnet):
            await asyncio.sleep(0.5)
        devnet.mint()
        await reaches(2)
        devnet.abort(2)
        await reaches(1)
        stop.set()
        await asyncio.wait_for(following, 5)


async def test_l1_acceptance_that_goes_back_is_an_incident_not_the_end(
    devnet: Devnet, rpc: AsyncRpc, index: Index
) -> None:
    devnet.mint()
    devnet.mint()
    devnet.accept_on_l1(2)
    follower = Follower(rpc, index)
    await follower.backfill()
    assert index.l1_accepted() == 2
    devnet.abort(1)
    devnet.empty()
    await follower.backfill()
    assert index.l1_accepted() == -1


async def test_reading_again_changes_nothing(devnet: Devnet, rpc: AsyncRpc, index: Index) -> None:
    devnet.mint()
    follower = Follower(rpc, index)
    await follower.backfill()
    before = index.counts()
    await follower.backfill()
    await Follower(rpc, index).backfill()
    assert index.counts() == before


async def test_pages_of_events_follow_each_other(devnet: Devnet, rpc: AsyncRpc, index: Index) -> None:
    for amount in range(1, 6):
        devnet.mint(0x77, amount)
    await Follower(rpc, index).backfill()
    every = index.events(limit=100)
    assert every.cursor is None
    assert len(every.rows) == 10
    paged, cursor = [], None
    while True:
        page = index.events(cursor=cursor, limit=3)
        paged += page.rows
        cursor = page.cursor
        if cursor is None:
            break
    assert tuple(paged) == every.rows
    with pytest.raises(Unindexed, match="no cursor"):
        index.events(cursor="there")
