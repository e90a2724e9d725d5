"""Orders that every implementation must hash alike: the least and the most that each field can be, and random ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from truemark.orders import Order
from truemark.units import U16_MAX, U32_MAX, U64_MAX

LEAST = Order(
    venue=1,
    account=1,
    epoch=0,
    account_epoch=0,
    market="A",
    is_buy=False,
    size=0,
    limit_price=0,
    max_fee_bps=0,
    reduce_only=False,
    post_only=False,
    expiry=0,
    salt=0,
)
MOST = replace(
    LEAST,
    venue=2**251 - 257,
    account=2**251 - 257,
    epoch=U64_MAX,
    account_epoch=U32_MAX,
    market="Z" * 31,
    is_buy=True,
    size=U64_MAX,
    limit_price=U64_MAX,
    max_fee_bps=U16_MAX,
    reduce_only=True,
    post_only=True,
    expiry=U64_MAX,
    salt=2**251,
)


def example_orders(count: int, seed: int) -> Iterator[Order]:
    """Both ends, and `count` random ones between them."""
    rng = random.Random(seed)
    yield from (LEAST, MOST)
    for _ in range(count):
        yield Order(
            venue=rng.getrandbits(250) + 1,
            account=rng.getrandbits(250) + 1,
            epoch=rng.getrandbits(rng.randint(1, 64)),
            account_epoch=rng.getrandbits(32),
            market=rng.choice(["BTC-USD-PERP", "ETH-USD-PERP", "1000PEPE-USD-PERP"]),
            is_buy=rng.random() < 0.5,
            size=rng.getrandbits(rng.randint(1, 64)),
            limit_price=rng.getrandbits(rng.randint(1, 64)),
            max_fee_bps=rng.getrandbits(16),
            reduce_only=rng.random() < 0.5,
            post_only=rng.random() < 0.5,
            expiry=rng.getrandbits(rng.randint(1, 64)),
            salt=rng.getrandbits(251),
        )
