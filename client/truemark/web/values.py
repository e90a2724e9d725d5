"""Decoded values as HTML: names for known addresses, text for felts that hold some, nested structs as lists. Everything
comes from contracts, which anybody can write, so everything is escaped here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from markupsafe import Markup, escape

from truemark.web.show import is_hex, is_long_hex, short_hex, text_of

Naming = Callable[[int | str | None], str | None]

#: More of one list, or of one text, is cut off; the raw felts below it and the JSON API have it all.
_MOST_ITEMS: Final = 64
_LONGEST: Final = 600
_DEEPEST: Final = 12


def value_html(value: Any, naming: Naming, kind: str | None = None, depth: int = 0) -> Markup:
    """A value as `Abi.show_*` gives it. `kind`: its type in the ABI, where that is known."""
    if value is None:
        return Markup('<span class="muted">none</span>')
    if isinstance(value, bool):
        return Markup(f'<span class="bool">{str(value).lower()}</span>')
    if depth > _DEEPEST:
        return Markup('<span class="muted">…</span>')
    if isinstance(value, Mapping):
        return _struct(value, naming, depth)
    if isinstance(value, (list, tuple)):
        return _list(value, naming, depth)
    if is_hex(value):
        return felt_html(value, naming)
    text = str(value)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    return escape(text)


def felt_html(text: str, naming: Naming) -> Markup:
    """A felt: a link with the name of whose address it is, or what it says."""
    name = naming(text)
    if name is not None:
        return Markup('<a class="name" href="/contract/{0}" title="{0}">{1}</a>').format(text, name)
    said = text_of(text)
    if said is not None:
        return Markup('<span class="felt-text" title="{0}">‘{1}’</span>').format(text, said)
    if is_long_hex(text):
        return Markup('<a class="mono" href="/search?q={0}" title="{0}">{1}</a>').format(text, short_hex(text))
    return Markup('<span class="mono">{}</span>').format(text)


def _struct(value: Mapping[str, Any], naming: Naming, depth: int) -> Markup:
    if not value:
        return Markup('<span class="muted">{}</span>')
    rows = Markup("").join(
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, value_html(part, naming, None, depth + 1))
        for name, part in value.items()
    )
    return Markup('<dl class="struct">{}</dl>').format(rows)


def _list(value: list[Any] | tuple[Any, ...], naming: Naming, depth: int) -> Markup:
    if not value:
        return Markup('<span class="muted">[ ]</span>')
    items = Markup("").join(
        Markup("<li>{}</li>").format(value_html(part, naming, None, depth + 1)) for part in value[:_MOST_ITEMS]
    )
    more = len(value) - _MOST_ITEMS
    rest = Markup('<li class="muted">and {} more</li>').format(more) if more > 0 else Markup("")
    return Markup('<ol class="values" start="0">{}{}</ol>').format(items, rest)
