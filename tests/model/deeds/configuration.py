"""The admin at work, and others who try."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.deeds.base import Doing, deed, markets
from tests.model.oracle import REPORTER_DELAY
from tests.model.world import REPORTERS

admins = st.sampled_from(("admin", "admin", "admin", "admin", "guardian", "bob"))


class Configuration(Doing):
    @deed(
        3,
        sender=admins,
        market=markets,
        parts=st.sampled_from((900, 950, 1000, 1050, 1100, 1200)),
        tier=st.integers(0, 2),
        fee=st.sampled_from((0, 3, 5)),
        lots=st.sampled_from((1, 1, 1, 2, 3)),
        lowered=st.booleans(),
    )
    def configure_market(
        self, sender: str, market: int, parts: int, tier: int, fee: int, lots: int, lowered: bool
    ) -> None:
        """Fractions of one tier up or down, in between those of its neighbours."""
        terms = self.world.house.markets[market]
        listed = self.world.profile.markets[market].tiers
        number = tier % len(terms.tiers)
        # Around what it was listed with, so that the fractions of a life wander nowhere.
        changed = replace(
            listed[number],
            initial_bps=listed[number].initial_bps * parts // 1000,
            maintenance_bps=listed[number].maintenance_bps * parts // 1000,
        )
        tiers = tuple(changed if at == number else each for at, each in enumerate(terms.tiers))
        if lowered:
            self.do(act.SetMode("guardian", "CancelOnly"))
        self.do(
            act.ConfigureMarket(
                sender, market, replace(terms, tiers=tiers, taker_fee_bps=fee, lot_size=terms.lot_size * lots)
            )
        )

    @deed(
        1, sender=admins, fill=st.sampled_from((200, 300)), post=st.sampled_from((5, 8)), grace=st.sampled_from((6, 8))
    )
    def configure_venue(self, sender: str, fill: int, post: int, grace: int) -> None:
        params = replace(self.world.house.params, fill_band_bps=fill, post_band_bps=post, grace_secs=grace)
        self.do(act.ConfigureVenue(sender, params))

    @deed(
        1,
        sender=admins,
        limit=st.sampled_from((6_000, 12_000, 24_000)),
        window=st.sampled_from((60, 100)),
        delay=st.sampled_from((39, 40)),
    )
    def configure_outflow(self, sender: str, limit: int, window: int, delay: int) -> None:
        params = replace(
            self.world.house.outflow, outflow_limit=limit * 10**6, outflow_window=window, escape_delay=delay
        )
        self.do(act.ConfigureOutflow(sender, params))

    @deed(
        1,
        sender=admins,
        bps=st.sampled_from((0, 1500, 3000, 10_000)),
        floor=st.sampled_from((1_000, 9_000)),
        cap=st.sampled_from((0, 150, 600)),
        secs=st.sampled_from((6, 12)),
    )
    def configure_waterfall(self, sender: str, bps: int, floor: int, cap: int, secs: int) -> None:
        params = replace(
            self.world.house.storm.params,
            storm_bps=bps,
            storm_floor=floor * 10**6,
            loss_cap=cap * 10**6,
            backstop_secs=secs,
        )
        self.do(act.ConfigureWaterfall(sender, params))

    @deed(
        2,
        sender=admins,
        market=markets,
        what=st.sampled_from(
            (
                ("max_step_bps", 300),
                ("max_step_bps", 500),
                ("max_drift_bps", 500),
                ("max_drift_bps", 1500),
                ("max_drift_bps", 3000),
                ("max_mark_age", 5),
                ("max_mark_age", 30),
                ("max_mark_age", 45),
                ("confirm_rounds", 2),
                ("confirm_rounds", 3),
                ("max_spread_bps", 50),
                ("liq_gap", 5),
                ("liq_gap", 9),
                ("max_age", 20),
                ("max_funding_rate_ppm", 10_000),
            )
        ),
        bound=st.sampled_from(("", "", "", "min_price", "max_price")),
        off=st.sampled_from((-1, 0, 1)),
    )
    def configure_guard(self, sender: str, market: int, what: tuple[str, int], bound: str, off: int) -> None:
        """One number of it; a bound exactly at the mark, or one unit to either side of it."""
        found = self.world.oracle.markets[market]
        guard = replace(found.guard, **dict([what]))
        if bound:
            guard = replace(guard, **{bound: max(1, found.price + off)})
        if guard.max_step_bps <= guard.max_drift_bps and guard.min_price <= guard.max_price:
            self.do(act.ConfigureGuard(sender, market, guard))
        if bound:
            self.do(
                act.ConfigureGuard(
                    "admin", market, replace(guard, **{bound: getattr(self.world.profile.markets[market].guard, bound)})
                )
            )

    @deed(
        2,
        sender=admins,
        who=st.sampled_from(REPORTERS),
        other=st.sampled_from(REPORTERS),
        secs=st.sampled_from((REPORTER_DELAY, REPORTER_DELAY, REPORTER_DELAY - 1)),
        back=st.booleans(),
        quorum=st.sampled_from((2, 2, 2, 3, 4, 0)),
    )
    def a_reporter_goes(self, sender: str, who: str, other: str, secs: int, back: bool, quorum: int) -> None:
        """And comes back, if it does, an hour later."""
        self.do(act.RemoveReporter(sender, who), act.RemoveReporter("admin", other), act.SetQuorum(sender, quorum))
        self.round()
        for reporter in REPORTERS:
            if back and reporter not in self.world.oracle.reporters:
                self.do(act.AddReporter("admin", reporter))
        if back:
            self.pass_time(secs)
        self.do(*[act.SeatReporter(sender, reporter) for reporter in tuple(self.world.oracle.announced)])
        self.do(act.SetQuorum("admin", 2))
