"""Accounts under water, and some that are not."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.deeds.base import EVERYBODY, Doing, deed, markets, parts, traders
from tests.model.liquidation import Request
from tests.model.numbers import BPS


class Liquidations(Doing):
    @deed(market=markets)
    def liquidate_all(self, market: int) -> None:
        self.do(self.sweep_of(market))

    @deed(
        4,
        who=traders,
        caller=st.sampled_from(EVERYBODY),
        market=st.integers(0, 3),
        part=parts,
        limit_bps=st.sampled_from((0, 0, 49, -49, 51, -51)),
        any_price=st.booleans(),
        epoch=st.sampled_from((0, 0, 0, 1)),
    )
    def liquidate(
        self, who: str, caller: str, market: int, part: int, limit_bps: int, any_price: bool, epoch: int
    ) -> None:
        house = self.world.house
        held = abs(house.account(who).position(market).size) * part // 1000
        limit = self.any_price(who, market)
        if not any_price and market < 3:
            limit = self.world.oracle.markets[market].price * (BPS + limit_bps) // BPS
        request = Request(who, market, held, limit)
        self.do(act.Liquidate(caller, house.epoch + epoch, (request,), many=False))
