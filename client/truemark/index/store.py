"""The database: blocks in, rollbacks, and what a follower asks of its own past. One database transaction a block."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Engine, Select, create_engine, event, func, insert, select, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from truemark.errors import TruemarkError
from truemark.index import migrations
from truemark.index import tables as t
from truemark.index.fingerprint import chain_print
from truemark.index.rows import BlockRows
from truemark.index.values import WORD, Wide

#: Of a node's own default: long enough for another process to finish its block.
_BUSY: Final = 30_000
#: A number for PostgreSQL's lock of whoever makes or upgrades the tables.
_PREPARING: Final = 0x7275656D61726B


class BadIndex(TruemarkError, RuntimeError):
    """A database that cannot be used: not there, not an index, or of another version."""


class IndexConflict(TruemarkError, RuntimeError):
    """Another follower wrote to the same index at the same time."""


class Stored:
    """A block that the index holds, as far as a follower needs it."""

    __slots__ = ("chain_print", "covers_diff", "diff", "header", "id", "number", "strong")

    def __init__(self, row: Any) -> None:
        self.id: int = row.id
        self.number: int = row.number
        self.header: bytes = row.header
        self.diff: bytes = row.diff
        self.chain_print: bytes = row.chain_print
        self.strong: bool = row.strong
        #: The header's print changes with what the block wrote.
        self.covers_diff: bool = any(row.commitments[-WORD:])


class Store:
    """An opened index.

    Args:
        url: of the database: "sqlite:///path", "postgresql+psycopg://..." or the path of a file.

    Raises:
        BadIndex: it cannot be opened, or is of another version.
    """

    def __init__(self, url: str | Path | URL) -> None:
        self.engine = _engine(url)
        self._inserts = _Inserts(self.engine.dialect)
        try:
            with self.engine.begin() as connection:
                _prepare(connection)
        except DBAPIError as error:
            self.engine.dispose()
            raise BadIndex(f"the index at {self.engine.url!r} cannot be opened: {error.orig}") from None
        except BaseException:
            self.engine.dispose()
            raise

    def close(self) -> None:
        self.engine.dispose()

    # What a follower asks

    def head(self) -> Stored | None:
        """The highest block that counts."""
        with self.engine.connect() as connection:
            row = connection.execute(_stored().order_by(t.blocks.c.number.desc()).limit(1)).first()
        return None if row is None else Stored(row)

    def at(self, numbers: Iterable[int]) -> dict[int, Stored]:
        """Those of these blocks that count."""
        with self.engine.connect() as connection:
            rows = connection.execute(_stored().where(t.blocks.c.number.in_(list(numbers))))
            return {row.number: Stored(row) for row in rows}

    def first(self) -> int | None:
        """The lowest number that counts."""
        with self.engine.connect() as connection:
            return connection.execute(
                select(func.min(t.blocks.c.number)).where(t.blocks.c.reorg.is_(None))
            ).scalar_one_or_none()

    def class_of(self, address: bytes) -> bytes | None:
        """The class that a contract has at the head."""
        with self.engine.connect() as connection:
            return connection.execute(
                select(t.contracts.c.class_hash)
                .join(t.blocks, t.blocks.c.id == t.contracts.c.block)
                .where(t.contracts.c.address == address, t.blocks.c.reorg.is_(None))
                .order_by(t.contracts.c.block.desc())
                .limit(1)
            ).scalar_one_or_none()

    def class_text(self, class_hash: bytes) -> tuple[str | None, str | None] | None:
        """A class's ABI, or why there is none; None: it is not known."""
        with self.engine.connect() as connection:
            row = connection.execute(
                select(t.classes.c.abi, t.classes.c.reason).where(t.classes.c.class_hash == class_hash)
            ).first()
        return None if row is None else (row.abi, row.reason)

    def participants(self) -> list[tuple[bytes, bytes, int]]:
        """(venue, account, number of the block that named it first)."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(t.participants.c.venue, t.participants.c.account, t.blocks.c.number)
                .join(t.blocks, t.blocks.c.id == t.participants.c.block)
                .where(t.blocks.c.reorg.is_(None))
                .order_by(t.participants.c.block)
            )
            return [(row.venue, row.account, row.number) for row in rows]

    def accounts_after(self, block: int) -> list[tuple[bytes, int]]:
        """(account, id of the block that named it first) of the chain's blocks with an id above `block`, rising."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(t.participants.c.account, t.participants.c.block)
                .join(t.blocks, t.blocks.c.id == t.participants.c.block)
                .where(t.participants.c.block > block, t.blocks.c.reorg.is_(None))
                .order_by(t.participants.c.block)
            )
            return [(row.account, row.block) for row in rows]

    # What it writes

    def write(
        self,
        rows: BlockRows,
        chain: int,
        before: Stored | None,
        classes: Mapping[bytes, tuple[str | None, str | None]],
        found: Mapping[bytes, bytes],
    ) -> Stored:
        """One block with all its rows, or nothing.

        Args:
            before: the block under it, which must be the head; None: it is the first.
            classes: ABIs that are new to the index, or why there are none.
            found: contracts that were there from the start, which it is the first to need.

        Raises:
            IndexConflict: another follower was there before.
        """
        header = dict(rows.header)
        header["chain"] = chain
        header["seen_at"] = int(time.time())
        header["chain_print"] = chain_print(
            None if before is None else before.chain_print, header["header"], header["diff"]
        )
        try:
            with self.engine.begin() as connection:
                _must_be_head(connection, before)
                block: int = connection.execute(insert(t.blocks).returning(t.blocks.c.id), header).scalar_one()
                self._inserts.run(connection, block, rows)
                _insert_classes(connection, classes)
                _insert_found(connection, block, rows, found)
        except IntegrityError as error:
            raise IndexConflict(f"block {rows.number} is there already: another follower writes here") from error
        return Stored(_Written(block, header))

    def roll_back(self, above: int, cause: str) -> int:
        """Orphans every block above a number; how many. Nothing is deleted."""
        with self.engine.begin() as connection:
            last = connection.execute(
                select(func.max(t.blocks.c.number)).where(t.blocks.c.reorg.is_(None))
            ).scalar_one_or_none()
            if last is None or last <= above:
                return 0
            lowest = connection.execute(
                select(func.min(t.blocks.c.number)).where(t.blocks.c.reorg.is_(None), t.blocks.c.number > above)
            ).scalar_one()
            reorg = connection.execute(
                insert(t.reorgs)
                .values(first=lowest, last=last, detected_at=int(time.time()), cause=cause)
                .returning(t.reorgs.c.id)
            ).scalar_one()
            done = connection.execute(
                update(t.blocks).where(t.blocks.c.reorg.is_(None), t.blocks.c.number > above).values(reorg=reorg)
            )
            return done.rowcount

    def chain(self, chain_id: bytes, genesis: bytes) -> int:
        """The chain's id in the index: that of the last one if it is the same, else a new one."""
        with self.engine.begin() as connection:
            last = connection.execute(select(t.chains).order_by(t.chains.c.id.desc()).limit(1)).first()
            if last is not None and (last.chain_id, last.genesis) == (chain_id, genesis):
                return int(last.id)
            return int(
                connection.execute(
                    insert(t.chains)
                    .values(chain_id=chain_id, genesis=genesis, first_seen=int(time.time()))
                    .returning(t.chains.c.id)
                ).scalar_one()
            )

    def chain_of(self, block: int) -> int:
        """The chain that a block, by its id, belongs to."""
        with self.engine.connect() as connection:
            return int(connection.execute(select(t.blocks.c.chain).where(t.blocks.c.id == block)).scalar_one())

    def note_finality(self, l1_accepted: int) -> bool:
        """Keeps how far L1 has accepted the chain, if that moved; whether it went back."""
        with self.engine.begin() as connection:
            last = connection.execute(
                select(t.finality.c.l1_accepted).order_by(t.finality.c.id.desc()).limit(1)
            ).scalar_one_or_none()
            before = -1 if last is None else last
            if l1_accepted != before:
                connection.execute(insert(t.finality).values(l1_accepted=l1_accepted, seen_at=int(time.time())))
            return l1_accepted < before


