"""The nonce queue: many transactions of one account in flight, each with effect at most once and none lost.

What makes it so: nonces are given by one task, in order; a signed transaction stays at its nonce until the chain has
passed that nonce; an answer that did not come is settled by asking for the hash; and only a transaction whose nonce
is used up while none of its hashes is known is signed again at another one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from truemark.receipt import revert_reason
from truemark.rpc import NodeUnavailable, RpcError
from truemark.transactions import Call

from truemark_keeper.fees import FeeCeiling, FeePolicy, default_policy
from truemark_keeper.journal import Entry, Journal
from truemark_keeper.slots import (
    Job,
    Node,
    Outcome,
    QueueClosed,
    Signed,
    Slot,
    SlotState,
    Ticket,
    TransactionDisplaced,
    TransactionRefused,
    Wallet,
)

log = logging.getLogger(__name__)

#: Receipts asked for in one request, lowest nonces first: they land in order.
TRACKED = 32

HASH_NOT_FOUND = 29
INVALID_NONCE = 52
DUPLICATE = 59
#: The bounds do not meet the price of the moment: 53 resources for validation, 64 replacement and 65 fee too low.
TOO_CHEAP = frozenset({53, 64, 65})
#: 54 balance, 55 validation, 56 compilation, 58 class, 60 class hash, 61 version, 62 class version, 63 unexpected.
FINAL_REFUSALS = frozenset({-32602, 54, 55, 56, 57, 58, 60, 61, 62})
FINAL = frozenset({"ACCEPTED_ON_L2", "ACCEPTED_ON_L1"})


class TransactionQueue:
    """Sends transactions of one account; use as `async with`.

    Args:
        wallet: signs; see truemark_keeper.wallet.
        node: the JSON-RPC client. Posts go out in nonce order, several in one request.
        fees: first bounds and how they rise.
        journal: a file that lets a later run find out what became of the open transactions; None keeps none.
        max_in_flight: transactions at a nonce without outcome; further ones wait.
        batch_size: the most posts in one request. A node may run the parts of a request at the same time, and then
            out of order: starknet-devnet does now and then from about 20, which costs a round to sort out.
        stuck_after: seconds without a receipt after which the fees are raised.
        final: finality statuses that count as being in a block.
    """

    def __init__(
        self,
        wallet: Wallet,
        node: Node,
        *,
        fees: FeePolicy | None = None,
        journal: Path | None = None,
        max_in_flight: int = 256,
        batch_size: int = 8,
        poll: float = 0.05,
        stuck_after: float = 15.0,
        max_backoff: float = 2.0,
        final: frozenset[str] = FINAL,
    ) -> None:
        self._wallet = wallet
        self._node = node
        self._policy = fees if fees is not None else default_policy()
        self._journal = (
            Journal(journal, address=wallet.address, chain_id=wallet.chain_id) if journal is not None else None
        )
        self._max_in_flight = max_in_flight
        self._batch_size = batch_size
        self._poll = poll
        self._stuck_after = stuck_after
        self._max_backoff = max_backoff
        self._final = final
        self._waiting: deque[Job] = deque()
        self._slots: dict[int, Slot] = {}
        self._next_nonce: int | None = None
        self._fees = self._policy.first
        self._to_send = asyncio.Event()
        self._to_track = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False
        self._recovered: tuple[Ticket, ...] = ()

    async def __aenter__(self) -> Self:
        self._restore()
        self._tasks = [
            asyncio.create_task(self._run(self._run_sender), name="transactions.send"),
            asyncio.create_task(self._run(self._run_tracker), name="transactions.track"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stops sending and tracking; what has no outcome fails with QueueClosed and stays in the journal."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for job in self._open_jobs():
            job.ticket.fail(QueueClosed("the queue was closed before the transaction's outcome was known"))

    @property
    def recovered(self) -> tuple[Ticket, ...]:
        """Tickets of the transactions that a former run left open, in order of nonce."""
        return self._recovered

    @property
    def in_flight(self) -> int:
        return len(self._slots)

    def submit(self, calls: Sequence[Call]) -> Ticket:
        """Queues one transaction; returns at once.

        Raises:
            QueueClosed: the queue is closed or not yet started.
        """
        if self._closed or not self._tasks:
            raise QueueClosed("the queue is not running")
        job = Job(tuple(calls), self._fees, Ticket())
        self._waiting.append(job)
        self._to_send.set()
        return job.ticket

    async def execute(self, calls: Sequence[Call], timeout: float | None = None) -> Outcome:
        """Sends one transaction and waits for its block; a revert is an outcome. Raises as Ticket.outcome."""
        return await self.submit(calls).outcome(timeout)

    async def execute_or_raise(self, calls: Sequence[Call], timeout: float | None = None) -> Outcome:
        """As `execute`, but a revert raises TransactionReverted."""
        return (await self.execute(calls, timeout)).or_raise()

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Nobody waits for ever on a task that died of a fault of ours: its error goes to every ticket."""
        try:
            await work()
        except Exception as error:
            log.exception("the transaction queue stopped")
            self._closed = True
            for job in self._open_jobs():
                job.ticket.fail(error)
            raise

    def _open_jobs(self) -> list[Job]:
        return [*(slot.job for slot in self._slots.values()), *self._waiting]

    # --- sending: one task, so that nonces are given and posted in order

    async def _run_sender(self) -> None:
        backoff = self._poll
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            try:
                progress = await self._send_round()
            except (NodeUnavailable, RpcError) as error:
                log.warning("the node does not answer", extra={"error": str(error)})
                progress = False
            if progress:
                backoff = self._poll
            else:
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, self._max_backoff)
            if self._doubtful() or (self._waiting and len(self._slots) < self._max_in_flight):
                self._to_send.set()

    async def _send_round(self) -> bool:
        """One step: settle what is in doubt, else post the next batch. False: nothing came of it, wait a little."""
        # With nothing in flight the chain's word counts alone: it may have gone back since.
        if self._doubtful() or self._next_nonce is None or not self._slots:
            await self._resolve()
        if self._doubtful() or self._next_nonce is None:
            return False
        room = min(self._batch_size, self._max_in_flight - len(self._slots), len(self._waiting))
        if room <= 0:
            return True
        fresh = []
        for _ in range(room):
            fresh.append(self._bind(self._waiting[0], self._next_nonce))
            self._waiting.popleft()
            self._next_nonce += 1
        await self._post(fresh)
        return not self._doubtful()

    def _bind(self, job: Job, nonce: int) -> Slot:
        if job.calls is None:
            raise AssertionError("a job of a former run is bound already")
        signed = self._wallet.sign(job.calls, nonce, job.fees)
        slot = Slot(nonce, job, signed, [signed.hash])
        self._slots[nonce] = slot
        return slot

    async def _post(self, slots: Sequence[Slot]) -> None:
        self._save()
        try:
            answers = await self._node.batch(
                [("starknet_addInvokeTransaction", {"invoke_transaction": slot.signed.transaction}) for slot in slots]
            )
        except NodeUnavailable as error:
            log.warning("no answer to a post", extra={"error": str(error), "nonces": [slot.nonce for slot in slots]})
            return
        for slot, answer in zip(slots, answers, strict=True):
            if not isinstance(answer, RpcError):
                self._took(slot, int(answer["transaction_hash"], 16))
            elif answer.code == DUPLICATE:
                self._took(slot, slot.signed.hash)
            elif answer.code in TOO_CHEAP:
                self._bump(slot, refused=answer)
            elif answer.code in FINAL_REFUSALS:
                slot.refusal = TransactionRefused(answer.code, _explain(answer))
            else:
                log.info("in doubt", extra={"hash": hex(slot.signed.hash), "code": answer.code})
        self._to_track.set()

    def _took(self, slot: Slot, tx_hash: int) -> None:
        if tx_hash not in slot.hashes:
            log.error("the node counts another hash", extra={"ours": hex(slot.signed.hash), "node": hex(tx_hash)})
            slot.hashes.append(tx_hash)
        slot.sent()

    async def _resolve(self) -> None:
        """Settles every slot in doubt and every hole. The nonce is read before the hashes: a hash that is unknown
        after its nonce was used up will stay unknown."""
        doubtful = self._doubtful()
        # Taken first: a slot that gets its receipt while this waits for the node is no hole.
        bound = set(self._slots)
        chain = await self._chain_nonce()
        known = await self._known([h for slot in doubtful for h in slot.hashes])
        displaced = []
        for slot in doubtful:
            if slot.stuck and chain <= slot.nonce:
                slot.stuck = False
                self._bump(slot)
            elif known & set(slot.hashes):
                slot.sent()
            elif chain > slot.nonce:
                del self._slots[slot.nonce]
                displaced.append(slot)
            elif slot.refusal is not None:
                del self._slots[slot.nonce]
                bound.discard(slot.nonce)
                log.warning("refused", extra={"hash": hex(slot.signed.hash), "reason": str(slot.refusal)})
                slot.job.ticket.fail(slot.refusal)
        for slot in reversed(displaced):
            self._requeue(slot)
        self._to_track.set()
        self._next_nonce = max([chain, *(nonce + 1 for nonce in bound)])
        for nonce in range(chain, self._next_nonce):
            if nonce not in bound:
                # A hole: what sits above it waits until something lands here. The next job does, or an empty call.
                self._bind(self._waiting[0] if self._waiting else Job((), self._fees, Ticket()), nonce)
                if self._waiting:
                    self._waiting.popleft()
        again = self._doubtful()
        for start in range(0, len(again), self._batch_size):
            await self._post(again[start : start + self._batch_size])

    def _bump(self, slot: Slot, refused: RpcError | None = None) -> None:
        """Signs again at the same nonce with higher fees; every hash is kept, one of them will land. A refused one
        doubles and later jobs start there: each step costs a round, and a bound is not a price."""
        if slot.job.calls is None:
            slot.state = SlotState.DOUBTFUL
            return
        try:
            slot.job.fees = self._policy.bumped(slot.job.fees, percent=None if refused is None else 100)
        except FeeCeiling as error:
            log.error("fee ceiling", extra={"nonce": slot.nonce, "error": str(error)})
            slot.state = SlotState.DOUBTFUL
            slot.refusal = None if refused is None else FeeCeiling(f"{error}; the node says: {_explain(refused)}")
            return
        if refused is not None:
            self._fees = slot.job.fees
        slot.replace(self._wallet.sign(slot.job.calls, slot.nonce, slot.job.fees))

    def _requeue(self, slot: Slot) -> None:
        if slot.job.calls is None:
            slot.job.ticket.fail(
                TransactionDisplaced(f"nonce {slot.nonce} was used by another transaction than {slot.signed.hash:#x}")
            )
        else:
            self._waiting.appendleft(slot.job)

    # --- outcomes

    async def _run_tracker(self) -> None:
        while True:
            await self._to_track.wait()
            self._to_track.clear()
            sent = [slot for _, slot in sorted(self._slots.items()) if slot.state is SlotState.SENT]
            if not sent:
                continue
            try:
                moved = await self._track(sent[:TRACKED])
            except (NodeUnavailable, RpcError) as error:
                log.warning("no receipts", extra={"error": str(error)})
                moved = False
            if not moved:
                await asyncio.sleep(self._poll)
            self._to_track.set()

    async def _track(self, slots: Sequence[Slot]) -> bool:
        wanted = [(slot, tx_hash) for slot in slots for tx_hash in slot.hashes]
        answers = await self._node.batch(
            [("starknet_getTransactionReceipt", {"transaction_hash": hex(tx_hash)}) for _, tx_hash in wanted]
        )
        moved = False
        seen: set[int] = set()
        for (slot, tx_hash), receipt in zip(wanted, answers, strict=True):
            if isinstance(receipt, RpcError):
                continue
            seen.add(slot.nonce)
            if receipt["finality_status"] in self._final and slot.nonce in self._slots:
                del self._slots[slot.nonce]
                slot.job.ticket.settle(_outcome(slot, tx_hash, receipt))
                moved = True
        if moved:
            self._save()
            self._to_send.set()
        late = time.monotonic() - self._stuck_after
        for slot in slots:
            if slot.nonce in self._slots and slot.nonce not in seen and slot.sent_at < late:
                slot.stuck, slot.state = True, SlotState.DOUBTFUL
                self._to_send.set()
        return moved

    # --- the chain and the journal

    async def _chain_nonce(self) -> int:
        answer = await self._node.call(
            "starknet_getNonce", {"block_id": "pre_confirmed", "contract_address": hex(self._wallet.address)}
        )
        return int(answer, 16)

    async def _known(self, hashes: Sequence[int]) -> set[int]:
        """Which of these the node has. Raises NodeUnavailable or RpcError when it cannot tell."""
        if not hashes:
            return set()
        answers = await self._node.batch(
            [("starknet_getTransactionStatus", {"transaction_hash": hex(tx_hash)}) for tx_hash in hashes]
        )
        known = set()
        for tx_hash, answer in zip(hashes, answers, strict=True):
            if not isinstance(answer, RpcError):
                known.add(tx_hash)
            elif answer.code != HASH_NOT_FOUND:
                raise answer
        return known

    def _doubtful(self) -> list[Slot]:
        return [slot for _, slot in sorted(self._slots.items()) if slot.state is SlotState.DOUBTFUL]

    def _save(self) -> None:
        if self._journal is not None:
            self._journal.save(
                [Entry(s.nonce, tuple(s.hashes), s.signed.transaction) for _, s in sorted(self._slots.items())]
            )

    def _restore(self) -> None:
        if self._journal is None:
            return
        for entry in self._journal.load():
            job = Job(None, self._policy.first, Ticket())
            slot = Slot(entry.nonce, job, Signed(entry.hashes[-1], entry.signed), list(entry.hashes))
            self._slots[entry.nonce] = slot
        self._recovered = tuple(slot.job.ticket for _, slot in sorted(self._slots.items()))
        if self._slots:
            self._to_send.set()


def _outcome(slot: Slot, tx_hash: int, receipt: dict[str, Any]) -> Outcome:
    reverted = receipt.get("execution_status") == "REVERTED"
    reason = revert_reason(str(receipt.get("revert_reason", "no reason given"))) if reverted else None
    return Outcome(
        hash=tx_hash,
        nonce=slot.nonce,
        hashes=tuple(slot.hashes),
        block_number=receipt.get("block_number"),
        revert_reason=reason,
        receipt=receipt,
    )


def _explain(error: RpcError) -> str:
    return f"{error.message}: {revert_reason(error.data)}" if error.data else str(error.message)
