"""Line and bar charts as inline SVG: no script, no font and no image from elsewhere, readable in dark and light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from html import escape

WIDTH, HEIGHT = 560, 190
LEFT, RIGHT, TOP, BOTTOM = 64, 10, 12, 22


@dataclass(frozen=True)
class Line:
    """One series: (unix seconds, value) in rising time."""

    label: str
    points: Sequence[tuple[int, Decimal]]
    css: str = "line"


@dataclass(frozen=True)
class Marker:
    """A vertical line at a moment, with what happened then as its tooltip."""

    at: int
    text: str
    css: str = "marker"


def line_chart(title: str, lines: Sequence[Line], markers: Sequence[Marker] = (), *, unit: str = "") -> str:
    """One chart of all `lines` on common axes; the exact values are in each line's tooltip."""
    drawn = [line for line in lines if line.points]
    if not drawn:
        return _figure(title, "<p>no data</p>")
    frame = _Frame.around([point for line in drawn for point in line.points])
    parts = [frame.axes(unit)]
    for marker in markers:
        x = frame.x(marker.at)
        parts.append(
            f'<g class="{marker.css}"><title>{clock(marker.at)} {escape(marker.text)}</title>'
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/></g>'
        )
    for line in drawn:
        path = " ".join(f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value in line.points)
        first, last = line.points[0][1], line.points[-1][1]
        tip = f"{escape(line.label)}: {first:,} to {last:,} {unit}"
        parts.append(f'<g class="{line.css}"><title>{tip}</title><polyline points="{path}"/></g>')
    return _figure(title, _svg(title, parts))


def bar_chart(title: str, bars: Sequence[tuple[int, int]], *, unit: str) -> str:
    """Bars at (unix seconds, count)."""
    if not bars:
        return _figure(title, "<p>no data</p>")
    frame = _Frame.around([(at, Decimal(count)) for at, count in bars], floor=Decimal(0))
    width = max(1.0, (WIDTH - LEFT - RIGHT) / len(bars) - 0.6)
    base = frame.y(Decimal(0))
    parts = [frame.axes(unit)]
    for at, count in bars:
        y = frame.y(Decimal(count))
        parts.append(
            f'<g class="bar"><title>{clock(at)}: {count:,} {unit}</title>'
            f'<rect x="{frame.x(at) - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{base - y:.1f}"/></g>'
        )
    return _figure(title, _svg(title, parts))


def clock(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d %b %H:%M")


@dataclass(frozen=True)
class _Frame:
    start: int
    end: int
    low: Decimal
    high: Decimal

    @staticmethod
    def around(points: Sequence[tuple[int, Decimal]], floor: Decimal | None = None) -> _Frame:
        values = [value for _, value in points]
        low = floor if floor is not None else min(values)
        high = max(values)
        margin = (high - low) / 20 or abs(high) / 20 or Decimal(1)
        if floor is None:
            # What is never below 0, as a price, has no axis there either.
            low = low - margin if low < 0 else max(low - margin, Decimal(0))
        return _Frame(
            start=points[0][0] if len({at for at, _ in points}) > 1 else points[0][0] - 1,
            end=max(at for at, _ in points),
            low=low,
            high=high + margin,
        )

    # Pixels are floats: nothing is decided by them.
    def x(self, at: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at - self.start) / (self.end - self.start)

    def y(self, value: Decimal) -> float:
        share = float((value - self.low) / (self.high - self.low))
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def axes(self, unit: str) -> str:
        parts = []
        for i in range(5):
            value = self.low + (self.high - self.low) * i / 4
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{_short(value)}</text>')
        for i in range(5):
            at = self.start + (self.end - self.start) * i // 4
            anchor = ("start", "middle", "middle", "middle", "end")[i]
            place = f'x="{self.x(at):.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}"'
            parts.append(f'<text class="tick" {place}>{clock(at)[-5:]}</text>')
        if unit:
            parts.append(f'<text class="tick" x="{LEFT}" y="{TOP - 3}">{escape(unit)}</text>')
        return "".join(parts)


def _short(value: Decimal) -> str:
    magnitude = abs(value)
    digits = 0 if magnitude >= 1000 else 2 if magnitude >= 10 else 4
    return f"{value:,.{digits}f}"


def _svg(title: str, parts: Sequence[str]) -> str:
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _figure(title: str, body: str) -> str:
    return f"<figure><figcaption>{escape(title)}</figcaption>{body}</figure>"