class _Written:
    """A block that was just written, in the shape of a row."""

    def __init__(self, block: int, header: Mapping[str, Any]) -> None:
        self.id = block
        self.number = header["number"]
        self.header = header["header"]
        self.diff = header["diff"]
        self.chain_print = header["chain_print"]
        self.strong = header["strong"]
        self.commitments = header["commitments"]


def _stored() -> Select[Any]:
    blocks = t.blocks.c
    return select(
        blocks.id, blocks.number, blocks.header, blocks.diff, blocks.chain_print, blocks.strong, blocks.commitments
    ).where(blocks.reorg.is_(None))


def _must_be_head(connection: Connection, before: Stored | None) -> None:
    row = connection.execute(
        select(t.blocks.c.id).where(t.blocks.c.reorg.is_(None)).order_by(t.blocks.c.number.desc()).limit(1)
    ).scalar_one_or_none()
    if row != (None if before is None else before.id):
        raise IndexConflict("another follower wrote to this index meanwhile")


class _Inserts:
    """One statement for each table, made once, with its rows handed to the driver as they are."""

    def __init__(self, dialect: Dialect) -> None:
        self._prepared: dict[str, tuple[str, Callable[[dict[str, Any]], Any] | None, tuple[str, ...]]] = {}
        for table in t.BLOCK_TABLES:
            compiled = insert(table).compile(dialect=dialect)
            names = getattr(compiled, "positiontup", None)
            wide = tuple(column.name for column in table.c if isinstance(column.type, Wide))
            self._prepared[table.name] = (str(compiled), itemgetter(*names) if names else None, wide)

    def run(self, connection: Connection, block: int, rows: BlockRows) -> None:
        for name, (statement, in_order, wide) in self._prepared.items():
            part: list[dict[str, Any]] = getattr(rows, name)
            if not part:
                continue
            for row in part:
                row["block"] = block
                for column in wide:
                    if row[column] is not None:
                        row[column] = str(row[column])
            connection.exec_driver_sql(statement, part if in_order is None else [in_order(row) for row in part])


