"""Money into the vault, and out again through its queue: request, lock, claim."""

from __future__ import annotations

from typing import ClassVar

from truemark.models import RedemptionClaim, VaultDeposit
from truemark.trader.amounts import from_shares, to_shares
from truemark.trader.flows.flow import Flow
from truemark.trader.flows.journal import Kind, Step
from truemark.trader.venue import event_of
from truemark.units import from_collateral, to_collateral


class VaultDepositFlow(Flow):
    """Wallet or margin account -> shares of the vault, in one transaction. Its outcome is a VaultDeposit."""

    kind: ClassVar[Kind] = Kind.VAULT_DEPOSIT

    async def _advance(self) -> None:
        if self.step is Step.PLANNED:
            await self._sign()
            return
        receipt = await self._settled(Step.PLANNED)
        if receipt is not None:
            said = event_of(receipt.events, self._desk.venue.vault, "Deposit")
            self._save(
                Step.DONE,
                assets=str(from_collateral(said["assets"])),
                shares=str(from_shares(said["shares"])),
                l2_tx=hex(receipt.hash),
            )

    async def _sign(self) -> None:
        data, desk = self._record.data, self._desk
        units = to_collateral(data["amount"])
        vault = desk.venue.vault
        calls = await desk.venue.into_wallet(data["source"], units)
        calls += [desk.venue.approve(vault.address, units), vault.call("deposit", units, desk.address)]
        await self._send(calls, Step.SIGNED)

    def _outcome(self) -> VaultDeposit:
        return VaultDeposit(self._amount("assets"), self._amount("shares"), int(self._record.data["l2_tx"], 16))

    def _says(self) -> str:
        data = self._record.data
        what = f"{data['amount']} USD from the {data['source']} to the vault"
        return {
            Step.PLANNED: f"{what}: nothing sent yet",
            Step.SIGNED: f"{what}: waits for its block on L2",
            Step.DONE: f"{what}: bought {data.get('shares')} shares",
        }.get(self.step, f"{what}: {self.reason}")


class RedemptionFlow(Flow):
    """Shares of the vault -> wallet, once their lock is over. Its outcome is a RedemptionClaim; one with 0 shares was
    claimed by another way."""

    kind: ClassVar[Kind] = Kind.REDEMPTION

    async def _advance(self) -> None:
        if self.step is Step.PLANNED:
            shares, me = to_shares(self._amount("shares")), self._desk.address
            await self._send([self._desk.venue.vault.call("request_redeem", shares, me, me)], Step.SIGNED)
        elif self.step is Step.SIGNED:
            await self._lock()
        elif self.step is Step.LOCKED:
            await self._claim()
        else:
            await self._take()

    async def _lock(self) -> None:
        receipt = await self._settled(Step.PLANNED)
        if receipt is not None:
            said = event_of(receipt.events, self._desk.venue.vault, "RedeemRequest")
            self._save(Step.LOCKED, request_id=said["request_id"], claimable_at=said["claimable_at"])

    async def _claim(self) -> None:
        vault, me = self._desk.venue.vault, self._desk.address
        block = await self._desk.venue.head()
        left = (await vault.read("redemption", self._record.data["request_id"], block=block))["shares"]
        payable = await vault.read("max_redeem", me, block=block)
        if left == 0 and payable == 0:
            self._save(Step.DONE, redeemed="0", assets="0", l2_tx="0x0")
            return
        if left and await vault.read("claimable_redeem_request", self._record.data["request_id"], me, block=block) == 0:
            return
        # The contract burns the oldest claimable shares first: another movement may have taken this request's shares
        # and left its own, which are worth the same.
        shares = min(to_shares(self._amount("shares")), payable)
        if shares:
            await self._send([vault.call("redeem", shares, me, me)], Step.CLAIMING)

    async def _take(self) -> None:
        # One that is reverted (the vault closed between the look and the block) left the shares in the queue.
        receipt = await self._settled(Step.LOCKED, ends=False)
        if receipt is not None:
            said = event_of(receipt.events, self._desk.venue.vault, "Withdraw")
            self._save(
                Step.DONE,
                redeemed=str(from_shares(said["shares"])),
                assets=str(from_collateral(said["assets"])),
                l2_tx=hex(receipt.hash),
            )

    def _outcome(self) -> RedemptionClaim:
        return RedemptionClaim(self._amount("redeemed"), self._amount("assets"), int(self._record.data["l2_tx"], 16))

    def _says(self) -> str:
        data = self._record.data
        what = f"{data['shares']} shares of the vault"
        return {
            Step.PLANNED: f"{what}: nothing sent yet",
            Step.SIGNED: f"{what}: the request waits for its block on L2",
            Step.LOCKED: f"{what}: locked until {data.get('claimable_at')} (unix seconds of block time)",
            Step.CLAIMING: f"{what}: the claim waits for its block on L2",
            Step.DONE: f"{what}: {data.get('redeemed')} paid {data.get('assets')} USD into the wallet",
        }.get(self.step, f"{what}: {self.reason}")
