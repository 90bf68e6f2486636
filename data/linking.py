"""Records that carry a name in place of a code find their entity: by a name that one entity alone bears."""

from __future__ import annotations

from pathlib import Path

from data.city import City
from data.files import fingerprint
from data.parts import Part, connect
from data.progress import Progress
from data.quality import literal
from data.settings import Settings


def linkage_fingerprint(city: City, settings: Settings) -> str:
    """Return what stands for everything that decides on links beside the records."""
    return fingerprint(city.name)


def link_parts(city: City, settings: Settings, tables: dict[str, list[Part]], folder: Path, progress: Progress) -> Path:
    """Write linkage.parquet: for each row with a name its entity, or the reason why there is none."""
    target, register = folder / "linkage.parquet", folder / "tables" / "entities.parquet"
    rows = " UNION ALL ".join(
        f"SELECT {literal(name)} AS table_name, {literal(part.plan.part_id)} AS part_id, * "
        f"FROM (SELECT source_file, source_row, entity_name, known_at FROM read_parquet({literal(str(part.named))}))"
        for name, parts in tables.items()
        for part in parts
        if part.manifest["n_named"]
    )
    with connect(settings.threads) as connection:
        connection.execute(f"""
            COPY (
                WITH bearers AS (
                    SELECT name_key, min(entity_id) AS entity_id, min(known_at) AS first_known
                    FROM read_parquet({literal(str(register))}) GROUP BY name_key HAVING count(DISTINCT entity_id) = 1
                )
                SELECT table_name, part_id, source_file, source_row, entity_id, 'name' AS method, 1.0 AS score,
                    greatest(known_at, first_known) AS linked_at,
                    CASE WHEN entity_id IS NULL THEN 'no entity, or more than one, has this name' END AS reason
                FROM ({rows}) LEFT JOIN bearers ON name_key = normalise_name(entity_name)
                ORDER BY table_name, part_id, source_file, source_row
            ) TO {literal(str(target))} (FORMAT parquet)
        """)
    return target
