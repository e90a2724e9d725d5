"""The commands that this package adds to `truemark`: the devnet group, the demo and the figures."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import importlib
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from truemark.errors import TruemarkError

from truemark_devnet.scenario.command import scenario

if TYPE_CHECKING:
    from truemark_devnet.nodes import Nodes, Status
    from truemark_devnet.nodes.keepers import KeeperState

#: Exit codes of `status`.
BROKEN, DOWN = 1, 3

devnet = typer.Typer(no_args_is_help=True, help="An Ethereum and a Starknet node on this machine, and their tools.")
_Port = Annotated[int | None, typer.Option(min=1, max=65535, show_default="a free one")]


class NotPartOfThis(TruemarkError, ImportError):
    """This installation lacks the part that a command needs."""


class Gate(enum.StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    STATUS = "status"


def register(app: typer.Typer) -> None:
    """Adds the commands; called by `truemark` when it starts, so nothing heavy is imported here."""
    app.add_typer(devnet, name="devnet")
    app.add_typer(scenario, name="scenario")
    app.command("demo")(demo)
    app.command("demo-incident")(demo_incident)
    app.command("drill")(drill)
    app.command("bench")(bench)
    app.command("upgrade")(upgrade)


@devnet.command()
def up(
    l1_port: _Port = None,
    l2_port: _Port = None,
    gate_port: _Port = None,
    start_time: Annotated[
        int | None, typer.Option(help="Seconds since 1970 at which both chains begin.", show_default="now")
    ] = None,
    keep_time: Annotated[
        bool, typer.Option("--keep-time", help="Time stands still until `truemark devnet time` moves it.")
    ] = False,
    tick: Annotated[
        float | None,
        typer.Option(help="Seconds after which a write is preceded by an empty block (5); 0: never."),
    ] = None,
    relay: Annotated[
        float | None, typer.Option(help="Seconds between two deliveries of L1-L2 messages (2); 0: none.")
    ] = None,
    no_archive: Annotated[
        bool, typer.Option("--no-archive", help="Keep no history: a tenth of the memory, but no rollback.")
    ] = False,
    keepers: Annotated[
        int,
        typer.Option(
            min=0,
            max=3,
            help="Deploy a venue if there is none, and run so many reporters (2 make a quorum), a liquidator and a "
            "sentinel on recorded prices, a process each. Those that died are started again.",
        ),
    ] = 0,
    profile: Annotated[str, typer.Option(help="Of the venue that --keepers deploys.")] = "default",
    interval: Annotated[int, typer.Option(min=1, help="Seconds between two rounds of a keeper.")] = 5,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and stop the nodes at Ctrl-C.")] = False,
) -> None:
    """Starts the two nodes and the gate, or says that they run."""
    from truemark_devnet import nodes as devnets
    from truemark_devnet.processes import interruptible
    from truemark_devnet.toolchain import ConsoleReporter, ensure

    console = Console()
    asked: dict[str, Any] = {"l1_port": l1_port, "l2_port": l2_port, "gate_port": gate_port, "start_time": start_time}
    asked = {name: value for name, value in asked.items() if value is not None}
    for name, seconds in (("tick", tick), ("relay", relay)):
        if seconds is not None:
            asked[name] = seconds or None
    if keep_time:
        asked["hold_time"] = True
    if no_archive:
        asked["archive"] = False
    with interruptible():
        with ConsoleReporter(console) as reporter:
            ensure(["anvil", "starknet-devnet"], reporter)
        with console.status("starting the nodes") if console.is_terminal else contextlib.nullcontext():
            result = devnets.up(owned=foreground, **asked)
        try:
            # The handle goes with the command, the nodes stay.
            with contextlib.closing(result.nodes) as nodes:
                said = {"started": "started", "running": "runs already", "repaired": "the gate was started again"}
                _say(console, f"devnet: {said[result.how]}")
                _print_endpoints(console, nodes)
                if keepers:
                    _start_keepers(
                        console, nodes, reporters=keepers, profile=profile, interval=interval, owned=foreground
                    )
                if foreground:
                    _stay(console, nodes)
            # All is said and done: a Ctrl-C from here on finds nothing to interrupt.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        except BaseException:
            if result.how == "started":
                devnets.down()
            raise


@devnet.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What runs. Exit code 0 if all does, 1 if something is wrong, 3 if nothing was started."""
    from truemark_devnet import nodes as devnets
    from truemark_devnet.nodes import keepers

    found = devnets.status()
    working = keepers.look(found.home)
    venue = _part("truemark_devnet.venue_state", "venue_state")(found) if found.state == "up" else None
    if as_json:
        said = found.to_json() | {
            "keepers": {keeper.role: dataclasses.asdict(keeper) for keeper in working},
            "venue": None if venue is None else dataclasses.asdict(venue),
        }
        typer.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode())
    else:
        _print_status(Console(), found)
        _print_keepers(Console(), working)
        if venue is not None:
            _say(Console(stderr=bool(venue.problem)), venue.said)
    # Marks grow old where nobody was asked to make any.
    silent = bool(working) and venue is not None and bool(venue.problem)
    ill = silent or any(keeper.state != "working" for keeper in working)
    code = {"up": BROKEN if ill else 0, "down": DOWN}.get(found.state, BROKEN)
    if code:
        raise typer.Exit(code)


