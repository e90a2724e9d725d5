"""Who is owed what: the takings of the window judged, decided by a person, undone, added up and rounded once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.index import EventFilter, Index
from truemark.refunds import Refund, RefundTree
from truemark.rpc import AsyncRpc

from truemark_keeper.recovery.refund.history import (
    BadHistory,
    History,
    Moment,
    funding_indices,
    moments,
    transaction_hashes,
)
from truemark_keeper.recovery.refund.judge import Finding, Judged, Marks, PriceAt, judge
from truemark_keeper.recovery.refund.rules import Position, PriceSource, RefundRules

#: 1e-24 USD in 1e-16 USD and in 1e-6 USD.
_VALUE: Final = 10**8
_CASH: Final = 10**18
_DEBT: Final = "DebtPaid"
#: The venue's own accounts by their names in the deployment.
_OWN: Final = ("Vault", "Clearinghouse", "Bridge", "RefundDistributor")
_PAGE: Final = 10_000


class CannotValue(TruemarkError, LookupError):
    """A taking cannot be valued: there is no fair price or no funding index for it."""


class NotInstalled(TruemarkError, ImportError):
    """What the analysis needs is an extra of this package."""


class NothingOwed(TruemarkError, ValueError):
    """Nobody is owed anything, so there is no tree to make."""


@dataclass(frozen=True, slots=True)
class Line:
    """One undone taking of an account; worth and its price in 1e-24 USD and 1e-8 USD."""

    judged: Judged
    worth: int
    price: int

    @property
    def loss(self) -> int:
        """1e-24 USD, not rounded."""
        return self.worth - self.judged.taking.cash * _CASH


@dataclass(frozen=True, slots=True)
class Owed:
    """
    Attributes:
        account: whose it is.
        amount: what is paid, 1e-6 USD; 0 with a reason.
        exact: the sum of the lines, 1e-24 USD; below 0 the account is better off than it would be.
        lines: what was undone.
        events, cash: all that it took part in since the index began, and what that brought it, 1e-6 USD.
        reason: why nothing is paid.
    """

    account: int
    amount: int
    exact: int
    lines: tuple[Line, ...]
    events: int = 0
    cash: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Survey:
    """The takings of the window as they were judged, and the file with all entries.

    Attributes:
        last_block: up to which the index was read.
        valuation: the time at which restored positions are valued, seconds.
    """

    rules: RefundRules
    judged: tuple[Judged, ...]
    entries: Path
    last_block: int
    valuation: int

    @property
    def wrong(self) -> tuple[Judged, ...]:
        return tuple(item for item in self.judged if item.finding is Finding.WRONG)


@dataclass(frozen=True)
class Refunds:
    """What is paid, in the order of the tree: by account."""

    rules: RefundRules
    owed: tuple[Owed, ...]

    @property
    def paid(self) -> tuple[Owed, ...]:
        return tuple(item for item in self.owed if item.amount)

    @property
    def total(self) -> int:
        """1e-6 USD."""
        return sum(item.amount for item in self.owed)

    def tree(self, deployment: Deployment) -> RefundTree:
        """
        Raises:
            NothingOwed: see the class.
        """
        leaves = [Refund(item.account, item.amount) for item in self.paid]
        if not leaves:
            raise NothingOwed("nobody is owed a refund")
        distributor = deployment.address("RefundDistributor")
        return RefundTree(deployment.l2_chain_id, distributor, self.rules.id, leaves)


def survey(index: Index, deployment: Deployment, rules: RefundRules, price: PriceAt, folder: Path) -> Survey:
    """Reads the index up to the end of the window, writes its entries into `folder`, and judges the takings of the
    window in the markets of the rules.

    Raises:
        BadRules: the rules name what the venue does not have.
        BadHistory: the index is empty, or an event cannot be read.
        NotInstalled: see the class.
    """
    rules.check(deployment)
    head = index.head()
    if head is None:
        raise BadHistory("the index is empty")
    last = head.number if rules.window.last_block is None else min(head.number, rules.window.last_block)
    history = History(funding_indices(index, deployment), transaction_hashes(index, deployment))
    valuation = rules.valuation_time or rules.window.to_time or index.block(last).timestamp
    marks = marks_of(index, deployment, last)
    return read(moments(index, deployment, last), history, deployment, rules, price, folder, marks, last, valuation)


def read(
    found: Iterable[Moment],
    history: History,
    deployment: Deployment,
    rules: RefundRules,
    price: PriceAt,
    folder: Path,
    marks: Marks,
    last_block: int,
    valuation: int,
) -> Survey:
    """As `survey`, of events from anywhere. Raises BadHistory, NotInstalled."""
    with _extra():
        from truemark_keeper.recovery.refund.stage import EntryFile

    file = EntryFile(folder / "entries.parquet")
    for moment in found:
        file.add(history.entries(moment))
    file.close()
    names = {market.index: name for name, market in deployment.markets.items()}
    wanted = [
        taking
        for taking in history.takings
        if rules.window.holds(taking.place[0], taking.time)
        and (taking.kind == _DEBT or rules.wants(names.get(taking.market, "")))
    ]
    judged = judge(wanted, deployment, price, marks)
    return Survey(rules, tuple(judged), file.path, last_block, valuation)


def refunds(
    found: Survey,
    deployment: Deployment,
    approved: Iterable[str],
    price: PriceAt,
    *,
    funding: Mapping[int, int] | None = None,
    backend: str | None = None,
) -> Refunds:
    """What the approved takings (by id) cost their accounts.

    Args:
        funding: index of the market -> its funding index at the valuation, 1e-16 USD; only restored positions ask.
        backend: see `analysis.connected`.

    Raises:
        CannotValue: see the class.
        NotConserved, BadBackend: as analysis.sums and analysis.connected.
        NotInstalled: see the class.
    """
    with _extra():
        from truemark_keeper.recovery.refund import analysis
        from truemark_keeper.recovery.refund.stage import excluded_table, undone_table

    chosen = set(approved)
    lines: dict[int, list[Line]] = {}
    for judged in found.judged:
        if judged.taking.id in chosen:
            line = value(judged, found, deployment, price, funding or {})
            lines.setdefault(judged.taking.account, []).append(line)
    without = excluded(found.rules, deployment)
    rows = undone_table((line.judged.taking.place, line.worth) for each in lines.values() for line in each)
    with analysis.connected(backend) as database:
        counted = analysis.sums(database, found.entries, rows, excluded_table(without))
    owed = [
        Owed(account, 0, sum(line.loss for line in lines[account]), tuple(lines[account]), reason=reason)
        for account, reason in without.items()
        if account in lines
    ]
    for item in counted:
        exact = item.worth - item.got * _CASH
        amount, reason = paid(exact, found.rules)
        owed.append(Owed(item.account, amount, exact, tuple(lines[item.account]), item.events, item.cash, reason))
    return Refunds(found.rules, tuple(sorted(owed, key=lambda item: item.account)))


def value(judged: Judged, found: Survey, deployment: Deployment, price: PriceAt, funding: Mapping[int, int]) -> Line:
    """What was taken would be worth, by the rules, with the price that says so.

    Raises:
        CannotValue: see the class.
    """
    taking, rules = judged.taking, found.rules
    if taking.kind == _DEBT:
        return Line(judged, 0, 0)
    name = deployment.market_name(taking.market)
    if rules.position is Position.CLOSED:
        own = price(name, taking.time)
        if own is None:
            raise CannotValue(f"{taking.id}: there is no independent price of {name} at {taking.time}")
        return Line(judged, taking.size * own * _VALUE, own)
    then = dict(rules.prices).get(name) if rules.price is PriceSource.FIXED else price(name, found.valuation)
    if then is None:
        raise CannotValue(f"there is no fair price of {name} at the valuation, {found.valuation}")
    if taking.index is None or taking.market not in funding:
        raise CannotValue(f"{taking.id}: the funding index of {name} is not known, then or at the valuation")
    # A long pays what the index rises by, for one whole base unit.
    worth = taking.size * then * _VALUE - taking.size * (funding[taking.market] - taking.index)
    return Line(judged, worth, then)


def paid(exact: int, rules: RefundRules) -> tuple[int, str]:
    """(1e-6 USD, why nothing): the one rounding."""
    if exact <= 0:
        return 0, "not worse off than without it"
    amount = -(-exact // _CASH) if rules.rounding == "up" else exact // _CASH
    return (amount, "") if amount >= rules.minimum else (0, "below the minimum")


def excluded(rules: RefundRules, deployment: Deployment) -> dict[int, str]:
    """Who gets nothing, and why: the venue's own accounts, and those that the rules name."""
    own = {info.address: f"the venue's own: {name}" for name, info in deployment.contracts.items() if name in _OWN}
    return {**own, **dict(rules.exclude)}


