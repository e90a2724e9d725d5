"""What the day comes to: a row for each trader from the events, and the equations that must hold to the unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from truemark.abi import DecodedEvent
from truemark.felt import selector
from truemark.risk import Holding, margin, pending_funding
from truemark.trader.handles import read_events, registered_withdrawals
from truemark.units import from_collateral, from_value
from truemark_keeper.book import AccountState, Book

from truemark_devnet.demo.report import Check, TraderRow
from truemark_devnet.demo.stage import Stage

ZERO = Decimal(0)
_EVENTS = ("FillSettled", "Liquidated", "Deposited", "DepositCredited", "Withdrawn")


@dataclass
class Flows:
    """What went through one margin account, USD."""

    deposited: Decimal = ZERO
    withdrawn: Decimal = ZERO
    funding: Decimal = ZERO
    fees: Decimal = ZERO
    liquidation_costs: Decimal = ZERO
    #: Markets in which it was liquidated, in order, each once.
    liquidated: dict[str, None] = field(default_factory=dict)


async def flows(stage: Stage) -> Mapping[int, Flows]:
    """Of every account, from the clearinghouse's events alone."""
    found: dict[int, Flows] = defaultdict(Flows)
    house = stage.venue.clearinghouse
    names = {market.index: name for name, market in stage.deployment.markets.items()}
    keys = [[hex(selector(name)) for name in _EVENTS]]
    for event, _ in await read_events(stage.venue, house.address, keys):
        _count(found, house.abi.decode_event(event.keys, event.data), names)
    return found


def _count(found: dict[int, Flows], event: DecodedEvent, names: Mapping[int, str]) -> None:
    said: Mapping[str, Any] = event.fields
    if event.name == "FillSettled":
        for side in ("maker", "taker"):
            flow = found[said[side]]
            flow.fees += from_collateral(said[f"{side}_fee"])
            flow.funding += from_collateral(said[f"{side}_funding"])
    elif event.name == "Liquidated":
        flow = found[said["account"]]
        flow.funding += from_collateral(said["account_funding"])
        flow.liquidation_costs += from_collateral(said["discount"] + said["penalty"])
        flow.liquidated[names[said["market"]]] = None
        found[said["caller"]].funding += from_collateral(said["caller_funding"])
    elif event.name in ("Deposited", "DepositCredited"):
        found[said["account"]].deposited += from_collateral(said["amount"])
    else:
        found[said["account"]].withdrawn += from_collateral(said["amount"])


def equities(stage: Stage, book: Book) -> dict[str, Decimal]:
    """V of every trader at the last good marks, USD."""
    states = {account.address: account for account in book.accounts}
    return {
        name: from_value(margin(states[trader.address].collateral, _held(states[trader.address], book)).value)
        for name, trader in stage.traders.items()
        if trader.address in states
    }


def _held(account: AccountState, book: Book) -> list[Holding]:
    held = []
    for position in account.positions:
        market = book.markets[position.market]
        pending = pending_funding(position.size, market.funding_index - position.funding_index)
        held.append(Holding(position.size, market.price, pending, market.tiers))
    return held


async def rows(stage: Stage, book: Book) -> list[TraderRow]:
    """One for each trader, in the order of the plan. Funding counts what was settled and what has accrued since."""
    values, moved = equities(stage, book), await flows(stage)
    states = {account.address: account for account in book.accounts}
    found = []
    for name, trader in stage.traders.items():
        flow, equity = moved[trader.address], values.get(name, ZERO)
        pending = sum(holding.pending for holding in _held(states[trader.address], book))
        funding = flow.funding + from_value(pending)
        gained = equity + flow.withdrawn - flow.deposited
        found.append(
            TraderRow(
                name=name,
                address=hex(trader.address),
                book=", ".join(f"{wish.market.split('-')[0]} {wish.leverage}x" for wish in stage.plans[name].wishes)
                or "makes markets",
                deposited=flow.deposited,
                withdrawn=flow.withdrawn,
                trading=gained - funding + flow.fees + flow.liquidation_costs,
                funding=funding,
                fees=flow.fees,
                liquidation_costs=flow.liquidation_costs,
                vault=(await trader.balances()).vault_value,
                equity=equity,
                liquidated=tuple(flow.liquidated),
            )
        )
    return found


async def checks(stage: Stage) -> list[Check]:
    """The equations of the reconciliation."""
    venue, l1 = stage.venue, stage.l1
    locked = await l1.locked()
    flying = sum((deposit.amount for deposit in await l1.deposits_in_flight()), ZERO)
    registered = [withdrawal for withdrawal, _ in await registered_withdrawals(venue)]
    unclaimed = sum((withdrawal.amount for withdrawal in await l1.unclaimed(registered)), ZERO)
    supply = from_collateral(await venue.token.read("total_supply"))
    ledger = {name: from_collateral(value) for name, value in (await venue.clearinghouse.read("ledger")).items()}
    parked = from_collateral(await venue.bridge.read("parked_total"))
    holders = await _balances(stage)
    custody = holders.pop(venue.clearinghouse.address)
    holders.pop(venue.bridge.address, ZERO)
    wallets = sum(holders.values(), ZERO)
    traders, vault, liquidator = await _collateral(stage)
    return [
        Check(
            "L1 locked = L2 supply + deposits in flight + withdrawals not yet claimed",
            locked,
            supply + flying + unclaimed,
            [("locked on L1", locked), ("supply on L2", supply), ("in flight", flying), ("not yet claimed", unclaimed)],
        ),
        Check(
            "L2 supply = ledger + parked + wallets",
            supply,
            ledger["total"] + parked + wallets,
            [("supply on L2", supply), ("ledger", ledger["total"]), ("parked", parked), ("wallets", wallets)],
        ),
        Check(
            "ledger = traders + vault + liquidator + fees + insurance + funding on its way + pending",
            ledger["total"],
            traders + vault + liquidator + ledger["fees"] + ledger["insurance"] + ledger["funding"] + ledger["pending"],
            [
                ("traders", traders),
                ("vault", vault),
                ("liquidator", liquidator),
                ("fees", ledger["fees"]),
                ("insurance", ledger["insurance"]),
                ("funding on its way", ledger["funding"]),
                ("pending", ledger["pending"]),
            ],
        ),
        Check(
            "ledger = the clearinghouse's token balance",
            ledger["total"],
            custody,
            [("ledger", ledger["total"]), ("token balance", custody)],
        ),
    ]


async def _balances(stage: Stage) -> dict[int, Decimal]:
    """Of every address that ever received the token."""
    token = stage.venue.token
    holders = {
        token.abi.decode_event(event.keys, event.data).fields["to"]
        for event, _ in await read_events(stage.venue, token.address, [[hex(selector("Transfer"))]])
    }
    return {holder: from_collateral(await token.read("balance_of", holder)) for holder in sorted(holders - {0})}


async def _collateral(stage: Stage) -> tuple[Decimal, Decimal, Decimal]:
    """Collateral of the traders' margin accounts, of the vault's and of the liquidator's."""
    house = stage.venue.clearinghouse

    async def of(address: int) -> Decimal:
        return from_collateral((await house.read("account", address))["collateral"])

    traders = [await of(trader.address) for trader in stage.traders.values()]
    return sum(traders, ZERO), await of(stage.venue.vault.address), await of(stage.liquidator_address)
