"""The L1 contracts on a real anvil: who may call what, what is locked and paid, and the message hashes of Starknet."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import vyper
from eth_utils import keccak
from truemark_devnet.paths import checkout
from truemark_devnet.toolchain import find_tool
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError
from web3.logs import DISCARD
from web3.types import TxReceipt

pytestmark = pytest.mark.node

USDC = 10**6
L2_BRIDGE = 0x5BA5E
L2_RECIPIENT = 0xA11CE
ADDRESS_BOUND = 2**251 - 256
MARGIN = 1
FEE = 10**12
DELAY = 86_400
ZERO_ADDRESS = "0x" + "0" * 40

#: Tokens that a bridge must not trust. The last one calls the bridge again while it is being paid out.
BAD_TOKENS = """
# pragma version 0.4.3
interface Bridge:
    def withdraw(recipient: address, amount: uint256, epoch: uint256, counter: uint256): nonpayable

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
        extcall Bridge(msg.sender).withdraw(to, amount, 0, 2)
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

    def send(self, call: Any, who: str, value: int = 0) -> TxReceipt:
        receipt = self.w3.eth.wait_for_transaction_receipt(call.transact({"from": who, "value": value}))
        assert receipt["status"] == 1
        return receipt

    def deposit(self, amount: int, who: str | None = None, recipient: int = L2_RECIPIENT) -> int:
        """Returns the message's nonce."""
        receipt = self.send(self.bridge.functions.deposit(MARGIN, recipient, amount), who or self.alice, FEE)
        return int(events(self.bridge.events.DepositSent, receipt)[0]["nonce"])

    def release(self, recipient: str, amount: int, epoch: int = 0, counter: int = 1) -> None:
        """What devnet's postman does with an L2 withdrawal."""
        payload = [int(self.token.address, 16), int(recipient, 16), amount, epoch, counter]
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


@cache
def compiled(source: str) -> tuple[list[dict[str, Any]], str]:
    made = vyper.compile_code(source, output_formats=["abi", "bytecode"])
    return made["abi"], made["bytecode"]


def deploy(w3: Web3, source: str, *arguments: Any) -> Contract:
    abi, bytecode = compiled(source)
    factory = w3.eth.contract(abi=abi, bytecode=bytecode)
    receipt = w3.eth.wait_for_transaction_receipt(
        factory.constructor(*arguments).transact({"from": w3.eth.accounts[0]})
    )
    return w3.eth.contract(address=receipt["contractAddress"], abi=abi)


def source_of(name: str) -> str:
    return (checkout() / "contracts" / "l1" / f"{name}.vy").read_text()


@pytest.fixture(scope="module")
def w3() -> Iterator[Web3]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(find_tool("anvil")), "--host", "127.0.0.1", "--port", str(port), "--silent"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        chain = Web3(Web3.HTTPProvider(f"http://127.0.0.1:{port}"))
        deadline = time.monotonic() + 30
        while not chain.is_connected():
            assert process.poll() is None, "anvil ended"
            assert time.monotonic() < deadline, "anvil does not answer"
            time.sleep(0.05)
        yield chain
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def deployed(w3: Web3) -> L1:
    owner, alice, bob = w3.eth.accounts[:3]
    token = deploy(w3, source_of("TestUSDC"))
    messaging = deploy(w3, source_of("Messaging"), owner, DELAY)
    bridge = deploy(w3, source_of("CollateralBridge"), messaging.address, token.address, 10_000 * USDC, 2_000 * USDC)
    l1 = L1(w3, token, messaging, bridge, owner, alice, bob)
    l1.send(bridge.functions.connect(L2_BRIDGE), owner)
    l1.send(token.functions.mint(alice, 1_000 * USDC), bob)
    l1.send(token.functions.approve(bridge.address, 2**256 - 1), alice)
    return l1


@pytest.fixture
def l1(deployed: L1) -> Iterator[L1]:
    provider = deployed.w3.provider
    snapshot = provider.make_request("evm_snapshot", [])["result"]
    yield deployed
    assert provider.make_request("evm_revert", [snapshot])["result"] is True


# --- hashes and layouts


