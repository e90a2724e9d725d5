"""The parts of the transaction queue: what is asked for, what sits at a nonce, what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from truemark.errors import TruemarkError
from truemark.transactions import Call

from truemark_keeper.fees import Fees


class TransactionRefused(TruemarkError, RuntimeError):
    """The node refused a transaction for good: it is in no block and holds no nonce."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"the node refused the transaction: {message} (code {code})")
        self.code = code


class TransactionReverted(TruemarkError, RuntimeError):
    """A transaction is in a block and was reverted: nothing but its fee changed."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"transaction {outcome.hash:#x} was reverted: {outcome.revert_reason}")
        self.outcome = outcome


class TransactionDisplaced(TruemarkError, RuntimeError):
    """Someone else used the nonce of a transaction that a former run sent, so it can never land; send it anew."""


class QueueClosed(TruemarkError, RuntimeError):
    """The queue was closed before the transaction's outcome was known. The journal, if there is one, keeps it."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed invoke: its hash, and the transaction as starknet_addInvokeTransaction wants it."""

    hash: int
    transaction: dict[str, Any]


class Wallet(Protocol):
    """Signs for one account on one chain."""

    @property
    def address(self) -> int: ...

    @property
    def chain_id(self) -> int: ...

    def sign(self, calls: Sequence[Call], nonce: int, fees: Fees) -> Signed: ...


class Node(Protocol):
    """What the queue needs of truemark.rpc.AsyncRpc. A post is sent once: the queue decides whether to repeat it."""

    async def call(self, method: str, params: Any = ...) -> Any: ...

    async def batch(self, calls: Sequence[tuple[str, Any]]) -> list[Any]: ...


@dataclass(frozen=True)
class Outcome:
    """A transaction in a block."""

    hash: int
    nonce: int
    #: Every hash that was sent for it at this nonce; one of them landed.
    hashes: tuple[int, ...]
    block_number: int | None
    #: The contract's own words, such as 'ORACLE: not a reporter'; None: it succeeded.
    revert_reason: str | None
    #: As the node gave it.
    receipt: Mapping[str, Any]

    @property
    def succeeded(self) -> bool:
        return self.revert_reason is None

    def or_raise(self) -> Outcome:
        """Itself.

        Raises:
            TransactionReverted: it was reverted.
        """
        if not self.succeeded:
            raise TransactionReverted(self)
        return self


class Ticket:
    """The claim on one submitted transaction's outcome."""

    def __init__(self) -> None:
        self._future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    async def outcome(self, timeout: float | None = None) -> Outcome:
        """Waits until the transaction is in a block; a revert is an outcome too. Giving up does not withdraw it.

        Raises:
            TransactionRefused, TransactionDisplaced, FeeCeiling, QueueClosed: it has no outcome and nothing changed,
                or with QueueClosed an outcome that nobody waited for.
            TimeoutError: none within `timeout` seconds.
        """
        return await asyncio.wait_for(asyncio.shield(self._future), timeout)

    @property
    def done(self) -> bool:
        return self._future.done()

    def settle(self, outcome: Outcome) -> None:
        if not self._future.done():
            self._future.set_result(outcome)

    def fail(self, error: Exception) -> None:
        if not self._future.done():
            self._future.set_exception(error)
            # A ticket may be dropped by its holder: read here, so that asyncio does not complain of it at exit.
            self._future.exception()


@dataclass
class Job:
    """Calls that wait for a nonce."""

    #: None for a job of a former run, of which only the signed form is known.
    calls: tuple[Call, ...] | None
    fees: Fees
    ticket: Ticket


class SlotState(Enum):
    #: Posted or about to be, with no answer that settles whether the node has it.
    DOUBTFUL = "doubtful"
    #: The node has it.
    SENT = "sent"


@dataclass
class Slot:
    """A job bound to a nonce. Once anything was posted at a nonce, the job stays bound to it until the chain has
    passed that nonce: what the network still carries can then land at most once."""

    nonce: int
    job: Job
    signed: Signed
    hashes: list[int] = field(default_factory=list)
    state: SlotState = SlotState.DOUBTFUL
    #: Monotonic time of the last post that the node took.
    sent_at: float = 0.0
    #: Waited too long: to be signed again with higher fees.
    stuck: bool = False
    #: The node refused it for good: it fails once it is sure that none of its hashes is known.
    refusal: Exception | None = None

    def sent(self) -> None:
        self.state, self.sent_at, self.stuck, self.refusal = SlotState.SENT, time.monotonic(), False, None

    def replace(self, signed: Signed) -> None:
        self.signed = signed
        self.state = SlotState.DOUBTFUL
        if signed.hash not in self.hashes:
            self.hashes.append(signed.hash)
