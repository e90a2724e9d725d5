"""Sending on a scripted node: nonces, answers that get lost, refusals, reverts, waiting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from truemark.account import Account, TransactionRefused, TransactionReverted, TransactionTimeout
from truemark.keys import StarkKey, account_address
from truemark.rpc import NodeUnavailable, RpcError
from truemark.signing import verify
from truemark.transactions import Call, invoke_v3

KEY = StarkKey.from_private(0x1234567)
CHAIN_ID = 0x54455354
CALL = Call(1, 2, (3,))


class Chain:
    """Takes invokes in nonce order; each is in a block at once, unless `in_block` says otherwise."""

    def __init__(self) -> None:
        self.nonce = 0
        self.taken: dict[int, dict[str, Any]] = {}
        self.posts = 0
        self.in_block = True
        self.revert: str | None = None
        #: Raised by the next posts, before or after they are taken.
        self.before: list[Exception] = []
        self.after: list[Exception] = []

    def answers(self) -> dict[str, Any]:
        return {
            "starknet_getNonce": lambda _: hex(self.nonce),
            "starknet_addInvokeTransaction": lambda params: self.post(params["invoke_transaction"]),
            "starknet_getTransactionReceipt": self.receipt,
            "starknet_getTransactionStatus": self.status,
            "starknet_getClassHashAt": lambda _: RpcError(20, "Contract not found"),
        }

    def post(self, transaction: dict[str, Any]) -> Any:
        self.posts += 1
        if self.before:
            raise self.before.pop(0)
        nonce = int(transaction["nonce"], 16)
        if nonce != self.nonce:
            return RpcError(52, "Invalid transaction nonce")
        self.nonce += 1
        tx_hash = invoke_v3([CALL], ADDRESS, nonce, CHAIN_ID, ACCOUNT_FEES)[0]
        self.taken[tx_hash] = transaction
        if self.after:
            raise self.after.pop(0)
        return {"transaction_hash": hex(tx_hash)}

    def status(self, params: Any) -> Any:
        known = int(params["transaction_hash"], 16) in self.taken
        return {"finality_status": "ACCEPTED_ON_L2"} if known else RpcError(29, "Transaction hash not found")

    def receipt(self, params: Any) -> Any:
        if int(params["transaction_hash"], 16) not in self.taken:
            return RpcError(29, "Transaction hash not found")
        reverted = {} if self.revert is None else {"execution_status": "REVERTED", "revert_reason": self.revert}
        return {
            "type": "INVOKE",
            "transaction_hash": params["transaction_hash"],
            "actual_fee": {"amount": "0x1", "unit": "FRI"},
            "messages_sent": [],
            "events": [],
            "execution_status": "SUCCEEDED",
            "finality_status": "ACCEPTED_ON_L2" if self.in_block else "PRE_CONFIRMED",
            "execution_resources": {"l1_gas": 0, "l1_data_gas": 0, "l2_gas": 1},
            **reverted,
        }


ADDRESS = 0xACC
ACCOUNT_FEES = Account(None, ADDRESS, KEY, CHAIN_ID).fees  # type: ignore[arg-type]


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def account(chain: Chain, scripted_node: Any) -> Account:
    return Account(scripted_node(chain.answers()), ADDRESS, KEY, CHAIN_ID, poll=0.001, timeout=0.1)


async def test_a_transaction_is_signed_and_its_receipt_waited_for(chain: Chain, account: Account) -> None:
    receipt = await account.execute(CALL)
    transaction = chain.taken[receipt.hash]
    r, s = (int(part, 16) for part in transaction["signature"])
    assert verify(KEY.public_key, receipt.hash, r, s)
    assert receipt.succeeded


async def test_many_at_once_get_a_nonce_each_and_the_chain_is_asked_once(chain: Chain, account: Account) -> None:
    receipts = await asyncio.gather(*(account.execute([CALL]) for _ in range(10)))
    assert len({receipt.hash for receipt in receipts}) == chain.posts == chain.nonce == 10
    asked = [method for method, _ in account.rpc.asked if method == "starknet_getNonce"]  # type: ignore[attr-defined]
    assert len(asked) == 1


async def test_a_nonce_that_another_process_used_or_a_rollback_took_back_is_asked_anew(
    chain: Chain, account: Account
) -> None:
    await account.execute(CALL)
    for nonce in (7, 2):
        chain.nonce = nonce
        await account.execute(CALL)
        assert chain.nonce == nonce + 1


async def test_a_nonce_that_is_never_right_is_a_refusal(chain: Chain, account: Account) -> None:
    chain.before = [RpcError(52, "Invalid transaction nonce")] * 9
    with pytest.raises(TransactionRefused) as error:
        await account.execute(CALL)
    assert error.value.code == 52
    assert chain.posts < 9


async def test_a_refusal_has_the_nodes_words_and_leaves_no_hole(chain: Chain, account: Account) -> None:
    chain.before = [RpcError(54, "Account balance is too small", "needs more")]
    with pytest.raises(TransactionRefused, match="balance is too small: needs more"):
        await account.execute(CALL)
    assert (await account.execute(CALL)).succeeded
    assert chain.nonce == 1


async def test_an_answer_that_gets_lost_is_settled_by_asking_for_the_hash(chain: Chain, account: Account) -> None:
    chain.after = [NodeUnavailable("broken off")]
    assert (await account.execute(CALL)).succeeded
    chain.after = [RpcError(59, "Duplicate transaction")]
    assert (await account.execute(CALL)).succeeded
    assert chain.posts == chain.nonce == 2


async def test_a_transaction_that_never_arrived_is_not_sent_again(chain: Chain, account: Account) -> None:
    chain.before = [NodeUnavailable("broken off")]
    with pytest.raises(NodeUnavailable, match="broken off"):
        await account.execute(CALL)
    assert (chain.posts, chain.nonce) == (1, 0)
    assert (await account.execute(CALL)).succeeded


async def test_a_revert_raises_with_the_contracts_words(chain: Chain, account: Account) -> None:
    chain.revert = "Execution failed. Failure reason:\n0x4e6f ('No').\n"
    with pytest.raises(TransactionReverted) as error:
        await account.execute(CALL)
    assert error.value.reason == "No"
    assert error.value.hash in chain.taken


async def test_what_is_in_no_block_in_time_is_said_so_and_can_count_as_done(
    chain: Chain, account: Account, scripted_node: Any
) -> None:
    chain.in_block = False
    with pytest.raises(TransactionTimeout) as error:
        await account.execute(CALL)
    assert error.value.hash in chain.taken
    final = frozenset({"PRE_CONFIRMED", "ACCEPTED_ON_L2"})
    early = Account(scripted_node(chain.answers()), ADDRESS, KEY, CHAIN_ID, final=final)
    assert (await early.execute(CALL)).finality == "PRE_CONFIRMED"


async def test_an_account_that_is_not_deployed_has_nonce_0_and_only_its_own_address(
    account: Account, chain: Chain
) -> None:
    assert not await account.is_deployed()
    account.rpc.answers["starknet_getNonce"] = lambda _: RpcError(20, "Contract not found")  # type: ignore[attr-defined]
    assert await account.nonce() == 0
    with pytest.raises(ValueError, match="is not the address of this key"):
        await account.deploy(0x5B4)
    assert account_address(KEY.public_key, 0x5B4) != ADDRESS
    assert repr(account) == "Account(0xacc)"
