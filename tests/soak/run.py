"""A soak: three reporters and a sentinel at rounds of five seconds of virtual time, while things go wrong at random.

What must hold: a mark that is in use lies between what honest exchanges said of late, but for the divergence that the
keepers allow; no time without a new mark goes unexplained; the sentinel stops nothing; memory does not grow."""

from __future__ import annotations

import gc
import logging
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import psutil
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.rpc import AsyncRpc
from truemark_devnet.accounts import REPORTERS as ROLES
from truemark_devnet.accounts import L2Account, operators
from truemark_devnet.build import Build
from truemark_devnet.deploy import deploy, open_venue
from truemark_devnet.deploy.venue import account_of, wallet_of
from truemark_devnet.nodes import Nodes, NodeSettings, Snapshot, running_nodes
from truemark_devnet.profile import load_profile
from truemark_keeper.opinion import Opinion
from truemark_keeper.policy import JudgedAlready
from truemark_keeper.reporter import Reporter
from truemark_keeper.sentinel import IncidentFolder, Sentinel, SentinelTerms, SightReader
from truemark_keeper.service import PASSING
from truemark_keeper.slots import QueueClosed
from truemark_keeper.sources import WatchedSource
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.validity import Action
from truemark_keeper.venue import VenueReader

from tests.conftest import START
from tests.faulty_link import PASS, REFUSE
from tests.soak.faults import Fault, Faults
from tests.soak.link import FailingTransport
from tests.soak.market import BUSY as RATE_LIMITED
from tests.soak.market import DEAD, EXCHANGES, LAG, LIE, PRICES, SKEW, Exchange, Tap, World

#: Seconds of virtual time between two rounds; and that a transaction may take of real time.
INTERVAL, TIMEOUT = 5, 1.5
#: Rounds between two looks of the sentinel, and blocks that it reads at one, the newest.
LOOK, BLOCKS = 6, 1
#: A report counts for so long at the keepers and at the oracle; seconds.
_FRESH = 60 + 60
#: What keepers let groups diverge by, 1e-4.
_DIVERGENCE_BPS = 100
#: A source that failed is asked again after at most so many seconds.
_BACKOFF = 35


@dataclass
class Report:
    """What a soak saw."""

    seed: int
    rounds: int = 0
    accepted: int = 0
    problems: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    #: The longest time between two new marks, and the longest without an excuse; seconds.
    longest: int = 0
    longest_unexcused: int = 0
    #: Bytes of this process after a tenth of the rounds and at the end.
    memory: tuple[int, int] = (0, 0)
    node_memory: tuple[int, int] = (0, 0)
    seconds: float = 0.0


@dataclass
class Member:
    """A reporter and its own connection; `stack` is None while it is killed."""

    number: int
    role: L2Account
    link: FailingTransport
    journal: Path
    stack: AsyncExitStack | None = None
    reporter: Reporter | None = None
    #: The first round in which it can be counted on.
    warm: int = 0


