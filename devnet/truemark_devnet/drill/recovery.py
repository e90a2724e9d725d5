"""The day after on the venue without guards: find, roll back, reconcile, and reopen by hand into the second wave."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any, Final

from truemark.felt import hex_of
from truemark.index import Follower, Index
from truemark.receipt import parse_receipt
from truemark.rpc import RpcError
from truemark_keeper.recovery import STEPS, Rollback, RollbackRecord
from truemark_keeper.recovery.find import Verdict, find_last_good
from truemark_keeper.recovery.impact import impact_of
from truemark_keeper.recovery.impact_page import render as render_plan
from truemark_keeper.recovery.integrity import MODES, integrity_report
from truemark_keeper.recovery.plan_files import public_key_of
from truemark_keeper.recovery.reconcile import balance_of, erased, erased_deposits, reconcile
from truemark_keeper.recovery.signed import SignedReport, sign_report

from truemark_devnet.drill.night import AT_THE_LINE, ERASED_TX, TRADE, outside_prices
from truemark_devnet.drill.opening import growth_slot, keep_marks, publish
from truemark_devnet.drill.script import ATTACKER, BTC, MAKER, PAXG, WAVE_PERCENT, true_price
from truemark_devnet.drill.venue import DrillFailed, Venue
from truemark_devnet.recovery import devnet_chain

INDEX: Final = "index.sqlite"
RECORD: Final = "rollback.json"
#: PAXG that changes hands at a skewed price.
WAVE_SIZE: Final = Decimal("0.5")
_OLD_EPOCH_SALT, _WAVE_SALT = 10, 20


async def followed(venue: Venue, keep: str = "") -> int:
    """The index brought up to the chain as it is; the newest block. `keep`: the marks go to a file of that name."""
    first = int(venue.memory.noted(venue.part, "index from"))
    with Index.open(venue.memory.folder / venue.part / INDEX, venue.deployment) as index:
        newest = await Follower(venue.rpc, index, venue.deployment, first_block=first).backfill()
        if keep:
            keep_marks(venue, keep, index)
        return newest


def searched(venue: Venue, *, first: int, last: int | None = None, until: int, fall_at: int | None = None) -> Verdict:
    """What the index and the outside prices say of these blocks."""
    history = outside_prices(venue, until, fall_at)
    with Index.open(venue.memory.folder / venue.part / INDEX, venue.deployment) as index:
        return find_last_good(index, venue.deployment, price=history.at, first=first, last=last)


async def find(venue: Venue) -> dict[str, Any]:
    """The last good block, by the index; and beside it what the node itself says of that block and the next ones."""
    blocks = await followed(venue, "night")
    begin = int(venue.memory.noted(venue.part, "begin"))
    found = searched(venue, first=begin, until=await venue.at())
    if found.last_good is None or found.first_bad is None:
        raise DrillFailed("find has nothing against this night, or no block before it")
    good = venue.memory.note(venue.part, "good", found.last_good)
    rules: dict[str, int] = {}
    for item in found.suspicions:
        rules[item.rule] = rules.get(item.rule, 0) + 1
    venue.keep("find.json", [item.to_json() for item in found.suspicions])
    slot = {"contract_address": hex_of(venue.oracle.address), "key": hex_of(growth_slot(venue))}
    growth = [
        int(await venue.rpc.call("starknet_getStorageAt", {**slot, "block_id": {"block_number": block}}), 16)
        for block in (good, found.first_bad.block)
    ]
    return {
        "blocks": blocks - begin + 1,
        "last_good": good,
        "first_bad": found.first_bad.to_json(),
        "suspicions": rules,
        "funding_before": str(growth[0]),
        "funding_after": str(growth[1]),
    }


async def plan(venue: Venue) -> dict[str, Any]:
    """What a rollback would erase and repair, against refunds in place; signed, before anything is done."""
    good = int(venue.memory.noted(venue.part, "good"))
    async with devnet_chain(venue.nodes, venue.deployment) as chain:
        work = Rollback(chain, venue.rpc, venue.deployment, venue.memory.folder / venue.part / RECORD)
        known = await work.plan(good)
        balance = await balance_of(venue.rpc, venue.deployment, chain.l1)
    begin = int(venue.memory.noted(venue.part, "begin"))
    price = outside_prices(venue, await venue.at()).at
    with Index.open(venue.memory.folder / venue.part / INDEX, venue.deployment) as index:
        impact = impact_of(index, venue.deployment, good, price=price, first=begin)
    signed = await sign_report(impact.to_json(), venue.address_of("admin"), venue.role_key("admin"))
    path = venue.memory.folder / venue.part / "plan.json"
    signed.save(path)
    path.with_suffix(".html").write_text(render_plan(impact, venue.address_of("admin")))
    # Read back and held to the key that the chain has of the account.
    kept = SignedReport.load(path)
    fills = await venue.events("FillSettled", good + 1)
    wrong = await venue.events("Liquidated", good + 1)
    return {
        "signed": kept.public_key == await public_key_of(venue.rpc, kept.account),
        "affected": len(impact.accounts),
        "messages": len(impact.messages),
        "repaired": len(impact.repaired),
        "left": len(impact.left),
        "in_place": impact.in_place.to_json(),
        "block": good,
        "height": known.height,
        "transactions": known.transactions,
        "epoch": known.epoch,
        "fills": len(fills),
        "liquidations": len(wrong),
        "bridge_holds": balance.holds,
    }


async def rollback(venue: Venue) -> dict[str, Any]:
    """The eight steps, each in the record; then everybody has to the unit what the line says."""
    good = int(venue.memory.noted(venue.part, "good"))
    said: list[str] = []
    async with devnet_chain(venue.nodes, venue.deployment) as chain:
        work = Rollback(chain, venue.rpc, venue.deployment, venue.memory.folder / venue.part / RECORD)
        # Once it is through, the same would begin another one.
        if not _through(venue):
            await work.begin(good)
        record = await work.run(said.append)
    before = venue.kept(AT_THE_LINE)
    now = {who: item.to_json() for who, item in (await venue.standings()).items()}
    return {
        "block": record.block,
        "height": record.height,
        "epoch": await venue.epoch(),
        "steps": list(record.done),
        "mode": await venue.mode(),
        "differing": sorted(who for who in before if before[who] != now[who]),
        "accounts": len(now),
    }


def _through(venue: Venue) -> bool:
    record = RollbackRecord.load(venue.memory.folder / venue.part / RECORD)
    return record is not None and record.done == STEPS


async def sent_again(venue: Venue) -> dict[str, Any]:
    """Every erased transaction as it was: its nonce fits again, its signature is good, and its epoch is over."""
    refused = {}
    for key, transaction in venue.kept(ERASED_TX).items():
        tx_hash = int(transaction["transaction_hash"], 16)
        raw = {name: value for name, value in transaction.items() if name != "transaction_hash"}
        # Refused where it is there since before the drill was interrupted; its receipt says what became of it.
        with contextlib.suppress(RpcError):
            await venue.rpc.call("starknet_addInvokeTransaction", {"invoke_transaction": raw})
        receipt = parse_receipt(
            await venue.rpc.call("starknet_getTransactionReceipt", {"transaction_hash": hex(tx_hash)})
        )
        refused[key] = receipt.revert_reason
    return {"refused": refused}


async def reconciled(venue: Venue) -> dict[str, Any]:
    """Withdrawals attested, deposits delivered again, and the two sides of the bridge added up."""
    async with devnet_chain(venue.nodes, venue.deployment) as chain:
        missing = await erased(venue.rpc, venue.deployment, chain.l1)
        deposits = await erased_deposits(venue.rpc, venue.deployment, chain.l1)
        before = await balance_of(venue.rpc, venue.deployment, chain.l1)
        found = venue.memory.note(
            venue.part,
            "to reconcile",
            {
                "withdrawals": [str(item.withdrawal.amount) for item in missing if not item.attested],
                "paid": sum(item.paid for item in missing),
                "deposits": [str(item.amount) for item in deposits],
                "gap": str(before.locked + before.due - before.supply - before.in_flight - before.unpaid),
            },
        )
        balance = await reconcile(venue.rpc, venue.deployment, chain.l1, chain.carry, deliver=chain.deliver)
        again = await reconcile(venue.rpc, venue.deployment, chain.l1, chain.carry)
    return {
        **found,
        "locked": str(balance.locked),
        "supply": str(balance.supply),
        "in_flight": str(balance.in_flight),
        "unpaid": str(balance.unpaid),
        "due": str(balance.due),
        "holds": balance.holds,
        "again_the_same": again == balance,
    }


async def by_hand(venue: Venue) -> dict[str, Any]:
    """The reopening of the day itself: through the stages in seconds because all looked well, nothing measured. In
    post-only somebody trades thin PAXG far off its price, the mark follows the venue's own book, and people lose
    positions that they never should have lost."""
    memory, part = venue.memory, venue.part
    since = memory.note(part, "wave since", await venue.height())
    if not memory.has(part, "wave over"):
        await publish(venue)
        await _up(venue, "CancelOnly")
        memory.note(part, "old order", await _old_order(venue))
        await _up(venue, "PostOnly")
        for number in range(len(WAVE_PERCENT)):
            await _wave(venue, number)
        await publish(venue, fall_at=int(memory.noted(part, "fall")))
        memory.note(part, "wave over", value=True)
    await venue.set_mode("Halted", 0)
    until = memory.note(part, "wave until", await venue.height())
    events = await venue.events("Liquidated", since + 1, until)
    await followed(venue, "by-hand")
    verdict = searched(
        venue, first=since + 1, last=until, until=await venue.at(), fall_at=int(memory.noted(part, "fall"))
    )
    wrong = {
        int(str(item.values["account"]), 0)
        for item in verdict.suspicions
        if item.rule == "liquidation at the independent price"
    }
    hit = {int(event["account"]) for event in events}
    return {
        "old_order": memory.noted(part, "old order"),
        "skewed": [memory.noted(part, f"wave {number}") for number in range(len(WAVE_PERCENT))],
        "liquidations": len(events),
        "accounts": len(hit),
        "wrong": sorted(venue.name(account) for account in wrong),
        "right": sorted(venue.name(account) for account in hit - wrong),
        "first": since + 1,
        "last": until,
    }


async def _wave(venue: Venue, number: int) -> None:
    """A trade of thin PAXG at a skewed price, which the venue's publisher takes for the mark; then the venue opens in
    full, and whom the mark puts under water is liquidated."""
    memory, part = venue.memory, venue.part
    if memory.has(part, f"wave {number}"):
        return
    true = true_price(PAXG, await venue.at())
    skewed = (true * WAVE_PERCENT[number] / 100).quantize(Decimal("0.01"))
    price = Decimal(memory.note(part, f"wave price {number}", str(skewed)))
    refusal = await _skew(venue, number, price)
    if number == 0:
        await publish(venue, prices={PAXG: price})
        await _up(venue, "Full")
        memory.note(part, "fall", await venue.at())
    await venue.pass_time(2)
    await publish(venue, fall_at=int(memory.noted(part, "fall")), prices={PAXG: price})
    await venue.sweep()
    memory.note(part, f"wave {number}", {"price": str(price), "true": str(true), "refusal": refusal})


async def _up(venue: Venue, mode: str) -> None:
    """Unless it is there, or above."""
    if MODES.index(await venue.mode()) < MODES.index(mode):
        await venue.pass_time(2)
        await venue.set_mode(mode, (await integrity_report(venue.rpc, venue.deployment)).hash)


async def _old_order(venue: Venue) -> str | None:
    """An order that was signed before the rollback, settled in the new epoch."""
    price = true_price(BTC, await venue.at())
    epoch = await venue.epoch() - 1
    maker = await venue.order(MAKER, BTC, buys=False, size=TRADE, price=price, salt=_OLD_EPOCH_SALT, epoch=epoch)
    taker = await venue.order(ATTACKER, BTC, buys=True, size=TRADE, price=price, salt=_OLD_EPOCH_SALT, epoch=epoch)
    return await venue.fill("old order", maker, taker)


async def _skew(venue: Venue, number: int, price: Decimal) -> str | None:
    """One trade of PAXG at a price of somebody's choosing. First a sale that reduces, to who only posts; that is what
    post-only allows. Then a purchase."""
    salt, key = _WAVE_SALT + number, f"wave {number}"
    buys = number % 2 == 1
    maker = await venue.order(MAKER, PAXG, buys=not buys, size=WAVE_SIZE, price=price, salt=salt, post_only=True)
    taker = await venue.order(ATTACKER, PAXG, buys=buys, size=WAVE_SIZE, price=price, salt=salt, reduce_only=not buys)
    return await venue.fill(key, maker, taker)
