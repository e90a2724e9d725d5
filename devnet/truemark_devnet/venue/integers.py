"""The integers of field arithmetic: GMP's where gmpy2 is installed (`truemark-devnet[fast]`), else Python's own.

gmpy2 is no dependency: sympy takes it up wherever it is found, and starknet-py's own signer then returns signatures
that starknet-py does not serialise.
"""

from __future__ import annotations

from typing import Any

try:
    import gmpy2
except ImportError:
    mpz: Any = int

    def invert(value: int, modulus: int) -> Any:
        """The inverse of `value`.

        Raises:
            ValueError: there is none.
        """
        return pow(value, -1, modulus)

else:
    mpz = gmpy2.mpz

    def invert(value: int, modulus: int) -> Any:
        """The inverse of `value`.

        Raises:
            ZeroDivisionError: there is none.
        """
        return gmpy2.invert(value, modulus)
