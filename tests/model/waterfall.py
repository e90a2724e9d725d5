"""Behind the liquidators, as the design has it: the backstop into the vault's account, insurance, and deleveraging
against counterparties, each at the bankruptcy price or better.

V and R (maintenance) are those of a liquidation: what is not Valid, or Valid again for less than the grace time, counts
at the account's favourable price and asks for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.model.clearinghouse import Clearinghouse
from tests.model.liquidation import cost, settled, transfer
from tests.model.margin import Account, Basis, Margin, Position, healthier
from tests.model.numbers import COLLATERAL, down, up
from tests.model.storm import NOTHING_LEFT, fitting

Event = tuple[str, Mapping[str, Any]]

#: In an event: the account as a whole.
NO_MARKET = 255
VAULT = "vault"
#: R/V is ranked in millionths; who has nothing ranks above everybody.
PARTS, TOP = 10**6, 2**128 - 1
#: How often a size is cut in proportion to what can be paid.
CUTS = 8


@dataclass(frozen=True)
class Part:
    """Some of a position that changes hands: what it costs, and V and R of the account afterwards."""

    size: int
    discount: int
    penalty: int
    #: What the account is paid beyond the mark.
    relief: int
    margin: Margin


@dataclass(frozen=True)
class Offer:
    """What the vault takes of a position, and who pays for it."""

    part: Part
    account: Account
    taker: Account
    funding: int
    from_vault: int
    from_insurance: int
    #: The storm bucket is to blame that it is not all.
    short: bool


def deep(margin: Margin) -> bool:
    """No liquidator has a reason to come: V < R/3."""
    return margin.value < 0 or 3 * margin.value < margin.maintenance


def opening_refusals(house: Clearinghouse, epoch: int, now: int) -> set[str]:
    reasons = set()
    if epoch != house.epoch:
        reasons.add("EPOCH: another epoch")
    if not house.allows("liquidate", now):
        reasons.add("MODE: not allowed")
    if now < house.full_since + house.params.grace_secs:
        reasons.add("LIQUIDATION: venue in grace")
    return reasons


def market_refusals(house: Clearinghouse, market: int, now: int) -> set[str]:
    reasons = set()
    if not house.is_valid(market, now):
        reasons.add("LIQUIDATION: market not valid")
    if house.in_grace(market, now):
        reasons.add("LIQUIDATION: market in grace")
    return reasons


def seen(house: Clearinghouse, account: Account, basis: Basis, now: int) -> Margin:
    excused = [number for number in account.positions if house.in_grace(number, now)]
    return house.margin(account, basis, now, excused)


def diagnosis_refusals(house: Clearinghouse, account: Account, now: int) -> set[str]:
    reasons = set()
    if house.holds_broken(account):
        reasons.add("FUNDING: broken")
    if any(house.is_valid(m, now) and house.oracle.markets[m].checkpoint[0] == 0 for m in account.positions):
        reasons.add("LIQUIDATION: no checkpoint")
    return reasons


# The backstop


def backstop(house: Clearinghouse, caller: str, name: str, epoch: int, now: int) -> tuple[set[str], list[Event]]:
    """Hands an account over, or notes that it was seen under water, or says why neither."""
    reasons = opening_refusals(house, epoch, now)
    if name == caller:
        reasons.add("BACKSTOP: own account")
    if name == VAULT:
        reasons.add("BACKSTOP: the vault")
    account = house.account(name)
    reasons |= diagnosis_refusals(house, account, now)
    if reasons:
        return reasons, []
    marks, then = seen(house, account, Basis.FAVOURABLE, now), seen(house, account, Basis.CHECKPOINT, now)
    if marks.meets_maintenance:
        reasons.add("BACKSTOP: healthy")
    if then.meets_maintenance:
        reasons.add("BACKSTOP: was healthy")
    if reasons:
        return reasons, []
    if not (deep(marks) and deep(then)):
        since = _sighting(house, name, now)
        if since is None:
            house.seen[name] = now
            return set(), [("SeenUnderWater", {"value": marks.value, "requirement": marks.maintenance})]
        if now - since < house.storm.params.backstop_secs:
            return {"BACKSTOP: too early"}, []
    return _take_all(house, name, now)


def _sighting(house: Clearinghouse, name: str, now: int) -> int | None:
    """When it was seen under water: that counts if everybody could act since, and lapses after twice the time."""
    since = house.seen.get(name, 0)
    markets = [house.oracle.markets[number].valid_since for number in house.account(name).positions]
    reopened = max([house.full_since, *markets]) + house.params.grace_secs
    counts = since and since >= reopened and now - since <= 2 * house.storm.params.backstop_secs
    return since if counts else None


def _take_all(house: Clearinghouse, name: str, now: int) -> tuple[set[str], list[Event]]:
    if house.holds_broken(house.account(VAULT)):
        return {"FUNDING: broken"}, []
    events: list[Event] = []
    refusals: list[tuple[int, set[str]]] = []
    changed = False
    # What insurance gets by this very call does not pay for it.
    insurance = max(0, house.ledger.insurance)
    for market in sorted(house.account(name).positions):
        if house.mode != "Full":
            refusals.append((market, {"MODE: not allowed"}))
            continue
        why, offer = offer_to_vault(house, house.account(name), market, insurance, now)
        if offer is None:
            refusals.append((market, why))
            if why == {NOTHING_LEFT}:
                changed |= house.ration(market, 0, now, short=True)
            continue
        events.append(("Backstopped", _told(house, name, market, offer)))
        price = house.oracle.markets[market].price
        insurance -= offer.from_insurance
        house.losses.pour(offer.from_vault, now)
        house.bad_debt["vault"] += offer.from_vault
        house.bad_debt["insurance"] += offer.from_insurance
        house.ledger.insurance += offer.part.penalty - offer.from_insurance
        _commit(house, name, offer.account, VAULT, offer.taker, offer.part.size * price, offer.funding)
        house.ration(market, offer.part.size * price, now, short=offer.short)
        changed = True
    account = house.account(name)
    if not account.positions and account.collateral < 0:
        paid = min(-account.collateral, insurance)
        if paid:
            account.collateral += paid
            house.ledger.insurance -= paid
            house.bad_debt["insurance"] += paid
            events.append(("DebtPaid", {"amount": paid, "left": -account.collateral}))
            changed = True
        else:
            refusals.append((NO_MARKET, {"BACKSTOP: no insurance"}))
    if not changed:
        return refusals[0][1], []
    events += [("BackstopRefused", {"market": market, "reason": frozenset(why)}) for market, why in refusals]
    return set(), events


def _told(house: Clearinghouse, name: str, market: int, offer: Offer) -> Mapping[str, Any]:
    was_long = house.account(name).position(market).size > 0
    return {
        "market": market,
        "size": offer.part.size if was_long else -offer.part.size,
        "discount": offer.part.discount,
        "penalty": offer.part.penalty,
        "loss": offer.from_vault,
        "insurance": offer.from_insurance,
        "value_after": offer.part.margin.value,
        "requirement_after": offer.part.margin.maintenance,
    }


def offer_to_vault(
    house: Clearinghouse, account: Account, market: int, insurance: int, now: int
) -> tuple[set[str], Offer | None]:
    """As much of a position as the ration, the loss cap and insurance allow; or why none of it."""
    if reasons := market_refusals(house, market, now):
        return reasons, None
    params, price = house.markets[market], house.oracle.markets[market].price
    patient, funding = settled(house, account, market)
    whole = abs(patient.position(market).size)
    rationed = fitting(whole, whole, params.lot_size, price, house.ration_left(market, now))
    if rationed == 0:
        return {NOTHING_LEFT}, None
    room = house.losses.room(now)
    size = rationed
    for _ in range(CUTS):
        need = part_of(house, patient, market, size, now).relief
        if need <= room + insurance:
            break
        size = size * (room + insurance) // need // params.lot_size * params.lot_size
        if size == 0:
            break
    else:
        size = 0
    if size == 0:
        return {"BACKSTOP: beyond the loss cap"}, None
    part = part_of(house, patient, market, size, now, params.discount_bps, params.penalty_bps)
    reasons = _worse_refusals(house, patient, part, now)
    from_vault = min(part.relief, room)
    taker, taker_funding = settled(house, house.account(VAULT), market)
    held = abs(taker.position(market).size)
    is_long = patient.position(market).size > 0
    after = _given(patient, market, is_long, part, price)
    taker = _taken(house, taker, market, is_long, part, part.discount - from_vault)
    grown = abs(taker.position(market).size)
    if grown > held and grown > params.max_position:
        reasons.add("CAP: position")
    if not house.margin(taker, Basis.WORST, now).meets_initial:
        reasons.add("BACKSTOP: vault margin")
    if reasons:
        return reasons, None
    short = rationed != whole and size == rationed
    return set(), Offer(part, after, taker, funding + taker_funding, from_vault, part.relief - from_vault, short)


def part_of(
    house: Clearinghouse,
    patient: Account,
    market: int,
    size: int,
    now: int,
    discount_bps: int = 0,
    penalty_bps: int = 0,
) -> Part:
    """What a part of a position changes hands for: V'/R' is not below V/R, by costs while the account has something, by
    relief where it has not; of an account that gives all, V' is not below 0."""
    before = seen(house, patient, Basis.FAVOURABLE, now)
    price = house.oracle.markets[market].price
    moved_account = patient.copy()
    transfer(moved_account, market, patient.position(market).size > 0, size, price)
    moved = seen(house, moved_account, Basis.FAVOURABLE, now)
    target = up(before.value * moved.maintenance, before.maintenance) if moved.maintenance else 0
    room = max(0, moved.value - target)
    discount, room = cost(size * price, discount_bps, room)
    penalty, _ = cost(size * price, penalty_bps, room)
    relief = max(0, up(target - moved.value, COLLATERAL))
    value = moved.value + (relief - discount - penalty) * COLLATERAL
    return Part(size, discount, penalty, relief, Margin(value, moved.initial, moved.maintenance))


