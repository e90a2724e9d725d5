"""What a transaction may cost: bounds for the three resources and a tip, and how they rise when it is stuck."""

from __future__ import annotations

from dataclasses import dataclass, replace

from truemark.errors import TruemarkError
from truemark.transactions import Bound, Fees
from truemark.units import U64_MAX

__all__ = ["Bound", "FeeCeiling", "FeePolicy", "Fees", "default_policy"]

#: L2 gas of one transaction.
L2_GAS = 200_000_000
#: A transaction is allowed so much less L1 data gas, which is for what it writes: liquidations take about 19,000 L2 gas
#: for each of it.
L2_PER_DATA_GAS = 10_000


class FeeCeiling(TruemarkError, RuntimeError):
    """The price that the network asks is above the most that the policy allows."""


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """Starts at `first`; a bump raises the tip and every unit price by `bump_percent`, rounded up, to at most
    `ceiling_factor` times the first prices.

    A sequencer takes a replacement at the same nonce only when both tip and L2 gas price rose by 10% or more.
    """

    first: Fees
    bump_percent: int = 12
    ceiling_factor: int = 64

    def __post_init__(self) -> None:
        if self.bump_percent < 10:
            raise ValueError(f"bump_percent is {self.bump_percent}: a replacement needs a rise of at least 10%")
        if self.ceiling_factor < 1:
            raise ValueError(f"ceiling_factor is {self.ceiling_factor}: it must be at least 1")

    def bumped(self, fees: Fees, percent: int | None = None) -> Fees:
        """The next bounds after `fees`, up by `percent` or else by `bump_percent`. Amounts stay.

        Raises:
            FeeCeiling: the L2 gas price would pass the ceiling.
        """
        ceiling = self.first.l2_gas.max_price * self.ceiling_factor
        rise = self.bump_percent if percent is None else max(percent, self.bump_percent)
        price = _up(fees.l2_gas.max_price, rise)
        if price > ceiling:
            raise FeeCeiling(f"the next L2 gas price would be {price} FRI, the policy allows {ceiling}")
        return Fees(
            l1_gas=replace(fees.l1_gas, max_price=_up(fees.l1_gas.max_price, rise)),
            l1_data_gas=replace(fees.l1_data_gas, max_price=_up(fees.l1_data_gas.max_price, rise)),
            l2_gas=replace(fees.l2_gas, max_price=price),
            tip=min(_up(fees.tip, rise), U64_MAX),
        )


def _up(value: int, percent: int) -> int:
    return -(-value * (100 + percent) // 100)


def default_policy(l2_gas: int = L2_GAS) -> FeePolicy:
    """Ample for starknet-devnet's default prices: so much L2 gas, data gas with it, and the L1 gas that a message to L1
    needs. An account must hold what all of the gas would cost at the most that is paid for it."""
    return FeePolicy(
        Fees(
            l1_gas=Bound(max_amount=100_000, max_price=10**12),
            l1_data_gas=Bound(max_amount=l2_gas // L2_PER_DATA_GAS, max_price=10**12),
            l2_gas=Bound(max_amount=l2_gas, max_price=10**11),
        )
    )
