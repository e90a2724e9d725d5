"""Deployment profiles: the numbers that a venue is deployed with, from a TOML file, checked key by key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from truemark.errors import TruemarkError
from truemark.units import COLLATERAL_SCALE, U64_MAX, to_price, to_size

PROFILES = Path(__file__).parent / "profiles"
MAX_TIERS = 3
#: The clearinghouse lists no market with a higher one.
MAX_FEE_BPS = 1_000
#: The longest time that the clearinghouse lets anybody wait, seconds.
MAX_DELAY = 2_592_000
#: The least storm ration that it takes, USD.
MIN_STORM_FLOOR_USD = 1_000
_T = TypeVar("_T")


class BadProfile(TruemarkError, ValueError):
    """A profile that cannot be deployed; the message names the file, the key and the reason."""


@dataclass(frozen=True)
class OracleParams:
    quorum: int
    #: Seconds without an accepted mark of any market after which the venue is CancelOnly.
    max_silence: int


@dataclass(frozen=True)
class VenueParams:
    fill_band_bps: int
    post_band_bps: int
    dwell_secs: int
    grace_secs: int


@dataclass(frozen=True)
class WaterfallParams:
    """What stands behind the liquidators, in the contract's units: amounts 1e-6 USD, times in seconds."""

    storm_window: int
    storm_bps: int
    storm_floor: int
    backstop_secs: int
    loss_cap: int
    loss_window: int


@dataclass(frozen=True)
class OutflowParams:
    """What may leave margin accounts at once (1e-6 USD) and in how many seconds that runs out; how long owners wait in
    Halted before they may leave, and the admin before it restores a funding index; seconds."""

    outflow_limit: int
    outflow_window: int
    escape_delay: int
    restore_delay: int


@dataclass(frozen=True)
class VaultParams:
    name: str
    symbol: str
    lock_secs: int


@dataclass(frozen=True)
class GuardParams:
    """The oracle's guard of a market in the contract's units: prices 1e-8 USD, times in seconds."""

    min_price: int
    max_price: int
    max_age: int
    max_ahead: int
    max_skew: int
    max_mark_age: int
    max_gap: int
    drift_window: int
    confirm_gap: int
    liq_gap: int
    confirm_rounds: int
    max_confidence_bps: int
    max_spread_bps: int
    max_step_bps: int
    max_drift_bps: int
    max_funding_rate_ppm: int


@dataclass(frozen=True)
class Tier:
    """`upto` in whole USD, 0 in the last tier."""

    upto: int
    initial_bps: int
    maintenance_bps: int


@dataclass(frozen=True)
class MarketProfile:
    """One market in the contract's units: sizes 1e-8 of the base asset, prices 1e-8 USD, dust in whole USD."""

    name: str
    listing_price: int
    guard: GuardParams
    tiers: tuple[Tier, ...]
    lot_size: int
    tick_size: int
    maker_fee_bps: int
    taker_fee_bps: int
    discount_bps: int
    penalty_bps: int
    dust_usd: int
    max_open_interest: int
    max_position: int


@dataclass(frozen=True)
class Profile:
    name: str
    description: str
    oracle: OracleParams
    venue: VenueParams
    waterfall: WaterfallParams
    outflow: OutflowParams
    vault: VaultParams
    markets: tuple[MarketProfile, ...]


def load_profile(name_or_path: str) -> Profile:
    """A shipped profile by name, or a file by path.

    Raises:
        BadProfile: no such profile, or a key of it is unknown, missing or out of range.
    """
    path = _path_of(name_or_path)
    return profile_from(read_profile(name_or_path), name=path.stem, where=str(path))


def read_profile(name_or_path: str) -> dict[str, Any]:
    """The TOML of a profile, merged over the one that it extends; `profile_from` makes it a profile.

    Raises:
        BadProfile: no such profile, or no TOML.
    """
    raw = _read(_path_of(name_or_path))
    parent = raw.pop("extends", None)
    return raw if parent is None else _merge(_read(PROFILES / f"{parent}.toml"), raw)


def _path_of(name_or_path: str) -> Path:
    return Path(name_or_path) if name_or_path.endswith(".toml") else PROFILES / f"{name_or_path}.toml"


