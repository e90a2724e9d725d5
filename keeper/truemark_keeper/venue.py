"""Reads a venue from the chain for the liquidator: oracle and clearinghouse, all at one block."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from truemark.abi import Abi
from truemark.contract import revert_reason
from truemark.errors import TruemarkError
from truemark.felt import BadShortString, selector, short_string_text
from truemark.risk import Margin, MarginTier
from truemark.rpc import RpcError

from truemark_keeper.accounts import AccountScan
from truemark_keeper.book import (
    AccountState,
    Book,
    Liquidated,
    LiquidationRefused,
    MarketState,
    OpenPosition,
)
from truemark_keeper.pinned import BLOCK_NOT_FOUND, BlockGone, Head, at_one_block, batch_at
from truemark_keeper.slots import Node

log = logging.getLogger(__name__)

LIQUIDATED = selector("Liquidated")
LIQUIDATION_REFUSED = selector("LiquidationRefused")
#: 1e-16 USD in one.
USD = 10**16
BACKSTOPPED = selector("Backstopped")
DEBT_PAID = selector("DebtPaid")
#: 20 no such contract, 21 no such entry point, 40 and 41 it reverts.
VIEW_FAILED = frozenset({20, 21, 40, 41})


class VenueUnreadable(TruemarkError, RuntimeError):
    """A view of the venue reverts, or what the views say does not fit together."""


class VenueReader:
    """A book.BookReader on the chain. Every read of one call is by the number of one block that was there before and
    after.

    Args:
        node: the JSON-RPC client.
        oracle, clearinghouse: the contracts' addresses.
        since: a block before which the venue has no account, to start looking for them.
        batch_size: reads in one request.
    """

    def __init__(self, node: Node, *, oracle: int, clearinghouse: int, since: int = 0, batch_size: int = 100) -> None:
        self._node = node
        self._oracle = _Target("Oracle", oracle)
        self._clearinghouse = _Target("Clearinghouse", clearinghouse)
        self._scan = AccountScan(node, clearinghouse, since=since)
        self._batch_size = batch_size

    async def book(self) -> Book:
        """
        Raises:
            ChainUnsteady: the chain kept going back meanwhile.
            VenueUnreadable: a view reverts, for example on a value whose seal is broken.
            BadEvents, RpcError, NodeUnavailable: the node does not say.
        """
        return await at_one_block(self._node, self._book_at)

    async def margins(self, accounts: Collection[int]) -> Mapping[int, Margin]:
        """
        Raises: as `book`.
        """
        wanted = sorted(accounts)

        async def read(head: Head) -> Mapping[int, Margin]:
            views = await self._read(head, [(self._clearinghouse, "margin_of", (account,)) for account in wanted])
            return {
                account: Margin(value=view["value"], initial=view["initial"], maintenance=view["maintenance"])
                for account, view in zip(wanted, views, strict=True)
            }

        return await at_one_block(self._node, read)

    async def backstop_refusal(self, epoch: int, account: int) -> str | None:
        """Why `backstop` would revert at the head; None: it would not. Nothing is sent.

        Raises:
            ChainUnsteady, RpcError, NodeUnavailable: the node does not say.
        """

        async def ask(head: Head) -> str | None:
            call = self._clearinghouse.request("backstop", (epoch, account), head.number)
            (answer,) = await batch_at(self._node, [call])
            if not isinstance(answer, RpcError):
                return None
            if answer.code not in VIEW_FAILED:
                raise answer
            return _reason(answer)

        return await at_one_block(self._node, ask)

    def handed_over(self, receipt: Mapping[str, Any], account: int) -> bool:
        """Whether the vault or insurance took something of the account over, and did not only note that it was seen."""
        return any(
            int(event["from_address"], 16) == self._clearinghouse.address
            and int(event["keys"][0], 16) in (BACKSTOPPED, DEBT_PAID)
            and int(event["keys"][1], 16) == account
            for event in receipt["events"]
        )

    async def epoch(self) -> int:
        """The oracle's epoch at the head: what a report carries. One view sees one block anyway.

        Raises:
            VenueUnreadable, RpcError, NodeUnavailable: as `book`.
        """
        method, params = self._oracle.request("epoch", (), "latest")
        try:
            answer = await self._node.call(method, params)
        except RpcError as error:
            if error.code not in VIEW_FAILED:
                raise
            raise VenueUnreadable(f"Oracle.epoch() fails: {_reason(error)}") from error
        return int(self._oracle.abi.decode_result("epoch", [int(felt, 16) for felt in answer]))

    def outcomes(self, receipt: Mapping[str, object]) -> Sequence[Liquidated | LiquidationRefused]:
        """What a receipt of `liquidate_many` says of each request, in order of its events.

        Raises:
            AbiError: an event is not what the clearinghouse's ABI says.
        """
        events = receipt["events"]
        if not isinstance(events, Iterable):
            raise VenueUnreadable(f"a receipt's events are {events!r}")
        said: list[Liquidated | LiquidationRefused] = []
        for event in events:
            keys = [int(key, 16) for key in event["keys"]]
            ours = int(event["from_address"], 16) == self._clearinghouse.address
            if not ours or not keys or keys[0] not in (LIQUIDATED, LIQUIDATION_REFUSED):
                continue
            fields = self._clearinghouse.abi.decode_event(keys, [int(item, 16) for item in event["data"]]).fields
            if keys[0] == LIQUIDATED:
                said.append(Liquidated(fields["account"], fields["market"], fields["size"]))
            else:
                said.append(LiquidationRefused(fields["account"], fields["market"], _text(fields["reason"])))
        return said

    async def _book_at(self, head: Head) -> Book:
        accounts = sorted(await self._scan.accounts(head))
        house, oracle = self._clearinghouse, self._oracle
        count, epoch, mode, terms = await self._read(
            head,
            [(oracle, "market_count", ()), (house, "epoch", ()), (house, "mode", ()), (house, "venue_params", ())],
        )
        params = await self._read(head, [(house, "market_params", (index,)) for index in range(count)])
        # The oracle lists a market first; until the clearinghouse does too, its parameters are all 0.
        listed = [index for index, market in enumerate(params) if market["lot_size"] > 0]
        bitmap = sum(1 << index for index in listed)
        (marks, *answers) = await self._read(
            head,
            [
                (oracle, "marks", (bitmap,)),
                *((oracle, "market_name", (index,)) for index in listed),
                *((house, "account", (account,)) for account in accounts),
            ],
        )
        names, views = answers[: len(listed)], answers[len(listed) :]
        # One broken seal costs its market, not the book.
        indices, broken = await self._indices(head, listed)
        timestamp = await self._time(head.number)
        markets = {
            index: _market(index, name, mark, indices.get(index), params[index], timestamp, terms["grace_secs"])
            for index, name, mark in zip(listed, names, marks["marks"], strict=True)
        }
        for index, reason in broken.items():
            log.error("a market's funding cannot be proved", extra={"market": markets[index].name, "reason": reason})
        states = [_account(account, view, markets) for account, view in zip(accounts, views, strict=True)]
        return Book(
            head.number,
            epoch,
            mode.variant == "Full",
            markets,
            states,
            timestamp=timestamp,
            full_since=0 if self._scan.full_block is None else await self._time(self._scan.full_block),
            grace_secs=terms["grace_secs"],
        )

    async def _indices(self, head: Head, markets: Sequence[int]) -> tuple[dict[int, int], dict[int, str]]:
        """The funding index of each market, and why the view of one fails."""
        house = self._clearinghouse
        calls = [house.request("funding_index", (market,), head.number) for market in markets]
        indices, broken = {}, {}
        answers = await batch_at(self._node, calls, size=self._batch_size)
        for market, answer in zip(markets, answers, strict=True):
            if not isinstance(answer, RpcError):
                indices[market] = int(house.abi.decode_result("funding_index", [int(felt, 16) for felt in answer]))
            elif answer.code in VIEW_FAILED:
                broken[market] = _reason(answer)
            else:
                raise answer
        return indices, broken

    async def _time(self, block: int) -> int:
        """A block's, seconds."""
        try:
            header = await self._node.call("starknet_getBlockWithTxHashes", {"block_id": {"block_number": block}})
        except RpcError as error:
            if error.code == BLOCK_NOT_FOUND:
                raise BlockGone(f"block {block} is gone") from error
            raise
        return int(header["timestamp"])

    async def _read(self, head: Head, views: Sequence[tuple[_Target, str, tuple[int, ...]]]) -> list[Any]:
        """The values of views at the head's number, in order."""
        calls = [target.request(function, arguments, head.number) for target, function, arguments in views]
        answers = await batch_at(self._node, calls, size=self._batch_size)
        values = []
        for (target, function, arguments), answer in zip(views, answers, strict=True):
            if isinstance(answer, RpcError):
                if answer.code not in VIEW_FAILED:
                    raise answer
                said = ", ".join(map(str, arguments))
                raise VenueUnreadable(
                    f"{target.name}.{function}({said}) fails at block {head.number}: {_reason(answer)}"
                ) from answer
            values.append(target.abi.decode_result(function, [int(felt, 16) for felt in answer]))
        return values


