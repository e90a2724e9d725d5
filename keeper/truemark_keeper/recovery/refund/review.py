"""The review: every taking of the window with its evidence, for a person to approve or reject; and what was decided.

The table goes out as CSV and HTML. The CSV comes back with the columns `decision` ("approve" or "reject"), `by` and
`note` filled in. A taking that was found wrong must be decided; any other is rejected unless it is approved with a
note. A table that is written again keeps the decisions about what is found as before.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.felt import hex_of

from truemark_keeper.atomic import keep_before, write_whole
from truemark_keeper.recovery.page import facts, page, paragraph, table, usd
from truemark_keeper.recovery.refund.compute import CannotValue, Survey, value
from truemark_keeper.recovery.refund.judge import Finding, PriceAt

APPROVE: Final = "approve"
REJECT: Final = "reject"
_COLUMNS: Final = (
    "id",
    "account",
    "kind",
    "role",
    "market",
    "time",
    "size",
    "mark",
    "independent_price",
    "loss_usd",
    "finding",
    "evidence",
    "decision",
    "by",
    "note",
)
#: What a person fills in, and what makes a taking the same that it was decided about.
_FILLED: Final = ("decision", "by", "note")
_SAME: Final = ("id", "account", "finding", "evidence")
#: What a spreadsheet would take for a formula.
_FORMULA: Final = ("=", "+", "@", "\t", "\r")


class BadDecisions(TruemarkError, ValueError):
    """A file of decisions that cannot be used; the message names the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """About one taking, by its id."""

    id: str
    approved: bool
    by: str
    note: str


def write_review(
    found: Survey, deployment: Deployment, folder: Path, losses: Mapping[str, int] | None = None
) -> tuple[Path, Path, Path | None]:
    """Writes review.csv and review.html: both paths, and where a review.csv with anything else was put.

    Args:
        losses: id -> what undoing it would add, 1e-24 USD.

    Raises:
        OSError: they cannot be written.
    """
    table_path, page_path = folder / "review.csv", folder / "review.html"
    rows = _rows(found, deployment, losses or {})
    filled: dict[tuple[str, ...], dict[str, str]] = {}
    # One that cannot be read has no decisions; it is kept all the same.
    with suppress(BadDecisions):
        filled = {_same(row): {name: row[name] for name in _FILLED} for row in _read(table_path)}
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        plain = {name: _plain(text) for name, text in row.items()}
        writer.writerow(plain | filled.get(_same(plain), {}))
    content = out.getvalue().encode()
    kept = keep_before(table_path, content)
    write_whole(table_path, content)
    write_whole(page_path, _html(found, rows).encode())
    return table_path, page_path, kept


def losses_of(found: Survey, deployment: Deployment, price: PriceAt, funding: Mapping[int, int]) -> dict[str, int]:
    """What undoing each taking would add to its account, 1e-24 USD, by id; of those that can be valued."""
    losses = {}
    for judged in found.judged:
        with suppress(CannotValue):
            losses[judged.taking.id] = value(judged, found, deployment, price, funding).loss
    return losses


def read_decisions(path: Path, found: Survey) -> list[Decision]:
    """What a person decided about the takings of this survey.

    Raises:
        BadDecisions: see the class.
    """
    known = {item.taking.id: item for item in found.judged}
    decided: dict[str, Decision] = {}
    for line, row in enumerate(_read(path), start=2):
        taking, said = row["id"].strip(), row["decision"].strip().lower()
        by, note = row["by"].strip(), row["note"].strip()
        where = f"{path}, line {line}"
        if taking not in known:
            raise BadDecisions(f"{where}: no taking of this review is called {taking!r}")
        if taking in decided:
            raise BadDecisions(f"{where}: {taking} is decided twice")
        wrong = known[taking].finding is Finding.WRONG
        if not said:
            if wrong:
                raise BadDecisions(f"{where}: {taking} was found wrong and is not decided: approve or reject")
            continue
        if said not in (APPROVE, REJECT):
            raise BadDecisions(f"{where}: the decision is {said!r}, it is approve or reject")
        if not by:
            raise BadDecisions(f"{where}: nobody stands for the decision: fill in `by`")
        if (said == APPROVE) is not wrong and not note:
            raise BadDecisions(f"{where}: it goes against what was found ({known[taking].finding}): say why in `note`")
        decided[taking] = Decision(taking, said == APPROVE, by, note)
    open_ones = [item.taking.id for item in found.wrong if item.taking.id not in decided]
    if open_ones:
        raise BadDecisions(f"{path}: {len(open_ones)} takings that were found wrong are missing, first {open_ones[0]}")
    return list(decided.values())


def approved(decisions: Sequence[Decision]) -> list[str]:
    return [item.id for item in decisions if item.approved]


def _read(path: Path) -> list[dict[str, str]]:
    """The rows of a table, as spreadsheets write it too: with a mark of its encoding, with empty ends left out.

    Raises:
        BadDecisions: it cannot be read, or has not the columns.
    """
    try:
        reader = csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""), restval="")
        missing = [name for name in ("id", *_FILLED) if name not in (reader.fieldnames or ())]
        if missing:
            raise BadDecisions(f"{path}: without the column {', '.join(missing)} (columns are parted by commas)")
        return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadDecisions(f"{path}: {error}") from None


def _same(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row.get(name, "") for name in _SAME)


def _rows(found: Survey, deployment: Deployment, losses: Mapping[str, int]) -> list[dict[str, str]]:
    names = {market.index: name for name, market in deployment.markets.items()}
    rows = []
    for judged in found.judged:
        taking = judged.taking
        loss = losses.get(taking.id)
        rows.append(
            {
                "id": taking.id,
                "account": hex_of(taking.account),
                "kind": taking.kind,
                "role": taking.role.value,
                "market": names.get(taking.market, ""),
                "time": datetime.fromtimestamp(taking.time, UTC).isoformat(),
                "size": usd(taking.size, 8),
                "mark": usd(taking.mark, 8),
                "independent_price": "" if judged.own_price is None else usd(judged.own_price, 8),
                "loss_usd": "" if loss is None else usd(loss // 10**18),
                "finding": judged.finding.value,
                "evidence": judged.reason,
                "decision": "",
                "by": "",
                "note": "",
            }
        )
    return rows


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _html(found: Survey, rows: Sequence[Mapping[str, str]]) -> str:
    counts = {finding: sum(item.finding is finding for item in found.judged) for finding in Finding}
    shown = [name for name in _COLUMNS if name not in _FILLED]
    return page(
        f"Review: {found.rules.title or found.rules.incident}",
        paragraph(
            "Every position that was taken in the window, and whether it would have been at the independent price. "
            "Decide in review.csv: approve or reject each that was found wrong, with your name."
        ),
        facts(
            {
                "incident": found.rules.incident,
                "rules": found.rules.digest,
                "blocks": f"{found.rules.window.first_block} to {found.last_block}",
                **{f"found {finding.value}": str(count) for finding, count in counts.items()},
            }
        ),
        table(shown, ([row[name] for name in shown] for row in rows), (6, 7, 8, 9)),
    )
