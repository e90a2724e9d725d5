"""An account of ours on L2: calls signed, sent and waited for, one after the other or many at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from truemark.errors import TruemarkError
from truemark.felt import hex_of
from truemark.keys import StarkSigner, account_address, sign_checked
from truemark.receipt import FINAL, Receipt, TransactionReverted, parse_receipt
from truemark.rpc import AsyncRpc, NodeUnavailable, RpcError
from truemark.transactions import Bound, Call, Fees, declare_v3, deploy_account_v3, invoke_v3, with_signature

__all__ = [
    "DECLARE_FEES",
    "DEFAULT_FEES",
    "Account",
    "Fate",
    "Prepared",
    "Receipt",
    "TransactionRefused",
    "TransactionReverted",
    "TransactionTimeout",
]

#: Ample for a local node's prices: 200 million L2 gas, and the L1 gas that a message to L1 needs though an estimate
#: may say 0.
DEFAULT_FEES: Final = Fees(
    l1_gas=Bound(max_amount=100_000, max_price=10**12),
    l1_data_gas=Bound(max_amount=20_000, max_price=10**12),
    l2_gas=Bound(max_amount=200_000_000, max_price=10**11),
)
#: A class is paid by its size: about 60,000 L2 gas for each felt of bytecode, of which it may have 81,920. At most 100
#: STRK: starknet-devnet gives an account 1,000.
DECLARE_FEES: Final = replace(DEFAULT_FEES, l2_gas=Bound(max_amount=10_000_000_000, max_price=10**10))

HASH_NOT_FOUND: Final = 29
CONTRACT_NOT_FOUND: Final = 20
INVALID_NONCE: Final = 52
DUPLICATE: Final = 59
#: How often a transaction is signed again because its nonce was taken or not yet due.
_NONCE_TRIES: Final = 5
_POLL_GROWTH: Final = 1.3
_POLL_MOST: Final = 1.0


class TransactionRefused(TruemarkError, RuntimeError):
    """The node did not take a transaction: it is in no block.

    Attributes:
        code: the node's error code.
        reason: its words.
    """

    def __init__(self, error: RpcError) -> None:
        self.code = error.code
        self.reason = f"{error.message}: {error.data}" if error.data else error.message
        super().__init__(f"the node refused the transaction: {self.reason} (code {error.code})")


class TransactionTimeout(TruemarkError, TimeoutError):
    """A transaction that was sent is in no block yet; it may still get there.

    Attributes:
        hash: of the transaction.
    """

    def __init__(self, tx_hash: int, seconds: float) -> None:
        super().__init__(f"transaction {tx_hash:#x} is in no block after {seconds:g} s")
        self.hash = tx_hash


class Fate(StrEnum):
    """What became of a transaction that was signed, as far as the chain knows."""

    #: The node has it.
    KNOWN = "known"
    #: It does not, and would take it still.
    OPEN = "open"
    #: Another transaction took its nonce: it can never be in a block.
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A transaction as it was signed, without the signature: enough to sign and send the very same one again."""

    calls: tuple[Call, ...]
    fees: Fees
    nonce: int
    hash: int


#: Told of a transaction before it is sent; what it raises keeps the transaction back.
BeforeSending = Callable[[Prepared], None]


