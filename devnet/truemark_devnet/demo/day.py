"""The settlement day: two nodes, a venue, thirty traders, twenty-five hours of recorded prices in ten-minute steps of
virtual time, and the proof at the end that every unit is where it should be."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from truemark.errors import TruemarkError
from truemark.models import DepositState
from truemark.orders import Side
from truemark.units import from_price, from_size
from truemark_keeper.book import Book

from truemark_devnet.accounts import operators
from truemark_devnet.build import Build, build
from truemark_devnet.demo import accounting
from truemark_devnet.demo.book import TRADERS
from truemark_devnet.demo.forecast import Forecast, forecast
from truemark_devnet.demo.plan import (
    ALL_OFF,
    ALL_ZERO,
    BEGIN,
    CLAIM_HOUR,
    END,
    FAST_END,
    HOUR,
    IN_FLIGHT,
    ONE_OFF,
    OPEN,
    REDEEM_HOUR,
    RIGHT_AGAIN,
    UNCLAIMED,
    fill_price,
    load_table,
    steps,
    wish_size,
)
from truemark_devnet.demo.report import Day, DayEvent, EventKind, render
from truemark_devnet.demo.show import Show
from truemark_devnet.demo.stage import Stage, staged
from truemark_devnet.deploy.opening import open_venue
from truemark_devnet.deploy.venue import deploy
from truemark_devnet.nodes import Nodes, NodeSettings, running_nodes
from truemark_devnet.profile import load_profile

_FAULTS = {
    ALL_ZERO: ("All three say 0", "every price of the round is 0"),
    ONE_OFF: ("One is 40% off", "reporter 1 says 1.4 times the price"),
    ALL_OFF: ("All three are 40% off", "every reporter says 1.4 times the price, for one round"),
    RIGHT_AGAIN: ("Right again", "the prices are the true ones"),
}


class DayFailed(TruemarkError, RuntimeError):
    """Something on the day was not as it must be; the message says what."""


def run(*, fast: bool, report: Path, console: Console) -> None:
    """Runs the day and writes the report.

    Args:
        fast: only until 07:00, when the fall and the faults are over.

    Raises:
        DayFailed: the wrong traders were liquidated, a mark moved that should not, or an equation does not hold.
        Others: a tool is missing, a node died.
    """
    # Rounds in which no mark moves are part of the day; what becomes of them is in the report.
    logging.getLogger("truemark_keeper").setLevel(logging.CRITICAL)
    started = time.monotonic()
    show = Show(console)
    with show.busy("compiling the contracts, where that is due"):
        built = build()
    show.line("an Ethereum and a Starknet node start")
    with running_nodes(settings=NodeSettings(start_time=BEGIN, hold_time=True)) as nodes:
        day = asyncio.run(_day(nodes, built, FAST_END if fast else END, show))
    day.facts["took"] = f"{time.monotonic() - started:.0f} s"
    report.write_text(render(day), encoding="utf-8")
    show.end(day, report)
    problems = [check.name for check in day.checks if not check.holds]
    if set(day.liquidated) != set(day.expected_liquidations):
        problems.append(f"liquidated were {day.liquidated}, truemark.risk said {day.expected_liquidations}")
    if problems:
        raise DayFailed(f"not as it must be: {'; '.join(problems)}")


async def _day(nodes: Nodes, built: Build, end: int, show: Show) -> Day:
    profile, table = load_profile("replay"), load_table()
    said = forecast(TRADERS, profile, table, end)
    show.line(f"truemark.risk says beforehand who will be liquidated: {', '.join(said.liquidated)}")
    roles = operators(nodes.l2_url)
    with show.busy("deploying on both chains"):
        deployment = await deploy(nodes, roles, profile, built)
    async with staged(nodes, deployment, roles, TRADERS, table) as stage:
        return await _Run(stage, said, end, show).all()


class _Run:
    """One run of the day: acts, and writes down what happened."""

    def __init__(self, stage: Stage, said: Forecast, end: int, show: Show) -> None:
        self._stage = stage
        self._end = end
        self._show = show
        self._now = BEGIN
        self._block = 0
        self._sent = 0
        self._turn = 0
        self._redemption: int | None = None
        self._liquidated: dict[str, None] = {}
        self._marks: Mapping[str, int] = {}
        #: The marks of the round under way, USD.
        self._figures: Mapping[str, Decimal] = {}
        self.day = Day(expected_liquidations=said.liquidated)

    async def all(self) -> Day:
        await self._gather_traders()
        await self._open()
        await self._trade(0)
        await self._sample()
        for now in steps(self._end):
            await self._step(now)
        await self._close()
        return self.day

    def _tell(self, kind: EventKind, title: str, text: str) -> None:
        self.day.events.append(DayEvent(self._now, kind, title, text))
        self._show.event(self._now, kind, title, text)

    async def _move_to(self, now: int) -> None:
        await self._stage.nodes.set_time(now)
        self._now = now

    # --- before the first price

    async def _gather_traders(self) -> None:
        stage = self._stage
        with self._show.busy(f"{len(stage.plans)} traders derive their keys, deploy their accounts, deposit on L1"):
            self._handles = await stage.fund()
        total = sum((handle.deposit.amount for handle in self._handles), Decimal(0))
        self._tell(
            "money",
            "Deposits",
            f"{len(stage.traders)} traders sent {_plain(total)} USDC from L1 in {len(self._handles)} deposits",
        )

    async def _open(self) -> None:
        stage = self._stage
        await self._move_to(OPEN)
        await stage.report(self._now)

        async def wait(seconds: int) -> None:
            await self._move_to(self._now + seconds)

        await open_venue(stage.rpc, stage.deployment, stage.admin, wait=wait)
        self._tell("info", "The venue opens", "three reporters agree; CancelOnly, PostOnly, Full, each with its report")
        await stage.nodes.flush()
        self._now = await stage.nodes.l2_time()
        outcomes = [await handle.credited(timeout=30) for handle in self._handles]
        parked = [outcome for outcome in outcomes if outcome.state is not DepositState.DELIVERED]
        if parked:
            raise DayFailed(f"deposits were parked: {', '.join(str(outcome.reason) for outcome in parked)}")
        self._tell("money", "Deposits credited", f"{len(outcomes)} deposits arrived, none was parked")

    # --- ten minutes

    async def _step(self, now: int) -> None:
        stage = self._stage
        await self._move_to(now)
        before = self._marks
        await stage.report(now)
        self._figures = {market: (await stage.venue.mark(market)).price for market in stage.deployment.markets}
        sweep = await stage.liquidator.once(timeout=60)
        names = {trader.address: name for name, trader in stage.traders.items()}
        for item in sweep.liquidated:
            name = names.get(item.account, hex(item.account))
            self._liquidated[name] = None
            market = self._market_name(item.market)
            taken = f"{_plain(from_size(item.size))} {market.split('-')[0]}"
            self._tell("liquidation", f"{name} is liquidated", f"{taken} at {_plain(self._price(market))}")
        hours, rest = divmod(now - OPEN, HOUR)
        if rest == 0:
            await self._trade(hours)
            await self._vault(hours)
        book = await self._sample()
        if now in _FAULTS:
            self._judge_fault(now, before, book, bool(sweep.liquidated))

    def _judge_fault(self, now: int, before: Mapping[str, int], book: Book, liquidated: bool) -> None:
        title, text = _FAULTS[now]
        largest = max((abs(self._marks[name] - old) * 10_000 // old for name, old in before.items()), default=0)
        statuses = {"Valid" if market.valid else "not Valid" for market in book.markets.values()}
        self._tell(
            "guard",
            title,
            f"{text}: {f'marks moved by at most {largest} bps' if largest else 'no mark moved'}, "
            f"markets are {' and '.join(sorted(statuses))}, "
            f"{'SOMEBODY' if liquidated else 'nobody'} was liquidated",
        )
        # Between two rounds of that night the true prices move by less than 1%.
        if largest > 100 or liquidated:
            raise DayFailed(f"{title}: a mark moved by {largest} bps, liquidated: {liquidated}")

    def _market_name(self, index: int) -> str:
        return next(name for name, market in self._stage.deployment.markets.items() if market.index == index)

    def _price(self, market: str) -> Decimal:
        return self._figures[market]

    async def _sample(self) -> Book:
        """Marks, equities and the number of transactions since the last one."""
        stage = self._stage
        book = await stage.reader.book()
        self._marks = {market.name: market.price for market in book.markets.values()}
        for market in book.markets.values():
            self.day.marks.setdefault(market.name, []).append((self._now, from_price(market.price)))
        for name, value in accounting.equities(stage, book).items():
            if not stage.plans[name].makes_markets:
                self.day.equity.setdefault(name, []).append((self._now, value))
        counts = await stage.rpc.batch(
            [
                ("starknet_getBlockTransactionCount", {"block_id": {"block_number": number}})
                for number in range(self._block, book.block + 1)
            ]
        )
        sent = sum(int(count) for count in counts)
        if self._block:
            self.day.transactions.append((self._now, sent))
        self._sent += sent
        self._block = book.block + 1
        return book

    # --- what traders do

    async def _trade(self, hours: int) -> None:
        """Opens what the plans want at this hour and closes what they end, each against a market maker at the mark."""
        stage = self._stage
        done = 0
        for name, plan in stage.plans.items():
            for wish in plan.wishes:
                if wish.hour == hours:
                    mark = await self._mark(wish.market)
                    lot = stage.deployment.market(wish.market).lot_size
                    await self._cross(name, wish.market, wish_size(plan.deposit, wish.leverage, mark, lot), mark)
                    done += 1
            if plan.closes_at == hours:
                for position in await stage.traders[name].positions():
                    size = -int(position.size.scaleb(8))
                    await self._cross(name, position.market, size, await self._mark(position.market), reduces=True)
                    done += 1
        if not done:
            return
        await stage.gateway.flush()
        refused = [fill for trader in stage.traders.values() for fill in await trader.fills() if not fill.settled]
        if refused:
            raise DayFailed(f"a fill was refused: {refused[0].reason}")
        orders = "a signed order" if done == 1 else f"{done} signed orders"
        self._tell("info", "Trades", f"{orders} met a market maker's, settled on chain")

    async def _mark(self, market: str) -> int:
        return int((await self._stage.venue.mark(market)).price.scaleb(8))

    async def _cross(self, name: str, market: str, size: int, mark: int, *, reduces: bool = False) -> None:
        """A market maker rests a post-only order at the mark, and the trader takes it."""
        stage = self._stage
        if size == 0:
            return
        maker = stage.traders[stage.makers[self._turn % len(stage.makers)]]
        self._turn += 1
        price = from_price(fill_price(mark, stage.deployment.market(market).tick_size))
        amount = from_size(abs(size))
        taker_side, maker_side = (Side.BUY, Side.SELL) if size > 0 else (Side.SELL, Side.BUY)
        await maker.place(market, maker_side, amount, price, post_only=True)
        await stage.traders[name].place(market, taker_side, amount, price, reduce_only=reduces)

    async def _vault(self, hours: int) -> None:
        name = next(name for name, plan in self._stage.plans.items() if plan.vault)
        trader = self._stage.traders[name]
        if hours == REDEEM_HOUR:
            shares = (await trader.balances()).vault_shares / 2
            request = await trader.request_redeem(shares.quantize(Decimal("1e-12")))
            self._redemption = request.request_id
            self._tell("money", "Redemption asked for", f"{name} asks for {_plain(request.shares)} vault shares")
        elif hours == CLAIM_HOUR and self._redemption is not None:
            claim = await trader.claim_redemption(self._redemption)
            self._tell("money", "Redemption claimed", f"{name} gets {_plain(claim.assets)} USDC for its shares")

    # --- the end

    async def _close(self) -> None:
        stage = self._stage
        for name, plan in stage.plans.items():
            if plan.withdraws:
                withdrawal = await stage.traders[name].withdraw(plan.withdraws)
                await stage.nodes.flush()
                self._now = await stage.nodes.l2_time()
                await withdrawal.claim()
                self._tell("money", "Withdrawal", f"{name} withdrew {plan.withdraws:,} USDC and claimed it on L1")
        who, amount = UNCLAIMED
        await stage.traders[who].withdraw(amount)
        await stage.nodes.flush()
        self._now = await stage.nodes.l2_time()
        self._tell("money", "Withdrawal, not claimed", f"{who} withdrew {amount:,} USDC; L1 owes it")
        who, amount = IN_FLIGHT
        await stage.traders[who].faucet(amount)
        await stage.traders[who].deposit(amount)
        self._tell("money", "Deposit in flight", f"{who} sent {amount:,} USDC that L2 has not seen yet")
        book = await self._sample()
        day = self.day
        day.traders = await accounting.rows(stage, book)
        day.checks = await accounting.checks(stage)
        day.liquidated = tuple(self._liquidated)
        day.facts = {
            "L2 blocks": f"{book.block:,}",
            "L2 transactions": f"{self._sent:,}",
            "rounds": f"{1 + len(steps(self._end)):,}",
        }


def _plain(amount: Decimal) -> str:
    """Without the zeros that a unit leaves behind."""
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
