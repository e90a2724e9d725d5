"""The keeper's own price: in the interval of the honest whatever a minority says, and never without enough of them."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark_keeper.hours import BadHours, Closing
from truemark_keeper.judging import Anchor, Bounds, Rules, Said, Verdict, aggregate, anchored, weighted_median, within
from truemark_keeper.opinion import MarketRules, Opinion
from truemark_keeper.sources import Quote, SourceError, WatchedSource
from truemark_keeper.validity import TABLE, Action, Validity, allows

NOW = 1_768_777_200
USD = 10**8
MARKET = "BTC-USD-PERP"


def said(price: int, group: str, *, age: int = 0, confidence: int = 5, weight: int = 1, source: str = "") -> Said:
    quote = Quote(MARKET, price, confidence, NOW - age, NOW - age, group)
    return Said(source or group, quote, weight)


def verdict(*items: Said, rules: Rules | None = None, mean: int | None = None, bounds: Bounds | None = None) -> Verdict:
    return aggregate(MARKET, items, rules or Rules(), NOW, mean=mean, bounds=bounds)


def three(price: int = 100 * USD) -> list[Said]:
    return [said(price, name) for name in "abc"]


def test_three_groups_that_agree_have_a_price() -> None:
    found = verdict(said(100 * USD, "a"), said(101 * USD, "b", confidence=9), said(99 * USD, "c", age=3))
    assert (found.validity, found.price, found.reason) == (Validity.VALID, 100 * USD, "")
    # b and c are 100 bps off: two of three are at least that far.
    assert (found.confidence_bps, found.groups, found.observed_at) == (100, ("a", "b", "c"), NOW)


@pytest.mark.parametrize(
    ("items", "validity", "reason"),
    [
        ([], Validity.MISSING, "0 groups agree, 3 are needed"),
        (three()[:2], Validity.MISSING, "2 groups agree, 3 are needed"),
        # Two legs of one venue are one source.
        ([*three()[:2], said(100 * USD, "b", source="b-spot")], Validity.MISSING, "2 groups agree"),
        ([*three()[:2], said(0, "c")], Validity.NON_POSITIVE, "c: the price is 0"),
        ([*three()[:2], said(100 * USD, "c", age=61)], Validity.STALE, "c: seen 61 s ago"),
        ([*three()[:2], said(100 * USD, "c", age=31)], Validity.SKEWED, "c: 31 s behind the newest"),
        ([*three()[:2], said(100 * USD, "c", age=-6)], Validity.SKEWED, "6 s ahead"),
        ([*three()[:2], said(100 * USD, "c", confidence=201)], Validity.TOO_UNCERTAIN, "uncertain by 201 bps"),
        ([*three()[:2], said(102 * USD, "c")], Validity.DIVERGED, "off the median"),
        # The least that would have to be forgiven.
        ([said(1 * USD, "a"), said(0, "b"), said(1 * USD, "c", age=99)], Validity.NON_POSITIVE, "b: the price is 0"),
    ],
)
def test_without_three_there_is_none_and_the_reason_is_named(
    items: list[Said], validity: Validity, reason: str
) -> None:
    found = verdict(*items)
    assert found.validity is validity
    assert reason in found.reason
    assert not found.allows(Action.REPORT)
    assert not found.allows(Action.LIQUIDATE)


def test_the_day_of_two_sources_and_a_factor_of_1000_has_no_average() -> None:
    silent = verdict(said(85_000, "a"), said(85_000_000, "b"))
    assert silent.validity is Validity.MISSING
    assert verdict(*three(85_000), said(85_000_000, "d")).price == 85_000


def test_what_moved_too_far_is_published_but_nobody_is_liquidated_on_it() -> None:
    found = verdict(*three(40 * USD), mean=100 * USD)
    assert found.validity is Validity.TOO_VOLATILE
    assert found.allows(Action.REPORT)
    assert not found.allows(Action.LIQUIDATE)
    assert verdict(*three(51 * USD), mean=100 * USD).validity is Validity.VALID


def test_a_wrong_majority_is_caught_by_bounds_and_by_anchors() -> None:
    wrong = verdict(*three(1_650_000 * USD), bounds=Bounds(USD // 2, 2 * USD))
    assert (wrong.validity, wrong.price) == (Validity.DIVERGED, 1_650_000 * USD)
    ratio = {"X": (Anchor("Y", Fraction(1), Fraction("1.2")),)}
    good = {"X": Verdict("X", Validity.VALID, "", 110), "Y": Verdict("Y", Validity.VALID, "", 100)}
    assert anchored(good, ratio)["X"].validity is Validity.VALID
    for price, other, expected in (
        (121, good["Y"], Validity.DIVERGED),
        (99, good["Y"], Validity.DIVERGED),
        (110, Verdict("Y", Validity.STALE, "", 100), Validity.TOO_UNCERTAIN),
        (110, None, Validity.TOO_UNCERTAIN),
    ):
        verdicts = {"X": Verdict("X", Validity.VALID, "", price)} | ({"Y": other} if other else {})
        assert anchored(verdicts, ratio)["X"].validity is expected


def test_the_table_has_a_row_for_every_action_and_only_the_valid_in_all() -> None:
    assert set(TABLE) == set(Action)
    assert [v for v in Validity if all(allows(action, v) for action in Action)] == [Validity.VALID]
    for bad in (Validity.STALE, Validity.SKEWED, Validity.DIVERGED, Validity.NON_POSITIVE, Validity.MISSING):
        assert not any(allows(action, bad) for action in Action)


PRICES = st.integers(1, 2**63)
GROUPS = st.lists(st.tuples(PRICES, st.integers(1, 5)), min_size=3, max_size=9)


@given(GROUPS, st.data())
def test_a_minority_of_the_weight_cannot_move_the_price_out_of_the_interval_of_the_honest(
    honest: list[tuple[int, int]], data: st.DataObject
) -> None:
    loose = Rules(min_groups=1, max_divergence_bps=10**6, max_confidence_bps=10**9)
    items = [said(price, f"h{n}", weight=weight) for n, (price, weight) in enumerate(honest)]
    # So many honest groups that also with the heaviest capped the liars have less than half.
    liars = data.draw(st.lists(st.integers(-5, 2**64), max_size=(len(honest) - 1) // 2))
    items += [said(price, f"l{n}", weight=1) for n, price in enumerate(liars)]
    found = verdict(*items, rules=loose)
    assert min(p for p, _ in honest) <= found.price <= max(p for p, _ in honest)


@given(GROUPS, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_within_a_group_matters(groups: list[tuple[int, int]], random: object) -> None:
    items = [said(price, f"g{n}", weight=weight) for n, (price, weight) in enumerate(groups)]
    mixed = [*items, *items]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = verdict(*items), verdict(*mixed)
    assert (one.price, one.validity, one.groups) == (other.price, other.validity, other.groups)


@given(GROUPS)
def test_a_valid_price_has_three_groups_near_it_and_none_decides_alone(groups: list[tuple[int, int]]) -> None:
    items = [said(price, f"g{n}", weight=weight) for n, (price, weight) in enumerate(groups)]
    found = verdict(*items)
    prices = sorted(price for price, _ in groups)
    assert prices[0] <= found.price <= prices[-1]
    near = [price for price in prices if within(price, found.price, 100)]
    assert (found.validity is Validity.VALID) == (len(near) >= 3 and found.confidence_bps <= 200)
    if len(groups) == 3:
        assert found.price == prices[1]


@given(st.lists(st.tuples(st.integers(-100, 100), st.integers(1, 9)), min_size=1, max_size=12))
def test_the_weighted_median_has_at_most_half_of_the_weight_on_either_side(values: list[tuple[int, int]]) -> None:
    median = weighted_median(values)
    total = sum(weight for _, weight in values)
    assert 2 * sum(weight for value, weight in values if value < median) <= total
    assert 2 * sum(weight for value, weight in values if value > median) <= total
    assert min(values)[0] <= median <= max(values)[0]


def utc(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]


def test_gold_is_closed_from_friday_evening_to_sunday_evening_in_new_york_in_summer_and_winter() -> None:
    weekend = Closing.parse("Fri 17:00 - Sun 18:00 America/New_York")
    assert [weekend.holds(utc(2026, 1, 16, 21, 59)), weekend.holds(utc(2026, 1, 16, 22, 0))] == [False, True]
    assert [weekend.holds(utc(2026, 1, 18, 22, 59)), weekend.holds(utc(2026, 1, 18, 23, 0))] == [True, False]
    assert [weekend.holds(utc(2026, 7, 17, 20, 59)), weekend.holds(utc(2026, 7, 17, 21, 0))] == [False, True]
    assert weekend.holds(utc(2026, 1, 17, 12))
    over_monday = Closing.parse("Sun 23:00 - Mon 01:00")
    assert [over_monday.holds(utc(2026, 1, 19, 0, hour)) for hour in (30, 59)] == [True, True]
    assert not over_monday.holds(utc(2026, 1, 19, 1))
    assert str(weekend) == "Fri 17:00 - Sun 18:00 America/New_York"


@pytest.mark.parametrize(
    "text", ["weekend", "Fri 17:00", "Fry 17:00 - Sun 18:00", "Fri 24:00 - Sun 18:00", "Fri 17:00 - Fri 17:00",
             "Fri 17:00 - Sun 18:00 America/Atlantis"]
)  # fmt: skip
def test_a_closing_time_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(BadHours, match=text[:10]):
        Closing.parse(text)


class Says:
    def __init__(self, name: str, **prices: int | None) -> None:
        self.name = name
        self.prices = prices
        self.asked = 0

    async def quotes(self, markets: object, now: int) -> tuple[Quote, ...]:
        self.asked += 1
        if not self.prices:
            raise SourceError(f"{self.name}: silent")
        return tuple(
            Quote(market, price, 1, now, now, self.name)
            for market, price in self.prices.items()
            if price is not None and market in markets  # type: ignore[operator]
        )


def opinion(*sources: Says, **rules: MarketRules) -> Opinion:
    return Opinion([WatchedSource(source, min_gap=0.0) for source in sources], rules)


async def test_an_opinion_survives_a_source_and_gives_out_only_what_may_be_published() -> None:
    sources = [Says("a", X=100, Y=50), Says("b", X=101, Y=50), Says("c", X=100, Y=0), Says("d")]
    formed = opinion(*sources)
    (quote,) = await formed.quotes(["X", "Y"], NOW)
    assert (quote.market, quote.price) == ("X", 100)
    assert formed.latest["Y"].validity is Validity.NON_POSITIVE
    # Within the same second nobody is asked twice.
    assert await formed.price("X", NOW, Action.LIQUIDATE) == 100
    assert await formed.price("Y", NOW, Action.LIQUIDATE) is None
    assert [source.asked for source in sources] == [1, 1, 1, 1]
    sources[0].prices = {}
    with pytest.raises(SourceError, match=r"no price may be published .*2 groups agree"):
        await formed.quotes(["X", "Y"], NOW + 1)


async def test_an_opinion_remembers_its_mean_and_a_closed_market_has_no_price() -> None:
    source = [Says(name, X=100) for name in "abc"]
    formed = opinion(*source, X=MarketRules(closed=(Closing.parse("Sat 00:00 - Sun 00:00"),)))
    sunday = utc(2026, 1, 18, 12)
    await formed.verdicts(["X"], sunday)
    for item in source:
        item.prices = {"X": 20}
    assert (await formed.verdicts(["X"], sunday + 5))["X"].validity is Validity.TOO_VOLATILE
    assert (await formed.verdicts(["X"], sunday + 600))["X"].validity is Validity.VALID
    saturday = await formed.verdicts(["X"], utc(2026, 1, 17, 12))
    assert (saturday["X"].validity, saturday["X"].reason) == (Validity.MISSING, "the market is closed")


async def test_an_anchor_is_asked_for_although_nobody_wanted_it() -> None:
    rules = MarketRules(anchors=(Anchor("Y", Fraction(2), Fraction(3)),))
    formed = opinion(*(Says(name, X=100, Y=50) for name in "abc"), X=rules)
    assert (await formed.verdicts(["X"], NOW))["X"].validity is Validity.VALID
    formed = opinion(*(Says(name, X=100, Y=51) for name in "abc"), X=rules)
    assert (await formed.verdicts(["X"], NOW))["X"].validity is Validity.DIVERGED
