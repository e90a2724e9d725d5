"""Felts, selectors, short strings, and the two hash functions against other implementations."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from poseidon_py.poseidon_hash import poseidon_hash as reference_poseidon
from poseidon_py.poseidon_hash import poseidon_hash_many as reference_poseidon_many
from starknet_py.cairo.felt import decode_shortstring, encode_shortstring
from starknet_py.hash.selector import get_selector_from_name
from starknet_py.hash.utils import compute_hash_on_elements, pedersen_hash
from truemark.curve import fast, portable
from truemark.felt import (
    PRIME,
    BadFelt,
    BadShortString,
    felt,
    hex_of,
    selector,
    short_string,
    short_string_text,
)
from truemark.hashing import pedersen, pedersen_many, poseidon_begun, poseidon_hash, poseidon_many

felts = st.one_of(st.integers(0, PRIME - 1), st.sampled_from([0, 1, 2**251 - 1, 2**251, PRIME - 1]))
texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=31)


@given(texts)
def test_a_short_string_goes_in_and_comes_out(text: str) -> None:
    assert short_string(text) == encode_shortstring(text)
    assert short_string_text(short_string(text)) == text
    assert decode_shortstring(short_string(text)).strip("\x00") == text


def test_what_is_no_short_string_is_refused() -> None:
    for text in ("a" * 32, "naïve", "€"):
        with pytest.raises(BadShortString):
            short_string(text)
    for value in (-1, 2**248, PRIME - 1, 0x00410042, 0x7F, 0x1F41):
        with pytest.raises(BadShortString):
            short_string_text(value)
    assert short_string("a" * 31) < 2**248
    assert short_string_text(0) == ""


@pytest.mark.parametrize("name", ["settle", "liquidate_many", "__execute__", "__default__", "__l1_default__", ""])
def test_a_selector_is_that_of_starknet(name: str) -> None:
    assert selector(name) == get_selector_from_name(name)


def test_a_felt_is_written_short_and_checked() -> None:
    assert hex_of(0) == "0x0"
    assert hex_of(PRIME - 1) == hex(PRIME - 1)
    assert felt(PRIME - 1) == PRIME - 1
    for value in (-1, PRIME, 2**256):
        with pytest.raises(BadFelt, match="is not a felt"):
            hex_of(value)


@given(st.lists(felts, max_size=20))
@example([])
def test_poseidon_is_the_reference(values: list[int]) -> None:
    assert poseidon_many(values) == reference_poseidon_many(values)


@given(st.lists(felts, max_size=4), st.lists(felts, max_size=5))
def test_a_hash_goes_on_from_a_sponge_that_has_begun(begun: list[int], rest: list[int]) -> None:
    if len(begun) % 2:
        with pytest.raises(ValueError, match="by twos"):
            poseidon_begun(begun)
    else:
        assert poseidon_many(rest, poseidon_begun(begun)) == poseidon_many([*begun, *rest])


@given(felts, felts)
def test_a_pair_hashes_as_the_references(left: int, right: int) -> None:
    assert poseidon_hash(left, right) == reference_poseidon(left, right)
    assert pedersen(left, right) == pedersen_hash(left, right) == fast().pedersen(left, right)
    assert portable().pedersen(left, right) == pedersen(left, right)


@given(st.lists(felts, max_size=5))
def test_pedersen_of_a_list_is_the_reference(values: list[int]) -> None:
    assert pedersen_many(values) == compute_hash_on_elements(values)


def test_hashing_what_is_no_felt_is_refused() -> None:
    for value in (-1, PRIME, 2**256 + 5):
        with pytest.raises(BadFelt):
            poseidon_many([1, value])
        with pytest.raises(BadFelt):
            poseidon_begun([1, value])
        with pytest.raises(BadFelt):
            poseidon_hash(value, 1)
        with pytest.raises(BadFelt):
            pedersen(1, value)
        with pytest.raises(BadFelt):
            pedersen_many([value])
