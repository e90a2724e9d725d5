"""The same night on the release, with its keepers: there is nothing to roll back and nothing to refund."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson
from truemark.felt import selector
from truemark.units import to_price
from truemark_keeper.opinion import Opinion
from truemark_keeper.policy import JudgedAlready
from truemark_keeper.reporter import Reporter
from truemark_keeper.sentinel import IncidentFolder, Sentinel, SentinelTerms, SightReader, StopMode
from truemark_keeper.sources import Quote, Source, SourceError, WatchedSource
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.validity import Action
from truemark_keeper.venue import VenueReader

from truemark_devnet.deploy.venue import wallet_of
from truemark_devnet.drill.night import AT_THE_LINE, PHASES
from truemark_devnet.drill.opening import publish
from truemark_devnet.drill.recovery import followed, searched
from truemark_devnet.drill.reopening import keep_move, reopen, reports_on_chain
from truemark_devnet.drill.script import (
    ATTACKER,
    ETH,
    FUNDING_PPM,
    LOW_PERCENT,
    MAKER,
    PAXG,
    PRICES,
    SOL,
    STOPPED,
    STORAGE,
    WAVE_PERCENT,
    database_price,
    true_price,
)
from truemark_devnet.drill.venue import DrillFailed, Venue
from truemark_devnet.nodes.storage import read_slot, slot_address, write_slots
from truemark_devnet.scenario.file import HOUSE
from truemark_devnet.scenario.stage import panel_of

#: Of a market's slots in the clearinghouse: the funding index, sealed (contracts/src/clearinghouse/state.cairo).
_FUNDING: Final = 2
#: The price is in so many low bits of a market's mark (contracts/src/oracle/packing.cairo).
_PRICE_BITS: Final = 56
_TIMEOUT: Final = 30.0
#: Requests of one transaction, most of which come to nothing.
_REQUESTS: Final = 40
#: PAXG that somebody tries to trade.
_SIZE: Final = Decimal("0.5")
_WAVE_SALT, _FAIR_SALT = 30, 40


class _Place(Source):
    """Where prices come from on this night: another exchange, or the venue's own database while it is upgraded."""

    def __init__(self, name: str, zero: int, *, database: bool = False) -> None:
        self._name, self._zero, self._database = name, zero, database

    @property
    def name(self) -> str:
        return self._name

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        said = database_price if self._database else true_price
        found = []
        for market in markets:
            price = said(market, now - self._zero)
            found.append(Quote(market, to_price(price) if price else 0, 5, now, now, self._name))
        return tuple(found)


class Keepers:
    """Three reporters and a sentinel, each with an opinion of its own."""

    def __init__(self, venue: Venue, reporters: Sequence[Reporter], sentinel: Sentinel) -> None:
        self._venue, self._reporters, self._sentinel = venue, reporters, sentinel

    async def round(self) -> None:
        """A reporter that has no opinion now says nothing."""
        now = await self._venue.nodes.l2_time()
        for reporter in self._reporters:
            try:
                await reporter.round(now, _TIMEOUT)
            except SourceError:
                continue

    async def watch(self) -> None:
        """The sentinel looks at the blocks since its last look."""
        await self._sentinel.step(await self._venue.nodes.l2_time(), _TIMEOUT)


@asynccontextmanager
async def keepers_of(venue: Venue) -> AsyncIterator[Keepers]:
    deployment, rpc, zero = venue.deployment, venue.rpc, venue.zero
    reader = VenueReader(rpc, oracle=venue.oracle.address, clearinghouse=venue.house.address)
    async with AsyncExitStack() as stack:

        def opinion() -> Opinion:
            places = [
                _Place("the venue's database", zero, database=True),
                _Place("exchange-a", zero),
                _Place("exchange-b", zero),
                _Place("exchange-c", zero),
            ]
            # Block time: the turns are further apart than they look.
            formed = Opinion([WatchedSource(place, min_gap=0.0) for place in places])
            stack.push_async_callback(formed.aclose)
            return formed

        async def queue(role: str) -> TransactionQueue:
            wallet = wallet_of(venue.roles[role], deployment.l2_chain_id)
            return await stack.enter_async_context(TransactionQueue(wallet, rpc, poll=0.02))

        reporters = [
            Reporter(
                await queue(role),
                opinion(),
                oracle=venue.oracle.address,
                markets={name: market.index for name, market in deployment.markets.items()},
                epoch=reader.epoch,
                policy=JudgedAlready(),
                funding_rate=lambda market: FUNDING_PPM,
            )
            for role in panel_of(venue.roles, 3)
        ]
        guard = opinion()
        sentinel = Sentinel(
            await queue("sentinel"),
            SightReader(rpc, deployment),
            clearinghouse=venue.house.address,
            incidents=IncidentFolder(_incidents(venue)),
            deployment=deployment.name,
            price=lambda market, now: guard.price(market, now, Action.ACCUSE),
            # Time moves by hand here, and blocks with it.
            terms=SentinelTerms(max_block_gap=0),
        )
        yield Keepers(venue, reporters, sentinel)


