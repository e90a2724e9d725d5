"""`truemark.risk` and `truemark.waterfall` against the Cairo rules on a node: equal to the unit on random inputs and at
every edge.

The contract answers in batches, so one run of hundreds of cases costs a few dozen calls.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any, TypeVar

import pytest
from truemark import risk, waterfall
from truemark.contract import Contract
from truemark.funding import accrual
from truemark.risk import Holding, LiquidationCase, LiquidationTerms, MarginTier, Tiers
from truemark.units import U64_MAX, U128_MAX

pytestmark = pytest.mark.node

T = TypeVar("T")

#: Cases of one call: far inside what a node lets a call spend.
BATCH = 40
I64_MAX = 2**63 - 1
I128_MAX = 2**127 - 1
#: Largest |size x price| of a position; 1e-16 USD.
MAX_POSITION_VALUE = 2**100
#: Value of one USD, and of one unit of collateral; 1e-16 USD.
USD = 10**16
UNIT = 10**10
#: The seed of `make test`, and how many cases it has; the deep runs take other seeds and more.
SEED, FEW, MANY = 20_260_119, 400, 8_000
runs = pytest.mark.parametrize(
    ("seed", "count"),
    [(SEED, FEW), *(pytest.param(SEED + number, MANY, marks=pytest.mark.deep) for number in (1, 2))],
)


class Draw:
    """Random inputs of every order of magnitude, edges among them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def magnitude(self, limit: int) -> int:
        """In [0, limit]: one in ten is an end of it, the others are spread evenly over their number of bits."""
        if limit == 0 or self.random.random() < 0.1:
            return self.random.choice([0, min(1, limit), max(limit - 1, 0), limit])
        return self.random.getrandbits(self.random.randint(1, limit.bit_length())) % (limit + 1)

    def signed(self, limit: int) -> int:
        return self.random.choice([-1, 1]) * self.magnitude(limit)

    def bps(self, limit: int = 10_000) -> int:
        return self.random.choice([0, 1, limit, self.random.randint(0, limit), self.random.randint(0, limit)])

    def tiers(self) -> Tiers:
        """One to three tiers, the rest empty; now and then none."""
        used = self.random.choice([0, 1, 1, 2, 3, 3])
        bound, made = 0, []
        for number in range(3):
            last = number >= used - 1
            bound += 1 + self.magnitude(10**9)
            made.append(MarginTier(0 if last else bound, self.bps(), self.bps()) if number < used else risk.NO_TIER)
        return made[0], made[1], made[2]

    def price(self) -> int:
        return max(1, self.magnitude(self.random.choice([10**6, 10**13, U64_MAX])))

    def size(self, price: int, limit: int = MAX_POSITION_VALUE) -> int:
        """Whatever a position at this price can be; above 0."""
        return max(1, self.magnitude(min(I64_MAX, limit // price)))

    def holding(self) -> Holding:
        price = self.price()
        size = self.random.choice([-1, 1]) * self.size(price)
        return Holding(size, price, self.signed(2 ** self.random.choice([40, 80, 119])), self.tiers())

    def liquidation(self) -> tuple[LiquidationCase, LiquidationTerms, int]:
        """An account that holds other markets too, mostly under water."""
        lot = self.random.choice([1, 10, 1_000, 10_000_000])
        price = self.price()
        size = self.size(price, 2 ** self.random.choice([60, 75, 90]))
        tiers = self.tiers()
        rest = self.magnitude(2 ** self.random.choice([1, 70, 100]))
        requirement = risk.requirement_of(rest + risk.position_requirement(size * price, tiers)[1])
        terms = LiquidationTerms(lot, self.bps(500), self.bps(500), self.random.choice([0, 1, 10, 10_000]))
        signed = self.random.choice([-1, 1]) * size
        share = self.random.choice([self.random.random(), self.random.random() * 1.3, 0.0, -0.2])
        value = int(requirement * share) + self.random.randint(-2, 2)
        case = LiquidationCase(value, requirement, rest, signed, price, tiers)
        if self.random.random() < 0.5:
            case = self.at_the_target(case, terms)
        most = self.random.choice([U64_MAX, size, self.magnitude(size), lot, lot - 1])
        return case, terms, most

    def at_the_target(self, case: LiquidationCase, terms: LiquidationTerms) -> LiquidationCase:
        """A value at which a multiple of 20% just brings V/R to 1.11, or just does not."""
        whole = abs(case.size)
        size = -(-whole * self.random.randint(1, 4) // (5 * terms.lot_size)) * terms.lot_size
        if size >= whole:
            return case
        _, requirement_after, notional = risk.after_transfer(case, size)
        costs = sum(risk.cash_down(risk.share_down(notional, bps)) for bps in (terms.discount_bps, terms.penalty_bps))
        enough = -(-requirement_after * 111 // 100) + costs * UNIT + risk.transfer_loss(case.size > 0, notional)
        return replace(case, value=enough + self.random.choice([-1, 0]))


def many(count: int, make: Callable[[], T]) -> list[T]:
    return [make() for _ in range(count)]


async def answers(contract: Contract, function: str, cases: Sequence[Any], batch: int = BATCH) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(cases), batch):
        found.extend(await contract.read(function, list(cases[start : start + batch])))
    assert len(found) == len(cases)
    return found


def same(cases: Sequence[Any], told: Sequence[Any], mine: Sequence[Any]) -> None:
    """Names the first case on which the two differ."""
    for case, theirs, ours in zip(cases, told, mine, strict=True):
        assert theirs == ours, f"{case}: the contract says {theirs}, the client {ours}"


def health(value: int, requirement: int, value_after: int, requirement_after: int) -> dict[str, int]:
    return {
        "value": value,
        "requirement": requirement,
        "value_after": value_after,
        "requirement_after": requirement_after,
    }


@runs
async def test_margins_are_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)
    cases: list[tuple[int, list[Holding]]] = [(0, []), (-1, [])]
    cases += many(count // 4, lambda: (draw.signed(2**90), many(draw.random.choice([1, 1, 2, 5, 20]), draw.holding)))
    # Twenty positions of the largest value, all of it required: what the rules promise to hold without a panic.
    whole = (MarginTier(0, 10_000, 10_000), risk.NO_TIER, risk.NO_TIER)
    cases += [(sign * 2**90, [Holding(sign * 2**62, 2**38, sign * 2**119, whole)] * 20) for sign in (-1, 1)]
    told = await answers(
        rules_parity,
        "margins",
        [{"collateral": collateral, "holdings": [asdict(one) for one in holdings]} for collateral, holdings in cases],
        batch=10,
    )
    same(cases, told, [asdict(risk.margin(collateral, holdings)) for collateral, holdings in cases])


def tiers_of(tiers: Sequence[dict[str, int]]) -> Tiers:
    first, second, third = (MarginTier(**tier) for tier in tiers)
    return first, second, third


@runs
async def test_requirements_are_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)
    cases = []
    for _ in range(count):
        tiers = draw.tiers()
        bounds = [tier.upto * USD + step for tier in tiers for step in (-1, 0, 1) if tier.upto]
        value = draw.random.choice([draw.magnitude(MAX_POSITION_VALUE), *bounds])
        cases.append({"value": value, "tiers": tuple(asdict(tier) for tier in tiers)})
    told = await answers(rules_parity, "position_requirements", cases)
    same(cases, told, [risk.position_requirement(case["value"], tiers_of(case["tiers"])) for case in cases])


@runs
async def test_pending_funding_is_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)
    # Each sign, on and beside a whole unit; then what needs more than 128 bits on the way.
    cases = [(size, change) for size in (-1, 1) for change in (-(10**8) - 1, -(10**8), -1, 0, 1, 10**8, 10**8 + 1)]
    cases += [(size, change) for size in (-(2**63), I64_MAX) for change in (-(2**88), -(2**80) + 1, 2**80 - 1, 2**88)]
    # In range: the result fits 128 bits.
    cases += many(count, lambda: (draw.signed(I64_MAX), draw.signed(2 ** draw.random.choice([20, 50, 70, 88]))))
    told = await answers(rules_parity, "pending_fundings", [{"size": size, "change": change} for size, change in cases])
    same(cases, told, [risk.pending_funding(size, change) for size, change in cases])


@runs
async def test_health_is_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)

    def case() -> dict[str, int]:
        limit = 2 ** draw.random.choice([3, 3, 60, 126])
        return health(draw.signed(limit), draw.magnitude(limit), draw.signed(limit), draw.magnitude(limit))

    def same_ratio() -> dict[str, int]:
        """V/R as it was, or a unit beside it."""
        factor, value, requirement = 1 + draw.magnitude(2**40), draw.signed(2**80), draw.magnitude(2**80)
        near = value + draw.random.choice([-1, 0, 0, 1])
        return health(value * factor, requirement * factor, near, requirement)

    cases = many(count, lambda: draw.random.choice([case, same_ratio])())
    cases += [health(v, 1, w, r) for v in (-1, 0, 1) for w in (-1, 0, 1) for r in (0, 1)]
    cases.append(health(-I128_MAX - 1, U128_MAX, I128_MAX, U128_MAX - 1))
    told = await answers(rules_parity, "healths", cases)
    mine = [
        {"healthy": risk.is_healthy(case["value"], case["requirement"]), "healthier": risk.healthier(**case)}
        for case in cases
    ]
    same(cases, told, mine)


@runs
async def test_liquidation_costs_are_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)

    def case() -> dict[str, Any]:
        limit = 2 ** draw.random.choice([4, 40, 80, 105])
        requirement = draw.magnitude(limit)
        after = draw.magnitude(requirement) if draw.random.random() < 0.9 else draw.magnitude(limit)
        value = draw.random.choice([draw.magnitude(limit), requirement, -draw.magnitude(limit)])
        return {
            "health": health(value, requirement, value - draw.magnitude(min(UNIT, limit)), after),
            "notional": draw.magnitude(MAX_POSITION_VALUE),
            "discount_bps": draw.bps(1_000),
            "penalty_bps": draw.bps(1_000),
        }

    cases = many(count, case)
    # V x R' / R that does not fit 128 bits: nothing is taken.
    cases.append(
        {"health": health(2**126, 1, 2**126, U128_MAX), "notional": 2**100, "discount_bps": 1, "penalty_bps": 1}
    )
    told = await answers(rules_parity, "liquidation_costs", cases)
    mine = []
    for one in cases:
        discount, penalty = risk.liquidation_costs(
            **one["health"],
            notional=one["notional"],
            discount_bps=one["discount_bps"],
            penalty_bps=one["penalty_bps"],
        )
        mine.append({"discount": discount, "penalty": penalty})
    same(cases, told, mine)


