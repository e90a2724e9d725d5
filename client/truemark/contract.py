"""One contract on L2: functions read, calls made ready for a transaction."""

from __future__ import annotations

from typing import Any, Final

from truemark.abi import Abi
from truemark.errors import TruemarkError
from truemark.felt import hex_of
from truemark.receipt import hex_felts, revert_reason
from truemark.rpc import AsyncRpc, BadAnswer, RpcError
from truemark.transactions import Call

__all__ = ["BlockRef", "Contract", "ContractError", "block_id", "revert_reason"]

#: A block: its number, its hash (an int above 2^64, or 0x and 64 digits), or a tag.
BlockRef = int | str

TAGS: Final = frozenset({"latest", "pre_confirmed", "l1_accepted"})
_NUMBER_BOUND: Final = 2**64

NO_CONTRACT: Final = 20
NO_ENTRY_POINT: Final = 21
NO_BLOCK: Final = 24
CONTRACT_ERROR: Final = 40


class BadBlock(TruemarkError, ValueError):
    """What names no block."""


class ContractError(TruemarkError, RuntimeError):
    """A read was reverted by the contract, or there is no contract or no such function to read.

    Attributes:
        reason: the contract's own words, e.g. 'ORACLE: unknown market'.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.reason = reason


class Contract:
    """A contract at an address, read and called through its ABI."""

    def __init__(self, rpc: AsyncRpc, address: int, abi: Abi) -> None:
        self.rpc = rpc
        self.address = address
        self.abi = abi

    @classmethod
    def of(cls, rpc: AsyncRpc, address: int, name: str) -> Contract:
        """One with a shipped ABI, e.g. "Oracle".

        Raises:
            AbiError: none of that name is shipped.
        """
        return cls(rpc, address, Abi.load(name))

    def __repr__(self) -> str:
        return f"Contract({self.address:#x})"

    def call(self, function: str, /, *args: Any, **kwargs: Any) -> Call:
        """The call of a function, for Account.execute.

        Raises:
            AbiError: there is no such function, or an argument does not fit.
        """
        calldata = self.abi.encode(function, *args, **kwargs)
        return Call(self.address, self.abi.function(function).selector, calldata)

    async def read(self, function: str, /, *args: Any, block: BlockRef = "latest", **kwargs: Any) -> Any:
        """What a function returns on the state after `block`; nothing is changed.

        Raises:
            AbiError: an argument or the result does not fit.
            ContractError: the contract reverts, or is not there at that block.
            RpcError, NodeUnavailable: the node does not answer the question.
        """
        call = self.call(function, *args, **kwargs)
        felts = await call_contract(self.rpc, call, block, f"{function} at {self.address:#x}")
        return self.abi.decode_result(function, felts)


async def call_contract(rpc: AsyncRpc, call: Call, block: BlockRef, what: str) -> tuple[int, ...]:
    """starknet_call. Raises as Contract.read."""
    request = {
        "contract_address": hex_of(call.to),
        "entry_point_selector": hex_of(call.selector),
        "calldata": [hex(felt) for felt in call.calldata],
    }
    try:
        result = await rpc.call("starknet_call", {"request": request, "block_id": block_id(block)})
    except RpcError as error:
        if error.code == CONTRACT_ERROR:
            raise ContractError(what, revert_reason(error.data)) from None
        if error.code == NO_CONTRACT:
            raise ContractError(what, "there is no contract") from None
        if error.code == NO_ENTRY_POINT:
            raise ContractError(what, "the contract has no such function") from None
        if error.code == NO_BLOCK:
            raise ContractError(what, f"there is no block {block}") from None
        raise
    try:
        return hex_felts(result)
    except (TypeError, ValueError):
        raise BadAnswer(f"{what} was answered by what are no felts") from None


def block_id(block: BlockRef) -> Any:
    """A block as the RPC names it.

    Raises:
        BadBlock: it is neither a number, nor a hash, nor a tag.
    """
    if isinstance(block, str):
        if block in TAGS:
            return block
        number = _number(block)
        # A hash with leading zeros is a hash, however small it is.
        if block[:2].lower() == "0x":
            return {"block_hash": hex_of(number)}
    else:
        number = block
    if isinstance(number, bool) or number < 0:
        raise BadBlock(f"{block!r} is no block: give a number, a hash or one of {', '.join(sorted(TAGS))}")
    return {"block_number": number} if number < _NUMBER_BOUND else {"block_hash": hex_of(number)}


def _number(text: str) -> int:
    try:
        return int(text, 16) if text[:2].lower() == "0x" else int(text)
    except ValueError:
        raise BadBlock(f"{text!r} is no block: give a number, a hash or one of {', '.join(sorted(TAGS))}") from None
