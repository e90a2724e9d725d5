"""How values look on a page: hashes shortened, ages, amounts, statuses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any, Final

from truemark.explorer.views import AccountView
from truemark.felt import BadShortString, short_string_text

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
#: The calendar ends here.
_LAST_SECOND: Final = 253_402_300_800
#: Shorter texts in a felt are more likely numbers.
_TEXT_LEAST: Final = 4
_FRI: Final = 18
_WIDE: Final = Context(prec=120)
#: Status, outcome or state -> how it is coloured.
_TONES: Final[Mapping[str, str]] = {
    "ACCEPTED_ON_L1": "ok",
    "ACCEPTED_ON_L2": "info",
    "PRE_CONFIRMED": "warn",
    "ORPHANED": "bad",
    "Succeeded": "ok",
    "Reverted": "bad",
    "ok": "ok",
    "unknown": "warn",
    "behind": "warn",
    "empty": "warn",
    "halted": "bad",
    "unreachable": "bad",
    "wrong": "bad",
    "Full": "ok",
    "PostOnly": "warn",
    "CancelOnly": "warn",
    "Halted": "bad",
    "Valid": "ok",
    "Settled": "info",
    "Settling": "info",
    "Pending": "warn",
    "Stale": "warn",
    "Suspect": "bad",
    "Frozen": "bad",
    "sent": "info",
    "accepted on L1": "info",
    "waiting on L1": "warn",
    "consumed": "ok",
    "handled": "ok",
    "reverted": "bad",
    "orphaned": "bad",
    "unattributed": "bad",
    "transaction": "info",
    "protocol": "plain",
    "genesis": "plain",
    "open": "bad",
    "cleared": "ok",
}
_WORDS: Final[Mapping[str, str]] = {
    "ACCEPTED_ON_L1": "Accepted on L1",
    "ACCEPTED_ON_L2": "Accepted on L2",
    "PRE_CONFIRMED": "Pre-confirmed",
    "ORPHANED": "Orphaned",
    "CancelOnly": "Cancel only",
    "PostOnly": "Post only",
    "unattributed": "No transaction",
}


def short_hex(value: int | str, head: int = 6, tail: int = 4) -> str:
    """0x1234…abcd; what is short already stays."""
    text = value if isinstance(value, str) else hex(value)
    return text if len(text) <= head + tail + 5 else f"{text[: head + 2]}…{text[-tail:]}"


def full_hex(value: int) -> str:
    return hex(value)


def l1_hex(value: int) -> str:
    """An address on L1."""
    return f"0x{value:040x}"


def age(seconds: int, now: float | None = None) -> str:
    """How long ago a time was, in words."""
    past = int((time.time() if now is None else now) - seconds)
    # A chain's clock may be ahead of this machine's.
    return f"{_span(past)} ago" if past > 0 else "just now"


def _span(seconds: int) -> str:
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        hours, rest = divmod(seconds, _HOUR)
        return f"{hours} h {rest // _MINUTE} min" if hours < 6 else f"{hours} h"
    return f"{seconds // _DAY} d"


def absolute(seconds: int) -> str:
    if not 0 <= seconds < _LAST_SECOND:
        return str(seconds)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(seconds: int) -> str:
    if not 0 <= seconds < _LAST_SECOND:
        return "1970-01-01T00:00:00Z"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def tone(state: object) -> str:
    return _TONES.get(str(state), "plain")


def words(state: object) -> str:
    text = str(state)
    return _WORDS.get(text, text[:1].upper() + text[1:])


def count(value: int) -> str:
    return f"{value:,}"


def decimal(value: Decimal | int | None, places: int | None = None) -> str:
    """With commas, without trailing zeros; at most `places` behind the point, a value below them as "<"."""
    if value is None:
        return "–"
    value = Decimal(value)
    if places is not None and value:
        least = Decimal(1).scaleb(-places)
        if abs(value) < least:
            return f"<{least:f}"
        # The widest integers of a chain have 78 digits.
        value = value.quantize(least, context=_WIDE)
    text = f"{value:,f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def scaled(value: int | None, decimals: int, places: int | None = None) -> str:
    """An integer of a unit as the whole of it."""
    return "–" if value is None else decimal(_WIDE.create_decimal(value).scaleb(-decimals, _WIDE), places)


def usd(value: int | None, decimals: int = 6, places: int = 2) -> str:
    """Money, always with cents. `decimals`: of the unit, 6 for collateral, 8 for prices, 16 for values."""
    if value is None:
        return "–"
    return f"{_WIDE.create_decimal(value).scaleb(-decimals, _WIDE):,.{places}f}"


def price(value: int | None) -> str:
    """1e-8 USD: as many places as its size makes sense of."""
    if value is None:
        return "–"
    amount = Decimal(value).scaleb(-8)
    size = abs(amount)
    return f"{amount:,.{2 if size >= 100 else 4 if size >= 1 else 6}f}"


def fee(amount: int, unit: str) -> str:
    """STRK or ETH, six places; FRI and WEI are 1e-18 of them."""
    name = "STRK" if unit == "FRI" else "ETH" if unit == "WEI" else unit
    return f"{scaled(amount, _FRI, 6)} {name}"


def gas(value: int) -> str:
    if value >= 10_000_000:
        return f"{value / 1_000_000:,.1f} M"
    return f"{value:,}"


def text_of(value: str | int) -> str | None:
    """The text that a felt holds, if it looks like one."""
    try:
        words = short_string_text(int(value, 16) if isinstance(value, str) else value)
    except (BadShortString, ValueError):
        return None
    return words if len(words) >= _TEXT_LEAST and words.isprintable() else None


def signed(value: Decimal | int | None, places: int = 2) -> str:
    return "–" if value is None else f"{Decimal(value):+,.{places}f}"


def is_hex(value: Any) -> bool:
    return isinstance(value, str) and value[:2] == "0x" and len(value) > 2 and value[2:].isalnum()


def is_long_hex(value: Any) -> bool:
    """A hash or an address rather than a small number."""
    return is_hex(value) and len(value) > 34


def kinds(account: AccountView) -> str:
    """What somebody at an address is, in words."""
    found = [
        word
        for word, is_it in (("account", account.is_account), ("token", account.is_token), ("venue", account.is_venue))
        if is_it
    ]
    return ", ".join(found) or ("contract" if account.class_hash is not None else "address")
