"""Events against keys and data written by hand, for each way that an ABI can name them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark.abi import Abi, AbiError, DecodedEvent, EnumValue
from truemark.felt import PRIME, selector

U8, U64, I64 = "core::integer::u8", "core::integer::u64", "core::integer::i64"
ADDRESS = "core::starknet::contract_address::ContractAddress"
U256 = "core::integer::u256"


def struct(name: str, *members: tuple[str, str, str]) -> dict[str, Any]:
    fields = [{"name": field, "type": kind, "kind": place} for field, kind, place in members]
    return {"type": "event", "name": name, "kind": "struct", "members": fields}


def enum(name: str, *variants: tuple[str, str, str]) -> dict[str, Any]:
    entries = [{"name": variant, "type": kind, "kind": how} for variant, kind, how in variants]
    return {"type": "event", "name": name, "kind": "enum", "variants": entries}


#: The root comes first, before what it holds.
ENTRIES: list[dict[str, Any]] = [
    enum(
        "t::Contract::Event",
        ("Transfer", "t::Transfer", "nested"),
        ("Mixed", "t::Mixed", "nested"),
        ("Pausable", "t::Pausable::Event", "nested"),
        ("Access", "t::Access::Event", "flat"),
        ("Odd", "t::Odd", "nested"),
        ("ModeChanged", "t::ModeChanged", "nested"),
        ("Empty", "t::Empty", "nested"),
    ),
    enum("t::Pausable::Event", ("Paused", "t::Paused", "nested"), ("Inner", "t::Inner::Event", "flat")),
    enum("t::Inner::Event", ("Deep", "t::Deep", "nested")),
    enum("t::Access::Event", ("RoleGranted", "t::RoleGranted", "nested"), ("Deeper", "t::Deeper::Event", "flat")),
    enum("t::Deeper::Event", ("Renamed", "t::RoleGranted", "nested")),
    struct("t::Transfer", ("from", ADDRESS, "key"), ("to", ADDRESS, "key"), ("value", U256, "data")),
    struct(
        "t::Mixed",
        ("price", U64, "data"),
        ("market", U8, "key"),
        ("size", I64, "data"),
        ("wide", U256, "key"),
        ("tail", "core::array::Span::<core::integer::u8>", "data"),
    ),
    struct("t::Paused", ("by", ADDRESS, "data")),
    struct("t::Deep", ("level", U8, "key")),
    struct("t::RoleGranted", ("role", "core::felt252", "key"), ("account", ADDRESS, "key")),
    struct("t::Odd", ("what", "t::Missing", "data")),
    struct("t::ModeChanged", ("from", "t::Mode", "data"), ("to", "t::Mode", "data")),
    struct("t::Empty"),
    {
        "type": "enum",
        "name": "t::Mode",
        "variants": [{"name": "Halted", "type": "()"}, {"name": "Full", "type": "()"}],
    },
]
CONTRACT = Abi(ENTRIES)


def keys(*path: str) -> list[int]:
    return [selector(name) for name in path]


def test_fields_named_as_python_keywords_are_fields_like_others() -> None:
    event = CONTRACT.decode_event([*keys("Transfer"), 1, 2], [5, 1])
    assert (event.name, event.fields) == ("Transfer", {"from": 1, "to": 2, "value": 5 + 2**128})
    assert list(event.fields) == ["from", "to", "value"]


def test_keys_after_data_members_are_read_from_the_keys() -> None:
    event = CONTRACT.decode_event([*keys("Mixed"), 3, 7, 1], [99, PRIME - 5, 2, 8, 9])
    assert event.fields == {"price": 99, "market": 3, "size": -5, "wide": 7 + 2**128, "tail": [8, 9]}
    assert list(event.fields) == ["price", "market", "size", "wide", "tail"]


def test_nested_enums_add_a_selector_each_and_flat_ones_none() -> None:
    paused = CONTRACT.decode_event(keys("Pausable", "Paused"), [4])
    assert (paused.name, paused.path, paused.fields) == ("Paused", ("Pausable", "Paused"), {"by": 4})
    deep = CONTRACT.decode_event([*keys("Pausable", "Deep"), 1], [])
    assert (deep.path, deep.fields) == (("Pausable", "Deep"), {"level": 1})
    granted = CONTRACT.decode_event([*keys("RoleGranted"), 5, 6], [])
    assert (granted.path, granted.fields) == (("RoleGranted",), {"role": 5, "account": 6})
    renamed = CONTRACT.decode_event([*keys("Renamed"), 5, 6], [])
    assert renamed.name == "Renamed"


def test_enums_inside_events_and_events_without_members() -> None:
    event = CONTRACT.decode_event(keys("ModeChanged"), [1, 0])
    assert event.fields == {"from": EnumValue("Full"), "to": EnumValue("Halted")}
    assert CONTRACT.show_event(event) == {"from": "Full", "to": "Halted"}
    assert CONTRACT.decode_event(keys("Empty"), []).fields == {}


@pytest.mark.parametrize(
    ("event_keys", "data", "message"),
    [
        ([], [], "an event without keys"),
        (keys("Unknown"), [], f"no event with the key {selector('Unknown'):#x} in the ABI"),
        (keys("Pausable"), [4], f"no event with the key {selector('Pausable'):#x} in the ABI"),
        (keys("Paused"), [4], f"no event with the key {selector('Paused'):#x} in the ABI"),
        ([*keys("Transfer"), 1], [5, 1], "Transfer.to: the felts end here"),
        ([*keys("Transfer"), 1, 2, 3], [5, 1], "Transfer: 1 keys are left over"),
        ([*keys("Transfer"), 1, 2], [5, 1, 1], "Transfer: 1 felts of data are left over"),
        ([*keys("Transfer"), 1, 2], [5], "Transfer.value: the felts end here"),
        ([*keys("Transfer"), 1, 2**251], [5, 1], "Transfer.to: 2^251 or more"),
        (keys("Odd"), [1], "Odd: the ABI has no type 't::Missing'"),
    ],
)
def test_what_does_not_fit_says_why(event_keys: list[int], data: list[int], message: str) -> None:
    with pytest.raises(AbiError) as error:
        CONTRACT.decode_event(event_keys, data)
    assert str(error.value) == message


def test_the_same_name_in_two_enums_is_told_apart_by_its_path() -> None:
    abi = Abi(
        [
            enum("t::Event", ("A", "t::A::Event", "nested"), ("B", "t::B::Event", "nested")),
            enum("t::A::Event", ("Set", "t::A::Set", "nested")),
            enum("t::B::Event", ("Set", "t::B::Set", "nested")),
            struct("t::A::Set", ("x", U8, "data")),
            struct("t::B::Set", ("y", U8, "data")),
        ]
    )
    assert abi.decode_event(keys("A", "Set"), [1]).fields == {"x": 1}
    assert abi.decode_event(keys("B", "Set"), [1]).fields == {"y": 1}


def test_joined_abis_decode_an_event_that_only_one_layout_fits_and_refuse_what_two_fit() -> None:
    first = [enum("t::A::Event", ("Set", "t::A::Set", "nested")), struct("t::A::Set", ("x", U8, "data"))]
    second = [enum("t::B::Event", ("Set", "t::B::Set", "nested")), struct("t::B::Set", ("y", U8, "data"))]
    third = [enum("t::C::Event", ("Set", "t::C::Set", "nested")), struct("t::C::Set", ("z", U256, "data"))]
    abi = Abi([*first, *second, *third])
    assert abi.decode_event(keys("Set"), [1, 0]).fields == {"z": 1}
    with pytest.raises(AbiError, match="several events of the ABI fit"):
        abi.decode_event(keys("Set"), [1])
    # A component's enum that several classes embed is the same event each time.
    twice = Abi([*first, enum("t::D::Event", ("A", "t::A::Event", "flat"), ("Set", "t::A::Set", "nested"))])
    assert twice.decode_event(keys("Set"), [1]).fields == {"x": 1}


@pytest.mark.parametrize(
    "entries",
    [
        [enum("t::Event", ("Set", "t::Set", "nested"))],
        [enum("t::Event", ("Set", "t::Set", "key")), struct("t::Set")],
        [enum("t::Event", ("Set", "t::Set", "flat")), struct("t::Set")],
        [enum("t::Event", ("Set", "t::Set", "nested")), struct("t::Set", ("x", U8, "nested"))],
    ],
)
def test_a_variant_that_is_not_understood_says_so_when_it_is_met(entries: list[Any]) -> None:
    with pytest.raises(AbiError, match=r"Set: a .* is not understood"):
        Abi(entries).decode_event(keys("Set"), [1])


def test_an_enum_that_holds_itself_is_refused() -> None:
    entries = [
        enum("t::Event", ("A", "t::A", "nested")),
        enum("t::A", ("B", "t::A", "flat"), ("C", "t::C", "nested")),
    ]
    with pytest.raises(AbiError, match="holds itself"):
        Abi(entries).decode_event(keys("A", "C"), [])


def test_an_event_of_the_old_form_is_no_cairo_1_event() -> None:
    old = {"type": "event", "name": "Transfer", "inputs": [{"name": "value", "type": U8}]}
    with pytest.raises(AbiError, match="no event with the key"):
        Abi([old]).decode_event(keys("Transfer"), [1])


#: Types of members, and what each may be.
FLAT: dict[str, st.SearchStrategy[Any]] = {
    "core::felt252": st.integers(0, PRIME - 1),
    U8: st.integers(0, 255),
    U64: st.integers(0, 2**64 - 1),
    I64: st.integers(-(2**63), 2**63 - 1),
    "core::integer::i128": st.integers(-(2**127), 2**127 - 1),
    ADDRESS: st.integers(0, 2**251 - 1),
    U256: st.integers(0, 2**256 - 1),
    "core::integer::u512": st.integers(0, 2**512 - 1),
    "core::bool": st.booleans(),
    # Not flat: of varying size.
    "core::byte_array::ByteArray": st.text(st.characters(codec="utf8"), max_size=70),
    "core::array::Array::<core::integer::u8>": st.lists(st.integers(0, 255), max_size=4),
    "core::option::Option::<core::integer::u64>": st.none() | st.integers(0, 2**64 - 1),
    "t::Pair": st.fixed_dictionaries({'it\'s "a"': st.integers(0, 255), "wide": st.integers(0, 2**256 - 1)}),
}
PAIR = {
    "type": "struct",
    "name": "t::Pair",
    "members": [{"name": 'it\'s "a"', "type": U8}, {"name": "wide", "type": U256}],
}


@given(st.data(), st.lists(st.tuples(st.sampled_from(sorted(FLAT)), st.sampled_from(["key", "data"])), max_size=8))
def test_events_decode_in_few_steps_to_what_their_members_say(
    data: st.DataObject, kinds: list[tuple[str, str]]
) -> None:
    members = [(f"member {place}", kind, where) for place, (kind, where) in enumerate(kinds)]
    functions = [
        {
            "type": "function",
            "name": f"take {name}",
            "inputs": [{"name": "value", "type": kind}],
            "outputs": [],
            "state_mutability": "view",
        }
        for name, kind, _ in members
    ]
    abi = Abi([PAIR, *functions, struct("t::E", *members), enum("t::Event", ("E", "t::E", "nested"))])
    values = {name: data.draw(FLAT[kind]) for name, kind, _ in members}
    felts: dict[str, list[int]] = {"key": [selector("E")], "data": []}
    for name, _, where in members:
        felts[where].extend(abi.encode(f"take {name}", values[name]))
    event = abi.decode_event(felts["key"], felts["data"])
    assert event == DecodedEvent("E", values, ("E",))
    assert list(event.fields) == list(values)
    texts = {where: [hex(felt) for felt in part] for where, part in felts.items()}
    assert abi.decode_event_texts(texts["key"], texts["data"]) == event
    # A felt changed, missing or too many is refused or read as the members one by one read it.
    spoilt = {where: list(part) for where, part in felts.items()}
    where = data.draw(st.sampled_from(["key", "data"]))
    how = data.draw(st.sampled_from(["more", "less", "other"]))
    if how == "more":
        spoilt[where].append(data.draw(st.integers(-1, PRIME)))
    elif len(spoilt[where]) > (where == "key"):
        last = spoilt[where].pop()
        if how == "other":
            spoilt[where].append(data.draw(st.sampled_from([last + 1, -1, 2**128, 2**251, PRIME - 1, PRIME])))
    slowly = Abi([PAIR, struct("t::E", *members), enum("t::Event", ("E", "t::E", "nested"))])
    slowly._events.quick.clear()
    try:
        expected: Any = slowly.decode_event(spoilt["key"], spoilt["data"])
    except AbiError as error:
        with pytest.raises(AbiError, match=re.escape(str(error))):
            abi.decode_event(spoilt["key"], spoilt["data"])
        with pytest.raises(AbiError, match=re.escape(str(error))):
            abi.decode_event_texts([hex(felt) for felt in spoilt["key"]], [hex(felt) for felt in spoilt["data"]])
    else:
        assert abi.decode_event(spoilt["key"], spoilt["data"]) == expected
