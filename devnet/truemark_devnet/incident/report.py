"""The two nights side by side as one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from html import escape

from truemark_devnet.demo.charts import Line, Marker, line_chart
from truemark_devnet.incident.night import Night, Turn, causes
from truemark_devnet.incident.script import ACCOUNTS, PRICES
from truemark_devnet.scenario.run import START

_CSS = """
:root{color-scheme:light dark;font:15px/1.45 system-ui,sans-serif}body{max-width:1180px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{padding:.3rem .6rem;border-bottom:1px solid #8886;
text-align:left;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}
.bad{color:#c22;font-weight:600}
.good{color:#183;font-weight:600}.grid{display:grid;grid-template-columns:1fr 1fr;gap:1rem}figure{margin:0}
svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}
.line polyline{fill:none;stroke:#36c;stroke-width:1.6}
.marker line{stroke:#c22;stroke-dasharray:3 3}.axis line,line.axis{stroke:#8888}pre{overflow:auto;font-size:12px}
"""


def render(bare: Night, guarded: Night, *, database: str, problems: Sequence[str]) -> str:
    """The page. It asks no other host for anything."""
    verdict = (
        '<p class="good">It came out as it must.</p>'
        if not problems
        else "".join(f'<p class="bad">{escape(problem)}</p>' for problem in problems)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Truemark: the incident, replayed</title><style>{_CSS}</style></head><body>
<h1>The incident, replayed</h1>
<p>A {escape(database)} database is upgraded while keepers read it. For some seconds its price and funding columns are
0, then they are filled from old pages of the price history, and last with the right values. The true prices hardly
move. Left: an oracle without guards and a keeper that believes what it reads. Right: the release and its keepers.</p>
{verdict}
<h2>Accounts</h2>{_accounts(bare, guarded)}
<h2>Marks</h2><div class="grid">{_charts(bare, guarded)}</div>
<h2>The night, second by second</h2>{_turns(bare, guarded)}
<h2>Incident files of the guarded venue</h2>
<p>Causes: {escape(", ".join(causes(guarded)) or "none")}</p>{_incidents(guarded)}
</body></html>
"""


def _accounts(bare: Night, guarded: Night) -> str:
    rows = "".join(
        f"<tr><th>{escape(who)}</th><td>{escape(book_of(who))}</td>"
        + "".join(
            f'<td class="{"bad" if who in night.liquidated else "good"}">{_fate(night, who)}</td>'
            f'<td class="n">{night.equity[who]:,.2f}</td>'
            for night in (bare, guarded)
        )
        + "</tr>"
        for who in bare.equity
    )
    heads = "<th>account</th><th>positions</th>" + "".join(
        f"<th>{night.name}</th><th>worth in the morning, USD</th>" for night in (bare, guarded)
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _charts(bare: Night, guarded: Night) -> str:
    charts = []
    for market in PRICES:
        for night in (bare, guarded):
            points = [(START + turn.at, turn.marks[market]) for turn in night.turns]
            hits = [Marker(START + turn.at, ", ".join(turn.liquidated)) for turn in night.turns if turn.liquidated]
            charts.append(line_chart(f"{market}, {night.name}", [Line(market, points)], hits, unit="USD"))
    return "".join(charts)


def _turns(bare: Night, guarded: Night) -> str:
    rows = "".join(
        f'<tr><td class="n">{left.at}</td><td>{escape(left.phase.value)}</td>{_cells(left)}{_cells(right)}</tr>'
        for left, right in zip(bare.turns, guarded.turns, strict=True)
    )
    heads = "<th>s</th><th>database</th>" + "".join(
        f"<th>{night.name}: keepers</th><th>mode</th><th>liquidated</th>" for night in (bare, guarded)
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _cells(turn: Turn) -> str:
    hit = ", ".join(turn.liquidated)
    return f'<td>{escape(turn.said)}</td><td>{turn.mode}</td><td class="bad">{escape(hit)}</td>'


def _incidents(night: Night) -> str:
    blocks = []
    for incident in night.incidents:
        rows = "".join(
            f"<tr><td>{escape(item['rule'])}</td><td>{escape(item['market'] or '')}</td><td>{item['at']}</td>"
            f"<td>{escape(item['explanation'])}</td></tr>"
            for item in incident["breaks"]
        )
        stop = incident["stop"]
        stopped = "not stopped" if stop is None else f"{stop['mode']} in block {stop['block']}"
        blocks.append(
            f"<h3>{escape(incident['incident'])}: {stopped}</h3><table><thead><tr><th>rule</th><th>market</th>"
            f"<th>at</th><th>what was seen</th></tr></thead><tbody>{rows}</tbody></table>"
        )
    return "".join(blocks)


def _fate(night: Night, who: str) -> str:
    return "liquidated" if who in night.liquidated else "untouched"


def book_of(who: str) -> str:
    """An account's positions in words."""
    positions = ACCOUNTS[who].positions
    return ", ".join(f"{_signed(size)} {market.split('-')[0]}" for market, size in positions.items()) or "none"


def _signed(size: Decimal) -> str:
    return f"{'long' if size > 0 else 'short'} {abs(size)}"
