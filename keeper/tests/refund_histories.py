"""A made-up venue that writes down what happens, as the index would have it, and a second computation of the refunds:
it replays what it was told event by event, and shares nothing with the analysis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from truemark.deployment import ContractInfo, Deployment, MarketInfo
from truemark.risk import NO_TIER, MarginTier
from truemark_keeper.recovery.refund.history import Moment
from truemark_keeper.recovery.refund.judge import Marks

MARKETS = ("BTC-USD-PERP", "ETH-USD-PERP", "PAXG-USD-PERP")
MAINTENANCE_BPS = 300
HOUSE, DISTRIBUTOR, VAULT = 0xC1EA, 0xD157, 0xFA17
CALLER = 0xCA11
ACCOUNTS = tuple(0xA000 + 7 * number for number in range(6))
START = 1_768_773_600
#: 1e-8 of the base asset and 1e-8 USD: multiples of these make every V and R a whole number.
STEP = 10**6


def deployment() -> Deployment:
    tiers = (MarginTier(0, 500, MAINTENANCE_BPS), NO_TIER, NO_TIER)
    names = {"Clearinghouse": HOUSE, "RefundDistributor": DISTRIBUTOR, "Vault": VAULT, "Oracle": 0x04AC}
    return Deployment(
        name="made up",
        profile="default",
        l2_rpc="",
        l1_rpc="",
        l2_chain_id=0x54455354,
        l1_chain_id=1,
        contracts={name: ContractInfo(address, 1) for name, address in names.items()},
        classes={},
        l1={},
        fee_token=1,
        account_class_hash=1,
        faucet=False,
        operators={},
        markets={name: MarketInfo(index, 1, 1, 0, 0, tiers) for index, name in enumerate(MARKETS)},
        vault_lock_secs=0,
    )


@dataclass
class MadeUpVenue:
    """Every verb is one event in a block of its own."""

    marks: list[int] = field(default_factory=lambda: [100 * 10**8, 50 * 10**8, 20 * 10**8])
    #: The independent price of each market from a time on.
    own: list[list[tuple[int, int]]] = field(default_factory=lambda: [[(0, price * 10**8)] for price in (100, 50, 20)])
    index: list[int] = field(default_factory=lambda: [0, 0, 0])
    cash: dict[int, int] = field(default_factory=dict)
    positions: dict[tuple[int, int], int] = field(default_factory=dict)
    settled_at: dict[tuple[int, int], int] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    funding: dict[tuple[int, int, int], int] = field(default_factory=dict)
    mark_rows: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    #: (block, market, index): when the index moved.
    moves: list[tuple[int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for market, price in enumerate(self.marks):
            self.mark_rows[market] = [(0, 0, price)]

    @property
    def block(self) -> int:
        return 1 + len(self.moments)

    @property
    def now(self) -> int:
        return START + 10 * self.block

    def size(self, account: int, market: int) -> int:
        return self.positions.get((account, market), 0)

    def move(self, market: int, mark: int, own: int | None = None, index: int | None = None) -> None:
        self.marks[market] = mark
        self.mark_rows[market].append((self.block, 0, mark))
        if own is not None:
            self.own[market].append((self.now, own))
        if index is not None:
            self.index[market] = index

    def price(self, name: str, time: int) -> int | None:
        found = [price for since, price in self.own[MARKETS.index(name)] if since <= time]
        return found[-1] if found else None

    def all_marks(self) -> Marks:
        return Marks(self.mark_rows)

    def fill(
        self, maker: int, taker: int, market: int, size: int, price: int, *, buys: bool, fees: tuple[int, int] = (0, 0)
    ) -> None:
        signed, notional = (size if buys else -size), size * price
        bought, sold = -(-notional // 10**10), notional // 10**10
        funding = [self._change(account, market, change) for account, change in ((maker, -signed), (taker, signed))]
        self.cash[maker] = self.cash.get(maker, 0) + (sold if buys else -bought) - fees[0]
        self.cash[taker] = self.cash.get(taker, 0) + (-bought if buys else sold) - fees[1]
        self._say(
            "FillSettled",
            market=market,
            maker=hex(maker),
            taker=hex(taker),
            taker_buys=buys,
            size=str(size),
            price=str(price),
            mark=str(self.marks[market]),
            maker_size=str(self.size(maker, market)),
            taker_size=str(self.size(taker, market)),
            maker_fee=str(fees[0]),
            taker_fee=str(fees[1]),
            maker_funding=str(funding[0]),
            taker_funding=str(funding[1]),
            remainder=str(bought - sold),
        )

    def liquidate(self, account: int, market: int, part: int, discount: int = 0, penalty: int = 0) -> None:
        """`part`: fifths of the position."""
        size = self.size(account, market) * part // 5
        mark = self.marks[market]
        notional = abs(size) * mark
        bought, sold = -(-notional // 10**10), notional // 10**10
        self._settle(account, market)
        before = self._margin(account)
        cash = (sold if size > 0 else -bought) - discount - penalty
        self._change(account, market, -size)
        self._change(CALLER, market, size)
        self.cash[account] = self.cash.get(account, 0) + cash
        self._say(
            "Liquidated",
            **self._common(account, market, size, before),
            caller=hex(CALLER),
            discount=str(discount),
            penalty=str(penalty),
            remainder=str(bought - sold),
        )

    def backstop(self, account: int, market: int, relief: int, insurance: int) -> None:
        size, mark = self.size(account, market), self.marks[market]
        notional = abs(size) * mark
        bought, sold = -(-notional // 10**10), notional // 10**10
        self._settle(account, market)
        before = self._margin(account)
        quote = (sold if size > 0 else -bought) + relief
        self._change(account, market, -size)
        self._change(VAULT, market, size)
        self.cash[account] = self.cash.get(account, 0) + quote
        self._say(
            "Backstopped",
            **self._common(account, market, size, before),
            vault=hex(VAULT),
            caller=hex(CALLER),
            quote=str(quote),
            discount="0",
            penalty="0",
            loss=str(relief),
            insurance=str(min(insurance, relief)),
            remainder=str(bought - sold),
        )

    def deleverage(self, account: int, market: int, other: int, relief: int) -> None:
        size = self.size(account, market)
        theirs = self.size(other, market)
        taken = min(abs(size), abs(theirs)) * (1 if size > 0 else -1)
        notional = abs(taken) * self.marks[market]
        bought, sold = -(-notional // 10**10), notional // 10**10
        self._settle(account, market)
        before = self._margin(account)
        quote = (sold if taken > 0 else -bought) + relief
        self._change(account, market, -taken)
        self._change(other, market, taken)
        self.cash[account] = self.cash.get(account, 0) + quote
        self.cash[other] = self.cash.get(other, 0) - quote - (bought - sold)
        self._say(
            "Deleveraged",
            **self._common(account, market, taken, before),
            counterparty=hex(other),
            counterparty_remaining=str(self.size(other, market)),
            caller=hex(CALLER),
            quote=str(quote),
            loss=str(relief),
            remainder=str(bought - sold),
        )

    def pay_debt(self, account: int, amount: int) -> None:
        self.cash[account] = self.cash.get(account, 0) + amount
        self._say("DebtPaid", account=hex(account), amount=str(amount), left="0")

    def _common(self, account: int, market: int, size: int, before: tuple[int, int]) -> dict[str, Any]:
        return {
            "account": hex(account),
            "market": market,
            "size": str(size),
            "remaining": str(self.size(account, market)),
            "mark": str(self.marks[market]),
            "value_before": str(before[0]),
            "requirement_before": str(before[1]),
        }

    def _margin(self, account: int) -> tuple[int, int]:
        held = [(market, self.size(account, market)) for market in range(len(MARKETS))]
        value = self.cash.get(account, 0) * 10**10
        requirement = 0
        for market, size in held:
            pending = -size * (self.index[market] - self.settled_at.get((account, market), 0)) // 10**8
            value += size * self.marks[market] + pending
            requirement += abs(size * self.marks[market]) * MAINTENANCE_BPS // 10**4
        return value, requirement

    def _settle(self, account: int, market: int) -> int:
        change = self.index[market] - self.settled_at.get((account, market), self.index[market])
        funding = -self.size(account, market) * change // 10**8 // 10**10
        self.cash[account] = self.cash.get(account, 0) + funding
        self.settled_at[account, market] = self.index[market]
        return funding

    def _change(self, account: int, market: int, change: int) -> int:
        funding = self._settle(account, market)
        self.positions[account, market] = self.size(account, market) + change
        return funding

    def _say(self, name: str, **fields: Any) -> None:
        block = self.block
        if "market" in fields:
            self.funding[block, 0, fields["market"]] = self.index[fields["market"]]
        self.moments.append(Moment(block, 0, 0, START + 10 * block, name, fields))


@dataclass
class _Book:
    """One account in one world: exact fractions of a USD and of a base unit."""

    cash: Fraction = Fraction(0)
    sizes: dict[int, Fraction] = field(default_factory=dict)

    def add(self, market: int, size: Fraction, cash: Fraction) -> None:
        self.cash += cash
        self.sizes[market] = self.sizes.get(market, Fraction(0)) + size


def replayed(
    venue: MadeUpVenue, *, restored: bool, at: int, index: Sequence[int], wrong: Iterable[str] | None = None
) -> tuple[set[str], dict[int, Fraction]]:
    """What was wrong (by id) and what each account lacks, USD, before any rounding.

    Two worlds side by side: what happened, and the same without the wrong takings; at the end both are valued.

    Args:
        restored: positions that were taken are held on; otherwise they are closed at the independent price.
        at: the time of the valuation.
        index: the funding index of each market then.
        wrong: given; otherwise found out.
    """
    actual: dict[int, _Book] = {}
    other: dict[int, _Book] = {}
    #: As `other`, but what was taken is always held on: as the account is judged.
    held: dict[int, _Book] = {}
    found: set[str] = set()
    touched: dict[int, bool] = {}
    scale, micro = Fraction(1, 10**8), Fraction(1, 10**6)

    def apply(world: dict[int, _Book], account: int, market: int, size: int, cash: Fraction, then: int) -> None:
        book = world.setdefault(account, _Book())
        # Funding of what changes hands here, from here to the end: a long pays what the index rises by.
        rise = Fraction(index[market] - then, 10**16) if market >= 0 else Fraction(0)
        book.add(market, size * scale, cash - size * scale * rise)

    def healthy(account: int, time: int) -> tuple[bool, bool]:
        """At the independent price, in the world in which what was wrongly taken is still there."""
        book = held.get(account, _Book())
        value, need = book.cash, Fraction(0)
        for market, size in book.sizes.items():
            if market < 0:
                continue
            price = venue.price(MARKETS[market], time)
            assert price is not None
            worth = size * price * scale
            value += worth
            need += abs(worth) * MAINTENANCE_BPS / 10**4
        return value >= need, value >= 0

    for moment in venue.moments:
        fields, name = moment.fields, moment.name
        market = fields.get("market", -1)
        then = venue.funding.get((moment.block, 0, market), 0)
        sides: list[tuple[int, int, Fraction, bool]] = []
        if name == "FillSettled":
            size, notional = int(fields["size"]), int(fields["size"]) * int(fields["price"])
            up, down = -(-notional // 10**10), notional // 10**10
            for who, buys in (("maker", not fields["taker_buys"]), ("taker", fields["taker_buys"])):
                cash = (-up if buys else down) - int(fields[f"{who}_fee"])
                sides.append((int(fields[who], 16), size if buys else -size, cash * micro, False))
        elif name == "DebtPaid":
            account = int(fields["account"], 16)
            sides.append((account, 0, int(fields["amount"]) * micro, touched.get(account, False)))
        else:
            account, size = int(fields["account"], 16), int(fields["size"])
            good, solvent = healthy(account, moment.time)
            if name == "Liquidated":
                notional = abs(size) * int(fields["mark"])
                gets = notional // 10**10 if size > 0 else -notional // 10**10
                cash = gets - int(fields["discount"]) - int(fields["penalty"])
            else:
                cash = int(fields["quote"])
            sides.append((account, -size, cash * micro, good))
            if name == "Deleveraged":
                theirs = -cash - int(fields["remainder"])
                sides.append((int(fields["counterparty"], 16), size, theirs * micro, solvent))
        for side, (account, size, cash, bad) in enumerate(sides):
            key = f"{moment.block}.0.0.{side}"
            undone = name != "FillSettled" and (bad if wrong is None else key in wrong)
            apply(actual, account, market, size, cash, then)
            if not undone:
                apply(other, account, market, size, cash, then)
                apply(held, account, market, size, cash, then)
                continue
            found.add(key)
            touched[account] = True
            if not restored and size:
                price = venue.price(MARKETS[market], moment.time)
                assert price is not None
                apply(other, account, market, size, -size * scale * price * scale, then)
    lacks: dict[int, Fraction] = {}
    for account in touched:
        worth = []
        for world in (actual, other):
            book = world.get(account, _Book())
            value = book.cash
            for market, size in book.sizes.items():
                if market < 0 or not size:
                    continue
                price = venue.price(MARKETS[market], at)
                assert price is not None
                value += size * price * scale
            worth.append(value)
        lacks[account] = worth[1] - worth[0]
    return found, lacks
