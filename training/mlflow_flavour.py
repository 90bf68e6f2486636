"""How MLflow keeps and loads a model of Qianfen: one folder with two flavours, nothing pickled.

`mlflow.lightgbm.load_model` gives the bare trees; `mlflow.pyfunc.load_model`, where qianfen is installed, gives points,
grade, probability and contributions.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import lightgbm
import pandas as pd
from mlflow import pyfunc
from mlflow.models import Model
from mlflow.models.signature import ModelSignature

from training.additive import AdditiveModel
from training.artifact import MODEL, load_artifact

ARTIFACT = "artifact"


def save_model(path: str, artifact: Path, signature: ModelSignature, mlflow_model: Model) -> None:
    """Write an artifact as an MLflow model; MLflow calls it while it logs."""
    folder = Path(path)
    shutil.copytree(artifact, folder / ARTIFACT)
    mlflow_model.signature = signature
    if (artifact / MODEL).is_file():
        mlflow_model.add_flavor(
            "lightgbm",
            lgb_version=lightgbm.__version__,
            data=f"{ARTIFACT}/{MODEL}",
            model_class="lightgbm.basic.Booster",
            code=None,
        )
    pyfunc.add_to_model(mlflow_model, loader_module=__name__, data=ARTIFACT)
    (folder / "requirements.txt").write_text("qianfen\n", encoding="utf-8")
    mlflow_model.save(str(folder / "MLmodel"))


def _load_pyfunc(path: str) -> _Scorer:
    return _Scorer(load_artifact(Path(path)))


class _Scorer:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, model: AdditiveModel) -> None:
        self.model = model

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return points, grade, probability, the experts' points and grade, base points and 36 contributions."""
        return score_frame(self.model, model_input)


def score_frame(model: AdditiveModel, X: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of rows as one table, a column for each part."""
    scores = model.score(X)
    columns: dict[str, Any] = {
        "points": scores.points,
        "unclipped_points": scores.unclipped_points,
        "grade": scores.grade,
        "probability": scores.probability,
        "expert_points": scores.expert_points,
        "expert_grade": scores.expert_grade,
        "veto": scores.veto,
        "base_points": scores.base_points,
    }
    columns |= {f"expert_{name}": scores.expert_parts[:, i] for i, name in enumerate(model.names)}
    columns |= {f"learned_{name}": scores.learned_parts[:, i] for i, name in enumerate(model.names)}
    return pd.DataFrame(columns, index=X.index)
