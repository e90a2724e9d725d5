"""Money of a trader: what each transaction calls, and how deposits and withdrawals go on between the chains."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from truemark.felt import short_string
from truemark.l1 import L1Deposit
from truemark.models import DepositState, Destination, Withdrawal
from truemark.refunds import RefundClaim
from truemark.trader import (
    AlreadyRefunded,
    DepositReclaimed,
    NoL1,
    NotFunded,
    NothingClaimable,
    StillUnderWay,
    registered_withdrawals,
)
from truemark.units import BadAmount

NOW = 1_768_773_600
CLEARINGHOUSE, VAULT, BRIDGE, TOKEN, REFUNDS = 0xC1EA, 0x7A17, 0xB41D6E, 0x70CE, 0x4EF0D
L1_ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
U256 = (0,)


async def test_onboarding_does_what_is_missing_and_says_so(stage: Any) -> None:
    stage.account.deployed = False
    first = await stage.trader.onboard(key_lifetime=1_000)
    assert (first.funded, first.deployed, first.registered, first.changed) == (True, True, True, True)
    assert first.key_expiry == NOW + 1_000
    assert stage.account.deployments == [0xACC]
    assert ("devnet_mint", {"address": hex(stage.trader.address), "amount": 10**21, "unit": "FRI"}) in stage.node.asked
    ((address, function, arguments),) = stage.calls()
    assert (address, function) == (CLEARINGHOUSE, "register_trading_key")
    assert dict(arguments) == {"key": stage.trader.public_key, "expiry": NOW + 1_000}


async def test_onboarding_again_changes_nothing(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.answers("Clearinghouse", trading_key_expiry=lambda account, key: NOW + 90 * 86_400)

    async def rich(method: str, params: Any = None) -> Any:
        return [hex(10**20), "0x0"] if method == "starknet_call" else {"timestamp": NOW}

    monkeypatch.setattr(stage.node, "call", rich)
    again = await stage.trader.onboard()
    assert not again.changed
    assert again.key_expiry == NOW + 90 * 86_400
    assert (stage.account.sent, stage.account.deployments) == ([], [])


async def test_a_key_that_ends_soon_is_registered_anew(stage: Any) -> None:
    stage.answers("Clearinghouse", trading_key_expiry=lambda account, key: NOW + 3_600)
    assert (await stage.trader.onboard()).registered


async def test_without_a_faucet_an_account_without_fees_is_told_where_to_send_them(
    make_stage: Any, deployment: Any
) -> None:
    stage = make_stage(deployment=replace(deployment, faucet=False))
    stage.account.deployed = False
    with pytest.raises(NotFunded, match=hex(stage.trader.address)):
        await stage.trader.onboard()
    assert stage.account.deployments == []


async def test_a_deposit_from_l1_is_under_way_until_l2_has_it(stage: Any) -> None:
    handle = await stage.trader.deposit("12.5", "vault")
    (sent,) = stage.l1.deposits
    assert (sent.destination, sent.recipient, handle.nonce, handle.tx_hash) == (
        Destination.VAULT,
        stage.trader.address,
        0,
        "0x2",
    )
    assert await handle.outcome() is None
    with pytest.raises(StillUnderWay, match=r"deposit 0 is not on L2 after 0.01 s"):
        await handle.credited(0.01)
    stage.answers("Bridge", delivered=lambda nonce: nonce == 0)
    keys = [stage.trader.address, int(L1_ADDRESS, 16)]
    other = stage.logs("Bridge", "DepositDelivered", keys, [5, 2, 1])
    mine = stage.logs("Bridge", "DepositDelivered", keys, [0, 2, 12_500_000], tx=0xF00)
    stage.node.pages = [{"events": [other], "continuation_token": "next"}, {"events": [mine]}]
    outcome = await handle.credited(5)
    assert (outcome.state, outcome.amount, outcome.tx_hash) == (DepositState.DELIVERED, Decimal("12.5"), 0xF00)
    assert outcome.reason is None


async def test_a_parked_deposit_says_why_and_can_be_claimed(stage: Any) -> None:
    handle = await stage.trader.deposit(10)
    stage.answers("Bridge", delivered=lambda nonce: True)
    keys = [stage.trader.address, int(L1_ADDRESS, 16)]
    data = [3, 0, 1, 10_000_000, short_string("VAULT: closed")]
    stage.node.pages = [{"events": [stage.logs("Bridge", "DepositParked", keys, data)]}]
    outcome = await handle.credited(5)
    assert (outcome.state, outcome.parked_id, outcome.reason) == (DepositState.PARKED, 3, "VAULT: closed")
    stage.emits("Bridge", "ParkedClaimed", [stage.trader.address], [3, 10_000_000])
    assert (await stage.trader.claim_parked(3)).amount == 10
    assert stage.calls() == [(BRIDGE, "claim_parked", {"id": 3})]


async def test_a_deposit_that_was_taken_back_is_not_waited_for(stage: Any) -> None:
    handle = await stage.trader.deposit(10)
    stage.l1.reclaimed.add(handle.nonce)
    with pytest.raises(DepositReclaimed):
        await handle.credited(5)


async def test_a_deposit_goes_on_from_what_l1_logged(stage: Any) -> None:
    logged = L1Deposit(4, L1_ADDRESS, stage.trader.address, Destination.MARGIN, Decimal(1), "0x1", "0x2", 3)
    assert stage.trader.resume_deposit(logged).nonce == 4


async def test_money_from_the_wallet_is_approved_and_deposited_in_one_transaction(stage: Any) -> None:
    moved = await stage.trader.deposit_from_wallet("1.5")
    assert (moved.amount, moved.tx_hash) == (Decimal("1.5"), 7)
    assert stage.calls() == [
        (TOKEN, "approve", {"spender": CLEARINGHOUSE, "amount": 1_500_000}),
        (CLEARINGHOUSE, "deposit", {"amount": 1_500_000}),
    ]


@pytest.mark.parametrize("amount", ["0", "-1", "0.0000001", 1.0, 2**80])
async def test_an_amount_that_is_none_moves_nothing(stage: Any, amount: Any) -> None:
    for move in (
        stage.trader.deposit_from_wallet,
        stage.trader.vault_deposit,
        stage.trader.withdraw,
        stage.trader.withdraw_to_wallet,
    ):
        with pytest.raises(BadAmount):
            await move(amount)
    assert stage.account.sent == []


async def test_the_vault_is_paid_from_the_wallet_or_from_the_margin_account(stage: Any) -> None:
    me = stage.trader.address
    stage.emits("Vault", "Deposit", [me, me], [2_000_000, 0, 2 * 10**12, 0])
    bought = await stage.trader.vault_deposit(2)
    assert (bought.assets, bought.shares) == (2, 2)
    approve, deposit = stage.calls()
    assert approve == (TOKEN, "approve", {"spender": VAULT, "amount": 2_000_000})
    assert deposit == (VAULT, "deposit", {"assets": 2_000_000, "receiver": me})
    await stage.trader.vault_deposit(2, "margin")
    assert [(address, function) for address, function, _ in stage.calls()] == [
        (CLEARINGHOUSE, "withdraw"),
        (TOKEN, "approve"),
        (VAULT, "deposit"),
    ]
    assert dict(stage.calls()[0][2]) == {"epoch": 4, "amount": 2_000_000}


async def test_a_redemption_is_requested_and_claimed_once_its_lock_is_over(stage: Any) -> None:
    me = stage.trader.address
    stage.emits("Vault", "RedeemRequest", [me, me, 6, 0], [me, 10**12, 0, NOW + 60])
    asked = await stage.trader.request_redeem(1)
    assert (asked.request_id, asked.shares, asked.claimable_at) == (6, 1, NOW + 60)
    assert stage.calls() == [(VAULT, "request_redeem", {"shares": 10**12, "controller": me, "owner": me})]
    stage.answers(
        "Vault",
        max_redeem=lambda controller: 0,
        max_deposit=lambda receiver: 1,
        claimable_redeem_request=lambda request_id, controller: 0,
        redemption=lambda request_id: {"controller": me, "owner": me, "shares": 10**12, "claimable_at": NOW + 60},
    )
    with pytest.raises(NothingClaimable, match=f"locked until {NOW + 60}"):
        await stage.trader.claim_redemption(6)
    with pytest.raises(NothingClaimable, match="no redemption of this account is claimable now"):
        await stage.trader.claim_redemption()
    stage.answers(
        "Vault", claimable_redeem_request=lambda request_id, controller: 10**12, max_deposit=lambda receiver: 0
    )
    with pytest.raises(NothingClaimable, match="the vault is closed"):
        await stage.trader.claim_redemption(6)
    stage.answers("Vault", max_redeem=lambda controller: 10**11)
    with pytest.raises(NothingClaimable, match=r"can pay 0.1\d* shares now, 1.0\d* were asked"):
        await stage.trader.claim_redemption(6)
    stage.answers("Vault", max_redeem=lambda controller: 3 * 10**12)
    stage.emits("Vault", "Withdraw", [me, me, me], [1_100_000, 0, 10**12, 0])
    claimed = await stage.trader.claim_redemption(6)
    assert (claimed.shares, claimed.assets) == (1, Decimal("1.1"))
    assert dict(stage.calls()[0][2]) == {"shares": 10**12, "receiver": me, "controller": me}
    await stage.trader.claim_redemption()
    assert stage.calls()[0][2]["shares"] == 3 * 10**12


async def test_a_strangers_redemption_is_not_claimable(stage: Any) -> None:
    stage.answers(
        "Vault",
        max_redeem=lambda controller: 5,
        claimable_redeem_request=lambda request_id, controller: 0,
        redemption=lambda request_id: {"controller": 1, "owner": 1, "shares": 5, "claimable_at": 0},
    )
    with pytest.raises(NothingClaimable, match="no open redemption 9"):
        await stage.trader.claim_redemption(9)


async def test_a_withdrawal_goes_from_margin_to_l1_in_one_transaction(stage: Any) -> None:
    stage.emits(
        "Bridge",
        "WithdrawalRegistered",
        [stage.trader.address, int(L1_ADDRESS, 16)],
        [7_000_001, 4, 12, stage.trader.address],
    )
    handle = await stage.trader.withdraw("7.000001")
    assert handle.withdrawal == Withdrawal(4, 12, Decimal("7.000001"), L1_ADDRESS, stage.trader.address)
    assert (handle.epoch, handle.counter, handle.tx_hash) == (4, 12, 7)
    assert stage.calls() == [
        (CLEARINGHOUSE, "withdraw", {"epoch": 4, "amount": 7_000_001}),
        (BRIDGE, "withdraw", {"epoch": 4, "l1_recipient": int(L1_ADDRESS, 16), "amount": 7_000_001}),
    ]
    assert not await handle.claimable()
    with pytest.raises(StillUnderWay, match="withdrawal 12 of epoch 4"):
        await handle.wait_claimable(0.01)
    # From its numbers alone, in another process.
    resumed = stage.trader.resume_withdrawal(Withdrawal(4, 12, Decimal("7.000001"), L1_ADDRESS, stage.trader.address))
    stage.l1.on_l1.add(handle.withdrawal)
    await resumed.wait_claimable(1)
    assert await resumed.claimable()


async def test_a_withdrawal_from_the_wallet_leaves_the_margin_account_alone(stage: Any) -> None:
    other = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    stage.emits(
        "Bridge", "WithdrawalRegistered", [stage.trader.address, int(other, 16)], [1, 4, 1, stage.trader.address]
    )
    await stage.trader.withdraw("0.000001", other, "wallet")
    assert [function for _, function, _ in stage.calls()] == ["withdraw"]
    assert stage.calls()[0][2]["l1_recipient"] == int(other, 16)


@pytest.mark.parametrize(
    "recipient", ["0x123", "f39Fd6e51aad88F6F4ce6aB8827279cffFb9226", L1_ADDRESS.replace("F", "f")]
)
async def test_a_recipient_that_is_no_l1_address_gets_nothing(stage: Any, recipient: str) -> None:
    with pytest.raises(ValueError, match="is no L1 address"):
        await stage.trader.withdraw(1, recipient)
    assert stage.account.sent == []


async def test_all_withdrawals_of_an_account_are_found_again(stage: Any) -> None:
    keys = [stage.trader.address, int(L1_ADDRESS, 16)]
    log = stage.logs("Bridge", "WithdrawalRegistered", keys, [5, 4, 1, stage.trader.address], tx=0xAB)
    stage.node.pages = [{"events": [log]}, {"events": [log]}]
    (handle,) = await stage.trader.withdrawals()
    assert (handle.withdrawal.amount, handle.tx_hash) == (Decimal("0.000005"), 0xAB)
    assert stage.node.asked[-1][1]["filter"]["keys"][1] == [hex(stage.trader.address)]
    assert len(await registered_withdrawals(stage.venue)) == 1
    assert stage.node.asked[-1][1]["filter"]["keys"][1] == []


async def test_what_was_held_while_halted_is_credited_later(stage: Any) -> None:
    stage.emits("Clearinghouse", "DepositCredited", [stage.trader.address], [3_000_000])
    assert (await stage.trader.credit_pending()).amount == 3


async def test_without_an_l1_signer_l1_is_out_of_reach(make_stage: Any) -> None:
    stage = make_stage(l1=None)
    with pytest.raises(NoL1, match="l1="):
        await stage.trader.deposit(1)
    with pytest.raises(NoL1):
        await stage.trader.withdraw(1)
    assert stage.account.sent == []


async def test_a_refund_is_claimed_into_the_margin_account_or_to_a_wallet(stage: Any) -> None:
    me = stage.trader.address
    claim = RefundClaim(incident=0x1C1, index=2, account=me, amount=1_500_000, proof=(7, 8))
    stage.emits("RefundDistributor", "Refunded", [0x1C1, me], [2, 1_500_000, 0, me])
    assert (await stage.trader.claim_refund(claim)).amount == Decimal("1.5")
    expected = {"incident": 0x1C1, "index": 2, "account": me, "amount": 1_500_000, "proof": [7, 8]}
    assert stage.calls() == [(REFUNDS, "claim", expected)]
    await stage.trader.claim_refund(claim, 0xABC)
    del expected["account"]
    assert stage.calls() == [(REFUNDS, "claim_to", {**expected, "recipient": 0xABC})]
    stage.account.emits = []
    with pytest.raises(AlreadyRefunded, match="refund 2 of incident 0x1c1"):
        await stage.trader.claim_refund(claim)