async def night(venue: Venue) -> dict[str, Any]:
    """Storage that nobody wrote and the database's old pages, as on the other venue; and somebody who asks for every
    position of everybody at each turn, before the sentinel has looked."""
    await venue.move_to(STORAGE)
    refusals: dict[str, int] = venue.memory.note(venue.part, "refusals", {})
    async with keepers_of(venue) as keepers:
        await keepers.watch()
        _write(venue)
        if not venue.memory.has(venue.part, "storage tried"):
            _count(refusals, await ask_for_all(venue))
            venue.memory.note(venue.part, "storage tried", value=True)
        await keepers.watch()
        for phase, since in PHASES.items():
            if venue.memory.has(venue.part, phase):
                continue
            await venue.move_to(since)
            await keepers.round()
            _count(refusals, await ask_for_all(venue))
            await keepers.watch()
            venue.memory.note(venue.part, phase, value=True)
        await venue.move_to(STOPPED)
        await keepers.round()
        await keepers.watch()
    before = venue.kept(AT_THE_LINE)
    now = {who: item.to_json() for who, item in (await venue.standings()).items()}
    line = int(venue.memory.noted(venue.part, "line"))
    incidents = [orjson.loads(path.read_bytes()) for path in sorted(_incidents(venue).glob("*.json"))]
    return {
        "liquidations": len(await venue.events("Liquidated", line + 1)),
        "refusals": refusals,
        "reasons": sorted({item["rule"] for incident in incidents for item in incident["breaks"]}),
        "mode": await venue.mode(),
        "incidents": len(incidents),
        "differing": sorted(who for who in before if before[who] != now[who]),
        "accounts": len(now),
    }


async def find(venue: Venue) -> dict[str, Any]:
    """What the same tool says of this night: storage was written, and nobody lost anything by it."""
    blocks = await followed(venue, "night")
    begin = int(venue.memory.noted(venue.part, "begin"))
    found = searched(venue, first=begin, until=await venue.at())
    rules: dict[str, int] = {}
    for item in found.suspicions:
        rules[item.rule] = rules.get(item.rule, 0) + 1
    good = found.last if found.last_good is None else found.last_good
    return {
        "blocks": blocks - begin + 1,
        "last_good": found.last_good,
        "suspicions": rules,
        "liquidations": len(await venue.events("Liquidated", good + 1)),
    }


async def restore(venue: Venue) -> dict[str, Any]:
    """The one thing that there is to do: the funding index of a market from its last checkpoint, after its delay."""
    market, admin = venue.market(SOL), venue.account("admin")
    before = await venue.house.read("funding_checkpoint", market)
    if not await venue.events("FundingRestored"):
        if not before["restore_from"]:
            await admin.execute([venue.house.call("announce_restore", market)])
        until = int((await venue.house.read("funding_checkpoint", market))["restore_from"])
        await venue.move_to(until - venue.zero)
        await admin.execute([venue.house.call("restore", market)])
    (restored,) = await venue.events("FundingRestored")
    return {"market": SOL, "index": str(restored["index"]), "checkpoint": str(before["index"])}


