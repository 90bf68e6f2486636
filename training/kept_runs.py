"""What is whole on disk and follows to MLflow: at once, or when MLflow is back (`qianfen push`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from data.errors import RegistryError
from data.files import read_json, write_json
from data.progress import Progress

_LOGGED = "mlflow.json"
"""Beside what was logged: the id of its run."""

Result = TypeVar("Result")


def or_kept(what: str, log: Callable[[], Result], progress: Progress) -> Result | None:
    """Return what logging comes to; where MLflow is away, say that `what` is whole on disk, and return None."""
    try:
        return log()
    except RegistryError as error:
        progress(f"The {what} is whole on disk, and not in MLflow yet. {error}")
        return None


def logged_or_kept(folder: Path, what: str, log: Callable[[], str], progress: Progress) -> str | None:
    """Return the id of the run of what lies in a folder, which `log` makes unless that was done; None as `or_kept`."""
    mark = folder / _LOGGED
    if not mark.is_file():
        progress(f"Logging the {what} to MLflow.")
        run_id = or_kept(what, log, progress)
        if run_id is None:
            return None
        write_json(mark, {"mlflow_run_id": run_id})
    return str(read_json(mark)["mlflow_run_id"])


def waiting(home: Path, file: str) -> list[Path]:
    """Return the folders below `home` that hold a file and are not in MLflow yet, by name."""
    found = (path.parent for path in sorted(home.glob(f"[!.]*/{file}")))
    return [folder for folder in found if not (folder / _LOGGED).is_file()]
