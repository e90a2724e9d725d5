"""Typed data of both revisions against starknet-py, on messages of every type; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starknet_py.utils.typed_data import TypedData as StarknetPyTypedData
from truemark.felt import PRIME
from truemark.snip12 import BadTypedData, TypedData, byte_array, parse_felt

DOMAIN_FIELDS = (("name", "version", "chainId"), ("name", "version", "chainId", "revision"))
DOMAIN_TYPES = (("StarkNetDomain", "felt"), ("StarknetDomain", "shortstring"))

felts = st.one_of(
    st.integers(0, PRIME - 1),
    st.integers(0, PRIME - 1).map(hex),
    st.integers(0, PRIME - 1).map(str),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=31).filter(
        lambda text: not text.startswith("0x")
    ),
)
u128 = st.integers(0, 2**128 - 1)
i128 = st.integers(-(2**127), 2**127 - 1)
flags = st.sampled_from([True, False, "true", "false", "0x1", "0x0", "1", "0", 1, 0])
long_texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=100)
selectors = st.one_of(st.from_regex(r"[g-z_]{1,20}", fullmatch=True), st.integers(0, PRIME - 1).map(hex))
u256 = st.fixed_dictionaries({"low": u128, "high": u128})
SCALARS_1: dict[str, st.SearchStrategy[Any]] = {
    "felt": felts,
    "shortstring": felts,
    "ContractAddress": felts,
    "ClassHash": felts,
    "bool": flags,
    "string": long_texts,
    "selector": selectors,
    "u128": st.one_of(u128, u128.map(str), u128.map(hex)),
    "timestamp": st.integers(0, 2**64 - 1),
    "i128": st.one_of(i128, i128.map(str)),
    "u256": u256,
    "TokenAmount": st.fixed_dictionaries({"token_address": felts, "amount": u256}),
    "NftId": st.fixed_dictionaries({"collection_address": felts, "token_id": u256}),
}
SCALARS_0 = {"felt": felts, "bool": flags, "string": felts, "selector": selectors}


@st.composite
def messages(draw: st.DrawFn, revision: int) -> dict[str, Any]:
    """A primary type with basic fields, a nested type, lists, a Merkle tree and, in revision 1, an enum."""
    scalars = SCALARS_1 if revision else SCALARS_0
    names = sorted(scalars)

    def struct(count: int) -> tuple[list[dict[str, str]], dict[str, Any]]:
        kinds = draw(st.lists(st.sampled_from(names), min_size=count, max_size=count + 3))
        fields = [{"name": f"f{at}", "type": kind} for at, kind in enumerate(kinds)]
        return fields, {f"f{at}": draw(scalars[kind]) for at, kind in enumerate(kinds)}

    inner_fields, inner = struct(1)
    fields, message = struct(0)
    domain_type, domain_kind = DOMAIN_TYPES[revision]
    types = {
        domain_type: [{"name": name, "type": domain_kind} for name in DOMAIN_FIELDS[revision]],
        "Zeta": inner_fields,
        "Main": [
            *fields,
            {"name": "one", "type": "Zeta"},
            {"name": "list", "type": "felt*"},
            {"name": "many", "type": "Zeta*"},
            {"name": "tree", "type": "merkletree", "contains": draw(st.sampled_from(["felt", "Zeta"]))},
        ],
    }
    leaf = felts if types["Main"][-1]["contains"] == "felt" else st.just(inner)
    message |= {
        "one": inner,
        "list": draw(st.lists(felts, max_size=4)),
        "many": [inner] * draw(st.integers(0, 2)),
        "tree": draw(st.lists(leaf, min_size=1, max_size=6)),
    }
    if revision:
        types["Alpha"] = [
            {"name": "None", "type": "()"},
            {"name": "Some", "type": "(u128,felt*,Zeta)"},
        ]
        types["Main"].append({"name": "choice", "type": "enum", "contains": "Alpha"})
        some = {"Some": [draw(u128), draw(st.lists(felts, max_size=3)), inner]}
        message["choice"] = draw(st.sampled_from([{"None": []}, some]))
    domain = {"name": "A venue", "version": draw(st.sampled_from(["1", "v1"])), "chainId": "SN_SEPOLIA"}
    if revision:
        domain["revision"] = draw(st.sampled_from([1, "1"]))
    return {"types": types, "primaryType": "Main", "domain": domain, "message": message}


@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore:Serializing shortstrings")
@pytest.mark.parametrize("revision", [0, 1])
@given(data=st.data(), account=st.integers(0, PRIME - 1))
def test_a_message_is_hashed_as_by_starknet_py(revision: int, data: st.DataObject, account: int) -> None:
    message = data.draw(messages(revision))
    ours, theirs = TypedData(message), StarknetPyTypedData.from_dict(message)  # type: ignore[arg-type]
    for name in message["types"]:
        assert ours.type_hash(name) == theirs.type_hash(name), ours.type_string(name)
    assert ours.message_hash(account) == theirs.message_hash(account)


def simple(kind: str, value: Any, revision: int = 1, **extra: Any) -> dict[str, Any]:
    domain_type, domain_kind = DOMAIN_TYPES[revision]
    domain: dict[str, Any] = {"name": "A", "version": "v1", "chainId": "SN_MAIN"}
    return {
        "types": {
            domain_type: [{"name": name, "type": domain_kind} for name in DOMAIN_FIELDS[revision]],
            "Main": [{"name": "x", "type": kind, **extra}],
        },
        "primaryType": "Main",
        "domain": domain | ({"revision": "1"} if revision else {}),
        "message": {"x": value},
    }


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("felt", PRIME),
        ("felt", -1),
        ("felt", "x" * 32),
        ("felt", "€"),
        ("felt", "0xzz"),
        ("felt", None),
        ("felt", {}),
        ("shortstring", "x" * 32),
        ("u128", 2**128),
        ("u128", -1),
        ("u128", "many"),
        ("u128", 1.5),
        ("i128", 2**127),
        ("i128", -(2**127) - 1),
        ("i128", PRIME),
        ("bool", 2),
        ("bool", "yes"),
        ("bool", None),
        ("string", 7),
        ("felt*", 7),
        ("felt*", "12"),
        ("u32", 1),
        ("Nothing", {}),
        ("u256", 5),
        ("u256", {"low": 1}),
        ("enum", {"A": []}),
        ("merkletree", [1]),
    ],
)
def test_a_value_that_its_type_cannot_hold_is_refused_with_its_place(kind: str, value: Any) -> None:
    with pytest.raises(BadTypedData, match=r"x|u256"):
        TypedData(simple(kind, value)).message_hash(1)


@pytest.mark.parametrize("kind", ["u128", "enum", "shortstring", "ContractAddress", "u256"])
def test_revision_0_has_no_types_of_revision_1(kind: str) -> None:
    with pytest.raises(BadTypedData):
        TypedData(simple(kind, 1, revision=0)).message_hash(1)


def test_a_merkle_tree_and_an_enum_say_what_they_lack() -> None:
    tree = simple("merkletree", [], contains="felt")
    with pytest.raises(BadTypedData, match="a list that is not empty"):
        TypedData(tree).message_hash(1)
    enum = simple("enum", {"A": [1], "B": []}, contains="Choice")
    enum["types"]["Choice"] = [{"name": "A", "type": "(felt)"}]
    with pytest.raises(BadTypedData, match="one variant"):
        TypedData(enum).message_hash(1)
    enum["message"] = {"x": {"C": []}}
    with pytest.raises(BadTypedData, match="no variant C"):
        TypedData(enum).message_hash(1)
    enum["message"] = {"x": {"A": []}}
    with pytest.raises(BadTypedData, match="takes 1 values"):
        TypedData(enum).message_hash(1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"types": {"Main": []}}, "has a type StarknetDomain"),
        ({"domain": {"name": "A", "revision": 2}}, "no revision"),
        ({"domain": {"name": "A", "revision": True}}, "no revision"),
        ({"primaryType": "Other"}, "nothing refers to the type Main"),
    ],
)
def test_a_message_that_is_not_well_formed_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadTypedData, match=said):
        TypedData(simple("felt", 1) | change)


@pytest.mark.parametrize("field", [{}, {"name": "x"}, {"type": "felt"}, {"name": "x", "type": "enum"}])
def test_a_field_that_is_not_whole_is_refused(field: dict[str, str]) -> None:
    data = simple("felt", 1)
    data["types"]["Main"].append(field)
    with pytest.raises(BadTypedData, match="Main has a field that lacks"):
        TypedData(data)


@pytest.mark.parametrize("name", ["felt", "u256", "A*", "(A)", "A,B", "", "Unused"])
def test_a_type_with_a_bad_name_is_refused(name: str) -> None:
    data = simple("felt", 1)
    data["types"][name] = []
    with pytest.raises(BadTypedData):
        TypedData(data)


def test_what_is_missing_is_named() -> None:
    for key in ("types", "primaryType", "domain", "message"):
        data = simple("felt", 1)
        del data[key]
        with pytest.raises(BadTypedData, match=key):
            TypedData(data)
    with pytest.raises(BadTypedData, match="lacks its field x"):
        TypedData(simple("felt", 1) | {"message": {}}).message_hash(1)


def test_a_text_of_digits_is_a_number() -> None:
    assert parse_felt("1") == 1
    assert parse_felt("v1") == 0x7631
    assert parse_felt("") == 0
    assert parse_felt("0x10") == 16
    # Only plain digits are digits.
    with pytest.raises(ValueError, match="not ASCII"):
        parse_felt("１")


@given(st.text(max_size=100))
def test_a_byte_array_holds_its_text(text: str) -> None:
    count, *rest = byte_array(text)
    words, pending, length = rest[:count], rest[count], rest[count + 1]
    data = b"".join(word.to_bytes(31, "big") for word in words) + pending.to_bytes(length, "big")
    assert data.decode() == text
    assert length < 31
