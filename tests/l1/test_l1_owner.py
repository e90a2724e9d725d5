"""Who configures the L1 bridge, and what takes effect only after a delay."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils import keccak

from tests.l1.side import (
    ADDRESS_BOUND,
    DELAY,
    FEE,
    L1,
    L2_BRIDGE,
    L2_RECIPIENT,
    MARGIN,
    MAX_DEPOSIT,
    MAX_LOCKED,
    OWNER_DELAY,
    QUOTA,
    SOURCE,
    USDC,
    ZERO_ADDRESS,
    calldata,
    deploy_bridge,
    events,
    reverts,
    selector,
)

pytestmark = pytest.mark.node


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


def test_a_bridge_is_connected_once(l1: L1) -> None:
    with reverts("BRIDGE: already connected"):
        l1.send(l1.bridge.functions.connect(L2_BRIDGE), l1.owner)
    bridge = deploy_bridge(l1)
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
    l1.withdraw(l1.bob, 5 * USDC)
    l1.later(DELAY)
    l1.send(l1.bridge.functions.reclaim_deposit(MARGIN, L2_RECIPIENT, 5 * USDC, nonce), l1.alice)
    assert l1.locked() == 0


@pytest.mark.parametrize("limits", [(2**96, 0), (0, 2**96)])
def test_a_limit_fits_an_amount(l1: L1, limits: tuple[int, int]) -> None:
    call = l1.bridge.functions.set_limits(*limits)
    l1.send(l1.bridge.functions.announce(calldata(call)), l1.owner)
    l1.later(OWNER_DELAY)
    with reverts("BRIDGE: limit too large"):
        l1.send(call, l1.owner)


def test_a_proposed_owner_can_be_taken_back(l1: L1) -> None:
    l1.send(l1.bridge.functions.propose_owner(l1.bob), l1.owner)
    l1.send(l1.bridge.functions.propose_owner(ZERO_ADDRESS), l1.owner)
    with reverts("BRIDGE: not the proposed owner"):
        l1.send(l1.bridge.functions.accept_owner(), l1.bob)


def test_only_the_owner_configures(l1: L1) -> None:
    functions = l1.bridge.functions
    calls = (
        functions.connect(1),
        functions.set_limits(1, 1),
        functions.set_quota(1, 1),
        functions.propose_owner(l1.bob),
        functions.resume(),
        functions.set_guardian(l1.bob),
        functions.announce(b"1234"),
        functions.retract(b"\0" * 32),
    )
    for call in calls:
        for who in (l1.alice, l1.guardian):
            with reverts("BRIDGE: not the owner"):
                l1.send(call, who)
    with reverts("BRIDGE: not the owner"):
        l1.send(functions.new_epoch(), l1.guardian, FEE)


def test_an_owner_is_handed_over_in_two_steps_with_a_delay_between_them(l1: L1) -> None:
    functions = l1.bridge.functions
    with reverts("BRIDGE: not the proposed owner"):
        l1.send(functions.accept_owner(), l1.bob)
    receipt = l1.send(functions.propose_owner(l1.bob), l1.owner)
    ready_at = l1.time_of(receipt) + OWNER_DELAY
    assert events(l1.bridge.events.OwnerProposed, receipt) == [{"account": l1.bob, "ready_at": ready_at}]
    assert functions.owner().call() == l1.owner
    with reverts("BRIDGE: not the proposed owner"):
        l1.send(functions.accept_owner(), l1.alice)
    l1.at(ready_at - 1)
    assert not l1.succeeds(functions.accept_owner(), l1.bob)
    l1.at(ready_at)
    assert l1.succeeds(functions.accept_owner(), l1.bob)
    (changed,) = l1.bridge.events.OwnerChanged().get_logs(from_block="latest")
    assert changed["args"] == {"account": l1.bob}
    assert (functions.owner().call(), functions.proposed_owner().call()) == (l1.bob, ZERO_ADDRESS)
    with reverts("BRIDGE: not the owner"):
        l1.send(functions.set_limits(1, 1), l1.owner)
    with reverts("BRIDGE: not the proposed owner"):
        l1.send(functions.accept_owner(), l1.bob)


def test_a_bridge_needs_its_contracts_and_sane_limits(l1: L1) -> None:
    with reverts("BRIDGE: zero address"):
        deploy_bridge(l1, messaging=ZERO_ADDRESS)
    with reverts("BRIDGE: zero address"):
        deploy_bridge(l1, token=ZERO_ADDRESS)
    with reverts("BRIDGE: limit too large"):
        deploy_bridge(l1, max_locked=2**96)
    for delay in (59, 30 * 86_400 + 1):
        with reverts("BRIDGE: bad delay"):
            deploy_bridge(l1, delay=delay)
    for delay in (60, 30 * 86_400):
        assert deploy_bridge(l1, delay=delay).functions.delay().call() == delay


# --- what is announced


def loosening(l1: L1) -> list[Any]:
    functions = l1.bridge.functions
    return [
        functions.set_limits(MAX_LOCKED + 1, MAX_DEPOSIT),
        functions.set_limits(MAX_LOCKED, MAX_DEPOSIT + 1),
        functions.set_quota(QUOTA[0] + 1, 2 * QUOTA[1]),
        functions.set_quota(QUOTA[0], QUOTA[1] - 1),
        functions.set_guardian(l1.bob),
        functions.resume(),
    ]


@pytest.mark.parametrize("which", range(6))
def test_what_loosens_waits_for_its_announcement(l1: L1, which: int) -> None:
    call = loosening(l1)[which]
    with reverts("BRIDGE: not announced"):
        l1.send(call, l1.owner)
    receipt = l1.send(l1.bridge.functions.announce(calldata(call)), l1.owner)
    ready_at = l1.time_of(receipt) + OWNER_DELAY
    said = {"id": keccak(calldata(call)), "call": calldata(call), "ready_at": ready_at}
    assert events(l1.bridge.events.CallAnnounced, receipt) == [said]
    l1.at(ready_at - 1)
    assert not l1.succeeds(call, l1.owner)
    l1.at(ready_at)
    assert l1.succeeds(call, l1.owner)
    # Used up, and of another call nothing was said. (A limit that is there already loosens nothing.)
    if which >= 4:
        with reverts("BRIDGE: not announced"):
            l1.send(call, l1.owner)
    with reverts("BRIDGE: not announced"):
        l1.send(l1.bridge.functions.set_limits(MAX_LOCKED + 2, MAX_DEPOSIT), l1.owner)


def test_an_announcement_is_taken_back(l1: L1) -> None:
    call = l1.bridge.functions.set_guardian(l1.bob)
    l1.send(l1.bridge.functions.announce(calldata(call)), l1.owner)
    receipt = l1.send(l1.bridge.functions.retract(keccak(calldata(call))), l1.owner)
    assert events(l1.bridge.events.CallRetracted, receipt) == [{"id": keccak(calldata(call))}]
    l1.later(OWNER_DELAY)
    with reverts("BRIDGE: not announced"):
        l1.send(call, l1.owner)
    with reverts("BRIDGE: not announced"):
        l1.send(l1.bridge.functions.retract(keccak(calldata(call))), l1.owner)


def test_what_tightens_is_done_at_once(l1: L1) -> None:
    functions = l1.bridge.functions
    l1.send(functions.set_limits(MAX_LOCKED - 1, MAX_DEPOSIT - 1), l1.owner)
    l1.send(functions.set_quota(QUOTA[0] - 1, QUOTA[1]), l1.owner)
    l1.send(functions.set_quota(QUOTA[0] - 1, QUOTA[1] + 1), l1.owner)
    assert functions.quota().call() == (QUOTA[0] - 1, QUOTA[1] + 1)
    with reverts("BRIDGE: quota below max_deposit"):
        l1.send(functions.set_quota(MAX_DEPOSIT - 2, QUOTA[1] + 1), l1.owner)


# --- stopping


def test_the_guardian_stops_at_once_and_cannot_resume(l1: L1) -> None:
    functions = l1.bridge.functions
    l1.deposit(10 * USDC)
    nonce = l1.deposit(10 * USDC)
    l1.release(l1.bob, USDC)
    receipt = l1.send(functions.stop(2), l1.guardian)
    assert events(l1.bridge.events.Stopped, receipt) == [{"account": l1.guardian, "what": 2}]
    with reverts("BRIDGE: withdrawals are stopped"):
        l1.withdraw(l1.bob, USDC)
    assert functions.claimable(l1.bob, USDC, 0, 1, SOURCE).call() is False
    l1.deposit(USDC)
    l1.send(functions.stop(1), l1.owner)
    with reverts("BRIDGE: deposits are stopped"):
        l1.deposit(USDC)
    assert functions.stopped().call() == 3
    # What never arrived comes back, and L2 is told of an epoch and of what L1 knows.
    arguments = (MARGIN, L2_RECIPIENT, 10 * USDC, nonce)
    l1.send(functions.cancel_deposit(*arguments), l1.alice)
    l1.later(DELAY)
    l1.send(functions.reclaim_deposit(*arguments), l1.alice)
    l1.send(functions.new_epoch(), l1.owner, FEE)
    l1.send(functions.attest_registered(l1.bob, USDC, 0, 1, SOURCE), l1.alice, FEE)
    receipt = l1.announced(functions.resume())
    assert events(l1.bridge.events.Resumed, receipt) == [{"account": l1.owner}]
    l1.withdraw(l1.bob, USDC)
    l1.deposit(USDC)


def test_who_stops_again_ends_the_announced_resumption(l1: L1) -> None:
    functions = l1.bridge.functions
    l1.send(functions.stop(3), l1.guardian)
    l1.send(functions.announce(calldata(functions.resume())), l1.owner)
    l1.later(OWNER_DELAY)
    l1.send(functions.stop(3), l1.guardian)
    with reverts("BRIDGE: not announced"):
        l1.send(functions.resume(), l1.owner)


def test_only_the_guardian_and_the_owner_stop(l1: L1) -> None:
    with reverts("BRIDGE: may not stop"):
        l1.send(l1.bridge.functions.stop(1), l1.alice)
    for nothing in (0, 4, 2**255):
        with reverts("BRIDGE: bad argument"):
            l1.send(l1.bridge.functions.stop(nothing), l1.guardian)
    receipt = l1.announced(l1.bridge.functions.set_guardian(l1.bob))
    assert events(l1.bridge.events.GuardianChanged, receipt) == [{"account": l1.bob}]
    with reverts("BRIDGE: may not stop"):
        l1.send(l1.bridge.functions.stop(1), l1.guardian)
    l1.send(l1.bridge.functions.stop(1), l1.bob)
