"""The design's tables, each cell both ways: what a mode allows, and what the status of a market allows.

A cell is No where the action is refused in the name of the mode (or of the status), Yes where it is not: then it is
accepted, or refused for a reason that has nothing to do with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from tests.model import actions as act
from tests.model.actions import Action
from tests.model.bridge import Quota
from tests.model.clearinghouse import MODES, Fill, Order, Signed
from tests.model.liquidation import Request
from tests.model.oracle import SETTLEMENT_DELAY, Said
from tests.model.refunds import LEAST, Share
from tests.model.stage import Stage, fresh, round_of, step_of
from tests.model.world import REPORTERS

ALL = frozenset(MODES)
UP = ALL - {"Halted"}
OPEN = frozenset({"PostOnly", "Full"})
STATUSES = ("Valid", "Stale", "Suspect", "Frozen", "Settling", "Settled")
#: The reasons that a mode gives, and those that a status gives.
OF_MODE = ("MODE: ", "VAULT: closed", "VAULT: venue is halted", "ESCAPE: not halted")
OF_STATUS = (
    "FILL: market is",
    "LIQUIDATION: market not valid",
    "SETTLE: market not settled",
    "MODE: market not valid",
    "VAULT: closed",
)
COIN = 10**8


class Scene:
    """alice is long 20 BTC and bob short 20; an incident is being refunded."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.world, self.salt, self.nonce = stage, fresh(stage), 0, 50_000
        self.reasons: set[str] = set()
        self.do(self.fill("bob", "alice", 20))
        self.do(act.FromL1(0xD0, 0, "admin", 10**9, self.next_nonce()))
        self.refunds = (("alice", 10), ("bob", 20), ("carol", 30))
        self.do(act.OpenRefunds("admin", 1, self.refunds, 60, self.world.now + LEAST))

    def do(self, action: Action) -> bool:
        """On both; whether it was accepted. Keeps the reasons why not, those of a single fill among them."""
        step = step_of(self.world, action, whole=False)
        self.stage.chain.run([step])
        self.reasons = set(step.expected.refusals)
        for name, fields in step.expected.events:
            if name in ("FillRefused", "LiquidationRefused", "DepositParked"):
                self.reasons |= fields["reason"]
        return not self.reasons

    def refused_for(self, action: Action, kinds: tuple[str, ...]) -> bool:
        self.do(action)
        return any(reason.startswith(kind) for reason in self.reasons for kind in kinds)

    def next_nonce(self) -> int:
        self.nonce += 1
        return self.nonce

    def rounds(self, secs: int) -> None:
        for _ in range(0, secs, 5):
            self.world.now += 5
            round_of(Stage(self.stage.chain, self.world))

    def order(self, name: str, is_buy: bool, coins: int, post_only: bool = False) -> Order:
        self.salt += 1
        house, mark = self.world.house, self.world.oracle.markets[0]
        tick = house.markets[0].tick_size
        return Order(
            account=name,
            market=house.markets[0].name,
            is_buy=is_buy,
            size=coins * COIN,
            limit=mark.price // tick * tick,
            expiry=self.world.now + 10**6,
            salt=self.salt,
            epoch=house.epoch,
            account_epoch=house.account(name).epoch,
            post_only=post_only,
        )

    def fill(self, maker: str, taker: str, coins: int = 1, *, buys: bool = True, posts: bool = False) -> act.Settle:
        """At the mark; `buys`: the taker does."""
        resting, coming = self.order(maker, not buys, coins, posts), self.order(taker, buys, coins)
        fill = Fill(Signed(resting), Signed(coming), resting.size, resting.limit)
        return act.Settle("operator", self.world.house.epoch, (fill,))

    def climb(self, mode: str) -> None:
        for step in MODES[1 : MODES.index(mode) + 1]:
            self.rounds(10)
            assert self.do(act.SetMode("admin", step))
        self.rounds(10)

    def become(self, status: str) -> None:
        """Market 0 is in this status, the others Valid."""
        world, market = self.world, self.world.oracle.markets[0]
        if status in ("Frozen", "Settling"):
            self.do(act.Freeze("guardian", 0) if status == "Frozen" else act.StartSettlement("admin", 0))
        elif status == "Suspect":
            world.now += 5
            self.report({0: market.price * 2})
        elif status == "Stale":
            for _ in range(4):
                world.now += 10
                self.report({}, without=0)
        elif status == "Settled":
            self.do(act.StartSettlement("admin", 0))
            for reporter in REPORTERS:
                self.do(act.ReportSettlement(reporter, world.oracle.epoch, 0, market.price))
            world.now += SETTLEMENT_DELAY
            self.do(act.SettleMarket("bob", 0))
            self.rounds(5)
            self.climb_again()
        assert market.read(world.now) == status

    def climb_again(self) -> None:
        """After so long a silence the venue is CancelOnly."""
        for step in MODES[MODES.index(self.world.house.mode) + 1 :]:
            self.rounds(10)
            assert self.do(act.SetMode("admin", step))
        self.rounds(10)

    def report(self, prices: Mapping[int, int], without: int | None = None) -> None:
        world = self.world
        for reporter in REPORTERS[:2]:
            said = tuple(
                Said(number, prices.get(number, market.price), 5, world.now)
                for number, market in enumerate(world.oracle.markets)
                if number != without
            )
            self.do(act.Report(reporter, world.oracle.epoch, said))


