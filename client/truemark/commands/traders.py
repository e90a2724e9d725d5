"""What the commands that trade and move money share: whose key signs, the question before it costs money, rows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from functools import wraps
from inspect import Signature, signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from truemark import deployment as manifest
from truemark.commands.common import DeploymentOption, console, print_json
from truemark.errors import TruemarkError
from truemark.units import decimal_text

JOURNAL: Final = "movements.sqlite3"
ETH_KEY: Final = "TRUEMARK_ETH_KEY"


def hexadecimal(text: str) -> int:
    """An address or a key, as an argument of a command is read."""
    try:
        return int(text, 16)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not hexadecimal") from None


EthKeyOption = Annotated[
    str,
    typer.Option(
        "--eth-key-env",
        help="The environment variable with the Ethereum key, hexadecimal: it gives the STARK key and signs on L1.",
    ),
]
KeystoreOption = Annotated[
    Path | None,
    typer.Option(
        "--keystore",
        envvar="TRUEMARK_KEYSTORE",
        help="The encrypted file with the STARK key (`truemark account new` makes one).",
        show_default=False,
    ),
]
PasswordOption = Annotated[
    str | None,
    typer.Option(
        "--password-env",
        help="The environment variable with the keystore's password; otherwise it is asked for.",
        show_default=False,
    ),
]
AccountOption = Annotated[
    int | None,
    typer.Option(
        "--account",
        parser=hexadecimal,
        metavar="ADDRESS",
        help="The account's address, where the key is only a trading key of it.",
        show_default=False,
    ),
]
VenueOption = Annotated[
    str | None,
    typer.Option(
        "--venue",
        envvar="TRUEMARK_VENUE",
        help="URL of the venue's API; by default the manifest's.",
        show_default=False,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it costs money.", show_default=False)]


class NoKeyGiven(TruemarkError, ValueError):
    """A command that signs was given no key."""


class NotConfirmed(TruemarkError, RuntimeError):
    """Nobody is there to be asked whether it may cost money."""


def complete_market(incomplete: str) -> list[str]:
    """Names of markets for the shell."""
    try:
        names = manifest.find().markets
    except TruemarkError:
        return []
    return [name for name in names if name.lower().startswith(incomplete.lower())]


MarketArgument = Annotated[
    str, typer.Argument(help="The market's name, e.g. BTC-USD-PERP.", autocompletion=complete_market)
]
MarketOption = Annotated[
    str | None,
    typer.Option("--market", help="Of this market only.", autocompletion=complete_market, show_default=False),
]


Command = Callable[..., None]


def opened_by(opener: Callable[..., AbstractContextManager[Any]]) -> Callable[[Command], Command]:
    """A command that works with what `opener` opens: it is given that as its first argument, and it has the opener's
    parameters as options behind its own. So each option is declared once, where it is used."""

    def given(command: Command) -> Command:
        options = signature(opener, eval_str=True).parameters
        _, *own = signature(command, eval_str=True).parameters.values()

        @wraps(command)
        def run(**values: Any) -> None:
            with opener(**{name: values.pop(name) for name in options}) as opened:
                command(opened, **values)

        # What Typer reads the options from.
        run.__signature__ = Signature([*own, *options.values()])  # type: ignore[attr-defined]
        return run

    return given


def open_trader(
    deployment: DeploymentOption = None,
    venue: VenueOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    account: AccountOption = None,
) -> Any:
    """A connected Trader; it is a context manager.

    Raises:
        NoKeyGiven, BadKeystore, BadEthKey: no key, or none that can be used.
        NoDeployment, BadManifest, NodeUnavailable, WrongChain
    """
    # Here: what trading needs takes most of a second to import, and `truemark --help` none of it.
    from truemark.keys import LocalEthSigner
    from truemark.keys.keystore import KeySource
    from truemark.trader import Trader

    found = manifest.find(deployment)
    eth_key = os.environ.get(eth_key_env) or None
    if keystore is not None:
        source = KeySource(keystore=keystore, password_env=password_env)
        key: Any = source.load(lambda prompt: str(typer.prompt(prompt, hide_input=True, err=True)))
    elif eth_key is not None:
        key = LocalEthSigner(eth_key)
    else:
        raise NoKeyGiven(f"no key: set ${eth_key_env}, or name a keystore with --keystore")
    return Trader.connect(found, key, l1=eth_key, account=account, venue=venue, journal=manifest.home() / JOURNAL)


@contextmanager
def open_owner(
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
) -> Iterator[Any]:
    """As open_trader, of the account that the key owns.

    Raises:
        NoKeyGiven: also if the command needs a key on L1 and there is only that of L2.
    """
    from truemark.trader import NoL1

    with open_trader(deployment, None, eth_key_env, keystore, password_env) as trader:
        try:
            yield trader
        except NoL1:
            raise NoKeyGiven(f"no key for L1: set ${eth_key_env} as well, which signs and pays there") from None


def open_venue(deployment: DeploymentOption = None, venue: VenueOption = None) -> Any:
    """A VenueClient without a key; it is a context manager.

    Raises:
        NoDeployment, BadManifest
        NoGateway: nobody says where the venue is.
    """
    from truemark.trader import NoGateway
    from truemark.venue import VenueClient

    found = manifest.find(deployment)
    url = venue or found.venue_url
    if url is None:
        raise NoGateway(f"{found.name} names no venue: give its URL with --venue or $TRUEMARK_VENUE")
    return VenueClient(url, found)


def confirm(what: str, yes: bool) -> None:
    """Asks before it costs money.

    Raises:
        NotConfirmed: there is no terminal to ask at, and no --yes.
        typer.Abort: the answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(f"{what}? Nobody is there to be asked: --yes does it without")
    typer.confirm(f"{what}?", abort=True, err=True)


# --- rows

#: Fields of records that are felts, shown in hexadecimal.
_HEX: Final = ("hash", "account", "address", "incident", "public_key", "_tx")
#: Not for people.
_HIDDEN: Final = frozenset({"signed"})


def plain(value: Any, name: str = "") -> Any:
    """A record as JSON takes it: amounts as text, felts in hexadecimal, no signatures."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: plain(getattr(value, item.name), item.name) for item in fields(value) if item.name not in _HIDDEN
        }
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, bool | None | str):
        return str(value) if isinstance(value, StrEnum) else value
    if isinstance(value, int):
        return hex(value) if any(part in name for part in _HEX) else value
    if isinstance(value, Mapping):
        return {str(key): plain(item, str(key)) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item, name) for item in value]
    return str(value)


def show(records: Any, columns: Iterable[str], as_json: bool, *, empty: str) -> None:
    """One record or many as a table or as JSON.

    Args:
        columns: of the table; JSON has all.
        empty: what is said of no records.
    """
    found = plain(records)
    if as_json:
        print_json(found)
        return
    rows = found if isinstance(found, list) else [found]
    if not rows:
        console().print(empty)
        return
    table = Table(box=None, header_style="bold")
    for name in columns:
        number = all(_is_number(row.get(name)) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    console().print(table)


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"{text[:10]}..{text[-6:]}" if text.startswith("0x") and len(text) > 18 else text


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, int) or (isinstance(value, str) and value.lstrip("-")[:1].isdigit())
