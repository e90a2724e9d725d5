"""A transaction's receipt as a record: what it cost, what it emitted, why it was reverted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final

import orjson

from truemark.errors import TruemarkError
from truemark.felt import BadShortString, short_string_text
from truemark.rpc import BadAnswer

#: Finality of a transaction that is in a block.
FINAL: Final = frozenset({"ACCEPTED_ON_L2", "ACCEPTED_ON_L1"})

#: What callers add to a callee's panic while it goes up.
_WRAPPERS: Final = frozenset({"ENTRYPOINT_FAILED", "argent/multicall-failed"})
#: The panic of a ByteArray message starts with this felt.
_BYTE_ARRAY_MAGIC: Final = 0x46A6158A16A947E5916B2A2CA68501A45E93D7110E81AA2D6438B1C57C879A3
_HEADERS: Final = ("Failure reason:", "panicked with:")
#: 0x... ('text'), or "text" of a ByteArray panic. The text is read from the felt: it may hold quotes itself.
_PANIC_ITEM: Final = re.compile(r"(0x[0-9a-f]+)(?: \('|[,)\s.\n]|$)|\"((?:[^\"\\]|\\.)*)\"", re.IGNORECASE)
_SHORT_STRING: Final = re.compile(r"(0x[0-9a-f]+) \('", re.IGNORECASE)


class TransactionReverted(TruemarkError, RuntimeError):
    """A transaction is in a block and was reverted: nothing but its fee changed.

    Attributes:
        reason: the contract's own words, e.g. 'ORACLE: not a reporter'.
        hash: of the transaction.
        receipt: the whole of it.
    """

    def __init__(self, receipt: Receipt) -> None:
        self.reason = receipt.revert_reason or "no reason given"
        self.hash = receipt.hash
        self.receipt = receipt
        super().__init__(f"transaction {receipt.hash:#x} was reverted: {self.reason}")


@dataclass(frozen=True, slots=True)
class RawEvent:
    """An event as it was emitted."""

    from_address: int
    keys: tuple[int, ...]
    data: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MessageToL1:
    from_address: int
    #: A 160-bit number; nodes write it with or without leading zeros.
    to_address: int
    payload: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction's receipt. `block_number` and `block_hash` are None while it is in no block."""

    hash: int
    type: str
    block_number: int | None
    block_hash: int | None
    finality: str
    #: None: it succeeded.
    revert_reason: str | None
    #: What was paid, and its unit: FRI, or WEI before version 3.
    fee: int
    fee_unit: str
    events: tuple[RawEvent, ...]
    messages: tuple[MessageToL1, ...]
    l1_gas: int
    l1_data_gas: int
    l2_gas: int
    #: Of a deployed account.
    contract_address: int | None = None
    #: Of the message that an L1 handler took, as L1 computes it.
    message_hash: int | None = None
    #: As the node gave it.
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def succeeded(self) -> bool:
        return self.revert_reason is None

    def or_raise(self) -> Receipt:
        """Itself.

        Raises:
            TransactionReverted: it was reverted.
        """
        if not self.succeeded:
            raise TransactionReverted(self)
        return self


