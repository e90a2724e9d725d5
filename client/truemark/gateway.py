"""Where signed orders go: the protocol that every venue's order entry implements, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from truemark.errors import TruemarkError
from truemark.orders import Side, SignedOrder


class OrderRejected(TruemarkError, ValueError):
    """The venue did not take the order: nothing of it rests or fills.

    Attributes:
        reason: the venue's own words.
        order_hash: what was signed.
    """

    def __init__(self, reason: str, order_hash: int) -> None:
        super().__init__(f"order {order_hash:#x} rejected: {reason}")
        self.reason = reason
        self.order_hash: int | None = order_hash


class UnknownOrder(TruemarkError, LookupError):
    """The venue has no order with this hash."""

    def __init__(self, order_hash: int) -> None:
        super().__init__(f"the venue has no order {order_hash:#x}")
        self.order_hash: int | None = order_hash


class OrderOutcomeUnknown(TruemarkError, ConnectionError):
    """The order was sent and no answer came: the venue may have it. Ask `gateway.order(order_hash)`, or send the same
    signed order again, which a venue takes once.

    Attributes:
        order_hash, signed, client_order_id: what was sent.
    """

    def __init__(
        self, order_hash: int, signed: SignedOrder, cause: Exception, client_order_id: str | None = None
    ) -> None:
        called = "" if client_order_id is None else f" ({client_order_id})"
        super().__init__(f"no answer to order {order_hash:#x}{called}, the venue may have it: {cause}")
        self.order_hash = order_hash
        self.signed = signed
        self.client_order_id = client_order_id


class OrderState(StrEnum):
    #: Accepted, and not on the book until its trigger.
    WAITING = "waiting"
    #: Some of it rests.
    OPEN = "open"
    #: Nothing rests, something waits for its settlement.
    MATCHED = "matched"
    #: Settled whole.
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    #: A fill of it was refused on chain for a fault of this order: what rested was taken off.
    BUSTED = "busted"

    @property
    def is_final(self) -> bool:
        return self not in (OrderState.WAITING, OrderState.OPEN, OrderState.MATCHED)


@dataclass(frozen=True, slots=True)
class OrderAck:
    """An order as the venue has it. Sizes in the base asset."""

    order_hash: int
    #: As it was sent: with this it can be cancelled on chain too.
    signed: SignedOrder = field(repr=False)
    market: str
    side: Side
    size: Decimal
    price: Decimal
    state: OrderState
    #: Resting, matched and waiting for settlement, settled on chain.
    open: Decimal
    matched: Decimal
    filled: Decimal
    #: Why it is busted: the chain's words.
    reason: str | None = None
    #: The trader's own name of it.
    client_order_id: str | None = None


class FillState(StrEnum):
    #: Paired by the venue; its settlement is on its way.
    MATCHED = "matched"
    SETTLED = "settled"
    #: The chain refused it, with a reason: it changed nothing.
    REFUSED = "refused"
    #: The venue lost sight of the settlement: what became of it is on chain.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of a match, once its settlement was tried."""

    order_hash: int
    account: int
    market: str
    side: Side
    is_maker: bool
    #: Base asset, and USD for one base unit.
    size: Decimal
    price: Decimal
    state: FillState
    #: Of a refused one: the chain's words.
    reason: str | None = None
    tx_hash: int | None = None
    #: USD: what the account paid as a fee, and received as funding (below 0: paid).
    fee: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)
    #: The account's position after it, of a settled one.
    position: Decimal | None = None

    @property
    def settled(self) -> bool:
        return self.state is FillState.SETTLED


class OrderGateway(Protocol):
    """Order entry of a venue."""

    async def submit(self, signed: SignedOrder) -> OrderAck:
        """Takes an order; the same one again is answered with what became of it.

        Raises:
            OrderRejected: with the venue's reason.
        """
        ...

    async def cancel(self, order_hash: int) -> OrderAck:
        """Takes what rests of an order off the book; what is matched already may still settle, and nothing of it comes
        back. The signature stays good on chain: only the contract's own `cancel` ends it.

        Raises:
            UnknownOrder: there is none.
        """
        ...

    async def cancel_all(self, account: int) -> Sequence[OrderAck]:
        """Takes all that rests of an account off the book; the orders that this touched."""
        ...

    async def order(self, order_hash: int) -> OrderAck:
        """
        Raises:
            UnknownOrder: there is none.
        """
        ...

    async def settled(self, order_hash: int, timeout: float | None = None) -> OrderAck:
        """Waits until nothing of the order waits for its settlement.

        Raises:
            UnknownOrder: there is none.
            TimeoutError: something still does after `timeout` seconds.
        """
        ...

    async def fills(self, account: int) -> Sequence[Fill]:
        """All fills of an account, settled and refused, oldest first."""
        ...
