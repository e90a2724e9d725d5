"""keeper.toml's live sources and rules: what is good is built, what could never work is refused with its place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from truemark_keeper.building import build_sources
from truemark_keeper.config import BadConfig, KeeperConfig, load
from truemark_keeper.judging import Anchor, Bounds
from truemark_keeper.keystore import KeySource
from truemark_keeper.sources import Place, ProbationTerms, http_client

GOOD = """
[keeper]
account = "reporter-1"
keystore = "key.json"
password_file = "password"
roles = ["sentinel"]
rpc_env = "NODE"

[[sources]]
kind = "ccxt"
exchange = "binance"
weight = 2
timeout = 2.5
min_gap = 1
markets = { BTC-USD-PERP = "BTC/USDT", ETH-USD-PERP = "ETH/USDT" }
options = { hostname = "binance.test" }

[[sources]]
kind = "pyth"
url = "https://hermes.test"
markets = { BTC-USD-PERP = "0xe6", ETH-USD-PERP = "ff" }

[[sources]]
kind = "json"
name = "desk"
[sources.markets.BTC-USD-PERP]
url = "https://desk.test/btc"
price = "/price"
time = "/at"
time_unit = "ms"
[sources.markets.ETH-USD-PERP]
url = "https://desk.test/eth"
price = "/price"
undated = true
confidence_bps = 7

[[sources]]
kind = "sql"
name = "venue"
sqlite = "venue.sqlite"
query = "select market, price, observed_at from marks"
probation_bps = 50
markets = { BTC-USD-PERP = "btc" }

[rules]
max_age = 30

[markets.BTC-USD-PERP]
min_groups = 4
least_usd = "1000"
most_usd = "1000000.5"
funding_rate_ppm = -100

[markets.ETH-USD-PERP]
closed = ["Sat 00:00 - Sat 01:00"]
anchors = [{ market = "BTC-USD-PERP", least = "0.01", most = "0.2" }]

[sentinel]
sentinel_bps = 300
incidents = "/var/incidents"

