"""The drill on one page: verdict, timeline, marks, steps, money. Server-made and self-contained, dark and light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from typing import Any, Final

import orjson

from truemark_devnet.demo.charts import Line, Marker, line_chart
from truemark_devnet.drill.script import BTC, ETH, PAXG, SOL, STORAGE, true_price
from truemark_devnet.drill.timeline import timeline
from truemark_devnet.drill.verdict import Expectation

#: What people call the steps.
TITLES: Final[Mapping[str, str]] = {
    "open": "venue opened, accounts funded from L1",
    "quiet": "quiet part of the night",
    "corrupted": "storage and database corrupted",
    "find": "find the last good block",
    "plan": "plan",
    "rollback": "roll back",
    "sent again": "erased transactions sent again",
    "reconcile": "reconcile the bridge",
    "reopened by hand": "reopened by hand: second wave",
    "reopened": "reopened by the tool",
    "refunds": "refunds to the last account",
    "restore": "funding index restored",
}
PART_TITLES: Final[Mapping[str, str]] = {"unguarded": "without guards", "guarded": "the release"}

_CSS: Final = """
:root{color-scheme:light dark;--ink:#1b1d22;--soft:#5b616e;--line:#d7dae1;--card:#f6f7f9;--page:#fff;--good:#14713c;
--bad:#b3261e;--accent:#2f5fd0;font:15px/1.5 system-ui,sans-serif}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaf0;--soft:#a3a9b6;--line:#363b46;--card:#1d2027;--page:#14161b;
--good:#5fd08c;--bad:#ff8a80;--accent:#8ab0ff}}
*{box-sizing:border-box}body{max-width:1180px;margin:0 auto;padding:2rem 1rem 4rem;color:var(--ink);
background:var(--page)}
h1{font-size:1.8rem;margin:0 0 .3rem}h2{margin:2.2rem 0 .6rem;font-size:1.25rem}p.lead{color:var(--soft);max-width:70ch;
margin:.2rem 0 1rem}
.verdict{padding:.8rem 1rem;border-left:5px solid;border-radius:4px;background:var(--card);margin:1rem 0}
.verdict.good{border-color:var(--good)}.verdict.bad{border-color:var(--bad)}
.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:.7rem;margin:1rem 0}
.tile{background:var(--card);border-radius:6px;padding:.7rem .9rem}.tile b{display:block;font-size:1.35rem}
.tile span{color:var(--soft);font-size:.86rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:.5rem 0;font-size:.92rem}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(430px,1fr));gap:1rem}figure{margin:0;background:var(--card);
border-radius:6px;padding:.6rem}figcaption{font-size:.86rem;color:var(--soft)}
svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}.true polyline{fill:none;stroke:var(--good);
stroke-width:1.4;stroke-dasharray:4 3}.mark polyline{fill:none;stroke:var(--accent);stroke-width:1.8}
.marker line{stroke:var(--bad);stroke-dasharray:3 3}.grid line,line.grid{stroke:var(--line)}
details{margin:.3rem 0}summary{cursor:pointer}pre{overflow:auto;font-size:12px;background:var(--card);padding:.6rem;
border-radius:6px}code{font-size:.9em}
"""


def render(
    record: Mapping[str, Mapping[str, Mapping[str, Any]]],
    found: Sequence[Expectation],
    *,
    accounts: int,
    marks: Mapping[str, Mapping[str, Sequence[Sequence[Any]]]],
    zeros: Mapping[str, int],
    fall: Mapping[str, int | None],
    seconds: float,
) -> str:
    """
    Args:
        record: part -> step -> {"facts", "seconds", "at"}.
        marks: part -> market -> (block time, price in 1e-8 USD).
        zeros: part -> block time at which its night began.
        fall: part -> when SOL fell in truth, seconds of the night.
        seconds: that all steps took.
    """
    unmet = [item for item in found if not item.met]
    facts = {part: {step: item["facts"] for step, item in steps.items()} for part, steps in record.items()}
    verdict = (
        f'<div class="verdict good"><b>It came out as it must.</b> All {len(found)} expectations are met.</div>'
        if not unmet
        else f'<div class="verdict bad"><b>{len(unmet)} of {len(found)} expectations are not met.</b><ul>'
        + "".join(f"<li>{escape(item.part)}, {escape(item.step)}: {escape(item.text)}</li>" for item in unmet)
        + "</ul></div>"
    )
    charts = "".join(_chart(part, market, marks, zeros, fall) for market in (BTC, ETH, SOL, PAXG) for part in marks)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Truemark: the drill</title><style>{_CSS}</style></head><body>
<h1>The drill: 19 January 2026</h1>
<p class="lead">The night of a database upgrade on two venues with the same {accounts} accounts. On one without guards
the last good block is found afterwards, the chain rolled back, the bridge reconciled, the venue reopened, and who was
wronged refunded. On the release there is nothing of that to do. Every figure was read from the two chains.</p>
{verdict}{_tiles(facts, seconds)}
<h2>Timeline</h2>{timeline(record, found, TITLES, PART_TITLES)}
<h2>Marks</h2><p class="lead">What each venue took for the mark, and what the world paid (dashed). Block time.</p>
<div class="grid">{charts}</div>
<h2>What had to be so</h2><div class="wide">{_expectations(found)}</div>
<h2>Money</h2><p class="lead">After each of these steps, 1e-6 USD on L2: the ledger is the token balance and the sum of
its parts; the supply is in known purses; and on L1 what is locked is what L2 has a claim on.</p>
<div class="wide">{_money(record)}</div>
<h2>Refunds</h2>{_refunds(facts)}
<h2>Steps</h2>{_steps(record)}
</body></html>
"""


