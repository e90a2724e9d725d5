"""The ABIs that the client ships: every type, function and event of them has a codec."""

from __future__ import annotations

import pytest
from truemark.abi import Abi, AbiError
from truemark.felt import selector


@pytest.mark.parametrize("name", Abi.shipped())
def test_every_function_and_event_of_a_shipped_abi_compiles(name: str) -> None:
    abi = Abi.load(name)
    assert Abi.load(name) is abi
    for function in abi.functions:
        abi._codecs_of(function)
    for layouts in abi._events._layouts.values():
        assert all(hasattr(layout, "codecs") for layout in layouts)


def test_the_accounts_that_devnet_ships_take_lists_of_calls() -> None:
    abi = Abi.load("Account")
    assert abi.decode_call(selector("__execute__"), [1, 5, 6, 1, 7]).arguments == {
        "calls": [{"to": 5, "selector": 6, "calldata": [7]}]
    }
    assert abi.functions["constructor"].inputs == {"public_key": "core::felt252"}


def test_the_clearinghouse_and_its_classes_are_one_abi() -> None:
    whole = Abi.load("Clearinghouse").joined(
        *(Abi.load(name) for name in ("Trading", "Liquidation", "Money", "Venue", "Waterfall"))
    )
    assert {"FillSettled", "Liquidated", "Deposited", "ModeChanged", "RoleGranted"} <= set(whole.event_names())
    assert all(len(layouts) == 1 for layouts in whole._events._layouts.values())


def test_an_abi_that_is_not_shipped_is_named() -> None:
    with pytest.raises(AbiError, match="no ABI 'Nothing' is shipped; there are Account"):
        Abi.load("Nothing")
