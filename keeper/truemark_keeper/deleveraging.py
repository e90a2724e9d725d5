"""Who stands against a failed account when neither the vault nor insurance can pay: the most leveraged first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from truemark.felt import selector
from truemark.risk import Margin
from truemark.transactions import Call
from truemark.waterfall import leverage_rank

from truemark_keeper.book import AccountState, Book, OpenPosition

#: Counterparties of one transaction.
MOST = 8
#: The backstop's words for: nobody can pay.
NOBODY_PAYS = frozenset({"BACKSTOP: vault margin", "BACKSTOP: no insurance", "BACKSTOP: beyond the loss cap"})


class Margins(Protocol):
    """What it needs of a book.BookReader."""

    async def margins(self, accounts: Collection[int]) -> Mapping[int, Margin]: ...


def deleverage_call(clearinghouse: int, epoch: int, account: int, market: int, counterparties: Sequence[int]) -> Call:
    """`deleverage(epoch, account, market, counterparties)` of the clearinghouse, for an account with the operator's
    role."""
    data = (epoch, account, market, len(counterparties), *counterparties)
    return Call(clearinghouse, selector("deleverage"), data)


async def counterparties(
    book: Book, account: AccountState, position: OpenPosition, reader: Margins, most: int = MOST
) -> tuple[int, ...]:
    """Accounts on the other side of a position, by leverage rank from the top, as many as it takes; those that are
    worth nothing themselves are left out."""
    against = {
        other.address: held.size
        for other in book.accounts
        if other.address != account.address
        for held in other.positions
        if held.market == position.market and held.size * position.size < 0
    }
    margins = await reader.margins(against)
    solvent = [address for address in against if margins[address].value > 0]
    ranked = sorted(
        solvent, key=lambda address: (-leverage_rank(margins[address].value, margins[address].maintenance), address)
    )
    chosen: list[int] = []
    left = abs(position.size)
    for address in ranked[:most]:
        if left <= 0:
            break
        chosen.append(address)
        left -= abs(against[address])
    return tuple(chosen)
