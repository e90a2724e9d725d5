"""What is under way between the chains: a deposit until L2 has it, a withdrawal until L1 has paid it. A handle holds
no secret and no state of its own: made again from the same few numbers it goes on where the last one stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from eth_utils.address import to_checksum_address

from truemark.errors import TruemarkError
from truemark.felt import hex_of, selector, short_string_text
from truemark.l1_records import L1Deposit
from truemark.models import DepositOutcome, DepositState, Withdrawal
from truemark.receipt import RawEvent
from truemark.rpc import BadAnswer
from truemark.trader.venue import Venue
from truemark.units import from_collateral

#: Events asked for in one request.
EVENT_CHUNK = 500
if TYPE_CHECKING:
    from truemark.l1 import L1Bridge

T = TypeVar("T")
_DELIVERED, _PARKED, _REGISTERED = "DepositDelivered", "DepositParked", "WithdrawalRegistered"


class StillUnderWay(TruemarkError, TimeoutError):
    """What was waited for has not happened yet; it still can."""


class DepositReclaimed(TruemarkError, RuntimeError):
    """The deposit was cancelled and taken back on L1: it will never arrive."""


class DepositHandle:
    """A deposit that was sent from L1."""

    def __init__(self, deposit: L1Deposit, venue: Venue, l1: L1Bridge, *, poll: float) -> None:
        self.deposit = deposit
        self._venue = venue
        self._l1 = l1
        self._poll = poll

    def __repr__(self) -> str:
        return f"DepositHandle({self.deposit!r})"

    async def aclose(self) -> None:
        """A handle holds no connection."""

    @property
    def nonce(self) -> int:
        """The L1 message's: what L2 names the deposit by."""
        return self.deposit.nonce

    @property
    def tx_hash(self) -> str:
        """On L1."""
        return self.deposit.tx_hash

    async def outcome(self) -> DepositOutcome | None:
        """What L2 did with it; None while it is under way.

        Raises:
            DepositReclaimed: it was taken back on L1.
        """
        if await self._venue.bridge.read("delivered", self.nonce):
            return await self._said()
        if await self._l1.is_reclaimed(self.deposit):
            raise DepositReclaimed(f"deposit {self.nonce} was cancelled and taken back on L1")
        return None

    async def credited(self, timeout: float | None = None) -> DepositOutcome:
        """Waits until L2 delivered it, or parked it and said why.

        Raises:
            StillUnderWay: neither within `timeout` seconds.
            DepositReclaimed: it was taken back on L1.
        """
        return await _until(self.outcome, f"deposit {self.nonce} is not on L2", timeout, self._poll)

    async def _said(self) -> DepositOutcome:
        keys = [[hex_of(selector(_DELIVERED)), hex_of(selector(_PARKED))], [hex_of(self.deposit.recipient)]]
        bridge = self._venue.bridge
        for event, tx_hash in await read_events(self._venue, bridge.address, keys):
            decoded = bridge.abi.decode_event(event.keys, event.data)
            fields = decoded.fields
            if fields["nonce"] != self.nonce:
                continue
            amount = from_collateral(fields["amount"])
            if decoded.name == _DELIVERED:
                return DepositOutcome(DepositState.DELIVERED, amount, tx_hash)
            reason = short_string_text(fields["reason"])
            return DepositOutcome(DepositState.PARKED, amount, tx_hash, parked_id=fields["id"], reason=reason)
        raise BadAnswer(f"{self._venue.rpc.shown}: deposit {self.nonce} is delivered, and no event says so")


