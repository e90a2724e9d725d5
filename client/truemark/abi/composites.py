"""Codecs of the types with parts: structs, enums, options, arrays, tuples. See scalars.py for what a codec is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import le
from typing import Any, Final

from truemark.abi import flat
from truemark.abi.scalars import Codec, Decode, brief, next_felt
from truemark.abi.values import EnumValue, Misfit

#: Elements that take no felt are not bounded by the felts there are: a length alone could ask for any number of them.
MOST_EMPTY: Final = 1_024


def array(name: str, element: Codec) -> Codec:
    """Array and Span: the length, then the elements. A list in Python."""
    encode_one, decode_one, show_one = element.encode, element.decode, element.show
    least = element.least

    def encode(value: Any, out: list[int]) -> None:
        items = _items(value)
        out.append(len(items))
        at = 0
        try:
            for at, item in enumerate(items):  # noqa: B007 - named by the error
                encode_one(item, out)
        except Misfit as misfit:
            raise misfit.at(f"[{at}]") from None

    def decode(felts: Sequence[int], at: int) -> tuple[list[Any], int]:
        length = next_felt(felts, at)
        at += 1
        if length * least > len(felts) - at or (least == 0 and length > MOST_EMPTY):
            raise Misfit(f"{length} elements do not fit the {len(felts) - at} felts that follow")
        values: list[Any] = []
        try:
            for _ in range(length):
                value, at = decode_one(felts, at)
                values.append(value)
        except Misfit as misfit:
            raise misfit.at(f"[{len(values)}]") from None
        return values, at

    def show(value: Sequence[Any]) -> list[Any]:
        return [show_one(item) for item in value]

    return Codec(name, encode, decode, show, 1)


def fixed_array(name: str, element: Codec, length: int) -> Codec:
    """[T; N]: N elements and no length before them. A list in Python."""
    encode_one, decode_one, show_one = element.encode, element.decode, element.show

    def encode(value: Any, out: list[int]) -> None:
        items = _items(value)
        if len(items) != length:
            raise Misfit(f"{len(items)} elements for {length}")
        at = 0
        try:
            for at, item in enumerate(items):  # noqa: B007 - named by the error
                encode_one(item, out)
        except Misfit as misfit:
            raise misfit.at(f"[{at}]") from None

    def decode(felts: Sequence[int], at: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        try:
            for _ in range(length):
                value, at = decode_one(felts, at)
                values.append(value)
        except Misfit as misfit:
            raise misfit.at(f"[{len(values)}]") from None
        return values, at

    def show(value: Sequence[Any]) -> list[Any]:
        return [show_one(item) for item in value]

    return Codec(name, encode, decode, show, length * element.least)


def tuple_of(name: str, members: Sequence[Codec]) -> Codec:
    """(A, B): one after the other. A tuple in Python."""
    size = len(members)

    def encode(value: Any, out: list[int]) -> None:
        items = _items(value)
        if len(items) != size:
            raise Misfit(f"{len(items)} elements for {size}")
        at = 0
        try:
            for at, (member, item) in enumerate(zip(members, items, strict=True)):  # noqa: B007 - named by the error
                member.encode(item, out)
        except Misfit as misfit:
            raise misfit.at(f".{at}") from None

    def decode(felts: Sequence[int], at: int) -> tuple[tuple[Any, ...], int]:
        values: list[Any] = []
        try:
            for member in members:
                value, at = member.decode(felts, at)
                values.append(value)
        except Misfit as misfit:
            raise misfit.at(f".{len(values)}") from None
        return tuple(values), at

    def show(value: Sequence[Any]) -> list[Any]:
        return [member.show(item) for member, item in zip(members, value, strict=True)]

    return Codec(name, encode, decode, show, sum(member.least for member in members))


def struct(name: str, members: Mapping[str, Codec]) -> Codec:
    """Members in their order. A dict in Python; an object with `to_abi()` is encoded as what that gives."""
    encoders = [(key, codec.encode) for key, codec in members.items()]
    decode = record_decoder(members)

    def encode(value: Any, out: list[int]) -> None:
        fields = fields_of(value, members)
        key = ""
        try:
            for key, encode_one in encoders:
                encode_one(fields[key], out)
        except Misfit as misfit:
            raise misfit.at(f".{key}") from None

    def show(value: Mapping[str, Any]) -> dict[str, Any]:
        return {key: codec.show(value[key]) for key, codec in members.items()}

    least = sum(codec.least for codec in members.values())
    return Codec(name, encode, decode, show, least, flat=flat.struct(members))


def fields_of(value: Any, members: Mapping[str, Codec]) -> Mapping[str, Any]:
    """The fields of a value given for a struct.

    Raises:
        Misfit: it has no fields, or not the struct's.
    """
    if not isinstance(value, Mapping):
        to_abi = getattr(value, "to_abi", None)
        if to_abi is None:
            raise Misfit(f"{brief(value)} is a {type(value).__name__}; give a mapping")
        value = to_abi()
        if not isinstance(value, Mapping):
            raise Misfit(f"to_abi() gave a {type(value).__name__}; a mapping is needed")
    if value.keys() != members.keys():
        missing = [key for key in members if key not in value]
        raise Misfit(
            f"without {', '.join(missing)}"
            if missing
            else f"unknown fields: {', '.join(str(key) for key in value if key not in members)}"
        )
    return value


class _Run:
    """Neighbours that are one plain felt each: one slice and one comparison in C instead of a call for each."""

    def __init__(self, members: Sequence[tuple[str, Codec]]) -> None:
        self.names = tuple(name for name, _ in members)
        self.limits = tuple(codec.plain or 0 for _, codec in members)
        self.codecs = tuple(codec for _, codec in members)

    def decode(self, felts: Sequence[int], at: int) -> tuple[Any, int]:
        end = at + len(self.names)
        values = felts[at:end]
        if len(values) != len(self.names) or not all(map(le, values, self.limits)):
            for step, (name, codec) in enumerate(zip(self.names, self.codecs, strict=True)):
                try:
                    codec.decode(felts, at + step)
                except Misfit as misfit:
                    raise misfit.at(f".{name}") from None
        return zip(self.names, values, strict=True), end


def record_decoder(members: Mapping[str, Codec]) -> Decode:
    """Decodes members one after the other to a dict."""
    steps: list[tuple[str | None, Decode]] = []
    for is_plain, group in groupby(members.items(), key=lambda item: item[1].plain is not None):
        neighbours = list(group)
        if is_plain and len(neighbours) > 1:
            steps.append((None, _Run(neighbours).decode))
        else:
            steps += [(name, codec.decode) for name, codec in neighbours]

    if len(steps) == 1 and steps[0][0] is None:
        only = steps[0][1]

        def decode_run(felts: Sequence[int], at: int) -> tuple[dict[str, Any], int]:
            values, at = only(felts, at)
            return dict(values), at

        return decode_run

    def decode(felts: Sequence[int], at: int) -> tuple[dict[str, Any], int]:
        fields: dict[str, Any] = {}
        for name, decode_one in steps:
            if name is None:
                values, at = decode_one(felts, at)
                fields.update(values)
            else:
                try:
                    fields[name], at = decode_one(felts, at)
                except Misfit as misfit:
                    raise misfit.at(f".{name}") from None
        return fields, at

    return decode


def enum(name: str, variants: Mapping[str, Codec | None]) -> Codec:
    """The variant's number, then its payload; None stands for a variant without one. EnumValue in Python; for a
    variant without payload its name will do."""
    numbers = {variant: number for number, variant in enumerate(variants)}
    names = tuple(variants)
    payloads = tuple(variants.values())
    bare = tuple(EnumValue(variant) for variant in names)

    def encode(value: Any, out: list[int]) -> None:
        variant, payload = (value.variant, value.value) if isinstance(value, EnumValue) else (value, None)
        if not isinstance(variant, str):
            raise Misfit(f"{brief(value)} is a {type(value).__name__}; give an EnumValue or the name of a variant")
        if variant not in numbers:
            raise Misfit(f"no variant {variant!r}; there are {', '.join(names)}")
        out.append(numbers[variant])
        codec = variants[variant]
        try:
            if codec is not None:
                codec.encode(payload, out)
            elif payload is not None and payload != ():
                raise Misfit(f"{brief(payload)} for a variant without payload")
        except Misfit as misfit:
            raise misfit.at(f".{variant}") from None

    def decode(felts: Sequence[int], at: int) -> tuple[EnumValue, int]:
        number = next_felt(felts, at)
        if not 0 <= number < len(names):
            raise Misfit(f"no variant {number}; there are {len(names)}")
        codec = payloads[number]
        if codec is None:
            return bare[number], at + 1
        try:
            payload, at = codec.decode(felts, at + 1)
        except Misfit as misfit:
            raise misfit.at(f".{names[number]}") from None
        return EnumValue(names[number], payload), at

    def show(value: EnumValue) -> Any:
        codec = variants[value.variant]
        return value.variant if codec is None else {value.variant: codec.show(value.value)}

    least = min((codec.least if codec else 0 for codec in payloads), default=0)
    return Codec(name, encode, decode, show, 1 + least)


def option(name: str, some: Codec) -> Codec:
    """Option: Some is variant 0, None is variant 1. The payload or None in Python; where the payload can be None
    itself, Some is an EnumValue."""
    wrapped = some.nullable

    def encode(value: Any, out: list[int]) -> None:
        if value is None:
            out.append(1)
            return
        if wrapped:
            if not isinstance(value, EnumValue) or value.variant != "Some":
                raise Misfit(f"{brief(value)} is neither None nor EnumValue('Some', ...)")
            value = value.value
        out.append(0)
        some.encode(value, out)

    def decode(felts: Sequence[int], at: int) -> tuple[Any, int]:
        number = next_felt(felts, at)
        if number == 1:
            return None, at + 1
        if number != 0:
            raise Misfit(f"{number:#x} is no variant of Option")
        value, at = some.decode(felts, at + 1)
        return EnumValue("Some", value) if wrapped else value, at

    def show(value: Any) -> Any:
        if value is None:
            return None
        return {"Some": some.show(value.value)} if wrapped else some.show(value)

    return Codec(name, encode, decode, show, 1, nullable=True)


def non_zero(name: str, inner: Codec) -> Codec:
    """NonZero: as the value itself, which may not be 0."""

    def encode(value: Any, out: list[int]) -> None:
        before = len(out)
        inner.encode(value, out)
        if not any(out[before:]):
            raise Misfit("0, and it may not be")

    def decode(felts: Sequence[int], at: int) -> tuple[Any, int]:
        value, after = inner.decode(felts, at)
        if not any(felts[at:after]):
            raise Misfit("0, and it may not be")
        return value, after

    return replace(inner, name=name, encode=encode, decode=decode, plain=None, flat=None)


def _items(value: Any) -> Sequence[Any]:
    """
    Raises:
        Misfit: it is no sequence of elements; text and bytes are none.
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return value
    raise Misfit(f"{brief(value)} is a {type(value).__name__}; give a list")
