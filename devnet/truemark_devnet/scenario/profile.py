"""The venue that a scenario asks for, as a deployment profile, and the times at which its markets begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from truemark.units import I64_MAX, SIZE_SCALE

from truemark_devnet.profile import BadProfile, Profile, profile_from, read_profile
from truemark_devnet.scenario.file import HOUSE_COLLATERAL, BadScenario, Scenario

#: Of a scenario's `venue`: the profile's section and key. Short names are what people say.
_VENUE_KEYS: Final[Mapping[str, tuple[str, str]]] = {
    "storm_bps": ("waterfall", "storm_bps"),
    "storm_window": ("waterfall", "storm_window"),
    "storm_floor": ("waterfall", "storm_floor_usd"),
    "backstop_secs": ("waterfall", "backstop_secs"),
    "loss_cap": ("waterfall", "loss_cap_usd"),
    "loss_window": ("waterfall", "loss_window"),
    "outflow_window": ("outflow", "outflow_window"),
    "escape_delay": ("outflow", "escape_delay"),
    "liq_gap": ("guard", "liq_gap"),
    "max_silence": ("oracle", "max_silence"),
    "quorum": ("oracle", "quorum"),
    "dwell": ("venue", "dwell_secs"),
    "dwell_secs": ("venue", "dwell_secs"),
    "grace": ("venue", "grace_secs"),
    "grace_secs": ("venue", "grace_secs"),
    "post_band": ("venue", "post_band_bps"),
    "post_band_bps": ("venue", "post_band_bps"),
    "fill_band": ("venue", "fill_band_bps"),
    "fill_band_bps": ("venue", "fill_band_bps"),
}
#: These are the sentinel's, not the chain's.
_SENTINEL: Final[Mapping[str, int]] = {"sentinel_bps": 500, "sentinel_secs": 30}
#: The outflow quota, 1e-4 of the collateral that the accounts and the house bring in.
_OUTFLOW: Final = "outflow_bps"
_OUTFLOW_BPS: Final = 2_000
_PRICES: Final = ("min_price", "max_price")
#: Of one position and of a market's open interest, where so much fits a position's size.
_MOST_USD: Final = 1_000_000_000
#: Seconds of a setup that are spent on other things than waiting.
_SLACK: Final = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """
    Attributes:
        first_mark: seconds before 0 s at which a market's first mark is taken: whole drift windows, so that one begins
            at 0 s.
        interval: seconds between two rounds before 0 s, so that no mark goes stale.
    """

    profile: Profile
    sentinel_bps: int
    sentinel_secs: int
    first_mark: Mapping[str, int]
    interval: int


def plan_of(scenario: Scenario, where: str) -> Plan:
    """
    Raises:
        BadScenario: a key of a guard or of the venue is unknown or out of range.
    """
    raw = read_profile("scenario")
    sentinel = dict(_SENTINEL)
    outflow_bps = _OUTFLOW_BPS
    for key, value in scenario.venue.items():
        if key in sentinel:
            sentinel[key] = value
        elif key == _OUTFLOW:
            outflow_bps = value
        elif key in _VENUE_KEYS:
            section, name = _VENUE_KEYS[key]
            raw.setdefault(section, {})[name] = value
        else:
            known = ", ".join([*_VENUE_KEYS, _OUTFLOW, *_SENTINEL])
            raise BadScenario(f"{where} venue: no parameter `{key}`; there are {known}")
    collateral = HOUSE_COLLATERAL + sum(account.collateral for account in scenario.accounts.values())
    # A quota of less than a whole USD is none that a test could mean.
    raw["outflow"]["outflow_limit_usd"] = max(1, int(collateral * outflow_bps / 10_000))
    quorums = {}
    raw["markets"] = {}
    for name, market in scenario.markets.items():
        guard = dict(market.guard)
        if "quorum" in guard:
            quorums[name] = guard.pop("quorum")
        largest = min(_MOST_USD, int(market.price * I64_MAX / SIZE_SCALE))
        raw["markets"][name] = {
            "listing_price": str(market.price),
            "guard": guard_texts(guard),
            "max_open_interest_usd": largest,
            "max_position_usd": largest,
        }
    if quorums:
        # One quorum a venue: its panel of reporters is one.
        raw["oracle"]["quorum"] = max(quorums.values())
    try:
        profile = profile_from(raw, name=scenario.name, where=where)
    except BadProfile as error:
        raise BadScenario(str(error)) from None
    opening = 2 * profile.venue.dwell_secs + profile.venue.grace_secs + _SLACK
    guards = {market.name: market.guard for market in profile.markets}
    shortest = min(min(guard.max_mark_age, guard.max_age) for guard in guards.values())
    return Plan(
        profile=profile,
        sentinel_bps=sentinel["sentinel_bps"],
        sentinel_secs=sentinel["sentinel_secs"],
        first_mark={name: -(-opening // guard.drift_window) * guard.drift_window for name, guard in guards.items()},
        interval=max(1, min(20, shortest // 2)),
    )


def guard_texts(guard: Mapping[str, Any]) -> dict[str, Any]:
    """A guard's keys as a profile has them: prices are texts there."""
    return {
        key: str(value) if key in _PRICES and isinstance(value, int | Decimal) else value
        for key, value in guard.items()
    }
