"""The manifest: written and read back, and refused by name when it cannot be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from truemark import deployment as manifest
from truemark.deployment import BadManifest, ContractInfo, Deployment, MarketInfo, NoDeployment, UnknownMarket
from truemark.risk import NO_TIER, MarginTier

VENUE = Deployment(
    name="local",
    profile="replay",
    l2_rpc="http://127.0.0.1:5050",
    l1_rpc="http://127.0.0.1:8545",
    l2_chain_id=0x54525545,
    l1_chain_id=31337,
    contracts={"Oracle": ContractInfo(0x123, 0x456), "Clearinghouse": ContractInfo(2**250, 7)},
    classes={"Trading": 8},
    l1={"CollateralBridge": "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"},
    fee_token=0x4718,
    account_class_hash=0x5B4B,
    faucet=True,
    operators={"admin": 0xA, "reporter-1": 0xB},
    markets={"BTC-USD-PERP": MarketInfo(0, 1000, 10, 2, 5, (MarginTier(0, 500, 300), NO_TIER, NO_TIER))},
    vault_lock_secs=60,
    parameters={"oracle": {"max_age": 900}},
)


def test_a_manifest_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "deployment.json"
    VENUE.save(path)
    VENUE.save(path)
    assert Deployment.load(path) == VENUE
    assert [file.name for file in path.parent.iterdir()] == ["deployment.json"]
    assert orjson.loads(path.read_bytes())["contracts"]["Oracle"] == {"address": "0x123", "class_hash": "0x456"}


def test_what_the_deployment_does_not_have_is_named() -> None:
    assert VENUE.address("Oracle") == 0x123
    assert VENUE.market("BTC-USD-PERP").index == 0
    assert VENUE.market_name(0) == "BTC-USD-PERP"
    with pytest.raises(BadManifest, match="no contract 'Vault'; there are Oracle, Clearinghouse"):
        VENUE.address("Vault")
    with pytest.raises(UnknownMarket, match="no market 'ETH-USD-PERP'; there are BTC-USD-PERP"):
        VENUE.market("ETH-USD-PERP")
    with pytest.raises(UnknownMarket, match="no market 3"):
        VENUE.market_name(3)


def test_a_file_that_is_not_there_or_not_json_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    with pytest.raises(NoDeployment, match="truemark devnet deploy"):
        Deployment.load(path)
    path.write_text("{")
    with pytest.raises(BadManifest, match="is not JSON"):
        Deployment.load(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(BadManifest, match="cannot be read: Is a directory"):
        Deployment.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2, this client reads 1"),
        ({"name": 5}, "5 is not text"),
        ({"faucet": 1}, "1 is not true or false"),
        ({"l1_chain_id": -1}, "-1 is not a number from 0 up"),
        ({"fee_token": "4718"}, "'4718' is not a felt"),
        ({"fee_token": "0xzz"}, "'0xzz' is not a felt"),
        ({"operators": {"admin": "0x" + "f" * 64}}, "is not a felt"),
        ({"contracts": {"Oracle": {"address": "0x1"}}}, "without 'class_hash'"),
        ({"contracts": []}, "has no attribute"),
        ({"l1": {"Messaging": "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512"}}, "not a checksum address"),
        ({"markets": {"BTC": {"index": 0, "tiers": []}}}, "0 margin tiers"),
        ({"markets": None}, "has no attribute"),
    ],
)
def test_a_field_that_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "deployment.json"
    VENUE.save(path)
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), **change}))
    with pytest.raises(BadManifest) as error:
        Deployment.load(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_every_field_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    VENUE.save(path)
    whole = orjson.loads(path.read_bytes())
    for field in whole:
        path.write_bytes(orjson.dumps({key: value for key, value in whole.items() if key != field}))
        with pytest.raises(BadManifest, match=field):
            Deployment.load(path)


def test_the_manifest_is_looked_for_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(manifest.PATH_VARIABLE, raising=False)
    monkeypatch.setenv(manifest.HOME_VARIABLE, str(tmp_path))
    VENUE.save(tmp_path / "deployment.json")
    other = replace(VENUE, name="other")
    other.save(tmp_path / "other.json")
    assert manifest.find() == VENUE
    monkeypatch.setenv(manifest.PATH_VARIABLE, str(tmp_path / "other.json"))
    assert manifest.find() == other
    assert manifest.find(tmp_path / "deployment.json") == VENUE
    monkeypatch.delenv(manifest.HOME_VARIABLE)
    assert manifest.home() == Path.home() / ".local" / "state" / "truemark" / "devnet"
