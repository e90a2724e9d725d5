"""Open interest and holders of a market: as replaying every change of every position has them, from any block on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from truemark.index import Index
from truemark.index import tables as t
from truemark.index.values import word_of
from truemark.web.rows import Rows

VENUE, MARKET = 0xC, 1
#: For each block: whether it was rolled back, and the positions that it wrote, (account, market) -> size.
BLOCKS = st.lists(
    st.tuples(
        st.booleans(),
        st.dictionaries(st.tuples(st.integers(1, 4), st.integers(0, 2)), st.integers(-3, 3), max_size=4),
    ),
    max_size=8,
)


def fill(index: Index, blocks: list[tuple[bool, dict[tuple[int, int], int]]]) -> list[dict[tuple[int, int], int]]:
    """Writes them; those of the chain by their numbers."""
    chain: list[dict[tuple[int, int], int]] = []
    common: dict[str, Any] = {
        **dict.fromkeys(("hash", "parent_hash", "state_root", "sequencer"), word_of(1)),
        **dict.fromkeys(("commitments", "header", "diff", "chain_print"), b""),
        **dict.fromkeys(("transaction_count", "event_count", "unattributed", "seen_at"), 0),
    }
    common |= {"chain": 1, "starknet_version": "", "gas_prices": "{}", "strong": True}
    cause = {"tx_index": None, "cause": "transaction"}
    with index.store.engine.begin() as connection:
        for table in reversed(t.metadata.sorted_tables):
            if table not in (t.info, t.revisions):
                connection.execute(table.delete())
        connection.execute(insert(t.chains).values(id=1, chain_id=b"", genesis=b"", first_seen=0))
        connection.execute(insert(t.reorgs).values(id=1, first=0, last=0, detected_at=0, cause=""))
        named: set[int] = set()
        for place, (orphaned, sizes) in enumerate(blocks, 1):
            number = len(chain)
            connection.execute(
                insert(t.blocks).values(
                    id=place, number=number, timestamp=1_000 + number, reorg=1 if orphaned else None, **common
                )
            )
            here = {"block": place, "venue": word_of(VENUE)}
            for account in {account for account, _ in sizes} - named:
                connection.execute(insert(t.participants).values(account=word_of(account), **here))
            for (account, market), size in sizes.items():
                connection.execute(
                    insert(t.positions).values(
                        account=word_of(account), market=market, size=size, funding_index=0, **cause, **here
                    )
                )
            if not orphaned:
                chain.append(sizes)
                named |= {account for account, _ in sizes}
    return chain


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Any:
    file: Path = tmp_path_factory.mktemp("rows") / "index.sqlite"
    with Index.open(file) as opened:
        yield opened


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(blocks=BLOCKS, first=st.integers(0, 9))
def test_open_interest_from_any_block_on_is_what_all_changes_sum_up_to(
    index: Index, blocks: list[tuple[bool, dict[tuple[int, int], int]]], first: int
) -> None:
    chain = fill(index, blocks)
    rows = Rows(index)
    sizes: dict[int, int] = {}
    expected: list[tuple[int, int, int]] = []
    begin = None
    for number, written in enumerate(chain):
        if number == first:
            begin = dict(sizes)
        mine = {account: size for (account, market), size in written.items() if market == MARKET}
        sizes |= mine
        if mine and number >= first:
            expected.append((number, *sums(sizes)))
    begin = dict(sizes) if begin is None else begin
    if any(begin.values()):
        expected.insert(0, (first - 1, *sums(begin)))
    found = rows.open_interest(VENUE, MARKET, first)
    assert [(each.block_number, each.long, each.short) for each in found] == expected
    assert [each.timestamp for each in found if each.block_number >= first] == [
        1_000 + each.block_number for each in found if each.block_number >= first
    ]
    held = sorted((size for size in sizes.values() if size), key=abs, reverse=True)
    assert sorted(rows.sizes(VENUE, MARKET).items()) == sorted((who, size) for who, size in sizes.items() if size)
    assert [abs(size) for _, size in rows.holders(VENUE, MARKET, 2)] == [abs(size) for size in held[:2]]


def sums(sizes: dict[int, int]) -> tuple[int, int]:
    return sum(max(size, 0) for size in sizes.values()), sum(max(-size, 0) for size in sizes.values())
