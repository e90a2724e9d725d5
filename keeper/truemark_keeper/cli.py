"""`truemark keeper`: runs a keeper, tries its settings, shows what it sees, and keeps its key and its incidents."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from truemark import deployment as manifest

from truemark_keeper import keystore as keystores
from truemark_keeper import logs
from truemark_keeper.keystore import KeySource

if TYPE_CHECKING:
    from truemark_keeper.config import KeeperConfig

# What signs, reads settings and talks to a node is imported when a command needs it: it takes a second.
RECORDED = "recorded"

ConfigOption = Annotated[Path, typer.Option("--config", help="The keeper's settings.", show_default=True)]
DeploymentOption = Annotated[
    Path | None,
    typer.Option(
        "--deployment",
        help="The venue's manifest; by default $TRUEMARK_DEPLOYMENT, else that of the local devnet.",
        show_default=False,
    ),
]
AccountOption = Annotated[
    str, typer.Option("--account", help="An address, or an operator's name in the manifest, such as reporter-1.")
]
ReplayOption = Annotated[Path, typer.Option("--replay", help="The CSV file of recorded prices.")]
ColumnOption = Annotated[int, typer.Option("--column", min=1, help="Whose columns of it: 1, 2, ...")]
StartOption = Annotated[
    str, typer.Option("--start", help="The time in the file that is now: recorded (its own), first, or an ISO time.")
]
KeystoreOption = Annotated[Path | None, typer.Option("--keystore", help="The encrypted key.", show_default=False)]
PasswordOption = Annotated[
    str | None,
    typer.Option(
        "--password-env", help="The environment variable with its password; else it is asked for.", show_default=False
    ),
]
IncidentsOption = Annotated[Path, typer.Option("--folder", help="Where the sentinel writes incidents.")]
KeyEnvOption = Annotated[
    str | None,
    typer.Option("--key-env", help="Instead of a keystore: the environment variable with the key.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Adds the group to `truemark`."""
    keeper = typer.Typer(
        name="keeper", help="Publish mark prices and liquidate what is under water.", no_args_is_help=True
    )
    keeper.command("run")(run)
    keeper.command("report")(report)
    keeper.command("liquidate")(liquidate)
    keeper.command("check")(check)
    keeper.command("watch")(watch)
    keeper.command("incidents")(incidents)
    keeper.command("clear")(clear)
    keeper.command("keystore")(keystore)
    app.add_typer(keeper)


def run(config: ConfigOption = Path("keeper.toml")) -> None:
    """Reports and liquidates until SIGINT or SIGTERM, then finishes what is under way."""
    from truemark_keeper.config import load

    settings = load(config)
    logs.setup(form=settings.monitoring.logs)

    async def work() -> None:
        from truemark_keeper.service import keeper

        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        async with keeper(settings, settings.key.load(_ask)) as service:
            await service.run(stop)

    asyncio.run(work())


def report(
    account: AccountOption,
    replay: ReplayOption,
    deployment: DeploymentOption = None,
    column: ColumnOption = 1,
    start: StartOption = RECORDED,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    key_env: KeyEnvOption = None,
) -> None:
    """Publishes recorded prices once, for all markets, in one transaction."""
    settings = _settings(account, replay, deployment, column, start, _key(keystore, password_env, key_env))
    from truemark_keeper.service import Keeper, NotDone

    async def work(service: Keeper) -> None:
        console = Console(highlight=False)
        said = await service.report()
        for item in said.refused:
            console.print(f"held back: {item.market}: {item.reason}", markup=False, soft_wrap=True)
        if said.outcome is None:
            raise NotDone("nothing was reported: no price may be published")
        said.outcome.or_raise()
        for quote in said.sent:
            console.print(f"{quote.market}  {quote.decimal.normalize():f}")
        console.print(
            f"reported in block {said.outcome.block_number}, transaction {said.outcome.hash:#x}", soft_wrap=True
        )

    _with_keeper(settings, work)


def liquidate(
    account: AccountOption,
    replay: ReplayOption,
    deployment: DeploymentOption = None,
    column: ColumnOption = 1,
    start: StartOption = RECORDED,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    key_env: KeyEnvOption = None,
) -> None:
    """Liquidates once what is under water, where the recorded prices agree with the marks."""
    settings = _settings(account, replay, deployment, column, start, _key(keystore, password_env, key_env))
    from truemark_keeper.book import LiquidationRefused
    from truemark_keeper.liquidator import Vetoed
    from truemark_keeper.service import Keeper

    async def work(service: Keeper) -> None:
        console = Console(highlight=False)
        sweep = await service.liquidate()
        for done in sweep.liquidated:
            console.print(f"liquidated: {done.account:#x} in market {done.market}, size {done.size}", soft_wrap=True)
        left: list[LiquidationRefused | Vetoed] = [*sweep.refused, *sweep.vetoed]
        for item in left:
            console.print(
                f"left alone: {item.account:#x} in market {item.market}: {item.reason}", markup=False, soft_wrap=True
            )
        console.print(f"{len(sweep.liquidated)} liquidations from block {sweep.block} on")
        for outcome in sweep.transactions:
            outcome.or_raise()

    _with_keeper(settings, work)


