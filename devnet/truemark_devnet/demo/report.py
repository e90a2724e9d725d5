"""The day as one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape
from typing import Literal

from truemark_devnet.demo.charts import Line, Marker, bar_chart, clock, line_chart

EventKind = Literal["info", "guard", "liquidation", "money"]


@dataclass(frozen=True)
class DayEvent:
    """Something that a reader of the day should see. `at` in unix seconds of block time."""

    at: int
    kind: EventKind
    title: str
    text: str


@dataclass(frozen=True)
class TraderRow:
    """One line of the final table; all amounts in USD."""

    name: str
    address: str
    book: str
    deposited: Decimal
    withdrawn: Decimal
    trading: Decimal
    funding: Decimal
    fees: Decimal
    liquidation_costs: Decimal
    vault: Decimal
    equity: Decimal
    liquidated: tuple[str, ...]

    @property
    def pnl(self) -> Decimal:
        """What the margin account made or lost: equity + withdrawn - deposited."""
        return self.equity + self.withdrawn - self.deposited


@dataclass(frozen=True)
class Check:
    """An equation of the reconciliation, to the unit (1e-6 USD)."""

    name: str
    left: Decimal
    right: Decimal
    parts: Sequence[tuple[str, Decimal]]

    @property
    def holds(self) -> bool:
        return self.left == self.right


@dataclass
class Day:
    """All that the report shows, gathered while the day runs."""

    marks: dict[str, list[tuple[int, Decimal]]] = field(default_factory=dict)
    equity: dict[str, list[tuple[int, Decimal]]] = field(default_factory=dict)
    transactions: list[tuple[int, int]] = field(default_factory=list)
    events: list[DayEvent] = field(default_factory=list)
    traders: list[TraderRow] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    expected_liquidations: tuple[str, ...] = ()
    liquidated: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)


def render(day: Day) -> str:
    """The page: charts, timeline, traders, reconciliation. It asks no other host for anything."""
    markers = [Marker(e.at, e.title, f"marker {e.kind}") for e in day.events if e.kind != "money"]
    marks = "".join(line_chart(name, [Line(name, points)], markers, unit="USD") for name, points in day.marks.items())
    hit = set(day.liquidated)
    lines = [Line(name, points, "line hit" if name in hit else "line faint") for name, points in day.equity.items()]
    verdict = "equal" if set(day.liquidated) == set(day.expected_liquidations) else "DIFFERENT"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Truemark: settlement day</title><style>{_CSS}</style></head><body>
<header><h1>Settlement day</h1>
<p>The hours from 18 January 22:00 to 19 January 23:00 UTC 2026, recorded prices, on a local Ethereum and a local
Starknet node. A figure holds at the end of its hour; between the hourly figures prices are interpolated. Funding is the
base rate of 0.01% for 8 hours.</p>{_facts(day.facts)}</header>
<section><h2>What happened</h2>{_timeline(day.events)}</section>
<section><h2>Mark prices</h2><div class="grid3">{marks}</div></section>
<section><h2>Equity and blocks</h2><div class="grid2">
{line_chart("Equity of each trader but the makers (liquidated ones marked)", lines, markers, unit="USD")}
{bar_chart("Transactions in each ten minutes", day.transactions, unit="transactions")}</div></section>
<section><h2>Traders</h2>
<p>Liquidated: {escape(", ".join(day.liquidated) or "nobody")}. Said beforehand by <code>truemark.risk</code>:
{escape(", ".join(day.expected_liquidations) or "nobody")}: <b>{verdict}</b>.</p>{_traders(day.traders)}</section>
<section><h2>Reconciliation, to the last unit</h2>{_checks(day.checks)}</section>
</body></html>
"""


def _facts(facts: Mapping[str, str]) -> str:
    items = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in facts.items())
    return f"<dl>{items}</dl>"


def _timeline(events: Sequence[DayEvent]) -> str:
    rows = "".join(
        f'<li class="{event.kind}"><time>{clock(event.at)}</time><b>{escape(event.title)}</b> {escape(event.text)}</li>'
        for event in sorted(events, key=lambda event: event.at)
    )
    return f'<ol class="timeline">{rows}</ol>'


