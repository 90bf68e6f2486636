"""The model on disk: LightGBM's own text, calibration.json and manifest.json. Nothing is pickled.

The three files are enough to score: docs/artifact.md shows a reader of thirty lines with lightgbm and numpy alone.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import lightgbm as lgb

from data.errors import ArtifactError, StorageError
from data.files import fingerprint, read_json, sha256_of, write_json
from training.additive import KINDS, AdditiveModel, ExpertOffset
from training.expert_card import CutPoints, ExpertCard
from training.scale import Scale
from training.vetoes import Veto

MODEL, CALIBRATION, MANIFEST = "model.txt", "calibration.json", "manifest.json"
FORMAT = 1


def save_artifact(model: AdditiveModel, folder: Path, manifest: dict[str, Any]) -> AdditiveModel:
    """Write the artifact into an existing folder; return the model with its manifest and version."""
    if model.booster is not None:
        (folder / MODEL).write_text(model.booster.model_to_string(), encoding="utf-8")
    write_json(folder / CALIBRATION, _calibration(model))
    files = {name: sha256_of(folder / name) for name in (MODEL, CALIBRATION) if (folder / name).is_file()}
    content = {
        "format": FORMAT,
        "kind": model.kind,
        "indicators": list(model.names),
        "card": model.card.as_json(),
        "cut_points": model.cut_points.as_json(),
        "vetoes": model.vetoes.as_json(),
        **({} if model.expert_cut_points is None else {"expert_cut_points": model.expert_cut_points.as_json()}),
        **manifest,
        "files": files,
    }
    content["model_version"] = fingerprint(content)
    write_json(folder / MANIFEST, content)
    return dataclasses.replace(model, manifest=content)


def load_artifact(folder: Path, catalogue_hash: str | None = None) -> AdditiveModel:
    """Read an artifact.

    Raises
    ------
    ArtifactError
        Where a file is missing or is not the one that was saved, or the model was made for another catalogue.
    """
    manifest = _read(folder, MANIFEST)
    for name, digest in manifest["files"].items():
        if not (folder / name).is_file():
            raise ArtifactError(f"The model in {folder} must hold {name}, it is missing. Train again, or restore it.")
        if sha256_of(folder / name) != digest:
            raise ArtifactError(f"{folder / name} must be as it was saved, it is not. Train again, or restore it.")
    # Card, cut points and vetoes stand in the manifest itself, under the version.
    content = {name: value for name, value in manifest.items() if name != "model_version"}
    if fingerprint(content) != manifest["model_version"]:
        raise ArtifactError(f"The manifest in {folder} must be as it was saved, it is not. Train again, or restore it.")
    if catalogue_hash is not None and manifest["catalogue_hash"] != catalogue_hash:
        raise ArtifactError(
            f"Model {manifest['model_version']} was made for the indicators {manifest['catalogue_hash']}, "
            f"those here are {catalogue_hash}. Train again with `qianfen train {manifest.get('city', '<city>')}`."
        )
    return _model(folder, manifest, _read(folder, CALIBRATION))


def _calibration(model: AdditiveModel) -> dict[str, Any]:
    return {
        "alpha": model.offset.alpha,
        "slope": model.offset.slope,
        "mean_card": list(model.offset.mean_card),
        "expected_f": model.expected_f,
        "platt_intercept": model.platt[0],
        "platt_slope": model.platt[1],
        "offset": model.scale.offset,
        "factor": model.scale.factor,
        "pdo": model.scale.pdo,
        "base_points": model.base_points,
    }


def _model(folder: Path, manifest: dict[str, Any], c: dict[str, Any]) -> AdditiveModel:
    if manifest["kind"] not in KINDS:
        raise ArtifactError(f"{folder / MANIFEST} must be of a kind {', '.join(KINDS)}, got '{manifest['kind']}'.")
    return AdditiveModel(
        kind=manifest["kind"],
        names=tuple(manifest["indicators"]),
        card=ExpertCard.from_json(manifest["card"]),
        cut_points=CutPoints.from_json(manifest["cut_points"]),
        offset=ExpertOffset(c["alpha"], c["slope"], tuple(c["mean_card"])),
        platt=(c["platt_intercept"], c["platt_slope"]),
        scale=Scale(c["offset"], c["factor"]),
        booster=_booster(folder / MODEL) if MODEL in manifest["files"] else None,
        expected_f=c["expected_f"],
        manifest=manifest,
        expert_cut_points=CutPoints.from_json(manifest["expert_cut_points"])
        if "expert_cut_points" in manifest
        else None,
        # A model from before vetoes has none.
        declared_vetoes=tuple(Veto(**veto) for veto in manifest.get("vetoes", ())),
    )


def _booster(path: Path) -> lgb.Booster:
    try:
        return lgb.Booster(model_file=str(path))
    except lgb.basic.LightGBMError as error:
        raise ArtifactError(f"{path} must be a LightGBM model: {error}. Train again, or restore it.") from error


def _read(folder: Path, name: str) -> dict[str, Any]:
    if not (folder / name).is_file():
        raise ArtifactError(f"{folder} must hold a model, {name} is missing. Train first, or restore it.")
    try:
        content: dict[str, Any] = read_json(folder / name)
    except StorageError as error:
        raise ArtifactError(str(error)) from error
    return content
