"""A venue's order entry inside the process: it pairs signed orders and has the operator settle the matches in batches.

An order is done when the chain says so: every match ends as a fill that settled, or as one that the chain refused, with
its reason, and both sides are told.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from truemark.abi import Abi
from truemark.contract import revert_reason
from truemark.deployment import Deployment, MarketInfo
from truemark.errors import TruemarkError
from truemark.felt import selector, short_string_text
from truemark.gateway import Fill, FillState, OrderAck, OrderRejected, OrderState, UnknownOrder
from truemark.orders import SignedOrder
from truemark.receipt import parse_receipt
from truemark.signing import verify
from truemark.transactions import Call
from truemark.units import from_collateral, from_price, from_size
from truemark_keeper.fees import FeeCeiling
from truemark_keeper.reporter import Sender
from truemark_keeper.slots import Outcome, TransactionRefused

from truemark_devnet.matching import Book, Match, MustNotMatch, Resting
from truemark_devnet.order_entry import Entry
from truemark_devnet.order_facts import VenueFacts, fault_of

log = logging.getLogger(__name__)

#: A fill takes up to 6 million L2 gas of the 200 million that the operator's queue bounds a transaction to.
BATCH_SIZE = 20
#: Seconds that the first match of a batch waits for others.
LINGER = 0.02
_FAULT_OF = {"MARGIN: buyer": True, "MARGIN: seller": False}


class GatewayClosed(TruemarkError, RuntimeError):
    """The gateway does not run: not started, closed, or stopped by an error of its own."""


class SettlementMismatch(TruemarkError, RuntimeError):
    """A settlement's events do not tell what became of each fill of its batch."""


