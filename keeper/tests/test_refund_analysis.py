"""Refunds computed twice: by the analysis, and by a replay that shares nothing with it. Both name the same accounts and
the same sums, to the last unit."""

from __future__ import annotations

import random
import tempfile
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from truemark.refunds import Refund, RefundTree
from truemark_keeper.recovery.refund import Finding, Position, RefundRules, Refunds, Survey, analysis, limbs, refunds
from truemark_keeper.recovery.refund.compute import read
from truemark_keeper.recovery.refund.history import History
from truemark_keeper.recovery.refund.stage import ENTRIES, excluded_table, undone_table

from keeper.tests.refund_histories import ACCOUNTS, DISTRIBUTOR, MARKETS, START, STEP, MadeUpVenue, deployment, replayed

VENUE = deployment()
RULES = {position: RefundRules("test", position=position) for position in Position}


def surveyed(venue: MadeUpVenue, rules: RefundRules, folder: Path) -> Survey:
    last = venue.moments[-1]
    history = History(venue.funding)
    return read(venue.moments, history, VENUE, rules, venue.price, folder, venue.all_marks(), last.block, last.time)


def computed(venue: MadeUpVenue, rules: RefundRules, backend: str | None = None) -> tuple[Survey, Refunds]:
    """Everything that was found wrong is approved."""
    with tempfile.TemporaryDirectory() as folder:
        found = surveyed(venue, rules, Path(folder))
        ids = [item.taking.id for item in found.wrong]
        index = dict(enumerate(venue.index))
        return found, refunds(found, VENUE, ids, venue.price, funding=index, backend=backend)


@st.composite
def histories(draw: st.DrawFn, funding: bool = False) -> MadeUpVenue:
    """Trades, marks that leave the independent price and come back, and everybody who is in the way taken."""
    venue = MadeUpVenue()
    for account in ACCOUNTS:
        venue.cash[account] = 0
    whole = st.integers(1, 400).map(lambda count: count * STEP)
    market = st.integers(0, len(MARKETS) - 1)
    account = st.sampled_from(ACCOUNTS)
    cost = st.integers(0, 10**7)
    for taker, maker in zip(ACCOUNTS[::2], ACCOUNTS[1::2], strict=True):
        at = draw(market)
        venue.fill(maker, taker, at, draw(whole), venue.marks[at], buys=draw(st.booleans()))
    for _ in range(draw(st.integers(6, 25))):
        what = draw(st.sampled_from(("fill", "fill", "move", "liquidate", "backstop", "deleverage", "debt")))
        at = draw(market)
        who = draw(account)
        if what == "move":
            own = [100, 50, 20][at] * 10**8
            mark = own * draw(st.integers(40, 180)) // 100
            fair = own * draw(st.integers(95, 105)) // 100
            index = venue.index[at] + draw(st.integers(-(10**15), 10**15)) if funding else None
            venue.move(at, mark, fair, index)
        elif what == "fill":
            taker = draw(account.filter(lambda other: other != who))  # noqa: B023
            fees = (draw(cost), draw(cost))
            price = venue.marks[at] * draw(st.integers(90, 110)) // 100
            venue.fill(who, taker, at, draw(whole), price, buys=draw(st.booleans()), fees=fees)
        elif what == "debt":
            venue.pay_debt(who, draw(st.integers(1, 10**9)))
        elif not venue.size(who, at):
            continue
        elif what == "liquidate":
            venue.liquidate(who, at, draw(st.sampled_from((1, 3, 5))), draw(cost), draw(cost))
        elif what == "backstop":
            venue.backstop(who, at, draw(cost), draw(cost))
        else:
            others = [one for one in ACCOUNTS if venue.size(one, at) * venue.size(who, at) < 0]
            if others:
                venue.deleverage(who, at, draw(st.sampled_from(others)), draw(cost))
    return venue


