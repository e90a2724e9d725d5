"""Messages between L1 and L2 from their sending to their end: what the index saw on L2, and, where an L1 node is known,
what the messaging contract says there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from truemark.abi import AbiError
from truemark.explorer.context import Context, off_loop
from truemark.explorer.lookups import page_size
from truemark.explorer.views import MessageLife, Step
from truemark.felt import keccak256
from truemark.index.records import Page
from truemark.index.values import cursor_of, number, numbers, optional_number, parse_cursor
from truemark.rpc import AsyncRpc, NodeUnavailable, RpcError

#: Where the life of one message is looked up, beside the chain.
L1_TIMEOUT: Final = 5.0
_TO_L1: Final = "l2ToL1Messages(bytes32)"
_TO_L2: Final = "l1ToL2Messages(bytes32)"
#: Truemark's own messaging contract remembers what was consumed; Starknet's core does not.
_CONSUMED: Final = "consumed(bytes32)"


@dataclass(frozen=True, slots=True)
class _OnL1:
    """What the messaging contract says of a hash: how many wait; whether one was consumed, None: it does not say."""

    waiting: int
    consumed: bool | None


class MailReader:
    """Args: l1_url: of an L1 node; None: what happens there is not known."""

    def __init__(self, context: Context, l1_url: str | None = None) -> None:
        self._context = context
        self._index = context.index
        self._lookups = context.lookups
        self._l1_url = l1_url

    async def page(
        self, cursor: str | None, limit: int, *, direction: str | None = None, orphaned: bool = False
    ) -> Page[MessageLife]:
        """Newest first; what happened on L1 is left open."""
        limit = page_size(limit)
        before = parse_cursor(cursor, 3)
        rows = await off_loop(
            self._lookups.messages,
            None if before is None else (before[0], before[1], before[2]),
            limit + 1,
            direction=direction,
            orphaned=orphaned,
        )
        last = rows[limit - 1] if len(rows) > limit else None
        lives = tuple([await self._life(row, None) for row in rows[:limit]])
        return Page(lives, None if last is None else cursor_of(last.block, last.tx_index, last.place))

    async def lives(self, message_hash: int) -> tuple[MessageLife, ...]:
        """Each time that a message of that hash went its way, newest first, orphaned ones too."""
        rows = await off_loop(self._lookups.messages, None, 100, message_hash=message_hash, orphaned=None)
        if not rows:
            return ()
        waiting = {direction: await self._on_l1(direction, message_hash) for direction in {r.direction for r in rows}}
        return tuple([await self._life(row, waiting[row.direction]) for row in rows])

    async def of_transaction(self, tx_hash: int, *, orphaned: bool) -> tuple[MessageLife, ...]:
        """In their order."""
        rows = await off_loop(self._lookups.messages, None, 1_000, tx_hash=tx_hash, orphaned=orphaned)
        return tuple([await self._life(row, None) for row in reversed(rows)])

    async def _on_l1(self, direction: str, message_hash: int) -> _OnL1 | None:
        """What the messaging contract on L1 says of a hash; None: it is not known."""
        deployment = self._context.deployment
        messaging = None if deployment is None else deployment.l1.get("Messaging")
        if messaging is None or self._l1_url is None:
            return None
        function = _TO_L1 if direction == "to_l1" else _TO_L2
        async with AsyncRpc(self._l1_url, timeout=L1_TIMEOUT) as rpc:
            waiting = await _word(rpc, messaging, function, message_hash)
            consumed = await _word(rpc, messaging, _CONSUMED, message_hash) if direction == "to_l1" else None
        return None if waiting is None else _OnL1(waiting, None if consumed is None else bool(consumed))

    async def _life(self, row: Any, waiting: _OnL1 | None) -> MessageLife:
        to_l1 = row.direction == "to_l1"
        sender, recipient = number(row.sender), number(row.recipient)
        selector = optional_number(row.selector)
        function, arguments = await self._decoded(row, recipient, selector) if not to_l1 else (None, None)
        accepted = await off_loop(self._index.l1_accepted)
        if to_l1:
            state, steps = _to_l1(row, accepted, waiting)
        else:
            state, steps = _to_l2(row, waiting)
        return MessageLife(
            hash=number(row.hash),
            direction=row.direction,
            state="orphaned" if row.reorg is not None else state,
            sender=sender,
            sender_name=self._context.name(sender) or self._l1_name(sender),
            recipient=recipient,
            recipient_name=self._context.name(recipient) or self._l1_name(recipient),
            selector=selector,
            function=function,
            nonce=optional_number(row.nonce),
            payload=numbers(row.payload),
            arguments=arguments,
            block_number=row.number,
            timestamp=row.timestamp,
            tx_hash=number(row.tx_hash),
            tx_index=row.tx_index,
            steps=steps,
        )

    async def _decoded(
        self, row: Any, recipient: int, selector: int | None
    ) -> tuple[str | None, Mapping[str, Any] | None]:
        abi = (await self._context.shelf.resolve([recipient]))[recipient].abi
        if abi is None or selector is None:
            return None, None
        function = abi.by_selector(selector)
        try:
            call = abi.decode_call(selector, (number(row.sender), *numbers(row.payload)))
        except AbiError:
            return None if function is None else function.name, None
        return call.name, abi.show_call(call)

    def _l1_name(self, address: int) -> str | None:
        deployment = self._context.deployment
        if deployment is None:
            return None
        return next((name for name, text in deployment.l1.items() if int(text, 16) == address), None)


async def _word(rpc: AsyncRpc, contract: str, function: str, message_hash: int) -> int | None:
    """What a view of one hash gives; None: the node does not answer, or the contract has no such view."""
    data = "0x" + (keccak256(function.encode())[:4] + message_hash.to_bytes(32, "big")).hex()
    try:
        return int(await rpc.call("eth_call", [{"to": contract, "data": data}, "latest"]), 16)
    except (RpcError, NodeUnavailable, TypeError, ValueError):
        return None


def _to_l1(row: Any, accepted: int, on_l1: _OnL1 | None) -> tuple[str, tuple[Step, ...]]:
    alive = row.reorg is None
    proven = alive and row.number <= accepted
    waits = on_l1 is not None and on_l1.waiting > 0
    # A core that does not say what was consumed: what arrived and waits no more was.
    consumed = None if on_l1 is None else on_l1.consumed if on_l1.consumed is not None else proven and not waits
    unknown = None if on_l1 is not None else "not known without an L1 node"
    steps = (
        Step("sent on L2", True, "L2", row.number, f"{number(row.tx_hash):#x}"),
        Step("its block accepted on L1", proven, "L1", note=None if alive else "its block was rolled back"),
        Step("in the messaging contract", None if on_l1 is None else waits or bool(consumed), "L1", note=unknown),
        Step("consumed on L1", consumed, "L1", note=unknown),
    )
    if waits:
        return "waiting on L1", steps
    if consumed:
        return "consumed", steps
    return ("accepted on L1" if proven else "sent"), steps


def _to_l2(row: Any, on_l1: _OnL1 | None) -> tuple[str, tuple[Step, ...]]:
    reverted = row.revert_reason is not None
    steps = (
        Step("sent on L1", True, "L1"),
        Step("taken by its handler on L2", row.reorg is None, "L2", row.number, f"{number(row.tx_hash):#x}"),
        Step("the handler succeeded", not reverted, "L2", row.number, note=row.revert_reason),
        Step(
            "cleared from the messaging contract",
            None if on_l1 is None else on_l1.waiting == 0,
            "L1",
            note=None if on_l1 is not None else "not known without an L1 node",
        ),
    )
    return ("reverted" if reverted else "handled"), steps
