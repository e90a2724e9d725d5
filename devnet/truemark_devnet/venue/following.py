"""Follows the chain for the engine: the venue, its markets, the accounts that trade, their keys, what is spent."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from truemark.abi import Abi
from truemark.deployment import Deployment
from truemark.felt import selector
from truemark.models import MarketStatus, Mode
from truemark.risk import MarginTier
from truemark.rpc import AsyncRpc, RpcError
from truemark_keeper.pinned import BLOCK_NOT_FOUND, BlockGone, Head, read_head

from truemark_devnet.venue.chainview import ChainAccount, ChainView, MarketMark, MarketTerms

log = logging.getLogger(__name__)

#: Events asked for in one request.
CHUNK = 1000


@dataclass(frozen=True, slots=True)
class News:
    """What a newer block says."""

    view: ChainView
    terms: Mapping[int, MarketTerms]
    #: Of the accounts that are followed, those that something happened to.
    accounts: Mapping[int, ChainAccount]
    #: Orders that were cancelled on chain.
    cancelled: Collection[int]
    #: The chain went back: everything was read anew.
    rolled_back: bool


@dataclass(slots=True)
class Known:
    """What all events of the clearinghouse so far say."""

    #: (account, key) -> expiry.
    keys: dict[tuple[int, int], int] = field(default_factory=dict)
    approved: set[int] = field(default_factory=set)
    #: order hash -> settled of it.
    filled: dict[int, int] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)


class Follower:
    """
    Args:
        rpc: the node.
        deployment: whose venue.
    """

    def __init__(self, rpc: AsyncRpc, deployment: Deployment) -> None:
        self._rpc = rpc
        self._house = _Target("Clearinghouse", deployment.address("Clearinghouse"))
        self._oracle = _Target("Oracle", deployment.address("Oracle"))
        self._names = {info.index: name for name, info in deployment.markets.items()}
        self._bitmap = sum(1 << index for index in self._names)
        self._head: Head | None = None
        self._followed: set[int] = set()
        self.known = Known()

    @property
    def block(self) -> int:
        """The newest that was read; -1: none."""
        return -1 if self._head is None else self._head.number

    async def news(self) -> News | None:
        """What is new since the last call; None: nothing.

        Raises:
            RpcError, NodeUnavailable, BlockGone: the node does not say; ask again.
        """
        head = await read_head(self._rpc)
        before = self._head
        if head == before:
            return None
        rolled_back = False
        if before is not None:
            rolled_back = head.number <= before.number or not await self._is_there(before)
        known = Known() if before is None or rolled_back else self.known
        first = 0 if before is None or rolled_back else before.number + 1
        touched: set[int] = set()
        cancelled: set[int] = set()
        async for name, fields in self._events(first, head.number):
            _note(known, name, fields, cancelled)
            touched.update(value for value in fields.values() if isinstance(value, int))
        wanted = sorted(self._followed if rolled_back else self._followed & touched)
        view, terms, accounts = await self._read(head.number, wanted)
        if await read_head(self._rpc, head.number) != head:
            raise BlockGone(f"block {head.number} was replaced while it was read")
        self.known, self._head = known, head
        return News(view, terms, accounts, known.cancelled if rolled_back else cancelled, rolled_back)

    async def account(self, address: int) -> ChainAccount:
        """The account at the newest block that was read; it is followed from now on.

        Raises:
            RpcError, NodeUnavailable: the node does not say.
        """
        # First: what happens to it meanwhile must not be missed.
        self._followed.add(address)
        block = self.block
        (answer,) = await self._views(block, [(self._house, "account", (address,))])
        return _account(block, answer)

    async def _is_there(self, head: Head) -> bool:
        try:
            return await read_head(self._rpc, head.number) == head
        except BlockGone:
            return False

    async def _events(self, first: int, last: int) -> Any:
        """(name, fields) of the clearinghouse's events, in order."""
        asked: dict[str, Any] = {
            "from_block": {"block_number": first},
            "to_block": {"block_number": last},
            "address": hex(self._house.address),
            "chunk_size": CHUNK,
        }
        while first <= last:
            page = await self._rpc.call("starknet_getEvents", {"filter": asked})
            for event in page["events"]:
                keys, data = ([int(felt, 16) for felt in event[part]] for part in ("keys", "data"))
                decoded = self._house.abi.decode_event(keys, data)
                yield decoded.name, decoded.fields
            token = page.get("continuation_token")
            if token is None:
                return
            asked["continuation_token"] = token

    async def _read(
        self, block: int, accounts: Iterable[int]
    ) -> tuple[ChainView, dict[int, MarketTerms], dict[int, ChainAccount]]:
        house, oracle = self._house, self._oracle
        indices = sorted(self._names)
        addresses = list(accounts)
        header = await self._rpc.call("starknet_getBlockWithTxHashes", {"block_id": {"block_number": block}})
        mode, epoch, venue, marks, *rest = await self._views(
            block,
            [
                (house, "mode", ()),
                (house, "epoch", ()),
                (house, "venue_params", ()),
                (oracle, "marks", (self._bitmap,)),
                *((house, "funding_index", (index,)) for index in indices),
                *((house, "market_params", (index,)) for index in indices),
                *((house, "account", (address,)) for address in addresses),
            ],
        )
        count = len(indices)
        found = {
            index: MarketMark(
                status=MarketStatus(mark["status"].variant),
                price=mark["price"],
                candidate=mark["candidate"],
                anchor=mark["anchor"],
                funding_index=0 if funding is None else funding,
                broken=funding is None or bool(mark["funding_broken"]),
            )
            for index, mark, funding in zip(indices, marks["marks"], rest[:count], strict=True)
        }
        terms = {
            index: _terms(index, self._names[index], params)
            for index, params in zip(indices, rest[count : 2 * count], strict=True)
        }
        view = ChainView(
            block=block,
            now=int(header["timestamp"]),
            epoch=epoch,
            mode=Mode(mode.variant),
            fill_band_bps=venue["fill_band_bps"],
            post_band_bps=venue["post_band_bps"],
            marks=found,
        )
        read = {address: _account(block, answer) for address, answer in zip(addresses, rest[2 * count :], strict=True)}
        return view, terms, read

    async def _views(self, block: int, views: list[tuple[_Target, str, tuple[int, ...]]]) -> list[Any]:
        """In order. A funding index that reverts, because its seal is broken, is None."""
        calls = [target.request(function, arguments, block) for target, function, arguments in views]
        values: list[Any] = []
        for start in range(0, len(calls), 100):
            answers = await self._rpc.batch(calls[start : start + 100])
            for (target, function, _), answer in zip(views[start : start + 100], answers, strict=True):
                if isinstance(answer, RpcError):
                    if answer.code == BLOCK_NOT_FOUND:
                        raise BlockGone(f"block {block} is gone")
                    if function != "funding_index":
                        raise answer
                    values.append(None)
                else:
                    values.append(target.abi.decode_result(function, [int(felt, 16) for felt in answer]))
        return values