def _tiles(facts: Mapping[str, Mapping[str, Any]], seconds: float) -> str:
    bare, release = facts.get("unguarded", {}), facts.get("guarded", {})
    refunds = bare.get("refunds", {})
    tiles = (
        (bare.get("corrupted", {}).get("accounts"), "accounts liquidated by the night, without guards"),
        (release.get("corrupted", {}).get("liquidations"), "liquidations in the same night on the release"),
        (len(bare.get("reopened by hand", {}).get("wrong", ())), "wrongly liquidated by the second wave"),
        (_usd(refunds.get("total")), f"USD refunded to {refunds.get('accounts', 0)} accounts"),
        (f"{seconds:.0f} s", "for all of it"),
    )
    cells = "".join(f'<div class="tile"><b>{escape(str(value))}</b><span>{text}</span></div>' for value, text in tiles)
    return f'<div class="tiles">{cells}</div>'


def _usd(text: str | None) -> str:
    return "0" if text is None else f"{Decimal(text):,.2f}"


def _chart(
    part: str,
    market: str,
    marks: Mapping[str, Mapping[str, Sequence[Sequence[Any]]]],
    zeros: Mapping[str, int],
    fall: Mapping[str, int | None],
) -> str:
    points = sorted({(int(at), Decimal(int(price)).scaleb(-8)) for at, price in marks[part].get(market, ())})
    if not points or part not in zeros:
        return ""
    zero = zeros[part]
    first, last = points[0][0], points[-1][0]
    step = max((last - first) // 200, 1)
    true = [(at, true_price(market, at - zero, fall.get(part))) for at in range(first, last + 1, step)]
    title = f"{market}, {PART_TITLES[part]}"
    night = Marker(zero + STORAGE, "storage is changed by no transaction")
    return line_chart(
        title, [Line("what the world pays", true, "true"), Line("mark", points, "mark")], [night], unit="USD"
    )


def _expectations(found: Sequence[Expectation]) -> str:
    rows = "".join(
        f'<tr><td class="{"good" if item.met else "bad"}">{"met" if item.met else "not met"}</td>'
        f"<td>{escape(PART_TITLES[item.part])}</td><td>{escape(TITLES.get(item.step, item.step))}</td>"
        f"<td>{escape(item.text)}</td><td>{escape(item.measured)}</td></tr>"
        for item in found
    )
    heads = "<th></th><th>venue</th><th>step</th><th>expectation</th><th>measured</th>"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _money(record: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    names = (
        "ledger",
        "balance",
        "parts",
        "accounts",
        "insurance",
        "supply",
        "purses",
        "locked_usd",
        "unpaid_usd",
        "due_usd",
    )
    rows = []
    for part, steps in record.items():
        for step, item in steps.items():
            proof = item["facts"].get("conservation")
            if proof is None:
                continue
            cells = "".join(f'<td class="n">{_figure(proof[name])}</td>' for name in names)
            good = '<td class="good">yes</td>' if proof["holds"] else "<td>not yet</td>"
            rows.append(f"<tr><td>{PART_TITLES[part]}</td><td>{escape(TITLES.get(step, step))}</td>{cells}{good}</tr>")
    heads = "<th>venue</th><th>after</th>" + "".join(f'<th class="n">{name.replace("_", " ")}</th>' for name in names)
    return f"<table><thead><tr>{heads}<th>holds</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _figure(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{Decimal(value):,.2f}"


def _refunds(facts: Mapping[str, Mapping[str, Any]]) -> str:
    said = facts.get("unguarded", {}).get("refunds")
    if said is None:
        return "<p>None were made.</p>"
    rows = "".join(
        f'<tr><td>{escape(who)}</td><td class="n">{amount:,}</td><td class="n">{said["independent"].get(who, 0):,}</td>'
        f'<td class="n">{said["credited"].get(who, 0):,}</td></tr>'
        for who, amount in said["owed"].items()
    )
    heads = "".join(f'<th class="n">{name}</th>' for name in ("refund", "second computation", "credited"))
    return (
        f"<p>Root <code>{escape(said['root'])}</code>, {_usd(said['total'])} USD, {said['tickets_closed']} tickets "
        f"closed. Amounts in 1e-6 USD.</p><details><summary>{said['accounts']} accounts</summary><div class='wide'>"
        f"<table><thead><tr><th>account</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _steps(record: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    blocks = []
    for part, steps in record.items():
        for step, item in steps.items():
            content = orjson.dumps(item["facts"], option=orjson.OPT_INDENT_2).decode()
            clock = datetime.fromtimestamp(item["at"], UTC).strftime("%H:%M:%S")
            blocks.append(
                f"<details><summary>{PART_TITLES[part]}: {escape(TITLES.get(step, step))}, {item['seconds']:.1f} s, "
                f"until {clock} UTC of block time</summary><pre>{escape(content)}</pre></details>"
            )
    return "".join(blocks)
