"""The toy city of the tests: what its city.toml says, a folder of its files, and its life from delivery to delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from data.city import City, load_city
from data.records import Records, ingest, open_records
from data.settings import Settings

Row = tuple[Any, ...]


def city_toml(*files: str, name_zh: str = "玩具", taken_on: date | None = None) -> str:
    """Return the city.toml of the toy city with these source files."""
    return f"""
name = "toy"
name_zh = "{name_zh}"
title = "Toy city"
title_zh = "玩具市"

[sources]
folder = "{{city}}/files"
files = {json.dumps(files)}
{f"taken_on = {taken_on}" if taken_on else ""}

[label]
column = "failed"
values = ["true"]
horizon_days = 90

[split]
trees = [2020-01-01]
calibration = [2020-05-01]
test = [2020-09-01]
reference = 2020-05-01
grading = 2020-12-31
"""


def write_files(folder: Path, contents: Mapping[str, str | bytes]) -> Path:
    """Write files by their paths below a folder; return the folder."""
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


class Toy:
    """A city that gets deliveries; what the last run said is kept in `said`."""

    def __init__(self, folder: Path, settings: Settings, contents: Mapping[str, str]) -> None:
        self.folder, self.settings = write_files(folder, contents), settings
        self.said: list[str] = []

    @property
    def city(self) -> City:
        return load_city(str(self.folder))

    def write(self, name: str, content: str) -> None:
        write_files(self.folder, {name: content})

    def ingest(self, day: date | None = None) -> Records:
        self.said = []
        return ingest(self.city, self.settings, self.said.append, day)

    def penalties(self, columns: Sequence[str] = ("record_id", "amount", "known_at", "withdrawn_at")) -> list[Row]:
        """Return these columns of the penalties in force, by record and the day they were known."""
        frame = open_records(self.city, self.settings).connect(1).table("penalties").execute()
        rows = frame.sort_values(["record_id", "known_at", "amount"])[list(columns)].astype(object)
        return [tuple(None if v is None or v != v else _plain(v) for v in row) for row in rows.itertuples(index=False)]


def _plain(value: Any) -> Any:
    return str(value)[:10] if hasattr(value, "year") else value