class PairingGateway:
    """OrderGateway in the process; use as `async with`.

    Args:
        deployment: whose orders it takes.
        operator: the operator's transaction queue.
        facts: what the chain knows; see ChainFacts.
        batch_size: the most fills of one settlement.
        linger: seconds that a match waits for others to share its settlement.
    """

    def __init__(
        self,
        deployment: Deployment,
        operator: Sender,
        facts: VenueFacts,
        *,
        batch_size: int = BATCH_SIZE,
        linger: float = LINGER,
    ) -> None:
        self._deployment = deployment
        self._venue = deployment.contracts["Clearinghouse"].address
        self._abi = Abi.load("Clearinghouse")
        self._operator = operator
        self._facts = facts
        self._batch_size = batch_size
        self._linger = linger
        self._books: dict[str, Book] = {name: Book() for name in deployment.markets}
        self._entries: dict[int, Entry] = {}
        self._fills: dict[int, list[Fill]] = {}
        self._waiting: deque[Match] = deque()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._hurry = asyncio.Event()
        self._count = 0
        self._closing = False
        self._died: Exception | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="pairing.settle")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._task is not None:
            self._task.cancel()
        await self.close()

    async def close(self) -> None:
        """Settles what is matched, then takes no more."""
        self._closing = True
        self._work.set()
        self._hurry.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    # --- the protocol

    async def submit(self, signed: SignedOrder) -> OrderAck:
        self._check_alive()
        order_hash = signed.order.hash(self._deployment.l2_chain_id)
        known = self._entries.get(order_hash)
        if known is not None:
            return known.ack()
        market = self._static_check(signed, order_hash)
        facts = await self._facts.of(signed, order_hash, market.index)
        reason = fault_of(signed, facts)
        if reason is not None:
            raise OrderRejected(reason, order_hash)
        # The same order may have come twice while the chain was asked. From here to the end nothing waits.
        known = self._entries.get(order_hash)
        if known is not None:
            return known.ack()
        book = self._books[signed.order.market]
        self._drop_expired(book, facts.now)
        self._count += 1
        resting = Resting(signed, order_hash, self._count, signed.order.size - facts.filled)
        entry = Entry(resting, market, facts.filled)
        try:
            matches = book.plan(resting, facts.now)
        except MustNotMatch as error:
            raise OrderRejected(error.reason, order_hash) from error
        self._entries[order_hash] = entry
        self._take(book, resting, matches)
        return entry.ack()

    async def cancel(self, order_hash: int) -> OrderAck:
        entry = self._entry(order_hash)
        self._books[entry.resting.signed.order.market].remove(entry.resting)
        if entry.resting.open or entry.matched:
            entry.close(OrderState.CANCELLED)
        return entry.ack()

    async def cancel_all(self, account: int) -> Sequence[OrderAck]:
        mine = [
            entry for entry in self._entries.values() if entry.resting.account == account and not entry.state.is_final
        ]
        return [await self.cancel(entry.resting.order_hash) for entry in mine]

    async def order(self, order_hash: int) -> OrderAck:
        return self._entry(order_hash).ack()

    async def settled(self, order_hash: int, timeout: float | None = None) -> OrderAck:
        entry = self._entry(order_hash)
        self._hurry.set()
        await asyncio.wait_for(entry.quiet.wait(), timeout)
        if entry.matched:
            self._check_alive()
        return entry.ack()

    async def fills(self, account: int) -> Sequence[Fill]:
        return tuple(self._fills.get(account, ()))

    async def flush(self) -> None:
        """Settles all that is matched now, without waiting for more, and returns when the chain has answered."""
        self._check_alive()
        self._hurry.set()
        await self._idle.wait()
        self._check_alive()

    # --- taking orders

    def _static_check(self, signed: SignedOrder, order_hash: int) -> MarketInfo:
        """What the order alone says.

        Raises:
            OrderRejected
        """
        order = signed.order
        market = self._deployment.markets.get(order.market)
        reason = None
        if order.venue != self._venue:
            reason = f"it is for the venue {order.venue:#x}, this is {self._venue:#x}"
        elif market is None:
            reason = f"no market {order.market}"
        elif order.size <= 0 or order.size % market.lot_size:
            reason = f"size {from_size(order.size)} is not a whole number of lots of {from_size(market.lot_size)}"
        elif order.limit_price <= 0 or order.limit_price % market.tick_size:
            reason = f"price {from_price(order.limit_price)} is off the tick of {from_price(market.tick_size)}"
        elif order.max_fee_bps < (market.maker_fee_bps if order.post_only else market.taker_fee_bps):
            reason = f"max_fee_bps {order.max_fee_bps} is below the market's fee"
        elif signed.key != 0 and not verify(signed.key, order_hash, signed.r, signed.s):
            reason = f"wrong signature by the key {signed.key:#x} of the order hash {order_hash:#x}"
        if reason is not None or market is None:
            raise OrderRejected(reason or "no market", order_hash)
        return market

    def _entry(self, order_hash: int) -> Entry:
        try:
            return self._entries[order_hash]
        except KeyError:
            raise UnknownOrder(order_hash) from None

    def _entry_of(self, resting: Resting) -> Entry:
        return self._entries[resting.order_hash]

    def _drop_expired(self, book: Book, now: int) -> None:
        for resting in book.expired(now):
            book.remove(resting)
            self._entry_of(resting).close(OrderState.EXPIRED)

    def _take(self, book: Book, resting: Resting, matches: list[Match]) -> None:
        book.apply(resting, matches)
        for match in matches:
            for side in (match.maker, match.taker):
                entry = self._entry_of(side)
                entry.matched += match.size
                entry.update()
        self._entry_of(resting).update()
        if matches:
            self._waiting.extend(matches)
            self._idle.clear()
            self._work.set()

    # --- settling: one task, batch after batch

    def _check_alive(self) -> None:
        if self._task is None:
            raise GatewayClosed("the gateway is not started: use it as `async with`")
        if self._died is not None:
            raise GatewayClosed(f"the gateway stopped: {self._died}") from self._died
        if self._closing:
            raise GatewayClosed("the gateway is closed")

    async def _run(self) -> None:
        try:
            while self._waiting or not self._closing:
                await self._round()
        except Exception as error:
            log.exception("the gateway stopped")
            self._died = error
        finally:
            # Nobody waits for ever on a task that ended.
            self._idle.set()
            for entry in self._entries.values():
                entry.quiet.set()

    async def _round(self) -> None:
        await self._work.wait()
        self._work.clear()
        if self._waiting and len(self._waiting) < self._batch_size:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._linger)
        self._hurry.clear()
        while self._waiting:
            size = min(self._batch_size, len(self._waiting))
            await self._settle([self._waiting.popleft() for _ in range(size)])
        self._idle.set()

    async def _settle(self, batch: list[Match]) -> None:
        """One settlement. Whatever becomes of it, every match of it ends here."""
        try:
            outcome = await self._operator.execute([self._call(batch)])
            results = self._results(batch, outcome)
        except (TransactionRefused, FeeCeiling) as error:
            log.warning("a settlement was refused by the node", extra={"error": str(error)})
            results = [_Result(FillState.REFUSED, str(error), None) for _ in batch]
        except (TruemarkError, TimeoutError) as error:
            log.exception("a settlement has no outcome")
            results = [_Result(FillState.UNKNOWN, f"no outcome: {error}", None) for _ in batch]
        for match, result in zip(batch, results, strict=True):
            for side in (match.maker, match.taker):
                self._record(match, side, result)
        for match, result in zip(batch, results, strict=True):
            if result.state is not FillState.SETTLED:
                await self._after_refusal(match, result)
        for match in batch:
            for side in (match.maker, match.taker):
                self._entry_of(side).update()

    def _call(self, batch: Sequence[Match]) -> Call:
        fills = [
            {
                "maker": match.maker.signed.to_abi(),
                "taker": match.taker.signed.to_abi(),
                "size": match.size,
                "price": match.price,
            }
            for match in batch
        ]
        # Orders of another epoch were rejected; if it changed since, the contract refuses the whole batch.
        epoch = batch[0].taker.signed.order.epoch
        return Call(self._venue, selector("settle"), self._abi.encode("settle", epoch, fills))

    def _results(self, batch: Sequence[Match], outcome: Outcome) -> list[_Result]:
        """What became of each fill: the contract emits one of two events for each, in order."""
        if outcome.revert_reason is not None:
            reason = revert_reason(outcome.revert_reason)
            return [_Result(FillState.REFUSED, reason, outcome.hash) for _ in batch]
        results = []
        for event in parse_receipt(outcome.receipt).events:
            if event.from_address != self._venue:
                continue
            decoded = self._abi.decode_event(event.keys, event.data)
            if decoded.name == "FillSettled":
                results.append(_Result(FillState.SETTLED, None, outcome.hash, decoded.fields))
            elif decoded.name == "FillRefused":
                reason = short_string_text(decoded.fields["reason"])
                results.append(_Result(FillState.REFUSED, reason, outcome.hash, decoded.fields))
        for match, result in zip(batch, results, strict=False):
            hashes = (result.event["maker_order"], result.event["taker_order"])
            if hashes != (match.maker.order_hash, match.taker.order_hash):
                raise SettlementMismatch(f"transaction {outcome.hash:#x} tells of other orders than were sent")
        if len(results) != len(batch):
            raise SettlementMismatch(f"transaction {outcome.hash:#x} tells of {len(results)} fills of {len(batch)}")
        return results

    def _record(self, match: Match, side: Resting, result: _Result) -> None:
        entry = self._entry_of(side)
        entry.matched -= match.size
        if result.state is FillState.SETTLED:
            entry.filled += match.size
        order = side.signed.order
        fill = Fill(
            order_hash=side.order_hash,
            account=order.account,
            market=order.market,
            side=order.side,
            is_maker=side is match.maker,
            size=from_size(match.size),
            price=from_price(match.price),
            state=result.state,
            reason=result.reason,
            tx_hash=result.tx_hash,
        )
        if result.state is FillState.SETTLED:
            who = "maker" if side is match.maker else "taker"
            fill = replace(
                fill,
                fee=from_collateral(result.event[f"{who}_fee"]),
                funding=from_collateral(result.event[f"{who}_funding"]),
                position=from_size(result.event[f"{who}_size"]),
            )
        self._fills.setdefault(order.account, []).append(fill)

    async def _after_refusal(self, match: Match, result: _Result) -> None:
        """The order at fault is taken off; the other one gets its size back, at its old place in time.

        Where the chain's words do not tell whose fault it was, the same checks as at entry are asked again; if they
        find nothing, both go: a pair that the chain refused once would be paired again at once.
        """
        sides = (match.maker, match.taker)
        buyer_at_fault = _FAULT_OF.get(result.reason or "")
        if buyer_at_fault is not None:
            faults = [side for side in sides if side.is_buy == buyer_at_fault]
        elif result.state is FillState.UNKNOWN:
            faults = list(sides)
        else:
            faults = [side for side in sides if await self._is_at_fault(side, match.size)] or list(sides)
        for side in faults:
            self._books[side.signed.order.market].remove(side)
            self._entry_of(side).close(OrderState.BUSTED, result.reason)
        for side in sides:
            if side not in faults and not self._entry_of(side).state.is_final:
                side.open += match.size
                self._match_again(side)

    async def _is_at_fault(self, side: Resting, size: int) -> bool:
        try:
            facts = await self._facts.of(side.signed, side.order_hash, self._entry_of(side).market.index)
        except TruemarkError as error:
            log.warning("the chain does not say whose fault a refusal was", extra={"error": str(error)})
            return False
        return fault_of(side.signed, facts, size) is not None

    def _match_again(self, side: Resting) -> None:
        book = self._books[side.signed.order.market]
        book.remove(side)
        while True:
            try:
                matches = book.plan(side, 0)
            except MustNotMatch as error:
                book.remove(error.order)
                self._entry_of(error.order).close(OrderState.CANCELLED, error.reason)
                if error.order is side:
                    return
            else:
                self._take(book, side, matches)
                return


@dataclass(frozen=True, slots=True)
class _Result:
    state: FillState
    reason: str | None
    tx_hash: int | None
    event: Mapping[str, Any] = field(default_factory=dict)
