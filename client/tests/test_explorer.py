"""The explorer on a scripted chain: what is decoded, what is not and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from truemark.abi import Abi
from truemark.contract import BadBlock, ContractError
from truemark.deployment import ContractInfo, Deployment
from truemark.explorer import AsyncExplorer, NotFound
from truemark.explorer.reading import parse_execute
from truemark.felt import selector, short_string
from truemark.rpc import BadAnswer, RpcError
from truemark.transactions import Call, execute_calldata

FELT, ADDRESS = "core::felt252", "core::starknet::contract_address::ContractAddress"
ACCOUNT, OLD_ACCOUNT, TOKEN, BARE, GONE, OPERATOR = 0xA, 0xB, 0x70, 0x71, 0x72, 0x73
ACCOUNT_CLASS, TOKEN_CLASS, OLD_CLASS, BARE_CLASS = 0xACC, 0xC1, 0xC0, 0xC2
TOKEN_ABI = [
    {
        "type": "function",
        "name": "transfer",
        "inputs": [{"name": "recipient", "type": ADDRESS}, {"name": "amount", "type": "core::integer::u256"}],
        "outputs": [{"type": "core::bool"}],
        "state_mutability": "external",
    },
    {
        "type": "function",
        "name": "balance_of",
        "inputs": [{"name": "account", "type": ADDRESS}],
        "outputs": [{"type": "core::integer::u256"}],
        "state_mutability": "view",
    },
    {
        "type": "l1_handler",
        "name": "credit",
        "inputs": [{"name": "from_address", "type": FELT}, {"name": "amount", "type": "core::integer::u128"}],
        "outputs": [],
        "state_mutability": "external",
    },
    {
        "type": "event",
        "kind": "struct",
        "name": "t::Transfer",
        "members": [
            {"name": "from", "type": ADDRESS, "kind": "key"},
            {"name": "to", "type": ADDRESS, "kind": "key"},
            {"name": "value", "type": "core::integer::u256", "kind": "data"},
        ],
    },
    {
        "type": "event",
        "kind": "enum",
        "name": "t::Event",
        "variants": [{"name": "Transfer", "type": "t::Transfer", "kind": "nested"}],
    },
]
VENUE = Deployment(
    name="local",
    profile="test",
    l2_rpc="http://127.0.0.1:1",
    l1_rpc="http://127.0.0.1:1",
    l2_chain_id=1,
    l1_chain_id=1,
    contracts={"CollateralToken": ContractInfo(TOKEN, 0xDEAD)},
    classes={},
    l1={},
    fee_token=0x4718,
    account_class_hash=ACCOUNT_CLASS,
    faucet=False,
    operators={"operator": OPERATOR},
    markets={},
    vault_lock_secs=0,
)


def receipt(number: int, kind: str = "INVOKE", **changes: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "transaction_hash": hex(number),
        "actual_fee": {"amount": "0x64", "unit": "FRI"},
        "messages_sent": [],
        "events": [],
        "execution_status": "SUCCEEDED",
        "finality_status": "ACCEPTED_ON_L2",
        "block_hash": "0xb10c",
        "block_number": 5,
        "execution_resources": {"l1_gas": 0, "l1_data_gas": 0, "l2_gas": 1},
        **changes,
    }


def invoke(sender: int, *calls: Call, calldata: list[int] | None = None) -> dict[str, Any]:
    return {
        "type": "INVOKE",
        "version": "0x3",
        "sender_address": hex(sender),
        "calldata": [hex(felt) for felt in (execute_calldata(calls) if calldata is None else calldata)],
        "nonce": "0x4",
        "signature": ["0x1", "0x2"],
        "tip": "0x0",
    }


def transfer(to: int = TOKEN, amount: int = 7) -> Call:
    return Call(to, selector("transfer"), (OPERATOR, amount, 0))


TRANSFERRED = {"keys": [hex(selector("Transfer")), hex(ACCOUNT), hex(OPERATOR)], "data": ["0x7", "0x0"]}
TRANSACTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        invoke(ACCOUNT, transfer(), Call(TOKEN, 0x123, (1,)), transfer(GONE), transfer(BARE)),
        receipt(
            1,
            events=[
                {"from_address": hex(TOKEN), **TRANSFERRED},
                {"from_address": hex(TOKEN), "keys": ["0x99"], "data": []},
                {"from_address": hex(BARE), **TRANSFERRED},
            ],
        ),
    ),
    (invoke(OLD_ACCOUNT, transfer()), receipt(2)),
    (invoke(ACCOUNT, calldata=[2, TOKEN, 1, 0]), receipt(3)),
    (
        {
            "type": "L1_HANDLER",
            "version": "0x0",
            "nonce": "0x0",
            "contract_address": hex(TOKEN),
            "entry_point_selector": hex(selector("credit")),
            "calldata": ["0xe7", "0x64"],
        },
        receipt(4, "L1_HANDLER", message_hash="0xff"),
    ),
    (
        {
            "type": "DEPLOY_ACCOUNT",
            "version": "0x3",
            "class_hash": hex(ACCOUNT_CLASS),
            "constructor_calldata": ["0x51"],
            "contract_address_salt": "0x51",
            "nonce": "0x0",
            "signature": [],
        },
        receipt(5, "DEPLOY_ACCOUNT", contract_address=hex(ACCOUNT)),
    ),
    (
        {
            "type": "DECLARE",
            "version": "0x3",
            "sender_address": hex(ACCOUNT),
            "class_hash": hex(TOKEN_CLASS),
            "nonce": "0x1",
        },
        receipt(6, "DECLARE", execution_status="REVERTED", revert_reason="Failure reason:\n0x4e6f ('No').\n"),
    ),
]
BLOCK: dict[str, Any] = {
    "block_hash": "0xb10c",
    "parent_hash": "0xb10b",
    "block_number": 5,
    "timestamp": 1_768_795_200,
    "status": "ACCEPTED_ON_L2",
    "new_root": "0x0",
    "sequencer_address": "0x1000",
    "starknet_version": "0.14.4",
    "l1_gas_price": {"price_in_fri": "0x1", "price_in_wei": "0x2"},
    "l1_data_gas_price": {"price_in_fri": "0x3", "price_in_wei": "0x4"},
    "l2_gas_price": {"price_in_fri": "0x5", "price_in_wei": "0x6"},
    "transaction_count": 6,
    "event_count": 3,
    "state_diff_length": 2,
    "transaction_commitment": "0x8",
    "transactions": [{"transaction": transaction, "receipt": given} for transaction, given in TRANSACTIONS],
}


def _block(params: Any) -> Any:
    wanted = params["block_id"]
    if wanted in ("latest", {"block_number": 5}, {"block_hash": "0xb10c"}):
        return BLOCK
    if wanted == "pre_confirmed":
        left_out = ("block_hash", "parent_hash", "new_root", "transaction_count", "event_count", "status")
        return {**{key: value for key, value in BLOCK.items() if key not in left_out}, "block_number": 6}
    return RpcError(24, "Block not found")


def _by_hash(place: int) -> Callable[[Any], Any]:
    def answer(params: Any) -> Any:
        number = int(params["transaction_hash"], 16)
        return TRANSACTIONS[number - 1][place] if 0 < number <= len(TRANSACTIONS) else RpcError(29, "not found")

    return answer


def _class_hash(params: Any) -> Any:
    classes = {
        ACCOUNT: ACCOUNT_CLASS,
        OLD_ACCOUNT: OLD_CLASS,
        TOKEN: TOKEN_CLASS,
        BARE: BARE_CLASS,
    }
    found = classes.get(int(params["contract_address"], 16))
    return RpcError(20, "Contract not found") if found is None else hex(found)


def _class(params: Any) -> Any:
    answers: dict[int, Any] = {
        TOKEN_CLASS: {"sierra_program": [], "abi": orjson.dumps(TOKEN_ABI).decode()},
        OLD_CLASS: {"program": "", "abi": [{"type": "function", "name": "__execute__", "inputs": []}]},
        BARE_CLASS: {"sierra_program": [], "abi": ""},
    }
    return answers[int(params["class_hash"], 16)]


def _call(params: Any) -> Any:
    request = params["request"]
    if request["entry_point_selector"] == hex(selector("balance_of")):
        if params["block_id"] == {"block_number": 3}:
            said = [hex(short_string("TOKEN: closed")), hex(short_string("ENTRYPOINT_FAILED"))]
            return RpcError(40, "Contract error", {"revert_error": {"error": orjson.dumps(said).decode()}})
        return [request["calldata"][0], "0x1"]
    return RpcError(21, "no entry point")


def _update(params: Any) -> Any:
    return {
        "block_hash": "0xb10c",
        "old_root": "0x0",
        "new_root": "0x0",
        "state_diff": {
            "storage_diffs": [{"address": "0x70", "storage_entries": [{"key": "0x1", "value": "0x2"}]}],
            "nonces": [{"contract_address": "0xa", "nonce": "0x5"}],
            "deployed_contracts": [{"address": "0xa", "class_hash": "0xacc"}],
            "replaced_classes": [],
            "declared_classes": [{"class_hash": "0xc1", "compiled_class_hash": "0xcc1"}],
            "deprecated_declared_classes": [],
        },
    }


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "starknet_blockNumber": lambda _: 5,
    "starknet_getBlockWithReceipts": _block,
    "starknet_getTransactionByHash": _by_hash(0),
    "starknet_getTransactionReceipt": _by_hash(1),
    "starknet_getClassHashAt": _class_hash,
    "starknet_getClass": _class,
    "starknet_call": _call,
    "starknet_getStateUpdate": _update,
}


@pytest.fixture
def node(scripted_node: Any) -> Any:
    return scripted_node(ANSWERS)


@pytest.fixture
def explorer(node: Any) -> AsyncExplorer:
    return AsyncExplorer(VENUE, rpc=node)


async def test_a_block_is_read_by_number_hash_and_tag(explorer: AsyncExplorer) -> None:
    block = await explorer.block(5)
    assert (block.number, block.hash, block.parent_hash, block.timestamp) == (5, 0xB10C, 0xB10B, 1_768_795_200)
    assert (block.l2_gas_price.fri, block.commitments, block.problems) == (5, {"transaction": 8}, ())
    assert [tx.index for tx in block.transactions] == [0, 1, 2, 3, 4, 5]
    assert len(block.events) == 3
    assert await explorer.block("latest") == await explorer.block("0xb10c") == await explorer.block("5") == block
    assert await explorer.blocks(range(5, 6)) == (block,)
    assert await explorer.head() == 5
    for missing in (4, "0x1", "l1_accepted"):
        with pytest.raises(NotFound, match=f"no block {missing}"):
            await explorer.block(missing)
    for nonsense in ("newest", "0xzz", -1):
        with pytest.raises(BadBlock, match="is no block"):
            await explorer.block(nonsense)


async def test_a_pre_confirmed_block_has_no_hash_and_its_contracts_are_read_as_they_are_then(
    explorer: AsyncExplorer, node: Any
) -> None:
    block = await explorer.block("pre_confirmed")
    assert (block.status, block.hash, block.parent_hash, block.event_count) == ("PRE_CONFIRMED", None, None, None)
    asked = {str(params["block_id"]) for method, params in node.asked if method == "starknet_getClassHashAt"}
    assert asked == {"pre_confirmed"}


async def test_the_nodes_own_counts_are_checked(explorer: AsyncExplorer, node: Any) -> None:
    node.answers["starknet_getBlockWithReceipts"] = lambda _: {**BLOCK, "event_count": 4}
    assert (await explorer.block(5)).problems == ("the header counts 4 events, the node gave 3",)


async def test_calls_and_events_are_decoded_by_the_class_that_the_node_names(explorer: AsyncExplorer) -> None:
    found = await explorer.transaction(1)
    transferred, unknown, gone, bare = found.calls
    assert (transferred.contract, transferred.reason) == ("CollateralToken", None)
    assert transferred.decoded is not None
    assert (transferred.decoded.name, transferred.decoded.arguments) == (
        "transfer",
        {"recipient": OPERATOR, "amount": 7},
    )
    assert transferred.arguments == {"recipient": "0x73", "amount": "7"}
    assert unknown.decoded is None
    assert unknown.reason == "no entry point with the selector 0x123 in the ABI"
    assert (gone.decoded, gone.reason) == (None, "there is no contract at this address")
    assert bare.decoded is None
    assert bare.reason is not None
    assert bare.reason.startswith("not an ABI")
    event, odd, foreign = found.events
    assert event.decoded is not None
    assert event.decoded.fields == {"from": ACCOUNT, "to": OPERATOR, "value": 7}
    assert event.fields == {"from": "0xa", "to": "0x73", "value": "7"}
    assert (odd.index, odd.decoded, odd.reason) == (1, None, "no event with the key 0x99 in the ABI")
    assert (foreign.decoded, foreign.fields) == (None, None)
    assert (found.sender, found.nonce, found.signature, found.finality) == (ACCOUNT, 4, (1, 2), "ACCEPTED_ON_L2")


async def test_calldata_that_is_no_list_of_calls_is_left_as_it_is(explorer: AsyncExplorer) -> None:
    old = await explorer.transaction(2)
    assert (old.calls, old.calls_reason) == (
        (),
        "the account's class is not known: a Cairo 0 class: its ABI is not read",
    )
    assert old.calldata
    broken = await explorer.transaction("0x3")
    assert (broken.calls, broken.calls_reason) == ((), "the calldata is no list of calls: it ends too early")


async def test_messages_from_l1_and_deployments_and_reverts_are_shown(explorer: AsyncExplorer) -> None:
    handler = await explorer.transaction(4)
    assert handler.calls[0].decoded is not None
    assert handler.calls[0].decoded.arguments == {"from_address": 0xE7, "amount": 100}
    assert (handler.sender_name, handler.receipt.message_hash) == ("CollateralToken", 0xFF)
    deployed = await explorer.transaction(5)
    assert deployed.sender == ACCOUNT
    assert deployed.calls[0].decoded is not None
    assert deployed.calls[0].decoded.arguments == {"public_key": 0x51}
    declared = await explorer.transaction(6)
    assert (declared.succeeded, declared.revert_reason, declared.class_hash) == (False, "No", TOKEN_CLASS)


async def test_a_hash_that_the_node_does_not_know_is_not_found(explorer: AsyncExplorer) -> None:
    for wrong in (99, "0xnothing", 2**252):
        with pytest.raises(NotFound):
            await explorer.transaction(wrong)


async def test_contracts_are_read_by_name_and_by_address(explorer: AsyncExplorer) -> None:
    assert await explorer.read("CollateralToken", "balance_of", 3) == 3 + 2**128
    assert await explorer.read(TOKEN, "balance_of", account=4, block=4) == 4 + 2**128
    assert await explorer.read(hex(TOKEN), "balance_of", "0x5") == 5 + 2**128
    with pytest.raises(ContractError) as error:
        await explorer.read("CollateralToken", "balance_of", 3, block=3)
    assert (str(error.value), error.value.reason) == ("CollateralToken.balance_of: TOKEN: closed", "TOKEN: closed")
    with pytest.raises(ContractError, match=r"CollateralToken\.transfer: the contract has no such function"):
        await explorer.read("CollateralToken", "transfer", 1, 2)
    with pytest.raises(NotFound, match="nothing is called 'Vault'; there are operator, STRK, CollateralToken"):
        await explorer.read("Vault", "x")
    with pytest.raises(NotFound, match="0x72 cannot be read: there is no contract"):
        await explorer.read(GONE, "x")
    assert (explorer.name(OPERATOR), explorer.address("operator")) == ("operator", OPERATOR)


async def test_an_abi_of_the_callers_own_is_used_without_a_look_at_the_class(node: Any) -> None:
    mine = Abi(
        [{**TOKEN_ABI[1], "outputs": [{"type": "t::Mode"}]}, {"type": "enum", "name": "t::Mode", "variants": []}]
    )
    explorer = AsyncExplorer("http://127.0.0.1:1", abis={GONE: mine}, names={GONE: "Mine"}, rpc=node)
    with pytest.raises(ValueError, match="no variant 3; there are 0"):
        await explorer.read("Mine", "balance_of", 3)
    assert explorer.deployment is None


async def test_what_a_block_changed_is_given_raw(explorer: AsyncExplorer, node: Any) -> None:
    diff = await explorer.diff(5)
    assert (diff.storage, diff.nonces) == ({0x70: {1: 2}}, {0xA: 5})
    assert (diff.deployed, diff.declared, diff.replaced) == ({0xA: 0xACC}, {0xC1: 0xCC1}, {})
    node.answers["starknet_getStateUpdate"] = lambda _: {"state_diff": {}}
    with pytest.raises(BadAnswer, match="no state update"):
        await explorer.diff()
    node.answers["starknet_getStateUpdate"] = lambda _: RpcError(24, "Block not found")
    with pytest.raises(NotFound, match="no block 9"):
        await explorer.diff(9)


@pytest.mark.parametrize(
    "change",
    [{"transactions": [{}]}, {"transactions": 1}, {"timestamp": None, "l1_gas_price": {}}, {"block_number": None}],
)
async def test_what_is_no_block_is_a_bad_answer(explorer: AsyncExplorer, node: Any, change: dict[str, Any]) -> None:
    node.answers["starknet_getBlockWithReceipts"] = lambda _: {**BLOCK, **change}
    with pytest.raises(BadAnswer):
        await explorer.block(5)


def test_the_calls_of_an_account_are_taken_apart_exactly() -> None:
    calls = (Call(1, 2, (3, 4)), Call(5, 6, ()))
    felts = execute_calldata(calls)
    assert parse_execute(felts) == calls
    assert parse_execute([0]) == ()
    for wrong in ([], felts[:-1], [*felts, 0], [1, 1, 1, 5], [2**200]):
        assert isinstance(parse_execute(wrong), str)
