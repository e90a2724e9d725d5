"""Finds what is under water and liquidates it: worst first, in batches, never on a price it has not checked itself."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from truemark.felt import selector
from truemark.transactions import Call

from truemark_keeper.batching import Batches, for_want_of_gas
from truemark_keeper.book import AccountState, Book, BookReader, Liquidated, LiquidationRefused
from truemark_keeper.deleveraging import NOBODY_PAYS, counterparties, deleverage_call
from truemark_keeper.reporter import Sender
from truemark_keeper.screen import Sieve, UnderWater, failed, screen
from truemark_keeper.slots import Outcome
from truemark_keeper.spending import Spending, SpendingTerms

log = logging.getLogger(__name__)

BPS = 10_000
MAX_SIZE = 2**63 - 1
#: The contract knows of an account under water, and waits for backstop_secs to pass.
TOO_EARLY = "BACKSTOP: too early"
#: L2 gas of one transaction: three quarters of what the queue allows one by default.
BATCH_GAS = 150_000_000

#: The keeper's own opinion of a market's price by name, 1e-8 USD, not from the chain; None: it has none.
OwnPrice = Callable[[str], Awaitable[int | None]]


class BackstopReader(Protocol):
    """Asks the contract, without a transaction, whether it would hand an account to the backstop."""

    async def backstop_refusal(self, epoch: int, account: int) -> str | None:
        """Why `backstop` would revert now; None: it would not."""
        ...

    def handed_over(self, receipt: Mapping[str, Any], account: int) -> bool:
        """Whether the transaction took something of the account over."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One line of liquidate_many, in the contract's units: 1e-8 of the base asset, 1e-8 USD."""

    account: int
    market: int
    max_size: int
    limit_price: int


@dataclass(frozen=True, slots=True)
class Vetoed:
    """An account under water that this keeper does not touch, and why."""

    account: int
    market: int
    reason: str


@dataclass(frozen=True)
class Sweep:
    """What one run found and did."""

    #: The block whose picture the run started from.
    block: int
    liquidated: tuple[Liquidated, ...] = ()
    refused: tuple[LiquidationRefused, ...] = ()
    vetoed: tuple[Vetoed, ...] = ()
    #: Every transaction sent; one that reverted changed nothing.
    transactions: tuple[Outcome, ...] = ()
    #: Accounts that went to the backstop.
    backstopped: tuple[int, ...] = ()


def liquidate_many_call(clearinghouse: int, epoch: int, requests: Sequence[Request]) -> Call:
    """`liquidate_many(epoch, requests)` of the clearinghouse."""
    data = [epoch, len(requests)]
    for request in requests:
        data += [request.account, request.market, request.max_size, request.limit_price]
    return Call(clearinghouse, selector("liquidate_many"), tuple(data))


def backstop_call(clearinghouse: int, epoch: int, account: int) -> Call:
    """`backstop(epoch, account)` of the clearinghouse."""
    return Call(clearinghouse, selector("backstop"), (epoch, account))


