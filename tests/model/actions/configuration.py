"""What the admin sets, and what holds it back."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from truemark.transactions import Call
from truemark_devnet.profile import GuardParams, MarketProfile, OutflowParams, Tier, VenueParams, WaterfallParams

from tests.model.actions.base import OK, Book, Expected, refused
from tests.model.margin import requirement
from tests.model.numbers import USD
from tests.model.world import World

NOT_ADMIN = "ACCESS: not the admin"
_UNUSED = Tier(0, 0, 0)


def raises_fractions(old: MarketProfile, new: MarketProfile) -> bool:
    """Whether some position needs more margin than before."""
    last = [(tier.initial_bps, tier.maintenance_bps) for tier in (old.tiers[-1], new.tiers[-1])]
    if any(after > before for before, after in zip(*last, strict=True)):
        return True
    bounds = [tier.upto * USD for tier in (*old.tiers, *new.tiers) if tier.upto]
    pairs = [zip(requirement(value, old), requirement(value, new), strict=True) for value in bounds]
    return any(after > before for pair in pairs for before, after in pair)


@dataclass(frozen=True)
class ConfigureMarket:
    sender: str
    market: int
    terms: MarketProfile

    def apply(self, world: World) -> Expected:
        house = world.house
        reasons = set() if self.sender == "admin" else {NOT_ADMIN}
        if self.market >= len(house.markets):
            return refused(reasons | {"MARKET: not listed"})
        old = house.markets[self.market]
        if old.lot_size % self.terms.lot_size:
            reasons.add("MARKET: lot must divide the old")
        if raises_fractions(old, self.terms) and not house.allows("raise fractions", world.now):
            reasons.add("MODE: raises fractions")
        if reasons:
            return refused(reasons)
        house.markets[self.market] = self.terms
        return OK

    def encode(self, book: Book) -> Call:
        names = ("lot_size", "tick_size", "maker_fee_bps", "taker_fee_bps", "discount_bps", "penalty_bps", "dust_usd")
        caps = ("max_open_interest", "max_position")
        tiers = (*self.terms.tiers, _UNUSED, _UNUSED)[:3]
        params = {name: getattr(self.terms, name) for name in (*names, *caps)}
        params["tiers"] = tuple(asdict(tier) for tier in tiers)
        return book.call("Clearinghouse", "configure_market", self.market, params)


@dataclass(frozen=True)
class ConfigureVenue:
    sender: str
    params: VenueParams

    def apply(self, world: World) -> Expected:
        if self.sender != "admin":
            return refused({NOT_ADMIN})
        world.house.params = self.params
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "configure_venue", asdict(self.params))


@dataclass(frozen=True)
class ConfigureOutflow:
    sender: str
    params: OutflowParams

    def apply(self, world: World) -> Expected:
        house, old, new = world.house, world.house.outflow, self.params
        reasons = set() if self.sender == "admin" else {NOT_ADMIN}
        less = new.outflow_limit < old.outflow_limit or new.outflow_window > old.outflow_window
        if house.mode == "Halted" and (less or new.escape_delay > old.escape_delay):
            reasons.add("OUTFLOW: holds back in halted")
        if reasons:
            return refused(reasons)
        house.configure_outflow(new, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "configure_outflow", asdict(self.params))


@dataclass(frozen=True)
class ConfigureWaterfall:
    sender: str
    params: WaterfallParams

    def apply(self, world: World) -> Expected:
        if self.sender != "admin":
            return refused({NOT_ADMIN})
        world.house.storm.params = self.params
        world.house.losses.configure(self.params, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "configure_waterfall", asdict(self.params))


@dataclass(frozen=True)
class ConfigureGuard:
    sender: str
    market: int
    guard: GuardParams

    def apply(self, world: World) -> Expected:
        reasons = world.oracle.configure_refusals(self.market, self.guard, world.now)
        if self.sender != "admin":
            reasons.add(NOT_ADMIN)
        if reasons:
            return refused(reasons)
        world.oracle.markets[self.market].guard = self.guard
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Oracle", "configure", self.market, asdict(self.guard))


@dataclass(frozen=True)
class SetQuorum:
    sender: str
    quorum: int

    def apply(self, world: World) -> Expected:
        reasons = world.oracle.quorum_refusals(self.quorum)
        if self.sender != "admin":
            reasons.add(NOT_ADMIN)
        if reasons:
            return refused(reasons)
        world.oracle.quorum = self.quorum
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Oracle", "set_quorum", self.quorum)


@dataclass(frozen=True)
class AddReporter:
    sender: str
    reporter: str

    def apply(self, world: World) -> Expected:
        reasons = world.oracle.add_refusals(self.reporter)
        if self.sender != "admin":
            reasons.add(NOT_ADMIN)
        if reasons:
            return refused(reasons)
        world.oracle.add(self.reporter, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Oracle", "add_reporter", book.address(self.reporter))


@dataclass(frozen=True)
class SeatReporter:
    sender: str
    reporter: str

    def apply(self, world: World) -> Expected:
        reasons = world.oracle.seat_refusals(self.reporter, world.now)
        if self.sender != "admin":
            reasons.add(NOT_ADMIN)
        if reasons:
            return refused(reasons)
        world.oracle.seat(self.reporter)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Oracle", "seat_reporter", book.address(self.reporter))


@dataclass(frozen=True)
class RemoveReporter:
    sender: str
    reporter: str

    def apply(self, world: World) -> Expected:
        reasons = world.oracle.remove_refusals(self.reporter)
        if self.sender != "admin":
            reasons.add(NOT_ADMIN)
        if reasons:
            return refused(reasons)
        world.oracle.remove(self.reporter, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Oracle", "remove_reporter", book.address(self.reporter))
