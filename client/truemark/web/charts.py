"""Charts as SVG, made here: lines and bars with axes, no script and no style of their own (the style sheet has it)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import floor, log10
from typing import Final

from markupsafe import Markup, escape

_WIDTH: Final = 720
_HEIGHT: Final = 220
_LEFT: Final = 64
_RIGHT: Final = 12
_TOP: Final = 12
_BOTTOM: Final = 26
_TICKS: Final = 4
_MOST_POINTS: Final = 360
_SPARK_WIDTH: Final = 120
_SPARK_HEIGHT: Final = 32


@dataclass(frozen=True, slots=True)
class Series:
    """A line: `kind` is the class that gives it its colour ("a", "b", "c"); points are (seconds or number, value)."""

    name: str
    kind: str
    points: Sequence[tuple[int, Decimal]]


def line(title: str, series: Sequence[Series], *, unit: str = "", steps: bool = False, is_time: bool = True) -> Markup:
    """Lines on common axes; `steps`: a value holds until the next one."""
    kept = [Series(each.name, each.kind, _thinned(each.points)) for each in series]
    points = [point for each in kept for point in each.points]
    if len(points) < 2:
        return _empty(title)
    x, y, body = _axes(points, is_time=is_time)
    for each in kept:
        if not each.points:
            continue
        path = _path([(x(at), y(value)) for at, value in each.points], steps)
        if len(kept) == 1:
            first, last = x(each.points[0][0]), x(each.points[-1][0])
            ground = _HEIGHT - _BOTTOM
            body += f'<path class="area {each.kind}" d="{path}L{last:.1f},{ground}L{first:.1f},{ground}Z"/>'
        body += f'<path class="line {each.kind}" d="{path}"/>'
    last_words = "; ".join(
        f"{each.name} from {_plain(each.points[0][1])} to {_plain(each.points[-1][1])} {unit}".strip()
        for each in kept
        if each.points
    )
    return _svg(title, last_words, body, [(each.name, each.kind) for each in kept] if len(kept) > 1 else [])


def bars(title: str, points: Sequence[tuple[int, Decimal]], *, unit: str = "", kind: str = "a") -> Markup:
    """A bar for each point, from 0 up."""
    if not points:
        return _empty(title)
    wide = [(points[0][0], Decimal(0)), *points]
    _, y, body = _axes(wide, is_time=False)
    room = (_WIDTH - _LEFT - _RIGHT) / max(len(points), 1)
    ground = y(Decimal(0))
    for place, (at, value) in enumerate(points):
        left, top = _LEFT + place * room, y(value)
        body += (
            f'<rect class="bar {kind}" x="{left + room * 0.12:.1f}" y="{top:.1f}" width="{max(room * 0.76, 0.6):.1f}" '
            f'height="{max(ground - top, 0):.1f}"><title>{at}: {_plain(value)} {escape(unit)}</title></rect>'
        )
    highest = max(value for _, value in points)
    return _svg(title, f"{len(points)} bars, the highest {_plain(highest)} {unit}".strip(), body, [])


def spark(values: Sequence[Decimal]) -> Markup:
    """A small line without axes, beside its number."""
    values = [value for _, value in _thinned([(place, value) for place, value in enumerate(values)], 60)]
    if len(values) < 2:
        return Markup("")
    low, high = min(values), max(values)
    span = (high - low) or Decimal(1)
    points = [
        (
            place * _SPARK_WIDTH / (len(values) - 1),
            2 + (_SPARK_HEIGHT - 4) * float((high - value) / span) if high != low else _SPARK_HEIGHT / 2,
        )
        for place, value in enumerate(values)
    ]
    kind = "up" if values[-1] >= values[0] else "down"
    # Numbers only.
    return Markup(  # noqa: S704
        f'<svg class="spark {kind}" viewBox="0 0 {_SPARK_WIDTH} {_SPARK_HEIGHT}" width="{_SPARK_WIDTH}" '
        f'height="{_SPARK_HEIGHT}" aria-hidden="true" focusable="false"><path class="line" d="{_path(points)}"/></svg>'
    )


def _axes(
    points: Sequence[tuple[int, Decimal]], *, is_time: bool
) -> tuple[Callable[[int], float], Callable[[Decimal], float], str]:
    first, last = min(at for at, _ in points), max(at for at, _ in points)
    low, high, step = _scale(min(value for _, value in points), max(value for _, value in points))
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(at: int) -> float:
        return _LEFT + width * (at - first) / max(last - first, 1)

    def y(value: Decimal) -> float:
        return _TOP + height * float((high - value) / (high - low))

    body, tick = "", low
    while tick <= high:
        at = y(tick)
        body += f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        body += f'<text class="tick" x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_short(tick)}</text>'
        tick += step
    for place in range(_TICKS + 1):
        value = first + (last - first) * place // _TICKS
        anchor = "start" if place == 0 else "end" if place == _TICKS else "middle"
        said = _clock(value, last - first) if is_time else f"{value:,}"
        kind = "tick odd" if place % 2 else "tick"
        body += f'<text class="{kind}" x="{x(value):.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{said}</text>'
        if last == first:
            break
    return x, y, body


def _scale(low: Decimal, high: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Round bounds around the values, and the distance of the lines between."""
    if low == high:
        pad = abs(low) / 10 or Decimal(1)
        low, high = low - pad if low else low, high + pad
    raw = float(high - low) / _TICKS
    magnitude = Decimal(10) ** floor(log10(raw))
    step = next(magnitude * each for each in (1, 2, Decimal("2.5"), 5, 10) if float(magnitude * each) >= raw)
    bottom = (low / step).to_integral_value("ROUND_FLOOR") * step
    top = (high / step).to_integral_value("ROUND_CEILING") * step
    return bottom, top, step


