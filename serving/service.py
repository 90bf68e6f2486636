"""The BentoML service: `POST /v1/score`, the review pages, OpenAPI, health, readiness and metrics.

`qianfen serve` starts it. A worker process builds its settings from `QIANFEN_*` once: this module is its entry point.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import bentoml
from _bentoml_sdk.io_models import IORootModel  # type: ignore[import-untyped]
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data.errors import QianfenError
from data.settings import Settings
from features.catalogue import catalogue_of
from serving.lookups import Asker
from serving.openapi import complete_openapi
from serving.reply import ScoreReply
from serving.request import MOST_BYTES, ScoreItem, parse_date, parse_request, too_many_bytes
from serving.scoring import Scorer
from serving.site import create_site

_DRAINED_BYTES = 64 * 1024 * 1024
_THREADS = 8


@cache
def _scorer() -> Scorer:
    return Scorer.open(Settings.from_environment(os.environ))


@dataclass(frozen=True)
class Asked:
    """A request as it came: the body, None where it is too large, and who asks."""

    body: bytes | None
    asker: Asker


class ScoreInput(IORootModel[dict[str, Any]]):  # type: ignore[misc]
    """One item, or an array of 1 to 1,000; serving.openapi says it in full, which BentoML's derivation cannot."""

    __root_input__ = True

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Asked:
        """Take the body as it is: our own reading of it refuses with statuses and texts that BentoML's lacks."""
        asker = Asker.of_request(request.headers, request.query_params, "POST /v1/score")
        return Asked(await _body(request), asker)


@bentoml.service(
    name="qianfen",
    threads=_THREADS,
    traffic={"timeout": 60},
    logging={"access": {"enabled": True, "skip_paths": ["/healthz", "/livez", "/readyz", "/metrics", "/static"]}},
)
class RiskGrades:
    """Grades the risk of a city's market entities on a thousand-point scale and explains every grade."""

    def __is_ready__(self) -> bool:
        """Answer `/readyz`: whether entities can be scored."""
        return _scorer().is_ready()

    @bentoml.api(route="/v1/score", input_spec=ScoreInput, output_spec=ScoreReply)  # type: ignore[untyped-decorator]
    def score(self, asked: Asked, /) -> Response:
        """Score one item, or an array of up to 1,000: entities by code, or 18 indicator values each.

        The contributions add up: base_points + sum of totals + clipping = points. A request is answered whole or
        refused whole. Every entity looked at is written down, with X-Qianfen-User and X-Qianfen-Reason.
        """
        try:
            return _json(_answer(asked))
        except QianfenError as error:
            return JSONResponse(error_body(error), error.http_status)


def error_body(error: QianfenError) -> dict[str, Any]:
    """Return the JSON body of an error; its code is the name of its class, without `Error`."""
    code = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__.removesuffix("Error")).lower()
    return {"error": {"code": code, "message": str(error)}}


def _answer(asked: Asked) -> Any:
    if asked.body is None:
        raise too_many_bytes()
    scorer = _scorer()
    request = parse_request(asked.body, catalogue_of(scorer.city))
    replies = scorer.score(request.items, asked.asker)
    return replies if request.is_array else replies[0]


def _json(content: Any) -> Response:
    """Write JSON with all digits of 64-bit numbers."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8"), media_type="application/json")


async def _body(request: Request) -> bytes | None:
    """Read the body up to the limit; one that is larger is read on and dropped, so that the caller hears why."""
    kept, n_bytes = bytearray(), 0
    async for chunk in request.stream():
        n_bytes += len(chunk)
        if n_bytes <= MOST_BYTES:
            kept += chunk
        elif n_bytes > _DRAINED_BYTES:
            break
    return bytes(kept) if n_bytes <= MOST_BYTES else None


def _openapi(_: Request) -> Response:
    return JSONResponse(complete_openapi(_service.openapi_spec.asdict(), catalogue_of(_scorer().city)))


def _what_would_change(request: Request) -> Response:
    """Answer `GET /v1/what-would-change/<entity_id>`: ways to the next better grade, each of them scored."""
    query = request.query_params
    try:
        day = query.get("as_of_date")
        item = ScoreItem(request.path_params["entity_id"], parse_date(day, "as_of_date") if day else None)
        scorer = _scorer()
        champion = scorer.champion
        asker = Asker.of_request(request.headers, query, "GET /v1/what-would-change")
        return _json(champion.outlooks.outlook(scorer.score([item], asker, champion)[0]))
    except QianfenError as error:
        return JSONResponse(error_body(error), error.http_status)


# The decorator turned the class into a service, which types do not show.
_service: Any = RiskGrades
_routes = (Route("/docs.json", _openapi), Route("/v1/what-would-change/{entity_id:path}", _what_would_change))
_service.mount_asgi_app(create_site(_scorer, _routes), path="/", name="site")
