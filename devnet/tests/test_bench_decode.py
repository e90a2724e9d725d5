"""The codec and starknet.js say the same of the same events."""

from __future__ import annotations

import random

import pytest
from truemark.abi import Abi
from truemark_devnet.bench.decode import NoNode, Unequal, by_starknet_js, compare, corpus


@pytest.mark.deep
def test_the_codec_says_what_starknet_js_says_of_a_corpus() -> None:
    entries, events = corpus(random.Random(7), 2_000)
    try:
        rate, said = by_starknet_js(entries, events, 0.0)
    except NoNode as error:
        pytest.skip(str(error))
    assert rate > 0
    compare(Abi(entries), events, said)
    events[5]["data"][0] = hex(int(events[5]["data"][0], 16) ^ 1)
    with pytest.raises(Unequal):
        compare(Abi(entries), events[5:6], said[5:6])
