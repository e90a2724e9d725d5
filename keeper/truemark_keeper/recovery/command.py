"""`truemark recovery`: a rollback by command, rehearsed first."""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer
from rich.console import Console
from truemark import deployment as manifest
from truemark.errors import TruemarkError

from truemark_keeper.recovery.refund_command import group as refund

if TYPE_CHECKING:
    from truemark.deployment import Deployment

    from truemark_keeper.config import KeeperConfig
    from truemark_keeper.recovery.chain import RecoveryChain
    from truemark_keeper.recovery.reopen import Stand

#: Entry points of adapters: a function of the deployment that gives an async context manager with a RecoveryChain.
ADAPTERS: Final = "truemark.recovery"
RECORD: Final = "rollback.json"
DeploymentOption = Annotated[
    Path | None,
    typer.Option(help="The venue's manifest; by default $TRUEMARK_DEPLOYMENT, else that of the local devnet."),
]


class NoAdapter(TruemarkError, LookupError):
    """No installed package can roll back a node of that kind."""


class Goal(enum.StrEnum):
    CANCEL_ONLY = "CancelOnly"
    POST_ONLY = "PostOnly"
    FULL = "Full"


def register(app: typer.Typer) -> None:
    """Adds the group to `truemark`."""
    group = typer.Typer(
        name="recovery", help="Take a venue back to its last good block, and up again.", no_args_is_help=True
    )
    group.command("find")(find)
    group.command("plan")(plan)
    group.command("rollback")(rollback)
    group.command("reconcile")(reconcile)
    group.command("reopen")(reopen)
    group.add_typer(refund)
    app.add_typer(group)


