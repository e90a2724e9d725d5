"""The codec against felts written by hand after Cairo's Serde, and random types and values both ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from truemark.abi import Abi, AbiError, EnumValue
from truemark.felt import PRIME, selector, short_string

U8, U32, U64, U128, U256 = (f"core::integer::u{bits}" for bits in (8, 32, 64, 128, 256))
FELT, BOOL, ADDRESS = "core::felt252", "core::bool", "core::starknet::contract_address::ContractAddress"
STRUCTS: list[dict[str, Any]] = [
    {"type": "struct", "name": "t::Entry", "members": [{"name": "market", "type": U8}, {"name": "price", "type": U64}]},
    {"type": "struct", "name": "t::Pair::<core::integer::u8>", "members": [{"name": "a", "type": U8}]},
    {
        "type": "struct",
        "name": "t::Pair::<core::integer::u256>",
        "members": [{"name": "a", "type": "core::integer::u256"}],
    },
    {"type": "struct", "name": "t::Empty", "members": []},
    {"type": "struct", "name": "t::Tree", "members": [{"name": "leaves", "type": "core::array::Array::<t::Tree>"}]},
    {
        "type": "enum",
        "name": "t::Action",
        "variants": [
            {"name": "Stop", "type": "()"},
            {"name": "Move", "type": "t::Entry"},
            {"name": "Set", "type": "(core::integer::u8, core::felt252)"},
        ],
    },
    {
        "type": "enum",
        "name": "core::result::Result::<core::integer::u8, core::felt252>",
        "variants": [{"name": "Ok", "type": U8}, {"name": "Err", "type": FELT}],
    },
    # The compiler lists what has a codec of its own, too.
    {
        "type": "enum",
        "name": f"core::option::Option::<{U64}>",
        "variants": [{"name": "Some", "type": U64}, {"name": "None", "type": "()"}],
    },
    {
        "type": "struct",
        "name": "core::integer::u256",
        "members": [{"name": "low", "type": U128}, {"name": "high", "type": U128}],
    },
]


def abi_of(kind: str) -> Abi:
    """An ABI with a function `f` that takes `v` of the type and returns the same."""
    function = {"type": "function", "name": "f", "inputs": [{"name": "v", "type": kind}], "outputs": [{"type": kind}]}
    return Abi([*STRUCTS, {**function, "state_mutability": "view"}])


GOLDEN: list[tuple[str, Any, list[int]]] = [
    (FELT, PRIME - 1, [PRIME - 1]),
    (BOOL, True, [1]),
    (BOOL, False, [0]),
    ("core::integer::i8", -128, [PRIME - 128]),
    ("core::integer::i128", -1, [PRIME - 1]),
    ("core::integer::i128", 2**127 - 1, [2**127 - 1]),
    ("core::integer::u256", 2**128 + 7, [7, 1]),
    ("core::integer::u512", 2**384 + 2**128, [0, 1, 0, 1]),
    (ADDRESS, 2**251 - 1, [2**251 - 1]),
    ("core::starknet::eth_address::EthAddress", 2**160 - 1, [2**160 - 1]),
    ("core::bytes_31::bytes31", 2**248 - 1, [2**248 - 1]),
    ("core::internal::bounded_int::BoundedInt::<-5, 5>", -5, [PRIME - 5]),
    ("core::internal::bounded_int::BoundedInt::<0, 10>", 10, [10]),
    ("()", (), []),
    ("t::Empty", {}, []),
    (f"({U8}, {FELT})", (1, 2), [1, 2]),
    (f"({U8},)", (1,), [1]),
    (f"[{U8}; 3]", [1, 2, 3], [1, 2, 3]),
    (f"[({U8}, [{U8}; 2]); 2]", [(1, [2, 3]), (4, [5, 6])], [1, 2, 3, 4, 5, 6]),
    (f"core::array::Array::<{U8}>", [], [0]),
    (f"@core::array::Array::<{U8}>", [9], [1, 9]),
    (f"core::array::Span::<core::array::Array::<{U8}>>", [[1], [], [2, 3]], [3, 1, 1, 0, 2, 2, 3]),
    ("core::array::Array::<()>", [(), ()], [2]),
    (f"core::option::Option::<{U64}>", 5, [0, 5]),
    (f"core::option::Option::<{U64}>", None, [1]),
    ("core::option::Option::<()>", (), [0]),
    ("core::option::Option::<()>", None, [1]),
    (f"core::option::Option::<core::option::Option::<{U8}>>", EnumValue("Some", 3), [0, 0, 3]),
    (f"core::option::Option::<core::option::Option::<{U8}>>", EnumValue("Some", None), [0, 1]),
    (f"core::option::Option::<core::option::Option::<{U8}>>", None, [1]),
    ("core::result::Result::<core::integer::u8, core::felt252>", EnumValue("Ok", 3), [0, 3]),
    ("core::result::Result::<core::integer::u8, core::felt252>", EnumValue("Err", 9), [1, 9]),
    (f"core::zeroable::NonZero::<{U128}>", 1, [1]),
    ("core::zeroable::NonZero::<core::integer::u256>", 2**128, [0, 1]),
    ("t::Entry", {"market": 1, "price": 2}, [1, 2]),
    ("t::Pair::<core::integer::u8>", {"a": 200}, [200]),
    ("t::Pair::<core::integer::u256>", {"a": 200}, [200, 0]),
    ("t::Action", EnumValue("Stop"), [0]),
    ("t::Action", EnumValue("Move", {"market": 1, "price": 2}), [1, 1, 2]),
    ("t::Action", EnumValue("Set", (1, 2)), [2, 1, 2]),
    ("t::Tree", {"leaves": [{"leaves": []}, {"leaves": [{"leaves": []}]}]}, [2, 0, 1, 0]),
    ("core::byte_array::ByteArray", "", [0, 0, 0]),
    ("core::byte_array::ByteArray", "hello", [0, 0x68656C6C6F, 5]),
    ("core::byte_array::ByteArray", "a" * 31, [1, int.from_bytes(b"a" * 31, "big"), 0, 0]),
    ("core::byte_array::ByteArray", "a" * 32, [1, int.from_bytes(b"a" * 31, "big"), 0x61, 1]),
    ("core::byte_array::ByteArray", "\0é", [0, 0x00C3A9, 3]),
    ("core::byte_array::ByteArray", b"\xff\x00", [0, 0xFF00, 2]),
]


@pytest.mark.parametrize(("kind", "value", "felts"), GOLDEN)
def test_a_value_is_encoded_and_decoded_as_cairo_does(kind: str, value: Any, felts: list[int]) -> None:
    abi = abi_of(kind)
    assert list(abi.encode("f", value)) == felts
    assert abi.decode_result("f", felts) == value
    assert abi.decode_call(selector("f"), felts).arguments == {"v": value}


@pytest.mark.parametrize(("kind", "value", "felts"), GOLDEN)
def test_a_felt_too_many_or_too_few_is_an_error(kind: str, value: Any, felts: list[int]) -> None:
    abi = abi_of(kind)
    with pytest.raises(AbiError, match="left over"):
        abi.decode_result("f", [*felts, 0])
    if felts:
        with pytest.raises(AbiError):
            abi.decode_result("f", felts[:-1])


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (U64, 2**64, "f.v: 2^64 or more"),
        (U64, -1, "f.v: below 0"),
        (U64, True, "f.v: True is a bool; give an int"),
        (U64, 1.5, "f.v: 1.5 is a float; give an int"),
        (U64, "5", "f.v: '5' is a str; give an int"),
        ("core::integer::i8", -129, "f.v: below -2^7"),
        ("core::integer::i8", 128, "f.v: 2^7 or more"),
        ("core::internal::bounded_int::BoundedInt::<0, 10>", 11, "f.v: above 10"),
        (FELT, PRIME, "f.v: the prime or more"),
        (FELT, "0x12", "f.v: '0x12' is text that looks like a number; give an int"),
        (ADDRESS, "BTC", "f.v: 'BTC' is not an address: 0x and hexadecimal digits are"),
        (ADDRESS, 2**251, "f.v: 2^251 or more"),
        (BOOL, 1, "f.v: 1 is not True or False"),
        ("core::integer::u256", 2**256, "f.v: 2^256 or more"),
        (f"core::array::Array::<({U8}, {U8})>", [(1, 2), (3, 256)], "f.v[1].1: 2^8 or more"),
        ("core::array::Array::<t::Entry>", [{"market": 1, "price": 2**64}], "f.v[0].price: 2^64 or more"),
        (f"core::array::Array::<{U8}>", "abc", "f.v: 'abc' is a str; give a list"),
        (f"[{U8}; 2]", [1], "f.v: 1 elements for 2"),
        ("t::Entry", {"market": 1}, "f.v: without price"),
        ("t::Entry", {"market": 1, "price": 2, "size": 3}, "f.v: unknown fields: size"),
        ("t::Entry", 5, "f.v: 5 is a int; give a mapping"),
        ("t::Action", "Jump", "f.v: no variant 'Jump'; there are Stop, Move, Set"),
        ("t::Action", EnumValue("Move", {"market": 256, "price": 1}), "f.v.Move.market: 2^8 or more"),
        ("t::Action", EnumValue("Stop", 1), "f.v.Stop: 1 for a variant without payload"),
        (f"core::zeroable::NonZero::<{U128}>", 0, "f.v: 0, and it may not be"),
        ("core::byte_array::ByteArray", "\ud800", "f.v: '\\ud800' cannot be written in UTF-8"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(kind: str, value: Any, message: str) -> None:
    with pytest.raises(AbiError) as error:
        abi_of(kind).encode("f", value)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("kind", "felts", "message"),
    [
        (U64, [2**64], "f: 2^64 or more"),
        ("core::integer::i64", [2**63], "f: 2^63 or more"),
        ("core::integer::i64", [PRIME - 2**63 - 1], "f: below -2^63"),
        (BOOL, [2], "f: 0x2 is not a bool"),
        (f"core::option::Option::<{U8}>", [2], "f: 0x2 is no variant of Option"),
        ("t::Action", [3], "f: no variant 3; there are 3"),
        ("t::Action", [1, 256, 0], "f.Move.market: 2^8 or more"),
        ("core::array::Array::<t::Entry>", [2, 1, 2, 1, 2**64], "f[1].price: 2^64 or more"),
        ("core::array::Array::<t::Entry>", [2**60, 1, 2], "f: 1152921504606846976 elements do not fit"),
        ("core::array::Array::<()>", [2**40], "f: 1099511627776 elements do not fit"),
        ("core::integer::u256", [2**128, 0], "f: a limb of u256 is 2^128 or more"),
        ("core::zeroable::NonZero::<core::integer::u256>", [0, 0], "f: 0, and it may not be"),
        ("core::byte_array::ByteArray", [0, 0x6868, 1], "f: a word of a ByteArray has more bytes"),
        ("core::byte_array::ByteArray", [0, 0, 31], "f: a ByteArray's rest has 31 bytes"),
        ("core::byte_array::ByteArray", [1, 2**248, 0, 0], "f: a word of a ByteArray has more bytes"),
        (FELT, [-1], "a felt is below 0"),
        ("t::Tree", [1] * 100_000, "f: nested too deeply"),
    ],
)
def test_felts_that_are_no_such_value_are_refused(kind: str, felts: list[int], message: str) -> None:
    with pytest.raises(AbiError) as error:
        abi_of(kind).decode_result("f", felts)
    assert str(error.value).startswith(message)


def test_a_short_string_and_a_hexadecimal_address_are_taken_as_what_they_are() -> None:
    assert abi_of(FELT).encode("f", "BTC-USD-PERP") == (short_string("BTC-USD-PERP"),)
    assert abi_of(ADDRESS).encode("f", "0x0012") == (0x12,)


def test_an_object_with_to_abi_is_a_struct_and_a_name_is_a_variant_without_payload() -> None:
    @dataclass
    class Entry:
        market: int

        def to_abi(self) -> dict[str, int]:
            return {"market": self.market, "price": 7}

    assert abi_of("t::Entry").encode("f", Entry(3)) == (3, 7)
    assert abi_of("t::Action").encode("f", "Stop") == (0,)


def test_arguments_are_bound_by_place_and_by_name() -> None:
    inputs = [{"name": "a", "type": U8}, {"name": "from", "type": U8}]
    abi = Abi([{"type": "function", "name": "g", "inputs": inputs, "outputs": [], "state_mutability": "external"}])
    assert abi.encode("g", 1, 2) == abi.encode("g", 1, **{"from": 2}) == (1, 2)
    assert abi.decode_result("g", []) is None
    for args, kwargs, message in [
        ((1,), {}, "g: without from"),
        ((1, 2, 3), {}, "g: 3 arguments for 2 (a, from)"),
        ((1,), {"a": 1, "from": 2}, "g.a: given twice"),
        ((1, 2), {"b": 3}, "g: no argument 'b'; there are a, from"),
    ]:
        with pytest.raises(AbiError) as error:
            abi.encode("g", *args, **kwargs)
        assert str(error.value) == message
    with pytest.raises(AbiError, match="no function 'h'"):
        abi.encode("h")


def test_entry_points_of_interfaces_handlers_and_constructors_are_found() -> None:
    abi = Abi(
        [
            {"type": "impl", "name": "I", "interface_name": "t::I"},
            {
                "type": "interface",
                "name": "t::I",
                "items": [{"type": "function", "name": "f", "inputs": [], "outputs": [], "state_mutability": "view"}],
            },
            {"type": "constructor", "name": "constructor", "inputs": [{"name": "key", "type": FELT}]},
            {
                "type": "l1_handler",
                "name": "credit",
                "inputs": [{"name": "from_address", "type": FELT}, {"name": "amount", "type": U128}],
                "outputs": [],
                "state_mutability": "external",
            },
        ]
    )
    assert abi.functions["f"].is_view
    assert abi.encode("constructor", 5) == (5,)
    call = abi.decode_call(selector("credit"), [0xABC, 10])
    assert (call.name, call.arguments) == ("credit", {"from_address": 0xABC, "amount": 10})
    with pytest.raises(AbiError, match="no entry point with the selector"):
        abi.decode_call(selector("debit"), [])


def test_what_is_shown_is_json_and_keeps_every_digit() -> None:
    kind = f"({FELT}, {U32}, {U64}, core::integer::i128, {BOOL}, core::byte_array::ByteArray, t::Action)"
    abi = abi_of(kind)
    value = (255, 1, 2**60, -(2**100), True, b"\xff", EnumValue("Move", {"market": 1, "price": 2}))
    shown = abi.show_result("f", abi.decode_result("f", abi.encode("f", value)))
    assert shown == ["0xff", 1, str(2**60), str(-(2**100)), True, "0xff", {"Move": {"market": 1, "price": "2"}}]


@pytest.mark.parametrize(
    "entries",
    [
        [{"name": "f"}],
        [5],
        [{"type": "function", "name": "f", "inputs": 5}],
        [{"type": "struct"}],
        [{"type": "interface", "items": [{"type": "function"}]}],
    ],
)
def test_what_is_no_abi_is_said_to_be_none(entries: list[Any]) -> None:
    with pytest.raises(AbiError, match="not a Cairo 1 ABI"):
        Abi(entries)


@pytest.mark.parametrize(
    "kind", ["t::Nothing", "(core::felt252", "[core::felt252]", "[core::felt252; x]", "<", "", "(" * 5000]
)
def test_an_unknown_type_only_stops_the_functions_that_use_it(kind: str) -> None:
    entries = [
        {"type": "function", "name": name, "inputs": [{"name": "v", "type": type_name}], "outputs": []}
        for name, type_name in [("good", U8), ("bad", kind)]
    ]
    abi = Abi(entries)
    assert abi.encode("good", 1) == (1,)
    with pytest.raises(AbiError):
        abi.encode("bad", 1)


def test_one_name_for_two_functions_is_an_error_unless_they_are_the_same() -> None:
    entry = {"type": "function", "name": "f", "inputs": [], "outputs": []}
    assert Abi([entry, entry]).encode("f") == ()
    with pytest.raises(AbiError, match="two functions 'f' that differ"):
        Abi([entry, {**entry, "outputs": [{"type": U8}]}])


# --- random types and values

INTEGERS = {f"core::integer::u{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64, 128, 256, 512)}
INTEGERS |= {f"core::integer::i{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64, 128)}
INTEGERS |= {FELT: (0, PRIME - 1), ADDRESS: (0, 2**251 - 1), "core::bytes_31::bytes31": (0, 2**248 - 1)}


@dataclass(frozen=True)
class Kind:
    """A type: its name, the ABI entries that it needs, and its values."""

    name: str
    entries: tuple[Any, ...]
    values: st.SearchStrategy[Any]
    nullable: bool = False


def _bytes_as_decoded(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


LEAVES = st.one_of(
    st.sampled_from(sorted(INTEGERS)).map(lambda name: Kind(name, (), st.integers(*INTEGERS[name]))),
    st.just(Kind(BOOL, (), st.booleans())),
    st.just(Kind("()", (), st.just(()))),
    st.just(Kind("core::byte_array::ByteArray", (), st.binary(max_size=70).map(_bytes_as_decoded))),
    st.just(Kind("core::byte_array::ByteArray", (), st.text(max_size=40))),
)


def _array(kind: Kind) -> Kind:
    return Kind(f"core::array::Span::<{kind.name}>", kind.entries, st.lists(kind.values, max_size=4))


def _option(kind: Kind) -> Kind:
    some = kind.values.map(lambda value: EnumValue("Some", value)) if kind.nullable else kind.values
    return Kind(f"core::option::Option::<{kind.name}>", kind.entries, st.one_of(st.none(), some), nullable=True)


def _fixed(kind: Kind, length: int) -> Kind:
    return Kind(f"[{kind.name}; {length}]", kind.entries, st.lists(kind.values, min_size=length, max_size=length))


def _tuple(kinds: list[Kind]) -> Kind:
    name = f"({', '.join(kind.name for kind in kinds)}{',' if len(kinds) == 1 else ''})"
    return Kind(name, _entries(kinds), st.tuples(*(kind.values for kind in kinds)))


def _struct(kinds: list[Kind], number: int) -> Kind:
    name = f"t::Struct{number}::<{len(kinds)}, {_digest(kinds)}>"
    members = [{"name": f"m{place}", "type": kind.name} for place, kind in enumerate(kinds)]
    entry = {"type": "struct", "name": name, "members": members}
    return Kind(
        name,
        (*_entries(kinds), entry),
        st.fixed_dictionaries({f"m{place}": kind.values for place, kind in enumerate(kinds)}),
    )


def _enum(kinds: list[Kind], number: int) -> Kind:
    name = f"t::Enum{number}::<{len(kinds)}, {_digest(kinds)}>"
    entry = {
        "type": "enum",
        "name": name,
        "variants": [{"name": f"V{place}", "type": kind.name} for place, kind in enumerate(kinds)],
    }

    def of(place: int, kind: Kind) -> st.SearchStrategy[EnumValue]:
        if kind.name == "()":
            return st.just(EnumValue(f"V{place}"))
        return kind.values.map(lambda value: EnumValue(f"V{place}", value))

    return Kind(name, (*_entries(kinds), entry), st.one_of([of(place, kind) for place, kind in enumerate(kinds)]))


def _digest(kinds: list[Kind]) -> int:
    return crc32(repr([kind.name for kind in kinds]).encode())


def _entries(kinds: list[Kind]) -> tuple[Any, ...]:
    return tuple(entry for kind in kinds for entry in kind.entries)


def _composites(kinds: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    several = st.lists(kinds, min_size=1, max_size=4)
    return st.one_of(
        kinds.map(_array),
        kinds.map(_option),
        st.builds(_fixed, kinds, st.integers(0, 3)),
        several.map(_tuple),
        st.builds(_struct, several, st.integers(0, 99)),
        st.builds(_enum, several, st.integers(0, 99)),
    )


KINDS = st.recursive(LEAVES, _composites, max_leaves=8)


@settings(deadline=None)
@given(st.data())
def test_what_is_encoded_decodes_to_the_same_value(data: st.DataObject) -> None:
    kind = data.draw(KINDS)
    value = data.draw(kind.values)
    function = {"type": "function", "name": "f", "inputs": [{"name": "v", "type": kind.name}]}
    abi = Abi([*kind.entries, {**function, "outputs": [{"type": kind.name}]}])
    felts = abi.encode("f", value)
    assert all(0 <= felt < PRIME for felt in felts)
    assert abi.decode_result("f", felts) == value
    assert abi.encode("f", abi.decode_result("f", felts)) == felts
    with pytest.raises(AbiError):
        abi.decode_result("f", [*felts, 1])


@settings(deadline=None)
@given(KINDS, st.lists(st.one_of(st.integers(0, 5), st.integers(0, PRIME - 1)), max_size=12))
def test_whatever_decodes_encodes_to_the_same_felts(kind: Kind, felts: list[int]) -> None:
    function = {"type": "function", "name": "f", "inputs": [{"name": "v", "type": kind.name}]}
    abi = Abi([*kind.entries, {**function, "outputs": [{"type": kind.name}]}])
    try:
        value = abi.decode_result("f", felts)
    except AbiError:
        return
    assert list(abi.encode("f", value)) == felts
