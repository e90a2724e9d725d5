"""A keeper in one process: a reporter and a liquidator of one account, on the wall clock, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from truemark.contract import Contract, ContractError
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.keys import StarkKey
from truemark.rpc import AsyncRpc, NodeUnavailable, RpcError
from truemark.secrets import scrubbed

from truemark_keeper.accounts import BadEvents
from truemark_keeper.building import build_sources
from truemark_keeper.checkpointing import FundingCheckpoints
from truemark_keeper.clock import ClockBehind, chain_clock
from truemark_keeper.config import BadConfig, KeeperConfig
from truemark_keeper.counting import count_round, count_sweep, count_watch
from truemark_keeper.fees import L2_GAS, FeeCeiling, FeePolicy, default_policy
from truemark_keeper.funding import FundingRates
from truemark_keeper.history import RoundHistory
from truemark_keeper.keystore import environment
from truemark_keeper.liquidator import Liquidator, Sweep
from truemark_keeper.monitoring import Board, KeeperCollector, shown
from truemark_keeper.opinion import Opinion
from truemark_keeper.pinned import BlockGone, ChainUnsteady
from truemark_keeper.policy import JudgedAlready
from truemark_keeper.reporter import Reporter, Round
from truemark_keeper.sentinel import IncidentFolder, Sentinel, SightReader, Watch
from truemark_keeper.simulating import SimulatingSender
from truemark_keeper.slots import TransactionDisplaced, TransactionRefused
from truemark_keeper.sources import SourceError, http_client
from truemark_keeper.spending import Spending
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.validity import Action
from truemark_keeper.venue import VenueReader, VenueUnreadable
from truemark_keeper.wallet import StarkWallet

log = logging.getLogger(__name__)

CONTRACT_NOT_FOUND = 20


class WrongChain(TruemarkError, RuntimeError):
    """The node is not of the deployment's chain, or the account is not on it."""


class SwitchedOff(TruemarkError, RuntimeError):
    """The kill switch is on."""


class NotDone(TruemarkError, RuntimeError):
    """A command that was to do one thing had nothing to do."""


#: What may pass: the next round is tried all the same.
PASSING = (
    SourceError,
    RpcError,
    NodeUnavailable,
    ChainUnsteady,
    BlockGone,
    VenueUnreadable,
    BadEvents,
    TransactionRefused,
    TransactionDisplaced,
    FeeCeiling,
    ClockBehind,
    SwitchedOff,
    TimeoutError,
)


class Keeper:
    """The services of one account; made by `keeper`.

    Args:
        config: what it does.
        reporter, liquidator, sentinel: ready to work; only those whose roles are played are needed.
        opinion, history: each round's verdicts are kept.
        funding: told of each round before it is reported.
        checkpoints: looked after with each sweep.
        clock: of the chain, asked before each round; see clock.chain_clock.
        grace: seconds that a round or sweep may still take after it was told to stop.
    """

    def __init__(
        self,
        config: KeeperConfig,
        reporter: Reporter,
        liquidator: Liquidator,
        sentinel: Sentinel | None = None,
        *,
        opinion: Opinion | None = None,
        history: RoundHistory | None = None,
        board: Board | None = None,
        clock: Callable[[int], Awaitable[int]] | None = None,
        funding: FundingRates | None = None,
        checkpoints: FundingCheckpoints | None = None,
        grace: float = 15.0,
    ) -> None:
        self._config = config
        self._reporter = reporter
        self._liquidator = liquidator
        self._sentinel = sentinel
        self._opinion = opinion
        self._history = history
        self.board = board if board is not None else Board()
        self._clock = clock
        self._funding = funding
        self._checkpoints = checkpoints
        self._grace = grace

    async def report(self) -> Round:
        """One round now. Raises as Reporter.round, ClockBehind and BadHistory."""
        now = int(time.time())
        if self._clock is not None:
            self.board.gauge("clock_behind_seconds", await self._clock(now))
        try:
            if self._funding is not None:
                await self._funding.observe(self._reporter.markets, now)
            said = await self._reporter.round(now, self._config.timeout)
        finally:
            if self._history is not None and self._opinion is not None:
                await self._history.record(now, self._opinion.latest.values())
        count_round(self.board, said)
        return said

    async def liquidate(self) -> Sweep:
        """One sweep now. Raises as Liquidator.once."""
        sweep = await self._liquidator.once(self._config.timeout)
        count_sweep(self.board, sweep)
        kept = None if self._checkpoints is None else await self._checkpoints.once(self._config.timeout)
        if kept is not None:
            self.board.count("transactions", "succeeded" if kept.succeeded else "reverted")
        return sweep

    async def watch(self) -> Watch:
        """One look of the sentinel. Raises as Sentinel.step."""
        if self._sentinel is None:
            raise NotDone("this keeper is no sentinel")
        seen = await self._sentinel.step(int(time.time()), self._config.timeout)
        count_watch(self.board, seen)
        return seen

    async def run(self, stop: asyncio.Event) -> None:
        """Works in its roles every `interval` seconds until `stop` is set; then finishes what is under way.

        What may pass (no node, no price, a refused transaction) is logged and tried again at the next turn.
        """
        works: dict[str, Callable[[], Awaitable[object]]] = {
            "reporter": self.report,
            "liquidator": self.liquidate,
            "sentinel": self.watch,
        }
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
        turns = self.board.role(role)
        while not stop.is_set():
            turns.started_at = time.time()
            try:
                self._obey_switch(role)
                await work()
            except PASSING as error:
                log.error("failed", extra={"role": role, "error": _line(error)})
                turns.failed += 1
                turns.last_error = _line(error)
            else:
                turns.done += 1
                turns.succeeded_at, turns.last_error = time.time(), None
            turns.ended_at = time.time()
            turns.seconds = turns.ended_at - turns.started_at
            # On the beat; beats that were missed are not made up for.
            due = max(due + self._config.interval, time.monotonic())
            await _wait(stop, due - time.monotonic())

    def _obey_switch(self, role: str) -> None:
        """Raises SwitchedOff while the kill switch is on; it does not hold a sentinel, which can only stop."""
        switch = self._config.stop_file
        if switch is not None and role != "sentinel" and switch.exists():
            raise SwitchedOff(f"{switch} is there: nothing is done until it is removed")


