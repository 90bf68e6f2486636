"""How stable grades are: how many move when the model is fitted again, and when a month goes by."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from data.city import City
from data.files import read_json, write_json
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.snapshots import build_snapshots
from training.additive import AdditiveModel
from training.champions import load_champion, read_pointer
from training.registry import models_folder

MONTH_DAYS = 30
OF_REFITS = ("grade_moved", "grade_moved_by_two_or_more", "n_refits", "n_rows_explained")


def grade_stability(
    city: City, records: Records, settings: Settings, day: date, progress: Progress = print
) -> dict[str, Any]:
    """Return the stability of the champion's grades, and keep it below the city's folder.

    `month` compares everybody active on both dates; `refits` is what training kept, None where the model has no refits.

    Raises
    ------
    NotFoundError
        Where there is no champion.
    """
    model = load_champion(city, settings)
    earlier = day - timedelta(days=MONTH_DAYS)
    frames = [snapshot.read() for snapshot in build_snapshots(records, (earlier, day), settings, progress)]
    content = {
        "city": city.name,
        "model_version": model.model_version,
        "month": {"from": str(earlier), "to": str(day), **moved_between(model, *frames)},
        "refits": _of_refits(city, settings),
    }
    folder = settings.var / "cities" / city.name / "stability"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{day}-{model.model_version}.json", content)
    return content


def moved_between(model: AdditiveModel, before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """Return how many entities are in both frames (entity_id and indicators), and shares of them that changed grade."""
    places = []
    for frame in (before, after):
        graded = [
            np.argmax(scores.grade[:, None] == np.array(model.cut_points.grades), axis=1)
            for _, scores in model.score_blocks(frame)
        ]
        places.append(pd.Series(np.concatenate(graded), index=frame["entity_id"]))
    old, new = places[0].align(places[1], join="inner")
    steps = (new - old).to_numpy()
    shares = {"moved": steps != 0, "worse": steps > 0, "better": steps < 0, "by_two_or_more": np.abs(steps) > 1}
    return {"n": len(steps), **{name: float(np.mean(mask)) if len(steps) else None for name, mask in shares.items()}}


def _of_refits(city: City, settings: Settings) -> dict[str, Any] | None:
    pointer = read_pointer(city, settings)
    assert pointer is not None, "the champion was loaded"
    path = (models_folder(city, settings) / pointer.artifact).parent / "plots" / "importance.json"
    kept = read_json(path) if path.is_file() else {}
    return {name: kept[name] for name in OF_REFITS} if "grade_moved" in kept and kept["n_refits"] else None
