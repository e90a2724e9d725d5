"""The sentinel without a node: each rule, the bound of funding, and that it neither flaps nor forgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark.funding import accrual
from truemark.index.layout import Slot
from truemark.rpc import NodeUnavailable
from truemark.transactions import Call
from truemark_keeper.pinned import BlockGone, Head
from truemark_keeper.sentinel import (
    BadIncident,
    IncidentFolder,
    LedgerSight,
    MarketSight,
    Sentinel,
    SentinelTerms,
    Sight,
    StopMode,
    Write,
)
from truemark_keeper.sentinel.rules import breaks_between, breaks_in, funding_bound
from truemark_keeper.sentinel.sight import GuardSight
from truemark_keeper.slots import Outcome
from truemark_keeper.sources import Doubt

HOUSE, BTC, USD = 0xC1EA, "BTC-USD-PERP", 10**8
GUARD = GuardSight(max_rate_ppm=20_000, max_gap=30, max_drift_bps=3_000)
MARKET = MarketSight(0, BTC, "Valid", 100 * USD, 1_000, 5, 7)
LEDGER = LedgerSight(total=100, insurance=10, fees=5, funding=-3, pending=2, balance=100, supply=500)


def sight(block: int = 1, **changes: Any) -> Sight:
    made = Sight(block, bytes([block % 256]), 1_000 + block, StopMode.FULL, 1, LEDGER, {BTC: MARKET})
    return replace(made, **changes)


def most(seconds: int) -> int:
    return accrual(20_000, 20_000, seconds, seconds, 100 * USD)


def market(**changes: Any) -> dict[str, MarketSight]:
    return {BTC: replace(MARKET, **changes)}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, None),
        # A stranger can send tokens: that is no break.
        ({"ledger": replace(LEDGER, balance=101)}, None),
        ({"ledger": replace(LEDGER, balance=99)}, "conservation"),
        ({"ledger": replace(LEDGER, balance=501)}, "conservation"),
        ({"accounts_sum": 86}, None),
        ({"accounts_sum": 87}, "conservation"),
        ({"markets": market(growth=None)}, "funding seal"),
        ({"markets": market(funding_index=None)}, "funding seal"),
        ({"markets": market(price=0)}, "mark of zero"),
        ({"markets": market(price=0, status="Pending")}, None),
        ({"unreadable": {"Oracle.marks(1)": "no"}}, "unreadable"),
        ({"unattributed": (Write("Oracle", 5, 0, 7),)}, "unattributed write"),
        ({"unattributed": None}, None),
    ],
)
def test_what_one_block_shows(changes: dict[str, Any], rule: str | None) -> None:
    found = list(breaks_in(sight(**changes)))
    assert [item.rule for item in found] == ([] if rule is None else [rule])
    assert all(item.mode is StopMode.HALTED for item in found)


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"accepted_at": 1_030, "funding_index": 7 + most(30)}, []),
        ({"accepted_at": 1_030, "growth": 5 - most(30)}, []),
        ({"accepted_at": 1_030, "funding_index": 7 + most(60)}, ["funding continuity"]),
        # No mark was accepted: nothing accrues, and zero is no more valid than anything else.
        ({"funding_index": 0}, ["funding continuity"]),
        ({"growth": -10_000}, ["funding continuity"]),
        ({"price": 0}, ["mark of zero"]),
        ({"price": 50 * USD, "accepted_at": 1_001}, []),
    ],
)
def test_what_two_blocks_show(changes: dict[str, Any], rules: list[str]) -> None:
    before = sight(markets=market(funding_index=7_000_000))
    # The index of the parameter counts from 7 there, from 7,000,000 here.
    moved = dict(changes)
    if moved.get("funding_index"):
        moved["funding_index"] += 6_999_993
    after = sight(9, markets=market(**({"funding_index": 7_000_000} | moved)))
    assert [item.rule for item in breaks_between(before, after, {BTC: GUARD})] == rules


@given(st.lists(st.tuples(st.integers(-30_000, 30_000), st.integers(0, 90), st.integers(-500, 500)), max_size=20))
def test_no_sequence_of_accepted_marks_moves_an_index_beyond_the_bound(steps: list[tuple[int, int, int]]) -> None:
    price = at = 100 * USD
    growth, accepted, at = 0, 1_000, 1_000
    low = high = price
    for rate, gap, move in steps:
        growth += accrual(rate, GUARD.max_rate_ppm, gap, GUARD.max_gap, price)
        at += gap
        price += price * move // 10_000
        # As the oracle does: no further from the anchor than the drift.
        price = min(max(price, 70 * USD), 130 * USD)
        low, high = min(low, price), max(high, price)
    then = replace(MARKET, price=100 * USD, accepted_at=accepted, growth=0)
    now = replace(MARKET, price=price, accepted_at=at, growth=growth)
    assert abs(growth) <= funding_bound(then, now, GUARD)


@dataclass
class Chain:
    """A chain as a test tells it, and the sender and reader of it."""

    sights: list[Sight] = field(default_factory=lambda: [sight(0)])
    sent: list[Call] = field(default_factory=list)
    deaf: bool = False
    read: list[int] = field(default_factory=list)
    guard: GuardSight = GUARD

    def mine(self, **changes: Any) -> Sight:
        last = self.sights[-1]
        number = last.block + 1
        made = sight(number, **({"mode": last.mode, "markets": last.markets} | changes))
        self.sights.append(made)
        return made

    def roll_back(self, to: int, mode: StopMode) -> None:
        del self.sights[to + 1 :]
        self.sights[-1] = replace(self.sights[-1], fingerprint=b"another", mode=mode)

    async def head(self, block: int | None = None) -> Head:
        number = len(self.sights) - 1 if block is None else block
        if number >= len(self.sights):
            raise BlockGone(str(number))
        return Head(number, self.sights[number].fingerprint)

    async def sight(self, head: Head, *, count_accounts: bool = False) -> Sight:
        self.read.append(head.number)
        return self.sights[head.number]

    async def guards(self, head: Head, markets: Sequence[MarketSight]) -> dict[str, GuardSight]:
        return {item.name: self.guard for item in markets}

    async def holders(self, head: Head, market: int | None) -> tuple[int, ...]:
        return (0xA11CE,) if market == 0 else (0xA11CE, 0xB0B)

    async def slot(self, head: Head, contract: str, key: int) -> Slot | None:
        return {5: Slot("markets[0].funding"), 6: Slot("accounts[0xb0b]", 0xB0B)}.get(key)

    async def execute(self, calls: Sequence[Call], timeout: float | None = None) -> Outcome:
        if self.deaf:
            raise NodeUnavailable("deaf")
        self.sent += calls
        made = self.mine(mode=StopMode(calls[0].calldata[0]))
        return Outcome(1, 0, (1,), made.block, None, {})


@dataclass
class Case:
    chain: Chain
    sentinel: Sentinel
    incidents: IncidentFolder
    own: dict[str, int | None]
    #: What a database on probation says.
    doubts: list[Doubt]

    @property
    def modes(self) -> list[StopMode]:
        return [StopMode(call.calldata[0]) for call in self.chain.sent]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    chain, own = Chain(), {BTC: 100 * USD}
    doubts: list[Doubt] = []
    incidents = IncidentFolder(tmp_path / "incidents")

    async def price(name: str, now: int) -> int | None:
        return own[name]

    sentinel = Sentinel(
        chain,
        chain,
        clearinghouse=HOUSE,
        incidents=incidents,
        deployment="test",
        price=price,
        doubts=lambda: doubts,
        terms=SentinelTerms(sentinel_bps=500, sentinel_secs=30, max_block_gap=100),
    )
    return Case(chain, sentinel, incidents, own, doubts)  # type: ignore[arg-type]


async def test_every_block_is_looked_at_once_and_a_quiet_venue_is_left_alone(case: Case) -> None:
    await case.sentinel.step(0)
    case.chain.mine()
    case.chain.mine()
    watch = await case.sentinel.step(5)
    assert (watch.blocks, watch.breaks, watch.incident) == ((1, 2), (), None)
    assert (await case.sentinel.step(6)).blocks == ()
    assert case.chain.read == [0, 1, 2]
    assert case.incidents.all() == ()


@pytest.mark.parametrize(
    ("price", "status", "stops"),
    [
        (0, "Valid", True),
        (94 * USD, "Valid", True),
        # As far as an honest source may be: a restart in a moving market stops nobody.
        (96 * USD, "Valid", False),
        (0, "Stale", False),
    ],
)
async def test_a_database_on_probation_that_contradicts_a_mark_in_use_stops_new_risk(
    case: Case, price: int, status: str, stops: bool
) -> None:
    await case.sentinel.step(0)
    case.doubts.append(Doubt("venue", BTC, price, 100 * USD, "the schema changed", 3))
    case.chain.mine(markets=market(status=status))
    watch = await case.sentinel.step(5)
    assert case.modes == ([StopMode.CANCEL_ONLY] if stops else [])
    if stops:
        assert watch.incident is not None
        (evidence,) = watch.incident.evidence
        assert evidence.broken.rule == "database and mark"
        assert (evidence.broken.values["cause"], evidence.broken.values["said"]) == ("the schema changed", price)
        assert evidence.affected == (0xA11CE,)
        # It goes on: no second stop for it.
        await case.sentinel.step(6)
        assert len(case.modes) == 1


async def test_a_break_halts_the_venue_once_and_writes_down_who_is_affected(case: Case) -> None:
    await case.sentinel.step(0)
    case.chain.mine(markets=market(funding_index=None))
    watch = await case.sentinel.step(5)
    assert case.modes == [StopMode.HALTED]
    assert watch.incident is not None
    (incident,) = case.incidents.all()
    assert incident == watch.incident
    (evidence,) = incident.evidence
    assert (evidence.broken.rule, evidence.broken.block, evidence.affected) == ("funding seal", 1, (0xA11CE,))
    assert incident.stop is not None
    assert incident.stop.block == 2
    for now in range(6, 20):
        case.chain.mine()
        await case.sentinel.step(now)
    assert case.modes == [StopMode.HALTED]
    assert len(case.incidents.all()) == 1


async def test_it_does_not_fight_with_a_person_but_a_worse_break_stops_again(case: Case) -> None:
    case.own[BTC] = 120 * USD
    for now in range(0, 40, 5):
        case.chain.mine()
        await case.sentinel.step(now)
    assert case.modes == [StopMode.CANCEL_ONLY]
    # The admin takes it up again without clearing the incident; the mark is off as before.
    case.chain.mine(mode=StopMode.FULL)
    await case.sentinel.step(100)
    assert case.modes == [StopMode.CANCEL_ONLY]
    case.chain.mine(ledger=replace(LEDGER, balance=0), mode=StopMode.FULL)
    watch = await case.sentinel.step(101)
    assert case.modes == [StopMode.CANCEL_ONLY, StopMode.HALTED]
    assert watch.incident is not None
    assert [item.broken.rule for item in watch.incident.evidence] == ["mark and independent price", "conservation"]


async def test_after_it_is_cleared_the_same_break_is_a_new_incident(case: Case) -> None:
    case.chain.mine(unattributed=(Write("Oracle", 5, 0),))
    first = (await case.sentinel.step(1)).incident
    assert first is not None
    case.incidents.clear(first.name, by="alice", note="restored from the checkpoint", at=50)
    with pytest.raises(BadIncident, match="was cleared by alice"):
        case.incidents.clear(first.name, by="bob", note="", at=51)
    with pytest.raises(BadIncident, match="no incident 'other'"):
        case.incidents.clear("other", by="bob", note="", at=51)
    case.chain.mine(mode=StopMode.FULL)
    assert (await case.sentinel.step(60)).incident is None
    case.chain.mine(unattributed=(Write("Oracle", 5, 0),), mode=StopMode.FULL)
    second = (await case.sentinel.step(61)).incident
    assert second is not None
    assert second.name != first.name
    assert case.modes == [StopMode.HALTED, StopMode.HALTED]


async def test_a_stop_that_the_chain_lost_is_sent_again(case: Case) -> None:
    case.chain.mine()
    case.chain.mine(ledger=replace(LEDGER, balance=0))
    await case.sentinel.step(5)
    assert case.modes == [StopMode.HALTED]
    case.chain.roll_back(1, StopMode.FULL)
    case.chain.mine()
    await case.sentinel.step(6)
    assert case.modes == [StopMode.HALTED, StopMode.HALTED]


async def test_a_stop_that_does_not_land_is_tried_until_it_does(case: Case) -> None:
    case.chain.deaf = True
    case.chain.mine(ledger=replace(LEDGER, balance=0))
    for now in range(3):
        await case.sentinel.step(now)
    assert case.modes == []
    case.chain.deaf = False
    await case.sentinel.step(4)
    await case.sentinel.step(5)
    assert case.modes == [StopMode.HALTED]


async def test_a_restarted_sentinel_goes_on_with_the_open_incident(case: Case) -> None:
    case.chain.mine(ledger=replace(LEDGER, balance=0))
    await case.sentinel.step(1)
    again = Sentinel(case.chain, case.chain, clearinghouse=HOUSE, incidents=case.incidents, deployment="test")
    case.chain.mine(ledger=replace(LEDGER, balance=0), mode=StopMode.FULL)
    await again.step(2)
    assert case.modes == [StopMode.HALTED]
    assert len(case.incidents.all()) == 1


@pytest.mark.parametrize(
    ("off", "status", "stops"),
    [
        # (seconds, own price): the mark is 100.
        ([(0, 106), (30, 106), (31, 106)], "Valid", [False, False, True]),
        ([(0, 106), (31, 106)], "Suspect", [False, True]),
        ([(0, 106), (31, 106)], "Stale", [False, False]),
        ([(0, 106), (31, 106)], "Frozen", [False, False]),
        ([(0, 105), (31, 105), (90, 95), (99, 96)], "Valid", [False] * 4),
        # Back in between, or no opinion in between: the time starts anew.
        ([(0, 106), (20, 100), (31, 106), (50, 106), (62, 106)], "Valid", [False, False, False, False, True]),
        ([(0, 90), (20, None), (31, 90), (61, 90), (62, 90)], "Valid", [False] * 4 + [True]),
    ],
)
async def test_a_mark_far_from_the_independent_price_for_long_enough(
    case: Case, off: list[tuple[int, int | None]], status: str, stops: list[bool]
) -> None:
    seen = []
    for now, own in off:
        case.own[BTC] = None if own is None else own * USD
        case.chain.mine(markets=market(status=status))
        watch = await case.sentinel.step(now)
        seen.append(bool(watch.breaks))
    assert seen == stops
    assert case.modes == [StopMode.CANCEL_ONLY] * any(stops)


async def test_a_chain_that_makes_no_blocks_is_an_incident_and_its_next_block_a_stop(case: Case) -> None:
    await case.sentinel.step(0)
    assert (await case.sentinel.step(100)).breaks == ()
    case.chain.deaf = True
    watch = await case.sentinel.step(101)
    assert [item.rule for item in watch.breaks] == ["block production"]
    assert watch.incident is not None
    case.chain.deaf = False
    await case.sentinel.step(102)
    assert case.modes == [StopMode.CANCEL_ONLY]


async def test_bounds_that_the_admin_widened_are_read_before_anybody_is_accused(case: Case) -> None:
    await case.sentinel.step(0)
    case.chain.guard = replace(GUARD, max_rate_ppm=10**6)
    case.chain.mine(markets=market(funding_index=10**14, accepted_at=1_010))
    assert (await case.sentinel.step(1)).breaks == ()
    case.chain.mine(markets=market(funding_index=10**17, accepted_at=1_011))
    assert [item.rule for item in (await case.sentinel.step(2)).breaks] == ["funding continuity"]


async def test_a_write_is_named_and_its_owner_affected(case: Case) -> None:
    case.chain.mine(unattributed=tuple(Write("Clearinghouse", key, 0) for key in (5, 6, 7)))
    incident = (await case.sentinel.step(1)).incident
    assert incident is not None
    assert [(item.broken.values.get("variable"), item.affected) for item in incident.evidence] == [
        ("markets[0].funding", (0xA11CE,)),
        ("accounts[0xb0b]", (0xB0B,)),
        (None, (0xA11CE, 0xB0B)),
    ]


async def test_an_incident_file_says_everything_and_a_damaged_one_is_not_passed_over(case: Case) -> None:
    case.chain.mine(markets=market(price=0), unattributed=(Write("Oracle", 2**200, 0, 2**100),))
    watch = await case.sentinel.step(1)
    assert watch.incident is not None
    (path,) = case.incidents.path.glob("*.json")
    assert IncidentFolder(case.incidents.path).all() == (watch.incident,)
    text = path.read_text()
    for part in ("mark of zero", "unattributed write", hex(2**200), hex(2**100), "0xa11ce", '"mode": "Halted"'):
        assert part in text
    path.write_text(text[:50])
    with pytest.raises(BadIncident, match="not an incident's file"):
        case.incidents.all()


async def test_a_disk_that_fails_does_not_keep_the_venue_from_being_stopped(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(incident: object) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(case.incidents, "save", full)
        case.chain.mine(ledger=replace(LEDGER, balance=0))
        for now in range(3):
            await case.sentinel.step(now)
        assert case.modes == [StopMode.HALTED]
    await case.sentinel.step(4)
    (incident,) = case.incidents.all()
    assert incident.stop is not None
    assert incident.evidence[0].affected == (0xA11CE, 0xB0B)
    # A file that cannot be read: what it says is not known, so what is seen stops the venue again.
    (path,) = case.incidents.path.glob("*.json")
    path.write_text("{")
    case.chain.mine(ledger=replace(LEDGER, balance=0), mode=StopMode.FULL)
    await case.sentinel.step(5)
    assert case.modes == [StopMode.HALTED, StopMode.HALTED]
    # Once: the incident that it then opened is known, whatever becomes of the other file.
    case.chain.mine(ledger=replace(LEDGER, balance=0), mode=StopMode.FULL)
    await case.sentinel.step(6)
    assert case.modes == [StopMode.HALTED, StopMode.HALTED]
    assert len(list(case.incidents.path.glob("*.json"))) == 2