def _worse_refusals(house: Clearinghouse, patient: Account, part: Part, now: int) -> set[str]:
    before = seen(house, patient, Basis.FAVOURABLE, now)
    good = part.margin.meets_maintenance or healthier(before, part.margin)
    return set() if good else {"WATERFALL: not healthier"}


def _given(patient: Account, market: int, is_long: bool, part: Part, price: int) -> Account:
    after = patient.copy()
    transfer(after, market, is_long, part.size, price)
    after.collateral += part.relief - part.discount - part.penalty
    return after


def _taken(house: Clearinghouse, taker: Account, market: int, was_long: bool, part: Part, cash: int) -> Account:
    """The one who gets it: pays rounded up, is paid rounded down."""
    after = taker.copy()
    held, notional = after.position(market).size, part.size * house.oracle.markets[market].price
    after.collateral += cash + (-up(notional, COLLATERAL) if was_long else down(notional, COLLATERAL))
    after.put(market, Position(held + (part.size if was_long else -part.size), house.index[market]))
    return after


def _commit(
    house: Clearinghouse, name: str, account: Account, taker_name: str, taker: Account, notional: int, funding: int
) -> None:
    house.accounts[name], house.accounts[taker_name] = account, taker
    house.seen.pop(name, None)
    house.seen.pop(taker_name, None)
    house.ledger.funding -= funding
    house.ledger.insurance += up(notional, COLLATERAL) - down(notional, COLLATERAL)


