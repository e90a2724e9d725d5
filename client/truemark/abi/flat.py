"""Values that take the same number of felts whatever they are: all of an event's are taken apart by one function that
is written for it, which is several times faster than a call for each member.

The function only says yes: felts that do not fit are left to the codecs, which say what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat, takewhile
from typing import Any, Final, Protocol

from truemark.abi.values import DecodedEvent, Misfit
from truemark.felt import PRIME

#: Names of felts in the source that is written.
Names = Sequence[str]


@dataclass(frozen=True, slots=True)
class Flat:
    """A type in source code.

    Attributes:
        size: how many felts a value takes.
        write: from the names of these felts to the conditions that must hold, and to the value as an expression.
    """

    size: int
    write: Callable[[Names], tuple[list[str], str]]


class Flattened(Protocol):
    """What can be flat: a codec."""

    @property
    def flat(self) -> Flat | None: ...

    @property
    def decode(self) -> Callable[[Sequence[int], int], tuple[Any, int]]: ...


def unsigned(limit: int) -> Flat:
    return Flat(1, lambda felts: ([f"0 <= {felts[0]} <= {limit}"], felts[0]))


def signed(low: int, high: int) -> Flat:
    def write(felts: Names) -> tuple[list[str], str]:
        (felt,) = felts
        return (
            [f"(0 <= {felt} <= {high} or {PRIME + low} <= {felt} < {PRIME})"],
            f"({felt} if {felt} <= {high} else {felt} - {PRIME})",
        )

    return Flat(1, write)


def boolean() -> Flat:
    return Flat(1, lambda felts: ([f"0 <= {felts[0]} <= 1"], f"({felts[0]} == 1)"))


def wide(limbs: int) -> Flat:
    def write(felts: Names) -> tuple[list[str], str]:
        value = " | ".join(f"{felt} << {128 * place}" if place else felt for place, felt in enumerate(felts))
        return [f"0 <= {felt} < {2**128}" for felt in felts], f"({value})"

    return Flat(limbs, write)


def struct(members: Mapping[str, Flattened]) -> Flat | None:
    """None: not all members are flat."""
    parts = {name: member.flat for name, member in members.items()}
    known = {name: flat for name, flat in parts.items() if flat is not None}
    if len(known) != len(parts):
        return None

    def write(felts: Names) -> tuple[list[str], str]:
        conditions, values, at = [], [], 0
        for name, flat in known.items():
            more, value = flat.write(felts[at : at + flat.size])
            conditions += more
            # The only text of the ABI in the source, quoted.
            values.append(f"{name!r}: {value}")
            at += flat.size
        return conditions, "{" + ", ".join(values) + "}"

    return Flat(sum(flat.size for flat in known.values()), write)


#: More felts than this are no event's: the protocol allows 300 of data.
_MOST: Final = 400


@dataclass(frozen=True, slots=True)
class Quick:
    """An event from its keys and data, given as felts or as nodes write them; None where they do not fit."""

    felts: Callable[[Sequence[int], Sequence[int]], DecodedEvent | None]
    texts: Callable[[Sequence[str], Sequence[str]], DecodedEvent | None]


def event_decoder(
    path: tuple[str, ...], keys: Mapping[str, Flattened], data: Mapping[str, Flattened], order: Sequence[str]
) -> Quick | None:
    """None: the members in the keys are not flat.

    Args:
        path: of the event; a key for each part of it comes before the members.
        order: the members' names as they are to be in the fields.
    """
    in_keys = struct(keys)
    front = dict(takewhile(lambda item: item[1].flat is not None, data.items()))
    in_data = struct(front)
    if in_keys is None or in_data is None or in_keys.size + in_data.size > _MOST:
        return None
    rest = {name: member for name, member in data.items() if name not in front}
    names = _named("k", keys) | _named("d", front)
    conditions: list[str] = []
    values = []
    for name in order:
        if name in rest:
            values.append(f"{name!r}: v{list(rest).index(name)}")
            continue
        flat = (keys.get(name) or data[name]).flat
        assert flat is not None
        more, value = flat.write(names[name])
        conditions += more
        values.append(f"{name!r}: {value}")
    end = f"new(DecodedEvent, (name, {{{', '.join(values)}}}, path))"
    space: dict[str, Any] = {
        "new": tuple.__new__,
        "DecodedEvent": DecodedEvent,
        "Misfit": Misfit,
        "name": path[-1],
        "path": path,
        "sixteen": repeat(16),
        **{f"decode{place}": member.decode for place, member in enumerate(rest.values())},
    }
    made = []
    for texts in (False, True):
        lines = [
            _unpacked([*(f"_{place}" for place in range(len(path))), *_names("k", in_keys.size)], "keys", texts),
            *_data(in_data.size, len(rest), texts),
        ]
        source = "\n".join(
            [
                "def decode(keys, data):",
                "    try:",
                *(f"        {line}" for line in lines),
                "    except (ValueError, Misfit, RecursionError):",
                "        return None",
                f"    return {end} if {' and '.join(conditions) or 'True'} else None",
            ]
        )
        exec(compile(source, "<an event of an ABI>", "exec"), space)  # noqa: S102 - written above, names are quoted
        made.append(space["decode"])
    return Quick(*made)


def _data(size: int, rest: int, texts: bool) -> list[str]:
    """Takes the data apart: so many felts that are alone, then members that say themselves how long they are."""
    if not rest:
        return [_unpacked(_names("d", size), "data", texts)]
    lines = ["data = list(map(int, data, sixteen))"] if texts else []
    lines += [
        "if data and min(data) < 0: return None",
        _unpacked(_names("d", size), f"data[:{size}]", False),
        f"at = {size}",
    ]
    lines += [f"v{place}, at = decode{place}(data, at)" for place in range(rest)]
    return [*lines, "if at != len(data): return None"]


def _unpacked(targets: list[str], source: str, texts: bool) -> str:
    values = f"map(int, {source}, sixteen)" if texts else source
    return f"({', '.join(targets)}{',' if targets else ''}) = {values}"


def _names(letter: str, size: int) -> list[str]:
    return [f"{letter}{place}" for place in range(size)]


def _named(letter: str, members: Mapping[str, Flattened]) -> dict[str, list[str]]:
    """The names of each member's felts."""
    found, at = {}, 0
    for name, member in members.items():
        assert member.flat is not None
        found[name] = [f"{letter}{place}" for place in range(at, at + member.flat.size)]
        at += member.flat.size
    return found
