"""An order and a match as the venue has them in memory; all integers in the contract's units."""

from __future__ import annotations

from dataclasses import dataclass, replace

from truemark.errors import TruemarkError
from truemark.gateway import FillState, OrderState
from truemark.orders import SignedOrder
from truemark.units import decimal_text, from_price, from_size
from truemark.wire import ErrorCode, OrderKind, Problem, SelfTrade, TimeInForce, TriggerKind


def size_text(size: int) -> str:
    """For people."""
    return decimal_text(from_size(size))


def price_text(price: int) -> str:
    """For people."""
    return decimal_text(from_price(price))


class Refused(TruemarkError, ValueError):
    """The venue says no, and nothing was done.

    Attributes:
        problem: as it is told.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        field: str | None = None,
        reason: str | None = None,
        order_hash: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.problem = Problem(
            code=code, message=message, field=field, reason=reason, order_hash=order_hash, retry_after=retry_after
        )

    @property
    def code(self) -> ErrorCode:
        return self.problem.code

    def name(self, order_hash: int) -> None:
        """The order that was refused, unless another one is named."""
        if self.problem.order_hash is None:
            self.problem = replace(self.problem, order_hash=order_hash)


@dataclass(eq=False, slots=True)
class LiveOrder:
    """One order for as long as the venue remembers it."""

    #: Age: a lower one came before.
    number: int
    order_hash: int
    signed: SignedOrder
    #: The market's index.
    market: int
    account: int
    is_buy: bool
    #: 1e-8 USD.
    price: int
    #: As signed, or as it was reduced to; 1e-8 of the base asset.
    size: int
    expiry: int
    reduce_only: bool
    post_only: bool
    kind: OrderKind
    time_in_force: TimeInForce
    self_trade: SelfTrade
    created_at: int
    updated_at: int
    client_id: str | None = None
    trigger: TriggerKind | None = None
    trigger_price: int = 0
    #: Resting or waiting; matched and not settled; settled on chain.
    open: int = 0
    matched: int = 0
    filled: int = 0
    state: OrderState = OrderState.OPEN
    reason: str | None = None

    @property
    def is_immediate(self) -> bool:
        """Never rests."""
        return self.time_in_force is not TimeInForce.GTC

    def crosses(self, other: LiveOrder) -> bool:
        """Of the other side: whether their limits meet."""
        return self.price >= other.price if self.is_buy else self.price <= other.price

    def end(self, state: OrderState, reason: str | None) -> None:
        """Nothing rests any more. What is matched still settles; the first end of an order is its end."""
        self.open = 0
        if not self.state.is_final:
            self.state, self.reason = state, reason

    def update(self) -> None:
        """The state that the sizes say. One that ended can still turn out filled by what was matched before."""
        if self.filled >= self.size:
            self.state, self.reason = OrderState.FILLED, None
        elif not self.state.is_final and self.state is not OrderState.WAITING:
            self.state = OrderState.OPEN if self.open else OrderState.MATCHED


@dataclass(eq=False, slots=True)
class Match:
    """Two orders that met; the older one is the maker and made the price."""

    number: int
    market: int
    maker: LiveOrder
    taker: LiveOrder
    size: int
    price: int
    #: Block time.
    time: int
    #: What each side's collateral changes by, fee included; 1e-6 USD.
    maker_cash: int
    taker_cash: int
    state: FillState = FillState.MATCHED
    reason: str | None = None
    tx_hash: int | None = None
    #: Block of the settlement.
    block: int | None = None
    #: 1e-6 USD, and positions after it; of a settled one, maker's then taker's.
    fees: tuple[int, int] = (0, 0)
    funding: tuple[int, int] = (0, 0)
    positions: tuple[int, int] = (0, 0)

    def delta(self, order: LiveOrder) -> int:
        """What it changes the position of the order's account by."""
        return self.size if order.is_buy else -self.size
