"""Pages from templates. All that a template shows is escaped unless this package made it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import URL

from truemark.errors import TruemarkError
from truemark.explorer.views import Health
from truemark.web import charts, show
from truemark.web.data import Data
from truemark.web.values import value_html

STATIC: Final = ("style.css", "theme.js", "live.js", "favicon.svg")
_FILTERS: Final = (
    "short_hex",
    "full_hex",
    "l1_hex",
    "age",
    "absolute",
    "iso",
    "tone",
    "words",
    "count",
    "decimal",
    "scaled",
    "usd",
    "price",
    "fee",
    "gas",
    "text_of",
    "signed",
    "is_long_hex",
    "kinds",
)


class Site:
    """What all pages share."""

    def __init__(self, data: Data, *, live: bool) -> None:
        self.data = data
        self.static: Mapping[str, bytes] = {
            name: files("truemark.web").joinpath("static", name).read_bytes() for name in STATIC
        }
        self._live = live
        self._env = Environment(
            loader=PackageLoader("truemark.web"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        ours = frozenset(data.deployment.contracts) if data.deployment is not None else frozenset()
        self._env.filters.update({name: getattr(show, name) for name in _FILTERS})
        self._env.globals.update(
            name_of=data.name,
            market_name=data.market_name,
            spark=charts.spark,
            value=lambda value, contract=None, field="": value_html(
                value, data.name, ours=data.market_name if contract in ours else None, field=field
            ),
            asset=self._asset,
            chain_name=data.deployment.name if data.deployment is not None else "Starknet chain",
            has_venue=data.deployment is not None,
        )

    async def page(self, request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """A page, with what its head shows: health, search, navigation."""
        html = await self.render(request, template, **context)
        return HTMLResponse(html, status)

    async def render(self, request: Request, template: str, **context: Any) -> str:
        health: Health | None
        try:
            health = await self.data.health()
        except (TruemarkError, SQLAlchemyError):
            # The page says that it is not known.
            health = None
        return self._env.get_template(template).render(
            health=health,
            now=time.time(),
            live=self._live,
            path=request.url.path,
            url=request.url,
            query=request.query_params,
            with_query=lambda **changes: _with_query(request.url, changes),
            **context,
        )

    def _asset(self, name: str) -> str:
        """Its URL changes with what it holds, so that a browser may keep it."""
        return f"/static/{name}?{hashlib.sha256(self.static[name]).hexdigest()[:10]}"


def _with_query(url: URL, changes: Mapping[str, Any]) -> str:
    """The page's own address with other parameters; None takes one out."""
    taken_out = [name for name, value in changes.items() if value is None]
    kept = {name: str(value) for name, value in changes.items() if value is not None}
    found = url.remove_query_params(taken_out) if taken_out else url
    found = found.include_query_params(**kept) if kept else found
    return f"{found.path}?{found.query}" if found.query else found.path
