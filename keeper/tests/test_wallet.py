"""The wallet: the same hash and signature as starknet-py's, and a key that never shows."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starknet_py.hash.utils import message_signature
from starknet_py.net.account.account import _parse_calls
from starknet_py.net.client_models import Call as PyCall
from starknet_py.net.client_models import ResourceBounds, ResourceBoundsMapping
from starknet_py.net.models.transaction import InvokeV3
from truemark.felt import PRIME
from truemark.keys import StarkKey
from truemark.transactions import Bound, Call, Fees
from truemark_keeper.wallet import StarkWallet

SECRET = 0x6B5F2C0A1D3E4F5061728394A5B6C7D8E9FA0B1C2D3E4F5061728394A5B6C7
CHAIN = int.from_bytes(b"TRUEMARK_DEVNET", "big")
FEES = Fees(Bound(100_000, 10**12), Bound(20_000, 10**12), Bound(200_000_000, 10**11), tip=17)

felts = st.integers(0, PRIME - 1)
calls = st.lists(st.builds(Call, felts, felts, st.lists(felts, max_size=4).map(tuple)), max_size=3)


def wallet() -> StarkWallet:
    return StarkWallet(0xACC0, StarkKey.from_private(SECRET), CHAIN)


def theirs(made: list[Call], nonce: int, fees: Fees) -> InvokeV3:
    def bounds(bound: Bound) -> ResourceBounds:
        return ResourceBounds(bound.max_amount, bound.max_price)

    return InvokeV3(
        version=3,
        signature=[],
        nonce=nonce,
        sender_address=0xACC0,
        calldata=_parse_calls(1, [PyCall(call.to, call.selector, list(call.calldata)) for call in made]),
        resource_bounds=ResourceBoundsMapping(bounds(fees.l1_gas), bounds(fees.l1_data_gas), bounds(fees.l2_gas)),
        tip=fees.tip,
    )


@given(calls, st.integers(0, 2**40), st.integers(0, 2**64 - 1))
def test_hash_is_starknet_pys(made: list[Call], nonce: int, tip: int) -> None:
    fees = Fees(FEES.l1_gas, FEES.l1_data_gas, FEES.l2_gas, tip)
    assert wallet().sign(made, nonce, fees).hash == theirs(made, nonce, fees).calculate_hash(CHAIN)


def test_signature_is_starknet_pys_to_the_bit() -> None:
    made = [Call(0x1234, 0x5678, (1, 2, 3)), Call(0x9, 0xA, ())]
    signed = wallet().sign(made, 7, FEES)
    # Without the seed, which is entropy that only it adds.
    r, s = message_signature(theirs(made, 7, FEES).calculate_hash(CHAIN), SECRET, seed=None)
    assert signed.transaction["signature"] == [hex(r), hex(s)]
    assert signed.transaction["nonce"] == "0x7"
    assert signed.transaction["sender_address"] == "0xacc0"
    assert signed.transaction["tip"] == "0x11"
    assert signed.transaction["version"] == "0x3"


def test_the_key_does_not_show() -> None:
    ours = wallet()
    shown = repr(ours) + str(ours) + repr(vars(type(ours))) + repr(ours.sign([], 0, FEES))
    assert f"{SECRET:x}" not in shown.lower()
    assert str(SECRET) not in shown
    for leak in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="key"):
            leak(ours)
