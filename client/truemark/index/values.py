"""How numbers lie in the database: a felt is 32 bytes, big-endian, so that bytes sort as numbers do; several felts are
their bytes in a row; an integer that may pass 63 bits is decimal text."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

from truemark.errors import TruemarkError

WORD = 32
#: The database's numbers end below this.
NUMBER_BOUND = 2**63
_CURSOR = "."


class Unindexed(TruemarkError, LookupError):
    """The index does not hold what was asked for."""


class Blob(LargeBinary):
    """Bytes as they are: all drivers here take them so, and wrapping each costs more than writing it."""

    def bind_processor(self, dialect: Dialect) -> None:
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None


class Wide(TypeDecorator[int]):
    """An integer of any width, as decimal text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


@lru_cache(maxsize=16_384)
def word(text: str) -> bytes:
    """A felt as nodes write it, with or without leading zeros."""
    return bytes.fromhex(text[2:].zfill(64))


def words(texts: Iterable[str]) -> bytes:
    """Felts in a row."""
    return bytes.fromhex("".join([text[2:].zfill(64) for text in texts]))


def word_of(value: int) -> bytes:
    return value.to_bytes(WORD, "big")


def words_of(values: Iterable[int]) -> bytes:
    return b"".join([value.to_bytes(WORD, "big") for value in values])


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def numbers(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + WORD], "big") for at in range(0, len(data), WORD))


def optional_number(data: bytes | None) -> int | None:
    return None if data is None else int.from_bytes(data, "big")


def cursor_of(*parts: int) -> str:
    """Where a page of a list ends, for whoever asks for the next."""
    return _CURSOR.join(map(str, parts))


def parse_cursor(text: str | None, parts: int) -> tuple[int, ...] | None:
    """
    Raises:
        Unindexed: it is no cursor of such a list.
    """
    if text is None:
        return None
    found = text.split(_CURSOR)
    if len(found) != parts or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in found):
        raise Unindexed(f"{text!r} is no cursor of this list")
    return tuple(int(part) for part in found)
