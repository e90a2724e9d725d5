"""What the codec gives back and raises: enum values, decoded calls and events, and errors that name the path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from truemark.errors import TruemarkError


class AbiError(TruemarkError, ValueError):
    """A value that does not fit its Cairo type, felts that do not fit the ABI, or an ABI that is none.

    The message starts with the path of the fault: 'report.entries[2].price: 2^64 or more'.
    """


class Misfit(Exception):
    """A fault below some path. Composites add their step while it goes up, so that good values pay nothing for it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self._steps: list[str] = []

    def at(self, step: str) -> Misfit:
        """Itself, one step further out."""
        self._steps.append(step)
        return self

    def path(self, root: str) -> str:
        return root + "".join(reversed(self._steps))


@dataclass(frozen=True, slots=True)
class EnumValue:
    """One variant of a Cairo enum and its payload; None where the variant has none."""

    variant: str
    value: Any = None

    def __str__(self) -> str:
        return self.variant if self.value is None else f"{self.variant}({self.value})"


@dataclass(frozen=True, slots=True)
class DecodedCall:
    """A call of a function, an L1 handler or a constructor, arguments in the order of the ABI."""

    name: str
    arguments: Mapping[str, Any]


class DecodedEvent(NamedTuple):
    """An event, fields in the order of the ABI. A tuple: one is made for every event of a chain.

    `name` is the variant of the innermost event enum; `path` the variants that lead to it, without those that are flat.
    """

    name: str
    fields: Mapping[str, Any]
    path: tuple[str, ...] = ()
