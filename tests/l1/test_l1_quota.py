"""The quota of withdrawals on L1: its rule, one unit each side of it, and that what is over it is paid later."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web3.contract import Contract

from tests.buckets import BucketCase, bucket_cases
from tests.l1.side import (
    DELAY,
    L1,
    L2_RECIPIENT,
    MARGIN,
    MAX_DEPOSIT,
    MAX_LOCKED,
    OWNER_DELAY,
    QUOTA,
    SOURCE,
    USDC,
    calldata,
    deploy,
    deploy_bridge,
    events,
    reverts,
)

pytestmark = pytest.mark.node


def tighten(l1: L1, limit: int, window: int) -> None:
    """A lower quota; in a window of ages nothing of it runs out while a test lasts."""
    l1.send(l1.bridge.functions.set_limits(MAX_LOCKED, limit), l1.owner)
    l1.send(l1.bridge.functions.set_quota(limit, window), l1.owner)


def test_one_unit_over_the_quota_is_paid_a_second_later(l1: L1) -> None:
    l1.deposit(100 * USDC)
    # 10 units run out each second.
    tighten(l1, 10 * USDC, 1_000_000)
    for counter, amount in ((1, 10 * USDC), (2, 11), (3, 10)):
        l1.release(l1.bob, amount, counter=counter)
    functions = l1.bridge.functions
    start = l1.time_of(l1.withdraw(l1.bob, 10 * USDC, counter=1))
    assert functions.outflow().call() == (10 * USDC, start)
    l1.at(start + 1)
    assert not l1.succeeds(functions.withdraw(l1.bob, 11, 0, 2, SOURCE), l1.bob)
    assert (functions.paid(0, 2).call(), functions.registered(l1.bob, 11, 0, 2, SOURCE).call()) == (False, True)
    l1.at(start + 2)
    assert l1.succeeds(functions.withdraw(l1.bob, 11, 0, 2, SOURCE), l1.bob)
    assert functions.outflow().call() == (10 * USDC - 9, start + 2)
    l1.at(start + 2)
    assert not l1.succeeds(functions.withdraw(l1.bob, 10, 0, 3, SOURCE), l1.bob)
    l1.at(start + 3)
    assert l1.succeeds(functions.withdraw(l1.bob, 10, 0, 3, SOURCE), l1.bob)
    assert (l1.balance(l1.bob), l1.locked()) == (10 * USDC + 21, 90 * USDC - 21)


def test_what_is_over_the_quota_is_not_claimable_now_and_not_lost(l1: L1) -> None:
    l1.deposit(100 * USDC)
    tighten(l1, 10 * USDC, 2**63)
    functions = l1.bridge.functions
    l1.release(l1.bob, 6 * USDC, counter=1)
    l1.release(l1.bob, 5 * USDC, counter=2)
    assert functions.withdrawable().call() == 10 * USDC
    assert functions.claimable(l1.bob, 5 * USDC, 0, 2, SOURCE).call() is True
    l1.withdraw(l1.bob, 6 * USDC, counter=1)
    assert functions.withdrawable().call() == 4 * USDC
    assert functions.claimable(l1.bob, 5 * USDC, 0, 2, SOURCE).call() is False
    assert functions.registered(l1.bob, 5 * USDC, 0, 2, SOURCE).call() is True
    with reverts("BRIDGE: over the quota"):
        l1.withdraw(l1.bob, 5 * USDC, counter=2)
    assert (l1.locked(), functions.paid(0, 2).call()) == (94 * USDC, False)
    # A larger quota, announced, and it is paid.
    l1.announced(functions.set_quota(11 * USDC, 2**63))
    l1.withdraw(l1.bob, 5 * USDC, counter=2)
    assert functions.withdrawable().call() == 0
    assert functions.registered(l1.bob, 5 * USDC, 0, 2, SOURCE).call() is False


def test_a_reclaimed_deposit_is_outside_the_quota(l1: L1) -> None:
    tighten(l1, 10 * USDC, 2**63)
    nonce = l1.deposit(10 * USDC)
    l1.deposit(10 * USDC)
    l1.release(l1.bob, 10 * USDC)
    l1.withdraw(l1.bob, 10 * USDC)
    arguments = (MARGIN, L2_RECIPIENT, 10 * USDC, nonce)
    l1.send(l1.bridge.functions.cancel_deposit(*arguments), l1.alice)
    l1.later(DELAY)
    l1.send(l1.bridge.functions.reclaim_deposit(*arguments), l1.alice)
    assert l1.locked() == 0


@pytest.mark.parametrize(
    ("limit", "window", "reason"),
    [
        (2**96, 86_400, "BRIDGE: limit too large"),
        (QUOTA[0], 0, "BRIDGE: bad window"),
        (QUOTA[0], 2**64, "BRIDGE: bad window"),
        (MAX_DEPOSIT - 1, 86_400, "BRIDGE: quota below max_deposit"),
    ],
)
def test_a_quota_that_is_none_is_refused(l1: L1, limit: int, window: int, reason: str) -> None:
    with reverts(reason):
        deploy_bridge(l1, max_deposit=MAX_DEPOSIT, quota=(limit, window))
    call = l1.bridge.functions.set_quota(limit, window)
    l1.send(l1.bridge.functions.announce(calldata(call)), l1.owner)
    l1.later(OWNER_DELAY)
    with reverts(reason):
        l1.send(call, l1.owner)


def test_a_new_quota_begins_with_what_ran_out_under_the_old(l1: L1) -> None:
    l1.deposit(100 * USDC)
    tighten(l1, 100 * USDC, 1_000)
    l1.release(l1.bob, 100 * USDC)
    start = l1.time_of(l1.withdraw(l1.bob, 100 * USDC))
    l1.send(l1.bridge.functions.set_limits(MAX_LOCKED, 60 * USDC), l1.owner)
    l1.at(start + 600)
    receipt = l1.send(l1.bridge.functions.set_quota(60 * USDC, 1_000), l1.owner)
    assert events(l1.bridge.events.QuotaChanged, receipt) == [{"limit": 60 * USDC, "window": 1_000}]
    assert l1.bridge.functions.outflow().call() == (40 * USDC, start + 600)


# --- the rule

BUCKET = """
# pragma version 0.4.3
import bucket

