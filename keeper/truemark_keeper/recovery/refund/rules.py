"""The rules of one incident's refunds, out of a small TOML file: what a person decides before anything is computed."""

from __future__ import annotations

import enum
import tomllib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from truemark.deployment import Deployment
from truemark.felt import PRIME, short_string
from truemark.units import BadAmount, to_collateral, to_price

from truemark_keeper.toml_table import BadConfig, Table

_KEYS: Final = ("incident", "title", "uri", "expiry_days", "window", "markets", "valuation", "amount", "exclude")
_WINDOW: Final = ("first_block", "last_block", "from_time", "to_time")
_VALUATION: Final = ("position", "price", "time", "prices")
_AMOUNT: Final = ("rounding", "minimum")
_EXCLUDE: Final = ("account", "reason")


class BadRules(BadConfig):
    """Rules that cannot be used; the message names the file, the key and the reason."""


class Position(enum.StrEnum):
    """What would have become of a position that was wrongly taken.

    RESTORED: it is held to the valuation time, with the funding in between, and worth what it is at the fair mark then.
    CLOSED: it is closed at the fair mark of the moment in which it was taken, with no cost.
    """

    RESTORED = "restored"
    CLOSED = "closed"


class Rounding(enum.StrEnum):
    """Of the sum of an account, once, to 1e-6 USD."""

    UP = "up"
    DOWN = "down"


class PriceSource(enum.StrEnum):
    """Where the fair mark of the valuation comes from: the keepers' independent price, or the rules themselves."""

    INDEPENDENT = "independent"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Window:
    """Which events are looked at: those in blocks `first_block` to `last_block` with a block time from `from_time` to
    `to_time` (seconds since 1970), all ends included. None: without an end there."""

    first_block: int = 0
    last_block: int | None = None
    from_time: int = 0
    to_time: int | None = None

    def holds(self, block: int, time: int) -> bool:
        return (
            self.first_block <= block
            and (self.last_block is None or block <= self.last_block)
            and self.from_time <= time
            and (self.to_time is None or time <= self.to_time)
        )