class Soak:
    """Args:
    tell: told of every fault as it begins.
    """

    def __init__(
        self,
        nodes: Nodes,
        deployment: Deployment,
        rpc: AsyncRpc,
        members: list[Member],
        sentinel: Sentinel,
        exchanges: dict[str, Exchange],
        world: World,
        report: Report,
        tell: Callable[[str], None],
    ) -> None:
        self.nodes, self.deployment, self.rpc = nodes, deployment, rpc
        self.members, self.sentinel, self.exchanges, self.world = members, sentinel, exchanges, world
        self.report, self.tell = report, tell
        self.faults = Faults(report.seed)
        self.oracle = Contract.of(rpc, deployment.address("Oracle"), "Oracle")
        self.clearinghouse = Contract.of(rpc, deployment.address("Clearinghouse"), "Clearinghouse")
        self.now = world.now
        self._lots = random.Random(f"links {report.seed}")
        self._snapshot: Snapshot | None = None
        self._ill_at: dict[str, int] = {}
        self._accepted: dict[str, int] = {}
        self._excused: dict[str, bool] = dict.fromkeys(PRICES, False)

    async def turn(self, number: int, *, faults: bool = True) -> None:
        """One round, and what must hold after it."""
        self.now += INTERVAL
        begun, ended = self.faults.step(number) if faults else ([], [])
        rolled_back = False
        for fault in ended:
            rolled_back |= await self._end(fault, number)
        for fault in begun:
            await self._begin(fault)
        self.world.move(self.now)
        # L1 has no part in it and stays where it is.
        self.nodes.control.l2("devnet_setTime", {"time": self.now, "generate_block": True})
        # One after the other: without its history the node answers of its newest block only.
        for member in self.members:
            await self._say(member)
        away = bool(self.faults.of("away"))
        if number % LOOK == 0 and not away:
            await self._look()
        await self._judge(number, away, rolled_back)
        self.report.rounds += 1

    async def _say(self, member: Member) -> None:
        if member.reporter is None:
            return
        try:
            said = await member.reporter.round(self.now, TIMEOUT)
        except (*PASSING, QueueClosed):
            # The reporter's own business; the marks are judged.
            return
        if said.outcome is not None and said.outcome.revert_reason is not None:
            self.report.problems.append(f"round {self.report.rounds}: a report reverted: {said.outcome.revert_reason}")

    async def _look(self) -> None:
        seen = await self.sentinel.step(self.now, 10)
        for item in seen.breaks:
            self.report.problems.append(f"round {self.report.rounds}: the sentinel: {item.rule}: {item.explanation}")

    async def _judge(self, number: int, away: bool, rolled_back: bool) -> None:
        working = [m for m in self.members if m.reporter is not None and m.number not in self.faults.down]
        able = sum(member.warm <= number for member in working)
        good = sum(self.now - self._ill_at.get(name, 0) > _BACKOFF for name in EXCHANGES)
        indices = {self.deployment.market(market).index: market for market in PRICES}
        for mark in (await self.oracle.read("marks", sum(1 << index for index in indices)))["marks"]:
            market = indices[mark["market"]]
            status, price, at = mark["status"].variant, mark["price"], mark["accepted_at"]
            if status == "Valid":
                low, high = self.world.bounds(market, at - _FRESH)
                if not low * (10_000 - _DIVERGENCE_BPS) <= price * 10_000 <= high * (10_000 + _DIVERGENCE_BPS):
                    self.report.problems.append(f"round {number}: {market} is {price}, honest is {low} to {high}")
            elif status not in ("Suspect", "Stale"):
                self.report.problems.append(f"round {number}: {market} is {status}")
            excuse = away or rolled_back or able < 2 or good < 3 or status == "Suspect"
            before = self._accepted.get(market, at)
            self._excused[market] |= excuse
            gap = self.now - before
            if at > before:
                self.report.accepted += 1
                self._measure(number, market, at - before)
                self._accepted[market], self._excused[market] = at, excuse
            elif at < before:
                self._accepted[market] = at
            elif gap > 2 * INTERVAL and not self._excused[market]:
                self._measure(number, market, gap)
            self._accepted.setdefault(market, at)

    def _measure(self, number: int, market: str, gap: int) -> None:
        self.report.longest = max(self.report.longest, gap)
        if self._excused[market]:
            return
        self.report.longest_unexcused = max(self.report.longest_unexcused, gap)
        if gap > 2 * INTERVAL:
            self.report.problems.append(f"round {number}: {market} had no new mark for {gap} s, and nothing was wrong")

    async def _begin(self, fault: Fault) -> None:
        self.tell(f"round {self.report.rounds}: {fault}")
        if fault.kind in (LIE, LAG, SKEW, DEAD, RATE_LIMITED):
            exchange = self.exchanges[str(fault.who)]
            exchange.fault = fault.kind
            exchange.lie = fault.what if isinstance(fault.what, int) else 10_000
            self._ill_at[exchange.name] = 2**62
        elif fault.kind == "fall":
            self.world.fall(str(fault.who))
        elif fault.kind == "rollback":
            self._snapshot = await self.nodes.snapshot()
        elif fault.kind == "away":
            for member in self.members:
                member.link.fault = lambda: REFUSE
        else:
            for member in self._whom(fault):
                if fault.kind == "killed":
                    await silence(member)
                else:
                    member.link.fault = lambda: str(fault.what) if self._lots.random() < 0.5 else PASS

    async def _end(self, fault: Fault, number: int) -> bool:
        """Whether the chain went back."""
        if fault.kind in (LIE, LAG, SKEW, DEAD, RATE_LIMITED):
            exchange = self.exchanges[str(fault.who)]
            exchange.fault = None
            self._ill_at[exchange.name] = self.now
        elif fault.kind == "rollback" and self._snapshot is not None:
            await self.nodes.revert(self._snapshot)
            self._snapshot = None
            return True
        elif fault.kind in ("away", "link", "killed"):
            for member in self._whom(fault):
                member.link.fault = lambda: PASS
                member.warm = number + 2
                if fault.kind == "killed":
                    await start(member, self)
        return False

    def _whom(self, fault: Fault) -> list[Member]:
        if fault.kind == "away":
            # Links that were ill before are well afterwards.
            return self.members
        who = fault.who
        assert isinstance(who, tuple)
        return [member for member in self.members if member.number in who]


def opinion(world: World, exchanges: dict[str, Exchange]) -> Opinion:
    """A keeper's own, by connections of its own."""
    taps = [
        WatchedSource(Tap(exchange), min_gap=1.0, clock=lambda: float(world.now)) for exchange in exchanges.values()
    ]
    return Opinion(taps)


async def silence(member: Member) -> None:
    """What a kill leaves: a journal, and transactions that nobody waits for."""
    if member.stack is not None:
        await member.stack.aclose()
    member.stack = member.reporter = None


