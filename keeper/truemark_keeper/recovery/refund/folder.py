"""The files of one incident's refunds, and the survey as one of them, so that each step can be run on another day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import orjson
from truemark.errors import TruemarkError

from truemark_keeper.atomic import write_whole
from truemark_keeper.recovery.refund.compute import Survey
from truemark_keeper.recovery.refund.history import Role, Taking
from truemark_keeper.recovery.refund.judge import Finding, Judged
from truemark_keeper.recovery.refund.rules import RefundRules

VERSION: Final = 1


class BadSurvey(TruemarkError, ValueError):
    """A file that is no survey, or one of other rules than those that are given."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where everything of one incident lies."""

    root: Path

    @property
    def survey(self) -> Path:
        return self.root / "survey.json"

    @property
    def review(self) -> Path:
        return self.root / "review.csv"

    @property
    def pay(self) -> Path:
        return self.root / "refunds.json"

    @property
    def statements(self) -> Path:
        return self.root / "statements"

    @property
    def deliveries(self) -> Path:
        return self.root / "deliveries.json"


def save_survey(found: Survey, path: Path, funding: Mapping[int, int], prices: Mapping[str, int | None]) -> None:
    """
    Args:
        funding: index of the market -> its funding index at the valuation.
        prices: the independent price of each market at the valuation.

    Raises:
        OSError: it cannot be written.
    """
    content = {
        "version": VERSION,
        "rules": found.rules.digest,
        "entries": found.entries.name,
        "last_block": found.last_block,
        "valuation": found.valuation,
        "funding": {str(market): str(index) for market, index in funding.items()},
        "prices": {name: None if price is None else str(price) for name, price in prices.items()},
        "judged": [_judged(item) for item in found.judged],
    }
    write_whole(path, orjson.dumps(content, option=orjson.OPT_INDENT_2))


@dataclass(frozen=True)
class Saved:
    """A survey with the figures of its valuation."""

    survey: Survey
    funding: Mapping[int, int]
    prices: Mapping[str, int]
    names: Mapping[int, str]

    @cached_property
    def _when_taken(self) -> Mapping[tuple[str, int], int]:
        return {
            (self.names.get(item.taking.market, ""), item.taking.time): item.own_price
            for item in self.survey.judged
            if item.own_price is not None
        }

    def price(self, market: str, time: int) -> int | None:
        """The independent price as the survey found it: when something was taken, and at the valuation."""
        found = self._when_taken.get((market, time))
        if found is None and time == self.survey.valuation:
            return self.prices.get(market)
        return found


def load_survey(path: Path, rules: RefundRules, names: Mapping[int, str]) -> Saved:
    """
    Args:
        names: of the markets, by index.

    Raises:
        BadSurvey: see the class.
    """
    try:
        raw: Any = orjson.loads(path.read_bytes())
        if raw["version"] != VERSION:
            raise BadSurvey(f"{path}: version {raw['version']!r}, this reads {VERSION}")
        if raw["rules"] != rules.digest:
            raise BadSurvey(f"{path} was made under other rules: run `truemark recovery refund compute` again")
        survey = Survey(
            rules=rules,
            judged=tuple(_unjudged(item) for item in raw["judged"]),
            entries=path.parent / raw["entries"],
            last_block=int(raw["last_block"]),
            valuation=int(raw["valuation"]),
        )
        return Saved(
            survey,
            {int(market): int(index) for market, index in raw["funding"].items()},
            {name: int(price) for name, price in raw["prices"].items() if price is not None},
            names,
        )
    except OSError as error:
        raise BadSurvey(f"{path}: {error.strerror}; `truemark recovery refund compute` makes it") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, BadSurvey):
            raise
        raise BadSurvey(f"{path}: no survey ({error!r})") from error


def _judged(item: Judged) -> dict[str, Any]:
    taking = item.taking
    return {
        "place": taking.place,
        "time": taking.time,
        "tx_hash": hex(taking.tx_hash),
        "kind": taking.kind,
        "role": taking.role.value,
        "account": hex(taking.account),
        "market": taking.market,
        "other": hex(taking.other) if taking.other >= 0 else "",
        "size": str(taking.size),
        "cash": str(taking.cash),
        "mark": str(taking.mark),
        "value": str(taking.value),
        "requirement": str(taking.requirement),
        "costs": str(taking.costs),
        "index": None if taking.index is None else str(taking.index),
        "held": [[market, str(size)] for market, size in taking.held],
        "finding": item.finding.value,
        "own_price": None if item.own_price is None else str(item.own_price),
        "own_value": None if item.value is None else str(item.value),
        "own_requirement": None if item.requirement is None else str(item.requirement),
        "reason": item.reason,
    }


def _unjudged(raw: Mapping[str, Any]) -> Judged:
    block, tx_index, event_index, side = (int(part) for part in raw["place"])
    taking = Taking(
        place=(block, tx_index, event_index, side),
        time=int(raw["time"]),
        tx_hash=int(raw["tx_hash"], 16),
        kind=str(raw["kind"]),
        role=Role(raw["role"]),
        account=int(raw["account"], 16),
        market=int(raw["market"]),
        other=int(raw["other"], 16) if raw["other"] else -1,
        size=int(raw["size"]),
        cash=int(raw["cash"]),
        mark=int(raw["mark"]),
        value=int(raw["value"]),
        requirement=int(raw["requirement"]),
        costs=int(raw["costs"]),
        index=_optional(raw["index"]),
        held=tuple((int(market), int(size)) for market, size in raw["held"]),
    )
    return Judged(
        taking,
        Finding(raw["finding"]),
        _optional(raw["own_price"]),
        _optional(raw["own_value"]),
        _optional(raw["own_requirement"]),
        str(raw["reason"]),
    )


def _optional(text: str | None) -> int | None:
    return None if text is None else int(text)
