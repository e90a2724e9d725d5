"""The night on the venue without guards: a quiet part with the last good block at its end, then storage that nobody
wrote, a database that shows old pages, and liquidations on both. Money crosses the line between them on both sides."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from truemark.models import Destination
from truemark.units import VALUE_DECIMALS
from truemark_keeper.recovery.prices import PriceHistory

from truemark_devnet.drill.opening import growth_slot, publish
from truemark_devnet.drill.script import (
    ATTACKER,
    BTC,
    CROSSING,
    DEPOSITOR,
    ERASED_DEPOSIT,
    ERASED_PAID,
    ERASED_WAITING,
    INTERVAL,
    KEPT_DEPOSIT,
    KEPT_WITHDRAWAL,
    MAKER,
    OLD_HIGH,
    OLD_LOW,
    PRICES,
    QUIET_ENDS,
    RIGHT_AGAIN,
    SOL_FUNDING,
    STOPPED,
    STORAGE,
    WAITING,
    WITHDRAWER,
    ZERO,
    true_price,
)
from truemark_devnet.drill.venue import Venue
from truemark_devnet.nodes.storage import read_slot, write_slots

#: Base assets that change hands as on any evening, before the line and after it.
TRADE: Final = Decimal("0.05")
QUIET_SALT, ERASED_SALT, OLD_SALT = 1, 2, 3
#: What the database shows, and from when on.
PHASES: Final = {
    "funding reset to 0": CROSSING,
    "price 0": ZERO,
    "old page, 14% lower": OLD_LOW,
    "old page, 12% higher": OLD_HIGH,
    "right again": RIGHT_AGAIN,
}
#: What the erased transactions are, for sending them again.
ERASED_TX: Final = "erased.json"
AT_THE_LINE: Final = "line.json"


async def quiet(venue: Venue) -> dict[str, Any]:
    """As every night: rounds, a trade, a deposit and a withdrawal. Its last block is the last good one."""
    for at in range(0, QUIET_ENDS + 1, INTERVAL):
        if await venue.at() > at:
            continue
        await venue.move_to(at)
        await publish(venue)
    await _trade(venue, "quiet trade", QUIET_SALT)
    await venue.deposit(DEPOSITOR, KEPT_DEPOSIT, Destination.MARGIN, purse="kept")
    await venue.nodes.flush()
    kept = await venue.withdraw("kept withdrawal", WITHDRAWER, KEPT_WITHDRAWAL)
    await venue.nodes.flush()
    await venue.claim(WITHDRAWER, kept)
    await venue.move_to(QUIET_ENDS + 1)
    line = venue.memory.note(venue.part, "line", await venue.height())
    venue.keep(AT_THE_LINE, {who: item.to_json() for who, item in (await venue.standings(line)).items()})
    return {"line": line, "withdrawn": str(KEPT_WITHDRAWAL), "deposited": str(KEPT_DEPOSIT)}


async def corrupted(venue: Venue) -> dict[str, Any]:
    """Storage changed by no transaction, money under way over the line, and a database filled from old pages."""
    await venue.move_to(STORAGE)
    control, oracle, slot = venue.nodes.control, venue.oracle.address, growth_slot(venue)
    if read_slot(control, oracle, slot) > int(SOL_FUNDING.scaleb(VALUE_DECIMALS)) // 2:
        write_slots(control, oracle, {slot: 0})
    await venue.move_to(CROSSING)
    await _cross_the_line(venue)
    for phase, since in PHASES.items():
        if not venue.memory.has(venue.part, phase):
            await venue.move_to(since)
            await publish(venue)
            await venue.sweep()
            venue.memory.note(venue.part, phase, value=True)
    await venue.move_to(STOPPED)
    await venue.set_mode("Halted", 0)
    return await _damage(venue)


async def _trade(venue: Venue, key: str, salt: int) -> None:
    price = true_price(BTC, QUIET_ENDS)
    maker = await venue.order(MAKER, BTC, buys=True, size=TRADE, price=price, salt=salt)
    taker = await venue.order(ATTACKER, BTC, buys=False, size=TRADE, price=price, salt=salt)
    await venue.fill(key, maker, taker)


async def _cross_the_line(venue: Venue) -> None:
    """What the rollback will erase on L2 and cannot on L1; and transactions that somebody will send again."""
    await _trade(venue, "erased trade", ERASED_SALT)
    await venue.deposit(DEPOSITOR, ERASED_DEPOSIT, Destination.MARGIN, purse="erased")
    paid = await venue.withdraw("erased and paid", WITHDRAWER, ERASED_PAID)
    await venue.withdraw("erased and waiting", WAITING, ERASED_WAITING)
    await venue.nodes.flush()
    await venue.claim(WITHDRAWER, paid)
    sent = {}
    for key in ("erased trade", "erased and paid", "erased and waiting"):
        tx_hash = venue.memory.hash_of(f"{venue.part} {key}")
        sent[key] = await venue.rpc.call("starknet_getTransactionByHash", {"transaction_hash": hex(tx_hash)})
    venue.keep(ERASED_TX, sent)


async def _damage(venue: Venue) -> dict[str, Any]:
    """Whom it hit, by the chain's own events."""
    line = int(venue.memory.noted(venue.part, "line"))
    events = await venue.events("Liquidated", line + 1)
    hit = sorted({venue.name(event["account"]) for event in events})
    markets: dict[str, int] = {}
    names = {market.index: name for name, market in venue.deployment.markets.items()}
    for event in events:
        markets[names[event["market"]]] = markets.get(names[event["market"]], 0) + 1
    return {
        "liquidations": len(events),
        "accounts": len(hit),
        "by_market": markets,
        "height": await venue.height(),
        "mode": await venue.mode(),
    }


def outside_prices(venue: Venue, until: int, fall_at: int | None = None) -> PriceHistory:
    """What an exchange that knows nothing of the upgrade said, second by second."""
    times = range(-600, until + 1)
    prices = {
        market: [(venue.zero + at, int(true_price(market, at, fall_at) * 10**8)) for at in times] for market in PRICES
    }
    return PriceHistory(prices)