def test_the_message_hashes_are_those_of_starknet() -> None:
    # A message of the Goerli test network, and its hash there.
    payload = [0x689EAD7D814E51ED93644BC145F0754839B8DCB340027CE0C30953F38F55D7, 0x2C68AF0BB140000, 0]
    sender = 0xC3511006C04EF1D78AF4C8E0E74EC18A6E64FF9E
    to = 0x73314940630FD6DCDA0D772D4C972C4E0A9946BEF9DABF4EF84EDA8EF542B82
    entry = 0x2D757788A8D8D6F21D1CD40BCE38A8222D70654214E96FF95D8086E684FBEE5
    expected = "c51a543ef9563ad2545342b390b67edfcddf9886aa36846cf70382362fc5fab3"
    assert hash_to_l2(sender, to, entry, payload, 775_628).hex() == expected


def test_the_event_is_the_one_that_the_postman_filters_for(l1: L1) -> None:
    receipt = l1.send(l1.messaging.functions.sendMessageToL2(7, 8, [9, 10]), l1.alice, FEE)
    (log,) = receipt["logs"]
    words = [int(word.hex(), 16) for word in log["topics"]]
    assert words[0] == int.from_bytes(keccak(text="LogMessageToL2(address,uint256,uint256,uint256[],uint256,uint256)"))
    assert words[1:] == [int(l1.alice, 16), 7, 8]
    data = bytes(log["data"])
    assert [int.from_bytes(data[at : at + 32]) for at in range(0, len(data), 32)] == [0x60, 0, FEE, 2, 9, 10]


@pytest.mark.parametrize("payload", [[], [1], [2**255, 0, 3], list(range(64))])
def test_a_message_to_l2_is_kept_under_its_hash(l1: L1, payload: list[int]) -> None:
    functions = l1.messaging.functions
    l1.send(functions.sendMessageToL2(7, 8, payload), l1.alice, FEE)
    l1.send(functions.sendMessageToL2(7, 8, payload), l1.alice, FEE + 1)
    for nonce in (0, 1):
        message = hash_to_l2(int(l1.alice, 16), 7, 8, payload, nonce)
        assert functions.l1ToL2Messages(message).call() == FEE + nonce + 1
    assert functions.l1ToL2MessageNonce().call() == 2


def test_the_bridge_knows_the_hashes_of_its_messages(l1: L1) -> None:
    nonce = l1.deposit(5 * USDC)
    token, bridge, alice = (int(a, 16) for a in (l1.token.address, l1.bridge.address, l1.alice))
    payload = [token, alice, MARGIN, L2_RECIPIENT, 5 * USDC]
    functions = l1.bridge.functions
    told = functions.deposit_message_hash(l1.alice, MARGIN, L2_RECIPIENT, 5 * USDC, nonce).call()
    assert told == hash_to_l2(bridge, L2_BRIDGE, selector("handle_deposit"), payload, nonce)
    told = functions.withdrawal_message_hash(l1.alice, 7, 3, 4).call()
    assert told == hash_from_l2(L2_BRIDGE, bridge, [token, alice, 7, 3, 4])


# --- the messaging contract


@pytest.mark.parametrize("fee", [0, 10**18 + 1])
def test_a_message_needs_a_fee_within_bounds(l1: L1, fee: int) -> None:
    with reverts("MESSAGING: bad fee"):
        l1.send(l1.messaging.functions.sendMessageToL2(7, 8, []), l1.alice, fee)
    assert l1.messaging.functions.getMaxL1MsgFee().call() == 10**18


def test_a_message_from_l2_is_consumed_as_often_as_it_was_sent(l1: L1) -> None:
    functions = l1.messaging.functions
    for _ in range(2):
        l1.send(functions.mockSendMessageFromL2(5, int(l1.alice, 16), [1, 2]), l1.owner)
    message = hash_from_l2(5, int(l1.alice, 16), [1, 2])
    assert functions.l2ToL1Messages(message).call() == 2
    l1.send(functions.consumeMessageFromL2(5, [1, 2]), l1.alice)
    l1.send(functions.mockConsumeMessageFromL2(5, int(l1.alice, 16), [1, 2]), l1.owner)
    with reverts("MESSAGING: no such message from L2"):
        l1.send(functions.consumeMessageFromL2(5, [1, 2]), l1.alice)