# Deleveraging


def deleverage(
    house: Clearinghouse, caller: str, name: str, market: int, others: Sequence[str], epoch: int, now: int
) -> tuple[set[str], list[Event]]:
    """Closes what is left of an account against counterparties, the most leveraged first. Refused: nothing changes."""
    reasons = opening_refusals(house, epoch, now)
    if caller != "operator":
        reasons.add("ACCESS: not the operator")
    account = house.account(name)
    position = account.position(market)
    if market < len(house.markets):
        reasons |= market_refusals(house, market, now)
    if position.size == 0:
        return reasons | {"DELEVERAGE: no position"}, []
    reasons |= diagnosis_refusals(house, account, now)
    if reasons:
        return reasons, []
    marks, then = seen(house, account, Basis.FAVOURABLE, now), seen(house, account, Basis.CHECKPOINT, now)
    if name == VAULT:
        bankrupt = not marks.meets_maintenance and not then.meets_maintenance
    else:
        bankrupt = marks.value < 0 and deep(then)
        if house.holds_broken(house.account(VAULT)):
            reasons.add("FUNDING: broken")
        elif offer_to_vault(house, account, market, max(0, house.ledger.insurance), now)[1] is not None:
            reasons.add("DELEVERAGE: the backstop first")
    if not bankrupt:
        reasons.add("DELEVERAGE: not bankrupt")
    if reasons:
        return reasons, []
    price, whole = house.oracle.markets[market].price, abs(position.size)
    allowed = fitting(whole, whole, house.markets[market].lot_size, price, house.ration_left(market, now))
    if allowed == 0:
        if house.ration(market, 0, now, short=True):
            return set(), [("LiquidationRefused", {"market": market, "reason": frozenset({NOTHING_LEFT})})]
        return {NOTHING_LEFT}, []
    saved = {party: house.account(party).copy() for party in {name, *others}}
    ledger, debt, sightings = house.ledger.copy(), dict(house.bad_debt), dict(house.seen)
    left, events = allowed, []
    why: set[str] = set()
    for told in _closed(house, name, market, others, allowed, now):
        if isinstance(told, set):
            why = told
            break
        events.append(("Deleveraged", told))
        left -= abs(told["size"])
    if not events and not why:
        why = {"DELEVERAGE: no counterparty"}
    if why:
        house.accounts |= saved
        house.ledger, house.bad_debt, house.seen = ledger, debt, sightings
        return why, []
    house.ration(market, (allowed - left) * price, now, short=allowed != whole and left == 0)
    return set(), events


