"""Tables as a file: a line with the format and the SHA-256 of what follows, then NumPy's NPZ. Nothing is pickled."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import ArtifactError, NotFoundError
from data.files import write_atomically
from training.shap_tables.bins import Bins
from training.shap_tables.deep import Deep
from training.shap_tables.forest import Forest
from training.shap_tables.lookup import Lookup
from training.shap_tables.model_text import digest_of
from training.shap_tables.tables import Engine, TreeShapTables, chosen_engine

FORMAT = "tree-shap-tables 1"

_PARTS: dict[str, Any] = {"bins": Bins, "forest": Forest, "lookup": Lookup, "deep": Deep}


def save(tables: TreeShapTables, path: Path) -> None:
    """Write tables to a file, whole or not at all."""
    said = {"model": tables.model, "feature_names": tables.feature_names, "expected_value": tables.expected_value.hex()}
    arrays = {f"{part}.{name}": array for part in _PARTS for name, array in vars(getattr(tables, part)).items()}
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, said=np.array(json.dumps(said)), **arrays)
    payload = content.getvalue()
    write_atomically(path, f"{FORMAT} {hashlib.sha256(payload).hexdigest()}\n".encode() + payload)


def load(path: Path, booster: Any, engine: Engine | None = None) -> TreeShapTables:
    """Read the tables of a booster, or of a file that it was saved to.

    Raises
    ------
    NotFoundError
        Where there is no such file.
    ArtifactError
        Where the file is of another format, was changed since it was written, or belongs to another model.
    """
    if not path.exists():
        raise NotFoundError(f"There are no tables at {path}. Compile the model and save them.")
    line, _, payload = path.read_bytes().partition(b"\n")
    *named, digest = line.decode("utf-8", "replace").split(" ")
    if " ".join(named) != FORMAT:
        raise ArtifactError(f"{path} must be of the format '{FORMAT}', it is of another. Compile the model again.")
    if hashlib.sha256(payload).hexdigest() != digest:
        raise ArtifactError(f"{path} is not what was written: its SHA-256 differs. Compile the model again.")
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
            said = json.loads(str(arrays["said"]))
            parts = {
                part: kind(**{name: arrays[f"{part}.{name}"] for name in kind.__dataclass_fields__})
                for part, kind in _PARTS.items()
            }
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path} lacks what tables must hold: {error}. Compile the model again.") from error
    model = digest_of(booster.read_text() if isinstance(booster, Path) else booster.model_to_string())
    if said["model"] != model:
        raise ArtifactError(
            f"{path} must be of the model {model[:12]}, it is of {said['model'][:12]}. Compile the model again."
        )
    return TreeShapTables(
        model=model,
        feature_names=tuple(said["feature_names"]),
        expected_value=float.fromhex(said["expected_value"]),
        engine=chosen_engine(engine),
        **parts,
    )