def profile_from(raw: Mapping[str, Any], *, name: str, where: str) -> Profile:
    """A profile from its parsed TOML (see `profiles/default.toml` for the keys and their units).

    Raises:
        BadProfile: a key is unknown, missing or out of range.
    """
    top = _Section(dict(raw), where)
    description = top.text("description")
    oracle = _fill(OracleParams, top.section("oracle"))
    venue = _fill(VenueParams, top.section("venue"))
    waterfall = _waterfall(top.section("waterfall"))
    outflow = _outflow(top.section("outflow"))
    vault_section = top.section("vault")
    vault = VaultParams(vault_section.text("name"), vault_section.text("symbol"), vault_section.whole("lock_secs"))
    vault_section.done()
    guard, market = top.table("guard"), top.table("market")
    markets = top.table("markets")
    top.done()
    if not markets:
        raise BadProfile(f"{where}: [markets] is empty, a venue needs at least one")
    return Profile(
        name=name,
        description=description,
        oracle=oracle,
        venue=venue,
        waterfall=waterfall,
        outflow=outflow,
        vault=vault,
        markets=tuple(
            _market(key, _merge(market, own), guard, f"{where} [markets.{key}]") for key, own in markets.items()
        ),
    )


def guard_from(raw: Mapping[str, Any], where: str) -> dict[str, int]:
    """Some keys of a guard in the contract's units, as `GuardParams` names them.

    Raises:
        BadProfile: a key is unknown or out of range.
    """
    section = _Section(dict(raw), where)
    prices = {key: section.price(key) for key in ("min_price", "max_price") if key in raw}
    limits = {field.name: field.name in _NEVER_ZERO for field in fields(GuardParams)[2:] if field.name in raw}
    values = {key: section.whole(key, minimum=int(never_zero)) for key, never_zero in limits.items()}
    section.done()
    return {**prices, **values}


def _waterfall(section: _Section) -> WaterfallParams:
    filled = WaterfallParams(
        storm_window=section.whole("storm_window", minimum=1, maximum=MAX_DELAY),
        storm_bps=section.whole("storm_bps", maximum=10_000),
        storm_floor=section.whole("storm_floor_usd", minimum=MIN_STORM_FLOOR_USD) * COLLATERAL_SCALE,
        backstop_secs=section.whole("backstop_secs", minimum=1, maximum=MAX_DELAY),
        loss_cap=section.whole("loss_cap_usd") * COLLATERAL_SCALE,
        loss_window=section.whole("loss_window", minimum=1, maximum=MAX_DELAY),
    )
    section.done()
    return filled


def _outflow(section: _Section) -> OutflowParams:
    delays = {
        key: section.whole(key, minimum=1, maximum=MAX_DELAY)
        for key in ("outflow_window", "escape_delay", "restore_delay")
    }
    limit = section.whole("outflow_limit_usd", minimum=1) * COLLATERAL_SCALE
    section.done()
    return OutflowParams(outflow_limit=limit, **delays)


