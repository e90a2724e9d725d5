"""The index as it is read: blocks, transactions, events, histories, differences, orphans. No node is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Select, and_, func, literal_column, select, tuple_
from sqlalchemy.engine import URL

from truemark.deployment import Deployment
from truemark.index import changes
from truemark.index import tables as t
from truemark.index.layout import Slot
from truemark.index.naming import Naming
from truemark.index.records import (
    BalanceRow,
    BlockRecord,
    Cause,
    EventFilter,
    EventRow,
    FundingRow,
    MarkRow,
    MessageRow,
    Orphan,
    Page,
    PositionRow,
    Reorg,
    StateChange,
    TransactionRow,
    Write,
)
from truemark.index.selects import (
    balance_of,
    block_of,
    event_of,
    event_query,
    message_of,
    message_query,
    position_of,
    reorg_of,
    transactions_of,
)
from truemark.index.store import Store
from truemark.index.values import NUMBER_BOUND, Unindexed, cursor_of, number, parse_cursor, word_of

_PAGE = 100
_LARGEST_PAGE = 10_000


class Index:
    """An opened index. Threads may share it.

    Use `Index.open`, and `close` or `with`.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._naming = Naming()
        #: The block up to which it has learned of accounts, by its id.
        self._named_to = 0

    @classmethod
    def open(cls, url: str | Path | URL, deployment: Deployment | None = None) -> Self:
        """The index in a database; an empty one becomes an index.

        Args:
            url: "sqlite:///path", "postgresql+psycopg://..." or the path of a file.
            deployment: gives names to contracts and their storage.

        Raises:
            BadIndex: it cannot be opened, or another version wrote it.
        """
        index = cls(Store(url))
        if deployment is not None:
            index.name(deployment)
        return index

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.store.close()

    def name(self, deployment: Deployment) -> None:
        """Gives names to the deployment's contracts and their storage."""
        self._naming, self._named_to = Naming(deployment), 0

    # Blocks and transactions

    def head(self) -> BlockRecord | None:
        """The highest block."""
        with self._connect() as connection:
            row = connection.execute(
                select(t.blocks).where(t.blocks.c.reorg.is_(None)).order_by(t.blocks.c.number.desc()).limit(1)
            ).first()
        return None if row is None else block_of(row)

    def block(self, block: int, *, orphaned: int | None = None) -> BlockRecord:
        """A block by its number; with `orphaned` the one of that rollback.

        Raises:
            Unindexed: there is none.
        """
        wanted = t.blocks.c.number == block
        wanted &= t.blocks.c.reorg.is_(None) if orphaned is None else t.blocks.c.reorg == orphaned
        row = None
        if block < NUMBER_BOUND:
            with self._connect() as connection:
                row = connection.execute(select(t.blocks).where(wanted)).first()
        if row is None:
            which = "" if orphaned is None else f" that rollback {orphaned} orphaned"
            raise Unindexed(f"the index has no block {block}{which}")
        return block_of(row)

    def blocks(self, first: int, last: int) -> tuple[BlockRecord, ...]:
        """Blocks from `first` to `last`, as many of them as there are, lowest first."""
        blocks = t.blocks.c
        with self._connect() as connection:
            rows = connection.execute(
                select(t.blocks)
                .where(blocks.reorg.is_(None), blocks.number.between(first, last))
                .order_by(blocks.number)
            )
            return tuple(block_of(row) for row in rows)

    def versions(self, block: int) -> tuple[BlockRecord, ...]:
        """Every block that ever had that number, oldest first; the last one counts unless it is orphaned too."""
        with self._connect() as connection:
            rows = connection.execute(select(t.blocks).where(t.blocks.c.number == block).order_by(t.blocks.c.id))
            return tuple(block_of(row) for row in rows)

    def transactions(self, block: BlockRecord) -> tuple[TransactionRow, ...]:
        """Of a block, in their order."""
        with self._connect() as connection:
            return transactions_of(connection, t.transactions.c.block == block.id)

    def transaction(self, tx_hash: int) -> TransactionRow:
        """A transaction as the chain has it, else as it was last orphaned.

        Raises:
            Unindexed: there is none.
        """
        found = self.transaction_versions(tx_hash)
        if not found:
            raise Unindexed(f"the index has no transaction {tx_hash:#x}")
        return found[0]

    def transaction_versions(self, tx_hash: int) -> tuple[TransactionRow, ...]:
        """Each place where a transaction is or was: that of the chain first, then orphaned ones, newest first."""
        with self._connect() as connection:
            found = transactions_of(connection, t.transactions.c.hash == word_of(tx_hash))
        return tuple(sorted(found, key=lambda row: (row.block.orphaned, -row.block.id)))

    # Events

    def events(
        self,
        wanted: EventFilter | None = None,
        cursor: str | None = None,
        limit: int = _PAGE,
        *,
        newest_first: bool = False,
    ) -> Page[EventRow]:
        """Events in the order of the chain, or against it. `cursor` is that of the page before."""
        wanted = wanted if wanted is not None else EventFilter()
        before = parse_cursor(cursor, 3)
        limit = min(max(limit, 1), _LARGEST_PAGE)
        # The table that the rows are found by is the one whose order costs nothing.
        table = t.events if wanted.mentions is None else t.mentions
        place = (table.c.block, table.c.tx_index, table.c.event_index)
        query = event_query().order_by(*(part.desc() if newest_first else part for part in place))
        query = query.where(t.blocks.c.reorg.is_not(None) if wanted.orphaned else t.blocks.c.reorg.is_(None))
        if wanted.address is not None:
            query = query.where(t.events.c.address == word_of(wanted.address))
        if wanted.name is not None:
            query = query.where(t.events.c.name == wanted.name)
        if wanted.first_block is not None:
            query = query.where(t.blocks.c.number >= wanted.first_block)
        if wanted.last_block is not None:
            query = query.where(t.blocks.c.number <= wanted.last_block)
        for at, allowed in enumerate(wanted.keys):
            query = query.where(func.length(t.events.c["keys"]) >= 32 * (at + 1))
            if allowed:
                key = t.events.c.selector if at == 0 else func.substr(t.events.c["keys"], 32 * at + 1, 32)
                query = query.where(key.in_([word_of(value) for value in allowed]))
        if wanted.mentions is not None:
            query = query.join(
                t.mentions,
                and_(*(t.mentions.c[name] == t.events.c[name] for name in ("block", "tx_index", "event_index"))),
            ).where(t.mentions.c.address == word_of(wanted.mentions))
        if before is not None:
            here, last_one = tuple_(*place), tuple_(*before)
            query = query.where(here < last_one if newest_first else here > last_one)
        with self._connect() as connection:
            rows = connection.execute(query.limit(limit + 1)).all()
        more = len(rows) > limit
        last = rows[limit - 1] if more else None
        return Page(
            tuple(event_of(row) for row in rows[:limit]),
            None if last is None else cursor_of(last.block, last.tx_index, last.event_index),
        )

    # Histories

    def account_history(
        self, account: int, cursor: str | None = None, limit: int = _PAGE, *, newest_first: bool = False
    ) -> Page[EventRow]:
        """Every event that names the account, in the order of the chain, or against it."""
        return self.events(EventFilter(mentions=account), cursor, limit, newest_first=newest_first)

    def sent(self, account: int, limit: int = _PAGE) -> tuple[TransactionRow, ...]:
        """The newest transactions of an account, newest first."""
        with self._connect() as connection:
            places = connection.execute(
                select(t.transactions.c.block, t.transactions.c.tx_index)
                .join(t.blocks, t.blocks.c.id == t.transactions.c.block)
                .where(t.transactions.c.sender == word_of(account), t.blocks.c.reorg.is_(None))
                .order_by(t.transactions.c.block.desc(), t.transactions.c.tx_index.desc())
                .limit(limit)
            ).all()
            if not places:
                return ()
            # Databases do not look up pairs in an index.
            found = transactions_of(
                connection,
                and_(
                    t.transactions.c.block.in_({place.block for place in places}),
                    t.transactions.c.sender == word_of(account),
                ),
            )
        return tuple(reversed(found))[:limit]

    def marks(
        self, market: int, *, oracle: int | None = None, first_block: int = 0, last_block: int | None = None
    ) -> tuple[MarkRow, ...]:
        """What was said of a market, oldest first."""
        query = self._history(t.marks, first_block, last_block).where(t.marks.c.market == market)
        if oracle is not None:
            query = query.where(t.marks.c.oracle == word_of(oracle))
        query = query.order_by(t.marks.c.block, t.marks.c.tx_index, t.marks.c.event_index)
        with self._connect() as connection:
            return tuple(
                MarkRow(
                    block_number=row.number,
                    timestamp=row.timestamp,
                    tx_index=row.tx_index,
                    oracle=number(row.oracle),
                    market=row.market,
                    price=row.price,
                    status=row.status,
                    outcome=row.outcome,
                    median=row.median,
                )
                for row in connection.execute(query)
            )

    def funding(
        self, market: int, *, venue: int | None = None, first_block: int = 0, last_block: int | None = None
    ) -> tuple[FundingRow, ...]:
        """A market's funding index where events said it, oldest first."""
        query = self._history(t.funding, first_block, last_block).where(t.funding.c.market == market)
        if venue is not None:
            query = query.where(t.funding.c.venue == word_of(venue))
        query = query.order_by(t.funding.c.block, t.funding.c.tx_index, t.funding.c.event_index)
        with self._connect() as connection:
            return tuple(
                FundingRow(row.number, row.timestamp, number(row.venue), row.market, row.funding_index, row.live)
                for row in connection.execute(query)
            )

    def position_history(
        self, account: int, *, first_block: int = 0, last_block: int | None = None
    ) -> tuple[PositionRow, ...]:
        """An account's positions each time that one changed, oldest first."""
        query = self._history(t.positions, first_block, last_block).where(t.positions.c.account == word_of(account))
        with self._connect() as connection:
            return tuple(
                position_of(row)
                for row in connection.execute(query.order_by(t.positions.c.block, t.positions.c.market))
            )

    def positions(self, account: int, block: int | None = None) -> tuple[PositionRow, ...]:
        """An account's open positions after a block, by default the highest."""
        newest: dict[tuple[int, int], PositionRow] = {}
        for row in self.position_history(account, last_block=block):
            newest[row.venue, row.market] = row
        return tuple(row for row in newest.values() if row.size)

    def balance_history(
        self, account: int, *, first_block: int = 0, last_block: int | None = None
    ) -> tuple[BalanceRow, ...]:
        """A margin account each time that it changed, oldest first."""
        query = self._history(t.balances, first_block, last_block).where(t.balances.c.account == word_of(account))
        with self._connect() as connection:
            return tuple(balance_of(row) for row in connection.execute(query.order_by(t.balances.c.block)))

    def messages(self, tx_hash: int | None = None, *, orphaned: bool = False) -> tuple[MessageRow, ...]:
        """Messages between L1 and L2, oldest first; of one transaction, or all."""
        query = message_query().where(t.blocks.c.reorg.is_not(None) if orphaned else t.blocks.c.reorg.is_(None))
        if tx_hash is not None:
            query = query.where(t.transactions.c.hash == word_of(tx_hash))
        with self._connect() as connection:
            return tuple(
                message_of(row)
                for row in connection.execute(
                    query.order_by(t.messages.c.block, t.messages.c.tx_index, t.messages.c.place)
                )
            )

    def class_at(self, address: int, block: int | None = None) -> int:
        """The class of a contract after a block, as far as blocks and events told of it.

        Raises:
            Unindexed: it is not known.
        """
        query = self._history(t.contracts, 0, block).where(t.contracts.c.address == word_of(address))
        with self._connect() as connection:
            row = connection.execute(query.order_by(t.contracts.c.block.desc()).limit(1)).first()
        if row is None:
            raise Unindexed(f"the index does not know the class of {address:#x}")
        return number(row.class_hash)

    # State

    def storage_at(self, address: int, key: int, block: int | None = None) -> int | None:
        """What a slot holds after a block; None: nothing was written there since the index began."""
        query = self._history(t.storage, 0, block).where(
            t.storage.c.address == word_of(address), t.storage.c.key == word_of(key)
        )
        with self._connect() as connection:
            row = connection.execute(query.order_by(t.storage.c.block.desc()).limit(1)).first()
        return None if row is None else number(row.value)

    def writes(self, first: int, last: int, *, unattributed: bool = False) -> tuple[Write, ...]:
        """What blocks wrote, oldest first; only what no transaction explains."""
        cause = Cause.UNATTRIBUTED if unattributed else None
        return self._writes(t.blocks.c.reorg.is_(None), first, last, cause)

    def unattributed(self, first: int = 0, last: int | None = None, *, orphaned: bool = False) -> tuple[Write, ...]:
        """Writes that no transaction explains, oldest first."""
        counts = t.blocks.c.reorg.is_not(None) if orphaned else t.blocks.c.reorg.is_(None)
        # As the index over these blocks has it, which a bound number would not be.
        found = t.blocks.c.unattributed > literal_column("0")
        return self._writes(counts & found, first, last, Cause.UNATTRIBUTED)

    def diff(self, before: int, after: int) -> tuple[StateChange, ...]:
        """What differs between the states after two blocks, by contract and slot.

        Raises:
            Unindexed: the index lacks one of the blocks.
        """
        self.block(before)
        self.block(after)
        names = self.naming()
        with self._connect() as connection:
            return changes.difference(connection, names, before, after)

    def variables(self, contract: str) -> Mapping[int, Slot]:
        """What lies in which slot of a contract of the deployment, as far as it is known."""
        names = self.naming()
        return names.slots(contract)

    # Rollbacks

    def reorgs(self) -> tuple[Reorg, ...]:
        """Oldest first."""
        with self._connect() as connection:
            return tuple(reorg_of(row) for row in connection.execute(select(t.reorgs).order_by(t.reorgs.c.id)))

    def orphans(self, reorg: int | None = None) -> tuple[Orphan, ...]:
        """Blocks that were rolled back, each beside what took its place at once; oldest rollback first."""
        query = select(t.blocks).where(t.blocks.c.reorg.is_not(None)).order_by(t.blocks.c.reorg, t.blocks.c.number)
        if reorg is not None:
            query = query.where(t.blocks.c.reorg == reorg)
        reorgs = {each.id: each for each in self.reorgs()}
        with self._connect() as connection:
            orphans = [block_of(row) for row in connection.execute(query)]
            found: list[Orphan] = []
            for orphan in orphans:
                row = connection.execute(
                    select(t.blocks)
                    .where(t.blocks.c.number == orphan.number, t.blocks.c.id > orphan.id)
                    .order_by(t.blocks.c.id)
                    .limit(1)
                ).first()
                found.append(Orphan(orphan, reorgs[orphan.reorg or 0], None if row is None else block_of(row)))
        return tuple(found)

    def l1_accepted(self) -> int:
        """How far L1 has accepted the chain; -1: not at all."""
        with self._connect() as connection:
            last = connection.execute(
                select(t.finality.c.l1_accepted).order_by(t.finality.c.id.desc()).limit(1)
            ).scalar_one_or_none()
        return -1 if last is None else int(last)

    def whole_from(self) -> int:
        """The block from which on nothing was pruned; 0: nothing was."""
        from truemark.index.upkeep import pruned_below

        with self._connect() as connection:
            return pruned_below(connection)

    def counts(self) -> Mapping[str, int]:
        """Rows of each table, orphaned ones included."""
        with self._connect() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (t.blocks, *t.BLOCK_TABLES, t.classes, t.reorgs)
            }

    # Inside

    def _connect(self) -> Connection:
        return self.store.engine.connect()

    def _history(self, table: Any, first: int, last: int | None) -> Select[Any]:
        query = (
            select(table, t.blocks.c.number, t.blocks.c.timestamp)
            .join(t.blocks, t.blocks.c.id == table.c.block)
            .where(t.blocks.c.reorg.is_(None), t.blocks.c.number >= first)
        )
        return query if last is None else query.where(t.blocks.c.number <= last)

    def naming(self) -> Naming:
        """Names of contracts and storage, as far as they are known by now."""
        fresh = self.store.accounts_after(self._named_to)
        if fresh:
            self._naming.learn(number(account) for account, _ in fresh)
            self._named_to = fresh[-1][1]
        return self._naming

    def naming_in(self, blocks: Iterable[int], accounts: Iterable[int] = ()) -> Naming:
        """Names with the keys that events of some blocks tell, by the blocks' numbers, and with accounts that may be
        keys."""
        column = t.blocks.c.number
        is_row = isinstance(blocks, range) and bool(blocks)
        condition = column.between(min(blocks), max(blocks)) if is_row else column.in_(set(blocks))
        names = self.naming()
        with self._connect() as connection:
            ids = connection.execute(select(t.blocks.c.id).where(condition).order_by(t.blocks.c.id)).scalars().all()
            return names.with_keys(changes.told(connection, names, ids), accounts)

    def _writes(self, counts: Any, first: int, last: int | None, cause: Cause | None) -> tuple[Write, ...]:
        names = self.naming()
        with self._connect() as connection:
            return changes.writes(connection, names, counts, first, last, cause)
