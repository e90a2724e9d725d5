"""The venue's memory on disk: what it acknowledged is committed before the answer goes out.

SQLite with a write-ahead log: a commit survives the death of the process at any point (`synchronous=NORMAL`: a power
cut may cost the last ones).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from filelock import FileLock, Timeout
from truemark.errors import TruemarkError
from truemark.gateway import FillState, OrderState
from truemark.wire import OrderKind, SelfTrade, TimeInForce, TriggerKind
from truemark.wire.orders import SIGNED_ORDER

from truemark_devnet.venue.engine import Changes
from truemark_devnet.venue.live import LiveOrder, Match

VERSION: Final = 2

_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL, account BLOB NOT NULL, market INTEGER NOT NULL, client_id TEXT,
    placed TEXT NOT NULL,
    created_at INTEGER NOT NULL, number INTEGER NOT NULL, size TEXT NOT NULL, open TEXT NOT NULL,
    matched TEXT NOT NULL, filled TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, updated_at INTEGER NOT NULL
);
CREATE TABLE matches (
    number INTEGER PRIMARY KEY, market INTEGER NOT NULL, maker BLOB NOT NULL, taker BLOB NOT NULL,
    size TEXT NOT NULL, price TEXT NOT NULL, taker_buys INTEGER NOT NULL, time INTEGER NOT NULL,
    maker_cash TEXT NOT NULL, taker_cash TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, tx_hash BLOB,
    block INTEGER, outcome TEXT
);
CREATE INDEX matches_by_market ON matches (market, number);
CREATE TABLE fills (
    account BLOB NOT NULL, match INTEGER NOT NULL, is_maker INTEGER NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (account, match)
) WITHOUT ROWID;
CREATE UNIQUE INDEX fills_by_seq ON fills (account, seq);
CREATE TABLE batches (
    number INTEGER PRIMARY KEY, nonce INTEGER NOT NULL, tx_hash BLOB NOT NULL, signed TEXT NOT NULL,
    matches TEXT NOT NULL
);
CREATE TABLE switches (account BLOB PRIMARY KEY, deadline REAL NOT NULL) WITHOUT ROWID;
"""


class BadLog(TruemarkError, ValueError):
    """The log is another deployment's, of another version, in use, or none at all."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A settlement that was signed: it lands with its nonce once or never."""

    number: int
    nonce: int
    tx_hash: int
    #: As starknet_addInvokeTransaction wants it.
    signed: Mapping[str, Any]
    matches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tape:
    """A match as the public sees it."""

    number: int
    price: int
    size: int
    taker_buys: bool
    time: int
    state: FillState


