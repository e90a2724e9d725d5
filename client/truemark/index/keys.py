"""The keys of maps in the contracts' storage: which kinds there are, how they are shown, and which events tell them. A
slot's own key is a hash, so its name is found by hashing what may be in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from truemark.felt import PRIME, BadShortString, short_string, short_string_text

Keys = tuple[int, ...]

MARKETS: Final = range(128)
SEATS: Final = range(16)
#: Places in a controller's list of requests that are tried as keys.
_MOST_PLACES: Final = 64
#: What a withdrawal's source is counted from where a parked deposit goes back, `RETURNED` in the bridge.
_RETURNED: Final = 2**251
#: Refunds whose claims share a slot, `SLOT_BITS` in the distributor.
_CLAIMS: Final = 128


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
#: Keys that are the same on every venue; None: of what is no map. The first deposits that were parked among them: an
#: attestation takes one without telling its number.
FIXED: Final[Mapping[str | None, tuple[Keys, ...]]] = {
    None: ((),),
    "market": tuple((market,) for market in MARKETS),
    "pair": tuple((pair,) for pair in range(len(MARKETS) // 2)),
    "seat": tuple((seat,) for seat in SEATS),
    "role": tuple((role,) for role in ROLES),
    "parked": tuple((number,) for number in range(1, 65)),
}

#: Which fields of which events tell keys of a kind.
TOLD: Final[Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    "FillSettled": (
        ("order", ("maker_order",)),
        ("order", ("taker_order",)),
        ("account", ("maker",)),
        ("account", ("taker",)),
    ),
    # Whose margin account changes.
    **dict.fromkeys(
        (
            "Deposited",
            "DepositHeld",
            "DepositCredited",
            "DepositReturned",
            "Withdrawn",
            "FeesCollected",
            "InsuranceFunded",
            "AllCancelled",
            "SeenUnderWater",
            "DebtPaid",
            "PositionSettled",
            "Escaped",
            "Reconciled",
            "ReceivableCollected",
        ),
        (("account", ("account",)),),
    ),
    **dict.fromkeys(("Liquidated", "Backstopped"), (("account", ("account",)), ("account", ("caller",)))),
    "Deleveraged": (("account", ("account",)), ("account", ("counterparty",))),
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
    "settlement": lambda told: ((told[0], seat) for seat in SEATS),
    # A controller's requests are numbered by themselves, each after the request's own id.
    "place": lambda told: ((told[0], place) for place in range(min(told[1], _MOST_PLACES))),
    "nonce": lambda told: ((told[0] - _RETURNED if told[0] >= _RETURNED else told[0],),),
    "claims": lambda told: ((told[0], told[1] // _CLAIMS),),
}


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
