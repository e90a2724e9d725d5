"""The test collateral."""

from __future__ import annotations

import pytest

from tests.l1.side import L1, USDC, ZERO_ADDRESS, events, reverts

pytestmark = pytest.mark.node


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
