"""A statement for each account, HTML and JSON with its proof, and a public index of them.

The JSON is what `truemark refund` and the trader's `claim_refund` read: the claim, and beside it what it is made of.
The index names no more than what is on chain anyway: accounts, amounts, transactions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from truemark.felt import hex_of

from truemark_keeper.atomic import write_whole
from truemark_keeper.recovery.page import Html, facts, heading, page, paragraph, table, usd
from truemark_keeper.recovery.refund.paylist import PayList

INDEX: Final = "index.json"


def write_statements(pay: PayList, folder: Path, *, venue: str, paid: Collection[int] = ()) -> Path:
    """Writes one statement for each refund and the index; the index's JSON.

    Args:
        folder: index.json, index.html and <account>.json, <account>.html go there.
        venue: its name.
        paid: the indices that are paid already.

    Raises:
        OSError: a file cannot be written.
    """
    entries = []
    for index, detail in enumerate(pay.details):
        name = f"{pay.tree.leaves[index].account:#066x}"
        statement = statement_of(pay, index, venue)
        write_whole(folder / f"{name}.json", orjson.dumps(statement, option=orjson.OPT_INDENT_2))
        write_whole(folder / f"{name}.html", _html(statement, detail).encode())
        entries.append(
            {
                "index": index,
                "account": hex_of(pay.tree.leaves[index].account),
                "amount": str(pay.tree.leaves[index].amount),
                "takings": len(detail["lines"]),
                "paid": index in paid,
                "statement": f"{name}.json",
                "page": f"{name}.html",
            }
        )
    public = {
        "version": 1,
        "venue": venue,
        **_head(pay),
        "paid": str(sum(leaf.amount for index, leaf in enumerate(pay.tree.leaves) if index in paid)),
        "refunds": entries,
        "left_out": [
            {"account": item["account"], "reason": item["reason"], "exact": item["exact"]} for item in pay.left_out
        ],
    }
    write_whole(folder / "index.html", _index(public).encode())
    write_whole(folder / INDEX, orjson.dumps(public, option=orjson.OPT_INDENT_2))
    return folder / INDEX


def statement_of(pay: PayList, index: int, venue: str) -> dict[str, Any]:
    """The claim with its proof, and what it is made of."""
    return {
        **pay.tree.claim(index).to_json(),
        "venue": venue,
        "list": _head(pay),
        "exact": pay.details[index]["exact"],
        "lines": pay.details[index]["lines"],
    }


def _head(pay: PayList) -> dict[str, Any]:
    return {
        "incident": hex(pay.incident),
        "name": pay.name,
        "title": pay.title,
        "rules": pay.rules,
        "chain_id": hex(pay.tree.chain_id),
        "distributor": hex_of(pay.tree.distributor),
        "root": hex_of(pay.tree.root),
        "count": pay.tree.count,
        "total": str(pay.tree.total),
    }


def _html(statement: Mapping[str, Any], detail: Mapping[str, Any]) -> str:
    rows = [
        (
            line["time"],
            line["kind"],
            line["market"],
            usd(line["size"], 8),
            usd(line["mark"], 8),
            usd(line["fair_price"], 8),
            usd(line["cash"]),
            usd(line["costs"]),
            usd(int(line["loss"]) // 10**18),
            line["evidence"],
        )
        for line in detail["lines"]
    ]
    return page(
        f"Refund: {statement['list']['title']}",
        facts(
            {
                "venue": statement["venue"],
                "account": statement["account"],
                "refund": f"{usd(statement['amount'])} USD",
                "paid into": "the account's margin account; nothing needs to be done",
            }
        ),
        heading("What was undone"),
        table(
            (
                "time",
                "what",
                "market",
                "size",
                "taken at",
                "fair price",
                "got, USD",
                "costs in it, USD",
                "lost, USD",
                "why",
            ),
            rows,
            range(3, 9),
        ),
        paragraph(
            "Lost is what the position is worth at the fair price less what the account got for it, all costs in it. "
            "The sum is rounded once, to 0.000001 USD."
        ),
        heading("Check it"),
        paragraph(
            Html("Anyone can, with no key: save the JSON beside this page and run <code>truemark refund FILE</code>.")
        ),
        facts(
            {
                "incident": statement["incident"],
                "index": f"{statement['index']} of {statement['list']['count']}",
                "root": statement["list"]["root"],
                "distributor": statement["list"]["distributor"],
                "proof": ", ".join(statement["proof"]),
            }
        ),
    )


def _index(public: Mapping[str, Any]) -> str:
    rows = [
        (
            Html(f'<a href="{item["page"]}"><code>{item["account"]}</code></a>'),
            str(item["takings"]),
            usd(item["amount"]),
            "yes" if item["paid"] else "not yet",
        )
        for item in public["refunds"]
    ]
    left = [(item["account"], item["reason"]) for item in public["left_out"]]
    parts = [
        facts(
            {
                "venue": public["venue"],
                "refunds": str(public["count"]),
                "in all": f"{usd(public['total'])} USD",
                "paid": f"{usd(public['paid'])} USD",
                "root": public["root"],
                "distributor": public["distributor"],
                "rules": public["rules"],
            }
        ),
        table(("account", "takings undone", "refund, USD", "paid"), rows, (1, 2)),
    ]
    if left:
        parts += [heading("Without a refund"), table(("account", "why"), left)]
    return page(f"Refunds: {public['title']}", *parts)
