"""Which accounts a liquidation could take from, worst first, and from which market. Exact integers, no guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from truemark.risk import Margin, margin
from truemark.waterfall import is_deep

from truemark_keeper.book import AccountState, Book, MarketState, OpenPosition, holdings


@dataclass(frozen=True)
class UnderWater:
    """An account with 0 <= V < R at the marks and V < R at the checkpoints."""

    account: AccountState
    #: As a liquidation values the account, at the marks; 1e-16 USD.
    margin: Margin
    #: Its positions in markets where it can be liquidated now, largest |value| first.
    open_to: tuple[OpenPosition, ...]

    @property
    def ratio(self) -> Fraction:
        """V/R, exact; R is above 0 for an account under water."""
        return Fraction(self.margin.value, self.margin.maintenance)


def screen(book: Book) -> tuple[UnderWater, ...]:
    """Every account of the book that can be liquidated, lowest V/R first (then by address, so that order is fixed).

    Below V = 0 an account is the backstop's, not a liquidator's. A market that is not Valid, has no checkpoint
    yet or is in its time of grace is no market to liquidate in; an account that holds only such markets is not listed.
    """
    found = []
    for account in book.accounts:
        if not account.positions:
            continue
        now = margin(account.collateral, holdings(account, book.markets, at_checkpoint=False))
        if not 0 <= now.value < now.maintenance or not _also_at_checkpoints(account, book.markets):
            continue
        open_to = [p for p in account.positions if _liquidatable(book, book.markets[p.market])]
        if open_to:
            open_to.sort(key=lambda p: (-abs(p.size) * book.markets[p.market].price, p.market))
            found.append(UnderWater(account, now, tuple(open_to)))
    return tuple(sorted(found, key=lambda item: (item.ratio, item.account.address)))


def failed(book: Book) -> tuple[AccountState, ...]:
    """Every account that is the backstop's at once: V < R/3 at the marks and at the checkpoints, with a position that
    can change hands now. By address."""
    found = []
    for account in book.accounts:
        if any(_liquidatable(book, book.markets[position.market]) for position in account.positions):
            views = [
                margin(account.collateral, holdings(account, book.markets, at_checkpoint=then))
                for then in (False, True)
            ]
            if all(is_deep(view.value, view.maintenance) for view in views):
                found.append(account)
    return tuple(sorted(found, key=lambda account: account.address))


def _liquidatable(book: Book, market: MarketState) -> bool:
    return market.valid and market.price > 0 and market.checkpoint > 0 and not book.in_grace(market)


def _also_at_checkpoints(account: AccountState, markets: Mapping[int, MarketState]) -> bool:
    then = margin(account.collateral, holdings(account, markets, at_checkpoint=True))
    return then.value < then.maintenance
