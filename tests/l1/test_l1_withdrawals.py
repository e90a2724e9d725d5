"""Withdrawals on L1: each is paid once, and only what L2 released."""

from __future__ import annotations

import pytest

from tests.l1.side import L1, L2_BRIDGE, SOURCE, USDC, ZERO_ADDRESS, events, reverts

pytestmark = pytest.mark.node


def test_a_withdrawal_is_paid_once_by_whoever_asks(l1: L1) -> None:
    l1.deposit(10 * USDC)
    functions = l1.bridge.functions
    assert functions.claimable(l1.bob, 4 * USDC, 0, 1, SOURCE).call() is False
    l1.release(l1.bob, 4 * USDC)
    assert functions.claimable(l1.bob, 4 * USDC, 0, 1, SOURCE).call() is True
    receipt = l1.send(functions.withdraw(l1.bob, 4 * USDC, 0, 1, SOURCE), l1.alice)
    assert events(l1.bridge.events.WithdrawalPaid, receipt) == [
        {"recipient": l1.bob, "epoch": 0, "counter": 1, "amount": 4 * USDC, "source": SOURCE}
    ]
    assert (l1.balance(l1.bob), l1.locked(), l1.balance(l1.bridge.address)) == (4 * USDC, 6 * USDC, 6 * USDC)
    assert functions.paid(0, 1).call() is True
    assert functions.payment(0, 1).call() == [l1.bob, 4 * USDC, SOURCE]
    assert functions.payment(0, 2).call() == [ZERO_ADDRESS, 0, 0]
    assert functions.claimable(l1.bob, 4 * USDC, 0, 1, SOURCE).call() is False


def test_the_same_message_twice_pays_once(l1: L1) -> None:
    l1.deposit(10 * USDC)
    l1.release(l1.bob, USDC)
    l1.release(l1.bob, USDC)
    l1.withdraw(l1.bob, USDC)
    with reverts("BRIDGE: already paid"):
        l1.withdraw(l1.bob, USDC)


def test_the_same_counter_of_another_epoch_is_another_withdrawal(l1: L1) -> None:
    l1.deposit(10 * USDC)
    for epoch in (0, 1):
        l1.release(l1.bob, USDC, epoch=epoch)
        l1.withdraw(l1.bob, USDC, epoch)
    assert l1.balance(l1.bob) == 2 * USDC


@pytest.mark.parametrize(
    ("recipient", "amount", "epoch", "counter", "source", "reason"),
    [
        (ZERO_ADDRESS, USDC, 0, 1, SOURCE, "BRIDGE: zero recipient"),
        ("bob", 0, 0, 1, SOURCE, "BRIDGE: bad amount"),
        ("bob", 2**96, 0, 1, SOURCE, "BRIDGE: bad amount"),
        ("alice", USDC, 0, 1, SOURCE, "MESSAGING: no such message from L2"),
        ("bob", USDC + 1, 0, 1, SOURCE, "MESSAGING: no such message from L2"),
        ("bob", USDC, 1, 1, SOURCE, "MESSAGING: no such message from L2"),
        ("bob", USDC, 0, 2, SOURCE, "MESSAGING: no such message from L2"),
        ("bob", USDC, 0, 1, SOURCE + 1, "MESSAGING: no such message from L2"),
    ],
)
def test_what_l2_did_not_release_is_not_paid(
    l1: L1, recipient: str, amount: int, epoch: int, counter: int, source: int, reason: str
) -> None:
    l1.deposit(10 * USDC)
    l1.release(l1.bob, USDC)
    account = {"alice": l1.alice, "bob": l1.bob}.get(recipient, recipient)
    with reverts(reason):
        l1.withdraw(account, amount, epoch, counter, source)


def test_another_l2_contract_releases_nothing(l1: L1) -> None:
    l1.deposit(10 * USDC)
    payload = [int(l1.token.address, 16), int(l1.bob, 16), USDC, 0, 1, SOURCE]
    to = int(l1.bridge.address, 16)
    l1.send(l1.messaging.functions.mockSendMessageFromL2(L2_BRIDGE + 1, to, payload), l1.owner)
    with reverts("MESSAGING: no such message from L2"):
        l1.withdraw(l1.bob, USDC)


def test_no_more_is_paid_than_is_locked(l1: L1) -> None:
    l1.deposit(10 * USDC)
    # A gift is nobody's claim.
    l1.send(l1.token.functions.mint(l1.bridge.address, 5 * USDC), l1.bob)
    l1.release(l1.bob, 10 * USDC + 1)
    with reverts("BRIDGE: more than is locked"):
        l1.withdraw(l1.bob, 10 * USDC + 1)
