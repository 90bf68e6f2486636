"""The review pages, rendered on the server: search and grades in force, and one entity's points with their reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from data.errors import NotFoundError, NotReadyError, QianfenError, UnreachableError
from features.catalogue import catalogue_of
from features.snapshots import Snapshot
from serving.champion import Champion
from serving.entities import MOST_FOUND, EntityFacts, entity_facts, find_entities
from serving.entity_change import change_since_before
from serving.grades import GradingInForce, grades_of
from serving.lookups import Asker, record_lookups
from serving.model_pages import model_page, name_of_card
from serving.names import city_title
from serving.pages import environment, html_language, page
from serving.request import ScoreItem, parse_date
from serving.review_page import bands, card_grade, draw, shown_changes
from serving.scoring import Scorer
from serving.wording import LANGUAGES, other_language, words
from training.additive import AdditiveModel

_FOLDER = Path(__file__).resolve().parent
_HEADERS = {
    # Names stand in addresses and pages: neither caches nor other sites may learn them.
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
}

# Swagger UI comes with BentoML; BentoML's own page around it would call home.
_DOCS_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"

# A report brings its style along, so that it needs no server.
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

ScorerSource = Callable[[], Scorer]


def create_site(scorer: ScorerSource, routes: tuple[BaseRoute, ...] = ()) -> Starlette:
    """Return the application with the pages, their style sheet and further routes."""

    def home(request: Request) -> Response:
        return _shown(scorer(), request, _home)

    def entity(request: Request) -> Response:
        return _shown(scorer(), request, _entity)

    def model(request: Request) -> Response:
        return _shown(scorer(), request, _model)

    return Starlette(
        routes=[
            Route("/", home),
            Route("/entities/{entity_id:path}", entity),
            Route("/model/{name}", model),
            Route("/docs", _docs),
            Mount("/static", StaticFiles(directory=_FOLDER / "static")),
            *routes,
        ]
    )


def _docs(_: Request) -> Response:
    content = environment().get_template("docs.html").render()
    return HTMLResponse(content, headers=_HEADERS | {"Content-Security-Policy": _DOCS_POLICY})


def _model(scorer: Scorer, request: Request, language: str) -> Response:
    content = model_page(scorer.city, scorer.settings, scorer.model.model_version, request.path_params["name"])
    return HTMLResponse(content, headers=_HEADERS | {"Content-Security-Policy": _REPORT_POLICY})


def _shown(scorer: Scorer, request: Request, show: Callable[[Scorer, Request, str], Response]) -> Response:
    """Show a page; what a user can act on becomes a page of its own, with its status."""
    language = _language(scorer, request)
    try:
        return show(scorer, request, language)
    except NotReadyError as error:
        return _message(scorer, request, language, error, "not_ready_title", words(language)["not_ready"])
    except UnreachableError as error:
        return _message(scorer, request, language, error, "unreachable_title", words(language)["unreachable"])
    except QianfenError as error:
        return _message(scorer, request, language, error, "error_title", str(error))


def _home(scorer: Scorer, request: Request, language: str) -> Response:
    grading, model = scorer.grading(), scorer.model
    wanted = request.query_params.get("q", "").strip()
    found = _search(scorer, request, grading, wanted) if wanted else []
    return _page(
        "home.html",
        scorer,
        request,
        language,
        grading=grading,
        champion_version=model.model_version,
        grades=_shares(grading, model),
        wanted=wanted,
        found=found,
        most_found=MOST_FOUND,
    )


def _search(scorer: Scorer, request: Request, grading: GradingInForce, wanted: str) -> list[dict[str, Any]]:
    snapshot = scorer.snapshot(None, grading=grading)
    facts = find_entities(scorer.settings, snapshot, wanted)
    grades = grades_of(scorer.engine, grading.id, [f.entity_id for f in facts])
    found = [{"facts": f, "grade": grades.get(f.entity_id)} for f in facts]
    _record(scorer, request, "GET /", [f.entity_id for f in facts], grading.as_of_date, grading.model_version)
    return found


def _shares(grading: GradingInForce, model: AdditiveModel) -> list[dict[str, Any]]:
    """Return all grades of a grading; where each begins is known only of the model that graded."""
    is_its_model = model.model_version == grading.model_version
    begin = {band.grade: band.from_points for band in bands(model.cut_points)} if is_its_model else {}
    total = max(grading.n_entities, 1)
    return [
        {"grade": grade, "n": n, "share": n / total, "from_points": begin.get(grade, "—")}
        for grade, n in grading.grade_counts.items()
    ]


def _entity(scorer: Scorer, request: Request, language: str) -> Response:
    entity_id = request.path_params["entity_id"]
    as_of = request.query_params.get("as_of")
    item = ScoreItem(entity_id=entity_id, as_of_date=parse_date(as_of, "as_of") if as_of else None)
    # Asked once: the page stands on one model and one grading, whatever is promoted or put in force meanwhile.
    champion, grading = scorer.champion, scorer.grading()
    try:
        snapshot = scorer.snapshot(item.as_of_date, champion, grading)
    except NotFoundError as error:
        return _message(scorer, request, language, error, "no_date_title", str(error))
    try:
        reply = scorer.score([item], _asker(request, "GET /entities"), champion, grading)[0]
    except NotFoundError as error:
        _record(scorer, request, "GET /entities", [entity_id], snapshot.as_of_date, None)
        text = words(language)["unknown_entity"].format(entity_id[:100])
        return _message(scorer, request, language, error, "unknown_entity_title", text)
    dates = sorted({*scorer.snapshot_folders(champion.model), grading.as_of_date}, reverse=True)
    return _review(scorer, champion, request, language, snapshot, reply, dates)


def _review(
    scorer: Scorer,
    champion: Champion,
    request: Request,
    language: str,
    snapshot: Snapshot,
    reply: Mapping[str, Any],
    dates: Sequence[date],
) -> Response:
    entity_id = reply["entity_id"]
    facts: EntityFacts | None = entity_facts(scorer.settings, snapshot, [entity_id]).get(entity_id)
    model, catalogue, currency = champion.model, catalogue_of(scorer.city), scorer.city.currency
    outlook = champion.outlooks.outlook(reply)
    change = change_since_before(scorer.city, scorer.settings, reply, language)
    return _page(
        "entity.html",
        scorer,
        request,
        language,
        entity_id=entity_id,
        city_name=scorer.city.name,
        facts=facts,
        reply=reply,
        bands=bands(model.cut_points),
        card_grade=card_grade(reply, model, language),
        drawing=draw(reply, catalogue, model.cut_points, language, currency),
        change=change,
        change_dates=_between(change.since, snapshot.as_of_date),
        outlook=outlook,
        ways=outlook["ways"] or ([outlook["best"]] if outlook["best"] else []),
        changes=lambda way: shown_changes(way, catalogue, language, currency),
        horizon_days=scorer.city.label.horizon_days,
        dates=dates,
    )


def _between(since: date | None, until: date | None) -> str:
    """Return the options by which `qianfen movement` compares two dates; two gradings of one date it finds itself."""
    return "" if since is None or since == until else f" --from {since} --to {until}"


def _message(scorer: Scorer, request: Request, language: str, error: QianfenError, title: str, text: str) -> Response:
    return _page(
        "message.html",
        scorer,
        request,
        language,
        status=error.http_status,
        message_title=words(language)[title],
        text=text,
        detail=str(error),
    )


def _page(template: str, scorer: Scorer, request: Request, language: str, status: int = 200, **values: Any) -> Response:
    def link(path: str, **changes: str) -> str:
        """Return an address that keeps language and reason of this request."""
        kept = {k: v for k, v in request.query_params.items() if k in ("lang", "why")}
        query = {k: v for k, v in (kept | changes).items() if v}
        return path + (f"?{urlencode(query)}" if query else "")

    t, here = words(language), dict(request.query_params) | {"lang": other_language(language)}
    content = page(
        template,
        language,
        f"{quote(request.url.path)}?{urlencode(here)}",
        product=t["product"],
        title=city_title(scorer.city, language),
        t=t,
        why=request.query_params.get("why", ""),
        chosen_language=request.query_params.get("lang", ""),
        link=link,
        card=f"/model/{name_of_card(language)}",
        **values,
    )
    return HTMLResponse(content, status, headers={**_HEADERS, "Content-Language": html_language(language)})


def _language(scorer: Scorer, request: Request) -> str:
    asked = request.query_params.get("lang")
    return asked if asked in LANGUAGES else scorer.city.languages[0]


def _asker(request: Request, what: str) -> Asker:
    return Asker.of_request(request.headers, request.query_params, what)


def _record(
    scorer: Scorer, request: Request, what: str, entity_ids: list[str], as_of_date: date | None, version: str | None
) -> None:
    looked_up = [(entity_id[:100], as_of_date, version) for entity_id in entity_ids]
    record_lookups(scorer.engine, scorer.city.name, _asker(request, what), looked_up)
