"""What a liquidator spends: a budget that ends, a position that does not earn its fee, a transaction that would revert,
a switch that stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_config import LEAST
from test_liquidator import ONE, USD, Venue, account, market
from truemark.risk import Margin, margin
from truemark.rpc import RpcError
from truemark.transactions import Call
from truemark_keeper.book import Book, OpenPosition, holdings
from truemark_keeper.config import BadConfig, KeeperConfig, ReplaySettings, load
from truemark_keeper.deleveraging import counterparties, deleverage_call
from truemark_keeper.fees import default_policy
from truemark_keeper.keystore import KeySource
from truemark_keeper.liquidator import Liquidator, Sweep
from truemark_keeper.reporter import Reporter, Round
from truemark_keeper.service import Keeper
from truemark_keeper.simulating import SimulatingSender
from truemark_keeper.slots import Outcome, Signed
from truemark_keeper.spending import Spending, SpendingTerms, least_gain

STRK = 10**18


def landed(fri: int, *, reason: str | None = None) -> Outcome:
    return Outcome(1, 0, (1,), 1, reason, {"actual_fee": {"amount": hex(fri), "unit": "FRI"}})


def test_a_budget_is_of_the_last_seconds() -> None:
    now = [0.0]
    spending = Spending(SpendingTerms(budget=10, window=60), clock=lambda: now[0])
    assert not spending.exhausted
    spending.paid(landed(6))
    now[0] = 30
    # A revert costs its fee too.
    spending.paid(landed(4, reason="no"))
    assert (spending.spent, spending.exhausted) == (10, True)
    now[0] = 60
    assert (spending.spent, spending.exhausted) == (4, False)


@given(st.integers(1, 10**15), st.integers(1, 10**13), st.integers(0, 500), st.integers(0, 100))
def test_the_least_gain_is_the_discount_on_a_fifth_or_on_dust(size: int, price: int, bps: int, dust: int) -> None:
    where = replace(market(0, price), discount_bps=bps, dust=dust * 10**16)
    value = size * price
    gain = least_gain(where, -size)
    assert gain == max(value // 5, min(value, where.dust)) * bps // 10_000
    assert gain <= value * bps // 10_000


def test_what_does_not_earn_its_fee_is_left_once_the_fee_is_known() -> None:
    where = replace(market(0, 100 * ONE), discount_bps=50)
    terms = SpendingTerms(strk_price=ONE // 2, min_profit=10**15)
    spending = Spending(terms)
    assert spending.loss(where, ONE) is None
    # 0.2 STRK a request: 0.10 USD, and 0.10 USD to earn. A fifth of 100 USD at 50 bps earns 0.10.
    spending.paid(landed(2 * STRK), requests=10)
    assert "earns 0.1000 USD at the least and costs 0.2000" in str(spending.loss(where, ONE))
    assert spending.loss(where, 2 * ONE) is None
    assert Spending(SpendingTerms()).loss(where, 1) is None


def sweep_of(venue: Venue, spending: Spending, fee: int) -> Sweep:
    class Paying:
        async def execute(self, calls: Sequence[Call], timeout: float | None = None) -> Outcome:
            outcome = await venue.execute(calls, timeout)
            return replace(outcome, receipt={**outcome.receipt, "actual_fee": {"amount": hex(fee), "unit": "FRI"}})

    async def own(name: str) -> int | None:
        return next(m.price for m in venue.markets.values() if m.name == name)

    liquidator = Liquidator(
        Paying(), venue, clearinghouse=1, account=0xBEE, own_price=own, batch_size=1, backstop=venue, spending=spending
    )
    return asyncio.run(liquidator.once())


def test_a_liquidator_stops_when_its_budget_is_spent() -> None:
    venue = Venue({0: market(0, 100 * ONE)}, {n: account(n, -98 * USD, (0, ONE)) for n in range(1, 10)})
    spending = Spending(SpendingTerms(budget=30))
    sweep = sweep_of(venue, spending, 10)
    assert len(sweep.transactions) == 3
    assert sweep_of(venue, spending, 10).transactions == ()


def test_a_position_too_small_to_earn_its_fee_is_named() -> None:
    small = replace(market(0, 100 * ONE), discount_bps=50)
    venue = Venue({0: small}, {1: account(1, -98 * USD, (0, ONE)), 2: account(2, -98 * USD // 100, (0, ONE // 100))})
    venue.noted = frozenset({2})
    spending = Spending(SpendingTerms(strk_price=ONE))
    spending.paid(landed(STRK // 100), requests=1)
    sweep = sweep_of(venue, spending, STRK // 100)
    assert [item.account for item in sweep.liquidated] == [1]
    assert [(item.account, "costs 0.0100" in item.reason) for item in sweep.vetoed] == [(2, True)]


class TryingNode:
    """Answers a simulation with a trace, or refuses it."""

    def __init__(self, invocation: dict[str, Any], error: RpcError | None = None) -> None:
        self._invocation, self._error = invocation, error
        self.asked: list[str] = []

    async def call(self, method: str, params: Any = None) -> Any:
        self.asked.append(method)
        if method == "starknet_getNonce":
            return "0x7"
        if self._error is not None:
            raise self._error
        assert params["transactions"] == [{"nonce": 7}]
        return [{"transaction_trace": {"execute_invocation": self._invocation}}]

    async def batch(self, calls: Sequence[tuple[str, Any]]) -> list[Any]:
        raise AssertionError(calls)


class PlainWallet:
    address, chain_id = 1, 1

    def sign(self, calls: Sequence[Call], nonce: int, fees: object) -> Signed:
        return Signed(0xAB, {"nonce": nonce})


@dataclass
class Sent:
    calls: list[Call] = field(default_factory=list)

    async def execute(self, calls: Sequence[Call], timeout: float | None = None) -> Outcome:
        self.calls += calls
        return landed(1)


def tried(node: TryingNode) -> tuple[Outcome, Sent]:
    sent = Sent()
    sender = SimulatingSender(sent, PlainWallet(), node, default_policy().first)
    return asyncio.run(sender.execute([Call(1, 2, ())])), sent


def test_what_would_revert_is_not_sent_and_what_passes_is() -> None:
    outcome, sent = tried(TryingNode({"calls": []}))
    assert outcome.succeeded
    assert len(sent.calls) == 1
    reason = hex(int.from_bytes(b"MODE: not allowed", "big"))
    outcome, sent = tried(TryingNode({"revert_reason": f"0x1: {reason} ('MODE: not allowed')"}))
    assert (outcome.hashes, outcome.block_number) == ((), None)
    assert "MODE: not allowed" in str(outcome.revert_reason)
    assert sent.calls == []
    refused = RpcError(41, "Transaction execution error", {"execution_error": "Out of gas"})
    outcome, sent = tried(TryingNode({}, refused))
    assert not outcome.succeeded
    assert sent.calls == []
    with pytest.raises(RpcError, match="Block not found"):
        tried(TryingNode({}, RpcError(24, "Block not found")))


def test_counterparties_go_by_leverage_and_only_as_many_as_it_takes() -> None:
    markets = {0: market(0, 100 * ONE), 1: market(1, 50 * ONE)}
    failed = account(1, -120 * USD, (0, ONE))
    people = (
        failed,
        # Shorts by collateral: the thinner the more leveraged; 6 is worth nothing, 5 is long, 7 is elsewhere.
        account(2, 160 * USD, (0, -ONE)),
        account(3, 110 * USD, (0, -ONE)),
        account(4, 52 * USD, (0, -ONE // 2)),
        account(5, 0, (0, ONE)),
        account(6, 90 * USD, (0, -ONE)),
        account(7, 110 * USD, (1, -ONE)),
    )
    book = Book(0, 0, True, markets, people)

    class Reader:
        async def margins(self, accounts: Collection[int]) -> Mapping[int, Margin]:
            by = {item.address: item for item in people}
            return {a: margin(by[a].collateral, holdings(by[a], markets, at_checkpoint=False)) for a in accounts}

    def chosen(position: OpenPosition, most: int = 8) -> tuple[int, ...]:
        return asyncio.run(counterparties(book, failed, position, Reader(), most))

    assert chosen(failed.positions[0]) == (4, 3)
    assert chosen(failed.positions[0], most=1) == (4,)
    assert chosen(OpenPosition(1, -ONE, 0)) == ()
    assert deleverage_call(9, 2, 1, 0, (4, 3)).calldata == (2, 1, 0, 2, 4, 3)


def test_only_what_nobody_can_pay_is_deleveraged_and_only_by_the_operator() -> None:
    people = {1: account(1, -120 * USD, (0, ONE)), 2: account(2, 160 * USD, (0, -ONE))}
    for allowed, closed, expected in (
        (True, "BACKSTOP: vault margin", 1),
        (False, "BACKSTOP: vault margin", 0),
        (True, "MODE: not allowed", 0),
    ):
        venue = Venue({0: market(0, 100 * ONE)}, dict(people), closed=closed)
        sent = Sent()

        async def own(name: str) -> int | None:
            return 100 * ONE

        liquidator = Liquidator(
            sent, venue, clearinghouse=1, account=0xBEE, own_price=own, backstop=venue, deleverage=allowed
        )
        asyncio.run(liquidator.once())
        assert len(sent.calls) == expected
        if expected:
            assert sent.calls[0].calldata == (0, 1, 0, 1, 2)


def test_the_switch_holds_reporter_and_liquidator_and_not_the_sentinel(tmp_path: Path) -> None:
    switch = tmp_path / "STOP"
    turns = {"reporter": 0, "liquidator": 0}

    class Counting:
        async def round(self, now: int, timeout: float) -> Round:
            turns["reporter"] += 1
            return Round(now, (), (), None)

        async def once(self, timeout: float) -> Sweep:
            turns["liquidator"] += 1
            return Sweep(0)

    config = KeeperConfig(
        Path("deployment.json"), "0x1", KeySource(key_env="X"), (ReplaySettings(Path("day.csv")),),
        interval=0.01, stop_file=switch,
    )  # fmt: skip
    work = Counting()
    keeper = Keeper(config, cast(Reporter, work), cast(Liquidator, work), grace=1.0)

    async def run(seconds: float) -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(keeper.run(stop))
        await asyncio.wait([task], timeout=seconds)
        stop.set()
        await task

    switch.touch()
    asyncio.run(run(0.1))
    assert turns == {"reporter": 0, "liquidator": 0}
    assert not keeper.board.ready()
    assert "STOP is there" in str(keeper.board.role("reporter").last_error)
    switch.unlink()
    asyncio.run(run(0.1))
    assert min(turns.values()) > 0
    assert keeper.board.ready()
    # A sentinel can only stop: nothing keeps it from it.
    switch.touch()
    keeper._obey_switch("sentinel")


def test_amounts_of_the_settings_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "keeper.toml"
    path.write_text(LEAST + '[liquidator]\nbudget_strk = "0.5"\nstrk_usd = "0.123"\nmin_profit_usd = "1.5"\n')
    terms = load(path).liquidator.spending
    assert terms == SpendingTerms(STRK // 2, 86_400, 12_300_000, 15 * 10**15)
    path.write_text(LEAST)
    assert load(path).liquidator.spending == SpendingTerms()
    for text, said in (
        ('budget_strk = "-1"', "budget_strk is '-1'"),
        ('strk_usd = "0"', "strk_usd is 0"),
        ('min_profit_usd = "x"', "is 'x'"),
    ):
        path.write_text(LEAST + f"[liquidator]\n{text}\n")
        with pytest.raises(BadConfig, match=said):
            load(path)
