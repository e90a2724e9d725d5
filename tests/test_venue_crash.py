"""The venue killed at any moment: after a restart nothing is lost, doubled, or unsettled without notice."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from truemark.gateway import FillState
from truemark.wire import (
    Challenge,
    FillList,
    FillView,
    OrderList,
    OrderView,
    PlaceRequest,
    Token,
    TokenRequest,
    VenueView,
    paths,
)
from truemark_devnet.bench.crowd import Member, gather, member

from tests.house import BTC, House

pytestmark = pytest.mark.node

PRICE, TICK, LOT = 95_475 * 10**8, 10**7, 10**6


class Process:
    """`truemark devnet venue` of a deployment, as a process that can be killed."""

    def __init__(self, house: House, folder: Path) -> None:
        self._house, self._folder = house, folder
        self._manifest = folder / "deployment.json"
        house.deployment.save(self._manifest)
        self._running: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Its URL, once it answers."""
        log = self._folder / "venue.log"
        with log.open("ab") as errors:
            self._running = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).with_name("truemark")),
                *("devnet", "venue", "--port", "0"),
                env={**os.environ, "TRUEMARK_DEPLOYMENT": str(self._manifest)},
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        assert self._running.stdout is not None
        line = b""
        with suppress(TimeoutError):
            line = await asyncio.wait_for(self._running.stdout.readline(), 120)
        assert line.startswith(b"venue: http"), log.read_text()
        return line.decode().split()[1]

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._running is not None and self._running.returncode is None:
            self._running.send_signal(how)
            await self._running.wait()
        self._running = None