def _closed(
    house: Clearinghouse, name: str, market: int, others: Sequence[str], allowed: int, now: int
) -> Iterator[Mapping[str, Any] | set[str]]:
    """What is told of each counterparty, or why one is refused, which ends it."""
    price, last = house.oracle.markets[market].price, TOP
    for other in others:
        if allowed == 0:
            return
        patient, funding = settled(house, house.account(name), market)
        is_long = patient.position(market).size > 0
        if house.holds_broken(house.account(other)):
            yield {"FUNDING: broken"}
            return
        counterparty, their_funding = settled(house, house.account(other), market)
        theirs = counterparty.position(market).size
        if theirs == 0 or (theirs > 0) == is_long:
            yield {"DELEVERAGE: not the other side"}
            return
        part = part_of(house, patient, market, min(allowed, abs(theirs)), now)
        before = house.margin(counterparty, Basis.MARK, now)
        after = _taken(house, counterparty, market, is_long, part, -part.relief)
        margin = house.margin(after, Basis.MARK, now)
        rank = TOP if before.value <= 0 else min(TOP, before.maintenance * PARTS // before.value)
        reasons = _worse_refusals(house, patient, part, now)
        if not margin.meets_maintenance and not healthier(before, margin):
            reasons.add("DELEVERAGE: counterparty worse")
        if rank > last:
            reasons.add("DELEVERAGE: out of rank")
        if reasons:
            yield reasons
            return
        last, allowed = rank, allowed - part.size
        house.bad_debt["deleveraged"] += part.relief
        given = _given(patient, market, is_long, part, price)
        _commit(house, name, given, other, after, part.size * price, funding + their_funding)
        yield {
            "market": market,
            "size": part.size if is_long else -part.size,
            "rank": rank,
            "loss": part.relief,
            "value_after": part.margin.value,
            "requirement_after": part.margin.maintenance,
            "counterparty_value_after": margin.value,
            "counterparty_requirement_after": margin.maintenance,
        }
