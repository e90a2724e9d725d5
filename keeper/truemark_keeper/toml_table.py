"""A table of keeper.toml: every key is known or the error says which is meant, every value is of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from truemark.errors import TruemarkError

Kind = TypeVar("Kind", bound="str | int | float | bool | list[Any] | dict[str, Any]")


class BadConfig(TruemarkError, ValueError):
    """A configuration that cannot be used; the message names the file, the key and the reason."""


class Table:
    """One table of the file, with the keys that it may have.

    Raises:
        BadConfig: it has another one.
    """

    def __init__(self, path: Path, name: str, raw: dict[str, Any], known: Sequence[str] | None) -> None:
        self.place = f"{path}: [{name}]" if name else f"{path}"
        self._path = path
        self._name = name
        self._values = raw
        for key in raw:
            if known is not None and key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
                raise BadConfig(f"{self.place}: unknown key {key}; {hint}")

    def table(self, name: str, known: Sequence[str] | None, *, required: bool = True) -> Table:
        """The table within this one. `known` None: its keys are names of the user's own."""
        full = f"{self._name}.{name}" if self._name else name
        return Table(self._path, full, self.take(name, dict, None if required else {}), known)

    def tables(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """The array of tables `[[name]]`, each with what errors call it. Not checked yet."""
        found = self.take(name, list, [])
        for item in found:
            if not isinstance(item, dict):
                raise BadConfig(f"{self.place}: {name} holds something else than tables; write [[{name}]]")
        return [(f"{name}.{number}", item) for number, item in enumerate(found, start=1)]

    def at(self, name: str, raw: dict[str, Any], known: Sequence[str]) -> Table:
        """One of `tables`."""
        return Table(self._path, name, raw, known)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._values)

    def wrong(self, what: str) -> BadConfig:
        return BadConfig(f"{self.place}: {what}")

    def exact(self, name: str) -> Fraction:
        """A number as it was typed: text such as "0.95", or a whole number. A decimal of TOML is a float."""
        value = self._values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return Fraction(value)
        text = self.text(name)
        try:
            return Fraction(text)
        except (ValueError, ZeroDivisionError):
            raise self.wrong(f'{name} is {text!r}, it must be a number such as "0.95"') from None

    def one_of(self, name: str, values: Sequence[str], default: str | None = None) -> str:
        value = self.text(name, default)
        if value not in values:
            raise self.wrong(f"{name} is {value!r}; it is one of {', '.join(values)}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        return self.take(name, str, default)

    def optional(self, name: str) -> str | None:
        return self.take(name, str, "") or None

    def flag(self, name: str, default: bool) -> bool:
        return self.take(name, bool, default)

    def number(self, name: str, default: int, *, least: int) -> int:
        value = self.take(name, int, default)
        if value < least:
            raise BadConfig(f"{self.place}: {name} is {value}, it must be at least {least}")
        return value

    def seconds(self, name: str, default: float) -> float:
        whole = isinstance(self._values.get(name), int)
        seconds: float = self.take(name, int, None) if whole else self.take(name, float, default)
        if not 0 < seconds < 86_400:
            raise BadConfig(f"{self.place}: {name} is {seconds} seconds, it must be above 0 and below a day")
        return seconds

    def take(self, name: str, kind: type[Kind], default: Kind | None) -> Kind:
        if name not in self._values:
            if default is None:
                raise BadConfig(f"{self.place}: {name} is missing")
            return default
        value = self._values[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BadConfig(f"{self.place}: {name} is a {_called(type(value))}, it must be a {_called(kind)}")
        return value


def _called(kind: type[object]) -> str:
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", list: "list", dict: "table"}
    return names.get(kind, kind.__name__)