@asynccontextmanager
async def keeper(config: KeeperConfig, key: StarkKey) -> AsyncIterator[Keeper]:
    """A keeper that is connected and whose account and chain are those of the deployment.

    Raises:
        BadManifest, BadConfig, BadTable, OutsideTable, BadJournal: what it is to work with is not good.
        CcxtMissing, UnknownExchange, PostgresMissing: nor is a source.
        WrongChain, NodeUnavailable, RpcError: nor is the node.
        PortTaken: nor is the port for its metrics.
    """
    deployment = Deployment.load(config.deployment)
    address = resolve_account(config.account, deployment)
    unknown = sorted(set(config.markets.markets) - set(deployment.markets))
    if unknown:
        raise BadConfig(f"[markets] names {', '.join(unknown)}, which the deployment does not have")
    board = Board()
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(AsyncRpc(rpc_url(config, deployment)))
        await check_chain(rpc, deployment, address)
        opinion = await stack.enter_async_context(opinion_of(config, deployment, rpc))
        wallet = StarkWallet(address, key, deployment.l2_chain_id)
        queue = await stack.enter_async_context(
            TransactionQueue(wallet, rpc, fees=_fees(config), journal=config.journal)
        )
        if config.monitoring.port is not None:
            collector = KeeperCollector(board, opinion, lambda: queue.in_flight)
            timing = {"interval": config.interval, "timeout": config.timeout}
            port = await stack.enter_async_context(shown(config.monitoring.port, board, collector, **timing))
            log.info("metrics", extra={"at": f"http://127.0.0.1:{port}/metrics"})
        yield assembled(config, deployment, rpc, queue, wallet, opinion, board)


def _fees(config: KeeperConfig) -> FeePolicy:
    """A liquidator's transactions may need more gas than others, and up to twice what they are planned for."""
    planned = config.liquidator.batch_gas if "liquidator" in config.roles else 0
    return default_policy(max(L2_GAS, 2 * planned))


