"""Backup, restore and retention: what is left answers as before. Exports hold what the index holds."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from truemark.explorer.export import KINDS, BadExport, export
from truemark.index import BadIndex, EventFilter, Follower, Index, Unindexed
from truemark.index.upkeep import backup, prune, restore
from truemark_devnet.postgres_server import find_postgres, running_postgres

from .contents import contents
from .test_index_constructed import EMITTER, PING, Chain


async def lived(index: Index) -> Chain:
    """Twelve blocks, of which those above 7 took the place of others; block 5 has a write by nobody."""
    chain = Chain(strong=False)
    chain.add(classes=[(EMITTER, 0xC)], events=[([PING, 7], [5])])
    for number in range(1, 12):
        traced = [[]] if number == 5 else [[(number % 3, number)]]
        chain.add(number, events=[([PING, number], [number])], writes=[(number % 3, number)], traced=traced)
    await Follower(chain, index).backfill()
    chain.cut(7)
    for number in range(8, 12):
        chain.add(-number, events=[([PING, number], [9])], writes=[(number % 3, 100 + number)])
    await Follower(chain, index).backfill()
    return chain


async def test_a_backup_is_an_index_and_goes_back_into_either_database(tmp_path: Path) -> None:
    with Index.open(tmp_path / "index.sqlite") as index:
        chain = await lived(index)
        backup(index, tmp_path / "backup.sqlite")
        with pytest.raises(BadIndex, match="there already"):
            backup(index, tmp_path / "backup.sqlite")
        with Index.open(tmp_path / "again.sqlite") as again:
            assert restore(tmp_path / "backup.sqlite", again) == 16
            assert contents(again) == contents(index)
            assert again.counts() == index.counts()
            assert [each.block.hash for each in again.orphans()] == [each.block.hash for each in index.orphans()]
            with pytest.raises(BadIndex, match="holds blocks"):
                restore(tmp_path / "backup.sqlite", again)
            # It goes on from there.
            chain.add(99, events=[([PING, 1], [1])])
            assert await Follower(chain, again).backfill() == 12
        with pytest.raises(BadIndex, match="no backup"):
            restore(tmp_path / "none.sqlite", index)
        if find_postgres() is None:
            pytest.skip("no PostgreSQL server is installed")
        with running_postgres() as server:
            url = server.url.replace("postgresql://", "postgresql+psycopg://")
            with Index.open(url) as there:
                restore(tmp_path / "backup.sqlite", there)
                assert contents(there) == contents(index)
                assert await Follower(chain, there).backfill() == 12
                backup(there, tmp_path / "back.sqlite")
                with Index.open(tmp_path / "back.sqlite") as back:
                    assert contents(back) == contents(there)
                    assert back.reorgs() == there.reorgs()


async def test_what_is_pruned_is_gone_and_the_state_is_as_before(tmp_path: Path) -> None:
    with Index.open(tmp_path / "index.sqlite") as index:
        chain = await lived(index)
        state = [(block, slot, index.storage_at(EMITTER, slot, block)) for block in range(8, 12) for slot in range(3)]
        differences = index.diff(8, 11)
        unattributed = index.unattributed()
        assert [write.block_number for write in unattributed] == [5]
        orphans = index.orphans()
        done = prune(index, 8, shrink=True)
        assert (done.whole_from, index.whole_from()) == (8, 8)
        assert done.rows > 20
        assert [(b, s, index.storage_at(EMITTER, s, b)) for b, s, _ in state] == state
        assert index.diff(8, 11) == differences
        assert index.unattributed() == unattributed
        assert index.orphans() == orphans
        assert [row.block_number for row in index.events(EventFilter(name="Ping")).rows] == [8, 9, 10, 11]
        assert index.transactions(index.block(3)) == ()
        with pytest.raises(Unindexed):
            index.transaction(int(chain.transactions[3][0]["receipt"]["transaction_hash"], 16))
        assert index.class_at(EMITTER) == 0xC
        assert prune(index, 4).whole_from == 8
        # Whether the chain is the same is still known, down to its first block.
        chain.cut(2)
        chain.add(77)
        assert await Follower(chain, index).backfill() == 3
        before = index.counts()["transactions"]
        prune(index, 20, orphans=True)
        assert index.counts()["transactions"] < before
        assert len(index.orphans()) == 13


async def test_exports_hold_what_the_index_holds(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    with Index.open(tmp_path / "index.sqlite") as index:
        await lived(index)
        for kind in KINDS:
            count = export(index, kind, tmp_path / f"{kind}.csv")
            assert export(index, kind, tmp_path / f"{kind}.parquet") == count
            with (tmp_path / f"{kind}.csv").open(newline="") as file:
                rows = list(csv.DictReader(file))
            table = pq.read_table(tmp_path / f"{kind}.parquet").to_pylist()
            assert len(rows) == len(table) == count
            for plain, typed in zip(rows, table, strict=True):
                assert plain == {name: "" if value is None else str(value) for name, value in typed.items()}
        events = pq.read_table(tmp_path / "events.parquet").to_pylist()
        assert [event["block_number"] for event in events] == list(range(12))
        assert events[3]["name"] == "Ping"
        assert json.loads(events[3]["keys"]) == [hex(PING), "0x3"]
        assert pq.read_table(tmp_path / "transactions.parquet").to_pylist()[0]["fee"] == str(2**100)
        assert export(index, "events", tmp_path / "lost.csv", first=9, last=10, orphaned=True) == 2
        for kind, name in (("nonsense", "x.csv"), ("events", "x.txt")):
            with pytest.raises(BadExport):
                export(index, kind, tmp_path / name)
        assert not list(tmp_path.glob("*.part"))
