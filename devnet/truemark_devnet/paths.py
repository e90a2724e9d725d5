"""Where the project's parts are. The contracts' sources are in the checkout, not in the wheel."""

from __future__ import annotations

from pathlib import Path

from truemark.errors import TruemarkError


class CheckoutMissing(TruemarkError, FileNotFoundError):
    """The command needs the project's checkout (its contracts/ folder), which is not here."""


def checkout() -> Path:
    """The project's root folder.

    Raises:
        CheckoutMissing: the package was installed without the checkout around it.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "contracts" / "cairo_project.toml").is_file():
        raise CheckoutMissing(
            f"{root}/contracts is missing: contracts are built from a checkout of the project "
            "(git clone, then `make contracts`), an installed wheel does not carry their sources"
        )
    return root
