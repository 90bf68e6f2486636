"""Pointers on disk: which artifact is a city's champion, and which its challenger. Serving needs no MLflow for them.

champion.json follows the ledger of promotions and names its newest entry, so that a ledger whose end was cut off is
noticed. challenger.json is what `qianfen train` left last.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from data.city import City
from data.errors import ArtifactError, NotFoundError
from data.files import read_json, sha256_of, write_json
from data.settings import Settings
from features.catalogue import catalogue_of
from training.additive import AdditiveModel
from training.artifact import MANIFEST, load_artifact
from training.registry import models_folder
from training.scale import Scale


@dataclass(frozen=True)
class Pointer:
    """What champion.json says.

    Attributes
    ----------
    artifact : str
        Folder below the city's models.
    registered_version, model_version : str
        Version in MLflow, and the model's own.
    sequence, entry_hash : int, str, or None
        Newest entry of the ledger; None for a champion from before the ledger was kept.
    alias_written : bool
        Whether MLflow's alias is known to name it too.
    """

    artifact: str
    registered_version: str
    model_version: str | None = None
    sequence: int | None = None
    entry_hash: str | None = None
    alias_written: bool = True


def champion_path(city: City, settings: Settings) -> Path:
    """Return where the pointer to the champion lies."""
    return models_folder(city, settings) / "champion.json"


def read_pointer(city: City, settings: Settings) -> Pointer | None:
    """Return the pointer to the champion; None where there is none yet."""
    path = champion_path(city, settings)
    return Pointer(**read_json(path)) if path.is_file() else None


def write_pointer(city: City, settings: Settings, pointer: Pointer) -> None:
    """Write the pointer to the champion; a reader sees the old one or the new one."""
    write_json(champion_path(city, settings), asdict(pointer))


def load_champion(city: City, settings: Settings) -> AdditiveModel:
    """Return the champion of a city, as the pointer names it.

    Raises
    ------
    NotFoundError
        Where nothing was promoted yet.
    ArtifactError
        Where the artifact is damaged, is not the one that was promoted, or was made for other indicators.
    """
    pointer = read_pointer(city, settings)
    if pointer is None:
        raise NotFoundError(_no_champion(city, settings))
    model = load_artifact(models_folder(city, settings) / pointer.artifact, catalogue_of(city).hash)
    if pointer.model_version not in (None, model.model_version):
        raise ArtifactError(
            f"The champion of {city.name} must be {pointer.model_version}, {pointer.artifact} holds "
            f"{model.model_version}. Restore that folder, or roll back with `qianfen rollback {city.name}`."
        )
    return model


def champion_scale(city: City, settings: Settings) -> Scale | None:
    """Return the points scale of the champion, whatever indicators it was made for; None where there is none."""
    pointer = read_pointer(city, settings)
    return None if pointer is None else load_artifact(models_folder(city, settings) / pointer.artifact).scale


def read_challenger(city: City, settings: Settings) -> str | None:
    """Return the artifact of the challenger, as a folder below the city's models; None where nothing was trained."""
    path = models_folder(city, settings) / "challenger.json"
    return str(read_json(path)["artifact"]) if path.is_file() else None


def write_challenger(city: City, settings: Settings, folder: Path) -> None:
    """Make an artifact folder the city's challenger."""
    home = models_folder(city, settings)
    write_json(home / "challenger.json", {"artifact": str(folder.relative_to(home))})


def manifest_hash(city: City, settings: Settings, artifact: str) -> str | None:
    """Return the SHA-256 of an artifact's manifest, which holds those of its other files; None where it is gone."""
    path = models_folder(city, settings) / artifact / MANIFEST
    return sha256_of(path) if path.is_file() else None


def version_of(city: City, settings: Settings, artifact: str) -> str | None:
    """Return the model version that an artifact's manifest gives; None where it is gone."""
    path = models_folder(city, settings) / artifact / MANIFEST
    return str(read_json(path)["model_version"]) if path.is_file() else None


def artifact_of(city: City, settings: Settings, model_version: str) -> str:
    """Return the artifact folder of a version below the city's models; NotFoundError where it is not there."""
    home = models_folder(city, settings)
    for path in sorted(home.glob(f"[!.]*/*/{MANIFEST}")):
        artifact = str(path.parent.relative_to(home))
        if version_of(city, settings, artifact) == model_version:
            return artifact
    raise NotFoundError(
        f"The artifact of model {model_version} must lie below {home}, it is gone. "
        f"Restore it from a copy, or from MLflow's {city.name}."
    )


def _no_champion(city: City, settings: Settings) -> str:
    if read_challenger(city, settings) is None:
        return f"{city.name} has no champion yet. Run `qianfen train {city.name}`."
    return (
        f"{city.name} has no champion yet, only a challenger. "
        f"Run `qianfen promote {city.name} --who NAME --why REASON`."
    )
