"""How values stand in JSON, and records whose fields are read and written so; an error names the field.

Amounts are decimal text ("0.25", never a JSON number), addresses, keys and hashes are hexadecimal text, counts and
times are JSON integers. Nothing is coerced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

from truemark.errors import TruemarkError
from truemark.felt import PRIME, hex_of
from truemark.units import decimal_text

_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,39})(\.[0-9]{1,24})?", re.ASCII)
_INTEGER: Final = re.compile(r"0|[1-9][0-9]{0,38}", re.ASCII)
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,64}", re.ASCII)


class WireError(TruemarkError, ValueError):
    """JSON that is not what the protocol says.

    Attributes:
        field: where, e.g. `order.size` or `orders[2].signature.r`; empty: the whole.
        problem: what is wrong with it.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Codec:
    """One kind of value."""

    #: (JSON value, path, strict) -> value; raises WireError.
    parse: Callable[[Any, str, bool], Any]
    dump: Callable[[Any], Any]
    #: Its JSON Schema; schemas of records go into the mapping that is given.
    schema: Callable[[dict[str, Any]], dict[str, Any]] = lambda schemas: {}


def wire(codec: Codec, **arguments: Any) -> Any:
    """A field of a Record. With a `default` it may be left out."""
    return field(metadata={"codec": codec}, **arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An object of the protocol. Subclasses are frozen dataclasses whose fields are made by `wire`."""

    @classmethod
    def parse(cls, data: Any, path: str = "", *, strict: bool = False) -> Self:
        """Out of decoded JSON.

        Args:
            strict: refuse fields that are not known, as the venue does in what it is sent; a client passes over them,
                so that it reads what a newer venue says.

        Raises:
            WireError: naming the field.
        """
        if not isinstance(data, dict):
            raise WireError(path, "an object is needed")
        known = _codecs(cls)
        if strict:
            for name in data:
                if name not in known:
                    raise WireError(_joined(path, str(name)), "there is no such field")
        values = {}
        for name, (codec, needed) in known.items():
            if name in data:
                values[name] = codec.parse(data[name], _joined(path, name), strict)
            elif needed:
                raise WireError(_joined(path, name), "is missing")
        return cls(**values)

    def dump(self) -> dict[str, Any]:
        """As JSON takes it; a field that is None is left out."""
        found = {}
        for name, (codec, _) in _codecs(type(self)).items():
            value = getattr(self, name)
            if value is not None:
                found[name] = codec.dump(value)
        return found

    @classmethod
    def schema(cls, schemas: dict[str, Any]) -> dict[str, Any]:
        """A reference to its JSON Schema (OpenAPI 3.1), which is put into `schemas` with all that it refers to."""
        name = cls.__name__
        if name not in schemas:
            schemas[name] = {}
            known = _codecs(cls)
            found: dict[str, Any] = {
                "type": "object",
                "description": " ".join((cls.__doc__ or "").split()),
                "properties": {field: codec.schema(schemas) for field, (codec, _) in known.items()},
            }
            needed = [field for field, (_, is_needed) in known.items() if is_needed]
            schemas[name] = found | ({"required": needed} if needed else {})
        return {"$ref": f"#/components/schemas/{name}"}


_KNOWN: Final[dict[type, Mapping[str, tuple[Codec, bool]]]] = {}


def _codecs(cls: type[Record]) -> Mapping[str, tuple[Codec, bool]]:
    known = _KNOWN.get(cls)
    if known is None:
        known = {
            item.name: (item.metadata["codec"], item.default is MISSING and item.default_factory is MISSING)
            for item in fields(cls)
        }
        _KNOWN[cls] = known
    return known


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


# --- the kinds of values


def _same(value: Any) -> Any:
    return value


def text(most: int = 200, pattern: str | None = None, what: str | None = None) -> Codec:
    """Text of 1 to `most` characters."""
    compiled = None if pattern is None else re.compile(pattern, re.ASCII)

    def parse(value: Any, path: str, _strict: bool) -> str:
        if not isinstance(value, str):
            raise WireError(path, "text is needed")
        if not 1 <= len(value) <= most:
            raise WireError(path, f"must have 1 to {most} characters, it has {len(value)}")
        if compiled is not None and compiled.fullmatch(value) is None:
            raise WireError(path, f"{value!r} is not {what or pattern}")
        return value

    schema = {"type": "string", "minLength": 1, "maxLength": most} | ({} if pattern is None else {"pattern": pattern})
    return Codec(parse, _same, lambda _: schema)


def count(least: int = 0, most: int = 2**53 - 1) -> Codec:
    """A JSON integer."""

    def parse(value: Any, path: str, _strict: bool) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise WireError(path, "an integer is needed")
        if not least <= value <= most:
            raise WireError(path, f"must be from {least} to {most}, it is {value}")
        return value

    return Codec(parse, _same, lambda _: {"type": "integer", "minimum": least, "maximum": most})


def amount(*, positive: bool = False, signed: bool = False) -> Codec:
    """A Decimal as text without exponent: at most 40 digits before and 24 after the point."""

    def parse(value: Any, path: str, _strict: bool) -> Decimal:
        if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None:
            raise WireError(path, 'decimal text such as "0.25" is needed')
        number = Decimal(value)
        if positive and number <= 0:
            raise WireError(path, f"must be above 0, it is {value}")
        if number < 0 and not signed:
            raise WireError(path, f"must not be below 0, it is {value}")
        return number

    return Codec(parse, decimal_text, lambda _: {"type": "string", "pattern": f"^{_DECIMAL.pattern}$"})


def digits(most: int) -> Codec:
    """An integer from 0 up as decimal text, as in the SNIP-12 message of an order."""

    def parse(value: Any, path: str, _strict: bool) -> int:
        if not isinstance(value, str) or _INTEGER.fullmatch(value) is None:
            raise WireError(path, "an integer as decimal text is needed")
        number = int(value)
        if number > most:
            raise WireError(path, f"must be at most {most}, it is {value}")
        return number

    return Codec(parse, str, lambda _: {"type": "string", "pattern": f"^({_INTEGER.pattern})$"})


def _parse_felt(value: Any, path: str, _strict: bool) -> int:
    if not isinstance(value, str) or _HEX.fullmatch(value) is None:
        raise WireError(path, "hexadecimal text such as 0x1f is needed")
    number = int(value, 16)
    if number >= PRIME:
        raise WireError(path, "is no field element")
    return number


def _parse_flag(value: Any, path: str, _strict: bool) -> bool:
    if not isinstance(value, bool):
        raise WireError(path, "true or false is needed")
    return value


FELT: Final = Codec(_parse_felt, hex_of, lambda _: {"type": "string", "pattern": f"^{_HEX.pattern}$"})
FLAG: Final = Codec(_parse_flag, _same, lambda _: {"type": "boolean"})
TEXT: Final = text()
#: A market's name, e.g. BTC-USD-PERP.
MARKET: Final = text(31, r"[A-Za-z0-9._/-]+", "a market's name")
#: What a trader may call an order.
CLIENT_ID: Final = text(36, r"[A-Za-z0-9._:-]+", "1 to 36 letters, digits, dots, colons, dashes and underscores")
#: An address, a count, and the two kinds of amounts that most fields are.
COUNT: Final = count()
AMOUNT: Final = amount()
POSITIVE: Final = amount(positive=True)
SIGNED: Final = amount(signed=True)


def one_of(kind: type[StrEnum]) -> Codec:
    """A member of an enum, by its value."""

    def parse(value: Any, path: str, _strict: bool) -> StrEnum:
        try:
            return kind(value)
        except ValueError:
            raise WireError(path, f"must be one of {', '.join(kind)}; it is {value!r}") from None

    return Codec(parse, str, lambda _: {"type": "string", "enum": [str(one) for one in kind]})


def record(kind: type[Record]) -> Codec:
    def parse(value: Any, path: str, strict: bool) -> Record:
        return kind.parse(value, path, strict=strict)

    return Codec(parse, lambda value: value.dump(), kind.schema)


def many(codec: Codec, most: int = 100_000) -> Codec:
    """A list, as a tuple in Python."""

    def parse(value: Any, path: str, strict: bool) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise WireError(path, "a list is needed")
        if len(value) > most:
            raise WireError(path, f"has {len(value)} items, at most {most} may be")
        return tuple(codec.parse(item, f"{path}[{number}]", strict) for number, item in enumerate(value))

    def schema(schemas: dict[str, Any]) -> dict[str, Any]:
        return {"type": "array", "items": codec.schema(schemas), "maxItems": most}

    return Codec(parse, lambda values: [codec.dump(value) for value in values], schema)


def maybe(codec: Codec) -> Codec:
    """The value, or null."""

    def parse(value: Any, path: str, strict: bool) -> Any:
        return None if value is None else codec.parse(value, path, strict)

    def schema(schemas: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [codec.schema(schemas), {"type": "null"}]}

    return Codec(parse, lambda value: None if value is None else codec.dump(value), schema)
