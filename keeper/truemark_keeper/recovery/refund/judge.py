"""Which takings were wrong: those that would not have been at the independent price, with the figures that show it.

An account is looked at as it would have stood: every market in which it has a position moved from its mark to the
independent price, and what was wrongly taken from it before given back.

    V' = V + sum(size x (price - mark)) + sum(given x price) - sum(cash of what was given back)
    R' = R + sum(r(|size + given| x price) - r(|size| x mark))

A liquidation and a backstop were wrong if V' >= R'. A counterparty is deleveraged only against an account below zero,
so its deleveraging was wrong if V' >= 0 of that account. The debt that insurance paid follows what made it: it was
wrong if something was wrongly taken from the account before.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from truemark.deployment import Deployment, MarketInfo
from truemark.risk import position_requirement
from truemark.units import BPS, VALUE_PER_COLLATERAL

from truemark_keeper.recovery.refund.history import Role, Taking

#: The independent price of a market by name at a time, 1e-8 USD; None: there is none.
PriceAt = Callable[[str, int], int | None]

_DEBT: Final = "DebtPaid"


class Finding(enum.StrEnum):
    WRONG = "wrong"
    RIGHT = "right"
    #: There is no independent price of a market that counts.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judged:
    """A taking and what is to be thought of it.

    Attributes:
        own_price: the independent price of its market, 1e-8 USD; None: there is none.
        value, requirement: V' and R' (rounded up) of the account that was taken from, 1e-16 USD.
        reason: in words, with the figures.
    """

    taking: Taking
    finding: Finding
    own_price: int | None
    value: int | None
    requirement: int | None
    reason: str


@dataclass(frozen=True)
class Marks:
    """Marks of each market as they were accepted: (block, transaction, price), in the order of the chain."""

    by_market: Mapping[int, Sequence[tuple[int, int, int]]]

    def at(self, market: int, block: int, tx_index: int) -> int | None:
        """The mark that a transaction found, 1e-8 USD; None: nothing is known of it."""
        series = self.by_market.get(market, ())
        place = bisect_right(series, (block, tx_index), key=lambda item: item[:2])
        return series[place - 1][2] if place else None


@dataclass
class _Given:
    """What was wrongly taken from an account so far."""

    sizes: dict[int, int] = field(default_factory=dict)
    #: What it got for it, 1e-6 USD.
    cash: int = 0
    any: bool = False


def judge(takings: Iterable[Taking], deployment: Deployment, price: PriceAt, marks: Marks) -> list[Judged]:
    """All of them, in the order of the chain, which they must come in."""
    return _Bench(deployment, price, marks).all(takings)


class _Bench:
    def __init__(self, deployment: Deployment, price: PriceAt, marks: Marks) -> None:
        self._markets: dict[int, tuple[str, MarketInfo]] = {
            market.index: (name, market) for name, market in deployment.markets.items()
        }
        self._price = price
        self._marks = marks
        self._given: dict[int, _Given] = {}
        self._last: Judged | None = None

    def all(self, takings: Iterable[Taking]) -> list[Judged]:
        found = []
        for taking in takings:
            verdict = self._one(taking)
            if verdict.finding is Finding.WRONG:
                given = self._given.setdefault(taking.account, _Given())
                given.any = True
                given.cash += taking.cash
                if taking.size:
                    given.sizes[taking.market] = given.sizes.get(taking.market, 0) + taking.size
            found.append(verdict)
            self._last = verdict
        return found

    def _one(self, taking: Taking) -> Judged:
        if taking.kind == _DEBT:
            return self._debt(taking)
        if taking.role is Role.COUNTERPARTY:
            return self._counterparty(taking)
        own = self._own(taking.market, taking.time)
        if own is None:
            return Judged(taking, Finding.UNKNOWN, None, None, None, "there is no independent price of the market then")
        value, scaled = self._margin(taking, own)
        requirement = -(-scaled // BPS)
        given = self._given.get(taking.account)
        after = ", with what was wrongly taken before given back" if given is not None and given.any else ""
        wrong = value * BPS >= scaled
        reason = (
            f"at {_usd(taking.mark)} the account had {_value(taking.value)} of {_value(taking.requirement)} required; "
            f"at the independent {_usd(own)} it has {_value(value)} of {_value(requirement)}{after}: "
            + ("it was healthy" if wrong else "it was under water too")
        )
        return Judged(taking, Finding.WRONG if wrong else Finding.RIGHT, own, value, requirement, reason)

    def _counterparty(self, taking: Taking) -> Judged:
        """The side before it is the account that it was deleveraged against."""
        other = self._last
        if other is None or other.taking.place[:3] != taking.place[:3] or other.value is None:
            return Judged(taking, Finding.UNKNOWN, None, None, None, "there is no independent price of the market then")
        wrong = other.value >= 0
        reason = (
            f"it was deleveraged against {other.taking.account:#x}, which at the independent price was worth "
            f"{_value(other.value)}: " + ("there was nothing to deleverage" if wrong else "it was bankrupt")
        )
        finding = Finding.WRONG if wrong else Finding.RIGHT
        return Judged(taking, finding, other.own_price, other.value, other.requirement, reason)

    def _debt(self, taking: Taking) -> Judged:
        given = self._given.get(taking.account)
        if given is not None and given.any:
            reason = "insurance paid what the account owed after a wrong taking: without it there was no such debt"
            return Judged(taking, Finding.WRONG, None, None, None, reason)
        return Judged(taking, Finding.RIGHT, None, None, None, "nothing was wrongly taken from the account before")

    def _own(self, market: int, time: int) -> int | None:
        known = self._markets.get(market)
        return None if known is None else self._price(known[0], time)

    def _margin(self, taking: Taking, own: int) -> tuple[int, int]:
        """V' in 1e-16 USD and R' in 1e-20 USD."""
        given = self._given.get(taking.account, _Given())
        held = dict(taking.held)
        value = taking.value - given.cash * VALUE_PER_COLLATERAL
        scaled = taking.requirement * BPS
        for market in {*held, *given.sizes}:
            if market not in self._markets:
                continue
            size, back = held.get(market, 0), given.sizes.get(market, 0)
            mark, price = self._prices(taking, market, own)
            if mark is None or price is None:
                continue
            tiers = self._markets[market][1].tiers
            value += size * (price - mark) + back * price
            scaled += position_requirement(abs(size + back) * price, tiers)[1]
            scaled -= position_requirement(abs(size) * mark, tiers)[1]
        return value, scaled

    def _prices(self, taking: Taking, market: int, own: int) -> tuple[int | None, int | None]:
        """(mark, independent price) of a market. One whose price or mark is not known stays where it is; what was given
        back there counts at what is known."""
        if market == taking.market:
            return taking.mark, own
        mark = self._marks.at(market, taking.place[0], taking.place[1])
        price = self._own(market, taking.time)
        if price is None or mark is None:
            return (mark, mark) if mark is not None else (price, price)
        return mark, price


def _usd(price: int) -> str:
    return f"{Decimal(price).scaleb(-8).normalize():,f}"


def _value(value: int) -> str:
    """1e-16 USD in cents: for people, nothing is decided by it."""
    return f"{Decimal(value).scaleb(-16):,.2f} USD"