[monitoring]
port = 9464
logs = "json"
history = "rounds.sqlite"
history_days = 30
"""


def read(tmp_path: Path, text: str) -> KeeperConfig:
    path = tmp_path / "keeper.toml"
    path.write_text(text)
    return load(path)


def test_everything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEMARK_DEPLOYMENT", "/elsewhere/deployment.json")
    config = read(tmp_path, GOOD)
    assert config.deployment == Path("/elsewhere/deployment.json")
    assert config.key == KeySource(keystore=tmp_path / "key.json", password_file=tmp_path / "password")
    assert (config.roles, config.rpc_env) == (("sentinel",), "NODE")
    ccxt, pyth, desk, venue = (source for source in config.sources)
    settings: list[Any] = [ccxt, pyth, desk, venue]
    assert [item.manners.name for item in settings] == ["binance", "pyth", "desk", "venue"]
    assert [item.manners.group for item in settings] == ["binance", "pyth", "desk", "venue"]
    assert (settings[0].manners.weight, settings[0].manners.timeout, settings[0].manners.min_gap) == (2, 2.5, 1.0)
    assert settings[0].options == {"hostname": "binance.test"}
    assert settings[2].markets == {
        "BTC-USD-PERP": Place("https://desk.test/btc", "/price", "/at", "ms"),
        "ETH-USD-PERP": Place("https://desk.test/eth", "/price", confidence_bps=7),
    }
    assert (settings[3].sqlite, settings[3].markets) == (tmp_path / "venue.sqlite", {"btc": "BTC-USD-PERP"})
    assert settings[3].terms == ProbationTerms(within_bps=50, values=3)
    btc, eth = config.markets.markets["BTC-USD-PERP"], config.markets.markets["ETH-USD-PERP"]
    assert (btc.rules.min_groups, btc.rules.max_age, eth.rules.min_groups) == (4, 30, 3)
    assert btc.bounds == Bounds(1000 * 10**8, 100000050000000)
    assert eth.anchors == (Anchor("BTC-USD-PERP", Fraction(1, 100), Fraction(1, 5)),)
    assert [str(closing) for closing in eth.closed] == ["Sat 00:00 - Sat 01:00 UTC"]
    assert config.markets.funding_rates == {"BTC-USD-PERP": -100}
    assert (config.sentinel.terms.sentinel_bps, config.sentinel.terms.sentinel_secs) == (300, 30)
    assert config.sentinel.incidents == Path("/var/incidents")
    assert (config.monitoring.port, config.monitoring.logs, config.monitoring.history_days) == (9464, "json", 30)
    assert config.monitoring.history == tmp_path / "rounds.sqlite"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (
            'kind = "pyth"',
            'kind = "pith"',
            r"\[sources.2\]: kind is 'pith'; it is one of ccxt, pyth, json, sql, replay",
        ),
        ('url = "https://hermes.test"', "", r"\[sources.2\]: url is missing"),
        ('url = "https://hermes.test"', 'uri = "x"', r"\[sources.2\]: unknown key uri; did you mean url\?"),
        ("weight = 2", "weight = 0", "weight is 0"),
        ('name = "desk"', 'name = "pyth"', "2 .* have the name pyth"),
        (
            'kind = "pyth"',
            'kind = "pyth"\ngroup = "binance"',
            "binance and pyth are of one group, binance",
        ),
        ('url = "https://desk.test/eth"', 'uri = ""', r"\[sources.3.markets.ETH-USD-PERP\]: unknown key uri"),
        ("undated = true", "", "needs time, a pointer"),
        ("undated = true", 'undated = true\ntime = "/x"', "needs time, a pointer"),
        ('time = "/at"', 'time = "at"', "time is 'at', a pointer"),
        ('sqlite = "venue.sqlite"', "", "needs one of sqlite, url and url_env"),
        ('sqlite = "venue.sqlite"', 'sqlite = "a"\nurl = "b"', "needs one of sqlite, url and url_env"),
        ('markets = { BTC-USD-PERP = "btc" }', "markets = {}", "markets is empty"),
        (
            "min_groups = 4",
            "min_groups = 5",
            r"BTC-USD-PERP has 4 groups .*desk.* and min_groups is 5",
        ),
        ("max_age = 30", "max_age = 30\nmin_groups = 4", "ETH-USD-PERP has 3 groups"),
        ("max_age = 30", "max_aeg = 30", r"\[rules\]: unknown key max_aeg; did you mean max_age"),
        ('least_usd = "1000"', "", "least_usd is missing"),
        ('least_usd = "1000"', 'least_usd = "0.000000001"', "least_usd and most_usd"),
        ('least_usd = "1000"', 'least_usd = "2000000"', "least_usd is above most_usd"),
        ('least = "0.01"', "least = 0.01", "least is a number, it must be a text"),
        ('least = "0.01"', 'least = "1"', "no range"),
        ('market = "BTC-USD-PERP", least', 'market = "SOL-USD-PERP", least', "SOL-USD-PERP is no market that"),
        ("Sat 00:00 - Sat 01:00", "Sat", "closed: 'Sat' is no closing time"),
        ('roles = ["sentinel"]', 'roles = ["sentinel", "reporter"]', "the sentinel stands alone"),
        ('rpc_env = "NODE"', 'rpc_env = "NODE"\nrpc = "x"', "at most one of rpc and rpc_env"),
        ("port = 9464", "port = 70000", "the highest is 65535"),
        ('logs = "json"', 'logs = "xml"', "logs is 'xml'; it is one of text, json"),
        ("[rules]", '[source]\nreplay = "x"\n[rules]', "has both"),
        ("[rules]", '[[sources]]\nkind = "replay"\nreplay = "x"\n[rules]', "a replay stands alone"),
    ],
)
def test_what_could_never_work_is_refused_with_its_place(tmp_path: Path, before: str, after: str, reason: str) -> None:
    assert before in GOOD
    with pytest.raises(BadConfig, match=reason) as caught:
        read(tmp_path, GOOD.replace(before, after, 1))
    assert "keeper.toml" in str(caught.value)


async def test_the_sources_are_built_with_their_manners(tmp_path: Path) -> None:
    config = read(tmp_path, GOOD)

    async def no_mark(market: str) -> int | None:
        return None

    async with http_client() as http:
        built = build_sources(config.sources[1:], http, no_mark)
        assert [source.name for source in built] == ["pyth", "desk", "venue"]
        for source in built:
            await source.aclose()
