"""Keys: derived only from signers that can be asked again, and shown nowhere."""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from starknet_py.hash.address import compute_address
from truemark import signing
from truemark.curve import EC_ORDER
from truemark.felt import PRIME
from truemark.keys import (
    BadEthKey,
    BadSignature,
    LocalEthSigner,
    NotDeterministic,
    StarkKey,
    WrongSigner,
    account_address,
    contract_address,
    derive,
    extended,
    grind_key,
    paradex,
)
from truemark.keys.derivation import typed_data
from truemark.keys.ethereum import recover

# The first two accounts of a default anvil node.
ANVIL_0 = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ANVIL_1 = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
#: Of the two on chain 31337, of the first on mainnet.
PINNED = (
    0x69796A93C966A1212063C6ED23C0958562B2EA294BD5573030046E69667EA3D,
    0x3A53F938346A4630BE4373AE12A4F9EB07C0B07BFDC10BC8DA4E50F566841CA,
    0x6A208645EB3E35761A7F9D84DA6C3FC676579BC54655C83759E28B2E5D0CFAA,
)
SEPOLIA, ANVIL = 11_155_111, 31_337
SECRET = 0x2482C217D9D4F7CAB57CA16F93D64EDCFEFF9AA1874A1DC57FA1C28DAFCD0AA


class Remote:
    """A signer that answers with what it is given, in turn."""

    def __init__(self, address: str, *answers: bytes) -> None:
        self.address = address
        self.asked: list[dict[str, Any]] = []
        self._answers: Iterator[bytes] = iter(answers)

    def sign_typed_data(self, typed_data: dict[str, Any]) -> bytes:
        self.asked.append(typed_data)
        return next(self._answers)


def signature_of(key: str, chain_id: int = ANVIL) -> bytes:
    return LocalEthSigner(key).sign_typed_data(typed_data(chain_id))


def test_the_domain_and_the_keys_that_it_gives_are_for_good() -> None:
    message = typed_data(1)
    assert message["domain"] == {"name": "Truemark", "chainId": 1, "version": "1"}
    assert message["message"] == {"action": "STARK Key"}
    assert derive(LocalEthSigner(ANVIL_0), ANVIL).reveal() == PINNED[0]
    assert derive(LocalEthSigner(ANVIL_1), ANVIL).reveal() == PINNED[1]
    assert derive(LocalEthSigner(ANVIL_0), 1).reveal() == PINNED[2]


def test_chain_wallet_and_venue_each_give_another_key() -> None:
    signer = LocalEthSigner(ANVIL_0)
    keys = {
        derive(signer, ANVIL),
        derive(signer, SEPOLIA),
        derive(LocalEthSigner(ANVIL_1), ANVIL),
        paradex.derive(signer, ANVIL),
        extended.derive(signer),
        extended.derive(signer, 1),
    }
    assert len(keys) == 6


def test_an_external_signer_is_asked_twice_for_the_same_message() -> None:
    good = signature_of(ANVIL_0)
    remote = Remote(LocalEthSigner(ANVIL_0).address.lower(), good, good)
    assert derive(remote, ANVIL) == derive(LocalEthSigner(ANVIL_0), ANVIL)
    assert remote.asked == [typed_data(ANVIL)] * 2


def test_a_recovery_id_of_0_or_1_is_the_same_signature() -> None:
    good = signature_of(ANVIL_0)
    bare = good[:64] + bytes([good[64] - 27])
    assert derive(Remote(LocalEthSigner(ANVIL_0).address, bare, good), ANVIL) == derive(LocalEthSigner(ANVIL_0), ANVIL)


def test_a_signer_that_signs_anew_each_time_is_refused() -> None:
    remote = Remote(LocalEthSigner(ANVIL_0).address, signature_of(ANVIL_0), signature_of(ANVIL_0, 1))
    with pytest.raises(NotDeterministic, match="signs the same message differently each time"):
        derive(remote, ANVIL)


def test_a_signature_by_someone_else_is_refused() -> None:
    # A published test of another venue pairs a key with an address that is not its own.
    foreign = signature_of(ANVIL_1)
    with pytest.raises(WrongSigner, match=r"by 0x70997970C51812dc3A010C7d01b50e0d17dc79C8, not by 0xf39F"):
        derive(Remote(LocalEthSigner(ANVIL_0).address, foreign, foreign), ANVIL)


