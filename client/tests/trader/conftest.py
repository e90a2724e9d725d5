"""A venue without nodes: contracts that answer from a table, an account that records what it was to send."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from truemark.abi import Abi
from truemark.account import Account
from truemark.contract import Contract
from truemark.deployment import ContractInfo, Deployment, MarketInfo
from truemark.felt import selector, short_string
from truemark.gateway import Fill, OrderAck, OrderState, UnknownOrder
from truemark.keys import StarkKey, account_address
from truemark.l1 import L1Deposit
from truemark.models import Withdrawal
from truemark.orders import SignedOrder
from truemark.receipt import RawEvent, Receipt
from truemark.risk import NO_TIER, MarginTier
from truemark.trader import AsyncTrader, Venue
from truemark.transactions import Call
from truemark.units import from_price, from_size

NOW = 1_768_773_600
CHAIN = short_string("TRUEMARK_TEST")
ADDRESSES = {
    "Clearinghouse": 0xC1EA,
    "Oracle": 0x04AC1E,
    "Vault": 0x7A17,
    "Bridge": 0xB41D6E,
    "CollateralToken": 0x70CE,
    "RefundDistributor": 0x4EF0D,
}
L1_ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
Reads = dict[str, Callable[..., Any]]


class TableContract(Contract):
    """Reads come from `answers`; calls are encoded by the real ABI."""

    def __init__(self, name: str) -> None:
        super().__init__(None, ADDRESSES[name], Abi.load(name))  # type: ignore[arg-type]
        self.answers: Reads = {}

    async def read(self, function: str, /, *args: Any, block: int | str = "latest", **kwargs: Any) -> Any:
        self.abi.encode(function, *args, **kwargs)
        return self.answers[function](*args)


class RecordingAccount(Account):
    """Sends nothing. `emits` says which events the next transaction has."""

    def __init__(self, key: StarkKey) -> None:
        super().__init__(None, account_address(key.public_key, 0xACC), key, CHAIN)  # type: ignore[arg-type]
        self.sent: list[list[Call]] = []
        self.emits: list[RawEvent] = []
        self.deployed = True
        self.deployments: list[int] = []

    async def execute(self, calls: Call | Sequence[Call], fees: Any = None) -> Receipt:
        self.sent.append([calls] if isinstance(calls, Call) else list(calls))
        return Receipt(7, "INVOKE", 1, 1, "ACCEPTED_ON_L2", None, 0, "FRI", tuple(self.emits), (), 0, 0, 0)

    async def deploy(self, class_hash: int, fees: Any = None) -> int:
        self.deployments.append(class_hash)
        self.deployed = True
        return 8

    async def is_deployed(self) -> bool:
        return self.deployed


class Node:
    """What a trader asks the node for directly. `pages`: answers of starknet_getEvents, one after the other."""

    url = "http://node"

    def __init__(self) -> None:
        self.pages: list[dict[str, Any]] = []
        self.asked: list[tuple[str, Any]] = []
        self.chain_id = CHAIN
        self.closed = False

    async def call(self, method: str, params: Any = None) -> Any:
        self.asked.append((method, params))
        if method == "starknet_getEvents":
            return self.pages.pop(0)
        if method == "starknet_call":
            return ["0x0", "0x0"]
        return {
            "starknet_chainId": hex(self.chain_id),
            "starknet_blockNumber": 5,
            "starknet_getBlockWithTxHashes": {"timestamp": NOW},
            "devnet_mint": {},
        }[method]

    async def aclose(self) -> None:
        self.closed = True


class Gateway:
    """Keeps orders; `raises` is what the next submit meets."""

    def __init__(self) -> None:
        self.orders: dict[int, SignedOrder] = {}
        self.cancelled: list[int] = []
        self.raises: Exception | None = None

    def _ack(self, order_hash: int) -> OrderAck:
        if order_hash not in self.orders:
            raise UnknownOrder(order_hash)
        signed = self.orders[order_hash]
        order, size = signed.order, from_size(signed.order.size)
        state = OrderState.CANCELLED if order_hash in self.cancelled else OrderState.OPEN
        zero = from_size(0)
        price = from_price(order.limit_price)
        return OrderAck(order_hash, signed, order.market, order.side, size, price, state, size, zero, zero)

    async def submit(self, signed: SignedOrder) -> OrderAck:
        order_hash = signed.order.hash(CHAIN)
        self.orders[order_hash] = signed
        if self.raises is not None:
            raise self.raises
        return self._ack(order_hash)

    async def cancel(self, order_hash: int) -> OrderAck:
        self._ack(order_hash)
        self.cancelled.append(order_hash)
        return self._ack(order_hash)

    async def cancel_all(self, account: int) -> Sequence[OrderAck]:
        return [await self.cancel(order_hash) for order_hash in self.orders if order_hash not in self.cancelled]

    async def order(self, order_hash: int) -> OrderAck:
        return self._ack(order_hash)

    async def settled(self, order_hash: int, timeout: float | None = None) -> OrderAck:
        return self._ack(order_hash)

    async def fills(self, account: int) -> Sequence[Fill]:
        return ()


class FakeL1:
    """The L1 side as a table."""

    address = L1_ADDRESS
    can_sign = True

    def __init__(self) -> None:
        self.deposits: list[L1Deposit] = []
        self.reclaimed: set[int] = set()
        self.on_l1: set[Withdrawal] = set()
        self.paid: set[Withdrawal] = set()
        self.closed = False

    async def deposit(self, amount: Any, destination: Any, recipient: int) -> L1Deposit:
        sent = L1Deposit(len(self.deposits), L1_ADDRESS, recipient, destination, Decimal(amount), "0x1", "0x2", 3)
        self.deposits.append(sent)
        return sent

    async def is_reclaimed(self, deposit: L1Deposit) -> bool:
        return deposit.nonce in self.reclaimed

    async def is_claimable(self, withdrawal: Withdrawal) -> bool:
        return withdrawal in self.on_l1 - self.paid

    async def is_paid(self, withdrawal: Withdrawal) -> bool:
        return withdrawal in self.paid

    async def balance(self, address: str | None = None) -> Any:
        return Decimal(9)

    async def aclose(self) -> None:
        self.closed = True


class Stage:
    """One trader and everything around it."""

    def __init__(self, deployment: Deployment, **options: Any) -> None:
        self.node, self.l1, self.gateway = Node(), FakeL1(), Gateway()
        self.key = StarkKey.from_private(77)
        self.venue = Venue(self.node, deployment)  # type: ignore[arg-type]
        self.contracts = {name: TableContract(name) for name in ADDRESSES}
        self.venue.clearinghouse = self.contracts["Clearinghouse"]
        self.venue.oracle = self.contracts["Oracle"]
        self.venue.vault = self.contracts["Vault"]
        self.venue.bridge = self.contracts["Bridge"]
        self.venue.token = self.contracts["CollateralToken"]
        self.venue.refunds = self.contracts["RefundDistributor"]
        self.account = RecordingAccount(self.key)
        settings: dict[str, Any] = {
            "gateway": self.gateway,
            "l1": self.l1,
            "owns_l1": False,
            "order_ttl": 60,
            "poll": 0.001,
        }
        self.trader = AsyncTrader(self.venue, self.account, self.key, **{**settings, **options})
        self.answers(
            "Clearinghouse",
            epoch=lambda: 4,
            account=lambda address: {"collateral": 0, "account_epoch": 2, "open_markets": 0, "positions": []},
            trading_key_expiry=lambda account, key: 0,
        )
        self.answers("Bridge", epoch=lambda: 4, delivered=lambda nonce: False)

    def answers(self, contract: str, **reads: Callable[..., Any]) -> None:
        self.contracts[contract].answers.update(reads)

    def emits(self, contract: str, event: str, keys: Sequence[int], data: Sequence[int]) -> None:
        """The next transactions have this event."""
        self.account.emits = [RawEvent(ADDRESSES[contract], (selector(event), *keys), tuple(data))]

    def logs(self, contract: str, event: str, keys: Sequence[int], data: Sequence[int], tx: int = 9) -> dict[str, Any]:
        """An event as starknet_getEvents has it."""
        return {
            "from_address": hex(ADDRESSES[contract]),
            "keys": [hex(key) for key in (selector(event), *keys)],
            "data": [hex(felt) for felt in data],
            "transaction_hash": hex(tx),
        }

    def calls(self, number: int = -1) -> list[tuple[int, str, Mapping[str, Any]]]:
        """Address, function and arguments of what a transaction called."""
        by_address = {contract.address: contract.abi for contract in self.contracts.values()}
        decoded = [
            (call.to, by_address[call.to].decode_call(call.selector, call.calldata))
            for call in self.account.sent[number]
        ]
        return [(address, call.name, call.arguments) for address, call in decoded]


@pytest.fixture
def deployment() -> Deployment:
    tiers = (MarginTier(0, 500, 300), NO_TIER, NO_TIER)
    return Deployment(
        name="test",
        profile="test",
        l2_rpc="http://node",
        l1_rpc="http://l1",
        l2_chain_id=CHAIN,
        l1_chain_id=31337,
        contracts={name: ContractInfo(address, 1) for name, address in ADDRESSES.items()},
        classes={},
        l1={},
        fee_token=0x57,
        account_class_hash=0xACC,
        faucet=True,
        operators={},
        markets={
            "BTC-USD-PERP": MarketInfo(0, 10_000, 10_000_000, 0, 3, tiers),
            "ETH-USD-PERP": MarketInfo(1, 100_000, 1_000_000, 0, 5, tiers),
        },
        vault_lock_secs=3_600,
    )


@pytest.fixture
def stage(deployment: Deployment) -> Stage:
    return Stage(deployment)


@pytest.fixture
def make_stage(deployment: Deployment) -> Callable[..., Stage]:
    def make(**options: Any) -> Stage:
        return Stage(options.pop("deployment", deployment), **options)

    return make