class WithdrawalHandle:
    """A withdrawal that L2 registered."""

    def __init__(self, withdrawal: Withdrawal, l1: L1Bridge, *, poll: float, tx_hash: int | None = None) -> None:
        self.withdrawal = withdrawal
        #: On L2; None of one that was resumed.
        self.tx_hash = tx_hash
        self._l1 = l1
        self._poll = poll

    def __repr__(self) -> str:
        return f"WithdrawalHandle({self.withdrawal!r})"

    async def aclose(self) -> None:
        """A handle holds no connection."""

    @property
    def epoch(self) -> int:
        return self.withdrawal.epoch

    @property
    def counter(self) -> int:
        return self.withdrawal.counter

    async def claimable(self) -> bool:
        """Whether L1 would pay it now: L2's message is there, it was not paid, and the quota has room for it."""
        return await self._l1.is_claimable(self.withdrawal)

    async def paid(self) -> bool:
        return await self._l1.is_paid(self.withdrawal)

    async def wait_claimable(self, timeout: float | None = None) -> None:
        """
        Raises:
            StillUnderWay: L1 would not pay it within `timeout` seconds.
            AlreadyClaimed: it was paid.
        """

        async def there() -> bool | None:
            return await self.claimable() or await self.paid() or None

        await _until(there, f"withdrawal {self.counter} of epoch {self.epoch} is not on L1", timeout, self._poll)

    async def claim(self) -> str:
        """Has it paid to its recipient on L1; the transaction's hash.

        Raises:
            AlreadyClaimed: it was paid before.
            NotClaimable: L2's message is not on L1 yet.
            L1Reverted, L1Refused, L1Unavailable, NoL1Signer
        """
        return await self._l1.claim(self.withdrawal)


async def registered_withdrawals(venue: Venue, account: int | None = None) -> list[tuple[Withdrawal, int]]:
    """Every withdrawal that L2 registered, oldest first, with the hash of its transaction; of one account or of all."""
    keys = [[hex_of(selector(_REGISTERED))], [] if account is None else [hex_of(account)]]
    found = []
    for event, tx_hash in await read_events(venue, venue.bridge.address, keys):
        fields = venue.bridge.abi.decode_event(event.keys, event.data).fields
        found.append((withdrawal_of(fields), tx_hash))
    return found


def withdrawal_of(fields: Any) -> Withdrawal:
    """From a WithdrawalRegistered."""
    return Withdrawal(
        epoch=fields["epoch"],
        counter=fields["counter"],
        amount=from_collateral(fields["amount"]),
        recipient=to_checksum_address(int(fields["l1_recipient"]).to_bytes(20, "big")),
        source=fields["source"],
    )


@dataclass(frozen=True, slots=True)
class Log:
    """An event and where it is."""

    event: RawEvent
    block: int
    tx_hash: int


async def read_events(venue: Venue, address: int, keys: list[list[str]]) -> list[tuple[RawEvent, int]]:
    """Events of a contract that match `keys`, with the hashes of their transactions, oldest first."""
    return [(log.event, log.tx_hash) for log in await read_logs(venue, address, keys)]


async def read_logs(venue: Venue, address: int, keys: list[list[str]], from_block: int = 0) -> list[Log]:
    """Events of a contract that match `keys`, oldest first."""
    found: list[Log] = []
    request: dict[str, Any] = {
        "from_block": {"block_number": from_block},
        "to_block": "latest",
        "address": hex_of(address),
        "keys": keys,
        "chunk_size": EVENT_CHUNK,
    }
    while True:
        page = await venue.rpc.call("starknet_getEvents", {"filter": request})
        for raw in page["events"]:
            event = RawEvent(
                from_address=int(raw["from_address"], 16),
                keys=tuple(int(key, 16) for key in raw["keys"]),
                data=tuple(int(felt, 16) for felt in raw["data"]),
            )
            found.append(Log(event, int(raw.get("block_number") or 0), int(raw["transaction_hash"], 16)))
        token = page.get("continuation_token")
        if token is None:
            return found
        request["continuation_token"] = token


async def _until(look: Callable[[], Awaitable[T | None]], what: str, timeout: float | None, poll: float) -> T:
    give_up = None if timeout is None else time.monotonic() + timeout
    while True:
        seen = await look()
        if seen is not None:
            return seen
        if give_up is not None and time.monotonic() + poll > give_up:
            raise StillUnderWay(f"{what} after {timeout:g} s")
        await asyncio.sleep(poll)
