"""Deployment profiles: what is shipped can be deployed, what cannot is refused by name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from truemark_devnet.profile import PROFILES, BadProfile, load_profile, profile_from

DEFAULT = tomllib.loads((PROFILES / "default.toml").read_text())


def test_the_shipped_profiles() -> None:
    default, replay = load_profile("default"), load_profile("replay")
    assert [market.name for market in default.markets] == [market.name for market in replay.markets]
    assert replay.oracle.max_silence == 1_800
    assert {market.guard.max_age for market in replay.markets} == {900}
    assert {market.guard.max_mark_age for market in replay.markets} == {900}
    assert {market.guard.max_gap for market in replay.markets} == {900}
    # All else is the default's.
    assert replay.venue == default.venue
    assert [market.tiers for market in replay.markets] == [market.tiers for market in default.markets]


def changed(path: str, value: Any) -> dict[str, Any]:
    raw: dict[str, Any] = tomllib.loads((PROFILES / "default.toml").read_text())
    *tables, key = path.split("/")
    table = raw
    for name in tables:
        table = table.setdefault(name, {})
    if value is None:
        del table[key]
    else:
        table[key] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("oracle/quorum", None, "`quorum` is missing"),
        ("oracle/qourum", 2, "unknown key `qourum`"),
        ("oracle/quorum", "2", "must be a whole number"),
        ("venue/dwell_secs", -1, "at least 0"),
        ("guard/max_step_bps", 0, "at least 1"),
        ("guard/max_age", 0, "at least 1"),
        ("market/maker_fee_bps", 1_001, "at most 1000"),
        ("market/tiers", [], "one to 3 tiers"),
        ("market/tiers", [{"initial_bps": 300, "maintenance_bps": 300}], "must be below initial_bps"),
        ("market/tiers", [{"upto": 5, "initial_bps": 300, "maintenance_bps": 200}], "bounds every tier but the last"),
        (
            "market/tiers",
            [
                {"upto": 5, "initial_bps": 300, "maintenance_bps": 200},
                {"initial_bps": 200, "maintenance_bps": 100},
            ],
            "must not fall",
        ),
        ("markets/BTC-USD-PERP/lot_size", 0.1, "number above 0 in quotes"),
        ("markets/BTC-USD-PERP/tick_size", "0", "number above 0"),
        ("markets/BTC-USD-PERP/guard", {"min_price": "100000"}, "listing price must lie"),
        ("markets", {}, "needs at least one"),
    ],
)
def test_a_bad_profile_names_the_key_and_the_reason(path: str, value: Any, named: str) -> None:
    with pytest.raises(BadProfile, match=named):
        profile_from(changed(path, value), name="x", where="x.toml")


def test_a_profile_that_is_not_there_or_is_no_toml(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match="shipped ones: default, replay"):
        load_profile("nosuch")
    bad = tmp_path / "bad.toml"
    bad.write_text("a = = 1")
    with pytest.raises(BadProfile, match=r"bad\.toml"):
        load_profile(str(bad))


def test_a_market_overrides_single_keys() -> None:
    raw = changed("markets/BTC-USD-PERP/guard", {"max_step_bps": 100})
    profile = profile_from(raw, name="x", where="x.toml")
    steps = {market.name: market.guard.max_step_bps for market in profile.markets}
    assert steps.pop("BTC-USD-PERP") == 100
    assert set(steps.values()) == {500}
