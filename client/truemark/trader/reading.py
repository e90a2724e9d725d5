"""What a trader has: positions, margin, balances, redemptions that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from truemark.felt import hex_of, selector
from truemark.models import Balances, MarginState, Mark, Mode, Position, RedemptionRequest
from truemark.risk import cash_down, liquidation_price, margin, position_requirement, requirement_of
from truemark.trader.amounts import from_shares
from truemark.trader.handles import read_events
from truemark.trader.session import Session
from truemark.trader.venue import AccountBook
from truemark.units import from_collateral, from_price, from_size, from_value


class ReadingMixin(Session):
    """The reads of AsyncTrader. Each is of one block."""

    async def mode(self) -> Mode:
        """The mode in force."""
        return Mode((await self._venue.clearinghouse.read("mode")).variant)

    async def mark(self, market: str) -> Mark:
        """A market's price and whether it counts.

        Raises:
            UnknownMarket: the venue lists none of that name.
        """
        return await self._venue.mark(market)

    async def positions(self) -> tuple[Position, ...]:
        """Every open position at the last good marks."""
        return positions_of(await self._venue.book(self.address))

    async def margin(self) -> MarginState:
        """The account's value and requirements, and what can leave it."""
        book = await self._venue.book(self.address)
        said = await self._venue.clearinghouse.read("margin_of", self.address, block=book.block)
        worst = margin(book.collateral, book.holdings(worst=True))
        return MarginState(
            value=from_value(said["value"]),
            initial=from_value(said["initial"]),
            maintenance=from_value(said["maintenance"]),
            withdrawable=from_collateral(max(cash_down(worst.value - worst.initial), 0)),
        )

    async def liquidation_price(self, market: str) -> Decimal | None:
        """The mark of `market` at which the account comes under water, everything else unchanged; None: no position
        there, or no such price.

        Raises:
            UnknownMarket: the venue lists none of that name.
        """
        self.deployment.market(market)
        found = [position for position in await self.positions() if position.market == market]
        return found[0].liquidation_price if found else None

    async def funding(self) -> Decimal:
        """Funding accrued and not settled yet, of all positions; USD, above 0 the account receives."""
        book = await self._venue.book(self.address)
        return from_value(sum(held.pending for held in book.held))

    async def balances(self) -> Balances:
        """Where the account's money is, on L2 at one block, and on L1 if there is an L1 signer."""
        venue, address, block = self._venue, self.address, await self._venue.head()
        account, pending, wallet, shares, l1 = await asyncio.gather(
            venue.clearinghouse.read("account", address, block=block),
            venue.clearinghouse.read("pending_deposit", address, block=block),
            venue.token.read("balance_of", address, block=block),
            venue.vault.read("balance_of", address, block=block),
            self._l1_balance(),
        )
        worth = await venue.vault.read("convert_to_assets", shares, block=block) if shares else 0
        return Balances(
            margin=from_collateral(account["collateral"]),
            pending=from_collateral(pending),
            wallet=from_collateral(wallet),
            vault_shares=from_shares(shares),
            vault_value=from_collateral(worth),
            l1=l1,
        )

    async def redemptions(self) -> Sequence[RedemptionRequest]:
        """The vault's redemptions that wait or can be claimed, oldest first."""
        vault = self._venue.vault
        keys = [[hex_of(selector("RedeemRequest"))], [hex_of(self.address)]]
        asked: list[tuple[dict[str, Any], int]] = []
        for event, tx_hash in await read_events(self._venue, vault.address, keys):
            asked.append((dict(vault.abi.decode_event(event.keys, event.data).fields), tx_hash))
        left = await asyncio.gather(*(vault.read("redemption", fields["request_id"]) for fields, _ in asked))
        return [
            RedemptionRequest(
                request_id=fields["request_id"],
                shares=from_shares(redemption["shares"]),
                claimable_at=redemption["claimable_at"],
                tx_hash=tx_hash,
            )
            for (fields, tx_hash), redemption in zip(asked, left, strict=True)
            if redemption["shares"] and redemption["controller"] == self.address
        ]

    async def _l1_balance(self) -> Decimal | None:
        return await self._l1.balance() if self._l1 is not None and self._l1.can_sign else None


def positions_of(book: AccountBook) -> tuple[Position, ...]:
    """The positions of an account as a trader sees them."""
    holdings = book.holdings()
    positions = []
    for index, held in enumerate(book.held):
        value = held.size * held.price
        initial, maintenance = position_requirement(abs(value), held.tiers)
        liquidation = liquidation_price(book.collateral, holdings, index)
        positions.append(
            Position(
                market=held.market,
                size=from_size(held.size),
                mark=from_price(held.price),
                status=held.status,
                value=from_value(value),
                funding=from_value(held.pending),
                initial=from_value(requirement_of(initial)),
                maintenance=from_value(requirement_of(maintenance)),
                liquidation_price=None if liquidation is None else from_price(liquidation),
            )
        )
    return tuple(positions)
