"""keeper.toml: what a keeper does, for whom, with which key and prices. Every fault is named with its place."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from truemark.errors import TruemarkError

from truemark_keeper.keystore import KeySource

ROLES = ("reporter", "liquidator")
KEEPER_KEYS = (
    "deployment",
    "account",
    "keystore",
    "password_env",
    "key_env",
    "roles",
    "interval",
    "timeout",
    "journal",
    "rpc",
)
RECORDED, FIRST = "recorded", "first"

Kind = TypeVar("Kind", bound="str | int | float | bool | list[Any] | dict[str, Any]")


class BadConfig(TruemarkError, ValueError):
    """A configuration that cannot be used; the message names the file, the key and the reason."""


@dataclass(frozen=True)
class ReplaySettings:
    """The [source] table: recorded prices, played again."""

    replay: Path
    #: Whose columns of the table.
    reporter: int = 1
    #: The table's time that is now: "recorded" (its own times are meant), "first" (its first row) or an ISO time.
    start: str = RECORDED
    #: The straight line between rows; otherwise the row before.
    interpolate: bool = True
    confidence_bps: int = 5


@dataclass(frozen=True)
class LiquidatorSettings:
    """The [liquidator] table."""

    max_disagreement_bps: int = 100
    limit_slack_bps: int = 50
    batch_size: int = 20


@dataclass(frozen=True)
class KeeperConfig:
    """A keeper of one account."""

    #: The deployment's manifest.
    deployment: Path
    #: An address, or the name of an operator in the manifest, such as reporter-1.
    account: str
    key: KeySource
    source: ReplaySettings
    roles: tuple[str, ...] = ROLES
    #: Seconds between two rounds, and between two sweeps.
    interval: float = 5.0
    #: Seconds that a transaction may take to reach a block.
    timeout: float = 60.0
    #: Remembers open transactions over a restart; None: nothing does.
    journal: Path | None = None
    #: Another node than the manifest's.
    rpc: str | None = None
    liquidator: LiquidatorSettings = LiquidatorSettings()


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
    top = _Table(path, "", raw, ("keeper", "source", "liquidator"))
    keeper = top.table("keeper", KEEPER_KEYS)
    source = top.table("source", tuple(field.name for field in fields(ReplaySettings)))
    liquidator = top.table("liquidator", tuple(field.name for field in fields(LiquidatorSettings)), required=False)
    folder = path.parent
    return KeeperConfig(
        deployment=folder / keeper.text("deployment"),
        account=keeper.text("account"),
        key=_key(keeper, folder),
        source=ReplaySettings(
            replay=folder / source.text("replay"),
            reporter=source.number("reporter", 1, least=1),
            start=source.text("start", RECORDED),
            interpolate=source.flag("interpolate", True),
            confidence_bps=source.number("confidence_bps", 5, least=0),
        ),
        roles=_roles(keeper),
        interval=keeper.seconds("interval", 5.0),
        timeout=keeper.seconds("timeout", 60.0),
        journal=folder / journal if (journal := keeper.optional("journal")) is not None else None,
        rpc=keeper.optional("rpc"),
        liquidator=LiquidatorSettings(
            max_disagreement_bps=liquidator.number("max_disagreement_bps", 100, least=0),
            limit_slack_bps=liquidator.number("limit_slack_bps", 50, least=0),
            batch_size=liquidator.number("batch_size", 20, least=1),
        ),
    )


def _key(keeper: _Table, folder: Path) -> KeySource:
    keystore, key_env = keeper.optional("keystore"), keeper.optional("key_env")
    password_env = keeper.optional("password_env")
    if (keystore is None) == (key_env is None):
        raise BadConfig(f"{keeper.place}: needs one of keystore and key_env")
    if key_env is not None and password_env is not None:
        raise BadConfig(f"{keeper.place}: password_env goes with keystore, not with key_env")
    if keystore is None:
        return KeySource(key_env=key_env)
    return KeySource(keystore=folder / keystore, password_env=password_env)


def _roles(keeper: _Table) -> tuple[str, ...]:
    roles = keeper.take("roles", list, list(ROLES))
    for role in roles:
        if role not in ROLES:
            raise BadConfig(f"{keeper.place}: {role!r} is no role; the roles are {' and '.join(ROLES)}")
    if not roles or len(set(roles)) != len(roles):
        raise BadConfig(f"{keeper.place}: roles needs one or both of {' and '.join(ROLES)}, each once")
    return tuple(roles)


class _Table:
    """One table of the file, with the keys that it may have.

    Raises:
        BadConfig: it has another one.
    """

    def __init__(self, path: Path, name: str, raw: dict[str, Any], known: Sequence[str]) -> None:
        self.place = f"{path}: [{name}]" if name else f"{path}"
        self._path = path
        self._values = raw
        for key in raw:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
                raise BadConfig(f"{self.place}: unknown key {key}; {hint}")

    def table(self, name: str, known: Sequence[str], *, required: bool = True) -> _Table:
        return _Table(self._path, name, self.take(name, dict, None if required else {}), known)

    def text(self, name: str, default: str | None = None) -> str:
        return self.take(name, str, default)

    def optional(self, name: str) -> str | None:
        return self.take(name, str, "") or None

    def flag(self, name: str, default: bool) -> bool:
        return self.take(name, bool, default)

    def number(self, name: str, default: int, *, least: int) -> int:
        value = self.take(name, int, default)
        if value < least:
            raise BadConfig(f"{self.place}: {name} is {value}, it must be at least {least}")
        return value

    def seconds(self, name: str, default: float) -> float:
        whole = isinstance(self._values.get(name), int)
        seconds: float = self.take(name, int, None) if whole else self.take(name, float, default)
        if not 0 < seconds < 86_400:
            raise BadConfig(f"{self.place}: {name} is {seconds} seconds, it must be above 0 and below a day")
        return seconds

    def take(self, name: str, kind: type[Kind], default: Kind | None) -> Kind:
        if name not in self._values:
            if default is None:
                raise BadConfig(f"{self.place}: {name} is missing")
            return default
        value = self._values[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BadConfig(f"{self.place}: {name} is a {_called(type(value))}, it must be a {_called(kind)}")
        return value


def _called(kind: type[object]) -> str:
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", list: "list", dict: "table"}
    return names.get(kind, kind.__name__)
