"""What a model card says, after Mitchell et al. 2019, "Model Cards for Model Reporting": gathered, nothing typed.

From the artifact's manifest, the training beside it, the records that it stands on, the audit, the newest comparison
with rivals of a model made alike, and the ledger of promotions. The texts of purpose and limits are the page's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from data.city import City
from data.files import read_json
from data.records import Records, open_records
from data.settings import Settings
from training.audits import Subject
from training.champions import manifest_hash
from training.comparison.kept import is_of_model
from training.ledger import Entry
from training.mlflow_session import registered_name
from training.registry import models_folder

_LEDGER = ("sequence", "at", "action", "who", "why", "former_version", "registered_version", "manifest_sha256", "hash")


def card_content(
    city: City, settings: Settings, subject: Subject, chain: Sequence[Entry], audit: dict[str, Any]
) -> dict[str, Any]:
    """Return what the card of a model holds, as JSON.

    Parameters
    ----------
    chain : sequence of Entry
        The city's ledger.
    audit : dict
        What audit.json of this model holds.

    Raises
    ------
    NotFoundError
        Where the records that the model was trained on are not there any more.
    """
    manifest = subject.model.manifest
    training = read_json((models_folder(city, settings) / subject.artifact).parent / "training.json")
    records = open_records(city, settings, manifest["records_id"])
    kept = (
        "model_version", "kind", "label", "split", "n_rows", "n_positive", "selection", "experiment", "lightgbm",
        "indicators", "catalogue_hash", "records_id", "snapshots", "reference_snapshot", "versions", "code_version",
        "files",
    )  # fmt: skip
    mine = [entry for entry in chain if entry.model_version == subject.model.model_version]
    return {
        "role": subject.role,
        "artifact": subject.artifact,
        "manifest_sha256": manifest_hash(city, settings, subject.artifact),
        "manifest": {name: manifest.get(name) for name in kept},
        "scale": {"offset": subject.model.scale.offset, "factor": subject.model.scale.factor,
                  "pdo": subject.model.scale.pdo},
        # A manifest from before the cohort was kept lacks it.
        "cohort": manifest.get("cohort", city.cohort.model_dump(mode="json")),
        "registered_name": registered_name(city),
        "registered_version": training.get("registered_version"),
        "mlflow_run_id": training.get("mlflow_run_id"),
        "approvals": [{n: getattr(e, n) for n in _LEDGER} | {"gate": e.gate_rows} for e in mine],
        "tables": tables_of(records),
        "sources": {
            "files": [file.path for file in city.sources.files],
            "taken_on": None if city.sources.taken_on is None else city.sources.taken_on.isoformat(),
            "notes": city.sources.notes,
            "notes_zh": city.sources.notes_zh,
        },
        "comparison": newest_comparison(city, settings, manifest),
        "audit": audit,
    }  # fmt: skip


def tables_of(records: Records) -> list[dict[str, Any]]:
    """Return for each table its rows, those in quarantine, and the first and last day on which something happened."""
    found = []
    with duckdb.connect() as connection:
        for name, path in records.tables.items():
            counts = records.manifest["tables"][name]
            days = connection.execute("SELECT min(event_date), max(event_date) FROM read_parquet(?)", [str(path)])
            first, last = days.fetchone() or (None, None)
            found.append(
                {
                    "table": name, "n_accepted": counts["n_accepted"], "n_quarantined": counts["n_quarantined"],
                    "first": None if first is None else str(first), "last": None if last is None else str(last),
                }
            )  # fmt: skip
    return found


def newest_comparison(city: City, settings: Settings, manifest: dict[str, Any]) -> dict[str, Any] | None:
    """Return the newest comparison whose champion is made as the manifest says; None where there is none."""
    home = settings.var / "cities" / city.name / "comparisons"
    paths = sorted(home.glob("[!.]*/comparison.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in paths:
        content: dict[str, Any] = read_json(path)
        if is_of_model(content, manifest):
            kept = {name: _rival(rival) for name, rival in content["rivals"].items() if "left_out" not in rival}
            return {"comparison_id": path.parent.name, "champion": content["champion"], "rivals": kept}
    return None


def _rival(rival: dict[str, Any]) -> dict[str, Any]:
    test = rival["test"]
    return {where: test[where]["roc_auc"] for where in ("figures", "against_champion") if where in test}