@runs
async def test_liquidations_are_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)
    cases = many(count, draw.liquidation)
    told = await answers(
        rules_parity,
        "liquidations",
        [{"case": asdict(case), "terms": asdict(terms), "max_size": most} for case, terms, most in cases],
    )
    mine = []
    for case, terms, most in cases:
        size = risk.liquidation_size(case, terms, most)
        value_after, requirement_after, notional = risk.after_transfer(case, size)
        discount, penalty = risk.costs_at(case, terms, size)
        mine.append(
            {
                "size": size,
                "value_after": value_after,
                "requirement_after": requirement_after,
                "notional": notional,
                "costs": {"discount": discount, "penalty": penalty},
            }
        )
    same(cases, told, mine)
    # The cases are worth their name: whole positions, parts of them and nothing at all are among them.
    taken = {(one["size"] == 0, one["size"] == abs(case.size)) for (case, _, _), one in zip(cases, mine, strict=True)}
    assert taken == {(True, False), (False, True), (False, False)}


@runs
async def test_cash_is_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)
    values = [value + step for value in (-UNIT, 0, UNIT) for step in (-1, 0, 1)]
    values += many(count, lambda: draw.signed(2 ** draw.random.choice([33, 34, 100, 127]) - 1))
    cases = [{"value": value, "notional": draw.magnitude(2**114), "bps": draw.bps()} for value in values]
    told = await answers(rules_parity, "cash", cases)
    mine = [
        {
            "down": risk.cash_down(abs(case["value"])),
            "up": risk.cash_up(abs(case["value"])),
            "floor": risk.cash_floor(case["value"]),
            "fee": risk.fee(case["notional"], case["bps"]),
            "share": risk.share_down(case["notional"], case["bps"]),
        }
        for case in cases
    ]
    same(cases, told, mine)


