"""From a key to an account that can trade: fees, deployment, trading key. Each step is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from truemark.contract import Contract
from truemark.curve import is_on_curve
from truemark.errors import TruemarkError
from truemark.felt import hex_of, selector
from truemark.models import Onboarding, TradingKey
from truemark.trader.handles import read_events
from truemark.trader.session import Session

#: Seconds that a trading key is registered for.
KEY_LIFETIME: Final = 90 * 86_400
#: A key that ends within this time is registered anew.
KEY_MARGIN: Final = 86_400
#: What the faucet gives, and below which it gives again; FRI.
FAUCET_FRI: Final = 10**21
LOW_FRI: Final = 10**20


class NotFunded(TruemarkError, RuntimeError):
    """The account has nothing to pay fees with, and the deployment has no faucet."""


class OnboardingMixin(Session):
    """Onboarding of AsyncTrader."""

    async def onboard(self, *, key_lifetime: int = KEY_LIFETIME) -> Onboarding:
        """Makes the account ready to trade: fee token from the faucet of a local deployment, the account deployed by
        its own key, its public key registered as trading key for `key_lifetime` seconds. What is done already is left
        alone, and the answer says so.

        Raises:
            NotFunded: there is nothing to pay with and no faucet.
            TransactionReverted, TransactionRefused, TransactionTimeout, NodeUnavailable
        """
        funded = await self._fund()
        deployed = not await self._account.is_deployed()
        if deployed:
            await self._account.deploy(self.deployment.account_class_hash)
        venue = self._venue
        expiry = await venue.clearinghouse.read("trading_key_expiry", self.address, self.public_key)
        now = await venue.now()
        registered = expiry <= now + min(KEY_MARGIN, key_lifetime // 2)
        if registered:
            expiry = now + key_lifetime
            await self._account.execute(venue.clearinghouse.call("register_trading_key", self.public_key, expiry))
        return Onboarding(
            address=self.address, funded=funded, deployed=deployed, registered=registered, key_expiry=expiry
        )

    async def register_trading_key(self, public_key: int | None = None, *, lifetime: int = KEY_LIFETIME) -> TradingKey:
        """Lets a key sign orders of this account for `lifetime` seconds from now, by default this trader's; one that is
        registered already gets the new end, also an earlier one.

        Raises:
            ValueError: `lifetime` is not above 0, or `public_key` is the key of nobody.
            NoAccountKey: only the account's own key can register others.
            TransactionReverted: with the contract's reason.
        """
        key = self.public_key if public_key is None else public_key
        if lifetime <= 0:
            raise ValueError(f"lifetime {lifetime} must be above 0 seconds: revoke_trading_key ends a key")
        if not is_on_curve(key):
            raise ValueError(f"{key:#x} is no public key: no point of the curve has this x")
        venue = self._venue
        expiry = await venue.now() + lifetime
        await self._account.execute(venue.clearinghouse.call("register_trading_key", key, expiry))
        return TradingKey(key, expiry)

    async def revoke_trading_key(self, public_key: int | None = None) -> int:
        """Ends a key, by default this trader's, at once: orders that it signed settle no more. The transaction's hash.

        Raises:
            NoAccountKey: only the account's own key can.
            TransactionReverted: with the contract's reason.
        """
        key = self.public_key if public_key is None else public_key
        receipt = await self._account.execute(self._venue.clearinghouse.call("revoke_trading_key", key))
        return receipt.hash

    async def trading_keys(self) -> Sequence[TradingKey]:
        """The keys that can sign orders of this account now, oldest first."""
        venue = self._venue
        names = [[hex_of(selector("TradingKeyRegistered"))], [hex_of(self.address)]]
        found = []
        for event, _ in await read_events(venue, venue.clearinghouse.address, names):
            found.append(int(venue.clearinghouse.abi.decode_event(event.keys, event.data).fields["key"]))
        keys = list(dict.fromkeys(found))
        now = await venue.now()
        ends = await asyncio.gather(
            *(venue.clearinghouse.read("trading_key_expiry", self.address, key) for key in keys)
        )
        return [TradingKey(key, end) for key, end in zip(keys, ends, strict=True) if end > now]

    async def _fund(self) -> bool:
        fee_token = Contract.of(self._venue.rpc, self.deployment.fee_token, "CollateralToken")
        balance = await fee_token.read("balance_of", self.address)
        if balance >= LOW_FRI:
            return False
        if self.deployment.faucet:
            await self._venue.rpc.call(
                "devnet_mint", {"address": hex_of(self.address), "amount": FAUCET_FRI, "unit": "FRI"}
            )
            return True
        if balance == 0 and not await self._account.is_deployed():
            raise NotFunded(f"{self.deployment.name} has no faucet: send STRK to {self.address:#x} for its first fees")
        return False
