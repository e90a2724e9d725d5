"""A small node with one venue on it, written by hand in felts: what the venue reader reads in its tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from truemark.felt import PRIME, selector, short_string
from truemark.rpc import RpcError

ORACLE, CLEARINGHOUSE, STRANGER = 0x0AC1E, 0xC1EA, 0xBAD
STATUSES = ("Pending", "Valid", "Stale", "Suspect", "Frozen", "Settling", "Settled")
MODES = ("Halted", "CancelOnly", "PostOnly", "Full")


@dataclass
class FakeMarket:
    name: str
    price: int
    status: str = "Valid"
    candidate: int = 0
    anchor: int = 0
    checkpoint: int = 0
    funding_index: int = 0
    listed: bool = True
    valid_since: int = 0

    def mark(self, index: int) -> list[int]:
        return [
            *(
                index,
                STATUSES.index(self.status),
                self.price,
                1,
                self.valid_since,
                self.checkpoint,
                3,
                self.candidate,
                self.anchor,
            ),
            *(7, 0),
        ]

    def params(self) -> list[int]:
        if not self.listed:
            return [0] * 18
        return [*(1_000_000, 500, 300), *(0, 1_000, 600), *(0, 0, 0), *(10, 20, 0, 3, 50, 100, 10, 2**63, 2**62)]


@dataclass
class FakeAccount:
    collateral: int
    #: (market, size, funding index).
    positions: tuple[tuple[int, int, int], ...] = ()
    #: (value, initial, maintenance), 1e-16 USD.
    margin: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class Block:
    timestamp: int
    #: Each with its transaction's hash.
    events: tuple[dict[str, Any], ...] = ()
    transactions: tuple[str, ...] = ()


@dataclass
class FakeNode:
    """Has blocks and one present state; a read at a block that it has is answered from that state."""

    markets: list[FakeMarket] = field(default_factory=list)
    accounts: dict[int, FakeAccount] = field(default_factory=dict)
    mode: str = "Full"
    epoch: int = 2
    grace_secs: int = 60
    chain: list[Block] = field(default_factory=lambda: [Block(100)])
    clock: int = 100
    #: Every request that came, as (method, params).
    asked: list[tuple[str, Any]] = field(default_factory=list)
    #: Called before each request.
    before: Callable[[str], None] = lambda method: None
    revert: dict[str, Any] = field(default_factory=dict)
    #: Markets whose funding_index reverts.
    broken: set[int] = field(default_factory=set)
    page_token: Callable[[int], str] = str

    def mine(self, *events: dict[str, Any], foreign: Sequence[dict[str, Any]] = ()) -> None:
        self.clock += 1
        self.chain.append(Block(self.clock, (*foreign, *events), (hex(self.clock),)))

    def roll_back(self, to: int) -> None:
        del self.chain[to + 1 :]

    async def call(self, method: str, params: Any = None) -> Any:
        answer = (await self.batch([(method, params)]))[0]
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def batch(self, calls: Sequence[tuple[str, Any]]) -> list[Any]:
        answers = []
        for method, params in calls:
            self.before(method)
            self.asked.append((method, params))
            answers.append(self.answer(method, params))
        return answers

    def answer(self, method: str, params: Any) -> Any:
        match method:
            case "starknet_getBlockWithTxHashes":
                return self.header(params["block_id"])
            case "starknet_getEvents":
                return self.events(params["filter"])
            case "starknet_call":
                at = params["block_id"]
                if at != "latest" and at["block_number"] >= len(self.chain):
                    return RpcError(24, "Block not found")
                return self.view(params["request"])
        raise AssertionError(method)

    def header(self, block_id: Any) -> Any:
        number = len(self.chain) - 1 if block_id == "latest" else block_id["block_number"]
        if number >= len(self.chain):
            return RpcError(24, "Block not found")
        block = self.chain[number]
        # As devnet's: the hash knows the height and nothing else.
        return {
            "block_number": number,
            "block_hash": hex(0xB000 + number),
            "parent_hash": hex(0xB000 + number - 1),
            "timestamp": block.timestamp,
            "transactions": list(block.transactions),
        }

    def events(self, asked: Any) -> Any:
        last = asked["to_block"]["block_number"]
        if last >= len(self.chain):
            return RpcError(24, "Block not found")
        wanted = {int(key, 16) for key in asked["keys"][0]}
        found = [
            event | {"block_number": number}
            for number in range(asked["from_block"]["block_number"], last + 1)
            for event in self.chain[number].events
            # As devnet: an event without keys passes a filter of keys.
            if not event["keys"] or int(event["keys"][0], 16) in wanted
        ]
        start = int(asked.get("continuation_token", "0").rstrip("x"))
        answer: dict[str, Any] = {"events": found[start : start + asked["chunk_size"]]}
        if start + asked["chunk_size"] < len(found):
            answer["continuation_token"] = self.page_token(start + asked["chunk_size"])
        return answer

    def view(self, request: Any) -> Any:
        to, name = int(request["contract_address"], 16), int(request["entry_point_selector"], 16)
        arguments = [int(felt, 16) for felt in request["calldata"]]
        for function in self.views(to):
            if name == selector("funding_index") and function == "funding_index" and arguments[0] in self.broken:
                return RpcError(40, "Contract error", {"revert_error": f'["{short_string("FUNDING: broken"):#x}"]'})
            if name == selector(function):
                if function in self.revert:
                    return RpcError(40, "Contract error", {"revert_error": self.revert[function]})
                return [hex(value % PRIME) for value in self.views(to)[function](*arguments)]
        return RpcError(21, "Requested entrypoint does not exist in the contract")

    def views(self, to: int) -> dict[str, Callable[..., list[int]]]:
        if to == ORACLE:
            return {
                "market_count": lambda: [len(self.markets)],
                "market_name": lambda index: [short_string(self.markets[index].name)],
                "marks": self.marks,
                "epoch": lambda: [self.epoch + 10],
            }
        return {
            "mode": lambda: [MODES.index(self.mode)],
            "epoch": lambda: [self.epoch],
            "venue_params": lambda: [300, 5, 60, self.grace_secs],
            "market_params": lambda index: self.markets[index].params(),
            "funding_index": lambda index: [self.markets[index].funding_index],
            "account": self.account,
            "margin_of": self.margin_of,
        }

    def marks(self, bitmap: int) -> list[int]:
        indices = [index for index in range(128) if bitmap >> index & 1]
        return [0, len(indices), *(felt for index in indices for felt in self.markets[index].mark(index))]

    def account(self, address: int) -> list[int]:
        account = self.accounts.get(address, FakeAccount(0))
        return [
            *(account.collateral, 1, sum(1 << market for market, _, _ in account.positions), len(account.positions)),
            *(felt for position in account.positions for felt in position),
        ]

    def margin_of(self, address: int) -> list[int]:
        value, initial, maintenance = self.accounts[address].margin
        return [value, maintenance, initial]


def event(name: str, *keys: int, data: Sequence[int] = (), by: int = CLEARINGHOUSE) -> dict[str, Any]:
    return {
        "from_address": hex(by),
        "keys": [hex(key % PRIME) for key in (selector(name), *keys)],
        "data": [hex(value % PRIME) for value in data],
    }


def mode_changed(to: str) -> dict[str, Any]:
    return event("ModeChanged", data=(MODES.index(to) - 1, MODES.index(to), 7, 0))


def deposited(account: int) -> dict[str, Any]:
    return event("Deposited", account, data=(account, 5))


def filled(maker: int, taker: int) -> dict[str, Any]:
    return event("FillSettled", 0, maker, taker, data=range(13))


def liquidated(account: int, market: int, caller: int, size: int) -> dict[str, Any]:
    return event("Liquidated", account, market, caller, data=(size, 0, *range(13)))
