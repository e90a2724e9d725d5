"""An account as the venue counts it: the chain's word, what is matched and not in it yet, open orders at their worst.

Formulae are those of `fills.cairo` (`accepted`, `check_room`) by way of truemark.risk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from truemark.risk import (
    cash_down,
    cash_up,
    fee,
    healthier,
    is_healthy,
    pending_funding,
    position_requirement,
    requirement_of,
)
from truemark.units import MAX_OPEN_MARKETS, MAX_POSITION_VALUE, VALUE_PER_COLLATERAL

from truemark_devnet.venue.chainview import ChainAccount, ChainView, MarketTerms
from truemark_devnet.venue.live import LiveOrder, Match


def cash_of(is_buy: bool, size: int, price: int, fee_bps: int) -> int:
    """What a fill changes the collateral of one side by, fee included; 1e-6 USD."""
    notional = size * price
    quote = -cash_up(notional) if is_buy else cash_down(notional)
    return quote - fee(notional, fee_bps)


@dataclass(slots=True)
class Trader:
    """One account. `sizes` and `cash` hold what is matched, too."""

    address: int
    chain: ChainAccount
    #: Matches that the chain's word does not contain yet, by number.
    pending: dict[int, Match] = field(default_factory=dict)
    #: By market, never 0.
    sizes: dict[int, int] = field(default_factory=dict)
    #: 1e-6 USD.
    cash: int = 0
    #: market -> orders that rest or wait, by number.
    orders: dict[int, dict[int, LiveOrder]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.refresh(self.chain)

    def refresh(self, chain: ChainAccount) -> None:
        """Takes the chain's newer word; what is settled in it is no longer pending."""
        self.chain = chain
        for number, match in list(self.pending.items()):
            if match.block is not None and match.block <= chain.block:
                del self.pending[number]
        self.cash = chain.collateral
        self.sizes = {market: size for market, (size, _) in chain.positions.items() if size}
        for match in self.pending.values():
            self._count(match, 1)

    def matched(self, match: Match) -> None:
        self.pending[match.number] = match
        self._count(match, 1)

    def unmatched(self, match: Match) -> None:
        """The chain refused it."""
        if self.pending.pop(match.number, None) is not None:
            self._count(match, -1)

    def _count(self, match: Match, sign: int) -> None:
        maker = match.maker.account == self.address
        order, cash = (match.maker, match.maker_cash) if maker else (match.taker, match.taker_cash)
        self.cash += sign * cash
        size = self.sizes.get(match.market, 0) + sign * match.delta(order)
        if size:
            self.sizes[match.market] = size
        else:
            self.sizes.pop(match.market, None)

    def reducible(self, market: int, is_buy: bool) -> int:
        """How much an order of that side can reduce; 1e-8 of the base asset."""
        size = self.sizes.get(market, 0)
        return max(-size if is_buy else size, 0)

    # --- margin

    def funding(self, view: ChainView) -> int:
        """Accrued and not settled; 1e-16 USD."""
        total = 0
        for market, (size, index) in self.chain.positions.items():
            change = view.marks[market].funding_index - index
            if change and size:
                total += pending_funding(size, change)
        return total

    def value_and_requirement(
        self, view: ChainView, terms: Mapping[int, MarketTerms], *, worst: bool, but: int | None = None
    ) -> tuple[int, int, int]:
        """(V in 1e-16 USD, initial and maintenance in 1e-20 USD), without the market `but`'s position."""
        value = self.cash * VALUE_PER_COLLATERAL + self.funding(view)
        initial = maintenance = 0
        for market, size in self.sizes.items():
            if market == but:
                continue
            mark = view.marks[market]
            worth = size * (mark.worst(size > 0) if worst else mark.price)
            value += worth
            one, other = position_requirement(abs(worth), terms[market].tiers)
            initial += one
            maintenance += other
        return value, initial, maintenance

    def refusal(
        self, view: ChainView, terms: Mapping[int, MarketTerms], market: int, delta: int, cash: int
    ) -> str | None:
        """Why the chain would refuse this side of a fill that changes the position by `delta` and the collateral by
        `cash`; None: it would not."""
        old = self.sizes.get(market, 0)
        after = old + delta
        mark = view.marks[market]
        if (old > 0) != (delta > 0) and abs(delta) <= abs(old):
            value, _, maintenance = self.value_and_requirement(view, terms, worst=False, but=market)
            own = terms[market].tiers
            value_after = value + cash * VALUE_PER_COLLATERAL + after * mark.price
            needed = requirement_of(maintenance + position_requirement(abs(after) * mark.price, own)[1])
            if is_healthy(value_after, needed):
                return None
            before = requirement_of(maintenance + position_requirement(abs(old) * mark.price, own)[1])
            if healthier(value + old * mark.price, before, value_after, needed):
                return None
            return "MARGIN: buyer" if delta > 0 else "MARGIN: seller"
        if abs(after) > terms[market].max_position:
            return "CAP: position"
        if abs(after) * mark.price > MAX_POSITION_VALUE:
            return "CAP: position value"
        if old == 0 and len(self.sizes) >= MAX_OPEN_MARKETS:
            return "CAP: open markets"
        value, initial, _ = self.value_and_requirement(view, terms, worst=True, but=market)
        price = mark.worst(after > 0)
        value += cash * VALUE_PER_COLLATERAL + after * price
        initial += position_requirement(abs(after) * price, terms[market].tiers)[0]
        if is_healthy(value, requirement_of(initial)):
            return None
        return "MARGIN: buyer" if delta > 0 else "MARGIN: seller"

    def needs(
        self, view: ChainView, terms: Mapping[int, MarketTerms], market: int, extra: LiveOrder | None = None
    ) -> int:
        """The most that a market can ask of V with each of its sides' open orders filled, in 1e-20 USD: the initial
        requirement and what would be paid beyond the mark. `extra` counts as an order more."""
        size = self.sizes.get(market, 0)
        own = terms[market]
        mark = view.marks[market]
        worst = mark.worst(size > 0)
        most = position_requirement(abs(size * worst), own.tiers)[0]
        orders = self.orders.get(market)
        for is_buy in (True, False):
            total = loss = 0
            for order in orders.values() if orders else ():
                if order.is_buy is is_buy and not order.reduce_only and order is not extra:
                    total += order.open
                    loss += _loss(order, mark.price, own.maker_fee_bps)
            if extra is not None and extra.is_buy is is_buy and not extra.reduce_only:
                total += extra.open
                loss += _loss(extra, mark.price, max(own.taker_fee_bps, own.maker_fee_bps))
            if total:
                after = size + total if is_buy else size - total
                asked = position_requirement(abs(after) * mark.worst(after > 0), own.tiers)[0]
                most = max(most, asked + loss * 10_000)
        return most

    def reserved(self, view: ChainView, terms: Mapping[int, MarketTerms]) -> int:
        """What all markets can ask of V at their worst, open orders included; 1e-20 USD."""
        return sum(self.needs(view, terms, market) for market in {*self.sizes, *self.orders})

    def carries(self, view: ChainView, terms: Mapping[int, MarketTerms], extra: LiveOrder) -> bool:
        """Whether initial margin carries one order more, with everything open at its worst."""
        value, _, _ = self.value_and_requirement(view, terms, worst=True)
        asked = self.needs(view, terms, extra.market, extra)
        for market in {*self.sizes, *self.orders}:
            if market != extra.market:
                asked += self.needs(view, terms, market)
        return value * 10_000 >= asked


def _loss(order: LiveOrder, mark: int, fee_bps: int) -> int:
    """What a fill at the limit would cost against the mark, fee included; 1e-16 USD, rounded up."""
    beyond = order.price - mark if order.is_buy else mark - order.price
    # 2 x 1e-6 USD for the roundings of the quote and of the fee.
    rounding = 2 * VALUE_PER_COLLATERAL
    return max(beyond, 0) * order.open - (-order.open * order.price * fee_bps // 10_000) + rounding
