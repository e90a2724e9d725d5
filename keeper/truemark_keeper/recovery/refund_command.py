"""`truemark recovery refund`: from the index to the last account paid, a step a command.

    compute -> review (a person) -> approve -> open -> push -> statement -> notify -> close; status at any time

A step that changes the chain says first what it would do, and does it with --execute.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer
from rich.console import Console
from truemark import deployment as manifest
from truemark.commands.index import DatabaseOption
from truemark.errors import TruemarkError

if TYPE_CHECKING:
    from truemark.account import Account
    from truemark.deployment import Deployment
    from truemark.rpc import AsyncRpc

    from truemark_keeper.recovery.refund.distribution import Distribution, DistributionStatus, Pushed
    from truemark_keeper.recovery.refund.folder import Saved
    from truemark_keeper.recovery.refund.paylist import PayList

SECRET: Final = "TRUEMARK_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable

group = typer.Typer(name="refund", help="Refunds of an incident, to the last account.", no_args_is_help=True)

RulesOption = Annotated[Path, typer.Option(help="The rules of the incident.")]
DirOption = Annotated[Path, typer.Option("--dir", help="Where the files of the incident are.")]
DeploymentOption = Annotated[
    Path | None,
    typer.Option(help="The venue's manifest; by default $TRUEMARK_DEPLOYMENT, else that of the local devnet."),
]
ConfigOption = Annotated[Path, typer.Option(help="Settings whose account sends the transactions.")]
ExecuteOption = Annotated[bool, typer.Option("--execute", help="Do it; without this it is only said.")]
HistoryOption = Annotated[
    Path | None, typer.Option(help="A keeper's history of its own prices: the independent price.")
]
ReplayOption = Annotated[
    Path | None, typer.Option(help="A table of prices instead, as for the replay source: the median of its reporters.")
]
BackendOption = Annotated[
    str | None,
    typer.Option(help="Where the analysis runs: duckdb:// (the default), postgresql://... or spark://..."),
]
_RULES: Final = Path("refund.toml")
_DIR: Final = Path("refunds")
_CONFIG: Final = Path("keeper.toml")


class NoSecret(TruemarkError, LookupError):
    """Nothing to sign webhooks with."""


class NotFunded(TruemarkError, ValueError):
    """The wallet that is to fund the refunds has less than they are."""


@group.command("compute")
def compute(
    history: HistoryOption = None,
    replay: ReplayOption = None,
    rules: RulesOption = _RULES,
    folder: DirOption = _DIR,
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: Annotated[str | None, typer.Option(help="The node that says the funding at the valuation.")] = None,
) -> None:
    """Reads the index, judges every taking of the window, and writes the review table."""
    from truemark.commands.index import opened

    from truemark_keeper.recovery.prices import PriceHistory, ReplayedPrices
    from truemark_keeper.recovery.refund import Position, RefundRules, survey, write_review
    from truemark_keeper.recovery.refund.folder import Folder, save_survey
    from truemark_keeper.recovery.refund.history import block_at
    from truemark_keeper.recovery.refund.review import losses_of

    venue, said, files = manifest.find(deployment), RefundRules.load(rules), Folder(folder)
    if (history is None) is (replay is None):
        raise typer.BadParameter("give --history or --replay: where the independent price comes from")
    prices = PriceHistory.load(history) if history is not None else ReplayedPrices.load(cast("Path", replay))
    with opened(database, venue, existing=True) as index:
        found = survey(index, venue, said, prices.at, folder)
        valued = block_at(index, found.valuation) if said.position is Position.RESTORED else None
    funding = {} if valued is None else asyncio.run(_funding(rpc or venue.l2_rpc, venue, valued))
    at = {name: prices.at(name, found.valuation) for name in venue.markets}
    save_survey(found, files.survey, funding, at)
    table, page, kept = write_review(found, venue, folder, losses_of(found, venue, prices.at, funding))
    console = Console()
    console.print(
        f"{len(found.judged)} positions were taken up to block {found.last_block}, {len(found.wrong)} of them "
        "would not have been at the independent price",
        highlight=False,
    )
    _say_kept(console, kept)
    console.print(f"read {page}, decide in {table}, then `truemark recovery refund approve`", highlight=False)


@group.command("review")
def review(
    rules: RulesOption = _RULES,
    folder: DirOption = _DIR,
    decisions: Annotated[Path | None, typer.Option(help="The table with decisions; by default review.csv.")] = None,
    deployment: DeploymentOption = None,
) -> None:
    """Says what is decided so far, and whether the decisions can be used."""
    from truemark_keeper.recovery.refund import read_decisions
    from truemark_keeper.recovery.refund.folder import Folder

    saved = _saved(rules, folder, manifest.find(deployment))
    made = read_decisions(decisions or Folder(folder).review, saved.survey)
    approved = sum(item.approved for item in made)
    Console().print(f"{approved} approved, {len(made) - approved} rejected; nothing is open", highlight=False)


@group.command("approve")
def approve(
    rules: RulesOption = _RULES,
    folder: DirOption = _DIR,
    decisions: Annotated[Path | None, typer.Option(help="The table with decisions; by default review.csv.")] = None,
    deployment: DeploymentOption = None,
    backend: BackendOption = None,
) -> None:
    """Adds up what was approved, and writes the list that is paid, with its root."""
    from truemark_keeper.recovery.refund import PayList, read_decisions, refunds
    from truemark_keeper.recovery.refund.folder import Folder
    from truemark_keeper.recovery.refund.review import approved

    venue, files = manifest.find(deployment), Folder(folder)
    saved = _saved(rules, folder, venue)
    made = read_decisions(decisions or files.review, saved.survey)
    found = refunds(saved.survey, venue, approved(made), saved.price, funding=saved.funding, backend=backend)
    pay = PayList.of(found, venue)
    console = Console()
    _say_kept(console, pay.save(files.pay))
    _say_list(console, pay)


@group.command("open")
def open_(
    folder: DirOption = _DIR,
    config: ConfigOption = _CONFIG,
    execute: ExecuteOption = False,
    deployment: DeploymentOption = None,
) -> None:
    """Puts the root and the money on chain. The account is the admin's."""

    async def run(work: Distribution, account: Account, console: Console) -> None:
        missing = await work.missing(account.address)
        if missing:
            lack = f"the wallet of {account.address:#x} lacks {_usd(missing)} USD"
            if execute:
                raise NotFunded(lack)
            console.print(lack, highlight=False)
        if execute:
            _say(console, await work.open(account.execute))

    _on_chain(folder, config, deployment, run, execute=execute)


