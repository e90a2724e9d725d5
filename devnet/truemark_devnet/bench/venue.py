"""Orders a second that the reference venue takes and matches on one core: hash, signature, margin check, matching, and
the commit to its log; HTTP, JSON and settlement left out. Against 1,000 a second.

Counted in the process's own CPU time, so that other work on the machine does not count.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from truemark.keys import StarkKey
from truemark.models import MarketStatus, Mode
from truemark.orders import Order, SignedOrder
from truemark.risk import NO_TIER, MarginTier
from truemark.wire import PlaceRequest

from truemark_devnet.bench.figure import Figure
from truemark_devnet.venue.chainview import ChainAccount, ChainView, MarketMark, MarketTerms
from truemark_devnet.venue.engine import Engine
from truemark_devnet.venue.integers import mpz
from truemark_devnet.venue.live import Refused
from truemark_devnet.venue.log import VenueLog
from truemark_devnet.venue.signatures import Verifier, order_hash

ORDERS = 5_000
BAR = 1_000
_TRADERS = 50
_MARKETS = ("BTC-USD-PERP", "ETH-USD-PERP", "SOL-USD-PERP")
_CHAIN, _VENUE = 0x534E5F4D41494E, 0xC1EA
_PRICE, _TICK, _LOT = 100 * 10**8, 10**6, 10**4
#: Matches that a settlement takes off at once.
_BATCH = 50


def run() -> list[Figure]:
    taken, matched, seconds = measure(ORDERS)
    integers = "Python's" if mpz is int else "GMP's"
    name = f"orders/s of CPU time ({matched / taken:.2f} matches each, {integers} integers)"
    return [Figure("venue", taken / seconds, name, BAR, "the least that it should take")]


def measure(orders: int) -> tuple[int, int, float]:
    """(orders taken, matches, seconds of CPU time)."""
    requests = _requests(orders)
    with tempfile.TemporaryDirectory() as folder:
        log = VenueLog(Path(folder) / "venue.sqlite", "bench")
        engine, verifier = _engine(), Verifier(worth_it=2)
        # Every trader was here before: its key's multiples are made.
        for request in _requests(_TRADERS * 3, seed=7):
            _take(engine, verifier, log, request)
        before, taken = engine.last_match, 0
        start = time.process_time()
        for request in requests:
            taken += _take(engine, verifier, log, request)
        seconds = time.process_time() - start
        matched = engine.last_match - before
        log.close()
    return taken, matched, seconds


def _take(engine: Engine, verifier: Verifier, log: VenueLog, request: PlaceRequest) -> bool:
    signed = request.signed
    hash_ = order_hash(signed.order, _CHAIN)
    if not verifier.verify(signed.key, hash_, signed.r, signed.s):
        return False
    try:
        engine.place(request, hash_)
    except Refused:
        return False
    finally:
        log.write(engine.take_changes())
    if len(engine.matches) >= _BATCH:
        for match in list(engine.matches.values()):
            engine.settled(match, 2, 1, fees=(0, 0), funding=(0, 0), positions=(0, 0))
        log.write(engine.take_changes())
        for address, trader in engine.traders.items():
            positions = {market: (size, 0) for market, size in trader.sizes.items()}
            engine.know(address, ChainAccount(2, trader.cash, 0, positions))
    return True


def _requests(count: int, seed: int = 1) -> list[PlaceRequest]:
    """Around one price, so that about half of them take; each account in turn."""
    source = random.Random(seed)  # noqa: S311
    keys = [StarkKey.from_private(0xABC0 + number) for number in range(_TRADERS)]
    requests = []
    for number in range(count):
        who = number % _TRADERS
        is_buy = source.random() < 0.5
        order = Order(
            venue=_VENUE,
            account=1000 + who,
            epoch=1,
            account_epoch=0,
            market=source.choice(_MARKETS),
            is_buy=is_buy,
            size=source.randint(1, 20) * _LOT,
            limit_price=_PRICE + source.randint(-30, 30) * _TICK,
            max_fee_bps=5,
            reduce_only=False,
            post_only=False,
            expiry=2_000_000,
            salt=source.randrange(1, 2**120),
        )
        r, s = keys[who].sign(order.hash(_CHAIN))
        requests.append(PlaceRequest(signed=SignedOrder(order, keys[who].public_key, r, s)))
    return requests


def _engine() -> Engine:
    terms = {
        index: MarketTerms(index, name, (MarginTier(0, 500, 300), NO_TIER, NO_TIER), _LOT, _TICK, 0, 3, 10**15)
        for index, name in enumerate(_MARKETS)
    }
    marks = {index: MarketMark(MarketStatus.VALID, _PRICE, 0, _PRICE, 0) for index in terms}
    engine = Engine(_VENUE, terms, ChainView(1, 1_000_000, 1, Mode.FULL, 300, 5, marks))
    for who in range(_TRADERS):
        engine.know(1000 + who, ChainAccount(1, 10**15, 0, {}))
    return engine