async def start(member: Member, soak: Soak) -> None:
    stack = AsyncExitStack()
    member.link = FailingTransport()
    client = await stack.enter_async_context(httpx.AsyncClient(transport=member.link))
    rpc = AsyncRpc(soak.nodes.l2_url, client=client, timeout=2.0, retries=0)
    wallet = wallet_of(member.role, soak.deployment.l2_chain_id)
    queue = await stack.enter_async_context(
        TransactionQueue(wallet, rpc, journal=member.journal, poll=0.005, stuck_after=3, max_backoff=0.2)
    )
    oracle, clearinghouse = soak.deployment.address("Oracle"), soak.deployment.address("Clearinghouse")
    reader = VenueReader(rpc, oracle=oracle, clearinghouse=clearinghouse)
    member.stack = stack
    member.reporter = Reporter(
        queue,
        opinion(soak.world, soak.exchanges),
        oracle=oracle,
        markets={name: market.index for name, market in soak.deployment.markets.items()},
        epoch=reader.epoch,
        policy=JudgedAlready(),
    )


@asynccontextmanager
async def staged(built: Build, report: Report, tell: Callable[[str], None]) -> AsyncIterator[tuple[Soak, Nodes]]:
    """A venue in mode Full with its reporters and sentinel, on nodes of its own."""
    loaded = load_profile("default")
    profile = replace(loaded, markets=tuple(market for market in loaded.markets if market.name in PRICES))
    # A state for each block would be gigabytes; rollbacks are snapshots that are gone back to.
    settings = NodeSettings(start_time=START, hold_time=True, archive=False)
    async with AsyncExitStack() as stack:
        nodes = stack.enter_context(running_nodes(settings=settings))
        roles = operators(nodes.l2_url)
        deployment = await deploy(nodes, roles, profile, built)
        rpc = await stack.enter_async_context(AsyncRpc(nodes.l2_url))
        folder = Path(tempfile.mkdtemp(prefix="truemark-soak-"))
        stack.callback(shutil.rmtree, folder)
        world = World(report.seed)
        world.now = await nodes.l2_time()
        exchanges = {name: Exchange(name, world) for name in EXCHANGES}
        members = []
        for number, role in enumerate(ROLES):
            members.append(Member(number, roles[role], FailingTransport(), folder / f"{role}.journal"))
        queue = await stack.enter_async_context(
            TransactionQueue(wallet_of(roles["sentinel"], nodes.l2_chain_id), rpc, poll=0.02)
        )
        guard = opinion(world, exchanges)
        sentinel = Sentinel(
            queue,
            SightReader(rpc, deployment),
            clearinghouse=deployment.address("Clearinghouse"),
            incidents=IncidentFolder(folder / "incidents"),
            deployment=deployment.name,
            price=lambda market, now: guard.price(market, now, Action.ACCUSE),
            terms=SentinelTerms(max_block_gap=0, catch_up=BLOCKS, audit_every=50),
        )
        soak = Soak(nodes, deployment, rpc, members, sentinel, exchanges, world, report, tell)
        for member in members:
            await start(member, soak)
            stack.push_async_callback(silence, member)

        async def wait(seconds: int) -> None:
            for number in range(0, seconds + INTERVAL, INTERVAL):
                await soak.turn(number, faults=False)

        await open_venue(rpc, deployment, account_of(rpc, roles["admin"], nodes.l2_chain_id), wait=wait)
        yield soak, nodes


async def run(built: Build, *, seed: int, rounds: int, tell: Callable[[str], None] = lambda line: None) -> Report:
    """So many rounds of five seconds; what was wrong with them is in the report."""
    report = Report(seed)
    logging.getLogger("truemark_keeper").setLevel(logging.CRITICAL)
    try:
        async with staged(built, report, tell) as (soak, nodes):
            report.rounds, report.problems = 0, []
            begun = time.monotonic()
            first = (0, 0)
            for number in range(rounds):
                await soak.turn(number)
                if number == rounds // 10:
                    first = _memory(nodes)
            mode = (
                await Contract.of(soak.rpc, soak.deployment.address("Clearinghouse"), "Clearinghouse").read("mode")
            ).variant
            if mode != "Full" and report.longest <= load_profile("default").oracle.max_silence:
                report.problems.append(f"the venue is {mode}")
            last = _memory(nodes)
            report.memory, report.node_memory = (first[0], last[0]), (first[1], last[1])
            report.faults = soak.faults.counts
            report.seconds = time.monotonic() - begun
    finally:
        logging.getLogger("truemark_keeper").setLevel(logging.NOTSET)
    return report


def _memory(nodes: Nodes) -> tuple[int, int]:
    """Bytes of this process, and of the L2 node."""
    gc.collect()
    node = psutil.Process(nodes.running["l2"].process.pid)
    return psutil.Process().memory_info().rss, node.memory_info().rss
