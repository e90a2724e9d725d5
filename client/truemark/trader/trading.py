"""Orders: checked against the market's steps, signed, sent to the gateway; and taken back."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from truemark.errors import TruemarkError
from truemark.gateway import Fill, OrderAck, OrderGateway, OrderOutcomeUnknown
from truemark.keys import sign_checked
from truemark.orders import Order, Side, SignedOrder
from truemark.trader.amounts import price_on_tick, round_to, size_in_lots
from truemark.trader.session import NoGateway, Session
from truemark.units import Amount, BadAmount, from_price, from_size, to_size
from truemark.venue import AsyncVenueClient, VenueError
from truemark.venue.views import ack_of
from truemark.wire import ModifyRequest, OrderKind, PlaceRequest, SelfTrade, TimeInForce, Trigger

#: Salts are random and this many bits wide, so that two orders that are the same otherwise are two.
_SALT_BITS = 128


class NoBand(TruemarkError, RuntimeError):
    """A market without a valid mark has no price for an order at the market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order to be placed; fields as the arguments of AsyncTrader.place."""

    market: str
    side: Side | str
    size: Amount
    price: Amount | None = None
    reduce_only: bool = False
    post_only: bool = False
    expiry: int | None = None
    max_fee_bps: int | None = None
    salt: int | None = None
    client_order_id: str | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    self_trade: SelfTrade = SelfTrade.EXPIRE_TAKER
    trigger: Trigger | None = None

    @property
    def is_special(self) -> bool:
        """Whether it says more than what is signed."""
        usual = (None, None, TimeInForce.GTC, SelfTrade.EXPIRE_TAKER)
        return (self.client_order_id, self.trigger, self.time_in_force, self.self_trade) != usual


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
        price: Amount | None = None,
        *,
        reduce_only: bool = False,
        post_only: bool = False,
        expiry: int | None = None,
        max_fee_bps: int | None = None,
        salt: int | None = None,
        client_order_id: str | None = None,
        time_in_force: TimeInForce | str = TimeInForce.GTC,
        self_trade: SelfTrade | str = SelfTrade.EXPIRE_TAKER,
        trigger: Trigger | None = None,
    ) -> OrderAck:
        """Signs an order and sends it. Arguments as `sign_order`, and what is not signed of it:

        Args:
            price: the limit; None: at the market, whatever the book has inside the venue's band, and nothing rests.
            client_order_id: your own name of it, with which it can be asked for and cancelled too.
            time_in_force: "gtc", "ioc" (what is not filled at once is cancelled) or "fok" (all at once or nothing).
            self_trade: what goes when it would meet an order of this account: "expire_maker", "expire_taker",
                "expire_both".
            trigger: it waits until a valid mark is there.

        Raises:
            UnknownMarket, OffStep, BadAmount: nothing was signed.
            OrderRejected: the venue did not take it, with its reason (of the venue's API: Rejected and its kinds).
            OrderOutcomeUnknown: no answer came; the venue may have it: `order` tells, or the same `salt` again.
            NoGateway
        """
        gateway = self.gateway
        new = NewOrder(
            market=market,
            side=Side(side),
            size=size,
            price=price,
            reduce_only=reduce_only,
            post_only=post_only,
            expiry=expiry,
            max_fee_bps=max_fee_bps,
            salt=salt,
            client_order_id=client_order_id,
            time_in_force=TimeInForce(time_in_force),
            self_trade=SelfTrade(self_trade),
            trigger=trigger,
        )
        if not isinstance(gateway, AsyncVenueClient):
            return await self._submit(gateway, new)
        return ack_of(await gateway.place(await self._request(new)))

    async def place_batch(self, orders: Sequence[NewOrder]) -> Sequence[OrderAck | VenueError]:
        """Places up to 50 orders in one request, one after the other; each has its own result, an order or the error
        that it met.

        Raises:
            ValueError: none, or more than 50.
            UnknownMarket, OffStep, BadAmount: nothing was sent.
            OrderOutcomeUnknown: no answer came; each of them may be there.
            NoGateway
        """
        venue = self.venue
        found = await venue.place_batch([await self._request(new) for new in orders])
        return [result if isinstance(result, VenueError) else ack_of(result) for result in found]

    async def modify(
        self,
        order: OrderAck | int | str,
        *,
        size: Amount | None = None,
        price: Amount | None = None,
        client_order_id: str | None = None,
    ) -> OrderAck:
        """Changes what rests of an order. A smaller `size` alone keeps its place in the queue; anything else is a new
        signed order in its stead, in one step. The old signature stays good on chain until `cancel_on_chain`.

        Args:
            order: what `place` gave, its hash, or its client order id.
            size: the whole size, what is filled included, base asset; None: as it is.
            price: None: as it is.
            client_order_id: of the new order, if there is one.

        Raises:
            ValueError: nothing is to be changed.
            OrderUnknown, OrderEnded, Rejected, OffStep, BadAmount
            NoAnswer: what became of it is not known; `order` tells.
            NoGateway
        """
        venue = self.venue
        if size is None and price is None:
            raise ValueError("nothing is to be changed: give size= or price=")
        old = await venue.view(order)
        info = self.deployment.market(old.market)
        units = size_in_lots(old.size if size is None else size, info.lot_size)
        if price is None and from_size(units) < old.size:
            return ack_of(await venue.modify(old.order_hash, ModifyRequest(size=from_size(units))))
        filled = to_size(old.filled) + to_size(old.matched)
        if units <= filled:
            raise BadAmount(f"size {from_size(units)} is no more than what is filled: cancel the order instead")
        new = NewOrder(
            market=old.market,
            side=old.side,
            size=from_size(units - filled),
            price=old.price if price is None else price,
            reduce_only=old.reduce_only,
            post_only=old.post_only,
            expiry=old.expiry,
            max_fee_bps=old.signed.order.max_fee_bps,
            client_order_id=client_order_id,
            time_in_force=old.time_in_force,
            self_trade=old.self_trade,
            trigger=old.trigger,
        )
        request = ModifyRequest(replacement=await self._request(new))
        return ack_of(await venue.modify(old.order_hash, request))

    async def _request(self, new: NewOrder) -> PlaceRequest:
        kind, price, force = OrderKind.LIMIT, new.price, new.time_in_force
        if price is None:
            kind, force = OrderKind.MARKET, TimeInForce.IOC
            price = await self._edge(new)
        return PlaceRequest(
            signed=await self._signed(new, price),
            client_order_id=new.client_order_id,
            kind=kind,
            time_in_force=force,
            self_trade=new.self_trade,
            trigger=new.trigger,
        )

    async def _edge(self, new: NewOrder) -> Decimal:
        """The worst price at which a fill could be now: the limit that a market order signs."""
        tick = from_price(self.deployment.market(new.market).tick_size)
        now = await self.venue.market(new.market)
        is_buy = Side(new.side).is_buy
        edge = now.band_high if is_buy else now.band_low
        if edge is None:
            raise NoBand(f"{new.market} has no price to trade at now ({now.status}): give a limit")
        return round_to(edge, tick, "down" if is_buy else "up")

    async def _submit(self, gateway: OrderGateway, new: NewOrder) -> OrderAck:
        if new.price is None or new.is_special:
            raise NoGateway("only the venue's API takes more than plain limit orders: connect with venue=URL")
        signed = await self._signed(new, new.price)
        try:
            return await gateway.submit(signed)
        except (ConnectionError, TimeoutError) as error:
            raise OrderOutcomeUnknown(signed.order.hash(self.deployment.l2_chain_id), signed, error) from error

    async def _signed(self, new: NewOrder, price: Amount) -> SignedOrder:
        return await self.sign_order(
            new.market,
            new.side,
            new.size,
            price,
            reduce_only=new.reduce_only,
            post_only=new.post_only,
            expiry=new.expiry,
            max_fee_bps=new.max_fee_bps,
            salt=new.salt,
        )

    async def order(self, order: OrderAck | int | str) -> OrderAck:
        """The order as the venue has it now, by what `place` gave, by its hash, or by its client order id.

        Raises:
            UnknownOrder: the venue has none.
        """
        if isinstance(order, str):
            return ack_of(await self.venue.view(order))
        return await self.gateway.order(await self._hash_of(order))

    async def open_orders(self, market: str | None = None) -> Sequence[OrderAck]:
        """What rests, waits for its trigger or for settlement, newest first; of one market or of all.

        Raises:
            NoGateway
        """
        return [ack_of(view) for view in await self.venue.orders(market, "open")]

    async def settled(self, order: OrderAck | int | str, timeout: float | None = None) -> OrderAck:
        """Waits until nothing of the order waits for its settlement.

        Raises:
            UnknownOrder: the venue has none.
            TimeoutError: something still does after `timeout` seconds.
        """
        return await self.gateway.settled(await self._hash_of(order), timeout)

    async def fills(self) -> Sequence[Fill]:
        """This account's fills, settled and refused, oldest first."""
        return await self.gateway.fills(self.address)

    async def cancel(self, order: OrderAck | int | str, *, on_chain: bool = True) -> OrderAck:
        """Takes what rests of an order off the venue's book and ends the order on chain, so that nobody can settle
        more of it. What is matched already may still settle if it gets there first.

        Args:
            order: what `place` gave, the order's hash, or its client order id.
            on_chain: False leaves out the transaction and trusts the venue to forget the signature.

        Raises:
            UnknownOrder: the venue has none.
            TransactionReverted: with the contract's reason.
            NoGateway: then `cancel_on_chain` is the way.
        """
        ack = await self.gateway.cancel(await self._hash_of(order))
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
        off the gateway's book if there is a gateway; the transaction's hash.

        Raises:
            NoAccountKey: only the account's own key can do it on chain; what rested at the gateway is off its book.
            TransactionReverted, TransactionRefused, NodeUnavailable
        """
        if self._gateway is not None:
            await self._gateway.cancel_all(self.address)
        receipt = await self._account.execute(self._venue.clearinghouse.call("cancel_all"))
        if self._gateway is not None:
            # One that came in between is of the old account epoch: it could only be refused.
            await self._gateway.cancel_all(self.address)
        return receipt.hash

    async def _hash_of(self, order: OrderAck | int | str) -> int:
        if isinstance(order, str):
            return (await self.venue.view(order)).order_hash
        return order if isinstance(order, int) else order.order_hash