def parse_receipt(raw: Mapping[str, Any]) -> Receipt:
    """
    Raises:
        BadAnswer: it is no receipt.
    """
    try:
        resources = raw["execution_resources"]
        reverted = raw["execution_status"] == "REVERTED"
        return Receipt(
            hash=int(raw["transaction_hash"], 16),
            type=raw["type"],
            block_number=raw.get("block_number"),
            block_hash=optional_hex(raw.get("block_hash")),
            finality=raw["finality_status"],
            revert_reason=revert_reason(raw.get("revert_reason") or "no reason given") if reverted else None,
            fee=int(raw["actual_fee"]["amount"], 16),
            fee_unit=raw["actual_fee"]["unit"],
            events=tuple(
                RawEvent(int(event["from_address"], 16), hex_felts(event["keys"]), hex_felts(event["data"]))
                for event in raw["events"]
            ),
            messages=tuple(
                MessageToL1(
                    int(message["from_address"], 16), int(message["to_address"], 16), hex_felts(message["payload"])
                )
                for message in raw["messages_sent"]
            ),
            l1_gas=resources["l1_gas"],
            l1_data_gas=resources["l1_data_gas"],
            l2_gas=resources["l2_gas"],
            contract_address=optional_hex(raw.get("contract_address")),
            message_hash=optional_hex(raw.get("message_hash")),
            raw=raw,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(f"the node gave a receipt that is none: {type(error).__name__} {error}") from None


def hex_felts(texts: Iterable[str]) -> tuple[int, ...]:
    return tuple(map(int, texts, repeat(16)))


def optional_hex(text: str | None) -> int | None:
    return None if text is None else int(text, 16)


def revert_reason(said: Any) -> str:
    """The innermost words of a revert: from a receipt's revert reason, or from the data of RPC error 40 or 41.

    Callers add their own 'ENTRYPOINT_FAILED' to a callee's panic; what the contract said itself comes first. Text that
    holds no panic is given back as it is, in one line.
    """
    data = _inner(said)
    items = list(_felt_words(data)) if isinstance(data, list) else list(_text_words(data))
    own = [item for item in items if item not in _WRAPPERS] or items
    # Wrappers may add numbers, such as which call of several failed.
    words = [item for item in own if not item.startswith("0x")] or own
    if words:
        return words[0]
    text = data if isinstance(data, str) else "" if data is None else repr(data)
    return " ".join(text.split()) or "no reason given"


def _inner(said: Any) -> Any:
    """Down the nested frames of a contract error to its message; a message that is a list of felts, as that list."""
    while isinstance(said, Mapping):
        if "error" in said:
            said = said["error"]
        elif "revert_error" in said:
            said = said["revert_error"]
        elif "execution_error" in said:
            said = said["execution_error"]
        elif "revert_reason" in said:
            said = said["revert_reason"]
        else:
            break
    if isinstance(said, str) and said.startswith("["):
        try:
            felts = orjson.loads(said)
            return [int(felt, 16) for felt in felts]
        except (ValueError, TypeError):
            return said
    return said


def _felt_words(felts: list[int]) -> Iterator[str]:
    """The items of a panic's felts."""
    at = 0
    while at < len(felts):
        if felts[at] == _BYTE_ARRAY_MAGIC:
            message, at = _byte_array(felts, at + 1)
            yield message
        else:
            yield _word(felts[at])
            at += 1


def _byte_array(felts: list[int], at: int) -> tuple[str, int]:
    try:
        end = at + 1 + felts[at]
        size = felts[end + 1]
        data = b"".join(felt.to_bytes(31, "big") for felt in felts[at + 1 : end]) + felts[end].to_bytes(size, "big")
    except (IndexError, OverflowError):
        return _word(_BYTE_ARRAY_MAGIC), at
    return data.decode(errors="replace"), end + 2


def _text_words(data: Any) -> Iterator[str]:
    """The items of a panic that the node wrote out."""
    text = data if isinstance(data, str) else repr(data)
    after = max((text.rfind(header) + len(header) for header in _HEADERS if header in text), default=-1)
    if after < 0:
        yield from (_word(int(felt, 16)) for felt in _SHORT_STRING.findall(text))
        return
    lines = [line.strip() for line in text[after:].splitlines()]
    panic = "\n".join(line for line in lines if line and not line.startswith(("Error in contract (", "...")))
    panic = panic.removesuffix(".")
    if len(panic) > 1 and panic[0] == panic[-1] == '"':
        # One message, whatever quotes it holds itself.
        yield panic[1:-1]
        return
    for felt, message in _PANIC_ITEM.findall(panic):
        yield _word(int(felt, 16)) if felt else message


def _word(felt: int) -> str:
    try:
        return short_string_text(felt) or "0x0"
    except BadShortString:
        return hex(felt)