@dataclass(frozen=True, slots=True)
class RefundRules:
    """
    Attributes:
        incident: the name of the incident, a short string; its felt is the id on chain.
        title: for people.
        uri: where the report will be; it goes on chain.
        expiry_days: how long a refund can be claimed.
        markets: by name; empty: all.
        position, price: see Position, PriceSource.
        valuation_time: seconds since 1970; None: the time of the last block of the window. Only RESTORED asks for it.
        prices: of FIXED, 1e-8 USD by market.
        minimum: what is below it is not paid; 1e-6 USD.
        exclude: account -> why it gets nothing.
    """

    incident: str
    title: str = ""
    uri: str = ""
    expiry_days: int = 90
    window: Window = Window()
    markets: tuple[str, ...] = ()
    position: Position = Position.CLOSED
    price: PriceSource = PriceSource.INDEPENDENT
    valuation_time: int | None = None
    prices: tuple[tuple[str, int], ...] = ()
    rounding: Rounding = Rounding.UP
    minimum: int = 1
    exclude: tuple[tuple[int, str], ...] = ()

    @property
    def id(self) -> int:
        """The incident on chain."""
        return short_string(self.incident)

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, hex: a computation says under which rules it was made."""
        return sha256(repr(self).encode()).hexdigest()

    def wants(self, market: str) -> bool:
        return not self.markets or market in self.markets

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """
        Raises:
            BadRules: it cannot be read, a key is unknown or missing, or a value is wrong.
        """
        path = Path(path)
        try:
            raw = tomllib.loads(path.read_text())
        except OSError as error:
            raise BadRules(f"{path}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadRules(f"{path}: no TOML ({error})") from None
        try:
            return cls._of(path, raw)
        except BadRules:
            raise
        except BadConfig as error:
            raise BadRules(str(error)) from None

    @classmethod
    def _of(cls, path: Path, raw: dict[str, Any]) -> Self:
        top = Table(path, "", raw, _KEYS)
        incident = top.text("incident")
        if not (0 < len(incident) <= 31 and incident.isascii() and incident.isprintable()):
            raise top.wrong(f"incident is {incident!r}, it must be 1 to 31 plain letters: it is the id on chain")
        valuation = top.table("valuation", _VALUATION, required=False)
        amount = top.table("amount", _AMOUNT, required=False)
        position = Position(valuation.one_of("position", [item.value for item in Position], Position.CLOSED))
        price = PriceSource(valuation.one_of("price", [item.value for item in PriceSource], PriceSource.INDEPENDENT))
        prices = _prices(valuation)
        if (price is PriceSource.FIXED) != bool(prices):
            raise valuation.wrong('prices are given if, and only if, price is "fixed"')
        if position is Position.CLOSED and ("time" in valuation.keys or price is PriceSource.FIXED):
            raise valuation.wrong(
                "a position that is closed is valued when it was taken, at the independent price: "
                'time and fixed prices need position = "restored"'
            )
        time = valuation.number("time", 0, least=0) or None
        try:
            minimum = to_collateral(amount.text("minimum", "0.000001"))
        except BadAmount as error:
            raise amount.wrong(f"minimum: {error}") from None
        if minimum < 1:
            raise amount.wrong("minimum must be at least 0.000001 USD")
        return cls(
            incident=incident,
            title=top.text("title", incident),
            uri=top.text("uri", ""),
            expiry_days=top.number("expiry_days", 90, least=2),
            window=_window(top.table("window", _WINDOW)),
            markets=_markets(top),
            position=position,
            price=price,
            valuation_time=time,
            prices=prices,
            rounding=Rounding(amount.one_of("rounding", [item.value for item in Rounding], Rounding.UP)),
            minimum=minimum,
            exclude=_excluded(top),
        )

    def check(self, deployment: Deployment) -> None:
        """
        Raises:
            BadRules: a market is named that the venue does not list.
        """
        for name in (*self.markets, *(name for name, _ in self.prices)):
            if name not in deployment.markets:
                raise BadRules(f"{deployment.name} lists no market {name}; there are {', '.join(deployment.markets)}")


def _window(table: Table) -> Window:
    if not table.keys:
        raise table.wrong("it is empty: give blocks (first_block, last_block) or times (from_time, to_time)")
    window = Window(
        first_block=table.number("first_block", 0, least=0),
        last_block=table.number("last_block", 0, least=0) if "last_block" in table.keys else None,
        from_time=table.number("from_time", 0, least=0),
        to_time=table.number("to_time", 0, least=0) if "to_time" in table.keys else None,
    )
    if window.last_block is not None and window.last_block < window.first_block:
        raise table.wrong(f"last_block {window.last_block} is before first_block {window.first_block}")
    if window.to_time is not None and window.to_time < window.from_time:
        raise table.wrong(f"to_time {window.to_time} is before from_time {window.from_time}")
    return window


def _markets(top: Table) -> tuple[str, ...]:
    found = top.take("markets", list, [])
    if not all(isinstance(name, str) for name in found):
        raise top.wrong("markets must be a list of names such as BTC-USD-PERP")
    return tuple(sorted(set(found)))


def _prices(valuation: Table) -> tuple[tuple[str, int], ...]:
    table = valuation.table("prices", None, required=False)
    found = []
    for name in table.keys:
        try:
            found.append((name, to_price(table.text(name))))
        except BadAmount as error:
            raise table.wrong(f"{name}: {error}") from None
    return tuple(sorted(found))


def _excluded(top: Table) -> tuple[tuple[int, str], ...]:
    found: dict[int, str] = {}
    for name, raw in top.tables("exclude"):
        table = top.at(name, raw, _EXCLUDE)
        text, reason = table.text("account"), table.text("reason").strip()
        try:
            account = int(text, 16)
        except ValueError:
            account = 0
        if not text.startswith("0x") or not 0 < account < PRIME:
            raise table.wrong(f"account is {text!r}, it must be an address such as 0x1234")
        if not reason:
            raise table.wrong(f"{text} is left out without a reason")
        if account in found:
            raise table.wrong(f"{text} is left out twice")
        found[account] = reason
    return tuple(sorted(found.items()))