def _insert_classes(connection: Connection, classes: Mapping[bytes, tuple[str | None, str | None]]) -> None:
    for class_hash, (abi, reason) in classes.items():
        there = connection.execute(select(t.classes.c.class_hash).where(t.classes.c.class_hash == class_hash)).first()
        if there is None:
            connection.execute(insert(t.classes).values(class_hash=class_hash, abi=abi, reason=reason))


def _insert_found(connection: Connection, block: int, rows: BlockRows, found: Mapping[bytes, bytes]) -> None:
    """They hang on the first block: they were there from then on, whichever block was the first to need them."""
    if not found:
        return
    first = connection.execute(
        select(t.blocks.c.id).where(t.blocks.c.reorg.is_(None)).order_by(t.blocks.c.number).limit(1)
    ).scalar_one()
    for address, class_hash in found.items():
        there = connection.execute(
            select(t.contracts.c.class_hash).where(t.contracts.c.block == first, t.contracts.c.address == address)
        ).first()
        if there is None:
            connection.execute(
                insert(t.contracts).values(
                    block=first, address=address, class_hash=class_hash, how="found", tx_index=None, cause="genesis"
                )
            )


def _prepare(connection: Connection) -> None:
    """Makes the tables, or brings them to what this version reads."""
    if connection.dialect.name == "sqlite":
        # Two may open a new index at once; Python's driver would begin with the first row only.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_PREPARING})")
    found = migrations.revision(connection)
    if found is None:
        t.metadata.create_all(connection)
        # What the first client looked at.
        connection.execute(insert(t.info).values(name="schema", value=str(int(migrations.NEWEST))))
        migrations.mark(connection)
    elif found != migrations.NEWEST:
        if not migrations.is_known(found):
            raise BadIndex(f"the index is of version {found}, this client reads up to {migrations.NEWEST}")
        migrations.upgrade(connection)


def _engine(url: str | Path | URL) -> Engine:
    try:
        chosen = url if isinstance(url, URL) else _url(url)
        if chosen.get_backend_name() == "sqlite" and chosen.database not in (None, "", ":memory:"):
            Path(str(chosen.database)).parent.mkdir(parents=True, exist_ok=True)
        # What a server takes for ASCII is text all the same.
        options = {"client_encoding": "utf8"} if chosen.get_backend_name() == "postgresql" else {}
        engine = create_engine(chosen, connect_args=options)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise BadIndex(f"{url!r} is no database: {error}") from None
    except OSError as error:
        raise BadIndex(f"{url!r} cannot be opened: {error.strerror}") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _url(url: str | Path) -> URL:
    text = str(url)
    return make_url(text) if "://" in text else URL.create("sqlite", database=text)


def _set_up_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    # A process that is killed loses nothing; a power cut may lose the last blocks, which are read again.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        f"busy_timeout={_BUSY}",
        "cache_size=-16384",
        "wal_autocheckpoint=8000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
