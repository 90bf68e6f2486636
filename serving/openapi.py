"""OpenAPI of the service: what BentoML derives, with the errors, headers and examples that it does not know of."""

from __future__ import annotations

from datetime import date
from importlib.metadata import version
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from features.catalogue import Catalogue
from serving.outlooks import OutlookReply
from serving.reply import ErrorReply, ScoreReply
from serving.request import MOST_BYTES, MOST_ITEMS

_REFERENCE = "#/components/schemas/{model}"
_STATUSES = {
    400: "The body is not JSON in UTF-8.",
    404: "An entity is unknown, or there are no indicators as of the date; the text names the dates there are.",
    413: f"More than {MOST_ITEMS:,} items, or more than {MOST_BYTES // 1024 // 1024} MiB.",
    422: "An item is not as documented: an indicator missing, unknown, infinite or no number, an unknown key.",
    503: "No model or grading is in force yet, or the operational database does not answer.",
    507: "The look-up could not be written down, so it is not answered.",
}
_HEADERS = {
    "X-Qianfen-User": "Who asks; kept in the log of look-ups.",
    "X-Qianfen-Reason": "Why; kept in the log of look-ups.",
}
_TAGS = {
    "Scores": "Points, grades and reasons.",
    "Pages": "For people who review an entity.",
    "Infrastructure": "Health, readiness and metrics.",
}
_EXAMPLE_CODE = "91110000802100433B"


class EntityItem(BaseModel):
    """An entity, as of the grading in force or another date."""

    model_config = ConfigDict(extra="forbid")

    entity_id: str = Field(max_length=100, description="Unified social credit code, or the city's own key.")
    as_of_date: date | None = Field(
        default=None, description="Day of the indicators; that of the grades in force if left out."
    )


class ValuesItem(BaseModel):
    """Values of all 18 indicators; null where missing."""

    model_config = ConfigDict(extra="forbid")

    indicators: Annotated[dict[str, float | None], Field(min_length=18, max_length=18)]


def complete_openapi(derived: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """Return the document: `derived` with statuses, headers, examples, the indicators of the city and the pages."""
    schemas = _schemas(catalogue)
    score = derived["paths"]["/v1/score"]["post"]
    score["tags"] = ["Scores"]
    score["summary"] = "Points, grade and reasons"
    score["parameters"] = [_header(name, text) for name, text in _HEADERS.items()]
    body = score["requestBody"]["content"]["application/json"]
    body["schema"] = _one_or_many(("EntityItem", "ValuesItem"))
    body["examples"] = _examples(catalogue)
    success = next(response for status, response in score["responses"].items() if str(status) == "200")
    success["content"] = {"application/json": {"schema": _one_or_many(("ScoreReply",))}}
    score["responses"] = {"200": success} | {str(status): _error(text) for status, text in _STATUSES.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Qianfen",
            "version": version("qianfen"),
            "description": "Risk points, grades and reasons of a city's market entities. An internal reference for "
            "supervision, not a public credit evaluation.",
        },
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "servers": [{"url": "/"}],
        "paths": {
            "/v1/score": {"post": score},
            **_what_would_change(),
            **_pages(),
            **_infrastructure(derived["paths"]),
        },
        "components": {"schemas": schemas},
    }


def _schemas(catalogue: Catalogue) -> dict[str, Any]:
    asked = [(model, "validation") for model in (EntityItem, ValuesItem)]
    answered = [(model, "serialization") for model in (ScoreReply, OutlookReply, ErrorReply)]
    _, content = models_json_schema([*asked, *answered], ref_template=_REFERENCE)  # type: ignore[list-item]
    schemas: dict[str, Any] = content["$defs"]
    schemas["ValuesItem"]["properties"]["indicators"] = _indicators_schema(catalogue)
    return schemas


def _infrastructure(paths: dict[str, Any]) -> dict[str, Any]:
    return {path: item for path, item in paths.items() if path in ("/healthz", "/livez", "/readyz", "/metrics")}


def _indicators_schema(catalogue: Catalogue) -> dict[str, Any]:
    properties = {}
    for item in catalogue:
        number: dict[str, Any] = {"type": ["number", "null"], "description": f"{item.name_zh}, {item.unit}"}
        if item.minimum is not None:
            number["minimum"] = item.minimum
        if item.maximum is not None:
            number["maximum"] = item.maximum
        properties[item.name] = number
    return {
        "type": "object",
        "properties": properties,
        "required": list(catalogue.names),
        "additionalProperties": False,
        "description": "All indicators; null where missing.",
    }


def _one_or_many(models: tuple[str, ...]) -> dict[str, Any]:
    references = [{"$ref": _REFERENCE.format(model=model)} for model in models]
    one = references[0] if len(references) == 1 else {"oneOf": references}
    return {"oneOf": [*references, {"type": "array", "minItems": 1, "maxItems": MOST_ITEMS, "items": one}]}


def _examples(catalogue: Catalogue) -> dict[str, Any]:
    values = dict.fromkeys(catalogue.names)
    return {
        "one entity": {"value": {"entity_id": _EXAMPLE_CODE}},
        "as of a date": {"value": {"entity_id": _EXAMPLE_CODE, "as_of_date": "2025-07-01"}},
        "several": {"value": [{"entity_id": _EXAMPLE_CODE}, {"entity_id": "91110108551385082Q"}]},
        "values": {"value": {"indicators": {**values, "years_in_operation": 3.5, "penalties": 1.0}}},
    }


def _header(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}


def _error(text: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="ErrorReply")}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _what_would_change() -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="OutlookReply")}
    answered = {"description": "What would change the grade.", "content": {"application/json": {"schema": schema}}}
    code = {"name": "entity_id", "in": "path", "required": True, "schema": {"type": "string"}}
    day = {"name": "as_of_date", "in": "query", "description": "Day of the indicators; that of the grades in force."}
    return {
        "/v1/what-would-change/{entity_id}": {
            "get": {
                "summary": "What would change the grade",
                "description": "Up to three ways to the next better grade, each scored by the model; or that there is "
                "none. The look-up is written down.",
                "tags": ["Scores"],
                "parameters": [
                    code,
                    {**day, "schema": {"type": "string", "format": "date"}},
                    *(_header(name, text) for name, text in _HEADERS.items()),
                ],
                "responses": {"200": answered}
                | {str(status): _error(_STATUSES[status]) for status in (404, 503, 507)}
                | {"422": _error("as_of_date is no day.")},
            }
        }
    }


def _pages() -> dict[str, Any]:
    def page(summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
        shown = {"description": "A page.", "content": {"text/html": {"schema": {"type": "string"}}}}
        return {"get": {"summary": summary, "tags": ["Pages"], "parameters": parameters, "responses": {"200": shown}}}

    def query(name: str, text: str) -> dict[str, Any]:
        return {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}

    language, why = query("lang", "zh or en"), query("why", "Reason for the look-up.")
    code = {"name": "entity_id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/": page("Search, and the grades in force", [query("q", "Code or part of a name."), language, why]),
        "/entities/{entity_id}": page(
            "Review page of an entity", [code, query("as_of", "Day of the indicators."), language, why]
        ),
    }
