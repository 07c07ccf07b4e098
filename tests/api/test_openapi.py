"""The OpenAPI document is well formed, true, and documented."""

import re
from pathlib import Path
from typing import Any

import pytest

from stonelog.api.problems import KINDS

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "http.md"
REQUESTS = {
    "/v1/events": ["/v1/events", "/v1/events?limit=2", "/v1/events?limit=0"],
    "/v1/events/{key}": ["/v1/events/3", "/v1/events/99"],
    "/v1/count": ["/v1/count", "/v1/count?q=)"],
    "/v1/facets": ["/v1/facets?field=username&field=response_time_ms", "/v1/facets"],
    "/v1/histogram": ["/v1/histogram", "/v1/histogram?by=level", "/v1/histogram?step=x"],
    "/v1/stats": ["/v1/stats", "/v1/stats?q=nothinglikeit"],
    "/livez": ["/livez"],
    "/readyz": ["/readyz"],
}


@pytest.fixture
def document(get) -> dict[str, Any]:
    return get("/openapi.json").json()


def references(node: Any) -> list[str]:
    """Every $ref in the document."""
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


TYPES = {"string": str, "integer": int, "number": (int, float), "object": dict, "array": list, "null": type(None)}


def fits(document: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    """Whether the value is what the schema says, as far as our schemas go."""
    schema = resolve(document, schema)
    if "anyOf" in schema:
        return any(fits(document, choice, value) for choice in schema["anyOf"])
    if "type" in schema and (not isinstance(value, TYPES[schema["type"]]) or isinstance(value, bool)):
        return schema.get("type") == "boolean" if isinstance(value, bool) else False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        others = schema.get("additionalProperties", {})
        return set(schema.get("required", ())) <= value.keys() and all(
            fits(document, known[key] if key in known else others if isinstance(others, dict) else {}, item)
            for key, item in value.items()
        )
    if isinstance(value, list):
        return all(fits(document, schema.get("items", {}), item) for item in value)
    return True


TYPES["boolean"] = bool


def test_document_is_openapi_31(document):
    """The document has what OpenAPI 3.1 requires, and every reference in it leads somewhere."""
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert {"title", "version"} <= document["info"].keys()
    assert set(document["paths"]) == set(REQUESTS)
    assert all(resolve(document, {"$ref": reference}) for reference in references(document))
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))


def test_parameters_are_described(document):
    """Every parameter has a place, a schema that is never null, and words; those in a path are required."""
    for path, operations in document["paths"].items():
        assert set(operations) == {"get"}
        parameters = operations["get"].get("parameters", [])
        in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        for parameter in parameters:
            assert parameter["in"] in ("path", "query")
            assert parameter["description"]
            assert "null" not in str(parameter["schema"])
            assert parameter["required"] or parameter["in"] == "query"


def test_errors_are_problems(document):
    """Every status but 200 is a problem document, and 422 is never promised."""
    for operations in document["paths"].values():
        responses = operations["get"]["responses"]
        assert "200" in responses
        assert "422" not in responses
        for status, response in responses.items():
            assert response["description"]
            if status != "200":
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "HTTPValidationError" not in document["components"]["schemas"]


@pytest.mark.parametrize("path", REQUESTS)
def test_answers_are_as_the_document_says(get, seven, document, path):
    """Each answer has a status, a media type and a body that the document promises for its path."""
    for request in REQUESTS[path]:
        answer = get(request)
        response = document["paths"][path]["get"]["responses"][str(answer.status_code)]
        schema = response["content"][answer.headers["content-type"]]["schema"]
        assert resolve(document, schema).get("properties"), request
        assert fits(document, schema, answer.json()), (request, answer.text)


def test_prefix_is_the_server(get, app, store):
    """Mounted under a prefix, the document names it, so that generated clients find the paths."""
    from fastapi import FastAPI

    host = FastAPI()
    host.mount("/log", app)
    assert get("/log/openapi.json", app=host).json()["servers"] == [{"url": "/log"}]


def section(path: str) -> str:
    """The part of docs/http.md under the heading of a path."""
    _, found, rest = DOCUMENTATION.read_text(encoding="utf-8").partition(f"### `GET {path}`\n")
    assert found, f"docs/http.md has no heading for {path}"
    return re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("path", REQUESTS)
def test_path_is_documented(document, path):
    """docs/http.md names every parameter and every status of every path, and no others."""
    text = section(path)
    operation = document["paths"][path]["get"]
    told = {name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    if path != "/readyz":
        assert told == {item["name"] for item in operation.get("parameters", []) if item["in"] == "query"}
    good, problems = re.search(r"^Answers (.+); problems (.+)\.$", text, re.MULTILINE).groups()
    assert {good, *problems.split(", ")} == set(operation["responses"])


def test_every_kind_of_problem_is_documented():
    """docs/http.md has a row for each kind of problem with its status, and no others."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", DOCUMENTATION.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted((kind.name, str(kind.status)) for kind in KINDS)
