"""The venue as one node shows it: its contracts, its clock, what an account has there. A picture is of one block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from truemark.abi import Abi
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.felt import short_string_text
from truemark.models import Mark, MarketStatus, Source
from truemark.receipt import RawEvent
from truemark.risk import NO_TIER, Holding, MarginTier, Tiers, pending_funding
from truemark.rpc import AsyncRpc
from truemark.transactions import Call
from truemark.units import from_price

#: Seconds since 1970.
Clock = Callable[[], int]


class WrongChain(TruemarkError, RuntimeError):
    """The node is on another chain than the deployment, so a signature made for it would be worth nothing there."""


class MissingEvent(TruemarkError, RuntimeError):
    """A transaction succeeded and did not say what it should: the contract is another than the ABI's."""


@dataclass(frozen=True, slots=True)
class Held:
    """One open position in the contracts' units, with all that values it."""

    market: str
    size: int
    status: MarketStatus
    #: The last good mark; the lowest and the highest of it, candidate and anchor where the market is not Valid.
    price: int
    low: int
    high: int
    #: 1e-16 USD; above 0 the account receives.
    pending: int
    tiers: Tiers

    def holding(self, *, worst: bool = False) -> Holding:
        """At the last good mark, or at the worst price for the account, which a withdrawal has to survive."""
        price = self.price if not worst else self.low if self.size > 0 else self.high
        return Holding(self.size, price, self.pending, self.tiers)


@dataclass(frozen=True, slots=True)
class AccountBook:
    """An account at one block."""

    block: int
    #: 1e-6 USD.
    collateral: int
    account_epoch: int
    held: tuple[Held, ...]

    def holdings(self, *, worst: bool = False) -> list[Holding]:
        return [held.holding(worst=worst) for held in self.held]


class Venue:
    """The contracts of one deployment.

    Args:
        clock: what time it is; None asks the chain for the time of its latest block.
    """

    def __init__(self, rpc: AsyncRpc, deployment: Deployment, clock: Clock | None = None) -> None:
        self.rpc = rpc
        self.deployment = deployment
        self._clock = clock
        self.clearinghouse = self._contract("Clearinghouse")
        self.oracle = self._contract("Oracle")
        self.vault = self._contract("Vault")
        self.bridge = self._contract("Bridge")
        self.token = self._contract("CollateralToken")

    @cached_property
    def refunds(self) -> Contract:
        """What pays refunds of incidents."""
        return self._contract("RefundDistributor")

    def _contract(self, name: str) -> Contract:
        return Contract.of(self.rpc, self.deployment.address(name), name)

    async def check_chain(self) -> None:
        """
        Raises:
            WrongChain: the node's chain id is not the deployment's.
        """
        chain_id = int(await self.rpc.call("starknet_chainId"), 16)
        if chain_id != self.deployment.l2_chain_id:
            expected = self.deployment.l2_chain_id
            raise WrongChain(f"{self.rpc.shown} is on chain {chain_id:#x}, {self.deployment.name} is on {expected:#x}")

    async def now(self) -> int:
        """The clock that was given, else the time of the latest block: orders and keys expire by block time."""
        if self._clock is not None:
            return self._clock()
        return int((await self.rpc.call("starknet_getBlockWithTxHashes", {"block_id": "latest"}))["timestamp"])

    async def head(self) -> int:
        return int(await self.rpc.call("starknet_blockNumber"))

    async def market_name(self, index: int) -> str:
        """The name of a market, also of one that was listed after the deployment was written."""
        for name, info in self.deployment.markets.items():
            if info.index == index:
                return name
        return short_string_text(await self.oracle.read("market_name", index))

    async def mark(self, market: str) -> Mark:
        """
        Raises:
            UnknownMarket: the deployment lists none of that name.
        """
        raw = await self.oracle.read("mark", self.deployment.market(market).index)
        return Mark(
            market=market,
            status=MarketStatus(raw["status"].variant),
            price=from_price(raw["price"]),
            accepted_at=raw["accepted_at"],
            candidate=from_price(raw["candidate"]),
        )

    def approve(self, spender: int, units: int) -> Call:
        """Lets `spender` take `units` of collateral (1e-6 USD) out of the caller's wallet."""
        return self.token.call("approve", spender, units)

    async def to_wallet(self, units: int) -> Call:
        """From the caller's margin account to its wallet; 1e-6 USD."""
        return self.clearinghouse.call("withdraw", await self.clearinghouse.read("epoch"), units)

    async def into_wallet(self, source: Source | str, units: int) -> list[Call]:
        """What brings `units` (1e-6 USD) of a source into the caller's wallet, where contracts take them; nothing if
        they are there.

        Raises:
            ValueError: there is no such source.
        """
        return [await self.to_wallet(units)] if Source(source) is Source.MARGIN else []

    async def book(self, address: int) -> AccountBook:
        """What an account has, all read at one block."""
        block = await self.head()
        account = await self.clearinghouse.read("account", address, block=block)
        positions = [position for position in account["positions"] if position["size"] != 0]
        held: list[Held] = []
        if positions:
            marks = await self.oracle.read("marks", account["open_markets"], block=block)
            by_market = {mark["market"]: mark for mark in marks["marks"]}
            held = list(
                await asyncio.gather(
                    *(self._held(position, by_market[position["market"]], block) for position in positions)
                )
            )
        return AccountBook(block, account["collateral"], account["account_epoch"], tuple(held))

    async def _held(self, position: Mapping[str, Any], mark: Mapping[str, Any], block: int) -> Held:
        index = position["market"]
        name, params, funding_index = await asyncio.gather(
            self.market_name(index),
            self.clearinghouse.read("market_params", index, block=block),
            self.clearinghouse.read("funding_index", index, block=block),
        )
        status = MarketStatus(mark["status"].variant)
        said = [mark["price"]]
        if status is not MarketStatus.VALID:
            said += [price for price in (mark["candidate"], mark["anchor"]) if price]
        return Held(
            market=name,
            size=position["size"],
            status=status,
            price=mark["price"],
            low=min(said),
            high=max(said),
            pending=pending_funding(position["size"], funding_index - position["funding_index"]),
            tiers=tiers_of(params["tiers"]),
        )


def tiers_of(raw: Iterable[Mapping[str, int]]) -> Tiers:
    """The three margin tiers of MarketParams."""
    first, second, third = [
        *(MarginTier(tier["upto"], tier["initial_bps"], tier["maintenance_bps"]) for tier in raw),
        NO_TIER,
        NO_TIER,
    ][:3]
    return first, second, third


def event_of(events: Iterable[RawEvent], contract: Contract, name: str) -> Mapping[str, Any]:
    """The fields of the last event `name` of a contract.

    Raises:
        MissingEvent: there is none.
    """
    found = None
    for event in events_of(events, contract.address, contract.abi, (name,)):
        found = event[1]
    if found is None:
        raise MissingEvent(f"no {name} from {contract.address:#x}")
    return found


def events_of(
    events: Iterable[RawEvent], address: int, abi: Abi, names: Iterable[str]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Name and fields of a contract's events with one of these names, in order."""
    wanted = set(names)
    found = []
    for event in events:
        if event.from_address == address:
            decoded = abi.decode_event(event.keys, event.data)
            if decoded.name in wanted:
                found.append((decoded.name, decoded.fields))
    return found
