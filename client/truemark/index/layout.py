"""Where Truemark's contracts keep what: variable names of storage slots, and the slots of margin accounts.

A scalar lies at the hash of its name, an entry of a map at the Pedersen hash of that and its key, a member of a storage
node at the Pedersen hash of the node's and its own name; what has several slots has them in a row. A slot can be named
when its key is known: a market's index, an account that the venue's events have named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from truemark.felt import selector
from truemark.hashing import pedersen

#: Addresses of storage end below this.
_STORAGE_END: Final = 2**251 - 256
_MARKETS: Final = range(128)

#: The kinds of keys of maps.
_MARKET: Final = "market"
_ACCOUNT: Final = "account"
_SEAT: Final = "seat"
_REPORTERS: Final = 16
_LISTED: Final = 32


@dataclass(frozen=True, slots=True)
class Variable:
    """One member of a contract's storage; `path` is the names that lead to it, `key` the kind of its map's key, `slots`
    what the slots of one value hold, in order."""

    path: tuple[str, ...]
    key: str | None = None
    slots: tuple[str, ...] = ("",)


def _scalars(*names: str, node: str | None = None) -> tuple[Variable, ...]:
    return tuple(Variable((name,) if node is None else (node, name)) for name in names)


_ACCESS: Final = _scalars("Access_admin", "Access_proposed_admin")
_ERC20: Final = (
    *_scalars("ERC20_name", "ERC20_symbol", "ERC20_decimals"),
    Variable(("ERC20_total_supply",), None, ("low", "high")),
    Variable(("ERC20_balances",), _ACCOUNT, ("low", "high")),
)
_POSITIONS: Final = tuple(f"position[{market}]" for market in _MARKETS)

#: By the contract's name in the deployment.
LAYOUTS: Final[Mapping[str, tuple[Variable, ...]]] = {
    "Clearinghouse": (
        *_ACCESS,
        *_scalars("oracle", "token", "bridge", "venue", "epoch", "listed", "books", "custody", node="state"),
        Variable(("state", "markets"), _MARKET, ("name", "tiers", "funding", "trade", "caps", "interest")),
        Variable(("state", "accounts"), _ACCOUNT, ("", *_POSITIONS)),
        Variable(("state", "pending"), _ACCOUNT),
    ),
    "Oracle": (
        *_ACCESS,
        *_scalars("venue", "clearinghouse", "bridge"),
        Variable(("markets",), _MARKET),
        Variable(("names",), _MARKET),
        Variable(("reporters",), _SEAT),
        Variable(("seats",), _ACCOUNT),
        Variable(("announced",), _ACCOUNT),
    ),
    "Vault": (
        *_ACCESS,
        *_ERC20,
        *_scalars("asset", "clearinghouse", "lock_secs", "request_count"),
        Variable(("queue_first",), _ACCOUNT),
        Variable(("queue_next",), _ACCOUNT),
    ),
    "Bridge": (
        *_ACCESS,
        *_scalars(
            "token",
            "oracle",
            "clearinghouse",
            "vault",
            "l1_bridge",
            "l1_token",
            "epoch",
            "withdrawal_count",
            "parked_count",
            "parked_total",
        ),
    ),
    "CollateralToken": (*_ERC20, *_scalars("bridge")),
}


@dataclass(frozen=True, slots=True)
class Slot:
    """What lies in a slot: the variable, and the account whose it is."""

    variable: str
    account: int | None = None


def slots_of(contract: str, accounts: Iterable[int] = ()) -> dict[int, Slot]:
    """The slots that have a name, by key.

    Args:
        contract: its name in a deployment; of another name none are known.
        accounts: the addresses that may be keys.
    """
    known = list(accounts)
    found: dict[int, Slot] = {}
    for variable in LAYOUTS.get(contract, ()):
        name = ".".join(variable.path[-1:])
        for key, account in _keys(variable.key, known):
            base = base_of(variable.path, key)
            shown = name if key is None else f"{name}[{key if account is None else hex(account)}]"
            for offset, part in enumerate(variable.slots):
                found[base + offset] = Slot(f"{shown}.{part}" if part else shown, account)
    return found


def _keys(kind: str | None, accounts: list[int]) -> list[tuple[int | None, int | None]]:
    if kind is None:
        return [(None, None)]
    if kind == _ACCOUNT:
        return [(account, account) for account in accounts]
    return [(index, None) for index in range(_REPORTERS if kind == _SEAT else _LISTED)]


@lru_cache(maxsize=200_000)
def base_of(path: tuple[str, ...], key: int | None = None) -> int:
    """Where the first slot of a variable, or of the entry of a map, lies."""
    at = selector(path[0])
    for name in path[1:]:
        at = pedersen(at, selector(name))
    if key is not None:
        at = pedersen(at, key)
    return at % _STORAGE_END


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
