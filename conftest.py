"""How many examples a property gets: a sample by default, more with TRUEMARK_EXAMPLES=deep or prove."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("sample", deadline=None)
settings.register_profile("deep", deadline=None, max_examples=2_000)
settings.register_profile("prove", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("TRUEMARK_EXAMPLES", "sample"))