def assembled(
    config: KeeperConfig,
    deployment: Deployment,
    rpc: AsyncRpc,
    queue: TransactionQueue,
    wallet: StarkWallet,
    opinion: Opinion,
    board: Board,
) -> Keeper:
    """The services around one queue."""
    oracle, clearinghouse = deployment.address("Oracle"), deployment.address("Clearinghouse")
    reader = VenueReader(rpc, oracle=oracle, clearinghouse=clearinghouse)
    funding = FundingRates(opinion, config.markets.funding_rates, config.markets.funding)
    reporter = Reporter(
        queue,
        opinion,
        oracle=oracle,
        markets={name: market.index for name, market in deployment.markets.items()},
        epoch=reader.epoch,
        policy=JudgedAlready(),
        funding_rate=funding.rate,
    )
    settings = config.liquidator
    sender = SimulatingSender(queue, wallet, rpc, _fees(config).first) if settings.simulate else queue
    liquidator = Liquidator(
        sender,
        reader,
        clearinghouse=clearinghouse,
        account=wallet.address,
        own_price=own_price(opinion),
        max_disagreement_bps=config.liquidator.max_disagreement_bps,
        limit_slack_bps=config.liquidator.limit_slack_bps,
        batch_size=config.liquidator.batch_size,
        batch_gas=config.liquidator.batch_gas,
        backstop=reader,
        spending=Spending(settings.spending),
        deleverage=settings.deleverage,
    )
    every = config.liquidator.checkpoint_secs
    checkpoints = FundingCheckpoints(queue, rpc, oracle=oracle, clearinghouse=clearinghouse, every=every)
    sentinel = Sentinel(
        queue,
        SightReader(rpc, deployment),
        clearinghouse=clearinghouse,
        incidents=IncidentFolder(config.sentinel.incidents),
        deployment=deployment.name,
        price=lambda market, now: opinion.price(market, now, Action.ACCUSE),
        doubts=lambda: opinion.doubts,
        terms=config.sentinel.terms,
    )
    monitoring = config.monitoring
    history = None if monitoring.history is None else RoundHistory(monitoring.history, days=monitoring.history_days)
    return Keeper(
        config,
        reporter,
        liquidator,
        sentinel,
        opinion=opinion,
        history=history,
        board=board,
        clock=chain_clock(rpc),
        funding=funding,
        checkpoints=None if every == 0 else checkpoints,
    )


@asynccontextmanager
async def opinion_of(config: KeeperConfig, deployment: Deployment, rpc: AsyncRpc) -> AsyncIterator[Opinion]:
    """The sources of the configuration, opened and judged by its rules. Raises as building.build_sources."""
    async with http_client() as http:
        sources = build_sources(config.sources, http, last_good_marks(deployment, rpc))
        opinion = Opinion(sources, config.markets.markets, config.markets.default)
        try:
            yield opinion
        finally:
            await opinion.aclose()


def last_good_marks(deployment: Deployment, rpc: AsyncRpc) -> Callable[[str], Coroutine[Any, Any, int | None]]:
    """The last good mark on chain by a market's name, 1e-8 USD; None: there is none, or it cannot be read now."""
    oracle = Contract.of(rpc, deployment.address("Oracle"), "Oracle")

    async def price(name: str) -> int | None:
        market = deployment.markets.get(name)
        if market is None:
            return None
        try:
            mark = await oracle.read("mark", market.index)
        except (ContractError, RpcError, NodeUnavailable) as error:
            log.warning("no last good mark", extra={"market": name, "reason": str(error)})
            return None
        return int(mark["price"]) or None

    return price


def rpc_url(config: KeeperConfig, deployment: Deployment) -> str:
    """The node that the keeper talks to.

    Raises:
        BadKeystore: the environment variable with its URL is not set.
    """
    if config.rpc_env is not None:
        return environment(config.rpc_env)
    return config.rpc or deployment.l2_rpc


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


def own_price(opinion: Opinion) -> Callable[[str], Coroutine[Any, Any, int | None]]:
    """The keeper's own price of a market now, if it is good enough to liquidate by; 1e-8 USD."""

    async def price(market: str) -> int | None:
        return await opinion.price(market, int(time.time()), Action.LIQUIDATE)

    return price


async def check_chain(rpc: AsyncRpc, deployment: Deployment, address: int) -> None:
    """
    Raises:
        WrongChain: the node is of another chain, or the account is not on it.
        RpcError, NodeUnavailable: it does not say.
    """
    chain_id = int(await rpc.call("starknet_chainId"), 16)
    if chain_id != deployment.l2_chain_id:
        raise WrongChain(f"the node is of chain {chain_id:#x}, the deployment of {deployment.l2_chain_id:#x}")
    try:
        await rpc.call("starknet_getClassHashAt", {"block_id": "latest", "contract_address": hex(address)})
    except RpcError as error:
        if error.code != CONTRACT_NOT_FOUND:
            raise
        raise WrongChain(f"the account {address:#x} is not on the node's chain: deploy it first") from error


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), max(seconds, 0))
    except TimeoutError:
        return


def _line(error: BaseException) -> str:
    return scrubbed((str(error) or type(error).__name__).splitlines()[0])
