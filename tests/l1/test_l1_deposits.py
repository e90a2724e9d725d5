"""Deposits on L1: what they lock and say, their bounds, and how one that never arrived comes back."""

from __future__ import annotations

import pytest
from web3.contract import Contract
from web3.exceptions import ContractLogicError

from tests.l1.side import (
    ADDRESS_BOUND,
    BAD_TOKENS,
    CALLS_AGAIN,
    DELAY,
    DOES_NOT_PAY,
    FEE,
    KEEPS_A_FEE,
    L1,
    L2_BRIDGE,
    L2_RECIPIENT,
    MARGIN,
    RETURNS_FALSE,
    SOURCE,
    USDC,
    deploy,
    deploy_bridge,
    events,
    reverts,
    selector,
)

pytestmark = pytest.mark.node


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
    bridge = deploy_bridge(l1)
    with reverts("BRIDGE: not connected"):
        l1.send(bridge.functions.deposit(MARGIN, L2_RECIPIENT, 1), l1.alice, FEE)
    with reverts("BRIDGE: not connected"):
        l1.send(bridge.functions.new_epoch(), l1.owner, FEE)


def on_a_bad_token(l1: L1, kind: int) -> Contract:
    token = deploy(l1.w3, BAD_TOKENS, kind)
    bridge = deploy_bridge(l1, token=token.address)
    l1.send(bridge.functions.connect(L2_BRIDGE), l1.owner)
    for counter in (1, 2):
        payload = [int(token.address, 16), int(l1.bob, 16), 5, 0, counter, SOURCE]
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
        l1.send(bridge.functions.withdraw(l1.bob, 5, 0, 1, SOURCE), l1.bob)
    assert bridge.functions.paid(0, 1).call() is False
    assert bridge.functions.claimable(l1.bob, 5, 0, 1, SOURCE).call() is True


def test_a_token_cannot_call_the_bridge_while_it_pays(l1: L1) -> None:
    bridge = on_a_bad_token(l1, CALLS_AGAIN)
    l1.send(bridge.functions.deposit(MARGIN, L2_RECIPIENT, 10), l1.alice, FEE)
    with pytest.raises(ContractLogicError):
        l1.send(bridge.functions.withdraw(l1.bob, 5, 0, 1, SOURCE), l1.bob)
    assert bridge.functions.locked().call() == 10


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
