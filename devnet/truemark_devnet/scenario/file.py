"""A scenario file: one incident, or one way that a feed or a chain fails: a book, a timeline, what must come of it.

Read strictly: an unknown key, a step with two actions or a time that goes back is named, nothing is guessed. Numbers
keep the digits that were typed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import yaml
from truemark.errors import TruemarkError
from truemark_keeper.recovery.integrity import MODES

DEFAULT_REPORTERS: Final = 3
STATUSES: Final = ("Pending", "Valid", "Stale", "Suspect", "Frozen", "Settling", "Settled")
#: The liquidator and the other side of every opening position; no scenario names an account like it.
HOUSE: Final = "house"
#: USD, what it has.
HOUSE_COLLATERAL: Final = Decimal(100_000_000)


class BadScenario(TruemarkError, ValueError):
    """A file that is no scenario; the message names the file, the place and the reason."""


@dataclass(frozen=True, slots=True)
class Market:
    """`price`: the listing price, USD. `guard`: what differs from the default guard."""

    price: Decimal
    guard: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """Collateral in USD, positions in the base asset, long above 0."""

    collateral: Decimal
    positions: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Round:
    """What each reporter says of each market, USD; who is left out is silent."""

    prices: Mapping[str, Mapping[str, Decimal]]
    confidence_bps: Mapping[str, int]
    #: Seconds that an entry's observation is older than the step, by reporter.
    age: Mapping[str, int]
    #: For 8 hours, by market.
    funding_rate_ppm: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Liquidate:
    """The house tries every account in every market, or those named."""

    accounts: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Expect:
    """A None is not looked at."""

    mark: Mapping[str, Decimal] | None = None
    status: Mapping[str, str] | None = None
    mode: str | None = None
    liquidated: frozenset[str] | None = None
    refused: tuple[int, ...] = ()
    accepted: tuple[int, ...] = ()
    conserved: bool | None = None
    incident: bool | None = None


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Storage that changes with no transaction: funding indices in USD for one whole base unit."""

    funding_index: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class SetMode:
    mode: str


@dataclass(frozen=True, slots=True)
class Fill:
    """One match that the operator settles; `maker` is the buyer or the seller."""

    market: str
    buyer: str
    seller: str
    size: Decimal
    price: Decimal
    maker: str
    reduce_only: frozenset[str]
    post_only: frozenset[str]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """USD by account, each a transaction of its own."""

    amounts: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class External:
    """The sentinel's independent prices from now on, USD."""

    prices: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class MarkBlock:
    name: str


@dataclass(frozen=True, slots=True)
class Reorg:
    """The chain itself goes back to a block, nobody told."""

    block: str


@dataclass(frozen=True, slots=True)
class Rollback:
    """The operator's recovery to a block, up to Halted and the new epoch."""

    block: str


@dataclass(frozen=True, slots=True)
class Configure:
    """A change of guards, by market."""

    guards: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Silence:
    seconds: int


Action = (
    Round
    | Liquidate
    | Expect
    | Corrupt
    | SetMode
    | Fill
    | Withdraw
    | External
    | MarkBlock
    | Reorg
    | Rollback
    | Configure
    | Silence
)


@dataclass(frozen=True, slots=True)
class Step:
    """`at`: seconds from the start."""

    at: int
    action: Action


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    title: str
    reporters: int
    markets: Mapping[str, Market]
    accounts: Mapping[str, Account]
    venue: Mapping[str, int]
    timeline: tuple[Step, ...]
    expect: Expect


