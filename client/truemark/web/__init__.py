"""The web explorer and its JSON API: `pip install truemark[web]`, `truemark explorer`.

Nothing here is imported by the rest of the client, so a trader needs no web server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from truemark.errors import TruemarkError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from truemark.web.data import Data
    from truemark.web.live import Hub

__all__ = ["WebMissing", "create_app"]


class WebMissing(TruemarkError, ImportError):
    """The web explorer's packages are not installed."""


def create_app(data: Data, hub: Hub | None = None) -> FastAPI:
    """The explorer as an ASGI application.

    Args:
        data: what it shows.
        hub: where new blocks are announced; None: pages do not follow the chain.

    Raises:
        WebMissing: the extra is not installed.
    """
    need_web()
    from truemark.web.app import build

    return build(data, hub)


def need_web() -> None:
    """
    Raises:
        WebMissing: the extra is not installed.
    """
    try:
        import fastapi
        import jinja2
        import uvicorn
    except ImportError as error:
        raise WebMissing(f"the web explorer needs {error.name}: pip install 'truemark[web]'") from None
    del fastapi, jinja2, uvicorn
