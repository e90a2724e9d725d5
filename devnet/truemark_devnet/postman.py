"""The rules of carrying messages between the chains: what waits, by what the two chains themselves say.

devnet's own postman is not used: it delivers every deposit that it ever saw sent, one that was cancelled and paid back
on L1 too; marks none as consumed; forgets and repeats messages when L2 blocks are erased. Here nothing is remembered,
so nothing is wrong after a crash, a snapshot or a rollback: a message to L2 waits while L1 holds it and no handler of
this chain ran with it; one from L2 waits while L2 sent it more often than L1 was told of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from truemark_devnet.accounts import l1_accounts

#: A sender who asked for a message back, and could have it in so many seconds or less, is not overtaken: between the
#: delivery and its mark on L1 the message could be taken back, and would count on both chains.
RECLAIM_MARGIN = 60


def _topic(event: str) -> str:
    return "0x" + keccak(text=event).hex()


SENT_TO_L2 = _topic("LogMessageToL2(address,uint256,uint256,uint256[],uint256,uint256)")
CONSUMED_ON_L2 = _topic("ConsumedMessageToL2(address,uint256,uint256,uint256[],uint256)")
CANCELLED = _topic("MessageToL2Canceled(address,uint256,uint256,uint256[],uint256)")
SENT_TO_L1 = _topic("LogMessageToL1(uint256,address,uint256[])")


@dataclass(frozen=True, slots=True)
class ToL2:
    """A message from L1. `l1_transaction` is the hash of what sent it."""

    sender: int
    recipient: int
    selector: int
    payload: tuple[int, ...]
    nonce: int
    fee: int
    l1_transaction: str

    @property
    def hash(self) -> str:
        return _hash(self.sender, self.recipient, self.nonce, self.selector, len(self.payload), *self.payload)

    def to_json(self) -> dict[str, Any]:
        """As devnet_postmanSendMessageToL2 takes it."""
        return {
            "l1_transaction_hash": self.l1_transaction,
            "l1_contract_address": f"0x{self.sender:040x}",
            "l2_contract_address": hex(self.recipient),
            "entry_point_selector": hex(self.selector),
            "payload": [hex(felt) for felt in self.payload],
            "paid_fee_on_l1": hex(self.fee),
            "nonce": hex(self.nonce),
        }


@dataclass(frozen=True, slots=True)
class ToL1:
    """A message from L2."""

    sender: int
    recipient: int
    payload: tuple[int, ...]

    @classmethod
    def of(cls, sent: Mapping[str, Any]) -> ToL1:
        """From an entry of a receipt's `messages_sent`."""
        return cls(
            int(sent["from_address"], 16),
            int(sent["to_address"], 16),
            tuple(int(felt, 16) for felt in sent["payload"]),
        )

    @property
    def hash(self) -> str:
        return _hash(self.sender, self.recipient, len(self.payload), *self.payload)

    def to_json(self) -> dict[str, Any]:
        return {
            "from_address": hex(self.sender),
            "to_address": f"0x{self.recipient:040x}",
            "payload": [hex(felt) for felt in self.payload],
        }


@dataclass(frozen=True, slots=True)
class L1Log:
    """What the messaging contract's log says.

    Attributes:
        sent: messages to L2 that were not consumed or cancelled since, in the order of their nonces.
        told: how often L1 was told of a message from L2, by its hash.
    """

    sent: tuple[ToL2, ...]
    told: Counter[str]


def filter_of(contract: str) -> dict[str, Any]:
    """For eth_getLogs: the events that `read_log` wants."""
    return {
        "address": contract,
        "fromBlock": "0x0",
        "toBlock": "latest",
        "topics": [[SENT_TO_L2, CONSUMED_ON_L2, CANCELLED, SENT_TO_L1]],
    }


def read_log(logs: Iterable[Mapping[str, Any]]) -> L1Log:
    """The contract's events from its first block on, in order."""
    sent: dict[str, ToL2] = {}
    told: Counter[str] = Counter()
    for log in logs:
        kind, first, second = log["topics"][0], int(log["topics"][1], 16), int(log["topics"][2], 16)
        data = bytes.fromhex(log["data"][2:])
        if kind == SENT_TO_L1:
            (payload,) = decode(["uint256[]"], data)
            told[ToL1(first, second, tuple(payload)).hash] += 1
            continue
        selector = int(log["topics"][3], 16)
        if kind == SENT_TO_L2:
            payload, nonce, fee = decode(["uint256[]", "uint256", "uint256"], data)
            message = ToL2(first, second, selector, tuple(payload), nonce, fee, str(log["transactionHash"]))
            sent[message.hash] = message
        else:
            payload, nonce = decode(["uint256[]", "uint256"], data)
            sent.pop(ToL2(first, second, selector, tuple(payload), nonce, 0, "").hash, None)
    return L1Log(tuple(sorted(sent.values(), key=lambda message: message.nonce)), told)


def not_told(sent: Sequence[ToL1], told: Mapping[str, int]) -> list[ToL1]:
    """Of the messages that the L2 chain holds those that L1 was not told of, in their order.

    Equal messages count: one that was told of in a block that is erased now stands for its equal in a later one.
    """
    left = Counter(told)
    waiting = []
    for message in sent:
        if left[message.hash] > 0:
            left[message.hash] -= 1
        else:
            waiting.append(message)
    return waiting


def is_reclaimable(started: int, delay: int, now: int) -> bool:
    """Whether a message's sender, who started its cancellation at `started` (0: did not), may have it back by now."""
    return started != 0 and now + RECLAIM_MARGIN >= started + delay


def question(contract: str, function: str, *words: str) -> list[Any]:
    """The parameters of eth_call for a function of the messaging contract that takes whole words."""
    data = keccak(text=function)[:4].hex() + "".join(word.removeprefix("0x") for word in words)
    return [{"to": contract, "data": "0x" + data}, "latest"]


def consumption(contract: str, message: ToL2) -> dict[str, str]:
    """The transaction for eth_sendTransaction that marks a message as consumed; from then on it cannot be cancelled."""
    return _from_owner(
        contract,
        "mockConsumeMessageToL2(uint256,uint256,uint256,uint256[],uint256)",
        [message.sender, message.recipient, message.selector, list(message.payload), message.nonce],
    )


def announcement(contract: str, message: ToL1) -> dict[str, str]:
    """The transaction for eth_sendTransaction that tells L1 of a message from L2."""
    return _from_owner(
        contract,
        "mockSendMessageFromL2(uint256,uint256,uint256[])",
        [message.sender, message.recipient, list(message.payload)],
    )


def _from_owner(contract: str, function: str, arguments: list[Any]) -> dict[str, str]:
    """Sent by the messaging contract's owner, for whom the node signs."""
    types = function.partition("(")[2].removesuffix(")").split(",")
    data = keccak(text=function)[:4] + encode(types, arguments)
    return {"from": l1_accounts(1)[0].address, "to": contract, "data": "0x" + data.hex()}


def _hash(*words: int) -> str:
    return "0x" + keccak(b"".join(word.to_bytes(32, "big") for word in words)).hex()