def load_scenario(path: Path) -> Scenario:
    """
    Raises:
        BadScenario: the file cannot be read, or is no scenario.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_ExactLoader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise BadScenario(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadScenario(f"{path}: no YAML: {' '.join(str(error).split())}") from None
    return scenario_from(raw, str(path))


def scenario_from(raw: Any, where: str) -> Scenario:
    """A scenario from its parsed YAML.

    Raises:
        BadScenario: see the class.
    """
    top = _Table(raw, where)
    name, title = top.text("scenario"), top.text("title")
    for key in ("story", "sources", "synthetic"):
        top.take(key, None)
    reporters = top.whole("reporters", DEFAULT_REPORTERS, least=1, most=16)
    panel = [f"r{number}" for number in range(1, reporters + 1)]
    markets = {
        market: _market(_Table(content, f"{where} markets.{market}"))
        for market, content in top.table("markets").items()
    }
    if not markets:
        raise BadScenario(f"{where}: `markets` is empty")
    accounts = {
        account: _account(_Table(content, f"{where} accounts.{account}"), markets)
        for account, content in top.table("accounts", {}).items()
    }
    if HOUSE in accounts:
        raise BadScenario(f"{where}: an account cannot be called {HOUSE!r}, that is the liquidator")
    known = _Known(markets=frozenset(markets), accounts=frozenset(accounts), reporters=tuple(panel))
    venue = top.table("venue", {})
    for key, value in venue.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise BadScenario(f"{where} venue.{key}: {value!r} is no whole number of at least 0")
    timeline = _timeline(top.items("timeline"), f"{where} timeline", known)
    expect = _expect(_Table(top.table("expect"), f"{where} expect"), known)
    top.done()
    times = {step.at for step in timeline}
    for at in (*expect.refused, *expect.accepted):
        if at not in times:
            raise BadScenario(f"{where} expect: no step is at {at}")
    return Scenario(name, title, reporters, markets, accounts, venue, timeline, expect)


@dataclass(frozen=True, slots=True)
class _Known:
    """Names that a step may use."""

    markets: frozenset[str]
    accounts: frozenset[str]
    reporters: tuple[str, ...]


def _market(table: _Table) -> Market:
    market = Market(table.number("price"), dict(table.table("guard", {})))
    table.done()
    if market.price <= 0:
        raise BadScenario(f"{table.where}: the listing price must be above 0")
    return market


def _account(table: _Table, markets: Mapping[str, Market]) -> Account:
    collateral = table.number("collateral")
    positions = {}
    for market, size in table.table("positions", {}).items():
        if market not in markets:
            raise BadScenario(f"{table.where} positions: no market {market}")
        positions[market] = _number(size, f"{table.where} positions.{market}")
    table.done()
    return Account(collateral, positions)


def _timeline(raw: list[Any], where: str, known: _Known) -> tuple[Step, ...]:
    steps: list[Step] = []
    for number, item in enumerate(raw):
        table = _Table(item, f"{where}[{number}]")
        at = table.whole("at", least=0)
        if steps and at <= steps[-1].at:
            raise BadScenario(f"{table.where}: {at} s is not after the step before, at {steps[-1].at} s")
        kinds = [kind for kind in _READERS if kind in table]
        if len(kinds) != 1:
            raise BadScenario(
                f"{table.where}: {'one action, not ' + ' and '.join(kinds) if kinds else 'no action'}; "
                f"there are {', '.join(_READERS)}"
            )
        action = _READERS[kinds[0]](table, known)
        table.done()
        steps.append(Step(at, action))
        _check_blocks(steps, table.where)
    return tuple(steps)


def _check_blocks(steps: list[Step], where: str) -> None:
    """A block is named before it is gone back to."""
    action = steps[-1].action
    if isinstance(action, Reorg | Rollback):
        names = {step.action.name for step in steps if isinstance(step.action, MarkBlock)}
        if action.block not in names:
            raise BadScenario(f"{where}: no block was marked as {action.block!r}")


def _round(table: _Table, known: _Known) -> Round:
    prices: dict[str, Mapping[str, Decimal]] = {}
    for market, said in table.table("round").items():
        table.name(market, known.markets, "market")
        if isinstance(said, dict):
            for reporter in said:
                table.name(reporter, known.reporters, "reporter")
            prices[market] = {who: _number(price, f"{table.where} {market}.{who}") for who, price in said.items()}
        else:
            prices[market] = dict.fromkeys(known.reporters, _number(said, f"{table.where} {market}"))
    return Round(
        prices=prices,
        confidence_bps=table.wholes("confidence_bps", known.reporters, "reporter"),
        age=table.wholes("age", known.reporters, "reporter"),
        funding_rate_ppm=table.wholes("funding_rate_ppm", known.markets, "market", least=None),
    )


def _liquidate(table: _Table, known: _Known) -> Liquidate:
    who = table.take("liquidate")
    if who == "all":
        return Liquidate(None)
    names = [who] if isinstance(who, str) else who
    if not isinstance(names, list) or not names:
        raise BadScenario(f"{table.where}: liquidate is `all` or names of accounts, not {who!r}")
    return Liquidate(tuple(table.name(name, known.accounts, "account") for name in names))


def _corrupt(table: _Table, known: _Known) -> Corrupt:
    inner = _Table(table.take("corrupt"), f"{table.where} corrupt")
    indices = inner.numbers("funding_index", known.markets, "market")
    inner.done()
    return Corrupt(indices)


def _mode(table: _Table, known: _Known) -> SetMode:
    return SetMode(table.choice("mode", MODES))


def _fill(table: _Table, known: _Known) -> Fill:
    inner = _Table(table.take("fill"), f"{table.where} fill")
    people = known.accounts | {HOUSE}
    buyer, seller = inner.choice("buyer", people), inner.choice("seller", people)
    if buyer == seller:
        raise BadScenario(f"{inner.where}: {buyer} cannot trade with itself")
    fill = Fill(
        market=inner.choice("market", known.markets),
        buyer=buyer,
        seller=seller,
        size=inner.number("size"),
        price=inner.number("price"),
        maker=inner.choice("maker", (buyer, seller)),
        reduce_only=frozenset(inner.name(item, (buyer, seller), "side") for item in inner.items("reduce_only", [])),
        post_only=frozenset(inner.name(item, (buyer, seller), "side") for item in inner.items("post_only", [])),
    )
    inner.done()
    return fill


def _withdraw(table: _Table, known: _Known) -> Withdraw:
    return Withdraw(table.numbers("withdraw", known.accounts, "account"))


def _external(table: _Table, known: _Known) -> External:
    return External(table.numbers("external", known.markets, "market"))


def _configure(table: _Table, known: _Known) -> Configure:
    guards = {}
    for market, change in table.table("configure").items():
        table.name(market, known.markets, "market")
        if not isinstance(change, dict) or not change:
            raise BadScenario(f"{table.where}: configure.{market} is a table of guard keys")
        guards[market] = change
    return Configure(guards)


def _expect(table: _Table, known: _Known) -> Expect:
    return Expect(**_expectations(table, known))


def _expectations(table: _Table, known: _Known) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "mark" in table:
        found["mark"] = table.numbers("mark", known.markets, "market")
    if "status" in table:
        found["status"] = {
            table.name(market, known.markets, "market"): table.name(status, STATUSES, "status")
            for market, status in table.table("status").items()
        }
    if "mode" in table:
        found["mode"] = table.choice("mode", MODES)
    if "liquidated" in table:
        names = table.items("liquidated")
        found["liquidated"] = frozenset(table.name(name, known.accounts, "account") for name in names)
    for key in ("refused", "accepted"):
        if key in table:
            times = table.items(key)
            if any(isinstance(at, bool) or not isinstance(at, int) for at in times):
                raise BadScenario(f"{table.where}: `{key}` is a list of times")
            found[key] = tuple(times)
    for key in ("conserved", "incident"):
        if key in table:
            found[key] = table.flag(key)
    table.done()
    return found


_READERS: Final[Mapping[str, Callable[[_Table, _Known], Action]]] = {
    "round": _round,
    "liquidate": _liquidate,
    "expect": lambda table, known: _expect(_Table(table.take("expect"), f"{table.where} expect"), known),
    "corrupt": _corrupt,
    "mode": _mode,
    "fill": _fill,
    "withdraw": _withdraw,
    "external": _external,
    "mark_block": lambda table, known: MarkBlock(table.text("mark_block")),
    "reorg": lambda table, known: Reorg(table.text("reorg")),
    "rollback": lambda table, known: Rollback(table.text("rollback")),
    "configure": _configure,
    "silence": lambda table, known: Silence(table.whole("silence", least=1)),
}
_MISSING: Final = object()


class _Table:
    """A mapping whose keys are taken once; `done` names what nobody took."""

    where: str

    def __init__(self, raw: Any, where: str) -> None:
        if not isinstance(raw, dict):
            raise BadScenario(f"{where}: a table of keys is needed here, not {raw!r}")
        self._raw = dict(raw)
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self._raw

    def take(self, key: str, default: Any = _MISSING) -> Any:
        if key not in self._raw and default is _MISSING:
            raise BadScenario(f"{self.where}: `{key}` is missing")
        return self._raw.pop(key, default)

    def text(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str) or not value:
            raise BadScenario(f"{self.where}: `{key}` must be a text, not {value!r}")
        return value

    def flag(self, key: str) -> bool:
        value = self.take(key)
        if not isinstance(value, bool):
            raise BadScenario(f"{self.where}: `{key}` must be true or false, not {value!r}")
        return value

    def whole(self, key: str, default: Any = _MISSING, *, least: int | None = 0, most: int | None = None) -> int:
        return _whole(self.take(key, default), f"{self.where} {key}", least, most)

    def number(self, key: str) -> Decimal:
        return _number(self.take(key), f"{self.where} {key}")

    def table(self, key: str, default: Any = _MISSING) -> dict[str, Any]:
        value = self.take(key, default)
        if not isinstance(value, dict):
            raise BadScenario(f"{self.where}: `{key}` must be a table, not {value!r}")
        return value

    def items(self, key: str, default: Any = _MISSING) -> list[Any]:
        value = self.take(key, default)
        if not isinstance(value, list):
            raise BadScenario(f"{self.where}: `{key}` must be a list, not {value!r}")
        return value

    def name(self, value: Any, known: Any, what: str) -> str:
        if not isinstance(value, str) or value not in known:
            raise BadScenario(f"{self.where}: no {what} {value!r}; there are {', '.join(sorted(known))}")
        return value

    def choice(self, key: str, known: Any) -> str:
        return self.name(self.take(key), known, key)

    def numbers(self, key: str, known: Any, what: str) -> dict[str, Decimal]:
        return {
            self.name(name, known, what): _number(value, f"{self.where} {key}.{name}")
            for name, value in self.table(key).items()
        }

    def wholes(self, key: str, known: Any, what: str, *, least: int | None = 0) -> dict[str, int]:
        return {
            self.name(name, known, what): _whole(value, f"{self.where} {key}.{name}", least, None)
            for name, value in self.table(key, {}).items()
        }

    def done(self) -> None:
        if self._raw:
            raise BadScenario(f"{self.where}: unknown key {', '.join(f'`{key}`' for key in self._raw)}")


def _whole(value: Any, where: str, least: int | None, most: int | None) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadScenario(f"{where}: {value!r} is no whole number")
    if (least is not None and value < least) or (most is not None and value > most):
        raise BadScenario(f"{where}: {value} is out of range")
    return value


def _number(value: Any, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise BadScenario(f"{where}: {value!r} is no number")
    return Decimal(value)


class _ExactLoader(yaml.SafeLoader):
    """Numbers with a point become Decimals from their own digits."""


def _exact(loader: _ExactLoader, node: yaml.ScalarNode) -> Decimal:
    text = loader.construct_scalar(node)
    try:
        number = Decimal(text.replace("_", ""))
    except InvalidOperation:
        raise yaml.YAMLError(f"{text!r} is no number") from None
    if not number.is_finite():
        raise yaml.YAMLError(f"{text!r} is no number")
    return number


_ExactLoader.add_constructor("tag:yaml.org,2002:float", _exact)
