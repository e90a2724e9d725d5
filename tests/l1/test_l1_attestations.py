"""What L1 tells L2 of withdrawals that a rollback may have erased there."""

from __future__ import annotations

from typing import Any

import pytest
from web3.types import TxReceipt

from tests.l1.side import FEE, L1, L2_BRIDGE, SOURCE, USDC, ZERO_ADDRESS, events, reverts, selector

pytestmark = pytest.mark.node


def ended(l1: L1) -> None:
    """The epoch is over."""
    l1.send(l1.bridge.functions.new_epoch(), l1.owner, FEE)


def attestation(l1: L1, receipt: TxReceipt) -> list[int]:
    (message,) = events(l1.messaging.events.LogMessageToL2, receipt)
    assert (message["toAddress"], message["selector"]) == (L2_BRIDGE, selector("handle_attestation"))
    assert message["fee"] == FEE
    payload: list[int] = message["payload"]
    return payload


def test_a_payment_is_attested_as_it_was_made(l1: L1) -> None:
    l1.deposit(10 * USDC)
    l1.release(l1.bob, 3 * USDC)
    l1.withdraw(l1.bob, 3 * USDC)
    ended(l1)
    for _ in range(2):
        receipt = l1.send(l1.bridge.functions.attest_payment(0, 1), l1.alice, FEE)
        token, bob = int(l1.token.address, 16), int(l1.bob, 16)
        assert attestation(l1, receipt) == [token, bob, 3 * USDC, 0, 1, SOURCE, 1]
        (said,) = events(l1.bridge.events.WithdrawalAttested, receipt)
        assert (said["paid"], said["source"], said["amount"]) == (True, SOURCE, 3 * USDC)
    # What is attested is paid no second time.
    l1.release(l1.bob, 3 * USDC)
    with reverts("BRIDGE: already paid"):
        l1.withdraw(l1.bob, 3 * USDC)


def test_what_was_released_and_not_paid_is_attested_as_that(l1: L1) -> None:
    l1.deposit(10 * USDC)
    l1.release(l1.bob, 3 * USDC)
    ended(l1)
    arguments = (l1.bob, 3 * USDC, 0, 1, SOURCE)
    receipt = l1.send(l1.bridge.functions.attest_registered(*arguments), l1.alice, FEE)
    assert attestation(l1, receipt) == [int(l1.token.address, 16), int(l1.bob, 16), 3 * USDC, 0, 1, SOURCE, 0]
    # It can still be claimed, of which the other attestation tells.
    l1.withdraw(l1.bob, 3 * USDC)
    with reverts("BRIDGE: not registered"):
        l1.send(l1.bridge.functions.attest_registered(*arguments), l1.alice, FEE)
    l1.send(l1.bridge.functions.attest_payment(0, 1), l1.alice, FEE)


@pytest.mark.parametrize(
    "change", [{"amount": USDC + 1}, {"epoch": 1}, {"counter": 2}, {"source": SOURCE + 1}, {"recipient": ZERO_ADDRESS}]
)
def test_nothing_is_attested_that_l1_does_not_know(l1: L1, change: dict[str, Any]) -> None:
    l1.deposit(10 * USDC)
    l1.release(l1.bob, USDC)
    ended(l1)
    ended(l1)
    known = {"recipient": l1.bob, "amount": USDC, "epoch": 0, "counter": 1, "source": SOURCE}
    with reverts("BRIDGE: not registered"):
        l1.send(l1.bridge.functions.attest_registered(*{**known, **change}.values()), l1.alice, FEE)
    with reverts("BRIDGE: not paid"):
        l1.send(l1.bridge.functions.attest_payment(0, 1), l1.alice, FEE)


def test_of_the_current_epoch_nothing_is_attested(l1: L1) -> None:
    l1.deposit(10 * USDC)
    l1.release(l1.bob, USDC)
    with reverts("BRIDGE: epoch not over"):
        l1.send(l1.bridge.functions.attest_registered(l1.bob, USDC, 0, 1, SOURCE), l1.alice, FEE)
    l1.withdraw(l1.bob, USDC)
    with reverts("BRIDGE: epoch not over"):
        l1.send(l1.bridge.functions.attest_payment(0, 1), l1.alice, FEE)
    ended(l1)
    with reverts("MESSAGING: bad fee"):
        l1.send(l1.bridge.functions.attest_payment(0, 1), l1.alice)
