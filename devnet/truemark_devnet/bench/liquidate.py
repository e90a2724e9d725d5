"""Blocks, of one transaction each, from the mark that puts 1,000 accounts under water to the last liquidation, by one
liquidator, with the storm bucket off; against one liquidation a transaction.

The accounts are real ones, deployed by their own keys; margin and positions come as anybody's do, so that setting up
takes most of the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeVar

from truemark.account import Account
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.felt import short_string_text
from truemark.keys import StarkKey, account_address
from truemark.orders import Order, SignedOrder
from truemark.receipt import Receipt
from truemark.reports import Entry
from truemark.rpc import AsyncRpc
from truemark.transactions import Call
from truemark_keeper.config import LiquidatorSettings
from truemark_keeper.fees import default_policy
from truemark_keeper.liquidator import Liquidator, Sweep
from truemark_keeper.reporter import report_call
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.venue import VenueReader
from truemark_keeper.wallet import StarkWallet

from truemark_devnet.accounts import REPORTERS, L2Account, operators
from truemark_devnet.bench import gas
from truemark_devnet.bench.figure import Figure
from truemark_devnet.build import build
from truemark_devnet.deploy import deploy, open_venue
from truemark_devnet.deploy.venue import account_of
from truemark_devnet.nodes import Nodes, NodeSettings, running_nodes
from truemark_devnet.profile import Profile

ACCOUNTS = 1_000
#: The most blocks that it should take.
BAR = 20
_MARKETS = 3
#: 18 January 2026, 22:00 UTC.
_START = 1_768_773_600
#: Of every market, 1e-8 USD, before and after the fall.
_PRICE, _FALLEN = 100 * 10**8, 96 * 10**8
#: 1e-8 of the base asset, of each account in each market.
_SIZE = 30 * 10**8
#: 1e-6 USD: what an account has on 9,000 USD of positions. A maintenance margin of 3% on 8,640 USD is 259.2, and the
#: fall costs 360: V/R is between 0.5 and 1.
_THINNEST, _STEP, _STEPS = 500 * 10**6, 10**6, 115
#: 1e-6 USD: of those who take the other side.
_DEEP = 10_000_000 * 10**6
_FILLS = 40
_DEPOSITS = 100
#: L2 gas of a transaction, as the keeper's own default.
_BATCH_GAS = LiquidatorSettings().batch_gas
#: Requests under way at once.
_PARALLEL = 16

_T = TypeVar("_T")


class NotUnderWater(TruemarkError, RuntimeError):
    """The set-up or the liquidations did not do what the figure is about."""


@dataclass(frozen=True)
class Result:
    """Of one run."""

    blocks: int
    liquidations: int
    #: Accounts that had one.
    accounts: int
    transactions: int


def run() -> list[Figure]:
    result = asyncio.run(measure(ACCOUNTS))
    baseline = "one liquidation a transaction"
    return [Figure("liquidate", result.blocks, f"blocks, {ACCOUNTS:,} accounts", result.liquidations, baseline)]


async def measure(accounts: int) -> Result:
    """
    Raises:
        NotUnderWater: somebody was not to be liquidated, or is not well afterwards.
    """
    with running_nodes(settings=NodeSettings(start_time=_START, hold_time=True, archive=False)) as nodes:
        roles = operators(nodes.l2_url)
        deployment = await deploy(nodes, roles, profile(), build())
        async with AsyncRpc(nodes.l2_node_url) as rpc:
            return await _Crowd(nodes, deployment, rpc, roles).fall(accounts)


def profile() -> Profile:
    """Three equal markets without a storm bucket."""
    twenty = gas.profile()
    return replace(
        twenty,
        name="liquidate",
        description="three equal markets, liquidations without ration",
        waterfall=replace(twenty.waterfall, storm_bps=10_000),
        markets=twenty.markets[:_MARKETS],
    )


class _Crowd:
    """The venue and everybody on it."""

    def __init__(self, nodes: Nodes, deployment: Deployment, rpc: AsyncRpc, roles: dict[str, L2Account]) -> None:
        self._nodes = nodes
        self._deployment = deployment
        self._rpc = rpc
        self._roles = roles
        self._clearinghouse = self._contract("Clearinghouse")
        self._accounts = {role: account_of(rpc, member, nodes.l2_chain_id) for role, member in roles.items()}
        self._salts = count(1)

    def _contract(self, name: str) -> Contract:
        return Contract.of(self._rpc, self._deployment.address(name), name)

    async def fall(self, accounts: int) -> Result:
        keys = [StarkKey.from_private(0xC0FFEE + number) for number in range(accounts)]
        victims = [account_address(key.public_key, self._deployment.account_class_hash) for key in keys]
        await self._set_up(keys, victims)
        block = 0
        for _ in range(2):
            await self._nodes.increase_time(11)
            block = await self._round(_FALLEN)
        sweep = await self._liquidate()
        blocks = [outcome.block_number for outcome in sweep.transactions]
        liquidated = {item.account for item in sweep.liquidated}
        if liquidated != set(victims) or sweep.refused or None in blocks:
            raise NotUnderWater(
                f"{len(liquidated)} of {accounts} accounts were liquidated, {len(sweep.refused)} requests refused"
            )
        margins = await self._reader().margins(victims)
        ill = sum(margin.value < margin.maintenance for margin in margins.values())
        if ill:
            raise NotUnderWater(f"{ill} of {accounts} accounts are still under water")
        last = max(number for number in blocks if number is not None)
        return Result(last - block, len(sweep.liquidated), len(liquidated), len(sweep.transactions))

    def _reader(self) -> VenueReader:
        oracle = self._deployment.address("Oracle")
        return VenueReader(self._rpc, oracle=oracle, clearinghouse=self._clearinghouse.address)

    async def _liquidate(self) -> Sweep:
        async def own_price(name: str) -> int:
            return _FALLEN

        role = self._roles["liquidator"]
        wallet = StarkWallet(role.address, StarkKey.from_private(role.private_key), self._nodes.l2_chain_id)
        async with TransactionQueue(wallet, self._rpc, fees=default_policy(2 * _BATCH_GAS)) as queue:
            liquidator = Liquidator(
                queue,
                self._reader(),
                clearinghouse=self._clearinghouse.address,
                account=role.address,
                own_price=own_price,
                batch_gas=_BATCH_GAS,
            )
            return await liquidator.once()

    async def _set_up(self, keys: Sequence[StarkKey], victims: Sequence[int]) -> None:
        async def wait(seconds: int) -> None:
            await self._nodes.increase_time(seconds)
            await self._round(_PRICE)

        # First: the time that a thousand accounts take is longer than the silence that a venue in Full bears.
        register = self._clearinghouse.call
        expiry = await self._nodes.l2_time() + 10**6
        await _each(self._join(key, register("register_trading_key", key.public_key, expiry)) for key in keys)
        await self._round(_PRICE)
        await open_venue(self._rpc, self._deployment, self._accounts["admin"], wait=wait)
        maker = self._roles["spare-1"]
        await self._from_l1(maker.address, 3 * _DEEP, wallet=True)
        payer = self._accounts["spare-1"]
        await self._pay(payer, [(maker.address, _DEEP), (self._roles["liquidator"].address, _DEEP)])
        margins = [(address, _THINNEST + number % _STEPS * _STEP) for number, address in enumerate(victims)]
        for deposits in _batches(margins, _DEPOSITS):
            await self._pay(payer, deposits)
        maker_key = StarkKey.from_private(maker.private_key)
        await payer.execute([register("register_trading_key", maker_key.public_key, expiry)])
        wanted = [
            (key, address, market) for market in range(_MARKETS) for key, address in zip(keys, victims, strict=True)
        ]
        for some in _batches(wanted, _FILLS):
            await self._fill(maker_key, maker.address, some, expiry)
        # Nobody is liquidated while the venue is in its time of grace.
        for _ in range(5):
            await wait(19)

    async def _join(self, key: StarkKey, call: Call) -> None:
        """A new account, deployed by its own key, with its trading key."""
        address = account_address(key.public_key, self._deployment.account_class_hash)
        await self._nodes.mint(address, 10**22)
        account = Account(self._rpc, address, key, self._nodes.l2_chain_id)
        await account.deploy(self._deployment.account_class_hash)
        await account.execute([call])

    async def _pay(self, payer: Account, margins: Iterable[tuple[int, int]]) -> None:
        """Into margin accounts, 1e-6 USD, out of the payer's wallet, in one transaction."""
        paid = list(margins)
        total = sum(amount for _, amount in paid)
        calls = [self._contract("CollateralToken").call("approve", self._clearinghouse.address, total)]
        calls += [self._clearinghouse.call("deposit_for", account, amount) for account, amount in paid]
        await payer.execute(calls)

    async def _fill(
        self, maker_key: StarkKey, maker: int, wanted: Iterable[tuple[StarkKey, int, int]], expiry: int
    ) -> None:
        """Sells to each, in one transaction."""
        fills = [
            {
                "maker": self._signed(maker_key, maker, market, False, expiry).to_abi(),
                "taker": self._signed(key, address, market, True, expiry).to_abi(),
                "size": _SIZE,
                "price": _PRICE,
            }
            for key, address, market in wanted
        ]
        receipt = await self._accounts["operator"].execute([self._clearinghouse.call("settle", 0, fills)])
        if refused := self._refusals(receipt):
            raise NotUnderWater(f"{len(refused)} of {len(fills)} fills were refused: {', '.join(sorted(set(refused)))}")

    def _refusals(self, receipt: Receipt) -> list[str]:
        house = self._clearinghouse
        events = [
            house.abi.decode_event(event.keys, event.data)
            for event in receipt.events
            if event.from_address == house.address
        ]
        return [short_string_text(event.fields["reason"]) for event in events if event.name.endswith("FillRefused")]

    def _signed(self, key: StarkKey, account: int, market: int, is_buy: bool, expiry: int) -> SignedOrder:
        order = Order(
            venue=self._clearinghouse.address,
            account=account,
            epoch=0,
            account_epoch=0,
            market=f"M{market:02}-USD-PERP",
            is_buy=is_buy,
            size=_SIZE,
            limit_price=_PRICE,
            max_fee_bps=10,
            reduce_only=False,
            post_only=False,
            expiry=expiry,
            salt=next(self._salts),
        )
        r, s = key.sign(order.hash(self._nodes.l2_chain_id))
        return SignedOrder(order, key.public_key, r, s)

    async def _round(self, price: int) -> int:
        """All reporters report all markets; the block in which the quorum had done so."""
        await self._nodes.increase_time(1)
        now = await self._nodes.l2_time()
        entries = [Entry(market=number, price=price, confidence_bps=5, observed_at=now) for number in range(_MARKETS)]
        call = report_call(self._deployment.address("Oracle"), 0, entries)
        receipts = [await self._accounts[role].execute([call]) for role in REPORTERS]
        block = receipts[profile().oracle.quorum - 1].block_number
        if block is None:
            raise NotUnderWater("a report is in no block")
        return block

    async def _from_l1(self, recipient: int, amount: int, *, wallet: bool) -> None:
        """A deposit's message from L1, into a wallet or a margin account."""
        bridge = self._contract("Bridge")
        message: dict[str, Any] = {
            "l2_contract_address": hex(bridge.address),
            "entry_point_selector": hex(bridge.abi.function("handle_deposit").selector),
            "l1_contract_address": self._deployment.l1["CollateralBridge"],
            "payload": [
                self._deployment.l1["TestUSDC"],
                "0x1",
                "0x0" if wallet else "0x1",
                hex(recipient),
                hex(amount),
            ],
            "paid_fee_on_l1": "0x1",
            "nonce": hex(0x7000 + next(self._salts)),
        }
        await asyncio.to_thread(self._nodes.control.l2, "devnet_postmanSendMessageToL2", message)


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


async def _each(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of it, so much at a time."""
    gate = asyncio.Semaphore(_PARALLEL)

    async def one(item: Coroutine[Any, Any, None]) -> None:
        async with gate:
            await item

    async with asyncio.TaskGroup() as group:
        for item in work:
            group.create_task(one(item))
