"""L2 gas of the venue's transactions (Sierra gas, from receipts), against starknet-perpetual's on the same node.

Gas is exact: the chain's time is held and each operation starts from a state that the others did not touch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import orjson
from truemark.account import Account
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.keys import StarkKey
from truemark.orders import Order, SignedOrder
from truemark.receipt import Receipt, parse_receipt
from truemark.reports import Entry
from truemark.rpc import AsyncRpc
from truemark_keeper.reporter import report_call

from truemark_devnet.accounts import REPORTERS, L2Account, operators
from truemark_devnet.bench.accounts import declare_account_class, deploy_account, sierra_accounts
from truemark_devnet.bench.figure import Figure
from truemark_devnet.build import build
from truemark_devnet.deploy import deploy, open_venue
from truemark_devnet.deploy.venue import account_of
from truemark_devnet.nodes import Nodes, NodeSettings, running_nodes
from truemark_devnet.paths import checkout
from truemark_devnet.profile import Profile, load_profile

MARKETS = 20
_HELD = (1, 5, 20)
_PAIRS = 10
#: 18 January 2026, 22:00 UTC.
_START = 1_768_773_600
#: Of every market, 1e-8 USD; and after a fall that puts a victim under its maintenance margin.
PRICE, _FALLEN = 100 * 10**8, 96 * 10**8
#: Of funding, ppm for 8 hours.
_RATE = 100
#: 1e-6 USD: a trader's margin, and that of one who is to be liquidated.
_MARGIN, _THIN = 100_000 * 10**6, 1_000 * 10**6
#: 1e-8 of the base asset: a fill, and all that a victim holds, over all its markets.
_SIZE, _VICTIM_SIZE = 10**8, 150 * 10**8
_GAS = 10**6

#: Name: million L2 gas of starknet-perpetual, and the most that ours should need.
TABLE: dict[str, tuple[float, float]] = {
    "gas.fill_opens": (12.16, 6),
    "gas.fill_1_open": (7.09, 4),
    "gas.fill_5_open": (10.20, 5),
    "gas.fill_20_open": (21.65, 9),
    "gas.fill_in_batch_of_10": (6.06, 3),
    "gas.liquidation_1_open": (7.16, 4.5),
    "gas.liquidation_5_open": (8.72, 5.5),
    "gas.liquidation_20_open": (14.44, 9),
    "gas.round_20_markets_3_reporters": (41, 10),
    "gas.deposit_credited": (3.62 + 3.15, 3.5),
    "gas.withdrawal_paid": (1.94 + 3.97, 4),
    "gas.withdrawal_paid_in_two": (1.94 + 3.97, 4),
}

#: L2 gas of each operation as it was last committed; written anew by `python -m truemark_devnet.bench.gas`.
COMMITTED = Path(__file__).with_suffix(".json")


def committed() -> dict[str, int]:
    """L2 gas of each operation, as it was last committed."""
    found: dict[str, int] = orjson.loads(COMMITTED.read_bytes())
    return found


def write_committed(measured: Mapping[str, int], path: Path = COMMITTED) -> None:
    path.write_bytes(orjson.dumps(dict(measured), option=orjson.OPT_INDENT_2) + b"\n")


class NotSettled(TruemarkError, RuntimeError):
    """A fill that was to be measured was refused."""


def run() -> list[Figure]:
    measured = dict(asyncio.run(measure()))
    return [
        Figure(name, measured[name] / _GAS, "million L2 gas", baseline, "starknet-perpetual")
        for name, (baseline, _) in TABLE.items()
    ]


def profile() -> Profile:
    """The default profile with twenty equal markets in place of its own."""
    default = load_profile("default")
    sol = next(market for market in default.markets if market.name == "SOL-USD-PERP")
    guard = replace(sol.guard, min_price=PRICE // 100, max_price=PRICE * 100)
    markets = tuple(
        replace(sol, name=f"M{number:02}-USD-PERP", listing_price=PRICE, guard=guard) for number in range(MARKETS)
    )
    return replace(default, name="gas", description="twenty equal markets", markets=markets)


async def measure(only: Sequence[str] = tuple(TABLE)) -> list[tuple[str, int]]:
    """L2 gas of each, in order; a fill in a batch is the batch's gas by its fills, rounded up."""
    async with a_floor() as floor:
        await floor.prepare()
        found = []
        for name in only:
            async with floor.nodes.undone():
                found.append((name, await floor.operation(name)))
        return found


