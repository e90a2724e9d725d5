"""The L1 side against a scripted Ethereum node: nonces, the message's fee, reverts in the contracts' own words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientConnectionError
from eth_abi import encode as abi_encode
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from eth_utils import keccak, to_checksum_address
from hexbytes import HexBytes
from truemark.deployment import Deployment
from truemark.keys import BadEthKey
from truemark.l1 import (
    AlreadyClaimed,
    BadL1Address,
    L1Bridge,
    L1Deposit,
    L1Refused,
    L1Reverted,
    L1Unavailable,
    NoL1Signer,
    NotClaimable,
    OverQuota,
    checked_l1_address,
)
from truemark.models import Destination, Withdrawal
from truemark.units import BadAmount
from web3 import AsyncWeb3
from web3.providers.async_base import AsyncJSONBaseProvider

SIGNER = Account.from_key(b"\x01" * 32)
TOKEN, MESSAGING, BRIDGE = (to_checksum_address(f"0x{number:040x}") for number in (0x701, 0x702, 0x703))
WITHDRAWAL = Withdrawal(2, 5, Decimal("1.5"), SIGNER.address, 7)
RECIPIENT = 0xA11CE


def selector(signature: str) -> str:
    return keccak(text=signature)[:4].hex()


def topic(signature: str) -> str:
    return "0x" + keccak(text=signature).hex()


def word(value: int) -> str:
    return "0x" + value.to_bytes(32, "big").hex()


def revert(reason: str) -> dict[str, Any]:
    data = "0x08c379a0" + abi_encode(["string"], [reason]).hex()
    return {"error": {"code": 3, "message": f"execution reverted: {reason}", "data": data}}


class Ethereum(AsyncJSONBaseProvider):
    """A node that takes every transaction. `reads`: 4-byte selector -> word; `reverts`: selector -> reason."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[dict[str, Any]] = []
        self.reads: dict[str, Callable[[bytes], int]] = {}
        self.reverts: dict[str, str] = {}
        self.fails_in_block = False
        self.refuses: str | None = None
        self.gone = False
        self.methods: list[str] = []
        self.logs: list[dict[str, Any]] = []
        self.balances: dict[str, int] = {}

    async def make_request(self, method: Any, params: Any) -> Any:
        await asyncio.sleep(0)
        self.methods.append(method)
        if self.gone:
            raise ClientConnectionError("nobody there")
        answer = getattr(self, str(method))(*params)
        return {
            "jsonrpc": "2.0",
            "id": 1,
            **(answer if isinstance(answer, dict) and "error" in answer else {"result": answer}),
        }

    def eth_chainId(self) -> str:
        return hex(31337)

    def eth_getTransactionCount(self, address: str, block: str) -> str:
        assert block == "pending"
        return hex(len(self.sent))

    def eth_estimateGas(self, transaction: dict[str, Any], block: str = "latest") -> Any:
        reason = self.reverts.get(transaction["data"][2:10])
        return revert(reason) if reason else hex(100_000)

    def eth_maxPriorityFeePerGas(self) -> str:
        return hex(1)

    def eth_getBlockByNumber(self, block: str, whole: bool) -> dict[str, Any]:
        return {"number": "0x1", "baseFeePerGas": "0x7"}

    def eth_sendRawTransaction(self, raw: str) -> Any:
        if self.refuses:
            return {"error": {"code": -32003, "message": self.refuses}}
        self.sent.append(TypedTransaction.from_bytes(HexBytes(raw)).as_dict())
        return word(len(self.sent))

    def eth_getTransactionReceipt(self, tx_hash: str) -> dict[str, Any]:
        return {
            "transactionHash": tx_hash,
            "blockNumber": "0x9",
            "blockHash": word(9),
            "status": "0x0" if self.fails_in_block else "0x1",
            "logs": [{**log, "transactionHash": tx_hash} for log in self.logs],
            "gasUsed": "0x1",
        }

    def eth_call(self, call: dict[str, Any], block: str) -> Any:
        wanted = call["data"][2:10]
        if wanted in self.reverts:
            return revert(self.reverts[wanted])
        return word(self.reads[wanted](bytes.fromhex(call["data"][10:])))

    def eth_getLogs(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        return self.logs

    def eth_getBalance(self, address: str, block: str) -> str:
        return hex(self.balances.get(address, 0))

    def anvil_setBalance(self, address: str, wei: str) -> None:
        self.balances[address] = int(wei, 16)


def deposit_log(nonce: int, amount: int) -> dict[str, Any]:
    return {
        "address": BRIDGE,
        "topics": [
            topic("DepositSent(address,uint256,uint256,uint256,uint256,bytes32)"),
            word(int(SIGNER.address, 16)),
            word(RECIPIENT),
            word(nonce),
        ],
        "data": "0x" + abi_encode(["uint256", "uint256", "bytes32"], [1, amount, nonce.to_bytes(32, "big")]).hex(),
        "blockNumber": "0x9",
        "blockHash": word(9),
        "transactionHash": word(1),
        "transactionIndex": "0x0",
        "logIndex": "0x0",
        "removed": False,
    }


def deployment(*, faucet: bool = True) -> Deployment:
    return Deployment(
        name="test",
        profile="test",
        l2_rpc="",
        l1_rpc="http://l1",
        l2_chain_id=1,
        l1_chain_id=31337,
        contracts={},
        classes={},
        l1={"TestUSDC": TOKEN, "Messaging": MESSAGING, "CollateralBridge": BRIDGE},
        fee_token=1,
        account_class_hash=1,
        faucet=faucet,
        operators={},
        markets={},
        vault_lock_secs=0,
    )


@pytest.fixture
def ethereum() -> Ethereum:
    node = Ethereum()
    node.reads[selector("allowance(address,address)")] = lambda data: 0
    return node


@pytest.fixture
def bridge(ethereum: Ethereum) -> L1Bridge:
    return L1Bridge(deployment(), SIGNER, w3=AsyncWeb3(ethereum), poll=0.001)


async def test_a_deposit_is_approved_and_pays_for_its_message(bridge: L1Bridge, ethereum: Ethereum) -> None:
    ethereum.logs = [deposit_log(4, 2_500_000)]
    sent = await bridge.deposit("2.5", Destination.MARGIN, RECIPIENT)
    approve, deposit = ethereum.sent
    assert (HexBytes(approve["to"]), approve["value"]) == (HexBytes(TOKEN), 0)
    assert HexBytes(approve["data"]).hex()[:8] == selector("approve(address,uint256)")
    assert (HexBytes(deposit["to"]), deposit["value"] > 0) == (HexBytes(BRIDGE), True)
    assert bytes(deposit["data"])[4:] == abi_encode(["uint256"] * 3, [1, RECIPIENT, 2_500_000])
    assert (approve["nonce"], deposit["nonce"], deposit["chainId"]) == (0, 1, 31337)
    assert sent == L1Deposit(
        nonce=4,
        depositor=SIGNER.address,
        recipient=RECIPIENT,
        destination=Destination.MARGIN,
        amount=Decimal("2.5"),
        message_hash=word(4),
        tx_hash=word(2),
        block=9,
    )


async def test_an_allowance_that_is_enough_is_left_as_it_is(bridge: L1Bridge, ethereum: Ethereum) -> None:
    ethereum.reads[selector("allowance(address,address)")] = lambda data: 10**12
    ethereum.logs = [deposit_log(0, 1)]
    await bridge.deposit("0.000001", Destination.WALLET, RECIPIENT)
    assert len(ethereum.sent) == 1


async def test_sends_at_the_same_time_never_share_a_nonce(bridge: L1Bridge, ethereum: Ethereum) -> None:
    await asyncio.gather(*(bridge.mint_test_usdc(1) for _ in range(8)))
    assert [transaction["nonce"] for transaction in ethereum.sent] == list(range(8))


async def test_a_revert_keeps_the_contracts_words_and_sends_nothing(bridge: L1Bridge, ethereum: Ethereum) -> None:
    ethereum.reverts[selector("deposit(uint256,uint256,uint256)")] = "BRIDGE: above max_deposit"
    with pytest.raises(L1Reverted, match="depositing: BRIDGE: above max_deposit") as refused:
        await bridge.deposit(1, Destination.MARGIN, RECIPIENT)
    assert refused.value.reason == "BRIDGE: above max_deposit"
    assert isinstance(refused.value, RuntimeError)
    assert len(ethereum.sent) == 1


async def test_a_revert_in_the_block_is_asked_for_its_reason(bridge: L1Bridge, ethereum: Ethereum) -> None:
    ethereum.fails_in_block = True
    ethereum.reads[selector("mint(address,uint256)")] = lambda data: 0
    with pytest.raises(L1Reverted, match="not on the state before it"):
        await bridge.mint_test_usdc(1)


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("BRIDGE: already paid", AlreadyClaimed),
        ("MESSAGING: no such message from L2", NotClaimable),
        ("BRIDGE: over the quota", OverQuota),
        ("BRIDGE: more than is locked", L1Reverted),
    ],
)
async def test_a_claim_that_is_refused_says_which_of_the_ways_it_was(
    bridge: L1Bridge, ethereum: Ethereum, reason: str, error: type[L1Reverted]
) -> None:
    ethereum.reverts[selector("withdraw(address,uint256,uint256,uint256,uint256)")] = reason
    with pytest.raises(error) as refused:
        await bridge.claim(WITHDRAWAL)
    assert (type(refused.value), refused.value.reason) == (error, reason)
    assert ethereum.sent == []


