"""How an ABI writes types: split into a path and its generic arguments, tuples and fixed arrays into their parts."""

from __future__ import annotations

from truemark.abi.values import AbiError

_OPEN = "<(["
_CLOSE = ">)]"


def normal(name: str) -> str:
    """A type as it is looked up: without the snapshot sign and without spaces at the ends."""
    return name.strip().lstrip("@").strip()


def split(text: str, mark: str) -> list[str]:
    """The parts of `text` between those `mark` that are in no bracket.

    Raises:
        AbiError: the brackets do not match.
    """
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        if character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
            if depth < 0:
                raise AbiError(f"{text!r} is not a type: the brackets do not match")
        elif character == mark and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    if depth:
        raise AbiError(f"{text!r} is not a type: the brackets do not match")
    parts.append(text[start:])
    return [part.strip() for part in parts]


def tuple_members(name: str) -> list[str]:
    """The member types of '(A, B)'; none for the unit type, one for '(A,)'."""
    parts = split(name[1:-1], ",")
    return parts[:-1] if parts[-1] == "" else parts


def fixed_array(name: str) -> tuple[str, int]:
    """Element type and length of '[T; N]'.

    Raises:
        AbiError: it is not of that form.
    """
    parts = split(name[1:-1], ";")
    if len(parts) != 2 or not parts[1].isdecimal():
        raise AbiError(f"{name!r} is not a fixed array: [type; length] is")
    return parts[0], int(parts[1])


def generic(name: str) -> tuple[str, list[str]]:
    """Path and arguments of 'path::<A, B>'; no arguments for a plain path."""
    at = name.find("<")
    if at < 0 or not name.endswith(">"):
        return name, []
    return name[:at].removesuffix("::"), split(name[at + 1 : -1], ",")