@group.command("push")
def push(
    folder: DirOption = _DIR,
    config: ConfigOption = _CONFIG,
    execute: ExecuteOption = False,
    batch: Annotated[int, typer.Option(min=1, max=100, help="Refunds a transaction.")] = 50,
    deployment: DeploymentOption = None,
) -> None:
    """Pays what is not paid yet into the margin accounts. Any account can; it goes on where it was cut short."""

    async def run(work: Distribution, account: Account, console: Console) -> None:
        def tell(pushed: Pushed) -> None:
            console.print(f"  {pushed.transaction:#x}: {len(pushed.paid)} paid", highlight=False)
            for index, reason in pushed.refused:
                console.print(f"  refund {index} was refused: {reason}", highlight=False)

        _say(console, await (work.push(account.execute, batch=batch, tell=tell) if execute else work.status()))

    _on_chain(folder, config, deployment, run, execute=execute)


@group.command("close")
def close(
    folder: DirOption = _DIR,
    config: ConfigOption = _CONFIG,
    execute: ExecuteOption = False,
    deployment: DeploymentOption = None,
) -> None:
    """After the expiry: what is left goes back to who opened it."""

    async def run(work: Distribution, account: Account, console: Console) -> None:
        if execute:
            console.print(f"{_usd(await work.close(account.execute))} USD went back", highlight=False)
        _say(console, await work.status())

    _on_chain(folder, config, deployment, run, execute=execute)


@group.command("status")
def status(folder: DirOption = _DIR, deployment: DeploymentOption = None) -> None:
    """How far the refunds are."""
    venue = manifest.find(deployment)
    _say(Console(), asyncio.run(_status(venue, _pay(folder, venue))))


@group.command("statement")
def statement(folder: DirOption = _DIR, deployment: DeploymentOption = None) -> None:
    """Writes a statement for each account, HTML and JSON with its proof, and the public index of them."""
    from truemark_keeper.recovery.refund import write_statements
    from truemark_keeper.recovery.refund.folder import Folder

    venue = manifest.find(deployment)
    pay = _pay(folder, venue)
    found = asyncio.run(_status(venue, pay))
    paid = set(range(pay.tree.count)) - set(found.unpaid)
    path = write_statements(pay, Folder(folder).statements, venue=venue.name, paid=paid)
    Console().print(f"{pay.tree.count} statements beside {path}", highlight=False)