async def reopened(venue: Venue) -> dict[str, Any]:
    """By the tool. In post-only the second wave is tried and refused, a trade at the fair price is not; in full, past
    grace, a true fall of SOL liquidates whom it must."""
    memory, part = venue.memory, venue.part
    since = memory.note(part, "reopening since", await venue.height())

    async def on_stage(mode: StopMode) -> dict[str, Decimal] | None:
        if mode is StopMode.POST_ONLY and not memory.has(part, "wave"):
            memory.note(part, "wave", await _wave(venue))
            memory.note(part, "wave liquidations", await ask_for_all(venue))
        return None

    moves = memory.note(part, "moves", [])
    if not memory.has(part, "fall"):
        await reopen(venue, on_stage, keep=lambda move: keep_move(memory, moves, move))
    fall_at = memory.note(part, "fall", await venue.at())
    if not memory.has(part, "fallen"):
        # Accepted at once, and again past the checkpoint's gap: two observations, not one twice.
        for _ in range(3):
            await venue.pass_time(12)
            await publish(venue, fall_at=fall_at)
        await venue.sweep()
        memory.note(part, "fallen", value=True)
    await followed(venue, "reopened")
    return {
        "moves": moves,
        "wave": memory.noted(part, "wave"),
        "tried": memory.noted(part, "wave liquidations"),
        "liquidated": sorted({venue.name(item["account"]) for item in await venue.events("Liquidated", since + 1)}),
        "mode": await venue.mode(),
        **await reports_on_chain(venue, since + 1),
    }


async def ask_for_all(venue: Venue) -> dict[str, int]:
    """Liquidation of every position of everybody, at any price: how often each answer came; "taken" is success."""
    views = await venue.read_all("account", who=[who for who in venue.members if who != HOUSE])
    requests = [
        {
            "account": venue.address(who),
            "market": item["market"],
            "max_size": 2**64 - 1,
            "limit_price": 2**64 - 1 if item["size"] > 0 else 1,
        }
        for who, view in views.items()
        for item in view["positions"]
    ]
    answers: dict[str, int] = {}
    epoch, account = await venue.epoch(), venue.account(HOUSE)
    for start in range(0, len(requests), _REQUESTS):
        page = requests[start : start + _REQUESTS]
        receipt = await account.wait(await account.send([venue.house.call("liquidate_many", epoch, page)]))
        if receipt.revert_reason is not None:
            _count(answers, {receipt.revert_reason: len(page)})
        for name, said in venue.said(receipt):
            if name in ("Liquidated", "LiquidationRefused"):
                _count(answers, {"taken" if name == "Liquidated" else venue.reason(said): 1})
    return answers


def _write(venue: Venue) -> None:
    """What a raced database does to a chain: SOL's funding index is reset to 0, ETH's price is from an old page."""
    control = venue.nodes.control
    funding = slot_address("state", "markets", venue.market(SOL), offset=_FUNDING)
    if read_slot(control, venue.house.address, funding) == 0:
        return
    price = _mark_slot(venue.market(ETH))
    before = read_slot(control, venue.oracle.address, price)
    mark = before % 2**_PRICE_BITS
    if abs(mark - to_price(PRICES[ETH])) > mark // 100:
        raise DrillFailed(f"the mark of {ETH} is not in slot {price:#x} of the oracle")
    write_slots(control, venue.oracle.address, {price: before - mark + mark * LOW_PERCENT // 100})
    write_slots(control, venue.house.address, {funding: 0})


def _mark_slot(market: int) -> int:
    """Where the oracle keeps a market's mark: pairs of markets lie together (contracts/src/oracle/book.cairo)."""
    pair, odd = divmod(market, 2)
    return selector("truemark.oracle.markets") + pair * 256 + (32 if odd else 16)


async def _wave(venue: Venue) -> dict[str, Any]:
    """Trades of thin PAXG in post-only: far off the external price both ways, and one at it."""
    found: dict[str, Any] = {}
    true = true_price(PAXG, await venue.at())
    mark = Decimal((await venue.oracle.read("mark", venue.market(PAXG)))["price"]) / 10**8
    for number, percent in enumerate((*WAVE_PERCENT, 100)):
        price = (true * percent / 100).quantize(Decimal("0.01")) if percent != 100 else mark.quantize(Decimal("0.01"))
        salt = _WAVE_SALT + number
        maker = await venue.order(MAKER, PAXG, buys=True, size=_SIZE, price=price, salt=salt, post_only=True)
        taker = await venue.order(ATTACKER, PAXG, buys=False, size=_SIZE, price=price, salt=salt, reduce_only=True)
        found[str(percent)] = await venue.fill(f"wave {percent}", maker, taker)
    return found


def _count(into: dict[str, int], more: dict[str, int]) -> None:
    for reason, number in more.items():
        into[reason] = into.get(reason, 0) + number


def _incidents(venue: Venue) -> Path:
    return venue.memory.folder / venue.part / "incidents"
