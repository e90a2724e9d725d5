"""The root of every error that Truemark raises on purpose."""

from __future__ import annotations


class TruemarkError(Exception):
    """Base of all errors of the three distributions. Each also derives from the standard error it is a case of."""
