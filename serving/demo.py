"""The main job in one go: records, indicators, models, grades, and one entity scored through HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd

from data.city import City, Period
from data.errors import ArtifactError, GateError, StorageError
from data.files import write_json
from data.progress import Progress
from data.records import Records, ingest
from data.settings import Settings
from features.drift.report import check_drift
from features.snapshots import build_snapshot
from serving.grading import Grading, grade_population
from serving.gradings import was_in_force
from serving.movement import movement_between
from serving.movement_words import MovementWords
from serving.promotions import challenger_waits, promote_challenger, settle_champion
from serving.tables import MODEL_METRICS, grade_table, model_table
from training.champions import load_champion
from training.runs import train_city
from training.trainings import TrainingResult

ADDITIVITY_TOLERANCE_POINTS = 1e-6
REASONS = 5
_START_SECONDS = 120
WHO = "Qianfen's demo"
WHY = "The demo promotes what passes the gate, so that there is a champion to grade with."
_STEPS = 7


@dataclass
class _Steps:
    """Numbers the steps, times them, and says them."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[None]:
        self.progress(f"[{len(self.seconds) + 1}/{_STEPS}] {title}")
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)
        self.progress(f"      {self.seconds[name]:.1f} s")


def run_demo(
    city: City, city_name: str, n_entities: int, settings: Settings, progress: Progress = print
) -> dict[str, Any]:
    """Run every step for a city, write var/demo/summary.json and return what it holds.

    Steps whose inputs have not changed are skipped. `n_entities` is the size of the synthetic city; others ignore it.
    """
    steps = _Steps(progress)
    with steps.step("sources", "Source files"):
        _provide_sources(city, n_entities, settings, progress)
    with steps.step("ingest", "Records: check, quarantine, publish"):
        records = ingest(city, settings, progress)
    with steps.step("features", f"Indicators of everybody as of {city.split.grading}"):
        snapshot = build_snapshot(records, city.split.grading, settings, progress)
        check_drift(city, records, [snapshot], settings, progress)
    with steps.step("train", "Three models: expert card, LightGBM, LightGBM on the experts' offset"):
        settle_champion(city, settings, progress)
        training = train_city(city, records, settings, progress)
    with steps.step("promote", "The gate: challenger, champion and card on the newest labelled period"):
        _promote(city, settings, progress)
    with steps.step("grade", "Grades of everybody, and what moved since the date before"):
        grading, tested = _grade(city, records, settings, progress)
        moved = _moved(city, settings, tested, grading, progress)
    with steps.step("serve", "One entity scored through HTTP"):
        reply = _score_through_http(city, settings, _most_points(grading))
    summary = {**_summary(city, records, training, grading, tested), "seconds": steps.seconds}
    write_json(settings.var / "demo" / "summary.json", summary)
    progress(_say(city, city_name, summary, tested, moved, reply, settings))
    return summary


def _provide_sources(city: City, n_entities: int, settings: Settings, progress: Progress) -> None:
    """Build the synthetic city's files; other cities bring theirs."""
    if city.name == "synthetic":
        from data.synthetic import SEED, build_synthetic_city

        build_synthetic_city(n_entities, SEED, settings.var / "sources" / "synthetic", progress)
    else:
        progress(f"      {len(city.sources.files)} file(s) in {city.source_folder(settings)}")


def _promote(city: City, settings: Settings, progress: Progress) -> None:
    """Promote the challenger where it passes; where it does not, the champion there is goes on."""
    if not challenger_waits(city, settings):
        progress("What was trained last is the champion already: skipped.")
        return
    try:
        promote_challenger(city, settings, WHO, WHY, progress=progress)
    except GateError as error:
        load_champion(city, settings)
        progress(f"The champion stays. {error}")


def _grade(city: City, records: Records, settings: Settings, progress: Progress) -> tuple[Grading, Grading]:
    """Grade everybody as of the test date, where violations found since tell, then as of the grading date, in force.

    The grades as of the test date come into force first, once, so that there is a movement to tell.
    """
    gradings, model = [], load_champion(city, settings)
    for day in (_test_date(city), city.split.grading):
        snapshot = build_snapshot(records, day, settings, progress)
        is_new = not was_in_force(city, settings, day, model.model_version, snapshot.snapshot_id)
        in_force = is_new or day == city.split.grading
        gradings.append(grade_population(city, records, settings, model, snapshot, progress, in_force=in_force))
    return gradings[1], gradings[0]


def _moved(city: City, settings: Settings, tested: Grading, grading: Grading, progress: Progress) -> list[str]:
    """Return in words what moved between the two; nothing where the grading date is not the later one."""
    if tested.as_of_date >= grading.as_of_date:
        return []
    movement = movement_between(city, settings, tested, grading, progress)
    return ["", *MovementWords(city, settings, movement, city.languages[0]).summary()]


def _test_date(city: City) -> date:
    return city.split.test.start if isinstance(city.split.test, Period) else city.split.test[-1]


