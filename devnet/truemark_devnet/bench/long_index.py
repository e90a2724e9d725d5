"""A long index without a chain: blocks as a venue's rounds, fills and liquidations leave them, through the index's own
writer, and damage in it where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson
from truemark.deployment import ContractInfo, Deployment, MarketInfo
from truemark.index.layout import base_of
from truemark.index.rows import BlockRows
from truemark.index.store import Store
from truemark.index.values import word_of

from truemark_devnet.deploy.venue import parameters_of, tiers_of
from truemark_devnet.profile import load_profile

#: 19 January 2026, 00:00 UTC; a block a second from there.
START: Final = 1_768_780_800
ACCOUNTS: Final = 200
COLLATERAL: Final = 10_000 * 10**6
#: Blocks from one fill, and from one liquidation, to the next.
FILLS, LIQUIDATIONS = 5, 100
_HOUSE, _ORACLE, _TOKEN = 0xC1EA, 0x0AC1E, 0x70CE
_CAUSE: Final = {"tx_index": 0, "cause": "transaction"}


@dataclass(frozen=True, slots=True)
class Damage:
    """Block numbers; None: not there."""

    #: A mark that jumps, back in the next block.
    jump: int | None = None
    #: A unit on an account that came from nowhere.
    unit: int | None = None
    #: A funding index back at 0, in the next event of it.
    funding: int | None = None


def deployment() -> Deployment:
    """The default profile's markets at addresses of nobody."""
    profile = load_profile("default")
    names = {"Clearinghouse": _HOUSE, "Oracle": _ORACLE, "CollateralToken": _TOKEN, "Vault": 0x7A17, "Bridge": 0xB41D6E}
    return Deployment(
        name="long",
        profile=profile.name,
        l2_rpc="http://127.0.0.1:1",
        l1_rpc="http://127.0.0.1:1",
        l2_chain_id=1,
        l1_chain_id=1,
        contracts={name: ContractInfo(address, 1) for name, address in names.items()},
        classes={},
        l1={},
        fee_token=1,
        account_class_hash=1,
        faucet=False,
        operators={},
        markets={
            market.name: MarketInfo(number, market.lot_size, market.tick_size, 0, 3, tiers_of(market))
            for number, market in enumerate(profile.markets)
        },
        vault_lock_secs=3600,
        parameters=parameters_of(profile),
    )


def write(path: Path, blocks: int, damage: Damage | None = None) -> Deployment:
    """Writes so many blocks; whose they are."""
    venue = deployment()
    store = Store(path)
    try:
        # What is written can be written again: a crash costs nothing here.
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
        chain, before = store.chain(word_of(1), bytes(32)), None
        for rows in _blocks(venue, blocks, damage or Damage()):
            before = store.write(rows, chain, before, {}, {})
    finally:
        store.close()
    return venue


def prices(venue: Deployment) -> Callable[[str, int], int]:
    """What the world pays for a market at a time, 1e-8 USD: it swings by a percent over an hour."""
    listed = {str(item["name"]): int(item["listing_price"]) for item in venue.parameters["markets"]}

    def price(market: str, at: int) -> int:
        phase = at % 3600
        return listed[market] * (100_000 + min(phase, 3600 - phase)) // 100_000

    return price


