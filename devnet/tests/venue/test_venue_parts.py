"""The venue's log, sessions, rate limits and streams, each alone."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from truemark.gateway import FillState
from truemark.signing import public_key, sign
from truemark.wire import Channel, ErrorCode, Interval, StreamMessage, TokenRequest, TriggerKind
from truemark_devnet.venue.engine import Engine
from truemark_devnet.venue.limits import Limits, Rate, RateLimited
from truemark_devnet.venue.live import LiveOrder, Refused
from truemark_devnet.venue.log import BadLog, Batch, VenueLog
from truemark_devnet.venue.sessions import CHALLENGE_SECS, TOKEN_SECS, Sessions
from truemark_devnet.venue.streams import Hub, Reader
from truemark_devnet.venue.views import account_view, candles

from devnet.tests.venue.venue_people import LOT, NOW, engine, place, settle_all

ALICE, BOB = 1, 2


def fields(order: LiveOrder) -> dict[str, object]:
    return asdict(order)


def test_a_restart_finds_what_was_written(tmp_path: Path) -> None:
    log = VenueLog(tmp_path / "v.sqlite", "here")
    venue = engine(ALICE, BOB)
    place(venue, ALICE, "buy", 5, 99, client_order_id="a")
    place(venue, ALICE, "buy", 5, 98)
    place(venue, BOB, "sell", 2, 98)
    settle_all(venue)
    place(venue, BOB, "sell", 1, 98)
    place(venue, BOB, "sell", 1, 103, trigger=(TriggerKind.STOP_LOSS, 90))
    gone = place(venue, BOB, "sell", 1, 104)
    venue.cancel(gone, "why not")
    log.write(venue.take_changes())
    log.close()

    log = VenueLog(tmp_path / "v.sqlite", "here")
    again = Engine(venue.venue, venue.terms, venue.view)
    for address, trader in venue.traders.items():
        again.know(address, trader.chain)
    orders = log.orders()
    for order in orders:
        again.restore(order)
    for match in log.matches(again.orders, state=FillState.MATCHED):
        again.restore_match(match)
    again.last_match = log.last_match()
    assert {order.order_hash: fields(order) for order in orders} == {
        order.order_hash: fields(order) for order in venue.orders.values()
    }
    assert [order.order_hash for order in again.books[0]] == [order.order_hash for order in venue.books[0]]
    assert (again.last_number, again.last_match) == (venue.last_number, venue.last_match)
    assert [match.number for match in again.matches.values()] == [2]
    assert again.by_client_id[ALICE, "a"].filled == 2 * LOT
    assert list(again.waiting) == list(venue.waiting)
    # The settled match is in the chain's word now, the other one is not.
    assert again.traders[BOB].sizes == {0: -LOT}
    rows = log.fills(BOB, again.orders, after=0, limit=10)
    assert [(seq, is_maker, match.state) for seq, is_maker, match in rows] == [
        (1, False, FillState.SETTLED),
        (2, False, FillState.MATCHED),
    ]
    assert log.fills(BOB, again.orders, after=2, limit=10) == []


def test_a_fill_that_changed_has_a_new_seq(tmp_path: Path) -> None:
    log = VenueLog(tmp_path / "v.sqlite", "here")
    venue = engine(ALICE, BOB)
    for price in (99, 98):
        place(venue, ALICE, "buy", 1, price)
        place(venue, BOB, "sell", 1, price)
    log.write(venue.take_changes())
    first, second = venue.matches.values()
    venue.refused([(first, "MARGIN: buyer", 7)], {})
    log.write(venue.take_changes())
    found = log.fills(ALICE, venue.orders, after=1, limit=10)
    assert [(seq, match.number, match.state) for seq, _, match in found] == [
        (2, second.number, FillState.MATCHED),
        (3, first.number, FillState.REFUSED),
    ]
    tape = log.tape(0)
    assert [(one.number, one.state) for one in tape] == [(2, FillState.MATCHED), (1, FillState.REFUSED)]
    (candle,) = candles(tape, Interval.MINUTE)
    assert (candle.trades, candle.open, candle.start) == (1, 98, NOW - NOW % 60)


def test_a_log_is_one_venues_and_nothing_elses(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "v.sqlite"
    log = VenueLog(path, "here")
    with pytest.raises(BadLog, match="another venue is at work"):
        VenueLog(path, "here")
    log.close()
    VenueLog(path, "here").close()
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE diary (day TEXT)")
    before = other.read_bytes()
    text = tmp_path / "text"
    text.write_text("nothing of the kind, and more than a few bytes of it")
    for path in (other, text, tmp_path):
        with pytest.raises(BadLog):
            VenueLog(path, "here")
    assert other.read_bytes() == before


def test_a_log_is_of_one_deployment_and_keeps_what_was_sent(tmp_path: Path) -> None:
    log = VenueLog(tmp_path / "v.sqlite", "here")
    batch = Batch(1, 5, 77, {"nonce": "0x5"}, (1, 2))
    log.sending(batch)
    log.switch(ALICE, 12.5)
    log.close()
    with pytest.raises(BadLog, match="another deployment's"):
        VenueLog(tmp_path / "v.sqlite", "there")
    log = VenueLog(tmp_path / "v.sqlite", "here")
    assert log.batches() == [batch]
    assert log.switches() == {ALICE: 12.5}
    log.landed(1)
    log.switch(ALICE, None)
    assert (log.batches(), log.switches()) == ([], {})


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_challenge_is_good_once_and_for_a_while_and_a_token_for_longer() -> None:
    clock = Clock()
    sessions = Sessions(5, 77, clock)
    key = 99

    def answer(account: int = ALICE) -> TokenRequest:
        challenge = sessions.challenge(account)
        r, s = sign(key, challenge.hash(77))
        return TokenRequest(account=ALICE, nonce=challenge.nonce, key=public_key(key), r=r, s=s)

    good = answer()
    token = sessions.token(good, True).token
    assert sessions.account(token) == ALICE
    for bad, may_sign, code in (
        (good, True, ErrorCode.UNAUTHORIZED),
        (answer(BOB), True, ErrorCode.UNAUTHORIZED),
        (answer(), False, ErrorCode.UNKNOWN_KEY),
    ):
        with pytest.raises(Refused) as refused:
            sessions.token(bad, may_sign)
        assert refused.value.code is code
    late = answer()
    clock.now += CHALLENGE_SECS + 1
    with pytest.raises(Refused, match="too old"):
        sessions.token(late, True)
    wrong = answer()
    with pytest.raises(Refused, match="wrong signature"):
        sessions.token(TokenRequest(account=ALICE, nonce=wrong.nonce, key=wrong.key, r=wrong.r, s=wrong.r), True)
    clock.now += TOKEN_SECS
    with pytest.raises(Refused):
        sessions.account(token)
    other = sessions.token(answer(), True).token
    sessions.end(other)
    with pytest.raises(Refused):
        sessions.account(other)


def test_a_bucket_empties_says_so_and_fills_again() -> None:
    clock = Clock()
    limits, rate = Limits(clock), Rate(3, 2)
    assert [limits.take("a", rate).remaining for _ in range(3)] == [2, 1, 0]
    with pytest.raises(RateLimited) as refused:
        limits.take("a", rate)
    assert refused.value.problem.retry_after == 1
    assert refused.value.standing.headers()["X-RateLimit-Remaining"] == "0"
    assert limits.take("b", rate).remaining == 2
    clock.now += 0.5
    assert limits.take("a", rate).remaining == 0
    clock.now += 60
    assert (limits.take("a", rate, 2).remaining, limits.take("a", rate).reset) == (1, 2)


def test_a_stream_counts_for_everybody_and_drops_nothing_in_silence() -> None:
    hub, early, late = Hub("run"), Reader(), Reader(2)
    key = (Channel.BOOK, 0)

    def heard(reader: Reader) -> list[tuple[str, int | None]]:
        found = []
        while not reader.queue.empty():
            text = reader.queue.get_nowait()
            if text is None:
                found.append(("closed", None))
            else:
                message = StreamMessage.parse(orjson.loads(text))
                found.append((message.type.value, message.seq))
        return found

    async def play() -> None:
        hub.publish(key, "M", lambda seq: {"seq": seq})
        hub.subscribe(early, key, "M", lambda seq: {"seq": seq})
        hub.publish(key, "M", lambda seq: {"seq": seq})
        hub.subscribe(late, key, "M", lambda seq: {"seq": seq})
        for _ in range(3):
            hub.publish(key, "M", lambda seq: {"seq": seq})
        assert heard(early) == [("snapshot", 1), *(("update", seq) for seq in (2, 3, 4, 5))]
        assert heard(late) == [("snapshot", 2), ("update", 3), ("closed", None)]
        hub.leave(early)
        hub.publish(key, "M", lambda seq: {"seq": seq})
        assert heard(early) == []
        assert hub.seq(key) == 6

    asyncio.run(play())


def test_an_account_is_told_what_its_open_orders_hold() -> None:
    venue = engine(ALICE, BOB)
    place(venue, ALICE, "buy", 100, 100)
    place(venue, BOB, "sell", 40, 100)
    view = account_view(venue, ALICE)
    # 40 lots of 0.0001 at 100 USD are held, 60 more are open: 5% of 0.4 and of 1 USD.
    assert (view.initial, round(view.reserved, 4)) == (Decimal("0.02"), Decimal("0.03"))
    assert (view.positions[0].size, view.positions[0].settled) == (Decimal("0.004"), 0)