async def test_a_claim_names_the_withdrawal(bridge: L1Bridge, ethereum: Ethereum) -> None:
    assert await bridge.claim(WITHDRAWAL) == word(1)
    (claim,) = ethereum.sent
    expected = abi_encode(["address", *["uint256"] * 4], [SIGNER.address, 1_500_000, 2, 5, 7])
    assert bytes(claim["data"])[4:] == expected


async def test_what_is_attested_is_a_payment_or_what_waits_for_one(bridge: L1Bridge, ethereum: Ethereum) -> None:
    for paid in (1, 0):
        ethereum.reads[selector("paid(uint256,uint256)")] = lambda data, paid=paid: paid
        await bridge.attest(WITHDRAWAL)
    payment, registered = ethereum.sent
    assert bytes(payment["data"]).hex()[:8] == selector("attest_payment(uint256,uint256)")
    assert bytes(payment["data"])[4:] == abi_encode(["uint256"] * 2, [2, 5])
    expected = selector("attest_registered(address,uint256,uint256,uint256,uint256)")
    assert bytes(registered["data"]).hex()[:8] == expected
    assert payment["value"] > 0
    assert registered["value"] > 0


async def test_reads_are_decimals(bridge: L1Bridge, ethereum: Ethereum) -> None:
    ethereum.reads |= {
        selector("balanceOf(address)"): lambda data: 7_000_001,
        selector("locked()"): lambda data: 8,
        selector("epoch()"): lambda data: 3,
        selector("paid(uint256,uint256)"): lambda data: 1,
        selector("claimable(address,uint256,uint256,uint256,uint256)"): lambda data: 0,
        selector("registered(address,uint256,uint256,uint256,uint256)"): lambda data: 1,
        selector("withdrawable()"): lambda data: 9,
    }
    assert await bridge.balance() == Decimal("7.000001")
    assert await bridge.locked() == Decimal("0.000008")
    assert await bridge.epoch() == 3
    assert await bridge.is_paid(WITHDRAWAL)
    assert not await bridge.is_claimable(WITHDRAWAL)
    assert await bridge.is_registered(WITHDRAWAL)
    assert await bridge.withdrawable() == Decimal("0.000009")


