"""Receipts as nodes write them, and the words of a revert dug out of what a node says."""

from __future__ import annotations

from typing import Any

import pytest
from truemark.felt import short_string
from truemark.receipt import TransactionReverted, parse_receipt, revert_reason
from truemark.rpc import BadAnswer

NOT_A_REPORTER = hex(short_string("ORACLE: not a reporter"))
FAILED = hex(short_string("ENTRYPOINT_FAILED"))
FRAME = (
    "(contract address: 0x0127fd5f1fe78a71f8bcd1fec63e3fe2f0486b6ecd5c86a0466c3a21fa5cfcec, class hash: "
    "0x05b4b537eaa2399e3aa99c4e2e0208ebd6c71bc1467938cd52c798c601e43564, selector: "
    "0x015d40a3d6ca2ac30f4031e42be28da9b056fef9bb7357ac5e85627ee876e5ad)"
)
BYTE_ARRAY_MAGIC = "0x46a6158a16a947e5916b2a2ca68501a45e93d7110e81aa2d6438b1c57c879a3"


def receipt(**changes: Any) -> dict[str, Any]:
    return {
        "type": "INVOKE",
        "transaction_hash": "0x12",
        "actual_fee": {"amount": "0xde0b6b3a7640000", "unit": "FRI"},
        "messages_sent": [
            {
                "from_address": "0x5",
                # devnet pads the L1 address to 32 bytes, other nodes to 20 or not at all.
                "to_address": "0x000000000000000000000000e7f1725e7734ce288f8367e1bb143e90bb3f0512",
                "payload": ["0x0", "0xff"],
            }
        ],
        "events": [{"from_address": "0x7", "keys": ["0x1"], "data": ["0x2", "0x3"]}],
        "execution_status": "SUCCEEDED",
        "finality_status": "ACCEPTED_ON_L2",
        "block_hash": "0xabc",
        "block_number": 9,
        "execution_resources": {"l1_gas": 0, "l1_data_gas": 128, "l2_gas": 690_000},
        **changes,
    }


def test_a_receipt_with_a_message_to_l1_is_read_whatever_its_padding() -> None:
    parsed = parse_receipt(receipt())
    assert (parsed.hash, parsed.block_number, parsed.block_hash, parsed.fee) == (0x12, 9, 0xABC, 10**18)
    (message,) = parsed.messages
    assert message.to_address == 0xE7F1725E7734CE288F8367E1BB143E90BB3F0512
    assert message.payload == (0, 255)
    assert (parsed.events[0].keys, parsed.events[0].data) == ((1,), (2, 3))
    assert parsed.or_raise() is parsed


def test_a_receipt_that_is_in_no_block_or_of_an_l1_handler_is_read() -> None:
    raw = receipt(finality_status="PRE_CONFIRMED", type="L1_HANDLER", message_hash="0x1f")
    del raw["block_hash"], raw["block_number"]
    parsed = parse_receipt(raw)
    assert (parsed.block_number, parsed.block_hash, parsed.message_hash) == (None, None, 0x1F)


def test_a_reverted_receipt_raises_with_the_contracts_words_and_the_hash() -> None:
    said = f"Transaction execution has failed:\n... {NOT_A_REPORTER} ('ORACLE: not a reporter').\n"
    parsed = parse_receipt(receipt(execution_status="REVERTED", revert_reason=said, events=[]))
    assert not parsed.succeeded
    with pytest.raises(TransactionReverted) as error:
        parsed.or_raise()
    assert (error.value.reason, error.value.hash) == ("ORACLE: not a reporter", 0x12)
    assert str(error.value) == "transaction 0x12 was reverted: ORACLE: not a reporter"


@pytest.mark.parametrize("change", [{"events": 5}, {"actual_fee": {}}, {"transaction_hash": "xyz"}, {"events": [{}]}])
def test_what_is_no_receipt_is_a_bad_answer(change: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer, match="receipt that is none"):
        parse_receipt(receipt(**change))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            f"Transaction execution has failed:\n0: Error in the called contract {FRAME}:\nExecution failed. Failure "
            f"reason:\nError in contract {FRAME}:\nError in contract {FRAME}:\n{NOT_A_REPORTER} "
            "('ORACLE: not a reporter').\n",
            "ORACLE: not a reporter",
        ),
        (
            f"Execution failed. Failure reason:\n({NOT_A_REPORTER} ('ORACLE: not a reporter'), {FAILED} "
            "('ENTRYPOINT_FAILED')).\n",
            "ORACLE: not a reporter",
        ),
        (
            f"Failure reason:\n(0x617267656e742f6d756c746963616c6c2d6661696c6564 ('argent/multicall-failed'), 0x1, "
            f"{NOT_A_REPORTER} ('ORACLE: not a reporter')).\n",
            "ORACLE: not a reporter",
        ),
        ('Failure reason:\n"the price is "stale"".\n', 'the price is "stale"'),
        ("Failure reason:\n(\"ERC20: insufficient balance\", 0x0 ('')).\n", "ERC20: insufficient balance"),
        ("Failure reason:\n0x4c495155494427 ('LIQUID'').\n", "LIQUID'"),
        ("Failure reason:\n0x1234.\n", "0x1234"),
        (f"The `validate` entry point panicked with:\nError in contract {FRAME}:\n0x49 ('I').\n", "I"),
        ("Insufficient max L2Gas:\n 1, used: 2.", "Insufficient max L2Gas: 1, used: 2."),
        ("", "no reason given"),
        # A read: nested frames around a list of felts.
        (
            {
                "revert_error": {
                    "contract_address": "0x1",
                    "class_hash": "0x2",
                    "selector": "0x3",
                    "error": {
                        "contract_address": "0x4",
                        "class_hash": "0x5",
                        "selector": "0x6",
                        "error": f'["{NOT_A_REPORTER}", "{FAILED}", "{NOT_A_REPORTER}"]',
                    },
                }
            },
            "ORACLE: not a reporter",
        ),
        (
            {"revert_error": {"error": f'["{BYTE_ARRAY_MAGIC}", "0x0", "0x68656c6c6f", "0x5", "{FAILED}"]'}},
            "hello",
        ),
        ({"revert_error": {"error": f'["{BYTE_ARRAY_MAGIC}", "0x7"]'}}, BYTE_ARRAY_MAGIC),
        ({"revert_error": "some words"}, "some words"),
        ({"transaction_index": 0, "execution_error": {"error": f'["{FAILED}"]'}}, "ENTRYPOINT_FAILED"),
        (None, "no reason given"),
        ({"revert_error": {"error": "[nonsense"}}, "[nonsense"),
    ],
)
def test_the_contracts_own_words_are_found(said: Any, reason: str) -> None:
    assert revert_reason(said) == reason
