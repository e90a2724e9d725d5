"""What a venue answers to orders."""

from __future__ import annotations

import pytest
from truemark.errors import TruemarkError
from truemark.gateway import OrderOutcomeUnknown, OrderRejected, OrderState, UnknownOrder
from truemark.models import Destination


def test_an_order_that_rests_or_waits_is_not_at_its_end() -> None:
    waiting = [OrderState.WAITING, OrderState.OPEN, OrderState.MATCHED]
    assert [state for state in OrderState if not state.is_final] == waiting


def test_errors_keep_the_venues_words_and_are_standard_ones_too() -> None:
    rejected = OrderRejected("price band", 0xAB)
    assert (rejected.reason, rejected.order_hash, str(rejected)) == (
        "price band",
        0xAB,
        "order 0xab rejected: price band",
    )
    assert isinstance(rejected, ValueError)
    assert isinstance(rejected, TruemarkError)
    assert isinstance(UnknownOrder(1), LookupError)
    assert issubclass(OrderOutcomeUnknown, ConnectionError)


def test_destinations_have_the_codes_of_the_bridge() -> None:
    assert [destination.code for destination in (Destination.WALLET, Destination.MARGIN, Destination.VAULT)] == [
        0,
        1,
        2,
    ]
    assert [Destination.from_code(code) for code in range(3)] == list(Destination)
    with pytest.raises(ValueError, match="no destination"):
        Destination.from_code(3)
