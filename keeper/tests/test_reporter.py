"""The reporter: one transaction a round, and never a price that its policy does not let through."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark.felt import selector
from truemark.transactions import Call
from truemark_keeper.policy import FaultInjection, SoundPolicy
from truemark_keeper.reporter import Entry, Reporter, Round, report_call
from truemark_keeper.slots import Outcome
from truemark_keeper.sources import Quote

NOW = 1_768_777_200
PRIME = 2**251 + 17 * 2**192 + 1


def quote(market: str, price: int, *, age: int = 0, confidence: int = 5) -> Quote:
    return Quote(market, price, confidence, NOW - age, NOW, "test")


class Says:
    name = "says"

    def __init__(self, *quotes: Quote) -> None:
        self._quotes = quotes

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        return self._quotes


class Sent:
    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def execute(self, calls: Sequence[Call], timeout: float | None = None) -> Outcome:
        self.calls += calls
        return Outcome(hash=1, nonce=0, hashes=(1,), block_number=1, revert_reason=None, receipt={})


async def epoch() -> int:
    return 3


def one_round(source: Says, policy: SoundPolicy | FaultInjection | None = None) -> tuple[Round, list[Call]]:
    sent = Sent()
    reporter = Reporter(
        sent,
        source,
        oracle=0x0AC1E,
        markets={"A": 0, "B": 1},
        epoch=epoch,
        policy=policy,
        funding_rate=lambda market: -10 if market == "B" else 20,
    )
    return asyncio.run(reporter.round(NOW)), sent.calls


def test_one_transaction_for_all_markets() -> None:
    said, calls = one_round(Says(quote("B", 7), quote("A", 5, confidence=9)))
    assert said.outcome is not None
    assert said.refused == ()
    (call,) = calls
    assert (call.to, call.selector) == (0x0AC1E, selector("report"))
    assert tuple(call.calldata) == (3, 2, 0, 5, 9, NOW, 20, 1, 7, 5, NOW, PRIME - 10)


@pytest.mark.parametrize("price", [0, -1, 2**64])
def test_what_is_no_price_is_held_back_alone(price: int) -> None:
    said, calls = one_round(Says(quote("A", price), quote("B", 7)))
    assert [item.market for item in said.refused] == ["A"]
    assert [q.market for q in said.sent] == ["B"]
    assert calls[0].calldata[1] == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (quote("A", 5, age=61), "61 s ago"),
        (quote("A", 5, age=-6), "ahead"),
        (quote("A", 5, confidence=201), "uncertain"),
        (quote("B", 5), "says nothing"),
    ],
)
def test_the_reason_is_named_and_nothing_to_say_sends_nothing(bad: Quote, reason: str) -> None:
    said, calls = one_round(Says(bad) if bad.market == "A" else Says())
    assert reason in said.refused[0].reason
    assert calls == []
    assert said.outcome is None
    assert said.sent == ()


def test_fault_injection_lets_zero_through_and_never_what_has_no_encoding() -> None:
    said, calls = one_round(Says(quote("A", 0), quote("B", -1)), FaultInjection())
    assert [q.price for q in said.sent] == [0]
    assert [item.market for item in said.refused] == ["B"]
    assert calls[0].calldata[3] == 0


@given(st.integers(-(2**33), 2**33), st.integers(-1, 2**65), st.integers(-1, 2**17), st.integers(-1, 130))
def test_a_call_holds_only_what_the_contract_can_read(rate: int, price: int, confidence: int, market: int) -> None:
    fits = -(2**31) <= rate < 2**31 and 0 <= price < 2**64 and 0 <= confidence < 2**16 and 0 <= market < 128
    entry = Entry(market, price, confidence, NOW, rate)
    if fits:
        assert all(0 <= felt < PRIME for felt in report_call(1, 0, [entry]).calldata)
    else:
        with pytest.raises(ValueError, match="does not fit"):
            report_call(1, 0, [entry])


def test_an_empty_report_and_a_repeated_market_are_refused() -> None:
    with pytest.raises(ValueError, match="needs an entry"):
        report_call(1, 0, [])
    with pytest.raises(ValueError, match="twice"):
        report_call(1, 0, [Entry(1, 5, 5, NOW), Entry(1, 6, 5, NOW)])
