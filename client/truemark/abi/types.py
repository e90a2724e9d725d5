"""From the types that an ABI names to their codecs, each compiled once, when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from truemark.abi import composites, typenames
from truemark.abi.scalars import SCALARS, Codec, signed, unsigned
from truemark.abi.values import AbiError

_ARRAYS: Final = frozenset({"core::array::Array", "core::array::Span"})
_OPTION: Final = "core::option::Option"
_NON_ZERO: Final = "core::zeroable::NonZero"
_BOUNDED: Final = "core::internal::bounded_int::BoundedInt"
_UNIT: Final = "()"


class Types:
    """The structs and enums of one ABI, by their full names: two instances of a generic type are two types."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self._entries = {
            typenames.normal(entry["name"]): entry for entry in entries if entry["type"] in ("struct", "enum")
        }
        self._codecs: dict[str, Codec] = dict(SCALARS)
        self._open: set[str] = set()

    def codec(self, name: str) -> Codec:
        """
        Raises:
            AbiError: the ABI does not have the type, or it is not one that Cairo serializes.
        """
        name = typenames.normal(name)
        codec = self._codecs.get(name)
        if codec is not None:
            return codec
        if name in self._open:
            return self._later(name)
        self._open.add(name)
        try:
            codec = self._compile(name)
        finally:
            self._open.discard(name)
        self._codecs[name] = codec
        return codec

    def members(self, entry: Mapping[str, Any]) -> dict[str, Codec]:
        """The codecs of the members of a struct or an event.

        Raises:
            AbiError: as `codec`, or a name is there twice.
        """
        members = {str(member["name"]): self.codec(member["type"]) for member in entry["members"]}
        if len(members) != len(entry["members"]):
            raise AbiError(f"{entry['name']}: two members have one name")
        return members

    def _compile(self, name: str) -> Codec:
        if name.startswith("("):
            return composites.tuple_of(name, [self.codec(member) for member in typenames.tuple_members(name)])
        if name.startswith("["):
            element, length = typenames.fixed_array(name)
            return composites.fixed_array(name, self.codec(element), length)
        path, arguments = typenames.generic(name)
        if len(arguments) == 1:
            if path in _ARRAYS:
                return composites.array(name, self.codec(arguments[0]))
            if path == _OPTION:
                return composites.option(name, self.codec(arguments[0]))
            if path == _NON_ZERO:
                return composites.non_zero(name, self.codec(arguments[0]))
        if path == _BOUNDED and len(arguments) == 2:
            return _bounded(name, *arguments)
        entry = self._entries.get(name)
        if entry is None:
            raise AbiError(f"the ABI has no type {name!r}")
        if entry["type"] == "struct":
            return composites.struct(name, self.members(entry))
        return self._enum(name, entry)

    def _enum(self, name: str, entry: Mapping[str, Any]) -> Codec:
        variants = {
            str(variant["name"]): None if typenames.normal(variant["type"]) == _UNIT else self.codec(variant["type"])
            for variant in entry["variants"]
        }
        if len(variants) != len(entry["variants"]):
            raise AbiError(f"{name}: two variants have one name")
        return composites.enum(name, variants)

    def _later(self, name: str) -> Codec:
        """A type inside itself, through an array: looked up when it is used."""
        return Codec(
            name,
            encode=lambda value, out: self._codecs[name].encode(value, out),
            decode=lambda felts, at: self._codecs[name].decode(felts, at),
            show=lambda value: self._codecs[name].show(value),
            least=0,
        )


def _bounded(name: str, low: str, high: str) -> Codec:
    try:
        least, most = int(low), int(high)
    except ValueError:
        raise AbiError(f"{name!r} is not a bounded integer") from None
    return unsigned(name, most) if least == 0 else signed(name, least, most)
