"""The whole job on a small synthetic city: what it leaves behind, and that nothing known later reaches back."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from data.city import Selection
from data.errors import GateError, NotFoundError
from data.files import read_json
from data.records import Records, ingest, open_records
from data.report import report_tables
from data.schemas import TABLES
from data.settings import Settings
from data.synthetic import SEED, build_synthetic_city
from data.synthetic.truth import read_truth
from features.snapshots import build_snapshot, open_snapshot
from serving.commands import cli
from serving.database import open_database
from serving.demo import WHO, run_demo
from training.champions import load_champion, read_pointer
from training.labels import entity_labels
from training.ledger_checks import check_ledger
from training.metrics import roc_auc
from training.mlflow_session import registered_name
from training.registry import models_folder
from training.runs import train_city

SUMMARY_KEYS = {
    "city", "n_entities", "n_records", "n_quarantined", "as_of_dates", "test_as_of_dates", "n_test", "n_test_positive",
    "models", "champion", "grades", "max_additivity_error_points", "mlflow_run_id", "seconds",
}  # fmt: skip


def quiet(_message):
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def summary(demo_settings):
    """What the demo wrote."""
    return read_json(demo_settings.var / "demo" / "summary.json")


@pytest.fixture(scope="module")
def records(demo_settings, demo_city):
    """Records of the small city."""
    return open_records(demo_city, demo_settings)


def test_the_summary_says_everything_that_was_promised(summary):
    assert set(summary) == SUMMARY_KEYS
    assert set(summary["models"]) == {"expert_card", "lightgbm", "lightgbm_offset"}
    assert [row["grade"] for row in summary["grades"]] == ["A", "B", "C", "D"]
    assert sum(row["share"] for row in summary["grades"]) == pytest.approx(1)
    assert sum(row["n_labelled"] for row in summary["grades"]) == summary["n_test"]


def test_history_beats_the_card_on_the_labelled_test(summary):
    models = summary["models"]

    assert models["lightgbm_offset"]["roc_auc"] > models["expert_card"]["roc_auc"] + 0.03


def test_history_beats_the_card_against_the_truth_that_no_model_saw(demo_settings, demo_city, records):
    day = demo_city.split.test[0]
    truth = read_truth(demo_settings.var / "sources" / "synthetic", day)
    rows = open_snapshot(records, day, demo_settings).read().merge(truth, on="entity_id")
    models = train_city(demo_city, records, demo_settings, quiet).models
    outcome = rows["outcome"].to_numpy().astype(np.int8)

    auc = {kind: roc_auc(outcome, m.raw_score(rows[list(m.names)])) for kind, m in models.items()}

    assert auc["lightgbm_offset"] > auc["expert_card"] + 0.03
    # The truth is drawn with these very probabilities: no model can know more.
    assert auc["lightgbm_offset"] < roc_auc(outcome, rows["probability"].to_numpy())


def test_the_two_wrong_weights_are_what_history_corrects_most(demo_settings, demo_city, records):
    model = load_champion(demo_city, demo_settings)
    scores = model.score(open_snapshot(records, demo_city.split.test[0], demo_settings).read(list(model.names)))
    added = np.abs(scores.learned_parts).mean(axis=0)

    largest = [model.names[i] for i in np.argsort(-added)[:4]]
    assert {"years_in_operation", "person_linked_violations"} <= set(largest)


def test_every_planted_dirty_row_is_in_quarantine_and_no_other(demo_settings, demo_city, records):
    planted = read_json(demo_settings.var / "sources" / "synthetic" / "dirt.json")["quarantined"]

    found = {r.name: r.n_quarantined for r in report_tables(demo_city, records) if r.n_quarantined}

    assert found == {table: sum(kinds.values()) for table, kinds in planted.items()}
    assert sum(len(kinds) for kinds in planted.values()) == 10


def test_everybodys_points_are_the_sum_of_their_contributions(demo_settings, summary):
    assert summary["max_additivity_error_points"] < 1e-6
    for path in demo_settings.var.glob("cities/synthetic/grades/*/grades.parquet"):
        grades = pd.read_parquet(path)
        parts = grades.filter(regex="^(expert|learned)_(?!points|grade)").to_numpy(dtype=np.float64).sum(axis=1)
        # The file keeps 32-bit contributions, which hold them to 1e-4 points.
        assert np.abs(grades["base_points"] + parts - grades["unclipped_points"]).max() < 1e-3
        assert (grades["points"] == grades["unclipped_points"].clip(0, 1000)).all()


def test_a_second_demo_skips_what_did_not_change(demo_settings, demo_city, summary):
    messages = []

    again = run_demo(demo_city, "synthetic", 6_000, demo_settings, messages.append)

    assert {k: v for k, v in again.items() if k != "seconds"} == {k: v for k, v in summary.items() if k != "seconds"}
    assert sum("skipped" in message for message in messages) >= 6


def test_ten_thousand_later_known_rows_in_every_table_change_no_value_label_or_score(
    demo_settings, demo_city, records, tmp_path
):
    day = demo_city.split.test[0]
    model = load_champion(demo_city, demo_settings)
    label_known = day + demo_city.label_lag
    later = _with_later_rows(records, tmp_path, label_known, 10_000)
    elsewhere = dataclasses.replace(demo_settings, var=tmp_path / "var")

    before = open_snapshot(records, day, demo_settings).read()
    after = build_snapshot(later, day, elsewhere, quiet).read()

    pd.testing.assert_frame_equal(before, after)
    pd.testing.assert_frame_equal(entity_labels(records, demo_city, day), entity_labels(later, demo_city, day))
    names = list(model.names)
    assert (model.score(before[names]).points == model.score(after[names]).points).all()


def test_mlflow_gives_the_bare_trees_and_the_whole_score(demo_settings, demo_city, records, summary):
    model = load_champion(demo_city, demo_settings)
    X = open_snapshot(records, demo_city.split.test[0], demo_settings).read(list(model.names)).head(50)
    mlflow.set_tracking_uri(demo_settings.mlflow_uri)
    mlflow.set_registry_uri(demo_settings.mlflow_uri)
    uri = f"models:/{registered_name(demo_city)}@champion"

    booster = mlflow.lightgbm.load_model(uri)
    scored = mlflow.pyfunc.load_model(uri).predict(X)

    assert booster.num_trees() == demo_city.model.num_boost_round
    scores = model.score(X)
    assert scored["points"].tolist() == pytest.approx(scores.points.tolist(), abs=1e-9)
    parts = scored.filter(regex="^(expert|learned)_(?!points|grade)")
    assert parts.shape == (50, 36)
    assert (scored["base_points"] + parts.sum(axis=1)).tolist() == pytest.approx(scores.unclipped_points.tolist())
    run = mlflow.get_run(summary["mlflow_run_id"])
    assert run.data.params["records_id"] == records.records_id
    pictures = ["reliability", "gain", "grades", "contributions", "beeswarm", "dependence", "waterfall", "importance"]
    tables = {"plots/importance.csv", "plots/importance.json"}
    assert {f"plots/{name}.png" for name in pictures} | tables == {
        f.path for f in mlflow.MlflowClient().list_artifacts(summary["mlflow_run_id"], "plots")
    }


def test_a_training_with_weights_says_how_they_balance_and_what_they_bring(demo_settings, demo_city, records, tmp_path):
    city = demo_city.model_copy(update={"selection": Selection(method="weights")})
    snapshots = "cities/synthetic/snapshots"
    shutil.copytree(demo_settings.var / snapshots, tmp_path / snapshots)
    settings = Settings.from_environment({"QIANFEN_VAR": str(tmp_path), "QIANFEN_THREADS": "1"})

    training = train_city(city, records, settings, quiet)

    model, stages = training.challenger_model, training.selection["stages"]
    assert model.manifest["selection"] == training.selection
    for stage in ("trees", "calibration", "test"):
        assert stages[stage]["n"] == model.manifest["n_rows"][stage]
        assert 0.5 * stages[stage]["n"] < stages[stage]["effective_n"] < stages[stage]["n"]
        assert stages[stage]["max_weight"] <= training.selection["clip"]
    # The inspected have more complaints and failures than everybody; weighed they do not.
    balance = {row["indicator"]: row for row in stages["trees"]["balance"]}
    for name in ("complaint_reports", "failed_inspections"):
        assert balance[name]["before"] > 0.3
        assert abs(balance[name]["after"]) < 0.1
    assert (training.folder / "plots" / "balance.png").is_file()
    assert mlflow_parameters(settings, training.mlflow_run_id)["selection.method"] == "weights"
    # And so the rate of everybody, by grade and share of the grade, comes nearer to the truth that no model saw.
    day = city.split.test[0]
    truth = read_truth(demo_settings.var / "sources" / "synthetic", day)["outcome"].mean()
    population = open_snapshot(records, day, settings).read(list(model.names))
    shares = pd.Series(model.score(population).grade).value_counts(normalize=True)
    n = np.array([row["n_labelled"] for row in training.grades])
    plain = np.average([row["violation_rate"] for row in training.grades], weights=n)
    weighted = sum(row["weighted_violation_rate"] * shares[row["grade"]] for row in training.grades)
    assert plain > truth + 0.02
    assert abs(weighted - truth) < 0.5 * (plain - truth)


def mlflow_parameters(settings, run_id):
    """Parameters of a run."""
    mlflow.set_tracking_uri(settings.mlflow_uri)
    return mlflow.get_run(run_id).data.params


@pytest.mark.parametrize("seconds", [1.2, 2.0, 3.0, 4.5, 6.0])
def test_a_killed_run_leaves_nothing_half_built_and_the_next_one_goes_on(tmp_path, demo_city, seconds):
    environment = {"QIANFEN_VAR": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    build_synthetic_city(2_000, SEED, tmp_path / "sources" / "synthetic", quiet)
    command = [sys.executable, "-m", "serving.commands", "train", "synthetic"]

    run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    run.send_signal(signal.SIGKILL)
    run.wait()

    for manifest in tmp_path.glob("cities/synthetic/*/*/manifest.json"):
        json.loads(manifest.read_text(encoding="utf-8"))
    whole = [p for p in tmp_path.glob("cities/synthetic/snapshots/[0-9]*") if p.is_dir()]
    assert all((p / "manifest.json").is_file() and (p / "matrix.parquet").is_file() for p in whole)
    from data.settings import Settings

    settings = Settings.from_environment({"QIANFEN_VAR": str(tmp_path), "QIANFEN_THREADS": "2"})
    records = ingest(demo_city, settings, quiet)
    build_snapshot(records, demo_city.split.test[0], settings, quiet).verify()


def _with_later_rows(records, folder, first_day, n):
    """Copy records and add to each table n copies of random rows, with values of other rows, known later."""
    rng = np.random.default_rng(5)
    (folder / "tables").mkdir(parents=True)
    for name, path in records.tables.items():
        table = pq.read_table(path)
        shuffled = {c: table[c].take(pa.array(rng.integers(0, table.num_rows, n))) for c in table.column_names}
        days = pa.array(np.datetime64(first_day) + rng.integers(0, 300, n))
        shuffled |= {"known_at": days, "event_date": days, "withdrawn_at": pa.nulls(n, pa.date32())}
        for column in TABLES[name].columns:
            if column.known_by:
                shuffled[column.known_by] = days
        later = pa.table(shuffled).select(table.column_names).cast(table.schema)
        pq.write_table(pa.concat_tables([table, later]), folder / "tables" / path.name)
    return Records(records.city_name, folder, f"{records.records_id}-later", records.manifest)


def test_the_demo_promoted_through_the_gate_and_its_ledger_is_whole(demo_settings, demo_city):
    engine = open_database(demo_settings.database_url)

    check = check_ledger(demo_city, demo_settings, engine)
    again = CliRunner().invoke(cli, ["promote", "synthetic", "--who", "李四", "--why", "again"], obj=demo_settings)

    (entry,) = check.entries
    assert (check.findings, check.notes) == ([], [])
    assert (entry.who, entry.model_version) == (WHO, load_champion(demo_city, demo_settings).model_version)
    verdicts = {(row["what"], row.get("against")): row["verdict"] for row in entry.gate_rows}
    assert verdicts["AUC", "card"] == verdicts["The artifact is complete", None] == "passed"
    assert ("AUC", "champion") not in verdicts
    assert any(what.startswith("AUC, size") for what, _ in verdicts)
    assert "refused" not in verdicts.values()
    assert isinstance(again.exception, NotFoundError)
    assert f"was promoted by {WHO}" in str(again.exception)


def test_a_worse_challenger_is_refused_and_the_champion_stays(demo_settings, demo_city, monkeypatch):
    champion = load_champion(demo_city, demo_settings)
    folder = models_folder(demo_city, demo_settings) / read_pointer(demo_city, demo_settings).artifact
    monkeypatch.setattr("serving.promotions.challenger_of", lambda *_: f"{folder.parent.name}/expert_card")

    answer = CliRunner().invoke(
        cli, ["promote", "synthetic", "--who", "李四", "--why", "bad", "--re-anchor"], obj=demo_settings
    )

    assert isinstance(answer.exception, GateError)
    assert answer.exception.exit_code == 15
    assert "refused     AUC, against champion" in answer.output
    assert load_champion(demo_city, demo_settings).model_version == champion.model_version