def test_only_its_recipient_consumes_a_message_from_l2(l1: L1) -> None:
    l1.send(l1.messaging.functions.mockSendMessageFromL2(5, int(l1.alice, 16), [1]), l1.owner)
    with reverts("MESSAGING: no such message from L2"):
        l1.send(l1.messaging.functions.consumeMessageFromL2(5, [1]), l1.bob)


def test_only_the_owner_plays_the_proof(l1: L1) -> None:
    functions = l1.messaging.functions
    calls = (
        functions.mockSendMessageFromL2(5, 6, []),
        functions.mockConsumeMessageFromL2(5, 6, []),
        functions.mockConsumeMessageToL2(5, 6, 7, [], 0),
    )
    for call in calls:
        with reverts("MESSAGING: not the owner"):
            l1.send(call, l1.alice)


def test_a_mock_message_names_an_l1_address(l1: L1) -> None:
    functions = l1.messaging.functions
    calls = (
        functions.mockSendMessageFromL2(5, 2**160, []),
        functions.mockConsumeMessageFromL2(5, 2**160, []),
        functions.mockConsumeMessageToL2(2**160, 6, 7, [], 0),
    )
    for call in calls:
        with reverts("MESSAGING: not an L1 address"):
            l1.send(call, l1.owner)


def test_a_message_to_l2_is_consumed_once(l1: L1) -> None:
    functions = l1.messaging.functions
    l1.send(functions.sendMessageToL2(7, 8, [9]), l1.alice, FEE)
    call = functions.mockConsumeMessageToL2(int(l1.alice, 16), 7, 8, [9], 0)
    l1.send(call, l1.owner)
    message = hash_to_l2(int(l1.alice, 16), 7, 8, [9], 0)
    assert functions.consumed(message).call() is True
    assert functions.l1ToL2Messages(message).call() == 0
    with reverts("MESSAGING: no such message to L2"):
        l1.send(call, l1.owner)


def test_only_its_sender_cancels_a_message(l1: L1) -> None:
    functions = l1.messaging.functions
    l1.send(functions.sendMessageToL2(7, 8, [9]), l1.alice, FEE)
    with reverts("MESSAGING: no such message to L2"):
        l1.send(functions.startL1ToL2MessageCancellation(7, 8, [9], 0), l1.bob)
    l1.send(functions.startL1ToL2MessageCancellation(7, 8, [9], 0), l1.alice)
    l1.later(DELAY)
    with reverts("MESSAGING: no such message to L2"):
        l1.send(functions.cancelL1ToL2Message(7, 8, [9], 0), l1.bob)
    receipt = l1.send(functions.cancelL1ToL2Message(7, 8, [9], 0), l1.alice)
    assert events(l1.messaging.events.MessageToL2Canceled, receipt)[0]["nonce"] == 0
    with reverts("MESSAGING: no such message to L2"):
        l1.send(functions.cancelL1ToL2Message(7, 8, [9], 0), l1.alice)


def test_the_messaging_contract_needs_an_owner(l1: L1) -> None:
    with reverts("MESSAGING: zero owner"):
        deploy(l1.w3, source_of("Messaging"), ZERO_ADDRESS, DELAY)


# --- deposits


def test_a_deposit_locks_and_tells_l2(l1: L1) -> None:
    receipt = l1.send(l1.bridge.functions.deposit(2, L2_RECIPIENT, 5 * USDC), l1.alice, FEE)
    (message,) = events(l1.messaging.events.LogMessageToL2, receipt)
    assert message == {
        "fromAddress": l1.bridge.address,
        "toAddress": L2_BRIDGE,
        "selector": selector("handle_deposit"),
        "payload": [int(l1.token.address, 16), int(l1.alice, 16), 2, L2_RECIPIENT, 5 * USDC],
        "nonce": 0,
        "fee": FEE,
    }
    (sent,) = events(l1.bridge.events.DepositSent, receipt)
    told = l1.bridge.functions.deposit_message_hash(l1.alice, 2, L2_RECIPIENT, 5 * USDC, 0).call()
    assert sent == {
        "depositor": l1.alice,
        "l2_recipient": L2_RECIPIENT,
        "nonce": 0,
        "destination": 2,
        "amount": 5 * USDC,
        "message_hash": told,
    }
    assert (l1.locked(), l1.balance(l1.bridge.address), l1.balance(l1.alice)) == (5 * USDC, 5 * USDC, 995 * USDC)
    assert l1.bridge.functions.depositor_of(0).call() == l1.alice
    assert l1.bridge.functions.deposit_pending(l1.alice, 2, L2_RECIPIENT, 5 * USDC, 0).call() is True
    assert l1.bridge.functions.deposit_pending(l1.bob, 2, L2_RECIPIENT, 5 * USDC, 0).call() is False


