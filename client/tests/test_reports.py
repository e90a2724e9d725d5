"""Reports packed and unpacked: nothing is lost, and what does not fit is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark.felt import PRIME
from truemark.reports import (
    MAX_CONFIDENCE_BPS,
    MAX_MARKETS,
    MAX_OBSERVED_AT,
    MAX_PRICE,
    MAX_RATE_PPM,
    OUTCOMES,
    STATUSES,
    BadReport,
    Entry,
    MarketOutcome,
    pack_entries,
    unpack_entries,
    unpack_outcomes,
)

entries = st.lists(
    st.builds(
        Entry,
        market=st.integers(0, MAX_MARKETS - 1),
        price=st.integers(0, MAX_PRICE),
        confidence_bps=st.integers(0, MAX_CONFIDENCE_BPS),
        observed_at=st.integers(0, MAX_OBSERVED_AT),
        funding_rate_ppm=st.integers(-MAX_RATE_PPM, MAX_RATE_PPM),
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda entry: entry.market,
)


@given(entries)
def test_every_entry_comes_back_in_rising_order(said: list[Entry]) -> None:
    felts = pack_entries(said)
    assert all(0 <= felt < PRIME for felt in felts)
    assert unpack_entries(felts) == sorted(said, key=lambda entry: entry.market)


def test_a_pair_of_markets_is_one_felt() -> None:
    said = [Entry(market, 5, 5, 1_768_777_200) for market in range(20)]
    assert len(pack_entries(said)) == 10
    assert len(pack_entries(said[1:2])) == 1


@pytest.mark.parametrize(
    "entry",
    [
        Entry(MAX_MARKETS, 5, 5, 5),
        Entry(0, MAX_PRICE + 1, 5, 5),
        Entry(0, -1, 5, 5),
        Entry(0, 5, -1, 5),
        Entry(0, 5, 5, MAX_OBSERVED_AT + 1),
        Entry(0, 5, 5, 5, MAX_RATE_PPM + 1),
        Entry(0, 5, 5, 5, -MAX_RATE_PPM - 1),
    ],
)
def test_what_does_not_fit_is_refused(entry: Entry) -> None:
    with pytest.raises(BadReport, match="does not fit"):
        pack_entries([entry])


def test_a_confidence_that_nobody_allows_does_not_stop_the_report() -> None:
    said = [Entry(0, 5, 40_028, 5), Entry(1, 6, 20, 5)]
    assert [entry.confidence_bps for entry in unpack_entries(pack_entries(said))] == [MAX_CONFIDENCE_BPS, 20]


def test_no_entry_and_a_market_twice_are_no_report() -> None:
    with pytest.raises(BadReport, match="needs an entry"):
        pack_entries([])
    with pytest.raises(BadReport, match="twice"):
        pack_entries([Entry(1, 5, 5, 5), Entry(1, 6, 5, 5)])


@given(
    st.integers(0, MAX_MARKETS - 1),
    st.integers(0, MAX_PRICE),
    st.integers(0, MAX_PRICE),
    st.sampled_from(OUTCOMES),
    st.sampled_from(STATUSES),
)
def test_an_outcome_is_read_as_the_contract_packs_it(
    market: int, median: int, price: int, outcome: str, status: str
) -> None:
    half = median + 2**56 * (price + 2**56 * (OUTCOMES.index(outcome) + 1 + 2**5 * STATUSES.index(status)))
    felt = market // 2 * 2**121 + (half * 2**128 if market % 2 else half)
    assert unpack_outcomes([felt]) == [MarketOutcome(market, outcome, status, median, price)]


@pytest.mark.parametrize("half", [2**112 * 17, 2**112 * (1 + 2**5 * 7)])
def test_an_unknown_outcome_or_status_is_refused(half: int) -> None:
    with pytest.raises(BadReport, match="not known"):
        unpack_outcomes([half])


def test_a_felt_that_holds_no_pair_is_refused() -> None:
    with pytest.raises(BadReport, match="no pair"):
        unpack_entries([2**250])
