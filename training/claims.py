"""What models stand on: the snapshots and records that every training was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.city import City
from data.errors import NotFoundError, StorageError
from data.files import read_json
from data.settings import Settings
from features.store import Claim
from training.champions import artifact_of
from training.ledger import Entry
from training.registry import models_folder, registered_manifests


def model_claims(city: City, settings: Settings) -> list[Claim]:
    """Return the claim of every training below the city's models folder.

    Raises
    ------
    StorageError
        Where a manifest is damaged: what its model stands on is unknown.
    """
    trainings = sorted(path for path in models_folder(city, settings).glob("[!.]*") if path.is_dir())
    manifests = [[read_json(path) for path in sorted(folder.glob("*/manifest.json"))] for folder in trainings]
    return [_claim(f"training {f.name}: ", models) for f, models in zip(trainings, manifests, strict=True) if models]


def registered_claims(city: City, settings: Settings) -> list[Claim]:
    """Return the claim of every version that MLflow has registered, whether or not its artifact is still here.

    Raises
    ------
    StorageError
        Where MLflow cannot say: nothing may be removed then.
    """
    return [_claim("registered as ", [manifest]) for manifest in registered_manifests(city, settings)]


def ledger_claims(
    city: City, settings: Settings, chain: Sequence[Entry], registered: Sequence[Claim] = ()
) -> list[Claim]:
    """Return the claim of every model that the ledger of promotions names.

    Parameters
    ----------
    registered : sequence of Claim
        What MLflow has registered, which answers for an artifact that is no longer on this disk.

    Raises
    ------
    StorageError
        Where an artifact is gone from here and from MLflow: what it stands on is unknown, nothing may be removed.
    """
    claims = []
    for version in dict.fromkeys(entry.model_version for entry in chain):
        try:
            folder = models_folder(city, settings) / artifact_of(city, settings, version)
        except NotFoundError as error:
            if not any(version in claim.by for claim in registered):
                raise StorageError(f"The ledger names model {version}. {error}") from error
        else:
            claims.append(_claim("in the ledger as ", [read_json(folder / "manifest.json")]))
    return claims


def _claim(what: str, manifests: Sequence[Mapping[str, Any]]) -> Claim:
    return Claim(
        by=what + ", ".join(f"{manifest['kind']} {manifest['model_version']}" for manifest in manifests),
        snapshot_ids=frozenset(snapshot_id for manifest in manifests for snapshot_id in _snapshot_ids(manifest)),
        records_ids=frozenset(str(m["records_id"]) for m in manifests if "records_id" in m),
    )


def _snapshot_ids(manifest: Mapping[str, Any]) -> list[str]:
    by_stage = [snapshot_id for stage in manifest.get("snapshots", {}).values() for snapshot_id in stage]
    return by_stage + ([manifest["reference_snapshot"]] if "reference_snapshot" in manifest else [])
