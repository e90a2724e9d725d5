"""A scenario's venue on real nodes, as it stands at 0 s: open, its accounts funded and in their positions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from eth_utils.crypto import keccak
from truemark.account import Account, TransactionReverted
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.felt import PRIME, short_string_text
from truemark.keys import StarkKey, account_address
from truemark.l1 import L1Bridge
from truemark.models import Destination
from truemark.orders import Order, SignedOrder
from truemark.receipt import Receipt
from truemark.reports import Entry
from truemark.rpc import AsyncRpc
from truemark.units import to_price, to_size
from truemark_keeper.reporter import report_call

from truemark_devnet.accounts import L2Account, l1_accounts
from truemark_devnet.build import Build
from truemark_devnet.deploy.venue import account_of, deploy
from truemark_devnet.nodes import Nodes
from truemark_devnet.scenario.file import HOUSE, HOUSE_COLLATERAL, Scenario
from truemark_devnet.scenario.profile import Plan

#: Fills of one settlement while the book is built.
_BATCH: Final = 10
#: FRI that an account pays its fees with.
_FEES: Final = 10**21
#: Signed by nobody else: an order of a scenario lives as long as the scenario.
_FOREVER: Final = 2**40
#: What a reporter says of its confidence where the scenario says nothing.
CONFIDENCE_BPS: Final = 5


class SetupFailed(TruemarkError, RuntimeError):
    """The venue of a scenario could not be brought to 0 s; the message says where it stopped."""


@dataclass
class Stage:
    """A venue and everybody in it. Times are seconds from the scenario's start unless named otherwise."""

    nodes: Nodes
    rpc: AsyncRpc
    deployment: Deployment
    plan: Plan
    roles: Mapping[str, L2Account]
    zero: int
    admin: Account
    operator: Account
    guardian: Account
    house: Account
    reporters: Mapping[str, Account]
    accounts: dict[str, Account] = field(default_factory=dict)
    blocks: dict[str, int] = field(default_factory=dict)
    _keys: dict[str, StarkKey] = field(default_factory=dict)
    _salts: itertools.count[int] = field(default_factory=itertools.count)

    def contract(self, name: str) -> Contract:
        return Contract.of(self.rpc, self.deployment.address(name), name)

    @property
    def clearinghouse(self) -> Contract:
        return self.contract("Clearinghouse")

    @property
    def oracle(self) -> Contract:
        return self.contract("Oracle")

    def market(self, name: str) -> int:
        return self.deployment.market(name).index

    def address(self, who: str) -> int:
        return self.house.address if who == HOUSE else self.accounts[who].address

    async def move_to(self, at: int) -> None:
        await self.nodes.set_time(self.zero + at)

    async def height(self) -> int:
        return int(await self.rpc.call("starknet_blockNumber"))

    async def epoch(self) -> int:
        found: int = await self.clearinghouse.read("epoch")
        return found

    async def report(
        self,
        prices: Mapping[str, Mapping[str, Decimal]],
        *,
        confidence_bps: Mapping[str, int] | None = None,
        age: Mapping[str, int] | None = None,
        funding_rate_ppm: Mapping[str, int] | None = None,
    ) -> None:
        """A round: each reporter, in order, says what it sees of each market; one that is not named says nothing."""
        now, epoch = await self.nodes.l2_time(), int(await self.oracle.read("epoch"))
        for reporter, account in self.reporters.items():
            entries = [
                Entry(
                    market=self.market(market),
                    price=to_price(said[reporter]) if said[reporter] else 0,
                    confidence_bps=(confidence_bps or {}).get(reporter, CONFIDENCE_BPS),
                    observed_at=now - (age or {}).get(reporter, 0),
                    funding_rate_ppm=(funding_rate_ppm or {}).get(market, 0),
                )
                for market, said in prices.items()
                if reporter in said
            ]
            if entries:
                await account.execute(report_call(self.oracle.address, epoch, entries))

    async def signed(
        self, who: str, market: str, *, is_buy: bool, size: int, price: int, reduce_only: bool, post_only: bool
    ) -> SignedOrder:
        """An order of an account, signed with the trading key that it registered."""
        address = self.address(who)
        epochs = await self.clearinghouse.read("account", address)
        order = Order(
            venue=self.clearinghouse.address,
            account=address,
            epoch=await self.epoch(),
            account_epoch=epochs["account_epoch"],
            market=market,
            is_buy=is_buy,
            size=size,
            limit_price=price,
            max_fee_bps=0,
            reduce_only=reduce_only,
            post_only=post_only,
            expiry=_FOREVER,
            salt=next(self._salts),
        )
        key = self._keys[who]
        r, s = key.sign(order.hash(self.deployment.l2_chain_id))
        return SignedOrder(order, key.public_key, r, s)

    async def settle(self, fills: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """What became of each fill: None if it settled, else the chain's reason."""
        call = self.clearinghouse.call("settle", await self.epoch(), list(fills))
        try:
            receipt = await self.operator.execute(call)
        except TransactionReverted as error:
            return [error.reason] * len(fills)
        reasons: list[str | None] = []
        for name, said in self.events(receipt):
            if name == "FillSettled":
                reasons.append(None)
            elif name == "FillRefused":
                reasons.append(short_string_text(said["reason"]))
        if len(reasons) != len(fills):
            raise SetupFailed(f"a settlement of {len(fills)} fills told of {len(reasons)}")
        return reasons

    def events(self, receipt: Receipt) -> list[tuple[str, Mapping[str, Any]]]:
        """The clearinghouse's events of a transaction, by name."""
        found = []
        for event in receipt.events:
            if event.from_address == self.clearinghouse.address:
                decoded = self.clearinghouse.abi.decode_event(event.keys, event.data)
                found.append((decoded.name, decoded.fields))
        return found


async def set_up(
    nodes: Nodes,
    rpc: AsyncRpc,
    roles: Mapping[str, L2Account],
    built: Build,
    scenario: Scenario,
    plan: Plan,
    *,
    unguarded: bool = False,
) -> Stage:
    """Deploys the scenario's venue, opens it, funds its accounts, opens their positions, and stands at 0 s with a mark
    of every market. `unguarded`: the build may have classes without the guards.

    Raises:
        SetupFailed: an account cannot be brought into its positions.
        DeployFailed, TransactionReverted, NodeUnavailable: a step was refused.
    """
    panel = panel_of(roles, scenario.reporters)
    before = max(plan.first_mark.values())
    others = {role: member for role, member in roles.items() if not role.startswith(("reporter-", "spare-"))}
    deployment = await deploy(nodes, {**others, **panel}, plan.profile, built, name=scenario.name, unguarded=unguarded)

    def account(member: L2Account) -> Account:
        return account_of(rpc, member, nodes.l2_chain_id)

    stage = Stage(
        nodes=nodes,
        rpc=rpc,
        deployment=deployment,
        plan=plan,
        roles=roles,
        zero=await nodes.l2_time() + before + plan.profile.venue.dwell_secs + 1,
        admin=account(roles["admin"]),
        operator=account(roles["operator"]),
        guardian=account(roles["guardian"]),
        house=account(roles["liquidator"]),
        reporters={f"r{number}": account(member) for number, member in enumerate(panel.values(), start=1)},
    )
    await _people(stage, scenario)
    await _open(stage, scenario)
    return stage


def panel_of(roles: Mapping[str, L2Account], count: int) -> dict[str, L2Account]:
    """The first `count` reporters: those that have the role, then spare accounts.

    Raises:
        SetupFailed: the node has too few accounts.
    """
    members = [member for role, member in roles.items() if role.startswith(("reporter-", "spare-"))]
    if count > len(members):
        raise SetupFailed(f"the node has accounts for {len(members)} reporters, the scenario wants {count}")
    return {f"reporter-{number}": member for number, member in enumerate(members[:count], start=1)}


async def _people(stage: Stage, scenario: Scenario) -> None:
    """Accounts with their trading keys, and their collateral under way from L1."""
    stage._keys[HOUSE] = _key(f"{scenario.name} {HOUSE}")
    register = "register_trading_key"
    await stage.house.execute(stage.clearinghouse.call(register, stage._keys[HOUSE].public_key, _FOREVER))
    class_hash = stage.deployment.account_class_hash
    for who in scenario.accounts:
        key = stage._keys[who] = _key(f"{scenario.name} {who}")
        account = Account(stage.rpc, account_address(key.public_key, class_hash), key, stage.deployment.l2_chain_id)
        stage.accounts[who] = account
        await stage.nodes.mint(account.address, _FEES)
        await account.deploy(class_hash)
        await account.execute(stage.clearinghouse.call(register, key.public_key, _FOREVER))
    sums = {HOUSE: HOUSE_COLLATERAL, **{who: account.collateral for who, account in scenario.accounts.items()}}
    async with L1Bridge(stage.deployment, l1_accounts(2)[1].private_key) as l1:
        await l1.mint_test_usdc(sum(sums.values()))
        for who, amount in sums.items():
            if amount:
                await l1.deposit(amount, Destination.MARGIN, stage.address(who))


async def _open(stage: Stage, scenario: Scenario) -> None:
    """From the first marks over the stages to Full and past grace; in between the deposits arrive and the positions are
    opened."""
    venue = stage.plan.profile.venue
    starts = stage.plan.first_mark
    opened: list[str] = []
    last = -min(starts.values())
    # As early as every market has a mark: CancelOnly, a dwell later PostOnly, a dwell later Full.
    climb = [(last + number * venue.dwell_secs, mode) for number, mode in enumerate(("CancelOnly", "PostOnly", "Full"))]
    rounds = {at for market in starts for at in range(-starts[market], 0, stage.plan.interval)}
    moments = sorted({*rounds, *(-start for start in starts.values()), *(at for at, _ in climb), 0})
    for at in moments:
        await stage.move_to(at)
        said = {
            name: dict.fromkeys(stage.reporters, market.price)
            for name, market in scenario.markets.items()
            if at >= -starts[name]
        }
        await stage.report(said)
        while climb and climb[0][0] == at:
            _, mode = climb.pop(0)
            await stage.admin.execute(stage.clearinghouse.call("set_mode", mode, 1))
            opened.append(mode)
        if opened[-1:] == ["CancelOnly"]:
            await stage.nodes.flush()
        if opened[-1:] == ["Full"]:
            await _positions(stage, scenario)
            opened.append("done")


async def _positions(stage: Stage, scenario: Scenario) -> None:
    fills = []
    for who, account in scenario.accounts.items():
        for market, size in account.positions.items():
            if size == 0:
                continue
            amount, price = to_size(abs(size)), to_price(scenario.markets[market].price)
            sides = {
                side: await stage.signed(
                    side, market, is_buy=buys, size=amount, price=price, reduce_only=False, post_only=False
                )
                for side, buys in ((HOUSE, size < 0), (who, size > 0))
            }
            maker, taker = sides[HOUSE].to_abi(), sides[who].to_abi()
            fills.append((who, market, {"maker": maker, "taker": taker, "size": amount, "price": price}))
    for start in range(0, len(fills), _BATCH):
        batch = fills[start : start + _BATCH]
        for (who, market, _), reason in zip(batch, await stage.settle([fill for *_, fill in batch]), strict=True):
            if reason is not None:
                raise SetupFailed(f"{who} cannot open its position in {market} at the listing price: {reason}")


def _key(text: str) -> StarkKey:
    """Of a person in a scenario: public knowledge, worth nothing anywhere else."""
    return StarkKey.from_private(int.from_bytes(keccak(text=f"truemark scenario: {text}"), "big") % (PRIME >> 5) + 1)