@runs
async def test_bands_are_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)

    def case() -> dict[str, int]:
        mark, bps = draw.magnitude(draw.random.choice([20_000, U64_MAX])), draw.bps()
        edge = mark + draw.random.choice([-1, 1]) * (mark * bps // 10_000) + draw.random.choice([-1, 0, 1])
        price = draw.random.choice([draw.magnitude(U64_MAX), min(max(edge, 0), U64_MAX)])
        return {"price": price, "mark": mark, "bps": bps}

    cases = many(count, case)
    told = await answers(rules_parity, "bands", cases)
    same(cases, told, [(risk.within_band(**case),) * 2 for case in cases])


@runs
async def test_storm_buckets_are_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)

    def case() -> dict[str, Any]:
        mark = draw.price()
        lot = draw.random.choice([1, 10, 1_000, 10_000_000])
        whole = draw.size(mark, 2 ** draw.random.choice([60, 75, 90]))
        size = draw.random.choice([whole, min(whole, -(-whole // 5)), max(1, draw.magnitude(whole))])
        interest = draw.random.choice([whole, draw.magnitude(U64_MAX), 0])
        floor = draw.random.choice([0, draw.magnitude(2**97), max(0, size * mark + draw.random.choice([-1, 0, 1]))])
        terms = {"window": draw.random.choice([0, 1, 300, 2_592_000]), "bps": draw.bps(), "floor": floor}
        since = draw.magnitude(2**40)
        now = max(0, since + draw.random.choice([-1, 0, 1, 299, 300, 2_592_000]))
        used = draw.random.choice([0, draw.magnitude(2**100), floor, max(0, floor - size * mark // 3)])
        storm = {"used": used, "since": since, "dry": draw.random.random() < 0.5}
        sizes = {"interest": interest, "mark": mark, "size": size, "whole": whole, "lot": lot}
        return {"storm": storm, "terms": terms, "now": now, **sizes}

    cases = many(count, case)
    told = await answers(rules_parity, "storms", cases)
    mine = []
    for one in cases:
        terms = waterfall.StormTerms(**one["terms"])
        now = waterfall.storm_now(waterfall.Storm(**one["storm"]), terms, one["now"])
        limit = waterfall.storm_limit(terms, one["interest"], one["mark"])
        left = waterfall.storm_left(now, limit)
        cut = waterfall.storm_cut(one["size"], one["whole"], one["lot"], one["mark"], left)
        after = waterfall.storm_after(now, cut * one["mark"], cut != one["size"])
        mine.append({"limit": limit, "left": left, "cut": cut, "after": asdict(after)})
    same(cases, told, mine)
    # Wholes, parts and nothing at all are among them.
    cuts = {(answer["cut"] == 0, answer["cut"] == one["size"]) for one, answer in zip(cases, mine, strict=True)}
    assert cuts == {(True, False), (False, True), (False, False)}


@runs
async def test_reliefs_are_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)

    def case() -> dict[str, int]:
        limit = 2 ** draw.random.choice([3, 40, 80, 126])
        requirement = draw.magnitude(limit)
        value = draw.signed(limit)
        after = draw.random.choice([value, value - draw.magnitude(min(UNIT, limit)), draw.signed(limit)])
        left = draw.magnitude(requirement) if draw.random.random() < 0.9 else draw.magnitude(limit)
        return health(value, requirement, after, left)

    cases = many(count, case)
    cases += [health(v, r, w, s) for v in (-1, 0, 1) for w in (-1, 0, 1) for r in (0, 1, 2) for s in (0, 1, 2)]
    cases.append(health(-I128_MAX - 1, U128_MAX, -I128_MAX - 1, 0))
    told = await answers(rules_parity, "reliefs", cases)
    same(cases, told, [waterfall.relief(**case) for case in cases])


@runs
async def test_backstops_are_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)

    def case() -> dict[str, Any]:
        case, terms, _ = draw.liquidation()
        if draw.random.random() < 0.7:
            case = replace(case, value=-draw.magnitude(max(case.requirement, 1)))
        size = draw.random.choice([abs(case.size), max(1, draw.magnitude(abs(case.size)))])
        need = waterfall.relief_at(case, size)
        budget = max(0, draw.random.choice([need, need - 1, need // 2, draw.magnitude(need + 1), 0]))
        room = draw.magnitude(budget)
        return {
            "case": asdict(case),
            "lot": terms.lot_size,
            "size": size,
            "room": room,
            "insurance": budget - room,
        }

    cases = many(count, case)
    told = await answers(rules_parity, "backstops", cases)
    mine = []
    for one in cases:
        fields = {**one["case"], "tiers": tiers_of(one["case"]["tiers"])}
        what = LiquidationCase(**fields)
        need = waterfall.relief_at(what, one["size"])
        budget = one["room"] + one["insurance"]
        paid = waterfall.payers(need, one["room"], one["insurance"])
        affordable = waterfall.affordable_size(what, one["lot"], one["size"], budget)
        mine.append(
            {
                "deep": waterfall.is_deep(what.value, what.requirement),
                "need": need,
                "affordable": affordable,
                "payers": None if paid is None else asdict(paid),
                "rank": waterfall.leverage_rank(what.value, what.requirement),
            }
        )
        # What it is for: never more than the budget, and V/R of what is left does not fall.
        assert affordable == 0 or waterfall.relief_at(what, affordable) <= budget
        value_after, left, _ = risk.after_transfer(what, affordable)
        value_after += waterfall.relief_at(what, affordable) * UNIT
        if left < what.requirement:
            assert risk.healthier(what.value, what.requirement, value_after, left)
    same(cases, told, mine)
    taken = {(one["affordable"] == 0, one["affordable"] == case["size"]) for case, one in zip(cases, mine, strict=True)}
    assert taken == {(True, False), (False, True), (False, False)}


# What the client has no copy of is held to its definition.


@runs
async def test_accruals_are_equal(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)

    def case() -> dict[str, int]:
        return {
            "rate_ppm": draw.signed(draw.random.choice([1_000, 2**31 - 1])),
            "max_rate": draw.magnitude(draw.random.choice([20_000, 2**32 - 1])),
            "gap": draw.magnitude(draw.random.choice([100, U64_MAX])),
            "max_gap": draw.magnitude(draw.random.choice([30, 86_400])),
            "mark": draw.price(),
        }

    cases = many(count, case)
    told = await answers(rules_parity, "accruals", cases)
    same(cases, told, [accrual(*case.values()) for case in cases])


@runs
async def test_reports_agree_as_it_is_defined(rules_parity: Contract, seed: int, count: int) -> None:
    draw = Draw(seed)

    def case() -> dict[str, Any]:
        middle = draw.price()
        width = draw.random.choice([0, middle // 1_000, middle // 50, middle])
        prices = [
            min(U64_MAX, max(1, middle + draw.random.randint(-width, width)))
            for _ in range(draw.random.choice([0, 1, 2, 2, 3, 4, 5, 8, 16]))
        ]
        return {
            "prices": prices,
            "quorum": draw.random.randint(1, 5),
            "max_spread_bps": draw.bps(1_000),
            "last_good": draw.random.choice([0, middle, draw.price(), *prices]),
        }

    def defined(prices: list[int], quorum: int, max_spread_bps: int, last_good: int) -> int | None:
        """The median; of an even count the median of the middle two and the last good mark, if they are close."""
        if not prices or len(prices) < quorum:
            return None
        ordered = sorted(prices)
        low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        if (high - low) * 10_000 > low * max_spread_bps:
            return None
        return median([low, high, last_good])

    cases = many(count, case)
    told = await answers(rules_parity, "agreements", cases)
    same(cases, told, [defined(**case) for case in cases])
