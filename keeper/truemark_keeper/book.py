"""What the liquidator knows of a venue: its markets and accounts, all read at one block."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from truemark.risk import Holding, Margin, MarginTier, pending_funding

Tiers = tuple[MarginTier, MarginTier, MarginTier]
NO_TIERS: Tiers = (MarginTier(0, 0, 0), MarginTier(0, 0, 0), MarginTier(0, 0, 0))


@dataclass(frozen=True, slots=True)
class MarketState:
    """A market as oracle and clearinghouse know it; prices 1e-8 USD."""

    market: int
    name: str
    #: "Valid" as the oracle reads at this block, staleness included.
    valid: bool
    price: int
    #: 0: none.
    candidate: int
    anchor: int
    #: An accepted mark at least liq_gap older than `price`; 0: none yet, nobody is liquidated here.
    checkpoint: int
    #: 1e-16 USD for one whole base unit, now.
    funding_index: int
    tiers: Tiers
    #: It became Valid again so shortly ago that nobody is liquidated in it yet, and it asks for no maintenance margin.
    in_grace: bool = False
    #: Its funding cannot be proved: an account with a position in it is worth nothing that anybody knows, and is left
    #: alone.
    broken: bool = False
    #: What a liquidator earns of the value that it takes over, 1e-4; and what is taken over whole, 1e-16 USD.
    discount_bps: int = 0
    dust: int = 0


@dataclass(frozen=True, slots=True)
class OpenPosition:
    market: int
    #: 1e-8 of the base asset; long above 0.
    size: int
    funding_index: int


@dataclass(frozen=True, slots=True)
class AccountState:
    address: int
    #: 1e-6 USD.
    collateral: int
    positions: tuple[OpenPosition, ...]


@dataclass(frozen=True)
class Book:
    """A consistent picture: everything is of block `block`."""

    block: int
    epoch: int
    #: The effective mode is Full: only then is anyone liquidated.
    full: bool
    markets: Mapping[int, MarketState]
    accounts: Sequence[AccountState]
    #: The block's time; when the venue last became Full (0: not known); both seconds.
    timestamp: int = 0
    full_since: int = 0
    #: So long after the venue, or a market, came back nobody is liquidated.
    grace_secs: int = 0

    def in_grace(self, market: MarketState | None = None) -> bool:
        """Whether everybody still has time to act: the contract would refuse."""
        venue = self.full_since != 0 and self.timestamp < self.full_since + self.grace_secs
        return venue or (market is not None and market.in_grace)


@dataclass(frozen=True, slots=True)
class Liquidated:
    """One position taken over, whole or in part, as the contract's event says."""

    account: int
    market: int
    #: 1e-8 of the base asset, of the account's position: a long above 0.
    size: int


@dataclass(frozen=True, slots=True)
class LiquidationRefused:
    """One request that the contract refused, with its reason."""

    account: int
    market: int
    reason: str


class BookReader(Protocol):
    """Reads a venue. An implementation pins every read of one call to one block."""

    async def book(self) -> Book:
        """Every account that may have a position, and every listed market."""
        ...

    async def margins(self, accounts: Collection[int]) -> Mapping[int, Margin]:
        """The contract's own view, `margin_of`, for these accounts; 1e-16 USD."""
        ...

    def outcomes(self, receipt: Mapping[str, object]) -> Sequence[Liquidated | LiquidationRefused]:
        """What a receipt of `liquidate_many` says of each request, in order of its events."""
        ...


def side_prices(market: MarketState, *, at_checkpoint: bool) -> tuple[tuple[int, int], Tiers]:
    """What a liquidation values a long and a short in the market at, and by which tiers.

    A Valid market counts at its mark, or at its checkpoint (its mark while it has none); in its time of grace without
    requirement. One that is not Valid counts at whichever of last good mark, candidate and anchor is best for the
    account, without requirement.
    """
    if market.valid:
        price = (market.checkpoint or market.price) if at_checkpoint else market.price
        return (price, price), NO_TIERS if market.in_grace else market.tiers
    said = [price for price in (market.price, market.candidate, market.anchor) if price > 0]
    return (max(said, default=0), min(said, default=0)), NO_TIERS


def holdings(account: AccountState, markets: Mapping[int, MarketState], *, at_checkpoint: bool) -> list[Holding]:
    """The account's positions as a liquidation values them, by `side_prices`."""
    held = []
    for position in account.positions:
        market = markets[position.market]
        (for_long, for_short), tiers = side_prices(market, at_checkpoint=at_checkpoint)
        held.append(
            Holding(
                size=position.size,
                price=for_long if position.size > 0 else for_short,
                pending=pending_funding(position.size, market.funding_index - position.funding_index),
                tiers=tiers,
            )
        )
    return held
