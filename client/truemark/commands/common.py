"""What the commands share: the options that find a venue, and how values are shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from truemark import deployment as manifest
from truemark.deployment import Deployment, NoDeployment
from truemark.explorer import Explorer
from truemark.felt import BadShortString, short_string_text

DeploymentOption = Annotated[
    Path | None,
    typer.Option(
        "--deployment",
        help="The venue's manifest; by default $TRUEMARK_DEPLOYMENT, else that of the local devnet.",
        show_default=False,
    ),
]
RpcOption = Annotated[
    str | None, typer.Option("--rpc", help="Read another node than the manifest names.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of tables.", show_default=False)]

#: More than this of one cell is cut off; --json has it all.
_CELL: Final = 600
#: Shorter texts in a felt are more likely numbers.
_TEXT_LEAST: Final = 4

Naming = Callable[[int], str | None]


def open_explorer(deployment: Path | None, rpc: str | None = None) -> Explorer:
    """An explorer of the venue; of a bare node if only --rpc is given and there is no manifest.

    Raises:
        NoDeployment, BadManifest
    """
    try:
        found = manifest.find(deployment)
    except NoDeployment:
        if rpc is None or deployment is not None:
            raise
        return Explorer(rpc)
    return Explorer(found if rpc is None else replace(found, l2_rpc=rpc))


def deployment_of(explorer: Explorer) -> Deployment:
    """
    Raises:
        NoDeployment: the explorer reads a bare node.
    """
    if explorer.deployment is None:
        raise NoDeployment(f"no deployment at {manifest.default_path()}: --deployment names one")
    return explorer.deployment


def print_json(value: Any) -> None:
    """To stdout; ints of any size (orjson stops at 64 bits) must be text already."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def console() -> Console:
    return Console(highlight=False)


def grid(rows: Mapping[str, object]) -> Table:
    """Names and values, one a line; None leaves a line out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    return table


def label(address: int, name: str | None) -> str:
    return name or short_hex(address)


def short_hex(value: int) -> str:
    text = hex(value)
    return text if len(text) <= 18 else f"{text[:10]}..{text[-6:]}"


def shown(value: Any, naming: Naming) -> str:
    """A value of `Abi.show_*` in one line: names for known addresses, text for felts that hold some."""
    text = _shown(value, naming)
    return text if len(text) <= _CELL else f"{text[: _CELL - 2]}.. (--json shows all)"


def fields(values: Mapping[str, Any], naming: Naming) -> str:
    """Arguments or fields in one line, without the braces."""
    text = ", ".join(f"{name}={_shown(value, naming)}" for name, value in values.items())
    return text if len(text) <= _CELL else f"{text[: _CELL - 2]}.. (--json shows all)"


def _shown(value: Any, naming: Naming) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}={_shown(part, naming)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(part, naming) for part in value) + "]"
    if isinstance(value, str) and value.startswith("0x"):
        return _felt(value, naming)
    return str(value)


def _felt(text: str, naming: Naming) -> str:
    try:
        number = int(text, 16)
    except ValueError:
        return text
    name = naming(number)
    if name is not None:
        return name
    try:
        words = short_string_text(number)
    except BadShortString:
        return short_hex(number)
    return f"'{words}'" if len(words) >= _TEXT_LEAST else short_hex(number)
