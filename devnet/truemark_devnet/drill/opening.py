"""The evening before: the venue deployed, opened, its accounts funded from L1 and in their positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from truemark.deployment import Deployment
from truemark.felt import hex_of, selector
from truemark.index import Index
from truemark.models import Destination
from truemark.rpc import AsyncRpc, RpcError
from truemark.transactions import Call
from truemark.units import VALUE_DECIMALS, to_collateral
from truemark_keeper.recovery.integrity import MODES, integrity_report

from truemark_devnet.accounts import operators
from truemark_devnet.build import Build
from truemark_devnet.deploy.l2 import UNIVERSAL_DEPLOYER
from truemark_devnet.deploy.venue import deploy
from truemark_devnet.drill.memory import Memory
from truemark_devnet.drill.script import (
    HOUSE_COLLATERAL,
    PRICES,
    SOL,
    SOL_FUNDING,
    Size,
    database_price,
    scenario,
)
from truemark_devnet.drill.venue import FOREVER, DrillFailed, Venue, all_of
from truemark_devnet.nodes import Nodes
from truemark_devnet.nodes.storage import read_slot, slot_address, write_slots
from truemark_devnet.scenario.file import HOUSE
from truemark_devnet.scenario.profile import plan_of
from truemark_devnet.scenario.stage import panel_of

MANIFEST: Final = "deployment.json"
MARKS: Final = "marks-{}.json"
#: Deposits into margin accounts, and fills, of one transaction.
_DEPOSITS, _FILLS = 30, 10
#: Accounts that one transaction deploys, and what each gets for fees, FRI.
_ACCOUNTS, _FEES = 20, 10**21
#: What the house has in its wallet besides, for deposits of others' refunds; USD.
_SPARE: Final = Decimal(1_000_000)


async def deployed(nodes: Nodes, rpc: AsyncRpc, built: Build, memory: Memory, part: str, size: Size) -> Venue:
    """The part's venue: deployed, or found as it is."""
    guarded = part == "guarded"
    plan = plan_of(scenario(f"drill {part}", size, guarded=guarded), part)
    path = memory.folder / part / MANIFEST
    roles = operators(nodes.l2_url)
    if path.is_file():
        return Venue(part, nodes, rpc, Deployment.load(path), roles, memory, size)
    if not guarded:
        built = replace(built, classes={**built.classes, "Oracle": built.test_classes["UnguardedOracle"]})
    others = {role: member for role, member in roles.items() if not role.startswith(("reporter-", "spare-"))}
    deployment = await deploy(
        nodes, {**others, **panel_of(roles, 3)}, plan.profile, built, name=f"drill-{part}", unguarded=not guarded
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    deployment.save(path)
    return Venue(part, nodes, rpc, deployment, roles, memory, size)


async def open_for_the_night(venue: Venue) -> dict[str, Any]:
    """From Halted to a full book; ends at the second from which the night is counted."""
    if venue.part != "guarded":
        seed_funding(venue)
    venue.memory.note(venue.part, "index from", await venue.height())
    total = HOUSE_COLLATERAL + _SPARE + sum(holder.collateral for holder in venue.book.values())
    await venue.deposit(HOUSE, total, Destination.WALLET)
    await venue.nodes.flush()
    await _to_full(venue)
    await _deploy_accounts(venue)
    await _register_keys(venue)
    await _fund(venue)
    await _take_positions(venue)
    venue.memory.note(venue.part, "zero", await venue.nodes.l2_time())
    begin = venue.memory.note(venue.part, "begin", await venue.height())
    interest = {}
    for name in PRICES:
        found = await venue.house.read("open_interest", venue.market(name))
        interest[name] = {"long": found["long"], "short": found["short"]}
    return {
        "accounts": len(venue.book),
        "positions": sum(len(holder.positions) for holder in venue.book.values()),
        "collateral": str(sum(holder.collateral for holder in venue.book.values())),
        "open_interest": interest,
        "block": begin,
    }


def growth_slot(venue: Venue) -> int:
    """Where the oracle without guards keeps SOL's funding growth."""
    return slot_address("growths", venue.market(SOL))


def seed_funding(venue: Venue) -> None:
    """The venue without guards has run for years: its funding index of SOL is far from 0. Before anything is open."""
    control, oracle = venue.nodes.control, venue.oracle.address
    if read_slot(control, oracle, growth_slot(venue)) == 0 and venue.memory.facts(venue.part, "open") is None:
        write_slots(control, oracle, {growth_slot(venue): int(SOL_FUNDING.scaleb(VALUE_DECIMALS))})


def keep_marks(venue: Venue, name: str, index: Index) -> None:
    """What the index has as marks now, into a file of the drill."""
    first = int(venue.memory.noted(venue.part, "begin"))
    found = {}
    for market, info in venue.deployment.markets.items():
        rows = index.marks(info.index, oracle=venue.oracle.address, first_block=first)
        found[market] = [[row.timestamp, int(row.price)] for row in rows]
    venue.keep(MARKS.format(name), found)


async def publish(venue: Venue, *, fall_at: int | None = None, prices: dict[str, Decimal] | None = None) -> None:
    """A round of the venue's publisher: what the database says; without guards one reporter is enough."""
    at = await venue.at()
    said = {market: database_price(market, at, fall_at) for market in PRICES}
    panel = list(panel_of(venue.roles, 3))
    await venue.report({**said, **(prices or {})}, panel if venue.part == "guarded" else panel[:1])


async def _to_full(venue: Venue) -> None:
    dwell = int((await venue.house.read("venue_params"))["dwell_secs"])
    venue.memory.note(venue.part, "opening", await venue.nodes.l2_time())
    while (mode := await venue.mode()) != "Full":
        await _rounds_over(venue, dwell + 1)
        report = await integrity_report(venue.rpc, venue.deployment)
        if report.problems:
            raise DrillFailed(f"the venue stays {mode}: {'; '.join(report.problems)}")
        await venue.set_mode(MODES[MODES.index(mode) + 1], report.hash)
    await _rounds_over(venue, int((await venue.house.read("venue_params"))["grace_secs"]) + 1)


async def _rounds_over(venue: Venue, seconds: int) -> None:
    """Lets so much time pass with a round at least every 20 s."""
    panel = list(panel_of(venue.roles, 3))
    while seconds > 0:
        step = min(seconds, 20)
        await venue.nodes.increase_time(step)
        await venue.report(PRICES, panel if venue.part == "guarded" else panel[:1])
        seconds -= step


async def _deploy_accounts(venue: Venue) -> None:
    """Those that are not there, many in one transaction, each with what it pays fees with. devnet could predeploy them,
    and takes some 35 MB of memory for each."""
    asked = [
        ("starknet_getClassHashAt", {"block_id": "latest", "contract_address": hex_of(member.address)})
        for member in venue.members.values()
    ]
    answers = await venue.rpc.batch(asked)
    missing = [
        member for member, answer in zip(venue.members.values(), answers, strict=True) if isinstance(answer, RpcError)
    ]
    class_hash, token = venue.deployment.account_class_hash, venue.deployment.fee_token
    for page in _pages(missing, _ACCOUNTS):
        calls = []
        for member in page:
            arguments = (class_hash, member.public_key, 0, 1, member.public_key)
            calls.append(Call(UNIVERSAL_DEPLOYER, selector("deployContract"), arguments))
            calls.append(Call(token, selector("transfer"), (member.address, _FEES, 0)))
        await venue.account("admin").execute(calls)


async def _register_keys(venue: Venue) -> None:
    async def register(who: str) -> None:
        key = venue.key(who).public_key
        if not await venue.house.read("trading_key_expiry", venue.address(who), key):
            await venue.account(who).execute([venue.house.call("register_trading_key", key, FOREVER)])

    await all_of(register(who) for who in venue.members)


async def _fund(venue: Venue) -> None:
    """Out of the house's wallet, which L1 filled, into the margin accounts that have nothing yet."""
    token, house = venue.contract("CollateralToken"), venue.house
    wanted = {HOUSE: HOUSE_COLLATERAL, **{who: holder.collateral for who, holder in venue.book.items()}}
    have = await venue.standings()
    left = [who for who in wanted if have[who].collateral == 0 and not have[who].positions]
    for page in _pages(left, _DEPOSITS):
        sums = {who: to_collateral(wanted[who]) for who in page}
        calls = [token.call("approve", house.address, sum(sums.values()))]
        calls += [house.call("deposit_for", venue.address(who), amount) for who, amount in sums.items()]
        await venue.account(HOUSE).execute(calls)


async def _take_positions(venue: Venue) -> None:
    """Against the house, at the listing price. An order that was filled before has no size left, and is passed over."""
    have = await venue.standings()
    wanted = [
        (who, market, size)
        for who, holder in venue.book.items()
        for market, size in holder.positions.items()
        if market not in have[who].positions
    ]
    numbers = {who: number for number, who in enumerate(venue.book)}
    epoch = await venue.epoch()
    for page in _pages(wanted, _FILLS):
        fills = []
        for who, market, size in page:
            salt = 1_000 + numbers[who] * len(PRICES) + venue.market(market)
            sides = {
                side: await venue.order(
                    side, market, buys=buys, size=abs(size), price=PRICES[market], salt=salt, epoch=epoch
                )
                for side, buys in ((HOUSE, size < 0), (who, size > 0))
            }
            maker, taker = sides[HOUSE], sides[who]
            fills.append(
                {
                    "maker": maker.to_abi(),
                    "taker": taker.to_abi(),
                    "size": maker.order.size,
                    "price": maker.order.limit_price,
                }
            )
        receipt = await venue.account("operator").execute([venue.house.call("settle", epoch, fills)])
        refusal = venue.refusal(receipt)
        if refusal is not None:
            raise DrillFailed(f"a position cannot be opened: {refusal}")


def _pages(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