@asynccontextmanager
async def client(url: str, one: Member, chain_id: int) -> AsyncIterator[httpx.AsyncClient]:
    """With the trader's token."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as found:
        challenge = Challenge.parse((await found.post(paths.CHALLENGE, json={"account": hex(one.address)})).json())
        r, s = one.key.sign(challenge.hash(chain_id))
        answer = TokenRequest(account=one.address, nonce=challenge.nonce, key=one.key.public_key, r=r, s=s)
        token = Token.parse((await found.post(paths.SESSION, json=answer.dump())).json())
        found.headers["Authorization"] = f"Bearer {token.token}"
        yield found


class Sender:
    """One trader that sends orders, and sends those that got no answer again, as they were."""

    def __init__(self, one: Member, house: House, seed: int) -> None:
        self.one, self.house = one, house
        self.random = random.Random(seed)
        #: By client order id: what was sent; and what was acknowledged.
        self.sent: dict[str, PlaceRequest] = {}
        self.acknowledged: set[str] = set()
        #: Of those, what the venue refused.
        self.refused: set[str] = set()

    def request(self, now: int) -> PlaceRequest:
        order = self.one.sign(
            self.house.deployment.l2_chain_id,
            venue=self.house.deployment.address("Clearinghouse"),
            epoch=0,
            account_epoch=0,
            market=BTC,
            is_buy=self.random.random() < 0.5,
            size=self.random.randint(1, 5) * LOT,
            limit_price=PRICE + self.random.randint(-10, 10) * TICK,
            max_fee_bps=3,
            reduce_only=False,
            post_only=False,
            expiry=now + 10**6,
        )
        name = secrets.token_hex(8)
        self.sent[name] = PlaceRequest(signed=order, client_order_id=name)
        return self.sent[name]

    async def work(self, url: str, now: int) -> None:
        """Until the venue does not answer any more."""
        try:
            async with client(url, self.one, self.house.deployment.l2_chain_id) as venue:
                for name in sorted(set(self.sent) - self.acknowledged):
                    await self._place(venue, self.sent[name])
                while True:
                    await self._place(venue, self.request(now))
                    await asyncio.sleep(0.01)
        except (httpx.TransportError, KeyError, ValueError):
            return

    async def _place(self, venue: httpx.AsyncClient, request: PlaceRequest) -> None:
        answer = await venue.post(paths.ORDERS, json=request.dump())
        assert request.client_order_id is not None
        if answer.status_code in (200, 201):
            assert OrderView.parse(answer.json()).client_order_id == request.client_order_id
            self.acknowledged.add(request.client_order_id)
        elif answer.status_code == 422:
            self.refused.add(request.client_order_id)
            self.acknowledged.add(request.client_order_id)
        else:
            assert answer.status_code in (429, 503), answer.text


async def everything(venue: httpx.AsyncClient) -> tuple[list[OrderView], list[FillView]]:
    """All orders and all fills of an account."""
    orders: list[OrderView] = []
    before: dict[str, int] = {}
    while True:
        page = OrderList.parse((await venue.get(paths.ORDERS, params={"state": "all", **before})).json())
        orders += page.orders
        if page.next is None:
            break
        before = {"before": page.next}
    fills: list[FillView] = []
    after = 0
    while True:
        found = FillList.parse((await venue.get(paths.FILLS, params={"after": after})).json())
        fills += found.fills
        if found.next is None:
            return orders, fills
        after = found.next


async def settled(url: str, senders: list[Sender]) -> None:
    """Waits until no fill waits for its settlement."""
    async with client(url, senders[0].one, senders[0].house.deployment.l2_chain_id) as venue:
        assert VenueView.parse((await venue.get(paths.VENUE)).json()).epoch == 0
        for _ in range(600):
            trades = (await venue.get(paths.TRADES.format(BTC), params={"limit": 1000})).json()["trades"]
            if all(trade["state"] != FillState.MATCHED for trade in trades):
                return
            await asyncio.sleep(0.1)
    raise AssertionError("fills wait for settlement")


async def survives(house: House, folder: Path, *, kills: int, seed: int) -> None:
    members = [member(500 + number, house.deployment) for number in range(4)]
    await gather(house.nodes, house.deployment, house.rpc, house.roles["spare-1"], members, 10**6 * 10**6)
    await house.round()
    senders = [Sender(one, house, seed + number) for number, one in enumerate(members)]
    process = Process(house, folder)
    moments = random.Random(seed)
    now = await house.now()
    try:
        for _ in range(kills):
            url = await process.start()
            working = [asyncio.create_task(sender.work(url, now)) for sender in senders]
            await asyncio.sleep(moments.uniform(0.1, 1.5))
            await process.kill()
            await asyncio.gather(*working)
        url = await process.start()
        await settled(url, senders)
        await check(house, url, senders)
    finally:
        await process.kill(signal.SIGTERM)


async def check(house: House, url: str, senders: list[Sender]) -> None:
    clearinghouse = house.contract("Clearinghouse")
    acknowledged = 0
    matches: dict[int, list[FillView]] = {}
    for sender in senders:
        async with client(url, sender.one, house.deployment.l2_chain_id) as venue:
            orders, fills = await everything(venue)
        by_name = {order.client_order_id: order for order in orders}
        # Nothing that was acknowledged is lost, nothing is there that was not sent, nothing twice.
        assert len(by_name) == len(orders)
        assert sender.acknowledged - sender.refused <= set(by_name) <= set(sender.sent)
        acknowledged += len(sender.acknowledged - sender.refused)
        position = Decimal(0)
        for order in orders:
            mine = [fill for fill in fills if fill.order_hash == order.order_hash]
            done = sum((fill.size for fill in mine if fill.state is FillState.SETTLED), Decimal(0))
            on_chain = Decimal(await clearinghouse.read("order_filled", order.order_hash)).scaleb(-8)
            assert order.filled == done == on_chain
            assert order.matched == 0
            position += done if order.side == "buy" else -done
        account = await clearinghouse.read("account", sender.one.address)
        assert position == sum((Decimal(p["size"]).scaleb(-8) for p in account["positions"]), Decimal(0))
        for fill in fills:
            matches.setdefault(fill.match, []).append(fill)
    assert acknowledged > 10
    assert any(fill.state is FillState.SETTLED for fills in matches.values() for fill in fills)
    for both in matches.values():
        # Both sides were told, and the same.
        one, other = both
        assert (one.state, one.size, one.price, one.tx_hash) == (other.state, other.size, other.price, other.tx_hash)
        assert one.is_maker is not other.is_maker


@pytest.mark.deep
async def test_a_venue_killed_a_few_times_loses_and_doubles_nothing(house: House, tmp_path: Path) -> None:
    await survives(house, tmp_path, kills=3, seed=11)


@pytest.mark.prove
async def test_a_venue_killed_at_twenty_moments_loses_and_doubles_nothing(house: House, tmp_path: Path) -> None:
    await survives(house, tmp_path, kills=25, seed=12)
