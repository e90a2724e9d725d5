"""What packed slots hold, by name and in units of people. The mirror of the packings in contracts/src/oracle and
contracts/src/clearinghouse/slots.cairo.

Storage may hold anything: what no packing made shows nothing, and nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from truemark.felt import BadShortString, short_string_text
from truemark.index.layout import unpack_account, unpack_position
from truemark.reports import Entry, entry_of
from truemark.units import decimal_text, from_collateral, from_price, from_size, from_value

Shown = Mapping[str, str]
#: A number of so many bits as text; None: no contract would write it.
Kind = Callable[[int, int], str | None]


class Part(NamedTuple):
    """Bits of a slot, from the lowest on. Without a name they are 0, without a kind they may be anything."""

    bits: int
    name: str = ""
    kind: Kind | None = None


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _of(unit: Callable[[int], Decimal], *, signed: bool = False) -> Kind:
    def show(value: int, bits: int) -> str:
        return decimal_text(unit(_signed(value, bits) if signed else value))

    return show


def _count(value: int, bits: int) -> str:
    return str(value)


def _suffixed(suffix: str) -> Kind:
    return lambda value, bits: f"{value} {suffix}"


def _flag(value: int, bits: int) -> str | None:
    return ("no", "yes")[value] if value < 2 else None


def _time(value: int, bits: int) -> str | None:
    """Seconds since 1970; 0 stands for never."""
    if value == 0:
        return "never"
    try:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return None


def _bitmap(value: int, bits: int) -> str:
    return ", ".join(str(bit) for bit in range(value.bit_length()) if value >> bit & 1) or "none"


def _mode(value: int, bits: int) -> str | None:
    modes = ("Halted", "CancelOnly", "PostOnly", "Full")
    return modes[value] if value < len(modes) else None


def _biased_value(value: int, bits: int) -> str:
    return decimal_text(from_value(value - 2 ** (bits - 1)))


def _bound(value: int, bits: int) -> str:
    """Of a tier, whole USD; the last one has none."""
    return f"{value} USD" if value else "none"


def _text(value: int, bits: int) -> str | None:
    try:
        return short_string_text(value) or None
    except BadShortString:
        return None


_usd, _signed_usd = _of(from_collateral), _of(from_collateral, signed=True)
_value, _signed_value = _of(from_value), _of(from_value, signed=True)
_price, _size = _of(from_price), _of(from_size)
_bps, _ppm, _secs = _suffixed("bps"), _suffixed("ppm"), _suffixed("s")


def _tier(name: str) -> tuple[Part, ...]:
    return Part(16, f"{name}.initial", _bps), Part(16, f"{name}.maintenance", _bps)


def _pair(first: str, second: str) -> tuple[Part, ...]:
    return Part(64, first, _size), Part(64, second, _size)


_BUCKET: Final = (Part(128, "level", _usd), Part(64, "at", _time))
_NAME: Final = (Part(248, "name", _text),)
_AMOUNT: Final = (Part(128, "amount", _usd),)
_SINCE: Final = (Part(64, "at", _time),)
#: What the contracts have in common.
_COMMON: Final = {
    "Access_roles[]": (Part(64, "since", _time),),
    "Access_accepts_from": _SINCE,
    "Upgrade_ready_at": _SINCE,
    "ERC20_name.text[]": (Part(248, "text", _text),),
    "ERC20_symbol.text[]": (Part(248, "text", _text),),
}

#: By contract and variable, with its keys left out.
PACKED: Final[Mapping[str, Mapping[str, tuple[Part, ...]]]] = {
    "Clearinghouse": {
        **_COMMON,
        "venue": (
            Part(16, "fill_band", _bps),
            Part(16, "post_band", _bps),
            Part(32, "dwell", _secs),
            Part(32, "grace", _secs),
            Part(32, "mode", _mode),
            Part(60, "mode_since", _time),
            Part(63, "full_since", _time),
        ),
        "listed": (Part(128, "markets", _bitmap),),
        "books": (
            Part(64, "insurance", _signed_usd),
            Part(64, "fees", _signed_usd),
            Part(96, "funding", _signed_usd),
        ),
        "custody": (Part(128, "total", _usd), Part(120, "pending", _usd)),
        "waterfall": (
            Part(64, "storm_floor", _usd),
            Part(32, "storm_window", _secs),
            Part(16, "storm_share", _bps),
            Part(16),
            Part(64, "loss_cap", _usd),
            Part(32, "backstop", _secs),
            Part(22, "loss_window", _secs),
        ),
        "dry": (Part(64, "until", _time), Part(8, "market", _count)),
        "losses": _BUCKET,
        "bad_debt": (Part(64, "vault", _usd), Part(64, "insurance", _usd), Part(64, "deleveraged", _usd)),
        "outflow": (
            Part(96, "limit", _usd),
            Part(32, "window", _secs),
            Part(32, "escape_delay", _secs),
            Part(32, "restore_delay", _secs),
        ),
        "outflow_bucket": _BUCKET,
        "wound_down_at": _SINCE,
        "markets[].name": _NAME,
        "markets[].tiers": (
            *_tier("second"),
            Part(40, "second.upto", _bound),
            *_tier("third"),
            Part(24),
            *_tier("first"),
            Part(40, "first.upto", _bound),
        ),
        # Live: the index is the oracle's growth and this; else it is this.
        "markets[].funding": (Part(128, "base", _signed_value), Part(1, "live", _flag), Part(120, "seal")),
        "markets[].trade": (
            Part(64, "lot", _size),
            Part(64, "tick", _price),
            Part(16, "maker_fee", _bps),
            Part(16, "taker_fee", _bps),
            Part(16, "discount", _bps),
            Part(16, "penalty", _bps),
            Part(32, "dust", _suffixed("USD")),
        ),
        "markets[].caps": _pair("open_interest", "position"),
        "markets[].interest": _pair("long", "short"),
        "markets[].storm": (Part(128, "used", _value), Part(64, "since", _time), Part(1, "dry", _flag)),
        "restores[].checkpoint": (Part(128, "index", _biased_value), Part(123, "seal")),
        "restores[].at": _SINCE,
        "restores[].restore_from": _SINCE,
        "closings[]": (Part(128, "index", _signed_value), Part(64, "price", _price), Part(1, "with_funding", _flag)),
        "accounts[].seen": _SINCE,
        "orders[]": (Part(64, "filled", _size), Part(1, "approved", _flag)),
        "trading_keys[]": (Part(64, "expiry", _time),),
        "pending[]": _AMOUNT,
        "receivables[]": _AMOUNT,
    },
    "Oracle": {
        **_COMMON,
        "venue": (
            Part(64, "epoch", _count),
            Part(32, "last_accepted_at", _time),
            Part(8, "quorum", _count),
            Part(8, "markets", _count),
            Part(1, "silence_told", _flag),
            Part(15),
            Part(16, "seats", _bitmap),
            Part(32, "max_silence", _secs),
        ),
        "names[]": _NAME,
        "announced[]": _SINCE,
        "settlements[]": (Part(64, "price", _price),),
        "markets[].mark": (
            Part(56, "price", _price),
            Part(56, "checkpoint", _price),
            Part(16, "status", _count),
            Part(32, "stale_at", _time),
            Part(32, "round_at", _time),
            Part(16, "round", _bitmap),
            Part(32, "valid_since", _time),
        ),
        "markets[].calm": (
            Part(56, "floor", _price),
            Part(56, "ceiling", _price),
            Part(8, "confirm_gap", _secs),
            Part(8, "liq_gap", _secs),
            Part(32, "window_end", _time),
            Part(17, "pend_back", _secs),
            Part(12, "max_age", _secs),
            Part(8, "max_ahead", _secs),
            Part(12, "max_skew", _secs),
            Part(12, "max_mark_age", _secs),
            Part(14, "max_step", _bps),
            Part(14, "max_confidence", _bps),
        ),
        "markets[].track": (
            Part(64, "pend", _price),
            Part(64, "anchor", _price),
            Part(32, "pend_at", _time),
            Part(32, "anchor_at", _time),
            Part(32, "checkpoint_at", _time),
        ),
        "markets[].doubt": (
            Part(64, "candidate", _price),
            Part(32, "since", _time),
            Part(4, "count", _count),
            Part(1, "own_round", _flag),
        ),
        "markets[].funding": (Part(128, "growth", _biased_value), Part(123, "seal")),
        "markets[].bounds": (
            Part(64, "min_price", _price),
            Part(64, "max_price", _price),
            Part(32, "max_gap", _secs),
            Part(32, "max_funding_rate", _ppm),
            Part(16, "max_age", _secs),
            Part(16, "max_ahead", _secs),
        ),
        "markets[].rules": (
            Part(32, "max_skew", _secs),
            Part(32, "max_mark_age", _secs),
            Part(32, "max_confidence", _bps),
            Part(32, "drift_window", _secs),
            Part(32, "confirm_gap", _secs),
            Part(32, "liq_gap", _secs),
            Part(16, "max_spread", _bps),
            Part(16, "max_step", _bps),
            Part(16, "max_drift", _bps),
            Part(8, "confirm_rounds", _count),
        ),
    },
    "Bridge": {
        **_COMMON,
        "quota": (Part(128, "limit", _usd), Part(64, "window", _secs)),
        "outflow": _BUCKET,
        "epoch_since": _SINCE,
        "parked_total": _AMOUNT,
    },
    "Vault": {**_COMMON, "queue.requests[].claimable_at": _SINCE},
    "CollateralToken": {**_COMMON, "ERC20_total_supply": _AMOUNT, "ERC20_balances[]": _AMOUNT},
    "RefundDistributor": {**_COMMON, "owed": _AMOUNT, "claimed[]": (Part(128, "paid", _bitmap),)},
}
_KEYS: Final = re.compile(r"\[([^\]]*)\]")


def opened(contract: str, variable: str, value: int) -> Shown | None:
    """What a slot holds, by name; None: it is not packed, or no packing of it.

    Args:
        contract: its name in the deployment.
        variable: with its keys, as `Slot` has it.
    """
    keys = _KEYS.findall(variable)
    plain = _KEYS.sub("[]", variable)
    special = _SPECIAL.get((contract, plain))
    if special is not None:
        return special(value, keys)
    parts = PACKED.get(contract, {}).get(plain)
    return None if parts is None else _parts(parts, value)


def _parts(parts: tuple[Part, ...], value: int) -> dict[str, str] | None:
    found = {}
    for bits, name, kind in parts:
        raw = value & ((1 << bits) - 1)
        value >>= bits
        if kind is not None:
            shown = kind(raw, bits)
            if shown is None:
                return None
            found[name] = shown
        elif raw and not name:
            return None
    return None if value else found


def _mark(value: int, keys: list[str]) -> Shown | None:
    found = _parts(PACKED["Oracle"]["markets[].mark"], value)
    if found is None:
        return None
    # Pending and Valid share a code; a code that there is not stops the market.
    named = {"2": "Suspect", "4": "Settling", "5": "Settled"}
    without_doubt = "Pending" if found["price"] == "0" else "Valid"
    found["status"] = without_doubt if found["status"] == "0" else named.get(found["status"], "Frozen")
    return found


def _entries(value: int, keys: list[str]) -> Shown | None:
    """Of both markets of a pair what a reporter said last; of one that it said nothing of, nothing."""
    found: dict[str, str] = {}
    for market, half in zip(keys[0].split(","), (value % 2**128, value >> 128), strict=True):
        if half >> 121:
            return None
        if half:
            entry: Entry = entry_of(int(market), half)
            found[f"{market}.price"] = decimal_text(from_price(entry.price))
            found[f"{market}.confidence"] = f"{entry.confidence_bps} bps"
            found[f"{market}.observed_at"] = _time(entry.observed_at, 32) or ""
            found[f"{market}.rate"] = f"{entry.funding_rate_ppm} ppm"
    return found


def _tiers(value: int, keys: list[str]) -> Shown | None:
    found = _parts(PACKED["Clearinghouse"]["markets[].tiers"], value)
    if found is None:
        return None
    # Tiers that are not used are all 0.
    second, third = value % 2**72, value % 2**128 >> 72
    used = ("first", *(("second",) if second else ()), *(("third",) if third else ()))
    return {name: text for tier in used for name, text in found.items() if name.startswith(tier)}


def _account(value: int, keys: list[str]) -> Shown:
    account = unpack_account(value)
    return {
        "collateral": decimal_text(from_collateral(account.collateral)),
        "epoch": str(account.epoch),
        "open_markets": _bitmap(account.open_markets, 128),
    }


def _position(value: int, keys: list[str]) -> Shown:
    position = unpack_position(value)
    return {
        "size": decimal_text(from_size(position.size)),
        "funding_index": decimal_text(from_value(position.funding_index)),
    }


_SPECIAL: Final[Mapping[tuple[str, str], Callable[[int, list[str]], Shown | None]]] = {
    ("Oracle", "markets[].mark"): _mark,
    ("Oracle", "entries[].seat[]"): _entries,
    ("Clearinghouse", "markets[].tiers"): _tiers,
    ("Clearinghouse", "accounts[]"): _account,
    ("Clearinghouse", "accounts[].position[]"): _position,
}
