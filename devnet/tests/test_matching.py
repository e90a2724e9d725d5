"""The order book: price first, then time, and nobody gets a worse price than he signed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark.orders import Order, SignedOrder
from truemark_devnet.matching import Book, Match, MustNotMatch, Resting

NOW = 1_000


def resting(
    number: int,
    is_buy: bool,
    price: int,
    size: int,
    *,
    account: int | None = None,
    post_only: bool = False,
    expiry: int = NOW + 1,
) -> Resting:
    order = Order(
        venue=1,
        account=account if account is not None else 100 + number,
        epoch=0,
        account_epoch=0,
        market="BTC-USD-PERP",
        is_buy=is_buy,
        size=size,
        limit_price=price,
        max_fee_bps=5,
        reduce_only=False,
        post_only=post_only,
        expiry=expiry,
        salt=number,
    )
    return Resting(SignedOrder(order, 0, 0, 0), order_hash=number, number=number, open=size)


def put(book: Book, order: Resting) -> list[Match]:
    matches = book.plan(order, NOW)
    book.apply(order, matches)
    return matches


def test_the_best_price_is_met_first_and_of_one_price_the_oldest() -> None:
    book = Book()
    for number, price in ((1, 101), (2, 100), (3, 100), (4, 102)):
        put(book, resting(number, False, price, 10))
    matches = put(book, resting(5, True, 101, 25))
    assert [(match.maker.number, match.size, match.price) for match in matches] == [
        (2, 10, 100),
        (3, 10, 100),
        (1, 5, 101),
    ]
    assert [(order.number, order.open) for order in book.asks] == [(1, 5), (4, 10)]
    assert book.bids == []


def test_what_is_not_matched_rests() -> None:
    book = Book()
    put(book, resting(1, True, 100, 10))
    assert put(book, resting(2, False, 101, 10)) == []
    (match,) = put(book, resting(3, False, 99, 15))
    assert (match.maker.number, match.taker.number, match.price, match.size) == (1, 3, 100, 10)
    assert [(order.number, order.open) for order in book.asks] == [(3, 5), (2, 10)]


def test_an_order_must_not_meet_its_own_account_nor_take_if_it_is_post_only() -> None:
    book = Book()
    put(book, resting(1, False, 100, 10, account=7))
    with pytest.raises(MustNotMatch, match="own account"):
        book.plan(resting(2, True, 100, 5, account=7), NOW)
    with pytest.raises(MustNotMatch, match="post-only"):
        book.plan(resting(2, True, 100, 5, post_only=True), NOW)
    assert book.plan(resting(2, True, 99, 5, post_only=True), NOW) == []
    assert [order.open for order in book.asks] == [10]


def test_the_older_of_two_is_the_maker_also_when_it_comes_back() -> None:
    book = Book()
    put(book, resting(5, False, 100, 10, post_only=True))
    with pytest.raises(MustNotMatch) as refused:
        book.plan(resting(2, True, 103, 4), NOW)
    assert refused.value.order.number == 5
    other = Book()
    put(other, resting(5, False, 100, 10))
    (came_back,) = other.plan(resting(2, True, 103, 4), NOW)
    assert (came_back.maker.number, came_back.taker.number, came_back.price) == (2, 5, 103)


def test_an_expired_order_is_met_by_nobody() -> None:
    book = Book()
    put(book, resting(1, False, 100, 10, expiry=NOW))
    assert book.plan(resting(2, True, 100, 5), NOW) == []
    assert [order.number for order in book.expired(NOW)] == [1]


ORDERS = st.lists(
    st.tuples(st.booleans(), st.integers(90, 110), st.integers(1, 50), st.integers(1, 4)), min_size=1, max_size=40
)


@given(ORDERS)
def test_books_never_stay_crossed_and_nothing_is_made_or_lost(orders: list[tuple[bool, int, int, int]]) -> None:
    book = Book()
    placed: list[Resting] = []
    matched: dict[int, int] = {}
    for number, (is_buy, price, size, account) in enumerate(orders):
        order = resting(number, is_buy, price, size, account=account)
        before = [(other.number, other.open) for other in (*book.bids, *book.asks)]
        try:
            matches = book.plan(order, NOW)
        except MustNotMatch:
            assert [(other.number, other.open) for other in (*book.bids, *book.asks)] == before
            continue
        book.apply(order, matches)
        placed.append(order)
        for match in matches:
            assert match.size > 0
            assert match.maker.number < match.taker.number
            assert match.price == match.maker.price
            assert match.maker.is_buy != match.taker.is_buy
            assert match.maker.account != match.taker.account
            buyer, seller = (match.maker, match.taker) if match.maker.is_buy else (match.taker, match.maker)
            assert seller.price <= match.price <= buyer.price
            for side in (match.maker, match.taker):
                matched[side.number] = matched.get(side.number, 0) + match.size
    for order in placed:
        assert order.open + matched.get(order.number, 0) == order.signed.order.size
        assert (order.open > 0) == (order in (*book.bids, *book.asks))
    assert book.bids == sorted(book.bids, key=lambda order: order.rank)
    assert book.asks == sorted(book.asks, key=lambda order: order.rank)
    if book.bids and book.asks:
        assert book.bids[0].price < book.asks[0].price
