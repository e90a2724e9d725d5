"""The venue's fast hash and check against the client's own, which wallets and the contract agree with."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from poseidon_py.c_bindings import hades_permutation
from truemark.curve import EC_ORDER, SIGNABLE_BOUND
from truemark.felt import PRIME
from truemark.orders import Order
from truemark.signing import public_key, sign, verify
from truemark_devnet.venue import signatures
from truemark_devnet.venue.integers import mpz
from truemark_devnet.venue.poseidon import by_integers, by_library
from truemark_devnet.venue.signatures import Verifier, order_hash, square_root

FELTS = st.integers(0, PRIME - 1)
#: Where a check may go wrong, though no honest signer ever gets there.
EDGES = [0, 1, 2, SIGNABLE_BOUND - 1, SIGNABLE_BOUND, EC_ORDER - 1, EC_ORDER, PRIME - 1]
KEYS = [1, 2, 0xABC, EC_ORDER - 1, 3**150 % EC_ORDER]


@given(*[st.integers(0, 3 * PRIME)] * 3)
def test_the_permutation_is_poseidons(a: int, b: int, c: int) -> None:
    # A sponge adds what it takes in and does not reduce it.
    for permutation in (by_library, by_integers):
        found = permutation(mpz(a), mpz(b), mpz(c))
        assert [int(felt) % PRIME for felt in found] == list(hades_permutation([a % PRIME, b % PRIME, c % PRIME]))


@given(
    account=st.integers(1, 2**251 - 1),
    size=st.integers(0, 2**64 - 1),
    price=st.integers(0, 2**64 - 1),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    salt=FELTS,
    chain_id=st.integers(1, 2**200),
)
def test_the_hash_is_the_orders(
    account: int, size: int, price: int, flags: tuple[bool, bool, bool], salt: int, chain_id: int
) -> None:
    order = Order(
        venue=2**250 + 1,
        account=account,
        epoch=3,
        account_epoch=4,
        market="ETH-USD-PERP",
        is_buy=flags[0],
        size=size,
        limit_price=price,
        max_fee_bps=7,
        reduce_only=flags[1],
        post_only=flags[2],
        expiry=2**40,
        salt=salt,
    )
    assert order_hash(order, chain_id) == order.hash(chain_id)


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    """Knows all KEYS."""
    found = Verifier(worth_it=1)
    for key in KEYS:
        assert found.verify(public_key(key), 5, *sign(key, 5))
    return found


@settings(deadline=None)
@given(key=st.sampled_from(KEYS), message=st.integers(1, SIGNABLE_BOUND - 1), change=st.integers(0, 3), by=FELTS)
def test_a_known_key_is_checked_as_an_unknown_one(
    verifier: Verifier, key: int, message: int, change: int, by: int
) -> None:
    r, s = sign(key, message)
    signature = [public_key(key), message, r, s]
    assert verifier.verify(*signature)
    # The other point of the same x signs with -s.
    assert verifier.verify(signature[0], message, r, EC_ORDER - s) == verify(signature[0], message, r, EC_ORDER - s)
    if change:
        signature[change] = by
    assert verifier.verify(*signature) == verify(*signature)


@settings(deadline=None, max_examples=200)
@given(
    key=st.sampled_from(KEYS),
    message=st.sampled_from(EDGES) | FELTS,
    r=st.sampled_from(EDGES) | FELTS,
    s=st.sampled_from(EDGES) | FELTS,
)
def test_what_nobody_signed_is_refused_as_the_client_refuses_it(
    verifier: Verifier, key: int, message: int, r: int, s: int
) -> None:
    assert not verify(public_key(key), message, r, s)
    assert not verifier.verify(public_key(key), message, r, s)


def test_another_keys_or_another_messages_signature_is_none(verifier: Verifier) -> None:
    for key in KEYS:
        r, s = sign(key, 77)
        # Two of the keys are each other's negative: one x, so one public key.
        good = {public for public in map(public_key, KEYS) if verifier.verify(public, 77, r, s)}
        assert good == {public_key(key)}
        for message, r_, s_ in ((78, r, s), (77, r + 1, s), (77, r, s + 1), (77, r, 0)):
            assert not verifier.verify(public_key(key), message, r_, s_)


def test_the_oldest_key_makes_room() -> None:
    small = Verifier(keys=2, worth_it=1)
    for key in (1, 2, 3, 1):
        assert small.verify(public_key(key), 9, *sign(key, 9))
        assert not small.verify(public_key(key), 10, *sign(key, 9))


@given(FELTS)
def test_a_square_has_a_root(x: int) -> None:
    root = square_root(mpz(x) * x % PRIME)
    assert root in (x, (PRIME - x) % PRIME)


def test_what_is_no_square_has_none() -> None:
    with pytest.raises(ValueError, match="no square root"):
        square_root(mpz(3))


def test_sums_that_meet_double_and_vanish() -> None:
    g = signatures.GENERATOR
    once = signatures._add((mpz(0), mpz(1), mpz(0)), g)
    twice = signatures._add(once, g)
    (x, _), (x2, y2) = signatures._affine([once, twice])
    assert int(x) == public_key(1)
    assert int(x2) == public_key(2)
    assert signatures._add(twice, (x2, signatures.PRIME - y2))[2] == 0
