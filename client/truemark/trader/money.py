"""Money in and out: L1, wallet, margin account, vault."""

from __future__ import annotations

from collections.abc import Sequence

from truemark.errors import TruemarkError
from truemark.l1_records import L1Deposit, checked_l1_address, money
from truemark.models import (
    Destination,
    RedemptionClaim,
    RedemptionRequest,
    Source,
    Transfer,
    VaultDeposit,
    Withdrawal,
)
from truemark.refunds import RefundClaim
from truemark.trader.amounts import from_shares, to_shares
from truemark.trader.handles import DepositHandle, WithdrawalHandle, registered_withdrawals, withdrawal_of
from truemark.trader.session import Session
from truemark.trader.venue import event_of
from truemark.units import Amount, from_collateral


class NothingClaimable(TruemarkError, RuntimeError):
    """There is no redemption to claim now; the message says why: none, locked until a time, or the vault is closed."""


class AlreadyRefunded(TruemarkError, RuntimeError):
    """The refund was paid before: each is paid once."""


class MoneyMixin(Session):
    """Money of AsyncTrader. Amounts are USD and have at most six decimals."""

    # --- refunds

    async def claim_refund(self, claim: RefundClaim, recipient: int | None = None) -> Transfer:
        """Has a refund paid into the margin account that it is for, this one or any other; or, if it is this account's,
        to the L2 wallet `recipient`.

        Raises:
            AlreadyRefunded: it was paid before.
            TransactionReverted: with the contract's reason, e.g. 'REFUND: bad proof', 'REFUND: expired'.
        """
        refunds = self._venue.refunds
        if recipient is None:
            call = refunds.call("claim", claim.incident, claim.index, claim.account, claim.amount, claim.proof)
        else:
            call = refunds.call("claim_to", claim.incident, claim.index, claim.amount, claim.proof, recipient)
        receipt = await self._account.execute([call])
        if not any(event.from_address == refunds.address for event in receipt.events):
            raise AlreadyRefunded(f"refund {claim.index} of incident {claim.incident:#x} was paid before")
        return Transfer(from_collateral(claim.amount), receipt.hash)

    # --- in

    async def deposit(self, amount: Amount, to: Destination | str = Destination.MARGIN) -> DepositHandle:
        """Sends USDC from L1 to "margin", "wallet" or "vault" of this account; `credited()` of the handle waits for L2.

        Raises:
            BadAmount: not above 0, or finer than 1e-6.
            L1Reverted: the bridge or the token refused it, with its reason.
            L1Refused, L1Unavailable, NoL1
        """
        sent = await self.l1.deposit(amount, Destination(to), self.address)
        return self.resume_deposit(sent)

    def resume_deposit(self, deposit: L1Deposit) -> DepositHandle:
        """The handle of a deposit that was sent before."""
        return DepositHandle(deposit, self._venue, self.l1, poll=self._poll)

    async def deposit_from_wallet(self, amount: Amount) -> Transfer:
        """From the L2 wallet into the margin account.

        Raises:
            BadAmount
            TransactionReverted: with the contract's reason, e.g. 'ERC20: balance'.
        """
        units, clearinghouse = money(amount), self._venue.clearinghouse
        receipt = await self._account.execute(
            [self._venue.approve(clearinghouse.address, units), clearinghouse.call("deposit", units)]
        )
        return Transfer(from_collateral(units), receipt.hash)

    async def credit_pending(self) -> Transfer:
        """Credits what was deposited while the venue was Halted, once it is not.

        Raises:
            TransactionReverted: 'MONEY: nothing pending', or the venue is Halted still.
        """
        receipt = await self._account.execute(self._venue.clearinghouse.call("credit_pending", self.address))
        credited = event_of(receipt.events, self._venue.clearinghouse, "DepositCredited")
        return Transfer(from_collateral(credited["amount"]), receipt.hash)

    async def claim_parked(self, parked_id: int) -> Transfer:
        """Takes a deposit that could not be delivered into the L2 wallet.

        Raises:
            TransactionReverted: 'BRIDGE: nothing parked', 'BRIDGE: not the recipient'.
        """
        receipt = await self._account.execute(self._venue.bridge.call("claim_parked", parked_id))
        claimed = event_of(receipt.events, self._venue.bridge, "ParkedClaimed")
        return Transfer(from_collateral(claimed["amount"]), receipt.hash)

    async def return_pending(self) -> Transfer:
        """Takes what a Halted venue holds and has not credited back into the L2 wallet.

        Raises:
            TransactionReverted: 'MONEY: nothing pending', 'MONEY: over the quota'.
        """
        receipt = await self._account.execute(self._venue.clearinghouse.call("return_pending"))
        returned = event_of(receipt.events, self._venue.clearinghouse, "DepositReturned")
        return Transfer(from_collateral(returned["amount"]), receipt.hash)

    async def escape(self, amount: Amount | None = None) -> Transfer:
        """Leaves a venue that stays Halted: what is open closes at the last good marks, as everybody's does from then
        on (the venue winds down for good), and `amount` goes to the L2 wallet. None: it only closes.

        Raises:
            BadAmount
            TransactionReverted: 'ESCAPE: too early', 'ESCAPE: not halted', 'ESCAPE: more than is left',
                'MONEY: over the quota'.
        """
        units = 0 if amount is None else money(amount)
        epoch = await self._venue.clearinghouse.read("epoch")
        receipt = await self._account.execute(self._venue.clearinghouse.call("escape", epoch, units))
        escaped = event_of(receipt.events, self._venue.clearinghouse, "Escaped")
        return Transfer(from_collateral(escaped["amount"]), receipt.hash)

    # --- the vault

    async def vault_deposit(self, amount: Amount, source: Source | str = Source.WALLET) -> VaultDeposit:
        """Buys shares of the vault with money of the L2 wallet or of the margin account, in one transaction.

        Raises:
            BadAmount
            ValueError: the source is neither "wallet" nor "margin".
            TransactionReverted: with the contract's reason, e.g. 'VAULT: closed', 'MARGIN: below initial'.
        """
        units = money(amount)
        vault = self._venue.vault
        calls = await self._venue.into_wallet(source, units)
        calls += [self._venue.approve(vault.address, units), vault.call("deposit", units, self.address)]
        receipt = await self._account.execute(calls)
        said = event_of(receipt.events, vault, "Deposit")
        return VaultDeposit(from_collateral(said["assets"]), from_shares(said["shares"]), receipt.hash)

    async def request_redeem(self, shares: Amount) -> RedemptionRequest:
        """Locks shares for redemption: claimable once the lock is over, at the price of that moment.

        Raises:
            BadAmount: not above 0, or finer than 1e-12.
            TransactionReverted: with the contract's reason.
        """
        vault = self._venue.vault
        receipt = await self._account.execute(
            vault.call("request_redeem", to_shares(shares), self.address, self.address)
        )
        said = event_of(receipt.events, vault, "RedeemRequest")
        return RedemptionRequest(said["request_id"], from_shares(said["shares"]), said["claimable_at"], receipt.hash)

    async def claim_redemption(self, request_id: int | None = None) -> RedemptionClaim:
        """Pays the shares of a request, or by default of all that is claimable, into the L2 wallet. The contract burns
        the oldest claimable shares first; they are all worth the same.

        Raises:
            NothingClaimable: there is none, it is locked still, or the vault is closed.
            TransactionReverted: with the contract's reason.
        """
        vault, address = self._venue.vault, self.address
        block = await self._venue.head()
        payable = await vault.read("max_redeem", address, block=block)
        shares = payable
        if request_id is not None:
            shares = await vault.read("claimable_redeem_request", request_id, address, block=block)
            if shares == 0:
                raise NothingClaimable(await self._why_not(request_id))
        if payable == 0 or payable < shares:
            raise NothingClaimable(await self._why_closed(block, shares, payable))
        receipt = await self._account.execute(vault.call("redeem", shares, address, address))
        said = event_of(receipt.events, vault, "Withdraw")
        return RedemptionClaim(from_shares(said["shares"]), from_collateral(said["assets"]), receipt.hash)

    async def _why_not(self, request_id: int) -> str:
        redemption = await self._venue.vault.read("redemption", request_id)
        if redemption["controller"] != self.address or redemption["shares"] == 0:
            return f"this account has no open redemption {request_id}"
        return f"redemption {request_id} is locked until {redemption['claimable_at']} (unix seconds of block time)"

    async def _why_closed(self, block: int, shares: int, payable: int) -> str:
        if payable:
            return f"the vault can pay {from_shares(payable)} shares now, {from_shares(shares)} were asked"
        if await self._venue.vault.read("max_deposit", self.address, block=block) == 0:
            return "the vault is closed: the mode does not allow it, or a market that it holds is not Valid"
        return "no redemption of this account is claimable now"

    # --- out

    async def withdraw(
        self, amount: Amount, recipient: str | None = None, source: Source | str = Source.MARGIN
    ) -> WithdrawalHandle:
        """From the margin account (or the L2 wallet) to L1 in one transaction; the handle's `claim()` has it paid there
        to `recipient`, by default this trader's own L1 address.

        Raises:
            BadAmount: not above 0, or finer than 1e-6.
            ValueError: the recipient is no L1 address, or the source neither "wallet" nor "margin".
            TransactionReverted: with the contract's reason, e.g. 'MARGIN: below initial'.
        """
        units = money(amount)
        to = checked_l1_address(recipient) if recipient is not None else self.l1.address
        bridge = self._venue.bridge
        calls = await self._venue.into_wallet(source, units)
        calls.append(bridge.call("withdraw", await bridge.read("epoch"), int(to, 16), units))
        receipt = await self._account.execute(calls)
        registered = withdrawal_of(event_of(receipt.events, bridge, "WithdrawalRegistered"))
        return WithdrawalHandle(registered, self.l1, poll=self._poll, tx_hash=receipt.hash)

    async def withdraw_to_wallet(self, amount: Amount) -> Transfer:
        """From the margin account to the L2 wallet.

        Raises:
            BadAmount
            TransactionReverted: with the contract's reason, e.g. 'MARGIN: below initial'.
        """
        units = money(amount)
        receipt = await self._account.execute(await self._venue.to_wallet(units))
        return Transfer(from_collateral(units), receipt.hash)

    def resume_withdrawal(self, withdrawal: Withdrawal) -> WithdrawalHandle:
        """The handle of a withdrawal that was made before, from its five numbers alone."""
        return WithdrawalHandle(withdrawal, self.l1, poll=self._poll)

    async def withdrawals(self) -> Sequence[WithdrawalHandle]:
        """Every withdrawal that this account registered, oldest first, paid or not."""
        found = await registered_withdrawals(self._venue, self.address)
        return [WithdrawalHandle(item, self.l1, poll=self._poll, tx_hash=tx_hash) for item, tx_hash in found]
