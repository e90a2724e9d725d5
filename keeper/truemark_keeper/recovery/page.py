"""HTML of the recovery's reports: self-contained, dark and light, asks no other host for anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Final

_CSS: Final = """
:root{color-scheme:light dark;font:15px/1.45 system-ui,sans-serif}body{max-width:1180px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{padding:.3rem .6rem;border-bottom:1px solid #8886;
text-align:left;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.bad{color:#c22;font-weight:600}.good{color:#183;font-weight:600}pre,code{overflow-wrap:anywhere;font-size:12px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem}dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){.good{color:#6c6}.bad{color:#f77}}
"""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def page(title: str, *parts: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS}</style></head><body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> Html:
    """`numbers`: the columns that are set to the right."""
    right = set(numbers)

    head = "".join(_cell("th", place in right, text) for place, text in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(_cell("td", place in right, text) for place, text in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    return Html(f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>")


def facts(items: Mapping[str, str]) -> Html:
    return Html(
        "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{_text(value)}</dd>" for name, value in items.items()) + "</dl>"
    )


def paragraph(text: str) -> Html:
    return Html(f"<p>{_text(text)}</p>")


def heading(text: str) -> Html:
    return Html(f"<h2>{escape(text)}</h2>")


def usd(amount: int | str, decimals: int = 6) -> str:
    """A whole number of 10^-decimals USD in full."""
    return f"{Decimal(amount).scaleb(-decimals):,f}"


def _cell(tag: str, right: bool, text: str) -> str:
    kind = ' class="n"' if right else ""
    return f"<{tag}{kind}>{_text(text)}</{tag}>"


def _text(text: str) -> str:
    return text if isinstance(text, Html) else escape(text)
