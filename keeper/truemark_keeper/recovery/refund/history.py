"""What happened to positions, out of the index: fills and takings, one entry for each side, and the takings alone with
all that is needed to judge them.

A taking is a position that changed hands without its owner's will: a liquidation, a backstop, a deleveraging (two: the
account's and the counterparty's), and the debt that insurance paid after one.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Subquery, func, select
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.index import Index
from truemark.index import tables as t
from truemark.index.values import word_of

#: 1e-16 USD in 1e-6 USD.
_CASH: Final = 10**10
_FORCED: Final = ("Liquidated", "Backstopped", "Deleveraged", "DebtPaid")
_NAMES: Final = ("FillSettled", *_FORCED, "PositionSettled")
_CHUNK: Final = 10_000

#: Where an event stands on the chain: block, transaction, event, and the side of it.
Place = tuple[int, int, int, int]


class BadHistory(TruemarkError, ValueError):
    """Events of the index that cannot be what happened."""


class Role(enum.StrEnum):
    #: Whose position was taken.
    OWNER = "owner"
    #: Who was deleveraged against it: it lost a position too.
    COUNTERPARTY = "counterparty"
    #: Who took it, of its own will or as the vault.
    TAKER = "taker"
    #: A side of a fill, or a settlement at a market's end.
    TRADER = "trader"


class Entry(NamedTuple):
    """How one event changed one account: size in 1e-8 of the base asset, cash in 1e-6 USD without funding and with
    every fee, discount and penalty."""

    place: Place
    time: int
    kind: str
    role: Role
    account: int
    market: int
    size: int
    cash: int


@dataclass(frozen=True, slots=True)
class Taking:
    """A position that was taken from an account, or insurance that paid its debt (size 0).

    Attributes:
        size: what was taken; above 0 it was long. 1e-8 of the base asset.
        cash: what the account got for it, below 0 paid; all costs in it, funding not. 1e-6 USD.
        mark: at which it was decided, 1e-8 USD.
        value, requirement: V and R of the account before, 1e-16 USD.
        costs: discount and penalty in `cash`, 1e-6 USD.
        index: the market's funding index then, 1e-16 USD for one base unit; None: the index does not say.
        held: the account's positions before it, as far as events told of them; by market.
    """

    place: Place
    time: int
    tx_hash: int
    kind: str
    role: Role
    account: int
    market: int
    other: int
    size: int
    cash: int
    mark: int
    value: int
    requirement: int
    costs: int
    index: int | None
    held: tuple[tuple[int, int], ...]

    @property
    def id(self) -> str:
        """Its place, for people and files."""
        return ".".join(map(str, self.place))


class Moment(NamedTuple):
    """An event of the venue as the index has it."""

    block: int
    tx_index: int
    event_index: int
    time: int
    name: str
    fields: Mapping[str, Any]


def moments(index: Index, deployment: Deployment, last_block: int | None = None) -> Iterator[Moment]:
    """The events of the clearinghouse that change positions, in the order of the chain; read as they are asked for."""
    query = (
        select(
            t.events.c.tx_index,
            t.events.c.event_index,
            t.events.c.name,
            t.events.c.fields,
            t.blocks.c.number,
            t.blocks.c.timestamp,
        )
        .join(t.blocks, t.blocks.c.id == t.events.c.block)
        .where(
            t.blocks.c.reorg.is_(None),
            t.events.c.address == word_of(deployment.address("Clearinghouse")),
            t.events.c.name.in_(_NAMES),
            t.events.c.fields.is_not(None),
        )
        .order_by(t.events.c.block, t.events.c.tx_index, t.events.c.event_index)
    )
    if last_block is not None:
        query = query.where(t.blocks.c.number <= last_block)
    with index.store.engine.connect() as connection:
        rows = connection.execution_options(stream_results=True, yield_per=_CHUNK).execute(query)
        for tx_index, event_index, name, fields, number, timestamp in rows:
            yield Moment(number, tx_index, event_index, timestamp, name, orjson.loads(fields))


def funding_indices(index: Index, deployment: Deployment) -> dict[tuple[int, int, int], int]:
    """(block, transaction, market) -> the funding index at which that transaction settled positions, for those in which
    something was taken. It is that of any position of the market which the transaction left open: all are settled at
    the same one."""
    house, forced = word_of(deployment.address("Clearinghouse")), _forced(deployment)
    query = (
        select(t.blocks.c.number, t.positions.c.tx_index, t.positions.c.market, t.positions.c.funding_index)
        .join(forced, (forced.c.block == t.positions.c.block) & (forced.c.tx_index == t.positions.c.tx_index))
        .join(t.blocks, t.blocks.c.id == t.positions.c.block)
        .where(t.blocks.c.reorg.is_(None), t.positions.c.venue == house, t.positions.c.size != 0)
    )
    with index.store.engine.connect() as connection:
        return {(block, tx, market): found for block, tx, market, found in connection.execute(query)}


def transaction_hashes(index: Index, deployment: Deployment) -> dict[tuple[int, int], int]:
    """(block, transaction) -> hash, of those in which something was taken."""
    forced = _forced(deployment)
    query = (
        select(t.blocks.c.number, t.transactions.c.tx_index, t.transactions.c.hash)
        .join(forced, (forced.c.block == t.transactions.c.block) & (forced.c.tx_index == t.transactions.c.tx_index))
        .join(t.blocks, t.blocks.c.id == t.transactions.c.block)
        .where(t.blocks.c.reorg.is_(None))
    )
    with index.store.engine.connect() as connection:
        return {(block, tx): int.from_bytes(found, "big") for block, tx, found in connection.execute(query)}


def block_at(index: Index, time: int) -> int:
    """The newest block that is no later than a time: the state then.

    Raises:
        BadHistory: the index begins later.
    """
    query = select(func.max(t.blocks.c.number)).where(t.blocks.c.reorg.is_(None), t.blocks.c.timestamp <= time)
    with index.store.engine.connect() as connection:
        found = connection.execute(query).scalar()
    if found is None:
        raise BadHistory(f"the index has no block up to the time {time}")
    return int(found)


def _forced(deployment: Deployment) -> Subquery:
    """The transactions in which something was taken."""
    house = word_of(deployment.address("Clearinghouse"))
    return (
        select(t.events.c.block, t.events.c.tx_index)
        .where(t.events.c.address == house, t.events.c.name.in_(_FORCED))
        .distinct()
        .subquery()
    )


class History:
    """Reads moments one after another into entries, and keeps the takings.

    Args:
        funding: (block, transaction, market) -> the funding index there; see `funding_indices`.
        hashes: (block, transaction) -> its hash; 0 where it is not known.
    """

    def __init__(
        self,
        funding: Mapping[tuple[int, int, int], int] | None = None,
        hashes: Mapping[tuple[int, int], int] | None = None,
    ) -> None:
        self._funding = funding if funding is not None else {}
        self._hashes = hashes if hashes is not None else {}
        self.takings: list[Taking] = []
        self._held: dict[int, dict[int, int]] = {}

    def entries(self, moment: Moment) -> tuple[Entry, ...]:
        """The sides of one event. Moments must come in the order of the chain.

        Raises:
            BadHistory: a field is missing or no number.
        """
        try:
            return _READERS[moment.name](self, moment)
        except (KeyError, TypeError, ValueError) as error:
            raise BadHistory(
                f"block {moment.block}, event {moment.tx_index}.{moment.event_index}: {moment.name} with {error!r}"
            ) from error

    def _fill(self, moment: Moment) -> tuple[Entry, ...]:
        fields = moment.fields
        market, maker, taker = fields["market"], int(fields["maker"], 16), int(fields["taker"], 16)
        size, notional = int(fields["size"]), int(fields["size"]) * int(fields["price"])
        bought, sold = -(-notional // _CASH), notional // _CASH
        buys = fields["taker_buys"]
        taker_cash, maker_cash = (-bought, sold) if buys else (sold, -bought)
        signed = size if buys else -size
        self._held.setdefault(maker, {})[market] = int(fields["maker_size"])
        self._held.setdefault(taker, {})[market] = int(fields["taker_size"])
        return (
            self._entry(moment, 0, Role.TRADER, maker, market, -signed, maker_cash - int(fields["maker_fee"])),
            self._entry(moment, 1, Role.TRADER, taker, market, signed, taker_cash - int(fields["taker_fee"])),
        )

    def _liquidated(self, moment: Moment) -> tuple[Entry, ...]:
        fields = moment.fields
        size, notional = int(fields["size"]), int(fields["size"]) * int(fields["mark"])
        discount, penalty = int(fields["discount"]), int(fields["penalty"])
        # floor(-x) is what a short pays, rounded up.
        cash = notional // _CASH - discount - penalty
        other = -cash - penalty - int(fields["remainder"])
        return self._taken(moment, int(fields["caller"], 16), size, cash, other, Role.TAKER, discount + penalty)

    def _backstopped(self, moment: Moment) -> tuple[Entry, ...]:
        fields = moment.fields
        cash, penalty = int(fields["quote"]), int(fields["penalty"])
        other = -cash - penalty - int(fields["remainder"]) + int(fields["insurance"])
        costs = int(fields["discount"]) + penalty
        return self._taken(moment, int(fields["vault"], 16), int(fields["size"]), cash, other, Role.TAKER, costs)

    def _deleveraged(self, moment: Moment) -> tuple[Entry, ...]:
        fields = moment.fields
        cash = int(fields["quote"])
        other = -cash - int(fields["remainder"])
        return self._taken(
            moment, int(fields["counterparty"], 16), int(fields["size"]), cash, other, Role.COUNTERPARTY, 0
        )

    def _taken(
        self, moment: Moment, other: int, size: int, cash: int, other_cash: int, other_role: Role, costs: int
    ) -> tuple[Entry, ...]:
        fields = moment.fields
        account, market = int(fields["account"], 16), fields["market"]
        mark, index = int(fields["mark"]), self._funding.get((moment.block, moment.tx_index, market))
        common = (moment.time, self._hash(moment), moment.name)
        place = (moment.block, moment.tx_index, moment.event_index)
        before = self._held.setdefault(account, {})
        before[market] = int(fields["remaining"]) + size
        self.takings.append(
            Taking(
                (*place, 0),
                *common,
                Role.OWNER,
                account,
                market,
                other,
                size,
                cash,
                mark,
                int(fields["value_before"]),
                int(fields["requirement_before"]),
                costs,
                index,
                _positions(before),
            )
        )
        theirs = self._held.setdefault(other, {})
        if other_role is Role.COUNTERPARTY:
            theirs[market] = int(fields["counterparty_remaining"]) - size
            self.takings.append(
                Taking(
                    (*place, 1),
                    *common,
                    Role.COUNTERPARTY,
                    other,
                    market,
                    account,
                    -size,
                    other_cash,
                    mark,
                    int(fields["value_before"]),
                    int(fields["requirement_before"]),
                    0,
                    index,
                    _positions(theirs),
                )
            )
        before[market] = int(fields["remaining"])
        theirs[market] = theirs.get(market, 0) + size
        return (
            self._entry(moment, 0, Role.OWNER, account, market, -size, cash),
            self._entry(moment, 1, other_role, other, market, size, other_cash),
        )

    def _debt(self, moment: Moment) -> tuple[Entry, ...]:
        account, amount = int(moment.fields["account"], 16), int(moment.fields["amount"])
        place = (moment.block, moment.tx_index, moment.event_index, 0)
        self.takings.append(
            Taking(
                place,
                moment.time,
                self._hash(moment),
                moment.name,
                Role.OWNER,
                account,
                -1,
                0,
                0,
                amount,
                0,
                0,
                0,
                0,
                0,
                (),
            )
        )
        return (self._entry(moment, 0, Role.OWNER, account, -1, 0, amount),)

    def _hash(self, moment: Moment) -> int:
        return self._hashes.get((moment.block, moment.tx_index), 0)

    def _settled(self, moment: Moment) -> tuple[Entry, ...]:
        fields = moment.fields
        account, market = int(fields["account"], 16), fields["market"]
        self._held.setdefault(account, {})[market] = 0
        cash = int(fields["quote"]) + int(fields["covered"])
        return (self._entry(moment, 0, Role.TRADER, account, market, -int(fields["size"]), cash),)

    @staticmethod
    def _entry(moment: Moment, side: int, role: Role, account: int, market: int, size: int, cash: int) -> Entry:
        place = (moment.block, moment.tx_index, moment.event_index, side)
        return Entry(place, moment.time, moment.name, role, account, market, size, cash)


_READERS: Final = {
    "FillSettled": History._fill,
    "Liquidated": History._liquidated,
    "Backstopped": History._backstopped,
    "Deleveraged": History._deleveraged,
    "DebtPaid": History._debt,
    "PositionSettled": History._settled,
}


def _positions(held: Mapping[int, int]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((market, size) for market, size in held.items() if size))


def named(account: int) -> str:
    """An account as files and tables call it: 64 digits, so that text sorts as numbers do."""
    return f"0x{account:064x}"
