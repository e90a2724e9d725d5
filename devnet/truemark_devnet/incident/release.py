"""The release's keepers on the night: three reporters and a liquidator with their own opinion, and a sentinel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from truemark.units import to_price
from truemark_keeper.liquidator import Liquidator, Sweep
from truemark_keeper.opinion import Opinion
from truemark_keeper.policy import JudgedAlready
from truemark_keeper.reporter import Reporter
from truemark_keeper.sentinel import IncidentFolder, Sentinel, SentinelTerms, SightReader, Watch
from truemark_keeper.service import last_good_marks
from truemark_keeper.sources import DatabaseSource, Quote, Source, SourceError, WatchedSource
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.validity import Action
from truemark_keeper.venue import VenueReader

from truemark_devnet.deploy.venue import wallet_of
from truemark_devnet.incident.database import OperatorDatabase
from truemark_devnet.incident.script import FUNDING_PPM, true_price
from truemark_devnet.scenario.stage import Stage, panel_of

_TIMEOUT = 30.0


class Exchange:
    """Another exchange, which knows nothing of the upgrade."""

    def __init__(self, name: str, zero: int) -> None:
        self._name, self._zero = name, zero

    @property
    def name(self) -> str:
        return self._name

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        return tuple(
            Quote(market, to_price(true_price(market, now - self._zero)), 5, now, now, self._name) for market in markets
        )


class ReleaseKeepers:
    """All of them, one turn at a time on the chain's clock."""

    def __init__(
        self,
        stage: Stage,
        reporters: Sequence[tuple[Reporter, Opinion]],
        liquidator: Liquidator,
        sentinel: Sentinel,
        set_clock: Callable[[int], None],
    ) -> None:
        self._stage = stage
        self._reporters = reporters
        self._liquidator = liquidator
        self._sentinel = sentinel
        self._set_clock = set_clock

    async def round(self) -> str:
        """What the reporters did, in a few words."""
        now = await self._stage.nodes.l2_time()
        said, reason = 0, ""
        for reporter, opinion in self._reporters:
            try:
                done = await reporter.round(now, _TIMEOUT)
            except SourceError:
                reason = _why(opinion)
                continue
            said += done.outcome is not None and done.outcome.succeeded
        return f"{said} of {len(self._reporters)} report{': ' if reason else ''}{reason}"

    async def watch(self) -> Watch:
        return await self._sentinel.step(await self._stage.nodes.l2_time(), _TIMEOUT)

    async def liquidate(self) -> Sweep:
        self._set_clock(await self._stage.nodes.l2_time())
        return await self._liquidator.once(_TIMEOUT)


def _why(opinion: Opinion) -> str:
    """What keeps the database from counting: its own error, or what is wrong with the first value that it gave."""
    database = opinion.sources[0]
    if database.stats.failures_in_a_row:
        return str(database.stats.last_error)
    inner = database.inner
    withheld = inner.withheld if isinstance(inner, DatabaseSource) else {}
    return next((f"{market}: {reason}" for market, reason in withheld.items()), "too few sources agree")


@asynccontextmanager
async def release_keepers(stage: Stage, database: OperatorDatabase, incidents: Path) -> AsyncIterator[ReleaseKeepers]:
    """Each with its own account, sources and connection to the database."""
    deployment, rpc = stage.deployment, stage.rpc
    oracle, clearinghouse = stage.oracle.address, stage.clearinghouse.address
    reader = VenueReader(rpc, oracle=oracle, clearinghouse=clearinghouse)
    async with AsyncExitStack() as stack:

        async def opinion(who: str) -> Opinion:
            inner = DatabaseSource(
                database.reader(f"{who}: the venue's database"),
                name="the venue's database",
                group="venue",
                last_good=last_good_marks(deployment, rpc),
            )
            sources: list[Source] = [inner, Exchange("exchange-a", stage.zero), Exchange("exchange-b", stage.zero)]
            # Virtual time: the turns are further apart than they look.
            formed = Opinion([WatchedSource(source, min_gap=0.0) for source in sources])
            stack.push_async_callback(formed.aclose)
            return formed

        async def queue(role: str) -> TransactionQueue:
            member = panel[role] if role in panel else stage.roles[role]
            wallet = wallet_of(member, deployment.l2_chain_id)
            return await stack.enter_async_context(TransactionQueue(wallet, rpc, poll=0.02))

        panel = panel_of(stage.roles, len(stage.reporters))
        markets = {name: market.index for name, market in deployment.markets.items()}
        reporters = []
        for role in panel:
            own = await opinion(role)
            reporter = Reporter(
                await queue(role),
                own,
                oracle=oracle,
                markets=markets,
                epoch=reader.epoch,
                policy=JudgedAlready(),
                funding_rate=lambda market: FUNDING_PPM,
            )
            reporters.append((reporter, own))
        clock = [stage.zero]
        judge = await opinion("liquidator")

        async def own_price(market: str) -> int | None:
            return await judge.price(market, clock[0], Action.LIQUIDATE)

        liquidator = Liquidator(
            await queue("liquidator"),
            reader,
            clearinghouse=clearinghouse,
            account=stage.house.address,
            own_price=own_price,
            backstop=reader,
        )
        guard = await opinion("sentinel")
        sentinel = Sentinel(
            await queue("sentinel"),
            SightReader(rpc, deployment),
            clearinghouse=clearinghouse,
            incidents=IncidentFolder(incidents),
            deployment=deployment.name,
            price=lambda market, now: guard.price(market, now, Action.ACCUSE),
            doubts=lambda: guard.doubts,
            # Time moves by hand here, and blocks with it.
            terms=SentinelTerms(max_block_gap=0),
        )
        yield ReleaseKeepers(stage, reporters, liquidator, sentinel, lambda now: clock.__setitem__(0, now))
