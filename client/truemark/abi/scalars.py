"""Codecs of the types without parts: integers, felts, addresses, booleans, byte arrays, the unit type.

A codec is a set of closures made once for a type. Encoding appends felts to a list; decoding takes felts and a position
and gives the value and the next position; showing turns a decoded value into what JSON can say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Final

from truemark.abi import flat
from truemark.abi.flat import Flat
from truemark.abi.values import Misfit
from truemark.errors import TruemarkError
from truemark.felt import PRIME, short_string

Encode = Callable[[Any, list[int]], None]
Decode = Callable[[Sequence[int], int], tuple[Any, int]]
Show = Callable[[Any], Any]

U128_MAX: Final = 2**128 - 1
#: Addresses and class hashes are below 2^251.
ADDRESS_MAX: Final = 2**251 - 1
BYTES31_MAX: Final = 2**248 - 1
WORD: Final = 31
#: Wider integers are shown as text: readers in other languages take a JSON number for a float.
SHOWN_AS_NUMBER: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Codec:
    """How one type is encoded, decoded and shown."""

    name: str
    encode: Encode
    decode: Decode
    show: Show
    #: The fewest felts of a value.
    least: int
    #: Not None for a value that is its one felt, from 0 to this: runs of those are decoded together.
    plain: int | None = None
    #: The decoded value can be None.
    nullable: bool = False
    #: Not None for a value that always takes the same number of felts.
    flat: Flat | None = None


def same(value: Any) -> Any:
    return value


def integer(value: Any) -> int:
    """An int or what stands for one, such as a NumPy integer; no bool, no float, no text.

    Raises:
        Misfit: it is something else.
    """
    if isinstance(value, bool):
        raise Misfit(f"{value} is a bool; give an int")
    try:
        return index(value)
    except TypeError:
        raise Misfit(f"{brief(value)} is a {type(value).__name__}; give an int") from None


def brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def too_much(limit: int) -> str:
    bits = limit.bit_length()
    return f"2^{bits} or more" if limit == 2**bits - 1 else f"above {limit}"


def next_felt(felts: Sequence[int], at: int) -> int:
    """
    Raises:
        Misfit: there is none left.
    """
    if at < len(felts):
        return felts[at]
    raise Misfit(ENDS)


ENDS: Final = "the felts end here"


def unsigned(
    name: str, limit: int, *, show: Show | None = None, over: str | None = None, convert: Show = integer
) -> Codec:
    """An integer from 0 to `limit`, one felt."""
    over = too_much(limit) if over is None else over

    def check(value: int) -> None:
        if value < 0:
            raise Misfit("below 0")
        if value > limit:
            raise Misfit(over)

    def encode(value: Any, out: list[int]) -> None:
        if type(value) is not int:
            value = convert(value)
        if not 0 <= value <= limit:
            check(value)
        out.append(value)

    def decode(felts: Sequence[int], at: int) -> tuple[int, int]:
        value = next_felt(felts, at)
        if not 0 <= value <= limit:
            check(value)
        return value, at + 1

    if show is None:
        show = same if limit <= SHOWN_AS_NUMBER else str
    return Codec(name, encode, decode, show, 1, plain=limit, flat=flat.unsigned(limit))


def signed(name: str, low: int, high: int) -> Codec:
    """An integer from `low` to `high`; below 0 as the prime less its magnitude."""
    under = f"below -2^{(-low).bit_length() - 1}" if -low & (-low - 1) == 0 else f"below {low}"

    def check(value: int) -> None:
        if value < low:
            raise Misfit(under)
        if value > high:
            raise Misfit(too_much(high))

    def encode(value: Any, out: list[int]) -> None:
        if type(value) is not int:
            value = integer(value)
        if not low <= value <= high:
            check(value)
        out.append(value % PRIME)

    def decode(felts: Sequence[int], at: int) -> tuple[int, int]:
        value = next_felt(felts, at)
        if value > PRIME // 2:
            value -= PRIME
        if not low <= value <= high:
            check(value)
        return value, at + 1

    return Codec(name, encode, decode, same if -low <= SHOWN_AS_NUMBER else str, 1, flat=flat.signed(low, high))


def felt252(name: str) -> Codec:
    """Any felt; a text is taken as a short string, unless it looks like a number."""

    def convert(value: Any) -> int:
        if not isinstance(value, str):
            return integer(value)
        if value[:2].lower() == "0x" or value.lstrip("-").isdecimal():
            raise Misfit(f"{brief(value)} is text that looks like a number; give an int")
        try:
            return short_string(value)
        except TruemarkError as error:
            raise Misfit(str(error)) from None

    return unsigned(name, PRIME - 1, show=hex, over="the prime or more", convert=convert)


def address(name: str, limit: int = ADDRESS_MAX) -> Codec:
    """An address or class hash; a text must be hexadecimal with 0x."""

    def convert(value: Any) -> int:
        if not isinstance(value, str):
            return integer(value)
        try:
            if value[:2].lower() == "0x":
                return int(value, 16)
        except ValueError:
            pass
        raise Misfit(f"{brief(value)} is not an address: 0x and hexadecimal digits are")

    return unsigned(name, limit, show=hex, convert=convert)


def boolean(name: str) -> Codec:
    def encode(value: Any, out: list[int]) -> None:
        if value is not True and value is not False:
            raise Misfit(f"{brief(value)} is not True or False")
        out.append(int(value))

    def decode(felts: Sequence[int], at: int) -> tuple[bool, int]:
        value = next_felt(felts, at)
        if value not in (0, 1):
            raise Misfit(f"{value:#x} is not a bool")
        return value == 1, at + 1

    return Codec(name, encode, decode, same, 1, flat=flat.boolean())


def wide(name: str, limbs: int) -> Codec:
    """u256 and u512: limbs of 128 bits, the lowest first; an int in Python."""
    limit = 2 ** (128 * limbs) - 1

    def encode(value: Any, out: list[int]) -> None:
        if type(value) is not int:
            value = integer(value)
        if not 0 <= value <= limit:
            raise Misfit("below 0" if value < 0 else too_much(limit))
        for _ in range(limbs):
            out.append(value & U128_MAX)
            value >>= 128

    def decode(felts: Sequence[int], at: int) -> tuple[int, int]:
        parts = felts[at : at + limbs]
        if len(parts) < limbs:
            raise Misfit(ENDS)
        if max(parts) > U128_MAX or min(parts) < 0:
            raise Misfit(f"a limb of {name.rpartition('::')[2]} is 2^128 or more")
        value = 0
        for part in reversed(parts):
            value = value << 128 | part
        return value, at + limbs

    return Codec(name, encode, decode, str, limbs, flat=flat.wide(limbs))


def byte_array(name: str) -> Codec:
    """ByteArray: text if it is UTF-8, else bytes. Words of 31 bytes, then the rest and how long it is."""

    def encode(value: Any, out: list[int]) -> None:
        if isinstance(value, str):
            try:
                value = value.encode()
            except UnicodeEncodeError:
                raise Misfit(f"{brief(value)} cannot be written in UTF-8") from None
        elif not isinstance(value, bytes | bytearray):
            raise Misfit(f"{brief(value)} is a {type(value).__name__}; give text or bytes")
        words = len(value) // WORD
        out.append(words)
        out += (int.from_bytes(value[at : at + WORD], "big") for at in range(0, words * WORD, WORD))
        rest = value[words * WORD :]
        out += (int.from_bytes(rest, "big"), len(rest))

    def decode(felts: Sequence[int], at: int) -> tuple[str | bytes, int]:
        words = next_felt(felts, at)
        at += 1
        end = at + words
        if end + 2 > len(felts):
            raise Misfit(ENDS)
        rest, size = felts[end], felts[end + 1]
        if size >= WORD:
            raise Misfit(f"a ByteArray's rest has {size} bytes; {WORD - 1} at most can be")
        try:
            data = b"".join([word.to_bytes(WORD, "big") for word in felts[at:end]]) + rest.to_bytes(size, "big")
        except OverflowError:
            raise Misfit("a word of a ByteArray has more bytes than its place") from None
        try:
            return data.decode(), end + 2
        except UnicodeDecodeError:
            return data, end + 2

    def show(value: str | bytes) -> str:
        return value if isinstance(value, str) else "0x" + value.hex()

    return Codec(name, encode, decode, show, 3)


def unit(name: str) -> Codec:
    """The type without a value: (), no felt."""

    def encode(value: Any, out: list[int]) -> None:
        if value is not None and value != ():
            raise Misfit(f"{brief(value)} is no unit; give None or ()")

    def decode(felts: Sequence[int], at: int) -> tuple[tuple[()], int]:
        return (), at

    return Codec(name, encode, decode, list, 0)


def _scalars() -> dict[str, Codec]:
    codecs = [
        felt252("core::felt252"),
        boolean("core::bool"),
        unsigned("core::bytes_31::bytes31", BYTES31_MAX, show=hex),
        unsigned("core::integer::usize", 2**32 - 1),
        address("core::starknet::contract_address::ContractAddress"),
        address("core::starknet::class_hash::ClassHash"),
        address("core::starknet::storage_access::StorageAddress"),
        address("core::starknet::eth_address::EthAddress", 2**160 - 1),
        wide("core::integer::u256", 2),
        wide("core::integer::u512", 4),
        byte_array("core::byte_array::ByteArray"),
        unit("()"),
    ]
    codecs += [unsigned(f"core::integer::u{bits}", 2**bits - 1) for bits in (8, 16, 32, 64, 96, 128)]
    codecs += [
        signed(f"core::integer::i{bits}", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64, 128)
    ]
    return {codec.name: codec for codec in codecs}


#: By the name that an ABI has for the type.
SCALARS: Final = _scalars()