@devnet.command()
def down() -> None:
    """Stops the nodes and the gate."""
    from truemark_devnet import nodes as devnets

    stopped = devnets.down()
    _say(Console(), f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


@devnet.command("time")
def time_(
    to: Annotated[str, typer.Argument(help="+SECONDS, seconds since 1970, or `run` to let it run.")] = "",
) -> None:
    """Shows or moves the time of both chains; once moved it stands still until it is moved again, or `run`."""
    from truemark_devnet import nodes as devnets

    with contextlib.closing(devnets.attach().control) as control:
        if to == "run":
            control.run_time()
        elif to.startswith("+") and to[1:].isdigit():
            control.increase_time(int(to[1:]))
        elif to.isdigit():
            control.set_time(int(to))
        elif to:
            raise typer.BadParameter("+SECONDS, seconds since 1970, or run")
        held = control.held_time()
        _say(Console(), f"L1 {control.l1_time()}, L2 {control.l2_time()}, {'runs' if held is None else 'stands still'}")


@devnet.command()
def admission(
    to: Annotated[Gate, typer.Argument(help="open, closed or status")] = Gate.STATUS,
    allow: Annotated[
        list[str] | None, typer.Option(help="An account whose transactions pass while it is closed; may be repeated.")
    ] = None,
) -> None:
    """Opens or closes the gate to new transactions."""
    from truemark_devnet import nodes as devnets

    if allow and to is not Gate.CLOSED:
        raise typer.BadParameter("--allow goes with `closed`")
    allowed = [_address(text) for text in allow or []]
    with contextlib.closing(devnets.attach().control) as control:
        if to is Gate.OPEN:
            control.open_admission()
        elif to is Gate.CLOSED:
            control.close_admission(allowed)
        now = control.admission()
    line = "admission is open" if now.is_open else "admission is closed"
    if now.allowed:
        line += f" but to {', '.join(hex(address) for address in sorted(now.allowed))}"
    _say(Console(), line)


@devnet.command()
def doctor() -> None:
    """Shows which tools were found where, and what is missing. Exit code 1 if something cannot be had."""
    from truemark_devnet.toolchain import survey

    report = survey()
    rows = [["tool", "version", "where", ""]]
    rows += [
        [finding.tool.name, finding.tool.version, finding.where or "missing", str(finding.path or finding.note)]
        for finding in report.findings
    ]
    for host, path in report.host:
        found = str(path) if path else f"{host.why}: {host.how}"
        rows.append([host.names[0], "", "PATH" if path else "missing", found])
    console = Console()
    _print_rows(console, rows)
    _say(console, f"cache: {report.cache}")
    if not report.healthy:
        raise typer.Exit(1)


@devnet.command()
def tools() -> None:
    """Builds into the cache what is neither there nor on the PATH; the first time takes 30 to 45 minutes."""
    from truemark_devnet.processes import interruptible
    from truemark_devnet.toolchain import ConsoleReporter, ensure

    console = Console()
    with interruptible(), ConsoleReporter(console) as reporter:
        found = ensure(reporter=reporter)
    _say(console, f"all {len(found)} tools are ready")


@devnet.command()
def clean(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Removes the cache of built tools."""
    from truemark_devnet.toolchain import Cache

    cache = Cache.of_user()
    console = Console()
    if not cache.root.is_dir():
        _say(console, f"{cache.root} is not there")
        return
    size = f"{cache.size() / 2**30:.1f} GB"
    if not yes and not typer.confirm(f"Remove {cache.root} ({size})? To build it again takes 30 to 45 minutes."):
        raise typer.Exit(1)
    with cache.lock(lambda path: _say(console, f"waiting for a build to end ({path})")):
        cache.remove()
    _say(console, f"removed {size}")


@devnet.command()
def contracts(
    test: Annotated[bool, typer.Option("--test", help="Run the Cairo unit tests.")] = False,
    deep: Annotated[bool, typer.Option("--test-deep", help="Run the Cairo unit tests that take longer.")] = False,
    lint: Annotated[bool, typer.Option("--lint", help="Check formatting and ABIs.")] = False,
    write: Annotated[bool, typer.Option("--format", help="Put the formatting right.")] = False,
) -> None:
    """Compiles the contracts and writes the ABIs that the client ships."""
    from truemark_devnet import cairo_tests
    from truemark_devnet import contracts as work
    from truemark_devnet.processes import interruptible

    console = Console()
    if test or deep:
        with interruptible():
            cairo_tests.run(lambda line: _say(console, line), deep=deep)
    elif lint:
        work.lint_contracts()
    elif write:
        work.format_contracts()
    else:
        built = work.compile_contracts(lambda line: _say(console, line))
        _say(console, f"{len(built.classes)} Cairo classes and {len(built.l1)} Vyper contracts are up to date")


@devnet.command()
def deploy(
    profile: Annotated[str, typer.Option(help="default, replay, or the path of a TOML file.")] = "default",
) -> None:
    """Deploys the contracts on the devnet that runs, as far as they are not, and writes the manifest."""
    from truemark_devnet import nodes as devnets
    from truemark_devnet.state import home_of_user

    with contextlib.closing(devnets.attach()) as nodes:
        command = _part("truemark_devnet.deploy", "deploy_command")
        asyncio.run(command(nodes, profile=profile, manifest=home_of_user() / "deployment.json", console=Console()))


@devnet.command("open")
def open_(
    to: Annotated[str, typer.Option(help="CancelOnly, PostOnly or Full.")] = "Full",
) -> None:
    """Takes the venue up, one mode at a time, each step with its integrity report. Keepers must be running."""
    from truemark_devnet import nodes as devnets
    from truemark_devnet.processes import interruptible
    from truemark_devnet.state import home_of_user

    if to not in ("CancelOnly", "PostOnly", "Full"):
        raise typer.BadParameter("CancelOnly, PostOnly or Full")
    home = home_of_user()
    manifest, reports = home / "deployment.json", home / "reports"
    with interruptible(), contextlib.closing(devnets.attach()) as nodes:
        command = _part("truemark_devnet.deploy", "open_command")
        asyncio.run(command(nodes, to=to, manifest=manifest, reports=reports, console=Console()))


@devnet.command()
def keepers(
    interval: Annotated[float, typer.Option(min=1, help="Seconds between two rounds.")] = 5.0,
    replay: Annotated[
        Path | None, typer.Option(help="A CSV file of recorded prices.", show_default="19 January 2026")
    ] = None,
) -> None:
    """Runs three reporters, a liquidator and a sentinel on recorded prices until Ctrl-C; begun again, they go on."""
    from truemark_devnet import nodes as devnets
    from truemark_devnet.state import home_of_user

    devnets.attach().close()
    console = Console(stderr=True)
    run = _part("truemark_devnet.local", "run_keepers_until_stopped")
    run(
        home_of_user() / "deployment.json",
        interval=interval,
        replay=replay or _part("truemark_devnet.demo.plan", "TABLE"),
        wrote=lambda path: _say_admin(console, path),
    )


@devnet.command()
def venue(
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0: a free one.")] = 8790,
    log: Annotated[
        Path | None, typer.Option(help="The venue's own memory.", show_default="beside the deployment")
    ] = None,
) -> None:
    """Runs the reference venue of this devnet's deployment, until Ctrl-C: order gateway, books, settlement."""
    from dataclasses import replace

    from truemark.deployment import Deployment, default_path

    console = Console()
    manifest = default_path()
    run = _part("truemark_devnet.venue.command", "serve_until_stopped")

    def ready(url: str) -> None:
        # Whoever has the manifest finds the venue.
        replace(Deployment.load(manifest), venue_url=url).save(manifest)
        _say(console, f"venue: {url}")

    run(manifest, log or manifest.parent, port, ready)


def upgrade(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    halt: Annotated[bool, typer.Option("--halt", help="Stop the venue when the time has come.")] = False,
    advance: Annotated[
        bool, typer.Option("--advance", help="Move the devnet's time over the delay instead of waiting.")
    ] = False,
    delay: Annotated[int, typer.Option(min=0, help="Seconds from the schedule to the upgrade, three days or more.")] = (
        259_200
    ),
    migrate: Annotated[
        list[str] | None, typer.Option(help="CONTRACT=FELT,FELT: what a contract's new class is told.")
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Take back what is scheduled.")] = False,
) -> None:
    """Takes the contracts of the devnet that runs to this build's classes. Interrupted, the same command goes on."""
    from truemark_devnet import nodes as devnets
    from truemark_devnet.processes import interruptible
    from truemark_devnet.state import home_of_user

    migrations = dict(_migration(text) for text in migrate or [])

    def agreed() -> bool:
        return yes or typer.confirm("Go on?")

    with interruptible(), contextlib.closing(devnets.attach()) as nodes:
        command = _part("truemark_devnet.upgrade", "upgrade_command")
        asyncio.run(
            command(
                nodes,
                manifest=home_of_user() / "deployment.json",
                console=Console(),
                agreed=agreed,
                dry_run=dry_run,
                cancel=cancel,
                halt=halt,
                advance=advance,
                delay=delay,
                migrations=migrations,
            )
        )


def demo(
    fast: Annotated[bool, typer.Option("--fast", help="Until 07:00 only: the fall and the faults.")] = False,
    report: Annotated[Path, typer.Option(dir_okay=False, help="Where the report goes.")] = Path("demo-report.html"),
) -> None:
    """Runs a real day, 18 to 19 January 2026, on two local nodes."""
    from truemark_devnet.processes import interruptible

    run = _part("truemark_devnet.demo.day", "run")
    with interruptible():
        run(fast=fast, report=report, console=Console())


def demo_incident(
    sqlite: Annotated[bool, typer.Option("--sqlite", help="On a SQLite file instead of a PostgreSQL server.")] = False,
    report: Annotated[Path, typer.Option(dir_okay=False, help="Where the report goes.")] = Path("incident-report.html"),
) -> None:
    """Replays a database upgrade under running keepers, on a venue without guards and on a guarded one."""
    from truemark_devnet.processes import interruptible

    run = _part("truemark_devnet.incident.command", "run")
    with interruptible():
        run(sqlite=sqlite, report=report, console=Console())


def drill(
    accounts: Annotated[int, typer.Option(min=20, max=1_000, help="How many people are on each venue.")] = 200,
    folder: Annotated[
        Path, typer.Option(file_okay=False, help="Where it keeps what it has done, and its nodes.")
    ] = Path("build/drill"),
    report: Annotated[Path, typer.Option(dir_okay=False, help="Where the report goes; figures beside it, .json.")] = (
        Path("drill-report.html")
    ),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the one that was begun; the same command does, too.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the one that was begun.")] = False,
) -> None:
    """Rehearses 19 January 2026: without guards from the night to the last refund, and on the release beside it."""
    from truemark_devnet.processes import interruptible

    if resume and fresh:
        raise typer.BadParameter("--resume goes on with what --fresh forgets: one of them")
    run = _part("truemark_devnet.drill.command", "run")
    with interruptible():
        run(accounts=accounts, folder=folder, report=report, console=Console(), resume=resume, fresh=fresh)


def bench(
    only: Annotated[str | None, typer.Option(help="One figure, by its name.")] = None,
    out: Annotated[Path, typer.Option(dir_okay=False, help="Where the figures go.")] = Path("build/bench.json"),
) -> None:
    """Measures the figures, each beside its baseline."""
    from truemark_devnet.processes import interruptible

    run = _part("truemark_devnet.bench.run", "run")
    with interruptible():
        run(only=only, out=out, console=Console())


def _migration(text: str) -> tuple[str, tuple[int, ...]]:
    """CONTRACT=FELT,FELT."""
    name, given, felts = text.partition("=")
    try:
        if not given:
            raise ValueError(text)
        return name, tuple(int(felt, 0) for felt in felts.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not CONTRACT=FELT,FELT") from None


def _part(module: str, name: str) -> Any:
    """Imported when it is used: it takes seconds.

    Raises:
        NotPartOfThis: it is not installed.
    """
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise NotPartOfThis(f"this installation has no {module}") from error
    except AttributeError as error:
        raise NotPartOfThis(f"this installation's {module} has no {name}") from error


def _stay(console: Console, nodes: Nodes) -> None:
    """Until Ctrl-C, or until a node ends: then none of them is left."""
    from truemark_devnet import nodes as devnets

    came: list[int] = []
    # Not as an exception: one that is raised where Python drops exceptions, as in a finalizer, would be lost.
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        _say(console, "Ctrl-C stops them")
        while not came:
            nodes.check()
            time.sleep(0.2)
        _say(console, "stopping")
    finally:
        devnets.down()
        signal.signal(signal.SIGINT, before)


def _print_endpoints(console: Console, nodes: Nodes) -> None:
    _print_rows(
        console,
        [
            ["L1", nodes.l1_url, f"chain {nodes.l1_chain_id}"],
            ["L2", nodes.l2_url, f"chain {nodes.l2_chain_id:#x} ({_text(nodes.l2_chain_id)})"],
        ],
    )
    _say(console, f"logs in {nodes.directory / 'logs'}")


def _print_status(console: Console, found: Status) -> None:
    if found.state == "down":
        _say(console, f"nothing runs from {found.home}")
        return
    rows = [["node", "state", "url", "pid", "log"]]
    rows += [[part.name, part.state, part.url, str(part.pid), part.log] for part in found.parts.values()]
    _print_rows(console, rows)
    if found.state == "up":
        held = "runs" if found.held_time is None else f"stands still at {found.held_time}"
        l2 = f"{found.l2_chain_id:#x} ({_text(found.l2_chain_id)})"
        _say(console, f"L1 chain {found.l1_chain_id}, L2 chain {l2}, admission {found.admission}, time {held}")
    else:
        Console(stderr=True).print(found.problem, style="red", highlight=False, markup=False, soft_wrap=True)


def _start_keepers(console: Console, nodes: Nodes, *, reporters: int, profile: str, interval: int, owned: bool) -> None:
    from truemark_devnet.accounts import operators
    from truemark_devnet.nodes import keepers
    from truemark_devnet.state import home_of_user

    home = home_of_user()
    manifest = home / "deployment.json"
    command = _part("truemark_devnet.deploy", "deploy_command")
    asyncio.run(command(nodes, profile=profile, manifest=manifest, console=console))
    replay = _part("truemark_devnet.demo.plan", "TABLE")
    started = keepers.start_keepers(
        home,
        manifest,
        operators(nodes.l2_url),
        reporters=reporters,
        interval=interval,
        replay=replay,
        owned=owned,
    )
    _say(console, f"keepers: {', '.join(started)} started" if started else "keepers: all run already")
    _print_keepers(console, keepers.look(home))
    since = keepers.begun(home / keepers.FOLDER, replay)
    _say_admin(console, keepers.write_admin(manifest, operators(nodes.l2_url)["admin"], replay, since))


def _say_admin(console: Console, path: Path) -> None:
    _say(console, f"for `truemark recovery`: --config {path}")


def _print_keepers(console: Console, found: Sequence[KeeperState]) -> None:
    if found:
        rows = [["keeper", "state", "metrics", "pid", "log", ""]]
        rows += [
            [item.role, item.state, f"http://127.0.0.1:{item.port}/metrics", str(item.pid), item.log, item.said]
            for item in found
        ]
        _print_rows(console, rows)


def _say(console: Console, line: str) -> None:
    """One line as it is: never cut or broken at the width of the terminal."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _print_rows(console: Console, rows: list[list[str]]) -> None:
    """Columns by spaces, never cut to the width of the terminal: paths are to be copied."""
    widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(max(map(len, rows)))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        _say(console, line)


def _text(chain_id: int) -> str:
    return chain_id.to_bytes(31, "big").lstrip(b"\0").decode(errors="replace")


def _address(text: str) -> int:
    with contextlib.suppress(ValueError):
        value = int(text, 16)
        if text.lower().startswith("0x") and value:
            return value
    raise typer.BadParameter(f"{text} is no address (0x...)")