def _score_through_http(city: City, settings: Settings, entity_id: str) -> dict[str, Any]:
    """Start the service, score an entity, stop it; refuse a reply that does not add up."""
    with _service(city, settings) as address:
        reply = _post(f"{address}/v1/score", {"entity_id": entity_id})
    parts = [c["total"] for c in reply["contributions"]]
    error = abs(reply["base_points"] + sum(parts) + reply["clipping"] - reply["points"])
    if error > ADDITIVITY_TOLERANCE_POINTS:
        raise ArtifactError(
            f"The reply for {entity_id} must add up to its points, it is off by {error:g}. Train again."
        )
    return reply


@contextmanager
def _service(city: City, settings: Settings) -> Iterator[str]:
    """Run `qianfen serve` on a free port for as long as the block runs; yield its address."""
    port = _free_port()
    command = [sys.executable, "-m", "serving.commands", "serve", str(city.folder), "--port", str(port)]
    log = settings.var / "demo" / "service.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "QIANFEN_VAR": str(settings.var)}
    with log.open("w") as output:
        run = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_ready(address, run)
            yield address
        finally:
            run.send_signal(signal.SIGTERM)
            run.wait(timeout=30)


def _wait_until_ready(address: str, run: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if run.poll() is not None:
            raise StorageError("The service stopped while it started. Read var/demo/service.log.")
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise StorageError(f"The service must answer within {_START_SECONDS} s, it did not. Read var/demo/service.log.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _post(url: str, body: Any) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "X-Qianfen-User": "demo", "X-Qianfen-Reason": "make demo"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        reply: dict[str, Any] = json.load(response)
    return reply


def _most_points(grading: Grading) -> str:
    grades = pd.read_parquet(grading.path, columns=["entity_id", "points"])
    return str(grades.sort_values(["points", "entity_id"], ascending=[False, True]).entity_id.iloc[0])


def _summary(
    city: City, records: Records, training: TrainingResult, grading: Grading, tested: Grading
) -> dict[str, Any]:
    test = training.metrics[training.challenger]
    return {
        "city": city.name,
        "n_entities": _count_entities(records),
        "n_records": records.n_records,
        "n_quarantined": records.n_quarantined,
        "as_of_dates": _days(city.split.trees) + _days(city.split.calibration) + _days(city.split.test),
        "test_as_of_dates": _days(city.split.test),
        "n_test": int(test["n_test"]),
        "n_test_positive": int(test["n_test_positive"]),
        "models": {name: {m: metrics[m] for m in MODEL_METRICS} for name, metrics in training.metrics.items()},
        "champion": training.challenger,
        "grades": _grades(training, tested),
        "max_additivity_error_points": max(g.max_additivity_error_points for g in (grading, tested)),
        "mlflow_run_id": training.mlflow_run_id,
    }


def _grades(training: TrainingResult, tested: Grading) -> list[dict[str, Any]]:
    """Entities of each grade as of the test date, and the violation rate of those inspected since."""
    counts = tested.grade_counts
    n_all = sum(counts.values())
    return [
        {"grade": row["grade"], "n": counts[row["grade"]], "share": counts[row["grade"]] / n_all}
        | {"n_labelled": row["n_labelled"], "violation_rate": row["violation_rate"]}
        for row in training.grades
    ]


def _count_entities(records: Records) -> int:
    entities = records.connect().table("entities")
    return int(entities.entity_id.nunique().execute())


def _days(stage: tuple[date, ...] | Period) -> list[str]:
    days = (stage.start, stage.end) if isinstance(stage, Period) else stage
    return [day.isoformat() for day in days]


def _say(
    city: City,
    city_name: str,
    summary: dict[str, Any],
    tested: Grading,
    moved: list[str],
    reply: dict[str, Any],
    settings: Settings,
) -> str:
    """Return what the demo ends with: models, grades, the movement, one entity's reasons, and what to do next."""
    reasons = sorted(reply["contributions"], key=lambda c: -abs(c["total"]))[:REASONS]
    page = f"http://{settings.host}:{settings.port}/entities/{reply['entity_id']}"
    serve = "make serve" if city_name == "synthetic" else f"make serve CITY={city_name}"
    language = city.languages[0]
    seconds = sum(summary["seconds"].values())
    return "\n".join(
        [
            f"\n{city.title}: {summary['n_entities']:,} entities, {summary['n_records']:,} records, "
            f"{summary['n_quarantined']:,} rows in quarantine.",
            f"\nModels on the test ({summary['n_test']:,} inspected, {summary['n_test_positive']:,} violations):",
            model_table(summary["models"]),
            f"\nGrades by {summary['champion']} as of {tested.as_of_date}, and what inspections found:",
            grade_table(summary["grades"]),
            *moved,
            f"\nEntity {reply['entity_id']}: {reply['points']:.1f} points, grade {reply['grade']}, chance of a "
            f"violation {reply['probability']:.1%}; the experts' card alone gives {reply['expert_points']:.0f}, grade "
            f"{reply['expert_grade']}. What adds most to the {reply['base_points']:.1f} points of the average:",
            *(f"  {c['total']:+7.1f}  {c[f'sentence_{language}']}" for c in reasons),
            f"\nAll steps took {seconds:.0f} s. Summary: {settings.var / 'demo' / 'summary.json'}",
            f"Next: `{serve}`, then open {page}",
        ]
    )