async def test_deposits_in_flight_are_those_whose_message_waits(bridge: L1Bridge, ethereum: Ethereum) -> None:
    ethereum.logs = [deposit_log(nonce, nonce + 1) for nonce in range(5)]
    ethereum.reads[selector("l1ToL2Messages(bytes32)")] = lambda data: int.from_bytes(data, "big") % 2
    waiting = await bridge.deposits_in_flight()
    assert [(deposit.nonce, deposit.amount) for deposit in waiting] == [
        (1, Decimal("0.000002")),
        (3, Decimal("0.000004")),
    ]
    ethereum.reads[selector("depositor_of(uint256)")] = lambda data: 0 if int.from_bytes(data, "big") == 1 else 9
    assert [await bridge.is_reclaimed(deposit) for deposit in waiting] == [True, False]


async def test_withdrawals_that_wait_are_those_not_paid(bridge: L1Bridge, ethereum: Ethereum) -> None:
    ethereum.reads[selector("paid(uint256,uint256)")] = lambda data: int(data[-1] == 1)
    registered = [Withdrawal(0, counter, Decimal(counter), SIGNER.address, 7) for counter in (1, 2, 3)]
    assert [withdrawal.counter for withdrawal in await bridge.unclaimed(registered)] == [2, 3]


async def test_a_deposit_can_be_taken_back(bridge: L1Bridge, ethereum: Ethereum) -> None:
    deposit = L1Deposit(6, SIGNER.address, RECIPIENT, Destination.VAULT, Decimal(1), word(6), word(1), 9)
    await bridge.cancel_deposit(deposit)
    await bridge.reclaim_deposit(deposit)
    expected = abi_encode(["uint256"] * 4, [2, RECIPIENT, 1_000_000, 6])
    assert [bytes(transaction["data"])[4:] for transaction in ethereum.sent] == [expected, expected]


