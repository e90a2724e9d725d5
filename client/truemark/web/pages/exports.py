"""Lists as CSV, as they are on the page: the same filters, up to ten thousand rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from truemark.explorer.views import SlotWrite
from truemark.web import inputs
from truemark.web.pages.contracts import address_of
from truemark.web.pages.lists import event_filter
from truemark.web.pages.markets import market_of
from truemark.web.show import iso
from truemark.web.site import Site

MOST_ROWS: Final = 10_000
_PAGE: Final = 1_000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def router(site: Site) -> APIRouter:
    routes = APIRouter()
    explorer = site.data.explorer

    @routes.get("/export/blocks.csv")
    async def blocks(limit: str = "") -> StreamingResponse:
        rows: list[tuple[Any, ...]] = []
        cursor, most = None, inputs.limit(limit, MOST_ROWS, MOST_ROWS)
        while len(rows) < most:
            page = await explorer.latest_blocks(cursor, min(_PAGE, most - len(rows)))
            rows += [
                (
                    block.number,
                    hex(block.record.hash),
                    iso(block.record.timestamp),
                    block.status,
                    block.record.transaction_count,
                    block.record.event_count,
                    block.failed,
                    block.l2_gas,
                    block.fee,
                    block.record.unattributed,
                )
                for block in page.rows
            ]
            cursor = page.cursor
            if cursor is None:
                break
        head = (
            "number", "hash", "time", "status", "transactions", "events", "reverted", "l2_gas", "fee_fri",
            "unexplained",
        )  # fmt: skip
        return answer("blocks", head, rows)

    @routes.get("/export/txns.csv")
    async def transactions(limit: str = "", kind: str = "", state: str = "", sender: str = "") -> StreamingResponse:
        rows: list[tuple[Any, ...]] = []
        cursor, most = None, inputs.limit(limit, MOST_ROWS, MOST_ROWS)
        while len(rows) < most:
            page = await explorer.latest_transactions(
                cursor,
                min(_PAGE, most - len(rows)),
                kind=inputs.name(kind),
                failed=state == "failed",
                sender=address_of(site, sender) if sender.strip() else None,
            )
            rows += [
                (
                    hex(tx.hash),
                    tx.block_number,
                    iso(tx.timestamp),
                    tx.index,
                    tx.type,
                    "reverted" if tx.revert_reason is not None else "succeeded",
                    "" if tx.sender is None else hex(tx.sender),
                    tx.sender_name or "",
                    "" if tx.nonce is None else tx.nonce,
                    " ".join(tx.calls),
                    tx.fee,
                    tx.fee_unit,
                    tx.l2_gas,
                    tx.event_count,
                    tx.revert_reason or "",
                )
                for tx in page.rows
            ]
            cursor = page.cursor
            if cursor is None:
                break
        head = (
            "hash", "block", "time", "index", "type", "execution", "sender", "sender_name", "nonce", "calls", "fee",
            "fee_unit", "l2_gas", "events", "revert_reason",
        )  # fmt: skip
        return answer("transactions", head, rows)

    @routes.get("/export/events.csv")
    async def events(request: Request, limit: str = "") -> StreamingResponse:
        most = inputs.limit(limit, MOST_ROWS, MOST_ROWS)
        page = await explorer.events(event_filter(site, request), None, most)
        rows = (
            (
                event.block_number,
                iso(event.timestamp),
                hex(event.tx_hash),
                event.index,
                hex(event.address),
                site.data.name(event.address) or "",
                event.name or "",
                "" if event.fields is None else orjson.dumps(event.fields).decode(),
                " ".join(hex(key) for key in event.keys),
                " ".join(hex(felt) for felt in event.data),
                event.reason or "",
            )
            for event in page.rows
        )
        head = (
            "block", "time", "transaction", "index", "contract", "contract_name", "name", "fields", "keys", "data",
            "not_decoded_because",
        )  # fmt: skip
        return answer("events", head, rows)

    @routes.get("/export/transfers.csv")
    async def transfers(limit: str = "", token: str = "", account: str = "") -> StreamingResponse:
        page = await explorer.transfers(
            None,
            inputs.limit(limit, MOST_ROWS, MOST_ROWS),
            token=address_of(site, token) if token.strip() else None,
            account=address_of(site, account) if account.strip() else None,
        )
        rows = (
            (
                each.block_number,
                iso(each.timestamp),
                hex(each.tx_hash),
                hex(each.token.address),
                each.token.symbol or "",
                hex(each.sender),
                hex(each.recipient),
                "" if each.amount is None else each.amount,
                "" if each.shown is None else f"{each.shown:f}",
                "" if each.token_id is None else each.token_id,
            )
            for each in page.rows
        )
        head = ("block", "time", "transaction", "token", "symbol", "from", "to", "amount", "tokens", "token_id")
        return answer("transfers", head, rows)

    @routes.get("/export/marks.csv")
    async def marks(market: str = "") -> StreamingResponse:
        timeline = await explorer.timeline(market_of(site, market))
        rows = (
            (
                point.mark.block_number,
                iso(point.mark.timestamp),
                timeline.name or timeline.market,
                point.mark.price,
                point.mark.status,
                point.mark.outcome or "",
                "" if point.mark.median is None else point.mark.median,
                "" if point.jump_bps is None else point.jump_bps,
                " ".join(point.flags),
            )
            for point in timeline.marks
        )
        head = (
            "block", "time", "market", "price_1e-8", "status", "outcome", "median_1e-8", "jump_bps", "flags",
        )  # fmt: skip
        return answer("marks", head, rows)

    @routes.get("/export/funding.csv")
    async def funding(market: str = "") -> StreamingResponse:
        timeline = await explorer.timeline(market_of(site, market))
        rows = (
            (
                point.funding.block_number,
                iso(point.funding.timestamp),
                timeline.name or timeline.market,
                point.funding.index,
                "" if point.change is None else f"{point.change:f}",
                "" if point.hourly_bps is None else point.hourly_bps,
                " ".join(point.flags),
            )
            for point in timeline.funding
        )
        return answer("funding", ("block", "time", "market", "index_1e-16", "change_usd", "hourly_bps", "flags"), rows)

    @routes.get("/export/diff.csv")
    async def diff(request: Request, contract: str = "", account: str = "") -> StreamingResponse:
        asked = request.query_params
        found = await explorer.compare(
            inputs.number(asked.get("from", ""), "block"),
            inputs.number(asked.get("to", ""), "block"),
            contract=address_of(site, contract) if contract.strip() else None,
            account=address_of(site, account) if account.strip() else None,
        )
        return answer("diff", _WRITE_HEAD, map(_write, found.changes))

    @routes.get("/export/unexplained.csv")
    async def unexplained(orphaned: str = "") -> StreamingResponse:
        found = await explorer.unattributed(orphaned=orphaned == "1")
        return answer("unexplained", _WRITE_HEAD, map(_write, found))

    return routes


_WRITE_HEAD: Final = ("block", "part", "contract", "contract_name", "slot", "variable", "account", "before", "after")


def _write(write: SlotWrite) -> tuple[Any, ...]:
    return (
        write.block_number,
        write.part,
        hex(write.address),
        write.contract or "",
        "" if write.key is None else hex(write.key),
        write.variable or "",
        "" if write.account is None else hex(write.account),
        "" if write.before is None else hex(write.before),
        "" if write.after is None else hex(write.after),
    )


def answer(name: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingResponse:
    return StreamingResponse(
        written(head, rows),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def written(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """CSV, a part at a time. Text that a spreadsheet would take for a formula gets an apostrophe before it: it may come
    from anybody's contract."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    for place, row in enumerate(rows, 1):
        writer.writerow([_safe(cell) for cell in row])
        if place % _PAGE == 0:
            yield out.getvalue().encode("utf-8", "replace")
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode("utf-8", "replace")


def _safe(cell: Any) -> Any:
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        try:
            float(cell)
        except ValueError:
            return f"'{cell}"
    return cell.replace("\x00", "�") if isinstance(cell, str) else cell
