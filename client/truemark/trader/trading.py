"""Orders: checked against the market's steps, signed, sent to the gateway; and taken back."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from truemark.gateway import Fill, OrderAck, OrderOutcomeUnknown
from truemark.keys import sign_checked
from truemark.orders import Order, Side, SignedOrder
from truemark.trader.amounts import price_on_tick, size_in_lots
from truemark.trader.session import Session
from truemark.units import Amount

#: Salts are random and this many bits wide, so that two orders that are the same otherwise are two.
_SALT_BITS = 128


class TradingMixin(Session):
    """Orders of AsyncTrader."""

    async def sign_order(
        self,
        market: str,
        side: Side | str,
        size: Amount,
        price: Amount,
        *,
        reduce_only: bool = False,
        post_only: bool = False,
        expiry: int | None = None,
        max_fee_bps: int | None = None,
        salt: int | None = None,
    ) -> SignedOrder:
        """An order as `place` sends it, without sending it.

        Args:
            size: in the base asset, above 0.
            price: the limit, USD for one base unit.
            expiry: unix seconds of block time from which it is no longer good; by default the session's `order_ttl`
                from now.
            max_fee_bps: the most that a fill may cost; by default the market's taker fee as deployed.
            salt: tells orders apart that are the same otherwise, random by default: one that is chosen makes sending
                again harmless.

        Raises:
            UnknownMarket: the venue lists none of that name.
            OffStep: the price is off the tick or the size is no whole number of lots; see round_to.
            BadAmount: no price or no size.
        """
        info = self.deployment.market(market)
        units, limit = size_in_lots(size, info.lot_size), price_on_tick(price, info.tick_size)
        if expiry is None:
            expiry = await self._venue.now() + self._order_ttl
        clearinghouse = self._venue.clearinghouse
        epoch, account = await asyncio.gather(clearinghouse.read("epoch"), clearinghouse.read("account", self.address))
        order = Order(
            venue=clearinghouse.address,
            account=self.address,
            epoch=epoch,
            account_epoch=account["account_epoch"],
            market=market,
            is_buy=Side(side) is Side.BUY,
            size=units,
            limit_price=limit,
            max_fee_bps=info.taker_fee_bps if max_fee_bps is None else max_fee_bps,
            reduce_only=reduce_only,
            post_only=post_only,
            expiry=expiry,
            salt=secrets.randbits(_SALT_BITS) if salt is None else salt,
        )
        r, s = await sign_checked(self._key, order.hash(self.deployment.l2_chain_id))
        return SignedOrder(order, self._key.public_key, r, s)

    async def place(
        self,
        market: str,
        side: Side | str,
        size: Amount,
        price: Amount,
        *,
        reduce_only: bool = False,
        post_only: bool = False,
        expiry: int | None = None,
        max_fee_bps: int | None = None,
        salt: int | None = None,
    ) -> OrderAck:
        """Signs a limit order and sends it to the gateway. Arguments as `sign_order`.

        Raises:
            UnknownMarket, OffStep, BadAmount: nothing was signed.
            OrderRejected: the venue did not take it, with its reason.
            OrderOutcomeUnknown: no answer came; the venue may have it.
            NoGateway
        """
        gateway = self.gateway
        signed = await self.sign_order(
            market,
            side,
            size,
            price,
            reduce_only=reduce_only,
            post_only=post_only,
            expiry=expiry,
            max_fee_bps=max_fee_bps,
            salt=salt,
        )
        try:
            return await gateway.submit(signed)
        except (ConnectionError, TimeoutError) as error:
            raise OrderOutcomeUnknown(signed.order.hash(self.deployment.l2_chain_id), signed, error) from error

    async def order(self, order: OrderAck | int) -> OrderAck:
        """The order as the venue has it now, by what `place` gave or by its hash.

        Raises:
            UnknownOrder: the venue has none.
        """
        return await self.gateway.order(_hash_of(order))

    async def settled(self, order: OrderAck | int, timeout: float | None = None) -> OrderAck:
        """Waits until nothing of the order waits for its settlement.

        Raises:
            UnknownOrder: the venue has none.
            TimeoutError: something still does after `timeout` seconds.
        """
        return await self.gateway.settled(_hash_of(order), timeout)

    async def fills(self) -> Sequence[Fill]:
        """This account's fills, settled and refused, oldest first."""
        return await self.gateway.fills(self.address)

    async def cancel(self, order: OrderAck | int, *, on_chain: bool = True) -> OrderAck:
        """Takes what rests of an order off the venue's book and ends the order on chain, so that nobody can settle
        more of it. What is matched already may still settle if it gets there first.

        Args:
            order: what `place` gave, or the order's hash.
            on_chain: False leaves out the transaction and trusts the venue to forget the signature.

        Raises:
            UnknownOrder: the venue has none.
            TransactionReverted: with the contract's reason.
            NoGateway: then `cancel_on_chain` is the way.
        """
        ack = await self.gateway.cancel(_hash_of(order))
        if on_chain:
            await self.cancel_on_chain(ack.signed)
        return ack

    async def cancel_on_chain(self, signed: SignedOrder) -> int:
        """Ends an order on chain, in every mode of the venue and without its gateway; the transaction's hash.

        Raises:
            TransactionReverted: with the contract's reason, e.g. 'ORDER: not its account'.
        """
        receipt = await self._account.execute(self._venue.clearinghouse.call("cancel", signed.order.to_abi()))
        return receipt.hash

    async def cancel_all(self) -> int:
        """Ends every order that this account has signed so far, on chain, in every mode of the venue, and takes them
        off the gateway's book if there is a gateway; the transaction's hash."""
        if self._gateway is not None:
            await self._gateway.cancel_all(self.address)
        receipt = await self._account.execute(self._venue.clearinghouse.call("cancel_all"))
        if self._gateway is not None:
            # One that came in between is of the old account epoch: it could only be refused.
            await self._gateway.cancel_all(self.address)
        return receipt.hash


def _hash_of(order: OrderAck | int) -> int:
    return order if isinstance(order, int) else order.order_hash
