"""Marks and funding on a timeline: what is strange is flagged, what is not is not."""

from __future__ import annotations

from decimal import Decimal

from truemark.explorer.judgement import NOT_VALID, Limits, Watch, _funding, _sanity
from truemark.index.records import FundingRow, MarkRow

BTC = 95_000 * 10**8


def mark(block: int, price: int, status: str = "Valid", median: int | None = None) -> MarkRow:
    return MarkRow(block, 1_000 + block, 0, 0x0, 0, price, status, None, median)


def funding(block: int, index: int, seconds: int) -> FundingRow:
    return FundingRow(block, seconds, 0xC, 0, index, True)


def test_a_mark_that_jumps_or_leaves_its_median_or_is_not_valid_is_flagged() -> None:
    points = _sanity(
        [
            mark(1, BTC),
            mark(2, BTC * 109 // 100),
            mark(3, BTC * 109 // 1000),
            mark(4, BTC, "Stale"),
            mark(5, BTC, median=BTC * 100 // 106),
            mark(6, BTC, median=BTC * 100 // 101),
        ],
        Limits(),
    )
    assert [point.flags for point in points] == [
        (),
        (),
        ("jump",),
        ("jump", NOT_VALID),
        ("off the median",),
        (),
    ]
    assert points[1].jump_bps == Decimal("900.00")
    assert points[2].jump_bps == Decimal("-9000.00")
    assert points[0].jump_bps is None


def test_a_mark_after_one_of_zero_has_no_jump_in_bps() -> None:
    (_, after) = _sanity([mark(1, 0, "Missing"), mark(2, BTC)], Limits())
    assert (after.jump_bps, after.flags) == (None, ())


def test_funding_is_an_hourly_rate_of_the_mark_of_its_time() -> None:
    # One base asset pays 9.5 USD in an hour, one bps of 95,000.
    step = 95 * 10**7
    points = _funding(
        [funding(2, 0, 0), funding(3, step, 3_600), funding(4, 300 * step, 7_200)], [mark(1, BTC)], Limits()
    )
    assert [(point.change, point.hourly_bps) for point in points[:2]] == [
        (None, None),
        (Decimal("9.5"), Decimal("1.00")),
    ]
    assert [point.flags for point in points] == [(), (), ("jump",)]


def test_a_block_is_as_old_as_its_timestamp_says_where_nothing_else_was_seen() -> None:
    watch = Watch()
    assert watch.age(7, timestamp=900, now=1_000) == 100
    assert watch.age(7, timestamp=900, now=1_060) == 160
    # It came since the last look, and says when.
    assert watch.age(8, timestamp=1_065, now=1_070) == 5


def test_a_chain_whose_clock_is_held_goes_on_as_long_as_blocks_come() -> None:
    watch = Watch()
    assert watch.age(7, timestamp=0, now=1_000_000) == 1_000_000
    # No older than the last look that did not see it: it may have come right after that.
    assert watch.age(8, timestamp=0, now=1_000_010) == 10
    assert watch.age(8, timestamp=0, now=1_000_500) == 500
    # A rollback is a sign of life too.
    assert watch.age(6, timestamp=0, now=1_000_502) == 2


def test_a_chain_whose_clock_runs_ahead_is_halted_when_no_block_comes() -> None:
    watch = Watch()
    assert watch.age(7, timestamp=9_000_000, now=1_000) == 0
    assert watch.age(7, timestamp=9_000_000, now=1_500) == 500