class _Target:
    """A contract that views are asked of."""

    def __init__(self, name: str, address: int) -> None:
        self.name = name
        self.address = address
        self.abi = Abi.load(name)

    def request(self, function: str, arguments: tuple[int, ...], block: int | str) -> tuple[str, Any]:
        request = {
            "contract_address": hex(self.address),
            "entry_point_selector": hex(selector(function)),
            "calldata": [hex(felt) for felt in self.abi.encode(function, *arguments)],
        }
        block_id = {"block_number": block} if isinstance(block, int) else block
        return "starknet_call", {"request": request, "block_id": block_id}


def _market(
    index: int,
    name: int,
    mark: Mapping[str, Any],
    funding_index: int | None,
    params: Mapping[str, Any],
    now: int,
    grace_secs: int,
) -> MarketState:
    if mark["market"] != index:
        raise VenueUnreadable(f"the oracle answers market {mark['market']} where {index} was asked for")
    first, second, third = (
        MarginTier(tier["upto"], tier["initial_bps"], tier["maintenance_bps"]) for tier in params["tiers"]
    )
    broken = funding_index is None or bool(mark["funding_broken"])
    since = mark["valid_since"]
    return MarketState(
        market=index,
        name=_text(name),
        valid=mark["status"].variant == "Valid" and not broken,
        price=mark["price"],
        candidate=mark["candidate"],
        anchor=mark["anchor"],
        checkpoint=mark["checkpoint"],
        funding_index=0 if funding_index is None else funding_index,
        tiers=(first, second, third),
        in_grace=since != 0 and now < since + grace_secs,
        broken=broken,
        discount_bps=params["discount_bps"],
        dust=params["dust_usd"] * USD,
    )


def _account(address: int, view: Mapping[str, Any], markets: Collection[int]) -> AccountState:
    positions = tuple(
        OpenPosition(position["market"], position["size"], position["funding_index"]) for position in view["positions"]
    )
    for position in positions:
        if position.market not in markets:
            raise VenueUnreadable(f"{address:#x} has a position in market {position.market}, which is not listed")
    return AccountState(address, view["collateral"], positions)


def _text(name: int) -> str:
    try:
        return short_string_text(name)
    except BadShortString:
        return hex(name)


def _reason(error: RpcError) -> str:
    return error.message if error.data is None else revert_reason(error.data)
