"""A table of figures: times down, (market, reporter) across, every cell an exact price."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path

from truemark.errors import TruemarkError

from truemark_keeper.sources.quote import PRICE_SCALE

TIME_COLUMN = "holds_at"
MAX_PRICE = 2**64 - 1


class BadTable(TruemarkError, ValueError):
    """A table of figures that cannot be replayed; the message names the place and the reason."""


class OutsideTable(TruemarkError, LookupError):
    """A figure was asked for that the table does not have: before its first row, after its last, or no such column."""


@dataclass(frozen=True, slots=True, order=True)
class Column:
    """Whose figure: one reporter's of one market."""

    market: str
    reporter: int

    def __str__(self) -> str:
        return f"{self.market}:{self.reporter}"

    @classmethod
    def parse(cls, text: str) -> Column:
        """From `BTC-USD-PERP:1`.

        Raises:
            BadTable: another form.
        """
        market, colon, reporter = text.strip().rpartition(":")
        if not colon or not market or not reporter.isascii() or not reporter.isdigit() or int(reporter) < 1:
            raise BadTable(f"unknown column {text!r}: a column is market:reporter, for example BTC-USD-PERP:1")
        return cls(market, int(reporter))


@dataclass(frozen=True)
class PriceTable:
    """Figures in 1e-8 USD at rising times (seconds since 1970). A row holds at its time; between rows see `at`."""

    columns: tuple[Column, ...]
    times: tuple[int, ...]
    #: One tuple of figures a row, in the order of `columns`.
    rows: tuple[tuple[int, ...], ...]

    @classmethod
    def build(
        cls,
        columns: Iterable[Column | str],
        rows: Iterable[tuple[int, Sequence[Decimal | int | str]]],
        *,
        allow_nonpositive: bool = False,
        where: str = "table",
    ) -> PriceTable:
        """From figures in USD (Decimal, int or text; a float is refused: it is not what was typed).

        Args:
            allow_nonpositive: for fault injection only; without it a price of 0 or below is refused.

        Raises:
            BadTable: repeated or unknown columns, a row of another width, times that do not rise, a figure that is
                no number, is not positive, is finer than 1e-8 or does not fit the contract's u64.
        """
        parsed = tuple(c if isinstance(c, Column) else Column.parse(c) for c in columns)
        if not parsed:
            raise BadTable(f"{where}: no columns")
        repeated = sorted({str(c) for c in parsed if parsed.count(c) > 1})
        if repeated:
            raise BadTable(f"{where}: column {', '.join(repeated)} appears twice")
        times: list[int] = []
        figures: list[tuple[int, ...]] = []
        for number, (time, cells) in enumerate(rows, start=1):
            place = f"{where}, row {number} ({iso(time)})"
            if len(cells) != len(parsed):
                raise BadTable(f"{place}: {len(cells)} figures for {len(parsed)} columns")
            if times and time == times[-1]:
                raise BadTable(f"{place}: the time appears twice")
            if times and time < times[-1]:
                raise BadTable(f"{place}: rows are not sorted, the one before is {iso(times[-1])}")
            times.append(time)
            figures.append(
                tuple(
                    _figure(cell, f"{place}, {column}", allow_nonpositive)
                    for cell, column in zip(cells, parsed, strict=True)
                )
            )
        if not times:
            raise BadTable(f"{where}: no rows")
        return cls(parsed, tuple(times), tuple(figures))

    @classmethod
    def load(cls, path: Path, *, allow_nonpositive: bool = False) -> PriceTable:
        """From a CSV file: lines that start with # are remarks, the first other line names the columns.

        The first column is `holds_at`, an ISO 8601 time with its zone or whole seconds since 1970.

        Raises:
            BadTable: as `build`, or the file cannot be read.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadTable(f"{path}: cannot be read: {error}") from error
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if not lines:
            raise BadTable(f"{path}: empty")
        header, *body = csv.reader(lines)
        if header[0].strip() != TIME_COLUMN:
            raise BadTable(f"{path}: the first column is {header[0].strip()!r}, it must be {TIME_COLUMN!r}")
        rows = [(_time(row[0], f"{path}, row {number}"), row[1:]) for number, row in enumerate(body, start=1)]
        return cls.build(header[1:], rows, allow_nonpositive=allow_nonpositive, where=str(path))

    @property
    def markets(self) -> tuple[str, ...]:
        """Each market once, in the order of the columns."""
        return tuple(dict.fromkeys(column.market for column in self.columns))

    def reporters(self, market: str) -> tuple[int, ...]:
        return tuple(column.reporter for column in self.columns if column.market == market)

    def at(self, market: str, reporter: int, time: int, *, interpolate: bool = True) -> int:
        """The figure at `time`, 1e-8 USD: a row's own, exactly; between two rows the straight line through them,
        rounded half to even to 1e-8 once, or without `interpolate` the row before.

        Raises:
            OutsideTable: no such column, or a time before the first row or after the last.
        """
        column = self._index.get(Column(market, reporter))
        if column is None:
            raise OutsideTable(f"no figures for {market} by reporter {reporter}")
        if not self.times[0] <= time <= self.times[-1]:
            raise OutsideTable(f"{iso(time)} is outside the table: {iso(self.times[0])} to {iso(self.times[-1])}")
        row = bisect_right(self.times, time) - 1
        before = self.rows[row][column]
        if not interpolate or self.times[row] == time:
            return before
        after = self.rows[row + 1][column]
        span = self.times[row + 1] - self.times[row]
        return _half_even(before * span + (after - before) * (time - self.times[row]), span)

    @cached_property
    def _index(self) -> Mapping[Column, int]:
        return {column: number for number, column in enumerate(self.columns)}


def iso(time: int) -> str:
    """2026-01-18T23:00:00Z; seconds since 1970."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _half_even(numerator: int, denominator: int) -> int:
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    return quotient + (1 if twice > denominator or (twice == denominator and quotient % 2 == 1) else 0)


def _figure(cell: Decimal | int | str, place: str, allow_nonpositive: bool) -> int:
    if isinstance(cell, bool) or not isinstance(cell, (Decimal, int, str)):
        raise BadTable(f"{place}: {cell!r} is a {type(cell).__name__}; figures are Decimal, int or text")
    try:
        value = Decimal(cell.strip()) if isinstance(cell, str) else Decimal(cell)
    except InvalidOperation as error:
        raise BadTable(f"{place}: {cell!r} is not a number") from error
    if not value.is_finite():
        raise BadTable(f"{place}: {cell!r} is not a finite number")
    numerator, denominator = value.as_integer_ratio()
    price, rest = divmod(numerator * PRICE_SCALE, denominator)
    if rest:
        raise BadTable(f"{place}: {cell} is finer than the unit of prices, 1e-8")
    if price <= 0 and not allow_nonpositive:
        raise BadTable(f"{place}: {cell} is not a price, a price is above 0")
    if price > MAX_PRICE:
        raise BadTable(f"{place}: {cell} does not fit the contract's price (64 bits of 1e-8)")
    return int(price)


def _time(text: str, place: str) -> int:
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadTable(f"{place}: {text!r} is no time; write 2026-01-18T23:00:00Z or seconds since 1970") from error
    if moment.tzinfo is None:
        raise BadTable(f"{place}: {text!r} has no time zone; write 2026-01-18T23:00:00Z")
    if moment.microsecond:
        raise BadTable(f"{place}: {text!r} is not a whole second")
    return int(moment.timestamp())
