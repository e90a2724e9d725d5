"""A movement of money that survives its process: every step is written down before it is taken, and one that was cut
off is taken further where it stopped, never twice."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from truemark.account import Account, Fate, Prepared
from truemark.errors import TruemarkError
from truemark.receipt import Receipt
from truemark.trader.flows.journal import Journal, Kind, Record, Step
from truemark.trader.handles import StillUnderWay
from truemark.trader.session import NoL1
from truemark.trader.venue import Venue
from truemark.transactions import Bound, Call, Fees

if TYPE_CHECKING:
    from truemark.l1 import L1Bridge


class NotFinished(TruemarkError, RuntimeError):
    """A movement has no outcome yet."""


class FlowFailed(TruemarkError, RuntimeError):
    """A movement ended without moving money, or with the money back where it was.

    Attributes:
        reason: the chain's words.
        flow_id: which one.
    """

    def __init__(self, kind: Kind, flow_id: str, reason: str) -> None:
        super().__init__(f"{kind} {flow_id} failed: {reason}")
        self.reason = reason
        self.flow_id = flow_id


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a movement is, for people."""

    flow_id: str
    kind: Kind
    step: Step
    #: What is waited for, or what came of it.
    says: str


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Desk:
    """What a movement works with: one trader's connections."""

    venue: Venue
    account: Account
    bridge: L1Bridge | None
    #: Seconds between two looks at something that is waited for.
    poll: float

    @property
    def address(self) -> int:
        return self.account.address

    @property
    def l1(self) -> L1Bridge:
        """
        Raises:
            NoL1: connected without an L1 signer.
        """
        if self.bridge is None:
            raise NoL1("this needs an L1 signer: connect with l1=...")
        return self.bridge


class Flow(ABC):
    """One movement. `advance` takes one step, `run` all of them; both can be called again after any failure, also from
    another process with the same journal and key."""

    kind: ClassVar[Kind]

    def __init__(self, desk: Desk, journal: Journal, record: Record) -> None:
        self._desk = desk
        self._journal = journal
        self._record = record

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id}, {self.step})"

    async def aclose(self) -> None:  # noqa: B027 - there is nothing to close, in any of them
        """A movement holds no connection."""

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def record(self) -> Record:
        return self._record

    @property
    def step(self) -> Step:
        return self._record.step

    @property
    def finished(self) -> bool:
        return self.step.is_final

    @property
    def progress(self) -> Progress:
        return Progress(self.id, self.kind, self.step, self._says())

    @property
    def reason(self) -> str | None:
        """Why it failed or is parked."""
        return self._record.data.get("reason")

    async def advance(self) -> Step:
        """Takes the next step if it can be taken now; the step it is at then.

        Raises:
            MovedElsewhere: another process took it; `reload` shows what it did.
            TransactionRefused, NodeUnavailable, L1Refused, L1Unavailable: nothing is lost, call it again.
        """
        if not self.finished:
            await self._advance()
        return self.step

    async def run(self, timeout: float | None = None, on_progress: OnProgress | None = None) -> Any:
        """Takes every step and waits between them; what came of it.

        Args:
            timeout: seconds; None waits as long as it takes.
            on_progress: told of every step.

        Raises:
            FlowFailed: with the chain's reason.
            StillUnderWay: it is not through after `timeout` seconds; it goes on where it is.
            MovedElsewhere, TransactionRefused, NodeUnavailable, L1Refused, L1Unavailable
        """
        give_up = None if timeout is None else time.monotonic() + timeout
        while not self.finished:
            before = self.step
            if await self.advance() is not before:
                if on_progress is not None:
                    on_progress(self.progress)
                continue
            if give_up is not None and time.monotonic() + self._desk.poll > give_up:
                raise StillUnderWay(f"{self.kind} {self.id} is {self.step} after {timeout:g} s: {self._says()}")
            await asyncio.sleep(self._desk.poll)
        if self.step is Step.FAILED:
            raise FlowFailed(self.kind, self.id, self.reason or "no reason given")
        return self.outcome

    def reload(self) -> Step:
        """As the journal has it now; the step."""
        self._record = self._journal.load(self.id)
        return self.step

    @property
    def outcome(self) -> Any:
        """What came of it.

        Raises:
            NotFinished: nothing yet.
        """
        if self.step not in (Step.DONE, Step.PARKED):
            raise NotFinished(f"{self.kind} {self.id} is {self.step}")
        return self._outcome()

    @abstractmethod
    async def _advance(self) -> None: ...

    @abstractmethod
    def _says(self) -> str: ...

    @abstractmethod
    def _outcome(self) -> Any: ...

    # --- what the steps share

    def _save(self, step: Step, **data: Any) -> None:
        self._record = self._journal.save(self._record, step, data)

    def _fail(self, reason: str) -> None:
        self._save(Step.FAILED, reason=reason)

    def _amount(self, name: str) -> Decimal:
        return Decimal(self._record.data[name])

    async def _send(self, calls: list[Call], step: Step) -> None:
        """Signs a transaction, writes it down as `step`, sends it."""
        await self._desk.account.send(calls, before=lambda prepared: self._save(step, tx=prepared_json(prepared)))

    async def _settled(self, again: Step, *, ends: bool = True) -> Receipt | None:
        """The receipt of the transaction that was written down, sent again if the node has lost it; None: it can never
        be in a block, and the movement is back at `again`. A reverted one ends the movement, or if not `ends` raises
        with the movement back at `again`.

        Raises:
            TransactionReverted
        """
        account = self._desk.account
        prepared = prepared_of(self._record.data["tx"])
        fate = await account.fate(prepared)
        if fate is Fate.DEAD:
            self._save(again, tx=None)
            return None
        if fate is Fate.OPEN:
            await account.send_again(prepared)
        receipt = await account.wait(prepared.hash)
        if receipt.succeeded:
            return receipt
        if ends:
            self._fail(receipt.revert_reason or "no reason given")
            return None
        self._save(again, tx=None)
        return receipt.or_raise()


def prepared_json(prepared: Prepared) -> dict[str, Any]:
    """A signed transaction without its signature, as the journal has it."""
    fees = prepared.fees
    return {
        "hash": hex(prepared.hash),
        "nonce": prepared.nonce,
        "calls": [[hex(call.to), hex(call.selector), [hex(felt) for felt in call.calldata]] for call in prepared.calls],
        "fees": [[bound.max_amount, str(bound.max_price)] for bound in (fees.l1_gas, fees.l1_data_gas, fees.l2_gas)],
        "tip": fees.tip,
    }


def prepared_of(data: dict[str, Any]) -> Prepared:
    calls = tuple(
        Call(int(to, 16), int(selector, 16), tuple(int(felt, 16) for felt in calldata))
        for to, selector, calldata in data["calls"]
    )
    l1_gas, l1_data_gas, l2_gas = (Bound(amount, int(price)) for amount, price in data["fees"])
    return Prepared(calls, Fees(l1_gas, l1_data_gas, l2_gas, data["tip"]), data["nonce"], int(data["hash"], 16))
