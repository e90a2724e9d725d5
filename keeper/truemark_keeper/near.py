"""Who is near the line: every account with a position, by how far the price may still go; for people to watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from truemark.risk import margin

from truemark_keeper.book import Book, holdings

BPS = 10_000


@dataclass(frozen=True)
class NearMiss:
    account: int
    #: V/R as a liquidation values the account once no market is in grace; below 1 it can be liquidated, below 0 it is
    #: bankrupt.
    ratio: Fraction
    #: 1e-16 USD.
    value: int
    maintenance: int
    #: Its largest position: market and size in 1e-8.
    market: str
    size: int
    #: The move of that market alone that leaves V = R, 1e-4 of its mark, before R changes with it; 0: it is there.
    move_bps: int
    #: Marks that the keeper would not believe keep it from acting; empty: none.
    vetoed: str = ""


def near_misses(book: Book, beliefs: Mapping[str, str | None] | None = None, most: int = 20) -> list[NearMiss]:
    """The accounts with the lowest V/R, at most so many.

    Args:
        beliefs: market to why the keeper's own price does not agree with its mark; None: it does.
    """
    # What a market in its time of grace will ask for again when that is over.
    markets = {index: replace(market, in_grace=False) for index, market in book.markets.items()}
    found = []
    for account in book.accounts:
        if not account.positions:
            continue
        now = margin(account.collateral, holdings(account, markets, at_checkpoint=False))
        if now.maintenance <= 0:
            continue
        largest = max(
            account.positions, key=lambda held: (abs(held.size) * book.markets[held.market].price, held.market)
        )
        market = book.markets[largest.market]
        value = abs(largest.size) * market.price
        doubts = [
            reason
            for position in account.positions
            if (reason := (beliefs or {}).get(book.markets[position.market].name)) is not None
        ]
        found.append(
            NearMiss(
                account.address,
                Fraction(now.value, now.maintenance),
                now.value,
                now.maintenance,
                market.name,
                largest.size,
                max(now.value - now.maintenance, 0) * BPS // value if value else BPS,
                doubts[0] if doubts else "",
            )
        )
    return sorted(found, key=lambda item: (item.ratio, item.account))[:most]
