"""What the parts of an explorer with an index share, and what all of them do: names, states, pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from truemark.abi import Abi
from truemark.deployment import Deployment
from truemark.explorer.directory import Directory
from truemark.explorer.lookups import Lookups
from truemark.explorer.shelf import ClassShelf
from truemark.index import Index
from truemark.index.records import BlockRecord
from truemark.rpc import AsyncRpc

P = ParamSpec("P")
R = TypeVar("R")

ORPHANED = "ORPHANED"
#: What an event calls a number may be any text: its contract is anybody's.
_WIDEST = 2**256


@dataclass(frozen=True, slots=True)
class Context:
    """An index, a node, and what is known of names and classes."""

    index: Index
    lookups: Lookups
    shelf: ClassShelf
    directory: Directory
    rpc: AsyncRpc
    deployment: Deployment | None

    def name(self, address: int | None) -> str | None:
        return None if address is None else self.directory.name(address)

    def class_name(self, class_hash: int | None) -> str | None:
        """What the deployment calls a class."""
        if self.deployment is None or class_hash is None:
            return None
        if class_hash == self.deployment.account_class_hash:
            return "Account"
        for name, info in self.deployment.contracts.items():
            if info.class_hash == class_hash:
                return name
        return next((name for name, each in self.deployment.classes.items() if each == class_hash), None)

    def market_name(self, market: int) -> str | None:
        if self.deployment is None:
            return None
        return next((name for name, info in self.deployment.markets.items() if info.index == market), None)


async def off_loop(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """In a thread: the database is asked there."""
    return await asyncio.to_thread(work, *args, **kwargs)


def status_of(block: BlockRecord, l1_accepted: int) -> str:
    if block.orphaned:
        return ORPHANED
    return "ACCEPTED_ON_L1" if block.number <= l1_accepted else "ACCEPTED_ON_L2"


def is_token(abi: Abi | None) -> bool:
    """It has the functions that a token with balances has."""
    if abi is None:
        return False
    return bool(abi.functions.keys() & {"balance_of", "balanceOf"}) and "transfer" in abi.functions


def is_venue(abi: Abi | None) -> bool:
    """It is a clearinghouse of perpetual futures as Truemark's."""
    return abi is not None and "margin_of" in abi.functions and "FillSettled" in abi.event_names()


def number_field(fields: Mapping[str, Any], *names: str) -> int | None:
    """The first of these among an event's fields, as JSON says it: hexadecimal for felts, text for wide integers. None:
    it is not there, or is no number that a chain has."""
    value = next((fields[name] for name in names if fields.get(name) is not None), None)
    if isinstance(value, str):
        try:
            value = int(value, 0)
        except ValueError:
            return None
    if not isinstance(value, int) or isinstance(value, bool) or not -_WIDEST < value < _WIDEST:
        return None
    return value
