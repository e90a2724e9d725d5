"""keeper.toml: what a keeper does, for whom, with which key and prices. Every fault is named with its place."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path

from truemark.deployment import default_path
from truemark.units import to_price

from truemark_keeper.keystore import KeySource
from truemark_keeper.market_settings import MarketSettings, markets_from
from truemark_keeper.sentinel import SentinelTerms
from truemark_keeper.source_settings import FIRST, RECORDED, ReplaySettings, SourceSettings, sources_of
from truemark_keeper.spending import SpendingTerms
from truemark_keeper.toml_table import BadConfig, Table

__all__ = [
    "FIRST",
    "RECORDED",
    "ROLES",
    "BadConfig",
    "KeeperConfig",
    "LiquidatorSettings",
    "MonitoringSettings",
    "ReplaySettings",
    "SentinelSettings",
    "load",
]

ROLES = ("reporter", "liquidator", "sentinel")
DEFAULT_ROLES = ("reporter", "liquidator")
KEEPER_KEYS = (
    "deployment",
    "account",
    "keystore",
    "password_env",
    "password_file",
    "key_env",
    "roles",
    "interval",
    "timeout",
    "journal",
    "rpc",
    "rpc_env",
    "stop_file",
)
LOG_FORMS = ("text", "json")


@dataclass(frozen=True)
class LiquidatorSettings:
    """The [liquidator] table."""

    max_disagreement_bps: int = 100
    limit_slack_bps: int = 50
    batch_size: int = 20
    #: L2 gas of one transaction.
    batch_gas: int = 400_000_000
    #: Age in seconds at which the checkpoint of a funding index is renewed; 0: that is left to others.
    checkpoint_secs: int = 3600
    #: The most that fees may cost in `budget_secs`, STRK; empty: no limit.
    budget_strk: str = ""
    budget_secs: int = 86_400
    #: What a STRK costs, USD; empty: it is not asked whether a liquidation earns its fee and `min_profit_usd`.
    strk_usd: str = ""
    min_profit_usd: str = "0"
    #: Whether each transaction is tried on the node before it is sent.
    simulate: bool = True
    #: Whether the account is the operator's and closes what nobody can pay against counterparties.
    deleverage: bool = False

    @property
    def spending(self) -> SpendingTerms:
        return SpendingTerms(
            budget=_fri(self.budget_strk) if self.budget_strk else None,
            window=self.budget_secs,
            strk_price=to_price(self.strk_usd) if self.strk_usd else None,
            min_profit=int(Decimal(self.min_profit_usd).scaleb(16)),
        )


def _fri(strk: str) -> int:
    return int(Decimal(strk).scaleb(18))


@dataclass(frozen=True)
class SentinelSettings:
    """The [sentinel] table."""

    terms: SentinelTerms = field(default_factory=SentinelTerms)
    incidents: Path = Path("incidents")


@dataclass(frozen=True)
class MonitoringSettings:
    """The [monitoring] table."""

    #: Port of 127.0.0.1 with /metrics, /healthz and /readyz; None: none.
    port: int | None = None
    logs: str = "text"
    #: A SQLite file that keeps every round's quotes and verdicts; None: nothing does.
    history: Path | None = None
    #: Days that it keeps them.
    history_days: int = 90


@dataclass(frozen=True)
class KeeperConfig:
    """A keeper of one account."""

    #: The deployment's manifest; by default $TRUEMARK_DEPLOYMENT, else that of the local devnet.
    deployment: Path
    #: An address, or the name of an operator in the manifest, such as reporter-1.
    account: str
    key: KeySource
    sources: tuple[SourceSettings, ...]
    roles: tuple[str, ...] = DEFAULT_ROLES
    #: Seconds between two rounds, and between two sweeps.
    interval: float = 5.0
    #: Seconds that a transaction may take to reach a block.
    timeout: float = 60.0
    #: Remembers open transactions over a restart; None: nothing does.
    journal: Path | None = None
    #: Another node than the manifest's, or the environment variable with its URL.
    rpc: str | None = None
    rpc_env: str | None = None
    #: While this file is there a reporter or a liquidator does nothing; None: there is no such switch.
    stop_file: Path | None = None
    markets: MarketSettings = field(default_factory=MarketSettings)
    liquidator: LiquidatorSettings = field(default_factory=LiquidatorSettings)
    sentinel: SentinelSettings = field(default_factory=SentinelSettings)
    monitoring: MonitoringSettings = field(default_factory=MonitoringSettings)


def load(path: Path) -> KeeperConfig:
    """Reads a file; the paths in it are relative to its folder.

    Raises:
        BadConfig: it cannot be read, misses a key, or has one that is unknown or of the wrong kind.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfig(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{path}: not TOML: {error}") from error
    known = ("keeper", "source", "sources", "rules", "markets", "liquidator", "sentinel", "monitoring")
    top = Table(path, "", raw, known)
    keeper = top.table("keeper", KEEPER_KEYS)
    folder = path.parent
    sources = sources_of(top, folder)
    manifest = keeper.optional("deployment")
    if keeper.optional("rpc") is not None and keeper.optional("rpc_env") is not None:
        raise keeper.wrong("needs at most one of rpc and rpc_env")
    return KeeperConfig(
        deployment=default_path() if manifest is None else folder / Path(manifest).expanduser(),
        account=keeper.text("account"),
        key=_key(keeper, folder),
        sources=sources,
        roles=_roles(keeper),
        interval=keeper.seconds("interval", 5.0),
        timeout=keeper.seconds("timeout", 60.0),
        journal=folder / journal if (journal := keeper.optional("journal")) is not None else None,
        rpc=keeper.optional("rpc"),
        rpc_env=keeper.optional("rpc_env"),
        stop_file=folder / stop if (stop := keeper.optional("stop_file")) is not None else None,
        markets=markets_from(top, sources),
        liquidator=_liquidator(top),
        sentinel=_sentinel(top, folder),
        monitoring=_monitoring(top, folder),
    )


def _liquidator(top: Table) -> LiquidatorSettings:
    table = top.table("liquidator", tuple(item.name for item in fields(LiquidatorSettings)), required=False)
    settings = LiquidatorSettings(
        max_disagreement_bps=table.number("max_disagreement_bps", 100, least=0),
        limit_slack_bps=table.number("limit_slack_bps", 50, least=0),
        batch_size=table.number("batch_size", 20, least=1),
        batch_gas=table.number("batch_gas", 400_000_000, least=1),
        checkpoint_secs=table.number("checkpoint_secs", 3600, least=0),
        budget_strk=table.text("budget_strk", ""),
        budget_secs=table.number("budget_secs", 86_400, least=1),
        strk_usd=table.text("strk_usd", ""),
        min_profit_usd=table.text("min_profit_usd", "0"),
        simulate=table.flag("simulate", True),
        deleverage=table.flag("deleverage", False),
    )
    for name in ("budget_strk", "strk_usd", "min_profit_usd"):
        text = getattr(settings, name)
        if text and not re.fullmatch(r"\d{1,12}(\.\d{1,8})?", text):
            raise table.wrong(f'{name} is {text!r}, it must be an amount such as "0.5"')
    if settings.strk_usd and not Decimal(settings.strk_usd):
        raise table.wrong("strk_usd is 0; leave it out")
    return settings


def _sentinel(top: Table, folder: Path) -> SentinelSettings:
    names = tuple(item.name for item in fields(SentinelTerms))
    table = top.table("sentinel", (*names, "incidents"), required=False)
    default = SentinelTerms()
    least = {"sentinel_bps": 1, "catch_up": 1}
    terms = {name: table.number(name, getattr(default, name), least=least.get(name, 0)) for name in names}
    return SentinelSettings(SentinelTerms(**terms), folder / table.text("incidents", "incidents"))


def _monitoring(top: Table, folder: Path) -> MonitoringSettings:
    table = top.table("monitoring", tuple(item.name for item in fields(MonitoringSettings)), required=False)
    port = table.number("port", 0, least=0)
    if port > 65_535:
        raise table.wrong(f"port is {port}, the highest is 65535")
    history = table.optional("history")
    return MonitoringSettings(
        port=port or None,
        logs=table.one_of("logs", LOG_FORMS, "text"),
        history=folder / history if history is not None else None,
        history_days=table.number("history_days", 90, least=1),
    )


def _key(keeper: Table, folder: Path) -> KeySource:
    keystore, key_env = keeper.optional("keystore"), keeper.optional("key_env")
    password_env, password_file = keeper.optional("password_env"), keeper.optional("password_file")
    if (keystore is None) == (key_env is None):
        raise keeper.wrong("needs one of keystore and key_env")
    if password_env is not None and password_file is not None:
        raise keeper.wrong("needs at most one of password_env and password_file")
    if key_env is not None and (password_env is not None or password_file is not None):
        raise keeper.wrong("password_env and password_file go with keystore, not with key_env")
    if keystore is None:
        return KeySource(key_env=key_env)
    return KeySource(
        keystore=folder / keystore,
        password_env=password_env,
        password_file=None if password_file is None else folder / Path(password_file).expanduser(),
    )


def _roles(keeper: Table) -> tuple[str, ...]:
    roles = keeper.take("roles", list, list(DEFAULT_ROLES))
    for role in roles:
        if role not in ROLES:
            raise keeper.wrong(f"{role!r} is no role; the roles are {', '.join(ROLES)}")
    if not roles or len(set(roles)) != len(roles):
        raise keeper.wrong(f"roles needs one or more of {', '.join(ROLES)}, each once")
    if "sentinel" in roles and len(roles) > 1:
        raise keeper.wrong("the sentinel stands alone: its account can stop the venue, and do nothing else")
    return tuple(roles)