def a_report(scene: Scene) -> act.Report:
    world = scene.world
    said = [Said(number, market.price, 5, world.now) for number, market in enumerate(world.oracle.markets)]
    return act.Report("reporter-1", world.oracle.epoch, tuple(said))


def by_mode() -> Mapping[str, tuple[frozenset[str], Callable[[Scene], Action]]]:
    """Each row of the table: the modes that say yes, and the action."""

    def terms(scene: Scene, parts: int) -> act.ConfigureMarket:
        found = scene.world.house.markets[1]
        first = replace(found.tiers[0], initial_bps=found.tiers[0].initial_bps * parts // 100)
        return act.ConfigureMarket("admin", 1, replace(found, tiers=(first, *found.tiers[1:])))

    return {
        "report": (ALL, a_report),
        "cancel": (ALL, lambda s: act.Cancel("alice", s.order("alice", True, 1))),
        "cancel all": (ALL, lambda s: act.CancelAll("dave")),
        "register a key": (ALL, lambda s: act.RegisterKey("dave", "key 1", s.world.now + 100)),
        "revoke a key": (ALL, lambda s: act.RevokeKey("dave", "key 1")),
        "claim a refund": (ALL, lambda s: act.ClaimRefund("bob", 1, s.refunds, Share(0, "alice", 10))),
        "push refunds": (ALL, lambda s: act.PushRefunds("bob", 1, s.refunds, (Share(1, "bob", 20),))),
        "a refund to a wallet": (ALL, lambda s: act.ClaimRefund("carol", 1, s.refunds, Share(2, "carol", 30), "carol")),
        "reconcile": (ALL, lambda s: act.Attest(0, 900 + s.next_nonce(), "dave", 5, s.next_nonce())),
        "withdraw": (UP, lambda s: act.Withdraw("dave", s.world.house.epoch, 1)),
        "fund insurance": (UP, lambda s: act.FundInsurance("dave", 1)),
        "ask to redeem": (UP, lambda s: act.VaultRequest("liquidator", 10**12, "liquidator", "liquidator")),
        "both reduce": (UP, lambda s: s.fill("bob", "alice", buys=False)),
        "the taker reduces, a maker posts": (OPEN, lambda s: s.fill("dave", "alice", buys=False, posts=True)),
        "the taker reduces, a maker opens": (frozenset({"Full"}), lambda s: s.fill("dave", "alice", buys=False)),
        "the taker opens": (frozenset({"Full"}), lambda s: s.fill("bob", "erin", posts=True, buys=False)),
        "both open": (frozenset({"Full"}), lambda s: s.fill("erin", "dave", posts=True)),
        "settle positions": (UP, lambda s: act.SettlePositions("bob", 0, ("alice",))),
        "liquidate": (
            frozenset({"Full"}),
            lambda s: act.Liquidate("liquidator", s.world.house.epoch, (Request("alice", 0, COIN, 2**63),), many=False),
        ),
        "backstop": (frozenset({"Full"}), lambda s: act.Backstop("bob", s.world.house.epoch, "alice")),
        "deleverage": (
            frozenset({"Full"}),
            lambda s: act.Deleverage("operator", s.world.house.epoch, "alice", 0, ("bob",)),
        ),
        "vault deposit": (OPEN, lambda s: act.VaultEnter("dave", 10**6, "dave")),
        "vault claim": (OPEN, lambda s: act.VaultLeave("liquidator", 10**6, "liquidator", "liquidator")),
        "configure a guard": (ALL, lambda s: act.ConfigureGuard("admin", 1, s.world.oracle.markets[1].guard)),
        "configure the waterfall": (ALL, lambda s: act.ConfigureWaterfall("admin", s.world.house.storm.params)),
        "configure the outflow": (ALL, lambda s: act.ConfigureOutflow("admin", s.world.house.outflow)),
        "configure L1's quota": (ALL, lambda s: act.ConfigureQuota("admin", Quota(3_000 * 10**6, 60))),
        "lower fractions": (ALL, lambda s: terms(s, 99)),
        "raise fractions": (frozenset({"Halted", "CancelOnly"}), lambda s: terms(s, 102)),
        "stop": (ALL, lambda s: act.Freeze("guardian", 2)),
    }


def wrong_modes(stage: Stage) -> Iterator[str]:
    """Every cell that is not as the table says."""
    for mode in MODES:
        scene = Scene(stage)
        scene.do(act.VaultRequest("liquidator", 10**12, "liquidator", "liquidator"))
        scene.do(act.NewEpoch(1, scene.next_nonce()))
        scene.climb(mode)
        scene.rounds(20)
        held = dict(scene.world.house.pending)
        scene.do(act.Deposit("dave", "dave", 7))
        if (scene.world.house.pending != held) != (mode == "Halted"):
            yield f"deposit in {mode}"
        scene.do(act.FromL1(0xD0, 1, "erin", 7, scene.next_nonce()))
        if ("BRIDGE: venue is halted" in scene.reasons) != (mode == "Halted"):
            yield f"deposit from L1 in {mode}"
        for name, (allowed, action) in by_mode().items():
            if scene.refused_for(action(scene), OF_MODE) != (mode not in allowed):
                yield f"{name} in {mode}: {scene.reasons or 'accepted'}"


def by_status() -> Mapping[str, tuple[frozenset[str], Callable[[Scene], Action]]]:
    """What is done in a market, or to who holds it: the statuses that say yes."""
    every, valid, settled = frozenset(STATUSES), frozenset({"Valid"}), frozenset({"Settled"})
    return {
        "both reduce": (every - settled, lambda s: s.fill("bob", "alice", buys=False)),
        "a maker posts": (valid, lambda s: s.fill("dave", "alice", buys=False, posts=True)),
        "both open": (valid, lambda s: s.fill("erin", "dave", posts=True)),
        "withdraw by a holder": (every, lambda s: act.Withdraw("alice", s.world.house.epoch, 1)),
        "withdraw by another": (every, lambda s: act.Withdraw("erin", s.world.house.epoch, 1)),
        "liquidate": (
            valid,
            lambda s: act.Liquidate("liquidator", s.world.house.epoch, (Request("alice", 0, COIN, 2**63),), many=False),
        ),
        "deleverage": (
            valid,
            lambda s: act.Deleverage("operator", s.world.house.epoch, "alice", 0, ("bob",)),
        ),
        "report": (every, a_report),
        "settle positions": (settled, lambda s: act.SettlePositions("bob", 0, ("alice",))),
        "rise": (valid | settled, lambda s: act.SetMode("admin", "Full")),
    }


def wrong_statuses(stage: Stage) -> Iterator[str]:
    for status in STATUSES:
        scene = Scene(stage)
        scene.become(status)
        for name, (allowed, action) in by_status().items():
            if name == "rise":
                scene.do(act.SetMode("guardian", "PostOnly"))
                scene.world.now += 10
                scene.report({}, without=None if status == "Valid" else 0)
            if scene.refused_for(action(scene), OF_STATUS) != (status not in allowed):
                yield f"{name} while {status}: {scene.reasons or 'accepted'}"