class _Target:
    """A contract that views are asked of."""

    def __init__(self, name: str, address: int) -> None:
        self.address = address
        self.abi = Abi.load(name)

    def request(self, function: str, arguments: tuple[int, ...], block: int) -> tuple[str, Any]:
        request = {
            "contract_address": hex(self.address),
            "entry_point_selector": hex(selector(function)),
            "calldata": [hex(felt) for felt in self.abi.encode(function, *arguments)],
        }
        return "starknet_call", {"request": request, "block_id": {"block_number": block}}


def _note(known: Known, name: str, fields: Mapping[str, Any], cancelled: set[int]) -> None:
    if name == "FillSettled":
        for side in ("maker_order", "taker_order"):
            known.filled[fields[side]] = known.filled.get(fields[side], 0) + fields["size"]
    elif name == "OrderCancelled":
        known.cancelled.add(fields["order_hash"])
        cancelled.add(fields["order_hash"])
    elif name == "OrderApproved":
        known.approved.add(fields["order_hash"])
    elif name == "TradingKeyRegistered":
        known.keys[fields["account"], fields["key"]] = fields["expiry"]
    elif name == "TradingKeyRevoked":
        known.keys.pop((fields["account"], fields["key"]), None)


def _account(block: int, view: Mapping[str, Any]) -> ChainAccount:
    positions = {entry["market"]: (entry["size"], entry["funding_index"]) for entry in view["positions"]}
    return ChainAccount(block, view["collateral"], view["account_epoch"], positions)


def _terms(index: int, name: str, params: Mapping[str, Any]) -> MarketTerms:
    first, second, third = (
        MarginTier(tier["upto"], tier["initial_bps"], tier["maintenance_bps"]) for tier in params["tiers"]
    )
    return MarketTerms(
        index=index,
        name=name,
        tiers=(first, second, third),
        lot_size=params["lot_size"],
        tick_size=params["tick_size"],
        maker_fee_bps=params["maker_fee_bps"],
        taker_fee_bps=params["taker_fee_bps"],
        max_position=params["max_position"],
    )
