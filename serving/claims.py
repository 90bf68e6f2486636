"""What of a city's snapshots and records is needed again: by models, by registered ones, by grades that were served."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url

from data.city import City
from data.files import read_json
from data.settings import Settings
from features.store import Claim
from serving.database import open_database
from serving.grades import complete_gradings
from training.claims import ledger_claims, model_claims, registered_claims
from training.ledger import entries


def claims_of(city: City, settings: Settings, ask_mlflow: bool = False) -> list[Claim]:
    """Return the claims on a city's snapshots and records.

    Parameters
    ----------
    ask_mlflow : bool
        Whether MLflow is asked for registered versions too, which takes seconds. It adds those whose artifact is no
        longer below the city's models folder, so it must be asked before anything is removed.
    """
    registered = registered_claims(city, settings) if ask_mlflow else []
    # What the ledger names is asked for where something may be removed; shown, it would be said of a model twice.
    ledger = _ledger_claims(city, settings, registered) if ask_mlflow else []
    return [*model_claims(city, settings), *registered, *ledger, *grading_claims(city, settings)]


def grading_claims(city: City, settings: Settings) -> list[Claim]:
    """Return the claims of all complete gradings, in force or not: a served grade must be explained years later."""
    if not _has_database(settings):
        return []
    records = _records_of_grades(city, settings)
    return [
        Claim(
            by=f"grades as of {g.as_of_date} by model {g.model_version}{' (in force)' if g.in_force else ''}",
            snapshot_ids=frozenset([g.snapshot_id]),
            records_ids=frozenset(records.get(g.snapshot_id, ())),
        )
        for g in complete_gradings(open_database(settings.database_url), city.name)
    ]


def _ledger_claims(city: City, settings: Settings, registered: list[Claim]) -> list[Claim]:
    if not _has_database(settings):
        return []
    return ledger_claims(city, settings, entries(open_database(settings.database_url), city.name), registered)


def _has_database(settings: Settings) -> bool:
    """Say whether there is an operational database; asking must not create it."""
    url = make_url(settings.database_url)
    return url.get_backend_name() != "sqlite" or bool(url.database and Path(url.database).is_file())


def _records_of_grades(city: City, settings: Settings) -> dict[str, set[str]]:
    """Return the records by snapshot, as the files of grades name them; so they stay where a snapshot was lost."""
    found: dict[str, set[str]] = {}
    for path in (settings.var / "cities" / city.name / "grades").glob("[!.]*/manifest.json"):
        manifest = read_json(path)
        found.setdefault(manifest["snapshot_id"], set()).add(manifest["records_id"])
    return found
