"""The drill's venue as the operator and the crowd use it. A verb given again looks at the chain first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import orjson
from eth_utils.crypto import keccak
from truemark.abi import Abi
from truemark.account import Account
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.felt import PRIME, hex_of, selector, short_string_text
from truemark.keys import StarkKey, account_address
from truemark.l1 import L1Bridge
from truemark.models import Destination, Withdrawal
from truemark.orders import Order, SignedOrder
from truemark.receipt import Receipt
from truemark.reports import Entry
from truemark.rpc import AsyncRpc, RpcError
from truemark.trader.handles import withdrawal_of
from truemark.units import to_collateral, to_price, to_size
from truemark_keeper.reporter import report_call

from truemark_devnet.accounts import L2Account
from truemark_devnet.deploy.venue import account_of
from truemark_devnet.drill.memory import Memory
from truemark_devnet.drill.script import FUNDING_PPM, Size, book
from truemark_devnet.nodes import Nodes
from truemark_devnet.scenario.file import HOUSE
from truemark_devnet.scenario.file import Account as Holder
from truemark_devnet.scenario.stage import panel_of

#: An order of the drill lives as long as the drill.
FOREVER: Final = 2**40
CONFIDENCE_BPS: Final = 5
#: Liquidations of one transaction.
_SWEEP: Final = 12
#: Sweeps that may follow one another while each takes something.
_SWEEPS: Final = 8
#: Reads in one request.
_READS: Final = 100
_ALL: Final = 2**64 - 1


class DrillFailed(TruemarkError, RuntimeError):
    """A step did not do what it must; the message says which and what."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An account at one block: 1e-6 USD, positions by market in 1e-8 of the base asset."""

    collateral: int
    positions: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        return {"collateral": self.collateral, "positions": dict(self.positions)}


