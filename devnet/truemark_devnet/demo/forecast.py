"""Who will be liquidated, said before the day runs: the plan, the figures and `truemark.risk`, no chain.

A round's mark is the median of its three figures, the checkpoint is the mark of the round before, and a liquidation
takes what `truemark.risk.liquidation_size` says at the mark. What a round of faults would have done is left out: the
venue keeps its last good mark through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from truemark.funding import accrual
from truemark.risk import (
    Holding,
    LiquidationCase,
    LiquidationTerms,
    Margin,
    cash_down,
    cash_floor,
    cash_up,
    costs_at,
    fee,
    liquidation_size,
    margin,
    pending_funding,
    position_requirement,
    position_value,
)
from truemark_keeper.sources import PriceTable

from truemark_devnet.demo.book import TraderPlan
from truemark_devnet.demo.plan import (
    ALL_OFF,
    ALL_ZERO,
    FUNDING_RATE_PPM,
    HOUR,
    OPEN,
    REPORTERS,
    fill_price,
    steps,
    wish_size,
)
from truemark_devnet.deploy.venue import tiers_of
from truemark_devnet.profile import MarketProfile, Profile

_USD = 10**6


@dataclass
class _Account:
    collateral: int
    #: market name -> (size, growth at which funding was settled)
    positions: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Forecast:
    """Names in the order in which they are liquidated first, and in which market and round."""

    liquidated: tuple[str, ...]
    first: Mapping[str, tuple[int, str]]


def forecast(traders: Sequence[TraderPlan], profile: Profile, table: PriceTable, end: int) -> Forecast:
    """Runs the day on paper, until `end` (seconds)."""
    markets = {market.name: market for market in profile.markets}
    accounts = {plan.name: _Account(int(plan.deposit) * _USD) for plan in traders if not plan.makes_markets}
    marks = _marks(table, markets, OPEN)
    growth = dict.fromkeys(markets, 0)
    accepted_at = OPEN
    first: dict[str, tuple[int, str]] = {}
    _trade(traders, accounts, markets, marks, growth, OPEN)
    was_valid = True
    for now in steps(end):
        before = marks
        if now not in (ALL_ZERO, ALL_OFF):
            marks = _marks(table, markets, now)
            if was_valid:
                for name, market in markets.items():
                    guard = market.guard
                    growth[name] += accrual(
                        FUNDING_RATE_PPM, guard.max_funding_rate_ppm, now - accepted_at, guard.max_gap, marks[name]
                    )
            accepted_at, was_valid = now, True
            for name, account in accounts.items():
                hit = _liquidate(account, markets, before, marks, growth)
                if hit is not None and name not in first:
                    first[name] = (now, hit)
        else:
            was_valid = False
        _trade(traders, accounts, markets, marks, growth, now)
    return Forecast(tuple(first), first)


def _marks(table: PriceTable, markets: Mapping[str, MarketProfile], now: int) -> dict[str, int]:
    return {name: sorted(table.at(name, reporter, now) for reporter in REPORTERS)[1] for name in markets}


def _trade(
    traders: Sequence[TraderPlan],
    accounts: Mapping[str, _Account],
    markets: Mapping[str, MarketProfile],
    marks: Mapping[str, int],
    growth: Mapping[str, int],
    now: int,
) -> None:
    for plan in traders:
        if plan.makes_markets:
            continue
        account = accounts[plan.name]
        for wish in plan.wishes:
            if now == OPEN + wish.hour * HOUR:
                market = markets[wish.market]
                size = wish_size(plan.deposit, wish.leverage, marks[wish.market], market.lot_size)
                _fill(account, market, size, fill_price(marks[wish.market], market.tick_size), growth)
        if plan.closes_at is not None and now == OPEN + plan.closes_at * HOUR:
            for name, (size, _) in list(account.positions.items()):
                _fill(account, markets[name], -size, fill_price(marks[name], markets[name].tick_size), growth)


def _fill(account: _Account, market: MarketProfile, delta: int, price: int, growth: Mapping[str, int]) -> None:
    size, index = account.positions.get(market.name, (0, 0))
    funding = cash_floor(pending_funding(size, growth[market.name] - index))
    notional = abs(delta) * price
    quote = -cash_up(notional) if delta > 0 else cash_down(notional)
    account.collateral += quote + funding - fee(notional, market.taker_fee_bps)
    _put(account, market.name, size + delta, growth)


def _put(account: _Account, name: str, size: int, growth: Mapping[str, int]) -> None:
    if size:
        account.positions[name] = (size, growth[name])
    else:
        account.positions.pop(name, None)


def _margin(
    account: _Account, markets: Mapping[str, MarketProfile], prices: Mapping[str, int], growth: Mapping[str, int]
) -> Margin:
    return margin(
        account.collateral,
        [
            Holding(size, prices[name], pending_funding(size, growth[name] - index), tiers_of(markets[name]))
            for name, (size, index) in account.positions.items()
        ],
    )


def _liquidate(
    account: _Account,
    markets: Mapping[str, MarketProfile],
    checkpoints: Mapping[str, int],
    marks: Mapping[str, int],
    growth: Mapping[str, int],
) -> str | None:
    """The first market that is taken, the largest position first; None: the account is healthy."""
    hit = None
    tried: set[str] = set()
    while True:
        now = _margin(account, markets, marks, growth)
        then = _margin(account, markets, checkpoints, growth)
        left = [name for name in account.positions if name not in tried]
        if not left or not 0 <= now.value < now.maintenance or then.value >= then.maintenance:
            return hit
        name = max(left, key=lambda item: abs(account.positions[item][0]) * marks[item])
        tried.add(name)
        market, (size, index) = markets[name], account.positions[name]
        funding = cash_floor(pending_funding(size, growth[name] - index))
        account.collateral += funding
        account.positions[name] = (size, growth[name])
        settled = _margin(account, markets, marks, growth)
        rest = sum(
            position_requirement(abs(position_value(other, marks[key])), tiers_of(markets[key]))[1]
            for key, (other, _) in account.positions.items()
            if key != name
        )
        case = LiquidationCase(settled.value, settled.maintenance, rest, size, marks[name], tiers_of(market))
        terms = LiquidationTerms(market.lot_size, market.discount_bps, market.penalty_bps, market.dust_usd)
        taken = liquidation_size(case, terms, abs(size))
        if taken == 0:
            continue
        discount, penalty = costs_at(case, terms, taken)
        notional = taken * marks[name]
        quote = cash_down(notional) if size > 0 else -cash_up(notional)
        account.collateral += quote - discount - penalty
        _put(account, name, size - taken if size > 0 else size + taken, growth)
        hit = hit or name
