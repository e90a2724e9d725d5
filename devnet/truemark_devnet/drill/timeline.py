"""The steps of both venues as bars on one scale of seconds, drawn on the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from truemark_devnet.drill.verdict import Expectation

_WIDTH, _LEFT, _ROW, _GAP, _TOP = 1120, 260, 24, 6, 30
#: A bar that is too short to be seen is this wide.
_LEAST: Final = 3.0
_COLOURS: Final = {True: "var(--good)", False: "var(--bad)", None: "var(--accent)"}


def timeline(
    record: Mapping[str, Mapping[str, Mapping[str, Any]]],
    found: Sequence[Expectation],
    titles: Mapping[str, str],
    parts: Mapping[str, str],
) -> str:
    """One bar a step: green where all that was expected of it is so, red where something is not, blue where nothing
    was."""
    verdicts: dict[tuple[str, str], bool] = {}
    for each in found:
        verdicts[each.part, each.step] = verdicts.get((each.part, each.step), True) and each.met
    rows = [(part, step, item) for part, steps in record.items() for step, item in steps.items()]
    total = sum(float(item["seconds"]) for _, _, item in rows) or 1.0
    # Pixels are floats: nothing is decided by them.
    scale = (_WIDTH - _LEFT - 70) / total
    shapes, at, y, before = [], 0.0, _TOP, ""
    for part, step, item in rows:
        if part != before:
            shapes.append(f'<text x="0" y="{y + 15}" font-weight="600">{escape(parts.get(part, part))}</text>')
            y, before = y + _ROW, part
        seconds = float(item["seconds"])
        x, width = _LEFT + at * scale, max(seconds * scale, _LEAST)
        title = escape(titles.get(step, step))
        colour = _COLOURS[verdicts.get((part, step))]
        shapes.append(
            f'<text x="14" y="{y + 15}">{title}</text><rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" '
            f'height="{_ROW - _GAP}" rx="3" fill="{colour}"><title>{title}: {seconds:.1f} s</title></rect>'
            f'<text x="{x + width + 6:.1f}" y="{y + 15}">{seconds:.1f} s</text>'
        )
        at, y = at + seconds, y + _ROW
    axis = "".join(
        f'<line class="grid" x1="{_LEFT + share * total * scale:.1f}" x2="{_LEFT + share * total * scale:.1f}" '
        f'y1="{_TOP - 6}" y2="{y}"/><text x="{_LEFT + share * total * scale:.1f}" y="{_TOP - 12}" '
        f'text-anchor="middle">{share * total:.0f} s</text>'
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    label = "Seconds that each step took"
    return (
        f'<div class="wide"><svg viewBox="0 0 {_WIDTH} {y + 8}" role="img" aria-label="{label}" '
        f'style="min-width:760px">{axis}{"".join(shapes)}</svg></div>'
    )
