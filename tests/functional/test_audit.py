"""The audit and the model card of a city that went through the whole demo: figures, pages, approval, MLflow."""

from __future__ import annotations

import mlflow
import pytest
from click.testing import CliRunner

from data.codes import region_name
from data.files import read_json
from features.catalogue import load_catalogue
from serving.commands import cli
from serving.database import open_database
from serving.demo import WHO
from serving.gate_words import gate_line
from training.audits import AUDIT, read_audit, subject_of
from training.ledger import entries
from training.registry import models_folder


@pytest.fixture(scope="module")
def shown(demo_settings):
    """What `qianfen model-card synthetic` said; it audits first."""
    result = CliRunner().invoke(cli, ["model-card", "synthetic"], obj=demo_settings, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.fixture(scope="module")
def audit(demo_city, demo_settings, shown):
    return read_audit(demo_city, demo_settings, subject_of(demo_city, demo_settings))


@pytest.fixture(scope="module")
def card(demo_settings, audit):
    """The card in English, as Markdown."""
    folder = demo_settings.var / "cities" / "synthetic" / "audits" / audit["model_version"]
    return (folder / "card.en.md").read_text(encoding="utf-8")


def test_the_audit_stands_on_the_rows_and_the_figures_of_the_training(demo_city, demo_settings, audit):
    subject = subject_of(demo_city, demo_settings)
    training = read_json((models_folder(demo_city, demo_settings) / subject.artifact).parent / "training.json")

    assert audit["n_test"] == sum(row["n_labelled"] for row in training["grades"])
    for figure in ("roc_auc", "brier_score", "precision_at_10_percent"):
        found = audit["overall"]["model"][figure]
        assert found["value"] == pytest.approx(training["metrics"][subject.model.kind][figure])
        assert found["low"] < found["value"] < found["high"]


def test_every_kind_of_groups_holds_everybody_and_the_capacity_is_used_up(audit):
    assert [kind["name"] for kind in audit["kinds"]] == ["district", "industry", "size", "age", "grade", "probability"]
    for kind in audit["kinds"]:
        *groups, everybody = kind["groups"]
        assert sum(group["n"] for group in groups) == everybody["n"] == audit["n_everybody"]
        assert sum(group["n_labelled"] for group in groups) == everybody["n_labelled"] == audit["n_test"]
        assert everybody["figures"]["drawn_10"]["value"] == pytest.approx(0.1)
        assert everybody["figures"]["inspected"]["value"] == pytest.approx(audit["n_inspected"] / audit["n_everybody"])


def test_effects_on_being_inspected_and_on_violating_name_indicators_of_the_catalogue(audit):
    effects = audit["selection"]["effects"]

    assert audit["selection"]["n_inspected"] == audit["n_inspected"]
    assert {name for one in effects for name in one["indicators"]} <= set(load_catalogue().names)
    assert all(one["inspected"]["low"] <= one["inspected"]["high"] for one in effects)


def test_the_card_says_who_approved_and_what_the_gate_said_as_the_ledger_has_it(demo_city, demo_settings, card):
    entry = entries(open_database(demo_settings.database_url), demo_city.name)[-1]

    assert WHO in card
    assert entry.why in card
    assert entry.hash[:16] in card
    assert all(gate_line(row, "en") in card for row in entry.gate_rows)


def test_the_card_names_groups_in_words_and_holds_every_hash(demo_city, demo_settings, audit, card):
    subject = subject_of(demo_city, demo_settings)
    districts = [group["group"] for group in audit["kinds"][0]["groups"] if group["group"].isdigit()]

    assert districts
    assert all(region_name(code) in card for code in districts)
    for digest in (*subject.model.manifest["files"].values(), subject.model.manifest["catalogue_hash"]):
        assert digest in card


def test_audit_and_card_are_in_the_run_of_the_model(demo_settings, demo_city, audit):
    subject = subject_of(demo_city, demo_settings)
    training = read_json((models_folder(demo_city, demo_settings) / subject.artifact).parent / "training.json")
    mlflow.set_tracking_uri(demo_settings.mlflow_uri)

    kept = {file.path for file in mlflow.MlflowClient().list_artifacts(training["mlflow_run_id"], "audit")}

    pages = ("zh.html", "en.html", "card.zh.html", "card.en.html", "card.zh.md", "card.en.md", "card.json", AUDIT)
    assert {f"audit/{name}" for name in pages} <= kept


def test_what_is_there_is_not_audited_again(demo_settings, audit):
    result = CliRunner().invoke(cli, ["audit", "synthetic"], obj=demo_settings, catch_exceptions=False)

    assert "nothing changed: skipped" in result.output
    assert "What predicts being inspected and not violating" in result.output
    assert result.output.rstrip().endswith("Next: `qianfen model-card synthetic`")
