"""A contract's ABI: calls encoded, results, calls and events decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Self, TypeVar

import orjson

from truemark.abi.composites import record_decoder
from truemark.abi.events import EventTable
from truemark.abi.scalars import Codec
from truemark.abi.types import Types
from truemark.abi.values import AbiError, DecodedCall, DecodedEvent, Misfit
from truemark.felt import selector

_T = TypeVar("_T")
_ENTRY_POINTS = ("function", "l1_handler", "constructor")


@dataclass(frozen=True, slots=True)
class Function:
    """A function, an L1 handler or a constructor.

    Types are as the ABI names them. An L1 handler's first input is the sender on L1.
    """

    name: str
    kind: str
    inputs: Mapping[str, str]
    outputs: tuple[str, ...]
    is_view: bool

    @property
    def selector(self) -> int:
        return selector(self.name)


class Abi:
    """Codecs of one contract, compiled from its ABI as they are needed.

    Python values: int for felts, integers, addresses and hashes; bool; str for ByteArray (bytes if it is not UTF-8);
    dict for structs (given: a mapping or an object with `to_abi()`); EnumValue for enums (given: or a variant's name);
    the payload or None for Option; list for Array, Span and fixed arrays; tuple for tuples.

    Args:
        entries: the list of entries, as the compiler writes it. Entries that are there twice count once, so the lists
            of several classes that run on one storage can be joined.

    Raises:
        AbiError: the entries are no ABI, or two functions have one name and differ.
    """

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self._codecs: dict[str, tuple[dict[str, Codec], tuple[Codec, ...]]] = {}
        try:
            self._entries = flat = _flattened(entries)
            self._types = Types(flat)
            self.functions: Mapping[str, Function] = _functions(flat)
        except (KeyError, TypeError, AttributeError) as error:
            raise AbiError(f"not a Cairo 1 ABI: {type(error).__name__} {error}") from None
        self._by_selector = {function.selector: function for function in self.functions.values()}

    @classmethod
    def load(cls, name: str) -> Abi:
        """The shipped ABI of a contract, e.g. "Oracle"; one object for each name.

        Raises:
            AbiError: none of that name is shipped.
        """
        return _shipped(name)

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """From JSON.

        Raises:
            AbiError: it is no ABI.
        """
        try:
            entries = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise AbiError(f"not an ABI: {error}") from None
        if not isinstance(entries, list):
            raise AbiError("not an ABI: a list of entries is")
        return cls(entries)

    def joined(self, *others: Abi) -> Abi:
        """One ABI of several classes that run on one contract's storage.

        Raises:
            AbiError: two of their functions have one name and differ.
        """
        return Abi([entry for abi in (self, *others) for entry in abi._entries])

    @staticmethod
    def shipped() -> tuple[str, ...]:
        """The names that `load` knows."""
        names = [file.name for file in files(__package__).iterdir()]
        return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))

    def function(self, name: str) -> Function:
        """
        Raises:
            AbiError: there is none of that name.
        """
        function = self.functions.get(name)
        if function is None:
            raise AbiError(f"the ABI has no function {name!r}")
        return function

    def by_selector(self, entry_point: int) -> Function | None:
        return self._by_selector.get(entry_point)

    def encode(self, function: str, /, *args: Any, **kwargs: Any) -> tuple[int, ...]:
        """Calldata of a call; arguments by place or by name.

        Raises:
            AbiError: an argument is missing, is too many or does not fit; the message names the path.
        """
        inputs, _ = self._codecs_of(function)
        values = _bound(function, tuple(inputs), args, kwargs)
        out: list[int] = []
        for name, codec in inputs.items():
            _guarded(f"{function}.{name}", codec.encode, values[name], out)
        return tuple(out)

    def decode_result(self, function: str, felts: Sequence[int]) -> Any:
        """What a call returned; None if it returns nothing.

        Raises:
            AbiError: the felts do not fit.
        """
        _, outputs = self._codecs_of(function)
        _check(felts)
        values, at = [], 0
        for codec in outputs:
            value, at = _guarded(function, codec.decode, felts, at)
            values.append(value)
        _ended(function, felts, at)
        if not values:
            return None
        return values[0] if len(values) == 1 else tuple(values)

    def decode_call(self, entry_point: int, calldata: Sequence[int]) -> DecodedCall:
        """A call of a function, an L1 handler (its sender is the first argument) or the constructor.

        Raises:
            AbiError: the ABI has no such entry point, or the felts do not fit.
        """
        function = self._by_selector.get(entry_point)
        if function is None:
            raise AbiError(f"no entry point with the selector {entry_point:#x} in the ABI")
        inputs, _ = self._codecs_of(function.name)
        _check(calldata)
        arguments, at = _guarded(function.name, record_decoder(inputs), calldata, 0)
        _ended(function.name, calldata, at)
        return DecodedCall(function.name, arguments)

    def decode_event(self, keys: Sequence[int], data: Sequence[int]) -> DecodedEvent:
        """
        Raises:
            AbiError: the ABI has no such event, or the felts do not fit it.
        """
        quick = self._events.quick.get(keys[0]) if keys else None
        if quick is not None:
            found = quick.felts(keys, data)
            if found is not None:
                return found
        _check(keys)
        _check(data)
        try:
            return self._events.decode(keys, data)
        except RecursionError:
            raise AbiError("the event is nested too deeply") from None

    def decode_event_texts(self, keys: Sequence[str], data: Sequence[str]) -> DecodedEvent:
        """As `decode_event`, from hexadecimal text as nodes write felts.

        Raises:
            AbiError: as `decode_event`.
            ValueError: a text is no hexadecimal number.
        """
        quick = self._events.quick_texts.get(keys[0]) if keys else None
        if quick is not None:
            found = quick(keys, data)
            if found is not None:
                return found
        return self.decode_event([int(key, 16) for key in keys], [int(felt, 16) for felt in data])

    def event_names(self) -> tuple[str, ...]:
        return self._events.names()

    def show_call(self, call: DecodedCall) -> dict[str, Any]:
        """The arguments as JSON can say them: felts and addresses hexadecimal, integers wider than 32 bits as text."""
        inputs, _ = self._codecs_of(call.name)
        return {name: codec.show(call.arguments[name]) for name, codec in inputs.items()}

    def show_event(self, event: DecodedEvent) -> dict[str, Any]:
        """The fields as JSON can say them; see show_call."""
        return self._events.show(event)

    def addresses_in(self, event: DecodedEvent) -> tuple[int, ...]:
        """The contract addresses among the event's fields, each once; those inside of structs are not looked for."""
        return self._events.addresses(event)

    def show_result(self, function: str, value: Any) -> Any:
        """What `decode_result` gave as JSON can say it; see show_call."""
        _, outputs = self._codecs_of(function)
        if not outputs:
            return None
        if len(outputs) == 1:
            return outputs[0].show(value)
        return [codec.show(part) for codec, part in zip(outputs, value, strict=True)]

    @cached_property
    def _events(self) -> EventTable:
        try:
            return EventTable(self._entries, self._types)
        except (KeyError, TypeError, AttributeError) as error:
            raise AbiError(f"the events are no Cairo 1 ABI: {type(error).__name__} {error}") from None

    def _codecs_of(self, name: str) -> tuple[dict[str, Codec], tuple[Codec, ...]]:
        codecs = self._codecs.get(name)
        if codecs is None:
            function = self.function(name)
            try:
                inputs = {key: self._types.codec(kind) for key, kind in function.inputs.items()}
                codecs = (inputs, tuple(self._types.codec(kind) for kind in function.outputs))
            except (KeyError, TypeError, AttributeError) as error:
                raise AbiError(f"{name}: its types are no Cairo 1 ABI: {type(error).__name__} {error}") from None
            except RecursionError:
                raise AbiError(f"{name}: its types are nested too deeply") from None
            self._codecs[name] = codecs
        return codecs


@cache
def _shipped(name: str) -> Abi:
    if name not in Abi.shipped():
        raise AbiError(f"no ABI {name!r} is shipped; there are {', '.join(Abi.shipped())}")
    return Abi.parse((files(__package__) / f"{name}.json").read_bytes())


def _flattened(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The functions of interfaces beside the others."""
    flat: list[Mapping[str, Any]] = []
    for entry in entries:
        if entry["type"] == "interface":
            flat += entry["items"]
        else:
            flat.append(entry)
    return flat


def _functions(entries: Sequence[Mapping[str, Any]]) -> dict[str, Function]:
    functions: dict[str, Function] = {}
    for entry in entries:
        if entry["type"] not in _ENTRY_POINTS:
            continue
        function = Function(
            name=str(entry["name"]),
            kind=entry["type"],
            inputs={str(item["name"]): str(item["type"]) for item in entry["inputs"]},
            outputs=tuple(str(item["type"]) for item in entry.get("outputs", ())),
            is_view=entry.get("state_mutability") == "view",
        )
        if len(function.inputs) != len(entry["inputs"]):
            raise AbiError(f"{function.name}: two inputs have one name")
        if functions.setdefault(function.name, function) != function:
            raise AbiError(f"two functions {function.name!r} that differ")
    return functions


def _bound(function: str, names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    if len(args) > len(names):
        raise AbiError(f"{function}: {len(args)} arguments for {len(names)} ({', '.join(names)})")
    values = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names:
            raise AbiError(f"{function}: no argument {name!r}; there are {', '.join(names) or 'none'}")
        if name in values:
            raise AbiError(f"{function}.{name}: given twice")
        values[name] = value
    missing = [name for name in names if name not in values]
    if missing:
        raise AbiError(f"{function}: without {', '.join(missing)}")
    return values


def _guarded(path: str, work: Callable[[Any, Any], _T], first: Any, second: Any) -> _T:
    try:
        return work(first, second)
    except Misfit as misfit:
        raise AbiError(f"{misfit.path(path)}: {misfit.message}") from None
    except RecursionError:
        raise AbiError(f"{path}: nested too deeply") from None


def _check(felts: Sequence[int]) -> None:
    if felts and min(felts) < 0:
        raise AbiError("a felt is below 0")


def _ended(path: str, felts: Sequence[int], at: int) -> None:
    if at != len(felts):
        raise AbiError(f"{path}: {len(felts) - at} felts are left over")
