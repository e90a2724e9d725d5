"""How a life is lived: what is drawn, how it is done on both sides, and the few things that most of it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.model import actions as act
from tests.model.actions import Action, Step
from tests.model.clearinghouse import MODES, Fill, Order, Signed
from tests.model.liquidation import Request
from tests.model.margin import Basis
from tests.model.numbers import BPS, COLLATERAL
from tests.model.oracle import Said
from tests.model.stage import Stage, fresh, step_of
from tests.model.world import REPORTERS, TRADERS

#: Actions that go to the chain in one request; after the last of them all of the state is compared.
BATCH = 24
EVERYBODY = (*TRADERS, "liquidator")
NOBODIES = ("stranger", "admin", "guardian")

traders = st.sampled_from(TRADERS)
markets = st.integers(0, 2)
seconds = st.sampled_from((0, 1, 2, 3, 5, 7, 8, 9, 10, 16, 26, 31, 51, 61, 101))
#: Basis points.
small_moves = st.sampled_from((0, 0, 1, -1, 10, -10, 50, -50, 120, -120, 300, -300))
large_moves = st.sampled_from((299, -299, 301, -301, 480, -480, 501, -501, 700, -700, 1400, -1400, 1600, -3000, 10_000))
rates = st.sampled_from((0, 0, 100, -100, 20_000, -20_000, 50_000))
#: Thousandths of what is there to be taken, and units beyond it.
parts = st.sampled_from((1, 10, 100, 333, 500, 900, 1000))
excess = st.sampled_from((0, 0, 0, 1, 10**6))
rarely = st.integers(0, 15).map(lambda number: number == 15)


@dataclass
class Tally:
    """What all runs have done together."""

    actions: int = 0
    refused: int = 0
    #: How often each event of the model was due, and each kind of action accepted.
    events: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    #: Why actions of each kind were refused.
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, step: Step) -> None:
        self.actions += 1
        self.refused += bool(step.expected.refusals)
        self.events.update(name for name, _ in step.expected.events)
        if not step.expected.refusals:
            self.done[type(step.action).__name__] += 1
        self.reasons.update((type(step.action).__name__, reason) for reason in step.expected.refusals)

    def __str__(self) -> str:
        parts = [f"{name} {number}" for name, number in sorted((self.events + self.done).items())]
        return f"{self.actions} actions, {self.refused} refused: {', '.join(parts)}"


#: What can happen: (how often beside the others, the arguments that are drawn) by name.
DEEDS: dict[str, tuple[int, st.SearchStrategy[dict[str, Any]]]] = {}
_F = TypeVar("_F", bound=Callable[..., None])


def deed(weight: int = 2, **arguments: st.SearchStrategy[Any]) -> Callable[[_F], _F]:
    """Hypothesis leaves most rules of a machine out of any one life; of these, all are in all lives, by weight."""

    def listed(method: _F) -> _F:
        DEEDS[method.__name__] = (weight, st.fixed_dictionaries(arguments))
        return method

    return listed


class Doing(RuleBasedStateMachine):
    """One venue from the saved moment on.

    Class attributes, set before it runs:
        stage: the venue.
        tally: what is counted.
    """

    stage: Stage
    tally: Tally
    pool: ThreadPoolExecutor

    def __init__(self) -> None:
        super().__init__()
        self.world = fresh(self.stage)
        self.truth = [market.price for market in self.world.oracle.markets]
        self.orders: list[Order] = []
        self.salts = count(1)
        self.nonces = count(10_000)
        self.turns = count()
        self.waiting: list[Step] = []
        self.running: Future[None] | None = None
        self.failed = False
        self.age = 0

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        self.age += 1
        name = data.draw(st.sampled_from([name for name, (weight, _) in DEEDS.items() for _ in range(weight)]))
        getattr(self, name)(**data.draw(DEEDS[name][1], label=name))

    def do(self, *wanted: Action, whole: bool = False) -> None:
        for action in wanted:
            note(f"{self.world.now}: {action}")
            last = whole or len(self.waiting) + 1 >= BATCH
            step = step_of(self.world, action, whole=last)
            self.waiting.append(step)
            self.tally.count(step)
            if last:
                self.flush()

    def flush(self) -> None:
        """The chain works on one batch while the model makes the next."""
        self.wait()
        steps, self.waiting = self.waiting, []
        if steps:
            self.running = self.pool.submit(self.stage.chain.run, steps)

    def wait(self) -> None:
        running, self.running = self.running, None
        if running is not None:
            self.failed = True
            running.result()
            self.failed = False

    def teardown(self) -> None:
        if self.failed:
            # The chain stopped in the middle of a batch: what comes after it says nothing.
            return
        # Nobody has anything pending under this name: it changes nothing, and everything is read after it.
        self.do(act.Credit("liquidator", "liquidator"), whole=True)
        self.wait()

    def pass_time(self, secs: int) -> None:
        self.world.now += secs

    def honest(self, market: int, reporter: str) -> int:
        """What a reporter sees: the truth, each a little off."""
        return max(1, self.truth[market] + (REPORTERS.index(reporter) - 1) * (self.truth[market] // 20_000))

    def round(self, who: Sequence[str] = (), rate: int = 0) -> None:
        """Of those who are named, else of one quorum after the other."""
        if not who:
            turn = next(self.turns)
            seated = self.world.oracle.reporters
            who = [seated[(turn + number) % len(seated)] for number in range(self.world.oracle.quorum)]
        for reporter in who:
            entries = tuple(
                Said(market, self.honest(market, reporter), 5, self.world.now, rate)
                for market in range(len(self.truth))
            )
            self.do(act.Report(reporter, self.world.oracle.epoch, entries))

    def move(self, market: int, bps: int) -> None:
        self.truth[market] = max(1, self.truth[market] * (BPS + bps) // BPS)

    def ready(self) -> None:
        """Full, every market Valid."""
        world = self.world
        if world.house.effective_mode(world.now) != "Full" or world.house.broken:
            self.reopen()
        elif not all(market.read(world.now) in ("Valid", "Settled") for market in world.oracle.markets):
            self.pass_time(1)
            self.round()

    @deed(2)
    def reopen(self) -> None:
        """All the way up, and past the grace time."""
        world = self.world
        if world.house.closings.wound_down_at:
            return
        if world.house.unbooked:
            self.do(act.BookSurplus("admin"))
        self.mend_funding()
        for market in range(len(self.truth)):
            # A move that the breaker would not take is over.
            self.truth[market] = world.oracle.markets[market].price
            if world.oracle.markets[market].status == "Frozen":
                self.pass_time(60)
                self.do(act.Release("admin", market))
        while world.house.mode != "Full":
            self.pass_time(10)
            self.round()
            before = world.house.mode
            self.do(act.SetMode("admin", MODES[MODES.index(before) + 1]))
            if world.house.mode == before:
                return
        self.pass_time(8)
        self.round()

    def mend_funding(self) -> None:
        house = self.world.house
        if house.broken and house.mode != "Halted":
            self.do(act.SetMode("guardian", "Halted"))
        broken = sorted(house.broken)
        self.do(*[act.AnnounceRestore("admin", market) for market in broken if market not in house.restores])
        if broken:
            self.world.now = max(self.world.now, *[house.restores[market] for market in broken])
        self.do(*[act.Restore("admin", market) for market in broken])

    def order(self, account: str, market: str, is_buy: bool, size: int, price: int, **more: bool) -> Order:
        return Order(
            account=account,
            market=market,
            is_buy=is_buy,
            size=size,
            limit=price,
            expiry=self.world.now + 3600,
            salt=next(self.salts),
            epoch=self.world.house.epoch,
            account_epoch=self.world.house.account(account).epoch,
            **more,
        )

    def free(self, who: str) -> int:
        """What an account may take out; 1e-6 USD."""
        found = self.world.house.margin(self.world.house.account(who), Basis.WORST, self.world.now)
        return max(0, (found.value - found.initial) // COLLATERAL)

    def share(self, whole: int, part: int, more: int) -> int:
        return whole * part // 1000 + (more if part == 1000 else 0)

    def sweep_of(self, market: int) -> act.Liquidate:
        """Everybody who can be liquidated in a market."""
        requests = [Request(name, market, 2**63 - 1, self.any_price(name, market)) for name in TRADERS]
        return act.Liquidate("liquidator", self.world.house.epoch, tuple(requests))

    def any_price(self, name: str, market: int) -> int:
        return 2**63 if self.world.house.account(name).position(market).size > 0 else 0

    @deed(8, who=traders, market=markets, is_buy=st.booleans(), part=st.sampled_from((500, 900, 990, 1000, 1010)))
    def leverage(self, who: str, market: int, is_buy: bool, part: int) -> None:
        """About as much as its margin carries, against the one who has enough."""
        self.ready()
        world = self.world
        params, price = world.house.markets[market], world.oracle.markets[market].price
        price = max(params.tick_size, price // params.tick_size * params.tick_size)
        # Above the first tier it carries less.
        first = params.tiers[0]
        most = self.free(who) if not first.upto else min(self.free(who), 300 * 10**6)
        carried = most * COLLATERAL * BPS // first.initial_bps // price * part // 1000
        size = min(carried, params.max_position) // params.lot_size * params.lot_size
        if size <= 0:
            return
        maker = self.order("liquidator", params.name, not is_buy, size, price)
        taker = self.order(who, params.name, is_buy, size, price)
        self.do(act.Settle("operator", world.house.epoch, (Fill(Signed(maker), Signed(taker), size, price),)))
