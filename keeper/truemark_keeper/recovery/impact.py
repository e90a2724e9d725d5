"""What a rollback to a block would take from whom, what it would repair, and what is on its way between the chains over
the line; beside what it would cost to leave the chain as it is and refund. So that a person can choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import select
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.index import EventFilter, EventRow, Index, MessageRow
from truemark.index import tables as t
from truemark.index.values import number, word_of

from truemark_keeper.recovery.find import Suspicion, find_last_good
from truemark_keeper.recovery.refund.compute import CannotValue, Survey, excluded, paid, survey, value
from truemark_keeper.recovery.refund.rules import RefundRules, Window

_PAGE: Final = 5_000

#: The independent price of a market by name at a time, 1e-8 USD; None: there is none.
PriceAt = Callable[[str, int], int | None]


class NothingToErase(TruemarkError, LookupError):
    """The block is not below the newest one that is indexed."""


@dataclass
class AccountLoss:
    """What would be erased of one account. Amounts in 1e-6 USD, volume in 1e-16 USD.

    Attributes:
        collateral_then, collateral_now: its margin account at the block and now.
    """

    account: int
    fills: int = 0
    volume: int = 0
    deposits: int = 0
    deposited: int = 0
    withdrawals: int = 0
    withdrawn: int = 0
    vault: int = 0
    taken: int = 0
    collateral_then: int = 0
    collateral_now: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "account": hex(self.account),
            **{name: str(getattr(self, name)) for name in _AMOUNTS},
            **{name: getattr(self, name) for name in _COUNTS},
        }


_AMOUNTS: Final = ("volume", "deposited", "withdrawn", "collateral_then", "collateral_now")
_COUNTS: Final = ("fills", "deposits", "withdrawals", "vault", "taken")


@dataclass(frozen=True, slots=True)
class InPlace:
    """The alternative: the chain stays as it is, and what was wrongly taken is refunded.

    Attributes:
        takings, wrong: how many positions were taken, and how many wrongly.
        accounts, total: who would be paid how much, 1e-6 USD, each position closed at the independent price of then.
        unknown: takings that nobody can judge, for want of an independent price.
        remaining: what refunds do not repair: suspicions that are no liquidations.
    """

    takings: int
    wrong: int
    accounts: int
    total: int
    unknown: int
    remaining: int

    def to_json(self) -> dict[str, Any]:
        return {
            "takings": self.takings,
            "wrong": self.wrong,
            "accounts": self.accounts,
            "total": str(self.total),
            "unknown": self.unknown,
            "remaining": self.remaining,
        }


@dataclass(frozen=True)
class Impact:
    """
    Attributes:
        block: the newest one after the rollback; `fingerprint` tells it from another at its height.
        height: of the index.
        transactions: in the blocks that would be erased.
        accounts: by address.
        repaired: what speaks against the blocks that would be erased.
        left: what speaks against those that stay: the rollback would not go far enough.
        messages: those that cross the line.
    """

    venue: str
    chain_id: int
    clearinghouse: int
    block: int
    fingerprint: str
    height: int
    transactions: int
    accounts: tuple[AccountLoss, ...]
    repaired: tuple[Suspicion, ...]
    left: tuple[Suspicion, ...]
    messages: tuple[MessageRow, ...]
    in_place: InPlace
    totals: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values, the same for the same state of the index; amounts as text."""
        return {
            "version": 1,
            "venue": self.venue,
            "chain_id": hex(self.chain_id),
            "clearinghouse": hex(self.clearinghouse),
            "block": self.block,
            "fingerprint": self.fingerprint,
            "height": self.height,
            "transactions": self.transactions,
            "totals": {name: str(amount) for name, amount in self.totals.items()},
            "accounts": [item.to_json() for item in self.accounts],
            "repaired": [item.to_json() for item in self.repaired],
            "left": [item.to_json() for item in self.left],
            "messages": [_message(item) for item in self.messages],
            "in_place": self.in_place.to_json(),
        }


def impact_of(
    index: Index,
    deployment: Deployment,
    block: int,
    *,
    price: PriceAt = lambda market, time: None,
    first: int = 0,
) -> Impact:
    """What a rollback to `block` would do, from the index.

    Args:
        first: suspicions are looked for from this block on.

    Raises:
        NothingToErase: see the class.
        Unindexed: the index does not have the block.
    """
    head = index.head()
    if head is None or not 0 <= block < head.number:
        height = "empty" if head is None else f"at block {head.number}"
        raise NothingToErase(f"the index is {height}: a rollback to block {block} would erase nothing")
    found = find_last_good(index, deployment, price=price, first=min(first, block), last=head.number)
    accounts = _accounts(index, deployment, block)
    repaired = tuple(item for item in found.suspicions if item.block > block)
    in_place = _in_place(index, deployment, block, price, repaired)
    return Impact(
        venue=deployment.name,
        chain_id=deployment.l2_chain_id,
        clearinghouse=deployment.address("Clearinghouse"),
        block=block,
        fingerprint=index.block(block).fingerprint.hex(),
        height=head.number,
        transactions=sum(item.transaction_count for item in index.blocks(block + 1, head.number)),
        accounts=accounts,
        repaired=repaired,
        left=tuple(item for item in found.suspicions if item.block <= block),
        messages=tuple(item for item in index.messages() if item.block_number > block),
        in_place=in_place,
        totals={
            # Two accounts each.
            "fills": sum(item.fills for item in accounts) // 2,
            "volume": sum(item.volume for item in accounts) // 2,
            **{name: sum(getattr(item, name) for item in accounts) for name in _SUMMED},
        },
    )