@pytest.mark.parametrize(
    ("destination", "recipient", "amount", "reason"),
    [
        (3, L2_RECIPIENT, 1, "BRIDGE: bad destination"),
        (1, 0, 1, "BRIDGE: bad L2 recipient"),
        (1, ADDRESS_BOUND, 1, "BRIDGE: bad L2 recipient"),
        (1, L2_RECIPIENT, 0, "BRIDGE: amount is zero"),
        (1, L2_RECIPIENT, 2_000 * USDC + 1, "BRIDGE: above max_deposit"),
        (1, L2_RECIPIENT, 2**256 - 1, "BRIDGE: above max_deposit"),
    ],
)
def test_a_bad_deposit_is_refused(l1: L1, destination: int, recipient: int, amount: int, reason: str) -> None:
    with reverts(reason):
        l1.send(l1.bridge.functions.deposit(destination, recipient, amount), l1.alice, FEE)


def test_the_largest_address_is_a_recipient(l1: L1) -> None:
    l1.deposit(1, recipient=ADDRESS_BOUND - 1)


def test_deposits_end_at_max_locked(l1: L1) -> None:
    l1.send(l1.bridge.functions.set_limits(10 * USDC, 10 * USDC), l1.owner)
    l1.deposit(9 * USDC)
    with reverts("BRIDGE: above max_locked"):
        l1.deposit(USDC + 1)
    l1.deposit(USDC)


def test_a_deposit_needs_the_tokens_the_allowance_and_the_fee(l1: L1) -> None:
    with reverts("TOKEN: balance"):
        l1.deposit(1_000 * USDC + 1)
    with reverts("TOKEN: allowance"):
        l1.deposit(1, who=l1.bob)
    with reverts("MESSAGING: bad fee"):
        l1.send(l1.bridge.functions.deposit(MARGIN, L2_RECIPIENT, 1), l1.alice)


def test_an_unconnected_bridge_takes_nothing(l1: L1) -> None:
    bridge = deploy(l1.w3, source_of("CollateralBridge"), l1.messaging.address, l1.token.address, 10, 10)
    with reverts("BRIDGE: not connected"):
        l1.send(bridge.functions.deposit(MARGIN, L2_RECIPIENT, 1), l1.alice, FEE)
    with reverts("BRIDGE: not connected"):
        l1.send(bridge.functions.new_epoch(), l1.owner, FEE)


def on_a_bad_token(l1: L1, kind: int) -> Contract:
    token = deploy(l1.w3, BAD_TOKENS, kind)
    bridge = deploy(l1.w3, source_of("CollateralBridge"), l1.messaging.address, token.address, 10 * USDC, 10 * USDC)
    l1.send(bridge.functions.connect(L2_BRIDGE), l1.owner)
    for counter in (1, 2):
        payload = [int(token.address, 16), int(l1.bob, 16), 5, 0, counter]
        to = int(bridge.address, 16)
        l1.send(l1.messaging.functions.mockSendMessageFromL2(L2_BRIDGE, to, payload), l1.owner)
    return bridge


@pytest.mark.parametrize("kind", [RETURNS_FALSE, KEEPS_A_FEE])
def test_a_token_that_does_not_deliver_makes_no_deposit(l1: L1, kind: int) -> None:
    bridge = on_a_bad_token(l1, kind)
    with reverts("BRIDGE: token transfer failed"):
        l1.send(bridge.functions.deposit(MARGIN, L2_RECIPIENT, 5), l1.alice, FEE)


