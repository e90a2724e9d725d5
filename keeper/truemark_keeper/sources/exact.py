"""From what a source wrote to the contract's units, exactly; and how old an answer is that carries no time."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, localcontext
from typing import Any

from truemark_keeper.sources.quote import PRICE_DECIMALS, SourceError

#: More digits than any price has, so that nothing is rounded but the last step.
WIDE = Context(prec=60)
_MOST = Decimal(10) ** 20
BPS = 10_000


def decimal_of(value: Any, what: str) -> Decimal:
    """A number as it was written: int, Decimal or text. A float is refused: it is not what was written.

    Raises:
        SourceError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        raise SourceError(f"{what} is {_kind(value)}, not a number")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise SourceError(f"{what} is {value!r}, not a number") from error
    if not number.is_finite() or abs(number) >= _MOST:
        raise SourceError(f"{what} is {value!r}, no price can be that")
    return number


def price_of(usd: Decimal) -> int:
    """USD for one whole base unit in 1e-8 USD, rounded once, half to even: sources give more digits than the unit."""
    with localcontext(WIDE):
        return int(usd.scaleb(PRICE_DECIMALS).to_integral_value(ROUND_HALF_EVEN))


def share_bps(width: Decimal, price: Decimal) -> int:
    """`width` in 1e-4 of the price, rounded up; 10,000 of a price that is not above 0."""
    if price <= 0:
        return BPS
    with localcontext(WIDE):
        return int((abs(width) * BPS / price).to_integral_value(ROUND_CEILING))


def seconds_of(value: Any, unit: str, what: str) -> int:
    """A time in seconds since 1970, rounded down. `unit`: s, ms, us, ns, or iso for a text with its zone.

    Raises:
        SourceError: it is no such time.
    """
    if unit == "iso":
        moment: Any = value
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
            except ValueError as error:
                raise SourceError(f"{what} is {value!r}, not a time") from error
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise SourceError(f"{what} is {value!r}, not a time with its zone")
        return int(moment.timestamp() // 1)
    number = decimal_of(value, what)
    return int(number // {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit])


def pointed(document: Any, pointer: str, what: str) -> Any:
    """What a JSON pointer (RFC 6901) points at.

    Raises:
        SourceError: there is nothing.
    """
    found = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isascii() and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise SourceError(f"{what}: the answer has nothing at {pointer}")
    return found


class LastChange:
    """When each market's answer last changed: how old an answer is that carries no time of its own.

    Without it a feed that died with its last words on its lips would stay fresh for ever.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Hashable, int]] = {}

    def since(self, market: str, content: Hashable, now: int) -> int:
        """`now` (seconds) if the content is new, else when it was first seen."""
        last = self._seen.get(market)
        # A clock that went back does not make an answer younger than itself.
        if last is None or last[0] != content or last[1] > now:
            self._seen[market] = (content, now)
            return now
        return last[1]


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