def _blocks(venue: Deployment, blocks: int, damage: Damage) -> Iterator[BlockRows]:
    total = ACCOUNTS * COLLATERAL
    books = dict.fromkeys(range(ACCOUNTS), COLLATERAL)
    index, price = 10**18, prices(venue)
    for number in range(blocks):
        at = START + number
        rows = BlockRows(number, _header(number, at))
        if number == 0:
            _storage(rows, _HOUSE, base_of(("state", "oracle")), _ORACLE)
            _storage(rows, _HOUSE, base_of(("state", "custody")), total)
            _storage(rows, _TOKEN, base_of(("ERC20_balances",), _HOUSE), total)
            for account in range(ACCOUNTS):
                _balance(rows, account, COLLATERAL)
        rows.transactions.append(_transaction(number))
        marks = [price(name, at) for name in venue.markets]
        if number == damage.jump:
            marks[0] = marks[0] * 85 // 100
        rows.marks += [_mark(place, place, mark) for place, mark in enumerate(marks)]
        if number % FILLS == 0 and number:
            giver, taker = number % ACCOUNTS, (number + 7) % ACCOUNTS
            books[giver] -= 1_000
            books[taker] += 1_000 + (number == damage.unit)
            _balance(rows, giver, books[giver])
            _balance(rows, taker, books[taker])
        if number % 1_000 == 0:
            # Less than what the rate allows in so many seconds.
            index += 10**12
            said = 0 if damage.funding is not None and number >= damage.funding else index
            rows.funding.append(_funding_row(said))
        if number % LIQUIDATIONS == 0:
            rows.events.append(_liquidated(number, marks[0]))
        yield rows


def _header(number: int, at: int) -> dict[str, Any]:
    print_ = sha256(number.to_bytes(8, "big")).digest()
    return {
        "number": number,
        "hash": print_,
        "parent_hash": sha256((number - 1).to_bytes(8, "big", signed=True)).digest(),
        "state_root": bytes(32),
        "timestamp": at,
        "sequencer": word_of(1),
        "starknet_version": "0.14.4",
        "gas_prices": "{}",
        "transaction_count": 1,
        "event_count": 1,
        "commitments": bytes(128),
        "header": print_,
        "diff": bytes(32),
        "strong": False,
        "unattributed": 0,
    }


def _transaction(number: int) -> dict[str, Any]:
    nothing = {"sender": None, "nonce": None, "class_hash": None, "revert_reason": None, "details": "{}"}
    paid = {"fee": 0, "fee_unit": "FRI", "l1_gas": 0, "l1_data_gas": 0, "l2_gas": 0}
    tx_hash = sha256(b"transaction" + number.to_bytes(8, "big")).digest()
    content = {"hash": tx_hash, "type": "INVOKE", "version": 3, "calldata": b"", "signature": b""}
    return {"tx_index": 0, **content, **nothing, **paid}


def _mark(place: int, market: int, mark: int) -> dict[str, Any]:
    said = {"oracle": word_of(_ORACLE), "market": market, "price": mark, "status": "Valid", "outcome": "Accepted"}
    return {"tx_index": 0, "event_index": 0, "place": place, "median": mark, **said}


def _funding_row(index: int) -> dict[str, Any]:
    said = {"venue": word_of(_HOUSE), "market": 0, "funding_index": index, "live": True}
    return {"tx_index": 0, "event_index": 0, **said}


def _balance(rows: BlockRows, account: int, collateral: int) -> None:
    owner = {"venue": word_of(_HOUSE), "account": word_of(0x1000 + account)}
    rows.balances.append({**owner, "collateral": collateral, "account_epoch": 0, "open_markets": 1, **_CAUSE})


def _storage(rows: BlockRows, address: int, key: int, value: int) -> None:
    rows.storage.append({"address": word_of(address), "key": word_of(key), "value": word_of(value), **_CAUSE})


def _liquidated(number: int, mark: int) -> dict[str, Any]:
    """A long of one base unit of the first market, under water at the mark."""
    requirement = 3 * mark * 10**8 // 100
    fields: Mapping[str, Any] = {
        "account": hex(0x1000 + number % ACCOUNTS),
        "market": 0,
        "size": 10**8,
        "remaining": 0,
        "mark": str(mark),
        "value_before": str(requirement - 10**16),
        "requirement_before": str(requirement),
    }
    return {
        "tx_index": 0,
        "event_index": 1,
        "address": word_of(_HOUSE),
        "selector": bytes(32),
        "keys": b"",
        "data": b"",
        "name": "Liquidated",
        "fields": orjson.dumps(fields).decode(),
        "reason": None,
    }