class VenueLog:
    """
    Args:
        path: the file; made where it is missing.
        identity: what tells this deployment from another one.

    Raises:
        BadLog: the file is another one's, or another venue is at work with it.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._lock = FileLock(f"{path}.lock", timeout=0)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise BadLog(f"another venue is at work with {path}") from error
        except OSError as error:
            raise BadLog(f"{path} cannot be a venue's log: {error}") from error
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._begin(path, identity)
        except BaseException as error:
            self._lock.release()
            if isinstance(error, sqlite3.Error):
                raise BadLog(f"{path} is no venue's log: {error}") from error
            raise

    def _begin(self, path: Path, identity: str) -> None:
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master")}
        if not tables:
            self._db.executescript(f"PRAGMA journal_mode=WAL; BEGIN IMMEDIATE; {_SCHEMA}")
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", [("version", str(VERSION)), ("identity", identity)])
            self._db.execute("COMMIT")
        elif not {"meta", "orders", "matches"} <= tables:
            raise BadLog(f"{path} is no venue's log: it has other tables")
        self._db.execute("PRAGMA synchronous=NORMAL")
        found = dict(self._db.execute("SELECT key, value FROM meta"))
        if found.get("version") != str(VERSION):
            raise BadLog(f"{path} is of version {found.get('version')}, this venue writes {VERSION}")
        if found.get("identity") != identity:
            raise BadLog(f"{path} is another deployment's ({found.get('identity')}, this is {identity}): move it away")
        # By hash. Rows are by age: an index by hash would touch another page of the file for every order.
        self._ids: dict[int, int] = {_number(row[1]): row[0] for row in self._db.execute("SELECT id, hash FROM orders")}
        self._seqs: dict[int, int] = {
            _number(account): seq
            for account, seq in self._db.execute("SELECT account, max(seq) FROM fills GROUP BY account")
        }

    def close(self) -> None:
        self._db.close()
        self._lock.release()

    # --- writing

    def write(self, changes: Changes) -> dict[tuple[int, int], int]:
        """Commits what an engine's calls changed; the new `seq` of each (account, match)."""
        if not changes.orders and not changes.matches:
            return {}
        new: list[tuple[Any, ...]] = []
        old: list[tuple[Any, ...]] = []
        for order in changes.orders.values():
            dynamic = (
                order.number,
                str(order.size),
                str(order.open),
                str(order.matched),
                str(order.filled),
                order.state.value,
                order.reason,
                order.updated_at,
            )
            known = self._ids.get(order.order_hash)
            if known is not None:
                old.append((*dynamic, known))
            else:
                id_ = len(self._ids) + len(new) + 1
                fixed = (id_, _blob(order.order_hash), _blob(order.account), order.market, order.client_id)
                new.append((*fixed, _placed(order), order.created_at, *dynamic))
        seqs: dict[tuple[int, int], int] = {}
        fills = []
        for number in sorted(changes.matches):
            match = changes.matches[number]
            for order, is_maker in ((match.maker, 1), (match.taker, 0)):
                seq = self._seqs.get(order.account, 0) + 1
                self._seqs[order.account] = seq
                seqs[order.account, number] = seq
                fills.append((_blob(order.account), number, is_maker, seq))
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            if new:
                db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", new)
            if old:
                db.executemany(
                    "UPDATE orders SET number = ?, size = ?, open = ?, matched = ?, filled = ?, state = ?, reason = ?,"
                    " updated_at = ? WHERE id = ?",
                    old,
                )
            if fills:
                db.executemany(
                    "INSERT OR REPLACE INTO matches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [_match_row(match) for match in changes.matches.values()],
                )
                db.executemany("INSERT OR REPLACE INTO fills VALUES (?, ?, ?, ?)", fills)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        self._ids.update((_number(row[1]), row[0]) for row in new)
        return seqs

    def sending(self, batch: Batch) -> None:
        """Before it is sent."""
        self._db.execute(
            "INSERT INTO batches VALUES (?, ?, ?, ?, ?)",
            (
                batch.number,
                batch.nonce,
                _blob(batch.tx_hash),
                orjson.dumps(batch.signed).decode(),
                orjson.dumps(batch.matches).decode(),
            ),
        )

    def landed(self, number: int) -> None:
        """After what became of its matches is written."""
        self._db.execute("DELETE FROM batches WHERE number = ?", (number,))

    def switch(self, account: int, deadline: float | None) -> None:
        """Unix seconds at which a dead man's switch fires; None: it is off."""
        if deadline is None:
            self._db.execute("DELETE FROM switches WHERE account = ?", (_blob(account),))
        else:
            self._db.execute("INSERT OR REPLACE INTO switches VALUES (?, ?)", (_blob(account), deadline))

    # --- reading

    def switches(self) -> dict[int, float]:
        return {_number(account): deadline for account, deadline in self._db.execute("SELECT * FROM switches")}

    def batches(self) -> list[Batch]:
        """Those of which it is not written what became of them, oldest first."""
        return [
            Batch(number, nonce, _number(tx_hash), orjson.loads(signed), tuple(orjson.loads(matches)))
            for number, nonce, tx_hash, signed, matches in self._db.execute("SELECT * FROM batches ORDER BY number")
        ]

    def orders(self) -> list[LiveOrder]:
        """All, oldest first."""
        return [_order(row) for row in self._db.execute("SELECT * FROM orders ORDER BY number")]

    def matches(self, orders: Mapping[int, LiveOrder], *, state: FillState | None = None) -> list[Match]:
        """In the order in which they were made."""
        if state is None:
            rows = self._db.execute("SELECT * FROM matches ORDER BY number")
        else:
            rows = self._db.execute("SELECT * FROM matches WHERE state = ? ORDER BY number", (state.value,))
        return [_match(row, orders) for row in rows]

    def last_match(self) -> int:
        """The highest number of a match; 0: there is none."""
        (number,) = self._db.execute("SELECT coalesce(max(number), 0) FROM matches").fetchone()
        return int(number)

    def fills(
        self, account: int, orders: Mapping[int, LiveOrder], *, after: int, limit: int, market: int | None = None
    ) -> list[tuple[int, bool, Match]]:
        """(seq, whether the account was the maker, match), by rising seq, each match once as it is now."""
        rows = self._db.execute(
            "SELECT f.seq, f.is_maker, m.* FROM fills f JOIN matches m ON m.number = f.match"
            " WHERE f.account = ? AND f.seq > ? AND (? IS NULL OR m.market = ?) ORDER BY f.seq LIMIT ?",
            (_blob(account), after, market, market, limit),
        )
        return [(row[0], bool(row[1]), _match(row[2:], orders)) for row in rows]

    def last_seq(self, account: int) -> int:
        return self._seqs.get(account, 0)

    def tape(self, market: int, *, start: int = 0, end: int | None = None, limit: int | None = None) -> list[Tape]:
        """Matches of a market from `start` to before `end`, newest first, refused ones too."""
        rows = self._db.execute(
            "SELECT number, price, size, taker_buys, time, state FROM matches"
            " WHERE market = ? AND time >= ? AND time < ? ORDER BY number DESC LIMIT ?",
            (market, start, 2**62 if end is None else end, -1 if limit is None else limit),
        )
        return [
            Tape(number, int(price), int(size), bool(buys), time, FillState(state))
            for number, price, size, buys, time, state in rows
        ]