def _path(points: Sequence[tuple[float, float]], steps: bool = False) -> str:
    parts = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for at, value in points[1:]:
        parts.append(f"H{at:.1f}V{value:.1f}" if steps else f"L{at:.1f},{value:.1f}")
    return "".join(parts)


def _thinned(points: Sequence[tuple[int, Decimal]], most: int = _MOST_POINTS) -> list[tuple[int, Decimal]]:
    """At most so many: of each stretch its lowest and its highest, so that no spike is lost."""
    if len(points) <= most:
        return list(points)
    size = -(-len(points) * 2 // most)
    kept: list[tuple[int, Decimal]] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        ends = {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
        kept += sorted(ends)
    if kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept


def _svg(title: str, says: str, body: str, legend: Sequence[tuple[str, str]]) -> Markup:
    marks = "".join(
        f'<li><span class="swatch {kind}" aria-hidden="true"></span>{escape(name)}</li>' for name, kind in legend
    )
    legend_html = f'<ul class="legend">{marks}</ul>' if legend else ""
    # All words are escaped here; the body is numbers and escaped units.
    return Markup(  # noqa: S704
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>{legend_html}'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}: {escape(says)}">{body}</svg>'
        "</figure>"
    )


def _empty(title: str) -> Markup:
    return Markup(
        '<figure class="chart"><figcaption>{}</figcaption><p class="muted">Too little data yet.</p></figure>'
    ).format(title)


def _clock(seconds: int, span: int) -> str:
    if not 0 <= seconds < 253_402_300_800:
        return str(seconds)
    at = datetime.fromtimestamp(seconds, UTC)
    if span > 3 * 86_400:
        return f"{at:%d %b}"
    return f"{at:%H:%M:%S}" if span < 600 else f"{at:%d %b %H:%M}" if span > 86_400 else f"{at:%H:%M}"


def _short(value: Decimal) -> str:
    size = abs(value)
    for bound, letter in ((Decimal(10) ** 12, "T"), (Decimal(10) ** 9, "G"), (Decimal(10) ** 6, "M")):
        if size >= bound:
            return f"{_plain(value / bound)}{letter}"
    return _plain(value)


def _plain(value: Decimal) -> str:
    text = f"{value.normalize():,f}" if value else "0"
    whole, dot, rest = text.partition(".")
    return whole + dot + rest[:8] if dot else whole
