"""Accounts that nobody liquidated in time, waves of liquidations, and who pays for them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.deeds.base import EVERYBODY, Doing, deed, markets, traders
from tests.model.margin import Basis
from tests.model.waterfall import TOP, VAULT
from tests.model.world import ACCOUNTS, TRADERS


class Waterfall(Doing):
    def counterparties(self, who: str, market: int) -> tuple[str, ...]:
        """Those on the other side, the most leveraged first."""
        house, now = self.world.house, self.world.now
        side = house.account(who).position(market).size > 0

        def rank(name: str) -> int:
            margin = house.margin(house.account(name), Basis.MARK, now)
            return TOP if margin.value <= 0 else margin.maintenance * 10**6 // margin.value

        sizes = {name: house.account(name).position(market).size for name in ACCOUNTS if name != who}
        return tuple(sorted((name for name in sizes if sizes[name] and (sizes[name] > 0) != side), key=rank)[::-1])

    @deed(
        8,
        who=traders,
        market=markets,
        up=st.booleans(),
        rounds=st.sampled_from((1, 2, 2, 3, 3)),
        caller=st.sampled_from((*EVERYBODY, *["liquidator"] * 10)),
        times=st.sampled_from((0, 1, 2, 2, 2, 3)),
        waits=st.sampled_from((0, 0, 0, 0, 11, 12, 25)),
        flaw=st.sampled_from(("", "", "", "reversed", "none", "itself", "stranger")),
    )
    def somebody_fails(
        self, who: str, market: int, up: bool, rounds: int, caller: str, times: int, waits: int, flaw: str
    ) -> None:
        """Round after round against somebody with much leverage; nobody liquidates it in time."""
        self.leverage(who, market, not up, 980)
        for _ in range(rounds):
            self.pass_time(6)
            self.move(market, (290 if market == 2 else 450) * (1 if up else -1))
            self.round()
        for _ in range(times):
            self.do(act.Backstop(caller, self.world.house.epoch, who))
            if waits:
                self.pass_time(waits)
                self.round()
        if times != 1:
            self.deleverage_it(who, market, flaw)

    def deleverage_it(self, who: str, market: int, flaw: str, sender: str = "operator") -> None:
        others = self.counterparties(who, market)
        if flaw == "reversed":
            others = others[::-1]
        elif flaw == "none":
            others = ()
        elif flaw == "itself":
            others = (who, *others)
        elif flaw == "stranger":
            others = (*others[1:], *TRADERS[:1])
        self.do(act.Deleverage(sender, self.world.house.epoch, who, market, others))

    @deed(3, market=markets, up=st.booleans(), bps=st.sampled_from((150, 200, 290)), rounds=st.integers(1, 4))
    def a_crash(self, market: int, up: bool, bps: int, rounds: int) -> None:
        """Two markets run at once, against some who have much in both."""
        other = (market + 1) % 3
        for number, who in enumerate(TRADERS[:4]):
            self.leverage(who, market if number % 2 else other, not up, 980)
        for _ in range(rounds):
            self.pass_time(6)
            for each in (market, other):
                self.move(each, bps if up else -bps)
            self.round()
            for each in (market, other):
                self.do(self.sweep_of(each))

    @deed(
        3,
        who=st.sampled_from((*TRADERS, VAULT, "liquidator")),
        caller=st.sampled_from(EVERYBODY),
        epoch=st.sampled_from((0, 0, 0, 0, 1)),
    )
    def backstop(self, who: str, caller: str, epoch: int) -> None:
        self.do(act.Backstop(caller, self.world.house.epoch + epoch, who))

    @deed(
        2,
        who=st.sampled_from((*TRADERS, VAULT, VAULT, "liquidator")),
        market=st.integers(0, 3),
        flaw=st.sampled_from(("", "", "reversed", "none", "itself", "stranger")),
        sender=st.sampled_from(("operator", "operator", "operator", "admin")),
    )
    def deleverage(self, who: str, market: int, flaw: str, sender: str) -> None:
        self.deleverage_it(who, market, flaw, sender)

    @deed(2, up=st.booleans(), caller=st.sampled_from(EVERYBODY), rounds=st.integers(1, 3))
    def the_vault_loses(self, up: bool, caller: str, rounds: int) -> None:
        """Whatever the vault holds goes the other way."""
        for market, position in sorted(self.world.house.account(VAULT).positions.items()):
            bps = 290 if market == 2 else 450
            for _ in range(rounds):
                self.pass_time(6)
                self.move(market, -bps if position.size > 0 else bps)
                self.round()
            self.deleverage_it(VAULT, market, "")
            return
