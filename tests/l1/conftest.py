"""One anvil with the L1 contracts for all tests of this folder; every test finds them as the first one did."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from truemark_devnet.toolchain import find_tool
from web3 import Web3

from tests.l1.side import DELAY, L1, L2_BRIDGE, MAX_DEPOSIT, MAX_LOCKED, OWNER_DELAY, QUOTA, USDC, deploy, source_of


@pytest.fixture(scope="session")
def w3() -> Iterator[Web3]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(find_tool("anvil")), "--host", "127.0.0.1", "--port", str(port), "--silent"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        chain = Web3(Web3.HTTPProvider(f"http://127.0.0.1:{port}"))
        deadline = time.monotonic() + 30
        while not chain.is_connected():
            assert process.poll() is None, "anvil ended"
            assert time.monotonic() < deadline, "anvil does not answer"
            time.sleep(0.05)
        yield chain
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def deployed_l1(w3: Web3) -> L1:
    owner, alice, bob, guardian = w3.eth.accounts[:4]
    token = deploy(w3, source_of("TestUSDC"))
    messaging = deploy(w3, source_of("Messaging"), owner, DELAY)
    where = (messaging.address, token.address)
    bridge = deploy(w3, source_of("CollateralBridge"), *where, MAX_LOCKED, MAX_DEPOSIT, QUOTA, guardian, OWNER_DELAY)
    l1 = L1(w3, token, messaging, bridge, owner, alice, bob, guardian)
    l1.send(bridge.functions.connect(L2_BRIDGE), owner)
    l1.send(token.functions.mint(alice, 1_000 * USDC), bob)
    l1.send(token.functions.approve(bridge.address, 2**256 - 1), alice)
    return l1


@pytest.fixture
def l1(deployed_l1: L1) -> Iterator[L1]:
    provider = deployed_l1.w3.provider
    snapshot = provider.make_request("evm_snapshot", [])["result"]
    yield deployed_l1
    assert provider.make_request("evm_revert", [snapshot])["result"] is True