def test_a_token_that_does_not_pay_leaves_the_withdrawal_open(l1: L1) -> None:
    bridge = on_a_bad_token(l1, DOES_NOT_PAY)
    l1.send(bridge.functions.deposit(MARGIN, L2_RECIPIENT, 10), l1.alice, FEE)
    with reverts("BRIDGE: token transfer failed"):
        l1.send(bridge.functions.withdraw(l1.bob, 5, 0, 1), l1.bob)
    assert bridge.functions.paid(0, 1).call() is False
    assert bridge.functions.claimable(l1.bob, 5, 0, 1).call() is True


def test_a_token_cannot_call_the_bridge_while_it_pays(l1: L1) -> None:
    bridge = on_a_bad_token(l1, CALLS_AGAIN)
    l1.send(bridge.functions.deposit(MARGIN, L2_RECIPIENT, 10), l1.alice, FEE)
    with pytest.raises(ContractLogicError):
        l1.send(bridge.functions.withdraw(l1.bob, 5, 0, 1), l1.bob)
    assert bridge.functions.locked().call() == 10


# --- withdrawals


def test_a_withdrawal_is_paid_once_by_whoever_asks(l1: L1) -> None:
    l1.deposit(10 * USDC)
    functions = l1.bridge.functions
    assert functions.claimable(l1.bob, 4 * USDC, 0, 1).call() is False
    l1.release(l1.bob, 4 * USDC)
    assert functions.claimable(l1.bob, 4 * USDC, 0, 1).call() is True
    receipt = l1.send(functions.withdraw(l1.bob, 4 * USDC, 0, 1), l1.alice)
    assert events(l1.bridge.events.WithdrawalPaid, receipt) == [
        {"recipient": l1.bob, "epoch": 0, "counter": 1, "amount": 4 * USDC}
    ]
    assert (l1.balance(l1.bob), l1.locked(), l1.balance(l1.bridge.address)) == (4 * USDC, 6 * USDC, 6 * USDC)
    assert functions.paid(0, 1).call() is True
    assert functions.payment(0, 1).call() == [l1.bob, 4 * USDC]
    assert functions.payment(0, 2).call() == [ZERO_ADDRESS, 0]
    assert functions.claimable(l1.bob, 4 * USDC, 0, 1).call() is False


def test_the_same_message_twice_pays_once(l1: L1) -> None:
    l1.deposit(10 * USDC)
    l1.release(l1.bob, USDC)
    l1.release(l1.bob, USDC)
    l1.send(l1.bridge.functions.withdraw(l1.bob, USDC, 0, 1), l1.bob)
    with reverts("BRIDGE: already paid"):
        l1.send(l1.bridge.functions.withdraw(l1.bob, USDC, 0, 1), l1.bob)


def test_the_same_counter_of_another_epoch_is_another_withdrawal(l1: L1) -> None:
    l1.deposit(10 * USDC)
    for epoch in (0, 1):
        l1.release(l1.bob, USDC, epoch=epoch)
        l1.send(l1.bridge.functions.withdraw(l1.bob, USDC, epoch, 1), l1.bob)
    assert l1.balance(l1.bob) == 2 * USDC


@pytest.mark.parametrize(
    ("recipient", "amount", "epoch", "counter", "reason"),
    [
        (ZERO_ADDRESS, USDC, 0, 1, "BRIDGE: zero recipient"),
        ("bob", 0, 0, 1, "BRIDGE: bad amount"),
        ("bob", 2**96, 0, 1, "BRIDGE: bad amount"),
        ("alice", USDC, 0, 1, "MESSAGING: no such message from L2"),
        ("bob", USDC + 1, 0, 1, "MESSAGING: no such message from L2"),
        ("bob", USDC, 1, 1, "MESSAGING: no such message from L2"),
        ("bob", USDC, 0, 2, "MESSAGING: no such message from L2"),
    ],
)
def test_what_l2_did_not_release_is_not_paid(
    l1: L1, recipient: str, amount: int, epoch: int, counter: int, reason: str
) -> None:
    l1.deposit(10 * USDC)
    l1.release(l1.bob, USDC)
    account = {"alice": l1.alice, "bob": l1.bob}.get(recipient, recipient)
    with reverts(reason):
        l1.send(l1.bridge.functions.withdraw(account, amount, epoch, counter), l1.bob)


