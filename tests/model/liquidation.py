"""Liquidation as the design has it: who, when, how much, at what cost."""

from __future__ import annotations

from dataclasses import dataclass

from tests.model.clearinghouse import Clearinghouse
from tests.model.margin import Account, Basis, Margin, Position, healthier, pending
from tests.model.numbers import BPS, COLLATERAL, USD, down, up
from tests.model.storm import NOTHING_LEFT, fitting

#: The ratio V/R that a liquidation wants to reach.
TARGET = (111, 100)


@dataclass(frozen=True)
class Request:
    account: str
    market: int
    max_size: int
    limit: int


@dataclass(frozen=True)
class Deal:
    """What changes hands, and what is left to the account at the mark."""

    size: int
    discount: int
    penalty: int
    margin: Margin


def liquidate(house: Clearinghouse, caller: str, request: Request, now: int) -> tuple[set[str], Deal | None]:
    """Takes a position over, or says why not."""
    reasons = set()
    if request.account == caller:
        reasons.add("LIQUIDATION: own account")
    if request.account == "vault":
        reasons.add("LIQUIDATION: the vault")
    if request.market >= len(house.markets):
        return reasons | {"LIQUIDATION: unknown market"}, None
    mark = house.oracle.markets[request.market]
    if not house.is_valid(request.market, now):
        reasons.add("LIQUIDATION: market not valid")
    if now < house.full_since + house.params.grace_secs:
        reasons.add("LIQUIDATION: venue in grace")
    if house.in_grace(request.market, now):
        reasons.add("LIQUIDATION: market in grace")

    account = house.account(request.account)
    position = account.position(request.market)
    unknown = set()
    if position.size == 0:
        unknown.add("LIQUIDATION: no position")
    if house.holds_broken(account):
        unknown.add("FUNDING: broken")
    if unknown:
        return reasons | unknown, None
    held = [house.oracle.markets[number] for number in account.positions if house.is_valid(number, now)]
    if any(other.checkpoint[0] == 0 for other in held):
        reasons.add("LIQUIDATION: no checkpoint")
    patient, funding = settled(house, account, request.market)
    at_marks = _seen(house, patient, request.market, Basis.FAVOURABLE, now)
    if at_marks.value < 0:
        reasons.add("LIQUIDATION: value below zero")
    elif at_marks.meets_maintenance:
        reasons.add("LIQUIDATION: healthy")
    if _seen(house, patient, request.market, Basis.CHECKPOINT, now).meets_maintenance:
        reasons.add("LIQUIDATION: was healthy")
    if reasons or at_marks.maintenance == 0:
        return reasons, None

    deal = _strike(house, patient, request, at_marks, now)
    if deal.size == 0:
        return {"LIQUIDATION: nothing to take"}, None
    left, lot = house.ration_left(request.market, now), house.markets[request.market].lot_size
    fits = fitting(deal.size, abs(position.size), lot, mark.price, left)
    if fits == 0:
        return {NOTHING_LEFT}, None
    short = fits < deal.size
    if short:
        deal = _deal(house, patient, request.market, fits, at_marks, now)
    if not deal.margin.meets_maintenance and not healthier(at_marks, deal.margin):
        reasons.add("LIQUIDATION: not healthier")
    notional = deal.size * mark.price
    limit = deal.size * request.limit
    if position.size > 0 and notional - deal.discount * COLLATERAL > limit:
        reasons.add("LIQUIDATION: beyond the limit")
    if position.size < 0 and notional + deal.discount * COLLATERAL < limit:
        reasons.add("LIQUIDATION: beyond the limit")
    taker, taker_funding, trouble = _taker(house, caller, request.market, position.size > 0, deal, now)
    reasons |= trouble
    if reasons:
        return reasons, None

    after = patient.copy()
    transfer(after, request.market, position.size > 0, deal.size, mark.price)
    after.collateral -= deal.discount + deal.penalty
    house.accounts[request.account] = after
    house.accounts[caller] = taker
    house.ledger.insurance += deal.penalty + up(notional, COLLATERAL) - down(notional, COLLATERAL)
    house.ledger.funding -= funding + taker_funding
    house.seen.pop(request.account, None)
    house.ration(request.market, notional, now, short=short)
    return set(), deal


