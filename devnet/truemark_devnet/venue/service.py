"""The venue at work: the engine, its log, the chain and the streams, in one task each and one order of events.

An input changes the engine, what changed is committed to the log, and only then it is answered and told. Between the
three nothing else runs, so whoever reads sees the same as the log.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.gateway import FillState
from truemark.rpc import AsyncRpc
from truemark.units import BadAmount, to_size
from truemark.wire import (
    Channel,
    ErrorCode,
    FillList,
    MarketView,
    ModifyRequest,
    PlaceRequest,
    TradeList,
    VenueView,
)
from truemark_keeper.slots import Wallet

from truemark_devnet.venue import views
from truemark_devnet.venue.engine import Engine
from truemark_devnet.venue.following import Follower, News
from truemark_devnet.venue.live import LiveOrder, Match, Refused
from truemark_devnet.venue.log import Batch, VenueLog
from truemark_devnet.venue.settling import BATCH_SIZE, FillResult, SettlementMismatch, Settler
from truemark_devnet.venue.signatures import Verifier, order_hash
from truemark_devnet.venue.streams import Hub

log = logging.getLogger(__name__)

#: Seconds between two looks at the chain.
POLL = 0.25
#: Seconds that the first match of a batch waits for others.
LINGER = 0.02
#: A venue that has not seen the node for so long takes no orders.
BLIND_AFTER = 15.0
DAY = 86_400
#: What a snapshot of trades and fills holds.
RECENT = 100


class Venue:
    """Use as `async with`.

    Args:
        deployment: whose orders it takes.
        wallet: the operator's.
        log_path: the venue's own log.
        origin: tells this chain from others of the same id.
        clock: unix seconds.
    """

    def __init__(
        self,
        deployment: Deployment,
        rpc: AsyncRpc,
        wallet: Wallet,
        log_path: Path,
        *,
        origin: str = "",
        batch_size: int = BATCH_SIZE,
        poll: float = POLL,
        linger: float = LINGER,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.deployment = deployment
        self.chain_id = deployment.l2_chain_id
        self.address = deployment.address("Clearinghouse")
        self.clock = clock
        self.session = secrets.token_hex(8)
        self.hub = Hub(self.session)
        self._rpc = rpc
        self._batch_size, self._poll, self._linger = batch_size, poll, linger
        self.log = VenueLog(log_path, f"{self.chain_id:#x} {self.address:#x} {origin}")
        self.follower = Follower(rpc, deployment)
        self._settler = Settler(rpc, wallet, self.address, self.log)
        self._verifier = Verifier()
        self._engine: Engine | None = None
        self._switches = self.log.switches()
        self._volumes: dict[int, tuple[int, int, int | None]] = {}
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._following = asyncio.Lock()
        self._seen_at = 0.0
        self._died: Exception | None = None
        #: Why the log did not take what changed: then nothing is done any more.
        self._unwritten: Exception | None = None
        #: News that is not taken in yet, because the node failed meanwhile.
        self._news: News | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # --- life

    async def __aenter__(self) -> Self:
        try:
            await self._begin()
        except BaseException:
            self.log.close()
            raise
        for name, work in (("follow", self._follow), ("settle", self._settle), ("switches", self._watch_switches)):
            self._tasks.append(asyncio.create_task(self._guard(work), name=f"venue.{name}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.log.close()

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            raise Refused(ErrorCode.UNAVAILABLE, "the venue does not run yet")
        return self._engine

    async def _begin(self) -> None:
        """From the chain and the log, nothing lost and nothing doubled."""
        news = await self.follower.news()
        if news is None:
            raise Refused(ErrorCode.UNAVAILABLE, "the node has no block")
        self._seen_at = time.monotonic()
        engine = Engine(self.address, news.terms, news.view)
        orders = self.log.orders()
        for account in sorted({order.account for order in orders}):
            engine.know(account, await self.follower.account(account))
        by_hash = {order.order_hash: order for order in orders}
        for order in orders:
            engine.restore(order)
        for match in self.log.matches(by_hash, state=FillState.MATCHED):
            engine.restore_match(match)
        engine.last_match = self.log.last_match()
        self._engine = engine
        # What was sent and not written down comes first: it has the lower nonces.
        await self._finish_batches()
        engine.see(news.view)
        await self._catch_up()
        self._commit()
        if engine.matches:
            self._work.set()
        else:
            self._idle.set()

    async def _guard(self, work: Callable[[], Any]) -> None:
        try:
            await work()
        except Exception as error:
            log.exception("the venue stopped")
            self._died = error
            self._idle.set()

    def check_alive(self) -> None:
        """
        Raises:
            Refused: it stopped by an error of its own, or does not see the chain.
        """
        if self._died is not None:
            raise Refused(ErrorCode.UNAVAILABLE, f"the venue stopped: {self._died}")
        if time.monotonic() - self._seen_at > BLIND_AFTER:
            raise Refused(ErrorCode.UNAVAILABLE, "the node does not answer", retry_after=5)

    def _check_written(self) -> None:
        """
        Raises:
            Refused: the log takes nothing any more, so that not even a cancel would last.
        """
        if self._unwritten is not None:
            raise Refused(ErrorCode.UNAVAILABLE, f"the venue stopped: {self._unwritten}")

    # --- orders

    async def place(self, account: int, request: PlaceRequest) -> tuple[LiveOrder, bool]:
        """The order, and whether it is new.

        Raises:
            Refused
        """
        hash_, known = await self._admit(account, request)
        if known is not None:
            return known, False
        try:
            order = self.engine.place(request, hash_)
        except Refused as error:
            error.name(hash_)
            raise
        finally:
            # A refused order may have found others that expired or cannot stay.
            self._commit()
        return order, True

    async def modify(self, account: int, order: LiveOrder, request: ModifyRequest) -> LiveOrder:
        """
        Raises:
            Refused: it is as it was.
        """
        if (request.size is None) == (request.replacement is None):
            raise Refused(ErrorCode.BAD_REQUEST, "exactly one of size and replacement is needed", field="size")
        if request.size is not None:
            self.check_alive()
            try:
                size = to_size(request.size)
            except BadAmount as error:
                raise Refused(ErrorCode.BAD_REQUEST, str(error), field="size") from error
            self.engine.reduce(order, size)
            self._commit()
            return order
        assert request.replacement is not None
        hash_, known = await self._admit(account, request.replacement, replaces=order)
        if known is not None:
            return known
        try:
            new = self.engine.replace(order, request.replacement, hash_)
        except Refused as error:
            error.name(hash_)
            raise
        finally:
            self._commit()
        return new

    def cancel(self, order: LiveOrder) -> LiveOrder:
        """
        Raises:
            Refused: it ended already.
        """
        self._check_written()
        if order.state.is_final:
            raise Refused(
                ErrorCode.ORDER_ENDED, f"it is {order.state} already", reason=order.reason, order_hash=order.order_hash
            )
        self.engine.cancel(order)
        self._commit()
        return order

    def cancel_all(self, account: int, market: str | None = None) -> list[LiveOrder]:
        """
        Raises:
            Refused: there is no such market.
        """
        self._check_written()
        index = None if market is None else self.market_index(market)
        found = self.engine.cancel_all(account, index)
        self._commit()
        return found

    def order(self, account: int, hash_: int) -> LiveOrder:
        """
        Raises:
            Refused: the account has none of that hash.
        """
        order = self.engine.orders.get(hash_)
        if order is None or order.account != account:
            raise Refused(ErrorCode.UNKNOWN_ORDER, f"the venue has no order {hash_:#x} of this account")
        return order

    def order_named(self, account: int, client_id: str) -> LiveOrder:
        """
        Raises:
            Refused: the account has none of that name.
        """
        order = self.engine.by_client_id.get((account, client_id))
        if order is None:
            raise Refused(ErrorCode.UNKNOWN_ORDER, f"the account has no order named {client_id}")
        return order

    def orders_of(self, account: int) -> list[LiveOrder]:
        """Newest first."""
        mine = [order for order in self.engine.orders.values() if order.account == account]
        return sorted(mine, key=lambda order: order.number, reverse=True)

    def set_switch(self, account: int, seconds: int) -> int | None:
        """The dead man's switch; what is left of it.

        Raises:
            Refused: not 0 nor from 5 to 86,400 seconds.
        """
        if seconds and not 5 <= seconds <= DAY:
            raise Refused(ErrorCode.BAD_REQUEST, f"0, or from 5 to {DAY} seconds", field="seconds")
        deadline = self.clock() + seconds if seconds else None
        self.log.switch(account, deadline)
        if deadline is None:
            self._switches.pop(account, None)
        else:
            self._switches[account] = deadline
        return self.switch_left(account)

    def switch_left(self, account: int) -> int | None:
        deadline = self._switches.get(account)
        return None if deadline is None else max(0, round(deadline - self.clock()))

    async def _admit(
        self, account: int, request: PlaceRequest, replaces: LiveOrder | None = None
    ) -> tuple[int, LiveOrder | None]:
        """(hash, the order if it is there already). The signature is good and the account known.

        Raises:
            Refused
        """
        self.check_alive()
        signed = request.signed
        if signed.order.account != account:
            raise Refused(ErrorCode.FORBIDDEN, "the order is another account's", field="signed.order.account")
        hash_ = order_hash(signed.order, self.chain_id)
        known = self._same(hash_, request)
        if known is not None:
            return hash_, known
        await self.know(account)
        self._check_signature(signed.key, hash_, signed.r, signed.s, account)
        chain = self.follower.known
        if hash_ in chain.cancelled or chain.filled.get(hash_, 0) > 0:
            raise Refused(ErrorCode.SPENT, "on chain it is cancelled, or filled already", order_hash=hash_)
        # The same order may have come twice while the chain was asked. From here on nothing waits.
        return hash_, self._same(hash_, request)

    def _same(self, hash_: int, request: PlaceRequest) -> LiveOrder | None:
        known = self.engine.orders.get(hash_)
        if known is not None and request.client_order_id != known.client_id:
            raise Refused(
                ErrorCode.CLIENT_ID_TAKEN,
                f"the order is here already, as {known.client_id}",
                field="client_order_id",
                order_hash=hash_,
            )
        return known

    def _check_signature(self, key: int, hash_: int, r: int, s: int, account: int) -> None:
        known = self.follower.known
        if key == 0:
            if hash_ not in known.approved:
                raise Refused(ErrorCode.UNKNOWN_KEY, "the account has not approved the order on chain")
        elif not self.key_lives(account, key):
            raise Refused(
                ErrorCode.UNKNOWN_KEY, f"the account has not registered the trading key {key:#x}, or it expired"
            )
        elif not self._verifier.verify(key, hash_, r, s):
            raise Refused(
                ErrorCode.BAD_SIGNATURE, f"wrong signature by the key {key:#x} of the order hash", order_hash=hash_
            )

    def key_lives(self, account: int, key: int) -> bool:
        """Whether it is a trading key of the account now."""
        return self.follower.known.keys.get((account, key), 0) > self.engine.view.now

    async def owns(self, account: int, key: int) -> bool:
        """Whether it is the account's own key, as its contract says."""
        try:
            own = await Contract.of(self._rpc, account, "Account").read("get_public_key")
        except TruemarkError:
            return False
        return bool(own == key)

    async def know(self, account: int) -> None:
        """Reads the account if it is new here.

        Raises:
            Refused: the node does not answer.
        """
        if account in self.engine.traders:
            return
        async with self._following:
            if account not in self.engine.traders:
                try:
                    self.engine.know(account, await self.follower.account(account))
                except TruemarkError as error:
                    raise Refused(ErrorCode.UNAVAILABLE, f"the account cannot be read: {error}") from error

    # --- reading

    def market_index(self, name: str) -> int:
        """
        Raises:
            Refused: there is none of that name.
        """
        index = self.engine.by_name.get(name)
        if index is None:
            raise Refused(ErrorCode.UNKNOWN_MARKET, f"no market {name}", field="market")
        return index

    def venue_view(self) -> VenueView:
        view = self.engine.view
        return VenueView(
            name=self.deployment.name,
            session=self.session,
            chain_id=self.chain_id,
            venue=self.address,
            epoch=view.epoch,
            mode=view.mode,
            block=view.block,
            time=view.now,
            markets=tuple(self.engine.by_name),
        )

    def market_view(self, index: int) -> MarketView:
        now = self.engine.view.now
        at, volume, last = self._volumes.get(index, (-1, 0, None))
        if at != now:
            tape = [t for t in self.log.tape(index, start=now - DAY + 1) if t.state is not FillState.REFUSED]
            volume = sum(trade.size for trade in tape)
            last = tape[0].price if tape else last
            self._volumes[index] = (now, volume, last)
        return views.market_view(self.engine, self.engine.terms[index], last, volume)

    def trades(self, index: int, limit: int = RECENT) -> TradeList:
        name = self.engine.terms[index].name
        return TradeList(trades=tuple(views.trade_view(trade, name) for trade in self.log.tape(index, limit=limit)))

    def fills(self, account: int, after: int, limit: int, market: str | None = None) -> FillList:
        index = None if market is None else self.market_index(market)
        rows = self.log.fills(account, self.engine.orders, after=after, limit=limit + 1, market=index)
        found = tuple(views.fill_view(match, is_maker=is_maker, seq=seq) for seq, is_maker, match in rows[:limit])
        return FillList(fills=found, next=found[-1].seq if len(rows) > limit else None)

    def snapshot(self, channel: Channel, of: int, seq: int) -> dict[str, Any]:
        """What a new reader of a stream begins with."""
        if channel is Channel.VENUE:
            return self.venue_view().dump()
        if channel is Channel.MARKET:
            return self.market_view(of).dump()
        if channel is Channel.BOOK:
            return views.book_view(self.engine, of, seq).dump()
        if channel is Channel.TRADES:
            return self.trades(of).dump()
        if channel is Channel.ORDERS:
            mine = [order for order in self.orders_of(of) if not order.state.is_final]
            return {"orders": [views.order_view(order).dump() for order in mine]}
        if channel is Channel.FILLS:
            return self.fills(of, max(0, self.log.last_seq(of) - RECENT), RECENT).dump()
        return views.account_view(self.engine, of).dump()

    # --- what changed

    def _commit(self) -> None:
        """Writes what changed, then tells it."""
        changes = self.engine.take_changes()
        if not changes:
            return
        if self._unwritten is not None:
            raise self._unwritten
        try:
            seqs = self.log.write(changes)
        except Exception as error:
            # From here on the engine knows what its log does not: only a restart brings them together.
            self._unwritten = self._died = error
            self._idle.set()
            raise
        if self.engine.matches:
            self._idle.clear()
            self._work.set()
        hub, engine = self.hub, self.engine
        levels: dict[int, set[tuple[bool, int]]] = {}
        for market, is_bid, price in changes.levels:
            levels.setdefault(market, set()).add((is_bid, price))
        for market, touched in levels.items():
            hub.publish((Channel.BOOK, market), engine.terms[market].name, partial(self._levels, market, touched))
        by_account: dict[int, list[LiveOrder]] = {}
        for order in changes.orders.values():
            by_account.setdefault(order.account, []).append(order)
        for account, orders in by_account.items():
            hub.publish((Channel.ORDERS, account), None, partial(self._orders, orders))
        self._tell_matches(list(changes.matches.values()), seqs)
        for account in set(by_account) & set(hub.read_by_somebody(Channel.ACCOUNT)):
            self._tell_account(account)

    def _tell_matches(self, matches: list[Match], seqs: dict[tuple[int, int], int]) -> None:
        trades: dict[int, list[Match]] = {}
        fills: dict[int, list[tuple[Match, bool]]] = {}
        for match in sorted(matches, key=lambda match: match.number):
            if match.state is not FillState.SETTLED:
                trades.setdefault(match.market, []).append(match)
                self._volumes.pop(match.market, None)
            fills.setdefault(match.maker.account, []).append((match, True))
            fills.setdefault(match.taker.account, []).append((match, False))
        for market, found in trades.items():
            name = self.engine.terms[market].name
            self.hub.publish((Channel.TRADES, market), name, partial(self._trades, name, found))
        for account, mine in fills.items():
            numbered = [(match, is_maker, seqs[account, match.number]) for match, is_maker in mine]
            self.hub.publish((Channel.FILLS, account), None, partial(self._fills, numbered))

    def _levels(self, market: int, touched: set[tuple[bool, int]], seq: int) -> dict[str, Any]:
        return views.levels_view(self.engine, market, seq, touched).dump()

    @staticmethod
    def _orders(orders: list[LiveOrder], _seq: int) -> dict[str, Any]:
        return {"orders": [views.order_view(order).dump() for order in orders]}

    @staticmethod
    def _trades(name: str, matches: list[Match], _seq: int) -> dict[str, Any]:
        return {"trades": [views.trade_view(views.tape_of(match), name).dump() for match in matches]}

    @staticmethod
    def _fills(fills: list[tuple[Match, bool, int]], _seq: int) -> dict[str, Any]:
        return {"fills": [views.fill_view(match, is_maker=maker, seq=seq).dump() for match, maker, seq in fills]}

    def _tell_account(self, account: int) -> None:
        self.hub.publish((Channel.ACCOUNT, account), None, lambda _: views.account_view(self.engine, account).dump())

    # --- following the chain

    async def _follow(self) -> None:
        while True:
            try:
                await self._catch_up()
            except TruemarkError as error:
                log.warning("the chain cannot be followed", extra={"error": str(error)})
            await asyncio.sleep(self._poll)

    async def _catch_up(self) -> None:
        async with self._following:
            # The follower says everything once: what could not be taken in comes again.
            if self._news is None:
                self._news = await self.follower.news()
            self._seen_at = time.monotonic()
            if self._news is None:
                return
            if self._news.rolled_back:
                await self._take_back()
            self._take(self._news)
            self._news = None

    def _take(self, news: News) -> None:
        engine = self.engine
        before = engine.view
        # First the view: an account is judged by the marks of its block.
        engine.view = news.view
        for account, chain in news.accounts.items():
            engine.know(account, chain)
        for hash_ in news.cancelled:
            order = engine.orders.get(hash_)
            if order is not None:
                engine.cancel(order, "cancelled on chain")
        engine.see(news.view, news.terms)
        self._commit()
        if (before.mode, before.epoch) != (news.view.mode, news.view.epoch):
            log.info("the venue's mode", extra={"mode": news.view.mode, "epoch": news.view.epoch})
        self.hub.publish((Channel.VENUE, 0), None, lambda _: self.venue_view().dump())
        for index, mark in news.view.marks.items():
            if before.marks.get(index) != mark or before.mode != news.view.mode:
                name = engine.terms[index].name
                self.hub.publish((Channel.MARKET, index), name, partial(self.snapshot, Channel.MARKET, index))
        for account in self.hub.read_by_somebody(Channel.ACCOUNT):
            self._tell_account(account)

    async def _take_back(self) -> None:
        """After a rollback: settlements whose transaction is in no block any more never happened."""
        settled = self.log.matches(self.engine.orders, state=FillState.SETTLED)
        gone = {tx for tx in {match.tx_hash for match in settled} if tx and not await self._settler.is_there(tx)}
        # All or nothing: a node that fails is asked again from the beginning.
        for match in settled:
            if match.tx_hash in gone:
                log.warning("a settlement was erased by a rollback", extra={"match": match.number})
                self.engine.erased(match)
        self._commit()

    # --- settling

    async def _settle(self) -> None:
        while True:
            await self._work.wait()
            if len(self.engine.matches) < self._batch_size:
                await asyncio.sleep(self._linger)
            try:
                # What an earlier round sent and did not see the end of comes first.
                await self._finish_batches()
                while self.engine.matches:
                    chosen = [self.engine.matches[number] for number in sorted(self.engine.matches)[: self._batch_size]]
                    await self._finish(await self._settler.sign(self.engine.view.epoch, chosen))
            except SettlementMismatch:
                raise
            except TruemarkError as error:
                # Nothing was sent, or it is written down what was: the next round goes on from there.
                log.warning("settling waits", extra={"error": str(error)})
                await asyncio.sleep(self._poll)
                continue
            self._work.clear()
            if self.engine.matches:
                self._work.set()
            else:
                self._idle.set()

    async def _finish_batches(self) -> None:
        for batch in self.log.batches():
            await self._finish(batch)

    async def _finish(self, batch: Batch) -> None:
        """Sends a batch until it is known what became of it, and takes that in."""
        engine = self.engine
        mine = {number: engine.matches[number] for number in batch.matches if number in engine.matches}
        if len(mine) == len(batch.matches):
            orders = {n: (match.maker.order_hash, match.taker.order_hash) for n, match in mine.items()}
            results = await self._settler.land(batch, orders)
            if results is not None:
                await self._take_results(mine, results)
        # Else: it was written down what became of it, and the process died before it noted that.
        self.log.landed(batch.number)

    async def _take_results(self, matches: dict[int, Match], results: list[FillResult]) -> None:
        refused = []
        for result in results:
            match = matches[result.match]
            if result.reason is None:
                event = result.event
                self.engine.settled(
                    match,
                    result.block,
                    result.tx_hash,
                    fees=(event["maker_fee"], event["taker_fee"]),
                    funding=(event["maker_funding"], event["taker_funding"]),
                    positions=(event["maker_size"], event["taker_size"]),
                )
            else:
                refused.append((match, result.reason, result.tx_hash))
        if not refused:
            self._commit()
            with suppress(TruemarkError):
                await self._catch_up()
            return
        # Whose fault a refusal was is judged by what the chain says after it. What settled and what was refused is
        # written together: a restart between them would ask the node for the same receipt again.
        try:
            await self._catch_up()
        except TruemarkError as error:
            log.warning("a refusal is judged without the chain's newest word", extra={"error": str(error)})
        self.engine.refused(refused, self._faults(refused))
        self._commit()

    def _faults(self, refused: list[tuple[Match, str, int]]) -> dict[int, str]:
        """Orders that the chain would refuse whatever they meet."""
        known, view = self.follower.known, self.engine.view
        found = {}
        for match, reason, _ in refused:
            for order in (match.maker, match.taker):
                signed = order.signed
                trader = self.engine.traders[order.account]
                lost = (
                    order.order_hash in known.cancelled
                    or order.expiry <= view.now
                    or signed.order.epoch != view.epoch
                    or signed.order.account_epoch != trader.chain.epoch
                    or known.filled.get(order.order_hash, 0) + match.size > signed.order.size
                    or (signed.key != 0 and not self.key_lives(order.account, signed.key))
                )
                if lost:
                    found[order.order_hash] = reason
        return found

    async def settled(self) -> None:
        """Returns when nothing waits for settlement.

        Raises:
            Refused: the venue stopped.
        """
        await self._idle.wait()
        self.check_alive()

    async def _watch_switches(self) -> None:
        while True:
            now = self.clock()
            for account, deadline in list(self._switches.items()):
                if deadline <= now:
                    # The orders first: killed in between it fires once more, and finds none.
                    self.engine.cancel_all(account, reason="the dead man's switch")
                    self._commit()
                    del self._switches[account]
                    self.log.switch(account, None)
            await asyncio.sleep(self._poll)
