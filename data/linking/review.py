"""The review list: names whose rows wait for a person, with their candidates; and the sheet that a clerk fills in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from data.errors import NotFoundError, RequestError, SourceError, did_you_mean
from data.linking.decisions import Decision
from data.quality import literal
from data.records import Records

SHEET = (
    "item", "name", "region", "rows", "reason", "entity_id", "entity_name", "entity_region", "score", "verdict", "why",
)  # fmt: skip
"""Columns of the sheet, one row for each candidate of a name; `verdict` (accept, reject) and `why` are filled in."""


@dataclass(frozen=True)
class Suggestion:
    """An entity that a name may mean: its name and region as registered last, and its share of certainty."""

    entity_id: str
    name: str
    region: str
    score: float


@dataclass(frozen=True)
class ReviewItem:
    """A name with a region, its rows, and what became of them.

    Attributes
    ----------
    item : str
        Short identifier, for the commands.
    name, name_key, region : str
        As rows write it, in normal form, and the region they give ('' for none).
    n_rows, n_waiting : int
        Rows with that name and region, and those of them without an entity.
    tables : tuple of str
        Tables that have such rows.
    linked_to : tuple of str
        Entities that its other rows are linked to.
    method, score
        How they were linked; None where none is.
    reason : str
        Why the waiting rows wait; '' where none does.
    suggestions : tuple of Suggestion
        Candidates, the likeliest first.
    """

    item: str
    name: str
    name_key: str
    region: str
    n_rows: int
    n_waiting: int
    tables: tuple[str, ...]
    linked_to: tuple[str, ...]
    method: str | None
    score: float | None
    reason: str
    suggestions: tuple[Suggestion, ...]


def read_items(records: Records) -> list[ReviewItem]:
    """Return every name that rows carry in place of a code: those with most waiting rows first, then by name."""
    path = records.folder / "names.parquet"
    if not path.is_file():
        return []
    with duckdb.connect() as connection:
        rows = connection.execute(f"""
            WITH register AS (
                SELECT entity_id, arg_max(name, (known_at, event_date)) AS name,
                    coalesce(arg_max(region_code, (known_at, event_date)), '') AS place
                FROM read_parquet({literal(str(records.tables["entities"]))}) GROUP BY entity_id
            ),
            suggested AS (
                SELECT name_key, region, list(
                    {{'entity_id': entity_id, 'name': register.name, 'region': register.place, 'share': share}}
                    ORDER BY share DESC, entity_id
                ) AS suggestions
                FROM (SELECT name_key, region, unnest(candidates, recursive := true)
                    FROM read_parquet({literal(str(path))}))
                JOIN register USING (entity_id) GROUP BY name_key, region
            )
            SELECT item, name, name_key, region, n_rows, n_waiting, tables, coalesce(entity_ids, []), method, score,
                coalesce(reason, ''), coalesce(suggestions, [])
            FROM read_parquet({literal(str(path))}) LEFT JOIN suggested USING (name_key, region)
            ORDER BY n_waiting DESC, name_key, region
        """).fetchall()
    return [
        ReviewItem(
            item,
            name,
            name_key,
            region,
            n_rows,
            n_waiting,
            tuple(tables),
            tuple(linked),
            method,
            score,
            reason,
            tuple(Suggestion(*suggestion.values()) for suggestion in suggested),
        )
        for item, name, name_key, region, n_rows, n_waiting, tables, linked, method, score, reason, suggested in rows
    ]


def find_item(items: Iterable[ReviewItem], text: str) -> ReviewItem:
    """Return an item by its identifier, or by its name where rows give one region with it."""
    items = list(items)
    found = [item for item in items if item.item == text] or [item for item in items if item.name == text]
    if len(found) > 1:
        raise RequestError(
            f"{text} stands in the list with {len(found)} regions. Give one of {', '.join(i.item for i in found)}."
        )
    if not found:
        known = [name for item in items for name in (item.item, item.name)]
        raise NotFoundError(
            f"No name in the records goes by {text}.{did_you_mean(text, known)} `qianfen links list` shows them."
        )
    return found[0]


def decide(records: Records, item: ReviewItem, verdict: str, entity_id: str, who: str, why: str, day: str) -> Decision:
    """Return the decision on an item; NotFoundError where the register has no such entity."""
    if entity_id:
        check_entities(records, [entity_id])
    return Decision(item.name_key, item.region, verdict, entity_id, who.strip(), why.strip(), day)


def check_entities(records: Records, entity_ids: Sequence[str]) -> None:
    """Raise NotFoundError for the first entity that the register does not have."""
    with duckdb.connect() as connection:
        register = literal(str(records.tables["entities"]))
        rows = connection.execute(
            f"SELECT DISTINCT entity_id FROM read_parquet({register}) WHERE entity_id IN (SELECT unnest(?))",
            [list(entity_ids)],
        ).fetchall()
    known = {entity_id for (entity_id,) in rows}
    for entity_id in entity_ids:
        if entity_id not in known:
            raise NotFoundError(f"The register has no entity {entity_id}. Correct the code.")


def write_sheet(items: Iterable[ReviewItem]) -> str:
    """Return the sheet of the items as CSV, a byte order mark ahead so that spreadsheets read it as UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SHEET)
    for item in items:
        of_name = (item.item, item.name, item.region, item.n_waiting, item.reason)
        for s in item.suggestions or (Suggestion("", "", "", 0.0),):
            writer.writerow((*of_name, s.entity_id, s.name, s.region, f"{s.score:.4f}", "", ""))
    return "\ufeff" + text.getvalue()


def read_sheet(path: Path, items: Iterable[ReviewItem], records: Records, who: str, day: str) -> list[Decision]:
    """Return the decisions of a filled-in sheet; an error names the row that can not be taken."""
    by_item = {item.item: item for item in items}
    decisions: list[Decision] = []
    for number, row in _sheet_rows(path):
        if not row["verdict"].strip():
            continue
        try:
            item = by_item.get(row["item"].strip()) or find_item(by_item.values(), row["name"].strip())
            decisions.append(
                decide(records, item, row["verdict"].strip(), row["entity_id"].strip(), who, row["why"], day)
            )
        except (RequestError, NotFoundError) as error:
            raise type(error)(f"{path}, row {number}: {error}") from error
    _refuse_two_accepted(path, decisions)
    return decisions


def _refuse_two_accepted(path: Path, decisions: Sequence[Decision]) -> None:
    accepted: set[str] = set()
    for decision in decisions:
        if decision.verdict == "accept" and decision.item in accepted:
            raise RequestError(f"{path} must accept one entity for a name, {decision.name} has two. Leave one.")
        if decision.verdict == "accept":
            accepted.add(decision.item)


def _sheet_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} must be a sheet in UTF-8 CSV: {error}. Save it so and run again.") from error
    missing = [name for name in ("item", "name", "entity_id", "verdict", "why") if rows and name not in rows[0]]
    if not rows or missing:
        raise SourceError(
            f"{path} must have the columns {', '.join(SHEET)}; it lacks {', '.join(missing) or 'rows'}. "
            "Write one with `qianfen links export`."
        )
    return [(number, {k: v or "" for k, v in row.items() if k}) for number, row in enumerate(rows, start=2)]