def find(
    db: Annotated[
        str | None,
        typer.Option(help="The index: a file or a database's URL; by default that of `truemark index run`."),
    ] = None,
    deployment: DeploymentOption = None,
    history: Annotated[
        Path | None, typer.Option(help="A keeper's history of its own prices: marks and liquidations are held to it.")
    ] = None,
    first: Annotated[int, typer.Option("--from", min=0, help="The first block to look at.")] = 0,
    last: Annotated[int | None, typer.Option("--to", min=0, help="The last one; by default the newest.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Says which block was the last good one, and what speaks against those after it."""
    import orjson
    from truemark.commands.index import opened
    from truemark.units import from_price

    from truemark_keeper.recovery.find import find_last_good
    from truemark_keeper.recovery.prices import PriceHistory

    venue = manifest.find(deployment)
    prices = PriceHistory({}) if history is None else PriceHistory.load(history)
    with opened(db, venue, existing=True) as index:
        found = find_last_good(index, venue, price=prices.at, first=first, last=last)
    if as_json:
        said = {
            "first": found.first,
            "last": found.last,
            "last_good": found.last_good,
            "fingerprint": found.fingerprint,
            "kept": None if found.kept is None else asdict(found.kept),
            "first_bad": None if found.bad is None else asdict(found.bad),
            "suspicions": [item.to_json() for item in found.suspicions],
        }
        typer.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode())
        return
    console = Console()
    for item in found.suspicions:
        where = f" {item.market}" if item.market else ""
        console.print(f"block {item.block}  {item.rule}{where}: {item.explanation}", highlight=False)
    for word, block in (("kept", found.kept), ("bad ", found.bad)):
        if block is not None:
            marks = ", ".join(
                f"{name} {from_price(price).normalize():f} {status}" for name, (price, status) in block.marks.items()
            )
            at = datetime.fromtimestamp(block.at, UTC)
            console.print(
                f"{word} block {block.block} of {at:%Y-%m-%d %H:%M:%S} UTC, {block.fingerprint[:16]}: "
                f"{block.transactions} transactions, {block.unattributed} writes by none; {marks or 'no marks'}",
                highlight=False,
            )
    good = "none of them is good" if found.last_good is None else f"the last good block is {found.last_good}"
    console.print(f"blocks {found.first} to {found.last}: {good}", highlight=False)


def plan(
    block: Annotated[
        int | None, typer.Argument(min=0, help="The last good block: what a rollback to it would do.")
    ] = None,
    verify: Annotated[
        Path | None, typer.Option(help="Check a plan's signature instead, and that it is the operator's.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="With --verify: the public key that must have signed; else the node is asked.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings whose account and key sign the plan; without them it is not signed.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="A keeper's history of its own prices: the independent price.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The JSON file; the page is written beside it.")] = Path("plan.json"),
    first: Annotated[int, typer.Option("--from", min=0, help="Look for what is wrong from this block on.")] = 0,
    db: Annotated[
        str | None,
        typer.Option(help="The index: a file or a database's URL; by default that of `truemark index run`."),
    ] = None,
    deployment: DeploymentOption = None,
) -> None:
    """Says what a rollback would take from whom and what it would repair, against refunds without one."""
    from truemark.commands.index import opened

    from truemark_keeper.recovery.impact import impact_of
    from truemark_keeper.recovery.page import usd
    from truemark_keeper.recovery.plan_files import check_plan, write_plan
    from truemark_keeper.recovery.prices import PriceHistory

    console = Console()
    if (block is None) is (verify is None):
        raise typer.BadParameter("give either a block or --verify FILE")
    if out.suffix == ".html":
        raise typer.BadParameter(f"--out is the JSON file, the page beside it is called {out} already")
    if verify is not None:
        found = asyncio.run(check_plan(verify, key, None if key else manifest.find(deployment)))
        content = found.content
        console.print(
            f"{verify}: the plan for block {content['block']} of {content['venue']}, signed by {found.account:#x} with "
            f"the key {found.public_key:#x}",
            highlight=False,
        )
        return
    venue = manifest.find(deployment)
    prices = PriceHistory({}) if history is None else PriceHistory.load(history)
    with opened(db, venue, existing=True) as index:
        said = impact_of(index, venue, cast("int", block), price=prices.at, first=first)
    page = asyncio.run(write_plan(said, out, venue, config, _ask))
    totals, place = said.totals, said.in_place
    console.print(
        f"a rollback to block {said.block} erases {said.transactions} transactions: {totals['fills']} fills, "
        f"{totals['deposits']} deposits, {totals['withdrawals']} withdrawals, {totals['vault']} actions of the vault; "
        f"{len(said.messages)} messages cross the line; {len(said.repaired)} findings are repaired, {len(said.left)} "
        "stay",
        highlight=False,
    )
    console.print(
        f"refunds without one: {usd(place.total)} USD to {place.accounts} accounts; read {page}",
        highlight=False,
    )


def rollback(
    block: Annotated[int, typer.Argument(min=0, help="The last good block: the newest one afterwards.")],
    execute: Annotated[bool, typer.Option("--execute", help="Do it; without this it is only said.")] = False,
    deployment: DeploymentOption = None,
    record: Annotated[
        Path | None, typer.Option(help="The rollback's memory, by default rollback.json beside the manifest.")
    ] = None,
    chain: Annotated[str, typer.Option(help="The kind of node: the name of an adapter.")] = "devnet",
) -> None:
    """Rolls the chain back: admission closed, messages carried, blocks erased, a new epoch, Halted, admission open.

    A rollback that was cut short goes on where it stopped when the same command is given again.
    """
    path = deployment if deployment is not None else manifest.default_path()
    asyncio.run(_rollback(path, block, record or path.with_name(RECORD), adapter(chain), execute=execute))


def reconcile(
    execute: Annotated[bool, typer.Option("--execute", help="Do it; without this it is only said.")] = False,
    deployment: DeploymentOption = None,
    chain: Annotated[str, typer.Option(help="The kind of node: the name of an adapter.")] = "devnet",
) -> None:
    """Withdrawals that a rollback erased are attested by L1, deposits are delivered again, both sides are added up."""
    asyncio.run(_reconcile(manifest.find(deployment), adapter(chain), execute=execute))


def reopen(
    config: Annotated[
        Path, typer.Option(help="A keeper's settings: its account is the admin's, its sources are the outside price.")
    ] = Path("keeper.toml"),
    goal: Annotated[Goal, typer.Option(help="The mode to reach.")] = Goal.FULL,
    execute: Annotated[
        bool, typer.Option("--execute", help="Do it; without this it is measured once and said.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 5.0,
    hold: Annotated[int, typer.Option(min=1, help="Seconds for which everything must hold before a step up.")] = 60,
    reports: Annotated[Path, typer.Option(help="Where the integrity reports go.")] = Path("reports"),
    ready: Annotated[
        list[str] | None, typer.Option(help="The /readyz of a keeper that must be ready; may be repeated.")
    ] = None,
    db: Annotated[str | None, typer.Option(help="An index that must say what the chain says: a file or a URL.")] = None,
) -> None:
    """Takes the venue up by stages, each when what it asks for was measured to hold; back down when it breaks."""
    from truemark_keeper import logs
    from truemark_keeper.config import load

    settings = load(config)
    logs.setup()
    asyncio.run(_reopen(settings, goal, interval, hold, reports, ready or [], db, execute=execute))


def adapter(name: str) -> Callable[[Deployment], AbstractAsyncContextManager[RecoveryChain]]:
    """
    Raises:
        NoAdapter: none has that name.
    """
    known: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=ADAPTERS)}
    if name not in known:
        there_are = ", ".join(sorted(known)) or "none"
        raise NoAdapter(f"no adapter for a node of the kind {name!r}; installed: {there_are}")
    return cast("Callable[[Deployment], AbstractAsyncContextManager[RecoveryChain]]", known[name].load())


async def _rollback(path: Path, block: int, record: Path, attach: Callable[..., Any], *, execute: bool) -> None:
    from truemark.rpc import AsyncRpc

    from truemark_keeper.recovery.rollback import STEPS, Rollback

    console = Console()
    venue = manifest.find(path)
    async with attach(venue) as chain, AsyncRpc(venue.l2_rpc) as rpc:
        work = Rollback(chain, rpc, venue, record)
        plan = await work.plan(block)
        what = "what is left of" if plan.transactions is None else f"{plan.transactions} transactions in"
        console.print(
            f"{venue.name}: this erases {what} blocks {plan.block + 1} to {plan.height}, begins the epoch after "
            f"{plan.epoch} and leaves the venue Halted",
            highlight=False,
        )
        if not execute:
            console.print("nothing was done: --execute does it")
            return
        begun = await work.begin(block)
        for step in begun.done:
            console.print(f"  done before  {step}")
        await work.run(lambda step: console.print(f"  done         {step}"))
        console.print(f"the chain is back at block {block}, {len(STEPS)} steps; {record} has the record")


async def _reconcile(venue: Deployment, attach: Callable[..., Any], *, execute: bool) -> None:
    from truemark.rpc import AsyncRpc

    from truemark_keeper.recovery import reconcile as work

    console = Console()
    async with attach(venue) as chain, AsyncRpc(venue.l2_rpc) as rpc:
        for item in await work.erased(rpc, venue, chain.l1):
            paid = "paid" if item.paid else "not paid yet"
            done = ", debited again" if item.attested else ""
            withdrawal = item.withdrawal
            console.print(
                f"withdrawal {withdrawal.counter} of epoch {withdrawal.epoch}: {withdrawal.amount} USD to "
                f"{withdrawal.recipient}, {paid}{done}",
                highlight=False,
            )
        for deposit in await work.erased_deposits(rpc, venue, chain.l1):
            console.print(
                f"deposit {deposit.nonce}: {deposit.amount} USD to {deposit.recipient:#x}, consumed on L1, not on L2",
                highlight=False,
            )
        if execute:
            balance = await work.reconcile(rpc, venue, chain.l1, chain.carry, deliver=chain.deliver)
        else:
            balance = await work.balance_of(rpc, venue, chain.l1)
        console.print(
            f"L1 has locked {balance.locked}, L2 has {balance.supply}, on their way {balance.in_flight}, not paid yet "
            f"{balance.unpaid}, still due {balance.due}: {'it adds up' if balance.holds else 'it does not add up'}",
            highlight=False,
        )
        if not execute:
            console.print("nothing was done: --execute does it")


async def _reopen(
    config: KeeperConfig,
    goal: Goal,
    interval: float,
    hold: int,
    reports: Path,
    ready: Sequence[str],
    db: str | None,
    *,
    execute: bool,
) -> None:
    import httpx
    from truemark.commands.index import opened
    from truemark.contract import Contract
    from truemark.rpc import AsyncRpc

    from truemark_keeper import service
    from truemark_keeper.recovery.integrity import IntegrityReport, integrity_report
    from truemark_keeper.recovery.parity import index_problems
    from truemark_keeper.recovery.readiness import keeper_problems
    from truemark_keeper.recovery.reopen import Reopening, ReopenTerms
    from truemark_keeper.sentinel import SightReader, StopMode
    from truemark_keeper.transactions import TransactionQueue
    from truemark_keeper.validity import Action
    from truemark_keeper.wallet import StarkWallet

    console = Console()
    venue = manifest.find(config.deployment)
    address = service.resolve_account(config.account, venue)
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(AsyncRpc(service.rpc_url(config, venue)))
        await service.check_chain(rpc, venue, address)
        opinion = await stack.enter_async_context(service.opinion_of(config, venue, rpc))
        wallet = StarkWallet(address, config.key.load(_ask), venue.l2_chain_id)
        queue = await stack.enter_async_context(TransactionQueue(wallet, rpc, journal=config.journal))
        house = Contract.of(rpc, venue.address("Clearinghouse"), "Clearinghouse")
        params = await house.read("venue_params")
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        index = None if db is None else stack.enter_context(opened(db, venue, existing=True))

        async def keepers() -> list[str]:
            return await keeper_problems(client, ready)

        async def parity() -> list[str]:
            return [] if index is None else await index_problems(rpc, index, venue)

        async def report() -> IntegrityReport:
            return await integrity_report(rpc, venue)

        async def move(mode: StopMode, taken: IntegrityReport | None) -> None:
            if taken is not None:
                reports.mkdir(parents=True, exist_ok=True)
                (reports / f"{taken.hash:#x}.json").write_bytes(taken.content)
            outcome = await queue.execute(
                [house.call("set_mode", mode.variant, 0 if taken is None else taken.hash)], config.timeout
            )
            outcome.or_raise()

        reopening = Reopening(
            SightReader(rpc, venue),
            price=lambda market, now: opinion.price(market, now, Action.ACCUSE),
            report=report,
            move=move,
            dwell_secs=params["dwell_secs"],
            goal=StopMode.of(goal.value),
            terms=ReopenTerms(hold_secs=hold, grace_secs=params["grace_secs"]),
            ready=keepers if ready else None,
            parity=None if index is None else parity,
        )
        while True:
            stand = await reopening.look(int(time.time()))
            _show(console, stand)
            if stand.done or not execute:
                return
            await asyncio.sleep(interval)


def _ask(prompt: str) -> str:
    return str(typer.prompt(prompt, hide_input=True, err=True))


def _show(console: Console, stand: Stand) -> None:
    moved = "" if stand.moved is None else f" -> {stand.moved.variant}"
    console.print(f"block {stand.block}  {stand.mode.variant}{moved}  all held for {stand.held} s", highlight=False)
    for item in stand.criteria:
        console.print(f"  {'ok     ' if item.holds else 'missing'} {item.name}: {item.measured}", highlight=False)
