"""Random lives of a venue: Hypothesis draws what is done, the model says what must come of it, the contracts are asked.

Numbers that matter are drawn at the lines where rules change: the last unit that may be withdrawn and the one after it,
the edge of a band, a second before and after a delay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
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
_EVERYBODY = (*TRADERS, "liquidator")
_NOBODIES = ("stranger", "admin", "guardian")

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
    settled: int = 0
    liquidated: int = 0


@dataclass(frozen=True)
class Wish:
    """A fill that is to be made: mostly good, with at most one flaw."""

    maker: str
    taker: str
    market: int
    maker_buys: bool
    lots: int
    offset_bps: int
    flaw: str
    post_only: bool
    reduces: bool


FLAWS = (
    *[""] * 12,
    "size",
    "price",
    "limit",
    "fee",
    "expired",
    "epoch",
    "account epoch",
    "venue",
    "reduce only",
    "taker posts",
    "same side",
    "two markets",
    "no such market",
    "self",
    "badly",
    "approval",
    "key 1",
    "overfill",
    "again",
    "lots",
)
wishes = st.builds(
    Wish,
    maker=traders,
    taker=traders,
    market=markets,
    maker_buys=st.booleans(),
    lots=st.sampled_from((1, 7, 50, 300, 1000, 2500, 5000, 9000)),
    offset_bps=st.sampled_from((0, 0, 0, 4, -4, 6, -6, 100, -290, 310)),
    flaw=st.sampled_from(FLAWS),
    post_only=st.booleans(),
    reduces=st.booleans(),
)


#: What can happen: (how often beside the others, the arguments that are drawn) by name.
DEEDS: dict[str, tuple[int, st.SearchStrategy[dict[str, Any]]]] = {}
_F = TypeVar("_F", bound=Callable[..., None])


def deed(weight: int = 2, **arguments: st.SearchStrategy[Any]) -> Callable[[_F], _F]:
    """Hypothesis leaves most rules of a machine out of any one life; of these, all are in all lives, by weight."""

    def listed(method: _F) -> _F:
        DEEDS[method.__name__] = (weight, st.fixed_dictionaries(arguments))
        return method

    return listed


class Life(RuleBasedStateMachine):
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
        self.waiting: list[Step] = []
        self.running: Future[None] | None = None

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([name for name, (weight, _) in DEEDS.items() for _ in range(weight)]))
        getattr(self, name)(**data.draw(DEEDS[name][1], label=name))

    # Doing

    def do(self, *wanted: Action, whole: bool = False) -> None:
        for action in wanted:
            note(f"{self.world.now}: {action}")
            last = whole or len(self.waiting) + 1 >= BATCH
            step = step_of(self.world, action, whole=last)
            self.waiting.append(step)
            self.tally.actions += 1
            self.tally.refused += bool(step.expected.refusals)
            names = [name for name, _ in step.expected.events]
            self.tally.settled += names.count("FillSettled")
            self.tally.liquidated += names.count("Liquidated")
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
            running.result()

    def teardown(self) -> None:
        # Nobody has anything pending under this name: it changes nothing, and everything is read after it.
        self.do(act.Credit("liquidator", "liquidator"), whole=True)
        self.wait()

    def pass_time(self, secs: int) -> None:
        self.world.now += secs

    # Prices

    def honest(self, market: int, reporter: str) -> int:
        """What a reporter sees: the truth, each a little off."""
        return max(1, self.truth[market] + (REPORTERS.index(reporter) - 1) * (self.truth[market] // 20_000))

    def round(self, who: Sequence[str] = REPORTERS, rate: int = 0) -> None:
        for reporter in who:
            entries = tuple(
                Said(market, self.honest(market, reporter), 5, self.world.now, rate)
                for market in range(len(self.truth))
            )
            self.do(act.Report(reporter, self.world.oracle.epoch, entries))

    def move(self, market: int, bps: int) -> None:
        self.truth[market] = max(1, self.truth[market] * (BPS + bps) // BPS)

    @deed(6, secs=st.sampled_from((1, 2, 4, 6, 11)), market=markets, bps=small_moves, rate=rates)
    def prices_move(self, secs: int, market: int, bps: int, rate: int) -> None:
        self.pass_time(secs)
        self.move(market, bps)
        self.round(rate=rate)

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

    # Orders and fills

    @deed(
        8,
        batch=st.lists(wishes, min_size=1, max_size=3),
        wrong=rarely,
        sender=st.sampled_from(_NOBODIES),
        ready=st.integers(0, 3),
    )
    def fills(self, batch: list[Wish], wrong: bool, sender: str, ready: int) -> None:
        if ready:
            self.ready()
        epoch = self.world.house.epoch
        fills = tuple(self.fill(wish) for wish in batch)
        if wrong and sender == "stranger":
            epoch = epoch - 1 if epoch else epoch + 1
        self.do(act.Settle(sender if wrong and sender != "stranger" else "operator", epoch, fills))

    @deed(8, who=traders, market=markets, is_buy=st.booleans(), part=st.sampled_from((500, 900, 990, 1000, 1010)))
    def leverage(self, who: str, market: int, is_buy: bool, part: int) -> None:
        """About as much as its margin carries, against the one who has enough."""
        self.ready()
        world = self.world
        params, price = world.profile.markets[market], world.oracle.markets[market].price
        price = max(params.tick_size, price // params.tick_size * params.tick_size)
        # Above the first tier it carries less.
        first = params.tiers[0]
        most = self._free(who) if not first.upto else min(self._free(who), 300 * 10**6)
        carried = most * COLLATERAL * BPS // first.initial_bps // price * part // 1000
        size = min(carried, params.max_position) // params.lot_size * params.lot_size
        if size <= 0:
            return
        maker = self.order("liquidator", params.name, not is_buy, size, price)
        taker = self.order(who, params.name, is_buy, size, price)
        self.do(act.Settle("operator", world.house.epoch, (Fill(Signed(maker), Signed(taker), size, price),)))

    def fill(self, wish: Wish) -> Fill:
        world, flaw = self.world, wish.flaw
        params, mark = world.profile.markets[wish.market], world.oracle.markets[wish.market]
        maker_name, taker_name, maker_buys = wish.maker, wish.taker, wish.maker_buys
        if maker_name == taker_name and flaw != "self":
            taker_name = TRADERS[(TRADERS.index(taker_name) + 1) % len(TRADERS)]
        # Thousandths of 10,000 USD.
        per_usd = 10**16 // max(1, mark.price)
        size = max(params.lot_size, wish.lots * per_usd // params.lot_size * params.lot_size)
        closes = False
        if wish.reduces:
            # The taker closes some of what it has, if it has any.
            held = world.house.account(taker_name).position(wish.market).size
            if held:
                maker_buys, size, closes = held > 0, min(size, abs(held)), True
        price = mark.price * (BPS + wish.offset_bps) // BPS // params.tick_size * params.tick_size
        price = max(params.tick_size, price)
        if flaw == "size":
            size = 0
        if flaw == "lots" and params.lot_size > 1:
            size += 1
        if flaw == "price":
            price += 1 if params.tick_size > 1 else -price
        reduce_only = closes or flaw == "reduce only"
        maker = self.order(maker_name, params.name, maker_buys, size, price, post_only=wish.post_only)
        taker = self.order(taker_name, params.name, not maker_buys, size, price, reduce_only=reduce_only)
        maker, taker, size = self._flawed(flaw, maker, taker, size, price)
        how = flaw if flaw in ("approval", "key 1") else "key 0 badly" if flaw == "badly" else "key 0"
        self.orders += [maker, taker]
        del self.orders[:-12]
        return Fill(Signed(maker), Signed(taker, how), size, price)

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

    def _flawed(self, flaw: str, maker: Order, taker: Order, size: int, price: int) -> tuple[Order, Order, int]:
        tick = next(market.tick_size for market in self.world.profile.markets if market.name == maker.market)
        match flaw:
            case "limit":
                taker = replace(taker, limit=max(0, price - tick if taker.is_buy else price + tick))
            case "fee":
                taker = replace(taker, max_fee_bps=1)
            case "expired":
                taker = replace(taker, expiry=self.world.now)
            case "epoch":
                maker = replace(maker, epoch=maker.epoch + 1)
            case "account epoch":
                maker = replace(maker, account_epoch=maker.account_epoch + 1)
            case "venue":
                taker = replace(taker, ours=False)
            case "taker posts":
                taker = replace(taker, post_only=True)
            case "same side":
                taker = replace(taker, is_buy=maker.is_buy)
            case "two markets":
                taker = replace(taker, market="ETH-USD-PERP" if maker.market != "ETH-USD-PERP" else "BTC-USD-PERP")
            case "no such market":
                maker, taker = replace(maker, market="NO-USD-PERP"), replace(taker, market="NO-USD-PERP")
            case "overfill":
                # The order is larger than the fill, then filled again and again.
                maker = replace(maker, size=2 * maker.size)
            case "again":
                older = [order for order in self.orders if order.market == maker.market and order != taker]
                if older:
                    maker = older[-1]
                    taker = replace(taker, is_buy=not maker.is_buy, limit=price)
        return maker, taker, size

    @deed(pick=st.integers(0, 11), stranger=rarely)
    def cancel(self, pick: int, stranger: bool) -> None:
        if self.orders:
            order = self.orders[pick % len(self.orders)]
            self.do(act.Cancel("admin" if stranger else order.account, order))

    @deed(who=traders)
    def cancel_all(self, who: str) -> None:
        self.do(act.CancelAll(who))

    @deed(2, wish=wishes, stranger=rarely)
    def an_approved_order(self, wish: Wish, stranger: bool) -> None:
        made = self.fill(replace(wish, flaw="approval"))
        taker = made.taker.order
        self.do(act.Approve("admin" if stranger else taker.account, taker))
        self.do(act.Settle("operator", self.world.house.epoch, (made, made)))

    @deed(
        who=traders, key=st.sampled_from(("key 0", "key 1", "off the curve")), secs=st.sampled_from((0, 1, 30, 10**6))
    )
    def register_key(self, who: str, key: str, secs: int) -> None:
        # The key that they trade with lives on.
        secs = 10**6 if key == "key 0" and secs else secs
        self.do(act.RegisterKey(who, key, self.world.now + secs))

    @deed(who=traders, key=st.sampled_from(("key 1", "key 1", "key 0")), again=st.booleans())
    def revoke_key(self, who: str, key: str, again: bool) -> None:
        self.do(act.RevokeKey(who, key))
        if again or key == "key 0":
            self.do(act.RegisterKey(who, key, self.world.now + 10**6))

    # Liquidations

    @deed(market=markets)
    def liquidate_all(self, market: int) -> None:
        self.do(self._sweep([Request(name, market, 2**63 - 1, self._any_price(name, market)) for name in TRADERS]))

    def _sweep(self, requests: list[Request]) -> act.Liquidate:
        return act.Liquidate("liquidator", self.world.house.epoch, tuple(requests))

    def _any_price(self, name: str, market: int) -> int:
        return 2**63 if self.world.house.account(name).position(market).size > 0 else 0

    @deed(
        4,
        who=traders,
        caller=st.sampled_from(_EVERYBODY),
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
        limit = self._any_price(who, market)
        if not any_price and market < 3:
            limit = self.world.oracle.markets[market].price * (BPS + limit_bps) // BPS
        request = Request(who, market, held, limit)
        self.do(act.Liquidate(caller, house.epoch + epoch, (request,), many=False))

    # Money

    @deed(who=traders, to=st.sampled_from((*TRADERS, "vault", "zero", "clearinghouse")), part=parts, more=excess)
    def deposit(self, who: str, to: str, part: int, more: int) -> None:
        to = who if to in TRADERS and part > 500 else to
        self.do(act.Deposit(who, to, self._share(self.world.wallets.get(who, 0), part, more)))

    @deed(who=traders)
    def credit(self, who: str) -> None:
        self.do(act.Credit("liquidator", who))

    @deed(who=traders)
    def return_pending(self, who: str) -> None:
        self.do(act.ReturnPending(who))

    @deed(1, who=traders, amount=st.sampled_from((1, 500 * 10**6)))
    def a_deposit_is_held(self, who: str, amount: int) -> None:
        self.do(act.SetMode("guardian", "Halted"), act.Deposit(who, who, amount))

    @deed(2, who=traders, secs=st.sampled_from((39, 40)), part=parts, more=excess, epoch=st.sampled_from((0, 0, 0, 1)))
    def escape(self, who: str, secs: int, part: int, more: int, epoch: int) -> None:
        """Of who has nothing open: with something open the venue would close for good."""
        house = self.world.house
        if house.account(who).positions:
            return
        if house.mode != "Halted":
            self.do(act.SetMode("guardian", "Halted"))
        if self.world.now < house.mode_since + 40:
            self.world.now = house.mode_since + secs
        held = house.account(who).collateral + house.pending.get(who, 0)
        self.do(act.Escape(who, house.epoch + epoch, self._share(max(0, held), part, more)))

    def _free(self, who: str) -> int:
        """What an account may take out; 1e-6 USD."""
        found = self.world.house.margin(self.world.house.account(who), Basis.WORST, self.world.now)
        return max(0, (found.value - found.initial) // COLLATERAL)

    def _share(self, whole: int, part: int, more: int) -> int:
        return whole * part // 1000 + (more if part == 1000 else 0)

    @deed(4, who=traders, part=parts, more=excess, epoch=st.sampled_from((0, 0, 0, 0, 1, -1)))
    def withdraw(self, who: str, part: int, more: int, epoch: int) -> None:
        amount = self._share(self._free(who), part, more)
        self.do(act.Withdraw(who, max(0, self.world.house.epoch + epoch), amount))

    @deed(who=traders, part=st.sampled_from((1, 10, 1000)), more=excess)
    def fund_insurance(self, who: str, part: int, more: int) -> None:
        self.do(act.FundInsurance(who, self._share(self._free(who), part, more)))

    @deed(
        sender=st.sampled_from(("admin", "admin", "alice")),
        to=st.sampled_from(("admin", "bob", "zero")),
        part=parts,
        more=excess,
    )
    def collect_fees(self, sender: str, to: str, part: int, more: int) -> None:
        self.do(act.CollectFees(sender, to, self._share(self.world.house.ledger.fees, part, more)))

    @deed(who=traders, amount=st.sampled_from((1, 10**6, 10**12)), booker=st.sampled_from(("admin", "admin", "bob")))
    def donate(self, who: str, amount: int, booker: str) -> None:
        rank = MODES.index(self.world.house.mode)
        self.do(act.Donate(who, amount), act.SetMode("admin", MODES[min(3, rank + 1)]), act.BookSurplus(booker))

    @deed(sender=st.sampled_from(("admin", "alice")))
    def book_surplus(self, sender: str) -> None:
        self.do(act.BookSurplus(sender))

    # The venue

    @deed(
        2,
        sender=st.sampled_from(("admin", "guardian", "sentinel", "operator", "alice")),
        mode=st.sampled_from(MODES),
        seldom=st.booleans(),
    )
    def set_mode(self, sender: str, mode: str, seldom: bool) -> None:
        if seldom:
            self.do(act.SetMode(sender, mode))

    @deed(secs=st.sampled_from((9, 10)), report=st.sampled_from((1, 1, 1, 0)), clean=st.booleans())
    def one_step_up(self, secs: int, report: int, clean: bool) -> None:
        self.pass_time(secs)
        if clean:
            self.round()
        rank = MODES.index(self.world.house.mode)
        self.do(act.SetMode("admin", MODES[min(3, rank + 1)], report))

    def ready(self) -> None:
        """Full, every market Valid."""
        world = self.world
        if world.house.effective_mode(world.now) != "Full":
            self.reopen()
        elif not all(market.is_valid(world.now) for market in world.oracle.markets):
            self.pass_time(1)
            self.round()

    @deed(2)
    def reopen(self) -> None:
        """All the way up, and past the grace time."""
        world = self.world
        if world.house.unbooked:
            self.do(act.BookSurplus("admin"))
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

    @deed(
        1,
        step=st.sampled_from((1, 1, 1, 0, 5)),
        from_bridge=st.sampled_from((True, True, True, False)),
        half=st.booleans(),
    )
    def new_epoch(self, step: int, from_bridge: bool, half: bool) -> None:
        if half:
            self.do(act.NewEpoch(self.world.bridge.epoch + step, next(self.nonces), from_bridge))

    # The bridge

    @deed(
        destination=st.sampled_from((0, 1, 1, 2, 3)),
        to=st.sampled_from((*TRADERS, *TRADERS, "zero", "clearinghouse", "vault", "nobody")),
        amount=st.sampled_from((1, 10**6, 500 * 10**6, 0)),
        flaw=st.sampled_from(("", "", "", "", "again", "sender", "token")),
    )
    def from_l1(self, destination: int, to: str, amount: int, flaw: str) -> None:
        nonce = 1 if flaw == "again" else next(self.nonces)
        self.do(act.FromL1(0xD0, destination, to, amount, nonce, flaw != "sender", flaw != "token"))

    @deed(
        who=traders,
        part=parts,
        more=excess,
        to=st.sampled_from(("L1 person", "L1 person", "L1 person", "zero", "L1 bridge", "L1 token")),
        epoch=st.sampled_from((0, 0, 0, 1)),
    )
    def to_l1(self, who: str, part: int, more: int, to: str, epoch: int) -> None:
        amount = self._share(self.world.wallets.get(who, 0), part // 10, more)
        self.do(act.ToL1(who, self.world.bridge.epoch + epoch, to, amount))

    @deed(back=st.booleans(), late=rarely, stranger=st.booleans())
    def parked(self, back: bool, late: bool, stranger: bool) -> None:
        known = self.world.bridge.parked
        number = max(known, default=1)
        recipient = known[number].recipient if known else "alice"
        sender = recipient if recipient in TRADERS and not stranger else "bob"
        if late:
            self.pass_time(86_400)
        self.do(act.ReturnParked(sender, number) if back else act.ClaimParked(sender, number))

    # The vault

    @deed(
        4,
        who=traders,
        to=st.sampled_from((*TRADERS, *TRADERS, "zero", "vault")),
        amount=st.sampled_from((0, 1, 10**6, 777_777_777)),
        is_mint=st.booleans(),
    )
    def vault_enter(self, who: str, to: str, amount: int, is_mint: bool) -> None:
        to = who if to in TRADERS else to
        if is_mint:
            amount = self.world.vault.shares_for(amount, self.world.now, rounded_up=False) + 1
        self.do(act.VaultEnter(who, amount, to, is_mint))

    @deed(
        4,
        who=traders,
        owner=traders,
        controller=st.sampled_from((*TRADERS, *TRADERS, "zero", "vault")),
        part=parts,
        more=excess,
        own=st.integers(0, 3),
    )
    def vault_request(self, who: str, owner: str, controller: str, part: int, more: int, own: int) -> None:
        owner = who if own else owner
        controller = who if own > 1 and controller in TRADERS else controller
        shares = self._share(self.world.vault.shares.get(owner, 0), part, more)
        self.do(act.VaultRequest(who, shares, controller, owner))

    @deed(
        4,
        who=traders,
        controller=traders,
        part=parts,
        more=excess,
        own=st.integers(0, 3),
        by_assets=st.booleans(),
        secs=st.sampled_from((0, 19, 20)),
    )
    def vault_leave(
        self, who: str, controller: str, part: int, more: int, own: int, by_assets: bool, secs: int
    ) -> None:
        if secs:
            self.pass_time(secs)
            self.round()
        vault, now = self.world.vault, self.world.now
        controller = who if own else controller
        amount = self._share(vault.claimable(controller, now), part, more)
        if by_assets:
            amount = vault.assets_for(amount, now, rounded_up=False)
        self.do(act.VaultLeave(who, amount, who, controller, by_assets))

    @deed(who=traders, operator=traders, approved=st.booleans())
    def vault_operator(self, who: str, operator: str, approved: bool) -> None:
        self.do(act.VaultOperator(who, operator, approved))
