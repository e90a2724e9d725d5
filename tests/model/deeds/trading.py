"""Orders, fills and trading keys, each with at most one flaw."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.clearinghouse import Fill, Order, Signed
from tests.model.deeds.base import NOBODIES, Doing, deed, markets, rarely, traders
from tests.model.numbers import BPS
from tests.model.world import TRADERS


@dataclass(frozen=True)
class Wish:
    """A fill that is to be made: mostly good, with at most one flaw."""

    maker: str
    taker: str
    market: int
    maker_buys: bool
    lots: int
    offset_bps: int
    flaw: str
    post_only: bool
    reduces: bool


FLAWS = (
    *[""] * 12,
    "size",
    "price",
    "limit",
    "fee",
    "expired",
    "epoch",
    "account epoch",
    "venue",
    "reduce only",
    "taker posts",
    "same side",
    "two markets",
    "no such market",
    "self",
    "badly",
    "approval",
    "key 1",
    "overfill",
    "again",
    "lots",
)
wishes = st.builds(
    Wish,
    maker=traders,
    taker=traders,
    market=markets,
    maker_buys=st.booleans(),
    lots=st.sampled_from((1, 7, 50, 300, 1000, 2500, 5000, 9000)),
    offset_bps=st.sampled_from((0, 0, 0, 4, -4, 6, -6, 100, -290, 310)),
    flaw=st.sampled_from(FLAWS),
    post_only=st.booleans(),
    reduces=st.booleans(),
)


class Trading(Doing):
    @deed(
        8,
        batch=st.lists(wishes, min_size=1, max_size=3),
        wrong=rarely,
        sender=st.sampled_from(NOBODIES),
        ready=st.integers(0, 3),
    )
    def fills(self, batch: list[Wish], wrong: bool, sender: str, ready: int) -> None:
        if ready:
            self.ready()
        epoch = self.world.house.epoch
        fills = tuple(self.fill(wish) for wish in batch)
        if wrong and sender == "stranger":
            epoch = epoch - 1 if epoch else epoch + 1
        self.do(act.Settle(sender if wrong and sender != "stranger" else "operator", epoch, fills))

    def fill(self, wish: Wish) -> Fill:
        world, flaw = self.world, wish.flaw
        params, mark = world.house.markets[wish.market], world.oracle.markets[wish.market]
        maker_name, taker_name, maker_buys = wish.maker, wish.taker, wish.maker_buys
        if maker_name == taker_name and flaw != "self":
            taker_name = TRADERS[(TRADERS.index(taker_name) + 1) % len(TRADERS)]
        # Thousandths of 10,000 USD.
        per_usd = 10**16 // max(1, mark.price)
        size = max(params.lot_size, wish.lots * per_usd // params.lot_size * params.lot_size)
        closes = False
        if wish.reduces:
            # The taker closes some of what it has, if it has any.
            held = world.house.account(taker_name).position(wish.market).size
            if held:
                maker_buys, size, closes = held > 0, min(size, abs(held)), True
        price = mark.price * (BPS + wish.offset_bps) // BPS // params.tick_size * params.tick_size
        price = max(params.tick_size, price)
        if flaw == "size":
            size = 0
        if flaw == "lots" and params.lot_size > 1:
            size += 1
        if flaw == "price":
            price += 1 if params.tick_size > 1 else -price
        reduce_only = closes or flaw == "reduce only"
        maker = self.order(maker_name, params.name, maker_buys, size, price, post_only=wish.post_only)
        taker = self.order(taker_name, params.name, not maker_buys, size, price, reduce_only=reduce_only)
        maker, taker, size = self.flawed(flaw, maker, taker, size, price)
        how = flaw if flaw in ("approval", "key 1") else "key 0 badly" if flaw == "badly" else "key 0"
        self.orders += [maker, taker]
        del self.orders[:-12]
        return Fill(Signed(maker), Signed(taker, how), size, price)

    def flawed(self, flaw: str, maker: Order, taker: Order, size: int, price: int) -> tuple[Order, Order, int]:
        tick = next(market.tick_size for market in self.world.house.markets if market.name == maker.market)
        match flaw:
            case "limit":
                taker = replace(taker, limit=max(0, price - tick if taker.is_buy else price + tick))
            case "fee":
                taker = replace(taker, max_fee_bps=1)
            case "expired":
                taker = replace(taker, expiry=self.world.now)
            case "epoch":
                maker = replace(maker, epoch=maker.epoch + 1)
            case "account epoch":
                maker = replace(maker, account_epoch=maker.account_epoch + 1)
            case "venue":
                taker = replace(taker, ours=False)
            case "taker posts":
                taker = replace(taker, post_only=True)
            case "same side":
                taker = replace(taker, is_buy=maker.is_buy)
            case "two markets":
                taker = replace(taker, market="ETH-USD-PERP" if maker.market != "ETH-USD-PERP" else "BTC-USD-PERP")
            case "no such market":
                maker, taker = replace(maker, market="NO-USD-PERP"), replace(taker, market="NO-USD-PERP")
            case "overfill":
                # The order is larger than the fill, then filled again and again.
                maker = replace(maker, size=2 * maker.size)
            case "again":
                older = [order for order in self.orders if order.market == maker.market and order != taker]
                if older:
                    maker = older[-1]
                    taker = replace(taker, is_buy=not maker.is_buy, limit=price)
        return maker, taker, size

    @deed(pick=st.integers(0, 11), stranger=rarely)
    def cancel(self, pick: int, stranger: bool) -> None:
        if self.orders:
            order = self.orders[pick % len(self.orders)]
            self.do(act.Cancel("admin" if stranger else order.account, order))

    @deed(who=traders)
    def cancel_all(self, who: str) -> None:
        self.do(act.CancelAll(who))

    @deed(2, wish=wishes, stranger=rarely)
    def an_approved_order(self, wish: Wish, stranger: bool) -> None:
        made = self.fill(replace(wish, flaw="approval"))
        taker = made.taker.order
        self.do(act.Approve("admin" if stranger else taker.account, taker))
        self.do(act.Settle("operator", self.world.house.epoch, (made, made)))

    @deed(
        who=traders, key=st.sampled_from(("key 0", "key 1", "off the curve")), secs=st.sampled_from((0, 1, 30, 10**6))
    )
    def register_key(self, who: str, key: str, secs: int) -> None:
        # The key that they trade with lives on.
        secs = 10**6 if key == "key 0" and secs else secs
        self.do(act.RegisterKey(who, key, self.world.now + secs))

    @deed(who=traders, key=st.sampled_from(("key 1", "key 1", "key 0")), again=st.booleans())
    def revoke_key(self, who: str, key: str, again: bool) -> None:
        self.do(act.RevokeKey(who, key))
        if again or key == "key 0":
            self.do(act.RegisterKey(who, key, self.world.now + 10**6))
