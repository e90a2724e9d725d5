"""The staged reopening on a real node: up when what is asked for holds for a time, down again when it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from truemark.units import to_price
from truemark_keeper.recovery.integrity import IntegrityReport, integrity_report
from truemark_keeper.recovery.reopen import Reopening, ReopenTerms, Stand
from truemark_keeper.sentinel import SightReader, StopMode

from tests.house import BTC, PRICES, SOL, House

pytestmark = pytest.mark.node

DWELL = 60
TERMS = ReopenTerms(rounds=3, band_bps=100, hold_secs=40, max_block_age=30, grace_secs=60)


class Operator:
    """Reports a round every 20 s and looks after it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.outside = {market: to_price(Decimal(price)) for market, price in PRICES.items()}
        self.problems: list[str] = []
        self.index: list[str] = []
        self.moves: list[tuple[StopMode, bool]] = []
        self.reopening = Reopening(
            SightReader(house.rpc, house.deployment),
            price=self.price,
            report=self.report,
            move=self.move,
            dwell_secs=DWELL,
            terms=TERMS,
            ready=self.ready,
            parity=self.parity,
        )

    async def price(self, market: str, now: int) -> int | None:
        return self.outside.get(market)

    async def ready(self) -> Sequence[str]:
        return self.problems

    async def parity(self) -> Sequence[str]:
        return self.index

    async def report(self) -> IntegrityReport:
        return await integrity_report(self.house.rpc, self.house.deployment)

    async def move(self, mode: StopMode, report: IntegrityReport | None) -> None:
        account = self.house.account("guardian" if report is None else "admin")
        call = self.house.contract("Clearinghouse").call("set_mode", mode.variant, 0 if report is None else report.hash)
        await account.execute(call)
        self.moves.append((mode, report is not None))

    async def turn(self, prices: dict[str, str] | None = None) -> Stand:
        await self.house.pass_time(19)
        await self.house.round(prices)
        return await self.reopening.look(await self.house.now())

    async def turns(self, count: int) -> Stand:
        stand = await self.turn()
        for _ in range(count - 1):
            stand = await self.turn()
        return stand


@pytest.fixture
async def operator(house: House) -> Operator:
    await house.account("guardian").execute(house.contract("Clearinghouse").call("set_mode", "Halted", 0))
    return Operator(house)


async def test_it_goes_up_by_stages_and_each_is_measured_anew(operator: Operator) -> None:
    seen: list[StopMode] = []
    for _ in range(24):
        stand = await operator.turn()
        if stand.moved is not None:
            seen.append(stand.moved)
        if stand.done:
            break
    assert seen == [StopMode.CANCEL_ONLY, StopMode.POST_ONLY, StopMode.FULL]
    assert stand.done
    assert stand.mode is StopMode.FULL
    assert all(item.holds for item in stand.criteria)
    # Every step up carried a report.
    assert operator.moves == [(mode, True) for mode in seen]


@pytest.mark.deep
async def test_nothing_goes_up_while_something_is_missing(operator: Operator) -> None:
    operator.problems.append("reporter-2 does not answer")
    stand = await operator.turns(6)
    assert stand.mode is StopMode.HALTED
    assert [item.name for item in stand.missing] == ["keepers"]
    operator.problems.clear()
    operator.index.append("the index ends at block 3, the chain at 90")
    stand = await operator.turns(4)
    assert [item.name for item in stand.missing] == ["index"]
    operator.index.clear()
    del operator.outside[SOL]
    stand = await operator.turns(4)
    assert "no outside price of SOL-USD-PERP" in stand.missing[0].measured
    assert operator.moves == []


@pytest.mark.deep
async def test_marks_off_the_outside_price_take_it_back_down(operator: Operator) -> None:
    while (await operator.turn()).mode is not StopMode.POST_ONLY:
        pass
    operator.outside[BTC] = operator.outside[BTC] * 98 // 100
    stand = await operator.turn()
    assert stand.moved is StopMode.CANCEL_ONLY
    assert operator.moves[-1] == (StopMode.CANCEL_ONLY, False)
    # It stays there until all has held again for a time.
    stand = await operator.turns(5)
    assert stand.mode is StopMode.CANCEL_ONLY
    assert stand.held == 0


@pytest.mark.deep
async def test_a_market_that_is_not_valid_keeps_it_where_it_is(operator: Operator) -> None:
    while (await operator.turn()).mode is not StopMode.CANCEL_ONLY:
        pass
    moves = len(operator.moves)
    for _ in range(5):
        # Beyond a step: Suspect, and then Frozen by the breaker.
        stand = await operator.turn({SOL: "200"})
    assert stand.mode is StopMode.CANCEL_ONLY
    assert "rounds" in [item.name for item in stand.missing]
    assert len(operator.moves) == moves
