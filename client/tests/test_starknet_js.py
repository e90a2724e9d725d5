"""Another implementation in another language, the one of wallets (npm `starknet`): hashes and derivations are equal,
its signatures are good here."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from truemark import signing
from truemark.felt import short_string
from truemark.keys import LocalEthSigner, StarkKey, account_address, derive, grind_key
from truemark.keys.derivation import typed_data
from truemark.wire import Challenge

from tests.example_orders import example_orders

pytestmark = pytest.mark.deep

#: The last version that runs on Node 18 and 20.
PACKAGE = "starknet@6.24.1"
CHAINS = (short_string("SN_MAIN"), short_string("TRUEMARK_TEST"), 0x5350_0000_0001)
SCRIPT = """
const { typedData, ec, hash } = require('starknet');
const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const hex = (value) => '0x' + BigInt(value).toString(16);
process.stdout.write(JSON.stringify({
  hashes: asked.messages.map(({ data, account }) => hex(typedData.getMessageHash(data, account))),
  ground: asked.seeds.map((seed) => hex('0x' + ec.starkCurve.grindKey(seed))),
  publicKeys: asked.keys.map((key) => hex(ec.starkCurve.getStarkKey(key))),
  addresses: asked.accounts.map(({ key, cls }) => hex(hash.calculateContractAddressFromHash(key, cls, [key], 0))),
  signatures: asked.signed.map(({ key, message }) => {
    const found = ec.starkCurve.sign(message, key); return [hex(found.r), hex(found.s)]; }),
}));
"""


@pytest.fixture(scope="module")
def library() -> Path:
    """The folder of the installed package."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("node and npm are not installed: the comparison with the JavaScript library needs both")
    cache = Path(os.environ.get("TRUEMARK_CACHE") or Path.home() / ".cache" / "truemark")
    folder = cache / "npm" / PACKAGE.replace("@", "-")
    if not (folder / "node_modules" / "starknet" / "package.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        options = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact")
        done = subprocess.run(
            [npm, "install", "--prefix", str(folder), *options, PACKAGE], capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            pytest.skip(f"npm cannot install {PACKAGE}: {done.stderr.strip().splitlines()[-1:]}")
    return folder


def answers(library: Path, asked: dict[str, Any]) -> dict[str, Any]:
    node = shutil.which("node")
    assert node is not None
    done = subprocess.run(
        [node, "-e", SCRIPT], input=json.dumps(asked), capture_output=True, text=True, timeout=120, cwd=library
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_orders_keys_addresses_and_signatures_are_those_of_the_javascript_library(library: Path) -> None:
    rng = random.Random(2)
    made = [(order, chain) for chain in CHAINS for order in example_orders(200, seed=8)]
    challenges = [
        Challenge(venue=rng.getrandbits(250), account=rng.getrandbits(250), nonce=rng.getrandbits(251), expiry=expiry)
        for expiry in (0, 1_768_773_600, 2**53 - 1)
    ]
    messages = [{"data": order.typed_data(chain), "account": hex(order.account)} for order, chain in made]
    messages += [{"data": one.typed_data(CHAINS[1]), "account": hex(one.account)} for one in challenges]
    # Seeds as a signature gives them: 32 bytes, leading zeros included.
    wallets = [LocalEthSigner(rng.getrandbits(255) + 1) for _ in range(5)]
    seeds = [int.from_bytes(wallet.sign_typed_data(typed_data(31_337))[:32], "big") for wallet in wallets]
    seeds += [rng.getrandbits(256) for _ in range(100)] + [rng.getrandbits(240), rng.getrandbits(248)]
    keys = [StarkKey.from_private(grind_key(seed)) for seed in seeds[:20]]
    signed = [(key, rng.getrandbits(bits)) for key, bits in zip(keys, range(232, 252), strict=True)]
    found = answers(
        library,
        {
            "messages": messages,
            "seeds": [f"{seed:0{2 * ((seed.bit_length() + 7) // 8)}x}" for seed in seeds],
            "keys": [hex(key.reveal()) for key in keys],
            "accounts": [{"key": hex(key.public_key), "cls": hex(0xACC)} for key in keys],
            "signed": [{"key": hex(key.reveal()), "message": hex(message)} for key, message in signed],
        },
    )
    ours = [order.hash(chain) for order, chain in made] + [one.hash(CHAINS[1]) for one in challenges]
    assert [int(one, 16) for one in found["hashes"]] == ours
    assert len(ours) == 609
    assert [int(one, 16) for one in found["ground"]] == [grind_key(seed) for seed in seeds]
    assert [StarkKey(int(key, 16)) for key in found["ground"][:5]] == [derive(wallet, 31_337) for wallet in wallets]
    assert [int(one, 16) for one in found["publicKeys"]] == [key.public_key for key in keys]
    assert [int(one, 16) for one in found["addresses"]] == [account_address(key.public_key, 0xACC) for key in keys]
    for (key, message), (r, s) in zip(signed, found["signatures"], strict=True):
        # It draws its nonce otherwise, so the bytes differ.
        assert signing.verify(key.public_key, message, int(r, 16), int(s, 16))
