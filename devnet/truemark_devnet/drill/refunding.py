"""Refunds of the second wave, by the tools: rules, survey, review by a person, one root, a claim, pushes, statements,
and a ticket for each account that its webhook closes."""

from __future__ import annotations

import asyncio
import csv
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from truemark.index import Index
from truemark.receipt import Receipt
from truemark.transactions import Call
from truemark.units import from_collateral, to_collateral
from truemark_keeper.recovery.refund import (
    Distribution,
    PayList,
    RefundRules,
    Survey,
    notify,
    read_decisions,
    refunds,
    survey,
    write_review,
    write_statements,
)
from truemark_keeper.recovery.refund.review import approved

from truemark_devnet.drill.night import outside_prices
from truemark_devnet.drill.recovery import INDEX, followed
from truemark_devnet.drill.script import true_price
from truemark_devnet.drill.venue import DrillFailed, Venue
from truemark_devnet.scenario.file import HOUSE

#: Who approves in a rehearsal.
_BY: Final = "the drill"
#: Shared by the webhook's sender and its receiver, both in this process.
_SECRET: Final = b"a drill's secret, worth nothing"
_RULES: Final = """# Who is refunded after the second wave, and how much.
incident = "drill-19-jan"
title = "Thin PAXG in the reopening of 19 January"
uri = "refund/statements/index.json"

[window]
first_block = {first}
last_block = {last}

[valuation]
position = "closed"             # at the fair mark of the moment in which it was taken, with no cost
"""


async def refunded(venue: Venue) -> dict[str, Any]:
    """To the last account. Each part looks at the chain and at its own files first."""
    await followed(venue)
    folder = venue.memory.folder / venue.part / "refund"
    folder.mkdir(parents=True, exist_ok=True)
    hand = venue.memory.facts(venue.part, "reopened by hand")
    if hand is None:
        raise DrillFailed("there was no second wave to refund")
    pay, found = _pay_list(venue, folder, first=hand["first"], last=hand["last"])
    before = venue.memory.note(venue.part, "before refunds", await _collateral(venue, pay))
    distribution = Distribution(venue.rpc, venue.deployment, pay)
    await _provide(venue, distribution)
    await distribution.open(_sender(venue, "admin"))
    # The first one does not wait for anybody.
    await _claim(venue, distribution, pay)
    status = await distribution.push(_sender(venue, "operator"))
    paid = sorted(set(range(status.count)) - set(status.unpaid))
    statements = write_statements(pay, folder / "statements", venue=venue.deployment.name, paid=paid)
    closed = await _close_tickets(venue, pay, paid, folder)
    after = await _collateral(venue, pay)
    owed = {venue.name(leaf.account): leaf.amount for leaf in pay.tree.leaves}
    expected = await independent(venue, found, first=hand["first"], last=hand["last"])
    return {
        "root": hex(pay.tree.root),
        "accounts": status.count,
        "total": str(from_collateral(status.total)),
        "claimed": str(from_collateral(status.claimed)),
        "unpaid": len(status.unpaid),
        "tickets_closed": closed,
        "statements": len(list(statements.parent.glob("0x*.html"))),
        "left_out": len(pay.left_out),
        "owed": owed,
        "independent": expected,
        "credited": {who: after[who] - before[who] for who in owed},
    }


def _pay_list(venue: Venue, folder: Path, *, first: int, last: int) -> tuple[PayList, Survey]:
    """The list, made anew each time: the same index gives the same root."""
    rules_file = folder / "rules.toml"
    rules_file.write_text(_RULES.format(first=first, last=last))
    rules = RefundRules.load(rules_file)
    # Seconds enough for everything that the drill did.
    fall_at = int(venue.memory.noted(venue.part, "fall"))
    price = outside_prices(venue, fall_at + 3_600, fall_at).at
    with Index.open(venue.memory.folder / venue.part / INDEX, venue.deployment) as index:
        found = survey(index, venue.deployment, rules, price, folder)
        table, *_ = write_review(found, venue.deployment, folder)
        _decide(table, {item.taking.id for item in found.wrong})
        decisions = read_decisions(table, found)
        owed = refunds(found, venue.deployment, approved(decisions), price)
    pay = PayList.of(owed, venue.deployment)
    pay.save(folder / "refunds.json")
    return pay, found


