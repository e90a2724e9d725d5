"""Conservation by the index: whether all margin accounts and the rest of the ledger add up to its total, and the token
has it, after every block that touched money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from truemark.deployment import Deployment
from truemark.index import Index
from truemark.index import tables as t
from truemark.index.layout import base_of
from truemark.index.values import number, word_of

_WORD_64: Final = 1 << 64
_WORD_96: Final = 1 << 96


@dataclass(frozen=True, slots=True)
class Imbalance:
    """What does not add up after a block, 1e-6 USD. `off`: accounts and the ledger's other parts less its total, or the
    total less the token balance, as far as that is new in this block."""

    block: int
    at: int
    what: str
    off: int
    accounts: int
    total: int
    balance: int


@dataclass(slots=True)
class _Books:
    insurance: int = 0
    fees: int = 0
    funding: int = 0
    total: int = 0
    pending: int = 0
    balance: int = 0


def imbalances(index: Index, deployment: Deployment, first: int, last: int) -> Iterator[Imbalance]:
    """Of the blocks `first` to `last`, in their order; the index is read from its beginning on, once.

    Where the index began after the venue an account's first row has nothing to be compared with: such a block is not
    judged. Source of the packing: contracts/src/clearinghouse/slots.cairo.
    """
    house = deployment.address("Clearinghouse")
    whole = index.storage_at(house, base_of(("state", "oracle"))) is not None
    slots = _slots(index, deployment, last)
    books, seen, accounts = _Books(), dict[bytes, int](), 0
    parts_off: int | None = 0 if whole else None
    token_off: int | None = 0 if whole else None
    for block, at, changed in _balances(index, house, last, slots):
        known = whole or all(account in seen for account in changed)
        for account, collateral in changed.items():
            accounts += collateral - seen.get(account, 0)
            seen[account] = collateral
        for name, value in slots.get((block, at), {}).items():
            _unpack(books, name, value)
        off = accounts + books.insurance + books.fees + books.funding + books.pending - books.total
        # More tokens than the ledger has is what a stranger can bring about by a transfer.
        missing = max(books.total - books.balance, 0)
        for what, now, before in (("parts", off, parts_off), ("token", missing, token_off)):
            if block >= first and known and before is not None and now != before:
                yield Imbalance(block, at, what, now - before, accounts, books.total, books.balance)
        parts_off, token_off = off, missing


def _slots(index: Index, deployment: Deployment, last: int) -> dict[tuple[int, int], dict[str, int]]:
    """The ledger's slots and its token balance, as blocks (number, time) wrote them."""
    house, token = deployment.address("Clearinghouse"), deployment.address("CollateralToken")
    wanted = {
        (word_of(house), word_of(base_of(("state", "books")))): "books",
        (word_of(house), word_of(base_of(("state", "custody")))): "custody",
        (word_of(token), word_of(base_of(("ERC20_balances",), house))): "balance",
    }
    found: dict[tuple[int, int], dict[str, int]] = {}
    with index.store.engine.connect() as connection:
        for (address, key), name in wanted.items():
            rows = connection.execute(
                select(t.blocks.c.number, t.blocks.c.timestamp, t.storage.c.value)
                .join(t.blocks, t.blocks.c.id == t.storage.c.block)
                .where(t.storage.c.address == address, t.storage.c.key == key)
                .where(t.blocks.c.reorg.is_(None), t.blocks.c.number <= last)
            )
            for row in rows:
                found.setdefault((row.number, row.timestamp), {})[name] = number(row.value)
    return found


def _balances(
    index: Index, house: int, last: int, slots: Mapping[tuple[int, int], Mapping[str, int]]
) -> Iterator[tuple[int, int, dict[bytes, int]]]:
    """Every block that wrote an account or a slot: its number, its time, and the accounts' collateral after it."""
    waiting = sorted(slots, reverse=True)
    with index.store.engine.connect() as connection:
        rows = connection.execution_options(yield_per=10_000).execute(
            select(t.blocks.c.number, t.blocks.c.timestamp, t.balances.c.account, t.balances.c.collateral)
            .join(t.blocks, t.blocks.c.id == t.balances.c.block)
            .where(t.balances.c.venue == word_of(house), t.blocks.c.reorg.is_(None), t.blocks.c.number <= last)
            .order_by(t.balances.c.block)
        )
        place: tuple[int, int] | None = None
        changed: dict[bytes, int] = {}
        for row in rows:
            here = (row.number, row.timestamp)
            if place is not None and here != place:
                yield *place, changed
                changed = {}
            place = here
            while waiting and waiting[-1] < here:
                yield *waiting.pop(), {}
            if waiting and waiting[-1] == here:
                waiting.pop()
            changed[row.account] = row.collateral
        if place is not None:
            yield *place, changed
    while waiting:
        yield *waiting.pop(), {}


def _unpack(books: _Books, name: str, value: int) -> None:
    low, high = value % (1 << 128), value >> 128
    if name == "books":
        books.insurance, books.fees = _signed(low % _WORD_64, _WORD_64), _signed(low >> 64, _WORD_64)
        books.funding = _signed(high, _WORD_96)
    elif name == "custody":
        books.total, books.pending = low, high
    else:
        books.balance = value


def _signed(value: int, bound: int) -> int:
    return value - bound if value >= bound // 2 else value