def _traders(rows: Sequence[TraderRow]) -> str:
    head = (
        "Trader", "Book", "Deposited", "Withdrawn", "Trading", "Funding", "Fees", "Liquidation", "PnL", "Equity",
        "In the vault", "Liquidated",
    )  # fmt: skip
    body = "".join(
        f'<tr class="{"hit" if row.liquidated else ""}"><th title="{escape(row.address)}">{escape(row.name)}</th>'
        f"<td class='text'>{escape(row.book)}</td>"
        + "".join(
            f"<td>{_usd(amount)}</td>"
            for amount in (
                row.deposited,
                row.withdrawn,
                row.trading,
                row.funding,
                row.fees,
                row.liquidation_costs,
                row.pnl,
                row.equity,
                row.vault,
            )
        )
        + f"<td class='text'>{escape(', '.join(row.liquidated))}</td></tr>"
        for row in rows
    )
    heads = "".join(f"<th>{name}</th>" for name in head)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _checks(checks: Sequence[Check]) -> str:
    blocks = []
    for check in checks:
        parts = "".join(f"<tr><th>{escape(name)}</th><td>{amount:,.6f}</td></tr>" for name, amount in check.parts)
        state = "holds" if check.holds else "BROKEN"
        blocks.append(
            f'<div class="check {state}"><h3>{escape(check.name)}: {state}</h3><table>{parts}'
            f"<tr class='sum'><th>left side</th><td>{check.left:,.6f}</td></tr>"
            f"<tr class='sum'><th>right side</th><td>{check.right:,.6f}</td></tr></table></div>"
        )
    return f'<div class="grid2">{"".join(blocks)}</div>'


def _usd(amount: Decimal) -> str:
    return f"{amount:,.2f}" if amount else "-"


_CSS = """
:root{color-scheme:light dark;--bg:#fbfbfa;--fg:#1c1d1f;--soft:#6a6d73;--line:#dfe0e2;--card:#fff;--accent:#2456c8;
--hit:#c22f2f;--guard:#b07400;--ok:#19794a}
@media(prefers-color-scheme:dark){:root{--bg:#131416;--fg:#e9e9ea;--soft:#9a9da4;--line:#2d2f34;--card:#1a1c1f;
--accent:#7ea6ff;--hit:#ff7a70;--guard:#e2b04a;--ok:#5fc893}}
body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;
max-width:1180px;margin:0 auto;padding:24px 18px}
h1{font-size:28px;margin:0}h2{font-size:19px;margin:34px 0 10px}h3{font-size:15px;margin:0 0 8px}
header p{color:var(--soft);max-width:70ch}
dl{display:flex;flex-wrap:wrap;gap:10px 28px;margin:14px 0}dt{color:var(--soft);
font-size:12px}dd{margin:0;font-variant-numeric:tabular-nums}
.grid2,.grid3{display:grid;gap:14px;grid-template-columns:repeat(auto-fit,minmax(330px,1fr))}
figure,.check{background:var(--card);border:1px solid var(--line);border-radius:8px;margin:0;padding:10px 12px}
figcaption{font-weight:600;font-size:13px}svg{width:100%;height:auto;display:block}
.grid line,line.grid{stroke:var(--line)}.tick{fill:var(--soft);font-size:10px}
.line polyline{fill:none;stroke:var(--accent);stroke-width:1.6}.line.faint polyline{stroke:var(--soft);opacity:.45;
stroke-width:1}.line.hit polyline{stroke:var(--hit);stroke-width:1.6}.line:hover polyline{stroke-width:3;opacity:1}
.bar rect{fill:var(--accent);opacity:.75}.bar:hover rect{opacity:1}
.marker line{stroke:var(--soft);stroke-dasharray:2 3}.marker.guard line{stroke:var(--guard)}.marker.liquidation
line{stroke:var(--hit)}
.timeline{list-style:none;padding:0;margin:0}.timeline li{border-left:3px solid var(--line);padding:2px 0 6px 12px}
.timeline time{color:var(--soft);margin-right:10px;font-variant-numeric:tabular-nums}
.timeline .guard{border-color:var(--guard)}.timeline .liquidation{border-color:var(--hit)}.timeline
.money{border-color:var(--ok)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:4px 8px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
tbody th,.text,thead th:first-child{text-align:left;font-weight:500}tr.hit{color:var(--hit)}.check
th{text-align:left;font-weight:400}.sum th,.sum td{font-weight:600}
.holds h3{color:var(--ok)}.BROKEN h3{color:var(--hit)}
"""
