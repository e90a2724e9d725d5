"""What keeper.toml holds prices to: `[rules]` for all markets, `[markets.NAME]` for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from truemark.units import to_price

from truemark_keeper.funding import FundingTerms
from truemark_keeper.hours import BadHours, Closing
from truemark_keeper.judging import Anchor, Bounds, Rules
from truemark_keeper.opinion import MarketRules
from truemark_keeper.source_settings import ReplaySettings, SourceSettings, groups_by_market
from truemark_keeper.toml_table import Table

_RULES = tuple(item.name for item in fields(Rules))
_OWN = ("closed", "anchors", "least_usd", "most_usd", "funding_rate_ppm", "funding")
_FUNDING = tuple(item.name for item in fields(FundingTerms))
_ANCHOR = ("market", "least", "most")


@dataclass(frozen=True)
class MarketSettings:
    default: MarketRules = field(default_factory=MarketRules)
    markets: Mapping[str, MarketRules] = field(default_factory=dict)
    #: Reported with the price; ppm for 8 hours.
    funding_rates: Mapping[str, int] = field(default_factory=dict)
    #: Instead: how the rate is found.
    funding: Mapping[str, FundingTerms] = field(default_factory=dict)


def markets_from(top: Table, sources: tuple[SourceSettings, ...]) -> MarketSettings:
    """
    Raises:
        BadConfig: a rule that is none, a quorum that the sources cannot meet, an anchor that no source gives.
    """
    # Recorded prices are of one group by nature; they are for tests and demonstrations.
    alone = any(isinstance(source, ReplaySettings) for source in sources)
    rules = _rules(top.table("rules", _RULES, required=False), Rules(min_groups=1) if alone else Rules())
    markets: dict[str, MarketRules] = {}
    rates: dict[str, int] = {}
    funding: dict[str, FundingTerms] = {}
    named = top.table("markets", None, required=False)
    heard = groups_by_market(sources)
    for market in named.keys:
        table = named.table(market, (*_RULES, *_OWN))
        markets[market] = MarketRules(
            _rules(table, rules), _anchors(table, market, None if alone else heard), _bounds(table), _closed(table)
        )
        if "funding_rate_ppm" in table.keys:
            rates[market] = table.take("funding_rate_ppm", int, None)
        if "funding" in table.keys:
            funding[market] = _funding(table, market, None if alone else heard)
    if not alone:
        for market, groups in sorted(heard.items()):
            needed = markets.get(market, MarketRules(rules)).rules.min_groups
            if len(groups) < needed:
                raise top.wrong(
                    f"{market} has {len(groups)} groups of sources ({', '.join(sorted(groups))}), and min_groups is "
                    f"{needed}: there could never be a price"
                )
    return MarketSettings(MarketRules(rules), markets, rates, funding)


def _rules(table: Table, default: Rules) -> Rules:
    least = {"min_groups": 1, "max_age": 1, "move_window": 1, "max_move_bps": 1}
    return Rules(**{name: table.number(name, getattr(default, name), least=least.get(name, 0)) for name in _RULES})


def _funding(table: Table, market: str, heard: Mapping[str, set[str]] | None) -> FundingTerms:
    if "funding_rate_ppm" in table.keys:
        raise table.wrong("has both funding_rate_ppm and funding")
    found = table.table("funding", _FUNDING)
    default = FundingTerms("")
    least = {"window": 1, "interest_ppm": -1_000_000}
    numbers = {
        name: found.number(name, getattr(default, name), least=least.get(name, 0))
        for name in _FUNDING
        if name not in ("index", "price")
    }
    terms = FundingTerms(found.text("index"), found.optional("price"), **numbers)
    price = terms.price or market
    if price == terms.index:
        raise found.wrong(f"{price} has no premium over itself")
    for name in (price, terms.index):
        if heard is not None and name not in heard:
            raise found.wrong(f"no source gives {name}")
    return terms


def _anchors(table: Table, market: str, heard: Mapping[str, set[str]] | None) -> tuple[Anchor, ...]:
    anchors = []
    for name, raw in table.tables("anchors"):
        anchor = table.at(f"markets.{market}.{name}", raw, _ANCHOR)
        tie = Anchor(anchor.text("market"), anchor.exact("least"), anchor.exact("most"))
        if not 0 < tie.least <= tie.most:
            raise anchor.wrong("least and most are no range")
        if tie.market == market or (heard is not None and tie.market not in heard):
            raise anchor.wrong(f"{tie.market} is no market that the sources give beside {market}")
        anchors.append(tie)
    return tuple(anchors)


def _bounds(table: Table) -> Bounds | None:
    if "least_usd" not in table.keys and "most_usd" not in table.keys:
        return None
    least, most = table.text("least_usd"), table.text("most_usd")
    try:
        bounds = Bounds(to_price(least), to_price(most))
    except ValueError as error:
        raise table.wrong(f"least_usd and most_usd: {error}") from error
    if bounds.least > bounds.most:
        raise table.wrong("least_usd is above most_usd")
    return bounds


def _closed(table: Table) -> tuple[Closing, ...]:
    closed = []
    for text in table.take("closed", list, []):
        try:
            closed.append(Closing.parse(str(text)))
        except BadHours as error:
            raise table.wrong(f"closed: {error}") from error
    return tuple(closed)


#: For recorded prices that stand alone.
REPLAY_RULES = MarketSettings(MarketRules(Rules(min_groups=1)))