@asynccontextmanager
async def a_floor() -> AsyncIterator[Floor]:
    """A venue of twenty markets on nodes of its own, Halted and without marks, everybody billed in Sierra gas."""
    with running_nodes(settings=NodeSettings(start_time=_START, hold_time=True)) as nodes:
        predeployed = operators(nodes.l2_url)
        async with AsyncRpc(nodes.l2_url) as rpc:
            admin = account_of(rpc, predeployed["admin"], nodes.l2_chain_id)
            cls = await declare_account_class(nodes, rpc, admin, checkout() / "build" / "bench")
            roles = await sierra_accounts(nodes, rpc, cls, predeployed)
            deployment = await deploy(nodes, roles, profile(), build())
            yield Floor(nodes, deployment, rpc, roles, cls.class_hash)


@dataclass(frozen=True)
class _Trader:
    account: Account
    key: StarkKey


@dataclass
class Floor:
    """The venue, open, and everybody on it."""

    nodes: Nodes
    deployment: Deployment
    rpc: AsyncRpc
    roles: dict[str, L2Account]
    account_class_hash: int
    traders: list[_Trader] = field(default_factory=list)
    _salts: count[int] = field(default_factory=lambda: count(1))

    def contract(self, name: str) -> Contract:
        return Contract.of(self.rpc, self.deployment.address(name), name)

    def account(self, role: str) -> Account:
        # A fresh one each time: nonces go back when a snapshot does.
        return account_of(self.rpc, self.roles[role], self.nodes.l2_chain_id)

    async def prepare(self) -> None:
        async def wait(seconds: int) -> None:
            await self.nodes.increase_time(seconds)
            await self.round()

        await self.round()
        await open_venue(self.rpc, self.deployment, self.account("admin"), wait=wait)
        clearinghouse = self.contract("Clearinghouse")
        expiry = await self.nodes.l2_time() + 10**6
        for number in range(2 * _PAIRS + 1):
            key = StarkKey.from_private(0x5EED + number)
            account = await self._deploy(key)
            await account.execute([clearinghouse.call("register_trading_key", key.public_key, expiry)])
            self.traders.append(_Trader(account, key))
            # The last one is the victim of the liquidations.
            await self.deposit(account.address, _THIN if number == 2 * _PAIRS else _MARGIN)
        await self.deposit(self.roles["liquidator"].address, _MARGIN)
        for _ in range(5):
            await self.nodes.increase_time(19)
            await self.round()

    async def _deploy(self, key: StarkKey) -> Account:
        address = await deploy_account(self.nodes, self.rpc, self.account_class_hash, key)
        return Account(self.rpc, address, key, self.nodes.l2_chain_id)

    async def operation(self, name: str) -> int:
        kind, _, rest = name.removeprefix("gas.").partition("_")
        if name == "gas.fill_opens":
            return (await self.fill(0, 1, [0])).l2_gas
        if name == "gas.fill_in_batch_of_10":
            await self.fills([(2 * pair, 2 * pair + 1, 0, _SIZE) for pair in range(_PAIRS)])
            batch = await self.fills([(2 * pair, 2 * pair + 1, 0, _SIZE) for pair in range(_PAIRS)])
            return -(-batch.l2_gas // _PAIRS)
        if kind == "fill":
            held = int(rest.split("_")[0])
            for market in range(held):
                await self.fill(0, 1, [market])
            return (await self.fill(0, 1, [0])).l2_gas
        if kind == "liquidation":
            return await self.liquidation(int(rest.split("_")[0]))
        if kind == "round":
            # The mark moves, and funding accrues.
            return sum(receipt.l2_gas for receipt in await self.round(PRICE + PRICE // 1000, seconds=3))
        if kind == "deposit":
            return (await self.deposit(self.traders[0].account.address, 10**6)).l2_gas
        # The venue's first withdrawal makes its quotas' slots.
        await self.withdrawal(1, together=True)
        return await self.withdrawal(0, together=name == "gas.withdrawal_paid")

    async def fill(self, seller: int, buyer: int, markets: Sequence[int]) -> Receipt:
        return await self.fills([(seller, buyer, market, _SIZE) for market in markets])

    async def fills(self, wanted: Sequence[tuple[int, int, int, int]]) -> Receipt:
        """Settles fills (seller, buyer, market, size) at the mark in one batch."""
        expiry = await self.nodes.l2_time() + 3600
        fills = [
            {
                "maker": self._signed(seller, market, False, size, expiry).to_abi(),
                "taker": self._signed(buyer, market, True, size, expiry).to_abi(),
                "size": size,
                "price": PRICE,
            }
            for seller, buyer, market, size in wanted
        ]
        clearinghouse = self.contract("Clearinghouse")
        receipt = await self.account("operator").execute([clearinghouse.call("settle", 0, fills)])
        decoded = [
            clearinghouse.abi.decode_event(event.keys, event.data).name
            for event in receipt.events
            if event.from_address == clearinghouse.address
        ]
        settled = sum(name.endswith("FillSettled") for name in decoded)
        if settled != len(wanted):
            raise NotSettled(f"{settled} of {len(wanted)} fills were settled: {decoded}")
        return receipt

    def _signed(self, trader: int, market: int, is_buy: bool, size: int, expiry: int) -> SignedOrder:
        who = self.traders[trader]
        order = Order(
            venue=self.deployment.address("Clearinghouse"),
            account=who.account.address,
            epoch=0,
            account_epoch=0,
            market=f"M{market:02}-USD-PERP",
            is_buy=is_buy,
            size=size,
            limit_price=PRICE,
            max_fee_bps=10,
            reduce_only=False,
            post_only=False,
            expiry=expiry,
            salt=next(self._salts),
        )
        r, s = who.key.sign(order.hash(self.nodes.l2_chain_id))
        return SignedOrder(order, who.key.public_key, r, s)

    async def liquidation(self, held: int) -> int:
        victim = 2 * _PAIRS
        for market in range(held):
            await self.fills([(0, victim, market, _VICTIM_SIZE // held)])
        for _ in range(2):
            await self.nodes.increase_time(11)
            await self.round(_FALLEN)
        request = {
            "account": self.traders[victim].account.address,
            "market": 0,
            "max_size": _VICTIM_SIZE,
            "limit_price": 2**63,
        }
        call = self.contract("Clearinghouse").call("liquidate", 0, request)
        return (await self.account("liquidator").execute([call])).l2_gas

    async def round(self, price: int = PRICE, seconds: int = 1) -> list[Receipt]:
        """All reporters report all markets, some seconds later than before, each a hair from the other."""
        await self.nodes.increase_time(seconds)
        now = await self.nodes.l2_time()
        receipts = []
        for offset, role in zip((-1, 0, 1), REPORTERS, strict=True):
            entries = [Entry(number, price + offset, 5, now, _RATE) for number in range(MARKETS)]
            call = report_call(self.deployment.address("Oracle"), 0, entries)
            receipts.append(await self.account(role).execute([call]))
        return receipts

    async def deposit(self, recipient: int, amount: int) -> Receipt:
        """A deposit's message from L1, into a margin account."""
        bridge = self.contract("Bridge")
        sent = await asyncio.to_thread(
            self.nodes.control.l2,
            "devnet_postmanSendMessageToL2",
            {
                "l2_contract_address": hex(bridge.address),
                "entry_point_selector": hex(bridge.abi.function("handle_deposit").selector),
                "l1_contract_address": self.deployment.l1["CollateralBridge"],
                "payload": [self.deployment.l1["TestUSDC"], "0x1", "0x1", hex(recipient), hex(amount)],
                "paid_fee_on_l1": "0x1",
                "nonce": hex(0x7000 + next(self._salts)),
            },
        )
        raw = await self.rpc.call("starknet_getTransactionReceipt", {"transaction_hash": sent["transaction_hash"]})
        return parse_receipt(raw).or_raise()

    async def withdrawal(self, trader: int, *, together: bool) -> int:
        """Margin to the wallet and from there to L1, in one transaction or two."""
        who = self.traders[trader]
        account = Account(self.rpc, who.account.address, who.key, self.nodes.l2_chain_id)
        calls = [
            self.contract("Clearinghouse").call("withdraw", 0, 10**6),
            self.contract("Bridge").call("withdraw", 0, 0x1234, 10**6),
        ]
        batches = [calls] if together else [[call] for call in calls]
        return sum([(await account.execute(batch)).l2_gas for batch in batches])


if __name__ == "__main__":
    write_committed(dict(asyncio.run(measure())))