def test_another_l2_contract_releases_nothing(l1: L1) -> None:
    l1.deposit(10 * USDC)
    payload = [int(l1.token.address, 16), int(l1.bob, 16), USDC, 0, 1]
    to = int(l1.bridge.address, 16)
    l1.send(l1.messaging.functions.mockSendMessageFromL2(L2_BRIDGE + 1, to, payload), l1.owner)
    with reverts("MESSAGING: no such message from L2"):
        l1.send(l1.bridge.functions.withdraw(l1.bob, USDC, 0, 1), l1.bob)


def test_no_more_is_paid_than_is_locked(l1: L1) -> None:
    l1.deposit(10 * USDC)
    # A gift is nobody's claim.
    l1.send(l1.token.functions.mint(l1.bridge.address, 5 * USDC), l1.bob)
    l1.release(l1.bob, 10 * USDC + 1)
    with reverts("BRIDGE: more than is locked"):
        l1.send(l1.bridge.functions.withdraw(l1.bob, 10 * USDC + 1, 0, 1), l1.bob)


# --- cancel and reclaim


def test_an_unconsumed_deposit_comes_back_after_the_delay(l1: L1) -> None:
    nonce = l1.deposit(5 * USDC)
    functions = l1.bridge.functions
    arguments = (MARGIN, L2_RECIPIENT, 5 * USDC, nonce)
    with reverts("MESSAGING: cancellation not started"):
        l1.send(functions.reclaim_deposit(*arguments), l1.alice)
    receipt = l1.send(functions.cancel_deposit(*arguments), l1.alice)
    assert events(l1.bridge.events.DepositCancelStarted, receipt) == [
        {"depositor": l1.alice, "nonce": nonce, "amount": 5 * USDC}
    ]
    l1.later(DELAY - 10)
    with reverts("MESSAGING: cancellation delay not over"):
        l1.send(functions.reclaim_deposit(*arguments), l1.alice)
    l1.later(10)
    receipt = l1.send(functions.reclaim_deposit(*arguments), l1.alice)
    assert events(l1.bridge.events.DepositReclaimed, receipt) == [
        {"depositor": l1.alice, "nonce": nonce, "amount": 5 * USDC}
    ]
    assert (l1.locked(), l1.balance(l1.alice)) == (0, 1_000 * USDC)
    assert functions.deposit_pending(l1.alice, *arguments).call() is False
    with reverts("BRIDGE: not the depositor"):
        l1.send(functions.reclaim_deposit(*arguments), l1.alice)


def test_only_the_depositor_cancels_and_reclaims(l1: L1) -> None:
    nonce = l1.deposit(5 * USDC)
    for function in (l1.bridge.functions.cancel_deposit, l1.bridge.functions.reclaim_deposit):
        with reverts("BRIDGE: not the depositor"):
            l1.send(function(MARGIN, L2_RECIPIENT, 5 * USDC, nonce), l1.bob)
        with reverts("BRIDGE: not the depositor"):
            l1.send(function(MARGIN, L2_RECIPIENT, 5 * USDC, nonce + 1), l1.alice)


@pytest.mark.parametrize(
    "arguments",
    [(2, L2_RECIPIENT, 5 * USDC), (MARGIN, L2_RECIPIENT + 1, 5 * USDC), (MARGIN, L2_RECIPIENT, 500 * USDC)],
)
def test_a_cancellation_names_the_deposit_as_it_was(l1: L1, arguments: tuple[int, int, int]) -> None:
    nonce = l1.deposit(5 * USDC)
    with reverts("MESSAGING: no such message to L2"):
        l1.send(l1.bridge.functions.cancel_deposit(*arguments, nonce), l1.alice)
    l1.send(l1.bridge.functions.cancel_deposit(MARGIN, L2_RECIPIENT, 5 * USDC, nonce), l1.alice)
    l1.later(DELAY)
    with reverts("MESSAGING: no such message to L2"):
        l1.send(l1.bridge.functions.reclaim_deposit(*arguments, nonce), l1.alice)


def test_a_consumed_deposit_is_not_cancelled(l1: L1) -> None:
    nonce = l1.deposit(5 * USDC)
    l1.consume(nonce, 5 * USDC)
    arguments = (MARGIN, L2_RECIPIENT, 5 * USDC, nonce)
    assert l1.bridge.functions.deposit_pending(l1.alice, *arguments).call() is False
    with reverts("MESSAGING: no such message to L2"):
        l1.send(l1.bridge.functions.cancel_deposit(*arguments), l1.alice)


