"""The L1 contracts on a real anvil as the tests of this folder use them."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from eth_utils import keccak
from truemark_devnet.paths import checkout
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError
from web3.logs import DISCARD
from web3.types import TxReceipt

USDC = 10**6
L2_BRIDGE = 0x5BA5E
L2_RECIPIENT = 0xA11CE
#: Whom L2 took a withdrawal from.
SOURCE = 7
ADDRESS_BOUND = 2**251 - 256
MARGIN = 1
FEE = 10**12
#: Of the messaging contract and of what the owner announces.
DELAY = 86_400
OWNER_DELAY = 3_600
MAX_LOCKED, MAX_DEPOSIT = 10_000 * USDC, 2_000 * USDC
#: 0.1 USDC runs out each second.
QUOTA = (8_640 * USDC, 86_400)
ZERO_ADDRESS = "0x" + "0" * 40

#: Tokens that a bridge must not trust. The last one calls the bridge again while it is being paid out.
BAD_TOKENS = """
# pragma version 0.4.3
interface Bridge:
    def withdraw(
        recipient: address, amount: uint256, epoch: uint256, counter: uint256, source: uint256
    ): nonpayable

balanceOf: public(HashMap[address, uint256])
kind: uint256
called: bool

@deploy
def __init__(kind: uint256):
    self.kind = kind

@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    if self.kind == 0:
        return False
    self.balanceOf[to] += amount - (1 if self.kind == 1 else 0)
    return True

@external
def transfer(to: address, amount: uint256) -> bool:
    if self.kind == 3 and not self.called:
        self.called = True
        extcall Bridge(msg.sender).withdraw(to, amount, 0, 2, 7)
    return self.kind != 2
"""
RETURNS_FALSE, KEEPS_A_FEE, DOES_NOT_PAY, CALLS_AGAIN = range(4)


@dataclass(frozen=True)
class L1:
    """One chain with the three contracts on it; the bridge is connected, Alice has 1,000 approved."""

    w3: Web3
    token: Contract
    messaging: Contract
    bridge: Contract
    owner: str
    alice: str
    bob: str
    guardian: str

    def send(self, call: Any, who: str, value: int = 0) -> TxReceipt:
        receipt = self.w3.eth.wait_for_transaction_receipt(call.transact({"from": who, "value": value}))
        assert receipt["status"] == 1
        return receipt

    def deposit(self, amount: int, who: str | None = None, recipient: int = L2_RECIPIENT) -> int:
        """Returns the message's nonce."""
        receipt = self.send(self.bridge.functions.deposit(MARGIN, recipient, amount), who or self.alice, FEE)
        return int(events(self.bridge.events.DepositSent, receipt)[0]["nonce"])

    def withdraw(
        self, recipient: str, amount: int, epoch: int = 0, counter: int = 1, source: int = SOURCE
    ) -> TxReceipt:
        """By Bob, whoever it is for."""
        return self.send(self.bridge.functions.withdraw(recipient, amount, epoch, counter, source), self.bob)

    def announced(self, call: Any) -> TxReceipt:
        """The owner announces a call, waits and makes it."""
        self.send(self.bridge.functions.announce(calldata(call)), self.owner)
        self.later(OWNER_DELAY)
        return self.send(call, self.owner)

    def release(self, recipient: str, amount: int, epoch: int = 0, counter: int = 1, source: int = SOURCE) -> None:
        """What the postman does with an L2 withdrawal."""
        payload = [int(self.token.address, 16), int(recipient, 16), amount, epoch, counter, source]
        to = int(self.bridge.address, 16)
        self.send(self.messaging.functions.mockSendMessageFromL2(L2_BRIDGE, to, payload), self.owner)

    def consume(self, nonce: int, amount: int) -> None:
        """What a proof does with a deposit that L2 handled."""
        payload = [int(self.token.address, 16), int(self.alice, 16), MARGIN, L2_RECIPIENT, amount]
        call = self.messaging.functions.mockConsumeMessageToL2(
            int(self.bridge.address, 16), L2_BRIDGE, selector("handle_deposit"), payload, nonce
        )
        self.send(call, self.owner)

    def balance(self, account: str) -> int:
        return int(self.token.functions.balanceOf(account).call())

    def locked(self) -> int:
        return int(self.bridge.functions.locked().call())

    def time_of(self, receipt: TxReceipt) -> int:
        return int(self.w3.eth.get_block(receipt["blockNumber"])["timestamp"])

    def at(self, time: int) -> None:
        """The next block is of this time."""
        self.w3.provider.make_request("evm_setNextBlockTimestamp", [time])

    def succeeds(self, call: Any, who: str) -> bool:
        """In a block, with no estimate before it: an estimate is of a time of its own."""
        sent = call.transact({"from": who, "gas": 1_000_000})
        return bool(self.w3.eth.wait_for_transaction_receipt(sent)["status"])

    def later(self, secs: int) -> None:
        self.w3.provider.make_request("evm_increaseTime", [secs])
        self.w3.provider.make_request("evm_mine", [])


def events(event: Any, receipt: TxReceipt) -> list[dict[str, Any]]:
    return [dict(log["args"]) for log in event().process_receipt(receipt, errors=DISCARD)]


def selector(name: str) -> int:
    """starknet_keccak."""
    return int.from_bytes(keccak(text=name)) & (2**250 - 1)


def words_hash(*words: int) -> bytes:
    return keccak(b"".join(word.to_bytes(32) for word in words))


def hash_to_l2(sender: int, to: int, entry: int, payload: list[int], nonce: int) -> bytes:
    return words_hash(sender, to, nonce, entry, len(payload), *payload)


def hash_from_l2(sender: int, to: int, payload: list[int]) -> bytes:
    return words_hash(sender, to, len(payload), *payload)


def reverts(reason: str) -> AbstractContextManager[Any]:
    return pytest.raises(ContractLogicError, match=re.escape(reason))


def calldata(call: Any) -> bytes:
    """Of a call that was put together with web3."""
    return bytes.fromhex(call._encode_transaction_data().removeprefix("0x"))


@cache
def compiled(source: str) -> tuple[list[dict[str, Any]], str]:
    """A contract's text compiled as if it lay among the project's L1 contracts."""
    folder = checkout() / "contracts" / "l1"
    path = folder / "under_test.vy"
    file = FileInput(source_id=0, path=path, resolved_path=path, contents=source)
    made = compile_from_file_input(
        file, input_bundle=FilesystemInputBundle([folder]), output_formats=["abi", "bytecode"]
    )
    return made["abi"], made["bytecode"]


def deploy(w3: Web3, source: str, *arguments: Any) -> Contract:
    abi, bytecode = compiled(source)
    factory = w3.eth.contract(abi=abi, bytecode=bytecode)
    receipt = w3.eth.wait_for_transaction_receipt(
        factory.constructor(*arguments).transact({"from": w3.eth.accounts[0]})
    )
    return w3.eth.contract(address=receipt["contractAddress"], abi=abi)


def deploy_bridge(
    l1: L1,
    *,
    messaging: str | None = None,
    token: str | None = None,
    max_locked: int = 10 * USDC,
    max_deposit: int = 10 * USDC,
    quota: tuple[int, int] = QUOTA,
    delay: int = OWNER_DELAY,
) -> Contract:
    """Another bridge of the same owner, not connected."""
    where = (messaging or l1.messaging.address, token or l1.token.address)
    return deploy(l1.w3, source_of("CollateralBridge"), *where, max_locked, max_deposit, quota, l1.guardian, delay)


def source_of(name: str) -> str:
    return (checkout() / "contracts" / "l1" / f"{name}.vy").read_text()