def test_a_signature_of_another_message_is_refused() -> None:
    other = signature_of(ANVIL_0, chain_id=1)
    with pytest.raises(WrongSigner):
        derive(Remote(LocalEthSigner(ANVIL_0).address, other, other), ANVIL)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x01" * 64,
        b"\x01" * 66,
        b"\x01" * 64 + b"\x02",
        b"\x00" * 64 + b"\x1b",
        b"\xff" * 64 + b"\x1b",
        (5).to_bytes(32, "big") + b"\xff" * 32 + b"\x1c",
    ],
)
def test_bytes_that_are_no_signature_are_refused_by_name(answer: bytes) -> None:
    with pytest.raises(BadSignature):
        derive(Remote(LocalEthSigner(ANVIL_0).address, answer, answer), ANVIL)
    with pytest.raises(BadSignature):
        recover(typed_data(ANVIL), answer)


@given(st.integers(0, 2**256 - 1))
def test_a_ground_key_is_a_key(seed: int) -> None:
    assert 0 <= grind_key(seed) < EC_ORDER
    assert StarkKey(grind_key(seed)).public_key == signing.public_key(grind_key(seed))


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        grind_key(-1)


# --- nothing shows a key


def test_a_key_does_not_show_itself() -> None:
    key = StarkKey.from_private(SECRET)
    shown = [repr(key), str(key), f"{key}", repr([key]), repr({"key": key}), repr(vars_of(key))]
    for text in shown:
        assert not shows(text, SECRET)
        assert f"{key.public_key:x}" in text or "vars" in text
    assert key.reveal() == SECRET


def vars_of(key: StarkKey) -> object:
    return "vars", getattr(key, "__dict__", None)


def shows(text: str, secret: int) -> bool:
    return any(form in text.lower() for form in (f"{secret:x}", str(secret), f"{secret:b}"))


def test_a_key_is_not_pickled_and_a_copy_is_itself() -> None:
    key = StarkKey(SECRET)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(key, protocol)
    with pytest.raises(TypeError, match="would show"):
        key.__getstate__()
    assert copy.copy(key) is key
    assert copy.deepcopy({"key": key})["key"] is key


@pytest.mark.parametrize("private_key", [0, -1, EC_ORDER, EC_ORDER + 12345, PRIME, 2**256])
def test_a_number_out_of_range_is_no_key_and_no_error_shows_it(private_key: int) -> None:
    with pytest.raises(signing.BadKey) as raised:
        StarkKey(private_key)
    assert private_key in (0, -1) or not shows(str(raised.value), private_key)


def test_the_ends_of_the_range_are_keys() -> None:
    assert StarkKey(1).public_key == StarkKey(EC_ORDER - 1).public_key, "the same x, the other y"
    assert StarkKey(2) != StarkKey(3)
    assert StarkKey(2) == StarkKey(2)
    assert len({StarkKey(2), StarkKey(2), StarkKey(3)}) == 2
    assert StarkKey(2) != 2
    assert len({StarkKey.random() for _ in range(3)}) == 3


def test_a_local_ethereum_key_does_not_show_itself() -> None:
    signer = LocalEthSigner(ANVIL_0)
    assert repr(signer) == str(signer)
    assert "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266" in repr(signer)
    assert not shows(repr(signer), int(ANVIL_0, 16))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(signer)


def test_an_ethereum_key_is_taken_as_text_number_or_bytes() -> None:
    number = int(ANVIL_0, 16)
    same = [ANVIL_0, ANVIL_0[2:], number, number.to_bytes(32, "big"), bytearray(number.to_bytes(32, "big"))]
    assert {LocalEthSigner(key).address for key in same} == {Account.from_key(ANVIL_0).address}
    assert LocalEthSigner(1).address == "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


@pytest.mark.parametrize(
    "key",
    [0, -1, 2**256, 2**256 - 1, True, "", "0x", ANVIL_0[:-1], ANVIL_0 + "0", "0x" + "zz" * 32, b"", b"\x01" * 31, None],
)
def test_what_is_no_ethereum_key_is_refused_and_not_shown(key: Any) -> None:
    with pytest.raises(BadEthKey) as raised:
        LocalEthSigner(key)
    text = "".join(traceback.format_exception(raised.value, chain=True))
    assert ANVIL_0[2:40] not in text


# --- addresses

felts = st.integers(0, PRIME - 1)


@given(felts, st.lists(felts, max_size=4), felts, felts)
def test_an_address_is_that_of_starknet(class_hash: int, calldata: list[int], salt: int, deployer: int) -> None:
    expected = compute_address(
        class_hash=class_hash, constructor_calldata=calldata, salt=salt, deployer_address=deployer
    )
    assert contract_address(class_hash, calldata, salt, deployer) == expected


@given(felts, felts, felts)
def test_an_account_is_found_by_its_key(public_key: int, class_hash: int, salt: int) -> None:
    assert account_address(public_key, class_hash) == contract_address(class_hash, [public_key], public_key)
    assert account_address(public_key, class_hash, salt) == contract_address(class_hash, [public_key], salt)
    assert account_address(public_key, class_hash, 0) != account_address(public_key, class_hash, 1)