def test_a_deposit_consumed_during_the_delay_is_not_reclaimed(l1: L1) -> None:
    nonce = l1.deposit(5 * USDC)
    arguments = (MARGIN, L2_RECIPIENT, 5 * USDC, nonce)
    l1.send(l1.bridge.functions.cancel_deposit(*arguments), l1.alice)
    l1.consume(nonce, 5 * USDC)
    l1.later(DELAY)
    with reverts("MESSAGING: no such message to L2"):
        l1.send(l1.bridge.functions.reclaim_deposit(*arguments), l1.alice)
    assert l1.locked() == 5 * USDC


# --- epoch, limits, owner


def test_an_epoch_is_counted_and_told(l1: L1) -> None:
    for epoch in (1, 2):
        receipt = l1.send(l1.bridge.functions.new_epoch(), l1.owner, FEE)
        (message,) = events(l1.messaging.events.LogMessageToL2, receipt)
        assert (message["toAddress"], message["selector"]) == (L2_BRIDGE, selector("handle_epoch"))
        assert (message["payload"], message["nonce"]) == ([epoch], epoch - 1)
        assert events(l1.bridge.events.EpochAnnounced, receipt) == [{"epoch": epoch, "nonce": epoch - 1}]
        assert l1.bridge.functions.epoch().call() == epoch


def test_an_epoch_message_needs_its_fee(l1: L1) -> None:
    with reverts("MESSAGING: bad fee"):
        l1.send(l1.bridge.functions.new_epoch(), l1.owner)
    assert l1.bridge.functions.epoch().call() == 0


def test_only_the_owner_configures(l1: L1) -> None:
    functions = l1.bridge.functions
    for call in (functions.connect(1), functions.set_limits(1, 1), functions.propose_owner(l1.bob)):
        with reverts("BRIDGE: not the owner"):
            l1.send(call, l1.alice)
    with reverts("BRIDGE: not the owner"):
        l1.send(functions.new_epoch(), l1.alice, FEE)


def test_a_bridge_is_connected_once(l1: L1) -> None:
    with reverts("BRIDGE: already connected"):
        l1.send(l1.bridge.functions.connect(L2_BRIDGE), l1.owner)
    bridge = deploy(l1.w3, source_of("CollateralBridge"), l1.messaging.address, l1.token.address, 10, 10)
    for address in (0, ADDRESS_BOUND):
        with reverts("BRIDGE: bad L2 address"):
            l1.send(bridge.functions.connect(address), l1.owner)
    receipt = l1.send(bridge.functions.connect(ADDRESS_BOUND - 1), l1.owner)
    assert events(bridge.events.Connected, receipt) == [{"l2_bridge": ADDRESS_BOUND - 1}]


def test_what_is_locked_can_leave_whatever_the_limits(l1: L1) -> None:
    nonce = l1.deposit(5 * USDC)
    l1.deposit(5 * USDC)
    l1.send(l1.bridge.functions.cancel_deposit(MARGIN, L2_RECIPIENT, 5 * USDC, nonce), l1.alice)
    receipt = l1.send(l1.bridge.functions.set_limits(0, 0), l1.owner)
    assert events(l1.bridge.events.LimitsChanged, receipt) == [{"max_locked": 0, "max_deposit": 0}]
    with reverts("BRIDGE: above max_deposit"):
        l1.deposit(1)
    l1.release(l1.bob, 5 * USDC)
    l1.send(l1.bridge.functions.withdraw(l1.bob, 5 * USDC, 0, 1), l1.bob)
    l1.later(DELAY)
    l1.send(l1.bridge.functions.reclaim_deposit(MARGIN, L2_RECIPIENT, 5 * USDC, nonce), l1.alice)
    assert l1.locked() == 0


@pytest.mark.parametrize("limits", [(2**96, 0), (0, 2**96)])
def test_a_limit_fits_an_amount(l1: L1, limits: tuple[int, int]) -> None:
    with reverts("BRIDGE: limit too large"):
        l1.send(l1.bridge.functions.set_limits(*limits), l1.owner)


