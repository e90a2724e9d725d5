"""The matching engine: takes orders, pairs them, follows the chain's mode and marks, and takes back what the chain
refused. Pure: every input is a call, everything that changed is in `take_changes`; the same calls give the same book.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from truemark.gateway import FillState, OrderState
from truemark.models import Mode
from truemark.wire import ErrorCode, PlaceRequest, SelfTrade, TimeInForce, TriggerKind

from truemark_devnet.venue.admission import check_instructions, check_signed_fields, entry_refusal, trigger_price
from truemark_devnet.venue.book import Book
from truemark_devnet.venue.chainview import ChainAccount, ChainView, MarketTerms
from truemark_devnet.venue.live import LiveOrder, Match, Refused, price_text, size_text
from truemark_devnet.venue.margin import Trader, cash_of

#: Orders of one account that rest or wait.
MOST_OPEN = 200
#: Refusals that say nothing of either order: the taker's rest is cancelled, the maker rests again.
_OF_THE_VENUE = ("FILL:", "MODE:", "FUNDING:", "EPOCH:", "CAP: open interest")
_BUYER, _SELLER = "MARGIN: buyer", "MARGIN: seller"


@dataclass(slots=True)
class Changes:
    """What one or more calls changed."""

    orders: dict[int, LiveOrder] = field(default_factory=dict)
    matches: dict[int, Match] = field(default_factory=dict)
    #: (market, is_bid, price)
    levels: set[tuple[int, bool, int]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.orders or self.matches or self.levels)


class Engine:
    """All books of a venue.

    Args:
        terms: the markets, by index.
        view: the chain now.
    """

    def __init__(self, venue: int, terms: Mapping[int, MarketTerms], view: ChainView) -> None:
        self.venue = venue
        self.terms = dict(terms)
        self.view = view
        self.by_name = {market.name: market.index for market in terms.values()}
        self.books = {index: Book() for index in terms}
        self.traders: dict[int, Trader] = {}
        #: By hash; all that the venue remembers.
        self.orders: dict[int, LiveOrder] = {}
        self.by_client_id: dict[tuple[int, str], LiveOrder] = {}
        self.waiting: dict[int, LiveOrder] = {}
        #: Not settled yet, by number.
        self.matches: dict[int, Match] = {}
        self.last_number = 0
        self.last_match = 0
        self._changes = Changes()

    # --- what comes from outside

    def take_changes(self) -> Changes:
        """What changed since the last time."""
        changes, self._changes = self._changes, Changes()
        return changes

    def know(self, address: int, account: ChainAccount) -> Trader:
        """The chain's word on an account; needed before its first order. What no longer reduces goes."""
        trader = self.traders.get(address)
        if trader is None:
            trader = self.traders[address] = Trader(address, account)
            return trader
        trader.refresh(account)
        if trader.orders:
            for order in self._open_of(trader):
                if order.signed.order.account_epoch != account.epoch:
                    self._end(order, OrderState.CANCELLED, "cancelled on chain: another account epoch")
            self._drop_useless(trader)
        return trader

    def place(self, request: PlaceRequest, order_hash: int) -> LiveOrder:
        """Takes an order whose signature was checked and whose account is known.

        Raises:
            Refused
        """
        order = self._live(request, order_hash)
        trader = self.traders[order.account]
        self._check_request(trader, request, order)
        if sum(map(len, trader.orders.values())) >= MOST_OPEN:
            raise Refused(ErrorCode.TOO_MANY_ORDERS, f"{MOST_OPEN} orders of the account are open")
        if order.trigger is not None:
            if self.view.mode is Mode.HALTED:
                raise Refused(ErrorCode.MODE, "the venue is halted")
            self._enter(order)
            order.state = OrderState.WAITING
            self.waiting[order.number] = order
            self._hold(trader, order)
            self._fire(order)
            return order
        self._check_entry(trader, order)
        self._enter(order)
        self._match(order)
        return order

    def cancel(self, order: LiveOrder, reason: str | None = None) -> None:
        """Takes off what rests; what is matched still settles."""
        if order.open or order.state in (OrderState.WAITING, OrderState.OPEN):
            self._end(order, OrderState.CANCELLED, reason)

    def cancel_all(self, address: int, market: int | None = None, reason: str | None = None) -> list[LiveOrder]:
        """All that rests or waits of an account, oldest first."""
        trader = self.traders.get(address)
        if trader is None:
            return []
        found = [order for order in self._open_of(trader) if market is None or order.market == market]
        for order in found:
            self._end(order, OrderState.CANCELLED, reason)
        return found

    def reduce(self, order: LiveOrder, size: int) -> None:
        """Makes an order smaller; it keeps its place.

        Raises:
            Refused: the size is no smaller, or less than what is filled and matched, or no whole lots.
        """
        lot = self.terms[order.market].lot_size
        if not order.open:
            raise Refused(ErrorCode.ORDER_ENDED, f"nothing of it is open: it is {order.state}")
        if size % lot:
            raise Refused(ErrorCode.OFF_STEP, f"not a whole number of lots of {size_text(lot)}", field="size")
        if not order.filled + order.matched < size < order.size:
            raise Refused(
                ErrorCode.CONTRADICTION,
                f"the new size must be above {size_text(order.filled + order.matched)}, which is filled or matched, and"
                f" below {size_text(order.size)}",
                field="size",
            )
        order.open -= order.size - size
        order.size = size
        self._touch(order)

    def replace(self, old: LiveOrder, request: PlaceRequest, order_hash: int) -> LiveOrder:
        """Another order in the stead of `old`, or nothing at all. It takes its place in the queue where side, price and
        flags are the same and it is no larger than what was open.

        Raises:
            Refused: the new one cannot be placed; then the old one is as it was.
        """
        if not old.open:
            raise Refused(ErrorCode.ORDER_ENDED, f"nothing of it is open: it is {old.state}", order_hash=old.order_hash)
        signed = request.signed.order
        if signed.account != old.account:
            raise Refused(ErrorCode.CONTRADICTION, "it is of another account", field="replacement.signed.order.account")
        trader = self.traders[old.account]
        new = self._live(request, order_hash)
        same = (
            new.market == old.market
            and new.is_buy == old.is_buy
            and new.price == old.price
            and (new.reduce_only, new.post_only) == (old.reduce_only, old.post_only)
            and new.size <= old.open
            and old.state is not OrderState.WAITING
            and new.trigger is None
            and not new.is_immediate
        )
        # The old one is out of the way while the new one is judged, and back where it was if that is refused.
        was, held = old.state, old.open
        self._lift(trader, old)
        if request.client_order_id is not None and old.client_id == request.client_order_id:
            del self.by_client_id[old.account, request.client_order_id]
        try:
            if same:
                self._check_request(trader, request, new)
                self._check_entry(trader, new)
                self._enter(new, old.number)
                self._rest(new)
            else:
                new = self.place(request, order_hash)
        except Refused:
            old.state, old.open = was, held
            if old.client_id is not None:
                self.by_client_id[old.account, old.client_id] = old
            self._hold(trader, old)
            if was is OrderState.WAITING:
                self.waiting[old.number] = old
            else:
                self.books[old.market].add(old)
            raise
        old.end(OrderState.CANCELLED, f"replaced by {new.order_hash:#x}")
        old.update()
        self._touch(old)
        self._level(old)
        if old.client_id is not None and (old.account, old.client_id) not in self.by_client_id:
            self.by_client_id[old.account, old.client_id] = old
        return new

    def see(self, view: ChainView, terms: Mapping[int, MarketTerms] | None = None) -> None:
        """A newer block: what expired, what its epoch, mode and marks end, and the triggers that they fire."""
        self.view = view
        for index, market in (terms or {}).items():
            self.terms[index] = market
            self.by_name[market.name] = index
            self.books.setdefault(index, Book())
        open_orders = [order for trader in self.traders.values() for order in self._open_of(trader)]
        for order in sorted(open_orders, key=lambda order: order.number):
            if not order.open:
                continue
            if order.expiry <= view.now:
                self._end(order, OrderState.EXPIRED, None)
            elif order.signed.order.epoch != view.epoch:
                self._end(order, OrderState.CANCELLED, f"the venue is in epoch {view.epoch}")
            elif order.state is not OrderState.WAITING:
                reason = self._must_go(order)
                if reason is not None:
                    self._end(order, OrderState.CANCELLED, reason)
        for order in list(self.waiting.values()):
            self._fire(order)

    def settled(
        self,
        match: Match,
        block: int,
        tx_hash: int,
        *,
        fees: tuple[int, int],
        funding: tuple[int, int],
        positions: tuple[int, int],
    ) -> None:
        """The chain settled a match."""
        match.state, match.block, match.tx_hash = FillState.SETTLED, block, tx_hash
        match.fees, match.funding, match.positions = fees, funding, positions
        self.matches.pop(match.number, None)
        self._changes.matches[match.number] = match
        for order in (match.maker, match.taker):
            order.matched -= match.size
            order.filled += match.size
            order.update()
            self._touch(order)

    def refused(self, refusals: Iterable[tuple[Match, str, int | None]], faults: Mapping[int, str]) -> None:
        """The chain refused matches of one batch, each with its word and the transaction. The order at fault is taken
        off, the other gets its size back at its old place.

        Args:
            faults: hash -> why the chain refuses an order whatever it meets, as far as the venue knows now.
        """
        listed = list(refusals)
        for match, reason, tx_hash in listed:
            match.state, match.reason, match.tx_hash = FillState.REFUSED, reason, tx_hash
            self.matches.pop(match.number, None)
            self._changes.matches[match.number] = match
            for order in (match.maker, match.taker):
                order.matched -= match.size
                self.traders[order.account].unmatched(match)
        again = []
        for match, reason, _ in listed:
            at_fault = self._faulty(match, reason, faults)
            for order in (match.maker, match.taker):
                if order in at_fault:
                    self._end(order, OrderState.BUSTED, reason)
                elif order.is_immediate or (order is match.taker and reason.startswith(_OF_THE_VENUE)):
                    self._end(order, OrderState.CANCELLED, f"its fill was refused: {reason}")
                elif not order.state.is_final:
                    order.open += match.size
                    again.append(order)
                order.update()
                self._touch(order)
        for order in again:
            self._again(order)

    def erased(self, match: Match) -> None:
        """A rollback took a settlement back: it never happened, and nothing of it comes back to the book."""
        match.state, match.reason = FillState.REFUSED, "erased by a rollback"
        self._changes.matches[match.number] = match
        for order in (match.maker, match.taker):
            # The chain's word on the account may not contain it yet.
            self.traders[order.account].unmatched(match)
            order.filled -= match.size
            if order.state is OrderState.FILLED:
                order.state = OrderState.CANCELLED
            self._end(order, OrderState.CANCELLED, match.reason)

    # --- restart

    def restore(self, order: LiveOrder) -> None:
        """An order of a former run, as it was."""
        self.orders[order.order_hash] = order
        if order.client_id is not None:
            self.by_client_id[order.account, order.client_id] = order
        self.last_number = max(self.last_number, order.number)
        if order.open and not order.state.is_final:
            self._hold(self.traders[order.account], order)
            if order.state is OrderState.WAITING:
                self.waiting[order.number] = order
            else:
                self.books[order.market].add(order)

    def restore_match(self, match: Match) -> None:
        """A match of a former run that is not settled."""
        self.matches[match.number] = match
        self.last_match = max(self.last_match, match.number)
        for order in (match.maker, match.taker):
            self.traders[order.account].matched(match)

    # --- taking orders

    def _live(self, request: PlaceRequest, order_hash: int) -> LiveOrder:
        """Not numbered yet.

        Raises:
            Refused: the chain would settle no fill of it.
        """
        order = request.signed.order
        market = check_signed_fields(order, self.venue, self.by_name, self.terms, self.view)
        trigger = request.trigger
        return LiveOrder(
            number=0,
            order_hash=order_hash,
            signed=request.signed,
            market=market,
            account=order.account,
            is_buy=order.is_buy,
            price=order.limit_price,
            size=order.size,
            expiry=order.expiry,
            reduce_only=order.reduce_only,
            post_only=order.post_only,
            kind=request.kind,
            time_in_force=request.time_in_force,
            self_trade=request.self_trade,
            created_at=self.view.now,
            updated_at=self.view.now,
            client_id=request.client_order_id,
            trigger=None if trigger is None else trigger.kind,
            trigger_price=trigger_price(request),
            open=order.size,
        )

    def _check_request(self, trader: Trader, request: PlaceRequest, order: LiveOrder) -> None:
        """
        Raises:
            Refused: its instructions contradict each other, its account epoch is over, or its name is taken.
        """
        check_instructions(request, order)
        epoch = order.signed.order.account_epoch
        if epoch != trader.chain.epoch:
            raise Refused(
                ErrorCode.WRONG_ACCOUNT_EPOCH,
                f"it is of account epoch {epoch}, the account is in {trader.chain.epoch}",
            )
        if order.client_id is not None:
            known = self.by_client_id.get((order.account, order.client_id))
            if known is not None:
                raise Refused(
                    ErrorCode.CLIENT_ID_TAKEN,
                    f"{order.client_id} is order {known.order_hash:#x}",
                    field="client_order_id",
                    order_hash=known.order_hash,
                )

    def _check_entry(self, trader: Trader, order: LiveOrder) -> None:
        """
        Raises:
            Refused: mode, market, band, reduction, margin, post-only or fill-or-kill stand against it.
        """
        entry_refusal(order, self.view, self.terms[order.market])
        if order.reduce_only:
            if trader.reducible(order.market, order.is_buy) < self.terms[order.market].lot_size:
                size = size_text(trader.sizes.get(order.market, 0))
                raise Refused(ErrorCode.NOT_REDUCING, f"reduce-only, and the position is {size}")
        elif not self._only_reduces(trader, order) and not trader.carries(self.view, self.terms, order):
            raise Refused(
                ErrorCode.MARGIN,
                "initial margin does not carry it, with everything open at its worst",
                reason=_BUYER if order.is_buy else _SELLER,
            )
        if order.post_only:
            best = self.books[order.market].against(order).best
            if best is not None and (order.price >= best if order.is_buy else order.price <= best):
                raise Refused(ErrorCode.WOULD_TAKE, f"post-only, and {price_text(best)} is on the other side")
        elif order.time_in_force is TimeInForce.FOK and self._fillable(trader, order) < order.open:
            raise Refused(ErrorCode.WOULD_NOT_FILL, "fill-or-kill, and the book cannot fill it")

    def _only_reduces(self, trader: Trader, order: LiveOrder) -> bool:
        """With all of the account's open orders of its side in the market."""
        orders = trader.orders.get(order.market, {})
        same = sum(other.open for other in orders.values() if other.is_buy == order.is_buy and not other.reduce_only)
        return same + order.open <= trader.reducible(order.market, order.is_buy)

    def _fillable(self, trader: Trader, order: LiveOrder) -> int:
        """How much of an order the book would fill now, as `_match` goes."""
        found = 0
        band = self.view.band(order.market)
        limit = trader.reducible(order.market, order.is_buy) if order.reduce_only else order.open
        for maker in self.books[order.market].against(order):
            if found >= limit or band is None or not order.crosses(maker) or not band[0] <= maker.price <= band[1]:
                break
            if maker.expiry <= self.view.now:
                continue
            if maker.account == order.account:
                if order.self_trade is SelfTrade.EXPIRE_MAKER:
                    continue
                break
            size = maker.open
            if maker.reduce_only:
                size = min(size, self.traders[maker.account].reducible(maker.market, maker.is_buy))
            found += size
        return min(found, limit)

    def _enter(self, order: LiveOrder, number: int | None = None) -> None:
        """`number`: of the order whose place it takes; by default behind all others."""
        if number is None:
            number = self.last_number = self.last_number + 1
        order.number = number
        self.orders[order.order_hash] = order
        if order.client_id is not None:
            self.by_client_id[order.account, order.client_id] = order
        self._touch(order)

    # --- matching

    def _match(self, incoming: LiveOrder) -> None:
        """Pairs an order with what it meets, and lets the rest rest or go. Of two the older one is the maker."""
        before = self.last_match
        reason = self._pair(incoming)
        if incoming.time_in_force is TimeInForce.FOK:
            made = [match for number, match in self.matches.items() if number > before]
            if incoming.open:
                self._undo(made)
            for match in made if not incoming.open else ():
                for order in (match.maker, match.taker):
                    self._drop_useless(self.traders[order.account], match.market)
        if not incoming.open:
            incoming.update()
            return
        if reason is not None or incoming.is_immediate:
            self._end(incoming, OrderState.CANCELLED, reason or "nothing more to fill at once")
        else:
            self._rest(incoming)

    def _pair(self, incoming: LiveOrder) -> str | None:
        """Why its rest must not rest; None: it may."""
        book = self.books[incoming.market]
        against = book.against(incoming)
        trader = self.traders[incoming.account]
        lot = self.terms[incoming.market].lot_size
        while incoming.open:
            other = against.first()
            if other is None or not incoming.crosses(other):
                return None
            if other.expiry <= self.view.now:
                self._end(other, OrderState.EXPIRED, None)
                continue
            if other.account == incoming.account:
                if incoming.self_trade is not SelfTrade.EXPIRE_TAKER:
                    self._end(other, OrderState.CANCELLED, "it would meet an order of its own account")
                if incoming.self_trade is not SelfTrade.EXPIRE_MAKER:
                    return "it would meet an order of its own account"
                continue
            maker, taker = (other, incoming) if other.number < incoming.number else (incoming, other)
            if taker.post_only:
                if taker is incoming:
                    return "post-only, and it would take"
                self._end(other, OrderState.CANCELLED, "post-only, and it would take")
                continue
            band = self.view.band(incoming.market)
            if band is None or not band[0] <= maker.price <= band[1]:
                return "the next price is outside the band"
            size = min(incoming.open, other.open)
            for order, owner in ((other, self.traders[other.account]), (incoming, trader)):
                if order.reduce_only:
                    size = min(size, owner.reducible(order.market, order.is_buy))
            size -= size % lot
            if size == 0:
                if self._cannot_reduce(incoming, trader, lot):
                    return "reduce-only, and there is nothing to reduce"
                self._end(other, OrderState.CANCELLED, "reduce-only, and there is nothing to reduce")
                continue
            refusal = self._meet(maker, taker, size)
            if refusal is None:
                continue
            bad, reason = refusal
            if bad is None or bad is incoming:
                return reason
            self._end(other, OrderState.CANCELLED, reason)
        return None

    def _cannot_reduce(self, order: LiveOrder, trader: Trader, lot: int) -> bool:
        return order.reduce_only and trader.reducible(order.market, order.is_buy) < lot

    def _meet(self, maker: LiveOrder, taker: LiveOrder, size: int) -> tuple[LiveOrder | None, str] | None:
        """Matches two orders, or (the order that stands against it, if one does, and why)."""
        terms, view = self.terms[maker.market], self.view
        sides = []
        for order, fee_bps in ((maker, terms.maker_fee_bps), (taker, terms.taker_fee_bps)):
            owner = self.traders[order.account]
            cash = cash_of(order.is_buy, size, maker.price, fee_bps)
            sides.append((order, owner, cash, size <= owner.reducible(order.market, order.is_buy)))
        maker_reduces, taker_reduces = sides[0][3], sides[1][3]
        if not (maker_reduces and taker_reduces):
            if not view.marks[maker.market].valid:
                return None, "the market is not valid"
            if view.mode is not Mode.FULL and not (view.mode is Mode.POST_ONLY and taker_reduces and maker.post_only):
                return None, f"the venue is in {view.mode}"
        for order, owner, cash, _ in sides:
            reason = owner.refusal(view, self.terms, order.market, size if order.is_buy else -size, cash)
            if reason is not None:
                return order, reason
        self.last_match += 1
        match = Match(
            number=self.last_match,
            market=maker.market,
            maker=maker,
            taker=taker,
            size=size,
            price=maker.price,
            time=view.now,
            maker_cash=sides[0][2],
            taker_cash=sides[1][2],
        )
        self.matches[match.number] = match
        self._changes.matches[match.number] = match
        book = self.books[maker.market]
        for order, owner, _, _ in sides:
            order.open -= size
            order.matched += size
            owner.matched(match)
            self._level(order)
            if not order.open:
                book.remove(order)
                self._release(owner, order)
            order.update()
            self._touch(order)
        for _, owner, _, reduces in sides:
            # What a fill-or-kill order does is done only when all of it is.
            if reduces and taker.time_in_force is not TimeInForce.FOK:
                self._drop_useless(owner, maker.market)
        return None

    def _undo(self, matches: list[Match]) -> None:
        """As if they had not been made: nobody was told of them yet."""
        for match in reversed(matches):
            del self.matches[match.number]
            del self._changes.matches[match.number]
            for order in (match.maker, match.taker):
                self.traders[order.account].unmatched(match)
                order.open += match.size
                order.matched -= match.size
                order.state = OrderState.OPEN
            self.books[match.market].remove(match.maker)
            self._rest(match.maker)

    def _rest(self, order: LiveOrder) -> None:
        self.books[order.market].add(order)
        self._hold(self.traders[order.account], order)
        order.state = OrderState.OPEN
        self._level(order)
        self._touch(order)

    def _again(self, order: LiveOrder) -> None:
        """An order that got a size back: at its old place, unless it crosses what came meanwhile."""
        if not order.open:
            return
        reason = self._must_go(order)
        trader = self.traders[order.account]
        self._lift(trader, order)
        if reason is None:
            reason = self._pair(order)
        if not order.open:
            order.update()
        elif reason is not None:
            self._end(order, OrderState.CANCELLED, reason)
        else:
            self._rest(order)

    def _faulty(self, match: Match, reason: str, faults: Mapping[int, str]) -> list[LiveOrder]:
        sides = (match.maker, match.taker)
        if reason in (_BUYER, _SELLER):
            return [order for order in sides if order.is_buy == (reason == _BUYER)]
        known = [order for order in sides if order.order_hash in faults]
        if known:
            return known
        if reason.startswith(_OF_THE_VENUE):
            return []
        if reason.startswith("ORDER: does not reduce"):
            return [order for order in sides if order.reduce_only]
        # A pair that the chain refused once would be paired again at once.
        return list(sides)

    # --- what goes

    def _must_go(self, order: LiveOrder) -> str | None:
        """Why an order may not rest in the venue as it is."""
        view, signed = self.view, order.signed.order
        if signed.epoch != view.epoch or signed.account_epoch != self.traders[order.account].chain.epoch:
            return "cancelled on chain: another epoch"
        if view.mode is Mode.FULL:
            return None
        if not order.reduce_only and not (order.post_only and view.mode is Mode.POST_ONLY):
            return f"the venue is in {view.mode}"
        if view.mode is Mode.POST_ONLY and not order.reduce_only:
            band = view.band(order.market)
            if band is None or not view.marks[order.market].valid or not band[0] <= order.price <= band[1]:
                return "outside the band around the mark"
        return None

    def _fire(self, order: LiveOrder) -> None:
        """A waiting order whose time has come goes to the book, or ends with what stands against it."""
        mark = self.view.marks[order.market]
        if self.view.mode is not Mode.FULL or not mark.valid or not order.open:
            return
        rising = order.is_buy == (order.trigger is TriggerKind.STOP_LOSS)
        if not (mark.price >= order.trigger_price if rising else mark.price <= order.trigger_price):
            return
        trader = self.traders[order.account]
        self._lift(trader, order)
        order.state = OrderState.OPEN
        # It comes to the book now: behind those that are there.
        self.last_number += 1
        order.number = self.last_number
        self._touch(order)
        try:
            self._check_entry(trader, order)
        except Refused as error:
            self._end(order, OrderState.CANCELLED, f"when it was triggered: {error}")
            return
        self._match(order)

    def _drop_useless(self, trader: Trader, market: int | None = None) -> None:
        """Resting reduce-only orders that have nothing left to reduce."""
        for index in list(trader.orders) if market is None else [market]:
            for order in list(trader.orders.get(index, {}).values()):
                if (
                    order.reduce_only
                    and order.state is not OrderState.WAITING
                    and trader.reducible(index, order.is_buy) < self.terms[index].lot_size
                ):
                    self._end(order, OrderState.CANCELLED, "reduce-only, and there is nothing to reduce")

    def _end(self, order: LiveOrder, state: OrderState, reason: str | None) -> None:
        self._lift(self.traders[order.account], order)
        order.end(state, reason)
        order.update()
        self._level(order)
        self._touch(order)

    def _lift(self, trader: Trader, order: LiveOrder) -> None:
        self.waiting.pop(order.number, None)
        if self.books[order.market].remove(order):
            self._level(order)
        self._release(trader, order)

    def _hold(self, trader: Trader, order: LiveOrder) -> None:
        trader.orders.setdefault(order.market, {})[order.number] = order

    def _release(self, trader: Trader, order: LiveOrder) -> None:
        orders = trader.orders.get(order.market)
        if orders is not None and orders.pop(order.number, None) is not None and not orders:
            del trader.orders[order.market]

    def _open_of(self, trader: Trader) -> list[LiveOrder]:
        return sorted((o for orders in trader.orders.values() for o in orders.values()), key=lambda o: o.number)

    def _touch(self, order: LiveOrder) -> None:
        order.updated_at = self.view.now
        self._changes.orders[order.order_hash] = order

    def _level(self, order: LiveOrder) -> None:
        self._changes.levels.add((order.market, order.is_buy, order.price))