@group.command("notify")
def notify_(
    url: Annotated[str, typer.Argument(help="Where the ticket system listens: https, or http on this machine.")],
    folder: DirOption = _DIR,
    tickets: Annotated[
        Path | None, typer.Option(help='JSON: {"0xaccount": "ticket"}. Without one the account is named alone.')
    ] = None,
    statements: Annotated[str, typer.Option(help="The URL below which the statements are.")] = "",
    deployment: DeploymentOption = None,
) -> None:
    """Tells the ticket system of each account that was paid; signed with $TRUEMARK_WEBHOOK_SECRET."""
    from truemark_keeper.recovery.refund import notify
    from truemark_keeper.recovery.refund.folder import Folder

    secret = os.environ.get(SECRET, "")
    if not secret:
        raise NoSecret(f"${SECRET} is not set: the receiver could not tell who sends")
    venue, files = manifest.find(deployment), Folder(folder)
    pay, known = _pay(folder, venue), _tickets(tickets)

    async def run() -> int:
        found = await _status(venue, pay)
        paid = set(range(pay.tree.count)) - set(found.unpaid)
        sent = await notify(pay, paid, url, os.fsencode(secret), files.deliveries, tickets=known, statements=statements)
        failed = [item for item in sent if not item.delivered]
        console = Console()
        console.print(f"{len(sent) - len(failed)} of {len(sent)} delivered", highlight=False)
        for item in failed:
            console.print(
                f"  {item.account:#x}: {item.status or 'no answer'} after {item.tries} tries", highlight=False
            )
        return len(failed)

    if asyncio.run(run()):
        raise typer.Exit(1)


def _on_chain(
    folder: Path,
    config: Path,
    deployment: Path | None,
    run: Callable[[Distribution, Account, Console], Awaitable[None]],
    *,
    execute: bool,
) -> None:
    venue = manifest.find(deployment)
    pay = _pay(folder, venue)

    async def all_of_it() -> None:
        console = Console()
        async with _sender(config, venue) as (rpc, account):
            from truemark_keeper.recovery.refund.distribution import Distribution

            _say_list(console, pay)
            await run(Distribution(rpc, venue, pay), account, console)
            if not execute:
                console.print("nothing was done: --execute does it")

    asyncio.run(all_of_it())


@asynccontextmanager
async def _sender(path: Path, venue: Deployment) -> AsyncIterator[tuple[AsyncRpc, Account]]:
    from truemark.account import Account
    from truemark.rpc import AsyncRpc

    from truemark_keeper import service
    from truemark_keeper.config import load

    config = load(path)
    address = service.resolve_account(config.account, venue)
    async with AsyncRpc(service.rpc_url(config, venue)) as rpc:
        await service.check_chain(rpc, venue, address)
        yield rpc, Account(rpc, address, config.key.load(_ask), venue.l2_chain_id)


async def _status(venue: Deployment, pay: PayList) -> DistributionStatus:
    from truemark.rpc import AsyncRpc

    from truemark_keeper.recovery.refund.distribution import Distribution

    async with AsyncRpc(venue.l2_rpc) as rpc:
        return await Distribution(rpc, venue, pay).status()


async def _funding(url: str, venue: Deployment, block: int) -> dict[int, int]:
    from truemark.rpc import AsyncRpc

    from truemark_keeper.recovery.refund import funding_at

    async with AsyncRpc(url) as rpc:
        return await funding_at(rpc, venue, block)


def _pay(folder: Path, venue: Deployment) -> PayList:
    from truemark_keeper.recovery.refund import PayList
    from truemark_keeper.recovery.refund.folder import Folder

    return PayList.load(Folder(folder).pay, venue)


def _saved(rules: Path, folder: Path, venue: Deployment) -> Saved:
    from truemark_keeper.recovery.refund import RefundRules
    from truemark_keeper.recovery.refund.folder import Folder, load_survey

    names = {market.index: name for name, market in venue.markets.items()}
    return load_survey(Folder(folder).survey, RefundRules.load(rules), names)


def _tickets(path: Path | None) -> dict[int, str]:
    import orjson

    if path is None:
        return {}
    try:
        return {int(account, 16): str(ticket) for account, ticket in orjson.loads(path.read_bytes()).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise typer.BadParameter(f"{path}: no table of tickets ({error})") from None


def _say_kept(console: Console, kept: Path | None) -> None:
    if kept is not None:
        console.print(f"what was there before is kept as {kept}", highlight=False)


def _say_list(console: Console, pay: PayList) -> None:
    console.print(
        f"{pay.title}: {pay.tree.count} accounts, {_usd(pay.tree.total)} USD, root {pay.tree.root:#x}; "
        f"{len(pay.left_out)} left out",
        highlight=False,
    )


def _say(console: Console, status: DistributionStatus) -> None:
    if not status.opened:
        console.print(f"not open yet: {status.count} refunds, {_usd(status.total)} USD", highlight=False)
        return
    until = datetime.fromtimestamp(status.expiry, UTC)
    state = "closed" if status.closed else f"open until {until:%Y-%m-%d %H:%M:%S} UTC"
    console.print(
        f"{state}: {status.count - len(status.unpaid)} of {status.count} paid, {_usd(status.claimed)} of "
        f"{_usd(status.total)} USD",
        highlight=False,
    )


def _usd(amount: int) -> str:
    from truemark_keeper.recovery.page import usd

    return usd(amount)


def _ask(prompt: str) -> str:
    return str(typer.prompt(prompt, hide_input=True, err=True))
