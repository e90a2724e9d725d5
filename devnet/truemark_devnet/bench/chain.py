"""A chain on paper: blocks of fifty transfers as a node would give them, as many as one likes, for figures that need
more blocks than a node makes in a reasonable time."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import orjson
from truemark.abi import Abi
from truemark.felt import selector
from truemark.index import Index
from truemark.index.classes import Classes, ClassText
from truemark.index.derive import Participants, derive
from truemark.index.fingerprint import diff_print, header_print
from truemark.index.layout import base_of
from truemark.index.reader import RawBlock
from truemark.index.rows import rows_of
from truemark.index.values import word_of

PER_BLOCK: Final = 50
#: Of each transaction: what it moves, and the fee.
EVENTS_EACH: Final = 2
TOKEN: Final = 0x70CE
TOKEN_CLASS: Final = 0xC1A55
ACCOUNT_CLASS: Final = 0xACC
SEQUENCER: Final = 0x1000
_ACCOUNTS: Final = 2_000
_TRANSFER: Final = selector("transfer")
_EXECUTE: Final = selector("__execute__")
_EMITTED: Final = selector("Transfer")
_ADDRESS: Final = "core::starknet::contract_address::ContractAddress"
_U256: Final = "core::integer::u256"
TOKEN_ABI: Final[list[dict[str, Any]]] = [
    {
        "type": "function",
        "name": "transfer",
        "inputs": [{"name": "recipient", "type": _ADDRESS}, {"name": "amount", "type": _U256}],
        "outputs": [{"type": "core::bool"}],
        "state_mutability": "external",
    },
    {
        "type": "event",
        "name": "t::Transfer",
        "kind": "struct",
        "members": [
            {"name": "from", "type": _ADDRESS, "kind": "key"},
            {"name": "to", "type": _ADDRESS, "kind": "key"},
            {"name": "value", "type": _U256, "kind": "data"},
        ],
    },
    {
        "type": "event",
        "name": "t::Event",
        "kind": "enum",
        "variants": [{"name": "Transfer", "type": "t::Transfer", "kind": "nested"}],
    },
]
ACCOUNT_ABI: Final[list[dict[str, Any]]] = [
    {
        "type": "struct",
        "name": "core::starknet::account::Call",
        "members": [
            {"name": "to", "type": _ADDRESS},
            {"name": "selector", "type": "core::felt252"},
            {"name": "calldata", "type": "core::array::Span::<core::felt252>"},
        ],
    },
    {
        "type": "function",
        "name": "__execute__",
        "inputs": [{"name": "calls", "type": "core::array::Array::<core::starknet::account::Call>"}],
        "outputs": [{"type": "core::array::Array::<core::array::Span::<core::felt252>>"}],
        "state_mutability": "external",
    },
]


class PaperChain:
    """Args: events: as many in all, two a transaction, a hundred a block."""

    def __init__(self, events: int) -> None:
        self.height = max(1, events // (PER_BLOCK * EVENTS_EACH))

    def account(self, number: int) -> int:
        return 0xA0000 + number % _ACCOUNTS

    def transaction(self, block: int, place: int) -> int:
        return _digest("tx", block, place)

    def block(self, number: int) -> RawBlock:
        """The first one deploys the token and has no transaction."""
        pairs = [self._pair(number, place) for place in range(PER_BLOCK if number else 0)]
        traces = [self._trace(number, place) for place in range(PER_BLOCK if number else 0)]
        entries: dict[str, str] = {}
        for trace in traces:
            for entry in trace["trace_root"]["state_diff"]["storage_diffs"][0]["storage_entries"]:
                entries[entry["key"]] = entry["value"]
        diff = _diff(entries)
        if number:
            diff["nonces"] = [
                {"contract_address": hex(self.account(number * PER_BLOCK + place)), "nonce": hex(number)}
                for place in range(PER_BLOCK)
            ]
        else:
            diff["deployed_contracts"] = [{"address": hex(TOKEN), "class_hash": hex(TOKEN_CLASS)}]
        header = {
            "status": "ACCEPTED_ON_L2",
            "block_hash": hex(_digest("block", number)),
            "parent_hash": hex(_digest("block", number - 1) if number else 0),
            "block_number": number,
            "sequencer_address": hex(SEQUENCER),
            "new_root": "0x0",
            "timestamp": 1_700_000_000 + 2 * number,
            "starknet_version": "0.14.4",
            **{
                f"{name}_price": {"price_in_fri": "0x3b9aca00", "price_in_wei": "0x1"}
                for name in ("l1_gas", "l1_data_gas", "l2_gas")
            },
            "transactions": pairs,
        }
        return RawBlock(header, diff, traces, header_print(header), diff_print(diff))

    def _pair(self, block: int, place: int) -> dict[str, Any]:
        sender, recipient = self._between(block, place)
        emitted = [
            _event([_EMITTED, sender, recipient], [block, 0]),
            _event([_EMITTED, sender, SEQUENCER], [10**15, 0]),
        ]
        return {
            "transaction": {
                "type": "INVOKE",
                "version": "0x3",
                "sender_address": hex(sender),
                "nonce": hex(block),
                "calldata": self._calldata(block, recipient),
                "signature": ["0x1", "0x2"],
                "tip": "0x0",
                "resource_bounds": {
                    name: {"max_amount": "0x100", "max_price_per_unit": "0x100"}
                    for name in ("l1_gas", "l1_data_gas", "l2_gas")
                },
            },
            "receipt": {
                "transaction_hash": hex(self.transaction(block, place)),
                "execution_status": "SUCCEEDED",
                "actual_fee": {"amount": hex(10**15), "unit": "FRI"},
                "execution_resources": {"l1_gas": 0, "l1_data_gas": 128, "l2_gas": 1_000_000},
                "messages_sent": [],
                "events": emitted,
            },
        }

    def _trace(self, block: int, place: int) -> dict[str, Any]:
        sender, recipient = self._between(block, place)
        inner = _call(TOKEN, TOKEN_CLASS, sender, _TRANSFER, [hex(recipient), hex(block), "0x0"], ["0x1"], [])
        root = _call(
            sender, ACCOUNT_CLASS, 0, _EXECUTE, self._calldata(block, recipient), ["0x1", "0x1", "0x1"], [inner]
        )
        written = {
            hex(base_of(("ERC20_balances",), who)): hex(block * PER_BLOCK + place)
            for who in (sender, recipient, SEQUENCER)
        }
        diff = _diff(written)
        diff["nonces"] = [{"contract_address": hex(sender), "nonce": hex(block)}]
        return {
            "transaction_hash": hex(self.transaction(block, place)),
            "trace_root": {"type": "INVOKE", "execute_invocation": root, "state_diff": diff},
        }

    def _between(self, block: int, place: int) -> tuple[int, int]:
        return self.account(block * PER_BLOCK + place), self.account(block * 7 + place * 13 + 1)

    def _calldata(self, block: int, recipient: int) -> list[str]:
        return ["0x1", hex(TOKEN), hex(_TRANSFER), "0x3", hex(recipient), hex(block), "0x0"]


def fill(index: Index, chain: PaperChain) -> None:
    """Writes the whole chain into an empty index, by what a follower writes with."""
    store = index.store
    abis = {TOKEN_CLASS: TOKEN_ABI, ACCOUNT_CLASS: ACCOUNT_ABI}
    texts = {
        word_of(class_hash): ClassText(orjson.dumps(entries).decode(), None, Abi(entries))
        for class_hash, entries in abis.items()
    }
    classes: Classes = {word_of(TOKEN): (word_of(TOKEN_CLASS),)}
    participants, head = Participants(), None
    first = chain.block(0)
    on = store.chain(word_of(5), first.header_print)
    for number in range(chain.height + 1):
        rows = rows_of(chain.block(number), classes, texts.get)
        derive(rows, participants)
        known = {} if number else {class_hash: (text.abi, text.reason) for class_hash, text in texts.items()}
        head = store.write(rows, on, head, known, {})


def _event(keys: list[int], data: list[int]) -> dict[str, Any]:
    return {"from_address": hex(TOKEN), "keys": [hex(key) for key in keys], "data": [hex(felt) for felt in data]}


def _call(
    address: int, class_hash: int, caller: int, entry: int, calldata: list[str], result: list[str], calls: list[Any]
) -> dict[str, Any]:
    return {
        "contract_address": hex(address),
        "class_hash": hex(class_hash),
        "caller_address": hex(caller),
        "entry_point_selector": hex(entry),
        "entry_point_type": "EXTERNAL",
        "call_type": "CALL",
        "calldata": calldata,
        "result": result,
        "calls": calls,
        "is_reverted": False,
    }


def _diff(entries: dict[str, str]) -> dict[str, Any]:
    names = ("nonces", "deployed_contracts", "replaced_classes", "declared_classes")
    written = [{"key": key, "value": value} for key, value in entries.items()]
    diff: dict[str, Any] = {name: [] for name in names}
    diff["storage_diffs"] = [{"address": hex(TOKEN), "storage_entries": written}] if written else []
    return diff


def _digest(*parts: Any) -> int:
    return int.from_bytes(sha256(repr(parts).encode()).digest(), "big") >> 8
