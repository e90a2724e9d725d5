"""Refunds of 1,000,000 fills and 100,000 accounts, each of them wrongly liquidated: seconds from the index (SQLite) to
what every account is owed, judged, on DuckDB; how that grows from a tenth of it; the memory; and the root on top.

Each size is measured in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import insert
from truemark.deployment import ContractInfo, Deployment, MarketInfo
from truemark.felt import hex_of
from truemark.index import Index
from truemark.index import tables as t
from truemark.index.values import word_of
from truemark.risk import NO_TIER, MarginTier

from truemark_devnet.bench.figure import Figure

FILLS: Final = 1_000_000
ACCOUNTS: Final = 100_000
_PER_BLOCK: Final = 100
_MARKETS: Final = 10
_HOUSE, _ORACLE, _DISTRIBUTOR, _CALLER = 0xC1EA, 0x04AC, 0xD157, 0xCA11
_ONE: Final = 10**8
_PRICE: Final = 4_798 * _ONE
#: The skewed mark at which everybody was liquidated.
_SKEWED: Final = 5_182 * _ONE
_START: Final = 1_768_780_800
_CHUNK: Final = 20_000


def run() -> list[Figure]:
    small, large = measured(FILLS // 10, ACCOUNTS // 10), measured(FILLS, ACCOUNTS)
    tenth = f"{FILLS // 10:,} fills and {ACCOUNTS // 10:,} accounts"
    return [
        Figure("recovery", large["seconds"], "s", small["seconds"], tenth),
        Figure("recovery.cpu", large["cpu"], "s of processor time", small["cpu"], tenth),
        Figure("recovery.root", large["root"], f"s for {ACCOUNTS:,} leaves", small["root"], tenth),
        Figure("recovery.memory", large["memory"], "MB at the peak", small["memory"], tenth),
    ]


def measured(fills: int, accounts: int) -> dict[str, float]:
    """Seconds of the analysis, of the processor for it, and of the tree; MB at the peak."""
    with tempfile.TemporaryDirectory(prefix="truemark-bench-") as folder:
        path = Path(folder) / "index.sqlite"
        make_index(path, fills, accounts)
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            found: dict[str, float] = pool.apply(work, (path, Path(folder), accounts))
    return found


def work(path: Path, folder: Path, accounts: int) -> dict[str, float]:
    """In the process that is measured."""
    from truemark_keeper.recovery.refund import RefundRules, Window, analysis, refunds, stage, survey

    # What is imported once a process does not grow with the chain.
    stage.undone_table([((0, 0, 0, 0), 1)])
    with analysis.connected():
        pass
    venue, rules = deployment(), RefundRules("bench", window=Window())

    def price(market: str, at: int) -> int:
        return _PRICE

    start, used = time.perf_counter(), time.process_time()
    with Index.open(path) as index:
        found = survey(index, venue, rules, price, folder)
    owed = refunds(found, venue, [item.taking.id for item in found.wrong], price)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    assert len(owed.paid) == accounts
    start = time.perf_counter()
    owed.tree(venue)
    root = time.perf_counter() - start
    return {
        "seconds": seconds,
        "cpu": cpu,
        "root": root,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def deployment() -> Deployment:
    tiers = (MarginTier(0, 500, 300), NO_TIER, NO_TIER)
    contracts = {"Clearinghouse": _HOUSE, "Oracle": _ORACLE, "RefundDistributor": _DISTRIBUTOR}
    return Deployment(
        name="bench",
        profile="default",
        l2_rpc="",
        l1_rpc="",
        l2_chain_id=1,
        l1_chain_id=1,
        contracts={name: ContractInfo(address, 1) for name, address in contracts.items()},
        classes={},
        l1={},
        fee_token=1,
        account_class_hash=1,
        faucet=False,
        operators={},
        markets={f"M{n}-USD-PERP": MarketInfo(n, 1, 1, 0, 0, tiers) for n in range(_MARKETS)},
        vault_lock_secs=0,
    )


def make_index(path: Path, fills: int, accounts: int) -> None:
    """Every account sells to a market maker, again and again, then each is liquidated at the skewed mark."""
    events = fills + accounts
    with Index.open(path) as index, index.store.engine.begin() as connection:
        connection.execute(insert(t.chains).values(id=1, chain_id=b"\x01", genesis=b"\x01", first_seen=0))
        blocks = [_block(number) for number in range(events // _PER_BLOCK + 1)]
        for start in range(0, len(blocks), _CHUNK):
            connection.execute(insert(t.blocks), blocks[start : start + _CHUNK])
        names = ("block", "tx_index", "event_index", "address", "selector", "keys", "data", "name", "fields")
        columns = ", ".join(f'"{name}"' for name in names)
        statement = f"insert into events ({columns}) values ({', '.join('?' * len(names))})"  # noqa: S608
        rows: list[tuple[Any, ...]] = []
        for row in _events(fills, accounts):
            rows.append(row)
            if len(rows) == _CHUNK:
                connection.exec_driver_sql(statement, rows)
                rows = []
        if rows:
            connection.exec_driver_sql(statement, rows)


def _block(number: int) -> dict[str, Any]:
    return {
        "id": number + 1,
        "chain": 1,
        "number": number,
        "hash": word_of(number + 1),
        "parent_hash": word_of(number),
        "state_root": word_of(0),
        "timestamp": _START + number,
        "sequencer": word_of(0),
        "starknet_version": "",
        "gas_prices": "{}",
        "transaction_count": 1,
        "event_count": _PER_BLOCK,
        "commitments": bytes(128),
        "header": word_of(number),
        "diff": word_of(number),
        "chain_print": word_of(number),
        "strong": True,
        "unattributed": 0,
        "seen_at": 0,
        "reorg": None,
    }


def _events(fills: int, accounts: int) -> Iterator[tuple[Any, ...]]:
    who = [hex_of(0x10_0000 + 31 * number) for number in range(accounts)]
    house, empty = word_of(_HOUSE), b""
    makers = [hex_of(0xF000 + number) for number in range(_MARKETS)]
    sizes, bought = [0] * accounts, [0] * _MARKETS
    for number in range(fills + accounts):
        block, place = divmod(number, _PER_BLOCK)
        if number < fills:
            taker = number % accounts
            market = taker % _MARKETS
            size = 1_000_000 + number % 977
            sizes[taker] -= size
            bought[market] += size
            fields: dict[str, Any] = {
                "market": market,
                "maker": makers[market],
                "taker": who[taker],
                "maker_order": hex(number + 1),
                "taker_order": hex(number + 2),
                "taker_buys": False,
                "size": str(size),
                "price": str(_PRICE + number % 1009),
                "mark": str(_PRICE),
                "maker_size": str(bought[market]),
                "taker_size": str(sizes[taker]),
                "maker_fee": "7",
                "taker_fee": "11",
                "maker_funding": "0",
                "taker_funding": "0",
                "remainder": "1",
            }
            name = "FillSettled"
        else:
            account = number - fills
            size = -(500_000 + account % 499)
            fields = {
                "account": who[account],
                "market": account % _MARKETS,
                "caller": hex_of(_CALLER),
                "size": str(size),
                "remaining": str(sizes[account] - size),
                "mark": str(_SKEWED),
                "checkpoint": str(_SKEWED),
                "value_before": "1",
                "requirement_before": str(abs(sizes[account]) * _SKEWED * 300 // 10**4),
                "value_checkpoint": "1",
                "requirement_checkpoint": "2",
                "value_after": "1",
                "requirement_after": "1",
                "discount": "0",
                "penalty": "5001",
                "account_funding": "0",
                "caller_funding": "0",
                "remainder": "1",
            }
            name = "Liquidated"
        yield (block + 1, 0, place, house, empty, empty, empty, name, orjson.dumps(fields).decode())