async def test_a_node_that_refuses_or_is_gone_is_told_apart(bridge: L1Bridge, ethereum: Ethereum) -> None:
    ethereum.refuses = "insufficient funds for gas * price + value"
    with pytest.raises(L1Refused, match="insufficient funds"):
        await bridge.mint_test_usdc(1)
    ethereum.gone = True
    with pytest.raises(L1Unavailable, match="http://l1"):
        await bridge.locked()


async def test_no_error_shows_the_providers_key(ethereum: Ethereum, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://mainnet.provider.example/v3/Zx9Kq27LmPwT4b"
    where = replace(deployment(), l1_rpc=url)
    ethereum.refuses = f"no project {url}"
    with pytest.raises(L1Refused, match=r"no project .*/v3/\*\*\*$"):
        await L1Bridge(where, SIGNER, w3=AsyncWeb3(ethereum)).mint_test_usdc(1)

    async def quotes(method: Any, params: Any) -> Any:
        raise ClientConnectionError(f"401, url='{url}'")

    gone = Ethereum()
    monkeypatch.setattr(gone, "make_request", quotes)
    with pytest.raises(L1Unavailable, match=r"provider\.example/v3/\.\.\. \(401, url=.*/v3/\*\*\*'\)$"):
        await L1Bridge(where, SIGNER, w3=AsyncWeb3(gone)).locked()


async def test_ether_comes_from_the_faucet_of_a_local_node_only(bridge: L1Bridge, ethereum: Ethereum) -> None:
    await bridge.fund_ether("1.5")
    assert await bridge.ether() == Decimal("1.5")
    await bridge.fund_ether(1)
    assert await bridge.ether() == Decimal("1.5")
    elsewhere = L1Bridge(deployment(faucet=False), SIGNER, w3=AsyncWeb3(ethereum))
    with pytest.raises(L1Refused, match="no faucet"):
        await elsewhere.fund_ether()


async def test_without_a_key_it_reads_and_cannot_send(ethereum: Ethereum) -> None:
    bridge = L1Bridge(deployment(), w3=AsyncWeb3(ethereum))
    ethereum.reads[selector("locked()")] = lambda data: 0
    assert await bridge.locked() == 0
    assert not bridge.can_sign
    with pytest.raises(NoL1Signer):
        await bridge.mint_test_usdc(1)


@pytest.mark.parametrize("amount", [0, "-1", "0.0000001", 1.5, 2**96])
async def test_an_amount_that_is_none_is_refused_before_anything_is_asked(
    bridge: L1Bridge, ethereum: Ethereum, amount: Any
) -> None:
    with pytest.raises(BadAmount):
        await bridge.deposit(amount, Destination.MARGIN, RECIPIENT)
    assert ethereum.methods == []


def test_a_key_that_is_none_is_refused_and_not_shown() -> None:
    with pytest.raises(BadEthKey) as refused:
        L1Bridge(deployment(), "0x5ec2e7")
    assert "5ec2e7" not in str(refused.value)
    with pytest.raises(ValueError, match="message_fee"):
        L1Bridge(deployment(), message_fee=0)


@pytest.mark.parametrize("text", ["", "0x12", SIGNER.address[2:], SIGNER.address[:-1] + "g", SIGNER.address.swapcase()])
def test_an_address_that_is_mistyped_is_refused(text: str) -> None:
    with pytest.raises(BadL1Address):
        checked_l1_address(text)


def test_an_address_in_one_case_gets_its_checksum() -> None:
    assert checked_l1_address(SIGNER.address.lower()) == SIGNER.address
    assert checked_l1_address(SIGNER.address) == SIGNER.address