class Account:
    """An account with one STARK key. Safe for many tasks at once: the nonce is given and posted under a lock, the
    waiting is not.

    Args:
        fees: bounds for transactions that bring none of their own.
        poll: seconds between the first looks for a receipt; later ones are further apart.
        timeout: seconds until a receipt is given up on.
        final: what counts as being in a block; add "PRE_CONFIRMED" for a node that makes blocks on demand.
    """

    def __init__(
        self,
        rpc: AsyncRpc,
        address: int,
        key: StarkSigner,
        chain_id: int,
        *,
        fees: Fees = DEFAULT_FEES,
        poll: float = 0.02,
        timeout: float = 60.0,
        final: frozenset[str] = FINAL,
    ) -> None:
        self.rpc = rpc
        self.address = address
        self.chain_id = chain_id
        self.fees = fees
        self._key = key
        self._poll = poll
        self._timeout = timeout
        self._final = final
        self._nonce: int | None = None
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Account({self.address:#x})"

    async def execute(self, calls: Call | Sequence[Call], fees: Fees | None = None) -> Receipt:
        """Sends the calls as one transaction and waits until it is in a block.

        Raises:
            TransactionReverted: it is, and was reverted; `.reason` has the contract's words.
            TransactionRefused: the node did not take it.
            TransactionTimeout: it is in no block in time.
            NodeUnavailable: the node does not answer; if it broke off while the transaction was sent and knows nothing
                of it afterwards, the transaction is not sent again.
        """
        tx_hash = await self.send(calls, fees)
        return (await self.wait(tx_hash)).or_raise()

    async def send(
        self, calls: Call | Sequence[Call], fees: Fees | None = None, *, before: BeforeSending | None = None
    ) -> int:
        """As `execute`, without the waiting; the transaction's hash.

        Args:
            before: called with what was signed before it is sent, and again if it has to be signed with another nonce:
                the place to write down what a crash must not lose.

        Raises:
            TransactionRefused, NodeUnavailable
        """
        sequence = (calls,) if isinstance(calls, Call) else tuple(calls)
        bounds = self.fees if fees is None else fees

        async def sign(nonce: int) -> tuple[int, dict[str, Any]]:
            tx_hash, transaction = invoke_v3(sequence, self.address, nonce, self.chain_id, bounds)
            signed = with_signature(transaction, await sign_checked(self._key, tx_hash))
            if before is not None:
                before(Prepared(sequence, bounds, nonce, tx_hash))
            return tx_hash, signed

        return await self._send(sign, "starknet_addInvokeTransaction", "invoke_transaction")

    async def fate(self, prepared: Prepared) -> Fate:
        """What became of a transaction that was signed before, perhaps by a process that is no more."""
        if await self.is_known(prepared.hash):
            return Fate.KNOWN
        if await self.nonce() <= prepared.nonce:
            return Fate.OPEN
        # It may have arrived between the two questions.
        return Fate.KNOWN if await self.is_known(prepared.hash) else Fate.DEAD

    async def send_again(self, prepared: Prepared) -> None:
        """Signs and sends the very same transaction again: with its nonce it is in a block once at most.

        Raises:
            ValueError: it is not of this account and chain.
            TransactionRefused: its nonce is taken, or the node refuses it otherwise.
            NodeUnavailable
        """
        tx_hash, transaction = invoke_v3(prepared.calls, self.address, prepared.nonce, self.chain_id, prepared.fees)
        if tx_hash != prepared.hash:
            raise ValueError(f"transaction {prepared.hash:#x} is not of account {self.address:#x} on this chain")
        signed = with_signature(transaction, await sign_checked(self._key, tx_hash))
        async with self._lock:
            self._nonce = None
            try:
                await self._post(
                    self.rpc.call("starknet_addInvokeTransaction", {"invoke_transaction": signed}), tx_hash
                )
            except RpcError as error:
                raise TransactionRefused(error) from None

    async def deploy(self, class_hash: int, fees: Fees | None = None) -> int:
        """Deploys this account by its own key (salt: the public key) and waits; the transaction's hash. It pays the fee
        itself, so its address must hold some before.

        Raises:
            ValueError: the address is not the one that class and key give.
            TransactionReverted, TransactionRefused, TransactionTimeout, NodeUnavailable
        """
        public_key = self._key.public_key
        if account_address(public_key, class_hash) != self.address:
            raise ValueError(f"{self.address:#x} is not the address of this key with class {class_hash:#x}")
        bounds = self.fees if fees is None else fees

        async def sign(nonce: int) -> tuple[int, dict[str, Any]]:
            tx_hash, transaction = deploy_account_v3(
                class_hash, [public_key], public_key, self.address, nonce, self.chain_id, bounds
            )
            return tx_hash, with_signature(transaction, await sign_checked(self._key, tx_hash))

        tx_hash = await self._send(sign, "starknet_addDeployAccountTransaction", "deploy_account_transaction")
        (await self.wait(tx_hash)).or_raise()
        return tx_hash

    async def declare(
        self, sierra: Mapping[str, Any], class_hash: int, compiled_class_hash: int, fees: Fees | None = None
    ) -> int:
        """Declares a Sierra class (its ABI as text) and waits; the transaction's hash. A wrong class hash is refused:
        the node counts its own, and the signature is not over that.

        Raises:
            TransactionReverted, TransactionRefused, TransactionTimeout, NodeUnavailable
        """
        bounds = DECLARE_FEES if fees is None else fees

        async def sign(nonce: int) -> tuple[int, dict[str, Any]]:
            tx_hash, transaction = declare_v3(
                sierra, class_hash, compiled_class_hash, self.address, nonce, self.chain_id, bounds
            )
            return tx_hash, with_signature(transaction, await sign_checked(self._key, tx_hash))

        tx_hash = await self._send(sign, "starknet_addDeclareTransaction", "declare_transaction")
        (await self.wait(tx_hash)).or_raise()
        return tx_hash

    async def is_deployed(self) -> bool:
        try:
            await self.rpc.call(
                "starknet_getClassHashAt", {"block_id": "pre_confirmed", "contract_address": hex_of(self.address)}
            )
        except RpcError as error:
            if error.code == CONTRACT_NOT_FOUND:
                return False
            raise
        return True

    async def nonce(self) -> int:
        """The next nonce as the chain has it, with what is not in a block yet; 0 before the deployment."""
        try:
            answer = await self.rpc.call(
                "starknet_getNonce", {"block_id": "pre_confirmed", "contract_address": hex_of(self.address)}
            )
        except RpcError as error:
            if error.code == CONTRACT_NOT_FOUND:
                return 0
            raise
        return int(answer, 16)

    async def wait(self, tx_hash: int) -> Receipt:
        """The receipt, once the transaction is in a block; reverted or not.

        Raises:
            TransactionTimeout: it is not in time.
            NodeUnavailable, RpcError: the node does not tell.
        """
        give_up = time.monotonic() + self._timeout
        pause = self._poll
        while True:
            try:
                raw = await self.rpc.call("starknet_getTransactionReceipt", {"transaction_hash": hex_of(tx_hash)})
            except RpcError as error:
                if error.code != HASH_NOT_FOUND:
                    raise
            else:
                receipt = parse_receipt(raw)
                if receipt.finality in self._final:
                    return receipt
            if time.monotonic() + pause > give_up:
                raise TransactionTimeout(tx_hash, self._timeout)
            await asyncio.sleep(pause)
            pause = min(pause * _POLL_GROWTH, _POLL_MOST)

    async def _send(
        self, sign: Callable[[int], Awaitable[tuple[int, dict[str, Any]]]], method: str, parameter: str
    ) -> int:
        async with self._lock:
            tries = _NONCE_TRIES
            while True:
                if self._nonce is None:
                    self._nonce = await self.nonce()
                tx_hash, transaction = await sign(self._nonce)
                tries -= 1
                try:
                    await self._post(self.rpc.call(method, {parameter: transaction}), tx_hash)
                except RpcError as error:
                    # Asked anew before the next one: another process with this key, or a chain that went back.
                    self._nonce = None
                    if error.code == INVALID_NONCE and tries > 0:
                        await asyncio.sleep(self._poll)
                        continue
                    raise TransactionRefused(error) from None
                except BaseException:
                    self._nonce = None
                    raise
                self._nonce += 1
                return tx_hash

    async def _post(self, post: Awaitable[Any], tx_hash: int) -> None:
        """Returns if the node has the transaction, also where its answer got lost."""
        try:
            await post
        except RpcError as error:
            if error.code != DUPLICATE:
                raise
        except NodeUnavailable:
            if not await self.is_known(tx_hash):
                raise

    async def is_known(self, tx_hash: int) -> bool:
        """Whether the node has a transaction of this hash, in a block or not yet."""
        try:
            await self.rpc.call("starknet_getTransactionStatus", {"transaction_hash": hex_of(tx_hash)})
        except RpcError as error:
            if error.code == HASH_NOT_FOUND:
                return False
            raise
        return True
