"""From what sources said to one price with its verdict: pure functions of quotes, rules and the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from truemark_keeper.sources import Quote
from truemark_keeper.validity import Action, Validity, allows

BPS = 10_000


@dataclass(frozen=True, slots=True)
class Rules:
    """What a market's price must satisfy. Times in seconds, `_bps` 1e-4 of the price."""

    max_age: int = 60
    max_ahead: int = 5
    max_confidence_bps: int = 200
    #: The most that two counted quotes may be apart in time.
    max_skew: int = 30
    #: The most that a group may be off the median and still count as agreeing with it.
    max_divergence_bps: int = 100
    #: Agreeing groups without which there is no price.
    min_groups: int = 3
    #: The most that the price may be off its own mean over the last `move_window` seconds.
    max_move_bps: int = 5_000
    move_window: int = 300


@dataclass(frozen=True, slots=True)
class Anchor:
    """What another market's price says of this one's: price / price of `market` within [least, most]."""

    market: str
    least: Fraction
    most: Fraction


@dataclass(frozen=True, slots=True)
class Bounds:
    """Prices outside [least, most] are none, whoever says them; 1e-8 USD."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Said:
    """A quote with who said it. The weight is its group's among the groups."""

    source: str
    quote: Quote
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Judged:
    """A quote with what became of it."""

    said: Said
    validity: Validity
    #: Empty: it counts.
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The keeper's own price of one market, and whether it can be used: see validity.TABLE."""

    market: str
    validity: Validity
    #: Why it is not Valid; empty if it is.
    reason: str
    #: 1e-8 USD; 0: there is none. What is not Valid is for people to read only.
    price: int = 0
    confidence_bps: int = 0
    observed_at: int = 0
    published_at: int = 0
    #: Groups that agree with the price.
    groups: tuple[str, ...] = ()
    judged: tuple[Judged, ...] = ()

    def allows(self, action: Action) -> bool:
        return allows(action, self.validity)

    def worse(self, validity: Validity, reason: str) -> Verdict:
        """This one, or the worse one with its own reason."""
        return self if self.validity >= validity else replace(self, validity=validity, reason=reason)


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    weight: int
    price: int
    confidence_bps: int
    observed_at: int
    published_at: int


def judge(quote: Quote, rules: Rules, now: int) -> tuple[Validity, str]:
    """One quote by itself."""
    if quote.price <= 0:
        return Validity.NON_POSITIVE, f"the price is {quote.decimal.normalize():f}"
    if quote.observed_at - now > rules.max_ahead:
        ahead = quote.observed_at - now
        return Validity.SKEWED, f"seen {ahead} s ahead of the keeper's clock, the most is {rules.max_ahead} s"
    if now - quote.observed_at > rules.max_age:
        return Validity.STALE, f"seen {now - quote.observed_at} s ago, the most is {rules.max_age} s"
    if not 0 <= quote.confidence_bps <= rules.max_confidence_bps:
        most = rules.max_confidence_bps
        return Validity.TOO_UNCERTAIN, f"uncertain by {quote.confidence_bps} bps, the most is {most}"
    return Validity.VALID, ""


