"""A keeper without guards: what the database says is the mark, and whom that puts under water is liquidated."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from truemark.account import Account, TransactionReverted
from truemark.reports import Entry
from truemark.units import to_price
from truemark_keeper.reporter import report_call
from truemark_keeper.sources import Database, SourceError

from truemark_devnet.scenario.stage import Stage

_ANY_HIGH: Final = 2**64 - 1
_ANY_LOW: Final = 1
_ALL: Final = 2**64 - 1


class NaivePublisher:
    """Publishes each row of the database as it is, with the time at which it looked."""

    def __init__(self, stage: Stage, reporter: Account, database: Database) -> None:
        self._stage, self._reporter, self._database = stage, reporter, database

    async def round(self) -> str:
        """What it said, in a few words."""
        try:
            reading = await self._database.read()
        except SourceError as error:
            return f"nothing: {error}"
        now = await self._stage.nodes.l2_time()
        entries = []
        for cells in reading.rows:
            row = dict(zip(reading.columns, cells, strict=True))
            price = to_price(Decimal(row["price"])) if Decimal(row["price"]) else 0
            market = self._stage.market(row["market"])
            entries.append(Entry(market, price, 1, now, int(row["funding_ppm"])))
        entries.sort(key=lambda entry: entry.market)
        epoch = int(await self._stage.oracle.read("epoch"))
        await self._reporter.execute(report_call(self._stage.oracle.address, epoch, entries))
        return f"{len(entries)} marks"


async def liquidate_everybody(stage: Stage) -> list[str]:
    """Asks the contract for every position of every account, at any price: anybody may. Whom it was given, by name."""
    names = {account.address: who for who, account in stage.accounts.items()}
    requests = []
    for account in stage.accounts.values():
        view = await stage.clearinghouse.read("account", account.address)
        requests += [
            {
                "account": account.address,
                "market": position["market"],
                "max_size": _ALL,
                "limit_price": _ANY_HIGH if position["size"] > 0 else _ANY_LOW,
            }
            for position in view["positions"]
        ]
    if not requests:
        return []
    try:
        receipt = await stage.house.execute(stage.clearinghouse.call("liquidate_many", await stage.epoch(), requests))
    except TransactionReverted:
        # Not in this mode.
        return []
    return [names[said["account"]] for name, said in stage.events(receipt) if name == "Liquidated"]
