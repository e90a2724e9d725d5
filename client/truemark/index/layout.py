"""Where Truemark's contracts keep what: variable names of storage slots, and the slots of margin accounts.

A scalar lies at the hash of its name, an entry of a map at the Pedersen hash of that and its key, a member of a storage
node at the Pedersen hash of the node's and its own name; what has several slots has them in a row. A slot can be named
when its key is known: markets, seats and roles are, accounts and all else are told by the venue's events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from poseidon_py.c_bindings import hades_permutation

from truemark.felt import selector, short_string
from truemark.hashing import pedersen
from truemark.index.keys import KINDS, MARKETS, SEATS, Keys

#: Addresses of storage end below this.
_STORAGE_END: Final = 2**251 - 256
#: Words of a text, 31 bytes each.
_MOST_WORDS: Final = 32

_BYTE_ARRAY: Final = short_string("ByteArray")


@dataclass(frozen=True, slots=True)
class Variable:
    """One member of a contract's storage.

    Attributes:
        path: the names that lead to it.
        key: the kind of its map's key, one of `KINDS`.
        slots: what the slots of one value hold, in order.
        words: those of a ByteArray, which lie elsewhere than its length.
    """

    path: tuple[str, ...]
    key: str | None = None
    slots: tuple[str, ...] = ("",)
    words: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """What lies in a slot: the variable, and the account whose it is."""

    variable: str
    account: int | None = None


def _scalars(*names: str, node: str | None = None) -> tuple[Variable, ...]:
    return tuple(Variable((name,) if node is None else (node, name)) for name in names)


def _text_at(name: str, key: str | None = None) -> tuple[Variable, ...]:
    """A ByteArray: its length, and its words."""
    words = tuple(f"text[{word}]" for word in range(_MOST_WORDS))
    return Variable((name,), key), Variable((name,), key, words, words=True)


_ACCESS: Final = (
    *_scalars("Access_admin", "Access_proposed_admin", "Access_accepts_from"),
    Variable(("Access_roles",), "role of"),
    Variable(("Access_held",), "role"),
)
_UPGRADES: Final = _scalars("Upgrade_plan", "Upgrade_class", "Upgrade_ready_at", "Upgrade_running")
_ERC20: Final = (
    *_text_at("ERC20_name"),
    *_text_at("ERC20_symbol"),
    *_scalars("ERC20_decimals", "ERC20_total_supply"),
    Variable(("ERC20_balances",), "account"),
    Variable(("ERC20_allowances",), "allowance", ("low", "high")),
)
#: Behind an account's own slot its positions, and when the backstop saw it under water.
_ACCOUNT: Final = ("", *(f"position[{market}]" for market in MARKETS), "seen")
_GUARD: Final = (
    "min_price",
    "max_price",
    "max_age",
    "max_ahead",
    "max_skew",
    "max_mark_age",
    "max_gap",
    "drift_window",
    "confirm_gap",
    "liq_gap",
    "confirm_rounds",
    "max_confidence_bps",
    "max_spread_bps",
    "max_step_bps",
    "max_drift_bps",
    "max_funding_rate_ppm",
)
#: The addresses that the oracle gives to a pair of markets: entries by seat, and what each market has.
_BOOK: Final = ("truemark.oracle.markets",)
_BOOK_MARKET: Final = ("mark", "calm", "track", "doubt", "funding", "bounds", "rules")
_BOOK_SLOTS: Final = 32 + len(_BOOK_MARKET)

#: By the contract's name in the deployment.
LAYOUTS: Final[Mapping[str, tuple[Variable, ...]]] = {
    "Clearinghouse": (
        *_ACCESS,
        *_UPGRADES,
        Variable(("classes",), None, ("trading", "liquidation", "money", "venue", "waterfall")),
        *_scalars(
            "oracle",
            "token",
            "bridge",
            "vault",
            "venue",
            "epoch",
            "listed",
            "books",
            "custody",
            "waterfall",
            "dry",
            "losses",
            "bad_debt",
            "outflow",
            "outflow_bucket",
            "wound_down_at",
            node="state",
        ),
        Variable(("state", "names"), "name"),
        Variable(("state", "markets"), "market", ("name", "tiers", "funding", "trade", "caps", "interest", "storm")),
        Variable(("state", "accounts"), "account", _ACCOUNT),
        Variable(("state", "orders"), "order"),
        Variable(("state", "trading_keys"), "trading key"),
        Variable(("state", "pending"), "account"),
        Variable(("state", "restores"), "market", ("checkpoint", "at", "restore_from")),
        Variable(("state", "closings"), "market"),
        Variable(("state", "pots"), "market"),
        Variable(("state", "receivables"), "account"),
    ),
    "Oracle": (
        *_ACCESS,
        *_UPGRADES,
        *_scalars("venue", "clearinghouse", "bridge"),
        Variable(("names",), "market"),
        Variable(("indices",), "name"),
        Variable(("reporters",), "seat"),
        Variable(("seats",), "reporter"),
        Variable(("announced",), "reporter"),
        Variable(("settlements",), "settlement"),
        Variable(_BOOK, "pair", tuple(map(str, range(_BOOK_SLOTS)))),
        # The one without guards, of demonstrations.
        *_scalars("epoch", "quorum", "max_silence", "last_accepted_at", "market_count", "reporter_count"),
        Variable(("is_reporter",), "reporter"),
        Variable(("guards",), "market", _GUARD),
        Variable(("prices",), "market"),
        Variable(("accepted_at",), "market"),
        Variable(("growths",), "market"),
        Variable(("entries",), "entry"),
    ),
    "Vault": (
        *_ACCESS,
        *_UPGRADES,
        *_ERC20,
        *_scalars("asset", "clearinghouse", "lock_secs"),
        Variable(("queue", "count")),
        Variable(("queue", "requests"), "request", ("controller", "owner", "shares", "end", "claimable_at")),
        Variable(("queue", "ids"), "place"),
        Variable(("queue", "lengths"), "account"),
        Variable(("queue", "claimed"), "account"),
        Variable(("operators",), "operator"),
    ),
    "Bridge": (
        *_ACCESS,
        *_UPGRADES,
        *_scalars(
            "token",
            "oracle",
            "clearinghouse",
            "vault",
            "l1_bridge",
            "l1_token",
            "epoch",
            "epoch_since",
            "quota",
            "outflow",
            "withdrawal_count",
            "parked_count",
            "parked_total",
        ),
        Variable(("closed",), "epoch"),
        Variable(("parked",), "parked", ("depositor", "recipient", "destination", "amount", "parked_at", "nonce")),
        Variable(("parked_ids",), "nonce"),
        Variable(("delivered",), "nonce"),
        Variable(("attested",), "withdrawal"),
        Variable(("due",), "withdrawal", ("source", "amount")),
    ),
    "CollateralToken": (*_ERC20, *_UPGRADES, *_scalars("bridge")),
    "RefundDistributor": (
        *_ACCESS,
        *_UPGRADES,
        *_scalars("token", "clearinghouse", "owed"),
        Variable(("incidents",), "incident", ("root", "opener", "count", "expiry", "total", "claimed", "closed")),
        *_text_at("uris", "incident"),
        Variable(("claimed",), "claims"),
    ),
}


def first_slot(variable: Variable, keys: Keys) -> int:
    """Where the slots of one value begin."""
    if variable.path == _BOOK:
        return selector(_BOOK[0]) + 256 * keys[0]
    base = place_of(variable.path, keys)
    # As the corelib has it: the first 256 words.
    return int(hades_permutation([base, 0, _BYTE_ARRAY])[0]) % _STORAGE_END if variable.words else base


def slot_of(variable: Variable, keys: Keys, number: int) -> Slot | None:
    """What the slot of that number of a value holds; None: nothing."""
    if variable.path == _BOOK:
        return _in_book(keys[0], number)
    name = ".".join(variable.path[1:] if variable.path[0] == "state" else variable.path)
    account = None
    if variable.key is not None:
        show, at = KINDS[variable.key]
        name += f"[{','.join(shown(key) for shown, key in zip(show, keys, strict=True))}]"
        account = None if at is None else keys[at]
    part = variable.slots[number]
    return Slot(f"{name}.{part}" if part else name, account)


def _in_book(pair: int, number: int) -> Slot | None:
    if number < len(SEATS):
        return Slot(f"entries[{2 * pair},{2 * pair + 1}].seat[{number}]")
    odd, part = divmod(number - 16, 16)
    return Slot(f"markets[{2 * pair + odd}].{_BOOK_MARKET[part]}") if part < len(_BOOK_MARKET) else None


def place_of(path: tuple[str, ...], keys: Keys = ()) -> int:
    """Where the first slot of a variable, or of the entry of a map, lies."""
    at = _variable(path)
    for key in keys:
        at = pedersen(at, key)
    return at % _STORAGE_END


@lru_cache(maxsize=1_024)
def _variable(path: tuple[str, ...]) -> int:
    at = selector(path[0])
    for name in path[1:]:
        at = pedersen(at, selector(name))
    return at


@lru_cache(maxsize=200_000)
def base_of(path: tuple[str, ...], key: int | None = None) -> int:
    """As `place_of`, of a map with keys of one part, remembered."""
    return place_of(path, () if key is None else (key,))


def account_base(account: int) -> int:
    """Where a margin account's slots begin: its own, then one for each market."""
    return base_of(("state", "accounts"), account)


@dataclass(frozen=True, slots=True)
class AccountSlot:
    """Collateral in 1e-6 USD, how often all orders were cancelled, and the bitmap of open markets."""

    collateral: int
    epoch: int
    open_markets: int


@dataclass(frozen=True, slots=True)
class PositionSlot:
    """Size in 1e-8 of the base asset, and the funding index at which funding was last settled, 1e-16 USD."""

    size: int
    funding_index: int


def unpack_account(slot: int) -> AccountSlot:
    high = slot >> 128
    return AccountSlot(_signed(high, 96), high >> 96, slot & (2**128 - 1))


def unpack_position(slot: int) -> PositionSlot:
    return PositionSlot(_signed(slot >> 128, 64), _signed(slot, 128))


def _signed(value: int, bits: int) -> int:
    """Two's complement in the low bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
