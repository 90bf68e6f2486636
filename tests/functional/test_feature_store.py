"""The offline store of a whole city: everything verifies, and what a registered model stands on cannot be pruned."""

from __future__ import annotations

import dataclasses
import shutil

from click.testing import CliRunner

from features.pruning import plan_pruning
from features.store import open_city
from features.verification import verify_store
from serving.claims import claims_of
from serving.commands import cli
from training.claims import model_claims, registered_claims
from training.registry import load_champion


def quiet(_line: str) -> None:
    """Print nothing."""


def test_a_whole_city_verifies_clean(demo_city, demo_settings):
    result = CliRunner().invoke(cli, ["features", "verify", "synthetic"], obj=demo_settings, catch_exceptions=False)

    assert result.exit_code == 0
    assert result.output.splitlines()[-1].endswith("No damage.")
    assert "snapshots 0" not in result.output


def test_everything_of_the_demo_is_needed_again(demo_city, demo_settings):
    store = open_city("synthetic", demo_settings)

    pruning = plan_pruning(store, claims_of(demo_city, demo_settings, ask_mlflow=True), keep=0)

    assert pruning.removals == []
    assert set(pruning.kept) == {snapshot.snapshot_id for snapshot in store.snapshots()}


def test_a_registered_model_is_known_from_mlflow_alone(demo_city, demo_settings, tmp_path):
    champion = load_champion(demo_city, demo_settings)
    # A city of which all is there but its models and its database.
    elsewhere = dataclasses.replace(demo_settings, var=tmp_path / "var", database_url=f"sqlite:///{tmp_path / 'no.db'}")
    source = demo_settings.var / "cities" / "synthetic"
    for kind in ("snapshots", "records"):
        shutil.copytree(source / kind, tmp_path / "var" / "cities" / "synthetic" / kind)
    assert model_claims(demo_city, elsewhere) == []

    [claim] = registered_claims(demo_city, elsewhere)
    pruning = plan_pruning(open_city("synthetic", elsewhere), [claim], keep=0)

    assert claim.by == f"registered as lightgbm_offset {champion.model_version}"
    stages = champion.manifest["snapshots"].values()
    assert claim.snapshot_ids == {i for ids in stages for i in ids} | {champion.manifest["reference_snapshot"]}
    assert claim.records_ids == {champion.manifest["records_id"]}
    removed = {removal.path.name.rsplit("-", 1)[-1] for removal in pruning.removals}
    assert removed
    assert not removed & claim.snapshot_ids
    assert champion.manifest["records_id"] not in removed
    assert verify_store(open_city("synthetic", elsewhere), [claim], quiet).damages == []