def aggregate(
    market: str,
    said: Sequence[Said],
    rules: Rules,
    now: int,
    *,
    mean: int | None = None,
    bounds: Bounds | None = None,
) -> Verdict:
    """The market's price: the weighted median over groups.

    With less than half of the counted weight in the hands of liars the price lies in the closed interval that the
    honest groups span, whatever the liars say: it is the median over all groups that were synchronous, and those that
    are far from it are not taken out before, only not counted among the ones that agree.

    Args:
        said: what all sources said of this market, and of no other.
        mean: the keeper's own mean price over the last minutes; None: it has none yet.
    """
    judged = _synchronous([Judged(item, *judge(item.quote, rules, now)) for item in said], rules)
    groups = _groups(judged)
    if not groups:
        validity, reason = _lacking(judged, 0, rules)
        return Verdict(market, validity, reason, judged=tuple(judged))
    price = weighted_median([(group.price, group.weight) for group in _capped(groups)])
    agreeing = [group for group in groups if within(group.price, price, rules.max_divergence_bps)]
    names = {group.name for group in agreeing}
    judged = [_diverged(item, price, rules) if item.said.quote.group not in names else item for item in judged]
    verdict = Verdict(market, Validity.VALID, "", price, judged=tuple(judged), groups=tuple(sorted(names)))
    if agreeing:
        verdict = replace(
            verdict,
            confidence_bps=_confidence(agreeing, price),
            observed_at=sorted(group.observed_at for group in agreeing)[(len(agreeing) - 1) // 2],
            published_at=max(group.published_at for group in agreeing),
        )
    if len(agreeing) < rules.min_groups:
        return verdict.worse(*_lacking(judged, len(agreeing), rules))
    if verdict.confidence_bps > rules.max_confidence_bps:
        most = rules.max_confidence_bps
        verdict = verdict.worse(
            Validity.TOO_UNCERTAIN, f"the sources are apart by {verdict.confidence_bps} bps, the most is {most}"
        )
    if mean is not None and not within(price, mean, rules.max_move_bps):
        verdict = verdict.worse(Validity.TOO_VOLATILE, f"off the mean of the last {rules.move_window} s, {mean}")
    if bounds is not None and not bounds.least <= price <= bounds.most:
        verdict = verdict.worse(Validity.DIVERGED, f"outside the bounds {bounds.least} to {bounds.most}")
    return verdict


def anchored(verdicts: Mapping[str, Verdict], anchors: Mapping[str, Sequence[Anchor]]) -> dict[str, Verdict]:
    """The verdicts held against one another. Every anchor is judged as it was before: order does not matter."""
    done = dict(verdicts)
    for market, ties in anchors.items():
        for anchor in ties:
            if market in done:
                done[market] = _held(done[market], anchor, verdicts.get(anchor.market))
    return done


def weighted_median(values: Iterable[tuple[int, int]]) -> int:
    """Of (value, weight > 0): where half of the weight is below or at it; between two, their middle rounded down."""
    ordered = sorted(values)
    total, below = sum(weight for _, weight in ordered), 0
    for place, (value, weight) in enumerate(ordered):
        below += weight
        if 2 * below == total:
            return (value + ordered[place + 1][0]) // 2
        if 2 * below > total:
            return value
    raise ValueError("no values")


def within(price: int, reference: int, bps: int) -> bool:
    """Whether a price differs from the reference by at most `bps` of the reference."""
    return abs(price - reference) * BPS <= reference * bps


def _synchronous(judged: list[Judged], rules: Rules) -> list[Judged]:
    times = [item.said.quote.observed_at for item in judged if item.validity is Validity.VALID]
    if not times:
        return judged
    newest = max(times)
    return [
        replace(
            item,
            validity=Validity.SKEWED,
            reason=f"{newest - item.said.quote.observed_at} s behind the newest, the most is {rules.max_skew} s",
        )
        if item.validity is Validity.VALID and newest - item.said.quote.observed_at > rules.max_skew
        else item
        for item in judged
    ]


def _groups(judged: Iterable[Judged]) -> list[_Group]:
    """One voice for each group, whatever the number of its quotes."""
    members: dict[str, list[Said]] = {}
    for item in judged:
        if item.validity is Validity.VALID:
            members.setdefault(item.said.quote.group, []).append(item.said)
    return [
        _Group(
            name,
            max(item.weight for item in group),
            weighted_median((item.quote.price, item.weight) for item in group),
            max(item.quote.confidence_bps for item in group),
            min(item.quote.observed_at for item in group),
            max(item.quote.published_at for item in group),
        )
        for name, group in sorted(members.items())
    ]


def _capped(groups: Sequence[_Group]) -> list[_Group]:
    """Of three or more groups none decides alone, also while others are silent."""
    if len(groups) < 3:
        return list(groups)
    total = sum(group.weight for group in groups)
    return [replace(group, weight=min(group.weight, total - group.weight - 1)) for group in groups]


def _confidence(groups: Sequence[_Group], price: int) -> int:
    """The larger of what the groups say of themselves and how far they are apart, both at their weighted median;
    1e-4 of the price, rounded up."""
    own = weighted_median((group.confidence_bps, group.weight) for group in groups)
    apart = weighted_median((-(-abs(group.price - price) * BPS // price), group.weight) for group in groups)
    return max(own, apart)


def _lacking(judged: Sequence[Judged], agreeing: int, rules: Rules) -> tuple[Validity, str]:
    """Too few groups agree: the least that would have to be forgiven for there to be enough."""
    best: dict[str, Judged] = {}
    counted = {item.said.quote.group for item in judged if item.validity is Validity.VALID}
    for item in judged:
        group = item.said.quote.group
        if group not in counted and (group not in best or item.validity < best[group].validity):
            best[group] = item
    short = max(rules.min_groups, 1) - agreeing
    fallen = sorted(best.values(), key=lambda item: (item.validity, item.said.source))
    what = f"{agreeing} groups agree, {rules.min_groups} are needed"
    if len(fallen) < short:
        return Validity.MISSING, what
    last = fallen[short - 1]
    return last.validity, f"{what}; {last.said.source}: {last.reason}"


def _diverged(item: Judged, price: int, rules: Rules) -> Judged:
    if item.validity is not Validity.VALID:
        return item
    reason = f"{item.said.quote.price} is off the median {price} by more than {rules.max_divergence_bps} bps"
    return replace(item, validity=Validity.DIVERGED, reason=reason)


def _held(verdict: Verdict, anchor: Anchor, other: Verdict | None) -> Verdict:
    if other is None or not other.allows(Action.ANCHOR):
        why = "unknown" if other is None else str(other.validity)
        return verdict.worse(Validity.TOO_UNCERTAIN, f"its anchor {anchor.market} is {why}")
    if verdict.price > 0 and not anchor.least <= Fraction(verdict.price, other.price) <= anchor.most:
        ratio = Fraction(verdict.price, other.price)
        return verdict.worse(
            Validity.DIVERGED,
            f"{float(ratio):.6g} of {anchor.market}, it must be {float(anchor.least):g} to {float(anchor.most):g}",
        )
    return verdict