struct Case:
    level: uint256
    at: uint256
    limit: uint256
    window: uint256
    now: uint256
    amount: uint256

@external
@pure
def poured(cases: DynArray[Case, 256]) -> DynArray[uint256[6], 256]:
    answers: DynArray[uint256[6], 256] = []
    for case: Case in cases:
        before: bucket.Bucket = bucket.Bucket(level=case.level, at=case.at)
        terms: bucket.Limit = bucket.Limit(limit=case.limit, window=case.window)
        leaked: bucket.Bucket = bucket._leaked(before, terms, case.now)
        fits: bool = False
        after: bucket.Bucket = empty(bucket.Bucket)
        fits, after = bucket._pour(before, terms, case.now, case.amount)
        room: uint256 = bucket._room(before, terms, case.now)
        answers.append([leaked.level, leaked.at, room, convert(fits, uint256), after.level, after.at])
    return answers
"""


@pytest.fixture(scope="module")
def vyper_bucket(deployed_l1: L1) -> Contract:
    return deploy(deployed_l1.w3, BUCKET)


@given(st.lists(bucket_cases(), min_size=1, max_size=60))
@settings(max_examples=20)
def test_the_vyper_rule_is_the_python_rule(vyper_bucket: Contract, cases: list[BucketCase]) -> None:
    told = vyper_bucket.functions.poured([case.felts for case in cases]).call()
    for case, answer in zip(cases, told, strict=True):
        after = case.bucket.poured(case.terms, case.now, case.amount)
        leaked = case.bucket.leaked(case.terms, case.now)
        expected = after or leaked
        assert list(answer) == [
            leaked.level,
            leaked.at,
            case.bucket.room(case.terms, case.now),
            int(after is not None),
            expected.level,
            expected.at,
        ]
