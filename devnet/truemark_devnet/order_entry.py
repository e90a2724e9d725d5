"""One order in the gateway's memory: what rests of it, what is matched, what settled, and how it ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from truemark.deployment import MarketInfo
from truemark.gateway import OrderAck, OrderState
from truemark.units import from_price, from_size

from truemark_devnet.matching import Resting


@dataclass(eq=False)
class Entry:
    """One order for as long as this gateway lives."""

    resting: Resting
    market: MarketInfo
    filled: int
    matched: int = 0
    state: OrderState = OrderState.OPEN
    reason: str | None = None
    #: Set while nothing of it waits for settlement.
    quiet: asyncio.Event = field(default_factory=asyncio.Event)

    def ack(self) -> OrderAck:
        order = self.resting.signed.order
        return OrderAck(
            order_hash=self.resting.order_hash,
            signed=self.resting.signed,
            market=order.market,
            side=order.side,
            size=from_size(order.size),
            price=from_price(order.limit_price),
            state=self.state,
            open=from_size(self.resting.open),
            matched=from_size(self.matched),
            filled=from_size(self.filled),
            reason=self.reason,
        )

    def close(self, state: OrderState, reason: str | None = None) -> None:
        """Nothing rests any more. What is matched still settles; the first end of an order is its end."""
        self.resting.open = 0
        if not self.state.is_final:
            self.state, self.reason = state, reason

    def update(self) -> None:
        """The state that the sizes say. One that was taken off can still turn out filled by what was matched before."""
        if self.filled >= self.resting.signed.order.size:
            self.state, self.reason = OrderState.FILLED, None
        elif not self.state.is_final:
            self.state = OrderState.OPEN if self.resting.open else OrderState.MATCHED
        if self.matched:
            self.quiet.clear()
        else:
            self.quiet.set()