def _seen(house: Clearinghouse, account: Account, market: int, basis: Basis, now: int) -> Margin:
    """The margin for a liquidation in one market: another one in grace asks for as little as one that is not Valid."""
    excused = [number for number in account.positions if number != market and house.in_grace(number, now)]
    return house.margin(account, basis, now, excused)


def settled(house: Clearinghouse, account: Account, market: int) -> tuple[Account, int]:
    """The account with the funding of one market settled, and how much that was."""
    position = account.position(market)
    funding = down(pending(position, house.index[market]), COLLATERAL)
    after = account.copy()
    after.collateral += funding
    after.put(market, Position(position.size, house.index[market]))
    return after, funding


def transfer(account: Account, market: int, was_long: bool, size: int, price: int) -> None:
    """Out of the account's position at the mark: it gets rounded down, it pays rounded up."""
    held = account.position(market)
    if was_long:
        account.collateral += down(size * price, COLLATERAL)
        account.put(market, Position(held.size - size, held.index))
    else:
        account.collateral -= up(size * price, COLLATERAL)
        account.put(market, Position(held.size + size, held.index))


def _strike(house: Clearinghouse, patient: Account, request: Request, before: Margin, now: int) -> Deal:
    params, price = house.markets[request.market], house.oracle.markets[request.market].price
    whole = abs(patient.position(request.market).size)

    def at(size: int) -> Deal:
        return _deal(house, patient, request.market, size, before, now)

    if whole * price < params.dust_usd * USD:
        wanted = whole
    else:
        fifths = [up(whole * count, 5 * params.lot_size) * params.lot_size for count in range(1, 5)]
        sizes = [*(size for size in fifths if size < whole), whole]
        wanted = next((size for size in sizes if _reaches(at(size).margin)), whole)
    whole_lots = request.max_size - request.max_size % params.lot_size
    return at(wanted if request.max_size >= wanted else whole_lots)


def _reaches(margin: Margin) -> bool:
    return margin.value * TARGET[1] >= margin.maintenance * TARGET[0]


def _deal(house: Clearinghouse, patient: Account, market: int, size: int, before: Margin, now: int) -> Deal:
    """The costs of a size: the discount first, then the penalty, as configured or as much as keeps V/R from falling."""
    params, price = house.markets[market], house.oracle.markets[market].price
    after = patient.copy()
    transfer(after, market, patient.position(market).size > 0, size, price)
    moved = _seen(house, after, market, Basis.FAVOURABLE, now)
    least = up(before.value * moved.maintenance, before.maintenance) if moved.maintenance else 0
    room = max(0, moved.value - least)
    discount, room = cost(size * price, params.discount_bps, room)
    penalty, _ = cost(size * price, params.penalty_bps, room)
    value = moved.value - (discount + penalty) * COLLATERAL
    return Deal(size, discount, penalty, Margin(value, moved.initial, moved.maintenance))


def cost(notional: int, bps: int, room: int) -> tuple[int, int]:
    """In collateral, rounded down, and the room that is left."""
    cost = down(min(notional * bps // BPS, room), COLLATERAL)
    return cost, room - cost * COLLATERAL


def _taker(
    house: Clearinghouse, caller: str, market: int, was_long: bool, deal: Deal, now: int
) -> tuple[Account, int, set[str]]:
    """The caller with the position: it must meet initial margin, and the cap where its own grows."""
    params, price = house.markets[market], house.oracle.markets[market].price
    if house.holds_broken(house.account(caller)):
        return house.account(caller), 0, {"FUNDING: broken"}
    after, funding = settled(house, house.account(caller), market)
    held = after.position(market)
    notional = deal.size * price
    size = held.size + (deal.size if was_long else -deal.size)
    after.collateral += deal.discount
    after.collateral += -up(notional, COLLATERAL) if was_long else down(notional, COLLATERAL)
    after.put(market, Position(size, house.index[market]))
    reasons = set()
    if abs(size) > abs(held.size) and abs(size) > params.max_position:
        reasons.add("CAP: position")
    if not house.margin(after, Basis.WORST, now).meets_initial:
        reasons.add("MARGIN: caller")
    return after, funding, reasons