def _decide(table: Path, wrong: set[str]) -> None:
    """What a person would type: yes to what was found wrong."""
    rows = list(csv.DictReader(io.StringIO(table.read_text(), newline="")))
    for row in rows:
        if row["id"] in wrong:
            row["decision"], row["by"] = "approve", _BY
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    table.write_text(out.getvalue())


async def _provide(venue: Venue, distribution: Distribution) -> None:
    """The house, which took the positions, gives back what that brought it."""
    missing = await distribution.missing(venue.address_of("admin"))
    if missing:
        token = venue.contract("CollateralToken")
        call = token.call("transfer", venue.address_of("admin"), missing)
        await venue.account(HOUSE).execute([call])


async def _claim(venue: Venue, distribution: Distribution, pay: PayList) -> None:
    if 0 in (await distribution.status()).unpaid:
        claim = distribution.claim(0).to_abi()
        who = venue.name(pay.tree.leaves[0].account)
        call = venue.contract("RefundDistributor").call("claim", pay.incident, **claim)
        await venue.account(who).execute([call])


def _sender(venue: Venue, role: str) -> Any:
    async def send(calls: Sequence[Call]) -> Receipt:
        return await venue.account(role).execute(list(calls))

    return send


async def _collateral(venue: Venue, pay: PayList) -> dict[str, int]:
    standings = await venue.standings()
    return {who: standings[who].collateral for who in (venue.name(leaf.account) for leaf in pay.tree.leaves)}


async def independent(venue: Venue, found: Survey, *, first: int, last: int) -> dict[str, int]:
    """What each wrongly liquidated account lost, 1e-6 USD, a second time and another way: from the chain's events, with
    the true price instead of the mark. What was taken, at the true price less at the mark, and its costs."""
    fall_at = int(venue.memory.noted(venue.part, "fall"))
    names = {market.index: name for name, market in venue.deployment.markets.items()}
    lost: dict[str, Decimal] = {}
    for event in await venue.events("Liquidated", first, last):
        header = await venue.rpc.call("starknet_getBlockWithTxHashes", {"block_id": {"block_number": event["block"]}})
        true = true_price(names[event["market"]], int(header["timestamp"]) - venue.zero, fall_at)
        size, mark = Decimal(event["size"]).scaleb(-8), Decimal(event["mark"]).scaleb(-8)
        value, requirement = Decimal(event["value_before"]), Decimal(event["requirement_before"])
        whole = Decimal(event["size"] + event["remaining"]).scaleb(-8)
        # Every account of the crowd has one position, and every market one tier of 3%.
        if value.scaleb(-16) + whole * (true - mark) < abs(whole) * true * Decimal("0.03"):
            continue
        assert requirement > value
        who = venue.name(event["account"])
        costs = from_collateral(event["penalty"] + event["discount"])
        lost[who] = lost.get(who, Decimal(0)) + size * (true - mark) + costs
    one = Decimal("0.000001")
    return {who: to_collateral(amount.quantize(one, rounding="ROUND_CEILING")) for who, amount in lost.items()}


async def _close_tickets(venue: Venue, pay: PayList, paid: Sequence[int], folder: Path) -> int:
    """Each account has a ticket at somebody's desk, which listens here; how many of them are closed."""
    tickets = {leaf.account: f"TICKET-{number}" for number, leaf in enumerate(pay.tree.leaves)}
    with _desk() as (url, heard):
        deliveries = await notify(pay, paid, url, _SECRET, folder / "webhook.json", tickets=tickets)
        # In a thread of its own, so that it has heard all that was delivered.
        await asyncio.sleep(0)
    venue.keep("desk.json", heard)
    return sum(item.delivered for item in deliveries)


@contextmanager
def _desk() -> Iterator[tuple[str, list[str]]]:
    """A support desk that takes webhooks on this machine."""
    heard: list[str] = []

    class Desk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            heard.append(self.headers["Idempotency-Key"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tickets", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
