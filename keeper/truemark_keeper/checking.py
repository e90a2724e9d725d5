"""`truemark keeper check`: tries all that a keeper needs, and sends nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.felt import short_string
from truemark.rpc import AsyncRpc
from truemark.secrets import scrubbed

from truemark_keeper.config import KeeperConfig
from truemark_keeper.journal import Journal
from truemark_keeper.monitoring import LISTEN
from truemark_keeper.opinion import Opinion
from truemark_keeper.sentinel import IncidentFolder
from truemark_keeper.service import check_chain, opinion_of, resolve_account, rpc_url
from truemark_keeper.validity import Action, Validity

#: The most that the keeper's clock may be off the newest block's time before it is said; seconds.
CLOCK_SLACK = 60

Result = TypeVar("Result")


class Grade(Enum):
    GOOD = "good"
    #: It would run, and a person should know.
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    what: str
    grade: Grade
    said: str


class NotFit(TruemarkError, RuntimeError):
    """A check found something without which the keeper cannot work."""


async def check(config: KeeperConfig, ask: Callable[[str], str] | None = None) -> list[Finding]:
    """What was found, in the order in which a keeper needs it. Nothing is sent to the venue; sources are asked once.

    Args:
        ask: for the keystore's password, as KeySource.load.
    """
    findings: list[Finding] = []
    deployment = await _tried(findings, "deployment", lambda: _loaded(config))
    if deployment is None:
        return findings
    findings.append(Finding("deployment", Grade.GOOD, f"{deployment.name}, {len(deployment.markets)} markets"))
    await _tried(findings, "files", lambda: _files(findings, config, deployment))
    async with _node(findings, config, deployment) as rpc:
        if rpc is not None:
            await _tried(findings, "account", lambda: _account(findings, config, deployment, rpc, ask))
            await _tried(findings, "sources", lambda: _sources(findings, config, deployment, rpc))
    return findings


async def _tried(findings: list[Finding], what: str, work: Callable[[], Awaitable[Result]]) -> Result | None:
    try:
        return await work()
    except (TruemarkError, OSError) as error:
        findings.append(Finding(what, Grade.BAD, scrubbed((str(error) or type(error).__name__).splitlines()[0])))
        return None


async def _loaded(config: KeeperConfig) -> Deployment:
    return Deployment.load(config.deployment)


@asynccontextmanager
async def _node(
    findings: list[Finding], config: KeeperConfig, deployment: Deployment
) -> AsyncIterator[AsyncRpc | None]:
    url = await _tried(findings, "node", lambda: _url(config, deployment))
    if url is None:
        yield None
        return
    async with AsyncRpc(url, timeout=min(config.timeout, 10.0)) as rpc:
        answered = await _tried(findings, "node", lambda: _clock(findings, rpc))
        yield rpc if answered else None


async def _url(config: KeeperConfig, deployment: Deployment) -> str:
    return rpc_url(config, deployment)


async def _clock(findings: list[Finding], rpc: AsyncRpc) -> bool:
    block = await rpc.call("starknet_getBlockWithTxHashes", {"block_id": "latest"})
    off = int(time.time()) - int(block["timestamp"])
    said = f"block {block['block_number']}, {abs(off)} s {'ago' if off >= 0 else 'ahead of our clock'}"
    findings.append(Finding("node", Grade.GOOD if abs(off) <= CLOCK_SLACK else Grade.DOUBTFUL, said))
    return True


async def _files(findings: list[Finding], config: KeeperConfig, deployment: Deployment) -> None:
    if config.journal is not None:
        entries = Journal(
            config.journal, address=resolve_account(config.account, deployment), chain_id=deployment.l2_chain_id
        ).load()
        findings.append(Finding("journal", Grade.GOOD, f"{len(entries)} open transactions"))
    folders = [path.parent for path in (config.journal, config.monitoring.history) if path is not None]
    if "sentinel" in config.roles:
        folders.append(config.sentinel.incidents)
        opened = IncidentFolder(config.sentinel.incidents).open_one(deployment.address("Clearinghouse"))
        if opened is not None:
            findings.append(
                Finding("incidents", Grade.DOUBTFUL, f"{opened.name} is open: nothing new is stopped twice")
            )
    closed = [folder for folder in dict.fromkeys(folders) if not _writable(folder)]
    findings.extend(Finding("files", Grade.BAD, f"{folder} cannot be written") for folder in closed)
    if config.monitoring.port is not None:
        with socket.socket() as probe:
            free = probe.connect_ex((LISTEN, config.monitoring.port)) != 0
        said = f"{LISTEN}:{config.monitoring.port} is {'free' if free else 'taken'}"
        findings.append(Finding("metrics", Grade.GOOD if free else Grade.BAD, said))


async def _account(
    findings: list[Finding],
    config: KeeperConfig,
    deployment: Deployment,
    rpc: AsyncRpc,
    ask: Callable[[str], str] | None,
) -> None:
    address = resolve_account(config.account, deployment)
    await check_chain(rpc, deployment, address)
    # Decrypting takes a second of CPU: not on the loop that answers.
    key = await asyncio.to_thread(config.key.load, ask)
    account = Contract.of(rpc, address, "Account")
    owner = int(await account.read("get_public_key"))
    if owner != key.public_key:
        raise NotFit(f"the key is of {key.public_key:#x}, the account {address:#x} obeys {owner:#x}")
    findings.append(Finding("account", Grade.GOOD, f"{address:#x} obeys the key"))
    fee = await Contract.of(rpc, deployment.fee_token, "CollateralToken").read("balance_of", address)
    findings.append(Finding("fees", Grade.GOOD if fee > 0 else Grade.BAD, f"{fee / 10**18:.4g} STRK for transactions"))
    for role in config.roles:
        await _role(findings, role, deployment, rpc, address)


async def _role(findings: list[Finding], role: str, deployment: Deployment, rpc: AsyncRpc, address: int) -> None:
    clearinghouse = Contract.of(rpc, deployment.address("Clearinghouse"), "Clearinghouse")
    if role == "reporter":
        good = address in await Contract.of(rpc, deployment.address("Oracle"), "Oracle").read("reporters")
        said = "has a seat at the oracle" if good else "is no reporter of the oracle: its reports would revert"
    elif role == "sentinel":
        good = bool(await clearinghouse.read("has_role", short_string("SENTINEL"), address))
        said = "may stop the venue" if good else "does not have the sentinel's role: it could not stop the venue"
    else:
        view = await clearinghouse.read("account", address)
        good = view["collateral"] > 0
        said = f"{view['collateral'] / 10**6:,.2f} USD of margin to take positions over with"
        findings.append(Finding(role, Grade.GOOD if good else Grade.DOUBTFUL, said))
        return
    findings.append(Finding(role, Grade.GOOD if good else Grade.BAD, said))


async def _sources(findings: list[Finding], config: KeeperConfig, deployment: Deployment, rpc: AsyncRpc) -> None:
    async with opinion_of(config, deployment, rpc) as opinion:
        verdicts = await opinion.verdicts(tuple(deployment.markets), int(time.time()))
        for source in opinion.sources:
            stats = source.stats
            if stats.failed:
                findings.append(Finding(f"source {source.name}", Grade.BAD, scrubbed(stats.last_error or "failed")))
            else:
                said = f"{stats.quotes} quotes in {stats.seconds:.2f} s"
                findings.append(Finding(f"source {source.name}", Grade.GOOD if stats.quotes else Grade.BAD, said))
        for verdict in verdicts.values():
            said = f"{verdict.price / 10**8:,.8g} USD by {len(verdict.groups)} groups" if verdict.price else ""
            said = "; ".join(part for part in (said, verdict.reason) if part)
            grade = Grade.GOOD if verdict.allows(Action.REPORT) else Grade.BAD
            if verdict.validity is Validity.MISSING and _on_probation(opinion):
                grade = Grade.DOUBTFUL
            findings.append(Finding(verdict.market, grade, f"{verdict.validity}: {said}"))


def _on_probation(opinion: Opinion) -> bool:
    """A database is heard only after some rounds; one look cannot show that it will be."""
    return any(getattr(source.inner, "withheld", None) for source in opinion.sources)


def _writable(folder: Path) -> bool:
    at = folder
    while not at.exists() and at != at.parent:
        at = at.parent
    return at.is_dir() and os.access(at, os.W_OK)
