"""Truemark's L1 side through one Ethereum key: test USDC, deposits into the bridge, claims of withdrawals, and the sums
that a reconciliation needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from decimal import Decimal
from importlib.resources import files
from typing import Any, TypeVar, cast

import orjson
from aiohttp import ClientError
from eth_account import Account as EthAccounts
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress, HexStr
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.contract.async_contract import AsyncContract, AsyncContractFunction
from web3.exceptions import ContractLogicError, TimeExhausted, TransactionNotFound, Web3Exception, Web3RPCError
from web3.logs import DISCARD
from web3.providers.rpc.utils import REQUEST_RETRY_ALLOWLIST, ExceptionRetryConfiguration
from web3.types import RPCEndpoint, TxParams, TxReceipt, Wei

from truemark.deployment import Deployment
from truemark.keys import BadEthKey
from truemark.l1_records import (
    AMOUNT_BOUND,
    AlreadyClaimed,
    BadL1Address,
    BeforeL1,
    L1Deposit,
    L1Prepared,
    L1Refused,
    L1Reverted,
    L1Unavailable,
    NoL1Signer,
    NotClaimable,
    OverQuota,
    checked_l1_address,
    money,
)
from truemark.models import Destination, Withdrawal
from truemark.rpc import shown_url
from truemark.secrets import conceal, scrubbed
from truemark.units import Amount, from_collateral

#: Paid with each message to L2; the messaging contract refuses one without.
MESSAGE_FEE = 10**12
#: Reads under way at a time when many messages are looked up.
CONCURRENT_READS = 32
_WEI = Decimal(10) ** 18
_ALREADY_PAID = "BRIDGE: already paid"
_NO_MESSAGE = "MESSAGING: no such message from L2"
_OVER_QUOTA = "BRIDGE: over the quota"
#: Bounds are estimated on the state of the moment, which another deposit may change.
_GAS_PERCENT = 125

T = TypeVar("T")

__all__ = [
    "AMOUNT_BOUND",
    "CONCURRENT_READS",
    "MESSAGE_FEE",
    "AlreadyClaimed",
    "BadL1Address",
    "BeforeL1",
    "L1Bridge",
    "L1Deposit",
    "L1Prepared",
    "L1Refused",
    "L1Reverted",
    "L1Unavailable",
    "NoL1Signer",
    "NotClaimable",
    "OverQuota",
    "account_of",
    "checked_l1_address",
    "money",
    "node_text",
    "revert_text",
]


class L1Bridge:
    """The collateral bridge, its token and the messaging contract on L1.

    Args:
        deployment: where they are.
        signer: an eth-account account, or its private key; None can only read.
        w3: an own client instead of one to `deployment.l1_rpc`.
        message_fee: wei paid with each message to L2; above 0.
        poll: seconds between looks for a receipt.
        timeout: seconds that one request may take, and a transaction until its block.

    Raises:
        BadEthKey: `signer` is no private key.
        ValueError: `message_fee` is not above 0.
    """

    def __init__(
        self,
        deployment: Deployment,
        signer: LocalAccount | bytes | str | None = None,
        *,
        w3: AsyncWeb3[Any] | None = None,
        message_fee: int = MESSAGE_FEE,
        poll: float = 0.05,
        timeout: float = 60.0,
    ) -> None:
        if message_fee <= 0:
            raise ValueError(f"message_fee is {message_fee}: the messaging contract asks for more than 0")
        # A provider's URL holds its key, and web3's errors quote the URL.
        conceal(deployment.l1_rpc)
        self._signer = account_of(signer) if isinstance(signer, bytes | str) else signer
        self._owns_client = w3 is None
        self._w3: AsyncWeb3[Any] = w3 if w3 is not None else _client(deployment.l1_rpc, timeout)
        self._deployment = deployment
        self._message_fee = message_fee
        self._poll = poll
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._token = self._contract("TestUSDC")
        self._messaging = self._contract("Messaging")
        self._bridge = self._contract("CollateralBridge")

    async def __aenter__(self) -> L1Bridge:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connection, if it was opened here."""
        if self._owns_client:
            await self._w3.provider.disconnect()

    @property
    def address(self) -> str:
        """The signer's checksum address.

        Raises:
            NoL1Signer: there is none.
        """
        return self._account.address

    @property
    def can_sign(self) -> bool:
        return self._signer is not None

    # --- money

    async def mint_test_usdc(self, amount: Amount, to: str | None = None) -> str:
        """Mints test collateral to `to`, by default the signer; the transaction's hash. Test deployments only.

        Raises:
            BadAmount, L1Reverted, L1Refused, L1Unavailable
        """
        units = money(amount)
        owner = checked_l1_address(to) if to is not None else self.address
        receipt = await self._send(self._token.functions.mint(owner, units), "minting test USDC")
        return _hash_of(receipt)

    async def fund_ether(self, ether: Amount = 1) -> None:
        """Gives the signer that much ether on a local node that has a faucet, if it has less.

        Raises:
            L1Refused: this deployment has no faucet.
        """
        if not self._deployment.faucet:
            raise L1Refused(f"{self._deployment.name} has no faucet: fund {self.address} with ether yourself")
        wei = int(Decimal(ether) * _WEI)
        if await self._ask(self._w3.eth.get_balance(self._account.address), "reading ether") >= wei:
            return
        answer = await self._ask(
            self._w3.provider.make_request(RPCEndpoint("anvil_setBalance"), [self.address, hex(wei)]), "the faucet"
        )
        if "error" in answer:
            raise L1Refused(f"the faucet: {answer['error']}")

    async def deposit(
        self, amount: Amount, destination: Destination, recipient: int, *, before: BeforeL1 | None = None
    ) -> L1Deposit:
        """Approves and sends `amount` USD to `recipient` on L2.

        Args:
            before: called with the deposit's own transaction before it is sent: the place to write down what a crash
                must not lose.

        Raises:
            BadAmount: not above 0, or finer than 1e-6 USD.
            L1Reverted: the bridge or the token refused it, e.g. 'TOKEN: balance'.
            L1Refused, L1Unavailable, NoL1Signer
        """
        units = money(amount)
        allowed = await self._read(self._token.functions.allowance(self.address, self._bridge.address))
        if allowed < units:
            await self._send(self._token.functions.approve(self._bridge.address, units), "approving the deposit")
        receipt = await self._send(
            self._bridge.functions.deposit(destination.code, recipient, units),
            "depositing",
            value=self._message_fee,
            before=before,
        )
        return self._deposit_in(receipt)

    async def find_deposit(self, tx_hash: str) -> L1Deposit | None:
        """The deposit of a transaction that is in a block; None: it is in none.

        Raises:
            L1Reverted: it was reverted.
        """
        receipt = await self._receipt(tx_hash)
        if receipt is None:
            return None
        if receipt["status"] != 1:
            raise L1Reverted("depositing", "reverted in its block")
        return self._deposit_in(receipt)

    async def can_still_be_sent(self, prepared: L1Prepared) -> bool:
        """Whether a transaction that is in no block could still get there: no other one of the signer has its nonce.
        Ask for its receipt first."""
        used = await self._ask(self._w3.eth.get_transaction_count(self._account.address, "latest"), "reading a nonce")
        return used <= prepared.nonce

    async def send_again(self, prepared: L1Prepared) -> None:
        """Signs and sends the very same transaction again: with its nonce it is in a block once at most. One that the
        node has already is left to it.

        Raises:
            L1Refused: the node does not take it.
            L1Unavailable, NoL1Signer
        """
        signed = self._account.sign_transaction(dict(prepared.fields))
        async with self._lock:
            try:
                await self._ask(self._w3.eth.send_raw_transaction(signed.raw_transaction), "sending again")
            except L1Refused:
                if await self._transaction(prepared.hash) is None:
                    raise

    async def cancel_deposit(self, deposit: L1Deposit) -> str:
        """Starts the delay before `reclaim_deposit`, for a deposit that L2 has not consumed; the transaction's hash."""
        arguments = (deposit.destination.code, deposit.recipient, money(deposit.amount), deposit.nonce)
        return _hash_of(await self._send(self._bridge.functions.cancel_deposit(*arguments), "cancelling the deposit"))

    async def reclaim_deposit(self, deposit: L1Deposit) -> str:
        """Takes a cancelled deposit back once the delay is over; the transaction's hash."""
        arguments = (deposit.destination.code, deposit.recipient, money(deposit.amount), deposit.nonce)
        return _hash_of(await self._send(self._bridge.functions.reclaim_deposit(*arguments), "reclaiming the deposit"))

    async def claim(self, withdrawal: Withdrawal) -> str:
        """Has a withdrawal paid to its recipient; the transaction's hash. Anyone may do it, once.

        Raises:
            AlreadyClaimed: it was paid before.
            NotClaimable: L1 knows no such withdrawal (yet).
            OverQuota: the quota has no room for it now; it stays claimable.
            L1Reverted, L1Refused, L1Unavailable, NoL1Signer
        """
        try:
            receipt = await self._send(self._bridge.functions.withdraw(*_fields(withdrawal)), "claiming")
        except L1Reverted as error:
            what = f"withdrawal {withdrawal.counter} of epoch {withdrawal.epoch}"
            if error.reason == _ALREADY_PAID:
                raise AlreadyClaimed(what, error.reason) from error
            if error.reason == _NO_MESSAGE:
                raise NotClaimable(what, error.reason) from error
            if error.reason == _OVER_QUOTA:
                raise OverQuota(what, error.reason) from error
            raise
        return _hash_of(receipt)

    async def attest(self, withdrawal: Withdrawal) -> str:
        """Tells L2 of a withdrawal of an earlier epoch that L1 paid or can pay: if a rollback erased it there, it is
        debited again, once. Anyone may do it; the transaction's hash.

        Raises:
            L1Reverted: its epoch is not over, or L1 knows no such withdrawal.
            L1Refused, L1Unavailable, NoL1Signer
        """
        if await self.is_paid(withdrawal):
            call = self._bridge.functions.attest_payment(withdrawal.epoch, withdrawal.counter)
        else:
            call = self._bridge.functions.attest_registered(*_fields(withdrawal))
        return _hash_of(await self._send(call, "attesting", value=self._message_fee))

    async def new_epoch(self) -> int:
        """Owner: the appchain was rolled back. What was signed for the epoch before ends on L2 with the message that
        this sends; the new epoch.

        Raises:
            L1Reverted: the signer is not the bridge's owner.
            L1Refused, L1Unavailable, NoL1Signer
        """
        receipt = await self._send(
            self._bridge.functions.new_epoch(), "announcing a new epoch", value=self._message_fee
        )
        (log,) = self._bridge.events.EpochAnnounced().process_receipt(receipt, errors=DISCARD)
        return int(log["args"]["epoch"])

    # --- reads

    async def is_claimable(self, withdrawal: Withdrawal) -> bool:
        """Whether `claim` would pay."""
        return bool(await self._read(self._bridge.functions.claimable(*_fields(withdrawal))))

    async def is_registered(self, withdrawal: Withdrawal) -> bool:
        """Whether L2's message is there and it was not paid; `claim` pays it now or, over the quota, later."""
        return bool(await self._read(self._bridge.functions.registered(*_fields(withdrawal))))

    async def is_paid(self, withdrawal: Withdrawal) -> bool:
        return bool(await self._read(self._bridge.functions.paid(withdrawal.epoch, withdrawal.counter)))

    async def balance(self, address: str | None = None) -> Decimal:
        """Collateral tokens of `address`, by default the signer; USD."""
        owner = checked_l1_address(address) if address is not None else self.address
        return from_collateral(await self._read(self._token.functions.balanceOf(owner)))

    async def ether(self, address: str | None = None) -> Decimal:
        owner = checked_l1_address(address) if address is not None else cast(ChecksumAddress, self.address)
        return Decimal(await self._ask(self._w3.eth.get_balance(owner), "reading ether")) / _WEI

    async def withdrawable(self) -> Decimal:
        """What the quota leaves to withdrawals now; USD."""
        return from_collateral(await self._read(self._bridge.functions.withdrawable()))

    async def locked(self) -> Decimal:
        """What L2, deposits in flight and withdrawals not yet paid have a claim on; USD."""
        return from_collateral(await self._read(self._bridge.functions.locked()))

    async def epoch(self) -> int:
        return int(await self._read(self._bridge.functions.epoch()))

    async def deposits(self, from_block: int = 0) -> Sequence[L1Deposit]:
        """Every deposit since `from_block`, oldest first."""
        logs = await self._ask(self._bridge.events.DepositSent().get_logs(from_block=from_block), "reading deposits")
        return [_deposit_of(log) for log in logs]

    async def in_flight(self, deposit: L1Deposit) -> bool:
        """Whether L2 has not consumed it and nobody reclaimed it: its message still waits."""
        message = bytes.fromhex(deposit.message_hash.removeprefix("0x"))
        return int(await self._read(self._messaging.functions.l1ToL2Messages(message))) != 0

    async def is_reclaimed(self, deposit: L1Deposit) -> bool:
        """Whether its depositor took it back: it will never be on L2."""
        return int(await self._read(self._bridge.functions.depositor_of(deposit.nonce)), 16) == 0

    async def deposits_in_flight(self, from_block: int = 0) -> Sequence[L1Deposit]:
        """The deposits that left L1's hands and are not on L2 yet."""
        sent = await self.deposits(from_block)
        waiting = await _few_at_a_time(self.in_flight(deposit) for deposit in sent)
        return [deposit for deposit, waits in zip(sent, waiting, strict=True) if waits]

    async def known_withdrawals(self, from_block: int = 0) -> Sequence[Withdrawal]:
        """Every withdrawal that L2 ever told L1 of, paid or not, oldest first: what a rollback of L2 cannot erase."""
        event = self._messaging.events.LogMessageToL1()
        told = {"fromAddress": self._deployment.address("Bridge"), "toAddress": self._bridge.address}
        logs = await self._ask(event.get_logs(from_block=from_block, argument_filters=told), "reading withdrawals")
        return [_withdrawal_of(log) for log in logs]

    async def unclaimed(self, withdrawals: Iterable[Withdrawal]) -> Sequence[Withdrawal]:
        """Those that L1 has not paid. Give all that L2 registered (`truemark.trader.registered_withdrawals`)."""
        registered = list(withdrawals)
        paid = await _few_at_a_time(self.is_paid(withdrawal) for withdrawal in registered)
        return [withdrawal for withdrawal, done in zip(registered, paid, strict=True) if not done]

    # --- the node

    @property
    def _account(self) -> LocalAccount:
        if self._signer is None:
            raise NoL1Signer("sending on L1 needs an Ethereum key: open the bridge with a signer")
        return self._signer

    def _contract(self, name: str) -> AsyncContract:
        abi = orjson.loads((files("truemark") / "abi" / "l1" / f"{name}.json").read_bytes())
        address = checked_l1_address(self._deployment.l1[name])
        return self._w3.eth.contract(address=address, abi=abi)

    def _deposit_in(self, receipt: TxReceipt) -> L1Deposit:
        (log,) = self._bridge.events.DepositSent().process_receipt(receipt, errors=DISCARD)
        return _deposit_of(log)

    async def _receipt(self, tx_hash: str) -> TxReceipt | None:
        try:
            return await self._ask(self._w3.eth.get_transaction_receipt(HexStr(tx_hash)), "reading a receipt")
        except L1Refused as error:
            if isinstance(error.__cause__, TransactionNotFound):
                return None
            raise

    async def _transaction(self, tx_hash: str) -> Any:
        try:
            return await self._ask(self._w3.eth.get_transaction(HexStr(tx_hash)), "reading a transaction")
        except L1Refused as error:
            if isinstance(error.__cause__, TransactionNotFound):
                return None
            raise

    async def _send(
        self, function: AsyncContractFunction, what: str, *, value: int = 0, before: BeforeL1 | None = None
    ) -> TxReceipt:
        """Signs, sends and waits for the block. The nonce is taken under the lock, so two sends never share one."""
        account = self._account
        async with self._lock:
            nonce = await self._ask(self._w3.eth.get_transaction_count(account.address, "pending"), what)
            base: TxParams = {
                "from": account.address,
                "nonce": nonce,
                "value": Wei(value),
                "chainId": self._deployment.l1_chain_id,
            }
            gas = await self._ask(function.estimate_gas(base), what)
            built = await self._ask(function.build_transaction({**base, "gas": gas * _GAS_PERCENT // 100}), what)
            signed = account.sign_transaction(cast(dict[str, Any], built))
            if before is not None:
                before(L1Prepared(nonce, "0x" + bytes(signed.hash).hex(), cast(dict[str, Any], built)))
            sent = await self._ask(self._w3.eth.send_raw_transaction(signed.raw_transaction), what)
        receipt = await self._ask(
            self._w3.eth.wait_for_transaction_receipt(sent, timeout=self._timeout, poll_latency=self._poll), what
        )
        if receipt["status"] != 1:
            # The reason is not in a receipt: the same call on the state before its block says it.
            await self._ask(function.call(base, block_identifier=receipt["blockNumber"] - 1), what)
            raise L1Reverted(what, "reverted in its block, and not on the state before it")
        return receipt

    async def _read(self, function: AsyncContractFunction) -> Any:
        return await self._ask(function.call(), f"reading {function.fn_name}")

    async def _ask(self, answer: Awaitable[T], what: str) -> T:
        try:
            return await answer
        except ContractLogicError as error:
            raise L1Reverted(what, revert_text(error)) from error
        except Web3RPCError as error:
            raise L1Refused(f"{what}: {scrubbed(node_text(error))}") from error
        except (TimeExhausted, TimeoutError, ClientError, OSError) as error:
            raise L1Unavailable(
                f"{what}: no answer from {shown_url(self._deployment.l1_rpc)} "
                f"({scrubbed(str(error)) or type(error).__name__})"
            ) from error
        except Web3Exception as error:
            raise L1Refused(f"{what}: {scrubbed(str(error))}") from error


def account_of(private_key: bytes | str) -> LocalAccount:
    """
    Raises:
        BadEthKey: it is no Ethereum private key; the message does not show it.
    """
    try:
        account: LocalAccount = EthAccounts.from_key(private_key)
    except (ValueError, TypeError, ValidationError):
        raise BadEthKey("an Ethereum private key is 32 bytes, or their 64 hex digits") from None
    return account


def revert_text(error: ContractLogicError) -> str:
    """The contract's own words out of web3's error."""
    text = str(error.message or error.data or "")
    return text.removeprefix("execution reverted").lstrip(": ").strip() or "reverted without a reason"


def node_text(error: Web3RPCError) -> str:
    """The node's own words out of web3's error, whose own are the same for all."""
    said = (error.rpc_response or {}).get("error")
    message = said.get("message") if isinstance(said, dict) else said
    return str(message or error.message or error)


def _client(url: str, timeout: float) -> AsyncWeb3[Any]:
    # A transaction is posted once: of a second post the node says "already known", which hides what became of it.
    reads = [method for method in REQUEST_RETRY_ALLOWLIST if method != "eth_sendRawTransaction"]
    return AsyncWeb3(
        AsyncHTTPProvider(
            url,
            request_kwargs={"timeout": timeout},
            exception_retry_configuration=ExceptionRetryConfiguration(
                errors=(ClientError, TimeoutError), retries=2, method_allowlist=reads
            ),
        )
    )


def _fields(withdrawal: Withdrawal) -> tuple[ChecksumAddress, int, int, int, int]:
    return (
        checked_l1_address(withdrawal.recipient),
        money(withdrawal.amount),
        withdrawal.epoch,
        withdrawal.counter,
        withdrawal.source,
    )


def _deposit_of(log: Any) -> L1Deposit:
    fields = log["args"]
    return L1Deposit(
        nonce=fields["nonce"],
        depositor=fields["depositor"],
        recipient=fields["l2_recipient"],
        destination=Destination.from_code(fields["destination"]),
        amount=from_collateral(fields["amount"]),
        message_hash="0x" + bytes(fields["message_hash"]).hex(),
        tx_hash="0x" + bytes(log["transactionHash"]).hex(),
        block=log["blockNumber"],
    )


def _withdrawal_of(log: Any) -> Withdrawal:
    """From a LogMessageToL1 of the L2 bridge: [l1_token, l1_recipient, amount, epoch, counter, source]."""
    _, recipient, amount, epoch, counter, source = log["args"]["payload"]
    return Withdrawal(
        epoch=epoch,
        counter=counter,
        amount=from_collateral(amount),
        recipient=to_checksum_address(recipient.to_bytes(20, "big")),
        source=source,
    )


def _hash_of(receipt: TxReceipt) -> str:
    return HexStr("0x" + bytes(receipt["transactionHash"]).hex())


async def _few_at_a_time(reads: Iterable[Awaitable[T]]) -> list[T]:
    gate = asyncio.Semaphore(CONCURRENT_READS)

    async def one(read: Awaitable[T]) -> T:
        async with gate:
            return await read

    return list(await asyncio.gather(*(one(read) for read in reads)))
