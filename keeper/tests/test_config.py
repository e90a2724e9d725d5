"""keeper.toml: what is good is read, and every fault is named with the place where it is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from truemark_keeper import config, market_settings, source_settings
from truemark_keeper.config import BadConfig, KeeperConfig, ReplaySettings, load
from truemark_keeper.keystore import KeySource
from truemark_keeper.sentinel import SentinelTerms

GOOD = """
[keeper]
deployment = "deployment.json"
account = "reporter-1"
keystore = "keys/reporter.json"
password_env = "KEEPER_PASSWORD"
roles = ["reporter"]
interval = 10
timeout = 2.5
journal = "state/open.json"
rpc = "http://127.0.0.1:5050"

[source]
replay = "day.csv"
reporter = 2
start = "first"
interpolate = false
confidence_bps = 7

[liquidator]
max_disagreement_bps = 50
"""

LEAST = """
[keeper]
deployment = "/etc/deployment.json"
account = "0x1"
key_env = "KEEPER_KEY"
[source]
replay = "day.csv"
"""


def read(tmp_path: Path, text: str) -> KeeperConfig:
    path = tmp_path / "keeper.toml"
    path.write_text(text)
    return load(path)


def test_everything_is_read_and_paths_are_beside_the_file(tmp_path: Path) -> None:
    config = read(tmp_path, GOOD)
    assert config.deployment == tmp_path / "deployment.json"
    assert config.key == KeySource(keystore=tmp_path / "keys/reporter.json", password_env="KEEPER_PASSWORD")
    assert (config.account, config.roles, config.interval, config.timeout) == ("reporter-1", ("reporter",), 10.0, 2.5)
    assert (config.journal, config.rpc) == (tmp_path / "state/open.json", "http://127.0.0.1:5050")
    (source,) = config.sources
    assert isinstance(source, ReplaySettings)
    assert source.replay == tmp_path / "day.csv"
    assert (source.reporter, source.start, source.interpolate) == (2, "first", False)
    assert (source.confidence_bps, config.liquidator.max_disagreement_bps) == (7, 50)
    assert (config.liquidator.batch_size, config.liquidator.batch_gas) == (20, 400_000_000)


def test_the_rest_has_defaults(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST)
    assert config.deployment == Path("/etc/deployment.json")
    assert config.roles == ("reporter", "liquidator")
    assert (config.interval, config.journal, config.rpc) == (5.0, None, None)
    assert config.key == KeySource(key_env="KEEPER_KEY")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('account = "0x1"', 'acount = "0x1"', r"\[keeper\]: unknown key acount; did you mean account\?"),
        ('account = "0x1"', "", r"\[keeper\]: account is missing"),
        ('account = "0x1"', "account = 1", "account is a whole number, it must be a text"),
        ("[source]", "[sauce]", "unknown key sauce; did you mean source"),
        ("[source]", "[source]\nzzz = 1", r"\[source\]: unknown key zzz; the keys are replay, reporter"),
        ("[source]", "[source]\nreporter = 0", "reporter is 0, it must be at least 1"),
        ("[source]", "[source]\nreporter = true", "reporter is a true or false, it must be a whole number"),
        ('key_env = "KEEPER_KEY"', "", "needs one of keystore and key_env"),
        ('key_env = "KEEPER_KEY"', 'key_env = "A"\nkeystore = "b"', "needs one of keystore and key_env"),
        (
            'key_env = "KEEPER_KEY"',
            'key_env = "A"\npassword_env = "b"',
            "go with keystore, not with key_env",
        ),
        (
            "[source]",
            'roles = ["janitor"]\n[source]',
            "'janitor' is no role; the roles are reporter, liquidator, sentinel",
        ),
        ("[source]", "roles = []\n[source]", "roles needs one or more"),
        ("[source]", 'roles = ["reporter", "reporter"]\n[source]', "each once"),
        ("[source]", "interval = 0\n[source]", "interval is 0 seconds"),
        ("[source]", 'interval = "5"\n[source]', "interval is a text, it must be a number"),
        ("[source]", "interval = true\n[source]", "interval is a true or false"),
        ("[source]", "interval = nan\n[source]", "interval is nan seconds"),
        ("[source]", "[source", "not TOML"),
        ("[source]", "source = 1\n[liquidator]", "source"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, before: str, after: str, reason: str) -> None:
    with pytest.raises(BadConfig, match=reason) as caught:
        read(tmp_path, LEAST.replace(before, after))
    assert "keeper.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"none.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml")


def test_every_key_is_in_the_reference() -> None:
    reference = (Path(__file__).resolve().parents[2] / "docs" / "keeper.md").read_text()
    named = {word for shown in re.findall(r"`([^`\n]+)`", reference) for word in re.findall(r"[a-z0-9_]+", shown)}
    keys = {
        *config.KEEPER_KEYS,
        *source_settings._MANNERS,
        *(key for keys in source_settings._KINDS.values() for key in keys),
        *source_settings._REPLAY,
        *source_settings._PLACE,
        *market_settings._RULES,
        *market_settings._OWN,
        *market_settings._ANCHOR,
        *market_settings._FUNDING,
        *(item.name for item in fields(config.LiquidatorSettings)),
        *(item.name for item in fields(SentinelTerms)),
        *(item.name for item in fields(config.SentinelSettings) if item.name != "terms"),
        *(item.name for item in fields(config.MonitoringSettings)),
    }
    assert sorted(keys - named) == []
    for kind in source_settings.KINDS:
        assert f"`{kind}`" in reference
    for role in config.ROLES:
        assert f"`{role}`" in reference
