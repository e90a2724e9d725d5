"""The replay source: exact at the rows, the straight line between them, clear errors for a bad table."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark_keeper.sources import (
    BadTable,
    Fault,
    FaultySource,
    OutsideTable,
    PriceTable,
    ReplaySource,
    SourceError,
    says,
    scaled,
)

DAY = Path(__file__).resolve().parents[2] / "devnet" / "truemark_devnet" / "demo" / "day.csv"
MARKETS = ("BTC-USD-PERP", "ETH-USD-PERP", "SOL-USD-PERP", "DOGE-USD-PERP", "XRP-USD-PERP", "PAXG-USD-PERP")


def at(day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 1, day, hour, minute, tzinfo=UTC).timestamp())


def usd(text: str) -> int:
    return int(Decimal(text).scaleb(8))


@pytest.fixture(scope="module")
def day() -> PriceTable:
    return PriceTable.load(DAY)


def test_the_day_has_every_hour_of_every_market(day: PriceTable) -> None:
    assert day.markets == MARKETS
    assert all(day.reporters(market) == (1, 2, 3) for market in MARKETS)
    assert day.times == tuple(range(at(18, 23), at(20, 0) + 1, 3600))
    assert len(day.times) == 26


@pytest.mark.parametrize(
    ("time", "market", "figures"),
    [
        # The bar that opens at 22:00 holds at 23:00.
        (at(18, 23), "BTC-USD-PERP", ("95498.61", "95442.9", "95437.7")),
        (at(19, 1), "SOL-USD-PERP", ("133.77", "133.72", "133.68")),
        (at(19, 1), "DOGE-USD-PERP", ("0.12664", "0.12657", "0.12664")),
        (at(19, 17), "XRP-USD-PERP", ("2.022", "2.021", "2.022")),
        # No gold: the second reporter repeats PAXG spot.
        (at(18, 23), "PAXG-USD-PERP", ("4629.56", "4629.56", "4629.56")),
        (at(19, 0), "PAXG-USD-PERP", ("4685.6", "4672.59", "4685.6")),
        (at(19, 22), "PAXG-USD-PERP", ("4690.06", "4690.06", "4690.06")),
        (at(20, 0), "ETH-USD-PERP", ("3189.55", "3188.01", "3187.6")),
    ],
)
def test_cells_of_the_day(day: PriceTable, time: int, market: str, figures: tuple[str, ...]) -> None:
    assert tuple(day.at(market, reporter, time) for reporter in (1, 2, 3)) == tuple(map(usd, figures))


def test_the_fall_is_the_one_that_happened(day: PriceTable) -> None:
    for market, percent in (("SOL-USD-PERP", "-6.4"), ("DOGE-USD-PERP", "-8.0")):
        first, last = day.at(market, 1, at(18, 23)), day.at(market, 1, at(19, 1))
        assert round(Decimal(100 * (last - first)) / first, 1) == Decimal(percent)


def test_interpolation_hits_every_row_and_its_middle(day: PriceTable) -> None:
    for number, time in enumerate(day.times):
        for column, figure in zip(day.columns, day.rows[number], strict=True):
            assert day.at(column.market, column.reporter, time) == figure
    assert day.at("BTC-USD-PERP", 1, at(18, 23, 30)) == (usd("95498.61") + usd("93673.14")) // 2
    assert day.at("BTC-USD-PERP", 1, at(18, 23, 30), interpolate=False) == usd("95498.61")


@given(
    prices=st.lists(st.integers(1, 2**64 - 1), min_size=2, max_size=6),
    gaps=st.lists(st.integers(1, 7200), min_size=6, max_size=6),
    where=st.floats(0, 1),
)
def test_interpolation_is_the_exact_line_rounded_once(prices: list[int], gaps: list[int], where: float) -> None:
    times = [sum(gaps[:n]) for n in range(len(prices))]
    table = PriceTable.build(["M:1"], [(t, [Decimal(p).scaleb(-8)]) for t, p in zip(times, prices, strict=True)])
    time = round(where * times[-1])
    row = max(n for n, t in enumerate(times) if t <= time)
    exact = Fraction(prices[row])
    if times[row] != time:
        exact += Fraction((prices[row + 1] - prices[row]) * (time - times[row]), times[row + 1] - times[row])
    assert table.at("M", 1, time) == round(exact)


@pytest.mark.parametrize(
    ("text", "says_why"),
    [
        ("", "empty"),
        ("time,M:1\n0,1\n", "first column"),
        ("holds_at,BTC\n0,1\n", "unknown column"),
        ("holds_at,M:0\n0,1\n", "unknown column"),
        ("holds_at,M:1,M:1\n0,1,1\n", "appears twice"),
        ("holds_at\n0\n", "no columns"),
        ("holds_at,M:1\n", "no rows"),
        ("holds_at,M:1\n60,1\n0,1\n", "not sorted"),
        ("holds_at,M:1\n60,1\n60,1\n", "time appears twice"),
        ("holds_at,M:1\n60,1,2\n", "2 figures for 1 columns"),
        ("holds_at,M:1\n60,0\n", "above 0"),
        ("holds_at,M:1\n60,-1\n", "above 0"),
        ("holds_at,M:1\n60,NaN\n", "finite"),
        ("holds_at,M:1\n60,x\n", "not a number"),
        ("holds_at,M:1\n60,0.000000001\n", "finer"),
        ("holds_at,M:1\n60,200000000000\n", "does not fit"),
        ("holds_at,M:1\nnoon,1\n", "no time"),
        ("holds_at,M:1\n2026-01-18T23:00:00,1\n", "time zone"),
        ("holds_at,M:1\n2026-01-18T23:00:00.5Z,1\n", "whole second"),
    ],
)
def test_a_bad_table_says_what_is_wrong(text: str, says_why: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(BadTable, match=says_why):
        PriceTable.load(path)


def test_a_missing_file_and_a_float_are_bad_tables(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="cannot be read"):
        PriceTable.load(tmp_path / "none.csv")
    with pytest.raises(BadTable, match="float"):
        PriceTable.build(["M:1"], [(0, [0.1])])  # type: ignore[list-item]


def test_zero_is_allowed_for_fault_injection_only() -> None:
    table = PriceTable.build(["M:1"], [(0, ["0"]), (60, ["1"])], allow_nonpositive=True)
    assert table.at("M", 1, 0) == 0


def test_quotes_carry_time_group_and_an_exact_decimal(day: PriceTable) -> None:
    source = ReplaySource(day, 2, shift=1000)
    quotes = asyncio.run(source.quotes([*MARKETS, "UNKNOWN"], at(18, 23) + 1000))
    assert [quote.market for quote in quotes] == list(MARKETS)
    assert quotes[0].decimal == Decimal("95442.9")
    assert quotes[0].group == "replay-2"
    assert quotes[0].observed_at == quotes[0].published_at == at(18, 23) + 1000


def test_outside_the_table_is_an_error_not_a_price(day: PriceTable) -> None:
    with pytest.raises(SourceError, match="outside the table"):
        asyncio.run(ReplaySource(day, 1).quotes(MARKETS, at(18, 22)))
    with pytest.raises(OutsideTable, match="reporter 4"):
        ReplaySource(day, 4)
    with pytest.raises(OutsideTable, match="no figures"):
        day.at("UNKNOWN", 1, at(19, 0))


def test_faults_apply_in_their_rounds_times_and_markets_only(day: PriceTable) -> None:
    async def run() -> list[tuple[int, int]]:
        source = FaultySource(
            ReplaySource(day, 1),
            Fault(says(0), rounds=frozenset({1})),
            Fault(scaled("1.4"), since=at(19, 4, 50), until=at(19, 4, 50), markets=frozenset({"BTC-USD-PERP"})),
        )
        seen = []
        for minute in (30, 40, 50):
            btc, eth = await source.quotes(MARKETS[:2], at(19, 4, minute))
            seen.append((btc.price, eth.price))
        return seen

    first, second, third = asyncio.run(run())
    assert first == (day.at("BTC-USD-PERP", 1, at(19, 4, 30)), day.at("ETH-USD-PERP", 1, at(19, 4, 30)))
    assert second == (0, 0)
    assert third == (day.at("BTC-USD-PERP", 1, at(19, 4, 50)) * 14 // 10, day.at("ETH-USD-PERP", 1, at(19, 4, 50)))
