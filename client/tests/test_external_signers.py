"""Keys that are elsewhere: a wallet that behaves as hardware does, and a STARK key behind a service."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from truemark.account import Account
from truemark.curve import EC_ORDER
from truemark.keys import (
    BadStarkSignature,
    LocalEthSigner,
    NotDeterministic,
    SignerRefused,
    SignerTimeout,
    StarkKey,
    WrongSigner,
    derive,
    derive_in_thread,
    sign_checked,
)
from truemark.keys.derivation import typed_data
from truemark.keys.ethereum import SECP256K1_ORDER
from truemark.keys.keystore import BadKeystore, load, load_secret, save
from truemark.keys.wallet_double import WalletDouble
from truemark.signing import verify

SECRET = 0xAC0974BEC39A17E36BA4A6B4D238FF944BACB478CBED5EFCAE784D7BF4F2FF80
CHAIN = 31_337


@pytest.mark.parametrize("options", [{}, {"delay": 0.01}, {"high_s": True}])
def test_a_device_gives_the_key_that_its_ethereum_key_gives_here(options: dict[str, Any]) -> None:
    wallet = WalletDouble(SECRET, **options)
    assert wallet.address == LocalEthSigner(SECRET).address
    assert derive(wallet, CHAIN) == derive(LocalEthSigner(SECRET), CHAIN)
    assert len(wallet.asked) == 2
    assert f"{SECRET:x}" not in repr(wallet)


def test_the_device_signs_with_the_low_s() -> None:
    wallet = WalletDouble(SECRET)
    message = typed_data(CHAIN)
    for deterministic in (True, False):
        wallet.deterministic = deterministic
        for _ in range(5):
            assert int.from_bytes(wallet.sign_typed_data(message)[32:64], "big") <= SECP256K1_ORDER // 2


def test_one_that_signs_anew_each_time_gives_no_key() -> None:
    with pytest.raises(NotDeterministic, match="threshold"):
        derive(WalletDouble(SECRET, deterministic=False), CHAIN)


def test_one_that_shows_another_address_gives_no_key() -> None:
    with pytest.raises(WrongSigner, match="not by 0xd2c7314539dCe7752c8120af4eC2AA750Cf2035e"):
        derive(WalletDouble(SECRET, shows="0xd2c7314539dCe7752c8120af4eC2AA750Cf2035e"), CHAIN)


async def test_a_no_on_the_device_is_told_as_one() -> None:
    with pytest.raises(SignerRefused, match="rejected on the device") as refused:
        await derive_in_thread(WalletDouble(SECRET, refuses=True), CHAIN)
    assert isinstance(refused.value, PermissionError)


async def test_a_slow_person_holds_up_nothing_else_and_is_given_up_on() -> None:
    start = time.perf_counter()
    waiting = asyncio.create_task(derive_in_thread(WalletDouble(SECRET, delay=0.15), CHAIN))
    await asyncio.sleep(0.01)
    assert time.perf_counter() - start < 0.1
    with pytest.raises(SignerTimeout, match=r"did not sign within 0\.05 s") as late:
        await derive_in_thread(WalletDouble(SECRET, delay=0.1), CHAIN, 0.05)
    assert isinstance(late.value, TimeoutError)
    assert await waiting == derive(LocalEthSigner(SECRET), CHAIN)


class Service:
    """A STARK key behind a service; `lies` signs something else."""

    def __init__(self, key: StarkKey, lies: int = 0) -> None:
        self._key = key
        self._lies = lies
        self.public_key = key.public_key
        self.threads: list[str] = []

    def sign(self, msg_hash: int) -> tuple[int, int]:
        import threading

        self.threads.append(threading.current_thread().name)
        return self._key.sign(msg_hash + self._lies)


async def test_a_key_behind_a_service_signs_outside_of_the_event_loop() -> None:
    service = Service(StarkKey(5))
    r, s = await sign_checked(service, 77)
    assert verify(service.public_key, 77, r, s)
    assert service.threads[0] != "MainThread"


@pytest.mark.parametrize("service", [Service(StarkKey(5), lies=1), Service(StarkKey(EC_ORDER - 7), lies=3)])
async def test_a_signature_of_something_else_is_caught_before_it_is_sent(service: Service) -> None:
    with pytest.raises(BadStarkSignature) as caught:
        await sign_checked(service, 77)
    assert (caught.value.public_key, caught.value.msg_hash) == (service.public_key, 77)

    class Rpc:
        async def call(self, method: str, params: Any = None) -> str:
            assert method == "starknet_getNonce", "nothing is sent"
            return "0x1"

    with pytest.raises(BadStarkSignature):
        await Account(Rpc(), 1, service, 2).send([])  # type: ignore[arg-type]


def test_a_keystore_holds_stark_and_ethereum_keys(tmp_path: Any) -> None:
    path = tmp_path / "key.json"
    save(path, StarkKey(SECRET % EC_ORDER), "correct horse")
    assert load(path, "correct horse") == StarkKey(SECRET % EC_ORDER)
    assert load_secret(path, "correct horse") == (SECRET % EC_ORDER).to_bytes(32, "big")
    with pytest.raises(BadKeystore, match="another password"):
        load_secret(path, "wrong")
