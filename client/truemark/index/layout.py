"""Where Truemark's contracts keep what: variable names of storage slots, and the slots of margin accounts.

A scalar lies at the hash of its name, an entry of a map at the Pedersen hash of that and its key, a member of a storage
node at the Pedersen hash of the node's and its own name; what has several slots has them in a row. A slot can be named
when its key is known: markets, seats and roles are, accounts and all else are told by the venue's events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from poseidon_py.c_bindings import hades_permutation

from truemark.felt import PRIME, BadShortString, selector, short_string, short_string_text
from truemark.hashing import pedersen

#: Addresses of storage end below this.
_STORAGE_END: Final = 2**251 - 256
_MARKETS: Final = range(128)
_SEATS: Final = range(16)
#: Places in a controller's list of requests that are tried as keys.
_MOST_PLACES: Final = 64
#: Words of a text, 31 bytes each.
_MOST_WORDS: Final = 32
#: What a withdrawal's source is counted from where a parked deposit goes back, `RETURNED` in the bridge.
_RETURNED: Final = 2**251
#: Refunds whose claims share a slot, `SLOT_BITS` in the distributor.
_CLAIMS: Final = 128

_BYTE_ARRAY: Final = short_string("ByteArray")

Keys = tuple[int, ...]


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


def _text(value: int) -> str:
    try:
        return short_string_text(value) or hex(value)
    except BadShortString:
        return hex(value)


#: How the keys of a kind are shown; where the first that is an account lies among them.
KINDS: Final[Mapping[str, tuple[tuple[Callable[[int], str], ...], int | None]]] = {
    "market": ((str,), None),
    "pair": ((str,), None),
    "seat": ((str,), None),
    "settlement": ((str, str), None),
    "entry": ((str, hex), 1),
    "account": ((hex,), 0),
    "reporter": ((hex,), 0),
    "role": ((_text,), None),
    "role of": ((_text, hex), 1),
    "name": ((_text,), None),
    "order": ((hex,), None),
    "trading key": ((hex, hex), 0),
    "allowance": ((hex, hex), 0),
    "operator": ((hex, hex), 0),
    "request": ((str,), None),
    "place": ((hex, str), 0),
    "parked": ((str,), None),
    "nonce": ((str,), None),
    "epoch": ((str,), None),
    "withdrawal": ((str, str), None),
    "incident": ((hex,), None),
    "claims": ((hex, str), None),
}

ROLES: Final = tuple(map(short_string, ("OPERATOR", "GUARDIAN", "SENTINEL")))
#: Keys that are the same on every venue. The first deposits that were parked among them: an attestation takes one
#: without telling its number.
FIXED: Final[Mapping[str, tuple[Keys, ...]]] = {
    "market": tuple((market,) for market in _MARKETS),
    "pair": tuple((pair,) for pair in range(len(_MARKETS) // 2)),
    "seat": tuple((seat,) for seat in _SEATS),
    "role": tuple((role,) for role in ROLES),
    "parked": tuple((number,) for number in range(1, 65)),
}

#: Which fields of which events tell keys of a kind.
TOLD: Final[Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    "FillSettled": (("order", ("maker_order",)), ("order", ("taker_order",))),
    "OrderCancelled": (("order", ("order_hash",)),),
    "OrderApproved": (("order", ("order_hash",)),),
    "TradingKeyRegistered": (("trading key", ("account", "key")),),
    "TradingKeyRevoked": (("trading key", ("account", "key")),),
    "MarketListed": (("name", ("name",)),),
    "RoleGranted": (("role", ("role",)), ("role of", ("role", "account"))),
    "RoleRevoked": (("role of", ("role", "account")),),
    "ReporterAnnounced": (("reporter", ("reporter",)),),
    "ReporterAdded": (("reporter", ("reporter",)),),
    "ReporterRemoved": (("reporter", ("reporter",)),),
    "SettlementReported": (("settlement", ("market",)),),
    "MarkSet": (("entry", ("market", "reporter")),),
    # Who takes tokens is who was allowed to, so an allowance that is spent has its event as well.
    "Transfer": (("account", ("from",)), ("account", ("to",)), ("allowance", ("from", "to"))),
    "Approval": (("allowance", ("owner", "spender")),),
    "RedeemRequest": (
        ("account", ("controller",)),
        ("request", ("request_id",)),
        ("place", ("controller", "request_id")),
    ),
    "Withdraw": (("account", ("owner",)),),
    "OperatorSet": (("operator", ("controller", "operator")),),
    "DepositDelivered": (("nonce", ("nonce",)),),
    "DepositParked": (("nonce", ("nonce",)), ("parked", ("id",))),
    "ParkedClaimed": (("parked", ("id",)),),
    "ParkedReturned": (("parked", ("id",)),),
    "EpochChanged": (("epoch", ("from",)), ("epoch", ("to",))),
    "WithdrawalAttested": (("withdrawal", ("epoch", "counter")), ("nonce", ("source",))),
    "AttestationSettled": (("withdrawal", ("epoch", "counter")),),
    "RefundsOpened": (("incident", ("incident",)),),
    "Refunded": (("incident", ("incident",)), ("claims", ("incident", "index"))),
    "RefundsClosed": (("incident", ("incident",)),),
}

#: What the fields of an event tell of a kind's keys, where they are not the keys themselves.
_MEANT: Final[Mapping[str, Callable[[Keys], Iterable[Keys]]]] = {
    "settlement": lambda told: ((told[0], seat) for seat in _SEATS),
    # A controller's requests are numbered by themselves, each after the request's own id.
    "place": lambda told: ((told[0], place) for place in range(min(told[1], _MOST_PLACES))),
    "nonce": lambda told: ((told[0] - _RETURNED if told[0] >= _RETURNED else told[0],),),
    "claims": lambda told: ((told[0], told[1] // _CLAIMS),),
}


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
_ACCOUNT: Final = ("", *(f"position[{market}]" for market in _MARKETS), "seen")
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
    if number < len(_SEATS):
        return Slot(f"entries[{2 * pair},{2 * pair + 1}].seat[{number}]")
    odd, part = divmod(number - 16, 16)
    return Slot(f"markets[{2 * pair + odd}].{_BOOK_MARKET[part]}") if part < len(_BOOK_MARKET) else None


def told_by(name: str, fields: Mapping[str, Any]) -> Iterable[tuple[str, Keys]]:
    """The keys that an event tells, each with its kind. What lacks a field tells nothing: other contracts' events have
    the same names."""
    for kind, wanted in TOLD.get(name, ()):
        told = tuple(_number(fields.get(field)) for field in wanted)
        if None not in told:
            keys = tuple(key for key in told if key is not None)
            for meant in _MEANT[kind](keys) if kind in _MEANT else (keys,):
                yield kind, meant


def _number(value: Any) -> int | None:
    """None: it is no felt."""
    if isinstance(value, str):
        try:
            value = int(value, 16 if value[:2] == "0x" else 10)
        except ValueError:
            return None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < PRIME else None


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