def _market(name: str, raw: dict[str, Any], guard: Mapping[str, Any], where: str) -> MarketProfile:
    if not 0 < len(name) <= 31 or not name.isascii():
        raise BadProfile(f"{where}: the name must be 1 to 31 ASCII characters")
    section = _Section(raw, where)
    listing = section.price("listing_price")
    guard_section = _Section(_merge(guard, section.table("guard", {})), f"{where} guard")
    bounds = guard_section.whole("bounds", minimum=2)
    low = guard_section.price("min_price", default=listing // bounds)
    high = guard_section.price("max_price", default=listing * bounds)
    if not 0 < low <= listing <= high:
        raise BadProfile(f"{where}: the listing price must lie in [min_price, max_price], min_price above 0")
    limits = {field.name: 1 if field.name in _NEVER_ZERO else 0 for field in fields(GuardParams)[2:]}
    values = {key: guard_section.whole(key, minimum=least) for key, least in limits.items()}
    guard_section.done()
    tiers = tuple(_tier(item, f"{where} tiers[{i}]") for i, item in enumerate(section.items("tiers")))
    _check_tiers(tiers, where)
    result = MarketProfile(
        name=name,
        listing_price=listing,
        guard=GuardParams(min_price=low, max_price=high, **values),
        tiers=tiers,
        lot_size=section.size("lot_size"),
        tick_size=section.price("tick_size"),
        maker_fee_bps=section.whole("maker_fee_bps", maximum=MAX_FEE_BPS),
        taker_fee_bps=section.whole("taker_fee_bps", maximum=MAX_FEE_BPS),
        discount_bps=section.whole("discount_bps", maximum=10_000),
        penalty_bps=section.whole("penalty_bps", maximum=10_000),
        dust_usd=section.whole("dust_usd"),
        max_open_interest=section.size_worth("max_open_interest_usd", listing),
        max_position=section.size_worth("max_position_usd", listing),
    )
    section.done()
    return result


#: Of these 0 would switch a guard off.
_NEVER_ZERO = {
    "max_age",
    "max_skew",
    "max_mark_age",
    "drift_window",
    "confirm_rounds",
    "max_spread_bps",
    "max_step_bps",
    "max_drift_bps",
}


def _tier(raw: Any, where: str) -> Tier:
    if not isinstance(raw, dict):
        raise BadProfile(f"{where}: a tier is {{ upto, initial_bps, maintenance_bps }}")
    section = _Section(dict(raw), where)
    tier = Tier(
        upto=section.whole("upto", default=0),
        initial_bps=section.whole("initial_bps", minimum=1, maximum=10_000),
        maintenance_bps=section.whole("maintenance_bps", minimum=1, maximum=10_000),
    )
    section.done()
    return tier


def _check_tiers(tiers: tuple[Tier, ...], where: str) -> None:
    if not 1 <= len(tiers) <= MAX_TIERS:
        raise BadProfile(f"{where}: one to {MAX_TIERS} tiers, not {len(tiers)}")
    if tiers[-1].upto != 0 or any(tier.upto == 0 for tier in tiers[:-1]):
        raise BadProfile(f"{where}: `upto` bounds every tier but the last")
    for lower, upper in pairwise(tiers):
        if upper.upto and upper.upto <= lower.upto:
            raise BadProfile(f"{where}: `upto` must rise from tier to tier")
        if upper.initial_bps < lower.initial_bps or upper.maintenance_bps < lower.maintenance_bps:
            raise BadProfile(f"{where}: margin fractions must not fall from tier to tier")
    if any(tier.maintenance_bps >= tier.initial_bps for tier in tiers):
        raise BadProfile(f"{where}: maintenance_bps must be below initial_bps")


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in PROFILES.glob("*.toml")))
        raise BadProfile(f"no profile {path}; shipped ones: {known}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadProfile(f"{path}: {error}") from None


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both_tables else value
    return merged


def _fill(kind: type[_T], section: _Section) -> _T:
    filled = kind(**{field.name: section.whole(field.name) for field in fields(kind)})  # type: ignore[arg-type]
    section.done()
    return filled


class _Section:
    """One table; every key is taken once, `done` names what nobody took."""

    def __init__(self, raw: dict[str, Any], where: str) -> None:
        self._raw = raw
        self._where = where

    def _take(self, key: str) -> Any:
        if key not in self._raw:
            raise BadProfile(f"{self._where}: `{key}` is missing")
        return self._raw.pop(key)

    def whole(self, key: str, *, minimum: int = 0, maximum: int | None = None, default: int | None = None) -> int:
        value = self._raw.pop(key, default) if default is not None else self._take(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadProfile(f"{self._where}: `{key}` must be a whole number, not {value!r}")
        if value < minimum or (maximum is not None and value > maximum):
            upper = f" and at most {maximum}" if maximum is not None else ""
            raise BadProfile(f"{self._where}: `{key}` = {value} must be at least {minimum}{upper}")
        return value

    def text(self, key: str) -> str:
        value = self._take(key)
        if not isinstance(value, str) or not value:
            raise BadProfile(f"{self._where}: `{key}` must be a text")
        return value

    def _decimal(self, key: str) -> Decimal:
        value = self._take(key)
        try:
            # A float has lost the digits that were typed; a TOML string keeps them.
            number = Decimal(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
        except InvalidOperation:
            number = None
        if number is None or not number.is_finite() or number <= 0:
            raise BadProfile(f'{self._where}: `{key}` must be a number above 0 in quotes, e.g. "0.1", not {value!r}')
        return number

    def price(self, key: str, *, default: int | None = None) -> int:
        return default if default is not None and key not in self._raw else to_price(self._decimal(key))

    def size(self, key: str) -> int:
        return to_size(self._decimal(key))

    def size_worth(self, key: str, price: int) -> int:
        """A whole number of USD as a size at that price; 1e-8 of the base asset."""
        usd = self.whole(key, minimum=1)
        size = usd * 10**16 // price
        if size > U64_MAX:
            raise BadProfile(f"{self._where}: `{key}` = {usd} is a size of more than 64 bits at the listing price")
        return size

    def table(self, key: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        value = self._raw.pop(key, default) if default is not None else self._take(key)
        if not isinstance(value, dict):
            raise BadProfile(f"{self._where}: `{key}` must be a table")
        return value

    def section(self, key: str) -> _Section:
        return _Section(dict(self.table(key)), f"{self._where} [{key}]")

    def items(self, key: str) -> list[Any]:
        value = self._take(key)
        if not isinstance(value, list):
            raise BadProfile(f"{self._where}: `{key}` must be a list")
        return value

    def done(self) -> None:
        if self._raw:
            raise BadProfile(f"{self._where}: unknown key {', '.join(f'`{key}`' for key in self._raw)}")
