"""What an action of the model is: how it is applied to the world, and what of it goes to the chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from truemark.transactions import Call

from tests.model.clearinghouse import Order, Signed
from tests.model.oracle import Said
from tests.model.world import World

#: The sender of what no transaction does.
NODE = "node"
#: Of an event: its name, and what some of its fields must be; a set of values means any of them.
Event = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Expected:
    """
    Attributes:
        refusals: reasons, any of which the transaction is reverted with; none: it succeeds.
        events: of the watched kinds, each kind in its order.
    """

    refusals: frozenset[str] = frozenset()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Message:
    """From L1 to an l1_handler of the bridge."""

    handler: str
    payload: tuple[int, ...]
    nonce: int
    from_bridge: bool = True


@dataclass(frozen=True)
class Write:
    """To the storage of a contract, by no transaction: the names and keys of the path, the slot behind it, the felt."""

    contract: str
    path: tuple[str | int, ...]
    offset: int
    value: int


class Book(Protocol):
    """Names as the chain knows them."""

    chain_id: int

    def address(self, name: str) -> int: ...
    def call(self, contract: str, function: str, *args: Any) -> Call: ...
    def order(self, order: Order) -> Mapping[str, Any]: ...
    def signed(self, signed: Signed) -> Mapping[str, Any]: ...
    def trading_key(self, account: str, key: str) -> int: ...
    def report(self, epoch: int, entries: Sequence[Said]) -> Call: ...
    def l1_address(self, name: str) -> int: ...


class Action(Protocol):
    """One step. `sender` is who sends it; the empty name is L1."""

    @property
    def sender(self) -> str: ...
    def apply(self, world: World) -> Expected: ...
    def encode(self, book: Book) -> Call | Message | Write: ...


OK = Expected()


def refused(reasons: set[str]) -> Expected:
    return Expected(frozenset(reasons))


@dataclass
class Step:
    """An action at a second, what the chain must answer, and what must then be read of it.

    Attributes:
        whole: everything is read, and the invariants are asked of it.
        unbooked: tokens that the clearinghouse was sent without a deposit.
    """

    action: Action
    at: int
    expected: Expected
    views: Mapping[tuple[Any, ...], Any]
    whole: bool = False
    unbooked: int = 0
