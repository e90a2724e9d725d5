"""Decoded values as HTML: names for known addresses, text for felts that hold some, nested structs as lists. Everything
comes from contracts, which anybody can write, so everything is escaped here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from markupsafe import Markup, escape

from truemark.web.show import absolute, is_hex, is_long_hex, price, scaled, short_hex, text_of

Naming = Callable[[int | str | None], str | None]
#: Names of markets by their index.
Markets = Callable[[int], str | None]

#: More of one list, or of one text, is cut off; the raw felts below it and the JSON API have it all.
_MOST_ITEMS: Final = 64
_LONGEST: Final = 600
_DEEPEST: Final = 12
#: Felts under these names are no addresses and no hashes that one could go to.
_NO_LINKS: Final = frozenset({"r", "s", "salt", "key", "public_key", "signature"})
#: What fields of Truemark's own contracts are in, by their name.
_PRICES: Final = frozenset({"price", "limit_price", "mark", "median", "candidate", "anchor", "checkpoint"})
_SIZES: Final = frozenset({"size", "maker_size", "taker_size", "max_size", "lot_size", "long", "short"})
_SUMS: Final = frozenset({"amount", "collateral", "maker_fee", "taker_fee", "assets", "insurance", "remainder"})
_TIMES: Final = frozenset({"expiry", "observed_at", "accepted_at", "valid_since", "ready_at", "expires_at"})


def value_html(value: Any, naming: Naming, *, ours: Markets | None = None, field: str = "", depth: int = 0) -> Markup:
    """A value as `Abi.show_*` gives it.

    Args:
        ours: given where it is of one of Truemark's contracts, so that the units of its fields are known.
        field: its name.
    """
    if value is None:
        return Markup('<span class="muted">none</span>')
    if isinstance(value, bool):
        return Markup("true") if value else Markup("false")
    if depth > _DEEPEST:
        return Markup('<span class="muted">…</span>')
    if isinstance(value, Mapping):
        return _struct(value, naming, ours, depth)
    if isinstance(value, (list, tuple)):
        return _list(value, naming, ours, field, depth)
    if is_hex(value):
        return felt_html(value, naming, field)
    text = str(value)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    meant = _meant(text, field, ours) if ours is not None else None
    return escape(text) if meant is None else Markup('{} <span class="meant">{}</span>').format(text, meant)


def felt_html(text: str, naming: Naming, field: str = "") -> Markup:
    """A felt: a link with the name of whose address it is, or what it says."""
    name = naming(text)
    if name is not None:
        return Markup('<a class="name" href="/contract/{0}" title="{0}">{1}</a>').format(text, name)
    said = text_of(text)
    if said is not None:
        return Markup('<span class="felt-text" title="{0}">‘{1}’</span>').format(text, said)
    if is_long_hex(text):
        short = short_hex(text)
        if field in _NO_LINKS:
            return Markup('<span class="mono" title="{}">{}</span>').format(text, short)
        return Markup('<a class="mono" href="/search?q={0}" title="{0}">{1}</a>').format(text, short)
    return Markup('<span class="mono">{}</span>').format(text)


def _meant(text: str, field: str, markets: Markets) -> str | None:
    """An integer in whole units, or what it stands for."""
    try:
        number = int(text)
    except ValueError:
        return None
    if field == "market":
        return markets(number)
    if not number:
        return None
    if field in _PRICES:
        return f"{price(number)} USD"
    if field in _SIZES:
        return scaled(number, 8)
    if field in _SUMS:
        return f"{scaled(number, 6)} USD"
    return absolute(number) if field in _TIMES else None


def _struct(value: Mapping[str, Any], naming: Naming, ours: Markets | None, depth: int) -> Markup:
    if not value:
        return Markup('<span class="muted">{}</span>').format("{}")
    rows = Markup("").join(
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(
            name, value_html(part, naming, ours=ours, field=str(name), depth=depth + 1)
        )
        for name, part in value.items()
    )
    return Markup('<dl class="struct">{}</dl>').format(rows)


def _list(value: list[Any] | tuple[Any, ...], naming: Naming, ours: Markets | None, field: str, depth: int) -> Markup:
    if not value:
        return Markup('<span class="muted">[ ]</span>')
    items = Markup("").join(
        Markup("<li>{}</li>").format(value_html(part, naming, ours=ours, field=field, depth=depth + 1))
        for part in value[:_MOST_ITEMS]
    )
    more = len(value) - _MOST_ITEMS
    rest = Markup('<li class="muted">and {} more</li>').format(more) if more > 0 else Markup("")
    return Markup('<ol class="values" start="0">{}{}</ol>').format(items, rest)
