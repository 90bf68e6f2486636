"""What the register says of an entity, for people to read: name, district, industry, status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from data.codes import industry_name, region_name
from data.settings import Settings
from features.snapshots import Snapshot

MOST_FOUND = 20

# The latest state comes first, then the condition: a name that was given up is not found, nor one struck off.
_KNOWN = """
    WITH known AS (
        FROM read_parquet($path)
        WHERE known_at < $as_of_date AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of_date) AND {among}
        QUALIFY row_number() OVER (PARTITION BY entity_id ORDER BY known_at DESC) = 1
    )
    SELECT entity_id, name, region_code, industry_code, status, entity_type, established_date, address
    FROM known
    WHERE {condition}
    ORDER BY {order}
    LIMIT $most
"""


@dataclass(frozen=True)
class EntityFacts:
    """The latest state of a register entry that was known as of a date."""

    entity_id: str
    name: str
    region_code: str | None
    industry_code: str | None
    status: str
    entity_type: str
    established_date: date | None
    address: str | None

    @property
    def region(self) -> str:
        """Name of the district, or the city's own code."""
        return region_name(self.region_code)

    def industry(self, language: str) -> str:
        """Return the name of the industry, or the city's own class."""
        return industry_name(self.industry_code, language)


def entity_facts(settings: Settings, snapshot: Snapshot, entity_ids: Sequence[str]) -> dict[str, EntityFacts]:
    """Return what was known of some entities as of a snapshot's date, by entity_id."""
    among = "list_contains($wanted, entity_id)"
    rows = _query(settings, snapshot, among, "true", "entity_id", wanted=list(entity_ids))
    return {facts.entity_id: facts for facts in rows}


def find_entities(settings: Settings, snapshot: Snapshot, text: str) -> list[EntityFacts]:
    """Return active entities whose code begins with the text, or whose name contains it, shortest names first."""
    matches = "(starts_with(entity_id, $wanted) OR contains(lower(name), lower($wanted)))"
    # Only entities that ever matched are put in order of time: a city has a million.
    among = f"entity_id IN (SELECT entity_id FROM read_parquet($path) WHERE {matches})"
    return _query(
        settings, snapshot, among, f"status = 'active' AND {matches}", "length(name), name, entity_id", wanted=text
    )


def _query(
    settings: Settings, snapshot: Snapshot, among: str, condition: str, order: str, wanted: Any
) -> list[EntityFacts]:
    path = _register(settings, snapshot)
    if not path.is_file():
        return []
    most = len(wanted) if isinstance(wanted, list) else MOST_FOUND
    parameters = {"path": str(path), "as_of_date": snapshot.as_of_date, "wanted": wanted, "most": most}
    with duckdb.connect() as connection:
        rows = connection.execute(_KNOWN.format(among=among, condition=condition, order=order), parameters).fetchall()
    return [EntityFacts(*row) for row in rows]


def _register(settings: Settings, snapshot: Snapshot) -> Path:
    """Return the entities that the snapshot was built from."""
    city = settings.var / "cities" / str(snapshot.manifest["city"])
    return city / "records" / str(snapshot.manifest["records_id"]) / "tables" / "entities.parquet"