_SUMMED: Final = ("deposits", "deposited", "withdrawals", "withdrawn", "vault", "taken")


def _accounts(index: Index, deployment: Deployment, block: int) -> tuple[AccountLoss, ...]:
    found: dict[int, AccountLoss] = {}

    def of(address: str | int) -> AccountLoss:
        account = address if isinstance(address, int) else int(address, 16)
        return found.setdefault(account, AccountLoss(account))

    house, vault = deployment.address("Clearinghouse"), deployment.address("Vault")
    for event in _events(index, house, block):
        fields = event.fields or {}
        if event.name == "FillSettled":
            for who in (fields["maker"], fields["taker"]):
                of(who).fills += 1
                of(who).volume += int(fields["size"]) * int(fields["price"])
        elif event.name in ("Deposited", "DepositHeld"):
            of(fields["account"]).deposits += 1
            of(fields["account"]).deposited += int(fields["amount"])
        elif event.name in ("Withdrawn", "Escaped"):
            of(fields["account"]).withdrawals += 1
            of(fields["account"]).withdrawn += int(fields["amount"])
        elif event.name in ("Liquidated", "Backstopped", "Deleveraged"):
            of(fields["account"]).taken += 1
            if event.name == "Deleveraged":
                of(fields["counterparty"]).taken += 1
    for event in _events(index, vault, block):
        if event.name in ("Deposit", "Withdraw", "RedeemRequest") and event.fields is not None:
            of(event.fields["owner"]).vault += 1
    for account, then, now in _balances(index, house, block):
        of(account).collateral_then, of(account).collateral_now = then, now
    return tuple(found[account] for account in sorted(found))


def _events(index: Index, address: int, block: int) -> Iterator[EventRow]:
    cursor = None
    while True:
        page = index.events(EventFilter(address=address, first_block=block + 1), cursor, _PAGE)
        yield from (event for event in page.rows if event.fields is not None)
        cursor = page.cursor
        if cursor is None:
            return


def _balances(index: Index, house: int, block: int) -> Iterator[tuple[int, int, int]]:
    """(account, collateral at the block, collateral now) of those whose margin account changed after it."""
    balances = t.balances.c
    query = (
        select(balances.account, balances.collateral, t.blocks.c.number)
        .join(t.blocks, t.blocks.c.id == balances.block)
        .where(t.blocks.c.reorg.is_(None), balances.venue == word_of(house))
        .order_by(balances.block)
    )
    then: dict[bytes, int] = {}
    now: dict[bytes, int] = {}
    with index.store.engine.connect() as connection:
        for account, collateral, at in connection.execute(query):
            (then if at <= block else now)[account] = collateral
    for account, collateral in now.items():
        yield number(account), then.get(account, 0), collateral


def _in_place(
    index: Index, deployment: Deployment, block: int, price: PriceAt, repaired: tuple[Suspicion, ...]
) -> InPlace:
    rules = RefundRules("plan", window=Window(first_block=block + 1))
    with TemporaryDirectory(prefix="truemark-plan-") as folder:
        found = survey(index, deployment, rules, price, Path(folder))
    sums = _sums(found, deployment, price)
    amounts = [amount for amount, _ in (paid(exact, rules) for exact in sums.values()) if amount]
    return InPlace(
        takings=len(found.judged),
        wrong=len(found.wrong),
        accounts=len(amounts),
        total=sum(amounts),
        unknown=sum(item.finding == "unknown" for item in found.judged),
        remaining=sum(not item.rule.startswith("liquidation") for item in repaired),
    )


def _sums(found: Survey, deployment: Deployment, price: PriceAt) -> dict[int, int]:
    """What each account lost by wrong takings, 1e-24 USD; without those who get no refund."""
    without = excluded(found.rules, deployment)
    sums: dict[int, int] = {}
    for judged in found.wrong:
        account = judged.taking.account
        if account in without:
            continue
        try:
            loss = value(judged, found, deployment, price, {}).loss
        except CannotValue:
            continue
        sums[account] = sums.get(account, 0) + loss
    return sums


def _message(item: MessageRow) -> dict[str, Any]:
    return {
        "block": item.block_number,
        "direction": item.direction,
        "hash": f"{item.hash:#066x}",
        "transaction": hex(item.tx_hash),
        "sender": hex(item.sender),
        "recipient": hex(item.recipient),
        "nonce": None if item.nonce is None else str(item.nonce),
        "payload": [hex(felt) for felt in item.payload],
    }
