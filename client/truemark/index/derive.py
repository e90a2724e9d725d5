"""What events and storage mean on a venue: marks, funding, who takes part, what accounts hold.

Events are taken by what their fields are called, not by which contract sent them, so a venue that nobody configured is
read as well. Accounts and positions come from storage: a value that no transaction wrote shows there too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from truemark.abi import Abi, EnumValue
from truemark.index.layout import account_base, unpack_account, unpack_position
from truemark.index.rows import BlockRows, Emitted
from truemark.index.values import number
from truemark.reports import BadReport, unpack_outcomes

_MARK: Final = ("market", "price", "status")
_INDEX: Final = ("market", "index", "live")
#: What only a clearinghouse has.
_VENUE_EVENT: Final = "FillSettled"
_VENUE_FUNCTION: Final = "margin_of"
_MARKETS: Final = 128
_LARGEST_MARKET: Final = 2**31 - 1


class Participants:
    """The accounts that a venue's events have named, and since which block."""

    def __init__(self) -> None:
        self._since: dict[tuple[bytes, bytes], int] = {}
        #: (venue, key of a slot without its last byte) -> first slots there of accounts.
        self._bases: dict[tuple[bytes, int], list[tuple[int, bytes]]] = {}
        self._venues: set[bytes] = set()

    def load(self, known: Iterable[tuple[bytes, bytes, int]]) -> None:
        """Starts with these, (venue, account, number of the block), and nothing else."""
        self._since.clear()
        self._bases.clear()
        self._venues.clear()
        for venue, account, block in known:
            self.add(venue, account, block)

    def add(self, venue: bytes, account: bytes, block: int) -> bool:
        """Whether it is new."""
        if (venue, account) in self._since:
            return False
        self._since[venue, account] = block
        base = account_base(number(account))
        # The slots of one account can cross from one such part to the next.
        for part in {base >> 8, (base + _MARKETS) >> 8}:
            self._bases.setdefault((venue, part), []).append((base, account))
        self._venues.add(venue)
        return True

    def __contains__(self, venue: bytes) -> bool:
        return venue in self._venues

    def at(self, venue: bytes, key: int) -> tuple[bytes, int] | None:
        """The account whose slot that is, and which one: 0 is its own, n + 1 its position in market n."""
        for base, account in self._bases.get((venue, key >> 8), ()):
            if base <= key <= base + _MARKETS:
                return account, key - base
        return None


def derive(rows: BlockRows, participants: Participants) -> None:
    """Adds the rows that follow from the block's events and writes."""
    for item in rows.decoded:
        fields = item.event.fields
        _report(rows, item, fields)
        if _is_number(fields.get("market")):
            _mark(rows, item, fields)
            _index(rows, item, fields)
        if _is_venue(item.abi):
            for account in item.abi.addresses_in(item.event):
                named = account.to_bytes(32, "big")
                if account and participants.add(item.address, named, rows.number):
                    rows.participants.append({"venue": item.address, "account": named})
    for write in rows.storage:
        if write["address"] in participants:
            _holding(rows, write, participants)


def _mark(rows: BlockRows, item: Emitted, fields: Mapping[str, Any]) -> None:
    if not all(name in fields for name in _MARK) or not isinstance(fields["status"], EnumValue):
        return
    outcome, median = fields.get("outcome"), fields.get("median")
    rows.marks.append(
        {
            "tx_index": item.tx_index,
            "event_index": item.event_index,
            "place": 0,
            "oracle": item.address,
            "market": fields["market"],
            "price": fields["price"],
            "status": fields["status"].variant,
            "outcome": outcome.variant if isinstance(outcome, EnumValue) else None,
            "median": median if isinstance(median, int) else None,
        }
    )


def _report(rows: BlockRows, item: Emitted, fields: Mapping[str, Any]) -> None:
    """A report's outcomes, each pair of markets in a felt."""
    felts = fields.get("outcomes")
    if not isinstance(felts, (list, tuple)) or not all(isinstance(felt, int) for felt in felts):
        return
    try:
        outcomes = unpack_outcomes(felts)
    except BadReport:
        # Some other contract's outcomes.
        return
    for place, each in enumerate(outcomes):
        rows.marks.append(
            {
                "tx_index": item.tx_index,
                "event_index": item.event_index,
                "place": place,
                "oracle": item.address,
                "market": each.market,
                "price": each.price,
                "status": each.status,
                "outcome": each.outcome,
                "median": each.median,
            }
        )


def _index(rows: BlockRows, item: Emitted, fields: Mapping[str, Any]) -> None:
    if not all(name in fields for name in _INDEX) or not isinstance(fields["index"], int):
        return
    rows.funding.append(
        {
            "tx_index": item.tx_index,
            "event_index": item.event_index,
            "venue": item.address,
            "market": fields["market"],
            "funding_index": fields["index"],
            "live": fields["live"] if isinstance(fields["live"], bool) else None,
        }
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_MARKET


@lru_cache(maxsize=512)
def _is_venue(abi: Abi) -> bool:
    return _VENUE_FUNCTION in abi.functions and _VENUE_EVENT in abi.event_names()


def _holding(rows: BlockRows, write: Mapping[str, Any], participants: Participants) -> None:
    found = participants.at(write["address"], number(write["key"]))
    if found is None:
        return
    account, place = found
    value = number(write["value"])
    common = {
        "venue": write["address"],
        "account": account,
        "tx_index": write["tx_index"],
        "cause": write["cause"],
    }
    if place == 0:
        slot = unpack_account(value)
        rows.balances.append(
            {
                **common,
                "collateral": slot.collateral,
                "account_epoch": slot.epoch & _LARGEST_MARKET,
                "open_markets": slot.open_markets,
            }
        )
    else:
        position = unpack_position(value)
        rows.positions.append(
            {**common, "market": place - 1, "size": position.size, "funding_index": position.funding_index}
        )
