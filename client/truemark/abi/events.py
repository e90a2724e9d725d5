"""Which event a list of keys stands for, and the decoding of its members from keys and data.

An event enum adds the selector of its variant to the keys, one for each level of nesting; a variant that is flat adds
none. A member marked as key is read from the keys, every other from the data, each in the order of the members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from truemark.abi.composites import record_decoder
from truemark.abi.flat import event_decoder
from truemark.abi.scalars import Codec, Decode
from truemark.abi.types import Types
from truemark.abi.values import AbiError, DecodedEvent, Misfit
from truemark.felt import selector

_ADDRESS = "core::starknet::contract_address::ContractAddress"


class _Layout:
    """One event struct reached by one path of variants."""

    def __init__(self, path: tuple[str, ...], type_name: str, members: Sequence[tuple[str, str, Codec]]) -> None:
        self.path = path
        self.name = path[-1]
        self.type_name = type_name
        self.codecs: dict[str, Codec] = {name: codec for name, _, codec in members}
        keys = {name: codec for name, kind, codec in members if kind == "key"}
        data = {name: codec for name, kind, codec in members if kind != "key"}
        #: The members that are addresses of contracts.
        self.addresses = tuple(name for name, _, codec in members if codec.name == _ADDRESS)
        self._key_count = len(path)
        self._decode_keys: Decode | None = record_decoder(keys) if keys else None
        self._decode_data = record_decoder(data)
        #: None: the keys come first, as they are decoded.
        self._order = None if [*keys, *data] == list(self.codecs) else tuple(self.codecs)
        #: The same in few steps; None where its keys are of varying size.
        self.quick = event_decoder(path, keys, data, tuple(self.codecs))

    def decode(self, keys: Sequence[int], data: Sequence[int]) -> DecodedEvent:
        at = self._key_count
        fields: dict[str, Any] = {}
        if self._decode_keys is not None:
            fields, at = self._decode_keys(keys, at)
        if at != len(keys):
            raise Misfit(f"{len(keys) - at} keys are left over")
        values, at = self._decode_data(data, 0)
        if at != len(data):
            raise Misfit(f"{len(data) - at} felts of data are left over")
        fields = {**fields, **values} if fields else values
        if self._order is not None:
            fields = {name: fields[name] for name in self._order}
        return DecodedEvent(self.name, fields, self.path)


@dataclass(frozen=True, slots=True)
class _Unsupported:
    """A variant that no layout could be made of, and why."""

    path: tuple[str, ...]
    reason: str


class EventTable:
    """The events of one ABI by their selectors."""

    def __init__(self, entries: Sequence[Mapping[str, Any]], types: Types) -> None:
        self._types = types
        self._entries = {entry["name"]: entry for entry in entries if entry["type"] == "event"}
        #: By the selectors at the front of the keys. Two only where ABIs of several classes are joined.
        self._layouts: dict[tuple[int, ...], list[_Layout | _Unsupported]] = {}
        self._by_path: dict[tuple[str, ...], list[_Layout]] = {}
        self._depth = 1
        enums = {name: entry for name, entry in self._entries.items() if entry.get("kind") == "enum"}
        inner = {variant["type"] for entry in enums.values() for variant in entry["variants"]}
        for name, entry in enums.items():
            if name not in inner:
                self._walk(entry, (), (name,))
        #: By their only selector, where no other event begins with it.
        self.quick = {
            place[0]: layout.quick
            for place, (layout, *others) in self._layouts.items()
            if len(place) == 1 and not others and isinstance(layout, _Layout) and layout.quick is not None
        }
        self.quick_texts = {hex(place): quick.texts for place, quick in self.quick.items()}

    def decode(self, keys: Sequence[int], data: Sequence[int]) -> DecodedEvent:
        """
        Raises:
            AbiError: the ABI has no such event, or the felts do not fit it.
        """
        fits: list[DecodedEvent] = []
        reason = ""
        for candidate in self._candidates(keys):
            if isinstance(candidate, _Unsupported):
                reason = f"{candidate.path[-1]}: {candidate.reason}"
                continue
            try:
                fits.append(candidate.decode(keys, data))
            except Misfit as misfit:
                reason = f"{misfit.path(candidate.name)}: {misfit.message}"
        if not fits:
            raise AbiError(reason)
        if any(event != fits[0] for event in fits[1:]):
            raise AbiError(f"{fits[0].name}: several events of the ABI fit these felts")
        return fits[0]

    def show(self, event: DecodedEvent) -> dict[str, Any]:
        """The fields as JSON can say them."""
        return {name: codec.show(event.fields[name]) for name, codec in self._layout_of(event).codecs.items()}

    def addresses(self, event: DecodedEvent) -> tuple[int, ...]:
        """The contract addresses among the fields, each once."""
        return tuple(dict.fromkeys([event.fields[name] for name in self._layout_of(event).addresses]))

    def _layout_of(self, event: DecodedEvent) -> _Layout:
        found = self._by_path.get(event.path, ())
        for layout in found:
            if len(found) == 1 or layout.codecs.keys() == event.fields.keys():
                return layout
        raise AbiError(f"the ABI has no event {event.name!r}")

    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(layout.path[-1] for layouts in self._layouts.values() for layout in layouts))

    def _candidates(self, keys: Sequence[int]) -> list[_Layout | _Unsupported]:
        if not keys:
            raise AbiError("an event without keys")
        for depth in range(1, self._depth + 1):
            found = self._layouts.get(tuple(keys[:depth]))
            if found is not None:
                return found
        raise AbiError(f"no event with the key {keys[0]:#x} in the ABI")

    def _walk(self, entry: Mapping[str, Any], path: tuple[str, ...], above: tuple[str, ...]) -> None:
        for variant in entry["variants"]:
            kind, type_name = variant.get("kind"), variant["type"]
            inner = self._entries.get(type_name)
            here = path if kind == "flat" else (*path, str(variant["name"]))
            if type_name in above:
                raise AbiError(f"the event {type_name} holds itself")
            if inner is not None and inner.get("kind") == "enum" and kind in ("nested", "flat"):
                self._walk(inner, here, (*above, type_name))
            elif inner is not None and inner.get("kind") == "struct" and kind == "nested":
                self._add(here, self._layout(here, type_name, inner))
            else:
                here = here or (str(variant["name"]),)
                self._add(here, _Unsupported(here, f"a {kind} variant of {type_name} is not understood"))

    def _layout(self, path: tuple[str, ...], type_name: str, entry: Mapping[str, Any]) -> _Layout | _Unsupported:
        try:
            codecs = self._types.members(entry)
        except AbiError as error:
            return _Unsupported(path, str(error))
        for member in entry["members"]:
            if member["kind"] not in ("key", "data"):
                return _Unsupported(path, f"a member of the kind {member['kind']} is not understood")
        members = [(str(member["name"]), str(member["kind"]), codecs[member["name"]]) for member in entry["members"]]
        return _Layout(path, type_name, members)

    def _add(self, path: tuple[str, ...], layout: _Layout | _Unsupported) -> None:
        found = self._layouts.setdefault(tuple(selector(name) for name in path), [])
        twin = isinstance(layout, _Layout) and any(
            isinstance(other, _Layout) and other.type_name == layout.type_name for other in found
        )
        if not twin:
            found.append(layout)
            if isinstance(layout, _Layout):
                self._by_path.setdefault(path, []).append(layout)
        self._depth = max(self._depth, len(path))
