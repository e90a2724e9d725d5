"""What starknet-devnet's postman leaves undone: a message that L2 has handled is marked as consumed on L1.

Without it a deposit that was credited could be cancelled and paid back as well. One whose handler was reverted stays
as it is: it changed nothing on L2, and its sender can take it back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from truemark_devnet.accounts import l1_accounts

_CONSUME = keccak(text="mockConsumeMessageToL2(uint256,uint256,uint256,uint256[],uint256)")[:4]
_SENT = "0x" + keccak(text="LogMessageToL2(address,uint256,uint256,uint256[],uint256,uint256)").hex()


def handled(messages: Sequence[Mapping[str, Any]], l2_receipts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of a flush's messages to L2 whose handler succeeded, by the receipts of the transactions it made."""
    return [
        message
        for message, receipt in zip(messages, l2_receipts, strict=True)
        if receipt["execution_status"] == "SUCCEEDED"
    ]


def consumption(message: Mapping[str, Any], l1_receipt: Mapping[str, Any]) -> dict[str, str]:
    """The transaction for eth_sendTransaction that marks a message; the node signs for the postman's account.

    Args:
        message: as devnet's flush names it.
        l1_receipt: of the L1 transaction that sent it, where the log tells the messaging contract.
    """
    contract = next(log["address"] for log in l1_receipt["logs"] if log["topics"][0] == _SENT)
    arguments = encode(
        ["uint256", "uint256", "uint256", "uint256[]", "uint256"],
        [
            int(message["l1_contract_address"], 16),
            int(message["l2_contract_address"], 16),
            int(message["entry_point_selector"], 16),
            [int(felt, 16) for felt in message["payload"]],
            int(message["nonce"], 16),
        ],
    )
    return {"from": l1_accounts(1)[0].address, "to": contract, "data": "0x" + (_CONSUME + arguments).hex()}
