"""Positions closed for good, as the design has it: of a settled market at its final price, and of a venue that is wound
down at every market's last good mark. Everybody in a market closes at one price and one funding index."""

from __future__ import annotations

from collections.abc import Sequence

from tests.model.clearinghouse import Clearinghouse
from tests.model.margin import Position, pending
from tests.model.numbers import COLLATERAL, down

#: What is told of one position: account, size, what it got for it, funding, what insurance paid.
Told = tuple[str, int, int, int, int]


def settle_refusals(house: Clearinghouse, market: int, now: int) -> set[str]:
    if market >= len(house.markets):
        return {"MARKET: not listed"}
    reasons = set()
    if not house.closings.wound_down_at and not house.allows("settle positions", now):
        reasons.add("MODE: halted")
    if market not in house.closings.at:
        if house.oracle.markets[market].status != "Settled":
            reasons.add("SETTLE: market not settled")
        if market in house.broken:
            reasons.add("FUNDING: broken")
    return reasons


def settle_positions(house: Clearinghouse, market: int, names: Sequence[str]) -> list[Told]:
    if market not in house.closings.at:
        house.closings.at[market] = (house.oracle.markets[market].price, house.index[market])
    told = [close(house, market, name) for name in names if house.account(name).position(market).size]
    if told and house.interest(market) == (0, 0):
        # Longs were rounded down and shorts up.
        pot = house.closings.pots.pop(market, 0)
        house.ledger.funding -= pot
        house.ledger.insurance += pot
    return told


def close(house: Clearinghouse, market: int, name: str) -> Told:
    account, (price, index) = house.account(name), house.closings.at[market]
    position = account.position(market)
    value = position.size * price
    # Floor in both directions: a long gets less, a short pays more.
    quote = down(value, COLLATERAL)
    funding = 0 if index is None else down(pending(position, index), COLLATERAL)
    account.collateral += quote + funding
    account.put(market, Position())
    house.ledger.funding -= quote + funding
    house.closings.pots[market] = house.closings.pots.get(market, 0) - quote
    covered = 0
    if not account.positions and account.collateral < 0:
        covered = min(-account.collateral, max(0, house.ledger.insurance))
        account.collateral += covered
        house.ledger.insurance -= covered
    return name, position.size, quote, funding, covered


def wind_down(house: Clearinghouse, now: int) -> None:
    """Once, and for good: every market at its last good mark and its last proven index."""
    if house.closings.wound_down_at:
        return
    house.closings.wound_down_at = now
    for market, mark in enumerate(house.oracle.markets):
        if mark.price and market not in house.closings.at:
            index = house.checkpoints[market] if market in house.broken else house.index[market]
            house.closings.at[market] = (mark.price, index)


def escape_refusals(house: Clearinghouse, name: str, epoch: int, now: int) -> set[str]:
    """Who leaves a venue that was Halted for long, whatever the oracle says."""
    reasons = set()
    if epoch != house.epoch:
        reasons.add("EPOCH: another epoch")
    if house.mode != "Halted":
        reasons.add("ESCAPE: not halted")
    if now < house.mode_since + house.outflow.escape_delay:
        reasons.add("ESCAPE: too early")
    return reasons


def leave_refusals(house: Clearinghouse, name: str, amount: int, now: int) -> set[str]:
    """Of an account that is flat by now."""
    reasons = house.outflow_refusals(amount, now) if amount else set()
    if amount and amount > house.account(name).collateral:
        reasons.add("ESCAPE: more than is left")
    if amount and house.owed.get(name):
        reasons.add("MONEY: owes insurance")
    return reasons
