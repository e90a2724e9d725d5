"""The index on a real PostgreSQL server says what it says on SQLite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from truemark.explorer import AsyncExplorer
from truemark.index import BadIndex, EventFilter, Follower, Index
from truemark.index import tables as t
from truemark_devnet.postgres_server import find_postgres, running_postgres

from .contents import contents
from .test_index_constructed import EMITTER, PING, Chain


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    if find_postgres() is None:
        pytest.skip("no PostgreSQL server is installed")
    with running_postgres() as server:
        yield server.url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def on_postgres(postgres_url: str) -> Iterator[Index]:
    with Index.open(postgres_url) as index:
        yield index
        t.metadata.drop_all(index.store.engine)


async def test_it_says_the_same_as_sqlite_through_a_rollback(on_postgres: Index, tmp_path: Path) -> None:
    chain = Chain(strong=False)
    chain.add()
    chain.add(classes=[(EMITTER, 0xC)], events=[([PING, 7], [5])])
    for number in range(20):
        chain.add(number, events=[([PING, number % 3], [number])], writes=[(number % 4, number)], traced=[[]])
    with Index.open(tmp_path / "index.sqlite") as on_sqlite:
        followers = [Follower(chain, index) for index in (on_postgres, on_sqlite)]
        for follower in followers:
            await follower.backfill()
        chain.cut(9)
        for number in range(6):
            chain.add(-number, events=[([PING, 9], [number]), ([1], [])], writes=[(number % 4, number)])
        for follower in followers:
            await follower.backfill()
        assert contents(on_postgres) == contents(on_sqlite)
        for query in (
            lambda index: index.events(EventFilter(mentions=9)).rows,
            lambda index: index.events(EventFilter(keys=((PING,), (1, 2))), limit=3),
            lambda index: index.events(EventFilter(name="Ping", first_block=4, last_block=12)).rows,
            lambda index: index.events(EventFilter(orphaned=True), cursor="14.0.0").rows,
            lambda index: index.unattributed(),
            lambda index: index.diff(3, 14),
            lambda index: index.storage_at(EMITTER, 2, 9),
            lambda index: index.transactions(index.block(5))[0].fee,
            lambda index: [(o.block.number, o.replaced_by and o.replaced_by.number) for o in index.orphans()],
            lambda index: index.counts(),
        ):
            assert query(on_postgres) == query(on_sqlite)
        assert on_postgres.transactions(on_postgres.block(5))[0].fee == 2**100


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadIndex, match="cannot be opened"):
        Index.open(f"postgresql+psycopg://truemark@/postgres?host={tmp_path}")


async def test_the_explorer_shows_the_same_from_either_database(on_postgres: Index, tmp_path: Path) -> None:
    chain = Chain(strong=False)
    chain.add(classes=[(EMITTER, 0xC)], events=[([PING, 7], [5])])
    for number in range(8):
        traced = [[]] if number == 3 else [[(number % 3, number)], [(number % 3, number + 1)]]
        writes = [(number % 3, number + 1)]
        chain.add(number, events=[([PING, number % 3], [number])], writes=writes, traced=traced)
    with Index.open(tmp_path / "index.sqlite") as on_sqlite:
        for index in (on_postgres, on_sqlite):
            await Follower(chain, index).backfill()
        chain.cut(5)
        for number in range(3):
            chain.add(-number - 1, events=[([PING, 9], [number])], writes=[(1, 50 + number)])
        said = []
        for index in (on_postgres, on_sqlite):
            await Follower(chain, index).backfill()
            async with AsyncExplorer("http://127.0.0.1:1", index=index) as explorer:
                first = await explorer.latest_transactions(limit=3)
                lost = index.transactions(index.block(6, orphaned=1))[0]
                said.append(
                    [
                        await explorer.latest_blocks("7", 3),
                        first,
                        await explorer.latest_transactions(first.cursor, 3, sender=0xA, kind="INVOKE"),
                        await explorer.latest_transactions(failed=True),
                        await explorer.block_view(4),
                        await explorer.block_view(6, orphaned=1),
                        await explorer.block(hex(index.block(2).hash)),
                        await explorer.transaction_view(first.rows[0].hash),
                        await explorer.transaction_view(lost.hash),
                        await explorer.contract_view(EMITTER),
                        await explorer.class_view(0xC),
                        await explorer.account_view(0xA, 3),
                        await explorer.events(EventFilter(mentions=1), limit=2),
                        await explorer.events(EventFilter(mentions=1), "4.0.0"),
                        await explorer.calls_to(EMITTER),
                        await explorer.transfers(account=9),
                        await explorer.messages(direction="to_l1"),
                        await explorer.compare(2, 8),
                        await explorer.unattributed(),
                        await explorer.replacements(),
                        await explorer.timeline(0),
                        await explorer.health(now=2_000),
                        *[await explorer.search(text) for text in ("4", "pin", hex(lost.hash), hex(EMITTER), "0xc")],
                        await explorer.activity(points=4),
                    ]
                )
        for one, other in zip(*said, strict=True):
            assert timeless(one) == timeless(other)
        # Both transactions of a block wrote one slot: each with what it found there.
        row = (await AsyncExplorer("http://127.0.0.1:1", index=on_postgres).block_view(3)).block.transactions
        writes = [
            (await AsyncExplorer("http://127.0.0.1:1", index=on_postgres).transaction_view(each.hash)).writes
            for each in row
        ]
        assert [[(write.before, write.after) for write in each] for each in writes] == [[(None, 2)], [(2, 3)]]


def timeless(value: object) -> str:
    """Without when it was learned."""
    return re.sub(r"(seen_at|detected_at)=\d+", "", repr(value))