#: A backend's start is what a run costs; the properties are about what it says.
BOUNDED = settings(max_examples=settings().max_examples // 8, deadline=None)


@BOUNDED
@given(venue=histories(), position=st.sampled_from(Position))
def test_both_computations_find_the_same(venue: MadeUpVenue, position: Position) -> None:
    found, owed = computed(venue, RULES[position])
    assert all(item.finding is not Finding.UNKNOWN for item in found.judged)
    wrong, lacks = replayed(venue, restored=position == "restored", at=found.valuation, index=venue.index)
    assert {item.taking.id for item in found.wrong} == wrong
    agree(owed, lacks)


@BOUNDED
@given(venue=histories(funding=True))
def test_funding_between_is_given_back_too(venue: MadeUpVenue) -> None:
    found, owed = computed(venue, RULES[Position.RESTORED])
    ids = [item.taking.id for item in found.wrong]
    _, lacks = replayed(venue, restored=True, at=found.valuation, index=venue.index, wrong=ids)
    agree(owed, lacks)


def agree(owed: Refunds, lacks: dict[int, Fraction]) -> None:
    """The same accounts and the same sums, each rounded once."""
    expected = {account: -(-lack * 10**6 // 1) for account, lack in lacks.items() if lack > 0}
    assert {item.account: item.amount for item in owed.paid} == expected
    assert owed.total == sum(expected.values())
    assert {item.account: Fraction(item.exact, 10**24) for item in owed.owed} == lacks


def example() -> MadeUpVenue:
    """Three accounts are taken at 60 of a BTC that is worth 100; one of them is bankrupt at 100 too."""
    venue = MadeUpVenue()
    venue.cash = dict.fromkeys(ACCOUNTS, 0)
    alice, bob, carol, dave, *_ = ACCOUNTS
    for account, usd in ((alice, 30), (bob, 200), (carol, 10), (dave, 500)):
        venue.pay_debt(account, usd * 10**6)
    for account in (alice, bob, carol):
        venue.fill(dave, account, 0, 10**8, 100 * 10**8, buys=True)
    venue.fill(carol, dave, 0, 5 * 10**8, 80 * 10**8, buys=True)
    venue.move(0, 60 * 10**8)
    venue.liquidate(alice, 0, 3, 0, 500_001)
    venue.backstop(bob, 0, 7 * 10**6, 10**6)
    return venue


def test_the_order_of_rows_and_the_backend_do_not_change_the_root(tmp_path: Path) -> None:
    venue = example()
    found = surveyed(venue, RULES[Position.CLOSED], tmp_path)
    ids = [item.taking.id for item in found.wrong]
    root = refunds(found, VENUE, ids, venue.price).tree(VENUE).root
    table = pq.read_table(found.entries)
    order = list(range(table.num_rows))
    for seed in range(3):
        random.Random(seed).shuffle(order)
        random.Random(seed).shuffle(ids)
        pq.write_table(table.take(order), found.entries)
        again = refunds(found, VENUE, ids, venue.price, backend=f"duckdb://{tmp_path}/{seed}.duckdb")
        assert again.tree(VENUE).root == root


#: The widest that the contracts' types hold.
NEAR_THE_BOUNDS = [
    (2**63 - 1, 2**100 // 10**10, 2**190),
    (-(2**63), -(2**100) // 10**10, -(2**190)),
    (2**62 + 1, 2**69 - 1, 2**127 - 1),
    (1, -1, -1),
    (0, 0, 0),
]


def wide_rows(folder: Path, copies: int) -> tuple[Path, pa.Table]:
    """Entries of one account whose numbers no 64 bits hold, and the other side of each, so that sizes add up to 0."""
    rows, undone = [], []
    for number in range(copies * len(NEAR_THE_BOUNDS)):
        size, cash, worth = NEAR_THE_BOUNDS[number % len(NEAR_THE_BOUNDS)]
        for side, sign in ((0, 1), (1, -1)):
            account = f"0x{(0xA if side == 0 else 0xB):064x}"
            split = (*limbs.split(sign * size, limbs.SIZE), *limbs.split(sign * cash, limbs.CASH))
            rows.append((number, 0, 0, side, 0, "Liquidated", account, 0, *split))
        undone.append(((number, 0, 0, 0), worth))
    path = folder / "wide.parquet"
    columns = [pa.array(column, type=item.type) for column, item in zip(zip(*rows, strict=True), ENTRIES, strict=True)]
    pq.write_table(pa.Table.from_arrays(columns, schema=ENTRIES), path)
    return path, undone_table(undone)


def check_wide(folder: Path, url: str | None, copies: int = 400) -> None:
    path, undone = wide_rows(folder, copies)
    with analysis.connected(url) as backend:
        (one,) = analysis.sums(backend, path, undone, excluded_table([0xB]))
    assert one.account == 0xA
    assert one.worth == copies * sum(worth for _, _, worth in NEAR_THE_BOUNDS)
    assert one.got == one.cash == copies * sum(cash for _, cash, _ in NEAR_THE_BOUNDS)
    assert (one.takings, one.events) == (copies * 5, copies * 5)


def test_numbers_beyond_64_bits_are_exact_in_duckdb(tmp_path: Path) -> None:
    check_wide(tmp_path, None)


@given(st.integers(-(2**223), 2**223 - 1), st.integers(-(2**223), 2**223 - 1))
def test_limbs_add_as_numbers_do(left: int, right: int) -> None:
    parts = zip(limbs.split(left, limbs.WORTH), limbs.split(right, limbs.WORTH), strict=True)
    assert limbs.join(a + b for a, b in parts) == left + right
    assert limbs.join(limbs.split(left, limbs.WORTH)) == left


def test_what_does_not_fit_is_refused() -> None:
    for number in (2**224, -(2**224) - 1):
        with pytest.raises(limbs.TooWide):
            limbs.split(number, limbs.WORTH)


def test_a_side_that_is_missing_is_noticed(tmp_path: Path) -> None:
    venue = example()
    found = surveyed(venue, RULES[Position.CLOSED], tmp_path)
    ids = [item.taking.id for item in found.wrong]
    table = pq.read_table(found.entries)
    pq.write_table(table.slice(0, table.num_rows - 1), found.entries)
    with pytest.raises(analysis.NotConserved, match="a side is missing"):
        refunds(found, VENUE, ids, venue.price)


def test_who_is_left_out_is_named_with_the_reason(tmp_path: Path) -> None:
    venue, alice = example(), ACCOUNTS[0]
    rules = RefundRules("test", exclude=((alice, "took part in it"),))
    found, owed = computed(venue, rules)
    assert alice in {item.taking.account for item in found.wrong}
    (left,) = [item for item in owed.owed if item.account == alice]
    assert (left.amount, left.reason) == (0, "took part in it")
    tree = owed.tree(VENUE)
    assert tree.leaves == tuple(Refund(item.account, item.amount) for item in owed.paid)
    assert (tree.chain_id, tree.distributor) == (VENUE.l2_chain_id, DISTRIBUTOR)
    assert isinstance(tree, RefundTree)


def test_a_price_that_nobody_has_leaves_it_open(tmp_path: Path) -> None:
    venue = example()
    venue.own[0] = [(START + 10**6, 10**10)]
    found = surveyed(venue, RULES[Position.CLOSED], tmp_path)
    forced = [item for item in found.judged if item.taking.kind != "DebtPaid"]
    assert {item.finding for item in forced} == {Finding.UNKNOWN}