class Liquidator:
    """Liquidates through one account, which takes the positions over and must meet initial margin with them.

    Args:
        sender: the account's transaction queue.
        reader: reads the venue.
        clearinghouse: its address.
        account: the liquidator's own address; it is left alone.
        own_price: the keeper's independent price. A market of which it has none is left alone.
        max_disagreement_bps: the most that mark and own price may differ, of the own price.
        limit_slack_bps: how far from the mark, against the keeper, a price is still taken.
        batch_size: requests in the first transaction; what it costs gives the size of the next ones.
        batch_gas: L2 gas that a transaction is to stay below, well under the bound that `sender` signs.
        max_passes: an account that is still under water after one market was taken is looked at again, this often.
        backstop: what no liquidator wants any more (V < R/3), and what is under water and stays untouched, is handed to
            the vault after this was asked; None: it is left to others.
        max_overdue: how many accounts that are under water and were left the contract is told of in one run.
        spending: what fees are held to; None: to nothing.
        deleverage: the account has the operator's role and closes what nobody can pay against counterparties.
    """

    def __init__(
        self,
        sender: Sender,
        reader: BookReader,
        *,
        clearinghouse: int,
        account: int,
        own_price: OwnPrice,
        max_disagreement_bps: int = 100,
        limit_slack_bps: int = 50,
        batch_size: int = 20,
        batch_gas: int = BATCH_GAS,
        max_passes: int = 20,
        backstop: BackstopReader | None = None,
        max_overdue: int = 20,
        spending: Spending | None = None,
        deleverage: bool = False,
    ) -> None:
        self._sender = sender
        self._reader = reader
        self._clearinghouse = clearinghouse
        self._account = account
        self._own_price = own_price
        self._max_disagreement_bps = max_disagreement_bps
        self._limit_slack_bps = limit_slack_bps
        self._batches = Batches(batch_size, batch_gas)
        self._max_passes = max_passes
        self._backstop = backstop
        self._max_overdue = max_overdue
        self._spending = spending if spending is not None else Spending(SpendingTerms())
        self._deleverage = deleverage
        self._sieve = Sieve()

    async def once(self, timeout: float | None = None) -> Sweep:
        """Liquidates until nothing is left that it may liquidate. A second run right after sends nothing.

        Raises:
            RpcError, NodeUnavailable: the venue cannot be read.
            TransactionRefused, FeeCeiling, QueueClosed, TimeoutError: a transaction has no outcome.
        """
        book = await self._reader.book()
        block = book.block
        liquidated: list[Liquidated] = []
        refused: list[LiquidationRefused] = []
        vetoed: dict[tuple[int, int], Vetoed] = {}
        transactions: list[Outcome] = []
        tried: set[tuple[int, int]] = set()
        for _ in range(self._max_passes):
            requests = await self._requests(book, tried, vetoed)
            if not requests:
                break
            waiting = requests
            while waiting and not self._out_of_budget():
                batch = waiting[: self._batches.size]
                call = liquidate_many_call(self._clearinghouse, book.epoch, batch)
                outcome = await self._send(call, timeout, requests=len(batch))
                transactions.append(outcome)
                if len(batch) > 1 and for_want_of_gas(outcome.revert_reason):
                    log.warning("a batch ran out of gas", extra={"hash": hex(outcome.hash), "requests": len(batch)})
                    self._batches.ran_out(len(batch))
                    continue
                waiting = waiting[len(batch) :]
                done, not_done = self._split(outcome)
                self._batches.took(len(done), _gas(outcome))
                liquidated += done
                refused += not_done
                taken = {(item.account, item.market) for item in done}
                # What was taken in part may be taken again; what was refused would be refused again.
                tried |= {(r.account, r.market) for r in batch} - taken
                log.info(
                    "liquidations",
                    extra={"hash": hex(outcome.hash), "done": len(done), "refused": len(not_done)}
                    | ({"reasons": ", ".join(sorted({item.reason for item in not_done}))} if not_done else {})
                    | ({"reverted": outcome.revert_reason} if not outcome.succeeded else {}),
                )
            book = await self._reader.book()
            if waiting:
                break
        handed = await self._hand_over(book, vetoed, transactions, timeout)
        left = tuple(vetoed.values())
        return Sweep(block, tuple(liquidated), tuple(refused), left, tuple(transactions), handed)

    async def _hand_over(
        self,
        book: Book,
        vetoed: dict[tuple[int, int], Vetoed],
        transactions: list[Outcome],
        timeout: float | None,
    ) -> tuple[int, ...]:
        """To the backstop, one transaction an account: what the contract refuses now is not asked for in vain. Accounts
        with V < R/3 at once; those that are still under water after all passes when they were untouched for long."""
        if self._backstop is None or not book.full or book.in_grace():
            return ()
        opinions: dict[int, str | None] = {}
        handed = []
        deep = failed(book, self._sieve)
        # The contract notes when it was first told of one, and hands it over backstop_secs later.
        left = [item.account for item in screen(book, self._sieve)][: self._max_overdue]
        for account in dict.fromkeys((*deep, *left)):
            if account.address == self._account or not await self._believes(account, book, opinions, vetoed):
                continue
            refusal = await self._backstop.backstop_refusal(book.epoch, account.address)
            if refusal == TOO_EARLY:
                continue
            if self._out_of_budget():
                break
            if refusal is not None:
                log.warning("backstop refuses", extra={"account": hex(account.address), "reason": refusal})
                if self._deleverage and refusal in NOBODY_PAYS:
                    transactions += await self._close_against(book, account, timeout)
                continue
            call = backstop_call(self._clearinghouse, book.epoch, account.address)
            outcome = await self._send(call, timeout)
            transactions.append(outcome)
            took = outcome.succeeded and self._backstop.handed_over(outcome.receipt, account.address)
            if took:
                handed.append(account.address)
            log.info(
                "backstop" if took else "seen under water",
                extra={"account": hex(account.address), "hash": hex(outcome.hash), "reverted": outcome.revert_reason},
            )
        return tuple(handed)

    async def _close_against(self, book: Book, account: AccountState, timeout: float | None) -> list[Outcome]:
        """The positions of a failed account, one transaction each, against whoever is most leveraged on the other
        side."""
        sent: list[Outcome] = []
        for position in account.positions:
            others = await counterparties(book, account, position, self._reader)
            if not others or self._out_of_budget():
                continue
            call = deleverage_call(self._clearinghouse, book.epoch, account.address, position.market, others)
            outcome = await self._send(call, timeout)
            sent.append(outcome)
            log.warning(
                "deleveraged",
                extra={
                    "account": hex(account.address),
                    "market": book.markets[position.market].name,
                    "counterparties": len(others),
                    "reverted": outcome.revert_reason,
                },
            )
        return sent

    async def _send(self, call: Call, timeout: float | None, requests: int = 0) -> Outcome:
        outcome = await self._sender.execute([call], timeout)
        if outcome.hashes:
            self._spending.paid(outcome, requests)
        return outcome

    def _out_of_budget(self) -> bool:
        if self._spending.exhausted:
            log.error("the budget for fees is spent: nothing is sent", extra={"fri": self._spending.spent})
            return True
        return False

    async def _requests(
        self, book: Book, tried: set[tuple[int, int]], vetoed: dict[tuple[int, int], Vetoed]
    ) -> list[Request]:
        # In the time of grace the contract refuses everything: it is not asked in vain.
        if not book.full or book.in_grace():
            return []
        found = [item for item in screen(book, self._sieve) if item.account.address != self._account]
        if not found:
            return []
        # The contract's own word, after ours. It counts every market at its mark and with its requirement, so an
        # account that is healthy there is healthy under the rules of a liquidation too.
        seen = await self._reader.margins([item.account.address for item in found])
        opinions: dict[int, str | None] = {}
        requests = []
        for item in found:
            margin = seen[item.account.address]
            if margin.value >= margin.maintenance:
                continue
            request = await self._choose(item, book, opinions, tried, vetoed)
            if request is not None:
                requests.append(request)
        return requests

    async def _choose(
        self,
        item: UnderWater,
        book: Book,
        opinions: dict[int, str | None],
        tried: set[tuple[int, int]],
        vetoed: dict[tuple[int, int], Vetoed],
    ) -> Request | None:
        """A request for the largest position that may be taken."""
        if not await self._believes(item.account, book, opinions, vetoed):
            return None
        for position in item.open_to:
            if (item.account.address, position.market) in tried:
                continue
            market = book.markets[position.market]
            loss = self._spending.loss(market, position.size)
            if loss is not None:
                # What is too small for a liquidator stays under water, and in time it is the backstop's.
                vetoed[item.account.address, position.market] = Vetoed(item.account.address, position.market, loss)
                continue
            mark = market.price
            slack = BPS + self._limit_slack_bps if position.size > 0 else BPS - self._limit_slack_bps
            return Request(item.account.address, position.market, MAX_SIZE, mark * slack // BPS)
        return None

    async def _believes(
        self,
        account: AccountState,
        book: Book,
        opinions: dict[int, str | None],
        vetoed: dict[tuple[int, int], Vetoed],
    ) -> bool:
        """An account with a position in any market whose mark this keeper does not believe is left alone: its V and R
        rest on that mark too."""
        for position in account.positions:
            market = book.markets[position.market]
            if position.market not in opinions:
                opinions[position.market] = await self._disbelief(market.name, market.price)
            reason = opinions[position.market]
            if market.valid and reason is not None:
                key = (account.address, position.market)
                if key not in vetoed:
                    log.warning("vetoed", extra={"account": hex(key[0]), "market": market.name, "reason": reason})
                vetoed[key] = Vetoed(*key, reason)
                return False
        return True

    async def _disbelief(self, name: str, mark: int) -> str | None:
        own = await self._own_price(name)
        if own is None or own <= 0:
            return f"no independent price of {name}"
        if abs(mark - own) * BPS > own * self._max_disagreement_bps:
            return f"mark {mark} and own price {own} of {name} differ by more than {self._max_disagreement_bps} bps"
        return None

    def _split(self, outcome: Outcome) -> tuple[list[Liquidated], list[LiquidationRefused]]:
        if not outcome.succeeded:
            return [], []
        events = self._reader.outcomes(outcome.receipt)
        return (
            [event for event in events if isinstance(event, Liquidated)],
            [event for event in events if isinstance(event, LiquidationRefused)],
        )


def _gas(outcome: Outcome) -> int:
    """L2 gas that it took; 0: its receipt does not say."""
    resources = outcome.receipt.get("execution_resources", {})
    return int(resources.get("l2_gas", 0)) if outcome.succeeded else 0
