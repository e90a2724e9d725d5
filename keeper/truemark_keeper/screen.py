"""Which accounts a liquidation could take from, worst first, and from which market.

All accounts go through the columns' sieve; what is left of them, and it alone, is judged in exact integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from truemark.risk import Margin, margin
from truemark.waterfall import is_deep

from truemark_keeper.book import AccountState, Book, MarketState, OpenPosition, holdings
from truemark_keeper.columns import Columns


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


class Sieve:
    """The accounts of one book after the other, as columns of which only what changed is written anew."""

    def __init__(self) -> None:
        self._columns = Columns(())
        self._accounts: list[AccountState] = []
        self._rows: dict[int, int] = {}
        self._book: Book | None = None

    def near(self, book: Book) -> list[AccountState]:
        """Every account of the book with V < R at the marks and at the checkpoints, and few others."""
        if self._book is not book:
            self._follow(book)
            self._book = book
        return [self._accounts[row] for row in self._columns.near(book.markets)]

    def _follow(self, book: Book) -> None:
        if set(book.markets) != set(self._columns.markets):
            self._columns, self._accounts, self._rows = Columns(sorted(book.markets)), [], {}
        for account in book.accounts:
            row = self._rows.get(account.address)
            if row is None:
                self._rows[account.address] = self._columns.append(account)
                self._accounts.append(account)
            elif self._accounts[row] != account:
                self._columns.put(row, account)
                self._accounts[row] = account
        if len(self._accounts) > len(book.accounts):
            for address in self._rows.keys() - {account.address for account in book.accounts}:
                self._drop(self._rows.pop(address))

    def _drop(self, row: int) -> None:
        last = self._accounts.pop()
        if row < len(self._accounts):
            self._accounts[row] = last
            self._rows[last.address] = row
        self._columns.pop(row)


def screen(book: Book, sieve: Sieve | None = None) -> tuple[UnderWater, ...]:
    """Every account of the book that can be liquidated, lowest V/R first (then by address, so that order is fixed).

    Below V = 0 an account is the backstop's, not a liquidator's. A market that is not Valid, has no checkpoint
    yet or is in its time of grace is no market to liquidate in; an account that holds only such markets is not listed,
    nor is one with a position in a Valid market that has no checkpoint, or in one whose funding cannot be proved.

    Args:
        sieve: of the books before, to write only what changed since; None: of this book alone.
    """
    return judged(book, (sieve or Sieve()).near(book))


def judged(book: Book, accounts: Sequence[AccountState]) -> tuple[UnderWater, ...]:
    """As `screen`, of these accounts alone and in exact integers."""
    found = []
    for account in accounts:
        if not _provable(account, book.markets):
            continue
        now = margin(account.collateral, holdings(account, book.markets, at_checkpoint=False))
        if not 0 <= now.value < now.maintenance or not _also_at_checkpoints(account, book.markets):
            continue
        open_to = [p for p in account.positions if _liquidatable(book, book.markets[p.market])]
        if open_to:
            open_to.sort(key=lambda p: (-abs(p.size) * book.markets[p.market].price, p.market))
            found.append(UnderWater(account, now, tuple(open_to)))
    return tuple(sorted(found, key=lambda item: (item.ratio, item.account.address)))


def failed(book: Book, sieve: Sieve | None = None) -> tuple[AccountState, ...]:
    """Every account that is the backstop's at once: V < R/3 at the marks and at the checkpoints, with a position that
    can change hands now. By address."""
    found = []
    for account in (sieve or Sieve()).near(book):
        if not _provable(account, book.markets):
            continue
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


def _provable(account: AccountState, markets: Mapping[int, MarketState]) -> bool:
    """Whether the contract judges it at all: it refuses an account of which one market proves nothing."""
    held = [markets[position.market] for position in account.positions]
    return not any(market.broken or (market.valid and market.checkpoint == 0) for market in held)


def _also_at_checkpoints(account: AccountState, markets: Mapping[int, MarketState]) -> bool:
    then = margin(account.collateral, holdings(account, markets, at_checkpoint=True))
    return then.value < then.maintenance