def test_an_owner_is_handed_over_in_two_steps(l1: L1) -> None:
    functions = l1.bridge.functions
    with reverts("BRIDGE: not the proposed owner"):
        l1.send(functions.accept_owner(), l1.bob)
    l1.send(functions.propose_owner(l1.bob), l1.owner)
    assert functions.owner().call() == l1.owner
    with reverts("BRIDGE: not the proposed owner"):
        l1.send(functions.accept_owner(), l1.alice)
    receipt = l1.send(functions.accept_owner(), l1.bob)
    assert events(l1.bridge.events.OwnerChanged, receipt) == [{"account": l1.bob}]
    assert (functions.owner().call(), functions.proposed_owner().call()) == (l1.bob, ZERO_ADDRESS)
    with reverts("BRIDGE: not the owner"):
        l1.send(functions.set_limits(1, 1), l1.owner)
    with reverts("BRIDGE: not the proposed owner"):
        l1.send(functions.accept_owner(), l1.bob)


def test_a_proposed_owner_can_be_taken_back(l1: L1) -> None:
    l1.send(l1.bridge.functions.propose_owner(l1.bob), l1.owner)
    l1.send(l1.bridge.functions.propose_owner(ZERO_ADDRESS), l1.owner)
    with reverts("BRIDGE: not the proposed owner"):
        l1.send(l1.bridge.functions.accept_owner(), l1.bob)


def test_a_bridge_needs_its_contracts_and_sane_limits(l1: L1) -> None:
    source = source_of("CollateralBridge")
    with reverts("BRIDGE: zero address"):
        deploy(l1.w3, source, ZERO_ADDRESS, l1.token.address, 1, 1)
    with reverts("BRIDGE: zero address"):
        deploy(l1.w3, source, l1.messaging.address, ZERO_ADDRESS, 1, 1)
    with reverts("BRIDGE: limit too large"):
        deploy(l1.w3, source, l1.messaging.address, l1.token.address, 2**96, 1)


# --- the token


def test_the_token_is_usdc_like_and_minted_by_anyone(l1: L1) -> None:
    functions = l1.token.functions
    assert (functions.name().call(), functions.symbol().call(), functions.decimals().call()) == (
        "Test USDC",
        "tUSDC",
        6,
    )
    receipt = l1.send(functions.mint(l1.bob, 7), l1.bob)
    assert events(l1.token.events.Transfer, receipt) == [{"sender": ZERO_ADDRESS, "receiver": l1.bob, "value": 7}]
    assert functions.totalSupply().call() == 1_000 * USDC + 7
    with reverts("TOKEN: zero recipient"):
        l1.send(functions.mint(ZERO_ADDRESS, 1), l1.bob)


def test_the_token_moves_what_there_is(l1: L1) -> None:
    functions = l1.token.functions
    l1.send(functions.transfer(l1.bob, 30), l1.alice)
    l1.send(functions.transfer(l1.bob, 30), l1.bob)
    assert (l1.balance(l1.bob), l1.balance(l1.alice)) == (30, 1_000 * USDC - 30)
    with reverts("TOKEN: balance"):
        l1.send(functions.transfer(l1.alice, 31), l1.bob)
    with reverts("TOKEN: zero recipient"):
        l1.send(functions.transfer(ZERO_ADDRESS, 1), l1.bob)


def test_the_token_spends_an_allowance_once(l1: L1) -> None:
    functions = l1.token.functions
    receipt = l1.send(functions.approve(l1.bob, 60), l1.alice)
    assert events(l1.token.events.Approval, receipt) == [{"owner": l1.alice, "spender": l1.bob, "value": 60}]
    l1.send(functions.transferFrom(l1.alice, l1.bob, 50), l1.bob)
    assert functions.allowance(l1.alice, l1.bob).call() == 10
    with reverts("TOKEN: allowance"):
        l1.send(functions.transferFrom(l1.alice, l1.bob, 11), l1.bob)
    l1.send(functions.approve(l1.bob, 2**256 - 1), l1.alice)
    l1.send(functions.transferFrom(l1.alice, l1.bob, 11), l1.bob)
    assert functions.allowance(l1.alice, l1.bob).call() == 2**256 - 1
