"""Scenario files: read to the last digit, and what is wrong with one is named."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from truemark_devnet.scenario.command import files_of
from truemark_devnet.scenario.file import BadScenario, Fill, Round, load_scenario, scenario_from
from truemark_devnet.scenario.profile import plan_of

PLAIN: dict[str, Any] = {
    "scenario": "plain",
    "title": "one market, two accounts",
    "story": "nothing happens",
    "markets": {"BTC-USD-PERP": {"price": 43500, "guard": {"max_step_bps": 700}}},
    "accounts": {
        "long1": {"collateral": 5000, "positions": {"BTC-USD-PERP": Decimal("0.5")}},
        "short1": {"collateral": 9000},
    },
    "timeline": [
        {"at": 5, "round": {"BTC-USD-PERP": {"r1": 43470, "r2": 0}}, "confidence_bps": {"r2": 40000}, "age": {"r1": 9}},
        {"at": 9, "liquidate": "all"},
    ],
    "expect": {"mode": "Full", "liquidated": [], "refused": [9]},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """PLAIN with one value at a dotted path replaced; a number stands for a place in a list."""
    raw = deepcopy(PLAIN)
    *parents, last = path.split(".")
    where: Any = raw
    for part in parents:
        where = where[int(part)] if part.isdigit() else where[part]
    where[int(last) if last.isdigit() else last] = value
    return raw


def test_numbers_keep_their_digits(tmp_path: Path) -> None:
    file = tmp_path / "exact.yaml"
    file.write_text(
        "scenario: exact\ntitle: t\nmarkets: {KRW-USD-PERP: {price: 0.000864}}\n"
        "timeline: [{at: 1, round: {KRW-USD-PERP: 0.10000001}}]\nexpect: {mark: {KRW-USD-PERP: 0.000864}}\n"
    )
    found = load_scenario(file)
    assert found.markets["KRW-USD-PERP"].price == Decimal("0.000864")
    action = found.timeline[0].action
    assert isinstance(action, Round)
    assert action.prices == {"KRW-USD-PERP": dict.fromkeys(("r1", "r2", "r3"), Decimal("0.10000001"))}


def test_a_reporter_that_is_left_out_is_silent() -> None:
    action = scenario_from(PLAIN, "plain").timeline[0].action
    assert isinstance(action, Round)
    assert action.prices == {"BTC-USD-PERP": {"r1": 43470, "r2": 0}}
    assert action.confidence_bps == {"r2": 40000}
    assert action.age == {"r1": 9}


def test_a_fill_names_its_sides() -> None:
    fill = {"market": "BTC-USD-PERP", "buyer": "long1", "seller": "short1", "size": 1, "price": 2, "maker": "short1"}
    raw = changed("timeline.1", {"at": 9, "fill": {**fill, "reduce_only": ["long1"]}})
    action = scenario_from(raw, "plain").timeline[1].action
    assert isinstance(action, Fill)
    assert action.reduce_only == {"long1"}
    assert action.post_only == frozenset()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("scenario", 7, "`scenario` must be a text"),
        ("colour", "red", "unknown key `colour`"),
        ("reporters", 0, "reporters: 0 is out of range"),
        ("markets", {}, "`markets` is empty"),
        ("markets.BTC-USD-PERP.price", 0, "must be above 0"),
        ("markets.BTC-USD-PERP.price", "many", "'many' is no number"),
        ("accounts.house", {"collateral": 1}, "that is the liquidator"),
        ("accounts.long1.positions", {"ETH-USD-PERP": 1}, "no market ETH-USD-PERP"),
        ("venue", {"storm_floor": -1}, "-1 is no whole number"),
        ("timeline.1.at", 5, "5 s is not after the step before, at 5 s"),
        ("timeline.1", {"at": 9}, "no action"),
        ("timeline.1", {"at": 9, "silence": 5, "mode": "Full"}, "one action, not mode and silence"),
        ("timeline.1", {"at": 9, "mode": "Open"}, "no mode 'Open'"),
        ("timeline.1", {"at": 9, "reorg": "good"}, "no block was marked as 'good'"),
        ("timeline.1", {"at": 9, "withdraw": {"nobody": 5}}, "no account 'nobody'"),
        ("timeline.1", {"at": 9, "liquidate": 5}, "liquidate is `all` or names"),
        ("timeline.1", {"at": 9, "corrupt": {"mood": {}}}, "`funding_index` is missing"),
        ("timeline.0.round", {"BTC-USD-PERP": {"r9": 1}}, "no reporter 'r9'"),
        ("timeline.0.age", {"r1": Decimal("0.5")}, "is no whole number"),
        ("expect", {"refused": [10]}, "no step is at 10"),
        ("expect", {"status": {"BTC-USD-PERP": "Fine"}}, "no status 'Fine'"),
        ("expect", {"conserved": "yes"}, "must be true or false"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, words: str) -> None:
    with pytest.raises(BadScenario, match="plain") as caught:
        scenario_from(changed(path, value), "plain")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("venue", {"grace_of_god": 1}, "no parameter `grace_of_god`"),
        ("markets.BTC-USD-PERP.guard", {"max_mood": 1}, "unknown key `max_mood`"),
        ("markets.BTC-USD-PERP.guard", {"max_step_bps": 0}, "`max_step_bps` = 0 must be at least 1"),
        ("markets.BTC-USD-PERP.guard", {"min_price": 50_000}, "the listing price must lie in"),
    ],
)
def test_a_venue_that_cannot_be_deployed_is_named(path: str, value: Any, words: str) -> None:
    with pytest.raises(BadScenario) as caught:
        plan_of(scenario_from(changed(path, value), "plain"), "plain")
    assert words in str(caught.value)


def test_overrides_reach_the_venue() -> None:
    raw = changed("venue", {"liq_gap": 0, "grace": 7, "sentinel_secs": 5})
    raw["markets"]["BTC-USD-PERP"]["guard"] = {"quorum": 3, "drift_window": 70}
    plan = plan_of(scenario_from(raw, "plain"), "plain")
    [market] = plan.profile.markets
    assert (market.guard.liq_gap, plan.profile.venue.grace_secs, plan.profile.oracle.quorum) == (0, 7, 3)
    assert (plan.sentinel_bps, plan.sentinel_secs) == (500, 5)
    # Whole drift windows before 0 s, and time enough for two stages.
    assert plan.first_mark == {"BTC-USD-PERP": 210}


def test_files_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match="No such file"):
        load_scenario(tmp_path / "none.yaml")
    (tmp_path / "torn.yaml").write_text("timeline: [{at: 1")
    with pytest.raises(BadScenario, match="no YAML"):
        load_scenario(tmp_path / "torn.yaml")
    assert files_of([tmp_path]) == [tmp_path / "torn.yaml"]
