"""Value and requirement of a margin account, from the units of the design: V and R in 1e-16 USD."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

from truemark_devnet.profile import MarketProfile

from tests.model.numbers import BPS, COLLATERAL, ONE, USD, down, up
from tests.model.oracle import Market


class Basis(Enum):
    """At which price a position counts."""

    #: The last good mark.
    MARK = "mark"
    #: Where the market is not Valid, the worst of mark, candidate and anchor.
    WORST = "worst"
    #: Where it is not Valid, the best of the three, and no requirement.
    FAVOURABLE = "favourable"
    #: As FAVOURABLE, and Valid markets at their checkpoint.
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Position:
    size: int = 0
    #: The funding index at which funding was last settled.
    index: int = 0


@dataclass
class Account:
    collateral: int = 0
    epoch: int = 0
    positions: dict[int, Position] = field(default_factory=dict)

    def position(self, market: int) -> Position:
        return self.positions.get(market, Position())

    def put(self, market: int, position: Position) -> None:
        if position.size:
            self.positions[market] = position
        else:
            self.positions.pop(market, None)

    def copy(self) -> Account:
        return Account(self.collateral, self.epoch, dict(self.positions))


@dataclass(frozen=True)
class Margin:
    value: int
    initial: int
    maintenance: int

    @property
    def meets_initial(self) -> bool:
        return self.value >= self.initial

    @property
    def meets_maintenance(self) -> bool:
        return self.value >= self.maintenance


@dataclass(frozen=True)
class Quote:
    """A market as a margin sees it."""

    params: MarketProfile
    mark: Market
    index: int
    #: A seal of its funding is broken: not Valid, and what it owes is not known.
    broken: bool = False

    def is_valid(self, now: int) -> bool:
        return not self.broken and self.mark.is_valid(now)


def requirement(value: int, market: MarketProfile) -> tuple[int, int]:
    """(initial, maintenance) of one |value|, each part of it by its own tier; 1e-20 USD."""
    initial = maintenance = lower = 0
    for tier in market.tiers:
        upper = tier.upto * USD if tier.upto else value
        part = max(0, min(value, upper) - lower)
        initial += part * tier.initial_bps
        maintenance += part * tier.maintenance_bps
        lower = max(lower, upper)
    return initial, maintenance


def pending(position: Position, index: int) -> int:
    """Funding since it was last settled, above 0 what the account gets; 1e-16 USD."""
    return down(-position.size * (index - position.index), ONE)


def margin(
    account: Account, quotes: Mapping[int, Quote], basis: Basis, now: int, excused: Collection[int] = ()
) -> Margin:
    """V and both requirements, these rounded up; the excused markets ask for none."""
    value = account.collateral * COLLATERAL
    initial = maintenance = 0
    for number, position in account.positions.items():
        quote = quotes[number]
        valid = quote.is_valid(now)
        price = _price(quote.mark, position.size, valid, basis, now)
        value += position.size * price + (0 if quote.broken else pending(position, quote.index))
        if number not in excused and (valid or basis in (Basis.MARK, Basis.WORST)):
            more = requirement(abs(position.size) * price, quote.params)
            initial, maintenance = initial + more[0], maintenance + more[1]
    return Margin(value, up(initial, BPS), up(maintenance, BPS))


def healthier(before: Margin, after: Margin) -> bool:
    """R falls and V/R does not; R' = 0 asks for V' >= 0."""
    if after.maintenance >= before.maintenance:
        return False
    if after.maintenance == 0:
        return after.value >= 0
    return after.value * before.maintenance >= before.value * after.maintenance


def _price(market: Market, size: int, valid: bool, basis: Basis, now: int) -> int:
    if valid:
        return market.checkpoint[0] if basis is Basis.CHECKPOINT else market.price
    if basis is Basis.MARK:
        return market.price
    prices = market.prices(now)
    best_is_high = size > 0
    wants_best = basis is not Basis.WORST
    return max(prices) if best_is_high == wants_best else min(prices)
