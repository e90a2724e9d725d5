"""Signatures: the same bytes from both implementations, true to the curve, and nothing out of range reaches either."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from truemark import signing
from truemark.curve import BETA, EC_ORDER, SIGNABLE_BOUND, arithmetic, chosen, fast, is_on_curve, portable
from truemark.felt import PRIME
from truemark.signing import BadKey, BadMessage, public_key, sign, verify

# Every length of a number: RFC 6979 pads by length.
sizes = st.integers(1, 251)
keys = st.one_of(st.integers(1, EC_ORDER - 1), st.sampled_from([1, 2, EC_ORDER - 1]))
messages = st.one_of(
    st.integers(1, SIGNABLE_BOUND - 1),
    st.sampled_from([1, 2**247, 2**248 - 1, 2**248, SIGNABLE_BOUND - 1]),
    sizes.flatmap(lambda bits: st.integers(2 ** (bits - 1), 2**bits - 1)),
)


@settings(max_examples=12, deadline=None)
@given(keys, messages)
def test_both_implementations_give_the_same_signature(key: int, message: int) -> None:
    assert fast().sign(key, message) == portable().sign(key, message) == sign(key, message)
    assert fast().public_key(key) == portable().public_key(key) == public_key(key)


@settings(max_examples=25, deadline=None)
@given(keys, messages, st.integers(1, SIGNABLE_BOUND - 1))
def test_a_signature_is_good_for_its_key_and_message_alone(key: int, message: int, other: int) -> None:
    r, s = sign(key, message)
    point = public_key(key)
    assert verify(point, message, r, s)
    assert portable().verify(point, message, r, s)
    assert verify(point, message, r, EC_ORDER - s), "the twin that every ECDSA signature has"
    if other != message:
        assert not verify(point, other, r, s)
    assert not verify(point, message, r % (SIGNABLE_BOUND - 1) + 1, s)
    if key not in (1, EC_ORDER - 1):
        assert not verify(public_key(1), message, r, s)


def test_a_number_that_is_no_key_is_refused_and_not_shown() -> None:
    for key in (0, -1, EC_ORDER, EC_ORDER + 0xABCDEF, PRIME, 2**256):
        for use in (public_key, lambda key: sign(key, 1)):
            with pytest.raises(BadKey, match="this one is not") as raised:
                use(key)
            assert str(abs(key)) not in str(raised.value).replace("at least 1", "")
            assert f"{abs(key):x}" not in str(raised.value).replace("at least 1", "") or key in (0, -1)


def test_a_number_that_is_no_message_is_refused() -> None:
    for message in (0, -1, SIGNABLE_BOUND, PRIME, 2**256):
        with pytest.raises(BadMessage, match="below 2\\^251"):
            sign(1, message)


def test_nothing_out_of_range_verifies_or_panics() -> None:
    point = public_key(7)
    r, s = sign(7, 8)
    off_curve = next(x for x in range(1, 100) if not is_on_curve(x))
    for case in (
        (0, 8, r, s),
        (off_curve, 8, r, s),
        (PRIME, 8, r, s),
        (point + PRIME, 8, r, s),
        (-point, 8, r, s),
        (point, 0, r, s),
        (point, -8, r, s),
        (point, SIGNABLE_BOUND, r, s),
        (point, PRIME + 8, r, s),
        (point, 8, 0, s),
        (point, 8, SIGNABLE_BOUND, s),
        (point, 8, r + PRIME, s),
        (point, 8, r, 0),
        (point, 8, r, -s),
        (point, 8, r, EC_ORDER),
        (point, 8, r, s + EC_ORDER),
        (point, 8, 1, 1),
    ):
        assert not verify(*case)
    assert verify(point, 8, r, s)


@settings(deadline=None)
@given(st.integers(1, EC_ORDER - 1))
def test_every_public_key_is_on_the_curve(key: int) -> None:
    assert is_on_curve(public_key(key))


@given(st.integers(0, PRIME - 1))
def test_about_half_of_all_numbers_are_off_the_curve(x: int) -> None:
    square = (x**3 + x + BETA) % PRIME
    assert is_on_curve(x) == (x != 0 and pow(square, (PRIME - 1) // 2, PRIME) == 1)


def test_the_fast_implementation_is_in_use_and_fast() -> None:
    assert arithmetic.name == "fast-stark-crypto"
    start = time.perf_counter()
    for message in range(1, 101):
        sign(5, message)
    # 0.3 ms each; starknet-py takes 100 ms.
    assert time.perf_counter() - start < 1


def test_without_fast_stark_crypto_starknet_py_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fast_stark_crypto", None)
    monkeypatch.setattr(signing, "arithmetic", chosen())
    assert signing.arithmetic.name == "starknet-py"
    r, s = signing.sign(12345, 67890)
    assert signing.verify(signing.public_key(12345), 67890, r, s)
    assert not signing.verify(signing.public_key(12345), 67891, r, s)


def test_a_signature_whose_sum_is_the_point_at_infinity_signs_nothing() -> None:
    # With z = -r d the sum z/s G + r/s Q vanishes; the owner of a key can make that for any message.
    key, message = 3, 12346
    for sign_ in (1, -1):
        r = sign_ * message * pow(key, -1, EC_ORDER) % EC_ORDER
        assert r < SIGNABLE_BOUND
        assert not verify(public_key(key), message, r, 7)
