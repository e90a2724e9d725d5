"""The venue's views as the records that every order gateway answers with."""

from __future__ import annotations

from truemark.gateway import Fill, OrderAck
from truemark.wire import FillView, OrderView


def ack_of(view: OrderView) -> OrderAck:
    return OrderAck(
        order_hash=view.order_hash,
        signed=view.signed,
        market=view.market,
        side=view.side,
        size=view.size,
        price=view.price,
        state=view.state,
        open=view.open,
        matched=view.matched,
        filled=view.filled,
        reason=view.reason,
        client_order_id=view.client_order_id,
    )


def fill_of(view: FillView) -> Fill:
    return Fill(
        order_hash=view.order_hash,
        account=view.account,
        market=view.market,
        side=view.side,
        is_maker=view.is_maker,
        size=view.size,
        price=view.price,
        state=view.state,
        reason=view.reason,
        tx_hash=view.tx_hash,
        fee=view.fee,
        funding=view.funding,
        position=view.position,
    )
