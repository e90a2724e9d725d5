"""The matching engine against a model that is a plain list, over any sequence of orders and cancels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from truemark.wire import ErrorCode, SelfTrade, TimeInForce
from truemark_devnet.venue.live import LiveOrder, Refused

from devnet.tests.venue.venue_people import LOT, USD, engine, place, settle_all

ACCOUNTS = (1, 2, 3)


@dataclass
class Plain:
    """One order of the model; sizes in lots, prices in USD."""

    number: int
    account: int
    is_buy: bool
    price: int
    open: int


class Model:
    """What price-time priority says, in the most plain words."""

    def __init__(self) -> None:
        self.orders: list[Plain] = []
        #: (maker's number, taker's number, size, price)
        self.matches: list[tuple[int, int, int, int]] = []
        self.count = 0

    def meeting(self, order: Plain) -> Iterator[Plain]:
        """Those of the other side that it crosses, in the order in which they are matched."""
        others = [
            other
            for other in self.orders
            if other.is_buy != order.is_buy
            and (order.price >= other.price if order.is_buy else order.price <= other.price)
        ]
        yield from sorted(others, key=lambda other: (other.price if order.is_buy else -other.price, other.number))

    def place(
        self, account: int, is_buy: bool, size: int, price: int, tif: TimeInForce, post_only: bool, stp: SelfTrade
    ) -> ErrorCode | None:
        order = Plain(self.count + 1, account, is_buy, price, size)
        meeting = list(self.meeting(order))
        if post_only and meeting:
            return ErrorCode.WOULD_TAKE
        if tif is TimeInForce.FOK:
            have = 0
            for other in meeting:
                if other.account == account:
                    if stp is SelfTrade.EXPIRE_MAKER:
                        continue
                    break
                have += other.open
            if have < size:
                return ErrorCode.WOULD_NOT_FILL
        self.count += 1
        stopped = False
        for other in meeting:
            if order.open == 0:
                break
            if other.account == account:
                if stp is not SelfTrade.EXPIRE_TAKER:
                    self.orders.remove(other)
                if stp is not SelfTrade.EXPIRE_MAKER:
                    stopped = True
                    break
                continue
            size = min(order.open, other.open)
            order.open -= size
            other.open -= size
            self.matches.append((other.number, order.number, size, other.price))
            if other.open == 0:
                self.orders.remove(other)
        if order.open and not stopped and tif is TimeInForce.GTC:
            self.orders.append(order)
        return None


class Books(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.engine = engine(*ACCOUNTS)
        self.model = Model()
        self.matches: list[tuple[int, int, int, int]] = []
        self.placed: list[LiveOrder] = []

    @rule(
        account=st.sampled_from(ACCOUNTS),
        side=st.sampled_from(["buy", "sell"]),
        size=st.integers(1, 6),
        price=st.integers(96, 104),
        tif=st.sampled_from(TimeInForce),
        post_only=st.booleans(),
        stp=st.sampled_from(SelfTrade),
    )
    def order(self, account: int, side: str, size: int, price: int, tif: Any, post_only: bool, stp: Any) -> None:
        post_only = post_only and tif is TimeInForce.GTC
        expected = self.model.place(account, side == "buy", size, price, tif, post_only, stp)
        refused = None
        try:
            done = place(
                self.engine,
                account,
                side,
                size,
                price,
                time_in_force=tif,
                post_only=post_only,
                self_trade=stp,
            )
            self.placed.append(done)
        except Refused as error:
            refused = error.code
        assert refused is expected
        for match in self.engine.take_changes().matches.values():
            self.matches.append((match.maker.number, match.taker.number, match.size // LOT, match.price // USD))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.placed:
            chosen = data.draw(st.sampled_from(self.placed))
            self.engine.cancel(chosen)
            self.model.orders = [order for order in self.model.orders if order.number != chosen.number]

    @rule(account=st.sampled_from(ACCOUNTS))
    def cancel_all(self, account: int) -> None:
        self.engine.cancel_all(account)
        self.model.orders = [order for order in self.model.orders if order.account != account]

    @rule(data=st.data())
    def make_smaller(self, data: st.DataObject) -> None:
        mine = {order.number: order for order in self.placed}
        larger = [order for order in self.model.orders if order.open > 1]
        if larger:
            chosen = data.draw(st.sampled_from(larger))
            by = data.draw(st.integers(1, chosen.open - 1))
            live = mine[chosen.number]
            self.engine.reduce(live, live.size - by * LOT)
            chosen.open -= by

    @rule()
    def settle(self) -> None:
        settle_all(self.engine)
        self.engine.take_changes()

    @invariant()
    def both_say_the_same(self) -> None:
        book = self.engine.books[0]
        for side, is_buy in ((book.bids, True), (book.asks, False)):
            expected = sorted(
                (order for order in self.model.orders if order.is_buy is is_buy),
                key=lambda order: (-order.price if order.is_buy else order.price, order.number),
            )
            found = [(order.number, order.price // USD, order.open // LOT) for order in side]
            assert found == [(order.number, order.price, order.open) for order in expected]
        assert self.matches == self.model.matches
        best_bid, best_ask = book.bids.best, book.asks.best
        assert best_bid is None or best_ask is None or best_bid < best_ask

    @invariant()
    def nothing_is_lost(self) -> None:
        for order in self.placed:
            parts = order.open + order.matched + order.filled
            assert parts <= order.size
            assert order.state.is_final or parts == order.size
        assert sum(trader.sizes.get(0, 0) for trader in self.engine.traders.values()) == 0


TestBooks = Books.TestCase
TestBooks.settings = settings(stateful_step_count=30, deadline=None)
