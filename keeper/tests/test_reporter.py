"""The reporter: one transaction a round, and never a price that its policy does not let through."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from truemark.felt import selector
from truemark.reports import BadReport, Entry, unpack_entries
from truemark.transactions import Call
from truemark_keeper.policy import FaultInjection, SoundPolicy
from truemark_keeper.reporter import Reporter, Round, report_call
from truemark_keeper.slots import Outcome
from truemark_keeper.sources import Quote

NOW = 1_768_777_200


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
    assert tuple(call.calldata[:2]) == (3, 1)
    assert unpack_entries(call.calldata[2:]) == [Entry(0, 5, 9, NOW, 20), Entry(1, 7, 5, NOW, -10)]


@pytest.mark.parametrize("price", [0, -1, 2**56])
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
    assert unpack_entries(calls[0].calldata[2:]) == [Entry(0, 0, 5, NOW, 20)]


@pytest.mark.parametrize("entries", [[], [Entry(1, 5, 5, NOW), Entry(1, 6, 5, NOW)], [Entry(1, 2**56, 5, NOW)]])
def test_what_is_no_report_is_no_call(entries: list[Entry]) -> None:
    with pytest.raises(BadReport):
        report_call(1, 0, entries)
