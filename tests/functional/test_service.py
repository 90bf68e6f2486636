"""The real service on a real port: scores, pages, documentation, and every bad input of which a caller can hear."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from features.catalogue import load_catalogue
from features.snapshots import load_snapshot
from serving.grading import grade_population
from serving.outlooks import OutlookReply
from serving.reply import ErrorReply, ScoreReply
from serving.request import parse_request

NAMES = load_catalogue().names
START_SECONDS = 90


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(city, log):
    """Run `qianfen serve` for as long as the block runs; yield a client of it."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QIANFEN_")}
    environment |= {"QIANFEN_VAR": str(city.settings.var), "HOME": str(log.parent)}
    command = [sys.executable, "-m", "serving.commands", "serve", str(city.city.folder), "--port", str(port)]
    with log.open("w") as output:
        run = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            wait_until_ready(client, run, log)
            yield client
    finally:
        run.send_signal(signal.SIGTERM)
        run.wait(timeout=30)


def wait_until_ready(client, run, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert run.poll() is None, log.read_text()
        try:
            if client.get("/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"not ready within {START_SECONDS} s: {log.read_text()}")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("service") / "service.log"


@pytest.fixture(scope="module")
def client(graded_city, log):
    with running(graded_city, log) as client:
        yield client


def values(**changes):
    return {"indicators": dict.fromkeys(NAMES) | changes}


def without(name):
    content = values()
    del content["indicators"][name]
    return content


def test_one_entity_gets_one_reply_with_all_digits_of_its_grade(client, graded_city):
    answer = client.post("/v1/score", json={"entity_id": "E07"})

    reply = ScoreReply.model_validate_json(answer.content, strict=True)
    graded = pd.read_parquet(graded_city.grading.path).set_index("entity_id").loc["E07"]
    assert answer.status_code == 200
    assert answer.json()["points"] == graded["points"]
    assert reply.grade == graded["grade"]
    assert reply.as_of_date == graded_city.grading.as_of_date


def test_every_reply_adds_up(client):
    replies = client.post("/v1/score", json=[{"entity_id": f"E{n:02}"} for n in range(60)]).json()

    for reply in replies:
        total = reply["base_points"] + sum(c["total"] for c in reply["contributions"]) + reply["clipping"]
        assert abs(total - reply["points"]) < 1e-6


def test_what_would_change_the_grade_is_answered_for_one_entity(client):
    answer = client.get("/v1/what-would-change/E07", params={"as_of_date": "2020-05-01"})

    outlook = OutlookReply.model_validate_json(answer.content, strict=True)
    scored = client.post("/v1/score", json={"entity_id": "E07", "as_of_date": "2020-05-01"}).json()
    assert answer.status_code == 200
    assert (outlook.points, outlook.grade) == (scored["points"], scored["grade"])
    now = {c["indicator"]: c["value"] for c in scored["contributions"]}
    for way in [*outlook.ways, *filter(None, [outlook.best])]:
        then = client.post("/v1/score", json=values(**(now | {c.indicator: c.after for c in way.values}))).json()
        assert (then["points"], then["grade"]) == (way.points, way.grade)
        assert then["points"] < scored["points"]


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/v1/what-would-change/none", 404, "No active entity 'none'"),
        ("/v1/what-would-change/E07?as_of_date=yesterday", 422, "as_of_date must be a day"),
    ],
)
def test_what_would_change_is_refused_by_name_where_it_cannot_be_told(client, path, status, text):
    answer = client.get(path)

    assert answer.status_code == status
    assert text in ErrorReply.model_validate_json(answer.content).error.message


def test_a_thousand_items_are_answered_in_order(client):
    items = [{"entity_id": f"E{n % 60:02}"} for n in range(500)] + [values(penalties=1.0)] * 500

    answer = client.post("/v1/score", json=items)

    assert answer.status_code == 200
    assert [r["entity_id"] for r in answer.json()] == [i.get("entity_id") for i in items]


def test_an_earlier_date_is_answered_from_its_own_snapshot(client):
    now, then = client.post(
        "/v1/score", json=[{"entity_id": "E07"}, {"entity_id": "E07", "as_of_date": "2020-05-01"}]
    ).json()

    assert then["as_of_date"] == "2020-05-01"
    assert then["snapshot_id"] != now["snapshot_id"]


def test_grades_that_are_put_in_force_are_served_without_a_restart(client, graded_city, log):
    city = (graded_city.city, graded_city.records, graded_city.settings, graded_city.model)
    (folder,) = (graded_city.settings.var / "cities/toy/snapshots").glob("2020-05-01-*")
    before = client.post("/v1/score", json={"entity_id": "E07"}).json()

    grade_population(*city, load_snapshot(folder), lambda _: None)
    try:
        then = client.post("/v1/score", json={"entity_id": "E07"}).json()
    finally:
        grade_population(*city, graded_city.snapshot, lambda _: None)

    assert (before["as_of_date"], then["as_of_date"]) == ("2020-12-31", "2020-05-01")
    assert client.post("/v1/score", json={"entity_id": "E07"}).json() == before
    assert "slower" not in log.read_text(encoding="utf-8")


def test_what_curl_sends_by_default_is_read_too(client):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    assert client.post("/v1/score", content=b'{"entity_id": "E07"}', headers=headers).status_code == 200


