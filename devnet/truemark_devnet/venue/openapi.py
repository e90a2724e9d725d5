"""The gateway's OpenAPI document: the schemas of truemark.wire's records at the routes that take and give them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from truemark import wire
from truemark.wire import Record, paths

#: (method, path) -> (body, answer); None: none.
_BODIES: dict[tuple[str, str], tuple[type[Record] | None, type[Record] | None]] = {
    ("get", paths.VENUE): (None, wire.VenueView),
    ("get", paths.MARKETS): (None, wire.MarketList),
    ("get", paths.MARKET): (None, wire.MarketView),
    ("get", paths.BOOK): (None, wire.BookView),
    ("get", paths.TRADES): (None, wire.TradeList),
    ("get", paths.CANDLES): (None, wire.CandleList),
    ("post", paths.CHALLENGE): (wire.ChallengeRequest, wire.Challenge),
    ("post", paths.SESSION): (wire.TokenRequest, wire.Token),
    ("delete", paths.SESSION): (None, None),
    ("post", paths.ORDERS): (wire.PlaceRequest, wire.OrderView),
    ("get", paths.ORDERS): (None, wire.OrderList),
    ("delete", paths.ORDERS): (None, wire.OrderList),
    ("post", paths.BATCH): (wire.BatchRequest, wire.OrderResults),
    ("post", paths.CANCELS): (wire.CancelRequest, wire.OrderResults),
    ("get", paths.FILLS): (None, wire.FillList),
    ("get", paths.ACCOUNT): (None, wire.AccountView),
    ("get", paths.SWITCH): (None, wire.SwitchView),
    ("put", paths.SWITCH): (wire.SwitchRequest, wire.SwitchView),
} | {
    (method, path): (wire.ModifyRequest if method == "patch" else None, wire.OrderView)
    for path in (paths.ORDER, paths.CLIENT_ORDER)
    for method in ("get", "delete", "patch")
}
_QUERIES: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("get", paths.BOOK): (("depth", "integer"),),
    ("get", paths.TRADES): (("limit", "integer"),),
    ("get", paths.CANDLES): (("interval", "integer"), ("start", "integer"), ("end", "integer")),
    ("get", paths.ORDERS): (("market", "string"), ("state", "string"), ("limit", "integer"), ("before", "integer")),
    ("delete", paths.ORDERS): (("market", "string"),),
    ("get", paths.FILLS): (("market", "string"), ("after", "integer"), ("limit", "integer")),
}
_OPEN = frozenset({paths.VENUE, paths.MARKETS, paths.MARKET, paths.BOOK, paths.TRADES, paths.CANDLES, paths.CHALLENGE})


def describe(app: FastAPI) -> None:
    """Makes the app's OpenAPI document say what its routes take and give."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas: dict[str, Any] = {}
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            template = _template(path)
            body, answer = _BODIES[method, template]
            names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
            operation["parameters"] = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ] + [
                {"name": name, "in": "query", "schema": {"type": kind}}
                for name, kind in _QUERIES.get((method, template), ())
            ]
            if body is not None:
                operation["requestBody"] = {"required": True, "content": _json(_ref(body, schemas))}
            operation["responses"] = {
                ("204" if answer is None else "200"): {
                    "description": "done",
                    **({} if answer is None else {"content": _json(_ref(answer, schemas))}),
                },
                "default": {"description": "refused", "content": _json(_ref(wire.ErrorBody, schemas))},
            }
            if template not in _OPEN and (method, template) != ("post", paths.SESSION):
                operation["security"] = [{"token": []}]
    found["components"] = {
        "schemas": dict(sorted(schemas.items())),
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    }
    return found


def _template(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(kind: type[Record], schemas: dict[str, Any]) -> dict[str, Any]:
    return kind.schema(schemas)
