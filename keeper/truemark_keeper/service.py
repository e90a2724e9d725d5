"""A keeper in one process: a reporter and a liquidator of one account, on the wall clock, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.keys import StarkKey
from truemark.rpc import AsyncRpc, NodeUnavailable, RpcError

from truemark_keeper.accounts import BadEvents
from truemark_keeper.config import FIRST, RECORDED, BadConfig, KeeperConfig, ReplaySettings
from truemark_keeper.fees import FeeCeiling
from truemark_keeper.liquidator import Liquidator, Sweep
from truemark_keeper.pinned import ChainUnsteady
from truemark_keeper.reporter import Reporter, Round
from truemark_keeper.slots import TransactionDisplaced, TransactionRefused
from truemark_keeper.sources import PriceTable, ReplaySource, Source, SourceError
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.venue import VenueReader, VenueUnreadable
from truemark_keeper.wallet import StarkWallet

log = logging.getLogger(__name__)

#: What may pass: the next round is tried all the same.
PASSING = (
    SourceError,
    RpcError,
    NodeUnavailable,
    ChainUnsteady,
    VenueUnreadable,
    BadEvents,
    TransactionRefused,
    TransactionDisplaced,
    FeeCeiling,
    TimeoutError,
)
CONTRACT_NOT_FOUND = 20


class WrongChain(TruemarkError, RuntimeError):
    """The node is not of the deployment's chain, or the account is not on it."""


class NotDone(TruemarkError, RuntimeError):
    """A command that was to do one thing had nothing to do."""


class Keeper:
    """The services of one account; made by `keeper`.

    Args:
        config: what it does.
        reporter, liquidator: ready to work.
        grace: seconds that a round or sweep may still take after it was told to stop.
    """

    def __init__(
        self, config: KeeperConfig, reporter: Reporter, liquidator: Liquidator, *, grace: float = 15.0
    ) -> None:
        self._config = config
        self._reporter = reporter
        self._liquidator = liquidator
        self._grace = grace

    async def report(self) -> Round:
        """One round now. Raises as Reporter.round."""
        return await self._reporter.round(int(time.time()), self._config.timeout)

    async def liquidate(self) -> Sweep:
        """One sweep now. Raises as Liquidator.once."""
        return await self._liquidator.once(self._config.timeout)

    async def run(self, stop: asyncio.Event) -> None:
        """Works in its roles every `interval` seconds until `stop` is set; then finishes what is under way.

        What may pass (no node, no price, a refused transaction) is logged and tried again at the next turn.
        """
        works: dict[str, Callable[[], Awaitable[object]]] = {"reporter": self.report, "liquidator": self.liquidate}
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._repeat(role, works[role], stop), name=role) for role in self._config.roles
        ]
        log.info("running", extra={"roles": "+".join(self._config.roles), "interval": self._config.interval})
        told = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([told, *tasks], return_when=asyncio.FIRST_COMPLETED)
            # One that ended by itself died of a fault of ours: the others stop too, and its error is raised.
            stop.set()
            _, late = await asyncio.wait(tasks, timeout=self._grace)
            for task in late:
                log.warning("given up while it was at work", extra={"role": task.get_name()})
        finally:
            for task in (told, *tasks):
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        log.info("stopped")
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _repeat(self, role: str, work: Callable[[], Awaitable[object]], stop: asyncio.Event) -> None:
        due = time.monotonic()
        while not stop.is_set():
            try:
                await work()
            except PASSING as error:
                log.error("failed", extra={"role": role, "error": _line(error)})
            # On the beat; beats that were missed are not made up for.
            due = max(due + self._config.interval, time.monotonic())
            await _wait(stop, due - time.monotonic())