def marks_of(index: Index, deployment: Deployment, last_block: int) -> Marks:
    """The marks of every market, from an oracle with guards or without."""
    oracle = deployment.address("Oracle")
    found: dict[int, list[tuple[int, int, int]]] = {}
    for market in deployment.markets.values():
        rows = index.marks(market.index, oracle=oracle, last_block=last_block)
        found[market.index] = [(row.block_number, row.tx_index, row.price) for row in rows]
    cursor = None
    while True:
        page = index.events(EventFilter(address=oracle, name="MarkSet", last_block=last_block), cursor, _PAGE)
        for event in page.rows:
            if event.fields is not None:
                price = int(event.fields["price"])
                found.setdefault(event.fields["market"], []).append((event.block_number, event.tx_index, price))
        cursor = page.cursor
        if cursor is None:
            return Marks(found)


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise NotInstalled(f"{error}: pip install 'truemark-keeper[recovery]'") from error


async def funding_at(rpc: AsyncRpc, deployment: Deployment, block: int | str = "latest") -> dict[int, int]:
    """The funding index of every market after a block (by default the newest), 1e-16 USD for one base unit.

    Raises:
        RpcError, NodeUnavailable: the node does not say.
    """
    house = Contract.of(rpc, deployment.address("Clearinghouse"), "Clearinghouse")
    return {
        market.index: await house.read("funding_index", market.index, block=block)
        for market in deployment.markets.values()
    }


def quick(
    index: Index,
    deployment: Deployment,
    rules: RefundRules,
    price: PriceAt,
    *,
    funding: Mapping[int, int] | None = None,
    backend: str | None = None,
) -> Refunds:
    """Survey and refunds in one, with every wrong taking approved: for rehearsals, where nobody reviews.

    Raises: as `survey` and `refunds`.
    """
    with tempfile.TemporaryDirectory(prefix="truemark-refunds-") as folder:
        found = survey(index, deployment, rules, price, Path(folder))
        approved = [item.taking.id for item in found.wrong]
        return refunds(found, deployment, approved, price, funding=funding, backend=backend)
