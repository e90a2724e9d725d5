"""Dead assets, venues that stand still for long, and funding that something outside the chain has broken.

A settled market and a wind-down are for good, so they come late in a life.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.deeds.base import Doing, deed, excess, markets, parts, traders
from tests.model.numbers import BPS
from tests.model.oracle import SETTLEMENT_DELAY
from tests.model.restoring import STOPPERS
from tests.model.world import ACCOUNTS, REPORTERS

#: Rules of a life after which a market may die, and after which the venue may.
OLD, VERY_OLD = 25, 50
prices_bps = st.sampled_from((0, 0, 0, 10, -50, 99, 101, -9_000, 20_000))


class Closing(Doing):
    @deed(
        2,
        market=markets,
        sender=st.sampled_from(("admin", "admin", "admin", "guardian")),
        said=st.lists(st.tuples(st.sampled_from(REPORTERS), prices_bps), min_size=2, max_size=4),
        secs=st.sampled_from((SETTLEMENT_DELAY, SETTLEMENT_DELAY, SETTLEMENT_DELAY - 1)),
        stopped=st.integers(0, 5),
        names=st.lists(st.sampled_from(ACCOUNTS), max_size=4),
    )
    def an_asset_dies(
        self,
        market: int,
        sender: str,
        said: list[tuple[str, int]],
        secs: int,
        stopped: int,
        names: list[str],
    ) -> None:
        if self.age < OLD:
            return
        self.do(act.StartSettlement(sender, market))
        mark = self.world.oracle.markets[market].price
        for reporter, bps in said:
            price = max(1, mark * (BPS + bps) // BPS)
            self.do(act.ReportSettlement(reporter, self.world.oracle.epoch, market, price))
        if stopped == 0:
            self.do(act.Freeze("guardian", market))
        self.pass_time(secs)
        self.do(act.SettleMarket("bob", market))
        if self.world.oracle.markets[market].status != "Settled":
            # It lives on.
            self.do(act.Freeze("admin", market))
            return
        self.truth[market] = self.world.oracle.markets[market].price
        self.reopen()
        self.do(act.SettlePositions("bob", market, tuple(names)))

    @deed(2, market=st.integers(0, 3), names=st.lists(st.sampled_from(ACCOUNTS), max_size=5), everybody=st.booleans())
    def settle_positions(self, market: int, names: list[str], everybody: bool) -> None:
        self.do(act.SettlePositions("carol", market, ACCOUNTS if everybody else tuple(names)))

    @deed(1, market=markets, price=st.sampled_from((0, 1, 2**56)), reporter=st.sampled_from((*REPORTERS, "bob")))
    def a_bad_settlement(self, market: int, price: int, reporter: str) -> None:
        epoch = self.world.oracle.epoch
        self.do(act.ReportSettlement(reporter, epoch + (price == 1), market, price), act.SettleMarket("bob", market))

    @deed(
        3,
        who=traders,
        secs=st.sampled_from((39, 40, 40)),
        part=parts,
        more=excess,
        epoch=st.sampled_from((0, 0, 0, 1)),
        others=st.lists(st.sampled_from(ACCOUNTS), max_size=4),
    )
    def escape(self, who: str, secs: int, part: int, more: int, epoch: int, others: list[str]) -> None:
        """With something open the venue closes for good."""
        house = self.world.house
        if house.account(who).positions and self.age < VERY_OLD:
            return
        if house.mode != "Halted":
            self.do(act.SetMode("guardian", "Halted"))
        if self.world.now < house.mode_since + 40:
            self.world.now = house.mode_since + secs
        held = house.account(who).collateral + house.pending.get(who, 0)
        self.do(act.Escape(who, house.epoch + epoch, self.share(max(0, held), part, more)))
        if house.closings.wound_down_at:
            for market in range(3):
                self.do(act.SettlePositions("bob", market, tuple(others)))
            # What is left of the vault leaves with it.
            shares = self.world.vault.shares.get("liquidator", 0)
            self.do(*[act.SettlePositions("bob", market, ("vault",)) for market in range(3)])
            self.do(act.VaultRequest("liquidator", shares, "liquidator", "liquidator"))
            self.pass_time(20)
            self.do(act.VaultLeave("liquidator", shares * part // 1000, "liquidator", "liquidator"))

    # Funding

    @deed(
        2,
        market=markets,
        value=st.sampled_from((0, 1, 2**200 + 7)),
        early=st.integers(0, 3),
        cancelled=st.integers(0, 5),
        halted=st.booleans(),
    )
    def funding_breaks(self, market: int, value: int, early: int, cancelled: int, halted: bool) -> None:
        """And is mended now, or when the venue is to be opened again."""
        house = self.world.house
        if market in house.closings.at:
            return
        self.do(act.BreakFunding(market, value))
        if halted:
            self.do(act.SetMode("sentinel", "Halted"), act.AnnounceRestore("admin", market))
            if early == 0:
                self.do(act.Restore("admin", market))
            if cancelled == 0:
                self.do(act.CancelRestore("guardian", market))
            self.pass_time(house.outflow.restore_delay)
            self.do(act.Restore("admin", market))

    @deed(1, market=st.integers(0, 3), sender=st.sampled_from((*STOPPERS, "bob")), what=st.integers(0, 2))
    def a_restore(self, market: int, sender: str, what: int) -> None:
        """Asked for by somebody, mostly of what is whole."""
        self.do((act.AnnounceRestore, act.CancelRestore, act.Restore)[what](sender, market))

    @deed(2, which=st.lists(st.integers(0, 3), max_size=3, unique=True))
    def checkpoint_funding(self, which: list[int]) -> None:
        self.do(act.CheckpointFunding("bob", tuple(which)))