def _blob(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _number(blob: bytes) -> int:
    return int.from_bytes(blob, "big")


def _placed(order: LiveOrder) -> str:
    """What was asked for and never changes."""
    placed = {
        "signed": SIGNED_ORDER.dump(order.signed),
        "kind": order.kind,
        "time_in_force": order.time_in_force,
        "self_trade": order.self_trade,
    }
    if order.trigger is not None:
        placed |= {"trigger": order.trigger, "trigger_price": str(order.trigger_price)}
    return orjson.dumps(placed).decode()


def _order(row: Sequence[Any]) -> LiveOrder:
    _, hash_, _, market, client_id, placed, created, number, size, open_, matched, filled, state, reason, updated = row
    said = orjson.loads(placed)
    signed = SIGNED_ORDER.parse(said["signed"], "signed", True)
    order = signed.order
    return LiveOrder(
        number=number,
        order_hash=_number(hash_),
        signed=signed,
        market=market,
        account=order.account,
        is_buy=order.is_buy,
        price=order.limit_price,
        size=int(size),
        expiry=order.expiry,
        reduce_only=order.reduce_only,
        post_only=order.post_only,
        kind=OrderKind(said["kind"]),
        time_in_force=TimeInForce(said["time_in_force"]),
        self_trade=SelfTrade(said["self_trade"]),
        created_at=created,
        updated_at=updated,
        client_id=client_id,
        trigger=TriggerKind(said["trigger"]) if "trigger" in said else None,
        trigger_price=int(said.get("trigger_price", 0)),
        open=int(open_),
        matched=int(matched),
        filled=int(filled),
        state=OrderState(state),
        reason=reason,
    )


def _match_row(match: Match) -> tuple[Any, ...]:
    outcome = None
    if match.state is FillState.SETTLED:
        outcome = orjson.dumps([*map(str, (*match.fees, *match.funding, *match.positions))]).decode()
    return (
        match.number,
        match.market,
        _blob(match.maker.order_hash),
        _blob(match.taker.order_hash),
        str(match.size),
        str(match.price),
        int(match.taker.is_buy),
        match.time,
        str(match.maker_cash),
        str(match.taker_cash),
        match.state.value,
        match.reason,
        None if match.tx_hash is None else _blob(match.tx_hash),
        match.block,
        outcome,
    )


def _match(row: Sequence[Any], orders: Mapping[int, LiveOrder]) -> Match:
    number, market, maker, taker, size, price, _, time, maker_cash, taker_cash, state, reason, tx, block, outcome = row
    figures = [int(text) for text in orjson.loads(outcome)] if outcome else [0] * 6
    return Match(
        number=number,
        market=market,
        maker=orders[_number(maker)],
        taker=orders[_number(taker)],
        size=int(size),
        price=int(price),
        time=time,
        maker_cash=int(maker_cash),
        taker_cash=int(taker_cash),
        state=FillState(state),
        reason=reason,
        tx_hash=None if tx is None else _number(tx),
        block=block,
        fees=(figures[0], figures[1]),
        funding=(figures[2], figures[3]),
        positions=(figures[4], figures[5]),
    )