def test_who_looked_and_why_is_in_the_database_and_names_are_not_in_the_log(client, graded_city, log):
    headers = {"X-Qianfen-User": "zhang.san", "X-Qianfen-Reason": "spot check 17"}
    client.post("/v1/score", json={"entity_id": "E11"}, headers=headers)
    client.get("/", params={"q": "第11餐馆"})

    engine = create_engine(graded_city.settings.database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT who, why, what, entity_id FROM lookups WHERE who = 'zhang.san'")).all()
    engine.dispose()
    assert rows == [("zhang.san", "spot check 17", "POST /v1/score", "E11")]
    assert "餐馆" not in log.read_text(encoding="utf-8")
    assert "%E7%AC%AC" not in log.read_text(encoding="utf-8")


BAD = {
    "no JSON": (b"{", 400, "malformed_request", "must be JSON"),
    "nothing": (b"", 400, "malformed_request", "must be JSON"),
    "another encoding": ('{"entity_id": "甲"}'.encode("gb18030"), 400, "malformed_request", "UTF-8"),
    "unknown entity": ({"entity_id": "X1"}, 404, "not_found", "No active entity 'X1'"),
    "one unknown of two": ([{"entity_id": "E07"}, {"entity_id": "X1"}], 404, "not_found", "'X1'"),
    "no snapshot": (
        {"entity_id": "E07", "as_of_date": "2020-06-01"}, 404, "not_found", "those as of: 2020-05-01, 2020-12-31",
    ),
    "17 indicators": (without("penalties"), 422, "request", "got 17. Missing: penalties"),
    "19 indicators": (values(penaltys=1), 422, "request", "Did you mean 'penalties'"),
    "infinity": (json.dumps(values(penalties=float("inf"))).encode(), 422, "request", "Infinity"),
    "not a number": (json.dumps(values(penalties=float("nan"))).encode(), 422, "request", "NaN"),
    "beyond the largest": (json.dumps(values()).replace("null", "1e999", 1).encode(), 422, "request", "finite"),
    "text": (values(penalties="two"), 422, "request", 'or null where missing, got "two"'),
    "a boolean": (values(penalties=True), 422, "request", "got true"),
    "an unknown key": ({"entity": "E07"}, 422, "request", "Did you mean 'entity_id'"),
    "no item": ([], 422, "request", "at least one item"),
    "1,001 entities": ([{"entity_id": "E07"}] * 1_001, 413, "request_too_large", "at most 1,000 items, got 1,001"),
    "10 MB": (b'{"entity_id": "' + b"A" * 10_000_000 + b'"}', 413, "request_too_large", "at most 4 MiB"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_has_its_own_status_and_message(client, case):
    body, status, code, says = BAD[case]

    answer = client.post("/v1/score", content=body if isinstance(body, bytes) else json.dumps(body).encode())

    error = ErrorReply.model_validate_json(answer.content).error
    assert (answer.status_code, error.code) == (status, code)
    assert says in error.message
    assert len(error.message) < 500


def test_after_bad_input_good_input_is_answered(client):
    assert client.post("/v1/score", content=b"[" * 100_000).status_code == 400
    assert client.post("/v1/score", json={"entity_id": "E07"}).status_code == 200


def test_callers_at_once_get_their_own_answers(client):
    def ask(number):
        return client.post("/v1/score", json={"entity_id": f"E{number % 60:02}"}).json()["entity_id"]

    with ThreadPoolExecutor(8) as pool:
        answered = list(pool.map(ask, range(120)))

    assert answered == [f"E{number % 60:02}" for number in range(120)]


def test_health_readiness_and_metrics_answer(client):
    for path in ("/healthz", "/livez", "/readyz"):
        assert client.get(path).status_code == 200
    assert "bentoml_service_request_total" in client.get("/metrics").text


def test_the_documentation_names_every_status_and_its_examples_can_be_asked(client):
    document = client.get("/docs.json").json()

    score = document["paths"]["/v1/score"]["post"]
    assert set(score["responses"]) == {"200", "400", "404", "413", "422", "503", "507"}
    assert document["components"]["schemas"]["ValuesItem"]["properties"]["indicators"]["required"] == list(NAMES)
    for example in score["requestBody"]["content"]["application/json"]["examples"].values():
        assert parse_request(json.dumps(example["value"]).encode(), load_catalogue()).items
    assert "/entities/{entity_id}" in document["paths"]
    assert client.get("/docs").status_code == 200


def test_the_documentation_refers_to_nothing_that_it_lacks(client):
    body = client.get("/docs.json").text
    document = json.loads(body)

    referred = {part.split('"')[0] for part in body.split("#/components/schemas/")[1:]}
    assert referred <= set(document["components"]["schemas"])


def test_pages_are_part_of_the_service(client):
    assert '<html lang="zh-CN">' in client.get("/").text
    assert client.get("/entities/E07?lang=en").status_code == 200
    assert client.get("/entities/X1").status_code == 404
    assert client.get("/static/site.css").headers["content-type"].startswith("text/css")


def test_without_grades_in_force_everything_says_503(client, graded_city):
    engine = create_engine(graded_city.settings.database_url)

    def set_in_force(value):
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE gradings SET in_force = :value WHERE as_of_date = '2020-12-31'"), {"value": value}
            )

    set_in_force(False)
    try:
        answer = client.post("/v1/score", json={"entity_id": "E07"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
        assert client.get("/readyz").status_code == 503
        assert client.get("/").status_code == 503
    finally:
        set_in_force(True)
        engine.dispose()
    assert client.get("/readyz").status_code == 200
