"""The offline store of a whole city: everything verifies, and what a registered model stands on cannot be pruned."""

from __future__ import annotations

import dataclasses
import multiprocessing
import random
import shutil
import time
from pathlib import Path

from click.testing import CliRunner

from data.files import read_sealed, write_sealed
from data.settings import Settings
from features.pruning import carry_out, plan_pruning
from features.store import open_city
from features.verification import verify_store
from serving.claims import claims_of
from serving.commands import cli
from training.champions import load_champion
from training.claims import model_claims, registered_claims

N_SNAPSHOTS = 150
KILLS = 12


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


def _prune(var: Path) -> None:
    """Remove all snapshots but one; runs in a process of its own, which says when it begins."""
    settings = Settings.from_environment({"QIANFEN_VAR": str(var)})
    store = open_city("synthetic", settings)
    pruning = plan_pruning(store, [], keep=1)
    (var / "begun").write_text("")
    carry_out(pruning, quiet)


def _many_snapshots(source: Path, home: Path) -> None:
    for number in range(N_SNAPSHOTS):
        snapshot_id = f"{number:016x}"
        folder = home / "snapshots" / f"2020-01-01-{snapshot_id}"
        folder.mkdir(parents=True)
        shutil.copyfile(source / "matrix.parquet", folder / "matrix.parquet")
        manifest = read_sealed(source / "manifest.json")
        write_sealed(folder / "manifest.json", {**manifest, "snapshot_id": snapshot_id, "as_of_date": "2020-01-01"})


def test_a_pruning_that_is_killed_at_any_moment_leaves_whole_snapshots_and_is_finished_by_the_next(
    demo_settings, tmp_path
):
    source = open_city("synthetic", demo_settings).snapshots()[0].folder
    var, moments = tmp_path / "var", random.Random(20261126)
    _many_snapshots(source, var / "cities" / "synthetic")
    store = open_city("synthetic", dataclasses.replace(demo_settings, var=var))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["features.pruning", "tests.functional.test_feature_store"])

    remaining = [N_SNAPSHOTS]
    for _ in range(KILLS):
        (var / "begun").unlink(missing_ok=True)
        process = context.Process(target=_prune, args=(var,))
        process.start()
        while not (var / "begun").exists() and process.is_alive():
            time.sleep(0.0005)
        time.sleep(moments.uniform(0.0, 0.004))
        process.kill()
        process.join()
        assert verify_store(store, [], quiet).damages == []
        remaining.append(len(store.snapshots()))
    last = context.Process(target=_prune, args=(var,))
    last.start()
    last.join()

    assert remaining == sorted(remaining, reverse=True)
    assert any(1 < n < N_SNAPSHOTS for n in remaining), "no kill fell into a pruning"
    assert len(store.snapshots()) == 1
    assert [path.name for path in (store.home / "snapshots").iterdir()] == [store.snapshots()[0].folder.name]