@asynccontextmanager
async def keeper(config: KeeperConfig, key: StarkKey) -> AsyncIterator[Keeper]:
    """A keeper that is connected and whose account and chain are those of the deployment.

    Raises:
        BadManifest, BadConfig, BadTable, OutsideTable, BadJournal: what it is to work with is not good.
        WrongChain, NodeUnavailable, RpcError: nor is the node.
    """
    deployment = Deployment.load(config.deployment)
    address = resolve_account(config.account, deployment)
    oracle = deployment.contracts["Oracle"].address
    clearinghouse = deployment.contracts["Clearinghouse"].address
    source = replay_source(config.source, int(time.time()))
    async with AsyncRpc(config.rpc or deployment.l2_rpc) as rpc:
        await _check(rpc, deployment, address)
        wallet = StarkWallet(address, key, deployment.l2_chain_id)
        reader = VenueReader(rpc, oracle=oracle, clearinghouse=clearinghouse)
        async with TransactionQueue(wallet, rpc, journal=config.journal) as queue:
            yield Keeper(
                config,
                Reporter(
                    queue,
                    source,
                    oracle=oracle,
                    markets={name: market.index for name, market in deployment.markets.items()},
                    epoch=reader.epoch,
                ),
                Liquidator(
                    queue,
                    reader,
                    clearinghouse=clearinghouse,
                    account=address,
                    own_price=own_price(source),
                    max_disagreement_bps=config.liquidator.max_disagreement_bps,
                    limit_slack_bps=config.liquidator.limit_slack_bps,
                    batch_size=config.liquidator.batch_size,
                ),
            )


def resolve_account(text: str, deployment: Deployment) -> int:
    """An operator of the manifest by name, or an address.

    Raises:
        BadConfig: neither.
    """
    if text in deployment.operators:
        return int(deployment.operators[text])
    try:
        return int(text, 16)
    except ValueError:
        names = ", ".join(sorted(deployment.operators))
        raise BadConfig(f"account {text!r} is neither an address nor an operator of the deployment ({names})") from None


def replay_source(settings: ReplaySettings, now: int) -> ReplaySource:
    """The recorded prices, moved so that the table's `start` is `now` (seconds).

    Raises:
        BadConfig: a start that is no time.
        BadTable, OutsideTable: the table cannot be read, or has no such reporter.
    """
    table = PriceTable.load(settings.replay)
    if settings.start == RECORDED:
        shift = 0
    elif settings.start == FIRST:
        shift = now - table.times[0]
    else:
        shift = now - _moment(settings.start)
    return ReplaySource(
        table,
        settings.reporter,
        interpolate=settings.interpolate,
        shift=shift,
        confidence_bps=settings.confidence_bps,
    )


def own_price(source: Source) -> Callable[[str], Coroutine[Any, Any, int | None]]:
    """What the source says of a market now, as the liquidator's own opinion of its price; 1e-8 USD."""

    async def price(market: str) -> int | None:
        try:
            quotes = await source.quotes((market,), int(time.time()))
        except SourceError as error:
            log.warning("no own price", extra={"market": market, "reason": str(error)})
            return None
        return next((quote.price for quote in quotes if quote.market == market), None)

    return price


async def _check(rpc: AsyncRpc, deployment: Deployment, address: int) -> None:
    chain_id = int(await rpc.call("starknet_chainId"), 16)
    if chain_id != deployment.l2_chain_id:
        raise WrongChain(f"{rpc.url} is of chain {chain_id:#x}, the deployment of {deployment.l2_chain_id:#x}")
    try:
        await rpc.call("starknet_getClassHashAt", {"block_id": "latest", "contract_address": hex(address)})
    except RpcError as error:
        if error.code != CONTRACT_NOT_FOUND:
            raise
        raise WrongChain(f"the account {address:#x} is not on the chain of {rpc.url}: deploy it first") from error


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadConfig(f"start is {text!r}; write {RECORDED}, {FIRST} or a time such as 2026-01-18T23:00:00Z")
    return int(moment.timestamp())


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), max(seconds, 0))
    except TimeoutError:
        return


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