def check(config: ConfigOption = Path("keeper.toml")) -> None:
    """Tries all that a keeper needs, sources included, and sends nothing. Exit code 1 if it could not work."""
    from truemark_keeper.checking import Grade, NotFit
    from truemark_keeper.checking import check as checked
    from truemark_keeper.config import load

    settings = load(config)
    logs.setup(logging.CRITICAL)
    findings = asyncio.run(checked(settings, _ask))
    console = Console(highlight=False)
    signs = {Grade.GOOD: "[green]good[/]", Grade.DOUBTFUL: "[yellow]look[/]", Grade.BAD: "[red]bad [/]"}
    for item in findings:
        console.print(f"{signs[item.grade]} ", end="")
        console.print(f"{item.what}: {item.said}", markup=False, soft_wrap=True)
    bad = sum(item.grade is Grade.BAD for item in findings)
    if bad:
        raise NotFit(f"{bad} of {len(findings)} checks failed")


def watch(
    deployment: DeploymentOption = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="A keeper's settings: its own prices are shown beside the marks."),
    ] = None,
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two looks.")] = 2.0,
    most: Annotated[int, typer.Option("--most", min=1, help="The most accounts shown.")] = 20,
    once: Annotated[bool, typer.Option("--once", help="One look, then end.")] = False,
) -> None:
    """Shows marks and the accounts nearest to liquidation, live, until Ctrl-C. Needs no key and sends nothing."""
    from truemark_keeper.watching import watch as watching

    logs.setup(logging.CRITICAL)
    asyncio.run(watching(Console(highlight=False), deployment, config, every=every, most=most, once=once))


def incidents(folder: IncidentsOption = Path("incidents")) -> None:
    """Lists the incidents that a sentinel wrote, oldest first."""
    from truemark_keeper.sentinel import IncidentFolder

    console = Console(highlight=False)
    found = IncidentFolder(folder).all()
    for incident in found:
        rules = ", ".join(sorted({item.broken.rule for item in incident.evidence}))
        state = "open" if incident.cleared is None else f"cleared by {incident.cleared['by']}"
        console.print(f"{incident.name}  {state}  {rules}", markup=False, soft_wrap=True)
    if not found:
        console.print(f"no incidents in {folder}")


def clear(
    name: Annotated[str, typer.Argument(help="The incident, as `incidents` lists it.")],
    by: Annotated[str, typer.Option("--by", help="Who has looked at it.")],
    note: Annotated[str, typer.Option("--note", help="What was found, and why it is safe.")],
    folder: IncidentsOption = Path("incidents"),
) -> None:
    """Closes an incident, after a person has looked at it. The venue's mode stays: only its admin takes it up."""
    from truemark_keeper.sentinel import IncidentFolder

    IncidentFolder(folder).clear(name, by=by, note=note, at=int(time.time()))
    Console(highlight=False).print(f"{name}: cleared by {by}", markup=False, soft_wrap=True)


def keystore(
    path: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    key_env: KeyEnvOption = None,
    password_env: PasswordOption = None,
) -> None:
    """Encrypts a key into a file that `run`, `report` and `liquidate` read."""
    text = keystores.environment(key_env) if key_env else _ask("Private key (hexadecimal)")
    key = keystores.parse(text, key_env or "what was typed")
    if password_env:
        password = keystores.environment(password_env)
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    keystores.save(path, key, password)
    Console(highlight=False).print(f"{path}: the key with the public key {key.public_key:#x}", soft_wrap=True)


def _settings(
    account: str, replay: Path, deployment: Path | None, column: int, start: str, key: KeySource
) -> KeeperConfig:
    from truemark_keeper.config import KeeperConfig, ReplaySettings
    from truemark_keeper.market_settings import REPLAY_RULES

    return KeeperConfig(
        deployment=deployment if deployment is not None else manifest.default_path(),
        account=account,
        key=key,
        sources=(ReplaySettings(replay=replay, reporter=column, start=start),),
        markets=REPLAY_RULES,
    )


def _key(keystore: Path | None, password_env: str | None, key_env: str | None) -> KeySource:
    if (keystore is None) == (key_env is None):
        raise typer.BadParameter("give one of --keystore and --key-env")
    return KeySource(keystore=keystore, password_env=password_env, key_env=key_env)


def _with_keeper(settings: KeeperConfig, work: Callable[..., Awaitable[None]]) -> None:
    logs.setup(logging.WARNING)

    async def inside() -> None:
        from truemark_keeper.service import keeper

        async with keeper(settings, settings.key.load(_ask)) as service:
            await work(service)

    asyncio.run(inside())


def _ask(prompt: str) -> str:
    return str(typer.prompt(prompt, hide_input=True, err=True))
