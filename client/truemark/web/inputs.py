"""What a visitor types or a link carries, as values; whatever it is, it is refused by name and never trusted."""

from __future__ import annotations

import re
from typing import Final

from truemark.errors import TruemarkError
from truemark.felt import PRIME
from truemark.index.values import NUMBER_BOUND

#: The longest text that means anything here.
LONGEST: Final = 256
PAGE: Final = 25
LARGEST_PAGE: Final = 100

_CURSOR: Final = re.compile(r"\d{1,18}(\.\d{1,18}){0,3}", re.ASCII)
_DECIMAL: Final = re.compile(r"\d{1,20}", re.ASCII)
_HEX: Final = re.compile(r"0[xX][0-9a-fA-F]{1,64}", re.ASCII)


class BadRequest(TruemarkError, ValueError):
    """What was asked cannot be meant."""


def shown(text: str) -> str:
    """Text of a visitor, short and printable, for a message."""
    clean = "".join(each if each.isprintable() else "�" for each in text)
    return repr(clean if len(clean) <= 80 else f"{clean[:77]}...")


def number(text: str, what: str = "number") -> int:
    """
    Raises:
        BadRequest: it is no whole number from 0 up, or a larger one than there can be.
    """
    found = int(text) if _DECIMAL.fullmatch(text.strip()) else NUMBER_BOUND
    if found >= NUMBER_BOUND:
        raise BadRequest(f"{shown(text)} is no {what}: a whole number from 0 up is")
    return found


def optional_number(text: str | None, what: str = "number") -> int | None:
    """An empty field of a form counts as none. Raises as `number`."""
    return None if text is None or not text.strip() else number(text, what)


def felt(text: str, what: str = "hash") -> int:
    """
    Raises:
        BadRequest: it is not 0x and up to 64 hexadecimal digits, or no felt.
    """
    value = int(text, 16) if _HEX.fullmatch(text.strip()) else PRIME
    if value >= PRIME:
        raise BadRequest(f"{shown(text)} is no {what}: 0x and up to 64 hexadecimal digits, below the field's prime, is")
    return value


def word(text: str, what: str = "hash") -> int:
    """As `felt`, but of 256 bits, as L1 has them."""
    if not _HEX.fullmatch(text.strip()):
        raise BadRequest(f"{shown(text)} is no {what}: 0x and up to 64 hexadecimal digits is")
    return int(text, 16)


def block(text: str) -> int | str:
    """A block by number, hash (as text) or tag.

    Raises:
        BadRequest: it names no block.
    """
    text = text.strip()
    if text in ("latest", "l1_accepted"):
        return text
    if text[:2].lower() == "0x":
        return f"0x{felt(text, 'block'):064x}"
    return number(text, "block")


def name(text: str | None, what: str = "name") -> str | None:
    """A short printable text; an empty one counts as none.

    Raises:
        BadRequest: it is long, or holds what cannot be shown.
    """
    if text is None or not text.strip():
        return None
    text = text.strip()
    if len(text) > LONGEST or not text.isprintable():
        raise BadRequest(f"{shown(text)} is no {what}: up to {LONGEST} printable characters are")
    return text


def cursor(text: str | None) -> str | None:
    """
    Raises:
        BadRequest: it is no cursor.
    """
    if not text:
        return None
    if not _CURSOR.fullmatch(text):
        raise BadRequest(f"{shown(text)} is no cursor: take the one that the page before gave")
    return text


def limit(text: str | None, default: int = PAGE, most: int = LARGEST_PAGE) -> int:
    """
    Raises:
        BadRequest: it is no number from 1 up to `most`.
    """
    found = optional_number(text, "limit")
    if found is None:
        return default
    if not 1 <= found <= most:
        raise BadRequest(f"a limit of {found}: 1 to {most} can be")
    return found


def one_of(text: str | None, allowed: tuple[str, ...], what: str) -> str | None:
    """
    Raises:
        BadRequest: it is none of these.
    """
    if not text:
        return None
    if text not in allowed:
        raise BadRequest(f"{shown(text)} is no {what}: {', '.join(allowed)} are")
    return text
