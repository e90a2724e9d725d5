"""The JSON API: the explorer's answers over HTTP, described by OpenAPI, lists in pages by cursor."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal, cast

from fastapi import APIRouter, Path, Query

from truemark.commands.chain import typed
from truemark.explorer import NotFound
from truemark.explorer.views import BlockView as BlockRow
from truemark.index import EventFilter
from truemark.web import inputs, models
from truemark.web.data import Data

_MOST_ROWS: Final = 1_000
_MOST_BLOCKS: Final = 50_000
_VERSIONS: Final = 1_000

Cursor = Annotated[str | None, Query(description="That of the page before.")]
Limit = Annotated[int, Query(ge=1, le=_MOST_ROWS, description="Rows of a page.")]
Block = Annotated[str, Path(description="A number, a hash, latest or l1_accepted.")]
Hash = Annotated[str, Path(description="0x and up to 64 hexadecimal digits.")]
Address = Annotated[str, Path(description="0x and up to 64 hexadecimal digits, or a name of the deployment.")]
Who = Annotated[str | None, Query(description="An address, or a name of the deployment.")]
Number = Annotated[int | None, Query(ge=0, lt=inputs.NUMBER_BOUND, description="A block's number.")]

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": models.Problem, "description": "That cannot be meant"},
    404: {"model": models.Problem, "description": "Nothing here"},
    503: {"model": models.Problem, "description": "The node does not answer"},
}


def router(data: Data) -> APIRouter:
    routes = APIRouter(responses=PROBLEMS)
    explorer = data.explorer

    def who(text: str | None) -> int | None:
        if text is None or not text.strip():
            return None
        text = text.strip()
        if text[:2].lower() == "0x":
            return inputs.felt(text, "address")
        name = inputs.name(text, "address")
        return None if name is None else explorer.address(name)

    def at(text: str) -> int:
        found = who(text)
        if found is None:
            raise inputs.BadRequest("an address is missing")
        return found

    @routes.get("/health", response_model=models.Health)
    async def health() -> Any:
        """Whether the chain goes on, the index is with it, and the data is right."""
        return await data.health()

    @routes.get("/search", response_model=tuple[models.Hit, ...])
    async def search(q: Annotated[str, Query(max_length=inputs.LONGEST)]) -> Any:
        """What a text may mean: a number, a hash, an address, a name."""
        return await explorer.search(inputs.name(q, "search") or "")

    @routes.get("/blocks", response_model=models.PageOf[models.BlockSummary])
    async def blocks(cursor: Cursor = None, limit: Limit = inputs.PAGE) -> Any:
        """The newest blocks."""
        return await explorer.latest_blocks(inputs.cursor(cursor), limit)

    @routes.get("/blocks/{block}", response_model=models.BlockView)
    async def block(block: Block, orphaned: Annotated[int | None, Query(ge=0, lt=inputs.NUMBER_BOUND)] = None) -> Any:
        """A block with its transactions decoded and what it wrote; `orphaned`: the one of that rollback."""
        found: BlockRow = await explorer.block_view(inputs.block(block), orphaned=orphaned)
        return found

    @routes.get("/blocks/{block}/writes", response_model=tuple[models.Write, ...])
    async def writes(block: Block) -> Any:
        """What a block wrote, by variable, before and after."""
        return await explorer.writes(inputs.block(block))

    @routes.get("/transactions", response_model=models.PageOf[models.TransactionSummary])
    async def transactions(
        cursor: Cursor = None,
        limit: Limit = inputs.PAGE,
        sender: Who = None,
        failed: bool = False,
        kind: Literal["INVOKE", "DECLARE", "DEPLOY_ACCOUNT", "L1_HANDLER", "DEPLOY"] | None = None,
    ) -> Any:
        """The newest transactions."""
        return await explorer.latest_transactions(
            inputs.cursor(cursor), limit, sender=who(sender), failed=failed, kind=kind
        )

    @routes.get("/transactions/{tx_hash}", response_model=models.TransactionView)
    async def transaction(tx_hash: Hash) -> Any:
        """A transaction with its calls, events, writes and messages."""
        return await explorer.transaction_view(inputs.felt(tx_hash, "transaction hash"))

    @routes.get("/transactions/{tx_hash}/calls", response_model=models.CallTree)
    async def call_tree(tx_hash: Hash) -> Any:
        """What a transaction called, decoded, as a tree."""
        return await explorer.call_tree(inputs.felt(tx_hash, "transaction hash"))

    @routes.get("/contracts/{address}", response_model=models.Contract)
    async def contract(address: Address, block: Number = None) -> Any:
        """A contract or account: class, nonce, tokens, margin, functions; after a block, by default now."""
        if block is not None:
            await asyncio.to_thread(data.index.block, block)
        return await explorer.contract_view(at(address), block)

    @routes.get("/contracts/{address}/calls", response_model=models.PageOf[models.CalledRow])
    async def calls(address: Address, cursor: Cursor = None, limit: Limit = inputs.PAGE) -> Any:
        """The calls that a contract took, newest first."""
        return await explorer.calls_to(at(address), inputs.cursor(cursor), limit)

    @routes.get("/contracts/{address}/storage/{key}", response_model=tuple[models.SlotVersion, ...])
    async def slot(address: Address, key: Hash) -> Any:
        """Every value that a slot ever had, newest first."""
        return await asyncio.to_thread(data.rows.slot, at(address), inputs.felt(key, "slot"), _VERSIONS)

    @routes.get("/contracts/{address}/read/{function}", response_model=models.ReadResult)
    async def read(
        address: Address,
        function: str,
        arg: Annotated[list[str] | None, Query(max_length=32, description="Arguments, in their order.")] = None,
    ) -> Any:
        """What a function of a contract returns now."""
        where = at(address)
        abi = await explorer.abi(where)
        known = abi.function(function[: inputs.LONGEST])
        if not known.is_view:
            raise inputs.BadRequest(f"{inputs.shown(function)} is no view")
        # The explorer is asked for names of addresses only.
        values = typed(known, list(arg or []), cast(Any, explorer))
        found = await explorer.read(where, known.name, *values)
        return {"function": known.name, "value": abi.show_result(known.name, found)}

    @routes.get("/classes/{class_hash}", response_model=models.Class)
    async def class_of(class_hash: Hash) -> Any:
        """A class: where it was declared, and who has it."""
        return await explorer.class_view(inputs.felt(class_hash, "class hash"))

    @routes.get("/events", response_model=models.PageOf[models.Event])
    async def events(
        cursor: Cursor = None,
        limit: Limit = inputs.PAGE,
        address: Who = None,
        name: Annotated[str | None, Query(max_length=inputs.LONGEST)] = None,
        mentions: Who = None,
        key: Annotated[
            list[str] | None, Query(max_length=16, description="By place, a felt, or * for any; repeat for each place.")
        ] = None,
        first_block: Number = None,
        last_block: Number = None,
        orphaned: bool = False,
        oldest_first: bool = False,
    ) -> Any:
        """Events by contract, name, keys, an address in a field, blocks."""
        wanted = EventFilter(
            address=who(address),
            name=inputs.name(name),
            mentions=who(mentions),
            keys=tuple(() if each == "*" else (inputs.felt(each, "key"),) for each in key or ()),
            first_block=first_block,
            last_block=last_block,
            orphaned=orphaned,
        )
        return await explorer.events(wanted, inputs.cursor(cursor), limit, newest_first=not oldest_first)

    @routes.get("/transfers", response_model=models.PageOf[models.Transfer])
    async def transfers(
        cursor: Cursor = None, limit: Limit = inputs.PAGE, token: Who = None, account: Who = None
    ) -> Any:
        """Tokens that moved, newest first. A page may be short; its cursor says whether there is more."""
        return await explorer.transfers(inputs.cursor(cursor), limit, token=who(token), account=who(account))

    @routes.get("/messages", response_model=models.PageOf[models.Message])
    async def messages(
        cursor: Cursor = None,
        limit: Limit = inputs.PAGE,
        direction: Literal["to_l1", "to_l2"] | None = None,
        orphaned: bool = False,
    ) -> Any:
        """Messages between L1 and L2, newest first; L1 is not asked."""
        return await explorer.messages(inputs.cursor(cursor), limit, direction=direction, orphaned=orphaned)

    @routes.get("/messages/{message_hash}", response_model=tuple[models.Message, ...])
    async def message(message_hash: Hash) -> Any:
        """The life of a message, also on L1 where its node answers; each time that it was on its way."""
        return await explorer.message(inputs.word(message_hash, "message hash"))

    @routes.get("/diff", response_model=models.Comparison)
    async def diff(
        before: Annotated[int, Query(ge=0, lt=inputs.NUMBER_BOUND)],
        after: Annotated[int, Query(ge=0, lt=inputs.NUMBER_BOUND)],
        contract: Who = None,
        account: Who = None,
    ) -> Any:
        """What differs between the states after two blocks, by contract, account and variable."""
        return await explorer.compare(before, after, contract=who(contract), account=who(account))

    @routes.get("/unexplained", response_model=tuple[models.Write, ...])
    async def unexplained(first: Number = None, last: Number = None, orphaned: bool = False) -> Any:
        """Writes that no transaction explains, oldest first."""
        return await explorer.unattributed(first or 0, last, orphaned=orphaned)

    @routes.get("/reorgs", response_model=tuple[models.Reorg, ...])
    async def reorgs() -> Any:
        """Rollbacks, oldest first."""
        return await asyncio.to_thread(data.index.reorgs)

    @routes.get("/reorgs/{reorg}", response_model=tuple[models.Replacement, ...])
    async def replacements(reorg: Annotated[int, Path(ge=0, lt=inputs.NUMBER_BOUND)]) -> Any:
        """The blocks that a rollback orphaned, each beside what took its place."""
        if not any(each.id == reorg for each in await asyncio.to_thread(data.index.reorgs)):
            raise NotFound(f"no rollback {reorg}")
        return await explorer.replacements(reorg)

    @routes.get("/venue", response_model=models.Venue)
    async def venue() -> Any:
        """The venue now: mode, markets with marks and open interest, sums."""
        found = await data.venue()
        if found is None:
            raise NotFound("no deployment is known")
        return found

    @routes.get("/markets/{market}/timeline", response_model=models.Timeline)
    async def timeline(market: str, first: Number = None, last: Number = None) -> Any:
        """Marks and funding of a market by its index or name, oldest first, with what is strange about them."""
        named = inputs.name(market, "market") or ""
        if named.isdigit():
            named = str(inputs.number(named, "market"))
            if int(named) >= 2**31:
                raise NotFound(f"no market {named}")
        return await explorer.timeline(named, first or 0, last)

    @routes.get("/activity", response_model=tuple[models.Activity, ...])
    async def activity(
        blocks: Annotated[int, Query(ge=1, le=_MOST_BLOCKS, description="How many of the newest.")] = 1_000,
        points: Annotated[int, Query(ge=1, le=_MOST_ROWS)] = 100,
    ) -> Any:
        """The newest blocks summed up in stretches: transactions, events, gas, fees, seconds between blocks."""
        first = max(0, await data.head_number() - blocks + 1)
        return await explorer.activity(first, None, points)

    return routes
