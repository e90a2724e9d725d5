"""Marks: honest and faulty reports, jumps and runs, freezes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.deeds.base import Doing, deed, large_moves, markets, rates, seconds, small_moves
from tests.model.oracle import Said
from tests.model.world import REPORTERS, TRADERS


class Prices(Doing):
    @deed(6, secs=st.sampled_from((1, 2, 4, 6, 11)), market=markets, bps=small_moves, rate=rates)
    def prices_move(self, secs: int, market: int, bps: int, rate: int) -> None:
        self.pass_time(secs)
        self.move(market, bps)
        self.round(REPORTERS, rate)

    @deed(
        2,
        secs=seconds,
        market=markets,
        bps=large_moves,
        who=st.lists(st.sampled_from(REPORTERS), min_size=1, max_size=3, unique=True),
    )
    def prices_jump(self, secs: int, market: int, bps: int, who: list[str]) -> None:
        self.pass_time(secs)
        self.move(market, bps)
        self.round(who)

    @deed(
        6,
        market=markets,
        bps=st.sampled_from((100, 150, 150, 200, 200, 290, 450)),
        up=st.booleans(),
        who=st.sampled_from(("", *TRADERS)),
        rounds=st.integers(1, 5),
    )
    def a_market_runs(self, market: int, bps: int, up: bool, who: str, rounds: int) -> None:
        """Round after round one way, against somebody or not, and those whom it brings under water are liquidated."""
        if who:
            self.leverage(who, market, not up, 980)
        for _ in range(rounds):
            self.pass_time(6)
            self.move(market, bps if up else -bps)
            self.round()
            self.liquidate_all(market)

    @deed(
        4,
        reporter=st.sampled_from(REPORTERS),
        market=markets,
        kind=st.sampled_from(
            (
                "zero",
                "spike",
                "dip",
                "double",
                "stale",
                "ahead",
                "just fresh",
                "again",
                "uncertain",
                "unknown market",
                "twice",
                "old epoch",
                "next epoch",
                "stranger",
            )
        ),
    )
    def a_bad_report(self, reporter: str, market: int, kind: str) -> None:
        world, guard = self.world, self.world.oracle.markets[market].guard
        good = Said(market, self.honest(market, reporter), 5, world.now)
        epoch, sender = world.oracle.epoch, reporter
        entries: tuple[Said, ...] = (good,)
        match kind:
            case "zero":
                entries = (replace(good, price=0),)
            case "spike" | "dip" | "double":
                factor = {"spike": 1080, "dip": 700, "double": 2000}[kind]
                entries = (replace(good, price=max(1, good.price * factor // 1000)),)
            case "stale":
                entries = (replace(good, observed_at=world.now - guard.max_age - 1),)
            case "ahead":
                entries = (replace(good, observed_at=world.now + guard.max_ahead + 1),)
            case "just fresh":
                entries = (replace(good, observed_at=world.now - guard.max_age),)
            case "again":
                entries = (replace(good, observed_at=world.now - 2),)
            case "uncertain":
                entries = (replace(good, confidence_bps=guard.max_confidence_bps + 1),)
            case "unknown market":
                entries = (good, replace(good, market=3))
            case "twice":
                entries = (good, replace(good, observed_at=world.now + 1))
            case "old epoch" | "next epoch":
                epoch = epoch + 1 if kind == "next epoch" else max(0, epoch - 1)
            case "stranger":
                sender = "alice"
        self.do(act.Report(sender, epoch, entries))

    @deed(secs=seconds, seldom=st.booleans())
    def time_passes(self, secs: int, seldom: bool) -> None:
        if secs < 20 or seldom:
            self.pass_time(secs)

    @deed(
        1, market=markets, sender=st.sampled_from(("guardian", "sentinel", "admin", "alice")), seldom=st.integers(0, 2)
    )
    def freeze(self, market: int, sender: str, seldom: int) -> None:
        if seldom == 0:
            self.do(act.Freeze(sender, market))

    @deed(market=markets, secs=st.sampled_from((0, 60)), sender=st.sampled_from(("admin", "admin", "guardian")))
    def release(self, market: int, secs: int, sender: str) -> None:
        self.pass_time(secs)
        self.do(act.Release(sender, market))
