"""The OpenAPI 3.1 document: made from the routes, and true about errors and about events."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from .problems import (
    FOREIGN_HOST,
    INDEX_UNAVAILABLE,
    INTERNAL,
    PROBLEM_TYPE,
    QUERY_STOPPED,
    QUERY_TOO_LONG,
    Kind,
    Problem,
)

__all__ = ["answers", "document"]

EVERYWHERE: Final = (QUERY_TOO_LONG, FOREIGN_HOST, INTERNAL)
ASKING: Final = (INDEX_UNAVAILABLE, QUERY_STOPPED)
ON_EVERY_LINE: Final = ("seq", "id", "time", "level", "category", "action", "synced", "hash")
PROBLEM_SCHEMA: Final = {"$ref": "#/components/schemas/Problem"}


def answers(
    model: type[BaseModel], *kinds: Kind, also: str | None = None, asks_index: bool = True
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: 200 with this model (and `also` this media type), and each kind of problem.

    The kinds that any path can answer with need not be given.
    """
    good: dict[str, Any] = {"model": model, "description": "the answer"}
    if also is not None:
        good["content"] = {also: {"schema": {"type": "string"}}}
    responses: dict[int | str, dict[str, Any]] = {200: good}
    for kind in (*kinds, *EVERYWHERE, *(ASKING if asks_index else ())):
        described = responses.setdefault(kind.status, {"content": {PROBLEM_TYPE: {"schema": PROBLEM_SCHEMA}}})
        words = f"{kind.title} (`{kind.name}`)"
        described["description"] = f"{described['description']}; {words}" if "description" in described else words
    return responses


def document(app: FastAPI) -> dict[str, Any]:
    """The document of the application's routes, made once.

    FastAPI would promise 422 on every path with parameters; ours answer 400. And it writes null for what is None in
    Python, where on a line, in a problem or in a query string it is not there.
    """
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            description=app.description,
            routes=app.routes,
        )
        for operations in made["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
                for parameter in operation.get("parameters", ()):
                    parameter["schema"] = _never_null(parameter["schema"])
        schemas = made["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = Problem.model_json_schema()
        for schema in (schemas["Problem"], schemas["Event"]):
            schema["properties"] = {name: _never_null(field) for name, field in schema["properties"].items()}
        schemas["Event"]["required"] = list(ON_EVERY_LINE)
        app.openapi_schema = made
    return app.openapi_schema


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without the choice `null` and its default: what is absent is not there."""
    if "anyOf" not in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    kept = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    return {**rest, **kept[0]} if len(kept) == 1 else {**rest, "anyOf": kept}
