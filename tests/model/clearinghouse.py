"""The clearinghouse as the design has it: accounts, orders, fills, money, modes.

Every rule is asked on its own and answers with the reasons for which it refuses: what is refused for several reasons
may be refused in the name of any of them, so the model says nothing of the order in which a contract looks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from truemark_devnet.profile import MarketProfile, OutflowParams, VenueParams, WaterfallParams

from tests.model.margin import Account, Basis, Margin, Position, Quote, healthier, margin, pending
from tests.model.numbers import BPS, COLLATERAL, down, up, within
from tests.model.oracle import Oracle
from tests.model.storm import Losses, Storm

MODES = ("Halted", "CancelOnly", "PostOnly", "Full")
#: What each mode allows, the table of the design.
TABLE: Mapping[str, frozenset[str]] = {
    "deposit": frozenset({"CancelOnly", "PostOnly", "Full"}),
    "withdraw": frozenset({"CancelOnly", "PostOnly", "Full"}),
    "fill that reduces": frozenset({"CancelOnly", "PostOnly", "Full"}),
    "fill that posts": frozenset({"PostOnly", "Full"}),
    "fill that opens": frozenset({"Full"}),
    "liquidate": frozenset({"Full"}),
    "settle positions": frozenset({"CancelOnly", "PostOnly", "Full"}),
    "vault": frozenset({"PostOnly", "Full"}),
    "raise fractions": frozenset({"Halted", "CancelOnly"}),
}


@dataclass(frozen=True)
class Order:
    account: str
    market: str
    is_buy: bool
    size: int
    limit: int
    expiry: int
    salt: int
    epoch: int = 0
    account_epoch: int = 0
    max_fee_bps: int = 10
    reduce_only: bool = False
    post_only: bool = False
    #: For this clearinghouse, or for another one.
    ours: bool = True


@dataclass(frozen=True)
class Signed:
    """An order and how it is signed: with a trading key of the account (0 or 1), by approval, or badly."""

    order: Order
    how: str = "key 0"


@dataclass(frozen=True)
class Fill:
    maker: Signed
    taker: Signed
    size: int
    price: int


@dataclass(frozen=True)
class Side:
    """What a fill does to one of its accounts."""

    account: Account
    fee: int
    funding: int


@dataclass
class Ledger:
    total: int = 0
    insurance: int = 0
    fees: int = 0
    funding: int = 0
    pending: int = 0

    def copy(self) -> Ledger:
        return replace(self)


@dataclass
class Closings:
    """
    Attributes:
        at: by market, the price and the funding index at which positions close; None: funding is not settled.
        pots: by market, what was paid in less what was paid out.
        wound_down_at: when a wind-down began.
    """

    at: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    pots: dict[int, int] = field(default_factory=dict)
    wound_down_at: int = 0


class Clearinghouse:
    """
    Args:
        names: of the markets, by index; all are listed.
    """

    def __init__(
        self,
        oracle: Oracle,
        markets: Sequence[MarketProfile],
        params: VenueParams,
        waterfall: WaterfallParams,
        outflow: OutflowParams,
    ) -> None:
        self.oracle = oracle
        self.markets = list(markets)
        self.params = params
        self.accounts: dict[str, Account] = {}
        self.ledger = Ledger()
        self.pending: dict[str, int] = {}
        self.index = [0] * len(markets)
        self.mode = "Halted"
        self.mode_since = 0
        self.full_since = 0
        self.epoch = 0
        self.filled: dict[Order, int] = {}
        self.approved: set[Order] = set()
        #: (account, trading key): expiry.
        self.keys: dict[tuple[str, str], int] = {}
        self.outflow = outflow
        #: Of the quota: how much left and has not run out, and when that was so.
        self.left: tuple[Fraction, int] = (Fraction(0), 0)
        #: Tokens that were sent here without a deposit.
        self.unbooked = 0
        self.storm = Storm(waterfall, len(markets))
        self.losses = Losses(waterfall)
        #: What others paid because accounts were worth less than nothing.
        self.bad_debt = {"vault": 0, "insurance": 0, "deleveraged": 0}
        #: When an account was seen under water by the backstop.
        self.seen: dict[str, int] = {}
        #: Markets of whose funding a seal is broken; the index that a restore goes back to; when it may.
        self.broken: set[int] = set()
        self.checkpoints = [0] * len(markets)
        self.restores: dict[int, int] = {}
        self.closings = Closings()
        #: What accounts owe to insurance.
        self.owed: dict[str, int] = {}

    # Reading

    def account(self, name: str) -> Account:
        return self.accounts.setdefault(name, Account())

    def effective_mode(self, now: int) -> str:
        if self.oracle.silent(now) and MODES.index(self.mode) > MODES.index("CancelOnly"):
            return "CancelOnly"
        return self.mode

    def allows(self, action: str, now: int) -> bool:
        return self.effective_mode(now) in TABLE[action]

    def quotes(self) -> dict[int, Quote]:
        return {
            number: Quote(params, self.oracle.markets[number], self.index[number], number in self.broken)
            for number, params in enumerate(self.markets)
        }

    def margin(self, account: Account, basis: Basis, now: int, excused: Collection[int] = ()) -> Margin:
        return margin(account, self.quotes(), basis, now, excused)

    def is_valid(self, market: int, now: int) -> bool:
        return market not in self.broken and self.oracle.markets[market].is_valid(now)

    def holds_broken(self, account: Account) -> bool:
        return not self.broken.isdisjoint(account.positions)

    def in_grace(self, market: int, now: int) -> bool:
        """Whether the market became Valid again so lately that nobody is liquidated for it."""
        since = self.oracle.markets[market].valid_since
        return since != 0 and now < since + self.params.grace_secs

    def interest(self, market: int) -> tuple[int, int]:
        """Open interest: what all positions are, long and short."""
        sizes = [account.position(market).size for account in self.accounts.values()]
        return sum(size for size in sizes if size > 0), sum(-size for size in sizes if size < 0)

    def market_of(self, name: str) -> int | None:
        return next((number for number, market in enumerate(self.markets) if market.name == name), None)

    # The storm bucket

    def ration_left(self, market: int, now: int) -> int:
        return self.storm.left(market, self.interest(market)[0], self.oracle.markets[market].price, now)

    def ration(self, market: int, notional: int, now: int, *, short: bool) -> bool:
        """Books what changed hands; a second dry market stops the venue. Whether this one went dry by it."""
        went_dry = self.storm.use(market, notional, now, short=short)
        if went_dry and len(self.storm.dry(now)) > 1:
            self.lower_to("CancelOnly", now)
        return went_dry

    # Funding

    def accrue(self, accrued: Mapping[int, int]) -> None:
        """The index follows the oracle only while the venue is Full."""
        if self.mode == "Full":
            for market, growth in accrued.items():
                self.index[market] += growth

    # Money

    def deposit_refusals(self, account: str, amount: int) -> set[str]:
        reasons = set()
        if amount == 0:
            reasons.add("MONEY: amount is zero")
        if account in ("zero", "clearinghouse"):
            reasons.add("MONEY: not an account")
        return reasons

    def deposit(self, account: str, amount: int, now: int) -> None:
        self.ledger.total += amount
        if self.allows("deposit", now):
            self.account(account).collateral += amount
        else:
            self.pending[account] = self.pending.get(account, 0) + amount
            self.ledger.pending += amount

    def credit_refusals(self, account: str, now: int) -> set[str]:
        reasons = set()
        if not self.allows("deposit", now):
            reasons.add("MODE: halted")
        if not self.pending.get(account):
            reasons.add("MONEY: nothing pending")
        return reasons

    def credit(self, account: str) -> None:
        amount = self.pending.pop(account)
        self.ledger.pending -= amount
        self.account(account).collateral += amount

    def debit_refusals(self, account: str, amount: int, now: int) -> set[str]:
        """What leaves an account leaves initial margin, with every market that is not Valid at its worst."""
        reasons = set()
        if amount == 0:
            reasons.add("MONEY: amount is zero")
        if not self.allows("withdraw", now):
            reasons.add("MODE: halted")
        after = self.account(account).copy()
        after.collateral -= amount
        if self.owed.get(account):
            reasons.add("MONEY: owes insurance")
        if self.holds_broken(after):
            reasons.add("FUNDING: broken")
        if not self.margin(after, Basis.WORST, now).meets_initial:
            reasons.add("MARGIN: below initial")
        return reasons

    def withdraw_refusals(self, account: str, epoch: int, amount: int, now: int) -> set[str]:
        reasons = self.debit_refusals(account, amount, now)
        if epoch != self.epoch:
            reasons.add("EPOCH: another epoch")
        return reasons | self.outflow_refusals(amount, now)

    def withdraw(self, account: str, amount: int, now: int) -> None:
        self.account(account).collateral -= amount
        self.pay_out(amount, now)

    def level(self, now: int) -> Fraction:
        """What of the quota is used: it runs out evenly."""
        level, at = self.left
        return max(Fraction(0), level - Fraction(self.outflow.outflow_limit * (now - at), self.outflow.outflow_window))

    def configure_outflow(self, params: OutflowParams, now: int) -> None:
        # What has run out so far did so under the old terms.
        self.left = (self.level(now), now)
        self.outflow = params

    def outflow_refusals(self, amount: int, now: int, *, of_pending: int = 0) -> set[str]:
        """All that leaves for wallets is under one quota, and never out of what is held for others."""
        reasons = set()
        if self.level(now) + amount > self.outflow.outflow_limit:
            reasons.add("MONEY: over the quota")
        if amount - of_pending > self.ledger.total - self.ledger.pending:
            reasons.add("MONEY: more than is held")
        return reasons

    def pay_out(self, amount: int, now: int) -> None:
        self.left = (self.level(now) + amount, now)
        self.ledger.total -= amount

    def return_refusals(self, account: str, now: int) -> set[str]:
        amount = self.pending.get(account, 0)
        if not amount:
            return {"MONEY: nothing pending"}
        return self.outflow_refusals(amount, now, of_pending=amount)

    def return_pending(self, account: str, now: int) -> int:
        amount = self.pending.pop(account)
        self.ledger.pending -= amount
        self.pay_out(amount, now)
        return amount

    def fund_insurance(self, account: str, amount: int) -> None:
        self.account(account).collateral -= amount
        self.ledger.insurance += amount

    def collect_refusals(self, caller: str, account: str, amount: int, now: int) -> set[str]:
        reasons = self.deposit_refusals(account, amount)
        if caller != "admin":
            reasons.add("ACCESS: not the admin")
        if not self.allows("deposit", now):
            reasons.add("MODE: halted")
        if amount > self.ledger.fees:
            reasons.add("MONEY: more than the fees")
        return reasons

    def collect(self, account: str, amount: int) -> None:
        self.ledger.fees -= amount
        self.account(account).collateral += amount

    def surplus_refusals(self, caller: str) -> set[str]:
        reasons = set()
        if caller != "admin":
            reasons.add("ACCESS: not the admin")
        if not self.unbooked:
            reasons.add("MONEY: no surplus")
        return reasons

    def book_surplus(self) -> None:
        self.ledger.total += self.unbooked
        self.ledger.insurance += self.unbooked
        self.unbooked = 0

    # Modes and epochs

    def mode_refusals(self, caller: str, mode: str, report: int, now: int) -> set[str]:
        down_ = MODES.index(mode) < MODES.index(self.mode)
        if down_:
            return set() if caller in ("admin", "guardian", "sentinel") else {"ACCESS: may not stop"}
        reasons = set()
        if caller != "admin":
            reasons.add("ACCESS: not the admin")
        if MODES.index(mode) != MODES.index(self.mode) + 1:
            reasons.add("MODE: one step up at a time")
        if report == 0:
            reasons.add("MODE: no integrity report")
        if now < self.mode_since + self.params.dwell_secs:
            reasons.add("MODE: dwell time")
        if self.oracle.silent(now):
            reasons.add("MODE: oracle is silent")
        if any(market.read(now) not in ("Valid", "Settled") for market in self.oracle.markets):
            reasons.add("MODE: market not valid")
        if self.unbooked:
            reasons.add("MODE: ledger is not the balance")
        if self.broken:
            reasons.add("FUNDING: broken")
        if self.closings.wound_down_at:
            reasons.add("MODE: winding down")
        return reasons

    def set_mode(self, mode: str, now: int) -> None:
        if "Full" in (mode, self.mode):
            # An index that begins or ceases to run leaves a checkpoint.
            self.checkpoints = [
                kept if market in self.broken else self.index[market] for market, kept in enumerate(self.checkpoints)
            ]
        self.mode, self.mode_since = mode, now
        if mode == "Full":
            self.full_since = now

    def lower_to(self, mode: str, now: int) -> None:
        if MODES.index(mode) < MODES.index(self.mode):
            self.set_mode(mode, now)

    def set_epoch(self, epoch: int, now: int) -> None:
        self.epoch = epoch
        self.lower_to("Halted", now)

    # Orders

    def settle_refusals(self, caller: str, epoch: int, now: int) -> set[str]:
        """Why a batch reverts as a whole."""
        reasons = set()
        if caller != "operator":
            reasons.add("ACCESS: not the operator")
        if epoch != self.epoch:
            reasons.add("EPOCH: another epoch")
        if self.effective_mode(now) == "Halted":
            reasons.add("MODE: halted")
        return reasons

    def fill(self, fill: Fill, now: int) -> set[str]:
        """Settles a fill, or says why not."""
        maker, taker = fill.maker.order, fill.taker.order
        reasons = set()
        if maker.market != taker.market:
            reasons.add("FILL: two markets")
        if maker.is_buy == taker.is_buy:
            reasons.add("FILL: same side")
        if maker.account == taker.account:
            reasons.add("FILL: self trade")
        if taker.post_only:
            reasons.add("FILL: post-only was the taker")
        market = self.market_of(maker.market)
        if market is None:
            return reasons | {"FILL: unknown market"}
        params, mark = self.markets[market], self.oracle.markets[market]
        if mark.price == 0:
            return reasons | {"FILL: no mark"}
        if mark.status == "Settled":
            reasons.add("FILL: market is settled")
        if market in self.broken:
            reasons.add("FUNDING: broken")
        if fill.size == 0 or fill.size % params.lot_size:
            reasons.add("FILL: not whole lots")
        if fill.price == 0 or fill.price % params.tick_size:
            reasons.add("FILL: price off the tick")
        for signed, fee_bps in ((fill.maker, params.maker_fee_bps), (fill.taker, params.taker_fee_bps)):
            reasons |= self._order_refusals(signed, params, fee_bps, fill, now)
        reasons |= self._mode_refusals(market, fill, now)
        reasons |= self._cap_refusals(market, fill)
        sides = []
        for signed, fee_bps in ((fill.maker, params.maker_fee_bps), (fill.taker, params.taker_fee_bps)):
            side, trouble = self._side(market, signed.order, fill, fee_bps, now)
            sides.append((signed.order, side))
            reasons |= trouble
        if not reasons:
            self._commit(sides, fill)
        return reasons

    def _order_refusals(self, signed: Signed, params: MarketProfile, fee_bps: int, fill: Fill, now: int) -> set[str]:
        order = signed.order
        reasons = set()
        if not order.ours:
            reasons.add("ORDER: another venue")
        if order.epoch != self.epoch:
            reasons.add("ORDER: another epoch")
        if order.account_epoch != self.account(order.account).epoch:
            reasons.add("ORDER: old account epoch")
        if order.expiry <= now:
            reasons.add("ORDER: expired")
        if order.size % params.lot_size:
            reasons.add("ORDER: not whole lots")
        if order.limit == 0 or order.limit % params.tick_size:
            reasons.add("ORDER: limit off the tick")
        if order.is_buy and fill.price > order.limit:
            reasons.add("ORDER: above its limit")
        if not order.is_buy and fill.price < order.limit:
            reasons.add("ORDER: below its limit")
        if fee_bps > order.max_fee_bps:
            reasons.add("ORDER: fee above its cap")
        filled = self.filled.get(order, 0)
        if filled >= order.size or filled + fill.size > order.size:
            reasons.add("ORDER: filled or cancelled")
        market = self.market_of(order.market)
        if order.reduce_only and (market is None or not self._reduces(market, order, fill.size)):
            reasons.add("ORDER: does not reduce")
        if signed.how == "approval":
            if order not in self.approved:
                reasons.add("ORDER: not approved")
        elif self.keys.get((order.account, signed.how.removesuffix(" badly")), 0) <= now:
            reasons.add("ORDER: no such trading key")
        if signed.how.endswith("badly"):
            reasons.add("ORDER: wrong signature")
        return reasons

    def _reduces(self, market: int, order: Order, size: int) -> bool:
        held = self.account(order.account).position(market).size
        return (held < 0 if order.is_buy else held > 0) and size <= abs(held)

    def _mode_refusals(self, market: int, fill: Fill, now: int) -> set[str]:
        """The mode's table, the state of the market, the band around its mark."""
        maker, taker = fill.maker.order, fill.taker.order
        maker_reduces, taker_reduces = (self._reduces(market, order, fill.size) for order in (maker, taker))
        mark = self.oracle.markets[market]
        reasons = set()
        if maker_reduces and taker_reduces:
            action = "fill that reduces"
        elif taker_reduces and maker.post_only:
            action = "fill that posts"
        else:
            action = "fill that opens"
        if action != "fill that reduces" and not self.is_valid(market, now):
            reasons.add("FILL: market is not valid")
        if not self.allows(action, now):
            reasons.add("MODE: fill not allowed")
        full = self.effective_mode(now) == "Full"
        band = self.params.fill_band_bps if full else self.params.post_band_bps
        if not within(fill.price, mark.price, band):
            reasons.add("FILL: outside the band")
        return reasons

    def _cap_refusals(self, market: int, fill: Fill) -> set[str]:
        params = self.markets[market]
        reasons = set()
        grown = {True: 0, False: 0}
        for order in (fill.maker.order, fill.taker.order):
            held = self.account(order.account).position(market).size
            after = held + (fill.size if order.is_buy else -fill.size)
            if not self._reduces(market, order, fill.size) and abs(after) > params.max_position:
                reasons.add("CAP: position")
            for is_long in (True, False):
                sign = 1 if is_long else -1
                grown[is_long] += max(0, sign * after) - max(0, sign * held)
        for is_long, interest in zip((True, False), self.interest(market), strict=True):
            if grown[is_long] > 0 and interest + grown[is_long] > params.max_open_interest:
                reasons.add("CAP: open interest")
        return reasons

    def _side(self, market: int, order: Order, fill: Fill, fee_bps: int, now: int) -> tuple[Side, set[str]]:
        before = self.account(order.account)
        held = before.position(market)
        notional = fill.size * fill.price
        fee = up(notional * fee_bps, BPS * COLLATERAL)
        funding = down(pending(held, self.index[market]), COLLATERAL)
        quote = -up(notional, COLLATERAL) if order.is_buy else down(notional, COLLATERAL)
        after = before.copy()
        after.collateral += quote + funding - fee
        size = held.size + (fill.size if order.is_buy else -fill.size)
        after.put(market, Position(size, self.index[market]))
        if self._reduces(market, order, fill.size):
            now_at, then_at = (self.margin(account, Basis.MARK, now) for account in (after, before))
            good = now_at.meets_maintenance or healthier(then_at, now_at)
        else:
            good = self.margin(after, Basis.WORST, now).meets_initial
            if self.holds_broken(before):
                return Side(after, fee, funding), {"FUNDING: broken"}
        return Side(after, fee, funding), set() if good else {"MARGIN: buyer" if order.is_buy else "MARGIN: seller"}

    def _commit(self, sides: Sequence[tuple[Order, Side]], fill: Fill) -> None:
        notional = fill.size * fill.price
        for order, side in sides:
            self.accounts[order.account] = side.account
            self.filled[order] = self.filled.get(order, 0) + fill.size
            self.ledger.fees += side.fee
            self.ledger.funding -= side.funding
        self.ledger.insurance += up(notional, COLLATERAL) - down(notional, COLLATERAL)
