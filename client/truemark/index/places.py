"""Which slots of one contract have a name: where the values begin whose keys are known, sorted, so that a slot is found
by bisection and each value takes one entry however many slots it has."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock

from truemark.index.keys import FIXED, Keys
from truemark.index.layout import LAYOUTS, Slot, Variable, first_slot, slot_of

#: More at once are sorted in, fewer put each to its place.
_FEW = 64


class Places(Mapping[int, Slot]):
    """What lies in which slot of a contract. Threads may share it.

    Args:
        contract: its name in a deployment; of another name no slot is known.
        fixed: with the keys that are the same on every venue.
    """

    def __init__(self, contract: str, *, fixed: bool = True) -> None:
        self._variables: dict[str | None, list[Variable]] = {}
        for variable in LAYOUTS.get(contract, ()):
            self._variables.setdefault(variable.key, []).append(variable)
        self._lock = Lock()
        #: Keys that are hashed when a slot is looked up that is nowhere yet, in their order: of most of a great many
        #: accounts none ever is.
        self._waiting: deque[Mapping[str | None, Iterable[Keys]]] = deque([FIXED] if fixed else [])
        self._bases: list[int] = []
        self._values: list[tuple[Variable, Keys]] = []

    def add(self, kind: str, keys: Iterable[Keys]) -> None:
        """Keys of a kind; those that it knows already change nothing."""
        if kind in self._variables:
            with self._lock:
                self._waiting.append({kind: keys})

    def at(self, key: int) -> Slot | None:
        """What lies there; None: nothing that has a name."""
        with self._lock:
            found = self._found(key)
            while found is None and self._waiting:
                self._hash(self._waiting.popleft())
                found = self._found(key)
        return found

    def _found(self, key: int) -> Slot | None:
        place = bisect_right(self._bases, key) - 1
        if place < 0:
            return None
        variable, keys = self._values[place]
        number = key - self._bases[place]
        return slot_of(variable, keys, number) if number < len(variable.slots) else None

    def __getitem__(self, key: int) -> Slot:
        found = self.at(key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[int]:
        with self._lock:
            while self._waiting:
                self._hash(self._waiting.popleft())
            bases, values = list(self._bases), list(self._values)
        for base, (variable, keys) in zip(bases, values, strict=True):
            for number in range(len(variable.slots)):
                if slot_of(variable, keys, number) is not None:
                    yield base + number

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _hash(self, fresh_keys: Mapping[str | None, Iterable[Keys]]) -> None:
        fresh = {
            first_slot(variable, each): (variable, each)
            for kind, keys in fresh_keys.items()
            for each in keys
            for variable in self._variables.get(kind, ())
        }
        if len(fresh) > _FEW:
            fresh.update(zip(self._bases, self._values, strict=True))
            self._bases = sorted(fresh)
            self._values = [fresh[base] for base in self._bases]
            return
        for base, value in fresh.items():
            place = bisect_left(self._bases, base)
            if self._bases[place : place + 1] != [base]:
                self._bases.insert(place, base)
                self._values.insert(place, value)


class Joined(Mapping[int, Slot]):
    """What several places know of a contract."""

    def __init__(self, *places: Places) -> None:
        self._places = places

    def __getitem__(self, key: int) -> Slot:
        for places in self._places:
            found = places.at(key)
            if found is not None:
                return found
        raise KeyError(key)

    def __iter__(self) -> Iterator[int]:
        return iter(dict.fromkeys(key for places in self._places for key in places))

    def __len__(self) -> int:
        return sum(1 for _ in self)