@dataclass
class Venue:
    """One part of the drill: a venue on nodes of its own."""

    part: str
    nodes: Nodes
    rpc: AsyncRpc
    deployment: Deployment
    roles: Mapping[str, L2Account]
    memory: Memory
    size: Size

    def __post_init__(self) -> None:
        self.book: Mapping[str, Holder] = book(self.size)
        class_hash = self.deployment.account_class_hash
        self.members = {HOUSE: self.roles["liquidator"], **{who: _member(who, class_hash) for who in self.book}}
        self._accounts: dict[int, Account] = {}

    # Who and what

    def account(self, who: str) -> Account:
        """Of a role or a person."""
        member = self.members[who] if who in self.members else self.roles[who]
        if member.address not in self._accounts:
            self._accounts[member.address] = account_of(self.rpc, member, self.nodes.l2_chain_id)
        return self._accounts[member.address]

    def address_of(self, role: str) -> int:
        return self.roles[role].address

    def key(self, who: str) -> StarkKey:
        return StarkKey.from_private(self.members[who].private_key)

    def role_key(self, role: str) -> StarkKey:
        return StarkKey.from_private(self.roles[role].private_key)

    def address(self, who: str) -> int:
        return self.members[who].address

    def name(self, address: int) -> str:
        return next((who for who, member in self.members.items() if member.address == address), hex(address))

    def contract(self, name: str) -> Contract:
        return Contract.of(self.rpc, self.deployment.address(name), name)

    @property
    def house(self) -> Contract:
        return self.contract("Clearinghouse")

    @property
    def oracle(self) -> Contract:
        return self.contract("Oracle")

    def market(self, name: str) -> int:
        return self.deployment.market(name).index

    async def height(self) -> int:
        return int(await self.rpc.call("starknet_blockNumber"))

    async def epoch(self) -> int:
        return int(await self.house.read("epoch"))

    async def mode(self) -> str:
        return str((await self.house.read("mode")).variant)

    # Time

    @property
    def zero(self) -> int:
        """Block time at which the night begins."""
        return int(self.memory.noted(self.part, "zero"))

    async def at(self) -> int:
        """Seconds since the night began."""
        return await self.nodes.l2_time() - self.zero

    async def move_to(self, at: int) -> None:
        if await self.at() < at:
            await self.nodes.set_time(self.zero + at)

    async def pass_time(self, seconds: int) -> int:
        """Seconds since the night began, afterwards."""
        return await self.nodes.increase_time(seconds) - self.zero

    # Many reads at once

    async def standings(self, block: int | None = None) -> dict[str, Standing]:
        """Everybody, the house included, after a block; by default the newest."""
        names = {market.index: name for name, market in self.deployment.markets.items()}
        found = {}
        for who, view in (await self.read_all("account", block)).items():
            held = {names[item["market"]]: int(item["size"]) for item in view["positions"] if item["size"]}
            found[who] = Standing(int(view["collateral"]), held)
        return found

    async def read_all(
        self, function: str, block: int | None = None, who: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """A view of the clearinghouse for each of these people, by default all. One that reverts is left out."""
        asked = list(self.members if who is None else who)
        answers = await self.read_many(self.house, function, [self.address(person) for person in asked], block)
        return {person: answer for person, answer in zip(asked, answers, strict=True) if answer is not None}

    async def read_many(
        self, contract: Contract, function: str, addresses: Sequence[int], block: int | None = None
    ) -> list[Any]:
        """A view of an address for each of these. None: it reverts."""
        at = "latest" if block is None else {"block_number": block}
        found: list[Any] = []
        for start in range(0, len(addresses), _READS):
            calls = []
            for address in addresses[start : start + _READS]:
                call = contract.call(function, address)
                request = {
                    "contract_address": hex_of(call.to),
                    "entry_point_selector": hex_of(call.selector),
                    "calldata": [hex(felt) for felt in call.calldata],
                }
                calls.append(("starknet_call", {"request": request, "block_id": at}))
            for answer in await self.rpc.batch(calls):
                if isinstance(answer, RpcError):
                    found.append(None)
                else:
                    felts = tuple(int(felt, 16) for felt in answer)
                    found.append(contract.abi.decode_result(function, felts))
        return found

    async def events(self, name: str, first: int = 0, last: int | None = None) -> list[dict[str, Any]]:
        """The clearinghouse's events of a name on the chain as it stands, each with its `block`."""
        found, token = [], None
        abi: Abi = self.house.abi
        while True:
            query = {
                "address": hex_of(self.house.address),
                "keys": [[hex(selector(name))]],
                "from_block": {"block_number": first},
                "to_block": "latest" if last is None else {"block_number": last},
                "chunk_size": 1000,
                **({"continuation_token": token} if token else {}),
            }
            page = await self.rpc.call("starknet_getEvents", {"filter": query})
            for event in page["events"]:
                keys, data = ([int(felt, 16) for felt in event[part]] for part in ("keys", "data"))
                found.append({**abi.decode_event(keys, data).fields, "block": int(event["block_number"])})
            token = page.get("continuation_token")
            if not token:
                return found

    # Prices

    async def report(self, prices: Mapping[str, Decimal], reporters: Sequence[str] | None = None) -> None:
        """What each reporter says, seen now; USD, 0 where a column was reset."""
        now, epoch = await self.nodes.l2_time(), int(await self.oracle.read("epoch"))
        entries = [
            Entry(self.market(name), to_price(price) if price else 0, CONFIDENCE_BPS, now, FUNDING_PPM)
            for name, price in prices.items()
        ]
        panel = list(panel_of(self.roles, 3)) if reporters is None else reporters
        for role in panel:
            await self.account(role).execute(report_call(self.oracle.address, epoch, entries))

    # Orders and fills

    async def order(
        self,
        who: str,
        market: str,
        *,
        buys: bool,
        size: Decimal,
        price: Decimal,
        salt: int,
        reduce_only: bool = False,
        post_only: bool = False,
        epoch: int | None = None,
    ) -> SignedOrder:
        """Signed with the key that the person registered. `salt` makes two orders of one intention one order."""
        order = Order(
            venue=self.house.address,
            account=self.address(who),
            epoch=await self.epoch() if epoch is None else epoch,
            account_epoch=0,
            market=market,
            is_buy=buys,
            size=to_size(size),
            limit_price=to_price(price),
            max_fee_bps=0,
            reduce_only=reduce_only,
            post_only=post_only,
            expiry=FOREVER,
            salt=salt,
        )
        key = self.key(who)
        r, s = key.sign(order.hash(self.deployment.l2_chain_id))
        return SignedOrder(order, key.public_key, r, s)

    async def fill(self, key: str, maker: SignedOrder, taker: SignedOrder) -> str | None:
        """One match of two whole orders at the maker's price, settled once by the operator: None, or the refusal."""
        order = maker.order
        match = {
            "maker": maker.to_abi(),
            "taker": taker.to_abi(),
            "size": min(order.size, taker.order.size),
            "price": order.limit_price,
        }
        receipt = await self.memory.once(
            f"{self.part} {key}", self.account("operator"), [self.house.call("settle", await self.epoch(), [match])]
        )
        return self.refusal(receipt)

    def refusal(self, receipt: Receipt) -> str | None:
        """Why a settlement of one fill, or a liquidation, came to nothing; None: it did not."""
        if receipt.revert_reason is not None:
            return receipt.revert_reason
        for name, said in self.said(receipt):
            if name in ("FillRefused", "LiquidationRefused"):
                return self.reason(said)
        return None

    def reason(self, said: Mapping[str, Any]) -> str:
        """Of a refusal's event."""
        return short_string_text(said["reason"])

    def said(self, receipt: Receipt) -> list[tuple[str, Mapping[str, Any]]]:
        """The clearinghouse's events of a transaction."""
        found = []
        for event in receipt.events:
            if event.from_address == self.house.address:
                decoded = self.house.abi.decode_event(event.keys, event.data)
                found.append((decoded.name, decoded.fields))
        return found

    # Liquidations

    async def sweep(self) -> int:
        """Somebody asks for every position of everybody who is under water by the chain's own views, at any price, as
        long as it is given any. How many were taken."""
        taken = 0
        for _ in range(_SWEEPS):
            got = await self._sweep_once()
            taken += got
            if got == 0:
                break
        return taken

    async def _sweep_once(self) -> int:
        margins = await self.read_all("margin_of", who=[who for who in self.members if who != HOUSE])
        under = [who for who, view in margins.items() if 0 <= int(view["value"]) < int(view["maintenance"])]
        views = await self.read_all("account", who=under)
        requests = [
            {
                "account": self.address(who),
                "market": item["market"],
                "max_size": _ALL,
                "limit_price": _ALL if item["size"] > 0 else 1,
            }
            for who, view in views.items()
            for item in view["positions"]
        ]
        taken, epoch = 0, await self.epoch()
        for start in range(0, len(requests), _SWEEP):
            call = self.house.call("liquidate_many", epoch, requests[start : start + _SWEEP])
            account = self.account(HOUSE)
            receipt = await account.wait(await account.send([call]))
            taken += sum(name == "Liquidated" for name, _ in self.said(receipt))
        return taken

    # The bridge

    def l1(self, who: str) -> L1Bridge:
        """With the person's key on L1, which is public knowledge and worth nothing anywhere else."""
        return L1Bridge(self.deployment, keccak(text=f"truemark drill: {who}"))

    async def deposit(self, who: str, amount: Decimal, destination: Destination, *, purse: str = "") -> None:
        """From L1, once for each purse (a key on L1 that does nothing else)."""
        async with self.l1(f"{who} {purse}") as l1:
            if any(item.depositor == l1.address for item in await l1.deposits()):
                return
            await l1.fund_ether()
            if await l1.balance() < amount:
                await l1.mint_test_usdc(amount)
            await l1.deposit(amount, destination, self.address(who))

    async def withdraw(self, key: str, who: str, amount: Decimal) -> Withdrawal:
        """From the margin account through the wallet to L1, where it has to be claimed yet."""
        async with self.l1(who) as l1:
            recipient = int(l1.address, 16)
        units, epoch = to_collateral(amount), await self.epoch()
        bridge = self.contract("Bridge")
        calls = [self.house.call("withdraw", epoch, units), bridge.call("withdraw", epoch, recipient, units)]
        receipt = (await self.memory.once(f"{self.part} {key}", self.account(who), calls)).or_raise()
        for event in receipt.events:
            if event.from_address == bridge.address:
                decoded = bridge.abi.decode_event(event.keys, event.data)
                if decoded.name == "WithdrawalRegistered":
                    return withdrawal_of(decoded.fields)
        raise DrillFailed(f"the withdrawal of {who} registered nothing on L1")

    async def claim(self, who: str, withdrawal: Withdrawal) -> None:
        async with self.l1(who) as l1:
            await l1.fund_ether()
            if not await l1.is_paid(withdrawal):
                await l1.claim(withdrawal)

    async def set_mode(self, mode: str, report: int) -> None:
        """Up by the admin, down by the guardian; nothing if it is there already."""
        if await self.mode() != mode:
            who = "guardian" if report == 0 else "admin"
            await self.account(who).execute([self.house.call("set_mode", mode, report)])

    def keep(self, name: str, content: Any) -> None:
        """A file of the drill's folder."""
        path = self.memory.folder / self.part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))

    def kept(self, name: str) -> Any:
        return orjson.loads((self.memory.folder / self.part / name).read_bytes())


def _member(who: str, class_hash: int) -> L2Account:
    """A person's account, by a key that is public knowledge and worth nothing anywhere else."""
    secret = int.from_bytes(keccak(text=f"truemark drill: {who}"), "big") % (PRIME >> 5) + 1
    public = StarkKey.from_private(secret).public_key
    return L2Account(who, account_address(public, class_hash), public, secret)


async def all_of(work: Iterable[Any], at_once: int = 8) -> None:
    """Coroutines, a few at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(item: Any) -> None:
        async with gate:
            await item

    await asyncio.gather(*(one(item) for item in work))
