"""Fills settled on devnet a second by the venue's settler in batches, against one a transaction; distinct pairs."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from truemark.contract import Contract
from truemark.errors import TruemarkError
from truemark.reports import Entry
from truemark.rpc import AsyncRpc
from truemark.wire import OrderKind, SelfTrade, TimeInForce
from truemark_keeper.reporter import report_call

from truemark_devnet.accounts import REPORTERS, L2Account, operators
from truemark_devnet.bench.crowd import Member, gather, member
from truemark_devnet.bench.figure import Figure
from truemark_devnet.build import build
from truemark_devnet.deploy import deploy, open_venue
from truemark_devnet.deploy.venue import account_of, wallet_of
from truemark_devnet.nodes import Nodes, NodeSettings, running_nodes
from truemark_devnet.profile import load_profile
from truemark_devnet.venue.live import LiveOrder, Match
from truemark_devnet.venue.log import VenueLog
from truemark_devnet.venue.settling import BATCH_SIZE, Settler

BAR = 5
_TRADERS = 40
_START = 1_768_773_600
_MARKET, _PRICE, _SIZE = "BTC-USD-PERP", 95_475 * 10**8, 10**6
_MARGIN = 100_000 * 10**6


class NotSettled(TruemarkError, RuntimeError):
    """A fill was refused, so that the figure would say nothing."""


def run() -> list[Figure]:
    batches, singles = asyncio.run(measure(200, 40))
    return [Figure("settle", batches, f"fills/s in batches of {BATCH_SIZE}", singles, "one fill a transaction")]


async def measure(in_batches: int, alone: int) -> tuple[float, float]:
    """Fills a second: (in batches, one a transaction).

    Raises:
        NotSettled: the chain refused a fill.
    """
    with running_nodes(settings=NodeSettings(start_time=_START, hold_time=True, archive=False)) as nodes:
        roles = operators(nodes.l2_url)
        deployment = await deploy(nodes, roles, load_profile("default"), build())
        async with AsyncRpc(nodes.l2_node_url) as rpc:
            bench = _Bench(nodes, deployment.address("Clearinghouse"), rpc, roles)

            async def round_() -> None:
                await nodes.increase_time(1)
                now = await nodes.l2_time()
                entries = [
                    Entry(market=market.index, price=price, confidence_bps=5, observed_at=now)
                    for market, price in (
                        (deployment.market(listed.name), listed.listing_price)
                        for listed in load_profile("default").markets
                    )
                ]
                call = report_call(deployment.address("Oracle"), 0, entries)
                for role in REPORTERS:
                    await account_of(rpc, roles[role], nodes.l2_chain_id).execute([call])

            async def wait(seconds: int) -> None:
                await nodes.increase_time(seconds)
                await round_()

            await round_()
            await open_venue(rpc, deployment, account_of(rpc, roles["admin"], nodes.l2_chain_id), wait=wait)
            members = [member(number, deployment) for number in range(_TRADERS)]
            await gather(nodes, deployment, rpc, roles["spare-1"], members, _MARGIN)
            await round_()
            # Positions first: the first fill of an account costs more.
            await bench.rate(members, _TRADERS, BATCH_SIZE)
            return await bench.rate(members, in_batches, BATCH_SIZE), await bench.rate(members, alone, 1)


class _Bench:
    def __init__(self, nodes: Nodes, venue: int, rpc: AsyncRpc, roles: dict[str, L2Account]) -> None:
        self._nodes, self._venue, self._rpc = nodes, venue, rpc
        self._wallet = wallet_of(roles["operator"], nodes.l2_chain_id)
        self._house = Contract.of(rpc, venue, "Clearinghouse")
        self._number = 0

    async def rate(self, members: list[Member], fills: int, batch_size: int) -> float:
        expiry = await self._nodes.l2_time() + 10**6
        matches = [self._match(members, number, expiry) for number in range(fills)]
        with tempfile.TemporaryDirectory() as folder:
            log = VenueLog(Path(folder) / "venue.sqlite", "bench")
            settler = Settler(self._rpc, self._wallet, self._venue, log, poll=0.002)
            start = time.perf_counter()
            for first in range(0, fills, batch_size):
                some = matches[first : first + batch_size]
                orders = {match.number: (match.maker.order_hash, match.taker.order_hash) for match in some}
                batch = await settler.sign(0, some)
                results = await settler.land(batch, orders)
                log.landed(batch.number)
                for result in results or ():
                    if result.reason is not None:
                        raise NotSettled(result.reason)
            seconds = time.perf_counter() - start
            log.close()
        return fills / seconds

    def _match(self, members: list[Member], number: int, expiry: int) -> Match:
        self._number += 1
        half = len(members) // 2
        pair = members[number % half], members[half + number % half]
        maker, taker = (self._order(one, is_buy, expiry) for one, is_buy in zip(pair, (True, False), strict=True))
        return Match(self._number, 0, maker, taker, _SIZE, _PRICE, 0, 0, 0)

    def _order(self, one: Member, is_buy: bool, expiry: int) -> LiveOrder:
        chain_id = self._nodes.l2_chain_id
        signed = one.sign(
            chain_id,
            venue=self._venue,
            epoch=0,
            account_epoch=0,
            market=_MARKET,
            is_buy=is_buy,
            size=_SIZE,
            limit_price=_PRICE,
            max_fee_bps=3,
            reduce_only=False,
            post_only=False,
            expiry=expiry,
        )
        return LiveOrder(
            number=self._number,
            order_hash=signed.order.hash(chain_id),
            signed=signed,
            market=0,
            account=one.address,
            is_buy=is_buy,
            price=_PRICE,
            size=_SIZE,
            expiry=expiry,
            reduce_only=False,
            post_only=False,
            kind=OrderKind.LIMIT,
            time_in_force=TimeInForce.GTC,
            self_trade=SelfTrade.EXPIRE_TAKER,
            created_at=0,
            updated_at=0,
        )
